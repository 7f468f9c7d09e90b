//! The client of gypsum for Python: conversions around `client::gypsum`.

use std::ffi::OsString;
use std::path::PathBuf;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use reqwest::Method;

use super::arguments::{Concurrency, RegistryPath, Truth, Verify, described};
use super::wait::wait;
use super::{convert, json};
use crate::client::gypsum::{
    self, Cache, Call, End, File, LinkTo, Links, Place, Remote, SaveOptions, Saver, Start,
};
use crate::http::{Document, Object};
use crate::registry::bucket::random_token;
use crate::transfer::plan::Form;
use crate::{Error, Result, runtime};

/// The service at a URL, and whose certificates are believed.
type Site = (String, Verify);

fn remote((url, verify): &Site) -> Result<Remote> {
    let runtime = runtime::current()?;
    Remote::new(url, &verify.0, &runtime)
}

/// Names and values, in order.
type Headers = Vec<(String, String)>;

/// `project/asset/version`.
type Version = (String, String, String);

fn key((project, asset, version): &Version) -> String {
    format!("{project}/{asset}/{version}")
}

/// Sends one request to an endpoint; gives the headers of the answer and its content, if any.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "Python's signature, taken apart here")]
pub(super) fn gypsum_request(
    py: Python<'_>,
    site: Site,
    method: &str,
    endpoint: &str,
    parameters: Vec<String>,
    token: Option<String>,
    body: &str,
    agent: Option<String>,
) -> PyResult<(Headers, Option<Py<PyAny>>)> {
    let answer = wait(py, None, |job| {
        let remote = remote(&site)?;
        let parameters: Vec<_> = parameters.iter().map(String::as_str).collect();
        let method = method.parse().map_err(|_| Error::invalid("method", method, "no method"))?;
        let call = Call {
            is_repeatable: method == Method::GET,
            method,
            url: remote.endpoint(endpoint, &parameters)?,
            token: token.as_deref(),
            session: None,
            agent: agent.as_deref(),
            body: body.to_owned().into(),
        };
        runtime::current()?.block_on(remote.send(&call, job))
    })?;
    Ok((answer.headers, json::if_any(py, &answer.document)?))
}

/// Content of a JSON object of the bucket, not through a cache.
#[pyfunction]
pub(super) fn gypsum_read(py: Python<'_>, site: Site, key: &str) -> PyResult<Py<PyAny>> {
    let document = wait(py, None, |job| {
        let remote = remote(&site)?;
        runtime::current()?.block_on(remote.read(key, job))
    })?;
    convert::document(py, &document)
}

/// A JSON record of a version, through the cache.
#[pyfunction]
#[pyo3(signature = (site, cache, version, name, *, overwrite))]
pub(super) fn gypsum_record(
    py: Python<'_>,
    site: Site,
    cache: PathBuf,
    version: Version,
    name: &str,
    overwrite: Truth,
) -> PyResult<Py<PyAny>> {
    let document = wait(py, None, |job| {
        let options = SaveOptions { overwrite: overwrite.0, concurrency: 1 };
        let (remote, cache) = (remote(&site)?, Cache::new(cache));
        Saver::new(&remote, &cache, options, job)?.document(&key(&version), name)
    })?;
    convert::document(py, &document)
}

/// Names of the directories directly below a prefix.
#[pyfunction]
#[pyo3(signature = (site, prefix, *, recursive))]
pub(super) fn gypsum_list_directories(
    py: Python<'_>,
    site: Site,
    prefix: &str,
    recursive: Truth,
) -> PyResult<Vec<String>> {
    wait(py, None, |job| gypsum::list_directories(&remote(&site)?, prefix, recursive.0, job))
}

/// Paths below a folder of the objects that begin with a prefix.
#[pyfunction]
#[pyo3(signature = (site, folder, prefix, *, include_dot))]
pub(super) fn gypsum_list_files(
    py: Python<'_>,
    site: Site,
    folder: &str,
    prefix: RegistryPath,
    include_dot: Truth,
) -> PyResult<Vec<String>> {
    wait(py, None, |job| gypsum::list_files(&remote(&site)?, folder, &prefix.0, include_dot.0, job))
}

/// Makes sure that a file of a version is in the cache; returns where.
#[pyfunction]
#[pyo3(signature = (site, cache, version, path, *, overwrite))]
pub(super) fn gypsum_save_file(
    py: Python<'_>,
    site: Site,
    cache: PathBuf,
    version: Version,
    path: RegistryPath,
    overwrite: Truth,
) -> PyResult<OsString> {
    let saved = wait(py, None, |job| {
        let options = SaveOptions { overwrite: overwrite.0, concurrency: 1 };
        let (remote, cache) = (remote(&site)?, Cache::new(cache));
        Saver::new(&remote, &cache, options, job)?.file(&key(&version), &path.0)
    })?;
    Ok(saved.into())
}

/// Makes sure that a version is in the cache; returns its directory.
#[pyfunction]
#[pyo3(signature = (site, cache, version, concurrent, progress, *, overwrite, relink))]
#[expect(clippy::too_many_arguments, reason = "Python's signature, taken apart here")]
pub(super) fn gypsum_save_version(
    py: Python<'_>,
    site: Site,
    cache: PathBuf,
    version: Version,
    concurrent: Concurrency,
    progress: Option<Py<PyAny>>,
    overwrite: Truth,
    relink: Truth,
) -> PyResult<OsString> {
    let saved = wait(py, progress.as_ref(), |job| {
        let options = SaveOptions { overwrite: overwrite.0, concurrency: concurrent.0 };
        let (remote, cache) = (remote(&site)?, Cache::new(cache));
        Saver::new(&remote, &cache, options, job)?.version(&key(&version), relink.0)
    })?;
    Ok(saved.into())
}

/// Gives each link of a cached version the content that it leads to.
#[pyfunction]
#[pyo3(signature = (site, cache, version, *, overwrite))]
pub(super) fn gypsum_resolve_links(
    py: Python<'_>,
    site: Site,
    cache: PathBuf,
    version: Version,
    overwrite: Truth,
) -> PyResult<()> {
    wait(py, None, |job| {
        let options = SaveOptions { overwrite: overwrite.0, concurrency: 1 };
        let (remote, cache) = (remote(&site)?, Cache::new(cache));
        Saver::new(&remote, &cache, options, job)?.links(&key(&version))
    })
}

/// Makes a directory of links to the cached files of a version.
#[pyfunction]
#[pyo3(signature = (site, cache, version, destination, *, whole))]
pub(super) fn gypsum_clone(
    py: Python<'_>,
    site: Site,
    cache: PathBuf,
    version: Version,
    destination: PathBuf,
    whole: Truth,
) -> PyResult<()> {
    wait(py, None, |job| {
        let (remote, cache) = (remote(&site)?, Cache::new(cache));
        let saver = Saver::new(&remote, &cache, SaveOptions::default(), job)?;
        saver.clone_to(&key(&version), &destination, whole.0)
    })
}

/// Files and links of a directory that is to be uploaded.
#[pyfunction]
pub(super) fn gypsum_prepare(
    py: Python<'_>,
    directory: PathBuf,
    links: &str,
    cache: PathBuf,
) -> PyResult<Py<PyAny>> {
    let prepared = wait(py, None, |job| {
        gypsum::prepare_directory(&directory, Links::parse(links)?, &Cache::new(cache), job)
    })?;
    Ok(pythonize::pythonize(py, &prepared)?.unbind())
}

/// A token for a session that is to be started.
#[pyfunction]
pub(super) fn gypsum_session_token() -> String {
    random_token()
}

/// Starts an upload. Files are paths, to be digested, or dictionaries.
#[pyfunction]
#[pyo3(signature = (
    site, version, files, links, token, directory, *, deduplicate, probation, session=None
))]
#[expect(clippy::too_many_arguments, reason = "Python's signature, taken apart here")]
pub(super) fn gypsum_start(
    py: Python<'_>,
    site: Site,
    version: Version,
    files: &Bound<'_, PyAny>,
    links: &Bound<'_, PyAny>,
    token: &str,
    directory: Option<PathBuf>,
    deduplicate: Truth,
    probation: Truth,
    session: Option<&str>,
) -> PyResult<Py<PyAny>> {
    enum Files {
        Paths(Vec<String>),
        Described(Vec<File>),
    }

    let files = match files.extract() {
        Ok(paths) => Files::Paths(paths),
        Err(_) => Files::Described(described("files", files)?),
    };
    let links: Vec<LinkTo> = described("links", links)?;
    let answer = wait(py, None, |job| {
        let start = Start {
            project: &version.0,
            asset: &version.1,
            version: &version.2,
            files: match files {
                Files::Paths(paths) => gypsum::describe(directory.as_deref(), paths, job)?,
                Files::Described(files) => files,
            },
            links,
            deduplicate: deduplicate.0,
            on_probation: probation.0,
            session,
        };
        gypsum::start(&remote(&site)?, start, token, job)
    })?;
    convert::document(py, &answer)
}

/// Sizes and digests of files below a directory.
#[pyfunction]
pub(super) fn gypsum_describe(
    py: Python<'_>,
    directory: PathBuf,
    paths: Vec<String>,
) -> PyResult<Py<PyAny>> {
    let files = wait(py, None, |job| gypsum::describe(Some(&directory), paths, job))?;
    Ok(pythonize::pythonize(py, &files)?.unbind())
}

/// Sends the files of an upload to where the service wants them, but for those that a journal says
/// were sent.
#[pyfunction]
#[pyo3(signature = (site, places, session, directory, concurrent, progress, journal=None))]
#[expect(clippy::too_many_arguments, reason = "Python's signature, taken apart here")]
pub(super) fn gypsum_upload(
    py: Python<'_>,
    site: Site,
    places: &Bound<'_, PyAny>,
    session: &str,
    directory: PathBuf,
    concurrent: Concurrency,
    progress: Option<Py<PyAny>>,
    journal: Option<PathBuf>,
) -> PyResult<()> {
    let places: Vec<Place> = described("file_urls", places)?;
    wait(py, progress.as_ref(), |job| {
        let (remote, journal) = (remote(&site)?, journal.as_deref());
        gypsum::upload_files(&remote, &places, session, &directory, journal, concurrent.0, job)
    })
}

/// Completes or aborts an upload.
#[pyfunction]
#[pyo3(signature = (site, path, session, *, abort))]
pub(super) fn gypsum_finish(
    py: Python<'_>,
    site: Site,
    path: &str,
    session: &str,
    abort: Truth,
) -> PyResult<()> {
    let end = if abort.0 { End::Abort } else { End::Complete };
    wait(py, None, |job| gypsum::finish(&remote(&site)?, end, path, session, job))
}

/// Downloads one file from any server; it gets its name when it is whole.
#[pyfunction]
pub(super) fn gypsum_download(
    py: Python<'_>,
    site: Site,
    target: PathBuf,
    form: &str,
) -> PyResult<()> {
    let form = match form {
        "any" => Form::Any,
        "object" => Form::Document(Document::check::<Object>),
        "database" => Form::Database,
        _ => return Err(PyValueError::new_err("expected `any`, `object` or `database`")),
    };
    wait(py, None, |job| gypsum::download::download(&remote(&site)?, &site.0, &target, form, job))
}

/// The number at any URL.
#[pyfunction]
pub(super) fn gypsum_number(py: Python<'_>, site: Site) -> PyResult<f64> {
    wait(py, None, |job| gypsum::download::number(&remote(&site)?, &site.0, job))
}

/// Replaces a file that only the user may read.
#[pyfunction]
pub(super) fn store_private(py: Python<'_>, path: PathBuf, text: &str) -> PyResult<()> {
    wait(py, None, |job| crate::client::store_private(&path, text.as_bytes(), job))
}
