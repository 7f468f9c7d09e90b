//! An answer: its head, the pieces of its body, and the server's own reason for a refusal.

use std::path::Path;
use std::pin::{Pin, pin};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode, Url, Version};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::failure::Failure;
use super::secrets::Secrets;
use super::{direct, url};
use crate::{Error, Result};

/// Bytes of an answer that errors keep.
const ERROR_BODY_BYTES: usize = 1 << 20;
/// Bytes beyond them that are looked at: a secret may be cut, and is then not recognised.
const MARGIN_BYTES: usize = 1 << 14;
/// Characters of a page that was not meant as a reason.
const EXCERPT_CHARS: usize = 200;
/// Characters shown of content that is not what it should be.
const BEGINNING_CHARS: usize = 80;

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Document {
    /// Where it came from, safe to show.
    pub url: String,
    /// Its bytes.
    pub body: Vec<u8>,
    /// None if it was not asked for over a network.
    secrets: Option<Secrets>,
}

/// Any object in JSON.
pub(crate) type Object = serde_json::Map<String, serde_json::Value>;

impl Document {
    /// The content of a file.
    pub fn of_file(path: impl AsRef<Path>, body: Vec<u8>) -> Self {
        Self { url: path.as_ref().to_string_lossy().into_owned(), body, secrets: None }
    }

    /// Parses the body.
    pub fn parse<'body, T: Deserialize<'body>>(&'body self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|source| Error::Json {
            origin: self.url.clone(),
            text: self.text(),
            start: None,
            source,
        })
    }

    /// Parses the body of a document that holds no secret: an error shows how it begins.
    pub fn parse_public<T: DeserializeOwned>(&self) -> Result<T> {
        self.parse().map_err(|error| match error {
            Error::Json { origin, text, source, .. } => {
                Error::Json { origin, text, start: Some(self.beginning()), source }
            }
            other => other,
        })
    }

    /// Fails unless the body of a document that holds no secret can be parsed.
    pub fn check<T: DeserializeOwned>(&self) -> Result<()> {
        self.parse_public::<T>().map(drop)
    }

    /// How the body begins, safe to show.
    pub fn beginning(&self) -> String {
        self.text().chars().take(BEGINNING_CHARS).collect()
    }

    /// The body as text (at most 1 MiB of it) that is safe to show.
    pub fn text(&self) -> String {
        match &self.secrets {
            Some(secrets) => excerpt(&self.body, secrets),
            None => String::from_utf8_lossy(&self.body).into_owned(),
        }
    }

    /// A part of the body that is safe to show.
    pub fn shown(&self, part: &str) -> String {
        self.secrets.as_ref().map_or_else(|| part.to_owned(), |secrets| secrets.hide(part))
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
    pub(super) secrets: Secrets,
}

#[derive(Debug)]
pub(super) enum Body {
    General(reqwest::Response),
    Direct(direct::Body),
}

impl Body {
    /// Whether it comes by a stream of a connection that other answers share.
    pub(super) fn is_stream(&self) -> bool {
        matches!(self, Self::General(answer) if answer.version() >= Version::HTTP_2)
    }
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

    /// A header, if it is there, each byte of it as the character of that number.
    pub fn latin1(&self, name: impl reqwest::header::AsHeaderName) -> Option<String> {
        Some(self.headers.get(name)?.as_bytes().iter().copied().map(char::from).collect())
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

    /// Whether it is the answer of the same server, and not of one that it has led to.
    pub fn is_of(&self, url: &Url) -> bool {
        self.url.origin() == url.origin()
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

    /// Content of the body, or what was read of it, as text (at most 1 MiB of it) that is safe to
    /// show.
    pub fn shown(&self, body: &[u8]) -> String {
        excerpt(body, &self.secrets)
    }

    /// What was read of the body, or its beginning, as a document from `url`.
    pub fn document(&self, url: &Url, body: &[u8]) -> Document {
        let (url, secrets) = (url::redacted(url), Some(self.secrets.clone()));
        Document { url, body: body.to_owned(), secrets }
    }

    /// The whole body.
    pub async fn into_document(mut self) -> Result<Document> {
        let (url, secrets) = (url::redacted(&self.url), std::mem::take(&mut self.secrets));
        Ok(Document { url, body: self.collect(usize::MAX).await?, secrets: Some(secrets) })
    }

    pub(super) async fn into_error(mut self) -> Error {
        let (method, url, status) =
            (self.method.to_string(), url::redacted(&self.url), self.status());
        let secrets = std::mem::take(&mut self.secrets);
        let headers = self.headers().into_iter();
        let headers = headers.map(|(name, value)| (name, secrets.hide(&value))).collect();
        let media = self.header(CONTENT_TYPE).unwrap_or_default().to_owned();
        let fallback = self.status.canonical_reason().unwrap_or("unknown status");
        // The status counts even if the connection breaks before the reason is complete.
        let body = self.collect(ERROR_BODY_BYTES + MARGIN_BYTES).await.unwrap_or_default();
        let body = excerpt(&body, &secrets);
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

/// The beginning of a body, without secrets.
fn excerpt(body: &[u8], secrets: &Secrets) -> String {
    let seen = &body[..body.len().min(ERROR_BODY_BYTES + MARGIN_BYTES)];
    secrets.hide_start(&String::from_utf8_lossy(seen), ERROR_BODY_BYTES)
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
    use futures_util::FutureExt;

    use super::*;
    use crate::http::Http;
    use crate::http::testing::{answer, serve};
    use crate::job::Job;
    use crate::runtime;

    #[test]
    fn the_reason_is_the_servers_own() {
        assert_eq!(reason("application/json", r#"{"reason": "why", "status": "ERROR"}"#), "why");
        assert_eq!(
            reason("text/plain; charset=utf-8", "404 page not found\n"),
            "404 page not found"
        );
        assert_eq!(reason("text/html", &"x".repeat(900)).len(), EXCERPT_CHARS);
    }

    #[test]
    fn lines_of_a_head_are_read_as_others_read_them() {
        let odd = "Content-Type : text/plain\r\nX-Folded: a\r\n b\r\nno colon here\r\n";
        let answers = vec![answer("403 No", odd, 2, b"no"), answer("403 No", odd, 2, b"no")];
        let (url, server) = serve(answers);
        let runtime = runtime::current().unwrap();
        let http = Http::new(&runtime).unwrap();
        let job = Job::default();
        for asked in [http.get(&url, &job).boxed(), http.post(&url, &job).boxed()] {
            let Err(Error::Status { headers, reason, .. }) = runtime.block_on(asked) else {
                panic!("it is a refusal");
            };
            assert_eq!(reason, "no");
            let value = |name: &str| headers.iter().find(|(found, _)| found == name).cloned();
            assert_eq!(value("content-type").unwrap().1, "text/plain");
            assert_eq!(value("x-folded").unwrap().1.split_whitespace().count(), 2);
        }
        server.join().unwrap();
    }
}
