//! Objects of the bucket, through the cache.
//!
//! 1. What is cached is used as it is, also if it was changed; only records of versions that were
//!    unfinished or on probation are looked up again, and records that make no sense.
//! 2. Downloaded files must have the size and digest that the version's manifest says, or, where no
//!    manifest is at hand, those that the server states.
//! 3. An object that is not there may be a link: its directory's `..links` says to what.
//! 4. A version is marked as complete when all of it is there and nothing of it will change. It is
//!    unmarked when something of it is about to change, and not before.
//! 5. Before a manifest is replaced by another one, the files that differ between them are removed.
//! 6. No file takes the place of another one whose name the file system takes for the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use super::cache::{Cache, checked};
use super::clone::clone_version;
use super::remote::Remote;
use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::client::cache::{self, Standing, expected};
use crate::client::remote::is_missing;
use crate::error::tell;
use crate::fs::atomic;
use crate::fs::fold;
use crate::fs::owner;
use crate::http::{Document, Object};
use crate::job::Job;
use crate::registry::format::layout::{LINKS, MANIFEST, SUMMARY, is_internal};
use crate::registry::format::model::{Link, Links, Manifest, ManifestEntry, Summary};
use crate::relpath::RelPath;
use crate::settings::{self, Verify};
use crate::transfer::archive::Archive;
use crate::transfer::download::{self, Options};
use crate::transfer::plan::{Expected, Form, Item, differing};
use crate::{Error, Refusal, Result, runtime};

/// Links to links to links: real ones need one step.
const MOST_STEPS: usize = 16;

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
    remote: &'a Remote,
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

fn is_probational(summary: &[u8]) -> bool {
    serde_json::from_slice::<Object>(summary)
        .is_ok_and(|summary| summary.get("on_probation") == Some(&true.into()))
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Path of the record of the links in the directory around `path`.
fn links_record(path: &str) -> String {
    path.rsplit_once('/')
        .map_or_else(|| LINKS.to_owned(), |(folder, _)| format!("{folder}/{LINKS}"))
}

fn is_record(path: &str) -> bool {
    is_internal(base_name(path))
}

fn form_of(path: &str) -> Form {
    cache::form_of(base_name(path))
}

fn version_of(link: &Link) -> String {
    format!("{}/{}/{}", link.project, link.asset, link.version)
}

fn not_there(path: &str) -> Error {
    Error::Refused(Refusal::Absent(path.to_owned()))
}

/// Makes the folders that items are saved to.
fn make_folders(items: &[Item]) -> Result<()> {
    let folders: BTreeSet<_> = items.iter().filter_map(|item| item.target.parent()).collect();
    folders.into_iter().try_for_each(owner::make_folders)
}

type Saving<'a> = Pin<Box<dyn Future<Output = Result<PathBuf>> + Send + 'a>>;

impl<'a> Saver<'a> {
    /// Saves from `service` to `cache`.
    pub fn new(
        remote: &'a Remote,
        cache: &'a Cache,
        options: SaveOptions,
        job: &'a Job,
    ) -> Result<Self> {
        Ok(Self { remote, cache, options, verify: settings::verify()?, job })
    }

    /// Makes sure that one object, or what it is a link to, is in the cache; returns where.
    pub fn file(&self, version: &str, path: &str) -> Result<PathBuf> {
        runtime::current()?.block_on(self.job.race(self.save(version.into(), path.into(), 0)))
    }

    /// The same for many objects of a version; returns where they are, in the same order.
    pub fn files(&self, version: &str, paths: &[&RelPath]) -> Result<Vec<PathBuf>> {
        runtime::current()?.block_on(self.job.race(self.save_all(version, paths)))
    }

    /// Makes sure that all of a version is in the cache; returns its directory.
    pub fn version(&self, version: &str, relink: bool) -> Result<PathBuf> {
        let folder = self.cache.object(version)?;
        fold::refuse_other(&self.cache.bucket(), &checked(version)?)?;
        let is_done = || -> Result<bool> {
            let is_wanted = self.options.overwrite || self.verify == Verify::Always;
            Ok(!is_wanted && folder.is_dir() && self.is_complete(version)?)
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

    /// True if a version is marked as complete, and that can be believed.
    fn is_complete(&self, version: &str) -> Result<bool> {
        let is_whole = match self.cache.standing(version)? {
            Standing::Incomplete => false,
            Standing::Complete => return Ok(true),
            Standing::Doubtful => self.is_whole(version)?,
        };
        if is_whole {
            // Else it is looked at again next time.
            let noted = self.cache.set_complete(version, true);
            tell(cache::TARGET, "cannot note what is complete", noted);
        }
        Ok(is_whole)
    }

    /// True if nothing that is cached of a version was cut off.
    fn is_whole(&self, version: &str) -> Result<bool> {
        let Some(manifest) = self.cached_manifest(version)? else { return Ok(false) };
        let links = manifest.iter().filter(|(_, entry)| entry.link.is_some());
        let mut records: BTreeSet<String> = links.map(|(path, _)| links_record(path)).collect();
        records.insert(SUMMARY.to_owned());
        for record in records {
            let file = self.cache.object(&format!("{version}/{record}"))?;
            if file.exists() && !cache::has_document(&file)? {
                return Ok(false);
            }
        }
        Ok(self.cut(version, &manifest)?.is_empty())
    }

    /// The cached files of a version that are shorter than its manifest says, as a power failure
    /// leaves them, and those that they are links to.
    fn cut(&self, version: &str, manifest: &Manifest) -> Result<Vec<PathBuf>> {
        let mut cut = Vec::new();
        for (path, entry) in manifest {
            let key = format!("{version}/{path}");
            let origin = || entry.link.as_ref().map(|link| link.origin().registry_path());
            let is_short =
                |file: &PathBuf| fs::metadata(file).is_ok_and(|found| found.len() < entry.size);
            let file = self.cache.object(&key)?;
            if is_short(&file) {
                cut.push(file);
                let origin = origin().map(|key| self.cache.object(&key)).transpose()?;
                cut.extend(origin.filter(is_short));
            }
        }
        Ok(cut)
    }

    /// Removes what was cut off: it would be taken for content.
    fn drop_cut(&self, version: &str, manifest: &Manifest) -> Result<()> {
        let cut = self.cut(version, manifest)?;
        if !cut.is_empty() {
            self.cache.set_complete(version, false)?;
        }
        for file in cut {
            log::warn!(target: cache::TARGET, "{} was cut off", file.display());
            atomic::remove_file(&file)?;
        }
        Ok(())
    }

    /// Makes sure that all files of a manifest are in the cache, also if the version was complete and
    /// some were removed since, or emptied by a power failure.
    fn whole(&self, version: &str, manifest: &Manifest) -> Result<()> {
        for (path, entry) in manifest {
            let file = self.cache.object(&format!("{version}/{path}"))?;
            if !fs::metadata(file).is_ok_and(|found| found.len() > 0 || entry.size == 0) {
                let _guard = self.cache.lock(version, self.job)?;
                return runtime::current()?.block_on(self.job.race(self.fill(version, true)));
            }
        }
        Ok(())
    }

    /// Makes a directory of links to the cached files of a version; if `whole`, all of these are
    /// there then.
    pub fn clone_to(&self, version: &str, destination: &Path, whole: bool) -> Result<()> {
        let manifest: Manifest = self.document(version, MANIFEST)?.parse()?;
        if whole {
            self.whole(version, &manifest)?;
        }
        clone_version(self.cache, version, &manifest, destination, self.job)
    }

    /// Gives each link of a version the content that it leads to.
    pub fn links(&self, version: &str) -> Result<()> {
        let _guard = self.cache.lock(version, self.job)?;
        runtime::current()?.block_on(self.job.race(async {
            let manifest = self.record(version, MANIFEST).await?.parse_public()?;
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
        let cached = if self.options.overwrite { None } else { cache::document(&file)? };
        match cached.filter(|cached| cache::is_plausible(base_name(name), cached)) {
            Some(cached) if name == SUMMARY && is_probational(&cached.body) => {
                // It says so for the last time: the next call looks whether that was decided. Where
                // it cannot be removed, it says so again.
                tell(cache::TARGET, "cannot forget a summary", atomic::remove_file(&file));
                Ok(cached)
            }
            Some(cached) if name == SUMMARY && !is_final(&cached.body) => {
                // The upload may be finished by now; what is cached may be all there is.
                let fresh = self.fresh_record(version, name).await;
                Ok(fresh.unwrap_or(cached))
            }
            Some(cached) => Ok(cached),
            None => self.fresh_record(version, name).await,
        }
    }

    /// Reads a record from the service and keeps it, unless it may still change.
    async fn fresh_record(&self, version: &str, name: &str) -> Result<Document> {
        let key = format!("{version}/{name}");
        let found = async {
            let document = self.remote.read(&key, self.job).await?;
            form_of(name).check(&document)?;
            let file = self.cache.object(&key)?;
            if name == SUMMARY && !is_final(&document.body) {
                self.cache.set_complete(version, false)?;
                atomic::remove_file(&file)?;
            } else {
                if name == MANIFEST {
                    self.forget_changed(version, &document.parse_public()?)?;
                }
                self.cache.keep(&file, &document.body)?;
            }
            Ok(document)
        };
        found.await.map_err(|error: Error| error.of(key))
    }

    /// Removes the cached files that are not what `new`, the manifest to be cached, says.
    fn forget_changed(&self, version: &str, new: &Manifest) -> Result<()> {
        let Some(old) = self.cached_manifest(version)?.filter(|old| old != new) else {
            return Ok(());
        };
        self.cache.set_complete(version, false)?;
        for (path, _) in old.iter().filter(|(path, entry)| new.get(*path) != Some(entry)) {
            // Nothing was ever saved to an unsafe path.
            if let Ok(file) = self.cache.object(&format!("{version}/{path}")) {
                atomic::remove_file(&file)?;
            }
        }
        Ok(())
    }

    /// True if what is cached of an object is to be used.
    fn is_usable(&self, manifest: Option<&Manifest>, path: &str, file: &Path) -> Result<bool> {
        let Ok(meta) = fs::metadata(file) else { return Ok(false) };
        if self.options.overwrite {
            return Ok(false);
        }
        if path == SUMMARY {
            return Ok(cache::read(file)?.is_some_and(|body| is_final(&body)));
        }
        if form_of(path).is_document() {
            return cache::has_document(file);
        }
        // An empty file may be another client's lock, or have lost its content in a power failure,
        // perhaps as its manifest did.
        let is_meant = || {
            manifest.and_then(|manifest| manifest.get(path)).is_some_and(|entry| entry.size == 0)
        };
        Ok(meta.len() > 0 || is_meant())
    }

    /// The version's manifest, if it is cached and makes sense.
    fn cached_manifest(&self, version: &str) -> Result<Option<Manifest>> {
        cache::manifest(&self.cache.object(&format!("{version}/{MANIFEST}"))?)
    }

    fn options(&self) -> Result<Options> {
        Ok(Options {
            concurrency: self.options.concurrency,
            scratch: self.cache.scratch()?,
            check_stated: self.verify != Verify::Never,
            ..Options::default()
        })
    }

    fn item(&self, version: &str, path: &str, entry: Option<&ManifestEntry>) -> Result<Item> {
        let key = format!("{version}/{path}");
        let is_checked = self.verify != Verify::Never && !is_record(path);
        Ok(Item {
            url: self.remote.file_url(&key)?,
            target: self.cache.object(&key)?,
            expected: entry.filter(|entry| is_checked && entry.link.is_none()).map(expected),
            form: form_of(path),
            name: key,
        })
    }

    async fn download(&self, items: Vec<Item>) -> Result<()> {
        make_folders(&items)?;
        download::download_named(&self.remote.http, items, &self.options()?, self.job).await
    }

    /// The same, but gives back the names of those that are not there.
    async fn download_found(&self, items: Vec<Item>) -> Result<Vec<String>> {
        make_folders(&items)?;
        download::download_found(&self.remote.http, items, &self.options()?, self.job).await
    }

    fn save(&self, version: String, path: String, steps: usize) -> Saving<'_> {
        Box::pin(async move {
            let key = format!("{version}/{path}");
            let file = self.cache.object(&key)?;
            fold::refuse_other(&self.cache.bucket(), &checked(&key)?)?;
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
                let fresh = self.remote.read(&format!("{version}/{MANIFEST}"), self.job).await?;
                let fresh: Manifest = fresh.parse_public()?;
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

    async fn save_all(&self, version: &str, paths: &[&RelPath]) -> Result<Vec<PathBuf>> {
        let manifest = self.manifest_to_trust(version).await?;
        match self.save_listed(version, paths, &manifest).await {
            Err(error) if matches!(error.root(), Error::Digest { .. }) => {
                // The version may have been made anew since its manifest was cached.
                let fresh = self.fresh_record(version, MANIFEST).await?.parse_public()?;
                self.save_listed(version, paths, &fresh).await?;
            }
            other => other?,
        }
        let place = |path: &&RelPath| self.cache.object(&format!("{version}/{path}"));
        paths.iter().map(place).collect()
    }

    /// The manifest that is cached of a version that will not change any more, or the present one.
    async fn manifest_to_trust(&self, version: &str) -> Result<Manifest> {
        let summary_file = self.cache.object(&format!("{version}/{SUMMARY}"))?;
        if !self.options.overwrite
            && cache::read(&summary_file)?.is_some_and(|body| is_final(&body))
        {
            return self.record(version, MANIFEST).await?.parse_public();
        }
        // What is final when its manifest is read stays as it is.
        let summary = self.summary_now(version).await?;
        let manifest = self.fresh_record(version, MANIFEST).await?.parse_public()?;
        if let Some(summary) = summary.filter(|summary| is_final(&summary.body)) {
            self.cache.keep(&summary_file, &summary.body)?;
        }
        Ok(manifest)
    }

    async fn save_listed(
        &self,
        version: &str,
        paths: &[&RelPath],
        manifest: &Manifest,
    ) -> Result<()> {
        let is_link = |path: &&str| manifest.get(*path).is_some_and(|entry| entry.link.is_some());
        let (links, files): (BTreeSet<&str>, BTreeSet<&str>) =
            paths.iter().map(|path| path.as_str()).partition(is_link);
        self.get_all(version, &files, manifest, self.verify == Verify::Always, None).await?;
        stream::iter(links)
            .map(|path| self.save(version.to_owned(), path.to_owned(), 0))
            .buffer_unordered(download::concurrency(self.options.concurrency))
            .try_collect::<Vec<_>>()
            .await
            .map(drop)
    }

    /// What `..links` of the directory around `path` says about it.
    async fn link_at(&self, version: &str, path: &str) -> Result<Option<Link>> {
        match self.record(version, &links_record(path)).await {
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
            Ok(links) => Ok(links.parse_public::<Links>()?.remove(base_name(path))),
        }
    }

    async fn fill(&self, version: &str, relink: bool) -> Result<()> {
        let summary_file = self.cache.object(&format!("{version}/{SUMMARY}"))?;
        let summary = cache::read(&summary_file)?;
        let was_final = summary.as_deref().is_some_and(is_final);
        // What was cached of a version that could still change may be of another upload.
        let mut doubt = summary.is_some() && !was_final;
        let prefix = format!("{version}/");
        let (keys, archive) = self.remote.listed(&prefix, true, self.job).await?;
        let mut paths = BTreeSet::new();
        for key in &keys {
            self.cache.object(key)?;
            paths.extend(key.strip_prefix(&prefix).filter(|path| *path != MANIFEST));
        }
        let mut names: Vec<String> =
            keys.iter().filter_map(|key| key.strip_prefix(&prefix)).map(str::to_owned).collect();
        names.sort_unstable();
        let archive = archive.map(|url| Archive { url, base: prefix.clone(), names });
        let archive = archive.as_ref();
        let is_kept = was_final && !self.options.overwrite;
        let standing = self.cache.standing(version)?;
        if !is_kept && standing != Standing::Incomplete && !self.is_final_now(version).await? {
            self.cache.set_complete(version, false)?;
        }
        let cached = if is_kept { self.cached_manifest(version)? } else { None };
        let is_fresh = cached.is_none();
        let mut manifest = match cached {
            Some(manifest) => manifest,
            None => self.fresh_record(version, MANIFEST).await?.parse_public()?,
        };
        if standing == Standing::Doubtful {
            self.drop_cut(version, &manifest)?;
        }
        self.check_listing(version, &manifest, &paths).await?;
        doubt |= self.verify == Verify::Always;
        if let Err(error) = self.get_all(version, &paths, &manifest, doubt, archive).await {
            if is_fresh || !matches!(error.root(), Error::Digest { .. }) {
                return Err(error);
            }
            // The version may have been made anew since its manifest was cached.
            manifest = self.fresh_record(version, MANIFEST).await?.parse_public()?;
            self.check_listing(version, &manifest, &paths).await?;
            self.get_all(version, &paths, &manifest, true, archive).await?;
        }
        if relink {
            self.resolve(version, &manifest).await?;
        }
        if !cache::read(&summary_file)?.is_some_and(|body| is_final(&body)) {
            return self.cache.set_complete(version, false);
        }
        if relink || manifest.values().all(|entry| entry.link.is_none()) {
            self.cache.set_complete(version, true)?;
        }
        Ok(())
    }

    /// What the service says of a version just now: `None` if it has no summary.
    async fn summary_now(&self, version: &str) -> Result<Option<Document>> {
        match self.remote.read(&format!("{version}/{SUMMARY}"), self.job).await {
            Err(error) if is_missing(&error) => Ok(None),
            other => other.map(Some),
        }
    }

    async fn is_final_now(&self, version: &str) -> Result<bool> {
        Ok(self.summary_now(version).await?.is_some_and(|summary| is_final(&summary.body)))
    }

    /// Fails if files of the manifest are not in the listing.
    async fn check_listing(
        &self,
        version: &str,
        manifest: &Manifest,
        paths: &BTreeSet<&str>,
    ) -> Result<()> {
        let is_missing = |(path, entry): &(&String, &ManifestEntry)| {
            entry.link.is_none() && !entry.is_folder() && !paths.contains(path.as_str())
        };
        let missing: Vec<&String> =
            manifest.iter().filter(is_missing).map(|(path, _)| path).collect();
        let Some(&first) = missing.first() else { return Ok(()) };
        let summary = self.summary_now(version).await?;
        let summary = summary.and_then(|found| found.parse::<Summary>().ok());
        if summary.is_some_and(|summary| !summary.upload_finish.is_empty()) {
            return Err(not_there(first));
        }
        Err(Error::Unfinished {
            version: version.to_owned(),
            missing: missing.len(),
            files: manifest.len(),
            example: first.clone(),
        })
    }

    /// Downloads those of the objects that are not in the cache; with `doubt`, also those that
    /// differ from the manifest.
    async fn get_all(
        &self,
        version: &str,
        paths: &BTreeSet<&str>,
        manifest: &Manifest,
        doubt: bool,
        archive: Option<&Archive>,
    ) -> Result<()> {
        // Links are made as files later.
        let names = paths.iter().copied().chain(manifest.keys().map(String::as_str));
        fold::refuse_equal(&self.cache.object(version)?, names)?;
        let mut items = Vec::new();
        let mut present = Vec::new();
        for path in paths {
            let item = self.item(version, path, manifest.get(*path))?;
            if !self.is_usable(Some(manifest), path, &item.target)? {
                items.push(item);
            } else if doubt && (item.expected.is_some() || item.form.is_document()) {
                present.push(item);
            }
        }
        let (records, files): (Vec<_>, Vec<_>) =
            present.into_iter().partition(|item| item.form.is_document());
        if self.verify != Verify::Always {
            items.extend(records);
        }
        let known: Vec<(&Path, &Expected)> = files
            .iter()
            .filter_map(|item| Some((item.target.as_path(), item.expected.as_ref()?)))
            .collect();
        let differ = differing(&known, self.job)?;
        items.extend(files.into_iter().zip(differ).filter_map(|(item, is)| is.then_some(item)));
        if items.iter().any(|item| !item.target.exists()) {
            self.cache.set_complete(version, false)?;
        }
        make_folders(&items)?;
        let options = Options { archive: archive.cloned(), ..self.options()? };
        download::download_named(&self.remote.http, items, &options, self.job).await
    }

    async fn resolve(&self, version: &str, manifest: &Manifest) -> Result<()> {
        let mut wanted = Vec::new();
        let mut origins = BTreeMap::new();
        for (path, entry) in manifest {
            let Some(link) = &entry.link else { continue };
            let file = self.cache.object(&format!("{version}/{path}"))?;
            if self.is_usable(Some(manifest), path, &file)? {
                continue;
            }
            let origin = Origin::new(link, path, entry);
            let original = self.cache.object(&origin.key()).map_err(|error| error.of(path))?;
            wanted.push((path, file, original));
            origins.entry(origin.key()).or_insert(origin);
        }
        // Files of the cache that are links themselves, in the order in which they were found.
        let mut detours = Vec::new();
        for step in 0.. {
            let missing = self.get_origins(origins).await?;
            let Some(first) = missing.first() else { break };
            if step == MOST_STEPS {
                return Err(not_there(&first.link.path).of(first.leader));
            }
            origins = BTreeMap::new();
            for (from, to) in self.follow(missing).await? {
                let place = |origin: &Origin<'_>| {
                    self.cache.object(&origin.key()).map_err(|error| error.of(origin.leader))
                };
                detours.push((place(&to)?, place(&from)?, to.leader));
                origins.entry(to.key()).or_insert(to);
            }
        }
        let detours = detours.iter().rev().map(|(original, file, path)| (*path, file, original));
        let links = wanted.iter().map(|(path, file, original)| (path.as_str(), file, original));
        for (path, file, original) in detours.chain(links) {
            self.job.check()?;
            self.cache.link(original, file).map_err(|error| error.of(path))?;
        }
        Ok(())
    }

    /// Downloads what links lead to, all at once, unless it is cached; gives back what is not there,
    /// in the order of the links.
    async fn get_origins<'o>(
        &self,
        origins: BTreeMap<String, Origin<'o>>,
    ) -> Result<Vec<Origin<'o>>> {
        let mut items = Vec::new();
        for origin in origins.values() {
            let (version, path) = (version_of(&origin.link), origin.link.path.as_str());
            let item = self.item(&version, path, Some(&origin.entry));
            let item = item.map_err(|error| error.of(origin.leader))?;
            if !self.is_usable(None, path, &item.target)? {
                items.push(item);
            }
        }
        let missing = match self.download_found(items).await {
            Err(Error::Item { item, source }) => {
                let leader = origins.get(&item).map_or("", |origin| origin.leader);
                return Err(source.of(item).of(leader));
            }
            other => other?,
        };
        let missing: BTreeSet<String> = missing.into_iter().collect();
        let mut missing: Vec<_> = origins
            .into_iter()
            .filter(|(key, _)| missing.contains(key))
            .map(|(_, origin)| origin)
            .collect();
        missing.sort_by_key(|origin| origin.leader);
        Ok(missing)
    }

    /// Where origins that are not there lead to themselves.
    async fn follow<'o>(&self, missing: Vec<Origin<'o>>) -> Result<Vec<(Origin<'o>, Origin<'o>)>> {
        // Many of them are in the same directory.
        let mut records: BTreeMap<(String, String), &str> = BTreeMap::new();
        for origin in &missing {
            records.entry(origin.record()).or_insert(origin.leader);
        }
        let known: HashMap<(String, String), Links> = stream::iter(records)
            .map(|((version, name), leader)| async move {
                let links = match self.record(&version, &name).await {
                    Err(error) if is_missing(&error) => Links::new(),
                    other => other
                        .and_then(|links| links.parse_public())
                        .map_err(|error| error.of(leader))?,
                };
                Ok::<_, Error>(((version, name), links))
            })
            .buffered(download::concurrency(self.options.concurrency))
            .try_collect()
            .await?;
        let next = missing.into_iter().map(|from| {
            match known[&from.record()].get(base_name(&from.link.path)) {
                Some(link) => {
                    let to = Origin::new(link, from.leader, &from.entry);
                    Ok((from, to))
                }
                None => Err(not_there(&from.link.path).of(from.leader)),
            }
        });
        next.collect()
    }
}

/// A file that links lead to.
struct Origin<'a> {
    /// Where it is.
    link: Link,
    /// The first link that leads to it, for messages.
    leader: &'a str,
    /// What it must be.
    entry: ManifestEntry,
}

impl<'a> Origin<'a> {
    fn new(link: &Link, leader: &'a str, entry: &ManifestEntry) -> Self {
        let link = link.origin().without_ancestor();
        Self { link, leader, entry: ManifestEntry { link: None, ..entry.clone() } }
    }

    fn key(&self) -> String {
        self.link.registry_path()
    }

    /// Its version, and the record there of the links of its directory.
    fn record(&self) -> (String, String) {
        (version_of(&self.link), links_record(&self.link.path))
    }
}
