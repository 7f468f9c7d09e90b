//! How many transfers of a call go on at once: as many as the caller says, or as many as the server
//! turns out to be worth (`http::pace`).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use reqwest::Url;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::http::{Http, Tries, first_at_once, most_at_once};
use crate::job::Job;
use crate::runtime::{self, PerProcess};
use crate::shared::lock;

/// Requests at once, before anything is known about the server, for a caller who asked for `asked`;
/// 0 and 1 leave the number open.
pub(crate) fn at_once(asked: usize) -> usize {
    match asked {
        0 | 1 => runtime::jobs_limit().unwrap_or(usize::MAX).min(as_size(first_at_once())),
        more => more,
    }
}

fn as_size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The turns that calls at the same time share where a setting limits them, and how many these are.
type Pool = (usize, Weak<Semaphore>);

static POOL: PerProcess<Mutex<Pool>> = PerProcess::empty();

fn pool(limit: usize) -> Arc<Semaphore> {
    let mut pool = lock(POOL.get(Mutex::default));
    if let Some(turns) = pool.1.upgrade()
        && pool.0 == limit
    {
        return turns;
    }
    let turns = Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS)));
    *pool = (limit, Arc::downgrade(&turns));
    turns
}

/// The transfers of a call.
#[derive(Debug)]
pub(crate) struct Crowd {
    turns: Semaphore,
    /// Those of all calls; None if no setting limits them, or the caller has chosen a number.
    shared: Option<Arc<Semaphore>>,
    /// How many there may be now, and how many turns there are.
    wanted: AtomicUsize,
    there: AtomicUsize,
    most: usize,
    is_open: bool,
}

/// Leave for one transfer to go on, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    crowd: &'a Crowd,
    own: Option<SemaphorePermit<'a>>,
    /// Of those that all calls share.
    _all: Option<OwnedSemaphorePermit>,
}

impl Crowd {
    /// For a caller who asked for `asked` at once; 0 and 1 leave the number open.
    pub(crate) fn new(asked: usize) -> Self {
        let (first, is_open) = (at_once(asked), asked <= 1);
        let open = || runtime::jobs_limit().unwrap_or(usize::MAX).min(as_size(most_at_once()));
        let most = if is_open { open() } else { asked };
        let [wanted, there] = [first; 2].map(AtomicUsize::new);
        let shared = runtime::jobs_limit().filter(|_| is_open).map(pool);
        Self { turns: Semaphore::new(first), shared, wanted, there, most, is_open }
    }

    /// Just so many at once.
    #[cfg(test)]
    pub(crate) fn of(number: usize) -> Self {
        let [wanted, there] = [number; 2].map(AtomicUsize::new);
        let (turns, shared) = (Semaphore::new(number), None);
        Self { turns, shared, wanted, there, most: number, is_open: false }
    }

    /// How many there may be now.
    pub(crate) fn now(&self) -> usize {
        self.wanted.load(Ordering::Relaxed)
    }

    /// How many there may ever be.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// Whether neither the caller nor a setting limits it.
    pub(crate) fn is_free(&self) -> bool {
        self.is_open && runtime::jobs_limit().is_none()
    }

    /// Lets as many go on as of another crowd.
    pub(crate) fn follow(&self, other: &Self) {
        self.set(u32::try_from(other.now()).unwrap_or(u32::MAX));
    }

    /// Waits until another may go on.
    pub(crate) async fn turn(&self) -> Turn<'_> {
        const OPEN: &str = "nobody closes it";
        let turn = self.turns.acquire().await.expect(OPEN);
        let shared = match &self.shared {
            Some(all) => Some(Arc::clone(all).acquire_owned().await.expect(OPEN)),
            None => None,
        };
        Turn { crowd: self, own: Some(turn), _all: shared }
    }

    /// Leave for another to go on, if nobody else wants it now.
    pub(crate) fn free_turn(&self) -> Option<Turn<'_>> {
        let turn = self.turns.try_acquire().ok()?;
        let shared = match &self.shared {
            Some(all) => Some(Arc::clone(all).try_acquire_owned().ok()?),
            None => None,
        };
        Some(Turn { crowd: self, own: Some(turn), _all: shared })
    }

    /// Whether another may go on now.
    pub(crate) fn has_free_turn(&self) -> bool {
        let is_shared_free = |all: &Arc<Semaphore>| all.available_permits() > 0;
        self.turns.available_permits() > 0 && self.shared.as_ref().is_none_or(is_shared_free)
    }

    /// The tries of a transfer of so many bytes.
    pub(crate) fn tries<'a>(
        &self,
        http: &Http,
        url: &Url,
        bytes: Option<u64>,
        job: &'a Job,
    ) -> Tries<'a> {
        let tries = http.tries(url, job);
        if !self.is_open {
            return tries;
        }
        self.set(tries.at_once());
        tries.of_transfer(bytes.unwrap_or_default(), most_at_once())
    }

    /// Notes that a transfer was answered: there may be more, or less, from now on.
    pub(crate) fn answered(&self, tries: &mut Tries<'_>) {
        tries.answered();
        if self.is_open {
            self.set(tries.at_once());
        }
    }

    fn set(&self, wanted: u32) {
        let wanted = as_size(wanted).min(self.most);
        self.wanted.store(wanted, Ordering::Relaxed);
        let there = self.there.load(Ordering::Relaxed);
        if wanted > there {
            self.there.store(wanted, Ordering::Relaxed);
            self.turns.add_permits(wanted - there);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let Crowd { wanted, there, .. } = self.crowd;
        // All transfers of a call are in one thread.
        if there.load(Ordering::Relaxed) > wanted.load(Ordering::Relaxed)
            && let Some(turn) = self.own.take()
        {
            turn.forget();
            there.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(crowd: &Crowd) -> usize {
        crowd.turns.available_permits()
    }

    #[test]
    fn turns_come_and_go_with_the_number() {
        let crowd = Crowd::new(1);
        assert_eq!((free(&crowd), crowd.most()), (16, 128));
        crowd.set(64);
        let runtime = runtime::current().unwrap();
        let taken: Vec<_> = (0..64).map(|_| runtime.block_on(crowd.turn())).collect();
        crowd.set(500);
        assert_eq!(free(&crowd), 64, "never more than the most");
        crowd.set(16);
        drop(taken);
        assert_eq!(free(&crowd), 64, "as many as were taken are gone");
        let taken: Vec<_> = (0..64).map(|_| runtime.block_on(crowd.turn())).collect();
        drop(taken);
        assert_eq!(free(&crowd), 16);
    }

    #[test]
    fn calls_at_the_same_time_share_a_pool() {
        let all = pool(3);
        assert!(Arc::ptr_eq(&all, &pool(3)));
        let crowds = [Crowd::new(1), Crowd::new(1)]
            .map(|crowd| Crowd { shared: Some(Arc::clone(&all)), ..crowd });
        let runtime = runtime::current().unwrap();
        let mut taken: Vec<_> =
            (0..3).map(|number| runtime.block_on(crowds[number % 2].turn())).collect();
        assert!(crowds.iter().all(|crowd| !crowd.has_free_turn() && crowd.free_turn().is_none()));
        taken.pop();
        assert!(crowds[1].free_turn().is_some());
        drop(taken);
        drop(crowds);
        let weak = Arc::downgrade(&all);
        drop(all);
        assert!(weak.upgrade().is_none(), "nothing stays of it");
    }

    #[test]
    fn a_number_that_was_chosen_stays() {
        let crowd = Crowd::new(200);
        let (url, http) = ("http://h/".parse().unwrap(), Http::new(&runtime::current().unwrap()));
        let (http, job) = (http.unwrap(), Job::default());
        let mut tries = crowd.tries(&http, &url, None, &job);
        crowd.answered(&mut tries);
        assert_eq!((free(&crowd), crowd.most()), (200, 200));
    }
}
