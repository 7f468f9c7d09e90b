//! Projects of a directory that are held by the lock files which a Gobbler service would take too.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Hold, Lock, Note};
use crate::error::IoContext;
use crate::fs::lock::{LockGuard, LockTable, Mode};
use crate::fs::open;
use crate::job::Job;
use crate::names::ProjectName;
use crate::registry::failure::{Failure, tell};
use crate::registry::format::json;
use crate::registry::format::layout::{self, Layout};
use crate::registry::tree::store;
use crate::system::{self, Links};
use crate::{Error, Result};

/// How long the locks of others are waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(60);

/// The lock files of one directory.
#[derive(Debug)]
pub(super) struct Locks {
    table: LockTable,
    is_durable: bool,
}

impl Locks {
    pub(super) fn new(is_durable: bool) -> Self {
        Self { table: LockTable::private(LOCK_PATIENCE), is_durable }
    }

    fn lock(&self, folder: &Path, mode: Mode, is_tidy: bool, job: &Job) -> Result<LockGuard<'_>> {
        let path = folder.join(layout::LOCK);
        if is_tidy {
            self.table.lock_tidily(&path, mode, job)
        } else {
            self.table.lock(&path, mode, job)
        }
    }

    /// Takes the lock of the registry itself.
    pub(super) fn registry(
        &self,
        layout: &Layout,
        mode: Mode,
        job: &Job,
    ) -> Result<LockGuard<'_>, Failure> {
        self.lock(layout.root(), mode, true, job).map_err(|error| busy(error, "the registry"))
    }

    /// Takes the locks that a Gobbler service would take, and reads the lock of uploads; `None` if
    /// there is no such project. `is_alone`: nobody else may be in the registry.
    pub(super) fn enter(
        &self,
        layout: &Layout,
        project: &ProjectName,
        mode: Mode,
        is_alone: bool,
        job: &Job,
    ) -> Result<Option<DirectoryHold<'_>>, Failure> {
        if !store::is_project(layout, project.as_str())? {
            return Ok(None);
        }
        let registry_mode = if is_alone { Mode::Exclusive } else { Mode::Shared };
        let registry = self.registry(layout, registry_mode, job)?;
        self.enter_with(layout, project, mode, registry, job)
    }

    /// The same with the registry's lock that is held.
    pub(super) fn enter_with<'a>(
        &'a self,
        layout: &Layout,
        project: &ProjectName,
        mode: Mode,
        registry: LockGuard<'a>,
        job: &Job,
    ) -> Result<Option<DirectoryHold<'a>>, Failure> {
        let folder = layout.project(project);
        // Where nobody else keeps lock files, none stay behind.
        let is_tidy = registry.is_made();
        let held = match self.lock(&folder, mode, is_tidy, job) {
            Err(error) if error.io_kind() == Some(ErrorKind::NotFound) => return Ok(None),
            other => other.map_err(|error| busy(error, &format!("project '{project}'")))?,
        };
        let path = folder.join(layout::LOCK);
        let (file, _) = open::regular(&path, Links::Refuse)?;
        let since = file.metadata().and_then(|metadata| metadata.modified()).ok();
        let noted = parse(&file);
        Ok(Some(DirectoryHold {
            is_durable: self.is_durable,
            path,
            is_tidy: is_tidy && mode == Mode::Exclusive,
            since: since.filter(|_| noted.is_some()),
            noted,
            is_told: false,
            held,
            registry: Some(registry),
        }))
    }
}

fn busy(error: Error, what: &str) -> Failure {
    match error.io_kind() {
        Some(ErrorKind::TimedOut) => {
            Failure::unavailable(format!("{what} is in use by another service; try again later"))
        }
        _ => error.into(),
    }
}

/// What a lock file holds; `None` for the empty ones of a Gobbler service.
pub(super) fn parse(mut file: &File) -> Option<Note> {
    let mut text = Vec::new();
    file.read_to_end(&mut text).ok()?;
    io::Seek::rewind(&mut file).ok()?;
    serde_json::from_slice(&text).ok()
}

/// The lock that a file holds, if it does.
pub(super) fn parse_lock(file: &File) -> Option<Lock> {
    match parse(file)? {
        Note::Lock(lock) => Some(lock),
        Note::Ended { .. } => None,
    }
}

/// A project whose lock files are held.
pub(super) struct DirectoryHold<'a> {
    is_durable: bool,
    path: PathBuf,
    /// Whether it is held alone where nobody else keeps lock files.
    is_tidy: bool,
    noted: Option<Note>,
    since: Option<SystemTime>,
    /// Whether the receipt goes with this hold.
    is_told: bool,
    // The project's lock file goes before the registry's.
    held: LockGuard<'a>,
    registry: Option<LockGuard<'a>>,
}

impl Drop for DirectoryHold<'_> {
    fn drop(&mut self) {
        if self.is_told {
            // The receipt is the last thing to go, and all that it is for is done.
            self.registry = None;
        }
        if self.is_tidy && (self.noted.is_none() || self.is_told) {
            // While it is still held. An empty file that stays behind means nothing.
            let _ = fs::remove_file(&self.path);
        } else if self.is_told {
            // One that stays is removed when it is old.
            let _ = fs::OpenOptions::new().write(true).truncate(true).open(&self.path);
        }
    }
}

impl DirectoryHold<'_> {
    /// Empties the lock file in place: that takes no room, and cannot be done by half.
    fn empty(&self) -> io::Result<()> {
        let file = match OpenOptions::new().write(true).open(&self.path) {
            // Gone with its project.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            opened => opened?,
        };
        file.set_len(0)?;
        if self.is_durable {
            file.sync_all()?;
        }
        system::close(file)
    }

    fn write(&mut self, note: Note) -> Result<(), Failure> {
        if let Err(error) = self.held.replace(&json::plain(&note), self.is_durable) {
            self.take_back();
            return Err(error.into());
        }
        self.noted = Some(note);
        self.since = Some(SystemTime::now());
        Ok(())
    }

    /// Puts the file back to what it held: what fails must not be found, and carried out, later,
    /// and what could not be taken away is still there.
    fn take_back(&self) {
        let restored = match &self.noted {
            Some(note) => self.held.replace(&json::plain(note), self.is_durable),
            None => self.empty().at(&self.path),
        };
        tell("cannot take a change of a lock back", restored.map_err(Failure::from));
    }
}

impl Hold for DirectoryHold<'_> {
    fn lock(&self) -> Option<&Lock> {
        self.noted.as_ref().and_then(Note::lock)
    }

    fn receipt(&self) -> Option<&str> {
        self.noted.as_ref().and_then(Note::receipt)
    }

    fn locked_since(&self) -> Option<SystemTime> {
        self.since
    }

    fn take_over(&mut self) -> Result<bool, Failure> {
        // Whoever is at work holds the lock files.
        Ok(true)
    }

    fn set_lock(&mut self, lock: &Lock) -> Result<bool, Failure> {
        self.write(Note::Lock(lock.clone()))?;
        Ok(true)
    }

    fn leave(&mut self, receipt: &str) -> Result<(), Failure> {
        self.write(Note::Ended { ended: receipt.to_owned(), answered: None })
    }

    fn release(&mut self, receipt: &str) -> Result<(), Failure> {
        if self.receipt() != Some(receipt) {
            self.leave(receipt)?;
        }
        self.is_told = true;
        Ok(())
    }

    fn clear_lock(&mut self) -> Result<(), Failure> {
        if let Err(error) = self.empty() {
            self.take_back();
            return Err(Failure::system("write", &self.path, &error));
        }
        self.noted = None;
        Ok(())
    }
}
