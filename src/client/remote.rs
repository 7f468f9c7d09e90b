//! What both kinds of remote registry do alike.

use std::io::{self, ErrorKind, Read};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use reqwest::header::{CONTENT_LENGTH, HeaderMap};
use reqwest::{Method, Url};

use crate::error::IoContext;
use crate::http::{Http, Response};
use crate::job::Job;
use crate::registry::read::{Content, Stat};
use crate::runtime::{self, Runtime};
use crate::{Error, Result};

/// True for the answer to a request for something that is not there.
pub(super) fn is_missing(error: &Error) -> bool {
    matches!(error.root(), Error::Status { status: 404, .. })
}

/// What the server says of what is at a URL, which ends with a slash if it is a directory.
pub(super) async fn stat(http: &Http, url: &Url, job: &Job) -> Result<Stat> {
    let headers = HeaderMap::new();
    let ask = || http.request_once(Method::HEAD, url, &headers, Bytes::new(), true);
    let response = http.repeat(url, |_| true, job, ask).await?;
    if response.path().ends_with('/') {
        return Ok(Stat::Folder);
    }
    let size = response.header(CONTENT_LENGTH).and_then(|size| size.parse().ok());
    let size = size.ok_or_else(|| {
        let why = "the server does not say how large it is";
        Error::invalid("url", crate::http::url::redacted(url), why)
    })?;
    Ok(Stat::File { size })
}

/// Opens what is at a URL. The returned reader waits on the thread that reads.
pub(super) fn open(http: &Http, url: &Url, job: &Job) -> Result<Content> {
    let runtime = runtime::current()?;
    let headers = HeaderMap::new();
    let ask = || http.get_large_once(url, &headers);
    let response = runtime.block_on(http.repeat(url, |_| true, job, ask))?;
    if response.path().ends_with('/') {
        // A directory has a page of its own.
        return Err(io::Error::from(ErrorKind::IsADirectory)).at(response.path());
    }
    Ok(Box::new(Body { runtime, response, rest: Bytes::new() }))
}

/// The body of an answer, piece by piece.
struct Body {
    runtime: Arc<Runtime>,
    response: Response,
    rest: Bytes,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            let piece = self.runtime.block_on(self.response.chunk()).map_err(io::Error::other)?;
            let Some(piece) = piece else { return Ok(0) };
            self.rest = piece;
        }
        let length = self.rest.len().min(buffer.len());
        self.rest.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
