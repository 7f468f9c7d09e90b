//! Core errors as Python exceptions: built-in ones where they fit, else those of `selenite`.

use pyo3::exceptions::{PyKeyboardInterrupt, PyOSError};
use pyo3::prelude::*;

use crate::Error;
use crate::error::{advice, system_message};

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        Python::attach(|py| to_exception(py, &error).unwrap_or_else(|failure| advised(py, failure)))
    }
}

/// What kept an exception from being made, without the file of ours that could not be opened for it.
fn advised(py: Python<'_>, failure: PyErr) -> PyErr {
    let code = failure.value(py).getattr("errno").and_then(|code| code.extract::<i32>()).ok();
    let Some((code, advice)) = code.and_then(|code| Some((code, advice(code)?))) else {
        return failure;
    };
    let text = system_message(&std::io::Error::from_raw_os_error(code));
    PyOSError::new_err((code, format!("{}; {advice}", capitalised(&text))))
}

fn to_exception(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let message = match error.advice() {
        Some(advice) => format!("{}; {advice}", error.chain()),
        None => error.chain(),
    };
    let exceptions = || py.import("selenite._exceptions");
    let made = match error {
        Error::Io { path, source } => {
            let text = capitalised(&system_message(source));
            return Ok(match error.advice() {
                // The file is as good as any other.
                Some(advice) => PyOSError::new_err((error.errno(), format!("{text}; {advice}"))),
                None => PyOSError::new_err((error.errno(), text, path.clone().into_os_string())),
            });
        }
        Error::Refused(refusal) => {
            let (kind, about) = refusal.parts();
            exceptions()?.getattr("refused")?.call1((kind, about))?
        }
        Error::Item { item, source } => {
            // What others see of it is the error itself; the packages' messages name the items.
            let made = to_exception(py, source)?;
            let inner: Vec<String> = made
                .value(py)
                .getattr("items")
                .and_then(|items| items.extract())
                .unwrap_or_default();
            made.value(py).setattr("items", [vec![item.clone()], inner].concat())?;
            return Ok(made);
        }
        Error::Cancelled => return Ok(PyKeyboardInterrupt::new_err(())),
        Error::Status { method, url, status, reason, headers, body } => exceptions()?
            .getattr("StatusError")?
            .call1((message, method, url, *status, reason, headers.clone(), body))?,
        Error::Transport { url, .. } => {
            exceptions()?.getattr("TransportError")?.call1((message, url, error.errno()))?
        }
        Error::Timeout { url, limit, connecting, .. } => exceptions()?
            .getattr("TransportTimeout")?
            .call1((message, url, error.errno(), limit.as_secs_f64(), *connecting))?,
        Error::Digest { path, what, expected, actual } => {
            exceptions()?.getattr("DigestError")?.call1((message, path, *what, expected, actual))?
        }
        Error::UnsafePath { path, .. } | Error::SameFile { path, .. } => {
            exceptions()?.getattr("UnsafePathError")?.call1((message, path))?
        }
        Error::Invalid { argument, value, .. } => {
            exceptions()?.getattr("InvalidArgumentError")?.call1((message, *argument, value))?
        }
        Error::Service { url, .. } => {
            exceptions()?.getattr("InvalidArgumentError")?.call1((message, "endpoint", url))?
        }
        Error::Address { component, value, .. } => {
            exceptions()?.getattr("InvalidArgumentError")?.call1((message, *component, value))?
        }
        Error::Json { origin, text, start, .. } => {
            exceptions()?.getattr("json_error")?.call1((message, origin, text, start))?
        }
        Error::Form { origin, .. } => {
            exceptions()?.getattr("FormError")?.call1((message, origin))?
        }
        Error::Unfinished { version, .. } => {
            exceptions()?.getattr("UnfinishedError")?.call1((message, version))?
        }
        Error::Registry { status, details, .. } => {
            exceptions()?.getattr("RegistryError")?.call1((message, *status, details.clone()))?
        }
    };
    Ok(PyErr::from_value(made))
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
