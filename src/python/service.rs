//! Services that run in the process that calls them.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;

use crate::service::Embedding;
use crate::service::gobbler::{self, BadOptions, Options};
use crate::service::gypsum;
use crate::{Result, settings};

/// Runs the Gobbler service until it is told to stop; returns the exit status.
#[pyfunction]
#[pyo3(signature = (arguments, *, embedded = false))]
pub(super) fn serve_gobbler(
    py: Python<'_>,
    arguments: Vec<OsString>,
    embedded: bool,
) -> PyResult<u8> {
    until_stopped(py, || match Options::parse(&arguments) {
        Err(bad) => complain(&bad.message(), bad.exit_code()),
        Ok(options) => status(embedding(embedded).and_then(|own| gobbler::serve(options, own))),
    })
}

/// Runs the gypsum service until it is told to stop; returns the exit status.
///
/// `settings` is JSON; see [`gypsum::Options`].
#[pyfunction]
#[pyo3(signature = (settings, *, embedded = false))]
pub(super) fn serve_gypsum(py: Python<'_>, settings: &str, embedded: bool) -> PyResult<u8> {
    until_stopped(py, || match serde_json::from_str(settings) {
        Err(error) => complain(&format!("bad settings: {error}\n"), 2),
        Ok(options) => status(embedding(embedded).and_then(|own| gypsum::serve(options, own))),
    })
}

fn until_stopped(py: Python<'_>, run: impl FnOnce() -> u8 + Send) -> PyResult<u8> {
    let status = match settings::check() {
        Ok(()) => py.detach(run),
        bad => status(bad),
    };
    // Python has seen the signal too; it was obeyed by stopping.
    match py.check_signals() {
        Err(error) if !error.is_instance_of::<PyKeyboardInterrupt>(py) => Err(error),
        _ => Ok(status),
    }
}

fn embedding(embedded: bool) -> Result<Option<Embedding>> {
    embedded.then(Embedding::from_standard_streams).transpose()
}

fn status(ended: Result<()>) -> u8 {
    match ended {
        Ok(()) => 0,
        Err(error) => complain(&format!("{}\n", error.chain()), 1),
    }
}

fn complain(message: &str, exit_code: u8) -> u8 {
    // Without stderr there is still the status.
    let _ = std::io::stderr().write_all(message.as_bytes());
    exit_code
}

/// Checks a command line of the Gobbler service and the files it names.
///
/// Returns staging directory, registry, host and port.
#[pyfunction]
pub(super) fn parse_gobbler_flags(
    arguments: Vec<OsString>,
) -> Result<(OsString, OsString, String, u16)> {
    let parsed = Options::parse(&arguments).map_err(BadOptions::into_error)?;
    let text = PathBuf::into_os_string;
    Ok((text(parsed.staging), text(parsed.registry), parsed.host, parsed.port))
}
