//! The answers to requests. Everybody may post the name of a request, so all who do get the same.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant, SystemTime};

use axum::http::StatusCode;
use bytes::Bytes;
use tokio::sync::watch;

use crate::Result;
use crate::error::IoContext;
use crate::registry::tree::Receipt;
use crate::shared::lock;
use crate::system::{Identity, Stat};

/// Begins the name of every request file.
pub(super) const PREFIX: &str = "request-";
/// How old a request file may be, how far ahead of the clock, and how long its name stays used.
pub(super) const LIFETIME: Duration = Duration::from_secs(60);
/// Answers that are kept, and bytes of all of them; without its answer a name stays used.
const MOST_ANSWERS: usize = 10_000;
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// An answer to all who have posted a name.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    /// What was asked for.
    pub(super) action: &'static str,
    /// Who asked.
    pub(super) user: String,
    /// Why it failed.
    pub(super) reason: Option<String>,
    receipt: Mutex<Option<Receipt>>,
}

impl Answer {
    pub(super) fn new(
        status: StatusCode,
        body: Vec<u8>,
        action: &'static str,
        user: String,
        reason: Option<String>,
        receipt: Option<Receipt>,
    ) -> Self {
        Self { status, body: body.into(), action, user, reason, receipt: Mutex::new(receipt) }
    }

    /// The receipt, for the first who is told: it is to be dropped then.
    pub(super) fn take_receipt(&self) -> Option<Receipt> {
        lock(&self.receipt).take()
    }

    /// What it takes in memory, about.
    fn bytes(&self) -> usize {
        self.body.len() + self.reason.as_ref().map_or(0, String::len)
    }
}

/// Tells whether a request file is still the one that was answered.
pub(super) type Stamp = Identity;

/// Answers to come.
pub(super) type Waiting = watch::Receiver<Option<Arc<Answer>>>;

/// What becomes of a name that is posted.
#[derive(Debug)]
pub(super) enum Place {
    /// Nobody has posted it yet, as far as is known: run it if it is a request.
    Free,
    /// It is running.
    Running(Waiting),
    /// It was answered.
    Answered(Arc<Answer>),
    /// It was used by another file, or before the start, or too long ago to know the answer.
    Used,
}

/// The names that were used lately, with their answers.
#[derive(Debug, Default)]
pub(super) struct Answers {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    names: HashMap<Arc<OsStr>, Use>,
    /// When each name that is not running is free again.
    by_end: BTreeSet<(Instant, Arc<OsStr>)>,
    /// The names that have an answer, the oldest first; among them some that have none any more.
    answered: VecDeque<Arc<OsStr>>,
    answers: usize,
    bytes: usize,
}

/// One use of a name.
#[derive(Debug)]
struct Use {
    stamp: Option<Stamp>,
    end: Instant,
    state: State,
}

#[derive(Debug)]
enum State {
    Running(Weak<watch::Sender<Option<Arc<Answer>>>>),
    Answered(Arc<Answer>),
    Unknown,
}

/// A request that is running. Dropped, it leaves the name used, with the answer if there is one.
#[derive(Debug)]
pub(super) struct Running {
    answers: Arc<Answers>,
    name: Arc<OsStr>,
    sender: Arc<watch::Sender<Option<Arc<Answer>>>>,
}

impl Answers {
    /// Blocks all names in the staging directory: they may have been used before a restart.
    pub(super) fn starting_with(staging: &Path) -> Result<Self> {
        let mut table = Table::default();
        let now = Instant::now();
        for entry in fs::read_dir(staging).at(staging)? {
            let entry = entry.at(staging)?;
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
                let lifetime = entry.metadata().map_or(LIFETIME, |file| lifetime_of(&file));
                let name: Arc<OsStr> = name.into();
                let end = now + lifetime;
                table.by_end.insert((end, Arc::clone(&name)));
                table.names.insert(name, Use { stamp: None, end, state: State::Unknown });
            }
        }
        Ok(Self { table: Mutex::new(table) })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // A panic elsewhere leaves a name used, at worst.
        lock(&self.table)
    }

    /// What is known of a name. `stamp` is that of the file now, if there is one.
    pub(super) fn find(&self, name: &OsStr, stamp: Option<Stamp>, now: Instant) -> Place {
        self.table().find(name, stamp, now)
    }

    /// Begins to run a name, unless somebody else was faster.
    pub(super) fn begin(
        self: &Arc<Self>,
        name: &OsStr,
        file: &Metadata,
        now: Instant,
    ) -> Result<(Running, Waiting), Place> {
        let stamp = Stat::from(file).identity;
        let mut table = self.table();
        match table.find(name, Some(stamp), now) {
            Place::Free => {}
            taken => return Err(taken),
        }
        let (sender, receiver) = watch::channel(None);
        let sender = Arc::new(sender);
        let name: Arc<OsStr> = name.into();
        table.forget(&name);
        let state = State::Running(Arc::downgrade(&sender));
        let begun = Use { stamp: Some(stamp), end: now + lifetime_of(file), state };
        table.names.insert(Arc::clone(&name), begun);
        Ok((Running { answers: Arc::clone(self), name, sender }, receiver))
    }
}

impl Table {
    fn find(&mut self, name: &OsStr, stamp: Option<Stamp>, now: Instant) -> Place {
        while let Some((end, name)) = self.by_end.first()
            && *end <= now
        {
            let name = Arc::clone(name);
            self.forget(&name);
        }
        let Some(used) = self.names.get(name) else { return Place::Free };
        let is_same = stamp.is_none() || stamp == used.stamp;
        match &used.state {
            State::Running(sender) if is_same => match sender.upgrade() {
                Some(sender) => Place::Running(sender.subscribe()),
                None => Place::Used,
            },
            State::Answered(answer) if is_same => Place::Answered(Arc::clone(answer)),
            // Somebody was faster than its author, who was still writing it.
            State::Answered(answer) if !answer.status.is_success() => Place::Free,
            State::Running(_) | State::Answered(_) | State::Unknown => Place::Used,
        }
    }

    fn forget(&mut self, name: &Arc<OsStr>) {
        if let Some(used) = self.names.remove(name) {
            self.by_end.remove(&(used.end, Arc::clone(name)));
            self.count_out(&used.state);
        }
    }

    fn count_out(&mut self, state: &State) {
        if let State::Answered(answer) = state {
            self.answers -= 1;
            self.bytes -= answer.bytes();
        }
    }

    /// Notes how a run has ended.
    fn end(&mut self, name: &Arc<OsStr>, answer: Option<Arc<Answer>>, now: Instant) {
        let Some(used) = self.names.get_mut(name) else { return };
        used.end = used.end.max(now + LIFETIME);
        used.state = State::Unknown;
        if let Some(answer) = answer {
            self.answers += 1;
            self.bytes += answer.bytes();
            used.state = State::Answered(answer);
            self.answered.push_back(Arc::clone(name));
        }
        self.by_end.insert((used.end, Arc::clone(name)));
        while self.answers > MOST_ANSWERS || self.bytes > MOST_BYTES {
            let Some(oldest) = self.answered.pop_front() else { break };
            if let Some(used) = self.names.get_mut(&oldest)
                && matches!(used.state, State::Answered(_))
            {
                let state = std::mem::replace(&mut used.state, State::Unknown);
                self.count_out(&state);
            }
        }
        while let Some(oldest) = self.answered.front()
            && !matches!(self.names.get(oldest), Some(Use { state: State::Answered(_), .. }))
        {
            self.answered.pop_front();
        }
    }
}

impl Running {
    /// Resolves when nobody waits for the answer any more.
    pub(super) async fn abandoned(&self) {
        self.sender.closed().await;
    }

    /// Frees the name if nobody waits: what was begun is undone. False if somebody does.
    pub(super) fn is_left(&self) -> bool {
        // Nobody can begin to wait while the table is held.
        let mut table = self.answers.table();
        let is_left = self.sender.receiver_count() == 0;
        if is_left {
            table.forget(&self.name);
        }
        is_left
    }

    /// Gives the answer to all who wait, and to all who come.
    pub(super) fn finish(self, answer: Answer) {
        let answer = Arc::new(answer);
        self.answers.table().end(&self.name, Some(Arc::clone(&answer)), Instant::now());
        self.sender.send_replace(Some(answer));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut table = self.answers.table();
        let is_running = matches!(
            table.names.get(&self.name),
            Some(Use { state: State::Running(sender), .. })
                if std::ptr::eq(sender.as_ptr(), Arc::as_ptr(&self.sender))
        );
        if is_running {
            table.end(&self.name, None, Instant::now());
        }
    }
}

/// How long a name is used: a file that is dated ahead of the clock expires later.
fn lifetime_of(file: &Metadata) -> Duration {
    let ahead = file.modified().ok().and_then(|time| time.duration_since(SystemTime::now()).ok());
    LIFETIME + ahead.unwrap_or_default().min(LIFETIME)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, length: usize) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            body: vec![b'x'; length].into(),
            action: "upload",
            user: String::new(),
            reason: None,
            receipt: Mutex::default(),
        }
    }

    /// A staging directory with the request file `request-x`.
    struct Staging(tempfile::TempDir);

    impl Staging {
        fn new() -> Self {
            let staging = Self(tempfile::tempdir().unwrap());
            staging.write("content");
            staging
        }

        fn write(&self, text: &str) -> Metadata {
            let path = self.0.path().join("request-x");
            fs::write(&path, text).unwrap();
            path.metadata().unwrap()
        }
    }

    fn word(place: &Place) -> String {
        match place {
            Place::Free => "free".to_owned(),
            Place::Running(_) => "running".to_owned(),
            Place::Answered(answer) => format!("{} {}", answer.status.as_u16(), answer.body.len()),
            Place::Used => "used".to_owned(),
        }
    }

    #[test]
    fn all_who_ask_get_the_same_answer() {
        let staging = Staging::new();
        let answers = Arc::new(Answers::default());
        let name = OsStr::new("request-x");
        let now = Instant::now();
        let file = staging.write("content");
        let find = |stamp, now| word(&answers.find(name, stamp, now));
        let (running, mut waiting) = answers.begin(name, &file, now).unwrap();
        assert_eq!(find(Some(Stat::from(&file).identity), now), "running");
        // However long it takes, and also if its author has taken it away.
        assert_eq!(find(None, now + 10 * LIFETIME), "running");
        assert!(answers.begin(name, &file, now).is_err());
        running.finish(answer(200, 7));
        assert_eq!(waiting.borrow_and_update().as_ref().unwrap().body.len(), 7);
        assert_eq!(find(Some(Stat::from(&file).identity), now), "200 7");
        assert_eq!(find(None, now), "200 7");
        let other = staging.write("another");
        assert_eq!(find(Some(Stat::from(&other).identity), now), "used");
        let later = Instant::now() + 2 * LIFETIME;
        assert_eq!(find(Some(Stat::from(&other).identity), later), "free");
        let table = answers.table();
        assert_eq!((table.names.len(), table.by_end.len(), table.answers), (0, 0, 0));
        assert_eq!(table.bytes, 0);
    }

    #[test]
    fn a_file_that_was_not_written_yet_has_not_had_its_turn() {
        let staging = Staging::new();
        let answers = Arc::new(Answers::default());
        let name = OsStr::new("request-x");
        let now = Instant::now();
        let unwritten = staging.write("");
        let (running, _) = answers.begin(name, &unwritten, now).unwrap();
        running.finish(answer(400, 1));
        assert_eq!(word(&answers.find(name, Some(Stat::from(&unwritten).identity), now)), "400 1");
        let written = staging.write("content");
        let (running, _) = answers.begin(name, &written, now).unwrap();
        running.finish(answer(200, 2));
        assert_eq!(word(&answers.find(name, Some(Stat::from(&written).identity), now)), "200 2");
    }

    #[test]
    fn what_everybody_has_left_is_free_again_and_a_crash_is_not() {
        let staging = Staging::new();
        let answers = Arc::new(Answers::default());
        let name = OsStr::new("request-x");
        let now = Instant::now();
        let file = staging.write("content");
        let (running, waiting) = answers.begin(name, &file, now).unwrap();
        assert!(!running.is_left());
        drop(waiting);
        assert!(running.is_left());
        drop(running);
        assert_eq!(word(&answers.find(name, None, now)), "free");
        let (running, waiting) = answers.begin(name, &file, now).unwrap();
        drop(running);
        assert!(waiting.has_changed().is_err());
        assert_eq!(word(&answers.find(name, None, now)), "used");
    }

    #[test]
    fn memory_is_bounded_and_names_stay_used() {
        let staging = Staging::new();
        let answers = Arc::new(Answers::default());
        let now = Instant::now();
        let file = staging.write("content");
        let run = |name: &str, length| {
            let (running, _) = answers.begin(OsStr::new(name), &file, now).unwrap();
            running.finish(answer(200, length));
        };
        for number in 0..5 {
            run(&number.to_string(), MOST_BYTES / 4);
        }
        let found = |name: &str| word(&answers.find(OsStr::new(name), None, now));
        assert_eq!(found("0"), "used");
        assert!(found("1").starts_with("200"));
        for number in 0..MOST_ANSWERS {
            run(&format!("small {number}"), 1);
        }
        assert_eq!(found("4"), "used");
        assert_eq!(found(&format!("small {}", MOST_ANSWERS - 1)), "200 1");
        let table = answers.table();
        assert!(table.answers <= MOST_ANSWERS && table.answered.len() <= MOST_ANSWERS);
    }

    #[test]
    fn names_from_before_the_start_are_used_for_a_minute() {
        let staging = Staging::new();
        let answers = Answers::starting_with(staging.0.path()).unwrap();
        let name = OsStr::new("request-x");
        let stamp = Some(Stat::from(&staging.write("content")).identity);
        assert_eq!(word(&answers.find(name, stamp, Instant::now())), "used");
        assert_eq!(word(&answers.find(name, stamp, Instant::now() + LIFETIME)), "free");
    }
}
