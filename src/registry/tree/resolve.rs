//! Where the symbolic links of a version may lead.
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

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::digest::Source;
use crate::error::IoContext;
use crate::fs::open::Root;
use crate::registry::failure::{Failure, FailureContext};
use crate::registry::format::layout::{self, Layout};
use crate::registry::format::links::Owner;
use crate::registry::format::model::{Link, Manifest, ManifestEntry};
use crate::registry::tree::store;
use crate::relpath::clean_path;
use crate::shared::Memory;

/// Manifests kept while one request resolves its links.
const CACHED_MANIFESTS: usize = 64;

/// Where a symbolic link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// To a path of the same version.
    Local(String),
    /// To a file of another version; size and checksum are those of its manifest.
    Registry(ManifestEntry),
    /// To a file in a whitelisted directory.
    Whitelisted(Outside),
}

/// A file in a whitelisted directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outside {
    /// Its absolute path, as a link has it.
    pub(super) path: PathBuf,
    /// A whitelisted directory, free of links.
    root: PathBuf,
    /// Where the file is in there, free of links too.
    inside: String,
}

impl Source for Outside {
    fn open(&self) -> crate::Result<(File, u64)> {
        // Whoever may write there may have put a link in its place meanwhile.
        let opened = Root::open(&self.root).and_then(|root| root.regular(&self.inside));
        let (file, stat) = opened.at(&self.path)?;
        Ok((file, stat.size()))
    }

    fn path(&self) -> PathBuf {
        self.path.clone()
    }
}

/// Resolves the links of one version.
#[derive(Debug)]
pub(super) struct Resolver<'a> {
    layout: &'a Layout,
    whitelist: &'a [PathBuf],
    owner: Owner<'a>,
    /// The directory that is walked: a source directory, or the version directory.
    base: &'a Path,
    manifests: Manifests,
}

impl<'a> Resolver<'a> {
    /// A resolver for the links below `base`, which is or becomes the version `owner`.
    pub(super) fn new(
        layout: &'a Layout,
        whitelist: &'a [PathBuf],
        owner: Owner<'a>,
        base: &'a Path,
    ) -> Self {
        Self { layout, whitelist, owner, base, manifests: Manifests::default() }
    }

    /// The absolute target of the link at `path` whose text is `text`.
    pub(super) fn target_path(&self, path: &str, text: &str) -> PathBuf {
        if text.starts_with('/') {
            PathBuf::from(text)
        } else {
            let folder = self.base.join(path);
            let folder = folder.parent().unwrap_or(self.base);
            clean_path(&folder.join(text))
        }
    }

    /// Judges the link at `path` whose text is `text`.
    pub(super) fn resolve(&mut self, path: &str, text: &str) -> Result<Target, Failure> {
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
    pub(super) fn is_whitelisted(&self, path: &Path) -> bool {
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
    pub(super) fn entry_of(&mut self, link: &Link) -> Result<ManifestEntry, Failure> {
        let name = format!("{}/{}/{}", link.project, link.asset, link.version);
        let manifest = self.manifests.regular(self.layout, &name)?;
        let entry = manifest.get(&link.path).ok_or_else(|| {
            Failure::internal(format!(
                "could not find link target '{}' in the manifest of '{name}'",
                link.path
            ))
        })?;
        Ok(entry.linked(link.clone()))
    }

    /// Adds an entry for each local link (path to target path) to `entries`.
    pub(super) fn add_local(
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
                let entry = entries[target].linked(self.owner.link(target));
                entries.insert(path.clone(), entry);
            }
        }
        Ok(())
    }
}

/// Manifests by `project/asset/version`, a bounded number of them.
#[derive(Debug, Default)]
pub(super) struct Manifests {
    known: Memory<String, Arc<Manifest>, CACHED_MANIFESTS>,
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
    pub(super) fn any(&mut self, layout: &Layout, name: &str) -> Result<Arc<Manifest>, Failure> {
        if let Some(manifest) = self.known.get(name) {
            return Ok(Arc::clone(manifest));
        }
        let manifest = Arc::new(store::manifest(&layout.root().join(name))?);
        self.known.insert(name.to_owned(), Arc::clone(&manifest));
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Owner<'_> = Owner { project: "p", asset: "a", version: "v2" };

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
        assert_eq!(entries["b"].link, Some(OWNER.link("f")));
        assert_eq!(entries["a"], entries["b"].linked(OWNER.link("b")));
        let cycle = BTreeMap::from([("x".to_owned(), "y".into()), ("y".to_owned(), "x".into())]);
        let failure = resolver.add_local(&mut entries, &cycle).unwrap_err();
        assert_eq!(failure.reason, "cyclic symlinks detected at \"x\"");
    }

    /// A registry with one file on probation and one that is not, and a whitelisted directory.
    struct Fixture {
        folder: tempfile::TempDir,
    }

    impl Fixture {
        fn new() -> Self {
            let fixture = Self { folder: tempfile::tempdir().unwrap() };
            for path in ["r/p/a/v1", "r/p/a/v2/d", "r/p/a/v3", "white/d", "whitest", "else"] {
                fs::create_dir_all(fixture.path(path)).unwrap();
            }
            for path in ["r/p/a/v1/f", "r/p/a/v2/f", "r/p/a/v3/f", "white/f", "whitest/f", "else/f"]
            {
                fs::write(fixture.path(path), "x").unwrap();
            }
            let entry = ManifestEntry { size: 1, md5sum: "x".into(), link: None };
            let linked = entry.linked(Owner { version: "v0", ..OWNER }.link("g"));
            for (version, summary) in [("v1", "{}"), ("v3", r#"{"on_probation": true}"#)] {
                let folder = fixture.path("r/p/a").join(version);
                let manifest = Manifest::from([
                    ("f".to_owned(), entry.clone()),
                    ("l".to_owned(), linked.clone()),
                ]);
                let text = serde_json::to_vec(&manifest).unwrap();
                fs::write(folder.join("..manifest"), text).unwrap();
                fs::write(folder.join("..summary"), summary).unwrap();
                fs::write(folder.join("l"), "x").unwrap();
            }
            fs::write(fixture.path("r/top"), "x").unwrap();
            crate::system::new_link(fixture.path("else/f"), fixture.path("white/out")).unwrap();
            fixture
        }

        fn path(&self, path: &str) -> PathBuf {
            self.folder.path().join(path)
        }

        fn resolve(&self, text: &str) -> Result<Target, Failure> {
            let layout = Layout::new(self.path("r"));
            let whitelist = [self.path("white")];
            let base = self.path("r/p/a/v2");
            Resolver::new(&layout, &whitelist, OWNER, &base).resolve("d/link", text)
        }
    }

    #[test]
    fn a_link_is_judged_by_where_it_leads() {
        let fixture = Fixture::new();
        let at = |path: &str| fixture.path(path).to_str().unwrap().to_owned();
        let entry = |version: &str, path: &str| {
            let link = Owner { version, ..OWNER }.link(path);
            ManifestEntry { size: 1, md5sum: "x".into(), link: Some(link) }
        };
        assert_eq!(fixture.resolve("../f").unwrap(), Target::Local("f".into()));
        assert_eq!(fixture.resolve(&at("r/p/a/v2/f")).unwrap(), Target::Local("f".into()));
        for text in ["../../v1/f", &at("r/p/a/v1/f")] {
            assert_eq!(fixture.resolve(text).unwrap(), Target::Registry(entry("v1", "f")));
        }
        let Target::Registry(linked) = fixture.resolve("../../v1/l").unwrap() else { panic!() };
        assert_eq!(linked.link.unwrap().ancestor.unwrap().registry_path(), "p/a/v0/g");
        for path in ["white/f", "white/d/../f"] {
            let Target::Whitelisted(file) = fixture.resolve(&at(path)).unwrap() else { panic!() };
            assert_eq!((file.path(), file.open().unwrap().1), (fixture.path("white/f"), 1));
        }
        for (path, why) in [
            ("else/f", "outside the registry directory is not allowed"),
            ("whitest/f", "outside the registry directory is not allowed"),
            ("white/out", "another link there leads out"),
            ("white/d", "is a directory"),
            ("none", "failed to stat target"),
            ("r/top", "outside of a project asset version directory"),
            ("r/p/a/v1/..manifest", "internal '..' files"),
            ("r/p/a/v3/f", "probational"),
        ] {
            let failure = fixture.resolve(&at(path)).unwrap_err();
            assert!(failure.reason.contains(why), "{path}: {failure}");
        }
    }

    #[test]
    fn a_link_into_the_version_that_is_being_made_is_refused() {
        let fixture = Fixture::new();
        let layout = Layout::new(fixture.path("r"));
        // An upload comes from elsewhere, so what is in the version is not local to it.
        let (base, target) = (fixture.path("else"), fixture.path("r/p/a/v2/f"));
        let failure = Resolver::new(&layout, &[], OWNER, &base)
            .resolve("link", target.to_str().unwrap())
            .unwrap_err();
        assert!(failure.reason.contains("currently-transferring"), "{failure}");
    }

    #[test]
    fn manifests_are_read_once() {
        let fixture = Fixture::new();
        let layout = Layout::new(fixture.path("r"));
        let mut manifests = Manifests::default();
        let first = manifests.any(&layout, "p/a/v1").unwrap();
        fs::remove_file(fixture.path("r/p/a/v1/..manifest")).unwrap();
        for again in [manifests.any(&layout, "p/a/v1"), manifests.regular(&layout, "p/a/v1")] {
            assert!(Arc::ptr_eq(&first, &again.unwrap()));
        }
        assert!(manifests.any(&layout, "p/a/none").is_err());
        assert!(manifests.regular(&layout, "p/a/v3").is_err(), "it is on probation");
    }

    #[test]
    fn a_local_link_to_nothing_is_refused() {
        let root = Layout::new("/r");
        let resolver = Resolver::new(&root, &[], OWNER, Path::new("/s"));
        let local = BTreeMap::from([("a".to_owned(), "gone".to_owned())]);
        let failure = resolver.add_local(&mut Manifest::new(), &local).unwrap_err();
        assert!(failure.reason.contains("\"gone\" should point to a file"), "{failure}");
    }
}
