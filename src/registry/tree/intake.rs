//! Moving the files of an upload into the registry.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::Engine;
use super::place::{FILE_MODE, make_folder, place_link, write_copy, write_new};
use super::resolve::{Outside, Resolver, Target};
use super::source::{UserFile, open_root, open_source, read_link};
use super::transfer::{Movable, Transfer};
use super::whole;
use crate::digest::{self, Seen, Source};
use crate::fs::open::Root;
use crate::fs::open::Stamp;
use crate::fs::walk::{self, Kind};
use crate::job::Job;
use crate::parallel;
use crate::registry::failure::tell;
use crate::registry::failure::{Failure, FailureContext};
use crate::registry::format::links;
use crate::registry::format::model::{Link, Links, Manifest, ManifestEntry};
use crate::registry::format::{json, layout};
use crate::shared::lock;
use crate::system::{self, Folder, Identity, Name, Stat, rename_new};

/// Files of one folder that one thread moves: it opens the folder once for all of them.
const MOVED_TOGETHER: usize = 256;

/// A finished transfer.
pub(super) struct Transferred {
    pub(super) manifest: Manifest,
    /// Files that were copied and are to be removed from the source in the end.
    copied: Vec<(String, Identity)>,
    root: Root,
}

/// What becomes of one regular file.
enum Outcome {
    Copied(Seen, Identity),
    /// The latest version has an equal file.
    Linked(Seen, Link),
    /// To be moved in the end if it is still the same.
    Movable(Seen, Identity),
}

/// What the first look at one regular file gives.
enum Look {
    Copied(Identity),
    /// To be digested before more is known.
    Candidate(Option<Found>),
}

/// What a look at a regular file tells.
#[derive(Debug, Clone, Copy)]
struct Found {
    identity: Identity,
    /// Whether it is ours, under no other name.
    may_move: bool,
}

impl Found {
    fn of(stat: &Stat, ours: u32) -> Self {
        Self { identity: stat.identity, may_move: stat.user == ours && stat.names == 1 }
    }
}

/// A file of the source that may not have to be copied.
struct Candidate<'a> {
    file: UserFile<'a>,
    ours: u32,
    /// Known once the file is open, at the latest.
    found: OnceLock<Found>,
}

impl Source for Candidate<'_> {
    fn open(&self) -> crate::Result<(File, u64)> {
        let UserFile { root, source, path } = self.file;
        let (file, stat) = open_source(root, path, source)?;
        let found = self.found.get_or_init(|| Found::of(&stat, self.ours));
        Ok((file, found.identity.size))
    }

    fn path(&self) -> PathBuf {
        self.file.path()
    }
}

impl Engine {
    /// Fills `stage` from `source`. Nothing in `source` is touched before every file was read.
    pub(super) fn transfer(
        &self,
        transfer: &Transfer<'_>,
        job: &Job,
    ) -> Result<Transferred, Failure> {
        let root = open_root(transfer.source, transfer.source_owner)?;
        let keep = |name: &str| layout::is_kept(name, transfer.ignore_dot);
        let entries = walk::walk(transfer.source, &keep, job)?;
        if let Some(special) = entries.iter().find(|entry| entry.kind == Kind::Special) {
            return Err(Failure::internal(format!(
                "{:?} is not a regular file, a directory or a symbolic link",
                transfer.source.join(&special.path)
            )));
        }

        let mut resolver =
            Resolver::new(&self.layout, &self.whitelist, transfer.owner, transfer.source);
        let mut manifest = Manifest::new();
        let mut local = BTreeMap::new();
        let mut outside = BTreeMap::new();
        for entry in &entries {
            job.check()?;
            match entry.kind {
                Kind::Folder if entry.is_empty => {
                    manifest.insert(entry.path.clone(), ManifestEntry::empty_folder());
                }
                Kind::Link => {
                    let text = read_link(&root, &entry.path, transfer.source)?;
                    match resolver.resolve(&entry.path, &text)? {
                        Target::Local(target) => {
                            local.insert(entry.path.clone(), target);
                        }
                        Target::Registry(linked) => {
                            manifest.insert(entry.path.clone(), linked);
                        }
                        Target::Whitelisted(target) => {
                            outside.insert(entry.path.clone(), target);
                        }
                    }
                }
                _ => {}
            }
        }
        check_local_targets(&entries, &local)?;

        for folder in entries.iter().filter(|entry| entry.kind == Kind::Folder) {
            make_folder(&transfer.stage.join(&folder.path))?;
        }
        let files: Vec<&str> = entries
            .iter()
            .filter(|entry| entry.kind == Kind::File)
            .map(|entry| entry.path.as_str())
            .collect();
        let outcomes = transfer_files(transfer, &root, &files, job)?;
        let targets: Vec<Outside> = outside.values().cloned().collect();
        let seen_outside = digest::of_files(&targets, job)?;
        for ((path, target), seen) in outside.iter().zip(seen_outside) {
            place_link(&transfer.stage.join(path), &target.path)?;
            manifest.insert(path.clone(), ManifestEntry::of(seen?, None));
        }

        let mut movable = Vec::new();
        let mut copied = Vec::new();
        for (path, outcome) in files.iter().zip(outcomes) {
            let entry = match outcome {
                Outcome::Copied(seen, identity) => {
                    if transfer.consume {
                        copied.push(((*path).to_owned(), identity));
                    }
                    ManifestEntry::of(seen, None)
                }
                Outcome::Linked(seen, link) => ManifestEntry::of(seen, Some(link)),
                Outcome::Movable(seen, identity) => {
                    movable.push(Movable { path, seen, identity });
                    ManifestEntry::of(seen, None)
                }
            };
            manifest.insert((*path).to_owned(), entry);
        }
        resolver.add_local(&mut manifest, &local)?;
        for (path, entry) in &manifest {
            if let Some(link) = &entry.link {
                let text = links::text_in(&self.layout, transfer.owner, path, link);
                place_link(&transfer.stage.join(path), Path::new(&text))?;
            }
        }
        let stage = Root::open(transfer.stage)
            .map_err(|error| Failure::system("open", transfer.stage, &error))?;
        let roots = (&root, &stage);
        let movable = whole::move_folders(transfer, roots, &entries, movable, job)?;
        let by_folder: Vec<&[Movable<'_>]> = movable
            .chunk_by(|one, other| folder_of(one.path) == folder_of(other.path))
            .flat_map(|files| files.chunks(MOVED_TOGETHER))
            .collect();
        let move_files = |files: &&[Movable<'_>]| transfer.move_files(&root, &stage, files, job);
        copied.extend(
            parallel::try_map(&by_folder, || (), |(), files| move_files(files))?
                .into_iter()
                .flatten(),
        );
        Ok(Transferred { manifest, copied, root })
    }

    /// Writes the `..links` files of a manifest into the new `folder`.
    pub(super) fn write_links(folder: &Path, manifest: &Manifest) -> Result<(), Failure> {
        for (inside, links) in links::by_folder::<Links>(manifest) {
            write_new(&folder.join(inside).join(layout::LINKS), &json::pretty(&links))?;
        }
        Ok(())
    }
}

impl Transferred {
    /// Removes the sources of files that were copied although they were to be consumed.
    ///
    /// The version is complete by now, so a file that may not be removed is simply left there, and
    /// so is one that was changed after it was copied.
    pub(super) fn remove_copied(&self) {
        for (path, identity) in &self.copied {
            let file = self.root.regular(path);
            if file.is_ok_and(|(_, stat)| stat.identity == *identity)
                && let Ok((parent, name)) = self.root.open_parent(path)
            {
                tell("cannot remove a file that was consumed", parent.remove_file(name));
            }
        }
    }
}

/// Puts moved files back to where they came from: those that are not there any more.
pub(super) fn restore(stage: &Path, source: &Path) -> Result<(), Failure> {
    let (Ok(_), Ok(root)) = (Root::open(stage), Root::open(source)) else { return Ok(()) };
    let keep = |name: &str| !layout::is_internal(name);
    for entry in walk::walk(stage, &keep, &Job::default())? {
        // A folder that its owner has removed, or replaced by a link, takes nothing back.
        let Ok((parent, name)) = root.open_parent(&entry.path) else { continue };
        if entry.kind != Kind::File {
            continue;
        }
        let moved = rename_new(Name::Path(&stage.join(&entry.path)), Name::In(&parent, name));
        match moved.map_err(|error| (error.kind(), error)) {
            // The last two: nothing can be moved between these folders, so this is a copy.
            Ok(())
            | Err((
                ErrorKind::AlreadyExists | ErrorKind::CrossesDevices | ErrorKind::InvalidInput,
                _,
            )) => {}
            Err((_, error)) => {
                return Err(Failure::system("rename", &source.join(&entry.path), &error));
            }
        }
    }
    Ok(())
}

fn changed(source: &Path, path: &str) -> Failure {
    Failure::internal(format!("{:?} changed while it was transferred", source.join(path)))
}

/// Refuses local links to what is not in the version, before any file is read.
fn check_local_targets(
    entries: &[walk::Entry],
    local: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    let kinds: HashMap<&str, Kind> =
        entries.iter().map(|entry| (entry.path.as_str(), entry.kind)).collect();
    match local.values().find(|target| !kinds.contains_key(target.as_str())) {
        None => Ok(()),
        Some(target) => Err(Failure::internal(format!(
            "symlink at {target:?} should point to a file in the manifest or another symlink"
        ))),
    }
}

/// Copies all files that cannot be linked or moved.
fn transfer_files(
    transfer: &Transfer<'_>,
    root: &Root,
    files: &[&str],
    job: &Job,
) -> Result<Vec<Outcome>, Failure> {
    let ours = system::user_id();
    let folder = Stat::of(root.handle())
        .map_err(|error| Failure::system("stat", transfer.source, &error))?;
    let looks = if transfer.consume && folder.user == ours {
        // So are the files in it, but for the odd one: to read all of them is no waste.
        files.iter().map(|_| Look::Candidate(None)).collect()
    } else {
        parallel::try_map(
            files,
            || (),
            |(), path| copy_or_postpone(transfer, root, path, ours, job),
        )?
    };
    let candidates: Vec<Candidate<'_>> = files
        .iter()
        .zip(&looks)
        .filter_map(|(path, look)| match *look {
            Look::Copied(_) => None,
            Look::Candidate(found) => {
                let file = UserFile { root, source: transfer.source, path };
                let found = found.map_or_else(OnceLock::new, OnceLock::from);
                Some(Candidate { file, ours, found })
            }
        })
        .collect();
    let digests = digest::of_files(&candidates, job)?;
    let mut decided = Vec::with_capacity(candidates.len());
    for (candidate, seen) in candidates.iter().zip(digests) {
        let seen = seen?;
        let link = transfer
            .known
            .find(candidate.file.path, seen.size, seen.md5.to_string())
            .filter(|link| is_there(transfer, link, &seen));
        let found = candidate.found.get().filter(|found| found.may_move);
        decided.push(match (link, found) {
            (Some(link), _) => Some(Outcome::Linked(seen, link.clone())),
            (None, Some(found)) => Some(Outcome::Movable(seen, found.identity)),
            (None, None) => None,
        });
    }
    let mut decided = decided.into_iter();
    let mut outcomes: Vec<Option<Outcome>> = looks
        .iter()
        .map(|look| match look {
            Look::Copied(_) => None,
            Look::Candidate(_) => decided.next().flatten(),
        })
        .collect();

    // What is left was copied, or is now; its digest is that of the copy.
    let rest: Vec<(&str, &Look)> = files
        .iter()
        .zip(&looks)
        .zip(&outcomes)
        .filter_map(|((path, look), outcome)| outcome.is_none().then_some((*path, look)))
        .collect();
    let identities = parallel::try_map(
        &rest,
        || (),
        |(), (path, look)| match look {
            Look::Copied(identity) => Ok(*identity),
            Look::Candidate(_) => copy_file(transfer, root, path, job),
        },
    )?;
    let copies: Vec<PathBuf> = rest.iter().map(|(path, _)| transfer.stage.join(path)).collect();
    let mut copied = digest::of_files(&copies, job)?.into_iter().zip(identities);
    for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_none()) {
        let (seen, identity) = copied.next().expect("every other file was copied");
        *outcome = Some(Outcome::Copied(seen?, identity));
    }
    Ok(outcomes.into_iter().flatten().collect())
}

/// Copies one file, unless its digest may tell that it need not be copied.
fn copy_or_postpone(
    transfer: &Transfer<'_>,
    root: &Root,
    path: &str,
    ours: u32,
    job: &Job,
) -> Result<Look, Failure> {
    let stat = root
        .look_at(path)
        .map_err(|error| Failure::system("stat", &transfer.source.join(path), &error))?;
    let found = Found::of(&stat, ours);
    let may_move = transfer.consume && found.may_move;
    if may_move || transfer.known.has_size(found.identity.size) {
        return Ok(Look::Candidate(Some(Found { may_move, ..found })));
    }
    copy_file(transfer, root, path, job).map(Look::Copied)
}

/// True if a link leads to this content: the version that held it may have been deleted since, and
/// another uploaded in its place.
fn is_there(transfer: &Transfer<'_>, link: &Link, content: &Seen) -> bool {
    let origin = link.origin();
    let is_listed = || {
        let version = format!("{}/{}/{}", origin.project, origin.asset, origin.version);
        let mut origins = lock(&transfer.origins);
        origins.any(transfer.layout, &version).is_ok_and(|manifest| {
            manifest.get(&origin.path).is_some_and(|entry| {
                entry.size == content.size && entry.md5sum == content.md5.to_string()
            })
        })
    };
    fs::metadata(transfer.layout.root().join(origin.registry_path()))
        .is_ok_and(|file| file.is_file() && file.len() == content.size)
        && (link.ancestor.is_none() || is_listed())
}

/// Copies one file into the stage.
fn copy_file(
    transfer: &Transfer<'_>,
    root: &Root,
    path: &str,
    job: &Job,
) -> Result<Identity, Failure> {
    let full = transfer.source.join(path);
    let (from, stat) = open_source(root, path, transfer.source)?;
    let identity = stat.identity;
    write_copy((&from, &full), &transfer.stage.join(path), Stamp::of_stat(&stat), job)?;
    Ok(identity)
}

/// The directory part of a path.
fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

impl Transfer<'_> {
    /// Moves files of one directory into the stage, those that are still the ones that were hashed.
    /// What cannot be moved between these directories is copied: gives those.
    fn move_files(
        &self,
        root: &Root,
        stage: &Root,
        files: &[Movable<'_>],
        job: &Job,
    ) -> Result<Vec<(String, Identity)>, Failure> {
        let mut copied = Vec::new();
        let Some(first) = files.first() else { return Ok(copied) };
        let parent_in = |root: &Root, path: &Path| {
            let parent = root.open_parent(first.path).map(|(parent, _)| parent);
            parent.map_err(|error| Failure::system("open", &path.join(first.path), &error))
        };
        let (source, target) = (parent_in(root, self.source)?, parent_in(stage, self.stage)?);
        for file in files {
            job.check()?;
            if !self.move_file(&source, &target, file)? {
                let identity = copy_file(self, root, file.path, job)?;
                if digest::of_file(&self.stage.join(file.path), job)? != file.seen {
                    return Err(changed(self.source, file.path));
                }
                copied.push((file.path.to_owned(), identity));
            }
        }
        Ok(copied)
    }

    /// False if the file cannot be moved between these two directories.
    fn move_file(
        &self,
        source: &Folder,
        target: &Folder,
        file: &Movable<'_>,
    ) -> Result<bool, Failure> {
        let name = file.path.rsplit('/').next().unwrap_or(file.path);
        let failed = |call, error| Failure::system(call, &self.stage.join(file.path), &error);
        match rename_new(Name::In(source, name), Name::In(target, name)) {
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::CrossesDevices
                        | ErrorKind::InvalidInput
                        | ErrorKind::PermissionDenied
                ) =>
            {
                return Ok(false);
            }
            other => other.map_err(|error| failed("rename", error))?,
        }
        // The name may have been given to another file since.
        let placed = target.stat(name).map_err(|error| failed("lstat", error))?;
        if placed.identity != file.identity {
            let full = self.source.join(file.path);
            rename_new(Name::In(target, name), Name::In(source, name))
                .map_err(|error| Failure::system("rename", &full, &error))?;
            return Err(changed(self.source, file.path));
        }
        if placed.mode != FILE_MODE {
            let target = self.stage.join(file.path);
            system::set_mode(&target, FILE_MODE)
                .map_err(|error| Failure::system("chmod", &target, &error))?;
        }
        Ok(true)
    }
}

/// Adds the words that all failures of a transfer begin with.
pub(super) fn within_transfer<T>(result: Result<T, Failure>, source: &Path) -> Result<T, Failure> {
    result.within(|| format!("failed to transfer files from {source:?}"))
}

#[cfg(test)]
mod tests {
    use super::super::{Options, PermissionsChange, Upload};
    use super::*;
    use crate::names::{AssetName, ProjectName, VersionName};
    use crate::registry::tree::store;
    use crate::system::new_link;

    fn write(folder: &Path, files: &[(&str, &str)]) {
        for (path, content) in files {
            let full = folder.join(path);
            fs::create_dir_all(full.parent().unwrap()).unwrap();
            fs::write(full, content).unwrap();
        }
    }

    #[test]
    fn files_equal_to_known_ones_become_links_and_the_others_are_copied_or_moved() {
        for consume in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let registry = folder.path().join("registry");
            fs::create_dir(&registry).unwrap();
            let engine = Engine::open(Options {
                registry: registry.clone(),
                administrators: vec!["admin".into()],
                ..Options::default()
            })
            .unwrap();
            let job = Job::default();
            let project = ProjectName::parse("p").unwrap();
            let asset = AssetName::parse("a").unwrap();
            let none = PermissionsChange::default();
            drop(engine.create_project("admin", &project, none, &job).unwrap());
            let upload = |name: &str, files: &[(&str, &str)]| {
                let version = VersionName::parse(name).unwrap();
                let source = folder.path().join(name);
                write(&source, files);
                let upload = Upload {
                    project: &project,
                    asset: &asset,
                    version: &version,
                    source: &source,
                    source_owner: None,
                    user: "admin",
                    on_probation: false,
                    consume,
                    ignore_dot: false,
                };
                drop(engine.upload(&upload, &job).unwrap());
                engine.validate_version(&project, &asset, &version, &job).unwrap();
                engine.reindex_version(&project, &asset, &version, &job).unwrap();
                engine.validate_version(&project, &asset, &version, &job).unwrap();
                for (path, content) in files {
                    let placed = registry.join("p/a").join(name).join(path);
                    assert_eq!(fs::read_to_string(placed).unwrap(), *content, "{path}");
                }
                store::manifest(&registry.join("p/a").join(name)).unwrap()
            };
            upload("v1", &[("a", "equal"), ("b", "other"), ("d/c", "gone"), ("e", "")]);
            let files = [
                ("a", "equal"),
                ("b", "newer"),
                ("d/moved", "gone"),
                ("d/long", "of another size"),
                ("e", ""),
            ];
            let manifest = upload("v2", &files);
            let links: Vec<(&str, Option<&str>)> = manifest
                .iter()
                .map(|(path, entry)| {
                    (path.as_str(), entry.link.as_ref().map(|link| link.path.as_str()))
                })
                .collect();
            let expected = [
                ("a", Some("a")),
                ("b", None),
                ("d/long", None),
                ("d/moved", Some("d/c")),
                ("e", Some("e")),
            ];
            assert_eq!(links, expected, "consume: {consume}");
            let is_taken = !folder.path().join("v2/b").exists();
            assert_eq!(is_taken, consume);
        }
    }

    #[test]
    fn a_copied_file_that_was_changed_since_stays() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["same", "changed"] {
            fs::write(folder.path().join(name), "old").unwrap();
        }
        let identity =
            |name: &str| Stat::from(&fs::metadata(folder.path().join(name)).unwrap()).identity;
        let copied = ["same", "changed"].map(|name| (name.to_owned(), identity(name))).into();
        let root = Root::open(folder.path()).unwrap();
        fs::write(folder.path().join("changed"), "newer").unwrap();
        Transferred { manifest: Manifest::new(), copied, root }.remove_copied();
        assert!(!folder.path().join("same").exists());
        assert_eq!(fs::read_to_string(folder.path().join("changed")).unwrap(), "newer");
    }

    #[test]
    fn nothing_is_put_back_through_a_link() {
        let base = tempfile::tempdir().unwrap();
        let path = |path: &str| base.path().join(path);
        for folder in ["stage/a/b", "source", "outside/b"] {
            fs::create_dir_all(path(folder)).unwrap();
        }
        fs::write(path("stage/a/b/f"), "").unwrap();
        new_link("../outside", path("source/a")).unwrap();
        restore(&path("stage"), &path("source")).unwrap();
        assert!(!path("outside/b/f").exists());
    }
}
