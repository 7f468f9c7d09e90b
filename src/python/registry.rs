//! Registries of both kinds for Python: conversions around `client::place`.

use std::ffi::OsString;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use super::arguments::{Concurrency, Truth, Verify};
use super::convert;
use super::wait::wait;
use crate::address::Scheme;
use crate::client::place::{GetOptions, Opened, Place};
use crate::client::plan::{self, PlanOptions};
use crate::job::Job;
use crate::registry::format::model::Link;
use crate::registry::read::{self, Change, CheckOptions, Child, State};
use crate::relpath::RelPath;
use crate::{Error, Result, settings};

/// The parts of [`Place`] as Python gives them.
type Given = (String, Option<String>, Option<PathBuf>, Option<PathBuf>, Verify, bool);

fn place((scheme, endpoint, registry, cache, verify, is_offline): Given) -> Result<Place> {
    let scheme = match scheme.as_str() {
        "gobbler" => Scheme::Gobbler,
        "gypsum" => Scheme::Gypsum,
        _ => return Err(Error::invalid("service", scheme, "expected `gobbler` or `gypsum`")),
    };
    Ok(Place { scheme, endpoint, registry, cache, trust: verify.0, is_offline })
}

fn open(given: Given, job: &Job) -> Result<Opened> {
    place(given)?.open(job)
}

/// Names of the projects, or of what is in a project or an asset.
#[pyfunction]
pub(super) fn registry_names(
    py: Python<'_>,
    place: Given,
    folder: Option<String>,
) -> PyResult<Vec<String>> {
    wait(py, None, |job| {
        let folder = folder.map(RelPath::parse).transpose()?;
        open(place, job)?.names(folder.as_ref(), job)
    })
}

/// A JSON document of a registry; `None` if there is none.
#[pyfunction]
pub(super) fn registry_document(
    py: Python<'_>,
    place: Given,
    path: String,
) -> PyResult<Option<Py<PyAny>>> {
    let document = wait(py, None, |job| open(place, job)?.document(&RelPath::parse(path)?, job))?;
    document.map(|document| convert::document(py, &document)).transpose()
}

/// The folder of a registry that is read in place.
#[pyfunction]
pub(super) fn registry_at_hand(py: Python<'_>, place: Given) -> PyResult<Option<OsString>> {
    let root = wait(py, None, |job| Ok(open(place, job)?.at_hand().map(PathBuf::from)))?;
    Ok(root.map(Into::into))
}

/// The folder in which the files of a version are, or would be.
#[pyfunction]
pub(super) fn registry_folder(py: Python<'_>, place: Given, version: String) -> PyResult<OsString> {
    let folder = wait(py, None, |job| open(place, job)?.folder(&RelPath::parse(version)?))?;
    Ok(folder.into())
}

/// The manifest of a version.
#[pyfunction]
pub(super) fn registry_manifest(py: Python<'_>, place: Given, version: String) -> PyResult<Table> {
    let table = wait(py, None, |job| open(place, job)?.table(&RelPath::parse(version)?, job))?;
    Ok(Table(Arc::new(table)))
}

/// Makes sure that a version, or files of it, can be read here; returns where, and how many files have
/// come from the service. With each file comes where its content is kept, if it is a link.
#[pyfunction]
#[pyo3(signature = (place, version, files, concurrent, progress, *, overwrite))]
pub(super) fn registry_fetch(
    py: Python<'_>,
    place: Given,
    version: String,
    files: Option<Vec<(String, Option<String>)>>,
    concurrent: Concurrency,
    progress: Option<Py<PyAny>>,
    overwrite: Truth,
) -> PyResult<(Vec<OsString>, u64)> {
    let options = GetOptions { overwrite: overwrite.0, concurrency: concurrent.0 };
    let (found, received) = wait(py, progress.as_ref(), |job| {
        let version = RelPath::parse(version)?;
        let opened = open(place, job)?;
        let found = match files {
            None => vec![opened.fetch(&version, &options, job)?],
            Some(files) => {
                let parse = |(path, origin): (String, Option<String>)| {
                    Ok((RelPath::parse(path)?, origin.map(RelPath::parse).transpose()?))
                };
                let files = files.into_iter().map(parse).collect::<Result<Vec<_>, Error>>()?;
                opened.fetch_files(&version, &files, &options, job)?
            }
        };
        Ok((found, job.contents_received()))
    })?;
    Ok((found.into_iter().map(Into::into).collect(), received))
}

/// Copies the files of a table into a folder: how many were there, copied and downloaded.
#[pyfunction]
#[pyo3(signature = (place, version, table, destination, concurrent, progress, *, overwrite))]
#[expect(clippy::too_many_arguments, reason = "Python's signature, taken apart here")]
pub(super) fn registry_get(
    py: Python<'_>,
    place: Given,
    version: String,
    table: &Table,
    destination: PathBuf,
    concurrent: Concurrency,
    progress: Option<Py<PyAny>>,
    overwrite: Truth,
) -> PyResult<(u64, u64, u64)> {
    let options = GetOptions { overwrite: overwrite.0, concurrency: concurrent.0 };
    let got = wait(py, progress.as_ref(), |job| {
        let version = RelPath::parse(version)?;
        open(place, job)?.get(&version, &table.0, &destination, &options, job)
    })?;
    Ok((got.kept, got.copied, got.downloaded))
}

/// Parts of a file of a version.
#[pyfunction]
pub(super) fn registry_ranges<'py>(
    py: Python<'py>,
    place: Given,
    version: String,
    table: &Table,
    path: &str,
    ranges: Vec<(u64, u64)>,
) -> PyResult<Bound<'py, PyList>> {
    let parts = wait(py, None, |job| {
        let row = table.0.get(path).ok_or_else(|| read::absent(path))?;
        let size = row.size();
        let ranges: Vec<Range<u64>> =
            ranges.iter().map(|(start, end)| *start..(*end).min(size).max(*start)).collect();
        open(place, job)?.ranges(&RelPath::parse(version)?, row, &ranges, job)
    })?;
    PyList::new(py, parts.iter().map(|part| PyBytes::new(py, part)))
}

/// Where a file of a version is at hand, if it is.
#[pyfunction]
pub(super) fn registry_file(
    py: Python<'_>,
    place: Given,
    version: String,
    table: &Table,
    path: &str,
) -> PyResult<Option<OsString>> {
    let found = wait(py, None, |job| {
        let row = table.0.get(path).ok_or_else(|| read::absent(path))?;
        open(place, job)?.at_hand_file(&RelPath::parse(version)?, row)
    })?;
    Ok(found.map(Into::into))
}

/// What an upload would do: path, size and target of each file.
#[pyfunction]
#[pyo3(signature = (place, project, asset, directory, links_into, progress, *, ignore_dot, deduplicate))]
#[expect(clippy::too_many_arguments, reason = "Python's signature, taken apart here")]
pub(super) fn upload_plan(
    py: Python<'_>,
    place: Given,
    project: &str,
    asset: &str,
    directory: PathBuf,
    links_into: Option<PathBuf>,
    progress: Option<Py<PyAny>>,
    ignore_dot: Truth,
    deduplicate: Truth,
) -> PyResult<Vec<(String, u64, Option<String>)>> {
    let planned = wait(py, progress.as_ref(), |job| {
        let place = self::place(place)?;
        let (ignore_dot, deduplicate) = (ignore_dot.0, deduplicate.0);
        let options = PlanOptions { project, asset, ignore_dot, deduplicate, links_into };
        plan::plan(place.scheme, &place.open(job)?, &directory, &options, job)
    })?;
    Ok(planned.into_iter().map(|file| (file.path, file.size, file.link)).collect())
}

/// Compares the files of a folder with a manifest.
#[pyfunction]
#[pyo3(signature = (table, folder, registry, progress, *, size_only, find_extra))]
pub(super) fn check_folder(
    py: Python<'_>,
    table: &Table,
    folder: PathBuf,
    registry: Option<PathBuf>,
    progress: Option<Py<PyAny>>,
    size_only: Truth,
    find_extra: Truth,
) -> PyResult<Checked> {
    let options = CheckOptions { size_only: size_only.0, find_extra: find_extra.0, registry };
    let checked = wait(py, progress.as_ref(), |job| read::check(&table.0, &folder, &options, job))?;
    Ok(Checked { table: Arc::clone(&table.0), checked })
}

/// What the program wants of all calls, instead of the environment; `None` for nothing of its own.
#[pyfunction]
pub(super) fn set_settings(jobs: Option<usize>, offline: Option<bool>) -> PyResult<()> {
    if jobs == Some(0) {
        return Err(Error::invalid("jobs", "0", "expected a whole number above 0").into());
    }
    settings::set(jobs, offline);
    Ok(())
}

/// Lets every server be believed, whatever its certificate, or no longer.
#[pyfunction]
pub(super) fn believe_everybody(wanted: bool) {
    settings::believe_everybody(wanted);
}

/// Whether all requests are forbidden.
#[pyfunction]
pub(super) fn is_offline() -> PyResult<bool> {
    Ok(settings::is_offline()?)
}

/// Path, size, digest and link of an entry.
type Row = (String, u64, String, Option<String>);

fn shown(row: read::Row<'_>) -> Row {
    let link = row.link().as_ref().map(Link::registry_path);
    (row.path().to_owned(), row.size(), row.md5sum(), link)
}

/// The entries of a manifest.
#[pyclass(frozen, module = "selenite._core")]
pub(super) struct Table(Arc<read::Table>);

#[pymethods]
impl Table {
    fn __len__(&self) -> usize {
        self.0.len()
    }

    /// The entry at a path.
    fn get(&self, path: &str) -> Option<Row> {
        self.0.get(path).map(shown)
    }

    /// Entries by their numbers.
    fn rows(&self, start: usize, stop: usize) -> Vec<Row> {
        let range = start.min(self.0.len())..stop.min(self.0.len());
        range.map(|number| shown(self.0.row(number))).collect()
    }

    /// Paths by the numbers of the entries.
    fn paths(&self, start: usize, stop: usize) -> Vec<&str> {
        let range = start.min(self.0.len())..stop.min(self.0.len());
        range.map(|number| self.0.row(number).path()).collect()
    }

    /// Numbers of the entries below a folder.
    fn below(&self, folder: &str) -> (usize, usize) {
        let range = self.0.below(folder);
        (range.start, range.end)
    }

    /// Name of each file or folder in a folder, its entry, and whether it is a folder.
    fn children(&self, folder: &str) -> Option<Vec<(&str, Option<Row>, bool)>> {
        let children = self.0.children(folder)?.into_iter();
        let children = children.map(|child| match child {
            Child::Entry(name, row) => (name, Some(shown(row)), row.is_folder()),
            Child::Folder(name, ..) => (name, None, true),
        });
        Some(children.collect())
    }

    /// Files, bytes, links and linked bytes among some entries.
    fn sums(&self, start: usize, stop: usize) -> (u64, u64, u64, u64) {
        let sums = self.0.sums(start.min(self.0.len())..stop.min(self.0.len()));
        (sums.files, sums.bytes, sums.links, sums.linked_bytes)
    }

    /// Where the content of a file is, if it is a link.
    fn origin(&self, path: &str) -> Option<String> {
        self.0.get(path)?.link().map(|link| link.origin().registry_path())
    }

    /// The same with these entries only.
    fn pick(&self, mut numbers: Vec<usize>) -> Self {
        numbers.sort_unstable();
        numbers.dedup();
        Self(Arc::new(self.0.pick(&numbers)))
    }

    /// How another manifest differs.
    fn diff(&self, py: Python<'_>, other: &Self) -> Difference {
        let (changes, equal) = py.detach(|| self.0.diff(&other.0));
        Difference { old: Arc::clone(&self.0), new: Arc::clone(&other.0), changes, equal }
    }
}

/// How two manifests differ.
#[pyclass(frozen, module = "selenite._core")]
pub(super) struct Difference {
    old: Arc<read::Table>,
    new: Arc<read::Table>,
    changes: Vec<Change>,
    #[pyo3(get)]
    equal: u64,
}

#[pymethods]
impl Difference {
    fn __len__(&self) -> usize {
        self.changes.len()
    }

    /// Path of each change, and the sizes before and after.
    fn rows(&self, start: usize, stop: usize) -> Vec<(&str, Option<u64>, Option<u64>)> {
        let (old, new) = (|at: u32| self.old.row(at as usize), |at: u32| self.new.row(at as usize));
        let range = start.min(self.changes.len())..stop.min(self.changes.len());
        let changes = self.changes[range].iter().map(|change| match *change {
            Change::Added(at) => (new(at).path(), None, Some(new(at).size())),
            Change::Removed(at) => (old(at).path(), Some(old(at).size()), None),
            Change::Changed(from, to) => {
                (old(from).path(), Some(old(from).size()), Some(new(to).size()))
            }
        });
        changes.collect()
    }
}

/// What differs between a manifest and the files of a folder.
#[pyclass(frozen, module = "selenite._core")]
pub(super) struct Checked {
    table: Arc<read::Table>,
    checked: read::Checked,
}

#[pymethods]
impl Checked {
    /// How many entries there are, are not as they should be, and are missing.
    fn counts(&self) -> (usize, usize, usize) {
        (self.table.len(), self.checked.faults.len(), self.checked.missing())
    }

    /// Paths that the manifest does not have.
    #[getter]
    fn extra(&self) -> Vec<&str> {
        self.checked.extra.iter().map(String::as_str).collect()
    }

    /// Path and state of entries, with size and digest as they should be and as they are.
    fn rows<'py>(
        &self,
        py: Python<'py>,
        start: usize,
        stop: usize,
    ) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let range = start.min(self.table.len())..stop.min(self.table.len());
        range.map(|number| self.row(py, number)).collect()
    }

    /// The same for those that are not as they should be, by their place among these.
    fn faults<'py>(
        &self,
        py: Python<'py>,
        start: usize,
        stop: usize,
    ) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let faults = &self.checked.faults;
        let range = start.min(faults.len())..stop.min(faults.len());
        faults[range].iter().map(|(number, _)| self.row(py, *number)).collect()
    }
}

impl Checked {
    fn row<'py>(&self, py: Python<'py>, number: usize) -> PyResult<Bound<'py, PyDict>> {
        let row = self.table.row(number);
        let described = PyDict::new(py);
        described.set_item("path", row.path())?;
        described.set_item("size", row.size())?;
        described.set_item("md5sum", row.md5sum())?;
        let (state, size, md5) = match self.checked.state(number) {
            State::Same => ("ok", None, None),
            State::Missing => ("missing", None, None),
            State::Differs(size, md5) => ("differs", Some(size), md5),
        };
        described.set_item("state", state)?;
        described.set_item("actual_size", size)?;
        described.set_item("actual_md5sum", md5.map(|md5| md5.to_string()))?;
        Ok(described)
    }
}
