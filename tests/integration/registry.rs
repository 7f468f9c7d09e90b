//! A registry in a temporary folder, and short ways to work with it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use selenite::job::Job;
use selenite::names::{AssetName, ProjectName, VersionName};
use selenite::registry::Failure;
use selenite::registry::format::model::Manifest;
use selenite::registry::tree::store;
use selenite::registry::tree::{Engine, Options, PermissionsChange, Upload};

pub(crate) struct Registry {
    folder: tempfile::TempDir,
    pub(crate) engine: Engine,
}

pub(crate) fn names(
    project: &str,
    asset: &str,
    version: &str,
) -> (ProjectName, AssetName, VersionName) {
    (
        ProjectName::parse(project).unwrap(),
        AssetName::parse(asset).unwrap(),
        VersionName::parse(version).unwrap(),
    )
}

impl Registry {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["registry", "staging", "other"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let engine = Self::open(folder.path());
        Self { folder, engine }
    }

    fn open(folder: &Path) -> Engine {
        Engine::open(Options {
            registry: folder.join("registry"),
            administrators: vec!["admin".into()],
            whitelist: Vec::new(),
            allow_roots: Vec::new(),
            durable: false,
        })
        .unwrap()
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("registry")
    }

    pub(crate) fn other(&self) -> PathBuf {
        self.folder.path().join("other")
    }

    pub(crate) fn create(&self, project: &str) {
        let (project, ..) = names(project, "-", "-");
        let none = PermissionsChange::default();
        drop(self.engine.create_project("admin", &project, none, &Job::default()).unwrap());
    }

    /// Makes a source directory: `path` to content, or `-> target` for a link, or `/` for a folder.
    pub(crate) fn source(&self, name: &str, tree: &[(&str, &str)]) -> PathBuf {
        let source = self.folder.path().join("staging").join(name);
        fs::create_dir_all(&source).unwrap();
        for (path, content) in tree {
            let full = source.join(path);
            fs::create_dir_all(full.parent().unwrap()).unwrap();
            if let Some(target) = content.strip_prefix("-> ") {
                std::os::unix::fs::symlink(target, full).unwrap();
            } else if *content == "/" {
                fs::create_dir_all(full).unwrap();
            } else {
                fs::write(full, content).unwrap();
            }
        }
        source
    }

    pub(crate) fn upload(
        &self,
        to: (&str, &str, &str),
        source: &Path,
        change: impl FnOnce(&mut Upload<'_>),
    ) -> Result<(), Failure> {
        let (project, asset, version) = names(to.0, to.1, to.2);
        let mut upload = Upload {
            project: &project,
            asset: &asset,
            version: &version,
            source,
            source_owner: None,
            user: "admin",
            on_probation: false,
            consume: false,
            ignore_dot: false,
        };
        change(&mut upload);
        self.engine.upload(&upload, &Job::default()).map(drop)
    }

    pub(crate) fn manifest(&self, path: &str) -> Manifest {
        store::manifest(&self.root().join(path)).unwrap()
    }

    pub(crate) fn usage(&self, project: &str) -> u64 {
        store::usage(&self.root().join(project)).unwrap().unwrap().total
    }

    pub(crate) fn latest(&self, asset: &str) -> Option<String> {
        store::latest(&self.root().join(asset)).unwrap().map(|latest| latest.version)
    }

    pub(crate) fn validate(&self, project: &str, asset: &str, version: &str) {
        let (project, asset, version) = names(project, asset, version);
        self.engine.validate_version(&project, &asset, &version, &Job::default()).unwrap();
    }

    /// Everything below the registry but locks and logs: path to content or link target.
    pub(crate) fn listing(&self) -> BTreeMap<String, String> {
        listing(&self.root())
            .into_iter()
            .filter(|(path, _)| !path.contains("..LOCK") && !path.starts_with("..logs"))
            .collect()
    }

    pub(crate) fn logs(&self) -> usize {
        fs::read_dir(self.root().join("..logs")).unwrap().count()
    }
}

pub(crate) fn listing(root: &Path) -> BTreeMap<String, String> {
    walkdir::WalkDir::new(root)
        .min_depth(1)
        .into_iter()
        .map(|entry| {
            let entry = entry.unwrap();
            let path = entry.path().strip_prefix(root).unwrap().display().to_string();
            let content = if entry.file_type().is_symlink() {
                format!("-> {}", fs::read_link(entry.path()).unwrap().display())
            } else if entry.file_type().is_dir() {
                "/".to_owned()
            } else {
                String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).into_owned()
            };
            (path, content)
        })
        .collect()
}
