//! Listings of directories for Python.

use std::path::PathBuf;

use pyo3::prelude::*;

use super::wait::wait;
use crate::fs::walk;

/// Paths of everything below a directory but directories, relative to it and sorted; with `sizes`,
/// pairs of path and size. Links are listed, and sized, as links.
#[pyfunction(name = "walk")]
#[pyo3(signature = (root, sizes = false))]
pub(super) fn walk_directory(py: Python<'_>, root: PathBuf, sizes: bool) -> PyResult<Py<PyAny>> {
    let listed = if sizes {
        wait(py, None, |job| walk::files_with_sizes(&root, job))?.into_pyobject(py)
    } else {
        wait(py, None, |job| walk::files(&root, job))?.into_pyobject(py)
    };
    Ok(listed?.unbind())
}
