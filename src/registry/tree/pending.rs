//! What a change is about to do, noted before it does it.
//!
//! A pending file in the registry's folder exists from before the first trace of a change until
//! after its last one. Whoever opens the registry finishes a change that had become visible, and
//! removes the traces of one that had not. The locks of a live process keep its changes from being
//! settled by others.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Engine;
use super::intake::restore;
use super::place::FILE_MODE;
use super::refresh::{find_latest, finish_of};
use crate::fs::atomic;
use crate::fs::lock::Mode;
use crate::fs::walk;
use crate::job::Job;
use crate::registry::failure::Failure;
use crate::registry::format::history::Log;
use crate::registry::format::layout::PENDING_PREFIX as PREFIX;
use crate::registry::format::model::Usage;
use crate::registry::format::{json, layout};
use crate::registry::tree::store;

/// A change under way. All paths but `source` are relative to the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub(super) enum Pending {
    /// A version is put together in `stage` and then renamed to `version`.
    Upload {
        asset: String,
        version: String,
        stage: String,
        /// Where consumed files came from.
        source: Option<PathBuf>,
        is_new_asset: bool,
        /// Whether the permissions of the new asset are part of the change.
        owns_permissions: bool,
        is_probational: bool,
        /// Known from the moment before the rename.
        log: Option<Log>,
    },
    /// A project, asset or version is renamed to `stage` and then removed.
    Remove {
        target: String,
        stage: String,
        /// Whether the latest version of the asset must be found again.
        latest: bool,
        log: Option<Log>,
    },
    /// A version leaves probation; `latest` if it becomes the latest.
    Approve { asset: String, version: String, is_latest: bool, log: Log },
    /// Links of several projects are rewritten that lead to `versions`; `copies` are unfinished
    /// files.
    Reroute { versions: BTreeSet<String>, projects: Vec<String>, copies: Vec<String> },
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
        note.update(pending)?;
        Ok(note)
    }

    /// Finishes or undoes the changes of processes that died. What live processes work on is left
    /// alone.
    ///
    /// What cannot be settled, say for want of permissions, stays for the next time; the first such
    /// failure is returned after everything else was tried.
    pub fn settle(&self, job: &Job) -> crate::Result<()> {
        let root = self.layout.root();
        let mut found = walk::entries(root)?;
        found.retain(|(name, _)| name.starts_with(atomic::STAGE_PREFIX));
        if found.is_empty() {
            return Ok(());
        }
        // Alone with the registry, or not at all: whoever holds a lock may be at work.
        let alone = crate::fs::lock::LockTable::private(std::time::Duration::ZERO);
        let path = root.join(layout::LOCK);
        let Ok(_lock) = alone.lock(&path, Mode::Exclusive, job) else { return Ok(()) };
        let mut result = self.settle_noted(|_| true, job);
        for (name, _) in found.iter().filter(|(name, _)| !name.starts_with(PREFIX)) {
            result = result.and(remove_any(&root.join(name)));
        }
        Ok(result?)
    }

    /// The same for one asset that is held alone.
    pub(super) fn settle_asset(&self, asset: &Path, job: &Job) -> Result<(), Failure> {
        let is_left = |(name, _): &(String, walk::Kind)| name.starts_with(atomic::STAGE_PREFIX);
        if !walk::entries(asset)?.iter().any(is_left) {
            return Ok(());
        }
        let root = self.layout.root();
        let is_here = |pending: &Pending| match pending {
            Pending::Upload { stage, .. } | Pending::Remove { stage, .. } => {
                root.join(stage).parent() == Some(asset)
            }
            Pending::Approve { .. } | Pending::Reroute { .. } => false,
        };
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
        match pending {
            Pending::Upload {
                asset,
                version,
                stage,
                source,
                is_new_asset,
                owns_permissions,
                is_probational,
                log,
            } => {
                let (asset, stage) = (root.join(asset), root.join(stage));
                let is_visible = store::is_folder(&root.join(version)) && !stage.exists();
                match log {
                    Some(log) if is_visible => {
                        let name = version.rsplit('/').next().unwrap_or(version);
                        if !is_probational {
                            Self::settle_latest(&asset, name)?;
                            self.write_log(log)?;
                        }
                        self.recount(&asset, job)
                    }
                    _ => {
                        if let Some(source) = source {
                            restore(&stage, source)?;
                        }
                        atomic::remove_tree(&stage)?;
                        if *is_new_asset {
                            remove_new_asset(&asset, *owns_permissions)?;
                        }
                        Ok(())
                    }
                }
            }
            Pending::Remove { target, stage, latest, log } => {
                let (path, stage) = (root.join(target), root.join(stage));
                if path.exists() && !stage.exists() {
                    return Ok(());
                }
                if path.is_symlink() {
                    // Of a project on another disk, which is staged there by now.
                    atomic::remove_file(&path)?;
                }
                let parent = path.parent().unwrap_or(root);
                if *latest && let Ok(version) = find_latest(parent, None) {
                    // Versions that cannot be read were so before: leave it to an administrator.
                    Self::set_latest(parent, version.as_deref())?;
                }
                if target.contains('/') {
                    self.recount(&path, job)?;
                }
                if let Some(log) = log {
                    self.write_log(log)?;
                }
                Ok(atomic::remove_tree(&stage)?)
            }
            Pending::Approve { asset, version, is_latest, log } => {
                let folder = root.join(asset).join(version);
                if store::summary(&folder).is_ok_and(|summary| !summary.is_probational()) {
                    if *is_latest {
                        Self::settle_latest(&root.join(asset), version)?;
                    }
                    self.write_log(log)?;
                }
                Ok(())
            }
            Pending::Reroute { versions, projects, copies } => {
                for copy in copies {
                    atomic::remove_file(&root.join(copy))?;
                }
                // Some links may be rewritten already: go on from there. What was asked for may
                // be gone by now, and then there is nothing to go on with.
                if versions.iter().all(|version| store::is_folder(&root.join(version))) {
                    self.reroute_from(versions, false, job)?;
                }
                projects.iter().try_for_each(|project| self.recount(&root.join(project), job))
            }
        }
    }

    /// Makes `version` the latest, unless another process has uploaded a later one since.
    fn settle_latest(asset: &Path, version: &str) -> Result<(), Failure> {
        let finish = |version: &str| {
            let folder = asset.join(version);
            finish_of(&folder, &store::summary(&folder)?)
        };
        let is_outdated = store::latest(asset).ok().flatten().is_some_and(|latest| {
            matches!((finish(&latest.version), finish(version)), (Ok(known), Ok(ours)) if known > ours)
        });
        if is_outdated { Ok(()) } else { Self::set_latest(asset, Some(version)) }
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
        Self::write(&project.join(layout::USAGE), &Usage { total })
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
        Pending::Upload {
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
        let fixture = Fixture::new(&Pending::Reroute {
            versions: BTreeSet::new(),
            projects: vec![],
            copies: vec![],
        });
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
    fn a_removal_that_was_visible_is_finished_and_another_is_forgotten() {
        let pending = Pending::Remove {
            target: "p/a/v".into(),
            stage: "p/a/..tmp-2".into(),
            latest: true,
            log: Some(log()),
        };
        let fixture = Fixture::new(&pending);
        fixture.version("v");
        fixture.open();
        assert!(fixture.path("registry/p/a/v/f").exists());
        assert_eq!((fixture.usage(), fixture.logs()), (100, 0));

        let fixture = Fixture::new(&pending);
        fixture.version("old");
        fixture.version("v");
        fixture.write("registry/p/a/..latest", "{\"version\": \"v\"}");
        fs::rename(fixture.path("registry/p/a/v"), fixture.path("registry/p/a/..tmp-2")).unwrap();
        fixture.open();
        assert_eq!(fixture.latest().as_deref(), Some("old"));
        assert_eq!((fixture.usage(), fixture.logs()), (1, 1));
    }

    #[test]
    fn a_rerouting_that_was_begun_is_finished() {
        let fixture = Fixture::new(&Pending::Reroute {
            versions: BTreeSet::from(["p/a/v".to_owned()]),
            projects: vec!["p".into()],
            copies: vec!["p/a/w/..tmp-3".into()],
        });
        fixture.version("v");
        fixture.version("w");
        let link = r#"{"project":"p","asset":"a","version":"v","path":"f"}"#;
        let manifest = format!(
            r#"{{"f":{{"size":1,"md5sum":"c4ca4238a0b923820dcc509a6f75849b","link":{link}}},
                "g":{{"size":1,"md5sum":"c4ca4238a0b923820dcc509a6f75849b","link":{link}}}}}"#
        );
        fixture.write("registry/p/a/w/..manifest", &manifest);
        fixture.write("registry/p/a/w/..links", &format!(r#"{{"f":{link},"g":{link}}}"#));
        fixture.write("registry/p/a/w/..tmp-3", "1");
        // `f` has become a copy, `g` is still a link, and the manifest knows of neither.
        crate::system::new_link("../v/f", fixture.path("registry/p/a/w/g")).unwrap();
        fixture.open();
        let manifest = store::manifest(&fixture.path("registry/p/a/w")).unwrap();
        assert!(manifest.values().all(|entry| entry.link.is_none()));
        assert!(!fixture.path("registry/p/a/w/g").is_symlink());
        assert!(!fixture.path("registry/p/a/w/..links").exists());
        assert_eq!(fixture.usage(), 3);
    }

    #[test]
    fn an_approval_that_was_visible_is_finished() {
        let fixture = Fixture::new(&Pending::Approve {
            asset: "p/a".into(),
            version: "v".into(),
            is_latest: true,
            log: log(),
        });
        fixture.version("v");
        fixture.open();
        assert_eq!(fixture.latest().as_deref(), Some("v"));
        assert_eq!(fixture.logs(), 1);
    }

    #[test]
    fn what_cannot_be_settled_does_not_keep_the_rest() {
        let fixture = Fixture::new(&Pending::Reroute {
            versions: BTreeSet::new(),
            projects: vec![],
            copies: vec!["p".into()],
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
