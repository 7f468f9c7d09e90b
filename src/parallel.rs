//! Work that several threads do at once: as many as there are cores for, and fewer where the system
//! allows no more. The calling thread is one of them, so no call waits for the threads of another.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::runtime::{Helpers, helpers};

/// The threads for one piece of work.
#[derive(Debug)]
pub struct Team(Helpers);

impl Team {
    /// No more threads than there are parts of the work.
    pub fn for_parts(parts: usize) -> Self {
        Self(helpers(parts.saturating_sub(1)))
    }

    /// How many threads there are, this one among them.
    pub fn size(&self) -> usize {
        self.0.count + 1
    }

    /// Does `work` on all threads at once; it is told which of them it is on.
    pub fn run<R: Send>(&self, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
        std::thread::scope(|scope| {
            let work = &work;
            let mut others = Vec::new();
            for number in 1..self.size() {
                let name = format!("selenite-cpu-{number}");
                match std::thread::Builder::new()
                    .name(name)
                    .spawn_scoped(scope, move || work(number))
                {
                    Ok(thread) => others.push(thread),
                    Err(_) => break, // where no more can be made, there is more to do for the others
                }
            }
            let mut results = vec![work(0)];
            for thread in others {
                match thread.join() {
                    Ok(result) => results.push(result),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            results
        })
    }
}

/// Applies `work` to all items; the failure is that of the first item that fails.
///
/// Every thread has something of its own, made by `init`, and does items that follow each other.
pub fn try_map<T: Sync, S, R: Send, E: Send>(
    items: &[T],
    init: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, &T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let team = Team::for_parts(items.len());
    let shares = Shares::new(items.len(), team.size());
    let first_failure = AtomicUsize::new(usize::MAX);
    let done = team.run(|thread| {
        let mut own = init();
        let mut done = Vec::new();
        while let Some(index) = shares.next(thread) {
            if index > first_failure.load(Ordering::Relaxed) {
                continue;
            }
            let result = work(&mut own, &items[index]);
            if result.is_err() {
                first_failure.fetch_min(index, Ordering::Relaxed);
            }
            done.push((index, result));
        }
        done
    });
    let mut results: Vec<Option<Result<R, E>>> = Vec::new();
    results.resize_with(items.len(), || None);
    for (index, result) in done.into_iter().flatten() {
        results[index] = Some(result);
    }
    // Items that were left out come after one that failed.
    results.into_iter().flatten().collect()
}

/// Items that are still to be done, a range for each thread.
struct Shares(Vec<Mutex<Range<usize>>>);

impl Shares {
    fn new(items: usize, threads: usize) -> Self {
        let start = |thread: usize| items * thread / threads;
        let shares = (0..threads).map(|thread| Mutex::new(start(thread)..start(thread + 1)));
        Self(shares.collect())
    }

    fn share(&self, thread: usize) -> std::sync::MutexGuard<'_, Range<usize>> {
        self.0[thread].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next item of a thread: of its own share, and then of the half that it takes from another.
    fn next(&self, thread: usize) -> Option<usize> {
        if let Some(index) = self.share(thread).next() {
            return Some(index);
        }
        for other in (0..self.0.len()).filter(|other| *other != thread) {
            let mut taken = {
                let mut share = self.share(other);
                let middle = share.start + share.len() / 2;
                let taken = middle..share.end;
                share.end = middle;
                taken
            };
            if let Some(index) = taken.next() {
                *self.share(thread) = taken;
                return Some(index);
            }
        }
        None
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
    fn shares_are_taken_by_whoever_has_nothing_left() {
        let shares = Shares::new(10, 3);
        let mut seen: Vec<usize> = (0..4).map_while(|_| shares.next(1)).collect();
        seen.extend(std::iter::from_fn(|| shares.next(2)));
        assert_eq!(shares.next(0), None);
        seen.sort_unstable();
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn the_failure_is_that_of_the_first_item_that_fails() {
        let items: Vec<usize> = (0..1000).collect();
        let work = |(): &mut (), item: &usize| if item % 300 == 299 { Err(*item) } else { Ok(()) };
        assert_eq!(try_map(&items, || (), work), Err(299));
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
