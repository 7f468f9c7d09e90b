//! Arguments of Python's calls, taken apart.

use std::ffi::OsString;
use std::path::PathBuf;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyString};
use serde::de::DeserializeOwned;

use crate::http::Trust;

/// An argument of which only the truth counts, as in Python's `if`.
#[derive(Clone, Copy)]
pub(super) struct Truth(pub(super) bool);

impl FromPyObject<'_, '_> for Truth {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        object.is_truthy().map(Self)
    }
}

/// A number of transfers at once; what is no number of them is one.
#[derive(Clone, Copy)]
pub(super) struct Concurrency(pub(super) usize);

impl FromPyObject<'_, '_> for Concurrency {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let number: i64 = object.extract()?;
        Ok(Self(usize::try_from(number).unwrap_or(1)))
    }
}

/// A path in a registry: text, or what `os.fspath` makes text of.
pub(super) struct RegistryPath(pub(super) String);

impl FromPyObject<'_, '_> for RegistryPath {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        if let Ok(text) = object.cast::<PyString>() {
            return text.extract().map(Self);
        }
        let path = object.extract::<PathBuf>()?.into_os_string();
        let why = |path: OsString| {
            let shown = path.display();
            PyValueError::new_err(format!("unsafe path `{shown}`: it is not valid UTF-8"))
        };
        path.into_string().map(Self).map_err(why)
    }
}

/// Whose certificates are believed, as `requests` takes it: a truth, or the path of a bundle.
pub(super) struct Verify(pub(super) Trust);

impl FromPyObject<'_, '_> for Verify {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        if object.is_none() || object.cast::<PyBool>().is_ok() {
            let is_off = !object.is_none() && !object.is_truthy()?;
            return Ok(Self(if is_off { Trust::Everybody } else { Trust::Environment }));
        }
        object.extract().map(|path| Self(Trust::Bundle(path)))
    }
}

/// What dictionaries and lists describe.
pub(super) fn described<T: DeserializeOwned>(
    argument: &str,
    object: &Bound<'_, PyAny>,
) -> PyResult<T> {
    pythonize::depythonize(object).map_err(|error| {
        let error = PyErr::from(error);
        // A number that JSON cannot hold, or something that is missing, is a bare `Exception`.
        if error.is_instance_of::<PyTypeError>(object.py()) {
            return error;
        }
        PyValueError::new_err(format!("invalid {argument}: {}", error.value(object.py())))
    })
}
