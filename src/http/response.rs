//! An answer: its head, the pieces of its body, and the server's own reason for a refusal.

use std::pin::{Pin, pin};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde::de::DeserializeOwned;

use super::failure::Failure;
use super::{direct, url};
use crate::{Error, Result};

/// Bytes of an answer that errors keep.
const ERROR_BODY_BYTES: usize = 1 << 20;
/// Characters of a page that was not meant as a reason.
const EXCERPT_CHARS: usize = 200;

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Document {
    /// Where it came from, safe to show.
    pub url: String,
    /// Its bytes.
    pub body: Vec<u8>,
}

impl Document {
    /// Parses the body.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|source| Error::Json {
            origin: self.url.clone(),
            text: excerpt(&self.body),
            source,
        })
    }
}

/// An answer whose body is still to be read.
#[derive(Debug)]
pub struct Response {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) idle_limit: Option<Duration>,
}

#[derive(Debug)]
pub(super) enum Body {
    General(reqwest::Response),
    Direct(direct::Body),
}

impl Response {
    /// The status code.
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// A header, if it is there and is text.
    pub fn header(&self, name: impl reqwest::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The announced size of the body.
    pub fn length(&self) -> Option<u64> {
        match &self.body {
            Body::General(inner) => inner.content_length(),
            Body::Direct(body) => body.length(),
        }
    }

    /// The path of the URL that was answered, after redirects.
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// The next piece of the body, `None` at its end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let body = &mut self.body;
        let piece = pin!(async {
            match body {
                Body::General(inner) => inner.chunk().await.map_err(Failure::from),
                Body::Direct(body) => body.chunk().await.map_err(Failure::from),
            }
        });
        within(self.idle_limit, piece)
            .await
            .map_err(|failure| failure.lift(&self.method, &self.url))
    }

    async fn collect(mut self, most: usize) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        while body.len() < most
            && let Some(piece) = self.chunk().await?
        {
            body.extend_from_slice(&piece);
        }
        body.truncate(most);
        Ok(body)
    }

    /// The headers, in order.
    pub fn headers(&self) -> Vec<(String, String)> {
        let pairs = self.headers.iter();
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        pairs.map(|(name, value)| (name.to_string(), text(value))).collect()
    }

    /// The whole body.
    pub async fn into_document(self) -> Result<Document> {
        let url = url::redacted(&self.url);
        Ok(Document { url, body: self.collect(usize::MAX).await? })
    }

    pub(super) async fn into_error(self) -> Error {
        let (method, url, status) =
            (self.method.to_string(), url::redacted(&self.url), self.status());
        let headers = self.headers();
        let media = self.header(CONTENT_TYPE).unwrap_or_default().to_owned();
        let fallback = self.status.canonical_reason().unwrap_or("unknown status");
        // The status counts even if the connection breaks before the reason is complete.
        let body = self.collect(ERROR_BODY_BYTES).await.unwrap_or_default();
        let body = String::from_utf8_lossy(&body).into_owned();
        let reason = Some(reason(&media, &body)).filter(|reason| !reason.is_empty());
        let reason = reason.unwrap_or_else(|| fallback.to_owned());
        Error::Status { method, url, status, reason, headers, body }
    }
}

/// The server's own words: `reason` of a JSON object, a plain text, or the start of anything else.
fn reason(media: &str, body: &str) -> String {
    let kind = media.split(';').next().unwrap_or_default().trim();
    if kind == "text/plain" {
        return body.trim().to_owned();
    }
    let stated = serde_json::from_str::<serde_json::Value>(body)
        .ok()
        .and_then(|answer| Some(answer.get("reason")?.as_str()?.to_owned()));
    stated.unwrap_or_else(|| body.trim().chars().take(EXCERPT_CHARS).collect())
}

fn excerpt(body: &[u8]) -> String {
    String::from_utf8_lossy(&body[..body.len().min(ERROR_BODY_BYTES)]).into_owned()
}

/// What is awaited stays where it is: handed on by value, it would take its room once more.
pub(super) async fn within<T>(
    limit: Option<Duration>,
    work: Pin<&mut impl Future<Output = Result<T, Failure>>>,
) -> Result<T, Failure> {
    match limit {
        None => work.await,
        Some(limit) => tokio::time::timeout(limit, work).await.map_err(|_| Failure::Idle(limit))?,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_the_servers_own() {
        assert_eq!(reason("application/json", r#"{"reason": "why", "status": "ERROR"}"#), "why");
        assert_eq!(
            reason("text/plain; charset=utf-8", "404 page not found\n"),
            "404 page not found"
        );
        assert_eq!(reason("text/html", &"x".repeat(900)).len(), EXCERPT_CHARS);
    }
}
