//! Resolving, deduplicating and writing links.
//!
//! A symbolic link of a version is judged by where its target lies, in this order:
//!
//! 1. inside the version itself: a local link;
//! 2. inside the registry: a link to a file of another version, which must not be on probation;
//! 3. inside a whitelisted directory, by its text as well as in truth: kept as it is, and counted
//!    like a plain file;
//! 4. anywhere else: refused.
//!
//! The target must exist and must not be a directory. If the target is itself a link, its origin
//! is recorded as the `ancestor`, and the symbolic link in the registry points at that.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::failure::{Failure, FailureContext};
use super::layout::{self, Layout};
use super::model::{Link, Links, Manifest, ManifestEntry};
use super::store;
use crate::digest::Source;
use crate::error::IoContext;
use crate::fs::beneath::Root;
use crate::relpath::clean_path;

/// Manifests kept while one request resolves its links.
const CACHED_MANIFESTS: usize = 64;

/// The version whose links are resolved.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// Its project.
    pub project: &'a str,
    /// Its asset.
    pub asset: &'a str,
    /// Its version.
    pub version: &'a str,
}

impl Owner<'_> {
    /// A link to `path` in this version.
    pub fn link(&self, path: &str, ancestor: Option<Link>) -> Link {
        Link {
            project: self.project.to_owned(),
            asset: self.asset.to_owned(),
            version: self.version.to_owned(),
            path: path.to_owned(),
            ancestor: ancestor.map(Box::new),
        }
    }

    fn holds(&self, link: &Link) -> bool {
        (link.project.as_str(), link.asset.as_str(), link.version.as_str())
            == (self.project, self.asset, self.version)
    }
}

/// Where a symbolic link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To a path of the same version.
    Local(String),
    /// To a file of another version; size and checksum are those of its manifest.
    Registry(ManifestEntry),
    /// To a file in a whitelisted directory.
    Whitelisted(Outside),
}

/// A file in a whitelisted directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outside {
    /// Its absolute path, as a link has it.
    pub path: PathBuf,
    /// A whitelisted directory, free of links.
    root: PathBuf,
    /// Where the file is in there, free of links too.
    inside: String,
}

impl Source for Outside {
    fn open(&self) -> crate::Result<(File, u64)> {
        // Whoever may write there may have put a link in its place meanwhile.
        let opened = Root::open(&self.root).and_then(|root| root.open_file(&self.inside));
        let (file, stat) = opened.at(&self.path)?;
        Ok((file, u64::try_from(stat.st_size).unwrap_or_default()))
    }

    fn path(&self) -> PathBuf {
        self.path.clone()
    }
}

/// Resolves the links of one version.
#[derive(Debug)]
pub struct Resolver<'a> {
    layout: &'a Layout,
    whitelist: &'a [PathBuf],
    owner: Owner<'a>,
    /// The directory that is walked: a source directory, or the version directory.
    base: &'a Path,
    manifests: Manifests,
}

impl<'a> Resolver<'a> {
    /// A resolver for the links below `base`, which is or becomes the version `owner`.
    pub fn new(
        layout: &'a Layout,
        whitelist: &'a [PathBuf],
        owner: Owner<'a>,
        base: &'a Path,
    ) -> Self {
        Self { layout, whitelist, owner, base, manifests: Manifests::default() }
    }

    /// The absolute target of the link at `path` whose text is `text`.
    pub fn target_path(&self, path: &str, text: &str) -> PathBuf {
        if text.starts_with('/') {
            PathBuf::from(text)
        } else {
            let folder = self.base.join(path);
            let folder = folder.parent().unwrap_or(self.base);
            clean_path(&folder.join(text))
        }
    }

    /// Judges the link at `path` whose text is `text`.
    pub fn resolve(&mut self, path: &str, text: &str) -> Result<Target, Failure> {
        let full = self.base.join(path);
        let target = self.target_path(path, text);
        let found = fs::metadata(&target)
            .map_err(|error| Failure::system("stat", &target, &error))
            .within(|| format!("failed to stat target of link {full:?}"))?;
        if found.is_dir() {
            return Err(Failure::internal(format!("target of link {full:?} is a directory")));
        }
        let cleaned = clean_path(&target);
        if let Ok(inside) = cleaned.strip_prefix(self.base) {
            return Ok(Target::Local(inside.to_string_lossy().into_owned()));
        }
        if let Ok(inside) = cleaned.strip_prefix(self.layout.root()) {
            let inside = inside.to_string_lossy();
            return self.in_registry(&inside).map(Target::Registry).within(|| {
                format!("failed to resolve symlink for {full:?} to registry path {cleaned:?}")
            });
        }
        if !found.is_file() {
            return Err(Failure::internal(format!("target of link {full:?} is not a file")));
        }
        let refusal = Failure::internal(format!(
            "symbolic link {path:?} to file {target:?} outside the registry directory is not allowed"
        ));
        if !self.is_whitelisted(&cleaned) {
            return Err(refusal);
        }
        self.outside(&cleaned).map(Target::Whitelisted).ok_or_else(|| {
            refusal.with_suffix("; another link there leads out of the whitelisted directory")
        })
    }

    /// The file at `path`, which lies in a whitelisted directory by its text; `None` if it lies
    /// elsewhere in truth.
    fn outside(&self, path: &Path) -> Option<Outside> {
        let real = fs::canonicalize(path).ok()?;
        self.whitelist.iter().find_map(|folder| {
            let root = fs::canonicalize(folder).ok()?;
            let inside = real.strip_prefix(&root).ok()?.to_str()?.to_owned();
            Some(Outside { path: path.to_owned(), root, inside })
        })
    }

    /// True if `path` lies in a whitelisted directory by its text.
    pub fn is_whitelisted(&self, path: &Path) -> bool {
        self.whitelist.iter().any(|folder| path.starts_with(folder))
    }

    /// The entry of a link to `inside`, a path relative to the registry.
    fn in_registry(&mut self, inside: &str) -> Result<ManifestEntry, Failure> {
        let parts: Vec<&str> = inside.splitn(4, '/').collect();
        let &[project, asset, version, path] = parts.as_slice() else {
            return Err(Failure::internal(format!(
                "unexpected link to file outside of a project asset version directory ('{inside}')"
            )));
        };
        if inside.split('/').any(layout::is_internal) {
            return Err(Failure::internal(format!(
                "link components cannot refer to internal '..' files ({inside:?})"
            )));
        }
        let link = Link {
            project: project.to_owned(),
            asset: asset.to_owned(),
            version: version.to_owned(),
            path: path.to_owned(),
            ancestor: None,
        };
        if self.owner.holds(&link) {
            return Err(Failure::internal(format!(
                "cannot link to file inside the currently-transferring project asset version \
                 directory ('{inside}')"
            )));
        }
        self.entry_of(&link)
    }

    /// The entry of a link to `link`, a file of another version that is not on probation.
    pub fn entry_of(&mut self, link: &Link) -> Result<ManifestEntry, Failure> {
        let name = format!("{}/{}/{}", link.project, link.asset, link.version);
        let manifest = self.manifests.regular(self.layout, &name)?;
        let entry = manifest.get(&link.path).ok_or_else(|| {
            Failure::internal(format!(
                "could not find link target '{}' in the manifest of '{name}'",
                link.path
            ))
        })?;
        let ancestor = entry.link.as_ref().map(|above| Box::new(above.origin().clone()));
        Ok(ManifestEntry {
            size: entry.size,
            md5sum: entry.md5sum.clone(),
            link: Some(Link { ancestor, ..link.clone() }),
        })
    }

    /// Adds an entry for each local link (path to target path) to `entries`.
    pub fn add_local(
        &self,
        entries: &mut Manifest,
        local: &BTreeMap<String, String>,
    ) -> Result<(), Failure> {
        for start in local.keys() {
            // Follow the chain to something known, then come back and fill in each link.
            let mut chain = Vec::new();
            let mut at = start;
            while !entries.contains_key(at) {
                if chain.contains(&at) {
                    return Err(Failure::internal(format!("cyclic symlinks detected at {at:?}")));
                }
                chain.push(at);
                at = local.get(at).ok_or_else(|| {
                    Failure::internal(format!(
                        "symlink at {at:?} should point to a file in the manifest or another symlink"
                    ))
                })?;
            }
            for path in chain.into_iter().rev() {
                let target = &local[path];
                let known = &entries[target];
                let ancestor = known.link.as_ref().map(|above| above.origin().clone());
                let entry = ManifestEntry {
                    size: known.size,
                    md5sum: known.md5sum.clone(),
                    link: Some(self.owner.link(target, ancestor)),
                };
                entries.insert(path.clone(), entry);
            }
        }
        Ok(())
    }
}

/// Manifests by `project/asset/version`, a bounded number of them.
#[derive(Debug, Default)]
pub struct Manifests {
    known: HashMap<String, Arc<Manifest>>,
}

impl Manifests {
    /// The manifest of a version that must not be on probation.
    fn regular(&mut self, layout: &Layout, name: &str) -> Result<Arc<Manifest>, Failure> {
        if let Some(manifest) = self.known.get(name) {
            return Ok(Arc::clone(manifest));
        }
        let summary = store::summary(&layout.root().join(name))
            .within(|| format!("cannot read the version summary for '{name}'"))?;
        if summary.is_probational() {
            return Err(Failure::internal(format!(
                "cannot link to file inside a probational project version asset directory ('{name}')"
            )));
        }
        self.any(layout, name).within(|| format!("cannot read the manifest for '{name}'"))
    }

    /// The manifest of any version.
    pub fn any(&mut self, layout: &Layout, name: &str) -> Result<Arc<Manifest>, Failure> {
        if let Some(manifest) = self.known.get(name) {
            return Ok(Arc::clone(manifest));
        }
        let manifest = Arc::new(store::manifest(&layout.root().join(name))?);
        if self.known.len() >= CACHED_MANIFESTS {
            self.known.clear();
        }
        self.known.insert(name.to_owned(), Arc::clone(&manifest));
        Ok(manifest)
    }
}

/// The files of the latest version by size and checksum, for deduplication.
#[derive(Debug, Default)]
pub struct DedupIndex {
    sizes: HashSet<u64>,
    /// Links by path, for each size and MD5 checksum: many files may be equal, or as large.
    by_content: HashMap<(u64, String), BTreeMap<String, Link>>,
}

impl DedupIndex {
    /// An index of the files of `manifest`, the manifest of the version `owner`.
    ///
    /// Files that lie in whitelisted directories count; empty directories do not.
    pub fn new(owner: Owner<'_>, manifest: Manifest) -> Self {
        let mut index = Self::default();
        for (path, entry) in manifest {
            if entry.md5sum.is_empty() {
                continue;
            }
            let ancestor = entry.link.as_ref().map(|above| above.origin().clone());
            let link = owner.link(&path, ancestor);
            index.sizes.insert(entry.size);
            index.by_content.entry((entry.size, entry.md5sum)).or_default().insert(path, link);
        }
        index
    }

    /// True if some file has this size.
    pub fn has_size(&self, size: u64) -> bool {
        self.sizes.contains(&size)
    }

    /// The file to link to: the one at the same path if it is equal, else the first in byte order.
    pub fn find(&self, path: &str, size: u64, md5sum: String) -> Option<&Link> {
        let equal = self.by_content.get(&(size, md5sum))?;
        equal.get(path).or_else(|| equal.values().next())
    }
}

/// The text of the symbolic link at `path` of version `owner` that leads to `link`'s origin.
pub fn text(owner: Owner<'_>, path: &str, link: &Link) -> String {
    let origin = link.origin();
    let mut from: Vec<&str> = vec![owner.project, owner.asset, owner.version];
    from.extend(path.split('/'));
    from.pop();
    let mut to: Vec<&str> = vec![&origin.project, &origin.asset, &origin.version];
    to.extend(origin.path.split('/'));
    // The last component of `to` is the file itself, never a directory in common.
    let common = from.iter().zip(&to[..to.len() - 1]).take_while(|(a, b)| a == b).count();
    let mut text = "../".repeat(from.len() - common);
    text.push_str(&to[common..].join("/"));
    text
}

/// The same where the version is in a registry: relative texts do not lead out of a project that
/// is in another place than the registry.
pub fn text_in(layout: &Layout, owner: Owner<'_>, path: &str, link: &Link) -> String {
    let origin = link.origin();
    if origin.project != owner.project && layout.place_of_link(owner.project).is_some() {
        return layout.root().join(origin.registry_path()).to_string_lossy().into_owned();
    }
    text(owner, path, link)
}

/// The content of all `..links` files: directory (empty for the root) to file name to link.
pub fn by_folder(manifest: &Manifest) -> BTreeMap<String, Links> {
    let mut folders: BTreeMap<String, Links> = BTreeMap::new();
    for (path, entry) in manifest {
        if let Some(link) = &entry.link {
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
            folders.entry(folder.to_owned()).or_default().insert(name.to_owned(), link.clone());
        }
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Owner<'_> = Owner { project: "p", asset: "a", version: "v2" };

    fn link(project: &str, asset: &str, version: &str, path: &str) -> Link {
        Owner { project, asset, version }.link(path, None)
    }

    #[test]
    fn texts_are_relative_and_lead_to_the_ancestor() {
        for (path, link, expected) in [
            ("l", link("p", "a", "v2", "t"), "t"),
            ("s/l", link("p", "a", "v2", "t"), "../t"),
            ("s/l", link("p", "a", "v2", "s/t"), "t"),
            ("l", link("p", "a", "v1", "x"), "../v1/x"),
            ("l", link("q", "a", "v2", "x"), "../../../q/a/v2/x"),
            ("d/l", link("q", "b", "v", "d/x"), "../../../../q/b/v/d/x"),
            ("t/l", link("p", "a", "v2", "t"), "../t"),
        ] {
            assert_eq!(text(OWNER, path, &link), expected);
        }
        let far = Link {
            ancestor: Some(Box::new(link("q", "a", "v1", "y"))),
            ..link("p", "a", "v1", "x")
        };
        assert_eq!(text(OWNER, "l", &far), "../../../q/a/v1/y");
    }

    #[test]
    fn equal_files_prefer_the_same_path() {
        let entry = |size, md5sum: &str| ManifestEntry { size, md5sum: md5sum.into(), link: None };
        let manifest = Manifest::from([
            ("a".into(), entry(1, "x")),
            ("b".into(), entry(1, "x")),
            ("c".into(), entry(0, "")),
        ]);
        let index = DedupIndex::new(OWNER, manifest);
        assert_eq!(index.find("b", 1, "x".into()).unwrap().path, "b");
        assert_eq!(index.find("z", 1, "x".into()).unwrap().path, "a");
        assert_eq!(index.find("a", 1, "y".into()), None);
        assert_eq!(index.find("c", 0, String::new()), None);
        assert!(index.has_size(1) && !index.has_size(0));
    }

    #[test]
    fn local_chains_end_at_the_origin_and_cycles_are_refused() {
        let root = Layout::new("/r");
        let resolver = Resolver::new(&root, &[], OWNER, Path::new("/s"));
        let mut entries = Manifest::from([(
            "f".into(),
            ManifestEntry { size: 1, md5sum: "x".into(), link: None },
        )]);
        let local =
            BTreeMap::from([("a".to_owned(), "b".to_owned()), ("b".to_owned(), "f".to_owned())]);
        resolver.add_local(&mut entries, &local).unwrap();
        assert_eq!(entries["b"].link, Some(OWNER.link("f", None)));
        assert_eq!(entries["a"].link, Some(OWNER.link("b", Some(OWNER.link("f", None)))));
        let cycle = BTreeMap::from([("x".to_owned(), "y".into()), ("y".to_owned(), "x".into())]);
        let failure = resolver.add_local(&mut entries, &cycle).unwrap_err();
        assert_eq!(failure.reason, "cyclic symlinks detected at \"x\"");
    }
}
