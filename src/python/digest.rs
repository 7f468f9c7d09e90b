//! Digests of many files for Python.

use std::path::PathBuf;

use pyo3::prelude::*;

use super::wait::wait;
use crate::Error;
use crate::digest::{self, sha::Sha};

/// Digests of files in hexadecimal digits, in the order given.
#[pyfunction]
#[pyo3(signature = (paths, algorithm = "md5"))]
pub(super) fn digest_files(
    py: Python<'_>,
    paths: Vec<PathBuf>,
    algorithm: &str,
) -> PyResult<Vec<String>> {
    wait(py, None, |job| {
        let sha = match algorithm {
            "md5" => {
                let found = digest::of_files(&paths, job)?.into_iter();
                return found.map(|seen| Ok(seen?.md5.to_string())).collect();
            }
            "sha256" => Sha::Sha256,
            "sha512" => Sha::Sha512,
            _ => {
                let why = "expected `md5`, `sha256` or `sha512`";
                return Err(Error::invalid("algorithm", algorithm, why));
            }
        };
        let found = sha.of_files(&paths, job)?.into_iter();
        found.map(|seen| Ok(digest::hex(&seen?.digest))).collect()
    })
}
