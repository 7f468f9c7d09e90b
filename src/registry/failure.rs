//! Why a registry refused or failed a change.

use std::fmt::Display;
use std::io;
use std::path::Path;

use crate::Error;
use crate::error::system_message;

/// Records why something failed that is not worth a failure of the change: services log it.
pub(crate) fn tell<T, E: Display>(what: &str, done: Result<T, E>) {
    if let Err(error) = done {
        log::info!(target: "selenite.registry", "{what}: {error}");
    }
}

/// What kind of failure it is; services turn it into a status, another for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The request itself is wrong (400).
    Invalid,
    /// The user may not do that (403).
    Forbidden,
    /// Something named in the request does not exist (404).
    NotFound,
    /// The change failed, or the registry's content does not allow it (500).
    Internal,
    /// The client went away, others are in the way, or the service is stopping (503).
    Stopped,
}

/// A refused or failed change: its kind, a reason, and further faults found on the way.
///
/// Reasons are built from the outside in, joined by `; `: see [`Failure::within`].
#[derive(Debug, Clone, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// The whole reason.
    pub reason: String,
    /// All faults, if several were looked for; the first is the one in `reason`.
    pub details: Vec<String>,
    /// Whether the disk, or somebody's share of it, is full.
    pub is_out_of_room: bool,
}

impl Failure {
    fn new(kind: FailureKind, reason: impl Into<String>) -> Self {
        Self { kind, reason: reason.into(), details: Vec::new(), is_out_of_room: false }
    }

    /// The request itself is wrong.
    pub fn invalid(reason: impl Into<String>) -> Self {
        Self::new(FailureKind::Invalid, reason)
    }

    /// The user may not do that.
    pub fn forbidden(reason: impl Into<String>) -> Self {
        Self::new(FailureKind::Forbidden, reason)
    }

    /// Something named in the request does not exist.
    pub fn not_found(reason: impl Into<String>) -> Self {
        Self::new(FailureKind::NotFound, reason)
    }

    /// The change failed, or the registry's content does not allow it.
    pub fn internal(reason: impl Into<String>) -> Self {
        Self::new(FailureKind::Internal, reason)
    }

    /// Others are in the way, or the service is stopping: later it may work.
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self::new(FailureKind::Stopped, reason)
    }

    /// A system call failed: `open PATH: no such file or directory`.
    pub fn system(call: &str, path: &Path, error: &io::Error) -> Self {
        let is_out_of_room =
            matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let reason = format!("{call} {}: {}", path.display(), system_message(error));
        Self { is_out_of_room, ..Self::internal(reason) }
    }

    /// Puts `context; ` before the reason; the kind stays.
    #[must_use]
    pub fn within(mut self, context: impl std::fmt::Display) -> Self {
        self.reason = format!("{context}; {}", self.reason);
        self
    }

    /// Puts something after the reason.
    #[must_use]
    pub fn with_suffix(mut self, suffix: &str) -> Self {
        self.reason.push_str(suffix);
        self
    }

    /// The HTTP status of this failure.
    pub fn status(&self) -> u16 {
        self.kind.status()
    }
}

impl FailureKind {
    const ALL: [Self; 5] =
        [Self::Invalid, Self::Forbidden, Self::NotFound, Self::Internal, Self::Stopped];

    fn status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Internal => 500,
            Self::Stopped => 503,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let status = failure.status();
        let Failure { reason, details, .. } = failure;
        Self::Registry { status, reason, details }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Registry { status, reason, details } => {
                let kind = FailureKind::ALL.into_iter().find(|kind| kind.status() == status);
                Self { details, ..Self::new(kind.unwrap_or(FailureKind::Internal), reason) }
            }
            Error::Cancelled => {
                Self::new(FailureKind::Stopped, "the request was abandoned; nothing was changed")
            }
            Error::Io { path, source } => Self::system("access", &path, &source),
            other => Self::internal(other.chain()),
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(error.to_string())
    }
}

/// Adds context to failures.
pub trait FailureContext<T> {
    /// Puts `context; ` before the reason.
    fn within<D: std::fmt::Display>(self, context: impl FnOnce() -> D) -> Result<T, Failure>;
}

impl<T, E: Into<Failure>> FailureContext<T> for Result<T, E> {
    fn within<D: std::fmt::Display>(self, context: impl FnOnce() -> D) -> Result<T, Failure> {
        self.map_err(|error| error.into().within(context()))
    }
}
