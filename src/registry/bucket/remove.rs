//! Removing projects, assets and versions.

use serde_json::{Value, json};

use super::{Bucket, VersionPath, no_project, token};
use crate::job::Job;
use crate::names::{AssetName, ProjectName};
use crate::registry::bucket::store::{Batch, Lock, Purpose};
use crate::registry::failure::Failure;
use crate::registry::format::history::Event;
use crate::registry::format::json::plain;
use crate::registry::format::layout;
use crate::registry::format::model::{Latest, Usage};

impl Bucket {
    /// A lock that no session knows.
    pub(super) fn lock_for_change() -> Lock {
        Lock {
            session_hash: token::hash(&token::random()),
            asset: String::new(),
            version: String::new(),
            ending: None,
        }
    }

    /// The usage of a project when `freed` bytes are gone.
    pub(super) fn usage_less(
        &self,
        project: &ProjectName,
        freed: u64,
    ) -> Result<(String, Value), Failure> {
        let total = self.usage(project)?.saturating_sub(freed);
        Ok((format!("{project}/{}", layout::USAGE), json!(Usage { total })))
    }

    /// Removes a project with everything in it.
    pub fn remove_project(&self, project: &ProjectName, job: &Job) -> Result<(), Failure> {
        let event = Event::of_project("delete-project", project).to_object();
        let Some(mut hold) = self.enter_if_there(project, Purpose::Remove, job)? else {
            // Nothing to remove, but others are told what was asked for.
            return self.objects.write(&event.0, &plain(&event.1));
        };
        // A receipt would be removed with the project; the repeat finds nothing to remove.
        let batch =
            Batch { writes: vec![event], removed: Some(project.to_string()), ..Batch::default() };
        self.commit(hold.as_mut(), Self::lock_for_change(), batch)
    }

    /// Removes an asset.
    pub fn remove_asset(
        &self,
        project: &ProjectName,
        asset: &AssetName,
        job: &Job,
    ) -> Result<(), Failure> {
        self.check_project(project)?;
        let mut hold = self.enter(project, Purpose::Change, job)?;
        let folder = format!("{project}/{asset}");
        let receipt = token::receipt(&["remove", &folder]);
        if Self::is_repeat(hold.as_mut(), &receipt) {
            return Ok(());
        }
        let event = Event::of_asset("delete-asset", project, asset);
        let freed = self.stored_bytes(&folder, job)?;
        let batch = Batch {
            writes: vec![self.usage_less(project, freed)?, event.to_object()],
            deletes: Vec::new(),
            removed: Some(folder),
            receipt: Some(receipt),
        };
        self.commit(hold.as_mut(), Self::lock_for_change(), batch)
    }

    /// Removes a version. If it was the latest of its asset, that is found again.
    pub fn remove_version(&self, version: &VersionPath, job: &Job) -> Result<(), Failure> {
        self.check_project(&version.project)?;
        let mut hold = self.enter(&version.project, Purpose::Change, job)?;
        let receipt = token::receipt(&["remove", &version.folder()]);
        if Self::is_repeat(hold.as_mut(), &receipt) {
            return Ok(());
        }
        let freed = self.stored_bytes(&version.folder(), job)?;
        let key = version.asset_key(layout::LATEST);
        let latest: Option<Latest> = self.get(&key)?;
        let name = version.version.as_str();
        let is_latest = latest.is_some_and(|latest| latest.version == name);
        let mut batch =
            Batch { removed: Some(version.folder()), receipt: Some(receipt), ..Batch::default() };
        if is_latest {
            match self.find_latest(&version.project, &version.asset, Some(name), job)? {
                Some(version) => batch.writes.push((key, json!(Latest { version }))),
                None => batch.deletes.push(key),
            }
        }
        batch.writes.push(self.usage_less(&version.project, freed)?);
        batch.writes.push(version.event("delete-version", is_latest));
        self.commit(hold.as_mut(), Self::lock_for_change(), batch)
    }

    /// Nothing is locked, or made, for projects that do not exist.
    fn check_project(&self, project: &ProjectName) -> Result<(), Failure> {
        if self.project_exists(project)? { Ok(()) } else { Err(no_project()) }
    }
}
