//! Threads and connections of this process: a Tokio runtime, a rayon pool, an HTTP connection pool.
//!
//! All of it belongs to one process id. After a `fork` the child has none of the parent's threads,
//! so it neither uses nor drops the parent's runtime, but starts its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;

use crate::error::IoContext;
use crate::http::Pools;
use crate::{Error, Result};

static CURRENT: ArcSwapOption<Runtime> = ArcSwapOption::const_empty();

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

/// The threads and connections of one process.
#[derive(Debug)]
pub struct Runtime {
    pid: u32,
    tokio: tokio::runtime::Runtime,
    pool: rayon::ThreadPool,
    /// Connection pools, by what they trust.
    http: Mutex<HashMap<String, Pools>>,
}

/// The runtime of this process, started at the first call.
pub fn current() -> Result<Arc<Runtime>> {
    let seen = CURRENT.load_full();
    if let Some(runtime) = &seen
        && runtime.pid == std::process::id()
    {
        return Ok(Arc::clone(runtime));
    }
    std::mem::forget(seen); // the parent's threads are not here: neither use nor drop its runtime
    let fresh = Arc::new(Runtime::start()?); // two first callers may both start one: harmless
    std::mem::forget(CURRENT.swap(Some(Arc::clone(&fresh))));
    Ok(fresh)
}

/// Number of CPU workers: the cores this process may use, capped by `SELENITE_JOBS`.
pub fn threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    jobs_limit().map_or(cores, |limit| limit.min(cores))
}

/// The value of `SELENITE_JOBS`, if it is set to a positive number.
pub fn jobs_limit() -> Option<usize> {
    std::env::var("SELENITE_JOBS").ok()?.trim().parse().ok().filter(|jobs| *jobs > 0)
}

impl Runtime {
    fn start() -> Result<Self> {
        // Requests run on the threads that wait for them: handing many small answers from thread to
        // thread costs more than a second thread gains.
        let tokio = tokio::runtime::Builder::new_current_thread()
            .thread_name("selenite-io")
            .enable_all()
            .build()
            .at("tokio runtime")?;
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads())
            .thread_name(|index| format!("selenite-cpu-{index}"))
            .build()
            .map_err(|error| Error::invalid("SELENITE_JOBS", "", error.to_string()))?;
        Ok(Self { pid: std::process::id(), tokio, pool, http: Mutex::default() })
    }

    /// Runs a future to its end on the calling thread, which must not be a Tokio thread.
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.tokio.block_on(work)
    }

    /// Runs CPU work inside this process's rayon pool.
    pub fn install<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.pool.install(work)
    }

    /// The connection pools of this name, made with `build` at the first call.
    pub(crate) fn pools(
        &self,
        name: String,
        build: impl FnOnce() -> Result<Pools>,
    ) -> Result<Pools> {
        let mut pools = self.http.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = pools.get(&name) {
            return Ok(found.clone());
        }
        let made = build()?;
        pools.insert(name, made.clone());
        Ok(made)
    }
}
