//! How many requests a server gets at once: as many as it takes without refusing some.
//!
//! A refusal is an answer such as 429 or 503, or a connection that could not be made or was closed
//! without an answer. For each server, all calls of the process together follow these rules:
//!
//! 1. A server that refuses nothing gets all that the calls want to send.
//! 2. A refusal halves the number of requests at once. What was sent before, and is refused too,
//!    says nothing new.
//! 3. A number below one means pauses between requests, so that it can be halved further.
//! 4. Nothing is sent for as long as the server asks after a refusal, or for a moment that doubles
//!    with each refusal in a row.
//! 5. The number grows by a tenth each second.
//! 6. A request that is refused again although more than that number were answered since the last
//!    refusal has its own trouble, and lowers nothing.
//! 7. Who waits is served in turn, but a thread that is busy when its turn comes keeps nobody waiting.
//! 8. A server that gives no answer at all says nothing for how long to wait: others wait for a moment
//!    only, and not at all for a request that was the only one. Calls to a server that is not there
//!    end as soon as they would alone.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Url;
use tokio::sync::Notify;
use tokio::time::{timeout, timeout_at};

use crate::runtime::PerProcess;
use crate::shared::lock;

/// Growth of the number of requests in a second.
const GROWTH: f64 = 1.1;
/// The pause between requests at a number of one half; three times that at one quarter.
const GAP: Duration = Duration::from_millis(10);
/// A request every five seconds.
const LEAST: f64 = 1.0 / 512.0;
/// How long the first of those who wait may leave its turn before others take theirs.
const GRACE: Duration = Duration::from_millis(100);
/// Shorter waits are not worth a timer.
const TICK: Duration = Duration::from_millis(1);
/// Servers that are remembered although nobody sends to them.
const MOST_IDLE: usize = 64;

/// The pace of each server.
#[derive(Debug, Default)]
pub(super) struct Paces(Mutex<HashMap<String, Arc<Pace>>>);

static PACES: PerProcess<Paces> = PerProcess::empty();

impl Paces {
    /// Those of this process.
    pub(super) fn here() -> &'static Self {
        PACES.get(Self::default)
    }

    /// That of the server of `url`.
    pub(super) fn of(&self, url: &Url) -> Arc<Pace> {
        let server = url.origin().ascii_serialization();
        let mut paces = lock(&self.0);
        if paces.len() > MOST_IDLE && !paces.contains_key(&server) {
            paces.retain(|_, pace| Arc::strong_count(pace) > 1);
        }
        Arc::clone(paces.entry(server).or_default())
    }
}

/// The pace of one server.
#[derive(Debug, Default)]
pub(super) struct Pace {
    state: Mutex<State>,
    /// All but the first of those who wait.
    queue: tokio::sync::Mutex<()>,
    /// Wakes the first.
    ended: Notify,
}

impl Pace {
    /// Waits until a request may be sent.
    pub(super) async fn turn(self: Arc<Self>) -> Turn {
        let round = self.begin().await;
        Turn { pace: self, round }
    }

    /// Begins a request, in the round that it returns.
    async fn begin(&self) -> u64 {
        let mut place = pin!(self.queue.lock());
        let _first = loop {
            if let Ok(first) = timeout(GRACE, &mut place).await {
                break first;
            }
            if let Some(round) = lock(&self.state).begin_before_others(Instant::now()) {
                return round;
            }
        };
        loop {
            let begun = lock(&self.state).begin(Instant::now());
            match begun {
                Ok(round) => return round,
                // Whatever comes first: the request looks again.
                Err(until) => drop(timeout_at(until.into(), self.ended.notified()).await),
            }
        }
    }
}

/// Leave to send one request, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    pace: Arc<Pace>,
    round: u64,
}

impl Turn {
    /// Notes that the server did not refuse the request.
    pub(super) fn taken(&self) {
        lock(&self.pace.state).take();
    }

    /// Notes that the server refused the request. `pause` is for how long nothing is to be sent,
    /// after so many refusals in a row. Returns true if this request has trouble of its own.
    pub(super) fn refused(&self, refusal: Refusal, pause: impl Fn(u32) -> Duration) -> bool {
        lock(&self.pace.state).refuse(self.round, refusal, pause, Instant::now())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock(&self.pace.state).under_way -= 1;
        self.pace.ended.notify_one();
    }
}

/// What a refusal is like.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Refusal {
    /// Whether the same request was refused before.
    pub(super) is_again: bool,
    /// Whether there was no answer, or not even a connection.
    pub(super) is_silent: bool,
}

#[derive(Debug)]
struct State {
    /// Requests at once; infinite before the first refusal.
    number: f64,
    /// When `number` was right.
    since: Instant,
    under_way: u32,
    /// Counts how often `number` was lowered: a request belongs to the round that it began in.
    round: u64,
    /// Rounds that ended with a refusal since the last answer that was none.
    in_a_row: u32,
    /// Such answers since the last refusal.
    taken: u32,
    /// Nothing begins before.
    resume: Instant,
}

impl Default for State {
    fn default() -> Self {
        let now = Instant::now();
        Self {
            number: f64::INFINITY,
            since: now,
            under_way: 0,
            round: 0,
            in_a_row: 0,
            taken: 0,
            resume: now,
        }
    }
}

impl State {
    /// Begins a request, in the round that it returns, or says when to ask again at the latest.
    fn begin(&mut self, now: Instant) -> Result<u64, Instant> {
        if now < self.resume {
            return Err(self.resume);
        }
        self.grow(now);
        let wanted = f64::from(self.under_way + 1);
        if wanted > self.number.max(1.0) {
            let seconds = (wanted / self.number).ln() / GROWTH.ln();
            return Err(now + Duration::from_secs_f64(seconds) + TICK);
        }
        self.under_way += 1;
        if self.number < 1.0 {
            self.resume = now + GAP.mul_f64(1.0 / self.number - 1.0);
        }
        Ok(self.round)
    }

    /// Begins a request although others wait before it, if they have left their turn.
    fn begin_before_others(&mut self, now: Instant) -> Option<u64> {
        if now < self.resume + GRACE { None } else { self.begin(now).ok() }
    }

    fn take(&mut self) {
        self.in_a_row = 0;
        self.taken = self.taken.saturating_add(1);
    }

    fn refuse(
        &mut self,
        round: u64,
        Refusal { is_again, is_silent }: Refusal,
        pause: impl Fn(u32) -> Duration,
        now: Instant,
    ) -> bool {
        self.grow(now);
        if is_silent && self.under_way <= 1 {
            return true;
        }
        let is_own = is_again && f64::from(self.taken) > self.number;
        self.taken = 0;
        if round == self.round && !is_own {
            self.number = (self.number.min(f64::from(self.under_way)) / 2.0).max(LEAST);
            self.round += 1;
            self.in_a_row += u32::from(!is_silent);
        }
        let times = if is_silent { 1 } else { self.in_a_row.max(1) };
        self.resume = self.resume.max(now + pause(times));
        is_own
    }

    fn grow(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.since).as_secs_f64();
        self.number *= GROWTH.powf(seconds);
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    fn doubling(times: u32) -> Duration {
        Duration::from_millis(75) * 2_u32.pow(times - 1)
    }

    /// A server that says how long an answer takes, or refuses and asks for a pause.
    type Server<'a> = dyn FnMut(Instant, u32) -> Result<Duration, Duration> + 'a;

    /// Sends so many requests, at most 16 at once; returns how long it took and what was refused.
    fn send(requests: usize, server: &mut Server<'_>) -> (Duration, usize) {
        let mut state = State::default();
        let start = state.since;
        let mut now = start;
        let mut waiting: VecDeque<bool> = std::iter::repeat_n(false, requests).collect();
        let mut under_way: Vec<(Instant, u64, bool, Option<Duration>)> = Vec::new();
        let mut refused = 0;
        while !waiting.is_empty() || !under_way.is_empty() {
            let mut next = now + Duration::from_secs(3600);
            while under_way.len() < 16 && !waiting.is_empty() {
                match state.begin(now) {
                    Ok(round) => {
                        let is_again = waiting.pop_front().unwrap();
                        let served = under_way.iter().filter(|one| one.3.is_none()).count();
                        let (time, asked) = match server(now, u32::try_from(served).unwrap()) {
                            Ok(time) => (time, None),
                            Err(asked) => (TICK, Some(asked)),
                        };
                        under_way.push((now + time, round, is_again, asked));
                    }
                    Err(until) => {
                        next = until;
                        break;
                    }
                }
            }
            let first = under_way.iter().map(|one| one.0).min();
            now = first.map_or(next, |first| first.min(next)).max(now);
            under_way.retain(|(end, round, is_again, asked)| {
                if *end > now {
                    return true;
                }
                match asked {
                    None => state.take(),
                    Some(asked) => {
                        refused += 1;
                        waiting.push_back(true);
                        let refusal = Refusal { is_again: *is_again, is_silent: false };
                        state.refuse(*round, refusal, |times| doubling(times).max(*asked), now);
                    }
                }
                state.under_way -= 1;
                false
            });
        }
        (now - start, refused)
    }

    #[test]
    fn a_server_that_refuses_nothing_gets_all_that_there_is() {
        let mut most = 0;
        let (time, refused) = send(160, &mut |_, served| {
            most = most.max(served + 1);
            Ok(TICK)
        });
        assert_eq!((time, refused, most), (10 * TICK, 0, 16));
    }

    #[test]
    fn a_limit_of_connections_is_found() {
        for (length, requests) in [(10, 1000), (100, 200), (2000, 40)] {
            let length = Duration::from_millis(length);
            let (time, refused) =
                send(requests, &mut |_, served| if served < 4 { Ok(length) } else { Err(TICK) });
            let best = length * u32::try_from(requests).unwrap() / 4;
            assert!(time < best * 2, "{length:?}: {time:?}, best {best:?}");
            assert!(refused < 50, "{length:?}: {refused}");
        }
    }

    #[test]
    fn a_limit_of_rate_is_found() {
        let mut free = Instant::now();
        let (time, refused) = send(200, &mut |now, _| {
            if now < free {
                return Err(Duration::ZERO);
            }
            free = now + Duration::from_millis(50);
            Ok(TICK)
        });
        assert!(time < Duration::from_secs(20), "{time:?}, best 10 s");
        assert!(refused < 50, "{refused}");

        let (start, mut counts) = (Instant::now(), HashMap::new());
        let (time, refused) = send(200, &mut |now, _| {
            let count = counts.entry((now - start).as_secs()).or_insert(0);
            *count += 1;
            if *count > 20 { Err(Duration::from_secs(1)) } else { Ok(TICK) }
        });
        assert!(time < Duration::from_secs(20), "{time:?}, best 10 s");
        assert!(refused < 50, "{refused}");
    }

    #[test]
    fn the_number_is_halved_once_a_round_and_grows_back() {
        let mut state = State::default();
        let now = state.since;
        let rounds: Vec<u64> = (0..16).map(|_| state.begin(now).unwrap()).collect();
        for round in rounds {
            state.refuse(round, Refusal::default(), doubling, now);
            state.under_way -= 1;
        }
        let later = now + doubling(1);
        assert_eq!(state.begin(now), Err(later), "one pause for all");
        assert_eq!((0..16).filter(|_| state.begin(later).is_ok()).count(), 8);
        let until = state.begin(later).unwrap_err();
        assert!(until > later && state.begin(until + TICK).is_ok(), "{until:?}");
        assert_eq!((0..16).filter(|_| state.begin(now + 8 * doubling(4)).is_ok()).count(), 3);
    }

    #[test]
    fn a_server_that_is_not_there_keeps_nobody_waiting() {
        let mut state = State::default();
        let now = state.since;
        let silent = Refusal { is_again: false, is_silent: true };
        for _ in 0..100 {
            let round = state.begin(now).unwrap();
            assert!(state.refuse(round, silent, doubling, now), "it has trouble of its own");
            state.under_way -= 1;
        }
        let rounds: Vec<u64> = (0..16).map(|_| state.begin(now).unwrap()).collect();
        for round in rounds {
            state.refuse(round, silent, doubling, now);
            state.under_way -= 1;
        }
        assert_eq!(state.begin(now), Err(now + doubling(1)), "others are served, or may be");
        assert!(state.begin(now + doubling(1)).is_ok());
    }

    #[test]
    fn a_request_with_trouble_of_its_own_lowers_nothing() {
        let mut state = State::default();
        let mut now = state.since;
        for times in 0..20 {
            let round = state.begin(now).unwrap();
            let refusal = Refusal { is_again: times > 0, is_silent: false };
            state.refuse(round, refusal, doubling, now);
            state.under_way -= 1;
            for _ in 0..10 {
                now = now.max(state.resume);
                state.begin(now).unwrap();
                state.under_way -= 1;
                state.take();
            }
            now = now.max(state.resume);
        }
        assert!(state.number > 0.4, "{}", state.number);
    }

    #[test]
    fn a_thread_that_is_busy_keeps_no_other_from_its_turn() {
        let runtime =
            || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let pace = Arc::new(Pace::default());
        let turn = runtime().block_on(Arc::clone(&pace).turn());
        turn.refused(Refusal::default(), doubling);
        drop(turn);
        let (waits, is_waiting) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let first = Arc::clone(&pace);
            scope.spawn(move || {
                runtime().block_on(async {
                    let mut turn = std::pin::pin!(first.turn());
                    assert!(futures_util::poll!(&mut turn).is_pending());
                    waits.send(()).unwrap();
                    ended.recv_timeout(Duration::from_secs(30)).expect("the other gets its turn");
                });
            });
            is_waiting.recv().unwrap();
            drop(runtime().block_on(pace.turn()));
            end.send(()).unwrap();
        });
    }

    #[test]
    fn few_servers_are_remembered() {
        let paces = Paces::default();
        let url = |name| Url::parse(&format!("http://h{name}/x")).unwrap();
        let used = paces.of(&url(0));
        for name in 1..1000 {
            paces.of(&url(name));
        }
        assert!(lock(&paces.0).len() <= MOST_IDLE + 1);
        assert!(Arc::ptr_eq(&used, &paces.of(&url(0))));
    }
}
