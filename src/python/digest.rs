//! Digests of many files for Python.

use std::path::PathBuf;

use pyo3::prelude::*;

use super::wait::wait;
use crate::digest;
use crate::{Error, Result};

/// Digests of files in hexadecimal digits, in the order given.
#[pyfunction]
#[pyo3(signature = (paths, algorithm = "md5"))]
pub(super) fn digest_files(
    py: Python<'_>,
    paths: Vec<PathBuf>,
    algorithm: &str,
) -> PyResult<Vec<String>> {
    wait(py, None, |job| match algorithm {
        "md5" => digest::of_files(&paths, job)?
            .into_iter()
            .map(|seen| seen.map(|seen| seen.md5.to_string()))
            .collect::<Result<_>>(),
        _ => Err(Error::invalid("algorithm", algorithm, "expected `md5`")),
    })
}
