//! Recomputing usage and latest versions.

use std::path::Path;

use chrono::{DateTime, FixedOffset};

use super::Engine;
use crate::fs::atomic;
use crate::fs::lock::Mode;
use crate::job::Job;
use crate::names::{AssetName, ProjectName};
use crate::registry::failure::{Failure, FailureContext};
use crate::registry::format::model::{Latest, Summary, Usage, latest_of};
use crate::registry::format::{layout, time};
use crate::registry::tree::store;

impl Engine {
    /// Recomputes the usage of a project from the manifests of finished versions; returns the bytes in use.
    pub fn refresh_usage(&self, project: &ProjectName, job: &Job) -> Result<u64, Failure> {
        let held = self.enter_project(project, Mode::Exclusive, job)?;
        let total = store::project_usage(&held.folder)
            .within(|| format!("failed to compute usage for {:?}", project.as_str()))?;
        let _lock = self.lock(&held.folder, layout::LOCK_USAGE, Mode::Exclusive, job)?;
        let make = || {
            let mut commit = self.prepare()?;
            commit.write(&held.folder.join(layout::USAGE), &Usage { total })?;
            commit.make()
        };
        make().within(|| format!("failed to save usage for {:?}", held.folder))?;
        Ok(total)
    }

    /// Finds the latest version of an asset again; returns its name, if there is one.
    pub fn refresh_latest(
        &self,
        project: &ProjectName,
        asset: &AssetName,
        job: &Job,
    ) -> Result<Option<String>, Failure> {
        let held = self.enter_project(project, Mode::Shared, job)?;
        let asset = self.enter_asset(project, &held, asset, job)?;
        let latest = find_latest(&asset.folder, None)?;
        let make = || {
            let mut commit = self.prepare()?;
            commit.latest(&asset.folder, latest.as_deref())?;
            commit.make()
        };
        make().within(|| format!("failed to save the latest version for {:?}", asset.folder))?;
        Ok(latest)
    }

    /// Writes the latest version of the asset at `folder`, or that it has none.
    pub(super) fn set_latest(&self, folder: &Path, version: Option<&str>) -> Result<(), Failure> {
        let path = folder.join(layout::LATEST);
        match version {
            Some(version) => self
                .write(&path, &Latest { version: version.to_owned() })
                .within(|| format!("failed to save the latest version for {folder:?}")),
            None => Ok(atomic::remove_file(&path)?),
        }
    }
}

/// The regular version with the latest end of upload, of several the first by name. `except` is
/// left out, whatever it is.
pub(super) fn find_latest(folder: &Path, except: Option<&str>) -> Result<Option<String>, Failure> {
    let versions = store::versions(folder)?;
    let others = versions.into_iter().filter(|version| Some(version.as_str()) != except);
    latest_of(others.filter_map(|version| {
        let folder = folder.join(&version);
        let end = || {
            let summary = store::summary(&folder)
                .within(|| format!("failed to read summary from {folder:?}"))?;
            if summary.is_probational() { Ok(None) } else { finish_of(&folder, &summary).map(Some) }
        };
        end().transpose().map(|end| end.map(|end| (end, version)))
    }))
}

/// When the upload of the version at `folder` ended.
pub(super) fn finish_of(
    folder: &Path,
    summary: &Summary,
) -> Result<DateTime<FixedOffset>, Failure> {
    time::parse(&summary.upload_finish)
        .map_err(Failure::internal)
        .within(|| format!("could not parse 'upload_finish' from {folder:?}"))
}
