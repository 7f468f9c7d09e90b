//! Changes that are finished, although perhaps nobody was told: their first repeat succeeds.
//!
//! A killed service may have made a change visible without answering. Such a change is marked by an
//! extended attribute from before it is visible until after its answer is sent, so that a client
//! that asks again is not refused. It is in nobody's way in a listing; where a file system has no
//! attributes, a hidden file of the registry stands for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::place::FILE_MODE;
use super::request::Upload;
use super::resolve::{Resolver, Target};
use super::source::{UserFile, open_root, read_link};
use super::{Engine, owner};
use crate::digest::{self, Hasher};
use crate::fs::atomic;
use crate::fs::walk::{self, Kind};
use crate::job::Job;
use crate::names::VersionName;
use crate::registry::failure::{Failure, FailureKind, tell};
use crate::registry::format::layout;
use crate::registry::format::model::{Manifest, ManifestEntry};
use crate::registry::tree::store;
use crate::system;

/// How long a client has to ask again.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// Begins the names of files that stand for attributes.
pub(super) const PREFIX: &str = "..unanswered-";

/// A change that cannot be made twice.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change<'a> {
    /// Marked at the project.
    Creation,
    /// Marked at the version.
    Upload,
    /// Marked at the version.
    Approval,
    /// Marked at the asset, as the version is gone.
    Rejection(&'a VersionName),
}

impl Change<'_> {
    /// The name of the attribute, whose value is the time in Unix seconds.
    fn attribute(self) -> String {
        match self {
            Self::Creation => "user.selenite.unanswered.creation".to_owned(),
            Self::Upload => "user.selenite.unanswered.upload".to_owned(),
            Self::Approval => "user.selenite.unanswered.approval".to_owned(),
            // Names of versions may be longer than those of attributes.
            Self::Rejection(version) => {
                format!("user.selenite.unanswered.rejection.{}", hash(version.as_str()))
            }
        }
    }
}

fn hash(text: &str) -> String {
    let mut hasher = Hasher::default();
    hasher.update(text.as_bytes());
    hasher.finish().md5.to_string()
}

/// Whether a mark with this value is of a change that was made not long ago.
fn is_recent(value: &[u8]) -> bool {
    let since = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    since.is_some_and(|since| now().saturating_sub(since) < PATIENCE.as_secs())
}

/// Unix seconds.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Where it is marked that nobody was told of a change.
#[derive(Debug)]
struct Mark {
    folder: PathBuf,
    attribute: String,
    /// What stands for the attribute where there are none.
    file: PathBuf,
}

impl Mark {
    /// That of a change at `folder` of the registry `root`.
    fn of(root: &Path, folder: &Path, change: Change<'_>) -> Self {
        let attribute = change.attribute();
        let inside = folder.strip_prefix(root).unwrap_or(folder).to_string_lossy();
        let file = root.join(format!("{PREFIX}{}", hash(&format!("{attribute}/{inside}"))));
        Self { folder: folder.to_owned(), attribute, file }
    }

    fn set(&self) -> crate::Result<()> {
        let since = now().to_string();
        match system::set_attribute(&self.folder, &self.attribute, since.as_bytes()) {
            Ok(()) => Ok(()),
            Err(_) => atomic::write(&self.file, since.as_bytes(), FILE_MODE, false),
        }
    }

    /// Whether it was set, not long ago.
    fn is_set(&self) -> bool {
        let mut value = [0; 32];
        match system::attribute(&self.folder, &self.attribute, &mut value) {
            Ok(length) => is_recent(&value[..length]),
            Err(_) => fs::read(&self.file).is_ok_and(|value| is_recent(&value)),
        }
    }

    fn remove(&self) -> crate::Result<()> {
        match system::remove_attribute(&self.folder, &self.attribute) {
            Ok(()) => Ok(()),
            Err(_) => atomic::remove_file(&self.file),
        }
    }
}

/// A change that is finished, or about to be. As long as this is kept, a repeat after a crash
/// succeeds: drop it when the answer is on its way.
#[derive(Debug)]
#[must_use = "keep it until the requester is told"]
pub struct Receipt(Mark);

impl Receipt {
    /// Marks a change in the registry `root` before it becomes visible at `folder`, which is still
    /// at `stage`.
    pub(super) fn issue(root: &Path, stage: &Path, folder: &Path, change: Change<'_>) -> Self {
        let mut receipt = Self(Mark::of(root, folder, change));
        receipt.moved_to(stage);
        // The change itself does not depend on it: without the mark, a repeat is refused.
        tell("cannot mark a change", receipt.0.set());
        receipt
    }

    /// The marked folder was renamed.
    pub(super) fn moved_to(&mut self, folder: &Path) {
        folder.clone_into(&mut self.0.folder);
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        // A mark that stays is too old after a day.
        tell("cannot take back a mark", self.0.remove());
    }
}

/// Removes the file of a mark that is too old.
pub(super) fn forget_if_old(file: &Path) -> crate::Result<()> {
    if fs::read(file).is_ok_and(|value| is_recent(&value)) {
        return Ok(());
    }
    atomic::remove_file(file)
}

/// A receipt if `refusal` was met by the repeat of a change that was made at `folder`; else the
/// refusal.
pub(super) fn repeated(
    root: &Path,
    folder: &Path,
    change: Change<'_>,
    refusal: Failure,
) -> Result<Receipt, Failure> {
    let mark = Mark::of(root, folder, change);
    if refusal.kind != FailureKind::Forbidden && mark.is_set() {
        Ok(Receipt(mark))
    } else {
        Err(refusal)
    }
}

impl Engine {
    /// The same for an upload, whose source must still hold what the version was made from: the
    /// client may remove it when it is told that all is well.
    pub(super) fn repeated_upload(
        &self,
        upload: &Upload<'_>,
        folder: &Path,
        is_probational: bool,
        refusal: Failure,
        job: &Job,
    ) -> Result<Receipt, Failure> {
        let mark = Mark::of(self.layout.root(), folder, Change::Upload);
        if !mark.is_set() {
            return Err(refusal);
        }
        let summary = store::summary(folder)?;
        let is_same = summary.upload_user_id == upload.user
            && summary.is_probational() == is_probational
            && self.is_made_from(upload, &store::manifest(folder)?, job)?;
        if is_same { Ok(Receipt(mark)) } else { Err(refusal) }
    }

    /// Whether a version with this manifest could come from the source of `upload`. Files that were
    /// consumed are gone from there, and links to them lead nowhere.
    fn is_made_from(
        &self,
        upload: &Upload<'_>,
        manifest: &Manifest,
        job: &Job,
    ) -> Result<bool, Failure> {
        let root = open_root(upload.source, upload.source_owner)?;
        let owner = owner(upload.project, upload.asset, upload.version);
        let mut resolver = Resolver::new(&self.layout, &self.whitelist, owner, upload.source);
        let keep = |name: &str| layout::is_kept(name, upload.ignore_dot);
        let mut known = 0;
        let mut files = Vec::new();
        let mut outside = Vec::new();
        for entry in walk::walk(upload.source, &keep, job)? {
            let is_listed = match entry.kind {
                Kind::File | Kind::Link => true,
                Kind::Folder => entry.is_empty && !upload.consume,
                Kind::Special => return Ok(false),
            };
            if !is_listed {
                continue;
            }
            let Some(listed) = manifest.get(&entry.path) else { return Ok(false) };
            known += 1;
            if entry.kind == Kind::File {
                files.push((entry.path, listed));
            } else if entry.kind == Kind::Folder && !listed.is_folder() {
                return Ok(false);
            } else if entry.kind == Kind::Link && !upload.consume {
                let text = read_link(&root, &entry.path, upload.source)?;
                let target = match resolver.resolve(&entry.path, &text)? {
                    Target::Local(target) => manifest.get(&target).cloned(),
                    Target::Registry(target) => Some(target),
                    Target::Whitelisted(target) => {
                        outside.push((target, listed));
                        continue;
                    }
                };
                if target.is_none_or(|target| !target.has_content_of(listed)) {
                    return Ok(false);
                }
            }
        }
        if known != manifest.len() && !upload.consume {
            return Ok(false);
        }
        let (files, listed): (Vec<_>, Vec<_>) = files
            .iter()
            .map(|(path, listed)| (UserFile { root: &root, source: upload.source, path }, *listed))
            .unzip();
        let (outside, listed_outside): (Vec<_>, Vec<_>) = outside.into_iter().unzip();
        Ok(have_content(&files, &listed, job)? && have_content(&outside, &listed_outside, job)?)
    }
}

/// Whether each file has the size and checksum of its entry.
fn have_content<S: digest::Source>(
    files: &[S],
    listed: &[&ManifestEntry],
    job: &Job,
) -> Result<bool, Failure> {
    for (seen, listed) in digest::of_files(files, job)?.into_iter().zip(listed) {
        if !ManifestEntry::of(seen?, None).has_content_of(listed) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use crate::system::new_link as symlink;

    use super::super::{Options, PermissionsChange};
    use super::*;
    use crate::names::{AssetName, ProjectName};
    /// A registry that is opened again after each kill, and a directory to upload.
    struct Fixture {
        folder: tempfile::TempDir,
        names: (ProjectName, AssetName, VersionName),
        job: Job,
    }

    type Step = fn(&Fixture);

    impl Fixture {
        fn new() -> Self {
            let fixture = Self {
                folder: tempfile::tempdir().unwrap(),
                names: (
                    ProjectName::parse("p").unwrap(),
                    AssetName::parse("a").unwrap(),
                    VersionName::parse("v").unwrap(),
                ),
                job: Job::default(),
            };
            fs::create_dir(fixture.folder.path().join("registry")).unwrap();
            fs::create_dir_all(fixture.source("d")).unwrap();
            fixture.write("f", "content");
            fixture.write("d/g", "more");
            fs::create_dir(fixture.source("empty")).unwrap();
            symlink("d/g", fixture.source("link")).unwrap();
            let (project, ..) = &fixture.names;
            let engine = fixture.open();
            let change = PermissionsChange::default();
            drop(engine.create_project("admin", project, change, &fixture.job).unwrap());
            fixture
        }

        fn source(&self, path: &str) -> PathBuf {
            self.folder.path().join("source").join(path)
        }

        fn write(&self, path: &str, text: &str) {
            fs::write(self.source(path), text).unwrap();
        }

        /// Starts the service, which settles what the one before has left.
        fn open(&self) -> Engine {
            Engine::open(Options {
                registry: self.folder.path().join("registry"),
                administrators: vec!["admin".to_owned(), "other".to_owned()],
                ..Options::default()
            })
            .unwrap()
        }

        fn upload(&self, engine: &Engine, change: fn(&mut Upload<'_>)) -> Result<Receipt, Failure> {
            let (project, asset, version) = &self.names;
            let source = self.source("");
            let mut upload = Upload {
                project,
                asset,
                version,
                source: &source,
                source_owner: None,
                user: "admin",
                on_probation: false,
                consume: false,
                ignore_dot: false,
            };
            change(&mut upload);
            engine.upload(&upload, &self.job)
        }

        /// An upload whose service is killed when the version has just become visible.
        fn killed_after_upload(&self, change: fn(&mut Upload<'_>)) -> Engine {
            std::mem::forget(self.upload(&self.open(), change).unwrap());
            self.open()
        }

        fn approve(&self, engine: &Engine, user: &str) -> Result<Receipt, Failure> {
            let (project, asset, version) = &self.names;
            engine.approve_probation(user, project, asset, version, &self.job)
        }

        fn reject(&self, engine: &Engine) -> Result<Receipt, Failure> {
            let (project, asset, version) = &self.names;
            engine.reject_probation("admin", project, asset, version, false, &self.job)
        }

        fn version(&self) -> PathBuf {
            self.folder.path().join("registry/p/a/v")
        }
    }

    #[test]
    fn an_upload_that_nobody_was_told_of_can_be_repeated_once() {
        let fixture = Fixture::new();
        let engine = fixture.killed_after_upload(|_| {});
        drop(fixture.upload(&engine, |_| {}).unwrap());
        assert!(fixture.upload(&engine, |_| {}).unwrap_err().reason.contains("already exists"));
    }

    #[test]
    fn a_repeat_that_is_cut_off_can_be_repeated_again() {
        let fixture = Fixture::new();
        let engine = fixture.killed_after_upload(|_| {});
        std::mem::forget(fixture.upload(&engine, |_| {}).unwrap());
        drop(fixture.upload(&fixture.open(), |_| {}).unwrap());
    }

    #[test]
    fn what_was_acknowledged_is_refused_a_second_time() {
        let fixture = Fixture::new();
        let engine = fixture.open();
        drop(fixture.upload(&engine, |_| {}).unwrap());
        for engine in [engine, fixture.open()] {
            assert!(fixture.upload(&engine, |_| {}).is_err());
        }
    }

    #[test]
    fn only_the_same_upload_is_a_repeat() {
        let fixture = Fixture::new();
        let engine = fixture.killed_after_upload(|_| {});
        let refused = |engine: &Engine, change: fn(&mut Upload<'_>)| {
            let refusal = fixture.upload(engine, change).unwrap_err();
            assert!(refusal.reason.contains("already exists"), "{refusal:?}");
        };
        refused(&engine, |upload| upload.user = "other");
        refused(&engine, |upload| upload.on_probation = true);
        let changes: [(Step, Step); 5] = [
            (|it| it.write("f", "changed"), |it| it.write("f", "content")),
            (|it| it.write("new", ""), |it| fs::remove_file(it.source("new")).unwrap()),
            (|it| fs::remove_file(it.source("f")).unwrap(), |it| it.write("f", "content")),
            (|it| it.write("empty/not", ""), |it| fs::remove_file(it.source("empty/not")).unwrap()),
            (
                |it| {
                    fs::remove_file(it.source("link")).unwrap();
                    symlink("f", it.source("link")).unwrap();
                },
                |it| {
                    fs::remove_file(it.source("link")).unwrap();
                    symlink("d/g", it.source("link")).unwrap();
                },
            ),
        ];
        for (change, undo) in changes {
            change(&fixture);
            refused(&engine, |_| {});
            undo(&fixture);
        }
        drop(fixture.upload(&engine, |_| {}).unwrap());
    }

    #[test]
    fn a_repeat_does_not_miss_what_was_consumed() {
        let fixture = Fixture::new();
        let engine = fixture.killed_after_upload(|upload| upload.consume = true);
        assert!(!fixture.source("f").exists());
        fixture.write("f", "another");
        assert!(fixture.upload(&engine, |upload| upload.consume = true).is_err());
        fs::remove_file(fixture.source("f")).unwrap();
        assert!(fixture.upload(&engine, |_| {}).is_err());
        drop(fixture.upload(&engine, |upload| upload.consume = true).unwrap());
    }

    #[test]
    fn approvals_and_rejections_can_be_repeated_once() {
        let fixture = Fixture::new();
        let engine = fixture.killed_after_upload(|upload| upload.on_probation = true);
        drop(fixture.upload(&engine, |upload| upload.on_probation = true).unwrap());
        std::mem::forget(fixture.approve(&engine, "admin").unwrap());
        let engine = fixture.open();
        let refusal = fixture.approve(&engine, "nobody").unwrap_err();
        assert_eq!(refusal.kind, FailureKind::Forbidden);
        drop(fixture.approve(&engine, "admin").unwrap());
        assert!(fixture.approve(&engine, "admin").is_err());

        let fixture = Fixture::new();
        let engine = fixture.open();
        drop(fixture.upload(&engine, |upload| upload.on_probation = true).unwrap());
        std::mem::forget(fixture.reject(&engine).unwrap());
        let engine = fixture.open();
        assert!(!fixture.version().exists());
        drop(fixture.reject(&engine).unwrap());
        assert_eq!(fixture.reject(&engine).unwrap_err().kind, FailureKind::NotFound);
    }

    #[test]
    fn nothing_is_remembered_for_ever() {
        let fixture = Fixture::new();
        fixture.killed_after_upload(|_| {});
        let before = (now() - PATIENCE.as_secs()).to_string();
        let attribute = Change::Upload.attribute();
        let version = fixture.version();
        system::attribute(&version, &attribute, &mut [0; 32]).expect("it is marked");
        system::set_attribute(&version, &attribute, before.as_bytes()).unwrap();
        assert!(fixture.upload(&fixture.open(), |_| {}).is_err());
    }
}
