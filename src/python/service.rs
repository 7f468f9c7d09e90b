//! Services that run in the process that calls them.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;

use crate::Result;
use crate::service::gobbler::{self, BadOptions, Embedding, Options};

/// Runs the Gobbler service until it is told to stop; returns the exit status.
#[pyfunction]
#[pyo3(signature = (arguments, *, embedded = false))]
pub(super) fn serve_gobbler(
    py: Python<'_>,
    arguments: Vec<OsString>,
    embedded: bool,
) -> PyResult<u8> {
    let status = py.detach(|| match Options::parse(&arguments) {
        Err(bad) => complain(&bad.message(), bad.exit_code()),
        Ok(options) => match run(options, embedded) {
            Ok(()) => 0,
            Err(error) => complain(&format!("{}\n", error.chain()), 1),
        },
    });
    // Python has seen the signal too; it was obeyed by stopping.
    match py.check_signals() {
        Err(error) if !error.is_instance_of::<PyKeyboardInterrupt>(py) => Err(error),
        _ => Ok(status),
    }
}

fn run(options: Options, embedded: bool) -> Result<()> {
    let embedding = embedded.then(Embedding::from_standard_streams).transpose()?;
    gobbler::serve(options, embedding)
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
