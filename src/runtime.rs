//! What belongs to one process, and to one thread of it: tasks and connections.
//!
//! 1. Every thread that is in a call has a runtime of its own, so whatever the call does, digesting a
//!    large file or waiting for a slow disk, keeps no other call waiting. Requests run on the thread
//!    that waits for them: handing many small answers from thread to thread costs more than a second
//!    thread gains.
//! 2. A thread gives its runtime back after the call, and the next call goes on with its connections.
//! 3. A forked child has none of its parent's threads: it uses nothing that its parent made.
//! 4. What was made by a process that has closed all descriptors since, as daemons do, is not used any
//!    more, nor dropped: its numbers may be those of other files by now.

use std::any::Any;
use std::cell::RefCell;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use arc_swap::ArcSwapOption;

use crate::Result;
use crate::error::IoContext;
use crate::shared::lock;
use crate::system::{Handle, Place, Stat};

/// Runtimes that wait for a call to come.
const MOST_IDLE: usize = 32;

static PROCESS: PerProcess<Process> = PerProcess::empty();

thread_local! {
    /// The runtime of this thread, as long as something in the thread holds it.
    static HERE: RefCell<Weak<Runtime>> = const { RefCell::new(Weak::new()) };
}

/// A static value of which every process makes its own: what a child inherits may be locked, or
/// wait for threads that the child does not have, so it is neither used nor dropped.
#[derive(Debug)]
pub struct PerProcess<T: 'static> {
    // Lock-free: no lock can be held across a fork.
    current: ArcSwapOption<(u32, &'static T)>,
}

impl<T: Sync> PerProcess<T> {
    /// Nothing yet.
    pub const fn empty() -> Self {
        Self { current: ArcSwapOption::const_empty() }
    }

    /// The value of this process, made at the first call.
    pub fn get(&self, make: impl FnOnce() -> T) -> &'static T {
        let id = std::process::id();
        let seen = self.current.load();
        if let Some((owner, value)) = seen.as_deref()
            && *owner == id
        {
            return value;
        }
        let made: &'static T = Box::leak(Box::new(make()));
        let before = self.current.compare_and_swap(&seen, Some(Arc::new((id, made))));
        match before.as_deref() {
            Some((owner, first)) if *owner == id => first, // another thread was faster
            _ => made,
        }
    }
}

/// What all threads of a process share.
#[derive(Debug, Default)]
struct Process {
    idle: Mutex<Vec<Engine>>,
    /// Threads that help others with their work.
    helpers: AtomicUsize,
    /// The cores that it may use, as it was told first.
    cores: OnceLock<usize>,
}

fn process() -> &'static Process {
    PROCESS.get(Process::default)
}

/// Tasks and connections of one thread.
#[derive(Debug)]
pub struct Runtime {
    owner: u32,
    /// None only while it is given back.
    engine: Option<Engine>,
}

/// A Tokio runtime and what belongs to it.
#[derive(Debug)]
struct Engine {
    tokio: tokio::runtime::Runtime,
    /// The connections: of a type that this room does not know.
    kept: OnceLock<Box<dyn Any + Send + Sync>>,
    witnesses: Witnesses,
}

/// The runtime of this thread; whoever makes requests must hold it.
pub fn current() -> Result<Arc<Runtime>> {
    HERE.with_borrow_mut(|here| {
        if let Some(runtime) = here.upgrade()
            && runtime.owner == std::process::id()
        {
            return Ok(runtime);
        }
        let fresh = Arc::new(Runtime::take()?);
        *here = Arc::downgrade(&fresh);
        Ok(fresh)
    })
}

/// Number of CPU workers: the cores this process may use, capped by `SELENITE_JOBS`.
pub fn threads() -> usize {
    // Asking the system takes longer than many a call.
    let cores = *process()
        .cores
        .get_or_init(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    jobs_limit().map_or(cores, |limit| limit.min(cores))
}

/// The value of `SELENITE_JOBS`, if it is set to a positive number.
pub fn jobs_limit() -> Option<usize> {
    // A bad value was refused before anything was done.
    crate::settings::jobs().unwrap_or_default()
}

/// Takes up to `wanted` of the threads that may help others: fewer than cores in the whole process,
/// since those that are helped work themselves. Dropped, it gives them back.
pub(crate) fn helpers(wanted: usize) -> Helpers {
    let process = process();
    let most = if wanted == 0 { 0 } else { threads() - 1 };
    let mut taken = 0;
    // Never fails: the closure always gives a number.
    let _ = process.helpers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |busy| {
        taken = wanted.min(most.saturating_sub(busy));
        Some(busy + taken)
    });
    Helpers { process, count: taken }
}

/// Threads that may be started now.
#[derive(Debug)]
pub(crate) struct Helpers {
    process: &'static Process,
    pub(crate) count: usize,
}

impl Drop for Helpers {
    fn drop(&mut self) {
        self.process.helpers.fetch_sub(self.count, Ordering::Relaxed);
    }
}

impl Runtime {
    fn take() -> Result<Self> {
        let process = process();
        loop {
            let idle = lock(&process.idle).pop();
            let engine = match idle {
                None => Engine::start().at("tokio runtime")?,
                Some(engine) if engine.witnesses.are_there() => engine,
                Some(engine) => {
                    std::mem::forget(engine);
                    continue;
                }
            };
            return Ok(Self { owner: std::process::id(), engine: Some(engine) });
        }
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("it is given back only when dropped")
    }

    /// Runs a future to its end on the calling thread, which must not be a Tokio thread.
    #[allow(clippy::missing_panics_doc, reason = "it has a result once it has ended")]
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        let mut result = None;
        {
            let work = pin!(async { result = Some(work.await) });
            // Of one type whatever the work is, so that Tokio's part of it is compiled once.
            self.engine().tokio.block_on(work as Pin<&mut dyn Future<Output = ()>>);
        }
        result.expect("the work has come to its end")
    }

    /// What is kept with it for as long as it lives, made at the first call; of one type only.
    pub(crate) fn kept<T: Any + Default + Send + Sync>(&self) -> &T {
        let kept = self.engine().kept.get_or_init(|| Box::new(T::default()));
        kept.downcast_ref().expect("nothing of another type is kept")
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let Some(engine) = self.engine.take() else { return };
        if self.owner != std::process::id() || !engine.witnesses.are_there() {
            std::mem::forget(engine);
            return;
        }
        let mut idle = lock(&process().idle);
        if idle.len() < MOST_IDLE {
            idle.push(engine);
        } else {
            drop(idle);
            engine.tokio.shutdown_background();
        }
    }
}

impl Engine {
    fn start() -> std::io::Result<Self> {
        let (below, _) = std::io::pipe()?;
        // No signals: those of a process have descriptors that its children cannot do without.
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let above = below.try_clone()?;
        let witnesses = Witnesses::new([below.into(), above.into()])?;
        Ok(Self { tokio, kept: OnceLock::new(), witnesses })
    }
}

/// Descriptors with numbers below and above those of a runtime. Whoever closes these without knowing
/// them closes the witnesses, too.
#[derive(Debug)]
struct Witnesses {
    descriptors: [Handle; 2],
    /// The pipe, which is no other file.
    identity: Place,
}

impl Witnesses {
    fn new(descriptors: [Handle; 2]) -> std::io::Result<Self> {
        let identity = identity(&descriptors[0])?;
        Ok(Self { descriptors, identity })
    }

    fn are_there(&self) -> bool {
        self.descriptors.iter().all(|one| identity(one).ok() == Some(self.identity))
    }
}

fn identity(descriptor: &Handle) -> std::io::Result<Place> {
    Ok(Stat::of(descriptor)?.identity.place)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::http::Http;
    use crate::http::testing::{answer, serve};
    use crate::job::Job;

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn a_call_that_blocks_holds_up_no_other() {
        let (blocks, is_blocked) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let work = async {
                    blocks.send(()).unwrap();
                    ended.recv_timeout(LONG).expect("the other call goes on meanwhile");
                };
                current().unwrap().block_on(work);
            });
            is_blocked.recv_timeout(LONG).unwrap();
            let (url, server) = serve(vec![answer("200 OK", "", 2, b"[]")]);
            let runtime = current().unwrap();
            let http = Http::new(&runtime).unwrap();
            runtime.block_on(http.get(&url, &Job::default())).unwrap();
            server.join().unwrap();
            end.send(()).unwrap();
        });
    }

    #[test]
    fn a_thread_keeps_its_runtime_as_long_as_it_is_held() {
        let runtime = current().unwrap();
        let http = Http::new(&runtime).unwrap();
        let place = Arc::as_ptr(&runtime);
        drop(runtime);
        assert_eq!(Arc::as_ptr(&current().unwrap()), place);
        let other = std::thread::spawn(|| Arc::into_raw(current().unwrap()) as usize);
        assert_ne!(other.join().unwrap(), place as usize);
        drop(http);
    }

    #[test]
    fn descriptors_that_were_closed_or_are_others_now_are_noticed() {
        let file = || Handle::from(tempfile::tempfile().unwrap());
        let pipe = Handle::from(std::io::pipe().unwrap().0);
        let whole = Witnesses::new([pipe.try_clone().unwrap(), pipe]).unwrap();
        assert!(whole.are_there());
        assert!(!Witnesses::new([file(), file()]).unwrap().are_there());
    }
}
