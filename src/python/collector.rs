//! Python's cyclic collector, which finds nothing among objects that are only being made.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// The collector of this interpreter.
pub(super) struct Collector<'py>(Bound<'py, PyModule>);

impl<'py> Collector<'py> {
    pub(super) fn new(py: Python<'py>) -> PyResult<Self> {
        py.import("gc").map(Self)
    }

    /// Switches it off until dropped, if it was on.
    pub(super) fn pause(&self) -> PyResult<CollectorPause<'_, 'py>> {
        let is_on = self.call(intern!(self.0.py(), "isenabled"))?.is_truthy()?;
        if is_on {
            self.call(intern!(self.0.py(), "disable"))?;
        }
        Ok(CollectorPause(is_on.then_some(self)))
    }

    // Python's cache of attributes would hold on to names that are not interned.
    fn call(&self, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        self.0.call_method0(name)
    }
}

/// The time in which no collection takes place.
pub(super) struct CollectorPause<'a, 'py>(Option<&'a Collector<'py>>);

impl Drop for CollectorPause<'_, '_> {
    fn drop(&mut self) {
        if let Some(collector) = self.0 {
            // `gc.enable` takes no arguments and cannot fail.
            let _ = collector.call(intern!(collector.0.py(), "enable"));
        }
    }
}
