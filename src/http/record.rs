//! Records of requests: method, place, status, time, and which try it was. Nothing secret is in
//! them, nor any query.

use std::time::Instant;

use log::Level;
use reqwest::{Method, Url};

use crate::Error;
use crate::error::causes;

/// Whose level and handlers the records have.
const TARGET: &str = "selenite.http";

tokio::task_local! {
    static TRY: u32;
}

/// Runs a try of this number, counted from 1: its requests are recorded with it.
pub(crate) fn counted<F: Future>(number: u32, attempt: F) -> impl Future<Output = F::Output> {
    TRY.scope(number, attempt)
}

/// A request that will be recorded once it is answered.
pub(super) struct Sent<'a> {
    method: &'a Method,
    url: &'a Url,
    /// None if nobody wants to know.
    since: Option<Instant>,
}

impl<'a> Sent<'a> {
    pub(super) fn now(method: &'a Method, url: &'a Url) -> Self {
        let is_wanted = log::log_enabled!(target: TARGET, Level::Debug);
        Self { method, url, since: is_wanted.then(Instant::now) }
    }

    pub(super) fn answered(self, status: u16) {
        self.record(|| status.to_string());
    }

    pub(super) fn failed(self, error: &Error) {
        self.record(|| format!("failed ({})", reason(error)));
    }

    fn record(self, end: impl FnOnce() -> String) {
        let Some(since) = self.since else { return };
        let (method, place, end) = (self.method, place(self.url), end());
        let milliseconds = since.elapsed().as_secs_f64() * 1e3;
        let number = TRY.try_with(|number| *number).unwrap_or(1);
        log::debug!(target: TARGET, "{method} {place} {end} in {milliseconds:.1} ms, try {number}");
    }
}

/// What is said of a failed try if another one follows, unless nobody wants to know.
pub(super) fn of_failure(error: &Error) -> Option<String> {
    if !log::log_enabled!(target: TARGET, Level::Warn) {
        return None;
    }
    let root = error.root();
    let (Error::Status { method, url, .. }
    | Error::Transport { method, url, .. }
    | Error::Timeout { method, url, .. }) = root
    else {
        return None;
    };
    let place = url.parse().map_or_else(|_| String::new(), |url| place(&url));
    let end = match root {
        Error::Status { status, .. } => status.to_string(),
        other => format!("failed ({})", reason(other)),
    };
    Some(format!("{method} {place} {end}"))
}

/// Records that a request is sent again that was sent so often in vain.
pub(super) fn again(failure: &str, number: u32) {
    log::warn!(target: TARGET, "{failure}: sent again after {number} tries");
}

/// Server and path of a URL.
fn place(url: &Url) -> String {
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

/// Why there is no answer, without the URL, which has a query.
fn reason(error: &Error) -> String {
    match error {
        Error::Transport { source, .. } => {
            causes(&**source).map(ToString::to_string).collect::<Vec<_>>().join(": ")
        }
        Error::Timeout { connecting: true, .. } => "cannot connect in time".to_owned(),
        Error::Timeout { .. } => "nothing came in time".to_owned(),
        other => other.chain(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_neither_a_query_nor_a_password() {
        for (url, shown) in [
            ("https://me:hush@host/a/b?token=hush#hush", "https://host/a/b"),
            ("http://host:8080/?X-Amz-Signature=hush", "http://host:8080/"),
            ("http://[::1]:80/x", "http://[::1]/x"),
        ] {
            assert_eq!(place(&url.parse().unwrap()), shown);
        }
    }
}
