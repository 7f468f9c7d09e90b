//! Reindexing a version from its files, and validating it against them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::resolve::{Outside, Resolver, Target};
use super::{Engine, owner};
use crate::digest::{self, Source};
use crate::fs::lock::Mode;
use crate::fs::open;
use crate::fs::walk::{self, Kind};
use crate::job::Job;
use crate::names::{AssetName, ProjectName, VersionName};
use crate::registry::failure::{Failure, FailureContext};
use crate::registry::format::history::Event;
use crate::registry::format::links::{self, Owner};
use crate::registry::format::model::{Link, Links, Manifest, ManifestEntry};
use crate::registry::format::verify::{self, Found};
use crate::registry::format::{layout, time};
use crate::registry::tree::store;
use crate::relpath::clean_path;
use crate::system;

/// A version as its files show it.
struct Index {
    found: Found,
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
            Place::Inside(path) => {
                open::regular(path, system::Links::Refuse).map(|(file, stat)| (file, stat.size()))
            }
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

        let mut commit = self.prepare()?;
        for (path, entry) in &index.found.manifest {
            if let Some(link) = &entry.link {
                let text = links::text_in(&self.layout, owner, path, link);
                if index.texts.get(path) != Some(&text) {
                    commit.link(&folder.join(path), &text)?;
                }
            }
        }
        commit.links(&folder, &index.found.recorded, &index.found.manifest)?;
        if store::manifest(&folder).ok().as_ref() != Some(&index.found.manifest) {
            commit.write(&folder.join(layout::MANIFEST), &index.found.manifest)?;
        }
        if !summary.is_probational() {
            let is_latest = latest.is_some_and(|latest| latest.version == version.as_str());
            let event = Event::of_version("reindex-version", project, asset, version, is_latest);
            commit.log(&event.named())?;
        }
        commit.make()
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
            Faults(verify::compare(&folder, &manifest, &index.found)).into_result()
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
                    manifest.insert(entry.path, ManifestEntry::empty_folder());
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
            manifest.insert(content.path, ManifestEntry::of(seen?, None));
        }
        resolver.add_local(&mut manifest, &local)?;
        Ok(Index { found: Found { manifest, recorded }, texts })
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
        let is_local = owner.link(&parent.path) == parent.without_ancestor();
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
