//! The only way Python waits for the core.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread::Builder;
use std::time::Duration;

use pyo3::prelude::*;

use super::log;
use crate::error::IoContext;
use crate::fs::lock;
use crate::job::Job;
use crate::{Result, settings};

const TICK: Duration = Duration::from_millis(50);

/// Runs `work` on its own thread with the GIL released, looking for signals every 50 ms.
///
/// `progress` is called at each tick and at the end with
/// `(bytes_done, bytes_total, files_done, files_total, retries)`. A signal, or an exception from
/// `progress`, cancels the job and is raised once the work has stopped. Once the interpreter ends,
/// the work is cancelled, and this never returns.
pub(super) fn wait<T: Send>(
    py: Python<'_>,
    progress: Option<&Py<PyAny>>,
    work: impl FnOnce(&Job) -> Result<T> + Send,
) -> PyResult<T> {
    let tell = |py: Python<'_>, job: &Job| {
        progress.map_or(Ok(()), |callback| {
            let now = job.progress();
            let files = (now.files_done, now.files_total);
            let counts = (now.bytes_done, now.bytes_total, files.0, files.1, now.retries);
            callback.call1(py, counts).map(drop)
        })
    };
    wait_telling(py, tell, work)
}

/// [`wait`] with `tell` instead of a function of Python's.
pub(super) fn wait_telling<T: Send>(
    py: Python<'_>,
    tell: impl Fn(Python<'_>, &Job) -> PyResult<()> + Sync,
    work: impl FnOnce(&Job) -> Result<T> + Send,
) -> PyResult<T> {
    let (mut work, mut value) = (Some(work), None);
    wait_for(py, &tell, &mut |job| {
        value = work.take().map(|work| work(job)).transpose()?;
        Ok(())
    })?;
    Ok(value.expect("work that was done has left its value"))
}

/// The part of [`wait_telling`] that is the same, and compiled once, for results of any type.
fn wait_for(
    py: Python<'_>,
    tell: &(dyn Fn(Python<'_>, &Job) -> PyResult<()> + Sync),
    work: &mut (dyn FnMut(&Job) -> Result<()> + Send),
) -> PyResult<()> {
    settings::check()?;
    log::begin(py)?;
    let job = Job::default();
    let tick = |py: Python<'_>| -> PyResult<()> {
        py.check_signals()?;
        log::tick(py)?;
        tell(py, &job)
    };
    // Failures become exceptions only when Python is there again.
    let result: PyResult<Result<()>> = py.detach(|| {
        std::thread::scope(|scope| {
            let (sender, receiver) = sync_channel(1);
            let job = &job;
            let spawned =
                Builder::new().name("selenite-call".to_owned()).spawn_scoped(scope, move || {
                    // Nobody receives it if an exception has ended the wait.
                    let _ = sender.send(work(job));
                });
            let worker = match spawned.at("thread for a call") {
                Ok(worker) => worker,
                Err(error) => return Ok(Err(error)),
            };
            loop {
                match receiver.recv_timeout(TICK) {
                    Ok(Ok(())) => return attached(job, tick).map(Ok),
                    Ok(Err(error)) => return Ok(Err(error)),
                    Err(RecvTimeoutError::Timeout) => {
                        attached(job, tick).inspect_err(|_| job.cancel())?;
                    }
                    Err(RecvTimeoutError::Disconnected) => match worker.join() {
                        Err(panic) => std::panic::resume_unwind(panic),
                        Ok(()) => unreachable!("the worker sends before it ends"),
                    },
                }
            }
        })
    });
    // Also of what failed: a failure of the handlers matters less.
    let handed_over = log::hand_over(py);
    result?.map_err(PyErr::from)?;
    handed_over?;
    if lock::are_missing() {
        py.import("selenite._locks")?.call_method0("warn_of_missing_locks")?;
    }
    Ok(())
}

/// Looks at Python for a moment. Once the interpreter ends, this thread stays here: it has nothing to
/// return to.
pub(super) fn attached(job: &Job, tick: impl FnOnce(Python<'_>) -> PyResult<()>) -> PyResult<()> {
    Python::try_attach(tick).unwrap_or_else(|| {
        job.cancel();
        loop {
            std::thread::park();
        }
    })
}
