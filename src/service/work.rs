//! Blocking work for requests, which ends with them and with the service.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::job::Job;
use crate::service::threads::{self, Lost};

/// Blocking work of a service, and the two steps of its end.
#[derive(Debug, Clone, Default)]
pub(super) struct Work {
    stop: CancellationToken,
    abandon: CancellationToken,
    running: TaskTracker,
}

impl Work {
    /// Runs `work` on a blocking thread.
    ///
    /// Its job is cancelled when the returned future is dropped (the client went away) and when
    /// the service has to end; either way the work itself runs until it has undone what it did.
    /// Fails if the work panics, or if the system allows no thread for it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Job) -> T + Send + 'static,
    ) -> Result<T, Lost> {
        self.run_unless(std::future::pending(), work).await
    }

    /// [`Work::run`] whose job is cancelled also when `unwanted` resolves.
    pub(super) async fn run_unless<T: Send + 'static>(
        &self,
        unwanted: impl Future<Output = ()> + Send,
        work: impl FnOnce(&Job) -> T + Send + 'static,
    ) -> Result<T, Lost> {
        let guard = CancelOnDrop(Arc::default());
        let job = Arc::clone(&guard.0);
        let running = self.running.token();
        let (task, result) = threads::later(move || {
            let _running = running;
            work(&job)
        });
        self.watch(&guard.0, task, pin!(unwanted)).await?;
        result.take().ok_or(Lost::NoThread)
    }

    /// Runs `work` again and again, and a last time, of which it is told, when the service stops: that
    /// waits for it. Each time that comes to nothing, `lost` is told why, and the next may do it.
    pub(super) async fn run_each(
        &self,
        pause: Duration,
        work: impl Fn(bool) + Clone + Send + 'static,
        lost: impl Fn(Lost),
    ) {
        let _running = self.running.token();
        loop {
            let is_last = tokio::time::timeout(pause, self.stopped()).await.is_ok();
            let work = work.clone();
            if let Err(why) = self.run(move |_| work(is_last)).await {
                lost(why);
            }
            if is_last {
                return;
            }
        }
    }

    /// Waits until a task was done, whose job is cancelled when it should end.
    async fn watch(
        &self,
        job: &Job,
        task: threads::Task,
        unwanted: Pin<&mut (dyn Future<Output = ()> + Send)>,
    ) -> Result<(), Lost> {
        let mut done = pin!(threads::done(task));
        tokio::select! {
            biased;
            result = &mut done => return result,
            () = self.abandon.cancelled() => job.cancel(),
            () = unwanted => job.cancel(),
        }
        done.await
    }

    /// Tells everybody that the service takes no more requests.
    pub(super) fn stop(&self) {
        self.stop.cancel();
        self.running.close();
    }

    /// Cancels what is still running, and waits until all of it is undone.
    pub(super) async fn abandon(&self) {
        self.abandon.cancel();
        self.running.wait().await;
    }

    /// Resolves when the service stops taking requests.
    pub(super) async fn stopped(&self) {
        self.stop.cancelled().await;
    }
}

struct CancelOnDrop(Arc<Job>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn work_is_cancelled_when_its_client_goes_away() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let work = Work::default();
            let undone = Arc::new(AtomicBool::new(false));
            let seen = Arc::clone(&undone);
            let running = work.run(move |job| {
                while !job.is_cancelled() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                seen.store(true, Ordering::SeqCst);
            });
            assert!(tokio::time::timeout(Duration::from_millis(20), running).await.is_err());
            work.running.close();
            work.running.wait().await;
            assert!(undone.load(Ordering::SeqCst));
        });
    }

    #[test]
    fn the_end_waits_for_what_is_done_a_last_time() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (work, done) = (Work::default(), Arc::new(AtomicBool::new(false)));
            let (runner, last) = (work.clone(), Arc::clone(&done));
            let each = move |is_last| {
                std::thread::sleep(Duration::from_millis(20));
                last.store(is_last, Ordering::SeqCst);
            };
            let lost = |why| panic!("{why:?}");
            tokio::spawn(
                async move { runner.run_each(Duration::from_millis(1), each, lost).await },
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert!(!done.load(Ordering::SeqCst));
            work.stop();
            work.abandon().await;
            assert!(done.load(Ordering::SeqCst));
        });
    }

    #[test]
    fn what_panics_in_between_is_told_and_tried_again() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (work, told) = (Work::default(), AtomicUsize::new(0));
            let stopper = work.clone();
            let each = move |is_last: bool| assert!(is_last, "on purpose");
            let lost = |why| {
                assert!(matches!(why, Lost::Panic(_)));
                if told.fetch_add(1, Ordering::SeqCst) == 1 {
                    stopper.stop();
                }
            };
            work.run_each(Duration::from_millis(1), each, lost).await;
            assert_eq!(told.load(Ordering::SeqCst), 2);
        });
    }

    #[test]
    fn a_panic_is_an_error_of_its_own_request() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let work = Work::default();
        let result = runtime.block_on(work.run(|_| panic!("on purpose")));
        assert!(matches!(result, Err(Lost::Panic(_))));
    }
}
