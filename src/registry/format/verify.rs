//! Whether a version is what its manifest says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::links;
use super::model::{BucketManifest, Link, Links, Manifest, ManifestEntry};
use crate::registry::failure::Failure;

/// A version as its files show it.
#[derive(Debug, Default)]
pub struct Found {
    /// What its manifest should be.
    pub manifest: Manifest,
    /// `..links` files as they are: directory (empty for the root) to links.
    pub recorded: BTreeMap<String, Links>,
}

/// The files of a manifest that are stored, if the sizes of what is stored agree with it; links have
/// no object.
pub fn stored(
    manifest: &BucketManifest,
    size_of: impl Fn(&str) -> Option<u64>,
) -> Result<Vec<(&str, &ManifestEntry)>, Failure> {
    let mut stored = Vec::new();
    for (path, entry) in manifest {
        match (size_of(path), &entry.link) {
            (Some(_), Some(_)) => {
                return Err(Failure::internal(format!(
                    "linked-from path '{path}' in manifest should not have a file"
                )));
            }
            (None, Some(_)) => {}
            (None, None) => {
                return Err(Failure::invalid(format!(
                    "path '{path}' in manifest should have a file"
                )));
            }
            (Some(size), None) if size != entry.size => {
                return Err(Failure::invalid(format!(
                    "actual size of '{path}' does not match its reported size in the manifest"
                )));
            }
            (Some(_), None) => stored.push((path.as_str(), entry)),
        }
    }
    Ok(stored)
}

/// The paths of a manifest and of the files, in the order of a walk. What a directory lacks comes
/// before all that it has.
fn in_order<'a>(listed: &'a Manifest, found: &'a Manifest) -> Vec<&'a String> {
    let mut there = BTreeSet::new();
    for path in found.keys() {
        there.extend(path.match_indices('/').map(|(end, _)| &path[..end]));
        there.insert(path.as_str());
    }
    let ends = |path: &'a str| path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
    // For each component, whether it is there, and its name.
    let key = |path: &'a String| -> Vec<(bool, &'a str)> {
        let is_there = ends(path).map(|end| there.contains(&path[..end]));
        is_there.zip(path.split('/')).collect()
    };
    let paths: BTreeSet<&String> = listed.keys().chain(found.keys()).collect();
    let mut paths: Vec<_> = paths.into_iter().collect();
    paths.sort_by_cached_key(|path| key(path));
    paths
}

/// Every difference between a manifest and the files, in the order of a walk.
pub fn compare(folder: &Path, manifest: &Manifest, found: &Found) -> Vec<Failure> {
    let mut faults = Vec::new();
    let mut faulty = BTreeSet::new();
    for path in in_order(manifest, &found.manifest) {
        let fault = match (manifest.get(path), found.manifest.get(path)) {
            (Some(_), None) => {
                Some(format!("{path:?} listed in manifest cannot be found in directory {folder:?}"))
            }
            (None, _) => Some(format!(
                "extra file {path:?} is not present in manifest for directory {folder:?}"
            )),
            (Some(listed), Some(found)) => entry_fault(folder, path, listed, found),
        };
        if let Some(fault) = fault {
            faults.push(Failure::internal(fault));
            faulty.insert(path.as_str());
        }
    }
    let wanted = links::by_folder(&found.manifest);
    faults.extend(links_faults(folder, &found.recorded, &wanted, &faulty));
    faults
}

fn entry_fault(
    folder: &Path,
    path: &str,
    listed: &ManifestEntry,
    found: &ManifestEntry,
) -> Option<String> {
    if listed.size != found.size {
        return Some(format!("incorrect size in manifest for {path:?} in directory {folder:?}"));
    }
    if listed.md5sum != found.md5sum {
        return Some(format!(
            "incorrect MD5 checksum in manifest for {path:?} in directory {folder:?}"
        ));
    }
    let why = link_fault(listed.link.as_ref(), found.link.as_ref(), "link", "manifest")?;
    Some(format!("mismatching link information for {path:?} in directory {folder:?}; {why}"))
}

/// How a listed link differs from the one found.
fn link_fault(
    listed: Option<&Link>,
    found: Option<&Link>,
    what: &str,
    place: &str,
) -> Option<String> {
    let (listed, found) = match (listed, found) {
        (None, None) => return None,
        (Some(_), None) => return Some(format!("unexpected {what} in {place}")),
        (None, Some(_)) => return Some(format!("expected {what} in {place}")),
        (Some(listed), Some(found)) => (listed, found),
    };
    for (part, one, other) in [
        ("project", &listed.project, &found.project),
        ("asset", &listed.asset, &found.asset),
        ("version", &listed.version, &found.version),
        ("path", &listed.path, &found.path),
    ] {
        if one != other {
            return Some(format!("mismatching {what} {part} in {place}"));
        }
    }
    link_fault(listed.ancestor.as_deref(), found.ancestor.as_deref(), "link ancestor", place)
}

/// Faults of the `..links` files, except about paths that are `faulty` anyway.
fn links_faults(
    folder: &Path,
    recorded: &BTreeMap<String, Links>,
    wanted: &BTreeMap<String, Links>,
    faulty: &BTreeSet<&str>,
) -> Vec<Failure> {
    let mut faults = Vec::new();
    let mut fault = |text: String| faults.push(Failure::internal(text));
    let mut folders: Vec<&String> = recorded.keys().chain(wanted.keys()).collect();
    folders.sort_by_key(|inside| inside.split('/').collect::<Vec<_>>());
    folders.dedup();
    for inside in folders {
        let name = if inside.is_empty() { "." } else { inside.as_str() };
        let path_of = |file: &str| {
            if inside.is_empty() { file.to_owned() } else { format!("{inside}/{file}") }
        };
        let Some(wanted) = wanted.get(inside) else {
            if recorded[inside].keys().any(|file| faulty.contains(path_of(file).as_str())) {
                continue;
            }
            fault(format!("extra linkfile {name:?} in directory {folder:?}"));
            continue;
        };
        let Some(recorded) = recorded.get(inside) else {
            fault(format!("expected a linkfile at {name:?} in directory {folder:?}"));
            continue;
        };
        let files: BTreeSet<&String> = recorded.keys().chain(wanted.keys()).collect();
        let mut files: Vec<_> = files.into_iter().collect();
        files.sort_by_key(|file| recorded.contains_key(*file));
        for file in files.into_iter().filter(|file| !faulty.contains(path_of(file).as_str())) {
            match (recorded.get(file), wanted.get(file)) {
                (None, _) => fault(format!(
                    "missing path {file:?} from linkfile {name:?} in directory {folder:?}"
                )),
                (_, None) => fault(format!(
                    "extra path {file:?} in linkfile {name:?} in directory {folder:?}"
                )),
                (listed, found) => {
                    if let Some(why) = link_fault(listed, found, "link", "linkfile") {
                        fault(format!(
                            "mismatching link information for {file:?} in linkefile {name:?} in \
                             directory {folder:?}; {why}"
                        ));
                    }
                }
            }
        }
    }
    faults
}
