//! Projects of a directory that are held by the lock files which a Gobbler service would take too.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Hold, Lock};
use crate::fs::lock::{LockGuard, LockTable, Mode};
use crate::fs::open;
use crate::job::Job;
use crate::names::ProjectName;
use crate::registry::failure::Failure;
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
        let folder = layout.project(project);
        if !store::is_project(layout, project.as_str())? {
            return Ok(None);
        }
        let registry_mode = if is_alone { Mode::Exclusive } else { Mode::Shared };
        let registry = self.registry(layout, registry_mode, job)?;
        // Where nobody else keeps lock files, none stay behind.
        let is_tidy = registry.is_made();
        let held = match self.lock(&folder, mode, is_tidy, job) {
            Err(error) if error.io_kind() == Some(ErrorKind::NotFound) => return Ok(None),
            other => other.map_err(|error| busy(error, &format!("project '{project}'")))?,
        };
        let path = folder.join(layout::LOCK);
        let (file, _) = open::regular(&path, Links::Refuse)?;
        let since = file.metadata().and_then(|metadata| metadata.modified()).ok();
        let lock = parse_lock(&file);
        Ok(Some(DirectoryHold {
            is_durable: self.is_durable,
            path,
            is_tidy,
            is_alone: mode == Mode::Exclusive,
            since: since.filter(|_| lock.is_some()),
            lock,
            _locks: [held, registry],
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

/// The lock that a file holds; `None` for the empty lock files of a Gobbler service, and for what a
/// crash has left unfinished.
pub(super) fn parse_lock(mut file: &File) -> Option<Lock> {
    let mut text = Vec::new();
    file.read_to_end(&mut text).ok()?;
    // What stands behind it is left from an older text.
    let lock = serde_json::Deserializer::from_slice(&text).into_iter().next()?.ok();
    io::Seek::rewind(&mut file).ok()?;
    lock
}

/// A project whose lock files are held.
pub(super) struct DirectoryHold<'a> {
    is_durable: bool,
    path: PathBuf,
    /// Whether nobody else keeps lock files here.
    is_tidy: bool,
    is_alone: bool,
    pub(super) lock: Option<Lock>,
    since: Option<SystemTime>,
    // The project's lock file goes before the registry's.
    _locks: [LockGuard<'a>; 2],
}

impl Drop for DirectoryHold<'_> {
    fn drop(&mut self) {
        if self.is_tidy && self.is_alone && self.lock.is_none() {
            // While it is still held. An empty file that stays behind means nothing.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl DirectoryHold<'_> {
    /// Replaces the text of the lock file in place, since others hold this very file. What a crash
    /// leaves unfinished locks nothing.
    fn rewrite(&self, text: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(&self.path)?;
        file.write_all(text)?;
        file.set_len(text.len() as u64)?;
        if self.is_durable {
            file.sync_all()?;
        }
        system::close(file)
    }

    fn failure(&self, error: &io::Error) -> Failure {
        Failure::system("write", &self.path, error)
    }
}

impl Hold for DirectoryHold<'_> {
    fn lock(&self) -> Option<&Lock> {
        self.lock.as_ref()
    }

    fn locked_since(&self) -> Option<SystemTime> {
        self.since
    }

    fn is_abandoned(&self) -> bool {
        // Whoever is at work holds the lock files.
        true
    }

    fn set_lock(&mut self, lock: &Lock) -> Result<bool, Failure> {
        if let Err(error) = self.rewrite(&json::plain(lock)) {
            // On a full disk the old text, which is the shorter one, still has its place.
            if let Some(old) = &self.lock {
                self.rewrite(&json::plain(old)).map_err(|error| self.failure(&error))?;
            }
            return Err(self.failure(&error));
        }
        self.lock = Some(lock.clone());
        self.since = Some(SystemTime::now());
        Ok(true)
    }

    fn clear_lock(&mut self) -> Result<(), Failure> {
        // Emptied, not removed: others wait for this very file.
        match self.rewrite(b"") {
            // Gone with its project.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => other.map_err(|error| self.failure(&error))?,
        }
        self.lock = None;
        Ok(())
    }
}
