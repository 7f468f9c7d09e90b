//! The rules of a registry that is used as a bucket of objects, as the gypsum service does.
//!
//! A project is changed by one session at a time: its `..LOCK` is made in one step before anything
//! else, and removed last. What ends a session is noted in the lock before it is carried out, and
//! every step of it can be repeated; whoever finds such a note of a dead process carries it out.
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
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use access::Identity;
pub use admin::QuotaDefaults;
pub use session::{PresignedFile, Started, check_start};
pub use token::is_equal;

use super::failure::Failure;
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

fn no_project() -> Failure {
    Failure::invalid("project does not exist")
}

impl Bucket {
    /// A registry in `objects`.
    pub fn new(objects: Arc<dyn Objects>, options: Options) -> Self {
        Self { objects, options, manifests: Mutex::default() }
    }

    /// Where the objects are.
    pub fn objects(&self) -> &dyn Objects {
        &*self.objects
    }

    /// True if the user, or one of its organizations, may do everything.
    pub fn is_administrator(&self, user: &Identity) -> bool {
        user.is_in(&self.options.administrators)
    }

    /// Carries out what dead processes have noted; what cannot be is tried again with the next
    /// change of its project. Returns how many projects were settled.
    pub fn settle(&self, job: &Job) -> Result<usize, Failure> {
        let mut settled = 0;
        for folder in self.objects.list("", false, job)? {
            let name = folder.trim_end_matches('/');
            let Ok(project) = ProjectName::parse(name) else { continue };
            let lock = self.objects.lock_of(&project)?;
            if lock.is_some_and(|lock| lock.ending.is_some())
                && let Some(mut hold) = self.objects.enter(&project, Purpose::Session, job)?
                && self.finish(hold.as_mut())?
            {
                settled += 1;
            }
        }
        Ok(settled)
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

    /// Enters a project to change it, unless it is locked; `None` if there is no such project.
    fn enter_if_there(
        &self,
        project: &ProjectName,
        purpose: Purpose,
        job: &Job,
    ) -> Result<Option<Box<dyn Hold + '_>>, Failure> {
        let Some(mut hold) = self.objects.enter(project, purpose, job)? else { return Ok(None) };
        self.finish(hold.as_mut())?;
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

    /// Carries out what the lock of a dead process says. True if there was something.
    fn finish(&self, hold: &mut dyn Hold) -> Result<bool, Failure> {
        let noted = hold.lock().and_then(|lock| lock.ending.clone());
        let Some(batch) = noted.filter(|_| hold.is_abandoned()) else { return Ok(false) };
        self.apply(&batch)?;
        for (folder, _) in batch.writes.iter().filter_map(|(key, _)| key.rsplit_once('/')) {
            self.objects.sweep(folder)?;
        }
        hold.clear_lock()?;
        Ok(true)
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
        match hold.set_lock(&lock) {
            Ok(true) => {}
            Ok(false) => return Err(already_locked()),
            // Removing is how room is made, so it must not need any.
            Err(failure) => match &lock.ending {
                Some(Batch { removed: Some(folder), .. }) => self.objects.remove(folder)?,
                _ => return Err(failure),
            },
        }
        self.apply(lock.ending.as_ref().expect("it was put there"))?;
        hold.clear_lock()
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
