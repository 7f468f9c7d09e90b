//! How many requests a server gets at once: as many as it takes without refusing some.
//!
//! A refusal is an answer such as 429 or 503, or a connection that could not be made or was closed
//! without an answer. For each server, all calls of the process together follow these rules:
//!
//! 1. A server that refuses nothing gets all that the calls want to send, but see rule 10.
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
//! 9. One refusal in 25 answers, and five at once, say nothing of the server, unless it asks for a
//!    pause: far networks lose connections, too. Such a request waits by itself.
//! 10. Where callers leave the number of their transfers open, `search` finds it, but after a refusal
//!     it is doubled only up to three quarters of the number that was refused, to which rule 5 applies.
//! 11. A server that answers by HTTP/2 may get all that `search` allows at once after its first answers,
//!     as streams need no connections of their own. A refusal before or after that halves the number as
//!     any other does, and from then on rule 10 holds.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Url;
use tokio::sync::Notify;
use tokio::time::{timeout, timeout_at};

use super::search::{self, Search};
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
/// A wait for the end of another request, which wakes the one that waits.
const FAR_OFF: Duration = Duration::from_secs(10);
/// Servers that are remembered although nobody sends to them.
const MOST_IDLE: usize = 64;
/// Answers that make up for a refusal.
const ANSWERS: u32 = 25;
/// Refusals that may be made up for.
const SPARE: f64 = 5.0;

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
    /// Waits until a request may be sent, besides less than `most` others.
    pub(super) async fn turn(self: Arc<Self>, most: u32) -> Turn {
        let begun = self.begin(most).await;
        Turn { pace: self, begun }
    }

    /// How many transfers a call may have at once.
    pub(super) fn number(&self) -> u32 {
        lock(&self.state).search.number()
    }

    /// Notes that the server answers by HTTP/2.
    pub(super) fn has_streams(&self) {
        lock(&self.state).search.has_streams();
    }

    async fn begin(&self, most: u32) -> Begun {
        let mut place = pin!(self.queue.lock());
        let _first = loop {
            if let Ok(first) = timeout(GRACE, &mut place).await {
                break first;
            }
            if let Some(begun) = lock(&self.state).begin_before_others(most, Instant::now()) {
                return begun;
            }
        };
        loop {
            let begun = lock(&self.state).begin(most, Instant::now());
            match begun {
                Ok(begun) => return begun,
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
    begun: Begun,
}

/// A request that was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Begun {
    /// How often the number was lowered before.
    round: u64,
    seen: search::Begun,
}

impl Turn {
    /// Notes that the server did not refuse the request.
    pub(super) fn taken(&self) {
        lock(&self.pace.state).take();
    }

    /// Notes that a transfer of so many bytes is over, of which there may be so many at once.
    pub(super) fn transferred(&self, bytes: u64, most: u32) {
        lock(&self.pace.state).transfer(self.begun.seen, bytes, most, Instant::now());
    }

    /// Notes that the server refused the request. `pause` is for how long nothing is to be sent,
    /// after so many refusals in a row. Returns true if this request has trouble of its own.
    pub(super) fn refused(&self, refusal: Refusal, pause: impl Fn(u32) -> Duration) -> bool {
        lock(&self.pace.state).refuse(self.begun, refusal, pause, Instant::now())
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
    /// Whether the server says for how long it does not want to be asked.
    pub(super) asks: bool,
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
    /// Refusals that may still be passed over.
    spare: f64,
    /// Up to where the number may be doubled.
    ceiling: f64,
    /// Nothing begins before.
    resume: Instant,
    search: Search,
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
            spare: SPARE,
            ceiling: f64::INFINITY,
            resume: now,
            search: Search::new(now),
        }
    }
}

impl State {
    /// Begins a request besides less than `most` others, or says when to ask again at the latest.
    fn begin(&mut self, most: u32, now: Instant) -> Result<Begun, Instant> {
        if now < self.resume {
            return Err(self.resume);
        }
        if self.under_way >= most {
            return Err(now + FAR_OFF);
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
        let seen = self.search.begin(self.under_way, whole(self.number), now);
        Ok(Begun { round: self.round, seen })
    }

    /// Begins a request although others wait before it, if they have left their turn.
    fn begin_before_others(&mut self, most: u32, now: Instant) -> Option<Begun> {
        if now < self.resume + GRACE { None } else { self.begin(most, now).ok() }
    }

    fn take(&mut self) {
        self.in_a_row = 0;
        self.taken = self.taken.saturating_add(1);
        self.spare = (self.spare + 1.0 / f64::from(ANSWERS)).min(SPARE);
    }

    fn transfer(&mut self, begun: search::Begun, bytes: u64, most: u32, now: Instant) {
        let Some(times) = self.search.note(begun, bytes, now) else { return };
        let limit = self.number.min(f64::from(self.search.number())).floor();
        let more = (limit * f64::from(times)).min(self.ceiling).min(f64::from(most));
        self.number = self.number.max(more);
        self.search.raise(whole(more));
    }

    fn refuse(
        &mut self,
        Begun { round, seen }: Begun,
        Refusal { is_again, is_silent, asks }: Refusal,
        pause: impl Fn(u32) -> Duration,
        now: Instant,
    ) -> bool {
        self.grow(now);
        if is_silent && self.under_way <= 1 {
            return true;
        }
        if round == self.round && !asks && self.spare >= 1.0 {
            self.spare -= 1.0;
            self.taken = 0;
            return true;
        }
        let is_own = is_again && f64::from(self.taken) > self.number;
        self.taken = 0;
        if round == self.round && !is_own {
            // Others that were sent with it may have been answered by now.
            let refused = self.number.min(f64::from(self.under_way.max(seen.of)));
            self.number = (refused / 2.0).max(LEAST);
            self.ceiling = refused * 0.75;
            self.spare = self.spare.max(1.0);
            self.search.halve(now);
            self.round += 1;
            self.in_a_row += u32::from(!is_silent);
        }
        let times = if is_silent { 1 } else { self.in_a_row.max(1) };
        self.resume = self.resume.max(now + pause(times));
        is_own
    }

    fn grow(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.since).as_secs_f64();
        let growth = GROWTH.powf(seconds);
        self.number *= growth;
        self.ceiling *= growth;
        self.since = now;
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of transfers, which are positive and small"
)]
fn whole(number: f64) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::search::MOST;

    fn doubling(times: u32) -> Duration {
        Duration::from_millis(75) * 2_u32.pow(times - 1)
    }

    /// A server that says how long an answer takes, or refuses and asks for a pause.
    type Server<'a> = dyn FnMut(Instant, u32) -> Result<Duration, Duration> + 'a;

    /// What a client is like: how many requests it has at once, or that the number is to be found,
    /// how large the answers are, and whether they come by HTTP/2.
    #[derive(Clone, Copy)]
    struct Client {
        at_once: Option<u32>,
        bytes: u64,
        has_streams: bool,
    }

    const SIXTEEN: Client = Client { at_once: Some(16), bytes: 0, has_streams: false };
    const FREE: Client = Client { at_once: None, bytes: 4096, has_streams: false };
    const STREAMS: Client = Client { has_streams: true, ..FREE };

    /// Sends so many requests; returns how long it took and what was refused.
    fn send(requests: usize, server: &mut Server<'_>) -> (Duration, usize) {
        let (time, refused, _) = send_as(SIXTEEN, requests, server);
        (time, refused)
    }

    struct Sent {
        over: Instant,
        begun: Begun,
        is_again: bool,
        asked: Option<Duration>,
    }

    /// [`send`] for such a client; also returns how many were under way at most.
    fn send_as(client: Client, requests: usize, server: &mut Server<'_>) -> (Duration, usize, u32) {
        let mut state = State::default();
        let start = state.since;
        let mut now = start;
        // When each of those that wait may go, and whether it was refused before.
        let mut waiting: Vec<(Instant, bool)> = vec![(start, false); requests];
        let mut under_way: Vec<Sent> = Vec::new();
        let (mut refused, mut most) = (0, 0);
        while !waiting.is_empty() || !under_way.is_empty() {
            let mut next = now + Duration::from_secs(3600);
            while state.under_way < client.at_once.unwrap_or(state.search.number()) {
                let Some(first) = waiting.iter().position(|one| one.0 <= now) else {
                    next = waiting.iter().map(|one| one.0).min().unwrap_or(next);
                    break;
                };
                match state.begin(MOST, now) {
                    Ok(begun) => {
                        let (_, is_again) = waiting.remove(first);
                        let served = under_way.iter().filter(|one| one.asked.is_none()).count();
                        let (time, asked) = match server(now, u32::try_from(served).unwrap()) {
                            Ok(time) => (time, None),
                            Err(asked) => (TICK, Some(asked)),
                        };
                        under_way.push(Sent { over: now + time, begun, is_again, asked });
                        most = most.max(begun.seen.of);
                    }
                    Err(until) => {
                        next = until;
                        break;
                    }
                }
            }
            let first = under_way.iter().map(|one| one.over).min();
            now = first.map_or(next, |first| first.min(next)).max(now);
            let (over, still): (Vec<_>, Vec<_>) =
                under_way.into_iter().partition(|one| one.over <= now);
            under_way = still;
            for Sent { begun, is_again, asked, .. } in over {
                match asked {
                    None => {
                        if client.has_streams {
                            state.search.has_streams();
                        }
                        state.take();
                        state.transfer(begun.seen, client.bytes, MOST, now);
                    }
                    Some(asked) => {
                        refused += 1;
                        let refusal = Refusal { is_again, asks: asked > TICK, is_silent: false };
                        let pause = |times| doubling(times).max(asked);
                        let is_own = state.refuse(begun, refusal, pause, now);
                        let pause = if is_own { doubling(1) } else { Duration::ZERO };
                        waiting.push((now + pause, true));
                    }
                }
                state.under_way -= 1;
            }
        }
        (now - start, refused, most)
    }

    /// A round trip to a far server.
    const TRIP: Duration = Duration::from_millis(50);

    #[test]
    fn new_connections_are_made_within_a_few_round_trips() {
        let mut connections = 0;
        let (time, _, most) = send_as(FREE, 2000, &mut |_, served| {
            let is_new = served == connections;
            connections += u32::from(is_new);
            Ok(if is_new { 2 * TRIP } else { TRIP })
        });
        // 17 with all of them from the beginning.
        assert!(time <= 21 * TRIP && most == 128, "{time:?} {most}");
    }

    #[test]
    fn transfers_from_far_away_become_as_many_as_may_be() {
        let (time, refused, most) = send_as(FREE, 2000, &mut |_, _| Ok(TRIP));
        assert_eq!((refused, most), (0, 128));
        // 16 round trips with all of them from the beginning.
        assert!(time <= 20 * TRIP, "{time:?}");
        let (time, _, most) = send_as(SIXTEEN, 2000, &mut |_, _| Ok(TRIP));
        assert_eq!((time, most), (125 * TRIP, 16), "a number that was chosen stays");
    }

    #[test]
    fn transfers_from_nearby_stay_as_they_are() {
        let (_, _, most) = send_as(FREE, 2000, &mut |_, _| Ok(TICK));
        assert_eq!(most, 16);
    }

    /// A server that works on requests one after the other, or a link with a rate.
    fn one_by_one(each: Duration) -> impl FnMut(Instant, u32) -> Result<Duration, Duration> {
        let mut free = None;
        move |now, _| {
            let begin = free.unwrap_or(now).max(now);
            free = Some(begin + each);
            Ok(begin + each + TRIP - now)
        }
    }

    #[test]
    fn transfers_that_gain_nothing_stay_where_they_are() {
        // 20 at once are enough for this server.
        let each = Duration::from_micros(2500);
        let (time, _, most) = send_as(FREE, 4000, &mut one_by_one(each));
        assert!(time < (each * 4000).mul_f64(1.1), "{time:?}");
        assert!(most <= 64, "{most}");
        // Of a link for 100 MB/s, 16 files of 10 MB take all.
        let files = Client { bytes: 10_000_000, ..FREE };
        let (time, _, most) = send_as(files, 400, &mut one_by_one(Duration::from_millis(100)));
        assert!(time < Duration::from_millis(40_500), "{time:?}");
        assert!(most <= 32, "{most}");
    }

    #[test]
    fn streams_become_as_many_as_may_be_with_the_first_answers() {
        // The first needs the connection, two round trips, that the others share.
        let start = Instant::now();
        let mut server = |now: Instant, _| Ok(if now - start < 2 * TRIP { 3 * TRIP } else { TRIP });
        let (time, refused, most) = send_as(STREAMS, 2000, &mut server);
        assert_eq!((time, refused, most), (19 * TRIP, 0, 128));
        let (_, _, most) = send_as(STREAMS, 2000, &mut |_, _| Ok(TICK));
        assert_eq!(most, 16, "the server is nearby");
        let (time, _, most) =
            send_as(Client { at_once: Some(16), ..STREAMS }, 2000, &mut |_, _| Ok(TRIP));
        assert_eq!((time, most), (125 * TRIP, 16), "a number that was chosen stays");
    }

    #[test]
    fn streams_become_no_more_than_others_where_it_may_do_harm() {
        let each = Duration::from_micros(2500);
        let (time, ..) = send_as(STREAMS, 4000, &mut one_by_one(each));
        assert!(time < (each * 4000).mul_f64(1.1), "{time:?}");
        let files = Client { bytes: 10_000_000, ..STREAMS };
        let (time, _, most) = send_as(files, 400, &mut one_by_one(Duration::from_millis(100)));
        assert!(time < Duration::from_millis(40_500), "{time:?}");
        assert!(most <= 32, "{most}");
    }

    #[test]
    fn losses_on_the_way_say_nothing_of_the_server() {
        let mut sent = 0_u64;
        let mut server = |_, _| {
            sent = sent.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
            if (sent >> 33) % 1000 < 15 { Err(TICK) } else { Ok(TRIP) }
        };
        let (time, refused, most) = send_as(FREE, 2000, &mut server);
        assert!(refused > 10 && most == 128, "{refused} {most}");
        assert!(time < 30 * TRIP, "{time:?}");
    }

    #[test]
    fn a_far_server_with_a_limit_is_used_well() {
        let both = [FREE, STREAMS].into_iter();
        for (client, limit) in both.flat_map(|client| [3, 8, 50].map(|limit| (client, limit))) {
            let (time, refused, _) = send_as(client, 2000, &mut |_, served| {
                if served < limit { Ok(TRIP) } else { Err(TICK) }
            });
            let best = TRIP * 2000 / limit;
            assert!(time < best.mul_f64(1.25), "{limit}: {time:?}, best {best:?}");
            assert!(refused < 400, "{limit}: {refused}");
        }
    }

    #[test]
    fn a_far_server_with_a_limit_of_rate_is_used_well() {
        for client in [FREE, STREAMS] {
            // Fifty in a second, and so many at once after a pause.
            let (mut tokens, mut last) = (50.0, None);
            let mut server = |now: Instant, _| {
                let passed = now - *last.get_or_insert(now);
                last = Some(now);
                tokens = 50.0_f64.min(tokens + passed.as_secs_f64() * 50.0);
                if tokens < 1.0 {
                    return Err(TICK);
                }
                tokens -= 1.0;
                Ok(TRIP)
            };
            let (time, refused, _) = send_as(client, 1000, &mut server);
            assert!(time < Duration::from_millis(19_000 * 5 / 4), "{time:?}, best 19 s");
            assert!(refused < 300, "{refused}");
        }
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
        let mut state = State { spare: 0.0, ..State::default() };
        let now = state.since;
        let all: Vec<Begun> = (0..16).map(|_| state.begin(MOST, now).unwrap()).collect();
        for begun in all {
            state.refuse(begun, Refusal::default(), doubling, now);
            state.under_way -= 1;
        }
        let later = now + doubling(1);
        assert_eq!(state.begin(MOST, now), Err(later), "one pause for all");
        assert_eq!((0..16).filter(|_| state.begin(MOST, later).is_ok()).count(), 8);
        let until = state.begin(MOST, later).unwrap_err();
        assert!(until > later && state.begin(MOST, until + TICK).is_ok(), "{until:?}");
        assert_eq!((0..16).filter(|_| state.begin(MOST, now + 8 * doubling(4)).is_ok()).count(), 3);
    }

    #[test]
    fn a_refusal_tells_of_all_that_were_sent_with_it() {
        let mut state = State::default();
        let now = state.since;
        let all: Vec<Begun> = (0..16).map(|_| state.begin(MOST, now).unwrap()).collect();
        let (taken, refused) = all.split_at(8);
        for _ in taken {
            state.take();
            state.under_way -= 1;
        }
        for begun in refused {
            state.refuse(*begun, Refusal::default(), doubling, now);
            state.under_way -= 1;
        }
        assert!(state.number >= 6.0, "{}", state.number);
    }

    #[test]
    fn a_server_that_is_not_there_keeps_nobody_waiting() {
        let mut state = State::default();
        let now = state.since;
        let silent = Refusal { is_silent: true, ..Refusal::default() };
        for _ in 0..100 {
            let begun = state.begin(MOST, now).unwrap();
            assert!(state.refuse(begun, silent, doubling, now), "it has trouble of its own");
            state.under_way -= 1;
        }
        let all: Vec<Begun> = (0..16).map(|_| state.begin(MOST, now).unwrap()).collect();
        for begun in all {
            state.refuse(begun, silent, doubling, now);
            state.under_way -= 1;
        }
        assert_eq!(state.begin(MOST, now), Err(now + doubling(1)), "others are served, or may be");
        assert!(state.begin(MOST, now + doubling(1)).is_ok());
    }

    #[test]
    fn a_request_with_trouble_of_its_own_lowers_nothing() {
        let mut state = State::default();
        let mut now = state.since;
        for times in 0..20 {
            let begun = state.begin(MOST, now).unwrap();
            let refusal = Refusal { is_again: times > 0, ..Refusal::default() };
            state.refuse(begun, refusal, doubling, now);
            state.under_way -= 1;
            for _ in 0..10 {
                now = now.max(state.resume);
                state.begin(MOST, now).unwrap();
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
        let turn = runtime().block_on(Arc::clone(&pace).turn(MOST));
        turn.refused(Refusal { asks: true, ..Refusal::default() }, doubling);
        drop(turn);
        let (waits, is_waiting) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let first = Arc::clone(&pace);
            scope.spawn(move || {
                runtime().block_on(async {
                    let mut turn = std::pin::pin!(first.turn(MOST));
                    assert!(futures_util::poll!(&mut turn).is_pending());
                    waits.send(()).unwrap();
                    ended.recv_timeout(Duration::from_secs(30)).expect("the other gets its turn");
                });
            });
            is_waiting.recv().unwrap();
            drop(runtime().block_on(pace.turn(MOST)));
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
