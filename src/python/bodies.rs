//! Contents for Python where it is the packages that know the protocol: conversions around
//! `transfer::content`, `transfer::fetch` and `transfer::parts`.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use reqwest::header::{AUTHORIZATION, ETAG, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED};
use reqwest::{Method, Url};

use super::wait::{attached, wait, wait_telling};
use crate::digest::running::Kind;
use crate::http::{Http, Object, Response, url};
use crate::job::Job;
use crate::shared::lock;
use crate::transfer::content::{Content, Memory, Source};
use crate::transfer::crowd::Crowd;
use crate::transfer::fetch::{Origin, Promised, Standing, Target, Wanted, fetch};
use crate::transfer::parts::{self, Events, Parts};
use crate::transfer::ranges::Division;
use crate::{Error, Result, runtime};

/// So much memory is taken because a server says that so much will come; of more, as much as comes.
const MOST_AT_ONCE: usize = 1 << 30;

/// For which package requests are made, for how many seconds a server may be silent, and how often to
/// try again; None is what the environment says.
type Asker = (String, Option<f64>, Option<u32>);
/// Names and values.
type Headers = Vec<(String, String)>;

fn http((package, silence, retries): &Asker) -> Result<Http> {
    let mut http = Http::new(&runtime::current()?)?.without_logins();
    http.agent = format!("selenite/{} ({package})", env!("CARGO_PKG_VERSION")).into();
    http.keeps_to_tls = true;
    http.retry.retries = retries.unwrap_or(http.retry.retries);
    if let Some(seconds) = silence {
        let why = "it is no length of time";
        http.idle_limit = Duration::try_from_secs_f64(*seconds)
            .map_err(|_| Error::invalid("timeout", seconds.to_string(), why))?;
    }
    Ok(http)
}

fn headers(given: &Headers) -> Result<HeaderMap> {
    let header = |(name, value): &(String, String)| {
        let why = || Error::invalid("header", name, "it cannot be sent");
        let found = HeaderName::try_from(name).map_err(|_| why())?;
        let mut value = HeaderValue::try_from(value).map_err(|_| why())?;
        value.set_sensitive(found == AUTHORIZATION);
        Ok((found, value))
    };
    given.iter().map(header).collect()
}

/// A content: path, start and size of a part of a file, or something that holds bytes.
#[derive(FromPyObject)]
pub(super) enum Given {
    #[pyo3(transparent)]
    File((PathBuf, u64, u64)),
    #[pyo3(transparent)]
    Memory(Held),
}

/// Bytes of a Python object, which stays as it is for as long.
pub(super) struct Held(PyBuffer<u8>);

impl FromPyObject<'_, '_> for Held {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let buffer = PyBuffer::get(&object)?;
        if buffer.is_c_contiguous() {
            Ok(Self(buffer))
        } else {
            Err(PyValueError::new_err("the bytes of a content must follow each other"))
        }
    }
}

impl AsRef<[u8]> for Held {
    #[expect(
        unsafe_code,
        reason = "Python's own hashes read buffers without the GIL in this way, too"
    )]
    fn as_ref(&self) -> &[u8] {
        if self.0.len_bytes() == 0 {
            return &[];
        }
        // SAFETY: the buffer is contiguous and stays where it is until it is released. Whoever writes
        // to it meanwhile gets a mixture sent, of bytes that are valid all the same.
        unsafe { std::slice::from_raw_parts(self.0.buf_ptr().cast(), self.0.len_bytes()) }
    }
}

/// Sends a content between what frames it; if there is a `suffix`, it is digested to SHA-256 with that
/// after it. Gives the status, the headers and the body of the answer, and the digest.
///
/// An exception has the digest as `digest`, if all of the content was read.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "Python's signature, taken apart here")]
pub(super) fn send_content(
    py: Python<'_>,
    method: &str,
    address: &str,
    given: Headers,
    source: Given,
    frame: (Vec<u8>, Vec<u8>),
    suffix: Option<Vec<u8>>,
    asker: Asker,
    progress: Option<Py<PyAny>>,
) -> PyResult<(u16, Headers, Py<PyBytes>, Option<String>)> {
    // Held here, so that it is this thread that gives it back.
    let (source, _held) = match source {
        Given::File((path, start, length)) => (Source::File { path, start, length }, None),
        Given::Memory(held) => {
            let memory: Arc<Memory> = Arc::new(held);
            (Source::Memory(Arc::downgrade(&memory)), Some(memory))
        }
    };
    let fate = Arc::default();
    let sent = wait(py, progress.as_ref(), |job| {
        let (mut http, headers, url) = (http(&asker)?, headers(&given)?, url::parse(address)?);
        http.keeps_changes = true;
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| Error::invalid("method", method, "there is none of this name"))?;
        let length = source.length();
        let (head, tail) = (Bytes::from(frame.0), Bytes::from(frame.1));
        let digest = suffix.is_some().then_some(Kind::Sha256);
        let suffix = suffix.unwrap_or_default().into();
        let content = Content { head, source, tail, digest, suffix };
        job.expect_file(Some(length));
        let share = Arc::new(Mutex::new(job.share(Some(length))));
        let send = || content.send(&http, &method, &url, &headers, &share, &fate);
        let answer = runtime::current()?.block_on(http.repeat(&url, |_| true, job, send))?;
        lock(&share).done();
        Ok(answer)
    });
    let answer = sent.inspect_err(|error| {
        // An exception that takes no attributes says nothing of it.
        let _ = error.value(py).setattr("digest", fate.digest());
    })?;
    let body = PyBytes::new(py, &answer.document.body).unbind();
    Ok((answer.status, answer.headers, body, fate.digest()))
}

/// Sends a file in parts, each so often at most; gives the tags of the parts.
///
/// `told` is called with the number of a part, from 0 on, and how often it has failed, 0 once it is
/// there.
#[pyfunction]
pub(super) fn send_parts(
    py: Python<'_>,
    file: PathBuf,
    sizes: (u64, u64),
    addresses: Vec<String>,
    tries: u32,
    asker: Asker,
    told: Py<PyAny>,
) -> PyResult<Vec<String>> {
    let events = Events::default();
    let tell = |py: Python<'_>| {
        let new = std::mem::take(&mut *lock(&events));
        new.into_iter().try_for_each(|event| told.call1(py, event).map(drop))
    };
    let sent = wait_telling(
        py,
        |py, _| tell(py),
        |job| {
            let http = http(&asker)?;
            let urls =
                addresses.iter().map(|address| url::parse(address)).collect::<Result<_>>()?;
            let (size, part) = sizes;
            let (parts, crowd) = (Parts { file, size, part, urls, tries }, Crowd::new(0));
            runtime::current()?.block_on(parts::send(&http, &parts, &crowd, &events, job))
        },
    );
    // What was told last, before the failure that it is about.
    tell(py)?;
    sent
}

/// What says of which content an answer is, and which digest it has.
#[derive(Debug, Clone)]
enum Said {
    /// The tag of a store; the digest of the content, if that is known.
    Tag(Option<String>, bool),
    /// A document in a header: its `hash` is that of the content and the name of who made it.
    Item,
}

/// Where another URL is asked for: URL and headers of a document, and the names that lead to it there.
type Renewal = (String, Headers, Vec<String>);

struct Known<'a> {
    said: Said,
    http: &'a Http,
    renewal: Option<&'a Renewal>,
    /// Whether it would be seen if the rest were one of another content.
    is_told_apart: AtomicBool,
}

impl Known<'_> {
    fn of(&self, answer: &Response) -> Promised {
        match &self.said {
            Said::Tag(digest, is_digest) => {
                let told = is_digest.then(|| parts::digest_of(&answer.headers())).flatten();
                let digest = digest.clone().or(told.map(|digest| digest.to_string()));
                let mark = [ETAG, LAST_MODIFIED].into_iter().find_map(|name| answer.header(name));
                Promised {
                    mark: mark.unwrap_or_default().to_owned(),
                    digest: digest.map(|digits| (Kind::Md5, digits)),
                    suffix: Vec::new(),
                }
            }
            Said::Item => {
                let item = answer.latin1("x-metadata").unwrap_or_default();
                let item: Object = serde_json::from_str(&item).unwrap_or_default();
                let text = |name| item.get(name).and_then(serde_json::Value::as_str);
                let (hash, maker) = (text("hash"), text("created_by"));
                Promised {
                    mark: hash.unwrap_or_default().to_owned(),
                    digest: hash.and(maker).and(hash).map(|hash| (Kind::Sha256, hash.to_owned())),
                    suffix: maker.unwrap_or_default().into(),
                }
            }
        }
    }
}

impl Origin for Known<'_> {
    fn promised(&self, answer: &Response) -> Option<Promised> {
        let promised = self.of(answer);
        let is_told_apart = !promised.mark.is_empty() || promised.digest.is_some();
        self.is_told_apart.store(is_told_apart, Ordering::Relaxed);
        Some(promised)
    }

    async fn standing(&self) -> Result<Standing> {
        let is_told_apart = self.is_told_apart.load(Ordering::Relaxed);
        Ok(if is_told_apart { Standing::Same } else { Standing::Unknown })
    }

    async fn renewed(&self) -> Result<Option<Url>> {
        let Some((address, given, names)) = self.renewal else { return Ok(None) };
        let answer = self.http.get_once(&url::parse(address)?, &headers(given)?).await?;
        let document: serde_json::Value = answer.into_document().await?.parse()?;
        let found = names.iter().try_fold(&document, |place, name| place.get(name));
        found.and_then(serde_json::Value::as_str).map(url::parse).transpose()
    }
}

/// Downloads a file from a store; false if that has changed meanwhile.
///
/// It is compared with an MD5 digest, or with the tag of the store if that is one.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "Python's signature, taken apart here")]
pub(super) fn fetch_stored(
    py: Python<'_>,
    address: &str,
    target: PathBuf,
    name: String,
    md5: Option<String>,
    has_tag: bool,
    renewal: Option<Renewal>,
    asker: Asker,
    progress: Option<Py<PyAny>>,
) -> PyResult<bool> {
    wait(py, progress.as_ref(), |job| {
        let (http, url) = (http(&asker)?, url::parse(address)?);
        let (headers, division) = (HeaderMap::new(), Division::default());
        let wanted = Wanted { url, headers, name, size: None, takes_codings: true, division };
        let said = Said::Tag(md5, has_tag);
        let known =
            Known { said, http: &http, renewal: renewal.as_ref(), is_told_apart: false.into() };
        let fetched = fetch(&http, &wanted, Target::File(&target), &known, None, job);
        Ok(runtime::current()?.block_on(fetched)?.is_some())
    })
}

/// Downloads an item into a file, or gives its content if there is none; None if it cannot be taken as
/// it comes.
#[pyfunction]
pub(super) fn fetch_item(
    py: Python<'_>,
    address: &str,
    given: Headers,
    target: Option<PathBuf>,
    name: String,
    asker: Asker,
    progress: Option<Py<PyAny>>,
) -> PyResult<Option<Py<PyBytes>>> {
    let fetch = |http: &Http, target: Target<'_>, first: Option<Response>, job: &Job| {
        let (url, headers) = (url::parse(address)?, headers(&given)?);
        let (name, division) = (name.clone(), Division::default());
        let wanted = Wanted { url, headers, name, size: None, takes_codings: false, division };
        let known = Known { said: Said::Item, http, renewal: None, is_told_apart: false.into() };
        let fetched = fetch(http, &wanted, target, &known, first, job);
        Ok(runtime::current()?.block_on(fetched)?.is_some())
    };
    if let Some(target) = target {
        let fetched = wait(py, progress.as_ref(), |job| {
            fetch(&http(&asker)?, Target::File(&target), None, job)
        })?;
        return Ok(fetched.then(|| PyBytes::new(py, b"").unbind()));
    }
    wait(py, progress.as_ref(), |job| {
        let (http, url, headers) = (http(&asker)?, url::parse(address)?, headers(&given)?);
        let ask = || http.get_large_once(&url, &headers);
        let first = runtime::current()?.block_on(http.repeat(&url, |_| true, job, ask))?;
        let size = first.length().and_then(|size| usize::try_from(size).ok());
        let Some(size) = size.filter(|size| *size <= MOST_AT_ONCE) else { return Ok(Ok(None)) };
        // Its size is known now, so it is written to where Python reads it. By this thread, as a
        // connection is one of a thread.
        let mut fetched = Ok(false);
        let made = Python::try_attach(|py| {
            let made = PyBytes::new_with(py, size, |memory| {
                fetched = py.detach(|| {
                    let fetched = fetch(&http, Target::Memory(memory), Some(first), job);
                    // It does not come back to an interpreter that ends.
                    attached(job, |_| Ok(())).map(|()| fetched)
                })?;
                Ok(())
            });
            made.map(Bound::unbind)
        });
        let is_whole = fetched?;
        let made = made.ok_or(Error::Cancelled)?;
        Ok(made.map(|content| is_whole.then_some(content)))
    })?
}
