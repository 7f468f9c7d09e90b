//! A registry as users name it: by its kind, an endpoint, a folder at hand, and a cache.
//!
//! 1. A registry that can be read here is used in place, without copies.
//! 2. Of a service, what is cached of a version that will not change any more is used; the rest is
//!    asked for.
//! 3. What is copied or cached is compared with the manifest. Parts of files cannot be: the size of the
//!    whole must be right, and its digest where the server states it.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::Deserialize;

use super::gobbler::{self, CacheFolder, Fetch, FetchOptions, Source};
use super::gypsum::{self, Cache, SaveOptions, Saver};
use super::{cache, remote};
use crate::address::Scheme;
use crate::digest::Hasher;
use crate::error::IoContext;
use crate::fs::{atomic, fold, litter, once_more_if_stale};
use crate::http::url::without_secrets;
use crate::http::{Document, Http, Trust};
use crate::job::Job;
use crate::registry::format::layout::{MANIFEST, SUMMARY, is_internal};
use crate::registry::format::model::Summary;
use crate::registry::read::{Files, Linked, Registry, Row, Table, Tree, is_absent};
use crate::relpath::RelPath;
use crate::runtime::{self, PerProcess};
use crate::shared::{Memory, lock};
use crate::transfer::download::{self, Options};
use crate::transfer::plan::{Expected, Form, Item, differing};
use crate::{Error, Result, parallel, system};

/// Mode of copies, less the umask.
const FILE_MODE: u32 = 0o666;
const COPY_BYTES: usize = 256 * 1024;

/// Where a registry is.
#[derive(Debug, Clone)]
pub struct Place {
    /// Which kind of registry.
    pub scheme: Scheme,
    /// URL of its service.
    pub endpoint: Option<String>,
    /// Its folder, which is read in place if it is here.
    pub registry: Option<PathBuf>,
    /// Where what comes from the service is kept.
    pub cache: Option<PathBuf>,
    /// Whose certificates are believed.
    pub trust: Trust,
    /// Whether nobody is asked, whatever the environment says.
    pub is_offline: bool,
}

/// How to get files.
#[derive(Debug, Clone, Default)]
pub struct GetOptions {
    /// Replace files that are there and differ.
    pub overwrite: bool,
    /// Downloads at once; 0 leaves the number to the client.
    pub concurrency: usize,
}

/// What was done to get files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Got {
    /// Files that were there already.
    pub kept: u64,
    /// Files that were copied from a registry or cache at hand.
    pub copied: u64,
    /// Files that were downloaded.
    pub downloaded: u64,
}

/// A registry that can be read.
#[derive(Debug)]
pub struct Opened {
    kind: Kind,
    is_offline: bool,
}

#[derive(Debug)]
enum Kind {
    Tree(Tree, PathBuf),
    Files(Linked<Files>, PathBuf),
    Gobbler { remote: gobbler::Remote, url: String, cache: CacheFolder },
    Gypsum { remote: Linked<gypsum::Remote>, cache: Cache },
}

static KNOWN: PerProcess<Mutex<Memory<(Scheme, String), (), 256>>> = PerProcess::empty();

impl Place {
    /// Finds out how it is read. Whether it is a service of that kind is asked once.
    pub fn open(&self, job: &Job) -> Result<Opened> {
        let missing = |argument, why: &str| Error::invalid(argument, "None", why);
        let at_hand = self.registry.as_ref().filter(|folder| folder.is_dir());
        let kind = match (self.scheme, at_hand, &self.endpoint) {
            (Scheme::Girder, ..) => {
                return Err(Error::invalid("scheme", "girder", "it has a client of its own"));
            }
            (Scheme::Gobbler, Some(root), _) => Kind::Tree(Tree::new(root), root.clone()),
            (Scheme::Gypsum, Some(root), _) => Kind::Files(Linked(Files::new(root)), root.clone()),
            (Scheme::Gobbler, None, Some(url)) => {
                let mut remote = gobbler::Remote::new(url, &runtime::current()?)?;
                self.switch(&mut remote.http);
                self.check(&remote.http, url, || is_gobbler(&remote, job))?;
                let cache = self.cache.clone().map_or(CacheFolder::Default, CacheFolder::Shared);
                Kind::Gobbler { remote, url: url.clone(), cache }
            }
            (Scheme::Gypsum, None, Some(url)) => {
                let mut remote = gypsum::Remote::new(url, &self.trust, &runtime::current()?)?;
                self.switch(&mut remote.http);
                self.check(&remote.http, url, || is_no_gobbler(&remote, url, job))?;
                let cache =
                    self.cache.as_ref().ok_or_else(|| missing("cache", "name a directory"))?;
                Kind::Gypsum { remote: Linked(remote), cache: Cache::new(cache) }
            }
            (_, None, None) => {
                let why = match &self.registry {
                    Some(folder) => format!(
                        "the registry `{}` cannot be read here; give the URL of its service",
                        folder.display()
                    ),
                    None => "give the URL of the service, or the directory of the registry".into(),
                };
                return Err(missing("endpoint", &why));
            }
        };
        Ok(Opened { kind, is_offline: self.is_offline })
    }

    fn switch(&self, http: &mut Http) {
        if self.is_offline {
            http.switch_off();
        }
    }

    fn check(&self, http: &Http, url: &str, ask: impl FnOnce() -> Result<()>) -> Result<()> {
        let key = (self.scheme, url.to_owned());
        let known = KNOWN.get(Mutex::default);
        if http.is_offline() || lock(known).get(&key).is_some() {
            return Ok(());
        }
        ask()?;
        lock(known).insert(key, ());
        Ok(())
    }
}

/// Fails if it is another service that answers.
fn is_gobbler(remote: &gobbler::Remote, job: &Job) -> Result<()> {
    #[derive(Deserialize)]
    struct Reason {
        reason: String,
    }

    let asked = runtime::current()?.block_on(remote.info(job));
    let other = match &asked {
        Err(Error::Status { status: 404, body, .. }) => {
            let is_gypsum =
                serde_json::from_str::<Reason>(body).is_ok_and(|of| !of.reason.is_empty());
            if is_gypsum { "gypsum" } else { "something else" }
        }
        Err(Error::Json { .. } | Error::Invalid { .. }) => "something else",
        _ => return asked.map(drop),
    };
    Err(Error::Service { url: remote.shown(), found: other, wanted: "a Gobbler" })
}

/// Fails if it is a Gobbler that answers. Services of gypsum have nothing there.
fn is_no_gobbler(remote: &gypsum::Remote, url: &str, job: &Job) -> Result<()> {
    let asked = runtime::current()?.block_on(remote.http.get(&remote.endpoint("info", &[])?, job));
    match asked {
        Ok(answer) if answer.parse::<gobbler::Info>().is_ok() => {
            Err(Error::Service { url: without_secrets(url), found: "a Gobbler", wanted: "gypsum" })
        }
        Ok(_) | Err(Error::Status { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

impl Opened {
    fn registry(&self) -> &dyn Registry {
        match &self.kind {
            Kind::Tree(tree, _) => tree,
            Kind::Files(files, _) => files,
            Kind::Gobbler { remote, .. } => remote,
            Kind::Gypsum { remote, .. } => remote,
        }
    }

    /// The folder of the registry, if it is read in place.
    pub fn at_hand(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Tree(_, root) | Kind::Files(_, root) => Some(root),
            Kind::Gobbler { .. } | Kind::Gypsum { .. } => None,
        }
    }

    /// Names of the projects, or of the assets or versions in a folder, sorted.
    pub fn names(&self, folder: Option<&RelPath>, job: &Job) -> Result<Vec<String>> {
        let names = self.registry().list(folder, false, job)?;
        let folders = names.iter().filter_map(|name| name.strip_suffix('/'));
        Ok(folders.filter(|name| !is_internal(name)).map(str::to_owned).collect())
    }

    /// A document of the registry; `None` if there is none.
    pub fn document(&self, path: &RelPath, job: &Job) -> Result<Option<Document>> {
        let is_summary = path.file_name() == SUMMARY;
        if is_summary && let Some((file, body)) = self.settled(path)? {
            return Ok(Some(Document::of_file(file, body)));
        }
        let runtime = runtime::current()?;
        let found = match &self.kind {
            Kind::Tree(_, root) | Kind::Files(_, root) => {
                let file = path.under(root);
                let body = once_more_if_stale(|| fs::read(&file)).at(&file);
                body.map(|body| Document::of_file(&file, body))
            }
            Kind::Gobbler { remote, .. } => runtime.block_on(remote.read(path, job)),
            Kind::Gypsum { remote, .. } => runtime.block_on(remote.0.read(path.as_str(), job)),
        };
        match found {
            Err(error) if is_absent(&error) => Ok(None),
            other => other.map(Some),
        }
    }

    /// The manifest of a version.
    pub fn table(&self, version: &RelPath, job: &Job) -> Result<Table> {
        let summary = RelPath::parse(format!("{version}/{SUMMARY}"))?;
        if self.settled(&summary)?.is_some()
            && let Some(file) = self.cached(&RelPath::parse(format!("{version}/{MANIFEST}"))?)?
            && let Ok(text) = fs::File::open(&file)
            // What makes no sense there is asked for again.
            && let Ok(table) = Table::read(text, &file.to_string_lossy(), job)
        {
            return Ok(table);
        }
        job.check()?;
        Table::of(self.registry(), version, job)
    }

    /// Where a file of the registry is on this machine, or would be.
    fn file(&self, path: &RelPath) -> Result<PathBuf> {
        match &self.kind {
            Kind::Tree(_, root) | Kind::Files(_, root) => Ok(path.under(root)),
            Kind::Gobbler { url, cache, .. } => gobbler::cached_file(cache, url, path),
            Kind::Gypsum { cache, .. } => cache.object(path.as_str()),
        }
    }

    /// The same for what comes from a service; `None` if the registry is read in place.
    fn cached(&self, path: &RelPath) -> Result<Option<PathBuf>> {
        if self.at_hand().is_some() { Ok(None) } else { self.file(path).map(Some) }
    }

    /// The cached summary of a version, if nothing about the version will change any more.
    fn settled(&self, summary: &RelPath) -> Result<Option<(PathBuf, Vec<u8>)>> {
        let Some(file) = self.cached(summary)? else { return Ok(None) };
        let Some(body) = cache::read(&file)? else { return Ok(None) };
        let is_settled = serde_json::from_slice::<Summary>(&body)
            .is_ok_and(|summary| summary.is_finished() && !summary.is_probational());
        Ok(is_settled.then_some((file, body)))
    }

    /// The folder in which the files of a version are, or would be.
    pub fn folder(&self, version: &RelPath) -> Result<PathBuf> {
        self.file(version)
    }

    /// Makes sure that a version can be read here; returns where.
    pub fn fetch(&self, version: &RelPath, options: &GetOptions, job: &Job) -> Result<PathBuf> {
        match &self.kind {
            Kind::Tree(_, root) | Kind::Files(_, root) => Ok(version.under(root)),
            Kind::Gobbler { url, cache, .. } => {
                let source = Source::Remote(url.clone());
                let options = self.fetching(cache, options);
                Fetch::Directory.run(version.as_str(), &source, &options, job)
            }
            Kind::Gypsum { remote, cache } => {
                let saver = Saver::new(&remote.0, cache, saving(options), job)?;
                saver.version(version.as_str(), true)
            }
        }
    }

    /// Makes sure that files of a version can be read here; returns where, in the same order. With
    /// each comes where its content is kept in the registry, if it is a link.
    pub fn fetch_files(
        &self,
        version: &RelPath,
        files: &[(RelPath, Option<RelPath>)],
        options: &GetOptions,
        job: &Job,
    ) -> Result<Vec<PathBuf>> {
        match &self.kind {
            Kind::Tree(_, root) | Kind::Files(_, root) => {
                let folder = version.under(root);
                let place = |(path, origin): &(RelPath, Option<RelPath>)| {
                    let own = path.under(&folder);
                    match origin {
                        Some(origin) if !own.exists() => origin.under(root),
                        _ => own,
                    }
                };
                Ok(files.iter().map(place).collect())
            }
            Kind::Gobbler { url, cache, .. } => {
                let path = |(path, _): &(RelPath, _)| RelPath::parse(format!("{version}/{path}"));
                let paths = files.iter().map(path).collect::<Result<Vec<_>>>()?;
                gobbler::fetch_files(&paths, url, &self.fetching(cache, options), job)
            }
            Kind::Gypsum { remote, cache } => {
                let saver = Saver::new(&remote.0, cache, saving(options), job)?;
                let paths: Vec<&RelPath> = files.iter().map(|(path, _)| path).collect();
                saver.files(version.as_str(), &paths)
            }
        }
    }

    fn fetching(&self, cache: &CacheFolder, options: &GetOptions) -> FetchOptions {
        FetchOptions {
            cache: cache.clone(),
            overwrite: options.overwrite,
            concurrency: options.concurrency,
            is_offline: self.is_offline,
        }
    }

    /// A file that is at hand without asking anybody: in the registry, or in the cache.
    pub fn at_hand_file(&self, version: &RelPath, row: Row<'_>) -> Result<Option<PathBuf>> {
        let path = RelPath::parse(format!("{version}/{}", row.path()))?;
        let own = self.file(&path)?;
        let Some(root) = self.at_hand() else {
            let is_whole = fs::metadata(&own).is_ok_and(|found| found.len() == row.size());
            return Ok(is_whole.then_some(own));
        };
        if own.is_file() {
            return Ok(Some(own));
        }
        let Some(link) = row.link() else { return Ok(None) };
        let origin = RelPath::parse(link.origin().registry_path())?.under(root);
        Ok(origin.is_file().then_some(origin))
    }

    /// Where the content of a file is asked for.
    fn url(&self, version: &RelPath, row: Row<'_>) -> Result<Option<(&Http, reqwest::Url)>> {
        Ok(match &self.kind {
            Kind::Tree(..) | Kind::Files(..) => None,
            Kind::Gobbler { remote, .. } => {
                let path = RelPath::parse(format!("{version}/{}", row.path()))?;
                Some((&remote.http, remote.file_url(&path)?))
            }
            // Links are objects nowhere.
            Kind::Gypsum { remote, .. } => {
                let key = match row.link() {
                    Some(link) => link.origin().registry_path(),
                    None => format!("{version}/{}", row.path()),
                };
                Some((&remote.0.http, remote.0.file_url(&key)?))
            }
        })
    }

    /// Parts of a file, which cannot be compared with the manifest.
    pub fn ranges(
        &self,
        version: &RelPath,
        row: Row<'_>,
        ranges: &[Range<u64>],
        job: &Job,
    ) -> Result<Vec<Vec<u8>>> {
        // What is cached of a version that may still change may be of another upload.
        let summary = RelPath::parse(format!("{version}/{SUMMARY}"))?;
        if (self.at_hand().is_some() || self.settled(&summary)?.is_some())
            && let Some(file) = self.at_hand_file(version, row)?
        {
            return remote::ranges_of_file(&file, ranges, job);
        }
        let Some((http, url)) = self.url(version, row)? else {
            return Err(crate::registry::read::absent(format!("{version}/{}", row.path())));
        };
        let whole = remote::Whole { path: row.path(), size: row.size(), md5: row.digest() };
        runtime::current()?.block_on(remote::ranges(http, &url, whole, ranges, job))
    }

    /// Copies files of a version into a folder. What is there and equal is kept; what is there and
    /// differs is a failure, unless it may be replaced.
    pub fn get(
        &self,
        version: &RelPath,
        table: &Table,
        destination: &Path,
        options: &GetOptions,
        job: &Job,
    ) -> Result<Got> {
        fold::refuse_equal(destination, table.rows().map(Row::path))?;
        fs::create_dir_all(destination).at(destination)?;
        litter::clear(destination);
        let mut got = Got::default();
        let wanted = missing(table, destination, options, job, &mut got)?;
        let (mut copies, mut items) = (Vec::new(), Vec::new());
        for row in wanted {
            match self.at_hand_file(version, row)? {
                Some(file) => copies.push((row.number(), file)),
                None => items.push(self.item(version, row, destination)?),
            }
        }
        let scratch = atomic::stage_folder(destination)?;
        let bytes = copies.iter().map(|(number, _)| table.row(*number).size()).sum();
        job.expect(copies.len() as u64, bytes);
        let copy = |(): &mut (), (number, file): &(usize, PathBuf)| {
            let row = table.row(*number);
            let copied = copy(file, &destination.join(row.path()), scratch.path(), row, job);
            // A cache may be damaged; a registry cannot be asked again.
            match copied {
                Err(Error::Digest { .. }) if self.at_hand().is_none() => Ok(Some(*number)),
                other => other.map(|()| None),
            }
        };
        let damaged = parallel::try_map(&copies, || (), copy)?;
        for number in damaged.iter().flatten() {
            items.push(self.item(version, table.row(*number), destination)?);
        }
        let damaged = damaged.into_iter().flatten().count();
        got.copied = (copies.len() - damaged) as u64;
        got.downloaded = items.len() as u64;
        let options = Options {
            concurrency: options.concurrency,
            scratch: scratch.path().to_owned(),
            ..Options::default()
        };
        if let Kind::Gobbler { remote: gobbler::Remote { http, .. }, .. }
        | Kind::Gypsum { remote: Linked(gypsum::Remote { http, .. }), .. } = &self.kind
        {
            runtime::current()?.block_on(download::download_named(http, items, &options, job))?;
        }
        Ok(got)
    }

    fn item(&self, version: &RelPath, row: Row<'_>, destination: &Path) -> Result<Item> {
        let path = RelPath::parse(row.path())?;
        let Some((_, url)) = self.url(version, row)? else {
            return Err(crate::registry::read::absent(format!("{version}/{path}")));
        };
        Ok(Item {
            url,
            name: path.to_string(),
            target: path.under(destination),
            expected: Some(expected(row)),
            form: Form::Any,
        })
    }
}

fn saving(options: &GetOptions) -> SaveOptions {
    SaveOptions { overwrite: options.overwrite, concurrency: options.concurrency }
}

/// The files that a folder does not have; its folders are made.
fn missing<'table>(
    table: &'table Table,
    destination: &Path,
    options: &GetOptions,
    job: &Job,
    got: &mut Got,
) -> Result<Vec<Row<'table>>> {
    let (mut wanted, mut present) = (Vec::new(), Vec::new());
    let mut folders = BTreeSet::new();
    for row in table.rows() {
        job.check()?;
        let target = destination.join(row.path());
        if row.is_folder() {
            folders.insert(target);
            continue;
        }
        folders.extend(target.parent().map(Path::to_owned));
        match fs::symlink_metadata(&target) {
            // So a power failure leaves what was copied just before: nobody's content is replaced.
            Ok(found) if found.is_file() && found.len() == 0 && row.size() > 0 => wanted.push(row),
            Ok(_) => present.push((row, target)),
            Err(_) => wanted.push(row),
        }
    }
    for folder in folders {
        fs::create_dir_all(&folder).at(&folder)?;
    }
    let expected: Vec<Expected> = present.iter().map(|(row, _)| expected(*row)).collect();
    let known: Vec<(&Path, &Expected)> =
        present.iter().zip(&expected).map(|((_, file), of)| (file.as_path(), of)).collect();
    for ((row, file), differs) in present.iter().zip(differing(&known, job)?) {
        if !differs {
            got.kept += 1;
        } else if options.overwrite {
            wanted.push(*row);
        } else {
            return Err(system::error(std::io::ErrorKind::AlreadyExists)).at(file);
        }
    }
    Ok(wanted)
}

fn expected(row: Row<'_>) -> Expected {
    Expected { size: row.size(), md5: row.md5sum() }
}

/// Copies a file that must be what its manifest says.
fn copy(from: &Path, to: &Path, scratch: &Path, row: Row<'_>, job: &Job) -> Result<()> {
    use std::io::{Read, Write};

    let mut source = fs::File::open(from).at(from)?;
    let staged = atomic::stage(scratch, FILE_MODE)?;
    let (mut hasher, mut window) = (Hasher::default(), vec![0; COPY_BYTES]);
    loop {
        job.check()?;
        let count = source.read(&mut window).at(from)?;
        if count == 0 {
            break;
        }
        hasher.update(&window[..count]);
        staged.file().write_all(&window[..count]).at(to)?;
        job.advance(count as u64);
    }
    expected(row).check(&hasher.finish(), row.path())?;
    atomic::persist(staged, to)?;
    job.file_done();
    Ok(())
}
