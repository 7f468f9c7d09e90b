//! Services that run in the process that calls them.

use std::ffi::OsString;
use std::io::Write as _;

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;

use crate::error::system_message;
use crate::service::Embedding;
use crate::service::{gobbler, gypsum};
use crate::{Error, Result, settings};

/// Runs the Gobbler service until it is told to stop; returns the exit status.
///
/// `settings` is JSON; see [`gobbler::Settings`].
#[pyfunction]
#[pyo3(signature = (settings, *, embedded = false))]
pub(super) fn serve_gobbler(py: Python<'_>, settings: &str, embedded: bool) -> PyResult<u8> {
    until_stopped(py, || match serde_json::from_str::<gobbler::Settings>(settings) {
        Err(error) => complain(&format!("error: bad settings: {error}\n"), 2),
        Ok(settings) => status(settings.check().and_then(|options| {
            let own = embedding(embedded)?;
            gobbler::serve(options, own)
        })),
    })
}

/// Runs the gypsum service until it is told to stop; returns the exit status.
///
/// `settings` is JSON; see [`gypsum::Options`].
#[pyfunction]
#[pyo3(signature = (settings, *, embedded = false))]
pub(super) fn serve_gypsum(py: Python<'_>, settings: &str, embedded: bool) -> PyResult<u8> {
    until_stopped(py, || match serde_json::from_str(settings) {
        Err(error) => complain(&format!("error: bad settings: {error}\n"), 2),
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
        Err(error) => complain(&format!("error: {}\n", shown(&error)), 1),
    }
}

/// The message, without the number of a system error.
fn shown(error: &Error) -> String {
    match error {
        Error::Io { path, source } => format!("{}: {}", path.display(), system_message(source)),
        other => other.chain(),
    }
}

fn complain(message: &str, exit_code: u8) -> u8 {
    // Without stderr there is still the status.
    let _ = std::io::stderr().write_all(message.as_bytes());
    exit_code
}

/// Checks settings of the Gobbler service and the files that they name.
///
/// Returns staging directory, registry, host and port.
#[pyfunction]
pub(super) fn check_gobbler_settings(settings: &str) -> Result<(OsString, OsString, String, u16)> {
    let parsed: gobbler::Settings = serde_json::from_str(settings)
        .map_err(|error| Error::invalid("settings", settings, error.to_string()))?;
    let options = parsed.check()?;
    let (staging, registry) = (options.staging.into(), options.registry.into());
    Ok((staging, registry, options.host, options.port))
}
