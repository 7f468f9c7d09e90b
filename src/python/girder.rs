//! Contents of Girder's files for Python: conversions around `transfer::fetch`,
//! `transfer::packed` and `transfer::pieces`.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use pyo3::prelude::*;
use reqwest::header::{CONTENT_DISPOSITION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};

use super::arguments::Verify;
use super::convert;
use super::wait::wait;
use crate::digest::running::Kind;
use crate::http::{Http, Object, Response, url};
use crate::job::Job;
use crate::transfer::fetch::{Origin, Promised, Standing, Target, Wanted, fetch};
use crate::transfer::packed::{self, Archive, Packed};
use crate::transfer::pieces::{self, Place, Session, Sizes};
use crate::transfer::ranges::Division;
use crate::{Error, Result, runtime};

const AGENT: &str = concat!("selenite/", env!("CARGO_PKG_VERSION"), " (girder_client/5.0.21)");
/// What a server says that cannot tell where it is, as nothing has arrived yet.
const UNTOUCHED: &str = "direct-to-S3";

/// A token, whose certificates are believed, and how often to try again.
type Access = (String, Verify, Option<u32>);

fn http((_, verify, retries): &Access) -> Result<Http> {
    let runtime = runtime::current()?;
    let mut http = Http::trusting(&verify.0, &runtime)?;
    http.agent = AGENT.into();
    http.keeps_to_tls = true;
    http.retry.retries = retries.unwrap_or(http.retry.retries);
    Ok(http)
}

fn headers(token: &str) -> Result<HeaderMap> {
    let why = "it cannot be in a header";
    let mut value =
        HeaderValue::try_from(token).map_err(|_| Error::invalid("token", "***", why))?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(HeaderName::from_static("girder-token"), value)]))
}

/// Downloads a file of this size and digest; says whether another server than the one that was asked
/// has sent it, as a store does. What had come says `received` of an exception.
///
/// The URL of its document, and what that said, tell whether it is still the same when it goes on
/// behind what has come; it begins anew if that said nothing, and gives `None` if it is another one.
/// If endings of `Content-Disposition` are given, an answer of unknown length or with another ending
/// is not taken: `None`.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "Python's signature, taken apart here")]
pub(super) fn girder_download(
    py: Python<'_>,
    address: &str,
    access: Access,
    target: PathBuf,
    size: Option<u64>,
    sha512: Option<String>,
    document: (String, String),
    endings: Option<Vec<String>>,
    progress: Option<Py<PyAny>>,
) -> PyResult<Option<bool>> {
    let (received, is_elsewhere) = (AtomicU64::new(0), AtomicBool::new(false));
    let result = wait(py, progress.as_ref(), |job| {
        let (http, headers) = (http(&access)?, headers(&access.0)?);
        let name = target.display().to_string();
        let url = url::parse(address)?;
        let (takes_codings, division) = (false, Division::default());
        let wanted = Wanted { url, headers, name, size, takes_codings, division };
        let known = serde_json::from_str(&document.1)
            .map_err(|_| Error::invalid("document", &document.1, "it is no JSON object"))?;
        let address = url::parse(&document.0)?;
        let file = Described {
            http: &http,
            headers: &wanted.headers,
            address,
            known,
            sha512,
            endings,
            is_elsewhere: &is_elsewhere,
        };
        let fetched = fetch(&http, &wanted, Target::File(&target), &file, None, job);
        runtime::current()?
            .block_on(fetched)
            .inspect_err(|_| received.store(job.progress().bytes_done, Ordering::Relaxed))
    });
    let is_elsewhere = is_elsewhere.load(Ordering::Relaxed);
    result.map(|size| size.map(|_| is_elsewhere)).inspect_err(|error| {
        // An exception that takes no attributes says nothing of it.
        let _ = error.value(py).setattr("received", received.load(Ordering::Relaxed));
    })
}

/// Downloads files out of an archive: of each the name there, the size, the digest and where to. Says
/// which of them have come.
///
/// Files of the same name are told apart by their order, if the archive has one.
#[pyfunction]
pub(super) fn girder_download_packed(
    py: Python<'_>,
    address: &str,
    access: Access,
    files: Vec<(String, u64, Option<String>, PathBuf)>,
    is_ordered: bool,
    progress: Option<Py<PyAny>>,
) -> PyResult<Vec<bool>> {
    wait(py, progress.as_ref(), |job| {
        let (http, headers) = (http(&access)?, headers(&access.0)?);
        let archive = Archive { url: url::parse(address)?, headers, is_ordered };
        let packed = |(name, size, sha512, target)| Packed { name, size, sha512, target };
        let files = files.into_iter().map(packed).collect();
        runtime::current()?.block_on(packed::receive(&http, &archive, files, job))
    })
}

/// A file of Girder, as its document describes it.
struct Described<'a> {
    http: &'a Http,
    headers: &'a HeaderMap,
    address: Url,
    known: Object,
    sha512: Option<String>,
    endings: Option<Vec<String>>,
    is_elsewhere: &'a AtomicBool,
}

impl Origin for Described<'_> {
    fn promised(&self, answer: &Response) -> Option<Promised> {
        self.is_elsewhere.store(!answer.is_of(&self.address), Ordering::Relaxed);
        if let Some(endings) = &self.endings {
            let said = answer.header(CONTENT_DISPOSITION)?;
            let is_meant = endings.iter().any(|ending| said.ends_with(ending));
            if !is_meant || answer.length().is_none() {
                return None;
            }
        }
        let digest = self.sha512.clone().map(|digits| (Kind::Sha512, digits));
        Some(Promised { digest, ..Promised::default() })
    }

    async fn standing(&self) -> Result<Standing> {
        if self.known.is_empty() {
            return Ok(Standing::Unknown);
        }
        let answer = self.http.get_once(&self.address, self.headers).await?;
        let now: Object = answer.into_document().await?.parse()?;
        let is_same = self.known.iter().all(|(name, value)| now.get(name) == Some(value));
        Ok(if is_same { Standing::Same } else { Standing::Changed })
    }

    fn can_tell(&self) -> bool {
        !self.known.is_empty()
    }
}

/// Uploads a file in chunks, from an offset on; gives the last answer, or `None` if that was lost and
/// the upload is over.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "Python's signature, taken apart here")]
pub(super) fn girder_upload(
    py: Python<'_>,
    api: &str,
    access: Access,
    upload: &str,
    file: PathBuf,
    start: u64,
    sizes: (u64, u64, u64),
    progress: Option<Py<PyAny>>,
) -> PyResult<Option<Py<PyAny>>> {
    let answer = wait(py, progress.as_ref(), |job| {
        let (http, headers) = (http(&access)?, headers(&access.0)?);
        let (whole, piece, least) = sizes;
        let chunks = Chunks { http: &http, headers, api: url::parse(api)?, upload, job };
        let sizes = Sizes { whole, piece, least };
        let sent = pieces::send(&http, &file, &chunks, start, sizes, job);
        runtime::current()?.block_on(sent)
    })?;
    answer.map(|document| convert::document(py, &document)).transpose()
}

/// An upload of Girder.
struct Chunks<'a> {
    http: &'a Http,
    headers: HeaderMap,
    api: Url,
    upload: &'a str,
    job: &'a Job,
}

impl Chunks<'_> {
    fn url(&self, path: &str) -> Result<Url> {
        let mut url = url::parse(&format!("{}{path}", self.api))?;
        url.query_pairs_mut().append_pair("uploadId", self.upload);
        Ok(url)
    }
}

impl Session for Chunks<'_> {
    fn place(&self, offset: u64) -> Result<Place> {
        let mut url = self.url("file/chunk")?;
        url.query_pairs_mut().append_pair("offset", &offset.to_string());
        Ok(Place { method: Method::POST, url, headers: self.headers.clone() })
    }

    async fn offset(&self) -> Result<Option<u64>> {
        self.job.check()?;
        match self.http.get_once(&self.url("file/offset")?, &self.headers).await {
            Ok(answer) => {
                let answer: Object = answer.into_document().await?.parse()?;
                Ok(answer.get("offset").and_then(serde_json::Value::as_u64))
            }
            Err(Error::Status { status: 400, body, .. }) => {
                Ok(body.contains(UNTOUCHED).then_some(0))
            }
            Err(error) => Err(error),
        }
    }
}
