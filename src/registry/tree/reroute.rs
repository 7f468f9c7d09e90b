//! Rewriting the links that would be lost with a deletion.
//!
//! For each link outside of the doomed versions, let *parent* be what it points to and *ancestor*
//! the end of the chain, if that is another file:
//!
//! 1. neither is lost: the link stays as it is;
//! 2. the parent is lost: the first file of the chain that is not lost takes its place; if there is
//!    none, the link becomes a copy;
//! 3. the ancestor is lost: the last file of the chain after the (new) parent that is not lost
//!    takes its place, if there is one.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;

use super::Engine;
use super::commit::Commit;
use super::place::write_copy;
use super::resolve::Manifests;
use crate::digest;
use crate::fs::open::{self, Stamp};
use crate::job::Job;
use crate::names::{AssetName, ProjectName, VersionName};
use crate::parallel;
use crate::registry::failure::{Failure, FailureContext};
use crate::registry::format::layout;
use crate::registry::format::links::{self, Owner};
use crate::registry::format::model::{Link, Links, Manifest, Usage};
use crate::registry::tree::store;
use crate::system;

/// What is going to be deleted: a project, an asset or a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doomed {
    /// Project.
    pub project: ProjectName,
    /// Only this asset, if given.
    pub asset: Option<AssetName>,
    /// Only this version of the asset, if given.
    pub version: Option<VersionName>,
}

/// What happens to one link.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    /// Whether the link becomes a copy of the file.
    pub copy: bool,
    /// The link, as `project/asset/version/path`.
    pub path: String,
    /// The file that is lost, in the same form.
    pub source: String,
    /// Bytes by which the usage of the link's project grows.
    pub usage: u64,
}

/// What becomes of one link.
enum Fate {
    Stays,
    BecomesCopy,
    Becomes(Link),
}

/// The changes of one version.
struct Plan {
    /// `project/asset/version`.
    version: String,
    manifest: Manifest,
    /// Path of each changed link, and where its content was.
    changed: BTreeMap<String, Link>,
}

/// A link that becomes a file.
struct Copy<'a> {
    /// `project/asset/version` of the link.
    version: &'a str,
    from: PathBuf,
    stage: PathBuf,
    target: PathBuf,
    size: u64,
    md5sum: String,
}

impl Engine {
    /// Rewrites all links into what is doomed; deletes nothing. With `dry_run` only says what would
    /// be done. The changes are sorted by path.
    pub fn reroute_links(
        &self,
        doomed: &[Doomed],
        dry_run: bool,
        job: &Job,
    ) -> Result<Vec<Change>, Failure> {
        let root = self.layout.root();
        let _registry = self.lock(root, layout::LOCK, crate::fs::lock::Mode::Exclusive, job)?;
        let versions = self.expand(doomed)?;
        let mut lost = HashSet::new();
        for version in &versions {
            lost.extend(
                self.manifest_of(version)?.into_keys().map(|path| format!("{version}/{path}")),
            );
        }
        if lost.is_empty() {
            return Ok(Vec::new());
        }
        let (plans, mut changes) = self.plan(&versions, &lost, job)?;
        if !dry_run {
            self.reroute(&plans, &changes, job)?;
        }
        changes.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(changes)
    }

    /// All versions that are doomed, as `project/asset/version`.
    fn expand(&self, doomed: &[Doomed]) -> Result<BTreeSet<String>, Failure> {
        let root = self.layout.root();
        let mut versions = BTreeSet::new();
        for Doomed { project, asset, version } in doomed {
            let assets = match asset {
                Some(asset) => vec![asset.to_string()],
                None => store::children(&root.join(project))?,
            };
            for asset in assets {
                let found = match version {
                    Some(version) => vec![version.to_string()],
                    None => store::versions(&root.join(project).join(&asset))?,
                };
                versions.extend(found.iter().map(|version| format!("{project}/{asset}/{version}")));
            }
        }
        Ok(versions)
    }

    fn manifest_of(&self, version: &str) -> Result<Manifest, Failure> {
        let folder = self.layout.root().join(version);
        store::manifest(&folder).within(|| format!("failed to read manifest at {folder:?}"))
    }

    /// Goes through every version of the registry that is not doomed.
    fn plan(
        &self,
        doomed: &BTreeSet<String>,
        lost: &HashSet<String>,
        job: &Job,
    ) -> Result<(Vec<Plan>, Vec<Change>), Failure> {
        let root = self.layout.root();
        let mut manifests = Manifests::default();
        let (mut plans, mut changes) = (Vec::new(), Vec::new());
        for project in store::projects(&self.layout)? {
            let assets = store::children(&root.join(&project));
            for asset in assets.map_err(|failure| within(&project, failure))? {
                let inside = format!("{project}/{asset}");
                let versions = store::versions(&root.join(&inside));
                for version in versions.map_err(|failure| within(&inside, failure))? {
                    job.check()?;
                    let version = format!("{inside}/{version}");
                    if doomed.contains(&version) {
                        continue;
                    }
                    let at = |failure| within(&version, failure);
                    let mut manifest = self.manifest_of(&version).map_err(at)?;
                    let mut changed = BTreeMap::new();
                    for (path, entry) in &mut manifest {
                        let Some(link) = entry.link.clone() else { continue };
                        let new = match self.fate(&link, lost, &mut manifests).map_err(at)? {
                            Fate::Stays => continue,
                            Fate::BecomesCopy => None,
                            Fate::Becomes(new) => Some(new),
                        };
                        let is_copy = new.is_none();
                        let parent = link.without_ancestor().registry_path();
                        changes.push(Change {
                            copy: is_copy,
                            path: format!("{version}/{path}"),
                            source: if lost.contains(&parent) {
                                parent
                            } else {
                                link.origin().registry_path()
                            },
                            usage: if is_copy { entry.size } else { 0 },
                        });
                        entry.link = new;
                        changed.insert(path.clone(), link);
                    }
                    if !changed.is_empty() {
                        plans.push(Plan { version, manifest, changed });
                    }
                }
            }
        }
        Ok((plans, changes))
    }

    fn fate(
        &self,
        link: &Link,
        lost: &HashSet<String>,
        manifests: &mut Manifests,
    ) -> Result<Fate, Failure> {
        let is_lost = |link: &Link| lost.contains(&link.registry_path());
        let Some(ancestor) = link.ancestor.as_deref() else {
            return Ok(if is_lost(link) { Fate::BecomesCopy } else { Fate::Stays });
        };
        if !is_lost(link) && !is_lost(ancestor) {
            return Ok(Fate::Stays);
        }
        let mut living = Vec::new();
        let mut seen = HashSet::new();
        let mut step = Some(link.without_ancestor());
        while let Some(at) = step {
            if !seen.insert(at.registry_path()) {
                break; // a manifest that was edited into a circle has no end to find
            }
            let name = format!("{}/{}/{}", at.project, at.asset, at.version);
            let folder = self.layout.root().join(&name);
            let manifest = manifests
                .any(&self.layout, &name)
                .within(|| format!("failed to read manifest at {folder:?}"))?;
            step = manifest
                .get(&at.path)
                .and_then(|entry| entry.link.as_ref())
                .map(Link::without_ancestor);
            if !is_lost(&at) {
                living.push(at);
            }
        }
        let Some(parent) = living.first() else { return Ok(Fate::BecomesCopy) };
        let ancestor = if is_lost(ancestor) {
            living.iter().skip(1).next_back()
        } else {
            Some(ancestor).filter(|ancestor| ancestor.registry_path() != parent.registry_path())
        };
        Ok(Fate::Becomes(Link { ancestor: ancestor.cloned().map(Box::new), ..parent.clone() }))
    }

    fn reroute(&self, plans: &[Plan], changes: &[Change], job: &Job) -> Result<(), Failure> {
        let root = self.layout.root();
        let mut copies = Vec::new();
        let mut usage: BTreeMap<&str, u64> = BTreeMap::new();
        for change in changes {
            let project = change.path.split('/').next().unwrap_or_default();
            *usage.entry(project).or_default() += change.usage;
        }
        let mut commit = self.prepare()?;
        for plan in plans {
            self.prepare_plan(plan, &mut commit, &mut copies)
                .map_err(|failure| within(&plan.version, failure))?;
        }
        let copy_one =
            |copy: &Copy<'_>| make_copy(copy, job).map_err(|failure| within(copy.version, failure));
        parallel::try_map(&copies, || (), |(), copy| copy_one(copy))?;
        for (project, added) in usage {
            let mut count = || {
                let folder = root.join(project);
                let old = store::usage(&folder)
                    .within(|| format!("failed to read usage for {folder:?}"))?
                    .map_or(0, |usage| usage.total);
                let total = old.saturating_add(added);
                commit.write(&folder.join(layout::USAGE), &Usage { total })
            };
            count().map_err(|failure| within(project, failure))?;
        }
        commit.make()
    }

    /// What becomes of one version. The copies that it gets are still to be made.
    fn prepare_plan<'a>(
        &self,
        plan: &'a Plan,
        commit: &mut Commit<'_>,
        copies: &mut Vec<Copy<'a>>,
    ) -> Result<(), Failure> {
        let folder = self.layout.root().join(&plan.version);
        let mut names = plan.version.splitn(3, '/');
        let owner = Owner {
            project: names.next().unwrap_or_default(),
            asset: names.next().unwrap_or_default(),
            version: names.next().unwrap_or_default(),
        };
        let mut recorded: BTreeMap<String, Links> = BTreeMap::new();
        for (path, old) in &plan.changed {
            let entry = &plan.manifest[path];
            let target = folder.join(path);
            match &entry.link {
                None => copies.push(Copy {
                    version: &plan.version,
                    from: self.layout.root().join(old.origin().registry_path()),
                    stage: commit.place(&target)?,
                    target,
                    size: entry.size,
                    md5sum: entry.md5sum.clone(),
                }),
                Some(link) => {
                    let text = links::text_in(&self.layout, owner, path, link);
                    if text != links::text_in(&self.layout, owner, path, old) {
                        commit.link(&target, &text)?;
                    }
                }
            }
            let inside = path.rsplit_once('/').map_or("", |(inside, _)| inside);
            if !recorded.contains_key(inside)
                && let Some(links) = store::links(&folder.join(inside))?
            {
                recorded.insert(inside.to_owned(), links);
            }
        }
        commit.links(&folder, &recorded, &plan.manifest)?;
        commit.write(&folder.join(layout::MANIFEST), &plan.manifest)
    }
}

/// Puts before a failure where it happened: a project, an asset in it, a version of that.
fn within(place: &str, failure: Failure) -> Failure {
    let names: Vec<_> = ["project", "asset", "version"].into_iter().zip(place.split('/')).collect();
    names.into_iter().rfold(failure, |failure, (kind, name)| {
        failure.within(format!("failed to reroute links of {kind} {name:?}"))
    })
}

fn make_copy(copy: &Copy<'_>, job: &Job) -> Result<(), Failure> {
    // The origin may be a link into a whitelisted directory.
    let (from, stat) = open::regular(&copy.from, system::Links::Follow)?;
    write_copy((&from, &copy.from), &copy.stage, Stamp::of_stat(&stat), job)?;
    let seen = digest::of_file(&copy.stage, job)?;
    if seen.size != copy.size || seen.md5.to_string() != copy.md5sum {
        return Err(Failure::internal(format!(
            "cannot copy {:?} to {:?}; it is not what the manifest says (expected {} bytes with MD5 \
             {}, found {} bytes with MD5 {})",
            copy.from, copy.target, copy.size, copy.md5sum, seen.size, seen.md5
        )));
    }
    Ok(())
}
