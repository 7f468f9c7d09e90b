//! Threads for what blocks. Unlike Tokio's they say so when the system allows no more of them, where
//! work would wait for ever otherwise.

use std::any::Any;
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::oneshot;

use crate::runtime::PerProcess;
use crate::shared::{lock, wait};

/// How long a thread waits for more work.
const PATIENCE: Duration = Duration::from_secs(2);

static THREADS: PerProcess<Threads> = PerProcess::empty();

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    /// The work panicked.
    #[error("it panicked: {0}")]
    Panic(String),
    /// Nothing was done.
    #[error("the system allows no more threads")]
    NoThread,
}

impl From<Lost> for io::Error {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Panic(_) => Self::other(lost),
            Lost::NoThread => Self::new(io::ErrorKind::WouldBlock, lost),
        }
    }
}

pub(super) type Task = Box<dyn FnOnce() + Send>;

#[derive(Debug)]
struct Threads {
    state: Mutex<State>,
    comes: Condvar,
    most: AtomicUsize,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Task>,
    idle: usize,
    count: usize,
}

impl std::fmt::Debug for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("State").field("idle", &self.idle).finish_non_exhaustive()
    }
}

fn threads() -> &'static Threads {
    THREADS.get(|| Threads {
        state: Mutex::default(),
        comes: Condvar::new(),
        most: AtomicUsize::new(usize::MAX),
    })
}

/// Lets more work than so many wait for a thread to become free.
pub(crate) fn limit(most: usize) {
    threads().most.store(most, Ordering::Relaxed);
}

/// Does blocking work on another thread. It is done even if nobody waits for the result any more.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Lost> {
    let (task, result) = later(work);
    done(task).await?;
    result.take().ok_or(Lost::NoThread)
}

/// Work without the type of its result, which [`done`] is compiled for once; and where that will be.
pub(super) fn later<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> (Task, Later<T>) {
    let result = Arc::new(Mutex::new(None));
    let there = Arc::clone(&result);
    (Box::new(move || *lock(&there) = Some(work())), Later(result))
}

/// The result of work, once it was done.
pub(super) struct Later<T>(Arc<Mutex<Option<T>>>);

impl<T> Later<T> {
    pub(super) fn take(self) -> Option<T> {
        lock(&self.0).take()
    }
}

/// Waits until a task was done on another thread.
pub(super) async fn done(task: Task) -> Result<(), Lost> {
    let (sender, result) = oneshot::channel();
    threads().start(Box::new(move || {
        let done = catch_unwind(AssertUnwindSafe(task)).map_err(|panic| Lost::Panic(text(&*panic)));
        // Nobody minds if the caller has given up waiting.
        let _ = sender.send(done);
    }))?;
    result.await.unwrap_or(Err(Lost::NoThread))
}

/// [`run`] for a short piece of work, which is done right here if there is no thread for it: the
/// answer has begun and can only break.
pub(crate) async fn run_or_here<T: Send + 'static>(
    work: impl Fn() -> io::Result<T> + Send + Sync + 'static,
) -> io::Result<T> {
    let work = Arc::new(work);
    let there = Arc::clone(&work);
    match run(move || there()).await {
        Err(Lost::NoThread) => work(),
        done => done?,
    }
}

/// Waits for what answers a request, and tells if it panics.
pub(crate) async fn caught<T>(answer: impl Future<Output = T>) -> Result<T, Lost> {
    // What it has changed is not looked at again: the request ends with it.
    let caught = AssertUnwindSafe(answer).catch_unwind().await;
    caught.map_err(|panic| Lost::Panic(text(&*panic)))
}

fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

impl Threads {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn start(&'static self, task: Task) -> Result<(), Lost> {
        let mut state = self.lock();
        let is_full = state.count >= self.most.load(Ordering::Relaxed);
        if !is_full && state.waiting.len() >= state.idle {
            // With the lock: a refused thread must not be counted on.
            let name = "selenite-work".to_owned();
            let spawned = std::thread::Builder::new().name(name).spawn(move || self.serve());
            spawned.map_err(|_| Lost::NoThread)?;
            state.count += 1;
            state.idle += 1;
        }
        state.waiting.push_back(task);
        self.comes.notify_one();
        Ok(())
    }

    /// A thread, counted as idle at first.
    fn serve(&self) {
        let mut state = self.lock();
        loop {
            if let Some(task) = state.waiting.pop_front() {
                state.idle -= 1;
                drop(state);
                task();
                state = self.lock();
                state.idle += 1;
                continue;
            }
            let is_over;
            (state, is_over) = wait(&self.comes, state, PATIENCE);
            if is_over && state.waiting.is_empty() {
                state.idle -= 1;
                state.count -= 1;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_on_the_way_to_an_answer_is_told() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let wrong = "on purpose".parse::<u8>();
        let told = runtime.block_on(caught(async { wrong.expect("on purpose") })).unwrap_err();
        assert!(told.to_string().contains("on purpose"), "{told}");
        assert_eq!(runtime.block_on(caught(async { 1 })).unwrap(), 1);
    }

    #[test]
    fn work_that_comes_at_once_is_done_at_once() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let barrier = Arc::new(std::sync::Barrier::new(20));
        let meet = |_| {
            let barrier = Arc::clone(&barrier);
            run(move || barrier.wait())
        };
        let met = runtime.block_on(futures_util::future::join_all((0..20).map(meet)));
        assert!(met.iter().all(Result::is_ok));
        let lost = runtime.block_on(run(|| panic!("on purpose"))).unwrap_err();
        assert!(matches!(lost, Lost::Panic(text) if text == "on purpose"));
    }
}
