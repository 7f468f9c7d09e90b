//! JSON documents as Python objects.

use std::path::PathBuf;

use pyo3::prelude::*;

use super::convert;
use crate::Error;
use crate::http::Document;

/// The content of a document, if it has any.
pub(super) fn if_any(py: Python<'_>, document: &Document) -> PyResult<Option<Py<PyAny>>> {
    if document.body.is_empty() { Ok(None) } else { convert::document(py, document).map(Some) }
}

/// The content of a document that must be more than `null`.
pub(super) fn not_null(py: Python<'_>, document: Document) -> PyResult<Py<PyAny>> {
    let value = convert::document(py, &document)?;
    if value.is_none(py) {
        return Err(Error::invalid("document", document.url, "it holds nothing but `null`").into());
    }
    Ok(value)
}

/// Reads a JSON file that is on this machine.
#[pyfunction]
pub(super) fn read_json(py: Python<'_>, path: PathBuf) -> PyResult<Py<PyAny>> {
    convert::file(py, &path)
}
