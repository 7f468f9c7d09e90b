//! Addresses for Python.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::address::Address;

/// The parts of an address; for a path of this system, only that.
#[pyfunction]
pub(super) fn parse_address<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyDict>> {
    let address = Address::parse(text)?;
    let parts = PyDict::new(py);
    parts.set_item("address", address.to_string())?;
    let (scheme, project, asset, version, path, is_folder) = match address {
        Address::Registry { scheme, project, asset, version, path, is_folder } => {
            let path = path.map(|path| path.to_string());
            (Some(scheme.as_str()), project, asset, version, path, is_folder)
        }
        Address::Local(path) => (None, None, None, None, Some(path), false),
    };
    parts.set_item("scheme", scheme)?;
    parts.set_item("project", project.map(|name| name.to_string()))?;
    parts.set_item("asset", asset.map(|name| name.to_string()))?;
    parts.set_item("version", version.map(|name| name.to_string()))?;
    parts.set_item("path", path)?;
    parts.set_item("is_folder", is_folder)?;
    Ok(parts)
}
