//! The log of a service: one line per event on stderr, never in the way of the work.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use ::log::{Level, Record};
use arc_swap::ArcSwapOption;
use axum::body::{Body, HttpBody};
use axum::http::request::Parts;
use axum::http::{Method, Response, header};
use chrono::{DateTime, Local, SecondsFormat};

/// Lines that may wait to be written; more are counted and dropped.
const BACKLOG: usize = 8192;
/// Time between two blocks of lines.
const PAUSE: Duration = Duration::from_millis(10);
/// Longest wait for the last lines at the end of the service.
const FLUSH: Duration = Duration::from_secs(1);

/// The log of the service that this process is: what the engine tells goes there, too.
static CURRENT: ArcSwapOption<(u32, Log)> = ArcSwapOption::const_empty();
/// From which level on.
const TOLD: Level = Level::Info;

/// Whether there is a service here that logs what the engine tells at this level.
pub(crate) fn takes(level: Level) -> bool {
    let is_here = |of: &(u32, Log)| of.0 == std::process::id();
    level <= TOLD && CURRENT.load().as_deref().is_some_and(is_here)
}

/// Logs what the engine tells.
pub(crate) fn told(record: &Record<'_>) {
    if let Some((_, log)) = CURRENT.load().as_deref() {
        log.line(record.args().to_string());
    }
}

/// How lines are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// The time, and the text.
    #[default]
    Text,
    /// An object of JSON with both.
    Json,
}

/// Takes lines and writes them on a thread of its own: a reader of stderr that stops reading does
/// not stop the service.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    lines: SyncSender<(SystemTime, String)>,
    lost: Arc<AtomicU64>,
}

/// Writes what is left when dropped.
#[derive(Debug)]
pub(crate) struct Writer {
    thread: Option<JoinHandle<()>>,
}

impl Log {
    /// Starts the writing thread, and takes what the engine tells. All clones of the log must be gone
    /// when the writer is dropped.
    pub(crate) fn start(form: Form) -> std::io::Result<(Writer, Self)> {
        let (lines, receiver) = sync_channel(BACKLOG);
        let lost = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&lost);
        let thread = std::thread::Builder::new()
            .name("selenite-log".to_owned())
            .spawn(move || write_all(form, &receiver, &count))?;
        let log = Self { lines, lost };
        CURRENT.store(Some(Arc::new((std::process::id(), log.clone()))));
        ::log::set_max_level(TOLD.to_level_filter());
        Ok((Writer { thread: Some(thread) }, log))
    }

    /// Logs one event. Control characters are escaped, so that no name can forge a line.
    pub(crate) fn line(&self, text: impl Into<String>) {
        if self.lines.try_send((SystemTime::now(), printable(text.into()))).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        CURRENT.store(None);
        let Some(thread) = self.thread.take() else { return };
        let end = std::time::Instant::now() + FLUSH;
        while !thread.is_finished() && std::time::Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Logged as the status if the client went away before the answer (nginx's number for that).
const CLIENT_GONE: u16 = 499;

/// One line of the log, written when the answer begins or the client is gone.
pub(crate) struct Entry<'a> {
    log: &'a Log,
    start: Instant,
    method: Method,
    path: String,
    status: u16,
    bytes: Option<u64>,
    /// What was asked for.
    pub(crate) action: Option<&'static str>,
    /// Who asked.
    pub(crate) user: Option<String>,
    /// Why it failed.
    pub(crate) reason: Option<String>,
}

impl<'a> Entry<'a> {
    pub(crate) fn new(log: &'a Log, request: &Parts) -> Self {
        let path = request.uri.path_and_query().map_or("*", |path| path.as_str()).to_owned();
        Self {
            log,
            start: Instant::now(),
            method: request.method.clone(),
            path,
            status: CLIENT_GONE,
            bytes: None,
            action: None,
            user: None,
            reason: None,
        }
    }

    /// Leaves out the query, which may hold secrets.
    pub(crate) fn hide_query(&mut self) {
        self.path.truncate(self.path.find('?').unwrap_or(self.path.len()));
    }

    /// Notes what was answered.
    pub(crate) fn answered(&mut self, response: &Response<Body>) {
        self.status = response.status().as_u16();
        self.bytes = response.body().size_hint().exact().or_else(|| {
            response.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
        });
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let bytes = self.bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string());
        let milliseconds = self.start.elapsed().as_secs_f64() * 1e3;
        let mut line =
            format!("{} {} {} {bytes} {milliseconds:.1}ms", self.method, self.path, self.status);
        if let Some(action) = self.action {
            let _ = write!(line, " action={action}");
        }
        if let Some(user) = &self.user {
            let _ = write!(line, " user={user:?}");
        }
        if let Some(reason) = &self.reason {
            let _ = write!(line, " reason={reason:?}");
        }
        self.log.line(line);
    }
}

fn write_all(form: Form, lines: &Receiver<(SystemTime, String)>, lost: &AtomicU64) {
    let mut block = Vec::new();
    let mut clock = Clock::default();
    while let Ok(first) = lines.recv() {
        block.clear();
        for (time, text) in std::iter::once(first).chain(lines.try_iter().take(BACKLOG)) {
            write_line(form, clock.show(time), &text, &mut block);
        }
        match lost.swap(0, Ordering::Relaxed) {
            0 => {}
            count => {
                let text = format!("{count} lines were lost");
                write_line(form, clock.show(SystemTime::now()), &text, &mut block);
            }
        }
        // There is nowhere to report that the log itself cannot be written.
        let _ = std::io::stderr().write_all(&block);
        // Lines that come meanwhile wake nobody: under load they are written in blocks.
        std::thread::sleep(PAUSE);
    }
}

fn write_line(form: Form, time: &str, text: &str, block: &mut Vec<u8>) {
    // Writing into memory does not fail.
    let _ = match form {
        Form::Text => writeln!(block, "{time} {text}"),
        Form::Json => writeln!(block, "{}", serde_json::json!({"time": time, "message": text})),
    };
}

/// Shows times; the part that changes once in a second is made once in a second.
#[derive(Default)]
struct Clock {
    second: Option<u64>,
    date: String,
    offset: String,
    shown: String,
}

impl Clock {
    fn show(&mut self, time: SystemTime) -> &str {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        if self.second != Some(since.as_secs()) {
            let text = DateTime::<Local>::from(time).to_rfc3339_opts(SecondsFormat::Secs, true);
            let (date, offset) = text.split_at("2006-01-02T15:04:05".len());
            (self.date, self.offset) = (date.to_owned(), offset.to_owned());
            self.second = Some(since.as_secs());
        }
        self.shown.clear();
        let _ = write!(self.shown, "{}.{:03}{}", self.date, since.subsec_millis(), self.offset);
        &self.shown
    }
}

fn printable(text: String) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text;
    }
    let mut line = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}') {
            line.extend(letter.escape_default());
        } else {
            line.push(letter);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_tells_is_logged() {
        let (lines, told_lines) = sync_channel(1);
        assert!(!takes(Level::Info), "there is no service yet");
        let log = Log { lines, lost: Arc::default() };
        CURRENT.store(Some(Arc::new((std::process::id(), log))));
        assert!(takes(Level::Info) && !takes(Level::Debug));
        told(&Record::builder().args(format_args!("cannot\nremove")).build());
        assert_eq!(told_lines.recv().unwrap().1, "cannot\\nremove");
        CURRENT.store(None);
        assert!(!takes(Level::Info));
    }

    #[test]
    fn a_name_cannot_forge_a_line() {
        assert_eq!(printable("é\r\nGET /\u{1b}[2J".to_owned()), "é\\r\\nGET /\\u{1b}[2J");
    }
}
