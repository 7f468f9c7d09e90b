//! Reindexing a version from its files, and validating it against them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::log::Log;
use super::resolve::{Outside, Resolver, Target};
use super::transfer::entry_of;
use super::{Engine, owner, replace_link};
use crate::digest::{self, Source};
use crate::fs::atomic;
use crate::fs::lock::Mode;
use crate::fs::walk::{self, Kind};
use crate::job::Job;
use crate::names::{AssetName, ProjectName, VersionName};
use crate::registry::failure::{Failure, FailureContext};
use crate::registry::format::links::{self, Owner};
use crate::registry::format::model::{Link, Links, Manifest, ManifestEntry};
use crate::registry::format::{layout, time};
use crate::registry::store;
use crate::relpath::clean_path;

/// A version as its files show it.
struct Index {
    manifest: Manifest,
    /// `..links` files as they are: directory (empty for the root) to links.
    recorded: BTreeMap<String, Links>,
    /// Symbolic links into the registry as they are: path to text.
    texts: BTreeMap<String, String>,
}

/// A file to be read.
struct Content {
    /// Path in the version.
    path: String,
    /// Where the file is.
    place: Place,
}

/// Where the content of a file is.
enum Place {
    /// In the version.
    Inside(PathBuf),
    /// The version has only a link to it.
    Outside(Outside),
}

impl Source for Content {
    fn open(&self) -> crate::Result<(File, u64)> {
        match &self.place {
            Place::Inside(path) => digest::open_with_size(path, false),
            Place::Outside(file) => file.open(),
        }
    }

    fn path(&self) -> PathBuf {
        match &self.place {
            Place::Inside(path) => path.clone(),
            Place::Outside(file) => file.path(),
        }
    }
}

/// What a link may look like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strictness {
    /// Links may have been made by hand.
    Reindex,
    /// Links must look as if we had made them.
    Validate,
}

impl Engine {
    /// Recomputes manifest and links of a version from its files.
    ///
    /// Everything is read and checked before anything is written, and only what differs is.
    pub fn reindex_version(
        &self,
        project: &ProjectName,
        asset: &AssetName,
        version: &VersionName,
        job: &Job,
    ) -> Result<(), Failure> {
        let held = self.enter_project(project, Mode::Shared, job)?;
        let in_asset = self.enter_asset(project, &held, asset, job)?;
        let folder = Self::enter_version(project, asset, &in_asset, version)?;
        let owner = owner(project, asset, version);
        let index = self
            .index(owner, &folder, Strictness::Reindex, job)
            .map_err(Faults::into_failure)
            .within(|| "failed to reindex project")?;
        let summary = store::summary(&folder)
            .within(|| format!("failed to read the summary file at {folder:?}"))?;
        let latest = store::latest(&in_asset.folder)
            .within(|| format!("failed to read the latest version of {:?}", in_asset.folder))?;
        job.check()?;

        for (path, entry) in &index.manifest {
            if let Some(link) = &entry.link {
                let text = links::text_in(&self.layout, owner, path, link);
                if index.texts.get(path) != Some(&text) {
                    replace_link(&folder.join(path), &text)?;
                }
            }
        }
        Self::replace_links(&folder, &index.recorded, &index.manifest)?;
        if store::manifest(&folder).ok().as_ref() != Some(&index.manifest) {
            Self::write(&folder.join(layout::MANIFEST), &index.manifest)?;
        }
        if !summary.is_probational() {
            let is_latest = latest.is_some_and(|latest| latest.version == version.as_str());
            let log = Log::version("reindex-version", project, asset, version, is_latest);
            self.write_log(&log.named())?;
        }
        self.make_durable()
    }

    /// Makes the `..links` files of a version what its manifest says.
    pub(super) fn replace_links(
        folder: &Path,
        recorded: &BTreeMap<String, Links>,
        manifest: &Manifest,
    ) -> Result<(), Failure> {
        let wanted = links::by_folder(manifest);
        for (inside, links) in &wanted {
            if recorded.get(inside) != Some(links) {
                Self::write(&folder.join(inside).join(layout::LINKS), links)?;
            }
        }
        for inside in recorded.keys().filter(|inside| !wanted.contains_key(*inside)) {
            atomic::remove_file(&folder.join(inside).join(layout::LINKS))?;
        }
        Ok(())
    }

    /// Compares a version with its files. All faults are in the failure's `details`.
    pub fn validate_version(
        &self,
        project: &ProjectName,
        asset: &AssetName,
        version: &VersionName,
        job: &Job,
    ) -> Result<(), Failure> {
        let held = self.enter_project(project, Mode::Shared, job)?;
        let in_asset = self.enter_asset(project, &held, asset, job)?;
        let folder = Self::enter_version(project, asset, &in_asset, version)?;
        let owner = owner(project, asset, version);
        let validate = || {
            let manifest = store::manifest(&folder)
                .within(|| format!("failed to read the manifest at {folder:?}"))?;
            let index = self.index(owner, &folder, Strictness::Validate, job)?;
            Faults(compare(&folder, &manifest, &index)).into_result()
        };
        let mut faults = match validate() {
            Ok(()) => Vec::new(),
            Err(Faults(faults)) => faults,
        };
        let in_files = faults.len();
        faults.extend(summary_faults(&folder));
        let result = Faults(faults).into_result().map_err(Faults::into_failure);
        if in_files > 0 { result.within(|| "failed to validate project") } else { result }
    }

    /// Reads a version's files and links.
    fn index(
        &self,
        owner: Owner<'_>,
        folder: &Path,
        strictness: Strictness,
        job: &Job,
    ) -> Result<Index, Faults> {
        let keep = |name: &str| !layout::is_internal(name);
        let entries = walk::walk(folder, &keep, job)?;
        let recorded = read_links(folder, &entries)?;

        let mut resolver = Resolver::new(&self.layout, &self.whitelist, owner, folder);
        let mut manifest = Manifest::new();
        let mut texts = BTreeMap::new();
        let mut local = BTreeMap::new();
        let mut files: Vec<Content> = Vec::new();
        let mut faults = Vec::new();
        for entry in entries {
            job.check()?;
            let full = folder.join(&entry.path);
            match entry.kind {
                Kind::Folder if entry.is_empty => {
                    let empty = ManifestEntry { size: 0, md5sum: String::new(), link: None };
                    manifest.insert(entry.path, empty);
                }
                Kind::Folder => {}
                Kind::File => {
                    files.push(Content { path: entry.path, place: Place::Inside(full) });
                }
                Kind::Special => faults.push(Failure::internal(format!(
                    "{full:?} is not a regular file, a directory or a symbolic link"
                ))),
                Kind::Link => {
                    let (inside, name) = entry.path.rsplit_once('/').unwrap_or(("", &entry.path));
                    let known = recorded.get(inside).and_then(|links| links.get(name));
                    match self.read_link(
                        &mut resolver,
                        owner,
                        folder,
                        &entry.path,
                        known,
                        strictness,
                    ) {
                        Ok((text, target)) => {
                            match target {
                                Target::Local(target) => {
                                    local.insert(entry.path.clone(), target);
                                }
                                Target::Registry(linked) => {
                                    manifest.insert(entry.path.clone(), linked);
                                }
                                Target::Whitelisted(file) => {
                                    let path = entry.path.clone();
                                    files.push(Content { path, place: Place::Outside(file) });
                                }
                            }
                            texts.insert(entry.path, text);
                        }
                        Err(fault) => faults.push(fault),
                    }
                }
            }
        }
        Faults(faults).into_result()?;
        let seen = digest::of_files(&files, job)?;
        for (content, seen) in files.into_iter().zip(seen) {
            manifest.insert(content.path, entry_of(seen?, None));
        }
        resolver.add_local(&mut manifest, &local)?;
        Ok(Index { manifest, recorded, texts })
    }

    /// Reads and judges one symbolic link. What `..links` says of it counts if the link leads to
    /// the recorded parent or its ancestor.
    fn read_link(
        &self,
        resolver: &mut Resolver<'_>,
        owner: Owner<'_>,
        folder: &Path,
        path: &str,
        known: Option<&Link>,
        strictness: Strictness,
    ) -> Result<(String, Target), Failure> {
        let full = folder.join(path);
        let text = fs::read_link(&full)
            .map_err(|error| Failure::system("readlink", &full, &error))?
            .into_os_string()
            .into_string()
            .map_err(|_| {
                Failure::internal(format!("target of link {full:?} is not valid UTF-8"))
            })?;
        let target = clean_path(&resolver.target_path(path, &text));
        if strictness == Strictness::Validate
            && text.starts_with('/')
            && !resolver.is_whitelisted(Path::new(&target))
            && known.is_none_or(|link| text != links::text_in(&self.layout, owner, path, link))
        {
            return Err(Failure::internal(format!(
                "expected a relative path for the link target of {}",
                full.display()
            )));
        }
        let Some(parent) = known else {
            return resolver.resolve(path, &text).map(|target| (text, target));
        };
        let leads_to = |link: &Link| {
            Path::new(&target) == self.layout.root().join(link.registry_path()).as_path()
        };
        if !leads_to(parent) && !leads_to(parent.origin()) {
            return Err(Failure::internal(format!(
                "unexpected symbolic link to non-ancestor, non-parent file {target:?} from {full:?}"
            )));
        }
        fs::metadata(&target)
            .map_err(|error| Failure::system("stat", Path::new(&target), &error))
            .within(|| format!("failed to stat target of link {full:?}"))?;
        let is_local = owner.link(&parent.path, None) == parent.without_ancestor();
        let target = if is_local {
            Target::Local(parent.path.clone())
        } else {
            Target::Registry(resolver.entry_of(parent)?)
        };
        Ok((text, target))
    }
}

/// Several faults of one version, in the order of a walk.
struct Faults(Vec<Failure>);

impl<E: Into<Failure>> From<E> for Faults {
    fn from(error: E) -> Self {
        Self(vec![error.into()])
    }
}

impl Faults {
    fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }

    /// The first fault, with all of them in its details if there are several.
    fn into_failure(self) -> Failure {
        let details: Vec<String> = self.0.iter().map(|fault| fault.reason.clone()).collect();
        let mut first = self.0.into_iter().next().expect("made of at least one fault");
        if details.len() > 1 {
            first.details = details;
        }
        first
    }
}

fn read_links(folder: &Path, entries: &[walk::Entry]) -> Result<BTreeMap<String, Links>, Failure> {
    let folders = entries.iter().filter(|entry| entry.kind == Kind::Folder);
    let mut recorded = BTreeMap::new();
    for inside in std::iter::once("").chain(folders.map(|entry| entry.path.as_str())) {
        let links = store::links(&folder.join(inside))
            .within(|| format!("failed to parse existing linkfiles in {folder:?}"))?;
        if let Some(links) = links {
            recorded.insert(inside.to_owned(), links);
        }
    }
    Ok(recorded)
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
fn compare(folder: &Path, manifest: &Manifest, index: &Index) -> Vec<Failure> {
    let mut faults = Vec::new();
    let mut faulty = BTreeSet::new();
    for path in in_order(manifest, &index.manifest) {
        let fault = match (manifest.get(path), index.manifest.get(path)) {
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
    let wanted = links::by_folder(&index.manifest);
    faults.extend(links_faults(folder, &index.recorded, &wanted, &faulty));
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

fn summary_faults(folder: &Path) -> Vec<Failure> {
    let summary = match store::summary(folder)
        .within(|| format!("failed to read the summary file at {folder:?}"))
    {
        Ok(summary) => summary,
        Err(failure) => return vec![failure],
    };
    let mut faults = Vec::new();
    if summary.upload_user_id.is_empty() {
        faults.push(Failure::internal(format!(
            "invalid 'upload_user_id' in the summary file at {folder:?}"
        )));
    }
    let times =
        [("upload_start", &summary.upload_start), ("upload_finish", &summary.upload_finish)];
    for (name, text) in times {
        if let Err(why) = time::parse(text) {
            faults.push(Failure::internal(format!(
                "could not parse '{name}' from the summary file at {folder:?}; {why}"
            )));
        }
    }
    faults
}
