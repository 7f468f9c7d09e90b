//! Objects in a bucket of an S3-compatible store.
//!
//! Clients send files to the store itself, by URLs that are signed here. Instead of locks on files
//! there are conditional writes: `..LOCK` is put only if it is absent, or still the one that was
//! seen. The store must know `If-None-Match` and `If-Match`.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use futures_util::stream::StreamExt;
use hmac::{Hmac, KeyInit, Mac};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
    PutPayload, UpdateVersion,
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;

use super::{Content, Hold, Incoming, Limits, Listed, Lock, Note, Objects, Purpose, Stat};
use crate::digest::{Digest, Hasher, hex};
use crate::job::Job;
use crate::names::ProjectName;
use crate::quote::{quote_component, quote_path};
use crate::registry::failure::Failure;
use crate::registry::failure::tell;
use crate::registry::format::{json, layout, time};
use crate::shared::lock;
use crate::{Error, Result};

/// After this time nobody is at work any more on what a lock has noted.
const ABANDONED: Duration = Duration::from_secs(15 * 60);
/// Objects that are read at once for their digests: each answer takes some time to come, as most do.
const READS_AT_ONCE: usize = 128;
/// Objects of a part of a listing: with some of the registry's own, one answer, which has up to 1,000.
const PART_KEYS: usize = 990;
/// Parts that are listed at once.
const LISTS_AT_ONCE: usize = 16;
/// How often a project is claimed whose receipt comes or goes meanwhile.
const CLAIMS: usize = 3;
const DOCUMENT: &str = "application/json";

/// The objects of a registry in a bucket.
#[derive(Debug)]
pub struct S3 {
    store: Arc<AmazonS3>,
    /// What signed URLs begin with: the bucket as clients reach it.
    base: String,
    region: String,
    runtime: Handle,
    /// What was begun before was begun by another process.
    opened: DateTime<Utc>,
    /// Receipts that wait to be taken away, and since when.
    told: Mutex<HashMap<Path, (UpdateVersion, Instant)>>,
    /// Whether tags are digests, once one was compared: where a store encrypts with keys of its
    /// customer, they look like digests, and are none.
    tags_are_digests: OnceLock<bool>,
}

/// An object that is read piece by piece.
pub struct Remote {
    store: Arc<AmazonS3>,
    path: Path,
    runtime: Handle,
    /// Size in bytes.
    pub size: u64,
    /// When it was written.
    pub modified: SystemTime,
    /// The digest, if the store tells it.
    pub md5: Option<Digest>,
}

impl fmt::Debug for Remote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Remote").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Remote {
    /// Reads a part, waiting on this thread, which must not be one that answers connections.
    pub fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let read = self.runtime.block_on(self.store.get_range(&self.path, range));
        read.map(Vec::from).map_err(io::Error::other)
    }
}

/// Where a bucket is, as `s3://BUCKET?endpoint=URL&region=NAME` says.
#[derive(Debug, Default)]
struct Place {
    bucket: String,
    endpoint: Option<String>,
    region: Option<String>,
    /// The endpoint that clients reach, if it is another one.
    public_endpoint: Option<String>,
}

impl Place {
    fn parse(text: &str) -> Result<Self> {
        let invalid = |why: &str| Error::invalid("store", text, why);
        let url = reqwest::Url::parse(text).map_err(|error| invalid(&error.to_string()))?;
        let bucket = url.host_str().unwrap_or_default().to_owned();
        if url.scheme() != "s3" || bucket.is_empty() || !matches!(url.path(), "" | "/") {
            return Err(invalid("expected `s3://BUCKET?endpoint=URL&region=NAME`"));
        }
        let mut place = Self { bucket, ..Self::default() };
        for (key, value) in url.query_pairs() {
            let value = value.trim_end_matches('/').to_owned();
            match &*key {
                "endpoint" => place.endpoint = Some(value),
                "region" => place.region = Some(value),
                "public_endpoint" => place.public_endpoint = Some(value),
                _ => return Err(invalid(&format!("`{key}` is not known"))),
            }
        }
        Ok(place)
    }
}

fn failure(error: &object_store::Error) -> Failure {
    Failure::internal(format!("the object store failed: {error}"))
}

fn found<T>(result: object_store::Result<T>) -> Result<Option<T>, Failure> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(failure(&error)),
    }
}

/// The path of a key; `None` for keys that cannot be.
fn path_of(key: &str) -> Option<Path> {
    let path = Path::parse(key).ok()?;
    // Slashes at the ends are dropped by the parser.
    (path.as_ref() == key && !key.is_empty()).then_some(path)
}

/// The digest that a tag looks like.
fn digest_in(tag: Option<&str>) -> Option<Digest> {
    Digest::parse(tag?.trim_start_matches("W/").trim_matches('"'))
}

fn md5_of(content: &[u8]) -> Digest {
    let mut hasher = Hasher::default();
    hasher.update(content);
    hasher.finish().md5
}

impl S3 {
    /// The bucket that `place` names; credentials come from the environment, as for AWS.
    ///
    /// Work is done on the threads of `runtime`; whoever calls the methods waits on another one.
    pub fn new(place: &str, runtime: Handle) -> Result<Self> {
        let Place { bucket, endpoint, region, public_endpoint } = Place::parse(place)?;
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(&bucket);
        if let Some(endpoint) = &endpoint {
            builder =
                builder.with_allow_http(endpoint.starts_with("http://")).with_endpoint(endpoint);
        }
        if let Some(region) = &region {
            builder = builder.with_region(region);
        }
        let known = |key| builder.get_config_value(&key);
        let region = known(AmazonS3ConfigKey::Region).unwrap_or_else(|| "us-east-1".to_owned());
        let endpoint = public_endpoint
            .or_else(|| known(AmazonS3ConfigKey::Endpoint))
            .unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        let base = format!("{}/{bucket}", endpoint.trim_end_matches('/'));
        let store =
            builder.build().map_err(|error| Error::invalid("store", place, error.to_string()))?;
        Ok(Self {
            store: Arc::new(store),
            base,
            region,
            runtime,
            opened: Utc::now(),
            told: Mutex::default(),
            tags_are_digests: OnceLock::new(),
        })
    }

    /// Learns from an object whose content is known whether tags are digests.
    fn learn(&self, tag: Option<&str>, content: &[u8]) {
        if let Some(tag) = digest_in(tag) {
            self.tags_are_digests.get_or_init(|| tag == md5_of(content));
        }
    }

    /// The digest of an object, if its tag tells that.
    fn told_digest(&self, meta: &ObjectMeta) -> Option<Digest> {
        let is_digest = self.tags_are_digests.get().is_some_and(|are_digests| *are_digests);
        digest_in(meta.e_tag.as_deref()).filter(|_| is_digest)
    }

    fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    fn put(
        &self,
        path: &Path,
        content: &[u8],
        mode: PutMode,
    ) -> object_store::Result<object_store::PutResult> {
        let attributes = Attributes::from_iter([(Attribute::ContentType, DOCUMENT)]);
        let options = PutOptions { mode, attributes, ..PutOptions::default() };
        let put =
            self.wait(self.store.put_opts(path, PutPayload::from(content.to_vec()), options))?;
        self.learn(put.e_tag.as_deref(), content);
        Ok(put)
    }

    /// Everything below a folder, sorted.
    fn list_below(&self, folder: &str) -> Result<Vec<ObjectMeta>, Failure> {
        let prefix = path_of(folder);
        if prefix.is_none() && !folder.is_empty() {
            return Ok(Vec::new());
        }
        let listed = self.wait(self.store.list(prefix.as_ref()).try_collect::<Vec<_>>());
        let mut objects = listed.map_err(|error| failure(&error))?;
        objects.sort_unstable_by(|one, other| one.location.cmp(&other.location));
        Ok(objects)
    }

    /// The same as parts that are listed at once, each up to one of the expected keys.
    fn list_parts(&self, folder: &str, expected: &[String]) -> Result<Vec<ObjectMeta>, Failure> {
        let prefix = path_of(folder);
        let ends = || expected.iter().skip(PART_KEYS - 1).step_by(PART_KEYS).map(Some);
        let begins = std::iter::once(None).chain(ends());
        let parts = begins.zip(ends().chain([None]));
        let parts = parts.map(|(after, end)| self.list_part(prefix.as_ref(), after, end));
        let listed = futures_util::stream::iter(parts).buffered(LISTS_AT_ONCE).try_concat();
        let mut objects = self.wait(listed).map_err(|error| failure(&error))?;
        objects.sort_unstable_by(|one, other| one.location.cmp(&other.location));
        Ok(objects)
    }

    /// What comes after one key, up to another.
    async fn list_part(
        &self,
        prefix: Option<&Path>,
        after: Option<&String>,
        end: Option<&String>,
    ) -> object_store::Result<Vec<ObjectMeta>> {
        let mut listed = match after.and_then(|key| path_of(key)) {
            Some(key) => self.store.list_with_offset(prefix, &key),
            None => self.store.list(prefix),
        };
        let mut part = Vec::new();
        while let Some(meta) = listed.try_next().await? {
            let to_end = end.map_or(Ordering::Less, |end| meta.location.as_ref().cmp(end));
            if to_end.is_le() {
                part.push(meta);
            }
            if to_end.is_ge() {
                break;
            }
        }
        Ok(part)
    }

    /// Whether it is a receipt that only waits to be taken away: nobody is shown that.
    fn is_told(&self, path: &Path) -> bool {
        path.filename() == Some(layout::LOCK) && lock(&self.told).contains_key(path)
    }

    /// The digest of what is there now: of an empty content if nothing is.
    async fn digest(&self, key: &str, job: &Job) -> Result<Digest, Failure> {
        let mut hasher = Hasher::default();
        let path = path_of(key);
        let content = match &path {
            Some(path) => found(self.store.get(path).await)?,
            None => None,
        };
        if let Some(content) = content {
            let mut pieces = content.into_stream();
            while let Some(piece) = pieces.next().await {
                job.check()?;
                hasher.update(&piece.map_err(|error| failure(&error))?);
            }
        }
        job.check()?;
        Ok(hasher.finish().md5)
    }

    /// What the lock of a project says, with what it takes to replace just this.
    fn read_note(&self, path: &Path) -> Result<Option<(Note, ObjectMeta)>, Failure> {
        let Some(result) = found(self.wait(self.store.get(path)))? else { return Ok(None) };
        let meta = result.meta.clone();
        let text = self.wait(result.bytes()).map_err(|error| failure(&error))?;
        Ok(serde_json::from_slice(&text).ok().map(|note| (note, meta)))
    }

    /// Writes the lock of a project where there is none, or in the place of the one that was seen.
    /// `None` if something else is there.
    fn put_note(
        &self,
        path: &Path,
        note: &Note,
        seen: Option<UpdateVersion>,
    ) -> Result<Option<UpdateVersion>, Failure> {
        let is_new = seen.is_none();
        let mode = seen.map_or(PutMode::Create, PutMode::Update);
        let error = match self.put(path, &json::plain(note), mode) {
            Ok(put) => return Ok(Some(put.into())),
            Err(error) => error,
        };
        // If an answer was lost, what is in the way may be just this. No two locks are the same.
        if let Ok(Some((found, meta))) = self.read_note(path)
            && found == *note
        {
            return Ok(Some(version_of(meta)));
        }
        match error {
            object_store::Error::AlreadyExists { .. }
            | object_store::Error::Precondition { .. } => Ok(None),
            object_store::Error::NotFound { .. } if !is_new => Ok(None),
            error => Err(failure(&error)),
        }
    }
}

/// Whether all keys are among the objects, which are in order.
fn has_all(objects: &[ObjectMeta], keys: &[String]) -> bool {
    let find = |key: &String| objects.binary_search_by(|meta| meta.location.as_ref().cmp(key));
    keys.iter().all(|key| find(key).is_ok())
}

fn version_of(meta: ObjectMeta) -> UpdateVersion {
    UpdateVersion { e_tag: meta.e_tag, version: meta.version }
}

/// A lock that only keeps others away, and is known from all others.
fn claim() -> Note {
    Note::Lock(Lock {
        session_hash: STANDARD.encode(Sha256::digest(rand::random::<[u8; 32]>())),
        asset: String::new(),
        version: String::new(),
        ending: None,
    })
}

fn lock_path(project: &ProjectName) -> Path {
    Path::from_iter([project.as_str()]).join(layout::LOCK)
}

/// A project whose lock was seen, or claimed.
struct S3Hold<'a> {
    objects: &'a S3,
    path: Path,
    noted: Option<Note>,
    since: Option<SystemTime>,
    seen: Option<UpdateVersion>,
    /// Whether what is there is a claim of ours instead of what is noted.
    is_claim: bool,
}

impl Hold for S3Hold<'_> {
    fn lock(&self) -> Option<&Lock> {
        self.noted.as_ref().and_then(Note::lock)
    }

    fn receipt(&self) -> Option<&str> {
        let noted = self.noted.as_ref()?;
        let Note::Ended { answered: Some(answered), .. } = noted else { return noted.receipt() };
        // It is for those who ask again because a process has died: not while it may be alive.
        let is_of_dead = time::parse_any(answered).is_some_and(|time| time < self.objects.opened);
        noted.receipt().filter(|_| is_of_dead || self.is_abandoned())
    }

    fn locked_since(&self) -> Option<SystemTime> {
        self.since
    }

    fn take_over(&mut self) -> Result<bool, Failure> {
        match &self.noted {
            // Written anew, it is not old, and not what others have seen.
            Some(noted) if self.is_abandoned() => self.write(noted.clone()),
            _ => Ok(false),
        }
    }

    fn set_lock(&mut self, lock: &Lock) -> Result<bool, Failure> {
        self.write(Note::Lock(lock.clone()))
    }

    fn leave(&mut self, receipt: &str) -> Result<(), Failure> {
        // If others were faster, they have settled it.
        self.write(Note::Ended { ended: receipt.to_owned(), answered: None }).map(drop)
    }

    fn release(&mut self, receipt: &str) -> Result<(), Failure> {
        // An answer to a deletion may come too late, so the receipt goes later.
        let (ended, answered) = (receipt.to_owned(), Some(time::now_in_utc()));
        if self.write(Note::Ended { ended, answered })?
            && let Some(seen) = self.seen.clone()
        {
            lock(&self.objects.told).insert(self.path.clone(), (seen, Instant::now()));
        }
        Ok(())
    }

    fn clear_lock(&mut self) -> Result<(), Failure> {
        // A receipt keeps nobody away, so it must not be another one's lock that is deleted.
        if self.receipt().is_some() && !self.is_claim && !self.claim()? {
            return Ok(());
        }
        self.delete()?;
        (self.noted, self.seen, self.is_claim) = (None, None, false);
        Ok(())
    }
}

impl Drop for S3Hold<'_> {
    fn drop(&mut self) {
        if self.is_claim {
            let receipt = self.receipt().map(str::to_owned);
            // A claim that stays behind is removed when it is old.
            tell(
                "cannot remove a claim",
                match receipt {
                    Some(receipt) => self.leave(&receipt),
                    None => self.clear_lock(),
                },
            );
        }
    }
}

impl Objects for S3 {
    fn read(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        let Some(path) = path_of(key) else { return Ok(None) };
        let Some(result) = found(self.wait(self.store.get(&path)))? else { return Ok(None) };
        let tag = result.meta.e_tag.clone();
        let bytes = self.wait(result.bytes()).map_err(|error| failure(&error))?;
        self.learn(tag.as_deref(), &bytes);
        Ok(Some(bytes.into()))
    }

    fn stat(&self, key: &str) -> Result<Option<Stat>, Failure> {
        let Some(path) = path_of(key) else { return Ok(None) };
        let meta = found(self.wait(self.store.head(&path)))?;
        Ok(meta.map(|meta| Stat {
            size: meta.size,
            state: format!("{:?} {:?} {:?}", meta.e_tag, meta.version, meta.last_modified),
            modified: Some(meta.last_modified.into()),
            md5: self.told_digest(&meta),
        }))
    }

    fn open(&self, key: &str) -> Result<Option<Content>, Failure> {
        let Some(path) = path_of(key).filter(|path| !self.is_told(path)) else { return Ok(None) };
        let meta = found(self.wait(self.store.head(&path)))?;
        Ok(meta.map(|meta| {
            Content::Remote(Arc::new(Remote {
                store: Arc::clone(&self.store),
                path,
                runtime: self.runtime.clone(),
                size: meta.size,
                modified: meta.last_modified.into(),
                md5: self.told_digest(&meta),
            }))
        }))
    }

    fn list(&self, prefix: &str, is_recursive: bool, _: &Job) -> Result<Vec<String>, Failure> {
        let base = prefix.rfind('/').map_or("", |at| &prefix[..at]);
        let is_told = |key: &str| {
            key.ends_with(layout::LOCK) && path_of(key).is_some_and(|path| self.is_told(&path))
        };
        let is_wanted = |key: &String| key.starts_with(prefix) && !is_told(key);
        if is_recursive {
            let objects = self.list_below(base)?;
            let mut keys: Vec<String> =
                objects.into_iter().map(|meta| meta.location.to_string()).collect();
            keys.retain(is_wanted);
            keys.sort_unstable();
            return Ok(keys);
        }
        let folder = path_of(base);
        if folder.is_none() && !base.is_empty() {
            return Ok(Vec::new());
        }
        let listed = self.wait(self.store.list_with_delimiter(folder.as_ref()));
        let listed = listed.map_err(|error| failure(&error))?;
        let mut folders: Vec<String> =
            listed.common_prefixes.iter().map(|folder| format!("{folder}/")).collect();
        let mut keys: Vec<String> =
            listed.objects.into_iter().map(|meta| meta.location.to_string()).collect();
        for list in [&mut folders, &mut keys] {
            list.retain(is_wanted);
            list.sort_unstable();
        }
        folders.append(&mut keys);
        Ok(folders)
    }

    fn below(
        &self,
        folder: &str,
        expected: &dyn Fn() -> Vec<String>,
        _: &Job,
    ) -> Result<Vec<Listed>, Failure> {
        let listed = |meta: ObjectMeta| Listed {
            key: meta.location.to_string(),
            size: meta.size,
            md5: self.told_digest(&meta),
        };
        let (mut expected, mut parts) = (expected(), None);
        if expected.len() > PART_KEYS {
            expected.sort_unstable();
            let listed = self.list_parts(folder, &expected)?;
            // Something is missing, or the store has an order of its own.
            parts = Some(listed).filter(|listed| has_all(listed, &expected));
        }
        let objects = parts.map_or_else(|| self.list_below(folder), Ok)?;
        Ok(objects.into_iter().map(listed).collect())
    }

    fn digests(&self, keys: &[String], job: &Job) -> Result<Vec<Digest>, Failure> {
        let digests = keys.iter().map(|key| self.digest(key, job));
        self.wait(futures_util::stream::iter(digests).buffered(READS_AT_ONCE).try_collect())
    }

    fn write(&self, key: &str, content: &[u8]) -> Result<(), Failure> {
        let path =
            path_of(key).ok_or_else(|| Failure::internal(format!("'{key}' cannot be stored")))?;
        self.put(&path, content, PutMode::Overwrite).map_err(|error| failure(&error))?;
        Ok(())
    }

    fn delete(&self, key: &str) -> Result<(), Failure> {
        let Some(path) = path_of(key) else { return Ok(()) };
        found(self.wait(self.store.delete(&path))).map(drop)
    }

    fn remove(&self, folder: &str) -> Result<(), Failure> {
        // The lock of a project goes last: it holds what is left to be done.
        let is_lock = |path: &Path| path.filename() == Some(layout::LOCK);
        let paths = self.list_below(folder)?.into_iter().map(|meta| meta.location);
        let paths: Vec<_> = paths.filter(|path| !is_lock(path)).map(Ok).collect();
        let deleted = self.store.delete_stream(futures_util::stream::iter(paths).boxed());
        self.wait(deleted.try_collect::<Vec<_>>()).map_err(|error| failure(&error))?;
        Ok(())
    }

    fn sweep(&self, _: &str) -> Result<(), Failure> {
        Ok(())
    }

    fn forget(&self, since: Duration) -> Result<(), Failure> {
        let told = lock(&self.told).clone();
        let old = told.into_iter().filter(|(_, (_, left))| left.elapsed() >= since);
        for (path, (seen, _)) in old {
            let mut hold = S3Hold::of(self, path);
            hold.seen = Some(seen.clone());
            // Unless others have done so meanwhile. A claim goes when it is dropped.
            let claimed = hold.claim();
            let mut told = lock(&self.told);
            if told.get(&hold.path).is_some_and(|(known, _)| *known == seen) {
                told.remove(&hold.path);
            }
            claimed?;
        }
        Ok(())
    }

    fn sweep_outside(&self, _: &Job) -> Result<(), Failure> {
        Ok(())
    }

    fn marked(&self, job: &Job) -> Result<Vec<ProjectName>, Failure> {
        let mut marked = Vec::new();
        for folder in self.list("", false, job)? {
            job.check()?;
            let Ok(project) = ProjectName::parse(folder.trim_end_matches('/')) else { continue };
            let noted = self.read_note(&lock_path(&project))?;
            if noted.is_some_and(|(note, _)| note.is_to_be_settled()) {
                marked.push(project);
            }
        }
        Ok(marked)
    }

    fn make_project(
        &self,
        _: &ProjectName,
        _: &[(&str, Value)],
        _: &str,
        _: &Job,
    ) -> Result<bool, Failure> {
        // Any name can be entered.
        Ok(false)
    }

    fn enter(
        &self,
        project: &ProjectName,
        purpose: Purpose,
        _: &Job,
    ) -> Result<Option<Box<dyn Hold + '_>>, Failure> {
        let path = lock_path(project);
        let mut hold = S3Hold::of(self, path);
        match purpose {
            Purpose::Settings => {}
            Purpose::Session => hold.see()?,
            Purpose::Create => hold.claim_or_see()?,
            Purpose::Change | Purpose::Remove => {
                let folder = Path::from_iter([project.as_str()]);
                let mut listed = self.store.list(Some(&folder));
                match self.wait(listed.next()) {
                    None => return Ok(None),
                    Some(first) => first.map_err(|error| failure(&error))?,
                };
                hold.claim_or_see()?;
            }
        }
        Ok(Some(Box::new(hold)))
    }

    fn lock_of(&self, project: &ProjectName) -> Result<Option<Lock>, Failure> {
        let noted = self.read_note(&lock_path(project))?;
        Ok(noted.and_then(|(note, _)| note.lock().cloned()))
    }

    fn receive(&self, _: &str) -> Result<Option<Incoming>, Failure> {
        Ok(None)
    }

    fn place(&self, _: &ProjectName, _: &Lock, _: Vec<Incoming>, _: &Job) -> Result<bool, Failure> {
        Ok(false)
    }

    fn presign(
        &self,
        key: &str,
        md5: Digest,
        lifetime: Duration,
    ) -> Result<Option<String>, Failure> {
        let credential = self.wait(self.store.credentials().get_credential());
        let credential = credential.map_err(|error| failure(&error))?;
        let url = Presigner {
            base: &self.base,
            region: &self.region,
            key_id: &credential.key_id,
            secret: &credential.secret_key,
            token: credential.token.as_deref(),
            now: Utc::now(),
        }
        .put(key, md5, lifetime);
        Ok(Some(url))
    }

    fn limits(&self) -> Limits {
        Limits { ignores_case: false, forbids_control: true }
    }

    fn is_at_hand(&self) -> bool {
        false
    }
}

impl<'a> S3Hold<'a> {
    fn of(objects: &'a S3, path: Path) -> Self {
        Self { objects, path, noted: None, since: None, seen: None, is_claim: false }
    }

    /// Whether nobody is at work any more on what is noted.
    fn is_abandoned(&self) -> bool {
        let age = self.since.and_then(|since| since.elapsed().ok());
        age.is_some_and(|age| age > ABANDONED)
    }

    fn see(&mut self) -> Result<(), Failure> {
        if let Some((note, meta)) = self.objects.read_note(&self.path)? {
            self.noted = Some(note);
            self.since = Some(meta.last_modified.into());
            self.seen = Some(version_of(meta));
        }
        Ok(())
    }

    /// Locks the project in one step, for as long as nothing else is written there. False if others
    /// were faster.
    fn claim(&mut self) -> Result<bool, Failure> {
        let put = self.objects.put_note(&self.path, &claim(), self.seen.clone())?;
        self.is_claim = put.is_some();
        if self.is_claim {
            self.seen = put;
        }
        Ok(self.is_claim)
    }

    /// The same over a receipt; sees what has locked the project otherwise.
    fn claim_or_see(&mut self) -> Result<(), Failure> {
        // A receipt of ours is known without being looked for.
        self.seen = lock(&self.objects.told).get(&self.path).map(|(seen, _)| seen.clone());
        for _ in 0..CLAIMS {
            if self.claim()? {
                lock(&self.objects.told).remove(&self.path);
                break;
            }
            (self.noted, self.since, self.seen) = (None, None, None);
            self.see()?;
            if self.lock().is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Deletes what was seen. One that stays would keep others away for long, so it is tried again,
    /// unless only the answer was lost: then what is there is another one's.
    fn delete(&self) -> Result<(), Failure> {
        let delete = || found(self.objects.wait(self.objects.store.delete(&self.path))).map(drop);
        let Err(failure) = delete() else { return Ok(()) };
        let tag = |version: &UpdateVersion| version.e_tag.clone();
        match self.objects.read_note(&self.path) {
            Ok(Some((_, meta))) if self.seen.as_ref().and_then(tag) == meta.e_tag => delete(),
            Ok(_) => Ok(()),
            Err(_) => Err(failure),
        }
    }

    /// Writes the lock or a receipt; false if something else is there than was seen.
    fn write(&mut self, note: Note) -> Result<bool, Failure> {
        let put = self.objects.put_note(&self.path, &note, self.seen.clone())?;
        // Whatever is there now is not a claim to be removed.
        self.is_claim = false;
        let Some(seen) = put else { return Ok(false) };
        (self.noted, self.seen) = (Some(note), Some(seen));
        Ok(true)
    }
}

/// Signs URLs by version 4 of the signatures of AWS.
struct Presigner<'a> {
    base: &'a str,
    region: &'a str,
    key_id: &'a str,
    secret: &'a str,
    token: Option<&'a str>,
    now: DateTime<Utc>,
}

impl Presigner<'_> {
    /// A URL to PUT an object to, with just that `Content-MD5`.
    fn put(&self, key: &str, md5: Digest, lifetime: Duration) -> String {
        let url = format!("{}/{}", self.base, quote_path(key));
        let (_, rest) = url.split_once("://").unwrap_or(("", &url));
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let time = self.now.format("%Y%m%dT%H%M%SZ").to_string();
        let scope = format!("{}/{}/s3/aws4_request", &time[..8], self.region);
        let mut pairs = vec![
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256".to_owned()),
            ("X-Amz-Credential", format!("{}/{scope}", self.key_id)),
            ("X-Amz-Date", time.clone()),
            ("X-Amz-Expires", lifetime.as_secs().to_string()),
            ("X-Amz-SignedHeaders", "content-md5;host".to_owned()),
        ];
        if let Some(token) = self.token {
            pairs.push(("X-Amz-Security-Token", token.to_owned()));
        }
        pairs.sort_unstable();
        let mut query = String::new();
        for (name, value) in &pairs {
            let start = if query.is_empty() { "" } else { "&" };
            let _ = write!(query, "{start}{name}={}", quote_component(value));
        }
        let md5 = STANDARD.encode(md5.0);
        let request = format!(
            "PUT\n/{path}\n{query}\ncontent-md5:{md5}\nhost:{host}\n\ncontent-md5;host\nUNSIGNED-PAYLOAD"
        );
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(request)));
        let mut signing = format!("AWS4{}", self.secret).into_bytes();
        for part in [&time[..8], self.region, "s3", "aws4_request"] {
            signing = hmac(&signing, part);
        }
        format!("{url}?{query}&X-Amz-Signature={}", hex(&hmac(&signing, &text)))
    }
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("keys of any length do");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::testing::{answer, serve_all};
    use crate::registry::bucket::{Bucket, Options, VersionPath, token};

    #[test]
    fn places_are_parsed() {
        let place = Place::parse(
            "s3://data?endpoint=http://127.0.0.1:9000/&region=eu&public_endpoint=https://s3.test",
        )
        .unwrap();
        assert_eq!(place.bucket, "data");
        assert_eq!(place.endpoint.as_deref(), Some("http://127.0.0.1:9000"));
        assert_eq!(place.region.as_deref(), Some("eu"));
        assert_eq!(place.public_endpoint.as_deref(), Some("https://s3.test"));
        for text in ["data", "s3://", "http://data", "s3://data/prefix", "s3://data?key=secret"] {
            assert!(Place::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn keys_that_cannot_be_name_nothing() {
        for key in ["", "/a", "a/", "a//b", "a/../b", "./a", "a\nb"] {
            assert!(path_of(key).is_none(), "{key:?}");
        }
        for key in ["a", "p/..LOCK", "p/a/v/x y+%2F?é", "a\\b"] {
            assert_eq!(path_of(key).unwrap().as_ref(), key);
        }
    }

    /// The bucket `b` of a store.
    fn store_at(url: &reqwest::Url, runtime: &tokio::runtime::Runtime) -> S3 {
        let builder = AmazonS3Builder::new().with_bucket_name("b").with_allow_http(true);
        let builder = builder.with_access_key_id("a").with_secret_access_key("s");
        let store = builder.with_endpoint(url.origin().ascii_serialization()).build().unwrap();
        S3 {
            store: Arc::new(store),
            base: String::new(),
            region: String::new(),
            runtime: runtime.handle().clone(),
            opened: Utc::now(),
            told: Mutex::default(),
            tags_are_digests: OnceLock::new(),
        }
    }

    #[test]
    fn objects_are_read_several_at_once() {
        let both = std::sync::Barrier::new(2);
        let url = serve_all(move |head| {
            let path = head.split(' ').nth(1).unwrap();
            let name = path.rsplit('/').next().unwrap().as_bytes();
            both.wait();
            let headers = "ETag: \"1\"\r\nLast-Modified: Sun, 29 Nov 2026 00:00:00 GMT\r\n";
            answer("200 OK", headers, name.len(), name)
        });
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let s3 = store_at(&url, &runtime);
        let keys = ["x", "y", "z", "w"].map(|name| format!("p/a/v/{name}"));
        let digests = s3.digests(&keys, &Job::default()).unwrap();
        assert_eq!(digests, ["x", "y", "z", "w"].map(|content| md5_of(content.as_bytes())));
    }

    /// A store of such keys, given in its own order, whose answers to a listing wait for those to so
    /// many at once.
    fn listing(keys: Vec<String>, at_once: usize) -> (S3, tokio::runtime::Runtime) {
        let others = std::sync::Barrier::new(at_once);
        let url = serve_all(move |head| {
            others.wait();
            let target = head.split(' ').nth(1).unwrap();
            let url = reqwest::Url::parse(&format!("http://h{target}")).unwrap();
            let asked: HashMap<_, _> = url.query_pairs().collect();
            let after = asked.get("continuation-token").or_else(|| asked.get("start-after"));
            let after = after.and_then(|after| keys.iter().position(|key| key == after));
            let first = after.map_or(0, |at| at + 1);
            let page = &keys[first..keys.len().min(first + 1000)];
            let mut text = String::from("<ListBucketResult>");
            for key in page {
                let _ = write!(
                    text,
                    "<Contents><Key>{key}</Key><LastModified>2026-11-29T00:00:00Z</LastModified>\
                     <ETag>\"1\"</ETag><Size>1</Size></Contents>"
                );
            }
            if let Some(last) = page.last().filter(|_| first + page.len() < keys.len()) {
                let _ = write!(text, "<NextContinuationToken>{last}</NextContinuationToken>");
            }
            text.push_str("</ListBucketResult>");
            answer("200 OK", "", text.len(), text.as_bytes())
        });
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        (store_at(&url, &runtime), runtime)
    }

    #[test]
    fn parts_of_a_long_listing_come_at_once_and_nothing_is_left_out() {
        let name = |number| format!("p/a/v/f{number:04}");
        let mut all: Vec<String> = (0..2500).map(name).collect();
        let expected = all.clone();
        // The registry's own, and what nobody expects.
        all.extend(
            ["p/a/v/..manifest", "p/a/v/..summary", "p/a/v/f0989x", "p/a/v/z"].map(Into::into),
        );
        all.sort_unstable();
        let below = |keys: &[String], at_once, expected: &[String]| {
            let (s3, _runtime) = listing(keys.to_vec(), at_once);
            let below = s3.below("p/a/v", &|| expected.to_vec(), &Job::default()).unwrap();
            below.into_iter().map(|listed| listed.key).collect::<Vec<_>>()
        };
        assert_eq!(below(&all, 3, &expected), all);
        assert_eq!(below(&all, 1, &expected[..990]), all);
        // Something is missing.
        all.retain(|key| *key != name(989));
        assert_eq!(below(&all, 1, &expected), all);
        // An order of the store's own.
        let mut other = all.clone();
        other.reverse();
        assert_eq!(below(&other, 1, &all), all);
    }

    /// Completes an upload of a file in a store that has such tags; returns what it was asked for.
    fn complete(tag: fn(&[u8]) -> Digest) -> Vec<String> {
        let token = token::random();
        let lock = Lock {
            session_hash: token::hash(&token),
            asset: "a".to_owned(),
            version: "v".to_owned(),
            ending: None,
        };
        let listing = format!(
            "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>p/a/v/x</Key>\
             <LastModified>2026-11-29T00:00:00Z</LastModified><ETag>\"{}\"</ETag><Size>1</Size>\
             </Contents></ListBucketResult>",
            tag(b"x")
        );
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heads = Arc::clone(&asked);
        let url = serve_all(move |head| {
            let line = head.lines().next().unwrap().to_owned();
            let path = line.split([' ', '?']).nth(1).unwrap();
            let body = match path.rsplit('/').next().unwrap() {
                _ if line.contains("list-type") => listing.clone(),
                layout::LOCK => serde_json::to_string(&lock).unwrap(),
                layout::MANIFEST => {
                    format!(r#"{{"x": {{"size": 1, "md5sum": "{}"}}}}"#, md5_of(b"x"))
                }
                layout::SUMMARY => r#"{"upload_user_id": "u", "upload_start": ""}"#.to_owned(),
                layout::USAGE => r#"{"total": 0}"#.to_owned(),
                "x" => "x".to_owned(),
                _ => String::new(),
            };
            // What is put here is not read, so that nothing is known of its digest.
            let (tag, length, sent) = match line.split(' ').next().unwrap() {
                "GET" => (tag(body.as_bytes()).to_string(), body.len(), body.as_bytes()),
                "HEAD" => (tag(body.as_bytes()).to_string(), body.len(), &b""[..]),
                _ => ("1".to_owned(), 0, &b""[..]),
            };
            let headers =
                format!("ETag: \"{tag}\"\r\nLast-Modified: Sun, 29 Nov 2026 00:00:00 GMT\r\n");
            heads.lock().unwrap().push(line.clone());
            answer("200 OK", &headers, length, sent)
        });
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let bucket = Bucket::new(Arc::new(store_at(&url, &runtime)), Options::default());
        let version = VersionPath::parse("p", "a", "v").unwrap();
        bucket.complete(&version, &token, &Job::default()).unwrap();
        asked.lock().unwrap().clone()
    }

    #[test]
    fn an_upload_is_compared_with_one_listing_where_tags_are_digests() {
        let asked = complete(md5_of);
        let lists = asked.iter().filter(|line| line.contains("list-type"));
        assert_eq!(lists.count(), 1, "{asked:#?}");
        assert!(!asked.iter().any(|line| line.contains("/v/x")), "{asked:#?}");
        let written = asked.iter().filter(|line| line.starts_with("PUT ") && line.contains("/v/"));
        assert_eq!(written.count(), 1, "the summary: {asked:#?}");
    }

    #[test]
    fn files_are_read_where_tags_only_look_like_digests() {
        let asked = complete(|content| Digest(md5_of(content).0.map(|byte| !byte)));
        assert!(asked.iter().any(|line| line.starts_with("GET /b/p/a/v/x ")), "{asked:#?}");
    }

    #[test]
    fn a_signed_url_names_all_that_is_signed() {
        let presigner = Presigner {
            base: "http://127.0.0.1:9000/data",
            region: "us-east-1",
            key_id: "key",
            secret: "secret",
            token: Some("to/ken"),
            now: chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
        };
        let url = presigner.put("p/a/v/ü x", Digest([7; 16]), Duration::from_secs(60));
        let (start, signature) = url.split_at(url.len() - 64);
        assert_eq!(
            start,
            "http://127.0.0.1:9000/data/p/a/v/%C3%BC%20x?X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=key%2F20231114%2Fus-east-1%2Fs3%2Faws4_request\
             &X-Amz-Date=20231114T221320Z&X-Amz-Expires=60&X-Amz-Security-Token=to%2Fken\
             &X-Amz-SignedHeaders=content-md5%3Bhost&X-Amz-Signature="
        );
        assert!(signature.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let other = presigner.put("p/a/v/ü x", Digest([8; 16]), Duration::from_secs(60));
        assert_ne!(url, other);
    }
}
