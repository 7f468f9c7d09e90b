//! Removing projects, assets and versions.

use std::path::Path;

use super::Engine;
use super::place::{rename_new, stage_name};
use super::refresh::find_latest;
use crate::fs::atomic;
use crate::fs::lock::Mode;
use crate::job::Job;
use crate::names::{AssetName, ProjectName, VersionName};
use crate::registry::failure::{Failure, FailureContext};
use crate::registry::format::history::{Event, Log};
use crate::registry::format::layout;
use crate::registry::format::model::Usage;
use crate::registry::tree::store;

/// What removing a directory changes elsewhere.
#[derive(Default)]
pub(super) struct Consequences<'a> {
    /// The project and the bytes that it no longer uses.
    pub(super) usage: Option<(&'a Path, u64)>,
    /// The new latest version of the asset, or that it has none, if that changes.
    pub(super) latest: Option<NewLatest>,
    pub(super) log: Option<Log>,
}

/// The latest version of an asset, if it has one.
pub(super) struct NewLatest(Option<String>);

impl Engine {
    /// Removes a project with everything in it. Links of other projects are not looked at.
    pub fn delete_project(&self, project: &ProjectName, job: &Job) -> Result<(), Failure> {
        let root = self.layout.root();
        let _registry = self.lock(root, layout::LOCK, Mode::Exclusive, job)?;
        let folder = self.layout.project(project);
        if !store::is_project(&self.layout, project.as_str())? {
            return Ok(());
        }
        let log = Some(Event::of_project("delete-project", project).named());
        self.remove(&folder, &Consequences { log, ..Consequences::default() })
    }

    /// Removes an asset. An unreadable manifest is a failure unless `force`, which leaves the
    /// project's usage as it is.
    pub fn delete_asset(
        &self,
        project: &ProjectName,
        asset: &AssetName,
        force: bool,
        job: &Job,
    ) -> Result<(), Failure> {
        let Some(held) = present(self.enter_project(project, Mode::Exclusive, job))? else {
            return Ok(());
        };
        let folder = held.folder.join(asset);
        if !store::is_folder(&folder) {
            return Ok(());
        }
        let used = forgiven(
            store::asset_usage(&folder)
                .within(|| format!("failed to compute usage for {}", folder.display())),
            force,
        )?;
        let consequences = Consequences {
            usage: used.map(|used| (held.folder.as_path(), used)),
            latest: None,
            log: Some(Event::of_asset("delete-asset", project, asset).named()),
        };
        self.remove(&folder, &consequences)
    }

    /// Removes a version. An unreadable manifest or summary is a failure unless `force`, which
    /// leaves the usage as it is and writes no log.
    pub fn delete_version(
        &self,
        project: &ProjectName,
        asset: &AssetName,
        version: &VersionName,
        force: bool,
        job: &Job,
    ) -> Result<(), Failure> {
        let Some(held) = present(self.enter_project(project, Mode::Shared, job))? else {
            return Ok(());
        };
        let Some(in_asset) = present(self.enter_asset(project, &held, asset, job))? else {
            return Ok(());
        };
        let folder = in_asset.folder.join(version);
        if !store::is_folder(&folder) {
            return Ok(());
        }
        if store::is_under_way(&folder) && !force {
            return Err(Failure::invalid(format!("version {version} is still being uploaded")));
        }
        let used = forgiven(
            store::version_usage(&folder)
                .within(|| format!("failed to compute usage for {}", folder.display())),
            force,
        )?;
        let summary = forgiven(
            store::summary(&folder)
                .within(|| format!("failed to read summary for {}", folder.display())),
            force,
        )?;
        let is_regular = summary.is_some_and(|summary| !summary.is_probational());
        let latest = forgiven(
            store::latest(&in_asset.folder)
                .within(|| format!("failed to read the latest version for {}", folder.display())),
            force,
        )?;
        let is_latest = latest.flatten().is_some_and(|latest| latest.version == version.as_str());
        let new_latest = || find_latest(&in_asset.folder, Some(version.as_str()));
        let new_latest =
            if is_regular { forgiven(new_latest(), force)?.map(NewLatest) } else { None };
        let consequences = Consequences {
            usage: used.map(|used| (held.folder.as_path(), used)),
            latest: new_latest,
            log: is_regular.then(|| {
                Event::of_version("delete-version", project, asset, version, is_latest).named()
            }),
        };
        self.remove(&folder, &consequences)
    }

    /// Takes a directory away with its consequences.
    pub(super) fn remove(
        &self,
        folder: &Path,
        consequences: &Consequences<'_>,
    ) -> Result<(), Failure> {
        let job = &Job::default();
        let root = self.layout.root();
        let parent = folder.parent().unwrap_or(root);
        // A project on another disk is taken away there, and then its link.
        let linked = (parent == root)
            .then(|| folder.file_name())
            .flatten()
            .and_then(|name| self.layout.place_of_link(&name.to_string_lossy()));
        let place = linked.as_deref().unwrap_or(folder);
        let _counting = match consequences.usage {
            Some((project, _)) => {
                Some(self.lock(project, layout::LOCK_USAGE, Mode::Exclusive, job)?)
            }
            None => None,
        };
        let commit = |is_freed: bool| -> Result<(), Failure> {
            let mut commit = self.prepare()?;
            if !is_freed {
                commit.remove(place)?;
            }
            if linked.is_some() {
                commit.remove(folder)?;
            }
            if let Some((project, used)) = consequences.usage {
                let old = store::usage(project)
                    .within(|| format!("failed to read usage for {project:?}"))?
                    .map_or(0, |usage| usage.total);
                let usage = Usage { total: old.saturating_sub(used) };
                commit.write(&project.join(layout::USAGE), &usage)?;
            }
            if let Some(log) = &consequences.log {
                commit.log(log)?;
            }
            if let Some(NewLatest(latest)) = &consequences.latest {
                commit.latest(parent, latest.as_deref())?;
            }
            commit.make()
        };
        let removed = commit(false);
        if removed.as_ref().is_err_and(|failure| failure.is_out_of_room) {
            // Removing is how room is made, so it must not need any.
            let stage = place.with_file_name(stage_name());
            rename_new(place, &stage)?;
            atomic::remove_tree(&stage)?;
            return commit(true);
        }
        removed
    }
}

/// Turns "not found" into `None`: removing what is not there is a success.
fn present<T>(entered: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match entered {
        Err(failure) if failure.kind == crate::registry::FailureKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// Turns a failure into `None` if `force`.
fn forgiven<T>(result: Result<T, Failure>, force: bool) -> Result<Option<T>, Failure> {
    match result {
        Err(_) if force => Ok(None),
        other => other.map(Some),
    }
}
