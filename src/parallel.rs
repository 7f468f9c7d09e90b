//! Work that several threads do at once: as many as there are cores for, and fewer where the system
//! allows no more. A pool is made for the work and is no larger than it, so no call waits for the
//! threads of another, and nothing of it outlives a fork.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::Builder;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::oneshot;

use crate::runtime::{Helpers, helpers};
use crate::shared::lock;

/// The threads for one piece of work.
#[derive(Debug)]
pub(crate) struct Team {
    /// None if the calling thread works alone.
    pool: Option<ThreadPool>,
    _helpers: Helpers,
}

impl Team {
    /// No more threads than there are parts of the work.
    pub(crate) fn for_parts(parts: usize) -> Self {
        let helpers = helpers(parts.saturating_sub(1));
        let mut threads = helpers.count + 1;
        let mut pool = None;
        // Where the system allows no more there are fewer.
        while threads > 1 && pool.is_none() {
            let builder = ThreadPoolBuilder::new().num_threads(threads);
            pool = builder.thread_name(|index| format!("selenite-cpu-{index}")).build().ok();
            threads /= 2;
        }
        Self { pool, _helpers: helpers }
    }

    /// How many threads there are.
    pub(crate) fn size(&self) -> usize {
        self.pool.as_ref().map_or(1, ThreadPool::current_num_threads)
    }

    /// Does `work` on all threads at once; it is told which of them it is on.
    pub(crate) fn run<R: Send>(&self, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
        match &self.pool {
            Some(pool) => pool.broadcast(|thread| work(thread.index())),
            None => vec![work(0)],
        }
    }

    /// Applies `work` to all items; the failure is that of the first item that fails.
    ///
    /// Every thread has something of its own, made by `init`, and does items that follow each other.
    pub(crate) fn try_map<T: Sync, S, R: Send, E: Send>(
        &self,
        items: &[T],
        init: impl Fn() -> S + Send + Sync,
        work: impl Fn(&mut S, &T) -> Result<R, E> + Send + Sync,
    ) -> Result<Vec<R>, E> {
        let Some(pool) = &self.pool else {
            let mut own = init();
            return items.iter().map(|item| work(&mut own, item)).collect();
        };
        let first_failure = AtomicUsize::new(usize::MAX);
        let results: Vec<Option<Result<R, E>>> = pool.install(|| {
            let all = items.par_iter().enumerate();
            let all = all.map_init(init, |own, (index, item)| {
                if index > first_failure.load(Ordering::Relaxed) {
                    return None;
                }
                let result = work(own, item);
                if result.is_err() {
                    first_failure.fetch_min(index, Ordering::Relaxed);
                }
                Some(result)
            });
            all.collect()
        });
        // Items that were left out come after one that failed.
        results.into_iter().flatten().collect()
    }
}

/// As [`Team::try_map`], with a team for this work alone.
pub(crate) fn try_map<T: Sync, S, R: Send, E: Send>(
    items: &[T],
    init: impl Fn() -> S + Send + Sync,
    work: impl Fn(&mut S, &T) -> Result<R, E> + Send + Sync,
) -> Result<Vec<R>, E> {
    Team::for_parts(items.len()).try_map(items, init, work)
}

/// Does blocking work beside a future: on a thread of its own, or right here if the system allows no
/// more of them. It is done even if nobody waits for the result any more.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let result = Arc::new(Mutex::new(None));
    let there = Arc::clone(&result);
    done_aside(Box::new(move || *lock(&there) = Some(work()))).await;
    let result = lock(&result).take();
    result.expect("work that was done has left its result")
}

/// The part of [`aside`] that is compiled once for results of any type.
async fn done_aside(work: Box<dyn FnOnce() + Send>) {
    let (sender, result) = oneshot::channel();
    let work = Arc::new(Mutex::new(Some(work)));
    let there = Arc::clone(&work);
    let spawned = Builder::new().name("selenite-aside".to_owned()).spawn(move || {
        let work = lock(&there).take();
        if let Some(work) = work {
            let _ = sender.send(catch_unwind(AssertUnwindSafe(work)));
        }
    });
    let work = if spawned.is_err() { lock(&work).take() } else { None };
    if let Some(work) = work {
        work();
        return;
    }
    if let Err(panic) = result.await.expect("the thread has the work, and answers") {
        resume_unwind(panic);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_done_once_and_results_are_in_order() {
        for count in [0, 1, 2, 3, 1000] {
            let items: Vec<usize> = (0..count).collect();
            let made = AtomicUsize::new(0);
            let init = || made.fetch_add(1, Ordering::Relaxed);
            let slow_at_first = |_: &mut usize, item: &usize| {
                if *item < 3 {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                Ok::<_, ()>(*item)
            };
            assert_eq!(try_map(&items, init, slow_at_first).unwrap(), items);
        }
    }

    #[test]
    fn the_failure_is_that_of_the_first_item_that_fails() {
        let items: Vec<usize> = (0..1000).collect();
        let work = |(): &mut (), item: &usize| if item % 300 == 299 { Err(*item) } else { Ok(()) };
        assert_eq!(try_map(&items, || (), work), Err(299));
    }

    #[test]
    fn what_is_done_aside_holds_up_no_other_future_of_its_thread() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let limit = std::time::Duration::from_secs(30);
        let blocking = aside(move || receiver.recv_timeout(limit));
        let other = async move { sender.send("meanwhile").unwrap() };
        let runtime = crate::runtime::current().unwrap();
        let (done, ()) = runtime.block_on(async { tokio::join!(blocking, other) });
        assert_eq!(done, Ok("meanwhile"));
    }

    #[test]
    fn there_are_no_more_threads_than_parts_nor_more_helpers_than_cores() {
        assert_eq!(Team::for_parts(0).size(), 1);
        assert_eq!(Team::for_parts(1).size(), 1);
        let teams: Vec<Team> = (0..4).map(|_| Team::for_parts(1000)).collect();
        let helpers: usize = teams.iter().map(|team| team.size() - 1).sum();
        assert!(helpers < crate::runtime::threads(), "{helpers}");
        for team in &teams {
            assert!(team.run(|_| ()).len() <= team.size());
        }
    }
}
