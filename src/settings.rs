//! Every environment variable, read anew by each call of its function; nothing else reads any. What the
//! program itself wants comes first.
//!
//! A bad value is an error that names the variable. Whatever waits for the core calls [`check`] first:
//! so each of them is told, and what cannot fail may pass over it.

use std::ffi::OsString;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use log::LevelFilter;

use crate::{Error, Result};

const TRUE: [&str; 4] = ["1", "true", "yes", "on"];
const FALSE: [&str; 4] = ["0", "false", "no", "off"];

/// When content is compared with its manifest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Verify {
    /// Not at all.
    Never,
    /// After each download.
    #[default]
    AfterDownload,
    /// Also when it was in the cache.
    Always,
}

/// What the program wants itself: 0 for nothing. A forked process wants the same.
static JOBS: AtomicUsize = AtomicUsize::new(0);
/// 0 for nothing, 1 for no, 2 for yes.
static OFFLINE: AtomicU8 = AtomicU8::new(0);

/// Whether every server is believed, whatever its certificate.
static BELIEVES_EVERYBODY: AtomicBool = AtomicBool::new(false);

/// Lets every server be believed, whatever its certificate, or no longer.
pub(crate) fn believe_everybody(wanted: bool) {
    BELIEVES_EVERYBODY.store(wanted, Ordering::Relaxed);
}

/// Whether every server is believed: no variable says that.
pub(crate) fn believes_everybody() -> bool {
    BELIEVES_EVERYBODY.load(Ordering::Relaxed)
}

/// Puts what the program wants above the environment; `None` for nothing.
pub(crate) fn set(jobs: Option<usize>, offline: Option<bool>) {
    JOBS.store(jobs.unwrap_or(0), Ordering::Relaxed);
    OFFLINE.store(offline.map_or(0, |offline| 1 + u8::from(offline)), Ordering::Relaxed);
}

/// Makes sure that no variable has a bad value.
pub(crate) fn check() -> Result<()> {
    jobs()?;
    timeout()?;
    connect_timeout()?;
    retries()?;
    is_offline()?;
    verify()?;
    digest()?;
    log()?;
    // Read by those who show it.
    choice("SELENITE_PROGRESS", &[&["auto"], &TRUE, &FALSE], "`auto`, `on` or `off`")?;
    Ok(())
}

/// `SELENITE_JOBS`: the most processors and transfers at once, if there is such a limit.
pub(crate) fn jobs() -> Result<Option<usize>> {
    match JOBS.load(Ordering::Relaxed) {
        0 => {}
        jobs => return Ok(Some(jobs)),
    }
    let what = "a whole number above 0";
    value("SELENITE_JOBS", what, |text| text.parse().ok().filter(|jobs| *jobs > 0))
}

/// `SELENITE_TIMEOUT`: how long nothing may come.
pub(crate) fn timeout() -> Result<Duration> {
    seconds("SELENITE_TIMEOUT", Duration::from_secs(60))
}

/// `SELENITE_CONNECT_TIMEOUT`: how long it may take to connect.
pub(crate) fn connect_timeout() -> Result<Duration> {
    seconds("SELENITE_CONNECT_TIMEOUT", Duration::from_secs(10))
}

/// `SELENITE_RETRIES`: further tries of what may be sent again.
pub(crate) fn retries() -> Result<u32> {
    let given = value("SELENITE_RETRIES", "a whole number", |text| text.parse().ok())?;
    Ok(given.unwrap_or(4))
}

/// `SELENITE_OFFLINE`: whether all requests are forbidden.
pub(crate) fn is_offline() -> Result<bool> {
    match OFFLINE.load(Ordering::Relaxed) {
        0 => {}
        wanted => return Ok(wanted == 2),
    }
    Ok(choice("SELENITE_OFFLINE", &[&TRUE, &FALSE], "`1` or `0`")? == Some(0))
}

/// `SELENITE_VERIFY`: when content is compared with its manifest.
pub(crate) fn verify() -> Result<Verify> {
    verify_of(std::env::var_os("SELENITE_VERIFY"))
}

fn verify_of(given: Option<OsString>) -> Result<Verify> {
    const WORDS: [&[&str]; 3] = [&["always"], &["off"], &["download"]];
    let known = |text: &str| WORDS.iter().position(|words| words.contains(&text));
    let what = "`download`, `always` or `off`";
    Ok(match parsed("SELENITE_VERIFY", given, what, known)? {
        Some(0) => Verify::Always,
        Some(1) => Verify::Never,
        _ => Verify::AfterDownload,
    })
}

/// `SELENITE_DIGEST`: the way to compute digests, if one is wanted.
pub(crate) fn digest() -> Result<Option<&'static str>> {
    const KNOWN: [&str; 4] = ["avx512", "avx2", "neon", "scalar"];
    let what = "`avx512`, `avx2`, `neon` or `scalar`";
    value("SELENITE_DIGEST", what, |text| KNOWN.into_iter().find(|known| *known == text))
}

/// `SELENITE_LOG`: from which level on records are shown, if they are.
pub(crate) fn log() -> Result<Option<LevelFilter>> {
    const LEVELS: [&[&str]; 5] =
        [&["off"], &["error"], &["warning", "warn"], &["info"], &["debug"]];
    let what = "`debug`, `info`, `warning`, `error` or `off`";
    let level = choice("SELENITE_LOG", &LEVELS, what)?;
    Ok(level.and_then(|level| LevelFilter::iter().nth(level)))
}

/// `SLURM_ARRAY_TASK_COUNT`: how many jobs do the same as this one, perhaps at once.
pub(crate) fn array_tasks() -> u32 {
    let tasks = shared("SLURM_ARRAY_TASK_COUNT").and_then(|text| text.to_str()?.parse().ok());
    tasks.unwrap_or(1).max(1)
}

/// What a variable says that other programs read, too, and whose values are theirs: where logins,
/// certificates, proxies and users' data are.
pub(crate) fn shared(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn seconds(name: &'static str, default: Duration) -> Result<Duration> {
    let positive = |text: &str| {
        let limit = Duration::try_from_secs_f64(text.parse().ok()?).ok()?;
        (!limit.is_zero()).then_some(limit)
    };
    Ok(value(name, "a number of seconds above 0", positive)?.unwrap_or(default))
}

/// Which group of words the value is of, in any case of letters.
fn choice(name: &'static str, groups: &[&[&str]], what: &str) -> Result<Option<usize>> {
    value(name, what, |text| groups.iter().position(|group| group.contains(&text)))
}

/// What a variable says, in small letters; `None` if it is not set, or to nothing.
fn value<T>(
    name: &'static str,
    what: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>> {
    parsed(name, std::env::var_os(name), what, parse)
}

/// The same for a value that is at hand.
fn parsed<T>(
    name: &'static str,
    value: Option<OsString>,
    what: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>> {
    let Some(value) = value else { return Ok(None) };
    let text = value.to_string_lossy();
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    // What is no text has a mark in it that no value has.
    let parsed = parse(&text.to_ascii_lowercase());
    parsed.map(Some).ok_or_else(|| Error::invalid(name, text, format!("expected {what}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_compared_as_the_user_says() {
        for (given, verify) in [
            (None, Verify::AfterDownload),
            (Some(""), Verify::AfterDownload),
            (Some("  "), Verify::AfterDownload),
            (Some("download"), Verify::AfterDownload),
            (Some("always"), Verify::Always),
            (Some(" ALWAYS\n"), Verify::Always),
            (Some("Off"), Verify::Never),
        ] {
            assert_eq!(verify_of(given.map(OsString::from)).unwrap(), verify, "{given:?}");
        }
        for given in ["never", "on", "1", "always off"] {
            let error = verify_of(Some(given.into())).unwrap_err().to_string();
            assert!(error.contains("SELENITE_VERIFY") && error.contains(given), "{error}");
        }
    }
}
