//! Objects as the regular files of a directory.
//!
//! Symbolic links are not followed and do not exist for readers; lock files of a Gobbler service
//! that has the same registry are hidden. Its `flock`s are taken for each change.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use super::hold::{Locks, parse, parse_lock};
use super::incoming::{Incoming, Received, identity_of};
use super::{Content, Hold, Limits, Listed, Lock, Note, Objects, Purpose, Stat};
use crate::digest::{self, Digest};
use crate::error::IoContext;
use crate::fs::atomic::{self, STAGE_PREFIX};
use crate::fs::lock::{LockTable, Mode};
use crate::fs::open::{self, Root};
use crate::fs::walk::{self, Kind};
use crate::job::Job;
use crate::names::ProjectName;
use crate::registry::failure::{Failure, tell};
use crate::registry::format::json;
use crate::registry::format::layout::{self, Layout, PENDING_PREFIX};
use crate::relpath::RelPath;
use crate::system::{self, Links, is_absent};

const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;
const LOCK_MODE: u32 = 0o600;

/// The objects of a registry in a directory.
#[derive(Debug)]
pub struct Directory {
    layout: Layout,
    root: PathBuf,
    is_durable: bool,
    locks: Locks,
    received: Received,
    /// Asked once: it takes making a folder.
    ignores_case: OnceLock<bool>,
}

/// A name for what is about to be removed.
fn stage_name() -> String {
    format!("{STAGE_PREFIX}removed-{:016x}", rand::random::<u64>())
}

impl Directory {
    /// The registry at `root`, which must exist. `is_durable`: whether a finished change survives
    /// a power failure.
    pub fn new(root: impl Into<PathBuf>, is_durable: bool) -> Self {
        Self::of(Layout::new(root), is_durable)
    }

    /// The same with projects that may be elsewhere.
    pub fn of(layout: Layout, is_durable: bool) -> Self {
        Self {
            root: layout.root().to_owned(),
            layout,
            is_durable,
            locks: Locks::new(is_durable),
            received: Received::default(),
            ignores_case: OnceLock::new(),
        }
    }

    /// Where a key would be; `None` for keys that cannot be.
    fn path(&self, key: &str) -> Option<PathBuf> {
        let path = RelPath::parse(key).ok()?;
        let is_hidden = path.components().any(|component| component.starts_with(STAGE_PREFIX));
        (!is_hidden).then(|| path.under(&self.root))
    }

    fn target(&self, key: &str) -> Result<PathBuf, Failure> {
        self.path(key).ok_or_else(|| Failure::internal(format!("'{key}' cannot be stored")))
    }

    /// Opens a visible object.
    fn open_file(&self, key: &str) -> Result<Option<(File, Metadata)>, Failure> {
        let Some(path) = self.path(key) else { return Ok(None) };
        let system = |error: io::Error| Failure::system("open", &path, &error);
        let (root, inside) = self.layout.anchor(key);
        let opened = Root::open(&root).and_then(|root| root.regular(inside));
        let (file, _) = match opened {
            Ok(opened) => opened,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(system(error)),
        };
        let metadata = file.metadata().map_err(system)?;
        let name = key.rsplit('/').next().unwrap_or(key);
        if layout::is_lock(name) && (name != layout::LOCK || parse_lock(&file).is_none()) {
            return Ok(None);
        }
        Ok(Some((file, metadata)))
    }

    /// True for a folder that is reached without links, but for that of a project in another place.
    fn is_real_folder(&self, relative: &str) -> bool {
        let (mut path, inside) = self.layout.anchor(relative);
        inside.split('/').filter(|component| !component.is_empty()).all(|component| {
            path.push(component);
            fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir())
        })
    }

    /// What an entry is: a link to a project in another place is a folder.
    fn kind_of(&self, key: &str, kind: Kind) -> Kind {
        let is_project =
            kind == Kind::Link && !key.contains('/') && self.layout.place_of_link(key).is_some();
        if is_project { Kind::Folder } else { kind }
    }

    /// Whether an entry of a folder is an object.
    fn is_object(folder: &Path, name: &str, kind: Kind) -> bool {
        kind == Kind::File
            && !name.starts_with(STAGE_PREFIX)
            && (!layout::is_lock(name)
                || (name == layout::LOCK
                    && open::regular(&folder.join(name), Links::Refuse)
                        .is_ok_and(|(file, _)| parse_lock(&file).is_some())))
    }

    /// Calls `each` with the keys of all objects below a folder; `prefix` is its own, with a slash.
    /// Ends early when `each` says so.
    fn visit(
        &self,
        prefix: &str,
        is_wanted: &dyn Fn(&str) -> bool,
        job: &Job,
        each: &mut dyn FnMut(String) -> bool,
    ) -> Result<bool, Failure> {
        // An explicit stack: a deep tree must not exhaust the thread's own.
        let mut open = vec![prefix.to_owned()];
        while let Some(prefix) = open.pop() {
            job.check()?;
            let folder = self.root.join(prefix.trim_end_matches('/'));
            for (name, kind) in read_folder(&folder)? {
                if name.starts_with(STAGE_PREFIX) {
                    continue;
                }
                let key = format!("{prefix}{name}");
                let kind = self.kind_of(&key, kind);
                if kind == Kind::Folder {
                    let inner = format!("{key}/");
                    if is_wanted(&inner) {
                        open.push(inner);
                    }
                } else if is_wanted(&key) && Self::is_object(&folder, &name, kind) && !each(key) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Makes the folders that hold `path`. Links among them are refused.
    fn make_parents(&self, path: &Path) -> Result<(), Failure> {
        let parent = path.parent().unwrap_or(&self.root);
        let relative = parent.strip_prefix(&self.root).unwrap_or(Path::new(""));
        let relative = relative.to_string_lossy();
        let (mut folder, inside) = self.layout.anchor(&relative);
        for component in Path::new(inside).components() {
            let outer = folder.clone();
            folder.push(component);
            match system::new_folder(&folder, FOLDER_MODE) {
                Ok(()) if self.is_durable => atomic::sync_folder(&outer)?,
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    let is_folder = fs::symlink_metadata(&folder).is_ok_and(|found| found.is_dir());
                    if !is_folder {
                        return Err(Failure::system(
                            "mkdir",
                            &folder,
                            &ErrorKind::NotADirectory.into(),
                        ));
                    }
                }
                Err(error) => return Err(Failure::system("mkdir", &folder, &error)),
            }
        }
        Ok(())
    }

    /// Removes folders that have become empty, from `folder` up to its project. A failure would be
    /// told of what was done, so it is tried once more.
    fn prune(&self, folder: &Path) {
        let pruned = self.try_prune(folder).or_else(|_| self.try_prune(folder));
        tell("cannot remove an empty folder", pruned);
    }

    fn try_prune(&self, mut folder: &Path) -> io::Result<()> {
        let depth = |path: &Path| path.components().count();
        while depth(folder) > depth(&self.root) + 1 {
            match fs::remove_dir(folder) {
                // The first try may have come that far.
                Err(error) if is_absent(&error) => {}
                // Others are not ours to look at.
                Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => break,
                other => other?,
            }
            let Some(parent) = folder.parent() else { break };
            folder = parent;
        }
        Ok(())
    }

    /// Where what becomes `key`, or was it, stands meanwhile: in the folder of the project, which
    /// whoever enters it sweeps, or in the registry's own.
    fn scratch(&self, key: &str) -> PathBuf {
        key.split_once('/')
            .filter(|(project, _)| !layout::is_internal(project))
            .map_or_else(|| self.root.clone(), |(project, _)| self.root.join(project))
    }

    /// Removes what is unfinished or half removed in a folder that is held alone.
    fn sweep_folder(&self, folder: &Path) -> Result<(), Failure> {
        for (name, kind) in read_folder(folder)?.into_iter().filter(is_litter) {
            let path = folder.join(&name);
            if kind == Kind::Folder {
                atomic::remove_tree(&path)?;
            } else {
                // A project that was on another disk: its link goes last.
                let place = self.layout.place_of_link(&name).filter(|_| folder == self.root);
                if let Some(place) = place {
                    atomic::remove_tree(&place)?;
                }
                atomic::remove_file(&path)?;
            }
        }
        Ok(())
    }
}

/// True for files that were being written, and what was about to be removed. What a Gobbler service
/// has prepared has other names; it settles that itself.
fn is_litter((name, _): &(String, Kind)) -> bool {
    let rest = name.strip_prefix(STAGE_PREFIX);
    rest.is_some_and(|rest| rest.contains('-')) && !name.starts_with(PENDING_PREFIX)
}

/// The entries of a folder; one that is not there has none.
fn read_folder(folder: &Path) -> Result<Vec<(String, Kind)>, Failure> {
    match walk::entries(folder) {
        Err(error)
            if matches!(error.io_kind(), Some(ErrorKind::NotFound | ErrorKind::NotADirectory)) =>
        {
            Ok(Vec::new())
        }
        other => Ok(other?),
    }
}

impl Objects for Directory {
    fn read(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        let Some((mut file, metadata)) = self.open_file(key)? else { return Ok(None) };
        let mut content = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
        file.read_to_end(&mut content)
            .map_err(|error| Failure::system("read", &self.root.join(key), &error))?;
        Ok(Some(content))
    }

    fn stat(&self, key: &str) -> Result<Option<Stat>, Failure> {
        Ok(self.open_file(key)?.map(|(_, metadata)| Stat {
            size: metadata.len(),
            state: format!("{:?}", identity_of(&metadata)),
            modified: metadata.modified().ok(),
            md5: None,
        }))
    }

    fn open(&self, key: &str) -> Result<Option<Content>, Failure> {
        Ok(self.open_file(key)?.map(|(file, metadata)| Content::File(file, metadata)))
    }

    fn list(&self, prefix: &str, is_recursive: bool, job: &Job) -> Result<Vec<String>, Failure> {
        let base = prefix.rfind('/').map_or("", |at| &prefix[..=at]);
        let is_sound = base.is_empty() || self.path(base.trim_end_matches('/')).is_some();
        // Runs of slashes are part of no key.
        if !is_sound || base.ends_with("//") || !self.is_real_folder(base) {
            return Ok(Vec::new());
        }
        let is_wanted = |key: &str| key.starts_with(prefix);
        let mut keys = Vec::new();
        if is_recursive {
            self.visit(base, &is_wanted, job, &mut |key| {
                keys.push(key);
                true
            })?;
            keys.sort_unstable();
            return Ok(keys);
        }
        let folder = self.root.join(base);
        let mut folders = Vec::new();
        for (name, kind) in read_folder(&folder)? {
            let key = format!("{base}{name}");
            if name.starts_with(STAGE_PREFIX) || !is_wanted(&key) {
                continue;
            }
            let kind = self.kind_of(&key, kind);
            if kind == Kind::Folder {
                let inner = format!("{key}/");
                // A folder without objects is no prefix of a key.
                if !self.visit(&inner, &|_| true, job, &mut |_| false)? {
                    folders.push(inner);
                }
            } else if Self::is_object(&folder, &name, kind) {
                keys.push(key);
            }
        }
        folders.append(&mut keys);
        Ok(folders)
    }

    fn below(
        &self,
        folder: &str,
        _: &dyn Fn() -> Vec<String>,
        job: &Job,
    ) -> Result<Vec<Listed>, Failure> {
        if self.path(folder).is_none() || !self.is_real_folder(folder) {
            return Ok(Vec::new());
        }
        let keys = self.list(&format!("{folder}/"), true, job)?;
        keys.into_iter()
            .map(|key| {
                let path = self.root.join(&key);
                let metadata = fs::symlink_metadata(&path)
                    .map_err(|error| Failure::system("stat", &path, &error))?;
                Ok(Listed { key, size: metadata.len(), md5: None })
            })
            .collect()
    }

    fn digests(&self, keys: &[String], job: &Job) -> Result<Vec<Digest>, Failure> {
        let mut digests = Vec::with_capacity(keys.len());
        let mut unknown = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            let path = self.target(key)?;
            let known = self.received.digest_of(key, &path);
            digests.push(known);
            if known.is_none() {
                unknown.push((index, path));
            }
        }
        let paths: Vec<&PathBuf> = unknown.iter().map(|(_, path)| path).collect();
        let found = digest::of_files(&paths, job)?;
        for ((index, _), seen) in unknown.iter().zip(found) {
            digests[*index] = Some(seen?.md5);
        }
        Ok(digests.into_iter().map(|md5| md5.expect("all were known or read")).collect())
    }

    fn write(&self, key: &str, content: &[u8]) -> Result<(), Failure> {
        let path = self.target(key)?;
        self.make_parents(&path)?;
        Ok(atomic::write_through(&self.scratch(key), &path, content, FILE_MODE, self.is_durable)?)
    }

    fn delete(&self, key: &str) -> Result<(), Failure> {
        let path = self.target(key)?;
        match fs::remove_file(&path) {
            Err(error) if is_absent(&error) => return Ok(()),
            other => other.map_err(|error| Failure::system("remove", &path, &error))?,
        }
        let parent = path.parent().unwrap_or(&self.root);
        if self.is_durable {
            atomic::sync_folder(parent)?;
        }
        self.prune(parent);
        Ok(())
    }

    fn remove(&self, folder: &str) -> Result<(), Failure> {
        let path = self.target(folder)?;
        let parent = path.parent().unwrap_or(&self.root).to_owned();
        let scratch = self.scratch(folder);
        // Gone for every reader in one step.
        match fs::rename(&path, scratch.join(stage_name())) {
            Err(error) if is_absent(&error) => {}
            other => other.map_err(|error| Failure::system("rename", &path, &error))?,
        }
        if self.is_durable && parent.exists() {
            atomic::sync_folder(&parent)?;
        }
        // Tried again by whoever enters next, or starts.
        tell("cannot remove everything", self.sweep_folder(&scratch));
        self.received.forget(folder);
        self.prune(&parent);
        Ok(())
    }

    fn sweep(&self, folder: &str) -> Result<(), Failure> {
        let Some(path) = self.path(folder) else { return Ok(()) };
        self.sweep_folder(&path)
    }

    fn forget(&self, _: Duration) -> Result<(), Failure> {
        // They go with the hold of their project.
        Ok(())
    }

    fn sweep_outside(&self, job: &Job) -> Result<(), Failure> {
        let folders = [self.layout.root().to_owned(), self.layout.logs()];
        for folder in &folders {
            if !read_folder(folder)?.iter().any(is_litter) {
                continue;
            }
            // Alone with the registry, or not at all: whoever holds a lock may be at work.
            let alone = LockTable::private(Duration::ZERO);
            let path = self.root.join(layout::LOCK);
            let Ok(_lock) = alone.lock_tidily(&path, Mode::Exclusive, job) else { return Ok(()) };
            self.sweep_folder(folder)?;
        }
        Ok(())
    }

    fn marked(&self, job: &Job) -> Result<Vec<ProjectName>, Failure> {
        let mut marked = Vec::new();
        // Those without objects, too.
        for (name, _) in read_folder(&self.root)? {
            job.check()?;
            let Ok(project) = ProjectName::parse(&name) else { continue };
            let folder = self.layout.project(&project);
            // What cannot be opened is no note of ours.
            let lock = open::regular(&folder.join(layout::LOCK), Links::Refuse).ok();
            let noted = lock.and_then(|(file, _)| parse(&file));
            if noted.is_some_and(|note| note.is_to_be_settled())
                || read_folder(&folder)?.iter().any(is_litter)
            {
                marked.push(project);
            }
        }
        Ok(marked)
    }

    fn make_project(
        &self,
        project: &ProjectName,
        objects: &[(&str, Value)],
        receipt: &str,
        job: &Job,
    ) -> Result<bool, Failure> {
        let registry = self.locks.registry(&self.layout, Mode::Exclusive, job)?;
        let folder = self.root.join(project);
        if folder.symlink_metadata().is_ok() {
            return Ok(false);
        }
        let stage = atomic::stage_folder(&self.root)?;
        system::set_mode(stage.path(), FOLDER_MODE)
            .map_err(|error| Failure::system("chmod", stage.path(), &error))?;
        for (name, value) in objects {
            let path = stage.path().join(name);
            atomic::write(&path, &json::plain(value), FILE_MODE, self.is_durable)?;
        }
        let note = json::plain(&Note::Ended { ended: receipt.to_owned(), answered: None });
        atomic::write(&stage.path().join(layout::LOCK), &note, LOCK_MODE, self.is_durable)?;
        fs::rename(stage.path(), &folder)
            .map_err(|error| Failure::system("rename", &folder, &error))?;
        // It has its name: there is nothing left to remove.
        stage.keep();
        if self.is_durable {
            atomic::sync_folder(&self.root)?;
        }
        // Nobody can have entered it yet. A receipt that stays is removed when it is old.
        let hold = self.locks.enter_with(&self.layout, project, Mode::Exclusive, registry, job);
        let released = hold.and_then(|hold| hold.map_or(Ok(()), |mut hold| hold.release(receipt)));
        tell("cannot remove a receipt", released);
        Ok(true)
    }

    fn enter(
        &self,
        project: &ProjectName,
        purpose: Purpose,
        job: &Job,
    ) -> Result<Option<Box<dyn Hold + '_>>, Failure> {
        let is_alone = matches!(purpose, Purpose::Remove | Purpose::Create);
        let hold = self.locks.enter(&self.layout, project, Mode::Exclusive, is_alone, job)?;
        let Some(hold) = hold else { return Ok(None) };
        self.sweep_folder(&self.root.join(project))?;
        Ok(Some(Box::new(hold)))
    }

    fn lock_of(&self, project: &ProjectName) -> Result<Option<Lock>, Failure> {
        let found = self.open_file(&format!("{project}/{}", layout::LOCK))?;
        Ok(found.and_then(|(file, _)| parse_lock(&file)))
    }

    fn receive(&self, key: &str) -> Result<Option<Incoming>, Failure> {
        let target = self.target(key)?;
        // In the version's own folder, which goes away as a whole if the upload does not succeed.
        let mut folders = key.split('/');
        let version: Vec<&str> = folders.by_ref().take(3).collect();
        let folder = self.root.join(version.join("/"));
        let staged = atomic::stage_nameless(&folder, FILE_MODE)?;
        Ok(Some(Incoming::new(staged, target, key)))
    }

    fn place(
        &self,
        project: &ProjectName,
        lock: &Lock,
        received: Vec<Incoming>,
        job: &Job,
    ) -> Result<bool, Failure> {
        match received.as_slice() {
            _ if !self.is_durable => {}
            [alone] => alone.staged.file().sync_all().at(&alone.target)?,
            // One wait for the disk instead of many.
            _ => atomic::sync_file_system(&self.layout.project(project))?,
        }
        // Several files of an upload may be placed at once, but not while it ends.
        let hold = self.locks.enter(&self.layout, project, Mode::Shared, false, job)?;
        let Some(hold) = hold else {
            return Ok(false);
        };
        if hold.lock() != Some(lock) {
            return Ok(false);
        }
        let mut folders = BTreeSet::new();
        for incoming in received {
            let md5 = incoming.seen().md5;
            let Incoming { staged, target, key, .. } = incoming;
            if folders.insert(target.parent().unwrap_or(&self.root).to_owned()) {
                self.make_parents(&target)?;
            }
            let metadata = staged.file().metadata().at(&target)?;
            atomic::persist(staged, &target)?;
            self.received.remember(key, &metadata, md5);
        }
        for folder in folders.iter().filter(|_| self.is_durable) {
            atomic::sync_folder(folder)?;
        }
        Ok(true)
    }

    fn presign(&self, _: &str, _: Digest, _: Duration) -> Result<Option<String>, Failure> {
        Ok(None)
    }

    fn limits(&self) -> Limits {
        let ignores_case = *self.ignores_case.get_or_init(|| self.ignores_case());
        Limits { ignores_case, forbids_control: false }
    }

    fn is_at_hand(&self) -> bool {
        true
    }
}

impl Directory {
    /// True if names that differ only in case are the same.
    fn ignores_case(&self) -> bool {
        let Ok(probe) = atomic::stage_folder(&self.root) else { return false };
        let name = probe.path().file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        self.root.join(name).exists()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_leaves_what_other_projects_are_at_work_on() {
        let root = tempfile::tempdir().unwrap();
        let objects = Directory::new(root.path(), false);
        for folder in ["", layout::LOGS, "p", "p/a/v"] {
            let folder = root.path().join(folder);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(stage_name()), "unfinished").unwrap();
            fs::write(folder.join("..whole"), "").unwrap();
        }
        let prepared = root.path().join(format!("{STAGE_PREFIX}0123456789abcdef"));
        fs::create_dir(&prepared).unwrap();
        let left = |folder: &str| {
            let found = walk::entries(&root.path().join(folder)).unwrap();
            found.iter().filter(|entry| is_litter(entry)).count()
        };
        let job = Job::default();
        let project = ProjectName::parse("p").unwrap();
        assert_eq!(objects.marked(&job).unwrap(), std::slice::from_ref(&project));
        objects.sweep("p/a/v").unwrap();
        let hold = objects.enter(&project, Purpose::Change, &job).unwrap();
        objects.sweep_outside(&job).unwrap();
        let found = ["p/a/v", "p", "", layout::LOGS].map(left);
        assert_eq!(found, [0, 0, 1, 1], "somebody is in the registry");
        drop(hold);
        objects.sweep_outside(&job).unwrap();
        assert_eq!(["", layout::LOGS].map(left), [0, 0]);
        assert!(root.path().join("..whole").exists() && prepared.exists());
    }

    #[test]
    fn the_first_try_may_have_removed_some_of_the_empty_folders() {
        let root = tempfile::tempdir().unwrap();
        let objects = Directory::new(root.path(), false);
        fs::create_dir_all(root.path().join("p/a/v/d")).unwrap();
        fs::write(root.path().join("p/..permissions"), "{}").unwrap();
        objects.prune(&root.path().join("p/a/v/d/e"));
        assert_eq!(fs::read_dir(root.path().join("p")).unwrap().count(), 1);
    }

    #[test]
    fn a_project_elsewhere_is_removed_even_by_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let (root, disk) = (folder.path().join("r"), folder.path().join("disk"));
        for project in ["p", "q"] {
            fs::create_dir_all(disk.join(project)).unwrap();
            fs::write(disk.join(project).join("f"), "").unwrap();
        }
        fs::create_dir(&root).unwrap();
        let layout = Layout::new(&root).allowing(vec![disk.clone()]);
        let objects = Directory::of(layout, false);
        system::new_link(disk.join("p"), root.join("p")).unwrap();
        objects.remove("p").unwrap();
        // As a process leaves it that dies at its first step.
        system::new_link(disk.join("q"), root.join(stage_name())).unwrap();
        objects.sweep_outside(&Job::default()).unwrap();
        for folder in [&root, &disk] {
            assert_eq!(fs::read_dir(folder).unwrap().count(), 0, "{folder:?}");
        }
    }
}
