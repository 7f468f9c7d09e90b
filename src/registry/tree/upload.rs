//! Uploading a version.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use super::intake::{Transferred, restore, within_transfer};
use super::pending::{self, Note, Pending};
use super::place::{make_folder, rename_new, stage_name, write_new};
use super::receipt::{Change, Receipt};
use super::request::Upload;
use super::transfer::Transfer;
use super::{AssetHold, Engine, ProjectHold, owner};
use crate::fs::atomic;
use crate::fs::lock::Mode;
use crate::job::Job;
use crate::registry::failure::tell;
use crate::registry::failure::{Failure, FailureContext};
use crate::registry::format::history::Event;
use crate::registry::format::links::{DedupIndex, Owner};
use crate::registry::format::model::{Permissions, Summary, usage_of};
use crate::registry::format::{json, layout, time};
use crate::registry::tree::access::{self, UploadRight};
use crate::registry::tree::store;

/// How long a failed upload waits to take away the asset it has made.
const LEAVE_PATIENCE: Duration = Duration::from_secs(2);

/// An asset ready to be uploaded to.
struct Entered<'engine> {
    asset: AssetHold<'engine>,
    is_new: bool,
    is_trusted: bool,
    /// Written with the first version of an asset that anybody may make.
    permissions: Option<Permissions>,
    /// Where the version is put together.
    stage: PathBuf,
    /// There from before the first trace of the upload: that of a new asset is its folder.
    note: Option<Note<'engine>>,
}

impl Engine {
    /// Uploads a version: a copy of `source`, in which files that equal one of the latest version
    /// become links to it.
    ///
    /// The version appears as a whole or not at all; after a failure nothing has changed, also not
    /// in `source`.
    pub fn upload(&self, upload: &Upload<'_>, job: &Job) -> Result<Receipt, Failure> {
        let started = time::now();
        let project = self.enter_project(upload.project, Mode::Shared, job)?;
        let mut entered = self.enter_for_upload(upload, &project, job)?;
        let result = self.upload_to(upload, &project, &mut entered, &started, job);
        if result.is_err() && entered.is_new {
            self.leave_new_asset(&project, &entered);
        }
        if let Some(note) = entered.note {
            tell("cannot take back a note", note.done());
        }
        result
    }

    fn pending(&self, upload: &Upload<'_>, asset: &Path, stage: &Path) -> Pending {
        let relative = |path: &Path| {
            let inside = path.strip_prefix(self.layout.root()).unwrap_or(path);
            inside.to_string_lossy().into_owned()
        };
        Pending {
            asset: relative(asset),
            version: relative(&asset.join(upload.version)),
            stage: relative(stage),
            source: upload.consume.then(|| upload.source.to_owned()),
            is_new_asset: false,
            owns_permissions: false,
            is_probational: false,
            log: None,
        }
    }

    /// Checks the user's right, makes the asset if it is new, and locks it.
    fn enter_for_upload(
        &self,
        upload: &Upload<'_>,
        project: &ProjectHold<'_>,
        job: &Job,
    ) -> Result<Entered<'_>, Failure> {
        let folder = project.folder.join(upload.asset);
        let for_project = Self::project_permissions(project)?;
        loop {
            let entering = self.lock(&project.folder, layout::LOCK_NEWDIR, Mode::Exclusive, job)?;
            let is_new = !store::is_folder(&folder);
            let (_, permissions) = self.right_to_upload(upload, &for_project, is_new, &folder)?;
            let stage = folder.join(stage_name());
            let note = if is_new {
                let note = self.note(&Pending {
                    is_new_asset: true,
                    owns_permissions: permissions.is_some(),
                    ..self.pending(upload, &folder, &stage)
                })?;
                if let Err(error) = make_folder(&folder) {
                    tell("cannot take back a note", note.done());
                    return Err(error.into());
                }
                Some(note)
            } else {
                None
            };
            drop(entering);
            let lock = match self.lock(&folder, layout::LOCK, Mode::Exclusive, job) {
                // The upload that made the asset failed and took it away again.
                Err(_) if !is_new && !store::is_folder(&folder) => continue,
                Err(failure) => {
                    if let Some(note) = note {
                        pending::remove_new_asset(&folder, false)?;
                        tell("cannot take back a note", note.done());
                    }
                    return Err(failure);
                }
                Ok(lock) => lock,
            };
            let asset = AssetHold { folder: folder.clone(), _lock: lock };
            // Permissions may have come while we waited.
            let (right, _) = self.right_to_upload(upload, &for_project, is_new, &folder)?;
            let is_trusted = right == UploadRight::Trusted;
            return Ok(Entered { asset, is_new, is_trusted, permissions, stage, note });
        }
    }

    fn right_to_upload(
        &self,
        upload: &Upload<'_>,
        for_project: &Permissions,
        is_new: bool,
        folder: &Path,
    ) -> Result<(UploadRight, Option<Permissions>), Failure> {
        if is_new && for_project.global_write == Some(true) {
            let owned = Permissions { owners: vec![upload.user.to_owned()], ..Default::default() };
            return Ok((UploadRight::Trusted, Some(owned)));
        }
        if self.is_administrator(upload.user) {
            return Ok((UploadRight::Trusted, None));
        }
        let for_asset = if is_new {
            None
        } else {
            store::permissions(folder)
                .within(|| format!("failed to read permissions for {folder:?}"))?
        };
        let right = access::upload_right(
            upload.user,
            upload.asset.as_str(),
            upload.version.as_str(),
            for_project,
            for_asset.as_ref(),
        );
        if right == UploadRight::None {
            return Err(Failure::forbidden(format!(
                "user '{}' is not authorized to upload to '{}'",
                upload.user, upload.project
            )));
        }
        Ok((right, None))
    }

    /// Takes away an asset that a failed upload has made, unless somebody else is entering it.
    fn leave_new_asset(&self, project: &ProjectHold<'_>, entered: &Entered<'_>) {
        let path = project.folder.join(layout::LOCK_NEWDIR);
        let entering =
            self.locks.lock_within(LEAVE_PATIENCE, &path, Mode::Exclusive, &Job::default());
        if entering.is_ok() {
            // An empty asset that stays behind does no harm; the upload's own failure is reported.
            let asset = &entered.asset.folder;
            let removed = pending::remove_new_asset(asset, entered.permissions.is_some());
            tell("cannot remove an asset that a failed upload has made", removed);
        }
    }

    fn upload_to<'engine>(
        &'engine self,
        upload: &Upload<'_>,
        project: &ProjectHold<'engine>,
        entered: &mut Entered<'engine>,
        started: &str,
        job: &Job,
    ) -> Result<Receipt, Failure> {
        let asset = entered.asset.folder.clone();
        if !entered.is_new {
            // What cannot be removed is in nobody's way; the next start tries again.
            tell("cannot settle an asset", self.settle_asset(&asset, job));
        }
        let is_probational = upload.on_probation || !entered.is_trusted;
        let version = asset.join(upload.version);
        if version.symlink_metadata().is_ok() {
            let refusal = Failure::invalid(format!(
                "version {:?} already exists in {asset:?}",
                upload.version.as_str()
            ));
            return self.repeated_upload(upload, &version, is_probational, refusal, job);
        }
        let known = Self::known_files(upload, &asset)?;
        let pending = Pending {
            is_new_asset: entered.is_new,
            owns_permissions: entered.permissions.is_some(),
            is_probational,
            ..self.pending(upload, &asset, &entered.stage)
        };
        if entered.note.is_none() {
            entered.note = Some(self.note(&pending)?);
        }
        let work = Work { upload, project, entered, known, version: &version };
        let result = self.put_together(work, started, pending, job);
        if result.is_err() {
            // Undo in the order that loses nothing: first the user's files, then the rest.
            let undo = || {
                if upload.consume {
                    restore(&entered.stage, upload.source)?;
                }
                Ok::<_, Failure>(atomic::remove_tree(&entered.stage)?)
            };
            if let Err(failure) = undo() {
                tell::<(), _>("cannot undo an upload, as the next start does", Err(failure));
                entered.note = None;
            }
        }
        result
    }

    fn put_together(
        &self,
        work: Work<'_, '_>,
        started: &str,
        pending: Pending,
        job: &Job,
    ) -> Result<Receipt, Failure> {
        let Work { upload, project, entered, known, version } = work;
        let stage = entered.stage.as_path();
        let is_probational = pending.is_probational;
        make_folder(stage)?;
        let mut receipt = Receipt::issue(self.layout.root(), stage, version, Change::Upload);
        let transfer = Transfer {
            layout: &self.layout,
            owner: owner(upload.project, upload.asset, upload.version),
            source: upload.source,
            source_owner: upload.source_owner,
            stage,
            known,
            origins: Mutex::default(),
            consume: upload.consume,
            ignore_dot: upload.ignore_dot,
        };
        let done: Transferred = within_transfer(self.transfer(&transfer, job), upload.source)?;
        write_new(&stage.join(layout::MANIFEST), &json::pretty(&done.manifest))?;
        Self::write_links(stage, &done.manifest)?;
        let summary = Summary {
            upload_user_id: upload.user.to_owned(),
            upload_start: started.to_owned(),
            upload_finish: time::now(),
            on_probation: is_probational.then_some(true),
        };
        write_new(&stage.join(layout::SUMMARY), &json::pretty(&summary))?;
        let asset = &entered.asset.folder;
        if let Some(permissions) = &entered.permissions {
            self.write(&asset.join(layout::PERMISSIONS), permissions)?;
        }
        job.check()?;
        let event =
            Event::of_version("add-version", upload.project, upload.asset, upload.version, true);
        let log = event.named();
        if let Some(note) = &entered.note {
            note.update(&Pending { log: Some(log.clone()), ..pending })?;
        }
        self.make_durable()?;

        // From here on the change is finished, or undone: cancellation comes too late.
        let job = &Job::default();
        let old_latest = store::latest(asset)?;
        let publish = || {
            rename_new(stage, version)?;
            let used = usage_of(&done.manifest);
            self.change_usage(&project.folder, |total| total.saturating_add(used), job)?;
            if !is_probational {
                self.set_latest(asset, Some(upload.version.as_str()))?;
                self.write_log(&log)?;
            }
            self.make_durable()
        };
        publish().inspect_err(|_| {
            // As far as it goes: what is reported is why the version could not be published.
            tell("cannot hide a version again", rename_new(version, stage));
            let latest = old_latest.as_ref().map(|old| old.version.as_str());
            tell("cannot restore what is latest", self.set_latest(asset, latest));
            tell("cannot take back a log", self.remove_log(&log));
            tell("cannot count the usage again", self.recount(&project.folder, job));
        })?;
        done.remove_copied();
        receipt.moved_to(version);
        Ok(receipt)
    }

    /// The files that new ones are compared with.
    fn known_files(upload: &Upload<'_>, asset: &Path) -> Result<DedupIndex, Failure> {
        let Some(latest) = store::latest(asset)
            .within(|| format!("failed to read the latest version of {asset:?}"))?
        else {
            return Ok(DedupIndex::default());
        };
        let manifest = store::manifest(&asset.join(&latest.version))
            .within(|| format!("failed to read the manifest of the latest version of {asset:?}"))?;
        let owner = Owner {
            project: upload.project.as_str(),
            asset: upload.asset.as_str(),
            version: &latest.version,
        };
        Ok(DedupIndex::new(owner, manifest))
    }
}

/// What [`Engine::put_together`] works on.
struct Work<'a, 'engine> {
    upload: &'a Upload<'a>,
    project: &'a ProjectHold<'engine>,
    entered: &'a Entered<'engine>,
    known: DedupIndex,
    version: &'a Path,
}
