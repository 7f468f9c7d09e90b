//! Folders that are moved into the stage as a whole: one change for all files in them, where moving
//! each of them would make the threads wait for each other in the system (a third of an upload).
//!
//! A folder is exchanged for the empty one that was made in the stage, so the user's directory keeps
//! its folders, as it does when files are moved one by one, and what undoes those undoes this.

use std::collections::{HashMap, HashSet};

use super::place::FILE_MODE;
use super::transfer::{Movable, Transfer};
use crate::fs::open::Root;
use crate::fs::walk::{Entry, Kind, walk};
use crate::job::Job;
use crate::parallel;
use crate::registry::failure::Failure;
use crate::system::{self, Folder, Stat};

/// A folder of the source, and its files.
struct Whole<'a> {
    path: &'a str,
    files: Vec<Movable<'a>>,
}

/// Moves the folders of which everything is moved; gives the files that are left, in order.
pub(super) fn move_folders<'a>(
    transfer: &Transfer<'_>,
    (root, stage): (&Root, &Root),
    entries: &'a [Entry],
    movable: Vec<Movable<'a>>,
    job: &Job,
) -> Result<Vec<Movable<'a>>, Failure> {
    let (folders, mut left) = divide(entries, movable);
    let moved = parallel::try_map(
        &folders,
        || (),
        |(), folder| {
            job.check()?;
            exchange(transfer, (root, stage), entries, folder, job)
        },
    )?;
    let stayed = folders.into_iter().zip(moved).filter(|(_, is_moved)| !is_moved);
    left.extend(stayed.flat_map(|(folder, _)| folder.files));
    left.sort_unstable_by(|one, other| one.path.cmp(other.path));
    Ok(left)
}

/// The topmost folders that hold nothing but folders and files that are moved, and other files.
fn divide<'a>(
    entries: &'a [Entry],
    movable: Vec<Movable<'a>>,
) -> (Vec<Whole<'a>>, Vec<Movable<'a>>) {
    let mut broken = HashSet::new();
    let mut moved = movable.iter().peekable();
    for entry in entries {
        let stays = match entry.kind {
            Kind::Folder => false,
            Kind::File => moved.next_if(|file| file.path == entry.path).is_none(),
            Kind::Link | Kind::Special => true,
        };
        if stays {
            broken.extend(ancestors(&entry.path));
        }
    }
    let mut folders: Vec<Whole<'a>> = Vec::new();
    let mut places = HashMap::new();
    let mut left = Vec::new();
    for file in movable {
        // From the root on downwards.
        let mut above: Vec<&str> = ancestors(file.path).collect();
        above.reverse();
        match above.into_iter().find(|folder| !broken.contains(folder)) {
            Some(path) => {
                let place = *places.entry(path).or_insert_with(|| {
                    folders.push(Whole { path, files: Vec::new() });
                    folders.len() - 1
                });
                folders[place].files.push(file);
            }
            None => left.push(file),
        }
    }
    (folders, left)
}

/// The folders that a path is in, the innermost first.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.rmatch_indices('/').map(|(end, _)| &path[..end])
}

/// False, and nothing has changed, if the folder cannot be moved as it was seen.
fn exchange(
    transfer: &Transfer<'_>,
    (root, stage): (&Root, &Root),
    entries: &[Entry],
    folder: &Whole<'_>,
    job: &Job,
) -> Result<bool, Failure> {
    let path = folder.path;
    let parent = |root: &Root, below: &std::path::Path| {
        let parent = root.open_parent(path).map(|(parent, _)| parent);
        parent.map_err(|error| Failure::system("open", &below.join(path), &error))
    };
    let (source, target) = (parent(root, transfer.source)?, parent(stage, transfer.stage)?);
    let name = path.rsplit('/').next().unwrap_or(path);
    let look = |folder: &Folder| folder.stat(name);
    let (Ok(given), Ok(made)) = (look(&source), look(&target)) else { return Ok(false) };
    if !is_as_made(&given, &made) || !system::exchange(&source, &target, name) {
        return Ok(false);
    }
    let is_same = is_as_seen(transfer, &made, entries, folder, job);
    if !matches!(is_same, Ok(true)) && !system::exchange(&source, &target, name) {
        let full = transfer.source.join(path);
        return Err(Failure::internal(format!("failed to give {full:?} back")));
    }
    is_same
}

/// True if a folder has the owner and rights of one that the engine has made.
fn is_as_made(given: &Stat, made: &Stat) -> bool {
    (given.kind, given.user, given.group, given.mode)
        == (made.kind, made.user, made.group, made.mode)
}

/// True if a folder that is in the stage by now holds what was seen, and nothing else.
fn is_as_seen(
    transfer: &Transfer<'_>,
    made: &Stat,
    entries: &[Entry],
    folder: &Whole<'_>,
    job: &Job,
) -> Result<bool, Failure> {
    let full = transfer.stage.join(folder.path);
    let inside = format!("{}/", folder.path);
    let begin = entries.partition_point(|entry| entry.path < inside);
    let seen = entries[begin..]
        .iter()
        .map_while(|entry| entry.path.strip_prefix(&inside).map(|path| (path, entry.kind)));
    // What was left out when it was seen must not come along either.
    let Ok(now) = walk(&full, &|_| true, job) else {
        job.check()?;
        return Ok(false);
    };
    if !now.iter().map(|entry| (entry.path.as_str(), entry.kind)).eq(seen) {
        return Ok(false);
    }
    let Ok(opened) = Root::open(&full) else { return Ok(false) };
    let mut files = folder.files.iter();
    let mut others = Vec::new();
    for entry in &now {
        let Ok(placed) = opened.look_at(&entry.path) else { return Ok(false) };
        if entry.kind == Kind::Folder {
            if !is_as_made(&placed, made) {
                return Ok(false);
            }
        } else if files.next().is_none_or(|file| file.identity != placed.identity) {
            return Ok(false);
        } else if placed.mode != FILE_MODE {
            others.push(full.join(&entry.path));
        }
    }
    for path in &others {
        system::set_mode(path, FILE_MODE)
            .map_err(|error| Failure::system("chmod", path, &error))?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::{Engine, Options, PermissionsChange, Upload};
    use crate::names::{AssetName, ProjectName, VersionName};
    use crate::registry::tree::store;

    use super::*;

    /// Uploads a directory that is to be consumed; gives the folder of the version.
    fn consume(base: &Path, source: &Path) -> Result<std::path::PathBuf, Failure> {
        let registry = base.join("registry");
        fs::create_dir_all(&registry).unwrap();
        let engine = Engine::open(Options {
            registry: registry.clone(),
            administrators: vec!["admin".into()],
            ..Options::default()
        })
        .unwrap();
        let project = ProjectName::parse("p").unwrap();
        let (asset, version) = (AssetName::parse("a").unwrap(), VersionName::parse("v").unwrap());
        let job = Job::default();
        let none = PermissionsChange::default();
        drop(engine.create_project("admin", &project, none, &job).unwrap());
        let upload = Upload {
            project: &project,
            asset: &asset,
            version: &version,
            source,
            source_owner: None,
            user: "admin",
            on_probation: false,
            consume: true,
            ignore_dot: true,
        };
        drop(engine.upload(&upload, &job)?);
        engine.validate_version(&project, &asset, &version, &job)?;
        Ok(registry.join("p/a/v"))
    }

    fn stat(path: &Path) -> Stat {
        Stat::from(&path.symlink_metadata().unwrap())
    }

    fn inode(path: &Path) -> system::Place {
        stat(path).identity.place
    }

    #[test]
    fn folders_are_moved_as_they_are_if_everything_in_them_is_moved() {
        let base = tempfile::tempdir().unwrap();
        let source = base.path().join("source");
        let folders =
            ["whole", "whole/inner", "whole/empty", "whole-too", "hidden", "open", "linked"];
        for folder in folders {
            fs::create_dir_all(source.join(folder)).unwrap();
            system::set_mode(source.join(folder), 0o755).unwrap();
            if folder != "whole/empty" {
                fs::write(source.join(folder).join("f"), folder).unwrap();
            }
        }
        fs::write(source.join("f"), "root").unwrap();
        system::set_mode(source.join("whole/inner/f"), 0o600).unwrap();
        fs::write(source.join("hidden/.left"), "out").unwrap();
        system::set_mode(source.join("open"), 0o777).unwrap();
        system::new_link("f", source.join("linked/l")).unwrap();
        let inodes_before = folders.map(|folder| inode(&source.join(folder)));

        let version = consume(base.path(), &source).unwrap();

        let manifest = store::manifest(&version).unwrap();
        let paths: Vec<&str> = manifest.keys().map(String::as_str).collect();
        let expected = [
            "f",
            "hidden/f",
            "linked/f",
            "linked/l",
            "open/f",
            "whole-too/f",
            "whole/empty",
            "whole/f",
            "whole/inner/f",
        ];
        assert_eq!(paths, expected);
        let mut moved = folders.to_vec();
        moved.retain(|folder| inodes_before.contains(&inode(&version.join(folder))));
        assert_eq!(moved, ["whole", "whole/inner", "whole/empty", "whole-too"]);
        assert_eq!(stat(&version.join("whole/inner/f")).mode, FILE_MODE);
        assert_eq!(stat(&version.join("open")).mode, 0o755);
        // The folders stay, and what was not to be uploaded.
        for folder in folders {
            assert!(source.join(folder).is_dir(), "{folder}");
            assert!(!source.join(folder).join("f").exists(), "{folder}");
        }
        assert_eq!(fs::read_to_string(source.join("hidden/.left")).unwrap(), "out");
    }

    #[test]
    fn a_folder_that_has_changed_is_given_back() {
        let base = tempfile::tempdir().unwrap();
        let (source, stage) = (base.path().join("source"), base.path().join("stage"));
        let changes: [fn(&Path); 4] = [
            |folder| fs::write(folder.join("more"), "").unwrap(),
            |folder| fs::remove_file(folder.join("f")).unwrap(),
            |folder| {
                fs::write(folder.join("other"), "f").unwrap();
                fs::rename(folder.join("other"), folder.join("f")).unwrap();
            },
            |folder| system::set_mode(folder, 0o700).unwrap(),
        ];
        for change in changes {
            for folder in [&source, &stage] {
                fs::create_dir_all(folder.join("d")).unwrap();
                system::set_mode(folder.join("d"), 0o755).unwrap();
            }
            fs::write(source.join("d/f"), "f").unwrap();
            let entries = walk(&source, &|_| true, &Job::default()).unwrap();
            let roots = (Root::open(&source).unwrap(), Root::open(&stage).unwrap());
            let identity = roots.0.look_at("d/f").unwrap().identity;
            let seen = crate::digest::of_file(&source.join("d/f"), &Job::default()).unwrap();
            change(&source.join("d"));
            let before = inode(&source.join("d"));
            let layout = crate::registry::format::layout::Layout::new(base.path());
            let transfer = Transfer {
                layout: &layout,
                owner: crate::registry::format::links::Owner {
                    project: "p",
                    asset: "a",
                    version: "v",
                },
                source: &source,
                source_owner: None,
                stage: &stage,
                known: crate::registry::format::links::DedupIndex::default(),
                origins: std::sync::Mutex::default(),
                consume: true,
                ignore_dot: false,
            };
            let movable = vec![Movable { path: "d/f", seen, identity }];
            let both = (&roots.0, &roots.1);
            let left = move_folders(&transfer, both, &entries, movable, &Job::default()).unwrap();
            assert_eq!(left.len(), 1);
            assert_eq!(inode(&source.join("d")), before);
            assert!(fs::read_dir(stage.join("d")).unwrap().next().is_none());
            fs::remove_dir_all(&source).unwrap();
        }
    }
}
