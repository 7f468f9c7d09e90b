//! Files and directories of a registry, through a cache when they come from a service.
//!
//! Versions do not change once they are off probation, so what is cached of them is used as it is.
//! Everything else follows from these rules (1 and 5 in `records`):
//!
//! 1. A version that was on probation when it was cached is looked up again.
//! 2. Downloaded files must have the size and digest that the version's manifest says.
//! 3. A file that the manifest calls a link shares the content of its origin, if that is cached.
//! 4. A directory is marked as complete when all of it is there. It is unmarked when something of it
//!    is about to change, and not before.
//! 5. Before a manifest is replaced by another one, the files that differ between them are dropped.
//! 6. A document that makes no sense is none.
//! 7. No file takes the place of another one whose name the file system takes for the same.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use walkdir::WalkDir;

use super::cache::{Cache, CacheFolder};
use super::records::{Manifests, Records, entry_of, inside, is_record, split_version, versions_of};
use super::remote::Remote;
use super::source::Source;
use crate::client::cache::{self, Standing, expected, form_of};
use crate::error::{IoContext, tell};
use crate::fs::atomic;
use crate::fs::fold;
use crate::fs::owner::make_folders;
use crate::fs::walk;
use crate::job::Job;
use crate::registry::format::model::ManifestEntry;
use crate::relpath::RelPath;
use crate::runtime::{self, Runtime};
use crate::settings::{self, Verify};
use crate::system::{self, Kind};
use crate::transfer::archive::Archive;
use crate::transfer::download::{self, Options};
use crate::transfer::plan::{Expected, Item, differing};
use crate::{Error, Result};

/// How to fetch.
#[derive(Debug, Clone, Default)]
pub struct FetchOptions {
    /// Where fetched files are kept.
    pub cache: CacheFolder,
    /// Fetch again what is cached.
    pub overwrite: bool,
    /// Downloads at once; 0 or 1 leave the number to the client.
    pub concurrency: usize,
    /// Ask nobody.
    pub is_offline: bool,
}

/// The folder that holds everything fetched from `url`.
pub fn cache_folder(cache: &CacheFolder, url: &str) -> Result<PathBuf> {
    Cache::new(cache, url).map(Cache::into_root)
}

/// Where a file that is fetched from `url` is kept.
pub fn cached_file(cache: &CacheFolder, url: &str, path: &RelPath) -> Result<PathBuf> {
    Ok(Cache::new(cache, url)?.file(path))
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
        match self {
            Self::File => Ok(fetch_files(&[parsed], url, options, job)?.remove(0)),
            Self::Directory => {
                let runtime = runtime::current()?;
                let fetcher = Fetcher::new(url, &runtime, options, job)?;
                runtime.block_on(job.race(fetcher.directory(&parsed)))
            }
        }
    }
}

/// Makes sure that files of the service at `url` can be read, and returns where, in the same order.
pub fn fetch_files(
    paths: &[RelPath],
    url: &str,
    options: &FetchOptions,
    job: &Job,
) -> Result<Vec<PathBuf>> {
    let runtime = runtime::current()?;
    let fetcher = Fetcher::new(url, &runtime, options, job)?;
    runtime.block_on(job.race(fetcher.files(paths)))
}

struct Fetcher<'a> {
    remote: Remote,
    cache: Cache,
    verify: Verify,
    options: &'a FetchOptions,
    job: &'a Job,
}

impl<'a> Fetcher<'a> {
    fn new(
        url: &str,
        runtime: &Arc<Runtime>,
        options: &'a FetchOptions,
        job: &'a Job,
    ) -> Result<Self> {
        let mut remote = Remote::new(url, runtime)?;
        if options.is_offline {
            remote.http.switch_off();
        }
        let cache = Cache::new(&options.cache, url)?;
        Ok(Self { remote, cache, verify: settings::verify()?, options, job })
    }

    fn records(&self) -> Records<'_> {
        let concurrency = self.options.concurrency;
        Records { remote: &self.remote, cache: &self.cache, concurrency, job: self.job }
    }

    async fn files(&self, paths: &[RelPath]) -> Result<Vec<PathBuf>> {
        for path in paths {
            fold::refuse_other(&self.cache.registry(), path)?;
        }
        let mut wanted = paths.to_vec();
        if !self.options.overwrite {
            let (present, _) = self.divided(paths, false)?;
            for version in versions_of(&present) {
                self.records().refresh(&version).await?;
            }
            // What had changed is missing by now.
            let (present, missing) = self.divided(paths, false)?;
            wanted = missing;
            wanted.extend(self.damaged(&present).await?);
        }
        let folders: BTreeSet<PathBuf> = wanted
            .iter()
            .filter_map(|path| Some(self.cache.file(path).parent()?.to_owned()))
            .collect();
        for folder in folders {
            make_folders(&folder)?;
        }
        let trusted = !self.options.overwrite && self.records().are_final(&wanted)?;
        let wanted = &wanted;
        let get = |from_cache| async move {
            let manifests = self.known(wanted, from_cache).await?;
            self.get_all(wanted.clone(), &manifests, None).await
        };
        match get(trusted).await {
            // The manifest may have been made anew since it was cached.
            Err(Error::Digest { .. }) if trusted => get(false).await?,
            other => other?,
        }
        Ok(paths.iter().map(|path| self.cache.file(path)).collect())
    }

    /// True if a file is in the cache, and neither a document that makes no sense nor empty where it
    /// should not be, as a power failure leaves it; with `doubt`, nor shorter than its manifest says.
    /// Cached manifests that are read come to `manifests`.
    fn has(&self, path: &RelPath, doubt: bool, manifests: &mut Manifests) -> Result<bool> {
        let file = self.cache.file(path);
        if form_of(path.file_name()).is_document() {
            return cache::has_document(&file);
        }
        let Some(found) = fs::metadata(file).ok().filter(fs::Metadata::is_file) else {
            return Ok(false);
        };
        if found.len() > 0 && !doubt {
            return Ok(true);
        }
        if let Some((version, _)) = split_version(path)
            && !manifests.contains_key(&version)
        {
            let manifest = self.records().cached_manifest(&version)?;
            manifests.insert(version, manifest.unwrap_or_default());
        }
        let least = entry_of(path, manifests).map_or(1, |entry| entry.size);
        Ok(found.len() >= least)
    }

    /// Divides files into those that are in the cache and those that are not, as [`Self::has`] says.
    fn divided(&self, files: &[RelPath], doubt: bool) -> Result<(Vec<RelPath>, Vec<RelPath>)> {
        let (mut present, mut missing) = (Vec::new(), Vec::new());
        let mut manifests = Manifests::new();
        for file in files {
            let is_present = self.has(file, doubt, &mut manifests)?;
            if is_present { &mut present } else { &mut missing }.push(file.clone());
        }
        Ok((present, missing))
    }

    /// True if nothing that is cached of a directory was cut off.
    fn is_whole(&self, path: &RelPath) -> Result<bool> {
        let mut manifests = Manifests::new();
        for entry in walk::walk(&self.cache.file(path), &|_| true, self.job)? {
            let is_whole = entry.kind != Kind::File
                || self.has(&inside(path, entry.path.as_str())?, true, &mut manifests)?;
            if !is_whole {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn directory(&self, path: &RelPath) -> Result<PathBuf> {
        let target = self.cache.file(path);
        fold::refuse_other(&self.cache.registry(), path)?;
        let mut doubt = false;
        if !self.options.overwrite {
            for version in self.records().cached_versions(path)? {
                self.records().refresh(&version).await?;
            }
            let standing = self.cache.standing(path);
            doubt = standing == Standing::Doubtful;
            if self.verify != Verify::Always {
                if doubt && self.is_whole(path)? {
                    // Else it is looked at again next time.
                    let noted = self.cache.mark_complete(path);
                    tell(cache::TARGET, "cannot note what is complete", noted);
                    return Ok(target);
                }
                if standing == Standing::Complete {
                    return Ok(target);
                }
            }
        }
        let (listing, archive) = self.remote.listed(Some(path), true, self.job).await?;
        if listing.is_empty() && self.is_file(path).await? {
            let error = system::error(std::io::ErrorKind::NotADirectory);
            return Err(Error::Io { path: path.as_str().into(), source: error });
        }
        let mut files = Vec::new();
        let mut folders = BTreeSet::from([""]);
        for name in &listing {
            if let Some(folder) = name.strip_suffix('/') {
                folders.insert(folder);
                continue;
            }
            files.push(inside(path, name)?);
            folders.extend(name.rsplit_once('/').map(|(folder, _)| folder));
        }
        fold::refuse_equal(&target, listing.iter().map(String::as_str))?;
        // Where there is nothing yet, nobody has to look for each file.
        let is_new = !target.exists();
        let divide = || {
            if is_new { Ok((Vec::new(), files.clone())) } else { self.divided(&files, doubt) }
        };
        let (_, missing) = divide()?;
        let asked = if self.options.overwrite { &files } else { &missing };
        let manifests = self.known(asked, false).await?;
        // What had changed is missing by now.
        let (present, missing) = divide()?;
        let gone = if self.options.overwrite { self.gone(&target, &listing)? } else { Vec::new() };
        let is_about_to_change = !missing.is_empty() || !gone.is_empty();
        let complete =
            if is_about_to_change { self.cache.mark_incomplete(path)? } else { Vec::new() };
        for gone in gone {
            // What is another user's, or in use, is left.
            let is_folder = gone.is_dir() && !gone.is_symlink();
            let removed = if is_folder { fs::remove_dir(&gone) } else { fs::remove_file(&gone) };
            removed.or_else(left).at(gone)?;
        }
        for folder in &folders {
            let folder = target.join(folder);
            make_folders(&folder)?;
        }
        if !self.options.overwrite {
            files = missing;
            files.extend(self.damaged(&present).await?);
        }
        for file in files.iter().filter(|_| !is_new).map(|file| self.cache.file(file)) {
            if file.is_dir() {
                // What was a directory when it was cached is a file now.
                atomic::remove_tree(&file)?;
            }
        }
        let names = listing.into_iter().filter(|name| !name.ends_with('/'));
        let archive = archive.map(|url| {
            let base = format!("{path}/");
            Archive { url, base, names: names.collect() }
        });
        self.get_all(files, &manifests, archive).await?;
        for folder in complete.iter().chain([path]) {
            self.cache.mark_complete(folder)?;
        }
        Ok(target)
    }

    /// What is in the cached directory but not in the listing; what is in a directory comes before
    /// it.
    fn gone(&self, target: &Path, listing: &[String]) -> Result<Vec<PathBuf>> {
        let mut gone = Vec::new();
        if !target.exists() {
            return Ok(gone);
        }
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
            // A name that is not text is not in the listing.
            let path = entry.path().strip_prefix(target).ok().and_then(Path::to_str);
            let listed = if entry.file_type().is_dir() { &folders } else { &files };
            if !listed.contains(path.unwrap_or_default()) {
                gone.push(entry.into_path());
            }
        }
        Ok(gone)
    }

    async fn is_file(&self, path: &RelPath) -> Result<bool> {
        let parent = path.as_str().rsplit_once('/').map(|(parent, _)| RelPath::parse(parent));
        let names = self.remote.list(parent.transpose()?.as_ref(), false, self.job).await?;
        Ok(names.iter().any(|name| name == path.file_name()))
    }

    /// Those of the cached files that differ from their manifests, if hits are to be verified.
    async fn damaged(&self, paths: &[RelPath]) -> Result<Vec<RelPath>> {
        if self.verify != Verify::Always || paths.is_empty() {
            return Ok(Vec::new());
        }
        let manifests = self.records().manifests(paths, true).await?;
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

    /// What the manifests say of files, unless nothing is to be compared with them.
    async fn known(&self, paths: &[RelPath], from_cache: bool) -> Result<Manifests> {
        match self.verify {
            Verify::Never => Ok(Manifests::new()),
            Verify::AfterDownload | Verify::Always => {
                self.records().manifests(paths, from_cache).await
            }
        }
    }

    /// Downloads files, or shares content that is cached already.
    async fn get_all(
        &self,
        paths: Vec<RelPath>,
        manifests: &Manifests,
        archive: Option<Archive>,
    ) -> Result<()> {
        if paths.is_empty() {
            return Ok(());
        }
        let scratch = self.cache.scratch();
        make_folders(&scratch)?;
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
            let entry = entry_of(path, manifests);
            let original =
                entry.and_then(|entry| self.shared(entry, &target, &batch, &mut leaders));
            if let Some(original) = original {
                links.push((original, target));
                continue;
            }
            items.push(Item {
                url: self.remote.file_url(path)?,
                name: path.to_string(),
                target,
                expected: entry.map(expected),
                form: form_of(path.file_name()),
            });
        }
        let options = Options {
            concurrency: self.options.concurrency,
            scratch,
            directory_advice: Some("use `fetch_directory`"),
            archive,
            ..Options::default()
        };
        download::download(&self.remote.http, items, &options, self.job).await?;
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

#[cfg(test)]
mod tests {
    use md5::{Digest as _, Md5};

    use super::*;
    use crate::digest;
    use crate::http::testing::Site;
    use crate::registry::format::layout::{MANIFEST, SUMMARY};

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

    /// Fetches `p/a/v` again; what fails is content that differs from its manifest.
    fn overwrite(site: &Site, cache: &Path) -> Result<PathBuf> {
        let source = Source::Remote(site.url.clone());
        let cache = CacheFolder::Own(cache.to_owned());
        let options = FetchOptions { cache, overwrite: true, ..FetchOptions::default() };
        Fetch::Directory.run("p/a/v", &source, &options, &Job::default())
    }

    #[test]
    fn what_is_complete_stays_so_unless_it_is_about_to_change() {
        let (site, cache) = (Site::new(), tempfile::tempdir().unwrap());
        let is_complete = || cache.path().join("SUCCESS/p/a/v/....OK").exists();
        let fetch = || fetch(Fetch::Directory, "p/a/v", &site, cache.path());
        let old = [("f", "one"), ("g", "one"), ("same", "same")];
        publish(&site, &old, false);
        let folder = fetch().unwrap();

        site.put("/fetch/p/a/v/g", "evil");
        assert!(matches!(overwrite(&site, cache.path()), Err(Error::Digest { .. })));
        assert!(is_complete());
        assert_eq!(old.map(|(name, _)| text(&folder, name)), ["one", "one", "same"]);
        publish(&site, &old, false);
        overwrite(&site, cache.path()).unwrap();

        // Made anew; what was half of each must never be taken for either.
        publish(&site, &[("f", "two"), ("g", "two"), ("same", "same")], false);
        site.put("/fetch/p/a/v/g", "evil");
        assert!(matches!(overwrite(&site, cache.path()), Err(Error::Digest { .. })));
        assert!(!is_complete() && !folder.join("g").exists());
        site.put("/fetch/p/a/v/g", "two");
        fetch().unwrap();
        assert_eq!(["f", "g", "same"].map(|name| text(&folder, name)), ["two", "two", "same"]);

        // One more file, and one less.
        publish(&site, &[("f", "two"), ("g", "two"), ("new", "new")], false);
        site.put("/fetch/p/a/v/new", "evil");
        assert!(matches!(overwrite(&site, cache.path()), Err(Error::Digest { .. })));
        assert!(!is_complete() && !folder.join("same").exists());

        // One file alone tells that the version is another one by now.
        site.put("/fetch/p/a/v/new", "new");
        fetch().unwrap();
        publish(&site, &old, false);
        let cache_folder = CacheFolder::Own(cache.path().to_owned());
        let options =
            FetchOptions { cache: cache_folder, overwrite: true, ..FetchOptions::default() };
        let source = Source::Remote(site.url.clone());
        Fetch::File.run("p/a/v/f", &source, &options, &Job::default()).unwrap();
        assert!(!is_complete() && !folder.join("g").exists());
        fetch().unwrap();
        assert_eq!(old.map(|(name, _)| text(&folder, name)), ["one", "one", "same"]);
    }

    #[test]
    fn a_page_is_no_document() {
        for name in [MANIFEST, SUMMARY, "..links"] {
            for page in ["<html>Please log in</html>", "", r#"{"error": "log in"}"#] {
                if name == SUMMARY && page.starts_with('{') {
                    continue; // which says that it is not on probation
                }
                let (site, cache) = (Site::new(), tempfile::tempdir().unwrap());
                let path = format!("p/a/v/{name}");
                let publish = || {
                    publish(&site, &[("f", "text"), ("..links", "{}")], false);
                    let entry =
                        serde_json::json!({"size": 4, "md5sum": digest::hex(&Md5::digest("text"))});
                    site.put(
                        "/fetch/p/a/v/..manifest",
                        serde_json::json!({"f": entry}).to_string(),
                    );
                };
                publish();
                site.put(&format!("/fetch/{path}"), page);
                for what in [Fetch::Directory, Fetch::File] {
                    let path = if what == Fetch::File { path.as_str() } else { "p/a/v" };
                    let error = fetch(what, path, &site, cache.path()).unwrap_err();
                    assert!(matches!(error.root(), Error::Json { start: Some(_), .. }), "{error}");
                }
                let kept = cache.path().join("REGISTRY").join(&path);
                assert!(!kept.exists());
                // Another client kept it, and took all for complete.
                publish();
                let folder = fetch(Fetch::Directory, "p/a/v", &site, cache.path()).unwrap();
                fs::write(&kept, page).unwrap();
                assert_ne!(
                    fs::read_to_string(fetch(Fetch::File, &path, &site, cache.path()).unwrap())
                        .unwrap(),
                    page
                );
                fs::write(&kept, page).unwrap();
                if name != "..links" {
                    fetch(Fetch::File, "p/a/v/f", &site, cache.path()).unwrap();
                    fs::remove_file(folder.join("f")).unwrap();
                    fetch(Fetch::File, "p/a/v/f", &site, cache.path()).unwrap();
                    assert_ne!(fs::read_to_string(&kept).unwrap(), page, "{name}");
                }
            }
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
    fn there_is_no_new_manifest_without_its_summary() {
        let (site, cache) = (Site::new(), tempfile::tempdir().unwrap());
        publish(&site, &[("f", "text")], true);
        let folder = cache.path().join("REGISTRY/p/a/v");
        let records = || [MANIFEST, SUMMARY].map(|name| folder.join(name).is_file());
        // Nothing can take the place of a folder.
        fs::create_dir_all(folder.join(SUMMARY)).unwrap();
        fetch(Fetch::File, "p/a/v/..manifest", &site, cache.path()).unwrap_err();
        assert_eq!(records(), [false, false]);
        fs::remove_dir(folder.join(SUMMARY)).unwrap();
        fetch(Fetch::File, "p/a/v/..manifest", &site, cache.path()).unwrap();
        assert_eq!(records(), [true, true]);
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
        let inode = |path: &Path| system::Stat::from(&fs::metadata(path).unwrap()).identity.place;
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
