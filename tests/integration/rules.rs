//! What holds in a tree and in a bucket alike, whoever's rules the rest follows.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use selenite::digest::Hasher;
use selenite::job::Job;
use selenite::names::{AssetName, ProjectName};
use selenite::registry::Failure;
use selenite::registry::bucket::store::{Directory, Objects};
use selenite::registry::bucket::{self, Bucket, Identity, VersionPath};
use selenite::registry::read::{Linked, Registry, Tree, is_absent};
use selenite::relpath::RelPath;
use serde_json::{Value, json};

use crate::registry as tree;

/// Path and content.
type Files<'a> = &'a [(&'a str, &'a str)];

/// A registry with the project `p`, in which `admin` works on the asset `a`.
pub(crate) trait Rules {
    /// Uploads a version; files that the latest version has become links.
    fn upload(&self, version: &str, files: Files<'_>, on_probation: bool) -> Result<(), Failure>;
    fn approve(&self, version: &str) -> Result<(), Failure>;
    fn reject(&self, version: &str) -> Result<(), Failure>;
    fn remove(&self, version: &str) -> Result<(), Failure>;
    fn refresh_usage(&self) -> u64;
    fn refresh_latest(&self) -> Option<String>;
    fn reader(&self) -> Box<dyn Registry>;
}

impl Rules for tree::Registry {
    fn upload(&self, version: &str, files: Files<'_>, on_probation: bool) -> Result<(), Failure> {
        let source = self.source(&format!("{version}-{}", files.len()), files);
        let change = |upload: &mut selenite::registry::tree::Upload<'_>| {
            upload.on_probation = on_probation;
        };
        Self::upload(self, ("p", "a", version), &source, change)
    }

    fn approve(&self, version: &str) -> Result<(), Failure> {
        let (p, a, v) = tree::names("p", "a", version);
        self.engine.approve_probation("admin", &p, &a, &v, &Job::default()).map(drop)
    }

    fn reject(&self, version: &str) -> Result<(), Failure> {
        let (p, a, v) = tree::names("p", "a", version);
        self.engine.reject_probation("admin", &p, &a, &v, false, &Job::default()).map(drop)
    }

    fn remove(&self, version: &str) -> Result<(), Failure> {
        let (p, a, v) = tree::names("p", "a", version);
        self.engine.delete_version(&p, &a, &v, false, &Job::default())
    }

    fn refresh_usage(&self) -> u64 {
        let (p, ..) = tree::names("p", "a", "v");
        self.engine.refresh_usage(&p, &Job::default()).unwrap()
    }

    fn refresh_latest(&self) -> Option<String> {
        let (p, a, _) = tree::names("p", "a", "v");
        self.engine.refresh_latest(&p, &a, &Job::default()).unwrap()
    }

    fn reader(&self) -> Box<dyn Registry> {
        Box::new(Tree::new(self.root()))
    }
}

/// The same in a bucket that is a directory.
pub(crate) struct InBucket {
    pub(crate) objects: Arc<dyn Objects>,
    bucket: Bucket,
}

impl InBucket {
    pub(crate) fn new(folder: &Path) -> Self {
        let objects: Arc<dyn Objects> = Arc::new(Directory::new(folder, false));
        let rules =
            bucket::Options { administrators: vec!["admin".into()], ..bucket::Options::default() };
        let bucket = Bucket::new(Arc::clone(&objects), rules);
        let project = ProjectName::parse("p").unwrap();
        bucket.create_project(&project, &|| Ok(json!({})), &Job::default()).unwrap();
        Self { objects, bucket }
    }

    fn user() -> Identity {
        Identity { login: "admin".into(), organizations: Vec::new() }
    }

    fn version(version: &str) -> VersionPath {
        VersionPath::parse("p", "a", version).unwrap()
    }
}

impl Rules for InBucket {
    fn upload(&self, version: &str, files: Files<'_>, on_probation: bool) -> Result<(), Failure> {
        let (version, job) = (Self::version(version), Job::default());
        let content: BTreeMap<&str, &str> = files.iter().copied().collect();
        let described = files.iter().map(|(path, text)| {
            let mut hasher = Hasher::default();
            hasher.update(text.as_bytes());
            let seen = hasher.finish();
            json!({"type": "dedup", "path": path, "size": seen.size, "md5sum": seen.md5.to_string()})
        });
        let files: Vec<Value> = described.collect();
        let body = json!({"files": files, "on_probation": on_probation});
        let started = self.bucket.start(&version, &body, &Self::user(), None, &job)?;
        for (path, md5sum) in &started.files {
            let files = [(&version, path, md5sum)];
            let file = self.bucket.presign(files, &started.token)?.remove(0);
            let mut incoming = self.bucket.receive(&file)?.unwrap();
            incoming.write(content[path.as_str()].as_bytes())?;
            assert!(self.bucket.place(&file.version, &file.lock, vec![incoming], &job)?);
        }
        self.bucket.complete(&version, &started.token, &job)
    }

    fn approve(&self, version: &str) -> Result<(), Failure> {
        self.bucket.approve(&Self::version(version), &Self::user(), &Job::default())
    }

    fn reject(&self, version: &str) -> Result<(), Failure> {
        self.bucket.reject(&Self::version(version), &Self::user(), &Job::default())
    }

    fn remove(&self, version: &str) -> Result<(), Failure> {
        self.bucket.remove_version(&Self::version(version), &Job::default())
    }

    fn refresh_usage(&self) -> u64 {
        let project = ProjectName::parse("p").unwrap();
        self.bucket.refresh_usage(&project, &Job::default()).unwrap()
    }

    fn refresh_latest(&self) -> Option<String> {
        let (project, asset) = (ProjectName::parse("p").unwrap(), AssetName::parse("a").unwrap());
        self.bucket.refresh_latest(&project, &asset, &Job::default()).unwrap()
    }

    fn reader(&self) -> Box<dyn Registry> {
        Box::new(Linked(Arc::clone(&self.objects)))
    }
}

/// A value of a record; `None` if there is no such record.
fn record(registry: &dyn Registry, path: &str, key: &str) -> Option<Value> {
    let found = registry.read(&RelPath::parse(path).unwrap(), &Job::default());
    match found {
        Err(error) if is_absent(&error) => None,
        other => serde_json::from_slice::<Value>(&other.unwrap()).unwrap().get(key).cloned(),
    }
}

fn hold(rules: &dyn Rules) {
    let registry = rules.reader();
    let usage = || record(&*registry, "p/..usage", "total").unwrap();
    let latest = || record(&*registry, "p/a/..latest", "version");
    let versions = || {
        let asset = RelPath::parse("p/a").unwrap();
        let names = registry.list(Some(&asset), false, &Job::default()).unwrap();
        names.into_iter().filter_map(|name| name.strip_suffix('/').map(str::to_owned))
    };
    let links = |version: &str| {
        let version = RelPath::parse(format!("p/a/{version}")).unwrap();
        let manifest = registry.manifest(&version, &Job::default()).unwrap();
        let linked = manifest
            .into_iter()
            .filter_map(|(path, entry)| Some((path, entry.link?.origin().registry_path())));
        linked.collect::<Vec<_>>()
    };

    // Nothing is there twice, and no version is made twice.
    rules.upload("v1", &[("f", "content"), ("g", "other")], false).unwrap();
    assert_eq!((usage(), latest()), (json!(12), Some(json!("v1"))));
    assert!(rules.upload("v1", &[("f", "content")], false).is_err());
    rules.upload("v2", &[("f", "content"), ("n", "new")], false).unwrap();
    rules.upload("v3", &[("d/f", "content")], false).unwrap();
    assert_eq!(links("v2"), [("f".to_owned(), "p/a/v1/f".to_owned())]);
    assert_eq!(links("v3"), [("d/f".to_owned(), "p/a/v1/f".to_owned())], "links lead to the end");
    assert_eq!((usage(), latest()), (json!(15), Some(json!("v3"))));

    // What is on probation is there, counts, and is not the latest until it is approved.
    for version in ["good", "bad"] {
        rules.upload(version, &[("f", version)], true).unwrap();
    }
    assert_eq!((usage(), latest()), (json!(22), Some(json!("v3"))));
    assert_eq!(record(&*registry, "p/a/good/..summary", "on_probation"), Some(json!(true)));
    rules.reject("bad").unwrap();
    rules.approve("good").unwrap();
    assert_eq!(record(&*registry, "p/a/good/..summary", "on_probation"), None);
    assert_eq!(versions().collect::<Vec<_>>(), ["good", "v1", "v2", "v3"]);
    assert_eq!(usage(), json!(19));
    for refused in [rules.approve("good"), rules.reject("good"), rules.approve("bad")] {
        assert!(refused.is_err());
    }

    // What is removed is not counted, and another is the latest.
    rules.remove("good").unwrap();
    rules.remove("v3").unwrap();
    assert_eq!(usage(), json!(15));
    assert!(versions().eq(["v1", "v2"].map(str::to_owned)));
    assert_eq!(latest(), rules.refresh_latest().map(Value::from));
    assert_eq!(rules.refresh_usage(), 15);
    for version in ["v2", "v1"] {
        rules.remove(version).unwrap();
    }
    assert_eq!((usage(), latest(), rules.refresh_latest()), (json!(0), None, None));
}

#[test]
fn of_a_tree() {
    let registry = tree::Registry::new();
    registry.create("p");
    hold(&registry);
}

#[test]
fn of_a_bucket() {
    let folder = tempfile::tempdir().unwrap();
    hold(&InBucket::new(folder.path()));
}
