//! Cancellation and progress counters of one long operation.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio_util::sync::CancellationToken;

use crate::{Error, Result};

/// One long operation: workers count and look for cancellation, the waiter reports and cancels.
#[derive(Debug, Default)]
pub struct Job {
    stop: CancellationToken,
    bytes_done: AtomicU64,
    bytes_total: AtomicU64,
    files_done: AtomicU64,
    files_total: AtomicU64,
}

/// A snapshot of a [`Job`]'s counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes moved or hashed.
    pub bytes_done: u64,
    /// Bytes expected, as far as known.
    pub bytes_total: u64,
    /// Files finished.
    pub files_done: u64,
    /// Files expected, as far as known.
    pub files_total: u64,
}

impl Job {
    /// Fails with [`Error::Cancelled`] once [`Job::cancel`] was called.
    pub fn check(&self) -> Result<()> {
        if self.stop.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// A job with counters of its own, which is cancelled together with this one, or alone.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { stop: self.stop.child_token(), ..Self::default() }
    }

    /// Asks all workers to stop at their next check.
    pub fn cancel(&self) {
        self.stop.cancel();
    }

    /// True once [`Job::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Resolves when the job is cancelled; for `tokio::select!`.
    pub async fn cancelled(&self) {
        self.stop.cancelled().await;
    }

    /// Runs a future unless the job is cancelled first.
    pub async fn race<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        // Not here: it would take its room twice, as the argument and inside of `select!`.
        let work = Box::pin(work);
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Error::Cancelled),
            result = work => result,
        }
    }

    /// Adds finished bytes.
    pub fn advance(&self, bytes: u64) {
        self.bytes_done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Adds one finished file.
    pub fn file_done(&self) {
        self.files_done.fetch_add(1, Ordering::Relaxed);
    }

    /// Announces work to come.
    pub fn expect(&self, files: u64, bytes: u64) {
        self.files_total.fetch_add(files, Ordering::Relaxed);
        self.bytes_total.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The counters as they are now.
    pub fn progress(&self) -> Progress {
        Progress {
            bytes_done: self.bytes_done.load(Ordering::Relaxed),
            bytes_total: self.bytes_total.load(Ordering::Relaxed),
            files_done: self.files_done.load(Ordering::Relaxed),
            files_total: self.files_total.load(Ordering::Relaxed),
        }
    }
}
