//! The rules of a registry that is used as a bucket of objects, as the gypsum service does.
//!
//! A project is changed by one session at a time: its `..LOCK` is made in one step before anything
//! else, and removed last. What ends a session is noted in the lock before it is carried out, and
//! every step of it can be repeated; whoever finds such a note of a dead process carries it out, and
//! leaves a receipt: the same request, whose requester was not told, succeeds then.
//!
//! | who | may |
//! | --- | --- |
//! | administrators | everything |
//! | owners of a project | upload to it, set its permissions, decide on probation |
//! | uploaders of a project | upload as far as the first entry that names them says so; reject their own uploads |

mod access;
mod admin;
mod files;
mod log;
mod probation;
mod remove;
mod session;
pub mod store;
mod token;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use access::Identity;
pub use admin::QuotaDefaults;
pub use session::{PresignedFile, Started, Upload, check_start};
pub use token::{is_equal, random as random_token};

use super::failure::{Failure, FailureContext, tell};
use super::format::history::Event;
use super::format::links::Owner;
use super::format::model::{BucketManifest, Summary};
use super::format::{json, layout};
use crate::job::Job;
use crate::names::{AssetName, BadName, ProjectName, VersionName};
use crate::shared::Memory;
use store::{Batch, Hold, Lock, Objects, Purpose};

/// Manifests kept in memory for the digests of files that are read.
const CACHED_MANIFESTS: usize = 32;
/// How long a client has to ask again for what a dead process has not answered.
const RECEIPT_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a request waits for what others carry out in its project, and how often it looks.
const PATIENCE: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(50);

/// How a [`Bucket`] is set up.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Users and organizations that may do everything.
    pub administrators: Vec<String>,
    /// The quota of new projects.
    pub quota: QuotaDefaults,
    /// How long an upload may take before others may put an end to it; `None` for any time.
    pub lock_timeout: Option<Duration>,
}

/// One registry, used as a bucket.
#[derive(Debug)]
pub struct Bucket {
    objects: Arc<dyn Objects>,
    options: Options,
    manifests: Mutex<Memory<String, (String, Arc<BucketManifest>), CACHED_MANIFESTS>>,
    /// What was begun before was begun by another process.
    opened: DateTime<Utc>,
}

/// The names in the path of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionPath {
    /// Project of the version.
    pub project: ProjectName,
    /// Asset of the version.
    pub asset: AssetName,
    /// The version's own name.
    pub version: VersionName,
}

impl VersionPath {
    /// Accepts three names or says which one is bad.
    pub fn parse(project: &str, asset: &str, version: &str) -> Result<Self, Failure> {
        Ok(Self {
            project: parse_project(project)?,
            asset: parse_asset(asset)?,
            version: VersionName::parse(version).map_err(|why| bad_name("version", why))?,
        })
    }

    /// The version that links to its files name.
    fn owner(&self) -> Owner<'_> {
        Owner {
            project: self.project.as_str(),
            asset: self.asset.as_str(),
            version: self.version.as_str(),
        }
    }

    /// An event of the version.
    fn event(&self, kind: &str, is_latest: bool) -> (String, Value) {
        Event::of_version(kind, &self.project, &self.asset, &self.version, is_latest).to_object()
    }

    /// The key of the folder.
    fn folder(&self) -> String {
        format!("{}/{}/{}", self.project, self.asset, self.version)
    }

    fn key(&self, path: &str) -> String {
        format!("{}/{path}", self.folder())
    }

    fn asset_key(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.project, self.asset)
    }
}

fn bad_name(what: &str, why: BadName) -> Failure {
    Failure::invalid(format!("{what} {why}"))
}

/// Accepts the name of a project.
pub fn parse_project(name: &str) -> Result<ProjectName, Failure> {
    ProjectName::parse(name).map_err(|why| bad_name("project", why))
}

/// Accepts the name of an asset.
pub fn parse_asset(name: &str) -> Result<AssetName, Failure> {
    AssetName::parse(name).map_err(|why| bad_name("asset", why))
}

fn already_locked() -> Failure {
    Failure::forbidden("project asset has already been locked")
}

fn being_ended() -> Failure {
    Failure::unavailable("the session is being ended; try again later")
}

fn no_project() -> Failure {
    Failure::invalid("project does not exist")
}

impl Bucket {
    /// A registry in `objects`.
    pub fn new(objects: Arc<dyn Objects>, options: Options) -> Self {
        Self { objects, options, manifests: Mutex::default(), opened: Utc::now() }
    }

    /// Where the objects are.
    pub fn objects(&self) -> &dyn Objects {
        &*self.objects
    }

    /// True if the user, or one of its organizations, may do everything.
    pub fn is_administrator(&self, user: &Identity) -> bool {
        user.is_in(&self.options.administrators)
    }

    /// Carries out what dead processes have noted, and removes what else they have left; what
    /// cannot be is tried again with the next change of its project, and the first such failure is
    /// returned. Gives how many projects were settled.
    pub fn settle(&self, job: &Job) -> Result<usize, Failure> {
        let mut result = self.objects.sweep_outside(job);
        let mut settled = 0;
        for project in self.objects.marked(job)? {
            match self.settle_project(&project, job) {
                Ok(is_settled) => settled += usize::from(is_settled),
                Err(failure) => result = result.and(Err(failure)),
            }
            job.check()?;
        }
        result.map(|()| settled)
    }

    /// Removes the receipts of requests that were answered at least so long ago.
    pub fn forget(&self, since: Duration) -> Result<(), Failure> {
        self.objects.forget(since)
    }

    fn settle_project(&self, project: &ProjectName, job: &Job) -> Result<bool, Failure> {
        let hold = self.objects.enter(project, Purpose::Session, job)?;
        let Some(mut hold) = hold else { return Ok(false) };
        let age = hold.locked_since().and_then(|since| since.elapsed().ok());
        if hold.receipt().is_some() && age.is_some_and(|age| age > RECEIPT_LIFE) {
            hold.clear_lock()?;
        }
        self.finish(hold.as_mut())
    }

    /// Reads a JSON object; `None` if there is none.
    fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Failure> {
        let Some(text) = self.objects.read(key)? else { return Ok(None) };
        json::read(&text)
            .map(Some)
            .map_err(|error| Failure::internal(format!("cannot parse JSON in '{key}'; {error}")))
    }

    fn put(&self, key: &str, value: &impl serde::Serialize) -> Result<(), Failure> {
        self.objects.write(key, &json::plain(value))
    }

    fn project_exists(&self, project: &ProjectName) -> Result<bool, Failure> {
        Ok(self.objects.stat(&format!("{project}/{}", layout::PERMISSIONS))?.is_some())
    }

    fn summary(&self, version: &VersionPath) -> Result<Option<Summary>, Failure> {
        self.get(&version.key(layout::SUMMARY))
    }

    /// Enters a project in which nothing is left to be carried out, or somebody takes long over it:
    /// what others are at, say a service that has just started, is waited for. `None` if there is
    /// no such project.
    fn enter_settled(
        &self,
        project: &ProjectName,
        purpose: Purpose,
        job: &Job,
    ) -> Result<Option<Box<dyn Hold + '_>>, Failure> {
        let begun = Instant::now();
        loop {
            let Some(mut hold) = self.objects.enter(project, purpose, job)? else {
                return Ok(None);
            };
            self.finish(hold.as_mut())?;
            if !hold.lock().is_some_and(Lock::is_to_be_settled) || begun.elapsed() > PATIENCE {
                return Ok(Some(hold));
            }
            drop(hold);
            job.check()?;
            std::thread::sleep(POLL);
        }
    }

    /// Enters a project to change it, unless it is locked; `None` if there is no such project.
    fn enter_if_there(
        &self,
        project: &ProjectName,
        purpose: Purpose,
        job: &Job,
    ) -> Result<Option<Box<dyn Hold + '_>>, Failure> {
        let Some(mut hold) = self.enter_settled(project, purpose, job)? else { return Ok(None) };
        self.end_overdue(project, hold.as_mut())?;
        if hold.lock().is_some() { Err(already_locked()) } else { Ok(Some(hold)) }
    }

    /// Enters a project that must be there.
    fn enter(
        &self,
        project: &ProjectName,
        purpose: Purpose,
        job: &Job,
    ) -> Result<Box<dyn Hold + '_>, Failure> {
        self.enter_if_there(project, purpose, job)?.ok_or_else(no_project)
    }

    /// Carries out what the lock of a dead process says, and leaves its receipt. True if there was
    /// something.
    fn finish(&self, hold: &mut dyn Hold) -> Result<bool, Failure> {
        let Some(lock) = hold.lock().cloned() else { return Ok(false) };
        if !lock.is_to_be_settled() || !hold.take_over()? {
            return Ok(false);
        }
        let batch = lock.ending.unwrap_or_default();
        self.apply(&batch)?;
        match &batch.receipt {
            // On a full disk the repeat is refused, but the project is not locked.
            Some(receipt) => hold.leave(receipt).or_else(|_| hold.clear_lock())?,
            None => hold.clear_lock()?,
        }
        Ok(true)
    }

    /// True if this very request was carried out for a process that died before it answered.
    fn is_repeat(hold: &mut dyn Hold, receipt: &str) -> bool {
        let is_repeat = hold.receipt() == Some(receipt);
        if is_repeat {
            // One that stays is removed when it is old.
            tell("cannot remove a receipt", hold.release(receipt));
        }
        is_repeat
    }

    /// Puts an end to an upload that has taken too long.
    fn end_overdue(&self, project: &ProjectName, hold: &mut dyn Hold) -> Result<(), Failure> {
        let age = hold.locked_since().and_then(|since| since.elapsed().ok());
        let is_overdue = age.zip(self.options.lock_timeout).is_some_and(|(age, limit)| age > limit);
        let (true, Some(lock)) = (is_overdue, hold.lock()) else { return Ok(()) };
        if let Ok(version) = VersionPath::parse(project.as_str(), &lock.asset, &lock.version)
            && self.summary(&version)?.is_none_or(|summary| !summary.is_finished())
        {
            self.objects.remove(&version.folder())?;
        }
        hold.clear_lock()
    }

    /// Makes changes that belong together, and unlocks the project.
    ///
    /// They are noted in the lock first, so that a crash does not leave half of them.
    fn commit(&self, hold: &mut dyn Hold, lock: Lock, batch: Batch) -> Result<(), Failure> {
        let lock = Lock { ending: Some(batch), ..lock };
        let batch = lock.ending.as_ref().expect("it was put there");
        match (hold.set_lock(&lock), &batch.removed) {
            (Ok(true), _) => {}
            (Ok(false), _) => return Err(already_locked()),
            // Removing is how room is made, so it must not need any; then there is some.
            (Err(_), Some(folder)) => {
                self.objects.remove(folder)?;
                tell("cannot note a removal", hold.set_lock(&lock));
            }
            (Err(failure), None) => return Err(failure),
        }
        // It is noted, so it will be made: what fails once is tried again before that is told.
        if let Err(failure) = self.apply(batch) {
            tell("cannot make a change at once", Err::<(), _>(failure));
            self.apply(batch).within(|| "the change will be finished later")?;
        }
        // It is made: whoever finds the lock makes it again, which changes nothing.
        let unlocked = match &batch.receipt {
            Some(receipt) => hold.release(receipt).or_else(|_| hold.clear_lock()),
            None => hold.clear_lock(),
        };
        tell("cannot unlock a project", unlocked.or_else(|_| hold.clear_lock()));
        Ok(())
    }

    fn apply(&self, batch: &Batch) -> Result<(), Failure> {
        for (key, value) in &batch.writes {
            self.objects.write(key, &json::plain(value))?;
        }
        for key in &batch.deletes {
            self.objects.delete(key)?;
        }
        if let Some(folder) = &batch.removed {
            self.objects.remove(folder)?;
        }
        Ok(())
    }
}
