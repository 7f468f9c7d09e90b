//! A request: what it brings to a server, and where answers may send it.

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use tokio::time::Instant;

use crate::Result;
use crate::shared::lock;

/// A request, wherever it is sent.
pub(super) struct Request<'a> {
    pub(super) method: Method,
    pub(super) content: Content<'a>,
    /// How long the server may be silent.
    pub(super) limit: Option<Duration>,
    /// True if it does no harm when it is sent twice.
    pub(super) is_repeatable: bool,
    /// True if the answer should be small.
    pub(super) is_small: bool,
}

/// What a request brings to the server.
pub(super) enum Content<'a> {
    None,
    Bytes(Bytes),
    /// Made anew each time that it is sent.
    Stream(MakeStream<'a>),
}

/// Makes the content of a request.
pub(super) type MakeStream<'a> = &'a (dyn Fn() -> Result<Stream> + Sync);

/// Content on its way to a server.
#[derive(Debug)]
pub struct Stream {
    /// Its size.
    pub length: u64,
    /// Its pieces.
    pub body: reqwest::Body,
}

impl Content<'_> {
    /// What of it can be looked at.
    pub(super) fn seen(&self) -> &[u8] {
        if let Self::Bytes(bytes) = self { bytes } else { b"" }
    }
}

impl Request<'_> {
    pub(super) fn get(limit: Duration, is_small: bool) -> Self {
        let (method, content) = (Method::GET, Content::None);
        Self { method, content, limit: Some(limit), is_repeatable: true, is_small }
    }

    /// True if an answer sends it to another URL as it is. Other answers would make a GET of a change.
    pub(super) fn is_sent_on(&self, status: u16) -> bool {
        match status {
            301..=303 => matches!(self.method, Method::GET | Method::HEAD),
            307 | 308 => true,
            _ => false,
        }
    }
}

/// When something last moved on a connection.
#[derive(Debug)]
pub struct Touched(Mutex<Instant>);

impl Default for Touched {
    fn default() -> Self {
        Self(Mutex::new(Instant::now()))
    }
}

impl Touched {
    /// Notes that something moved just now.
    pub fn touch(&self) {
        *lock(&self.0) = Instant::now();
    }

    /// Resolves when nothing has moved for so long.
    pub(super) async fn idle(&self, limit: Duration) {
        loop {
            let last = *lock(&self.0);
            if last.elapsed() >= limit {
                return;
            }
            tokio::time::sleep_until(last + limit).await;
        }
    }
}
