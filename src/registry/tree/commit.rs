//! Files of a registry that change together, or not at all.
//!
//! What they become is put into a hidden folder and synced. Then the list of what goes where is put
//! beside it, and from that moment on the change is made: whoever opens the registry after a crash
//! does what is left of it. Each step uses up what it was prepared from, so none is done twice.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::Engine;
use super::place::{FILE_MODE, make_stage, place_link, write_new};
use crate::digest::Hasher;
use crate::fs::atomic;
use crate::job::Job;
use crate::registry::failure::{Failure, tell};
use crate::registry::format::history::Log;
use crate::registry::format::model::{Latest, Links, Manifest};
use crate::registry::format::{json, layout, links};

/// The name of the list in the hidden folder.
const LIST: &str = "commit";

/// What happens to one file, link or folder. Paths are relative to the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Step {
    kind: Kind,
    target: String,
    /// What takes the target's place, or where the target goes.
    prepared: String,
    /// What the target was, so that nothing is replaced that another process has made since.
    before: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// Something else takes its place.
    Put,
    /// It goes away, a folder as a whole.
    TakeAway,
}

/// What is at a path that a step changes.
#[derive(Debug)]
enum Old {
    File(Vec<u8>),
    Link(PathBuf),
    /// When it was last changed.
    Folder(SystemTime),
}

impl Old {
    fn at(path: &Path) -> Result<Option<Self>, Failure> {
        let found = fs::symlink_metadata(path).and_then(|about| {
            if about.is_symlink() {
                fs::read_link(path).map(Self::Link)
            } else if about.is_dir() {
                about.modified().map(Self::Folder)
            } else {
                fs::read(path).map(Self::File)
            }
        });
        match found {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            found => found.map(Some).map_err(|error| Failure::system("open", path, &error)),
        }
    }

    /// Differs for what differs.
    fn mark(&self) -> String {
        match self {
            Self::File(content) => {
                let mut hasher = Hasher::default();
                hasher.update(content);
                hasher.finish().md5.to_string()
            }
            Self::Link(target) => format!("-> {}", target.display()),
            Self::Folder(changed) => {
                let since = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
                format!("folder of {}", since.as_nanos())
            }
        }
    }
}

/// A change that is prepared; [`Commit::make`] makes it. Dropped before, it leaves nothing.
pub(super) struct Commit<'engine> {
    engine: &'engine Engine,
    /// The hidden folders: the first has the list, others are in projects on other disks.
    folders: Vec<PathBuf>,
    steps: Vec<Step>,
    old: Vec<Option<Old>>,
    /// Whether the next start has to look at it.
    is_kept: bool,
}

impl Engine {
    /// Prepares a change.
    pub(super) fn prepare(&self) -> Result<Commit<'_>, Failure> {
        let folders = vec![make_stage(self.layout.root())?];
        Ok(Commit { engine: self, folders, steps: Vec::new(), old: Vec::new(), is_kept: false })
    }
}

impl Commit<'_> {
    /// Where to put what becomes of `target`.
    pub(super) fn place(&mut self, target: &Path) -> Result<PathBuf, Failure> {
        self.add(target, Kind::Put)
    }

    /// An internal file gets new content.
    pub(super) fn write(&mut self, target: &Path, value: &impl Serialize) -> Result<(), Failure> {
        let place = self.place(target)?;
        write_new(&place, &json::pretty(value))
    }

    /// A symbolic link gets another text.
    pub(super) fn link(&mut self, target: &Path, text: &str) -> Result<(), Failure> {
        let place = self.place(target)?;
        place_link(&place, Path::new(text))
    }

    /// A file, a link or a folder with everything in it goes away; what is not there is fine.
    pub(super) fn remove(&mut self, target: &Path) -> Result<(), Failure> {
        if target.symlink_metadata().is_ok() {
            self.add(target, Kind::TakeAway)?;
        }
        Ok(())
    }

    /// A log is written.
    pub(super) fn log(&mut self, log: &Log) -> Result<(), Failure> {
        let path = self.engine.layout.logs().join(&log.name);
        self.write(&path, &log.event)
    }

    /// The `..links` files of a version become what its manifest says.
    pub(super) fn links(
        &mut self,
        folder: &Path,
        recorded: &BTreeMap<String, Links>,
        manifest: &Manifest,
    ) -> Result<(), Failure> {
        let wanted: BTreeMap<_, Links> = links::by_folder(manifest);
        for (inside, links) in &wanted {
            if recorded.get(inside) != Some(links) {
                self.write(&folder.join(inside).join(layout::LINKS), links)?;
            }
        }
        for inside in recorded.keys().filter(|inside| !wanted.contains_key(*inside)) {
            self.remove(&folder.join(inside).join(layout::LINKS))?;
        }
        Ok(())
    }

    /// Another version of the asset at `folder` is the latest, or none.
    pub(super) fn latest(&mut self, folder: &Path, version: Option<&str>) -> Result<(), Failure> {
        let path = folder.join(layout::LATEST);
        match version {
            Some(version) => self.write(&path, &Latest { version: version.to_owned() }),
            None => self.remove(&path),
        }
    }

    /// Adds a step; returns where what it needs is to be put.
    fn add(&mut self, target: &Path, kind: Kind) -> Result<PathBuf, Failure> {
        let root = self.engine.layout.root();
        let relative =
            |path: &Path| path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
        let number = self.steps.len().to_string();
        let prepared = self.hidden_for(target)?.join(number);
        let old = Old::at(target)?;
        self.steps.push(Step {
            kind,
            target: relative(target),
            prepared: relative(&prepared),
            before: old.as_ref().map(Old::mark),
        });
        self.old.push(old);
        Ok(prepared)
    }

    /// A hidden folder from which, or to which, the target can be renamed: on the same disk.
    fn hidden_for(&mut self, target: &Path) -> Result<&Path, Failure> {
        let root = self.engine.layout.root();
        let project = target.strip_prefix(root).ok().and_then(|inside| inside.iter().next());
        let disk = match project.map(|name| root.join(name)) {
            // A project that is itself elsewhere.
            None => target.parent().map(Path::to_owned),
            Some(project) => {
                Some(project).filter(|project| project != target && project.is_symlink())
            }
        };
        let Some(disk) = disk else { return Ok(&self.folders[0]) };
        let known = self.folders.iter().position(|known| known.parent() == Some(&disk));
        let at = match known {
            Some(at) => at,
            None => {
                self.folders.push(make_stage(&disk)?);
                self.folders.len() - 1
            }
        };
        Ok(&self.folders[at])
    }

    /// Makes the change. After a failure nothing has changed.
    pub(super) fn make(mut self) -> Result<(), Failure> {
        self.engine.make_durable()?;
        let root = self.engine.layout.root();
        let list = self.folders[0].join(LIST);
        let steps = json::compact(&self.steps);
        let mut done = 0;
        let mut make = || -> Result<(), Failure> {
            atomic::write(&list, &steps, FILE_MODE, self.engine.durable)?;
            while let Some(step) = self.steps.get(done) {
                step.take(root)?;
                done += 1;
            }
            Ok(())
        };
        let made = make();
        if made.is_err() {
            let undone = self.undo(done).and_then(|()| Ok(atomic::remove_file(&list)?));
            self.is_kept = undone.is_err();
            tell("cannot undo a change, which the next start goes on with", undone);
        }
        made
    }

    /// Takes back the first steps, the last of them first, so that each could be done again.
    fn undo(&self, done: usize) -> Result<(), Failure> {
        let root = self.engine.layout.root();
        for (step, old) in self.steps[..done].iter().zip(&self.old).rev() {
            let (target, prepared) = (root.join(&step.target), root.join(&step.prepared));
            if step.kind == Kind::TakeAway {
                rename(&prepared, &target)?;
                continue;
            }
            rename(&target, &prepared)?;
            match old {
                None | Some(Old::Folder(_)) => {}
                Some(Old::File(content)) => self.engine.replace(&target, content)?,
                Some(Old::Link(text)) => place_link(&target, text)?,
            }
        }
        if done > 0 { self.engine.make_durable() } else { Ok(()) }
    }
}

impl Drop for Commit<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            tell("cannot remove what a change has left", remove_hidden(&self.folders));
        }
    }
}

impl Step {
    fn take(&self, root: &Path) -> Result<(), Failure> {
        let (target, prepared) = (root.join(&self.target), root.join(&self.prepared));
        match self.kind {
            Kind::Put => rename(&prepared, &target),
            Kind::TakeAway => rename(&target, &prepared),
        }
    }

    /// Takes it after a crash, unless that was done, or its target is not what it was.
    fn resume(&self, root: &Path) -> Result<(), Failure> {
        let is_prepared = root.join(&self.prepared).symlink_metadata().is_ok();
        let is_done = is_prepared == (self.kind == Kind::TakeAway);
        if is_done || Old::at(&root.join(&self.target))?.map(|old| old.mark()) != self.before {
            return Ok(());
        }
        self.take(root)
    }
}

/// Goes on with the change in a hidden folder, if it was made, and removes what it has left.
pub(super) fn resume(engine: &Engine, folder: &Path, job: &Job) -> Result<(), Failure> {
    let root = engine.layout.root();
    let list = folder.join(LIST);
    let steps = match fs::read(&list) {
        // What cannot be read was never finished.
        Ok(text) => serde_json::from_slice::<Vec<Step>>(&text).unwrap_or_default(),
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(Failure::system("open", &list, &error)),
    };
    let mut folders = vec![folder.to_owned()];
    for step in &steps {
        step.resume(root)?;
        if let Some(hidden) = root.join(&step.prepared).parent()
            && !folders.iter().any(|known| known == hidden)
        {
            folders.push(hidden.to_owned());
        }
    }
    // Others may have counted since, and even have come to the same number as before.
    for usage in steps.iter().map(|step| root.join(&step.target)) {
        if usage.file_name().is_some_and(|name| name == layout::USAGE) {
            engine.recount(&usage, job)?;
        }
    }
    engine.make_durable()?;
    Ok(remove_hidden(&folders)?)
}

/// Removes hidden folders. The list goes when it is no longer needed to find the others, and before
/// what lies beside it.
fn remove_hidden(folders: &[PathBuf]) -> crate::Result<()> {
    for folder in folders.iter().skip(1) {
        atomic::remove_tree(folder)?;
    }
    atomic::remove_file(&folders[0].join(LIST))?;
    atomic::remove_tree(&folders[0])
}

fn rename(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::rename(from, to).map_err(|error| Failure::system("rename", to, &error))
}

#[cfg(test)]
mod tests {
    use super::super::{Options, store};
    use super::*;
    use crate::fs::walk;
    use crate::registry::format::model::Usage;

    /// A registry with project `p`, whose files are changed and whose one version has nine bytes, and
    /// whoever opens it.
    struct Fixture {
        folder: tempfile::TempDir,
    }

    impl Fixture {
        fn new() -> Self {
            let fixture = Self { folder: tempfile::tempdir().unwrap() };
            fs::create_dir_all(fixture.path("p/gone")).unwrap();
            fs::create_dir_all(fixture.path("p/a/v")).unwrap();
            for (name, text) in [
                ("p/..usage", "{\"total\": 7}"),
                ("p/out", "out"),
                ("p/gone/f", "f"),
                ("p/a/v/..manifest", r#"{"f": {"size": 9, "md5sum": "0"}}"#),
            ] {
                fs::write(fixture.path(name), text).unwrap();
            }
            crate::system::new_link("old", fixture.path("p/link")).unwrap();
            fixture
        }

        fn path(&self, path: &str) -> PathBuf {
            self.folder.path().join(path)
        }

        fn open(&self) -> Engine {
            let registry = self.folder.path().to_owned();
            Engine::open(Options { registry, ..Options::default() }).unwrap()
        }

        /// One step of each kind.
        fn prepared<'engine>(&self, engine: &'engine Engine) -> Commit<'engine> {
            let mut commit = engine.prepare().unwrap();
            commit.write(&self.path("p/..usage"), &Usage { total: 9 }).unwrap();
            commit.link(&self.path("p/link"), "new").unwrap();
            commit.remove(&self.path("p/out")).unwrap();
            commit.remove(&self.path("p/gone")).unwrap();
            commit.remove(&self.path("p/none")).unwrap();
            commit.write(&self.path("p/made"), &Usage { total: 1 }).unwrap();
            commit
        }

        fn is_before(&self) -> bool {
            self.names() == ["..usage", "a", "gone", "link", "out"]
                && fs::read_to_string(self.path("p/..usage")).unwrap() == "{\"total\": 7}"
                && fs::read_to_string(self.path("p/out")).unwrap() == "out"
                && fs::read_link(self.path("p/link")).unwrap() == Path::new("old")
                && self.path("p/gone/f").exists()
        }

        fn is_after(&self) -> bool {
            self.names() == ["..usage", "a", "link", "made"]
                && store::usage(&self.path("p")).unwrap().unwrap().total == 9
                && fs::read_link(self.path("p/link")).unwrap() == Path::new("new")
        }

        fn names(&self) -> Vec<String> {
            let entries = walk::entries(&self.path("p")).unwrap();
            let names = entries.into_iter().map(|(name, _)| name);
            let mut names: Vec<_> = names.filter(|name| name != layout::LOCK_USAGE).collect();
            names.sort();
            names
        }

        fn hidden(&self) -> usize {
            let entries = walk::entries(self.folder.path()).unwrap();
            entries.iter().filter(|(name, _)| name.starts_with(atomic::STAGE_PREFIX)).count()
        }
    }

    #[test]
    fn a_change_is_made_as_a_whole() {
        let fixture = Fixture::new();
        let engine = fixture.open();
        drop(fixture.prepared(&engine));
        assert!(fixture.is_before());
        fixture.prepared(&engine).make().unwrap();
        assert!(fixture.is_after());
        assert_eq!(fixture.hidden(), 0);
    }

    #[test]
    fn what_was_only_prepared_before_a_crash_is_forgotten() {
        let fixture = Fixture::new();
        std::mem::forget(fixture.prepared(&fixture.open()));
        fixture.open();
        assert!(fixture.is_before());
        assert_eq!(fixture.hidden(), 0);
    }

    #[test]
    fn the_next_start_goes_on_after_any_step() {
        for done in 0..=5 {
            let fixture = Fixture::new();
            let engine = fixture.open();
            let commit = fixture.prepared(&engine);
            fs::write(commit.folders[0].join(LIST), json::compact(&commit.steps)).unwrap();
            for step in &commit.steps[..done] {
                step.take(fixture.folder.path()).unwrap();
            }
            std::mem::forget(commit);
            fixture.open();
            assert!(fixture.is_after(), "{done} steps");
            assert_eq!(fixture.hidden(), 0);
        }
    }

    #[test]
    fn what_others_have_made_since_stays() {
        let fixture = Fixture::new();
        let engine = fixture.open();
        let commit = fixture.prepared(&engine);
        fs::write(commit.folders[0].join(LIST), json::compact(&commit.steps)).unwrap();
        std::mem::forget(commit);
        fs::write(fixture.path("p/out"), "another").unwrap();
        fs::write(fixture.path("p/gone/new"), "another").unwrap();
        fs::write(fixture.path("p/..usage"), "{\"total\": 8}").unwrap();
        fixture.open();
        assert_eq!(fs::read_to_string(fixture.path("p/out")).unwrap(), "another");
        assert!(fixture.path("p/gone/f").exists());
        // It is counted anew.
        assert_eq!(store::usage(&fixture.path("p")).unwrap().unwrap().total, 9);
        assert_eq!(fixture.hidden(), 0);
    }

    #[test]
    fn a_usage_that_others_have_made_what_it_was_is_counted_anew() {
        let fixture = Fixture::new();
        let engine = fixture.open();
        let mut commit = engine.prepare().unwrap();
        // A version of five bytes goes away, and another of as many has come since.
        commit.write(&fixture.path("p/..usage"), &Usage { total: 2 }).unwrap();
        fs::write(commit.folders[0].join(LIST), json::compact(&commit.steps)).unwrap();
        std::mem::forget(commit);
        fixture.open();
        assert_eq!(store::usage(&fixture.path("p")).unwrap().unwrap().total, 9);
    }

    #[test]
    fn a_step_that_fails_takes_all_back() {
        let fixture = Fixture::new();
        let engine = fixture.open();
        let commit = fixture.prepared(&engine);
        // Nothing can be renamed over a folder.
        fs::create_dir(fixture.path("p/made")).unwrap();
        commit.make().unwrap_err();
        fs::remove_dir(fixture.path("p/made")).unwrap();
        assert!(fixture.is_before());
        fixture.open();
        assert!(fixture.is_before());
        assert_eq!(fixture.hidden(), 0);
    }
}
