//! The one public error of the crate, and the helpers that give it context.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system refused an operation on `path`.
    #[error("{path}", path = path.display())]
    Io {
        /// The file or directory concerned.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The server answered with a status that is not a success.
    #[error("{method} {url} answered {status}: {reason}")]
    Status {
        /// HTTP method of the request.
        method: String,
        /// URL of the request, without credentials.
        url: String,
        /// HTTP status code.
        status: u16,
        /// The server's own words: the `reason` of a JSON answer, else the start of the text.
        reason: String,
        /// Response headers, in order.
        headers: Vec<(String, String)>,
        /// The whole body (at most 1 MiB of it).
        body: String,
    },
    /// No answer, or a broken one: connection refused, reset, TLS trouble.
    #[error("{method} {url} failed")]
    Transport {
        /// HTTP method of the request.
        method: String,
        /// URL of the request, without credentials.
        url: String,
        /// The transport's error.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The server did not answer in time.
    #[error("{method} {url} timed out after {} s", limit.as_secs_f64())]
    Timeout {
        /// HTTP method of the request.
        method: String,
        /// URL of the request, without credentials.
        url: String,
        /// The limit that was exceeded.
        limit: Duration,
        /// True if no connection could be made in time.
        connecting: bool,
    },
    /// Content differs from what its manifest (or its source) says.
    #[error("mismatch in {what} of `{path}` (expected {expected}, found {actual})")]
    Digest {
        /// The file concerned.
        path: String,
        /// `size` or `MD5 checksum`.
        what: &'static str,
        /// What the manifest or the source says.
        expected: String,
        /// What was found.
        actual: String,
    },
    /// A path that would leave its root, or cannot exist in a registry.
    #[error("unsafe path `{path}`: {why}")]
    UnsafePath {
        /// The path as it was given.
        path: String,
        /// Which rule it breaks.
        why: &'static str,
    },
    /// An argument that cannot be used.
    #[error("invalid {argument} `{value}`: {why}")]
    Invalid {
        /// Name of the argument.
        argument: &'static str,
        /// Its value.
        value: String,
        /// Why it is refused, and the way out.
        why: String,
    },
    /// A document that is not the JSON it should be.
    #[error("cannot parse JSON from `{origin}`")]
    Json {
        /// File or URL of the document.
        origin: String,
        /// The document itself (at most 1 MiB of it).
        text: String,
        /// The parser's error.
        source: serde_json::Error,
    },
    /// Something that the caller asked for cannot be done, in words that others rely on.
    #[error("{0}")]
    Refused(String),
    /// One of many items failed.
    #[error("{item}")]
    Item {
        /// Which one.
        item: String,
        /// What happened to it.
        source: Box<Error>,
    },
    /// A change of a registry was refused or failed.
    #[error(transparent)]
    Registry(#[from] crate::registry::Failure),
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
}

impl Error {
    /// An [`Error::Invalid`].
    pub fn invalid(
        argument: &'static str,
        value: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        Self::Invalid { argument, value: value.into(), why: why.into() }
    }

    /// This error as that of one of many items.
    #[must_use]
    pub fn of(self, item: impl Into<String>) -> Self {
        Self::Item { item: item.into(), source: Box::new(self) }
    }

    /// The error itself, whichever item it is about.
    pub fn root(&self) -> &Self {
        match self {
            Self::Item { source, .. } => source.root(),
            other => other,
        }
    }

    /// The message followed by every cause, joined by `: `.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let part = error.to_string();
            if !text.ends_with(&part) {
                let _ = write!(text, ": {part}");
            }
            cause = error.source();
        }
        text
    }

    /// The kind of the underlying system error, if there is one.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        match self {
            Self::Io { source, .. } => Some(source.kind()),
            Self::Item { source, .. } => source.io_kind(),
            _ => None,
        }
    }
}

/// Adds the path to a system error.
pub trait IoContext<T> {
    /// Names the file or directory that the operation was about.
    fn at(self, path: impl AsRef<Path>) -> Result<T>;
}

impl<T, E: Into<io::Error>> IoContext<T> for std::result::Result<T, E> {
    fn at(self, path: impl AsRef<Path>) -> Result<T> {
        self.map_err(|error| Error::Io { path: path.as_ref().to_owned(), source: error.into() })
    }
}

/// The system's message without Rust's `(os error N)`, in lower case as other tools print it.
pub fn system_message(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
