//! Creating projects, and setting permissions.

use super::Engine;
use super::place::{make_folder, write_new};
use super::receipt::{Change, Receipt, repeated};
use crate::fs::lock::Mode;
use crate::job::Job;
use crate::names::{AssetName, ProjectName};
use crate::registry::failure::{Failure, FailureContext};
use crate::registry::format::model::{Permissions, Uploader};
use crate::registry::format::{json, layout, time};
use crate::registry::tree::access::check_uploaders;
use crate::registry::tree::store;

/// New values of permissions; absent members keep their value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PermissionsChange {
    /// Users with all rights.
    pub owners: Option<Vec<String>>,
    /// Users who may upload.
    pub uploaders: Option<Vec<Uploader>>,
    /// Whether every user may create new assets.
    pub global_write: Option<bool>,
}

impl PermissionsChange {
    fn check(&self, context: &str) -> Result<(), Failure> {
        check_uploaders(self.uploaders.as_deref().unwrap_or_default())
            .map_err(Failure::invalid)
            .within(|| format!("invalid 'permissions.uploaders' in {context}"))
    }

    fn apply(self, permissions: &mut Permissions) {
        if let Some(owners) = self.owners {
            permissions.owners = owners;
        }
        if let Some(uploaders) = self.uploaders {
            permissions.uploaders = uploaders;
        }
        if self.global_write.is_some() {
            permissions.global_write = self.global_write;
        }
    }
}

impl Engine {
    /// Creates a project, owned by `user` unless `change` says otherwise.
    pub fn create_project(
        &self,
        user: &str,
        project: &ProjectName,
        change: PermissionsChange,
        job: &Job,
    ) -> Result<Receipt, Failure> {
        let root = self.layout.root();
        let _registry = self.lock(root, layout::LOCK, Mode::Exclusive, job)?;
        let folder = self.layout.project(project);
        let mut permissions =
            Permissions { owners: vec![user.to_owned()], ..Permissions::default() };
        let checked = change.check("the request details");
        change.apply(&mut permissions);
        if folder.symlink_metadata().is_ok() {
            let refusal = Failure::invalid(format!("project directory {folder:?} already exists"));
            let is_same = store::permissions(&folder).is_ok_and(|made| made == Some(permissions));
            return if is_same {
                repeated(root, &folder, Change::Creation, refusal)
            } else {
                Err(refusal)
            };
        }
        checked?;
        let quota = format!(
            "{{ \"baseline\": 1000000000, \"growth_rate\": 1000000000, \"year\": {} }}",
            time::year()
        );

        let make = || {
            let mut commit = self.prepare()?;
            let stage = commit.place(&folder)?;
            make_folder(&stage)?;
            let mut receipt = Receipt::issue(self.layout.root(), &stage, &folder, Change::Creation);
            write_new(&stage.join(layout::PERMISSIONS), &json::pretty(&permissions))?;
            let texts = [(layout::QUOTA, quota.as_str()), (layout::USAGE, "{ \"total\": 0 }")];
            for (name, text) in texts {
                write_new(&stage.join(name), text.as_bytes())?;
            }
            commit.make()?;
            receipt.moved_to(&folder);
            Ok(receipt)
        };
        make().map_err(|failure: Failure| failure.within(format!("failed to make {folder:?}")))
    }

    /// Changes the permissions of a project.
    pub fn set_project_permissions(
        &self,
        user: &str,
        project: &ProjectName,
        change: PermissionsChange,
        job: &Job,
    ) -> Result<(), Failure> {
        let held = self.enter_project(project, Mode::Exclusive, job)?;
        let mut permissions = Self::project_permissions(&held)?;
        if !self.is_project_owner(&permissions, user) {
            return Err(Failure::forbidden(format!(
                "user {user:?} is not authorized to modify permissions for {:?}",
                project.as_str()
            )));
        }
        change.check("request")?;
        change.apply(&mut permissions);
        let make = || {
            let mut commit = self.prepare()?;
            commit.write(&held.folder.join(layout::PERMISSIONS), &permissions)?;
            commit.make()
        };
        make().within(|| format!("failed to write permissions for {:?}", held.folder))
    }

    /// Changes the permissions of an asset, which is made if it is new.
    ///
    /// `global_write` and the `asset` of each uploader mean nothing here and are dropped.
    pub fn set_asset_permissions(
        &self,
        user: &str,
        project: &ProjectName,
        asset: &AssetName,
        mut change: PermissionsChange,
        job: &Job,
    ) -> Result<(), Failure> {
        let held = self.enter_project(project, Mode::Shared, job)?;
        let folder = held.folder.join(asset);
        let for_project = Self::project_permissions(&held)?;
        let refused = || {
            Failure::forbidden(format!(
                "user {user:?} is not authorized to modify permissions for asset {:?} in {:?}",
                asset.as_str(),
                project.as_str()
            ))
        };
        change.global_write = None;
        for uploader in change.uploaders.iter_mut().flatten() {
            uploader.asset = None;
        }

        let entering = self.lock(&held.folder, layout::LOCK_NEWDIR, Mode::Exclusive, job)?;
        let is_new = !store::is_folder(&folder);
        let (_asset, mut permissions) = if is_new {
            if !self.is_project_owner(&for_project, user) {
                return Err(refused());
            }
            (None, Permissions::default())
        } else {
            drop(entering);
            let lock = self.lock(&folder, layout::LOCK, Mode::Exclusive, job)?;
            let found = store::permissions(&folder)
                .within(|| format!("failed to read permissions for {folder:?}"))?
                .unwrap_or_default();
            if !self.is_project_owner(&for_project, user)
                && !found.owners.iter().any(|owner| owner == user)
            {
                return Err(refused());
            }
            (Some(lock), found)
        };
        change.check("request")?;
        change.apply(&mut permissions);
        let make = || {
            let mut commit = self.prepare()?;
            if is_new {
                let stage = commit.place(&folder)?;
                make_folder(&stage)?;
                write_new(&stage.join(layout::PERMISSIONS), &json::pretty(&permissions))?;
            } else {
                commit.write(&folder.join(layout::PERMISSIONS), &permissions)?;
            }
            commit.make()
        };
        make().within(|| format!("failed to write permissions for {folder:?}"))
    }
}
