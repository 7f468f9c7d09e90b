//! Advisory locks on files: first come, first served inside the process, `flock` between processes.
//!
//! Some network file systems grant `flock` to everybody. Locks therefore only keep work apart that
//! would get in each other's way; what must hold is ensured by atomic renames.
//!
//! A forked child has copies of its parent's handles, and with them of its locks. So a lock is given
//! up explicitly, which also ends it for the child's copies, and only by the process that took it.

use std::collections::{HashMap, VecDeque};
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::error::IoContext;
use crate::fs::{atomic, owner};
use crate::job::Job;
use crate::shared::{lock, wait};
use crate::system::{self, Stat};
use crate::{Error, Result};

/// How often a lock held by another process is tried, and cancellation looked for.
const POLL: Duration = Duration::from_millis(50);

/// Mode of lock files that several users share.
const SHARED_MODE: u32 = 0o666;
/// Mode of lock files that are one user's own.
const PRIVATE_MODE: u32 = 0o600;

/// How a lock is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Together with other shared holders.
    Shared,
    /// Alone.
    Exclusive,
}

/// The locks of this process: one open handle per file, with a queue of those who wait for it.
#[derive(Debug)]
pub(crate) struct LockTable {
    slots: Mutex<HashMap<PathBuf, Arc<Slot>>>,
    patience: Duration,
    /// Mode of lock files, less the umask.
    mode: u32,
}

#[derive(Debug, Default)]
struct Slot {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<u64>,
    next_ticket: u64,
    holders: usize,
    is_exclusive: bool,
    file: Option<Locked>,
    /// Whether the file was made for this hold.
    is_made: bool,
    /// Whether a file that was made for this hold goes away with it.
    is_tidy: bool,
}

/// A file that this process has locked against others; released when dropped.
#[derive(Debug)]
pub(crate) struct Locked {
    file: File,
    owner: u32,
}

impl Locked {
    /// Locks an open file, if no other process holds it.
    pub(crate) fn try_new(
        file: File,
        mode: Mode,
    ) -> std::result::Result<Self, (File, TryLockError)> {
        let locked = match mode {
            Mode::Shared => file.try_lock_shared(),
            Mode::Exclusive => file.try_lock(),
        };
        match locked {
            Ok(()) => Ok(Self { file, owner: std::process::id() }),
            Err(error) => Err((file, error)),
        }
    }

    /// The file itself.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        if self.owner == std::process::id() {
            // Closing would release it, too, but not before all children have closed their copies.
            let _ = self.file.unlock();
        }
    }
}

/// A held lock; released when dropped.
#[derive(Debug)]
pub struct LockGuard<'table> {
    table: &'table LockTable,
    slot: Arc<Slot>,
    path: PathBuf,
}

impl LockTable {
    /// Locks that are waited for at most `patience`.
    pub(crate) fn new(patience: Duration) -> Self {
        Self { slots: Mutex::default(), patience, mode: SHARED_MODE }
    }

    /// The same for files that nobody else can lock: whoever may open a file may lock it, and so
    /// only its owner may. Files that were there before are closed to others, too.
    pub(crate) fn private(patience: Duration) -> Self {
        Self { mode: PRIVATE_MODE, ..Self::new(patience) }
    }

    /// Locks `path`, which is created if it is missing (its folder is not).
    ///
    /// Fails with the system's time-out error on `path` when others hold it for too long, with
    /// "not found" if the folder does not exist, and when the job is cancelled.
    pub(crate) fn lock(&self, path: &Path, mode: Mode, job: &Job) -> Result<LockGuard<'_>> {
        self.lock_within(self.patience, path, mode, job)
    }

    /// [`LockTable::lock`] that leaves no file behind where there was none, as long as it stays empty.
    pub(crate) fn lock_tidily(&self, path: &Path, mode: Mode, job: &Job) -> Result<LockGuard<'_>> {
        self.hold(self.patience, path, mode, true, job)
    }

    /// [`LockTable::lock`] in a folder where others may have made the file: one of theirs is not
    /// waited for, since they could hold it for ever. None if it is held, or cannot be locked.
    pub(crate) fn lock_unless_foreign(
        &self,
        path: &Path,
        mode: Mode,
        job: &Job,
    ) -> Result<Option<LockGuard<'_>>> {
        let is_foreign = std::fs::symlink_metadata(path)
            .is_ok_and(|found| found.is_symlink() || !owner::is_ours(Stat::from(&found).user));
        if !is_foreign {
            return self.lock(path, mode, job).map(Some);
        }
        match self.lock_within(Duration::ZERO, path, mode, job) {
            Err(Error::Io { .. }) => Ok(None),
            other => other.map(Some),
        }
    }

    /// [`LockTable::lock`] with a time limit of its own.
    pub(crate) fn lock_within(
        &self,
        patience: Duration,
        path: &Path,
        mode: Mode,
        job: &Job,
    ) -> Result<LockGuard<'_>> {
        self.hold(patience, path, mode, false, job)
    }

    fn hold(
        &self,
        patience: Duration,
        path: &Path,
        mode: Mode,
        is_tidy: bool,
        job: &Job,
    ) -> Result<LockGuard<'_>> {
        let deadline = Instant::now() + patience;
        let slot = Arc::clone(lock(&self.slots).entry(path.to_owned()).or_default());
        // Made first, so that every way out takes the slot from the table when it was the last.
        let waiting = Waiting::join(self, slot, path);
        if waiting.until_first_or_joined(mode, deadline, job)? {
            return Ok(waiting.into_guard());
        }
        let (file, is_made) = lock_file(path, self.mode, mode, deadline, job)?;
        let mut state = lock(&waiting.slot.state);
        state.is_made = is_made;
        state.is_tidy = is_tidy;
        state.holders = 1;
        state.is_exclusive = mode == Mode::Exclusive;
        state.file = Some(file);
        drop(state);
        Ok(waiting.into_guard())
    }

    fn forget_if_unused(&self, path: &Path, slot: &Arc<Slot>) {
        let mut slots = lock(&self.slots);
        let state = lock(&slot.state);
        // Two owners: the table and the caller. New owners come through the table only.
        if state.holders == 0 && state.queue.is_empty() && Arc::strong_count(slot) == 2 {
            slots.remove(path);
        }
    }
}

/// A place in the queue of one lock.
struct Waiting<'table> {
    table: &'table LockTable,
    slot: Arc<Slot>,
    path: PathBuf,
    ticket: u64,
}

impl<'table> Waiting<'table> {
    fn join(table: &'table LockTable, slot: Arc<Slot>, path: &Path) -> Self {
        let mut state = lock(&slot.state);
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.queue.push_back(ticket);
        drop(state);
        Self { table, slot, path: path.to_owned(), ticket }
    }

    /// Waits until this is the first in the queue and no holder is in the way.
    ///
    /// True if it has joined the holders then: in the same step as they were seen, because the last
    /// one to leave closes the file. False if the file is still to be locked.
    fn until_first_or_joined(&self, mode: Mode, deadline: Instant, job: &Job) -> Result<bool> {
        let mut state = lock(&self.slot.state);
        loop {
            let is_first = state.queue.front() == Some(&self.ticket);
            if is_first && state.holders == 0 {
                return Ok(false);
            }
            if is_first && mode == Mode::Shared && !state.is_exclusive {
                state.holders += 1;
                return Ok(true);
            }
            job.check()?;
            if Instant::now() >= deadline {
                return Err(timed_out(&self.path));
            }
            state = wait(&self.slot.changed, state, POLL).0;
        }
    }

    fn into_guard(self) -> LockGuard<'table> {
        LockGuard { table: self.table, slot: Arc::clone(&self.slot), path: self.path.clone() }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        lock(&self.slot.state).queue.retain(|ticket| *ticket != self.ticket);
        self.slot.changed.notify_all();
        self.table.forget_if_unused(&self.path, &self.slot);
    }
}

impl Drop for LockGuard<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.slot.state);
        state.holders -= 1;
        if state.holders == 0 {
            let is_exclusive = std::mem::take(&mut state.is_exclusive);
            let locked = state.file.take();
            if let Some(locked) = locked.filter(|_| state.is_made && state.is_tidy) {
                remove_if_unused(&locked, &self.path, is_exclusive);
            }
        }
        drop(state);
        self.slot.changed.notify_all();
        self.table.forget_if_unused(&self.path, &self.slot);
    }
}

impl LockGuard<'_> {
    /// True if there was no such file before this hold.
    pub fn is_made(&self) -> bool {
        lock(&self.slot.state).is_made
    }

    /// Replaces the file, which must be held alone, in one step by one with `content`, which is held
    /// in its place. Whoever waits for the old one notices: see [`is_still_there`].
    ///
    /// If this fails at the very end, the new file may be there.
    pub(crate) fn replace(&self, content: &[u8], is_durable: bool) -> Result<()> {
        let folder = self.path.parent().unwrap_or_else(|| Path::new("."));
        let staged = atomic::stage(folder, self.table.mode)?;
        staged.file().write_all(content).at(&self.path)?;
        if is_durable {
            staged.file().sync_all().at(&self.path)?;
        }
        let file = staged.file().try_clone().at(&self.path)?;
        let locked = Locked::try_new(file, Mode::Exclusive).or_else(|(file, error)| match error {
            TryLockError::Error(error) if !system::lacks_locks(&error) => Err(error),
            // Nobody else knows the file yet, so it is not locked: there are no locks.
            _ => Ok(Locked { file, owner: std::process::id() }),
        });
        let locked = locked.at(&self.path)?;
        atomic::persist(staged, &self.path)?;
        lock(&self.slot.state).file = Some(locked);
        if is_durable { atomic::sync_folder(folder) } else { Ok(()) }
    }
}

/// Removes a lock file that is held, unless it has content or others hold it too.
///
/// Whoever waits for it notices: see [`is_still_there`].
fn remove_if_unused(Locked { file, owner }: &Locked, path: &Path, is_exclusive: bool) {
    if *owner != std::process::id() {
        return;
    }
    let is_alone = is_exclusive || file.try_lock().is_ok();
    if is_alone
        && file.metadata().is_ok_and(|metadata| metadata.len() == 0)
        && is_still_there(file, path)
    {
        // An empty lock file that stays behind means nothing.
        let _ = std::fs::remove_file(path);
    }
}

fn timed_out(path: &Path) -> Error {
    Error::Io { path: path.to_owned(), source: system::error(io::ErrorKind::TimedOut) }
}

/// Whether locks were wanted where the file system has none.
static ARE_MISSING: AtomicBool = AtomicBool::new(false);

/// What a service says then.
pub(crate) const NONE: &str =
    "the file system has no file locks: let no other service change this registry";

/// True if this process has worked without locks, as the file system has none. Others that did the
/// same work at the same time were not waited for.
pub(crate) fn are_missing() -> bool {
    ARE_MISSING.load(Ordering::Relaxed)
}

fn is_refused(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// Opens and locks a file against other processes; also tells whether it was made.
fn lock_file(
    path: &Path,
    file_mode: u32,
    mode: Mode,
    deadline: Instant,
    job: &Job,
) -> Result<(Locked, bool)> {
    let mut options = system::no_link(file_mode);
    options.read(true).write(true);
    let mut is_made = false;
    loop {
        let file = match options.clone().create_new(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                match options.open(path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    // Another user's: reading is enough for a lock.
                    Err(error) if is_refused(&error) => {
                        options.clone().write(false).open(path).at(path)?
                    }
                    opened => opened.at(path)?,
                }
            }
            made => {
                is_made = true;
                made.at(path)?
            }
        };
        if file_mode == PRIVATE_MODE {
            close_to_others(&file).at(path)?;
        }
        match Locked::try_new(file, mode) {
            Err((file, TryLockError::Error(error))) if system::lacks_locks(&error) => {
                ARE_MISSING.store(true, Ordering::Relaxed);
                return Ok((Locked { file, owner: std::process::id() }, is_made));
            }
            Ok(locked) if is_still_there(&locked.file, path) => return Ok((locked, is_made)),
            Ok(_) => continue, // removed with its folder while we waited: the lock of nothing
            Err((_, TryLockError::WouldBlock)) => {}
            Err((_, TryLockError::Error(error))) => return Err(error).at(path),
        }
        job.check()?;
        if Instant::now() >= deadline {
            return Err(timed_out(path));
        }
        std::thread::sleep(POLL);
    }
}

/// Takes away what others may do with a lock file, so that they cannot hold it.
fn close_to_others(file: &File) -> io::Result<()> {
    if Stat::of(file)?.mode & 0o777 & !PRIVATE_MODE == 0 {
        return Ok(());
    }
    match file.set_permissions(system::permissions(PRIVATE_MODE)) {
        // It belongs to another instance, which runs as another user.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
}

/// Closes a lock file to others, if there is one, without locking it.
pub(crate) fn close(path: &Path) -> Result<()> {
    match system::no_link(PRIVATE_MODE).read(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        opened => opened.and_then(|file| close_to_others(&file)).at(path),
    }
}

fn is_still_there(file: &File, path: &Path) -> bool {
    match (Stat::of(file), std::fs::symlink_metadata(path)) {
        (Ok(ours), Ok(named)) => ours.identity.place == Stat::from(&named).identity.place,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(patience: u64) -> LockTable {
        LockTable::new(Duration::from_millis(patience))
    }

    #[test]
    fn a_lock_file_is_replaced_without_letting_anybody_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("..LOCK");
        let (ours, others) = (table(0), table(0));
        let job = Job::default();
        let held = ours.lock(&path, Mode::Exclusive, &job).unwrap();
        let old = File::open(&path).unwrap();
        for text in ["one", "two"] {
            held.replace(text.as_bytes(), true).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
            assert!(others.lock(&path, Mode::Shared, &job).is_err());
        }
        old.try_lock().unwrap();
        drop(held);
        assert!(others.lock(&path, Mode::Shared, &job).is_ok());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn shared_holders_keep_an_exclusive_one_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("..LOCK");
        let table = table(120);
        let job = Job::default();
        let first = table.lock(&path, Mode::Shared, &job).unwrap();
        let second = table.lock(&path, Mode::Shared, &job).unwrap();
        let error = table.lock(&path, Mode::Exclusive, &job).unwrap_err();
        assert_eq!(error.io_kind(), Some(io::ErrorKind::TimedOut));
        drop((first, second));
        let alone = table.lock(&path, Mode::Exclusive, &job).unwrap();
        assert!(table.lock(&path, Mode::Shared, &job).is_err());
        drop(alone);
        assert!(lock(&table.slots).is_empty());
    }

    #[test]
    fn a_tidy_lock_leaves_only_files_that_were_there_or_have_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("..LOCK");
        let (table, other) = (table(120), table(120));
        let job = Job::default();
        let first = table.lock_tidily(&path, Mode::Shared, &job).unwrap();
        let second = other.lock_tidily(&path, Mode::Shared, &job).unwrap();
        assert!(first.is_made() && !second.is_made());
        drop(second);
        drop(first);
        assert!(!path.exists());
        let first = table.lock_tidily(&path, Mode::Shared, &job).unwrap();
        let second = other.lock_tidily(&path, Mode::Shared, &job).unwrap();
        drop(first);
        assert!(path.exists(), "another process holds it");
        drop(second);
        assert!(path.exists(), "whoever has not made it does not remove it");
        std::fs::remove_file(&path).unwrap();
        let held = table.lock_tidily(&path, Mode::Exclusive, &job).unwrap();
        std::fs::write(&path, "{}").unwrap();
        drop(held);
        assert!(path.exists(), "it has content");
    }

    #[test]
    fn a_lock_of_somebody_else_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("LOCK");
        let (table, other) = (table(60_000), table(0));
        let job = Job::default();
        assert!(table.lock_unless_foreign(&path, Mode::Exclusive, &job).unwrap().is_some());
        system::new_link("elsewhere", folder.path().join("link")).unwrap();
        let link = folder.path().join("link");
        assert!(table.lock_unless_foreign(&link, Mode::Exclusive, &job).unwrap().is_none());
        // Only the superuser can give a file away.
        if system::testing::is_superuser() {
            system::testing::give_to(&path, 54_321);
            let held = other.lock(&path, Mode::Exclusive, &job).unwrap();
            assert!(table.lock_unless_foreign(&path, Mode::Exclusive, &job).unwrap().is_none());
            drop(held);
            assert!(table.lock_unless_foreign(&path, Mode::Exclusive, &job).unwrap().is_some());
        }
    }

    #[test]
    fn private_locks_are_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let [made, found, other] = ["made", "found", "other"].map(|name| folder.path().join(name));
        let mode = |path: &Path| system::mode_of(&path.metadata().unwrap().permissions()) & 0o777;
        for path in [&found, &other] {
            std::fs::write(path, "{}").unwrap();
            system::set_mode(path, 0o666).unwrap();
        }
        let table = LockTable::private(Duration::ZERO);
        for path in [&made, &found] {
            drop(table.lock(path, Mode::Shared, &Job::default()).unwrap());
            assert_eq!(mode(path), PRIVATE_MODE);
        }
        drop(self::table(0).lock(&other, Mode::Exclusive, &Job::default()).unwrap());
        assert_eq!(mode(&other), 0o666);
        close(&other).unwrap();
        close(&folder.path().join("none")).unwrap();
        assert_eq!((mode(&other), std::fs::read(&other).unwrap()), (PRIVATE_MODE, b"{}".to_vec()));
    }

    #[test]
    fn two_tables_exclude_each_other_like_two_processes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("..LOCK");
        let (ours, theirs) = (table(120), table(120));
        let job = Job::default();
        let held = ours.lock(&path, Mode::Exclusive, &job).unwrap();
        assert!(theirs.lock(&path, Mode::Shared, &job).is_err());
        drop(held);
        assert!(theirs.lock(&path, Mode::Shared, &job).is_ok());
    }

    #[test]
    fn a_copy_of_the_handle_as_a_child_has_it_does_not_keep_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("..LOCK");
        let (ours, theirs) = (table(120), table(120));
        let job = Job::default();
        for mode in [Mode::Exclusive, Mode::Shared] {
            let held = ours.lock(&path, mode, &job).unwrap();
            let copy = lock(&held.slot.state).file.as_ref().unwrap().file.try_clone().unwrap();
            drop(held);
            drop(theirs.lock(&path, Mode::Exclusive, &job).unwrap());
            drop(copy);
        }
    }

    #[test]
    fn whoever_holds_a_lock_keeps_other_processes_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("..LOCK");
        let table = table(5_000);
        let hold_often = || {
            for _ in 0..3_000 {
                let _held = table.lock(&path, Mode::Shared, &Job::default()).unwrap();
                let other = File::open(&path).unwrap();
                assert!(other.try_lock().is_err());
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(hold_often);
            }
        });
    }

    #[test]
    fn a_waiting_writer_is_not_overtaken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("..LOCK");
        let table = table(5_000);
        let job = Job::default();
        let order = Mutex::new(Vec::new());
        let first = table.lock(&path, Mode::Shared, &job).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _held = table.lock(&path, Mode::Exclusive, &job).unwrap();
                lock(&order).push("writer");
            });
            let waiting = |count| {
                while lock(&lock(&table.slots)[&path].state).queue.len() < count {
                    std::thread::yield_now();
                }
            };
            waiting(1);
            scope.spawn(|| {
                let _held = table.lock(&path, Mode::Shared, &job).unwrap();
                lock(&order).push("reader");
            });
            waiting(2);
            drop(first);
        });
        assert_eq!(*lock(&order), ["writer", "reader"]);
    }

    #[test]
    fn cancellation_ends_the_wait_and_a_missing_folder_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("..LOCK");
        let table = table(60_000);
        let job = Job::default();
        let _held = table.lock(&path, Mode::Exclusive, &job).unwrap();
        job.cancel();
        assert!(matches!(table.lock(&path, Mode::Shared, &job), Err(Error::Cancelled)));
        let error = table.lock(&folder.path().join("no/..LOCK"), Mode::Shared, &Job::default());
        assert_eq!(error.unwrap_err().io_kind(), Some(io::ErrorKind::NotFound));
    }
}
