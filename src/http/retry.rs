//! Which failures are worth another try, and after how long.
//!
//! 1. A failure that may pass is tried again so often as the policy says, after pauses that double.
//! 2. A refusal is no try as long as the call gets on: something of it came since the last one, or
//!    since the request was sent, or other requests of it are under way. Only refusals of a call
//!    that stands still count, one after the other, whichever of its requests they hit.
//!    An answer that only prepares a request, such as the URL for it, is nothing yet.
//! 3. A call that gets nothing for as long as all tries may take without an answer ends, too.
//! 4. A server that asks for a longer pause than anybody waits for gets no further request.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use reqwest::Url;

use super::failure::{was_connecting, was_hung_up, was_refused};
use super::pace::{Pace, Paces, Refusal, Turn};
use super::record;
use crate::job::Job;
use crate::shared::lock;
use crate::{Error, Result};

const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(5);
/// A server that asks for a longer pause than this gets no further request.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// How often to try again, for requests that may be sent twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries after the first.
    pub retries: u32,
    /// Whether failures inside of the server may pass: some services answer so for good.
    pub server_errors: bool,
}

impl RetryPolicy {
    fn is_transient(self, error: &Error) -> bool {
        match error {
            // Failures that are not the transport's own, such as being offline, would only come again.
            Error::Transport { source, .. } => was_connecting(&**source).is_some(),
            Error::Timeout { .. } => true,
            Error::Status { status: 500, .. } => self.server_errors,
            Error::Status { status, .. } => {
                matches!(status, 408 | 425 | 502 | 504) || was_refused(error)
            }
            Error::Item { source, .. } => self.is_transient(source),
            Error::Io { .. }
            | Error::Digest { .. }
            | Error::UnsafePath { .. }
            | Error::SameFile { .. }
            | Error::Invalid { .. }
            | Error::Service { .. }
            | Error::Address { .. }
            | Error::Json { .. }
            | Error::Form { .. }
            | Error::Unfinished { .. }
            | Error::Refused(_)
            | Error::Registry { .. }
            | Error::Cancelled => false,
        }
    }
}

/// The pause after so many failures in a row, if nobody asks for another.
fn backoff(times: u32) -> Duration {
    let backoff = FIRST_DELAY.saturating_mul(1 << (times - 1).min(16)).min(LONGEST_DELAY);
    // Jitter: many clients that failed together must not come back together.
    backoff.mul_f64(rand::random_range(0.5..1.0))
}

/// The tries of one request of a call.
#[derive(Debug)]
pub(crate) struct Tries<'a> {
    policy: RetryPolicy,
    /// For how long a call may stand still.
    patience: Duration,
    pace: Arc<Pace>,
    call: Arc<Mutex<Standing>>,
    is_preparing: bool,
    /// Bytes of a transfer whose number is to be found, and the most of them at once.
    transfer: Option<(u64, u32)>,
    job: &'a Job,
    /// Requests that were sent.
    sent: u32,
    /// Failures that count.
    tried: u32,
    /// Whether it was refused before.
    is_refused: bool,
    /// Refusals that others did not meet.
    own: u32,
    under_way: Option<UnderWay>,
}

impl<'a> Tries<'a> {
    /// The tries of a request to `url`, which belongs to `call`.
    pub(super) fn new(
        policy: RetryPolicy,
        idle_limit: Duration,
        url: &Url,
        call: &Arc<Mutex<Standing>>,
        job: &'a Job,
    ) -> Self {
        Self {
            policy,
            patience: idle_limit.saturating_mul(policy.retries.saturating_add(1)),
            pace: Paces::here().of(url),
            call: Arc::clone(call),
            is_preparing: false,
            transfer: None,
            job,
            sent: 0,
            tried: 0,
            is_refused: false,
            own: 0,
            under_way: None,
        }
    }

    /// The same for a transfer of so many bytes, of which `most` may go on at once with a server; its
    /// number at once is to be found.
    pub(crate) fn of_transfer(self, bytes: u64, most: u32) -> Self {
        Self { transfer: Some((bytes, most)), ..self }
    }

    /// The same for a request whose answer only prepares another one.
    pub(super) fn preparing(self, is_preparing: bool) -> Self {
        Self { is_preparing, ..self }
    }
}

impl Tries<'_> {
    /// Waits until the request may be sent.
    pub(crate) async fn begin(&mut self) {
        let most = self.transfer.map_or(u32::MAX, |(_, most)| most);
        let turn = Arc::clone(&self.pace).turn(most).await;
        self.under_way = Some(UnderWay::new(turn, Arc::clone(&self.call), got(self.job)));
        self.sent += 1;
    }

    /// Which try this is, from 1 on.
    pub(crate) fn number(&self) -> u32 {
        self.sent
    }

    /// How many transfers a call may have at once with this server.
    pub(crate) fn at_once(&self) -> u32 {
        self.pace.number()
    }

    /// Notes that the whole answer is here: another request may be sent.
    pub(crate) fn answered(&mut self) {
        if let Some(sent) = self.under_way.take() {
            sent.turn.taken();
            if let Some((bytes, most)) = self.transfer {
                sent.turn.transferred(bytes, most);
            }
            if !self.is_preparing {
                lock(&self.call).answered();
            }
        }
    }

    /// Waits until another try is due, unless there is none after this failure.
    pub(crate) async fn failed(&mut self, error: Error) -> Result<()> {
        // One failure is nothing to worry about.
        let told = if self.sent > 1 { record::of_failure(&error) } else { None };
        self.settle(error).await?;
        self.job.retried();
        if let Some(told) = told {
            record::again(&told, self.sent);
        }
        Ok(())
    }

    async fn settle(&mut self, error: Error) -> Result<()> {
        if !self.policy.is_transient(&error) {
            return Err(error);
        }
        let asked = retry_after(&error).unwrap_or_default();
        if asked > LONGEST_RETRY_AFTER {
            return Err(with_pause(error, asked));
        }
        if (was_refused(&error) || was_hung_up(&error))
            && let Some(sent) = self.under_way.take()
        {
            let is_silent = !matches!(error.root(), Error::Status { .. });
            let refusal = Refusal { is_again: self.is_refused, is_silent, asks: !asked.is_zero() };
            let is_own = sent.turn.refused(refusal, |times| asked.max(backoff(times)));
            self.is_refused = true;
            // Others wait for a moment only, so this one waits by itself.
            self.own += u32::from(is_own || is_silent);
            let before = sent.got;
            drop(sent);
            let is_over = {
                let mut call = lock(&self.call);
                call.refused(before, got(self.job), Instant::now());
                call.refused > self.policy.retries || call.stood() > self.patience
            };
            return match self.own {
                _ if is_over => Err(error),
                0 => Ok(()),
                own => self.pause(backoff(own)).await,
            };
        }
        self.count(error, self.policy.retries, asked).await
    }

    /// [`Tries::failed`] for a failure that may pass for reasons of the caller's, so many times.
    pub(crate) async fn failed_with(&mut self, error: Error, most: u32) -> Result<()> {
        self.count(error, most.min(self.policy.retries), Duration::ZERO).await?;
        self.job.retried();
        Ok(())
    }

    async fn count(&mut self, error: Error, most: u32, asked: Duration) -> Result<()> {
        match error.root() {
            // Somebody is there.
            Error::Status { .. } => self.answered(),
            Error::Transport { .. } | Error::Timeout { .. } => {
                if let Some(sent) = self.under_way.take() {
                    let refusal = Refusal { is_silent: true, ..Refusal::default() };
                    sent.turn.refused(refusal, |_| Duration::ZERO);
                }
            }
            _ => self.under_way = None,
        }
        self.tried += 1;
        if self.tried > most {
            Err(error)
        } else {
            self.pause(asked.max(backoff(self.tried))).await
        }
    }

    async fn pause(&self, delay: Duration) -> Result<()> {
        self.job
            .race(async {
                tokio::time::sleep(delay).await;
                Ok(())
            })
            .await
    }
}

/// What the requests of a call have met so far.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// Requests of the call.
    under_way: u32,
    /// Refusals in a row while the call stood still.
    refused: u32,
    /// What the call had got at the last refusal.
    got: u64,
    /// When it was seen to stand still, first and last.
    still: Option<(Instant, Instant)>,
}

impl Standing {
    fn answered(&mut self) {
        self.refused = 0;
        self.still = None;
    }

    /// Notes a refusal, of a request that is not under way any more.
    ///
    /// Of several that are noticed late, at once, only the first one finds that something came: so
    /// what the call had got when the request was sent, `before`, counts too.
    fn refused(&mut self, before: u64, got: u64, now: Instant) {
        if got != self.got || got != before {
            self.answered();
            self.got = got;
        } else if self.under_way == 0 {
            self.refused += 1;
        }
        let first = self.still.map_or(now, |(first, _)| first);
        self.still = Some((first, now));
    }

    /// For how long the call has been standing still.
    fn stood(&self) -> Duration {
        self.still.map_or(Duration::ZERO, |(first, last)| last.saturating_duration_since(first))
    }
}

/// What a call has got so far.
fn got(job: &Job) -> u64 {
    let progress = job.progress();
    progress.bytes_done + progress.files_done
}

/// A request that is being sent or answered.
#[derive(Debug)]
struct UnderWay {
    turn: Turn,
    call: Arc<Mutex<Standing>>,
    /// What the call had got when it was sent.
    got: u64,
}

impl UnderWay {
    fn new(turn: Turn, call: Arc<Mutex<Standing>>, got: u64) -> Self {
        lock(&call).under_way += 1;
        Self { turn, call, got }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        lock(&self.call).under_way -= 1;
    }
}

/// The pause that the server asks for: seconds, also fractions of them, or a date.
fn retry_after(error: &Error) -> Option<Duration> {
    let Error::Status { headers, .. } = error else { return None };
    let (_, value) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        // What is negative is over; what is no length of time is too long.
        return Some(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// A refusal that says for how long the server does not want to be asked.
fn with_pause(error: Error, asked: Duration) -> Error {
    match error {
        Error::Status { method, url, status, reason, headers, body } => {
            let reason = format!("{reason} (the server asks for a pause of {} s)", asked.as_secs());
            Error::Status { method, url, status, reason, headers, body }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, headers: &[(&str, &str)]) -> Error {
        Error::Status {
            method: "GET".into(),
            url: "http://host/".into(),
            status,
            reason: String::new(),
            headers: headers.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect(),
            body: String::new(),
        }
    }

    #[test]
    fn pauses_double_and_end() {
        for (times, most) in [(1, 100), (2, 200), (3, 400), (60, 5000)] {
            let delay = backoff(times);
            assert!(delay >= Duration::from_millis(most / 2), "{delay:?}");
            assert!(delay <= Duration::from_millis(most), "{delay:?}");
        }
    }

    #[test]
    fn only_transient_failures_are_tried_again() {
        let policy = RetryPolicy { retries: 1, server_errors: false };
        for (code, again) in [(400, false), (404, false), (500, false), (429, true), (502, true)] {
            assert_eq!(policy.is_transient(&status(code, &[])), again, "{code}");
        }
        for (headers, again) in [(&[][..], false), (&[("retry-after", "1")], true)] {
            assert_eq!(policy.is_transient(&status(403, headers)), again);
        }
        assert!(!policy.is_transient(&Error::Cancelled));
    }

    #[test]
    fn the_server_may_ask_for_a_pause() {
        for (text, asked) in [
            ("3", Some(Duration::from_secs(3))),
            (" 0.5 ", Some(Duration::from_millis(500))),
            ("-1", Some(Duration::ZERO)),
            ("1e300", Some(Duration::MAX)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(Duration::ZERO)),
            ("soon", None),
        ] {
            assert_eq!(retry_after(&status(429, &[("Retry-After", text)])), asked, "{text}");
        }
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(30));
        let asked = retry_after(&status(503, &[("retry-after", &date)])).unwrap();
        assert!(asked > Duration::from_secs(20) && asked <= Duration::from_secs(30), "{asked:?}");
        let told = with_pause(status(503, &[]), Duration::from_secs(3600)).to_string();
        assert!(told.ends_with("(the server asks for a pause of 3600 s)"), "{told}");
    }

    #[test]
    fn refusals_count_when_a_call_stands_still() {
        let (mut call, now) = (Standing::default(), Instant::now());
        let later = |seconds| now + Duration::from_secs(seconds);
        call.under_way = 1;
        call.refused(0, 0, now);
        assert_eq!(call.refused, 0, "another request is under way");
        call.under_way = 0;
        call.refused(0, 0, later(1));
        call.refused(0, 0, later(2));
        assert_eq!((call.refused, call.stood()), (2, Duration::from_secs(2)));
        call.refused(0, 1, later(3));
        assert_eq!((call.refused, call.stood()), (0, Duration::ZERO), "something came");
        call.refused(0, 1, later(4));
        assert_eq!((call.refused, call.stood()), (0, Duration::ZERO), "it was sent before that");
        call.refused(1, 1, later(5));
        assert_eq!((call.refused, call.stood()), (1, Duration::from_secs(1)));
        call.answered();
        call.refused(1, 1, later(6));
        assert_eq!((call.refused, call.stood()), (1, Duration::ZERO), "another was answered");
    }

    #[test]
    fn each_kind_of_failure_passes_or_does_not() {
        let timeout = || Error::Timeout {
            method: "GET".into(),
            url: "http://host/".into(),
            limit: Duration::from_secs(1),
            connecting: false,
        };
        for (error, again) in [
            (timeout(), true),
            (Error::Refused(crate::Refusal::Absent("no".into())), false),
            (Error::UnsafePath { path: "..".into(), why: "it is" }, false),
            (Error::Registry { status: 503, reason: String::new(), details: Vec::new() }, false),
            (Error::Io { path: "f".into(), source: std::io::ErrorKind::TimedOut.into() }, false),
            (status(408, &[]), true),
            (status(425, &[]), true),
            (status(502, &[]), true),
            (status(503, &[]), true),
            (status(504, &[]), true),
            (status(501, &[]), false),
            (status(409, &[]), false),
        ] {
            let shown = error.to_string();
            for server_errors in [false, true] {
                let policy = RetryPolicy { retries: 1, server_errors };
                assert_eq!(policy.is_transient(&error), again, "{shown}");
            }
            let policy = RetryPolicy { retries: 1, server_errors: false };
            assert_eq!(policy.is_transient(&error.of("one of many")), again, "{shown}");
        }
        let believes = |server_errors| {
            RetryPolicy { retries: 1, server_errors }.is_transient(&status(500, &[]))
        };
        assert_eq!([believes(false), believes(true)], [false, true]);
    }

    #[test]
    fn a_long_pause_is_said_and_nothing_else_is_changed() {
        let asked = Duration::from_secs(90);
        let Error::Status { status: code, reason, .. } = with_pause(status(503, &[]), asked) else {
            panic!("it is still a refusal");
        };
        assert_eq!((code, reason.as_str()), (503, " (the server asks for a pause of 90 s)"));
        assert!(matches!(with_pause(Error::Cancelled, asked), Error::Cancelled));
    }
}
