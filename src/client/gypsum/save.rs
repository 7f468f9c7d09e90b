//! Objects of the bucket, through the cache.
//!
//! 1. What is cached is used as it is, also if it was changed; only records of versions that were
//!    unfinished or on probation are looked up again.
//! 2. Downloaded files must have the size and digest that the version's manifest says, or, where no
//!    manifest is at hand, those that the server states.
//! 3. An object that is not there may be a link: its directory's `..links` says to what.
//! 4. A version is marked as complete when all of it is there and nothing of it will change.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use super::cache::Cache;
use super::service::{Service, is_missing};
use crate::error::IoContext;
use crate::fs::atomic;
use crate::http::Document;
use crate::job::Job;
use crate::registry::layout::{LINKS, MANIFEST, SUMMARY, is_internal};
use crate::registry::model::{Link, Links, Manifest, ManifestEntry, Summary};
use crate::settings::{self, Verify};
use crate::transfer::download::{self, Options};
use crate::transfer::plan::{Expected, Item, differing};
use crate::{Error, Result, runtime};

/// Links to links to links: real ones need one step.
const MOST_STEPS: usize = 16;
/// Ends the names of the lock files that other clients leave beside what they download.
const LOCK_SUFFIX: &str = ".LOCK";

/// How to save.
#[derive(Debug, Clone, Copy, Default)]
pub struct SaveOptions {
    /// Download again what is cached.
    pub overwrite: bool,
    /// Downloads at once; 0 or 1 leave the number to the client.
    pub concurrency: usize,
}

/// Saves objects of one service to one cache.
#[derive(Debug)]
pub struct Saver<'a> {
    service: &'a Service,
    cache: &'a Cache,
    options: SaveOptions,
    verify: Verify,
    job: &'a Job,
}

/// True if nothing about the version will change any more.
fn is_final(summary: &[u8]) -> bool {
    serde_json::from_slice::<Summary>(summary)
        .is_ok_and(|summary| !summary.upload_finish.is_empty() && !summary.is_probational())
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn is_record(path: &str) -> bool {
    is_internal(base_name(path))
}

fn version_of(link: &Link) -> String {
    format!("{}/{}/{}", link.project, link.asset, link.version)
}

fn expected(entry: &ManifestEntry) -> Expected {
    Expected { size: entry.size, md5: entry.md5sum.clone() }
}

fn not_there(path: &str) -> Error {
    Error::Refused(format!("'{path}' does not exist in the bucket."))
}

fn read_if_there(file: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some).at(file),
    }
}

type Saving<'a> = Pin<Box<dyn Future<Output = Result<PathBuf>> + Send + 'a>>;

impl<'a> Saver<'a> {
    /// Saves from `service` to `cache`.
    pub fn new(
        service: &'a Service,
        cache: &'a Cache,
        options: SaveOptions,
        job: &'a Job,
    ) -> Result<Self> {
        Ok(Self { service, cache, options, verify: settings::verify()?, job })
    }

    /// Makes sure that one object, or what it is a link to, is in the cache; returns where.
    pub fn file(&self, version: &str, path: &str) -> Result<PathBuf> {
        runtime::current()?.block_on(self.job.race(self.save(version.into(), path.into(), 0)))
    }

    /// Makes sure that all of a version is in the cache; returns its directory.
    pub fn version(&self, version: &str, relink: bool) -> Result<PathBuf> {
        let folder = self.cache.object(version)?;
        let is_done = || -> Result<bool> {
            let is_wanted = self.options.overwrite || self.verify == Verify::Always;
            Ok(!is_wanted && folder.is_dir() && self.cache.is_complete(version)?)
        };
        if is_done()? {
            return Ok(folder);
        }
        let _guard = self.cache.lock(version, self.job)?;
        // Another process may have been faster.
        if !is_done()? {
            runtime::current()?.block_on(self.job.race(self.fill(version, relink)))?;
        }
        Ok(folder)
    }

    /// Gives each link of a version the content that it leads to.
    pub fn links(&self, version: &str) -> Result<()> {
        let _guard = self.cache.lock(version, self.job)?;
        runtime::current()?.block_on(self.job.race(async {
            let manifest = self.record(version, MANIFEST).await?.parse()?;
            self.resolve(version, &manifest).await
        }))
    }

    /// A record of a version, from the cache if it is there.
    pub fn document(&self, version: &str, name: &str) -> Result<Document> {
        runtime::current()?.block_on(self.job.race(self.record(version, name)))
    }

    async fn record(&self, version: &str, name: &str) -> Result<Document> {
        let key = format!("{version}/{name}");
        let file = self.cache.object(&key)?;
        let cached = if self.options.overwrite { None } else { read_if_there(&file)? };
        match cached {
            Some(body) if name == SUMMARY && !is_final(&body) => {
                // What was on probation may have been decided; what was may be all there is.
                let fresh = self.fresh_record(version, name).await;
                Ok(fresh.unwrap_or_else(|_| Document::of_file(&file, body)))
            }
            Some(body) => Ok(Document::of_file(&file, body)),
            None => self.fresh_record(version, name).await,
        }
    }

    /// Reads a record from the service and keeps it, unless it may still change.
    async fn fresh_record(&self, version: &str, name: &str) -> Result<Document> {
        let key = format!("{version}/{name}");
        let found = async {
            let document = self.service.read(&key, self.job).await?;
            document.parse::<serde::de::IgnoredAny>()?;
            let file = self.cache.object(&key)?;
            if name == SUMMARY && !is_final(&document.body) {
                atomic::remove_file(&file)?;
            } else {
                self.cache.keep(&file, &document.body)?;
            }
            Ok(document)
        };
        found.await.map_err(|error: Error| error.of(key))
    }

    /// True if what is cached of an object is to be used.
    fn is_usable(&self, manifest: Option<&Manifest>, path: &str, file: &Path) -> Result<bool> {
        let Ok(meta) = fs::metadata(file) else { return Ok(false) };
        if self.options.overwrite {
            return Ok(false);
        }
        if path == SUMMARY {
            return Ok(read_if_there(file)?.is_some_and(|body| is_final(&body)));
        }
        // An empty file may be another client's, in the place of one of the registry's.
        let is_litter = meta.len() == 0
            && path.strip_suffix(LOCK_SUFFIX).is_some()
            && manifest.and_then(|manifest| manifest.get(path)).is_some_and(|entry| entry.size > 0);
        Ok(!is_litter)
    }

    /// The version's manifest, if it is cached and makes sense.
    fn cached_manifest(&self, version: &str) -> Result<Option<Manifest>> {
        let body = read_if_there(&self.cache.object(&format!("{version}/{MANIFEST}"))?)?;
        Ok(body.and_then(|body| serde_json::from_slice(&body).ok()))
    }

    fn options(&self) -> Result<Options> {
        Ok(Options {
            concurrency: self.options.concurrency,
            scratch: self.cache.scratch()?,
            check_stated: self.verify != Verify::Never,
        })
    }

    fn item(&self, version: &str, path: &str, entry: Option<&ManifestEntry>) -> Result<Item> {
        let key = format!("{version}/{path}");
        let is_checked = self.verify != Verify::Never && !is_record(path);
        Ok(Item {
            url: self.service.file_url(&key)?,
            target: self.cache.object(&key)?,
            expected: entry.filter(|entry| is_checked && entry.link.is_none()).map(expected),
            is_json: is_record(path),
            name: key,
        })
    }

    async fn download(&self, items: Vec<Item>) -> Result<()> {
        let folders: BTreeSet<_> = items.iter().filter_map(|item| item.target.parent()).collect();
        for folder in folders {
            fs::create_dir_all(folder).at(folder)?;
        }
        download::download_named(&self.service.http, items, &self.options()?, self.job).await
    }

    fn save(&self, version: String, path: String, steps: usize) -> Saving<'_> {
        Box::pin(async move {
            let key = format!("{version}/{path}");
            let file = self.cache.object(&key)?;
            let manifest = self.cached_manifest(&version)?;
            if self.is_usable(manifest.as_ref(), &path, &file)? {
                return Ok(file);
            }
            let entry = manifest.as_ref().and_then(|manifest| manifest.get(&path));
            let mut result = self.download(vec![self.item(&version, &path, entry)?]).await;
            if matches!(&result, Err(error) if matches!(error.root(), Error::Digest { .. }))
                && let Some(entry) = entry
            {
                // The version may have been made anew since its manifest was cached.
                let fresh: Manifest =
                    self.service.read(&format!("{version}/{MANIFEST}"), self.job).await?.parse()?;
                if let Some(now) = fresh.get(&path).filter(|now| *now != entry) {
                    result = self.download(vec![self.item(&version, &path, Some(now))?]).await;
                }
            }
            match result {
                Err(error) if is_missing(&error) => {}
                other => return other.map(|()| file),
            }
            let link = if is_record(&path) { None } else { self.link_at(&version, &path).await? };
            let link = link.filter(|_| steps < MOST_STEPS).ok_or_else(|| not_there(&path))?;
            let origin = link.origin();
            let original = self.save(version_of(origin), origin.path.clone(), steps + 1).await?;
            self.cache.link(&original, &file)?;
            Ok(file)
        })
    }

    /// What `..links` of the directory around `path` says about it.
    async fn link_at(&self, version: &str, path: &str) -> Result<Option<Link>> {
        let folder =
            path.rsplit_once('/').map_or_else(String::new, |(folder, _)| format!("{folder}/"));
        let name = format!("{folder}{LINKS}");
        match self.record(version, &name).await {
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
            Ok(links) => Ok(links.parse::<Links>()?.remove(base_name(path))),
        }
    }

    async fn fill(&self, version: &str, relink: bool) -> Result<()> {
        self.cache.set_complete(version, false)?;
        let summary_file = self.cache.object(&format!("{version}/{SUMMARY}"))?;
        // What was cached of a version that could still change may be of another upload.
        let mut doubt = read_if_there(&summary_file)?.is_some_and(|body| !is_final(&body));
        let prefix = format!("{version}/");
        let keys = self.service.list(&prefix, true, self.job).await?;
        let mut paths = BTreeSet::new();
        for key in &keys {
            self.cache.object(key)?;
            paths.extend(key.strip_prefix(&prefix).filter(|path| *path != MANIFEST));
        }
        let cached =
            if self.options.overwrite || doubt { None } else { self.cached_manifest(version)? };
        let is_fresh = cached.is_none();
        let mut manifest = match cached {
            Some(manifest) => manifest,
            None => self.fresh_record(version, MANIFEST).await?.parse()?,
        };
        doubt |= self.verify == Verify::Always;
        if let Err(error) = self.get_all(version, &paths, &manifest, doubt).await {
            if is_fresh || !matches!(error.root(), Error::Digest { .. }) {
                return Err(error);
            }
            // The version may have been made anew since its manifest was cached.
            manifest = self.fresh_record(version, MANIFEST).await?.parse()?;
            self.get_all(version, &paths, &manifest, true).await?;
        }
        if relink {
            self.resolve(version, &manifest).await?;
        }
        let is_final = read_if_there(&summary_file)?.is_some_and(|body| is_final(&body));
        let mut has_all = true;
        for (path, entry) in &manifest {
            if is_final
                && entry.link.is_none()
                && !entry.is_folder()
                && !paths.contains(path.as_str())
            {
                return Err(not_there(path));
            }
            has_all &= relink || entry.link.is_none();
        }
        if is_final && has_all { self.cache.set_complete(version, true) } else { Ok(()) }
    }

    /// Downloads those of the objects that are not in the cache; with `doubt`, also those that
    /// differ from the manifest.
    async fn get_all(
        &self,
        version: &str,
        paths: &BTreeSet<&str>,
        manifest: &Manifest,
        doubt: bool,
    ) -> Result<()> {
        let mut items = Vec::new();
        let mut present = Vec::new();
        for path in paths {
            let item = self.item(version, path, manifest.get(*path))?;
            if !self.is_usable(Some(manifest), path, &item.target)? {
                items.push(item);
            } else if doubt && (item.expected.is_some() || item.is_json) {
                present.push(item);
            }
        }
        let (records, files): (Vec<_>, Vec<_>) = present.into_iter().partition(|item| item.is_json);
        if self.verify != Verify::Always {
            items.extend(records);
        }
        let known: Vec<(&Path, &Expected)> = files
            .iter()
            .filter_map(|item| Some((item.target.as_path(), item.expected.as_ref()?)))
            .collect();
        let differ = differing(&known, self.job)?;
        items.extend(files.into_iter().zip(differ).filter_map(|(item, is)| is.then_some(item)));
        self.download(items).await
    }

    async fn resolve(&self, version: &str, manifest: &Manifest) -> Result<()> {
        let mut wanted = Vec::new();
        let mut items = BTreeMap::new();
        // Which link first leads to an origin, for messages.
        let mut leaders: HashMap<String, &str> = HashMap::new();
        for (path, entry) in manifest {
            let Some(link) = &entry.link else { continue };
            let file = self.cache.object(&format!("{version}/{path}"))?;
            if !self.options.overwrite && file.exists() {
                continue;
            }
            let origin = link.origin();
            let plain = ManifestEntry { link: None, ..entry.clone() };
            let item = self
                .item(&version_of(origin), &origin.path, Some(&plain))
                .map_err(|error| error.of(path))?;
            let original = item.target.clone();
            let is_usable = self.is_usable(None, &origin.path, &original)?;
            if !is_usable {
                leaders.entry(item.name.clone()).or_insert(path);
                items.entry(item.name.clone()).or_insert(item);
            }
            wanted.push((path, file, origin, original));
        }
        match self.download(items.into_values().collect()).await {
            // Origins that are not there may be links themselves.
            Err(error) if is_missing(&error) => {}
            Err(Error::Item { item, source }) => {
                let path = leaders.get(&item).copied().unwrap_or_default();
                return Err(source.of(item).of(path));
            }
            other => other?,
        }
        let mut saved: HashMap<&Path, PathBuf> = HashMap::new();
        for (path, file, origin, original) in &wanted {
            self.job.check()?;
            let linked = async {
                if !original.exists() && !saved.contains_key(original.as_path()) {
                    let found = self.save(version_of(origin), origin.path.clone(), 1).await?;
                    saved.insert(original, found);
                }
                self.cache.link(original, file)
            };
            linked.await.map_err(|error: Error| error.of(*path))?;
        }
        Ok(())
    }
}
