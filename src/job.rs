//! Cancellation and progress counters of one long operation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio_util::sync::CancellationToken;

use crate::{Error, Result};

/// One long operation: workers count and look for cancellation, the waiter reports and cancels.
#[derive(Debug, Default)]
pub struct Job {
    stop: CancellationToken,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    bytes_done: AtomicU64,
    /// Of the files whose size is known.
    bytes_total: AtomicU64,
    files_done: AtomicU64,
    files_total: AtomicU64,
    /// Files whose size is not known yet.
    files_unsized: AtomicU64,
    /// Tries after the first ones of requests.
    retries: AtomicU64,
    /// Contents that have come from a server.
    received: AtomicU64,
}

/// A snapshot of a [`Job`]'s counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes moved or hashed.
    pub bytes_done: u64,
    /// Bytes expected, 0 if nothing is known of them. Files of unknown size are thought to be as
    /// large as the others on average.
    pub bytes_total: u64,
    /// Files finished.
    pub files_done: u64,
    /// Files expected, as far as known.
    pub files_total: u64,
    /// Tries after the first ones of requests.
    pub retries: u64,
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
        self.counts.bytes_done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Adds one finished file.
    pub fn file_done(&self) {
        self.counts.files_done.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request that is sent once more.
    pub fn retried(&self) {
        self.counts.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a content that has come from a server, and no record of it.
    pub fn received(&self) {
        self.counts.received.fetch_add(1, Ordering::Relaxed);
    }

    /// How many contents have come from a server.
    pub fn contents_received(&self) -> u64 {
        self.counts.received.load(Ordering::Relaxed)
    }

    /// Announces work to come.
    pub fn expect(&self, files: u64, bytes: u64) {
        self.counts.files_total.fetch_add(files, Ordering::Relaxed);
        self.counts.bytes_total.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Announces one file, of this size if that is known.
    pub fn expect_file(&self, size: Option<u64>) {
        self.expect(1, size.unwrap_or_default());
        self.counts.files_unsized.fetch_add(u64::from(size.is_none()), Ordering::Relaxed);
    }

    /// Takes the announcement of a file back.
    pub fn expect_no_more(&self, size: Option<u64>) {
        self.counts.files_total.fetch_sub(1, Ordering::Relaxed);
        self.counts.bytes_total.fetch_sub(size.unwrap_or_default(), Ordering::Relaxed);
        self.counts.files_unsized.fetch_sub(u64::from(size.is_none()), Ordering::Relaxed);
    }

    /// The part of a file that was announced with this size.
    pub fn share(&self, size: Option<u64>) -> Share {
        Share { counts: Arc::clone(&self.counts), size, counted: 0, at: 0 }
    }

    /// Expects no more than what is done: the rest of the work was given up.
    pub fn give_up(&self) {
        let counts = &self.counts;
        counts.files_unsized.store(0, Ordering::Relaxed);
        counts.files_total.store(counts.files_done.load(Ordering::Relaxed), Ordering::Relaxed);
        counts.bytes_total.store(counts.bytes_done.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// The counters as they are now.
    pub fn progress(&self) -> Progress {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.counts;
        let (bytes_done, files_total) = (load(&counts.bytes_done), load(&counts.files_total));
        let sized = files_total.saturating_sub(load(&counts.files_unsized));
        let mut bytes_total = load(&counts.bytes_total);
        if sized > 0 && sized < files_total {
            let all = u128::from(bytes_total) * u128::from(files_total) / u128::from(sized);
            bytes_total = u64::try_from(all).unwrap_or(u64::MAX);
        }
        if bytes_total > 0 {
            bytes_total = bytes_total.max(bytes_done);
        }
        let (files_done, retries) = (load(&counts.files_done), load(&counts.retries));
        Progress { bytes_done, bytes_total, files_done, files_total, retries }
    }
}

/// The bytes of one file of a job. What comes again counts once.
#[derive(Debug)]
pub struct Share {
    counts: Arc<Counts>,
    /// As announced, or as large as it has turned out to be.
    size: Option<u64>,
    /// Bytes that were counted.
    counted: u64,
    /// Where the next bytes belong.
    at: u64,
}

impl Share {
    /// Notes the size of the file.
    pub fn expect(&mut self, size: u64) {
        match self.size {
            Some(known) if known >= size => return,
            Some(known) => self.counts.bytes_total.fetch_add(size - known, Ordering::Relaxed),
            None => {
                self.counts.bytes_total.fetch_add(size, Ordering::Relaxed);
                self.counts.files_unsized.fetch_sub(1, Ordering::Relaxed)
            }
        };
        self.size = Some(size);
    }

    /// Goes on behind the first `at` bytes.
    pub fn seek(&mut self, at: u64) {
        self.at = at;
    }

    /// Where the next bytes belong.
    pub fn place(&self) -> u64 {
        self.at
    }

    /// Adds bytes that have come.
    pub fn advance(&mut self, bytes: u64) {
        self.at += bytes;
        if self.at > self.counted {
            self.counts.bytes_done.fetch_add(self.at - self.counted, Ordering::Relaxed);
            self.counted = self.at;
        }
    }

    /// Adds the finished file.
    pub fn done(&mut self) {
        self.expect(self.counted);
        self.counts.files_done.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(job: &Job) -> (u64, u64) {
        let progress = job.progress();
        (progress.bytes_done, progress.bytes_total)
    }

    #[test]
    fn what_comes_again_counts_once() {
        let job = Job::default();
        job.expect_file(Some(10));
        let mut share = job.share(Some(10));
        for (at, count, done) in [(0, 6, 6), (0, 4, 6), (4, 4, 8), (8, 2, 10)] {
            share.seek(at);
            share.advance(count);
            assert_eq!(bytes(&job), (done, 10));
        }
        share.advance(5);
        assert_eq!(bytes(&job), (15, 15), "more than announced");
        share.done();
        assert_eq!(job.progress().files_done, 1);
    }

    #[test]
    fn sizes_that_are_not_known_are_thought_to_be_usual() {
        let job = Job::default();
        let mut shares: Vec<Share> = (0..4)
            .map(|_| {
                job.expect_file(None);
                job.share(None)
            })
            .collect();
        assert_eq!(bytes(&job), (0, 0), "nothing is known");
        shares[0].expect(10);
        shares[0].advance(10);
        assert_eq!(bytes(&job), (10, 40));
        shares[1].expect(30);
        assert_eq!(bytes(&job), (10, 80));
        shares[2].advance(4);
        shares[2].done();
        assert_eq!(bytes(&job), (14, 58), "44 bytes of three files");
        job.expect_no_more(None);
        assert_eq!(bytes(&job), (14, 44), "the fourth is not there");
        job.give_up();
        assert_eq!(bytes(&job), (14, 14));
    }
}
