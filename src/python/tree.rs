//! Listings of directories for Python.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

use super::collector::Collector;
use super::wait::wait;
use crate::fs::walk;

/// Paths of everything below a directory but directories, relative to it and sorted; with `sizes`,
/// pairs of path and size. Links are listed, and sized, as links.
#[pyfunction(name = "walk")]
#[pyo3(signature = (root, sizes = false))]
pub(super) fn walk_directory(py: Python<'_>, root: PathBuf, sizes: bool) -> PyResult<Py<PyAny>> {
    let read = if sizes { walk::tree_with_sizes } else { walk::tree };
    let tree = wait(py, None, |job| read(&root, job))?;
    let collector = Collector::new(py)?;
    let _pause = collector.pause()?;
    let list = if sizes {
        PyList::new(py, tree.files(|path, size| (PyString::new(py, path), size)))
    } else {
        PyList::new(py, tree.files(|path, _| PyString::new(py, path)))
    };
    Ok(list?.into_any().unbind())
}
