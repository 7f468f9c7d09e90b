//! How many transfers at once it pays to send to a server, where callers leave their number open.
//!
//! 1. Each call begins with 16, and has the number of the server from then on.
//! 2. A look is at as many answers as a quarter of the number. They are those to transfers that began
//!    since the look before it, and besides most of those that might be: few tell nothing of many.
//! 3. The number is doubled after each look at which the throughput is a quarter more than the best
//!    before: with each round trip, or with two where connections have to be made. Where small answers
//!    come by HTTP/2, whose streams need no connections of their own, the first such look leads to
//!    [`MOST`] at once.
//! 4. After two looks in a row at which it is not, the number goes back to what it was at the best,
//!    for ten seconds.
//! 5. Never more than [`MOST`] at once, and no more than before where answers come within 5 ms: there
//!    the processors are the limit.
//!
//! The throughput is that of Little's law: requests under way, times what an answer brings, divided by
//! how long it takes. Unlike a count of answers in a time, it is known one round trip after a change,
//! and answers that come in bursts do not disturb it.

use std::time::{Duration, Instant};

/// Transfers of a call at once before anything is known about its server.
const FIRST: u32 = 16;
/// Transfers at once to a server. At a round trip of 50 ms this is what it takes for 10 MB/s of files
/// of 4 KiB; servers begin to refuse beyond (nginx: 512 connections for all clients, as it comes; S3 asks
/// for some hundreds at most), and a process has 256 descriptors on macOS.
pub(super) const MOST: u32 = 128;
/// How many times as many are tried if it pays.
const DOUBLE: u32 = 2;
/// How much the throughput must grow for the number to be worth it.
const GAIN: f64 = 1.25;
/// What an answer is worth besides its bytes: what a connection brings in a round trip anyway.
const EACH_BYTES: f64 = 65_536.0;
/// Answers that come sooner than this are those of a server nearby.
const NEAR: Duration = Duration::from_millis(5);
/// For how long a number is kept that did not get better.
const REST: Duration = Duration::from_secs(10);

/// The most transfers at once to one server whose number nobody chose: job arrays share it.
pub(crate) fn most_at_once() -> u32 {
    (MOST / crate::settings::array_tasks()).max(1)
}

/// The same before anything is known about the server.
pub(crate) fn first_at_once() -> u32 {
    FIRST.min(most_at_once())
}

/// A transfer that was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Begun {
    pub(super) at: Instant,
    /// Looks that had ended before.
    pub(super) look: u64,
    /// Requests under way, with this one.
    pub(super) of: u32,
    /// Whether these were most of those that might be.
    is_full: bool,
}

/// The search for the number of transfers to a server.
#[derive(Debug)]
pub(super) struct Search {
    /// Transfers of a call at once.
    number: u32,
    /// Looks that have ended.
    look: u64,
    /// How many times as many are tried after the next look that is worth it.
    step: u32,
    /// The best throughput, and what the number was then.
    best: f64,
    at_best: u32,
    /// Looks since then.
    flat: u32,
    seen: Seen,
    /// Nothing changes before.
    rest: Instant,
}

/// The answers of a look, with their bytes, seconds and requests under way.
#[derive(Debug, Default)]
struct Seen {
    answers: u32,
    bytes: f64,
    seconds: f64,
    crowd: f64,
}

impl Search {
    pub(super) fn new(now: Instant) -> Self {
        Self::from(first_at_once(), now)
    }

    /// Begins with this number, later.
    fn from(number: u32, rest: Instant) -> Self {
        let seen = Seen::default();
        Self { number, look: 0, step: DOUBLE, best: 0.0, at_best: number, flat: 0, seen, rest }
    }

    fn begin_anew(&mut self, number: u32, rest: Instant) {
        *self = Self { look: self.look + 1, ..Self::from(number, rest) };
    }

    /// Transfers of a call at once.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Lets as many go on at once, if these are more.
    pub(super) fn raise(&mut self, number: u32) {
        self.number = self.number.max(number);
    }

    /// Begins anew at half of the number.
    pub(super) fn halve(&mut self, now: Instant) {
        self.begin_anew((self.number / 2).max(first_at_once()), now);
    }

    /// Notes that requests need no connections of their own.
    pub(super) fn has_streams(&mut self) {
        if self.look == 0 {
            self.step = MOST;
        }
    }

    /// Notes a transfer that begins, with which so many are under way where so many may be.
    pub(super) fn begin(&mut self, of: u32, limit: u32, now: Instant) -> Begun {
        let is_full = of * 4 >= limit.min(self.number) * 3;
        Begun { at: now, look: self.look, of, is_full }
    }

    /// Notes an answer. Returns how many times as many transfers at once are worth a try.
    pub(super) fn note(&mut self, begun: Begun, bytes: u64, now: Instant) -> Option<u32> {
        if begun.look != self.look || !begun.is_full {
            return None;
        }
        self.seen.answers += 1;
        self.seen.bytes += as_float(bytes) + EACH_BYTES;
        self.seen.seconds += now.saturating_duration_since(begun.at).as_secs_f64();
        self.seen.crowd += f64::from(begun.of);
        if self.seen.answers * 4 < begun.of { None } else { self.end_look(now) }
    }

    fn end_look(&mut self, now: Instant) -> Option<u32> {
        let Seen { answers, bytes, seconds, crowd } = std::mem::take(&mut self.seen);
        self.look += 1;
        let answers = f64::from(answers);
        let throughput = crowd / answers * bytes / seconds.max(1e-9);
        if now < self.rest || seconds / answers < NEAR.as_secs_f64() {
            return None;
        }
        if throughput >= self.best * GAIN {
            (self.best, self.at_best, self.flat) = (throughput, self.number, 0);
            let step = std::mem::replace(&mut self.step, DOUBLE);
            return Some(if bytes > 2.0 * EACH_BYTES * answers { DOUBLE } else { step });
        }
        if self.flat == 0 {
            self.flat = 1;
        } else {
            self.begin_anew(self.at_best, now + REST);
        }
        None
    }
}

#[expect(clippy::cast_precision_loss, reason = "throughputs are compared roughly")]
fn as_float(bytes: u64) -> f64 {
    bytes as f64
}
