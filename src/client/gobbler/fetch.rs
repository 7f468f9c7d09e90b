//! Files and directories of a registry, through a cache when they come from a service.
//!
//! Versions do not change once they are off probation, so what is cached of them is used as it is.
//! Everything else follows from these rules:
//!
//! 1. A version that was on probation when it was cached is looked up again: if its manifest
//!    differs, the cached files that differ are dropped.
//! 2. Downloaded files must have the size and digest that the version's manifest says.
//! 3. A file that the manifest calls a link shares the content of its origin, if that is cached.
//! 4. A directory is marked as complete when all of it is there, and unmarked before it changes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use walkdir::WalkDir;

use super::cache::{Cache, CacheFolder};
use super::service::{Service, Source, is_missing};
use crate::error::IoContext;
use crate::fs::atomic;
use crate::fs::walk::{self, Kind};
use crate::http::Document;
use crate::job::Job;
use crate::registry::layout::{MANIFEST, SUMMARY, is_internal};
use crate::registry::model::{Manifest, ManifestEntry, Summary};
use crate::relpath::RelPath;
use crate::settings::{self, Verify};
use crate::transfer::download::{self, Options};
use crate::transfer::plan::{Expected, Item, differing};
use crate::{Error, Result, runtime};

/// How to fetch.
#[derive(Debug, Clone, Default)]
pub struct FetchOptions {
    /// Where fetched files are kept.
    pub cache: CacheFolder,
    /// Fetch again what is cached.
    pub overwrite: bool,
    /// Downloads at once; 0 or 1 leave the number to the client.
    pub concurrency: usize,
}

/// The folder that holds everything fetched from `url`.
pub fn cache_folder(cache: &CacheFolder, url: &str) -> Result<PathBuf> {
    Cache::new(cache, url).map(Cache::into_root)
}

/// What to fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetch {
    /// One file.
    File,
    /// A directory with everything in it.
    Directory,
}

impl Fetch {
    /// Makes sure that `path` can be read and returns where; in a registry at hand it may be
    /// missing.
    pub fn run(
        self,
        path: &str,
        source: &Source,
        options: &FetchOptions,
        job: &Job,
    ) -> Result<PathBuf> {
        let parsed = RelPath::parse(path.strip_suffix('/').unwrap_or(path))?;
        let url = match source {
            Source::Local(registry) => return Ok(registry.join(path)),
            Source::Remote(url) => url,
        };
        let runtime = runtime::current()?;
        let fetcher = Fetcher {
            service: Service::new(url, &runtime)?,
            cache: Cache::new(&options.cache, url)?,
            verify: settings::verify()?,
            options,
            job,
        };
        runtime.block_on(job.race(async {
            match self {
                Self::File => fetcher.file(&parsed).await,
                Self::Directory => fetcher.directory(&parsed).await,
            }
        }))
    }
}

/// Splits a path into `project/asset/version` and what is inside of the version.
fn split_version(path: &RelPath) -> Option<(RelPath, &str)> {
    let text = path.as_str();
    let ends: Vec<usize> = text.match_indices('/').map(|(at, _)| at).collect();
    let (end, inner) = match ends.get(2) {
        Some(end) => (*end, &text[end + 1..]),
        None if ends.len() == 2 => (text.len(), ""),
        None => return None,
    };
    let version = RelPath::parse(&text[..end]).ok()?;
    if version.components().any(is_internal) { None } else { Some((version, inner)) }
}

fn inside(folder: &RelPath, name: &str) -> Result<RelPath> {
    RelPath::parse(format!("{folder}/{name}"))
}

fn parse_manifest(document: &Document) -> Result<Manifest> {
    document.parse()
}

struct Fetcher<'a> {
    service: Service,
    cache: Cache,
    verify: Verify,
    options: &'a FetchOptions,
    job: &'a Job,
}

impl Fetcher<'_> {
    async fn file(&self, path: &RelPath) -> Result<PathBuf> {
        let target = self.cache.file(path);
        if !self.options.overwrite && target.is_file() {
            if let Some((version, _)) = split_version(path) {
                self.refresh(&version).await?;
            }
            if target.is_file() && self.damaged(std::slice::from_ref(path)).await?.is_empty() {
                return Ok(target);
            }
        }
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).at(folder)?;
        }
        let trusted = !self.options.overwrite && self.has_final_records(path)?;
        match self.get_all(vec![path.clone()], trusted).await {
            // The manifest may have been made anew since it was cached.
            Err(Error::Digest { .. }) if trusted => self.get_all(vec![path.clone()], false).await?,
            other => other?,
        }
        Ok(target)
    }

    /// True if the cached summary of the version around `path` says that it is not on probation.
    fn has_final_records(&self, path: &RelPath) -> Result<bool> {
        let Some((version, inner)) = split_version(path) else { return Ok(false) };
        if inner.split('/').any(is_internal) {
            return Ok(false);
        }
        let summary = self.cache.read(&inside(&version, SUMMARY)?)?;
        let summary = summary.and_then(|text| serde_json::from_slice::<Summary>(&text).ok());
        Ok(summary.is_some_and(|summary| !summary.is_probational()))
    }

    async fn directory(&self, path: &RelPath) -> Result<PathBuf> {
        let target = self.cache.file(path);
        if !self.options.overwrite {
            for version in self.cached_versions(path)? {
                self.refresh(&version).await?;
            }
            if self.cache.is_complete(path) && self.verify != Verify::Always {
                return Ok(target);
            }
        }
        let listing = self.service.list(Some(path), true, self.job).await?;
        if listing.is_empty() && self.is_file(path).await? {
            let error = std::io::Error::from(rustix::io::Errno::NOTDIR);
            return Err(Error::Io { path: path.as_str().into(), source: error });
        }
        let complete = self.cache.mark_incomplete(path)?;
        fs::create_dir_all(&target).at(&target)?;
        let mut files = Vec::new();
        let mut folders = BTreeSet::new();
        for name in &listing {
            if let Some(folder) = name.strip_suffix('/') {
                folders.insert(folder);
                continue;
            }
            files.push(inside(path, name)?);
            folders.extend(name.rsplit_once('/').map(|(folder, _)| folder));
        }
        if self.options.overwrite {
            self.prune(&target, &listing)?;
        }
        for folder in &folders {
            let folder = target.join(folder);
            fs::create_dir_all(&folder).at(&folder)?;
        }
        if !self.options.overwrite {
            let (present, mut missing): (Vec<_>, Vec<_>) =
                files.into_iter().partition(|file| self.cache.file(file).is_file());
            missing.extend(self.damaged(&present).await?);
            files = missing;
        }
        for file in files.iter().map(|file| self.cache.file(file)) {
            if file.is_dir() {
                // What was a directory when it was cached is a file now.
                atomic::remove_tree(&file)?;
            }
        }
        self.get_all(files, false).await?;
        for folder in complete.iter().chain([path]) {
            self.cache.mark_complete(folder)?;
        }
        Ok(target)
    }

    /// Removes what is not in the listing from the cached directory. What is another user's, or in
    /// use, is left.
    fn prune(&self, target: &Path, listing: &[String]) -> Result<()> {
        let mut files = BTreeSet::new();
        let mut folders = BTreeSet::new();
        for name in listing {
            folders.extend(name.match_indices('/').map(|(end, _)| &name[..end]));
            if !name.ends_with('/') {
                files.insert(name.as_str());
            }
        }
        for entry in WalkDir::new(target).min_depth(1).contents_first(true) {
            self.job.check()?;
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let path = error.path().unwrap_or(target).to_owned();
                    let source = error.into_io_error();
                    left(source.unwrap_or_else(|| ErrorKind::Other.into())).at(path)?;
                    continue;
                }
            };
            let gone = entry.path();
            // A name that is not text is not in the listing.
            let path = gone.strip_prefix(target).ok().and_then(Path::to_str).unwrap_or_default();
            if entry.file_type().is_dir() {
                if !folders.contains(path) {
                    fs::remove_dir(gone).or_else(left).at(gone)?;
                }
            } else if !files.contains(path) {
                fs::remove_file(gone).or_else(left).at(gone)?;
            }
        }
        Ok(())
    }

    async fn is_file(&self, path: &RelPath) -> Result<bool> {
        let parent = path.as_str().rsplit_once('/').map(|(parent, _)| RelPath::parse(parent));
        let names = self.service.list(parent.transpose()?.as_ref(), false, self.job).await?;
        Ok(names.iter().any(|name| name == path.file_name()))
    }

    /// The versions at, around or below `path` of which something is cached.
    fn cached_versions(&self, path: &RelPath) -> Result<Vec<RelPath>> {
        if let Some((version, _)) = split_version(path) {
            return Ok(vec![version]);
        }
        let mut found = vec![path.clone()];
        for _ in path.components().count()..3 {
            let mut deeper = Vec::new();
            for folder in &found {
                let entries = match walk::entries(&self.cache.file(folder)) {
                    Err(error) if error.io_kind() == Some(ErrorKind::NotFound) => continue,
                    other => other?,
                };
                for (name, kind) in entries {
                    if kind == Kind::Folder && !is_internal(&name) {
                        deeper.push(inside(folder, &name)?);
                    }
                }
            }
            found = deeper;
        }
        Ok(found)
    }

    /// Looks a version up again if it was on probation when it was cached.
    async fn refresh(&self, version: &RelPath) -> Result<()> {
        let summary_path = inside(version, SUMMARY)?;
        let manifest_path = inside(version, MANIFEST)?;
        let Some(summary) = self.cache.read(&summary_path)? else { return Ok(()) };
        let was_probational =
            serde_json::from_slice(&summary).is_ok_and(|summary: Summary| summary.is_probational());
        if !was_probational || self.service.http.is_offline() {
            return Ok(());
        }
        let (summary, manifest) = tokio::try_join!(
            self.service.read(&summary_path, self.job),
            self.service.read(&manifest_path, self.job)
        )?;
        let cached = self.cache.read(&manifest_path)?;
        if cached.as_ref() != Some(&manifest.body) {
            let file = self.cache.file(&manifest_path);
            let old = cached.map(|body| parse_manifest(&Document::of_file(file, body)));
            // A cached manifest that cannot be parsed vouches for nothing.
            let old = old.transpose().unwrap_or_default().unwrap_or_default();
            self.drop_changed(version, &old, &parse_manifest(&manifest)?)?;
            self.cache.write(&manifest_path, &manifest.body)?;
        }
        // Last: as long as the cached summary is the old one, an interrupted refresh starts again.
        summary.parse::<serde::de::IgnoredAny>()?;
        self.cache.write(&summary_path, &summary.body)
    }

    fn drop_changed(&self, version: &RelPath, old: &Manifest, new: &Manifest) -> Result<()> {
        self.cache.mark_changed(version)?;
        let folder = self.cache.file(version);
        for entry in walk::walk(&folder, &|_| true, self.job)? {
            let path = entry.path.as_str();
            let is_kept = entry.kind == Kind::Folder
                || path == SUMMARY
                || path == MANIFEST
                || new.get(path).is_some_and(|now| old.get(path) == Some(now));
            if !is_kept {
                atomic::remove_file(&folder.join(path))?;
            }
        }
        Ok(())
    }

    /// Those of the cached files that differ from their manifests, if hits are to be verified.
    async fn damaged(&self, paths: &[RelPath]) -> Result<Vec<RelPath>> {
        if self.verify != Verify::Always || paths.is_empty() {
            return Ok(Vec::new());
        }
        let manifests = self.manifests(paths, true).await?;
        let mut listed = Vec::new();
        for path in paths {
            if let Some(entry) = entry_of(path, &manifests) {
                listed.push((path, expected(entry), self.cache.file(path)));
            }
        }
        let files: Vec<(&Path, &Expected)> =
            listed.iter().map(|(_, expected, file)| (file.as_path(), expected)).collect();
        let differ = differing(&files, self.job)?;
        let damaged = listed.iter().zip(differ).filter(|(_, differs)| *differs);
        Ok(damaged.map(|((path, ..), _)| (*path).clone()).collect())
    }

    /// Downloads files, or shares content that is cached already.
    async fn get_all(&self, paths: Vec<RelPath>, from_cache: bool) -> Result<()> {
        if paths.is_empty() {
            return Ok(());
        }
        let scratch = self.cache.scratch();
        fs::create_dir_all(&scratch).at(&scratch)?;
        let manifests = match self.verify {
            Verify::Never => BTreeMap::new(),
            Verify::AfterDownload | Verify::Always => self.manifests(&paths, from_cache).await?,
        };
        let mut items = Vec::new();
        let mut links = Vec::new();
        let batch: BTreeSet<PathBuf> = paths.iter().map(|path| self.cache.file(path)).collect();
        // Of files with the same origin, the first is downloaded.
        let mut leaders: HashMap<PathBuf, PathBuf> = HashMap::new();
        for path in &paths {
            self.job.check()?;
            let target = self.cache.file(path);
            let is_record = is_record(path);
            if is_record
                && split_version(path).is_some_and(|(version, _)| manifests.contains_key(&version))
                && target.exists()
            {
                continue; // just written along with the manifest
            }
            let entry = entry_of(path, &manifests);
            let original =
                entry.and_then(|entry| self.shared(entry, &target, &batch, &mut leaders));
            if let Some(original) = original {
                links.push((original, target));
                continue;
            }
            items.push(Item {
                url: self.service.file_url(path)?,
                name: path.to_string(),
                target,
                expected: entry.map(expected),
                is_json: is_record,
            });
        }
        let options =
            Options { concurrency: self.options.concurrency, scratch, check_stated: false };
        download::download(&self.service.http, items, &options, self.job).await?;
        for (original, target) in links {
            self.job.check()?;
            self.cache.link(&original, &target)?;
        }
        Ok(())
    }

    /// The file whose content `target` can share, if it is in the cache or about to be.
    fn shared(
        &self,
        entry: &ManifestEntry,
        target: &Path,
        batch: &BTreeSet<PathBuf>,
        leaders: &mut HashMap<PathBuf, PathBuf>,
    ) -> Option<PathBuf> {
        let origin = self.cache.file_at(&entry.link.as_ref()?.origin().registry_path())?;
        if origin == target {
            return None;
        }
        if batch.contains(&origin) {
            return Some(origin);
        }
        // An origin that cannot be read is of no use.
        if differing(&[(&origin, &expected(entry))], self.job).is_ok_and(|differ| !differ[0]) {
            return Some(origin);
        }
        let leader = leaders.get(&origin).cloned();
        if leader.is_none() {
            leaders.insert(origin, target.to_owned());
        }
        leader
    }

    /// Manifests of the versions that `paths` lie in, where there are any.
    ///
    /// Those that are not taken from the cache are cached, together with their summaries.
    async fn manifests(
        &self,
        paths: &[RelPath],
        from_cache: bool,
    ) -> Result<BTreeMap<RelPath, Manifest>> {
        // Consecutive paths are mostly in one version.
        let mut versions = BTreeMap::new();
        for path in paths {
            if let Some((version, inner)) = split_version(path)
                && !inner.is_empty()
            {
                let needs_manifest = !inner.split('/').any(is_internal);
                if needs_manifest || is_record(path) {
                    *versions.entry(version).or_insert(false) |= needs_manifest;
                }
            }
        }
        let found: Vec<Option<(RelPath, Manifest)>> = stream::iter(versions)
            .map(|(version, needs_manifest)| self.manifest(version, needs_manifest, from_cache))
            .buffer_unordered(download::concurrency(self.options.concurrency))
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn manifest(
        &self,
        version: RelPath,
        needs_manifest: bool,
        from_cache: bool,
    ) -> Result<Option<(RelPath, Manifest)>> {
        let manifest_path = inside(&version, MANIFEST)?;
        let summary_path = inside(&version, SUMMARY)?;
        if from_cache && let Some(body) = self.cache.read(&manifest_path)? {
            let cached = Document::of_file(self.cache.file(&manifest_path), body);
            return Ok(Some((version, parse_manifest(&cached)?)));
        }
        let (manifest, summary) = tokio::try_join!(
            self.read_optional(&manifest_path),
            self.read_optional(&summary_path)
        )?;
        if let Some(summary) = &summary {
            summary.parse::<serde::de::IgnoredAny>()?;
            self.cache.write(&summary_path, &summary.body)?;
        }
        let Some(document) = manifest else { return Ok(None) };
        let parsed = if needs_manifest {
            parse_manifest(&document)?
        } else {
            document.parse::<serde::de::IgnoredAny>()?;
            Manifest::new()
        };
        self.cache.write(&manifest_path, &document.body)?;
        Ok(Some((version, parsed)))
    }

    async fn read_optional(&self, path: &RelPath) -> Result<Option<Document>> {
        match self.service.read(path, self.job).await {
            Err(error) if is_missing(&error) => Ok(None),
            other => other.map(Some),
        }
    }
}

/// What could not be removed is no failure if it is gone, another user's, in use or not empty.
fn left(error: std::io::Error) -> std::io::Result<()> {
    match error.kind() {
        ErrorKind::NotFound
        | ErrorKind::PermissionDenied
        | ErrorKind::ResourceBusy
        | ErrorKind::DirectoryNotEmpty => Ok(()),
        _ => Err(error),
    }
}

fn is_record(path: &RelPath) -> bool {
    split_version(path).is_some_and(|(_, inner)| inner == MANIFEST || inner == SUMMARY)
}

fn entry_of<'a>(
    path: &RelPath,
    manifests: &'a BTreeMap<RelPath, Manifest>,
) -> Option<&'a ManifestEntry> {
    let (version, inner) = split_version(path)?;
    manifests.get(&version)?.get(inner)
}

fn expected(entry: &ManifestEntry) -> Expected {
    Expected { size: entry.size, md5: entry.md5sum.clone() }
}

#[cfg(test)]
mod tests {
    use md5::{Digest as _, Md5};

    use super::*;
    use crate::digest;
    use crate::http::testing::Site;

    /// Serves version `p/a/v` with these files, on probation or not.
    fn publish(site: &Site, files: &[(&str, &str)], on_probation: bool) {
        let mut manifest = serde_json::Map::new();
        let mut names = vec![MANIFEST, SUMMARY];
        for (name, text) in files {
            names.push(name);
            site.put(&format!("/fetch/p/a/v/{name}"), *text);
            let md5sum = digest::hex(&Md5::digest(text));
            let entry = serde_json::json!({"size": text.len(), "md5sum": md5sum});
            manifest.insert((*name).into(), entry);
        }
        site.put("/fetch/p/a/v/..manifest", serde_json::Value::from(manifest).to_string());
        let summary = serde_json::json!({"on_probation": on_probation});
        site.put("/fetch/p/a/v/..summary", summary.to_string());
        let listing = serde_json::json!(names).to_string();
        site.put("/list?path=p%2Fa%2Fv&recursive=true", listing);
    }

    fn fetch(fetch: Fetch, path: &str, site: &Site, cache: &Path) -> Result<PathBuf> {
        let source = Source::Remote(site.url.clone());
        let cache = CacheFolder::Own(cache.to_owned());
        let options = FetchOptions { cache, ..FetchOptions::default() };
        fetch.run(path, &source, &options, &Job::default())
    }

    fn text(folder: &Path, name: &str) -> String {
        fs::read_to_string(folder.join(name)).unwrap()
    }

    #[test]
    fn a_complete_directory_is_used_as_it_is_unless_it_was_on_probation() {
        for (on_probation, expected) in [(false, ["one", "same"]), (true, ["two", "mine"])] {
            let (site, cache) = (Site::new(), tempfile::tempdir().unwrap());
            publish(&site, &[("changed", "one"), ("kept", "same"), ("gone", "")], on_probation);
            let folder = fetch(Fetch::Directory, "p/a/v", &site, cache.path()).unwrap();
            assert_eq!(text(&folder, "changed"), "one");
            if on_probation {
                fs::write(folder.join("kept"), "mine").unwrap();
            }
            publish(&site, &[("changed", "two"), ("kept", "same"), ("new", "")], false);
            fetch(Fetch::Directory, "p/a/v", &site, cache.path()).unwrap();
            assert_eq!([text(&folder, "changed"), text(&folder, "kept")], expected);
            let there = ["gone", "new"].map(|name| folder.join(name).exists());
            assert_eq!(there, [!on_probation, on_probation]);
        }
    }

    #[test]
    fn content_that_differs_from_the_manifest_leaves_the_directory_incomplete() {
        let (site, cache) = (Site::new(), tempfile::tempdir().unwrap());
        publish(&site, &[("f", "good")], false);
        site.put("/fetch/p/a/v/f", "evil");
        let error = fetch(Fetch::Directory, "p/a/v", &site, cache.path()).unwrap_err();
        assert!(matches!(error, Error::Digest { .. }), "{error}");
        assert!(!cache.path().join("REGISTRY/p/a/v/f").exists());
        assert!(!cache.path().join("SUCCESS/p/a/v/....OK").exists());
        site.put("/fetch/p/a/v/f", "good");
        let folder = fetch(Fetch::Directory, "p/a/v", &site, cache.path()).unwrap();
        assert_eq!(text(&folder, "f"), "good");
    }

    #[test]
    fn a_listing_that_leads_outside_is_refused_as_a_whole() {
        let (site, cache) = (Site::new(), tempfile::tempdir().unwrap());
        for name in ["../../x", "/x", "a//b"] {
            let listing = serde_json::json!(["f", name]).to_string();
            site.put("/list?path=p%2Fa%2Fv&recursive=true", listing);
            let error = fetch(Fetch::Directory, "p/a/v", &site, cache.path()).unwrap_err();
            assert!(matches!(error, Error::UnsafePath { .. }), "{error}");
            assert!(!cache.path().join("REGISTRY").exists());
        }
    }

    #[test]
    fn equal_content_is_kept_once() {
        use std::os::unix::fs::MetadataExt;

        let (site, cache) = (Site::new(), tempfile::tempdir().unwrap());
        publish(&site, &[("f", "text")], false);
        let original = fetch(Fetch::File, "p/a/v/f", &site, cache.path()).unwrap();
        let md5sum = digest::hex(&Md5::digest("text"));
        let link = serde_json::json!({"project": "p", "asset": "a", "version": "v", "path": "f"});
        let manifest =
            serde_json::json!({"g": {"size": 4, "md5sum": md5sum, "link": link}}).to_string();
        site.put("/fetch/p/a/w/..manifest", manifest);
        site.put("/fetch/p/a/w/..summary", "{}");
        // The link itself is not even served.
        let copy = fetch(Fetch::File, "p/a/w/g", &site, cache.path()).unwrap();
        let inode = |path: &Path| fs::metadata(path).unwrap().ino();
        assert_eq!(inode(&copy), inode(&original));
    }

    #[test]
    fn a_file_is_no_directory() {
        let (site, cache) = (Site::new(), tempfile::tempdir().unwrap());
        site.put("/list?path=p%2Fa%2Fv%2Ff&recursive=true", "[]");
        site.put("/list?path=p%2Fa%2Fv", r#"["f"]"#);
        let error = fetch(Fetch::Directory, "p/a/v/f", &site, cache.path()).unwrap_err();
        assert_eq!(error.io_kind(), Some(std::io::ErrorKind::NotADirectory));
    }

    #[test]
    fn a_version_is_the_first_three_components() {
        let split = |path: &str| {
            let path = RelPath::parse(path).unwrap();
            split_version(&path).map(|(version, inner)| (version.to_string(), inner.to_owned()))
        };
        assert_eq!(split("p/a"), None);
        assert_eq!(split("p/a/v"), Some(("p/a/v".into(), String::new())));
        assert_eq!(split("p/a/v/x/y"), Some(("p/a/v".into(), "x/y".into())));
        assert_eq!(split("..logs/a/v/x"), None);
    }

    #[test]
    fn a_path_must_stay_in_the_registry_also_locally() {
        let source = Source::Local("/registry".into());
        let fetch =
            |path: &str| Fetch::File.run(path, &source, &FetchOptions::default(), &Job::default());
        assert_eq!(fetch("p/a/v/x").unwrap(), Path::new("/registry/p/a/v/x"));
        for path in ["/etc/hostname", "t/../../x", "a//b", "", "a\0b"] {
            assert!(matches!(fetch(path), Err(Error::UnsafePath { .. })), "{path:?}");
        }
    }
}
