//! The one public error of the crate, and the helpers that give it context.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::system;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller cannot have. Scripts know the originals' words for each kind: Python has them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such object.
    #[error("`{0}` is not in the bucket")]
    Absent(String),
    /// No such way to treat links.
    #[error("`{0}` is none of `auto`, `always` and `never`")]
    LinkMode(String),
    /// A link to a directory is neither a file nor a link of a registry.
    #[error("`{0}` is a link to a directory")]
    LinkToFolder(String),
    /// What a link leads to is not in the cache, so it can be no link of a registry.
    #[error("`{0}`, which a link leads to, is no file of the cache")]
    LinkOutside(String),
    /// A link leads to nothing.
    #[error("`{0}`, which a link leads to, does not exist")]
    Dangling(String),
    /// The service wants a file in a way that is not known.
    #[error("`{path}` is to be sent by `{method}`, which is not known")]
    Method {
        /// The way.
        method: String,
        /// The file.
        path: String,
    },
}

impl Refusal {
    /// The kind by name, and what it is about.
    pub fn parts(&self) -> (&'static str, Vec<&str>) {
        match self {
            Self::Absent(path) => ("absent", vec![path]),
            Self::LinkMode(mode) => ("link-mode", vec![mode]),
            Self::LinkToFolder(link) => ("link-to-folder", vec![link]),
            Self::LinkOutside(target) => ("link-outside", vec![target]),
            Self::Dangling(target) => ("dangling", vec![target]),
            Self::Method { method, path } => ("method", vec![method, path]),
        }
    }
}

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
    /// Paths that are different ones in a registry, but name one file where they are to be kept.
    #[error(
        "unsafe path `{path}`: the file system of {folder} takes it for `{other}`; keep these files \
         on one that tells upper from lower case",
        folder = folder.display()
    )]
    SameFile {
        /// One of them.
        path: String,
        /// The other one.
        other: String,
        /// Where they are to be kept.
        folder: PathBuf,
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
    /// Another service than the one that is meant answers at a URL.
    #[error("{url} answers as {found}, not as {wanted}")]
    Service {
        /// URL of the service, without credentials.
        url: String,
        /// What it is.
        found: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// An address, one part of which cannot be used.
    #[error("invalid {component} `{value}` in `{address}`: {why}")]
    Address {
        /// The part: `project`, `asset`, `version` or `path`.
        component: &'static str,
        /// Its text.
        value: String,
        /// The whole address.
        address: String,
        /// Why it is refused.
        why: String,
    },
    /// A document that is not the JSON it should be.
    #[error("cannot parse JSON from `{origin}`")]
    Json {
        /// File or URL of the document.
        origin: String,
        /// The document itself (at most 1 MiB of it).
        text: String,
        /// How it begins, unless it may hold a secret.
        start: Option<String>,
        /// The parser's error.
        source: serde_json::Error,
    },
    /// Content that is not of the form that it should have.
    #[error("`{origin}` is no {form}: it begins with {start:?}")]
    Form {
        /// URL of the content.
        origin: String,
        /// What it should be.
        form: &'static str,
        /// How it begins.
        start: String,
    },
    /// A version whose files are not all there, as it was never finished.
    #[error(
        "`{version}` is not whole: its upload is still under way or was left, and {missing} of its \
         {files} files are not there (`{example}`)"
    )]
    Unfinished {
        /// `project/asset/version`.
        version: String,
        /// Number of files that are not there.
        missing: usize,
        /// Number of its files.
        files: usize,
        /// One of those that are not there.
        example: String,
    },
    /// Something that the caller asked for cannot be done.
    #[error("{0}")]
    Refused(Refusal),
    /// One of many items failed.
    #[error("{item}")]
    Item {
        /// Which one.
        item: String,
        /// What happened to it.
        source: Box<Error>,
    },
    /// A change of a registry was refused or failed.
    #[error("{reason}")]
    Registry {
        /// The status that a service answers with: 400, 403, 404, 500 or 503.
        status: u16,
        /// The whole reason.
        reason: String,
        /// All faults, if several were looked for; the first is the one in `reason`.
        details: Vec<String>,
    },
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

    /// Number of the system error that is behind it, if there is one.
    pub fn errno(&self) -> Option<i32> {
        match self.root() {
            // Whatever else the file system says is a fault of input or output.
            Self::Io { source, .. } => Some(errno_of(source).unwrap_or_else(system::fault_code)),
            Self::Timeout { .. } => system::code_of(io::ErrorKind::TimedOut),
            error => errno_of(error),
        }
    }

    /// [`advice`] about the system error that is behind it.
    pub fn advice(&self) -> Option<&'static str> {
        advice(self.errno()?)
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

/// Records why something failed that is not worth a failure of the call.
pub(crate) fn tell(target: &str, what: &str, done: Result<()>) {
    if let Err(error) = done {
        log::info!(target: target, "{what}: {}", error.chain());
    }
}

/// What to do about a system error of this number, if no file is to be blamed for it.
pub fn advice(code: i32) -> Option<&'static str> {
    system::is_lack_of_handles(code).then_some("raise the limit of open files (`ulimit -n`)")
}

/// An error and its causes, what a system error wraps included: its own `source` passes over that.
pub fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| {
        match error.downcast_ref().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped as &(dyn StdError + 'static)),
            None => error.source(),
        }
    })
}

/// Number of the system error among an error and its causes.
fn errno_of(error: &(dyn StdError + 'static)) -> Option<i32> {
    let found = || causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>());
    let told = || found().find_map(|error| errno_in(&error.to_string()));
    let meant = || found().find_map(|error| system::code_of(error.kind()));
    found().find_map(io::Error::raw_os_error).or_else(told).or_else(meant)
}

/// The number that the standard library writes into messages: some crates keep nothing else.
fn errno_in(text: &str) -> Option<i32> {
    let (_, rest) = text.rsplit_once("(os error ")?;
    rest.split_once(')')?.0.parse().ok()
}

/// The system's message without Rust's `(os error N)`, in lower case as other tools print it.
pub fn system_message(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error that keeps its cause to itself, as `tempfile` does.
    #[derive(Debug, thiserror::Error)]
    #[error("{0} at path \"/x\"")]
    struct Silent(io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] Box<dyn StdError + Send + Sync>);

    fn code(source: io::Error) -> Option<i32> {
        Error::Io { path: "f".into(), source }.of("item").errno()
    }

    #[test]
    fn the_number_of_a_system_error_is_found_wherever_it_is() {
        let full = || io::Error::from_raw_os_error(28);
        assert_eq!(code(full()), Some(28));
        assert_eq!(code(io::Error::other(full())), Some(28));
        assert_eq!(code(io::Error::other(Outer(Box::new(full())))), Some(28));
        assert_eq!(code(io::Error::other(Outer(Box::new(io::Error::other(full()))))), Some(28));
        assert_eq!(code(io::Error::new(full().kind(), Silent(full()))), Some(28));
        assert_eq!(code(io::ErrorKind::StorageFull.into()), Some(28));
        assert_eq!(code(io::Error::other("no reason")), Some(5));
        let transport = |source: Box<dyn StdError + Send + Sync>| {
            Error::Transport { method: "GET".into(), url: "u".into(), source }.errno()
        };
        assert_eq!(transport(Box::new(Outer(Box::new(full())))), Some(28));
        assert_eq!(transport("no reason".into()), None);
        assert_eq!(Error::Cancelled.errno(), None);
    }

    #[test]
    fn a_limit_is_to_be_raised_and_no_file_to_be_blamed() {
        let error =
            |code| Error::Io { path: "f".into(), source: io::Error::from_raw_os_error(code) };
        assert!(error(24).advice().is_some_and(|advice| advice.contains("ulimit")));
        assert_eq!(error(28).advice(), None);
    }
}
