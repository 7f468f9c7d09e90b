//! Records of the engine for Python's `logging`: the loggers of their targets, below `selenite`. Those of
//! a service go to its own log.
//!
//! Whoever makes a record only puts it into a queue. The thread that waits for a call hands what is
//! there to Python, at each tick and at the end of the call: no worker ever waits for the GIL, nothing
//! is handed over while the interpreter ends, and no lock is held while Python runs. (`pyo3-log` takes
//! the GIL in the worker for each record.) A forked child has a queue of its own.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use log::{Level, LevelFilter, Log, Metadata, Record};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::runtime::PerProcess;
use crate::service::log as service;
use crate::shared::lock;
use crate::{Result, settings};

/// Records that wait for Python; what comes then is only counted.
const MOST_WAITING: usize = 10_000;
const TARGETS: [&str; 3] = ["selenite.http", "selenite.transfer", "selenite.cache"];

/// What the loggers of the targets let through, as numbers of [`LevelFilter`].
static LEVELS: [AtomicU8; TARGETS.len()] = [const { AtomicU8::new(0) }; TARGETS.len()];
/// What `SELENITE_LOG` asked for last.
static SHOWN: AtomicU8 = AtomicU8::new(0);
static LOGGERS: PyOnceLock<Vec<Py<PyAny>>> = PyOnceLock::new();
static QUEUE: PerProcess<Mutex<Queue>> = PerProcess::empty();

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<Waiting>,
    /// How many there was no room for.
    lost: usize,
}

/// Logger, level, seconds since 1970, and text of a record.
type Waiting = (&'static str, u8, f64, String);

struct Bridge;

impl Log for Bridge {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Other crates have targets of their own.
        if metadata.target().starts_with("selenite.") && service::takes(metadata.level()) {
            return true;
        }
        let target = TARGETS.iter().position(|target| *target == metadata.target());
        target.is_some_and(|at| LEVELS[at].load(Ordering::Relaxed) >= metadata.level() as u8)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        if service::takes(record.level()) {
            return service::told(record);
        }
        let target = TARGETS.into_iter().find(|target| *target == record.target());
        let Some(target) = target else { return };
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let waiting = (target, number_of(record.level()), since.as_secs_f64(), text(record));
        let mut queue = queue();
        if queue.waiting.len() < MOST_WAITING {
            queue.waiting.push(waiting);
        } else {
            queue.lost += 1;
        }
    }

    fn flush(&self) {}
}

fn text(record: &Record<'_>) -> String {
    record.args().to_string()
}

fn queue() -> MutexGuard<'static, Queue> {
    lock(QUEUE.get(Mutex::default))
}

/// Python's number of a level.
fn number_of(level: Level) -> u8 {
    match level {
        Level::Error => 40,
        Level::Warn => 30,
        Level::Info => 20,
        Level::Debug => 10,
        Level::Trace => 5,
    }
}

/// What a logger of Python's lets through.
fn filter_of(number: i64) -> LevelFilter {
    match number {
        ..=5 => LevelFilter::Trace,
        6..=10 => LevelFilter::Debug,
        11..=20 => LevelFilter::Info,
        21..=30 => LevelFilter::Warn,
        31..=40 => LevelFilter::Error,
        _ => LevelFilter::Off,
    }
}

/// Makes the engine's records come here.
pub(super) fn install() {
    // Fails in an interpreter of the same process that comes second: it is there already.
    let _ = log::set_logger(&Bridge);
}

/// Shows records on stderr if `SELENITE_LOG` asks for that now, and learns what the loggers let
/// through.
pub(super) fn begin(py: Python<'_>) -> PyResult<()> {
    let wanted: Result<Option<LevelFilter>> = settings::log();
    let wanted = wanted?;
    let code = wanted.map_or(0, |level| 1 + level as u8);
    if SHOWN.swap(code, Ordering::Relaxed) != code {
        let number = wanted.map(|level| level.to_level().map_or(u8::MAX, number_of));
        py.import(intern!(py, "selenite._log"))?.call_method1(intern!(py, "show"), (number,))?;
    }
    refresh(py)
}

/// Hands over what is waiting, and looks for changes of levels.
pub(super) fn tick(py: Python<'_>) -> PyResult<()> {
    hand_over(py)?;
    refresh(py)
}

/// Hands over what is waiting.
pub(super) fn hand_over(py: Python<'_>) -> PyResult<()> {
    if log::max_level() == LevelFilter::Off {
        return Ok(());
    }
    let Queue { waiting, lost } = std::mem::take(&mut *queue());
    if !waiting.is_empty() {
        let emit = py.import(intern!(py, "selenite._log"))?;
        emit.call_method1(intern!(py, "emit"), (waiting, lost))?;
    }
    Ok(())
}

/// Python's loggers of the targets, once somebody has imported `logging`.
fn loggers(py: Python<'_>) -> PyResult<Option<&'static Vec<Py<PyAny>>>> {
    if let Some(loggers) = LOGGERS.get(py) {
        return Ok(Some(loggers));
    }
    let modules = py.import(intern!(py, "sys"))?.getattr(intern!(py, "modules"))?;
    let Ok(logging) = modules.get_item(intern!(py, "logging")) else { return Ok(None) };
    let logger = |target: &str| Ok(logging.call_method1("getLogger", (target,))?.unbind());
    LOGGERS.get_or_try_init(py, || TARGETS.into_iter().map(logger).collect()).map(Some)
}

fn refresh(py: Python<'_>) -> PyResult<()> {
    let loggers = loggers(py)?;
    let mut most = LevelFilter::Off;
    for (at, kept) in LEVELS.iter().enumerate() {
        let level = match loggers {
            // As long as nobody has imported it, its levels are what they are at first.
            None => LevelFilter::Warn,
            Some(loggers) => {
                let number = loggers[at].call_method0(py, intern!(py, "getEffectiveLevel"))?;
                filter_of(number.extract(py)?)
            }
        };
        kept.store(level as u8, Ordering::Relaxed);
        most = most.max(level);
    }
    log::set_max_level(most);
    Ok(())
}
