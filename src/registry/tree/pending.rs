//! Uploads under way, noted before they begin.
//!
//! A pending file in the registry's folder exists from before the first trace of an upload until
//! after its last one. Whoever opens the registry finishes an upload that had become visible, and
//! removes the traces of one that had not. The locks of a live process keep its uploads from being
//! settled by others.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::intake::restore;
use super::place::FILE_MODE;
use super::refresh::finish_of;
use super::{Engine, commit, receipt};
use crate::fs::atomic;
use crate::fs::lock::Mode;
use crate::fs::walk;
use crate::job::Job;
use crate::registry::failure::{Failure, tell};
use crate::registry::format::history::Log;
use crate::registry::format::layout::PENDING_PREFIX as PREFIX;
use crate::registry::format::model::Usage;
use crate::registry::format::{json, layout};
use crate::registry::tree::store;

/// An upload under way: a version is put together in `stage` and then renamed to `version`. All
/// paths but `source` are relative to the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) asset: String,
    pub(super) version: String,
    pub(super) stage: String,
    /// Where consumed files came from.
    pub(super) source: Option<PathBuf>,
    pub(super) is_new_asset: bool,
    /// Whether the permissions of the new asset are part of the upload.
    pub(super) owns_permissions: bool,
    pub(super) is_probational: bool,
    /// Known from the moment before the rename.
    pub(super) log: Option<Log>,
}

/// A pending file; removed by [`Note::done`], or left for the next start if the process dies.
#[derive(Debug)]
pub(super) struct Note<'engine> {
    engine: &'engine Engine,
    path: PathBuf,
}

impl Note<'_> {
    /// Replaces what is noted.
    pub(super) fn update(&self, pending: &Pending) -> crate::Result<()> {
        atomic::write(&self.path, &json::compact(pending), FILE_MODE, self.engine.durable)
    }

    /// The change is finished, or undone.
    pub(super) fn done(self) -> Result<(), Failure> {
        Ok(atomic::remove_file(&self.path)?)
    }
}

impl Engine {
    /// Notes a change before its first trace.
    pub(super) fn note(&self, pending: &Pending) -> crate::Result<Note<'_>> {
        let name = format!("{PREFIX}{:016x}", rand::random::<u64>());
        let note = Note { engine: self, path: self.layout.root().join(name) };
        match note.update(pending) {
            Ok(()) => Ok(note),
            Err(error) => {
                // It may have got its name before something failed.
                tell("cannot take back a note", note.done());
                Err(error)
            }
        }
    }

    /// Finishes or undoes the changes of processes that died. What live processes work on is left
    /// alone.
    ///
    /// What cannot be settled, say for want of permissions, stays for the next time; the first such
    /// failure is returned after everything else was tried.
    pub fn settle(&self, job: &Job) -> crate::Result<()> {
        let root = self.layout.root();
        let mut found = walk::entries(root)?;
        for (name, _) in found.iter().filter(|(name, _)| name.starts_with(receipt::PREFIX)) {
            receipt::forget_if_old(&root.join(name))?;
        }
        let is_left = |(name, _): &(String, walk::Kind)| name.starts_with(atomic::STAGE_PREFIX);
        found.retain(is_left);
        let linked = self.linked_projects()?;
        if found.is_empty() && linked.is_empty() {
            return Ok(());
        }
        // Alone with the registry, or not at all: whoever holds a lock may be at work.
        let alone = crate::fs::lock::LockTable::private(std::time::Duration::ZERO);
        let path = root.join(layout::LOCK);
        let Ok(_lock) = alone.lock(&path, Mode::Exclusive, job) else { return Ok(()) };
        let mut result = self.settle_noted(|_| true, job);
        for (name, kind) in found.iter().filter(|(name, _)| !name.starts_with(PREFIX)) {
            let path = root.join(name);
            result = result.and(match kind {
                walk::Kind::Folder => commit::resume(self, &path, job),
                _ => remove_any(&path),
            });
        }
        // What was prepared there for a change that was not made after all.
        for project in linked {
            for (name, _) in walk::entries(&project)?.iter().filter(|entry| is_left(entry)) {
                result = result.and(remove_any(&project.join(name)));
            }
        }
        Ok(result?)
    }

    /// The projects that are on other disks.
    fn linked_projects(&self) -> Result<Vec<PathBuf>, Failure> {
        let root = self.layout.root();
        if self.layout.allowed().is_empty() {
            return Ok(Vec::new());
        }
        let projects = store::projects(&self.layout)?.into_iter().map(|name| root.join(name));
        Ok(projects.filter(|project| project.is_symlink()).collect())
    }

    /// The same for one asset that is held alone.
    pub(super) fn settle_asset(&self, asset: &Path, job: &Job) -> Result<(), Failure> {
        let is_left = |(name, _): &(String, walk::Kind)| name.starts_with(atomic::STAGE_PREFIX);
        if !walk::entries(asset)?.iter().any(is_left) {
            return Ok(());
        }
        let root = self.layout.root();
        let is_here = |pending: &Pending| root.join(&pending.stage).parent() == Some(asset);
        self.settle_noted(is_here, job)?;
        walk::entries(asset)?
            .iter()
            .filter(|entry| is_left(entry))
            .map(|(name, _)| remove_any(&asset.join(name)))
            .fold(Ok(()), Result::and)
    }

    fn settle_noted(&self, is_wanted: impl Fn(&Pending) -> bool, job: &Job) -> Result<(), Failure> {
        let mut result = Ok(());
        for (name, _) in walk::entries(self.layout.root())? {
            if !name.starts_with(PREFIX) {
                continue;
            }
            let path = self.layout.root().join(name);
            let text = match fs::read(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(Failure::system("open", &path, &error)),
            };
            // A note that cannot be read was never finished: its change had not begun.
            match serde_json::from_slice::<Pending>(&text) {
                Ok(pending) if !is_wanted(&pending) => continue,
                Ok(pending) => {
                    let settled = self.settle_one(&pending, job).and_then(|()| self.make_durable());
                    if settled.is_err() {
                        result = result.and(settled);
                        continue;
                    }
                }
                Err(_) => {}
            }
            atomic::remove_file(&path)?;
        }
        result
    }

    fn settle_one(&self, pending: &Pending, job: &Job) -> Result<(), Failure> {
        let root = self.layout.root();
        let (asset, stage) = (root.join(&pending.asset), root.join(&pending.stage));
        let is_visible = store::is_folder(&root.join(&pending.version)) && !stage.exists();
        if let Some(log) = &pending.log
            && is_visible
        {
            let name = pending.version.rsplit('/').next().unwrap_or(&pending.version);
            if !pending.is_probational {
                self.settle_latest(&asset, name)?;
                self.write_log(log)?;
            }
            return self.recount(&asset, job);
        }
        if let Some(source) = &pending.source {
            restore(&stage, source)?;
        }
        atomic::remove_tree(&stage)?;
        if pending.is_new_asset {
            remove_new_asset(&asset, pending.owns_permissions)?;
        }
        Ok(())
    }

    /// Makes `version` the latest, unless another process has uploaded a later one since.
    fn settle_latest(&self, asset: &Path, version: &str) -> Result<(), Failure> {
        let finish = |version: &str| {
            let folder = asset.join(version);
            finish_of(&folder, &store::summary(&folder)?)
        };
        let is_outdated = store::latest(asset).ok().flatten().is_some_and(|latest| {
            matches!((finish(&latest.version), finish(version)), (Ok(known), Ok(ours)) if known > ours)
        });
        if is_outdated { Ok(()) } else { self.set_latest(asset, Some(version)) }
    }

    /// Recomputes the usage of the project that `path` lies in.
    pub(super) fn recount(&self, path: &Path, job: &Job) -> Result<(), Failure> {
        let root = self.layout.root();
        let Ok(inside) = path.strip_prefix(root) else { return Ok(()) };
        let Some(project) = inside.components().next() else { return Ok(()) };
        let project = root.join(project);
        if !project.is_dir() {
            return Ok(());
        }
        // A manifest that cannot be read was so before: leave the number as it is.
        let Ok(total) = store::project_usage(&project) else { return Ok(()) };
        let _lock = self.lock(&project, layout::LOCK_USAGE, Mode::Exclusive, job)?;
        self.write(&project.join(layout::USAGE), &Usage { total })
    }
}

/// Removes an asset's folder that holds nothing but its lock and its maker's permissions.
pub(super) fn remove_new_asset(folder: &Path, owns_permissions: bool) -> Result<(), Failure> {
    let Ok(entries) = walk::entries(folder) else { return Ok(()) };
    let is_ours =
        |name: &str| name == layout::LOCK || (owns_permissions && name == layout::PERMISSIONS);
    if entries.iter().all(|(name, _)| is_ours(name)) {
        atomic::remove_tree(folder)?;
    }
    Ok(())
}

/// Removes a file, link or folder.
pub(super) fn remove_any(path: &Path) -> Result<(), Failure> {
    if store::is_folder(path) {
        Ok(atomic::remove_tree(path)?)
    } else {
        Ok(atomic::remove_file(path)?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Options;
    use super::*;
    use crate::names::{AssetName, ProjectName, VersionName};
    use crate::registry::format::history::Event;

    struct Fixture {
        folder: tempfile::TempDir,
    }

    impl Fixture {
        /// A registry with project `p` and asset `p/a`, and a note as a killed process leaves it.
        fn new(pending: &Pending) -> Self {
            let fixture = Self { folder: tempfile::tempdir().unwrap() };
            fs::create_dir_all(fixture.path("registry/p/a")).unwrap();
            fs::create_dir_all(fixture.path("staging/s")).unwrap();
            fixture.write("registry/p/..usage", "{\"total\": 100}");
            let note = json::compact(pending);
            fixture.write("registry/..tmp-pending-1", std::str::from_utf8(&note).unwrap());
            fixture
        }

        fn path(&self, path: &str) -> PathBuf {
            self.folder.path().join(path)
        }

        fn write(&self, path: &str, text: &str) {
            fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
            fs::write(self.path(path), text).unwrap();
        }

        fn version(&self, name: &str) {
            let summary = r#"{"upload_user_id":"u","upload_start":"2020-01-01T00:00:00Z",
                "upload_finish":"2020-01-01T00:00:00Z"}"#;
            self.write(&format!("registry/p/a/{name}/..summary"), summary);
            let manifest = r#"{"f":{"size":1,"md5sum":"c4ca4238a0b923820dcc509a6f75849b"}}"#;
            self.write(&format!("registry/p/a/{name}/..manifest"), manifest);
            self.write(&format!("registry/p/a/{name}/f"), "1");
        }

        /// Opens the registry, which settles what is pending; nothing unfinished may be left.
        fn open(&self) -> Engine {
            let registry = self.path("registry");
            let engine = Engine::open(Options { registry, ..Options::default() }).unwrap();
            for folder in ["registry", "registry/p", "registry/p/a"] {
                let Ok(entries) = walk::entries(&self.path(folder)) else { continue };
                for (name, _) in entries {
                    assert!(!name.starts_with(atomic::STAGE_PREFIX), "{folder}/{name}");
                }
            }
            engine
        }

        fn usage(&self) -> u64 {
            store::usage(&self.path("registry/p")).unwrap().unwrap().total
        }

        fn latest(&self) -> Option<String> {
            store::latest(&self.path("registry/p/a")).unwrap().map(|latest| latest.version)
        }

        fn logs(&self) -> usize {
            fs::read_dir(self.path("registry/..logs")).unwrap().count()
        }
    }

    fn log() -> Log {
        let project = ProjectName::parse("p").unwrap();
        let asset = AssetName::parse("a").unwrap();
        let version = VersionName::parse("v").unwrap();
        Event::of_version("add-version", &project, &asset, &version, true).named()
    }

    fn upload(folder: &Path, log: Option<Log>) -> Pending {
        Pending {
            asset: "p/a".into(),
            version: "p/a/v".into(),
            stage: "p/a/..tmp-1".into(),
            source: Some(folder.join("staging/s")),
            is_new_asset: true,
            owns_permissions: false,
            is_probational: false,
            log,
        }
    }

    #[test]
    fn an_upload_that_was_not_visible_is_undone_and_consumed_files_go_back() {
        let fixture = Fixture::new(&upload(Path::new("/none"), None));
        let note = json::compact(&upload(fixture.folder.path(), Some(log())));
        fixture.write("registry/..tmp-pending-1", std::str::from_utf8(&note).unwrap());
        fixture.write("registry/p/a/..tmp-1/f", "moved");
        fixture.write("registry/p/a/..tmp-1/..manifest", "{}");
        fixture.open();
        assert_eq!(fs::read_to_string(fixture.path("staging/s/f")).unwrap(), "moved");
        assert!(!fixture.path("staging/s/..manifest").exists());
        assert!(!fixture.path("registry/p/a").exists());
        assert_eq!((fixture.usage(), fixture.logs()), (100, 0));
    }

    #[test]
    fn an_upload_that_was_visible_is_finished() {
        let fixture = Fixture::new(&upload(Path::new("/none"), Some(log())));
        fixture.version("v");
        fixture.open();
        assert_eq!(fixture.latest().as_deref(), Some("v"));
        assert_eq!((fixture.usage(), fixture.logs()), (1, 1));
    }

    #[test]
    fn a_later_version_stays_the_latest() {
        let fixture = Fixture::new(&upload(Path::new("/none"), Some(log())));
        fixture.version("v");
        fixture.version("w");
        let summary = fixture.path("registry/p/a/w/..summary");
        let text = fs::read_to_string(&summary).unwrap().replace("2020-", "2021-");
        fs::write(summary, text).unwrap();
        fixture.write("registry/p/a/..latest", "{\"version\": \"w\"}");
        fixture.open();
        assert_eq!(fixture.latest().as_deref(), Some("w"));
        assert_eq!((fixture.usage(), fixture.logs()), (2, 1));
    }

    #[test]
    fn what_cannot_be_settled_does_not_keep_the_rest() {
        // Its stage is a file, which is no folder to be removed.
        let fixture = Fixture::new(&Pending {
            stage: "p/..usage".into(),
            ..upload(Path::new("/none"), None)
        });
        let note = json::compact(&upload(Path::new("/none"), Some(log())));
        fixture.write("registry/..tmp-pending-2", std::str::from_utf8(&note).unwrap());
        fixture.version("v");
        let registry = fixture.path("registry");
        let engine = Engine::open(Options { registry, ..Options::default() }).unwrap();
        assert_eq!((fixture.latest().as_deref(), fixture.logs()), (Some("v"), 1));
        assert!(engine.settle(&Job::default()).is_err());
        assert!(fixture.path("registry/..tmp-pending-1").exists());
    }

    #[test]
    fn what_a_live_process_works_on_is_left_alone() {
        let fixture = Fixture::new(&upload(Path::new("/none"), None));
        fixture.write("registry/p/a/..tmp-1/f", "at work");
        let locks = crate::fs::lock::LockTable::new(std::time::Duration::from_secs(1));
        let path = fixture.path("registry/..LOCK");
        let held = locks.lock(&path, Mode::Shared, &Job::default()).unwrap();
        let registry = fixture.path("registry");
        Engine::open(Options { registry, ..Options::default() }).unwrap();
        assert!(fixture.path("registry/p/a/..tmp-1/f").exists());
        drop(held);
        fixture.open();
    }
}
