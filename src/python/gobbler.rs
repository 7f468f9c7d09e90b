//! The Gobbler's client for Python: conversions around `client::gobbler`.

use std::ffi::OsString;
use std::path::PathBuf;

use pyo3::prelude::*;

use super::arguments::{Concurrency, RegistryPath, Truth, described};
use super::wait::wait;
use super::{convert, json};
use crate::client::gobbler::{
    self, CacheFolder, Fetch, FetchOptions, ListOptions, Remote, Source, Upload, asset_path,
    project_path, version_path,
};
use crate::digest;
use crate::relpath::RelPath;
use crate::runtime;

/// Asks a service to run an action; returns its answer.
#[pyfunction]
pub(super) fn gobbler_request(
    py: Python<'_>,
    staging: PathBuf,
    url: &str,
    action: &str,
    payload: &Bound<'_, PyAny>,
) -> PyResult<Py<PyAny>> {
    let payload: serde_json::Value = described("payload", payload)?;
    let answer = wait(py, None, |job| gobbler::send_request(&staging, url, action, &payload, job))?;
    convert::document(py, &answer)
}

/// Makes a new directory in the staging directory, or only finds a name for one.
#[pyfunction]
#[pyo3(signature = (staging, *, create))]
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
#[pyo3(signature = (project, asset, version, directory, staging, url, spoof, progress, *, probation, consume, ignore_dot, copy=None, keep_copy=None))]
#[expect(clippy::too_many_arguments, reason = "Python's signature, taken apart here")]
pub(super) fn gobbler_upload(
    py: Python<'_>,
    project: String,
    asset: String,
    version: String,
    directory: PathBuf,
    staging: PathBuf,
    url: &str,
    spoof: Option<String>,
    progress: Option<Py<PyAny>>,
    probation: Truth,
    consume: Option<Truth>,
    ignore_dot: Truth,
    copy: Option<PathBuf>,
    keep_copy: Option<Truth>,
) -> PyResult<()> {
    let upload = Upload {
        project,
        asset,
        version,
        on_probation: probation.0,
        consume: consume.map(|truth| truth.0),
        ignore_dot: ignore_dot.0,
        spoof,
        copy,
        keep_copy: keep_copy.is_some_and(|keep| keep.0),
    };
    wait(py, progress.as_ref(), |job| {
        gobbler::upload_directory(&upload, &directory, &staging, url, job)
    })
}

/// What of a directory does not become part of the version that is made of it.
#[pyfunction]
#[pyo3(signature = (directory, *, ignore_dot))]
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
#[pyo3(signature = (path, registry, url, *, force_remote))]
pub(super) fn gobbler_list_directories(
    py: Python<'_>,
    path: RegistryPath,
    registry: Option<PathBuf>,
    url: Option<String>,
    force_remote: Truth,
) -> PyResult<Vec<String>> {
    wait(py, None, |job| {
        let source = Source::choose(registry.as_deref(), url.as_deref(), force_remote.0)?;
        gobbler::list_directories(&source, &path.0, job)
    })
}

/// Paths of the files of a version.
#[pyfunction]
#[pyo3(signature = (project, asset, version, registry, url, prefix, *, include_dotdot, force_remote))]
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
#[pyo3(signature = (path, registry, url, *, force_remote, optional))]
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
    document.map(|document| json::not_null(py, document)).transpose()
}

/// Fetches a file, or a directory with everything in it; returns where it is.
#[pyfunction]
#[pyo3(signature = (path, registry, url, cache, concurrent, progress, *, force_remote, overwrite, is_directory))]
#[expect(clippy::too_many_arguments, reason = "Python's signature, taken apart here")]
pub(super) fn gobbler_fetch(
    py: Python<'_>,
    path: RegistryPath,
    registry: Option<PathBuf>,
    url: Option<String>,
    cache: Option<PathBuf>,
    concurrent: Concurrency,
    progress: Option<Py<PyAny>>,
    force_remote: Truth,
    overwrite: Truth,
    is_directory: Truth,
) -> PyResult<OsString> {
    let options = FetchOptions {
        cache: shared_cache(cache),
        overwrite: overwrite.0,
        concurrency: concurrent.0,
        is_offline: false,
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
#[pyo3(signature = (cache_folder, path, url, *, overwrite))]
pub(super) fn gobbler_acquire(
    py: Python<'_>,
    cache_folder: PathBuf,
    path: RegistryPath,
    url: &str,
    overwrite: Truth,
) -> PyResult<OsString> {
    let cache = CacheFolder::Own(cache_folder);
    let options = FetchOptions { cache, overwrite: overwrite.0, concurrency: 1, is_offline: false };
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
