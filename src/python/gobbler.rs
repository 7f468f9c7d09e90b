//! The Gobbler's client for Python: conversions around `client::gobbler`.

use std::ffi::OsString;
use std::path::PathBuf;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::convert;
use super::wait::wait;
use crate::Error;
use crate::client::gobbler::{
    self, CacheFolder, Fetch, FetchOptions, ListOptions, Remote, Source, Upload, asset_path,
    project_path, version_path,
};
use crate::digest;
use crate::relpath::RelPath;
use crate::runtime;

/// An argument of which only the truth counts, as in Python's `if`.
#[derive(Clone, Copy)]
pub(super) struct Truth(pub(super) bool);

impl FromPyObject<'_, '_> for Truth {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        object.is_truthy().map(Self)
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

/// Asks a service to run an action; returns its answer.
#[pyfunction]
pub(super) fn gobbler_request(
    py: Python<'_>,
    staging: PathBuf,
    url: &str,
    action: &str,
    payload: &Bound<'_, PyAny>,
) -> PyResult<Py<PyAny>> {
    let payload = pythonize::depythonize(payload).map_err(|error| {
        let error = PyErr::from(error);
        // A number that JSON cannot hold is a bare `Exception`.
        if error.is_instance_of::<PyTypeError>(py) { error } else { bad_payload(py, &error) }
    })?;
    let answer = wait(py, None, |job| gobbler::send_request(&staging, url, action, &payload, job))?;
    convert::document(py, &answer)
}

fn bad_payload(py: Python<'_>, error: &PyErr) -> PyErr {
    PyValueError::new_err(format!("invalid payload: {}", error.value(py)))
}

/// Makes a new directory in the staging directory, or only finds a name for one.
#[pyfunction]
pub(super) fn gobbler_allocate(
    py: Python<'_>,
    staging: PathBuf,
    create: Truth,
) -> PyResult<OsString> {
    let path = py.detach(|| gobbler::allocate_upload_directory(&staging, create.0))?;
    Ok(path.into())
}

/// Uploads a directory as a new version.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "Python's signature, taken apart here")]
pub(super) fn gobbler_upload(
    py: Python<'_>,
    project: String,
    asset: String,
    version: String,
    directory: PathBuf,
    staging: PathBuf,
    url: &str,
    probation: Truth,
    consume: Option<Truth>,
    ignore_dot: Truth,
    spoof: Option<String>,
    progress: Option<Py<PyAny>>,
) -> PyResult<()> {
    let upload = Upload {
        project,
        asset,
        version,
        on_probation: probation.0,
        consume: consume.map(|truth| truth.0),
        ignore_dot: ignore_dot.0,
        spoof,
    };
    wait(py, progress.as_ref(), |job| {
        gobbler::upload_directory(&upload, &directory, &staging, url, job)
    })
}

/// What of a directory does not become part of the version that is made of it.
#[pyfunction]
pub(super) fn gobbler_left_out(
    py: Python<'_>,
    directory: PathBuf,
    ignore_dot: Truth,
) -> PyResult<Vec<String>> {
    wait(py, None, |job| gobbler::left_out(&directory, ignore_dot.0, job))
}

/// Where a service keeps its staging directory and its registry.
#[pyfunction]
pub(super) fn gobbler_info(py: Python<'_>, url: &str) -> PyResult<Py<PyAny>> {
    let info = wait(py, None, |job| {
        let runtime = runtime::current()?;
        runtime.block_on(Remote::new(url, &runtime)?.info(job))
    })?;
    Ok(pythonize::pythonize(py, &info)?.unbind())
}

/// Names of the directories in a directory of the registry; `.` is its root.
#[pyfunction]
pub(super) fn gobbler_list_directories(
    py: Python<'_>,
    path: RegistryPath,
    registry: Option<PathBuf>,
    url: Option<String>,
    force_remote: Truth,
) -> PyResult<Vec<String>> {
    wait(py, None, |job| {
        let source = Source::choose(registry.as_deref(), url.as_deref(), force_remote.0)?;
        let is_root = matches!(path.0.as_str(), "" | ".");
        let path = if is_root { None } else { Some(RelPath::parse(path.0)?) };
        gobbler::list_directories(&source, path.as_ref(), job)
    })
}

/// Paths of the files of a version.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "Python's signature, taken apart here")]
pub(super) fn gobbler_list_files(
    py: Python<'_>,
    project: &str,
    asset: &str,
    version: &str,
    registry: Option<PathBuf>,
    url: Option<String>,
    prefix: Option<RegistryPath>,
    include_dotdot: Truth,
    force_remote: Truth,
) -> PyResult<Vec<String>> {
    let options =
        ListOptions { prefix: prefix.map(|prefix| prefix.0), include_internal: include_dotdot.0 };
    wait(py, None, |job| {
        let source = Source::choose(registry.as_deref(), url.as_deref(), force_remote.0)?;
        let version = version_path(project, asset, version)?;
        gobbler::list_files(&source, &version, &options, job)
    })
}

/// Checks the names of a project and, if given, an asset and a version, and joins them.
#[pyfunction]
#[pyo3(signature = (project, asset=None, version=None))]
pub(super) fn gobbler_path(
    project: &str,
    asset: Option<&str>,
    version: Option<&str>,
) -> PyResult<String> {
    let path = match (asset, version) {
        (Some(asset), Some(version)) => version_path(project, asset, version),
        (Some(asset), None) => asset_path(project, asset),
        (None, _) => project_path(project),
    }?;
    Ok(path.to_string())
}

/// Reads a JSON file of the registry, never through a cache; `None` if a missing one is allowed.
#[pyfunction]
pub(super) fn gobbler_read(
    py: Python<'_>,
    path: &str,
    registry: Option<PathBuf>,
    url: Option<String>,
    force_remote: Truth,
    optional: Truth,
) -> PyResult<Option<Py<PyAny>>> {
    let document = wait(py, None, |job| {
        let source = Source::choose(registry.as_deref(), url.as_deref(), force_remote.0)?;
        gobbler::read_document(&source, &RelPath::parse(path)?, optional.0, job)
    })?;
    let Some(document) = document else { return Ok(None) };
    let value = convert::document(py, &document)?;
    if value.is_none(py) {
        return Err(Error::invalid("document", document.url, "it holds nothing but `null`").into());
    }
    Ok(Some(value))
}

/// Reads a JSON file that is on this machine.
#[pyfunction]
pub(super) fn read_json(py: Python<'_>, path: PathBuf) -> PyResult<Py<PyAny>> {
    convert::file(py, &path)
}

/// Fetches a file, or a directory with everything in it; returns where it is.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "Python's signature, taken apart here")]
pub(super) fn gobbler_fetch(
    py: Python<'_>,
    path: RegistryPath,
    registry: Option<PathBuf>,
    url: Option<String>,
    cache: Option<PathBuf>,
    force_remote: Truth,
    overwrite: Truth,
    concurrent: i64,
    is_directory: Truth,
    progress: Option<Py<PyAny>>,
) -> PyResult<OsString> {
    let options = FetchOptions {
        cache: shared_cache(cache),
        overwrite: overwrite.0,
        concurrency: usize::try_from(concurrent).unwrap_or(1),
    };
    let fetch = if is_directory.0 { Fetch::Directory } else { Fetch::File };
    let found = wait(py, progress.as_ref(), |job| {
        let source = Source::choose(registry.as_deref(), url.as_deref(), force_remote.0)?;
        fetch.run(&path.0, &source, &options, job)
    })?;
    Ok(found.into())
}

/// The folder that holds everything fetched from a service.
#[pyfunction]
pub(super) fn gobbler_cache_folder(cache: Option<PathBuf>, url: &str) -> PyResult<OsString> {
    Ok(gobbler::cache_folder(&shared_cache(cache), url)?.into())
}

fn shared_cache(folder: Option<PathBuf>) -> CacheFolder {
    folder.map_or(CacheFolder::Default, CacheFolder::Shared)
}

/// Fetches a file into the folder of one service; returns where it is.
#[pyfunction]
pub(super) fn gobbler_acquire(
    py: Python<'_>,
    cache_folder: PathBuf,
    path: RegistryPath,
    url: &str,
    overwrite: Truth,
) -> PyResult<OsString> {
    let cache = CacheFolder::Own(cache_folder);
    let options = FetchOptions { cache, overwrite: overwrite.0, concurrency: 1 };
    let source = Source::Remote(url.to_owned());
    let found = wait(py, None, |job| Fetch::File.run(&path.0, &source, &options, job))?;
    Ok(found.into())
}

/// Makes a directory of links to the files of a version.
#[pyfunction]
pub(super) fn gobbler_clone(
    py: Python<'_>,
    project: &str,
    asset: &str,
    version: &str,
    destination: PathBuf,
    registry: PathBuf,
) -> PyResult<()> {
    wait(py, None, |job| {
        let version = version_path(project, asset, version)?;
        gobbler::clone_version(&registry, &version, &destination, job)
    })
}

/// MD5 digest of a file, in hexadecimal digits.
#[pyfunction]
pub(super) fn md5_file(py: Python<'_>, path: PathBuf) -> PyResult<String> {
    wait(py, None, |job| digest::of_file(&path, job)).map(|seen| seen.md5.to_string())
}
