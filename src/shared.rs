//! What threads share: locks that survive a panic, and memory for what is looked up again.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Locks what is right at every moment, because it is changed in one step: a panic of whoever had it
/// before leaves nothing half done.
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// [`lock`] by whoever has the only reference left.
pub(crate) fn unlocked<T>(mutex: Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Gives a lock up until there is news, at most for so long; also says whether it took that long.
pub(crate) fn wait<'a, T>(
    news: &Condvar,
    guard: MutexGuard<'a, T>,
    most: Duration,
) -> (MutexGuard<'a, T>, bool) {
    let (guard, waited) = news.wait_timeout(guard, most).unwrap_or_else(PoisonError::into_inner);
    (guard, waited.timed_out())
}

/// What is remembered of at most so many things. Full, it forgets all of them: what is still needed
/// is looked up once more, and nobody has to keep count of what was used when.
#[derive(Debug)]
pub(crate) struct Memory<K, V, const MOST: usize>(HashMap<K, V>);

impl<K, V, const MOST: usize> Default for Memory<K, V, MOST> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash, V, const MOST: usize> Memory<K, V, MOST> {
    /// What is remembered of a thing.
    pub(crate) fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.0.get(key)
    }

    /// Remembers something from now on.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        if self.0.len() >= MOST && !self.0.contains_key(&key) {
            self.0.clear();
        }
        self.0.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_survives_whoever_panics_with_it() {
        let mutex = Mutex::new(1);
        let panicked = std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    let _held = lock(&mutex);
                    panic!("with the lock");
                })
                .join()
        });
        assert!(panicked.is_err() && mutex.is_poisoned());
        *lock(&mutex) += 1;
        let (guard, is_over) = wait(&Condvar::new(), lock(&mutex), Duration::from_millis(1));
        assert!(is_over && *guard == 2);
        drop(guard);
        assert_eq!(unlocked(mutex), 2);
    }

    #[test]
    fn a_memory_never_holds_more_than_it_may() {
        let mut memory = Memory::<_, _, 2>::default();
        for (key, value) in [("a", 1), ("b", 2), ("b", 3)] {
            memory.insert(key, value);
        }
        assert_eq!((memory.get("a"), memory.get("b")), (Some(&1), Some(&3)));
        memory.insert("c", 4);
        assert_eq!((memory.get("a"), memory.get("c")), (None, Some(&4)));
    }
}
