//! Approving and rejecting versions on probation.

use serde_json::json;

use super::access::{Identity, Right};
use super::{Bucket, VersionPath, token};
use crate::job::Job;
use crate::registry::bucket::store::{Batch, Purpose};
use crate::registry::failure::Failure;
use crate::registry::format::layout;
use crate::registry::format::model::{Latest, Summary};
use crate::registry::format::time;

impl Bucket {
    fn probational(&self, version: &VersionPath, verb: &str) -> Result<Summary, Failure> {
        let summary =
            self.summary(version)?.ok_or_else(|| Failure::invalid("version does not exist"))?;
        if summary.is_probational() {
            Ok(summary)
        } else {
            Err(Failure::invalid(format!("cannot {verb} probation for non-probational version")))
        }
    }

    /// Makes a version on probation a regular one. It becomes the latest if there is none, or if
    /// its upload ended later than that of the present latest.
    pub fn approve(
        &self,
        version: &VersionPath,
        user: &Identity,
        job: &Job,
    ) -> Result<(), Failure> {
        let project = &version.project;
        let permissions = self.known_permissions(project)?;
        if !self.is_administrator(user) && !permissions.is_owner(user) {
            return Err(Failure::forbidden(format!("user is not an owner of project '{project}'")));
        }
        let mut hold = self.enter(project, Purpose::Change, job)?;
        let receipt = token::receipt(&["approve", &version.folder(), &user.login]);
        if Self::is_repeat(hold.as_mut(), &receipt) {
            return Ok(());
        }
        let summary = self.probational(version, "approve")?;
        if !summary.is_finished() {
            return Err(Failure::invalid("cannot approve probation for incomplete upload"));
        }
        let finish_of = |summary: &Summary| time::parse_any(&summary.upload_finish);
        let latest: Option<Latest> = self.get(&version.asset_key(layout::LATEST))?;
        let known = match latest {
            None => None,
            Some(latest) => {
                let key = version.asset_key(&format!("{}/{}", latest.version, layout::SUMMARY));
                self.get::<Summary>(&key)?.as_ref().and_then(finish_of)
            }
        };
        let is_latest =
            known.is_none_or(|known| finish_of(&summary).is_some_and(|own| own > known));
        let approved = Summary { on_probation: None, ..summary };
        let mut batch = Batch { receipt: Some(receipt), ..Batch::default() };
        batch.writes.push((version.key(layout::SUMMARY), json!(approved.in_bucket())));
        if is_latest {
            let latest = json!(Latest { version: version.version.to_string() });
            batch.writes.push((version.asset_key(layout::LATEST), latest));
        }
        batch.writes.push(version.event("add-version", is_latest));
        self.commit(hold.as_mut(), Self::lock_for_change(), batch)
    }

    /// Removes a version on probation. Who is neither owner nor administrator may reject what it
    /// has uploaded itself.
    pub fn reject(&self, version: &VersionPath, user: &Identity, job: &Job) -> Result<(), Failure> {
        let right = self.upload_right(user, version)?;
        let mut hold = self.enter(&version.project, Purpose::Change, job)?;
        let receipt = token::receipt(&["reject", &version.folder(), &user.login]);
        if Self::is_repeat(hold.as_mut(), &receipt) {
            return Ok(());
        }
        let summary = self.probational(version, "reject")?;
        if right != Right::Owner && summary.upload_user_id != user.login {
            return Err(Failure::invalid("cannot reject probation for different user"));
        }
        let freed = self.stored_bytes(&version.folder(), job)?;
        let batch = Batch {
            writes: vec![self.usage_less(&version.project, freed)?],
            deletes: Vec::new(),
            removed: Some(version.folder()),
            receipt: Some(receipt),
        };
        self.commit(hold.as_mut(), Self::lock_for_change(), batch)
    }
}
