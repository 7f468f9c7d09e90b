//! Uploads: a session starts, files are sent, and it is completed or aborted.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::access::{Identity, Right};
use super::files::{self, Content};
use super::{Batch, Bucket, Lock, VersionPath, token};
use crate::digest::Digest;
use crate::job::Job;
use crate::registry::bucket::store::{Hold, Incoming, Listed, Purpose};
use crate::registry::failure::Failure;
use crate::registry::format::links::{DedupIndex, Owner, by_folder};
use crate::registry::format::model::{
    BucketLinks, BucketManifest, Latest, Link, ManifestEntry, Summary, Usage, total_of,
};
use crate::registry::format::{layout, time, verify};
use crate::shared::lock;

/// A session that was started.
#[derive(Debug)]
pub struct Started {
    /// The secret that the session is known by.
    pub token: String,
    /// Path and digest of each file to be sent, in order.
    pub files: Vec<(String, String)>,
}

impl Started {
    fn new(token: String, manifest: &BucketManifest) -> Self {
        let files =
            stored(manifest).map(|(path, entry)| (path.clone(), entry.md5sum.clone())).collect();
        Self { token, files }
    }
}

/// A file that may be sent.
#[derive(Debug, Clone)]
pub struct PresignedFile {
    /// The version it belongs to.
    pub version: VersionPath,
    /// Its path in that version.
    pub path: String,
    /// Its digest, which the content must have.
    pub md5: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The lock of the session.
    pub lock: Lock,
}

impl PresignedFile {
    /// The key of the object.
    pub fn key(&self) -> String {
        self.version.key(&self.path)
    }
}

/// An upload that goes on.
#[derive(Debug)]
pub struct Upload {
    /// The version that comes of it.
    pub version: VersionPath,
    /// The lock of its session.
    pub lock: Lock,
    manifest: Arc<BucketManifest>,
}

impl Upload {
    /// One of the files that it is to send.
    pub fn file(&self, path: &str) -> Result<PresignedFile, Failure> {
        let md5sum = self.manifest.get(path).map_or("", |entry| &entry.md5sum);
        file_to_send(&self.manifest, &self.version, path, md5sum, self.lock.clone())
    }
}

/// Checks the parts of a request to start a session that need no knowledge of the registry.
/// Returns whether the version is to be on probation.
pub fn check_start(body: &Value) -> Result<bool, Failure> {
    let body = body
        .as_object()
        .ok_or_else(|| Failure::invalid("expected request body to be a JSON object"))?;
    match body.get("on_probation") {
        None => Ok(false),
        Some(Value::Bool(on_probation)) => Ok(*on_probation),
        Some(_) => Err(Failure::invalid("expected the 'on_probation' property to be a boolean")),
    }
}

impl Bucket {
    /// Starts a session that uploads a version. `body` is the whole request; the session has the
    /// token that the client has chosen, if it has: then it is known also to a client that is not
    /// answered, which may ask again.
    pub fn start(
        &self,
        version: &VersionPath,
        body: &Value,
        user: &Identity,
        chosen: Option<String>,
        job: &Job,
    ) -> Result<Started, Failure> {
        let on_probation = check_start(body)?;
        if chosen.as_ref().is_some_and(|token| !token::is_sound(token)) {
            return Err(Failure::invalid("expected the session token to be a v4 UUID"));
        }
        let right = self.upload_right(user, version)?;
        let is_trusted = right != Right::Uploader { is_trusted: false };
        let is_probational = on_probation || !is_trusted;
        let hold = self.enter_settled(&version.project, Purpose::Change, job)?;
        let mut hold = hold.ok_or_else(super::no_project)?;
        self.end_overdue(&version.project, hold.as_mut())?;
        let token = chosen.unwrap_or_else(token::random);
        if let Some(lock) = hold.lock().cloned() {
            let is_own = lock.session_hash == token::hash(&token);
            let begun =
                self.begun_before(version, &lock, is_own, body, user, is_probational, job)?;
            let manifest = begun.ok_or_else(super::already_locked)?;
            let new = Lock { session_hash: token::hash(&token), ..lock.clone() };
            return if new == lock || hold.set_lock(&new)? {
                Ok(Started::new(token, &manifest))
            } else {
                Err(super::already_locked())
            };
        }
        let folder = version.folder();
        // Whatever is there was not made by this session, and is not to be removed with it.
        let is_new = self.summary(version)?.is_none()
            && self.objects.list(&format!("{folder}/"), false, job)?.is_empty();
        if !is_new {
            return Err(Failure::invalid("project-asset-version already exists"));
        }
        let files = files::parse(body.get("files"), self.objects.limits())?;
        let manifest = self.plan(version, files, job)?;
        let needed = total_of(stored(&manifest).map(|(_, entry)| entry.size));
        #[allow(clippy::cast_precision_loss, reason = "quotas are not that exact")]
        let wanted = self.usage(&version.project)?.saturating_add(needed) as f64;
        if wanted >= self.quota(&version.project)? {
            return Err(Failure::invalid("upload exceeds the storage quota for this project"));
        }
        job.check()?;

        let lock = Lock {
            session_hash: token::hash(&token),
            asset: version.asset.to_string(),
            version: version.version.to_string(),
            ending: None,
        };
        // Until the client knows the token, a crash ends the session.
        let undo = Batch { removed: Some(folder), ..Batch::default() };
        let unborn = Lock { ending: Some(undo.clone()), ..lock.clone() };
        if !hold.set_lock(&unborn)? {
            return Err(super::already_locked());
        }
        let summary = Summary {
            upload_user_id: user.login.clone(),
            upload_start: time::now_in_utc(),
            on_probation: Some(is_probational),
            upload_finish: String::new(),
        };
        let written = self
            .put(&version.key(layout::SUMMARY), &summary.in_bucket())
            .and_then(|()| self.put(&version.key(layout::MANIFEST), &manifest))
            // A client that has gone may have asked already to end what it was not told of.
            .and_then(|()| Ok(job.check()?))
            .and_then(|()| hold.set_lock(&lock));
        if let Err(failure) = written {
            self.apply(&undo)?;
            hold.clear_lock()?;
            return Err(failure);
        }
        Ok(Started::new(token, &manifest))
    }

    /// The manifest of a session that has locked the project, if it was started for just this request,
    /// and nothing was sent: by the same client, or by a process that is dead by now, so that perhaps
    /// nobody knows its token.
    #[expect(clippy::too_many_arguments, reason = "all that a session is known by")]
    fn begun_before(
        &self,
        version: &VersionPath,
        lock: &Lock,
        is_own: bool,
        body: &Value,
        user: &Identity,
        is_probational: bool,
        job: &Job,
    ) -> Result<Option<BucketManifest>, Failure> {
        let is_of_version =
            lock.asset == version.asset.as_str() && lock.version == version.version.as_str();
        let (true, None) = (is_of_version, &lock.ending) else { return Ok(None) };
        let Some(summary) = self.summary(version)? else { return Ok(None) };
        let start = time::parse_any(&summary.upload_start);
        let is_same = (is_own || start.is_some_and(|start| start < self.opened))
            && !summary.is_finished()
            && summary.is_probational() == is_probational
            && summary.upload_user_id == user.login;
        if !is_same {
            return Ok(None);
        }
        let files = files::parse(body.get("files"), self.objects.limits());
        // What would be refused is another request.
        let plan = files.and_then(|files| self.plan(version, files, job)).ok();
        let manifest = self.get::<BucketManifest>(&version.key(layout::MANIFEST))?;
        let sent = self.objects.list(&format!("{}/", version.folder()), true, job)?;
        let is_same = manifest == plan && sent.iter().all(|key| layout::is_internal_key(key));
        Ok(manifest.filter(|_| is_same))
    }

    /// The manifest of an upload: what is stored, then what is linked.
    fn plan(
        &self,
        version: &VersionPath,
        files: Vec<files::File>,
        job: &Job,
    ) -> Result<BucketManifest, Failure> {
        let wants_dedup =
            files.iter().any(|file| matches!(file.content, Content::Stored { dedup: true, .. }));
        let known = if wants_dedup { self.known_files(version)? } else { DedupIndex::default() };
        let (mut simple, mut missed) = (BucketManifest::new(), BucketManifest::new());
        let (mut linked, mut links) = (BucketManifest::new(), Vec::new());
        for file in files {
            match file.content {
                Content::Link(link) => links.push((file.path, link)),
                Content::Stored { size, md5sum, dedup } => {
                    let found = if dedup { known.find_last(size, md5sum.clone()) } else { None };
                    let entry =
                        found.cloned().unwrap_or(ManifestEntry { size, md5sum, link: None });
                    let list = match (&entry.link, dedup) {
                        (Some(_), _) => &mut linked,
                        (None, true) => &mut missed,
                        (None, false) => &mut simple,
                    };
                    list.insert(file.path, entry);
                }
            }
        }
        let mut targets = Targets::default();
        for (path, link) in links {
            job.check()?;
            linked.insert(path.clone(), self.resolve(version, &path, link, &mut targets)?);
        }
        simple.extend(missed);
        simple.extend(linked);
        Ok(simple)
    }

    /// Files of the latest version.
    fn known_files(&self, version: &VersionPath) -> Result<DedupIndex, Failure> {
        let latest: Option<Latest> = self.get(&version.asset_key(layout::LATEST))?;
        let Some(latest) = latest else { return Ok(DedupIndex::default()) };
        let key = version.asset_key(&format!("{}/{}", latest.version, layout::MANIFEST));
        let manifest: BucketManifest = self.get(&key)?.unwrap_or_default();
        Ok(DedupIndex::new(Owner { version: &latest.version, ..version.owner() }, manifest))
    }

    /// The entry of a file that is linked to one of another version.
    fn resolve(
        &self,
        version: &VersionPath,
        path: &str,
        link: Link,
        targets: &mut Targets,
    ) -> Result<ManifestEntry, Failure> {
        let folder = format!("{}/{}/{}", link.project, link.asset, link.version);
        let target = link.registry_path();
        let refused =
            |why: &str| Failure::invalid(format!("{why} link from '{path}' to '{target}'"));
        if folder == version.folder() {
            return Err(refused("detected circular"));
        }
        let sound = VersionPath::parse(&link.project, &link.asset, &link.version).ok();
        let Some(manifest) = targets.0.get(&folder) else {
            let summary = match &sound {
                Some(sound) => self.summary(sound)?,
                None => None,
            };
            let summary = summary.ok_or_else(|| refused("cannot find version summary for"))?;
            if summary.is_probational() {
                return Err(refused("cannot refer to probational version for"));
            }
            if !summary.is_finished() {
                return Err(refused("cannot refer to incomplete upload for"));
            }
            let key = format!("{folder}/{}", layout::MANIFEST);
            let manifest = self.get(&key)?.ok_or_else(|| {
                Failure::invalid(format!("no manifest available for link target inside '{folder}'"))
            })?;
            targets.0.insert(folder, manifest);
            return self.resolve(version, path, link, targets);
        };
        let entry = manifest.get(&link.path).filter(|entry| !entry.is_folder());
        let entry = entry.ok_or_else(|| {
            Failure::invalid(format!("failed to link from '{path}' to '{target}'"))
        })?;
        Ok(entry.linked(link))
    }

    /// The lock of a project, if it is this session that has locked it.
    fn check_session<'lock>(
        lock: Option<&'lock Lock>,
        version: &VersionPath,
        session: &str,
    ) -> Result<&'lock Lock, Failure> {
        let refused = |why: &str| Err(Failure::forbidden(why));
        let Some(lock) = lock else { return Err(not_locked()) };
        if !token::is_sound(session) {
            return refused("session token does not look like a v4 UUID");
        }
        if !token::is_equal(lock.session_hash.as_bytes(), token::hash(session).as_bytes()) {
            return refused("project was locked for a different upload session");
        }
        if lock.asset != version.asset.as_str() {
            return refused("project was locked for upload of a different asset");
        }
        if lock.version != version.version.as_str() {
            return refused("project was locked for upload of a different version");
        }
        Ok(lock)
    }

    /// Enters the project that a session has locked, to end it; `None` if that was done already for
    /// the same request.
    fn enter_session(
        &self,
        verb: &str,
        version: &VersionPath,
        session: &str,
        job: &Job,
    ) -> Result<Option<Session<'_>>, Failure> {
        let hold = self.enter_settled(&version.project, Purpose::Session, job)?;
        let mut hold = hold.ok_or_else(not_locked)?;
        let receipt = token::receipt(&[verb, &version.folder(), &token::hash(session)]);
        if Self::is_repeat(hold.as_mut(), &receipt) {
            return Ok(None);
        }
        let lock = Self::check_session(hold.lock(), version, session)?.clone();
        if lock.ending.is_some() {
            return Err(super::being_ended());
        }
        Ok(Some(Session { hold, lock, receipt }))
    }

    /// Allows a session to send some of its files, each given by version, path and MD5 digest.
    pub fn presign<'a>(
        &self,
        files: impl IntoIterator<Item = (&'a VersionPath, &'a String, &'a String)>,
        session: &str,
    ) -> Result<Vec<PresignedFile>, Failure> {
        // All are of one version, or the session is not theirs: what belongs to it is read once.
        let mut own: Option<(&VersionPath, Lock, Arc<BucketManifest>)> = None;
        let files = files.into_iter().map(|(version, path, md5sum)| {
            let (_, lock, manifest) = match own.take() {
                Some(known) if known.0 == version => own.insert(known),
                _ => {
                    let lock = self.objects.lock_of(&version.project)?;
                    let lock = Self::check_session(lock.as_ref(), version, session)?.clone();
                    own.insert((version, lock, self.manifest(version)?.unwrap_or_default()))
                }
            };
            file_to_send(manifest, version, path, md5sum, lock.clone())
        });
        files.collect()
    }

    /// The upload of a session.
    pub fn upload(&self, version: &VersionPath, session: &str) -> Result<Upload, Failure> {
        let lock = self.objects.lock_of(&version.project)?;
        let lock = Self::check_session(lock.as_ref(), version, session)?.clone();
        if lock.ending.is_some() {
            return Err(super::being_ended());
        }
        let (version, manifest) = (version.clone(), self.manifest(version)?.unwrap_or_default());
        Ok(Upload { version, lock, manifest })
    }

    /// A file that was allowed to be sent, if its session still goes on. `is_it` knows the session
    /// by its hash.
    pub fn presigned(
        &self,
        version: &VersionPath,
        path: &str,
        md5sum: &str,
        is_it: &dyn Fn(&str) -> bool,
    ) -> Result<Option<PresignedFile>, Failure> {
        let lock = self.objects.lock_of(&version.project)?;
        let Some(lock) = lock.filter(|lock| {
            lock.asset == version.asset.as_str()
                && lock.version == version.version.as_str()
                && lock.ending.is_none()
                && is_it(&lock.session_hash)
        }) else {
            return Ok(None);
        };
        let manifest = self.manifest(version)?.unwrap_or_default();
        file_to_send(&manifest, version, path, md5sum, lock).map(Some)
    }

    /// A URL at which the store itself takes a file; `None` if it is sent to the service.
    pub fn presign_in_store(
        &self,
        file: &PresignedFile,
        lifetime: std::time::Duration,
    ) -> Result<Option<String>, Failure> {
        self.objects.presign(&file.key(), file.md5, lifetime)
    }

    /// Begins to receive a file; `None` if it is sent to the store itself.
    pub fn receive(&self, file: &PresignedFile) -> Result<Option<Incoming>, Failure> {
        self.objects.receive(&file.key())
    }

    /// Places files of an upload that were received whole. False if it has ended meanwhile.
    pub fn place(
        &self,
        version: &VersionPath,
        lock: &Lock,
        received: Vec<Incoming>,
        job: &Job,
    ) -> Result<bool, Failure> {
        self.objects.place(&version.project, lock, received, job)
    }

    /// Completes an upload: checks that everything has come, and publishes the version.
    ///
    /// If something is missing the session goes on.
    pub fn complete(&self, version: &VersionPath, session: &str, job: &Job) -> Result<(), Failure> {
        let Some(Session { mut hold, lock, receipt }) =
            self.enter_session("complete", version, session, job)?
        else {
            return Ok(());
        };
        let missing = |name: &str| Failure::internal(format!("no file at '{}'", version.key(name)));
        let manifest = self.manifest(version)?.ok_or_else(|| missing(layout::MANIFEST))?;
        let summary = self.summary(version)?.ok_or_else(|| missing(layout::SUMMARY))?;
        let total = self.check_content(version, &manifest, job)?;
        // Files that were being sent when a process died.
        self.objects.sweep(&version.folder())?;
        for (folder, links) in by_folder::<BucketLinks>(&*manifest) {
            let folder = version.key(&folder);
            self.put(&format!("{}/{}", folder.trim_end_matches('/'), layout::LINKS), &links)?;
        }
        let is_probational = summary.is_probational();
        let summary = Summary {
            upload_finish: time::now_in_utc(),
            on_probation: summary.on_probation.filter(|on_probation| *on_probation),
            ..summary
        };
        let mut batch = Batch { receipt: Some(receipt), ..Batch::default() };
        batch.writes.push((version.key(layout::SUMMARY), json!(summary.in_bucket())));
        if !is_probational {
            let latest = Latest { version: version.version.to_string() };
            batch.writes.push((version.asset_key(layout::LATEST), json!(latest)));
        }
        let usage = Usage { total: self.usage(&version.project)?.saturating_add(total) };
        batch.writes.push((format!("{}/{}", version.project, layout::USAGE), json!(usage)));
        if !is_probational {
            batch.writes.push(version.event("add-version", true));
        }
        job.check()?;
        self.commit(hold.as_mut(), lock, batch)
    }

    /// Compares what has come with the manifest; returns the bytes that are stored.
    fn check_content(
        &self,
        version: &VersionPath,
        manifest: &BucketManifest,
        job: &Job,
    ) -> Result<u64, Failure> {
        let prefix = format!("{}/", version.folder());
        let expected = || stored(manifest).map(|(path, _)| version.key(path)).collect();
        let below = self.objects.below(&version.folder(), &expected, job)?;
        let found: HashMap<&str, &Listed> = below
            .iter()
            .filter_map(|listed| Some((listed.key.strip_prefix(&prefix)?, listed)))
            .collect();
        let stored = verify::stored(manifest, |path| found.get(path).map(|listed| listed.size))?;
        let told = |path: &str| found.get(path).and_then(|listed| listed.md5);
        let untold = stored.iter().filter(|(path, _)| told(path).is_none());
        let keys: Vec<String> = untold.map(|(path, _)| format!("{prefix}{path}")).collect();
        let mut read = self.objects.digests(&keys, job)?.into_iter();
        for (path, entry) in &stored {
            let md5 = told(path).or_else(|| read.next()).expect("what was not told was read");
            if md5.to_string() != entry.md5sum {
                return Err(Failure::invalid(format!(
                    "actual MD5 checksum of '{path}' does not match its reported checksum in the manifest"
                )));
            }
        }
        Ok(total_of(stored.iter().map(|(_, entry)| entry.size)))
    }

    /// Ends an upload without a trace.
    pub fn abort(&self, version: &VersionPath, session: &str, job: &Job) -> Result<(), Failure> {
        let Some(Session { mut hold, lock, receipt }) =
            self.enter_session("abort", version, session, job)?
        else {
            return Ok(());
        };
        let batch =
            Batch { removed: Some(version.folder()), receipt: Some(receipt), ..Batch::default() };
        self.commit(hold.as_mut(), lock, batch)
    }

    /// The manifest of a version, from memory if it is still the same.
    pub(super) fn manifest(
        &self,
        version: &VersionPath,
    ) -> Result<Option<Arc<BucketManifest>>, Failure> {
        let key = version.key(layout::MANIFEST);
        let Some(stat) = self.objects.stat(&key)? else { return Ok(None) };
        let cached = {
            let manifests = lock(&self.manifests);
            manifests.get(&key).filter(|(state, _)| *state == stat.state).cloned()
        };
        if let Some((_, manifest)) = cached {
            return Ok(Some(manifest));
        }
        let Some(manifest) = self.get::<BucketManifest>(&key)? else { return Ok(None) };
        let manifest = Arc::new(manifest);
        let mut manifests = lock(&self.manifests);
        manifests.insert(key, (stat.state, Arc::clone(&manifest)));
        Ok(Some(manifest))
    }

    /// The digest of a user's file by the manifest of its version; `None` for other objects.
    pub fn known_digest(&self, key: &str) -> Result<Option<String>, Failure> {
        if layout::is_internal_key(key) {
            return Ok(None);
        }
        let mut parts = key.splitn(4, '/');
        let (Some(project), Some(asset), Some(version), Some(path)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Ok(None);
        };
        let Ok(version) = VersionPath::parse(project, asset, version) else { return Ok(None) };
        let manifest = self.manifest(&version)?;
        let entry = manifest.as_ref().and_then(|manifest| manifest.get(path));
        Ok(entry.filter(|entry| entry.link.is_none()).map(|entry| entry.md5sum.clone()))
    }
}

fn not_locked() -> Failure {
    Failure::forbidden("project has not been previously locked for upload")
}

/// A session that is to be ended.
struct Session<'a> {
    hold: Box<dyn Hold + 'a>,
    lock: Lock,
    /// What tells this end from all others.
    receipt: String,
}

/// Manifests of versions that links lead to.
#[derive(Default)]
struct Targets(HashMap<String, BucketManifest>);

/// The files of a manifest that are stored.
fn stored(manifest: &BucketManifest) -> impl Iterator<Item = (&String, &ManifestEntry)> {
    manifest.iter().filter(|(_, entry)| entry.link.is_none())
}

fn file_to_send(
    manifest: &BucketManifest,
    version: &VersionPath,
    path: &str,
    md5sum: &str,
    lock: Lock,
) -> Result<PresignedFile, Failure> {
    let entry = manifest
        .get(path)
        .filter(|entry| entry.link.is_none() && entry.md5sum == md5sum)
        .ok_or_else(|| Failure::invalid(format!("path '{path}' is not in the manifest")))?;
    let md5 = Digest::parse(md5sum)
        .ok_or_else(|| Failure::internal(format!("'{md5sum}' is no MD5 digest")))?;
    let (version, path) = (version.clone(), path.to_owned());
    Ok(PresignedFile { version, path, md5, size: entry.size, lock })
}
