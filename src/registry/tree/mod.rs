//! Every change of a registry.
//!
//! A change first checks everything, then does its work aside (in `..tmp-*` folders), and makes it
//! visible by one rename, or by several that the next start of a killed service goes on with: see
//! [`commit`]. Whole versions are noted in a pending file before: see [`pending`].
//!
//! Locks are taken from the registry down, in the order that other instances use too:
//!
//! | change | registry | project | asset |
//! | --- | --- | --- | --- |
//! | create or delete a project, reroute | exclusive | | |
//! | upload | shared | shared | exclusive |
//! | permissions of a project, refresh usage, delete an asset | shared | exclusive | |
//! | permissions of an asset, probation, refresh latest, reindex, validate, delete a version | shared | shared | exclusive |
//!
//! `..LOCK_NEWDIR` of a directory is held in addition while a child is looked up (shared) or made
//! (exclusive); it is never held while waiting for a busy asset.

mod access;
mod commit;
mod index;
mod intake;
mod log;
mod pending;
mod permissions;
mod place;
mod probation;
mod receipt;
mod refresh;
mod remove;
mod request;
mod reroute;
mod resolve;
mod source;
pub mod store;
mod transfer;
mod upload;
mod whole;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::failure::{Failure, FailureContext};
use super::format::json;
use super::format::layout::{self, Layout};
use super::format::links::Owner;
use super::format::model::{Permissions, Summary, Usage};
use crate::fs::atomic;
use crate::fs::lock::{LockGuard, LockTable, Mode};
use crate::job::Job;
use crate::names::{AssetName, ProjectName, VersionName};
use crate::{Error, Result};

use place::{FILE_MODE, make_folder};

pub use permissions::PermissionsChange;
pub use receipt::Receipt;
pub use request::Upload;
pub use reroute::{Change, Doomed};

/// How long a lock is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(60);

/// How an [`Engine`] is set up.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The registry's folder, which must exist.
    pub registry: PathBuf,
    /// Names of the users who may do everything.
    pub administrators: Vec<String>,
    /// Directories that symbolic links of a version may point to.
    pub whitelist: Vec<PathBuf>,
    /// Directories outside of the registry that projects may be in, by links. The registry's own
    /// path must be absolute then.
    pub allow_roots: Vec<PathBuf>,
    /// Whether a finished change survives a power failure.
    pub durable: bool,
}

/// Changes one registry. Several engines, also in other processes, may share a registry.
#[derive(Debug)]
pub struct Engine {
    layout: Layout,
    administrators: Vec<String>,
    whitelist: Vec<PathBuf>,
    durable: bool,
    locks: LockTable,
}

/// The locks on a registry and one of its projects.
struct ProjectHold<'engine> {
    folder: PathBuf,
    _locks: [LockGuard<'engine>; 2],
}

/// The locks on an asset; its project is held by a [`ProjectHold`].
struct AssetHold<'engine> {
    folder: PathBuf,
    _lock: LockGuard<'engine>,
}

impl Engine {
    /// Opens a registry: makes its folder of logs, and finishes or undoes what a killed process
    /// left behind.
    pub fn open(options: Options) -> Result<Self> {
        let engine = Self {
            layout: Layout::new(options.registry).allowing(options.allow_roots),
            administrators: options.administrators,
            whitelist: options.whitelist,
            durable: options.durable,
            locks: LockTable::private(LOCK_PATIENCE),
        };
        let logs = engine.layout.logs();
        if !store::is_folder(&logs) {
            make_folder(&logs)?;
        }
        // What cannot be settled must not keep the rest from being served: whoever runs the service
        // settles again, and reports it.
        let _ = engine.settle(&Job::default());
        Ok(engine)
    }

    /// Paths inside the registry.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// True if `user` may do everything.
    pub fn is_administrator(&self, user: &str) -> bool {
        self.administrators.iter().any(|administrator| administrator == user)
    }

    fn is_project_owner(&self, permissions: &Permissions, user: &str) -> bool {
        self.is_administrator(user) || permissions.owners.iter().any(|owner| owner == user)
    }

    /// Locks one of the lock files of `folder`.
    fn lock(
        &self,
        folder: &Path,
        file: &str,
        mode: Mode,
        job: &Job,
    ) -> Result<LockGuard<'_>, Failure> {
        let path = folder.join(file);
        self.locks
            .lock(&path, mode, job)
            .map_err(|error| match error {
                Error::Io { source, .. } if source.kind() == ErrorKind::TimedOut => {
                    Failure::internal(format!(
                        "timed out waiting for the lock to be acquired on {path:?}"
                    ))
                }
                Error::Io { path, source } if source.kind() == ErrorKind::NotFound => {
                    Failure::not_found(format!("{} does not exist", path.display()))
                }
                Error::Io { path, source } => Failure::system("open", &path, &source),
                other => other.into(),
            })
            .within(|| format!("failed to lock {folder:?}"))
    }

    /// Locks an existing project, and the registry around it.
    fn enter_project(
        &self,
        project: &ProjectName,
        mode: Mode,
        job: &Job,
    ) -> Result<ProjectHold<'_>, Failure> {
        let root = self.layout.root();
        let registry = self.lock(root, layout::LOCK, Mode::Shared, job)?;
        let entering = self.lock(root, layout::LOCK_NEWDIR, Mode::Shared, job)?;
        let folder = self.layout.project(project);
        if !store::is_project(&self.layout, project.as_str())? {
            return Err(Failure::not_found(format!("project {project} does not exist")));
        }
        let held = self.lock(&folder, layout::LOCK, mode, job)?;
        drop(entering);
        Ok(ProjectHold { folder, _locks: [registry, held] })
    }

    /// Locks an existing asset of a project that is held.
    fn enter_asset(
        &self,
        project: &ProjectName,
        held: &ProjectHold<'_>,
        asset: &AssetName,
        job: &Job,
    ) -> Result<AssetHold<'_>, Failure> {
        let missing =
            || Failure::not_found(format!("asset {asset} does not exist in project {project}"));
        let folder = held.folder.join(asset);
        let entering = self.lock(&held.folder, layout::LOCK_NEWDIR, Mode::Shared, job)?;
        if !store::is_folder(&folder) {
            return Err(missing());
        }
        drop(entering);
        match self.lock(&folder, layout::LOCK, Mode::Exclusive, job) {
            Ok(lock) => Ok(AssetHold { folder, _lock: lock }),
            // Made by an upload that failed, and gone again.
            Err(_) if !store::is_folder(&folder) => Err(missing()),
            Err(failure) => Err(failure),
        }
    }

    /// The folder of an existing version of an asset that is held.
    fn enter_version(
        project: &ProjectName,
        asset: &AssetName,
        held: &AssetHold<'_>,
        version: &VersionName,
    ) -> Result<PathBuf, Failure> {
        let folder = held.folder.join(version);
        if store::is_folder(&folder) {
            Ok(folder)
        } else {
            Err(Failure::not_found(format!(
                "version {version} does not exist for asset {asset} of project {project}"
            )))
        }
    }

    /// Permissions of a project that is held.
    fn project_permissions(held: &ProjectHold<'_>) -> Result<Permissions, Failure> {
        store::permissions(&held.folder)
            .and_then(|found| {
                found.ok_or_else(|| {
                    let path = held.folder.join(layout::PERMISSIONS);
                    Failure::system("open", &path, &ErrorKind::NotFound.into())
                })
            })
            .within(|| format!("failed to read permissions for {:?}", held.folder))
    }

    /// Replaces an internal file. Syncing is left to [`Engine::make_durable`].
    fn write(&self, path: &Path, value: &impl serde::Serialize) -> Result<(), Failure> {
        self.replace(path, &json::pretty(value)).map_err(|error| match error {
            Error::Io { path, source } => Failure::system("write", &path, &source),
            other => other.into(),
        })
    }

    /// The same for any content. The next start finds what a kill leaves of it: in the registry's
    /// folder.
    fn replace(&self, path: &Path, content: &[u8]) -> Result<()> {
        atomic::write_through(self.layout.root(), path, content, FILE_MODE, false)
    }

    /// Makes everything written so far survive a power failure, if the engine is durable.
    fn make_durable(&self) -> Result<(), Failure> {
        if self.durable {
            atomic::sync_file_system(self.layout.root())?;
            for allowed in self.layout.allowed() {
                atomic::sync_file_system(allowed)?;
            }
        }
        Ok(())
    }

    /// Changes the usage of a project that is held.
    fn change_usage(
        &self,
        project: &Path,
        change: impl FnOnce(u64) -> u64,
        job: &Job,
    ) -> Result<(), Failure> {
        let _lock = self.lock(project, layout::LOCK_USAGE, Mode::Exclusive, job)?;
        let old = store::usage(project)
            .within(|| format!("failed to read usage for {project:?}"))?
            .map_or(0, |usage| usage.total);
        self.write(&project.join(layout::USAGE), &Usage { total: change(old) })
            .within(|| format!("failed to save usage for {project:?}"))
    }

    /// The summary of a version, by the words of most actions.
    fn summary(folder: &Path) -> Result<Summary, Failure> {
        store::summary(folder)
            .within(|| format!("failed to read the version summary at {folder:?}"))
    }
}

fn owner<'a>(
    project: &'a ProjectName,
    asset: &'a AssetName,
    version: &'a VersionName,
) -> Owner<'a> {
    Owner { project: project.as_str(), asset: asset.as_str(), version: version.as_str() }
}
