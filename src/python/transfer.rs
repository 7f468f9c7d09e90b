//! Copies and downloads of many files for Python.

use std::path::PathBuf;

use pyo3::prelude::*;
use reqwest::header::HeaderMap;

use super::wait::wait;
use crate::error::IoContext;
use crate::http::{Http, url};
use crate::relpath::RelPath;
use crate::runtime;
use crate::transfer::download::{Options, download};
use crate::transfer::plan::{self, Expected};
use crate::transfer::stage::Survey;
use crate::transfer::upload::{self, Target};
use crate::{Error, Result};

/// Copies a directory into a new one and compares each copy with its source; returns how many
/// files it copied.
#[pyfunction]
pub(super) fn stage_directory(
    py: Python<'_>,
    source: PathBuf,
    destination: PathBuf,
) -> PyResult<u64> {
    wait(py, None, |job| {
        let survey = Survey::new(&source.canonicalize().at(&source)?, job)?;
        std::fs::create_dir(&destination).at(&destination)?;
        survey.copy_to(&destination, None, job)?;
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
    wait(py, None, |job| {
        let base = url::parse(base_url)?;
        let expected = one_for_each(expected, paths.len())?;
        let files = paths.into_iter().zip(expected).map(|(path, expected)| {
            let expected = expected.map(|(size, md5)| Expected { size, md5 });
            Ok((RelPath::parse(path)?, expected))
        });
        let items = plan::items(&base, files.collect::<Result<_>>()?, &destination)?;
        let runtime = runtime::current()?;
        let http = Http::new(&runtime)?;
        // Removed afterwards: a later call would not know what an earlier one left there.
        crate::fs::litter::clear(&destination);
        let scratch = crate::fs::atomic::stage_folder(&destination)?;
        let options =
            Options { concurrency: 0, scratch: scratch.path().to_owned(), ..Options::default() };
        runtime.block_on(download(&http, items, &options, job))?;
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
        let base = url::parse(base_url)?;
        let parsed = paths.into_iter().map(RelPath::parse).collect::<Result<Vec<_>>>()?;
        let items: Vec<_> = parsed
            .iter()
            .map(|path| upload::Item::new(path.under(&directory), path.as_str()))
            .collect();
        let target = |index: usize| {
            let target = plan::below(&base, &parsed[index]);
            async {
                Ok(Target { url: target, headers: HeaderMap::new(), md5: None, expires: false })
            }
        };
        let runtime = runtime::current()?;
        let http = Http::new(&runtime)?;
        runtime.block_on(upload::upload(&http, &items, target, 0, job))?;
        Ok(job.progress().files_done)
    })
}

fn one_for_each<T>(given: Option<Vec<T>>, count: usize) -> Result<Vec<Option<T>>> {
    match given {
        None => Ok((0..count).map(|_| None).collect()),
        Some(given) if given.len() == count => Ok(given.into_iter().map(Some).collect()),
        Some(given) => Err(Error::invalid(
            "expected",
            format!("{} entries", given.len()),
            format!("there are {count} paths; give one entry for each"),
        )),
    }
}
