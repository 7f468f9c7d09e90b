//! Approving and rejecting versions on probation.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::receipt::{Change, Receipt, repeated};
use super::refresh::finish_of;
use super::remove::Consequences;
use super::{AssetHold, Engine, ProjectHold};
use crate::fs::lock::Mode;
use crate::job::Job;
use crate::names::{AssetName, ProjectName, VersionName};
use crate::registry::failure::{Failure, FailureContext};
use crate::registry::format::history::Event;
use crate::registry::format::model::Summary;
use crate::registry::format::{layout, time};
use crate::registry::tree::store;

/// A version on probation, locked.
struct Probational<'engine> {
    project: ProjectHold<'engine>,
    asset: AssetHold<'engine>,
    folder: PathBuf,
    summary: Summary,
}

impl Engine {
    fn enter_probational(
        &self,
        user: Option<&str>,
        names: (&ProjectName, &AssetName, &VersionName),
        job: &Job,
    ) -> Result<Probational<'_>, Failure> {
        let (project_name, asset_name, version) = names;
        let project = self.enter_project(project_name, Mode::Shared, job)?;
        if let Some(user) = user {
            let permissions = Self::project_permissions(&project)?;
            if !self.is_project_owner(&permissions, user) {
                return Err(Failure::forbidden(format!(
                    "user {user:?} is not authorized to modify probation status in {:?}",
                    project.folder
                )));
            }
        }
        let asset = self.enter_asset(project_name, &project, asset_name, job)?;
        let folder = Self::enter_version(project_name, asset_name, &asset, version)?;
        let summary = Self::summary(&folder)?;
        if !summary.is_probational() {
            return Err(Failure::internal(format!(
                "version directory at {folder:?} is not on probation"
            )));
        }
        Ok(Probational { project, asset, folder, summary })
    }

    /// Makes a version on probation a regular one. It becomes the latest if there is none, or if
    /// its upload ended later than that of the present latest.
    pub fn approve_probation(
        &self,
        user: &str,
        project: &ProjectName,
        asset: &AssetName,
        version: &VersionName,
        job: &Job,
    ) -> Result<Receipt, Failure> {
        let names = (project, asset, version);
        let held = match self.enter_probational(Some(user), names, job) {
            Err(refusal) => {
                let folder = self.layout.project(project).join(asset).join(version);
                return repeated(self.layout.root(), &folder, Change::Approval, refusal);
            }
            Ok(held) => held,
        };
        let finish = finish_of(&held.folder, &held.summary)?;
        let latest = store::latest(&held.asset.folder)
            .within(|| format!("failed to read the latest version for {:?}", held.asset.folder))?;
        let is_latest = match &latest {
            None => true,
            Some(latest) => {
                let folder = held.asset.folder.join(&latest.version);
                finish > finish_of(&folder, &Self::summary(&folder)?)?
            }
        };
        let log = Event::of_version("add-version", project, asset, version, is_latest).named();
        let receipt =
            Receipt::issue(self.layout.root(), &held.folder, &held.folder, Change::Approval);
        let mut commit = self.prepare()?;
        let approved = Summary { on_probation: None, ..held.summary.clone() };
        commit.write(&held.folder.join(layout::SUMMARY), &approved)?;
        if is_latest {
            commit.latest(&held.asset.folder, Some(version.as_str()))?;
        }
        commit.log(&log)?;
        commit.make()?;
        Ok(receipt)
    }

    /// Removes a version on probation. An unreadable manifest is a failure unless `force`, which
    /// leaves the project's usage as it is.
    pub fn reject_probation(
        &self,
        user: &str,
        project: &ProjectName,
        asset: &AssetName,
        version: &VersionName,
        force: bool,
        job: &Job,
    ) -> Result<Receipt, Failure> {
        let names = (project, asset, version);
        let change = Change::Rejection(version);
        match self.enter_probational(Some(user), names, job) {
            Err(refusal) => {
                let asset = self.layout.project(project).join(asset);
                repeated(self.layout.root(), &asset, change, refusal)
            }
            Ok(held) => {
                let folder = &held.asset.folder;
                let receipt = Receipt::issue(self.layout.root(), folder, folder, change);
                self.reject(&held, force).map(|()| receipt)
            }
        }
    }

    fn reject(&self, held: &Probational<'_>, force: bool) -> Result<(), Failure> {
        let used = match store::version_usage(&held.folder) {
            Ok(used) => Some(used),
            Err(_) if force => None,
            Err(failure) => {
                return Err(
                    failure.within(format!("failed to compute usage for {:?}", held.folder))
                );
            }
        };
        let usage = used.map(|used| (held.project.folder.as_path(), used));
        self.remove(&held.folder, &Consequences { usage, ..Consequences::default() })
    }

    /// Rejects all versions whose probation is older than that; returns how many.
    ///
    /// A version that cannot be read is left for an administrator to look at.
    pub fn purge_probation(&self, older_than: Duration, job: &Job) -> crate::Result<u64> {
        let mut purged = 0;
        let root = self.layout.root().to_owned();
        for project in store::projects(&self.layout)? {
            for asset in store::children(&root.join(&project)).unwrap_or_default() {
                let folder = root.join(&project).join(&asset);
                for version in store::children(&folder).unwrap_or_default() {
                    job.check()?;
                    if is_overdue(&folder.join(&version), older_than)
                        && let (Ok(project), Ok(asset), Ok(version)) = (
                            ProjectName::parse(project.as_str()),
                            AssetName::parse(asset.as_str()),
                            VersionName::parse(version),
                        )
                        && let Ok(held) =
                            self.enter_probational(None, (&project, &asset, &version), job)
                        && is_overdue(&held.folder, older_than)
                        && self.reject(&held, false).is_ok()
                    {
                        purged += 1;
                    }
                }
            }
        }
        Ok(purged)
    }
}

fn is_overdue(folder: &Path, older_than: Duration) -> bool {
    store::summary(folder).is_ok_and(|summary| {
        summary.is_probational()
            && time::parse(&summary.upload_finish).is_ok_and(|finish| {
                (chrono::Utc::now() - finish.to_utc()).to_std().is_ok_and(|age| age > older_than)
            })
    })
}
