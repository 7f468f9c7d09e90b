//! The native module `selenite._core`: a list of exports.
#![allow(clippy::needless_pass_by_value, reason = "PyO3 extracts arguments by value")]

mod error;
mod service;
mod wait;

use pyo3::prelude::*;

#[pymodule]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::service::{parse_gobbler_flags, serve_gobbler};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
