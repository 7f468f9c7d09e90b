//! Why an answer does not come, and whether the request may have been carried out all the same.

use std::error::Error as StdError;
use std::time::Duration;

use reqwest::{Method, Url};

use super::url;
use crate::Error;
use crate::error::causes;

type Cause = Box<dyn StdError + Send + Sync>;

/// Why there is no answer, or no more of it.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nothing came for so long.
    Idle(Duration),
    /// There was no connection within so long.
    Connecting(Duration),
    /// The connection broke, or there is none.
    Transport(Cause),
    /// What a connection needs is not there.
    Unready(Error),
}

/// A connection that could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot connect")]
pub(super) struct Unreachable(#[source] pub(super) Cause);

impl Failure {
    /// True if a connection broke before there was an answer, and not for what we sent.
    pub(super) fn is_broken(&self) -> bool {
        let Self::Transport(cause) = self else { return false };
        let mut deeper: Option<&(dyn StdError + 'static)> = Some(&**cause);
        while let Some(cause) = deeper {
            if cause.downcast_ref().is_some_and(hyper::Error::is_user) {
                return false;
            }
            deeper = cause.source();
        }
        was_connecting(&**cause) == Some(false)
    }

    /// True if a connection ended while the request waited on it.
    pub(super) fn is_passed_over(&self) -> bool {
        let Self::Transport(cause) = self else { return false };
        causes(&**cause).filter_map(|cause| cause.downcast_ref::<hyper::Error>()).any(|error| {
            // The second kind has no name but its text.
            error.is_canceled() || error.to_string().starts_with("dispatch task is gone")
        })
    }

    /// Adds what was asked for.
    pub(super) fn lift(self, method: &Method, url: &Url) -> Error {
        let (method, url) = (method.to_string(), url::redacted(url));
        match self {
            Self::Idle(limit) => Error::Timeout { method, url, limit, connecting: false },
            Self::Connecting(limit) => Error::Timeout { method, url, limit, connecting: true },
            Self::Transport(source) => Error::Transport { method, url, source },
            Self::Unready(error) => error,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Unready(error)
    }
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        Self::Transport(Box::new(error.without_url()))
    }
}

impl From<hyper::Error> for Failure {
    fn from(error: hyper::Error) -> Self {
        Self::Transport(Box::new(error))
    }
}

/// Whether connecting failed, or what came then; `None` for failures that are not the transport's
/// own, such as being offline.
pub(super) fn was_connecting(source: &(dyn StdError + 'static)) -> Option<bool> {
    if let Some(error) = source.downcast_ref::<reqwest::Error>() {
        return if is_disbelieved(error) { None } else { Some(error.is_connect()) };
    }
    source.is::<Unreachable>().then_some(true).or(source.is::<hyper::Error>().then_some(false))
}

/// True if the server's certificate is not believed, and will not be the next time.
fn is_disbelieved(error: &(dyn StdError + 'static)) -> bool {
    causes(error)
        .any(|cause| matches!(cause.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))))
}

/// True if a request may have reached the server although no answer came back.
pub(crate) fn was_sent(error: &Error) -> bool {
    match error {
        Error::Transport { source, .. } => was_connecting(&**source) == Some(false),
        Error::Timeout { connecting, .. } => !connecting,
        Error::Cancelled => true,
        Error::Io { .. }
        | Error::Status { .. }
        | Error::Digest { .. }
        | Error::UnsafePath { .. }
        | Error::SameFile { .. }
        | Error::Invalid { .. }
        | Error::Service { .. }
        | Error::Address { .. }
        | Error::Json { .. }
        | Error::Form { .. }
        | Error::Unfinished { .. }
        | Error::Refused(_)
        | Error::Registry { .. } => false,
        Error::Item { source, .. } => was_sent(source),
    }
}

/// How HTTP/2 says that a server does not take a request, or gets too many: errors of a crate that is
/// not among ours, so there are only their texts.
const REFUSALS: [&str; 2] = ["refused stream", "excessive load"];

/// True if the connection was closed before an answer came, or the stream that it was to come by, as
/// some servers do that have too many.
pub(super) fn was_hung_up(error: &Error) -> bool {
    let Error::Transport { source, .. } = error else { return false };
    if source.downcast_ref::<reqwest::Error>().is_some_and(|error| !error.is_request()) {
        return false;
    }
    let mut deeper: Option<&(dyn StdError + 'static)> = Some(&**source);
    while let Some(cause) = deeper {
        let is_reset = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionReset;
        if cause.downcast_ref().is_some_and(hyper::Error::is_incomplete_message)
            || cause.downcast_ref().is_some_and(is_reset)
        {
            return true;
        }
        deeper = cause.source();
        let text = cause.to_string();
        if deeper.is_none() && REFUSALS.iter().any(|refusal| text.contains(refusal)) {
            return true;
        }
    }
    false
}

/// True for what is refused before anything was done, so that even a change may be asked for again:
/// the server has too much to do, or too much for one client.
pub(crate) fn was_refused(error: &Error) -> bool {
    match error {
        Error::Status { status: 429 | 503 | 509 | 529, .. } => true,
        // Also the answer to those who may not come at all.
        Error::Status { status: 403, headers, body, .. } => {
            headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("retry-after"))
                || body.contains("SlowDown")
        }
        // Without a descriptor for it, there was no connection to be refused.
        Error::Transport { source, .. } => {
            was_connecting(&**source) == Some(true) && error.advice().is_none()
        }
        Error::Timeout { connecting, .. } => *connecting,
        _ => false,
    }
}
