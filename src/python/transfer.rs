//! Copies and downloads of many files for Python.

use std::path::PathBuf;

use pyo3::prelude::*;

use super::wait::wait;
use crate::client::files;
use crate::transfer::plan::Expected;
use crate::transfer::stage;

/// Copies a directory into a new one and compares each copy with its source; returns how many
/// files it copied.
#[pyfunction]
pub(super) fn stage_directory(
    py: Python<'_>,
    source: PathBuf,
    destination: PathBuf,
) -> PyResult<u64> {
    wait(py, None, |job| {
        stage::copy_tree(&source, &destination, job)?;
        Ok(job.progress().files_done)
    })
}

/// Downloads files below a URL to the same paths below a directory, each checked against its
/// expected size and MD5 digest if these are given; returns how many it downloaded.
#[pyfunction]
#[pyo3(signature = (base_url, paths, destination, expected = None))]
pub(super) fn download_files(
    py: Python<'_>,
    base_url: &str,
    paths: Vec<String>,
    destination: PathBuf,
    expected: Option<Vec<(u64, String)>>,
) -> PyResult<u64> {
    let expected = expected.map(|given| {
        given.into_iter().map(|(size, md5)| Expected { size, md5 }).collect::<Vec<_>>()
    });
    wait(py, None, |job| {
        files::download(base_url, paths, expected, &destination, job)?;
        Ok(job.progress().files_done)
    })
}

/// Uploads files below a directory, each by a PUT to the same path below a URL; returns how many
/// it uploaded.
#[pyfunction]
pub(super) fn upload_files(
    py: Python<'_>,
    base_url: &str,
    paths: Vec<String>,
    directory: PathBuf,
) -> PyResult<u64> {
    wait(py, None, |job| {
        files::upload(base_url, paths, &directory, job)?;
        Ok(job.progress().files_done)
    })
}
