//! Creating projects, their settings, and recomputing what is derived.

use serde_json::{Map, Value, json};

use super::access::{Identity, Permissions};
use super::{Bucket, no_project, token};
use crate::job::Job;
use crate::names::{AssetName, ProjectName};
use crate::registry::bucket::store::{Batch, Lock, Purpose};
use crate::registry::failure::Failure;
use crate::registry::format::model::{Latest, Summary, Usage, latest_of, total_of};
use crate::registry::format::{layout, time};

/// The quota that new projects get.
#[derive(Debug, Clone, PartialEq)]
pub struct QuotaDefaults {
    /// Bytes in the year of creation.
    pub baseline: f64,
    /// Bytes more in each year after it.
    pub growth_rate: f64,
}

impl Default for QuotaDefaults {
    fn default() -> Self {
        Self { baseline: 10e9, growth_rate: 20e9 }
    }
}

/// `..quota` of a project.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
pub(super) struct Quota {
    baseline: f64,
    growth_rate: f64,
    year: f64,
}

impl Quota {
    /// Bytes allowed now.
    pub(super) fn bytes(self) -> f64 {
        self.baseline + (f64::from(time::year()) - self.year) * self.growth_rate
    }
}

/// Whole numbers are written without a fraction.
fn number(value: f64) -> Value {
    #[allow(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
    if value.fract() == 0.0 && value.abs() < 9e15 { json!(value as i64) } else { json!(value) }
}

fn check_permissions(permissions: &Value) -> Result<&Map<String, Value>, Failure> {
    let expected = |what: &str| Failure::invalid(format!("expected {what}"));
    let permissions =
        permissions.as_object().ok_or_else(|| expected("permissions to be a JSON object"))?;
    if let Some(owners) = permissions.get("owners") {
        let owners = owners.as_array().ok_or_else(|| expected("'owners' to be an array"))?;
        if !owners.iter().all(Value::is_string) {
            return Err(expected("'owners' to be an array of strings"));
        }
    }
    let Some(uploaders) = permissions.get("uploaders") else { return Ok(permissions) };
    let uploaders = uploaders.as_array().ok_or_else(|| expected("'uploaders' to be an array"))?;
    for uploader in uploaders {
        let uploader = uploader
            .as_object()
            .ok_or_else(|| expected("'uploaders' to be an array of objects"))?;
        if !uploader.get("id").is_some_and(Value::is_string) {
            return Err(expected("'uploaders.id' property to be a string"));
        }
        for key in ["asset", "version"] {
            if uploader.get(key).is_some_and(|value| !value.is_string()) {
                return Err(expected(&format!("'{key}' property to be a string")));
            }
        }
        let is_time =
            |until: &Value| until.as_str().is_some_and(|text| time::parse_any(text).is_some());
        if uploader.get("until").is_some_and(|until| !is_time(until)) {
            return Err(expected("'uploaders.until' property to be a date/time-formatted string"));
        }
        if uploader.get("trusted").is_some_and(|trusted| !trusted.is_boolean()) {
            return Err(expected("'uploaders.trusted' property to be a boolean"));
        }
    }
    Ok(permissions)
}

fn check_quota(quota: &Value) -> Result<&Map<String, Value>, Failure> {
    let quota = quota
        .as_object()
        .ok_or_else(|| Failure::invalid("expected quota specification to be a JSON object"))?;
    for key in ["baseline", "growth_rate", "year"] {
        let Some(value) = quota.get(key) else { continue };
        let value = value
            .as_f64()
            .ok_or_else(|| Failure::invalid(format!("expected '{key}' to be a number")))?;
        if value < 0.0 {
            return Err(Failure::invalid(format!("expected '{key}' to be a non-negative number")));
        }
    }
    Ok(quota)
}

/// Replaces those members of `target` that are in `change`; others are ignored.
fn merge(target: &mut Value, change: &Map<String, Value>) {
    if let Some(target) = target.as_object_mut() {
        for (key, value) in target.iter_mut() {
            if let Some(new) = change.get(key) {
                *value = new.as_f64().map_or_else(|| new.clone(), number);
            }
        }
    }
}

impl Bucket {
    /// Creates a project. `body` may hold `permissions` and `quota`.
    pub fn create_project(
        &self,
        project: &ProjectName,
        body: &dyn Fn() -> Result<Value, Failure>,
        job: &Job,
    ) -> Result<(), Failure> {
        let exists = || Failure::invalid(format!("project '{project}' already exists"));
        let receipt =
            |body: &Value| token::receipt(&["create", project.as_str(), &body.to_string()]);
        if self.project_exists(project)? {
            let hold = self.enter_settled(project, Purpose::Session, job)?;
            let mut hold = hold.ok_or_else(exists)?;
            let is_repeat = hold.receipt().is_some()
                && body().is_ok_and(|body| Self::is_repeat(hold.as_mut(), &receipt(&body)));
            return if is_repeat { Ok(()) } else { Err(exists()) };
        }
        let body = body()?;
        let receipt = receipt(&body);
        let body = body
            .as_object()
            .ok_or_else(|| Failure::invalid("expected a JSON object in the request body"))?;
        let mut permissions = json!({"owners": [], "uploaders": []});
        if let Some(given) = body.get("permissions") {
            merge(&mut permissions, check_permissions(given)?);
        }
        let defaults = &self.options.quota;
        let mut quota = json!({
            "baseline": number(defaults.baseline),
            "growth_rate": number(defaults.growth_rate),
            "year": time::year(),
        });
        if let Some(given) = body.get("quota") {
            merge(&mut quota, check_quota(given)?);
        }
        let usage = json!({"total": 0});
        // The permissions last: they decide whether a project exists.
        let objects =
            [(layout::QUOTA, quota), (layout::USAGE, usage), (layout::PERMISSIONS, permissions)];
        let Some(mut hold) = self.enter_settled(project, Purpose::Create, job)? else {
            let is_made = self.objects.make_project(project, &objects, &receipt, job)?;
            return if is_made { Ok(()) } else { Err(exists()) };
        };
        if Self::is_repeat(hold.as_mut(), &receipt) {
            return Ok(());
        }
        // Whoever has locked it is making it.
        if hold.lock().is_some() || self.project_exists(project)? {
            return Err(exists());
        }
        let of_project = |(name, value)| (format!("{project}/{name}"), value);
        let writes = objects.into_iter().map(of_project).collect();
        let batch = Batch { writes, receipt: Some(receipt), ..Batch::default() };
        self.commit(hold.as_mut(), Self::lock_for_change(), batch)
    }

    /// Changes the permissions of a project.
    pub fn set_permissions(
        &self,
        project: &ProjectName,
        user: &Identity,
        body: &dyn Fn() -> Result<Value, Failure>,
        job: &Job,
    ) -> Result<(), Failure> {
        let missing = || Failure::not_found(format!("project '{project}' does not exist"));
        let _hold = self.objects.enter(project, Purpose::Settings, job)?.ok_or_else(missing)?;
        let key = format!("{project}/{}", layout::PERMISSIONS);
        let stored: Value = self.get(&key)?.ok_or_else(missing)?;
        let permissions = self.permissions(project)?.unwrap_or_else(Permissions::default);
        if !self.is_administrator(user) && !permissions.is_owner(user) {
            return Err(Failure::forbidden(format!("user does not own project '{project}'")));
        }
        let body = body()?;
        let change = check_permissions(&body)?;
        let mut changed = json!({"owners": [], "uploaders": []});
        if let (Some(changed), Some(stored)) = (changed.as_object_mut(), stored.as_object()) {
            changed.extend(stored.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        for key in ["owners", "uploaders"] {
            if let Some(value) = change.get(key) {
                changed[key] = value.clone();
            }
        }
        self.put(&key, &changed)
    }

    /// Changes the quota of a project.
    pub fn set_quota(
        &self,
        project: &ProjectName,
        body: &dyn Fn() -> Result<Value, Failure>,
        job: &Job,
    ) -> Result<(), Failure> {
        let _hold = self.objects.enter(project, Purpose::Settings, job)?.ok_or_else(no_project)?;
        let key = format!("{project}/{}", layout::QUOTA);
        let mut quota: Value = self.get(&key)?.ok_or_else(no_project)?;
        let body = body()?;
        merge(&mut quota, check_quota(&body)?);
        self.put(&key, &quota)
    }

    /// Counts the bytes of a project again.
    pub fn refresh_usage(&self, project: &ProjectName, job: &Job) -> Result<u64, Failure> {
        if !self.project_exists(project)? {
            return Err(no_project());
        }
        let _hold = self.enter(project, Purpose::Change, job)?;
        let total = self.stored_bytes(project.as_str(), job)?;
        self.put(&format!("{project}/{}", layout::USAGE), &Usage { total })?;
        Ok(total)
    }

    /// Finds the latest version of an asset again; returns its name, if there is one.
    pub fn refresh_latest(
        &self,
        project: &ProjectName,
        asset: &AssetName,
        job: &Job,
    ) -> Result<Option<String>, Failure> {
        if !self.project_exists(project)? {
            return Err(no_project());
        }
        let _hold = self.enter(project, Purpose::Change, job)?;
        let latest = self.find_latest(project, asset, None, job)?;
        let key = format!("{project}/{asset}/{}", layout::LATEST);
        match &latest {
            Some(version) => self.put(&key, &Latest { version: version.clone() })?,
            None => self.objects.delete(&key)?,
        }
        Ok(latest)
    }

    /// Removes the lock of a project, whatever it is for.
    pub fn unlock(&self, project: &ProjectName, job: &Job) -> Result<(), Failure> {
        let Some(mut hold) = self.objects.enter(project, Purpose::Session, job)? else {
            return Ok(());
        };
        if self.finish(hold.as_mut())? {
            return Ok(());
        }
        match hold.lock() {
            None => Ok(()),
            // Half of it may be made.
            Some(Lock { ending: Some(_), .. }) => Err(super::being_ended()),
            Some(_) => hold.clear_lock(),
        }
    }

    /// Bytes of the user files below a folder.
    pub(super) fn stored_bytes(&self, folder: &str, job: &Job) -> Result<u64, Failure> {
        let listed = self.objects.below(folder, &Vec::new, job)?;
        let stored = listed.iter().filter(|listed| !layout::is_internal_key(&listed.key));
        Ok(total_of(stored.map(|listed| listed.size)))
    }

    /// Bytes that a project is said to use.
    pub(super) fn usage(&self, project: &ProjectName) -> Result<u64, Failure> {
        let key = format!("{project}/{}", layout::USAGE);
        let usage: Option<Usage> = self.get(&key)?;
        usage
            .map(|usage| usage.total)
            .ok_or_else(|| Failure::internal(format!("no file at '{key}'")))
    }

    /// Bytes that a project may use.
    pub(super) fn quota(&self, project: &ProjectName) -> Result<f64, Failure> {
        let key = format!("{project}/{}", layout::QUOTA);
        let quota: Option<Quota> = self.get(&key)?;
        quota.map(Quota::bytes).ok_or_else(|| Failure::internal(format!("no file at '{key}'")))
    }

    /// The regular version whose upload ended last, `except` left out. Versions that are unfinished,
    /// or that nothing is known of, do not count.
    pub(super) fn find_latest(
        &self,
        project: &ProjectName,
        asset: &AssetName,
        except: Option<&str>,
        job: &Job,
    ) -> Result<Option<String>, Failure> {
        let prefix = format!("{project}/{asset}/");
        let folders = self.objects.list(&prefix, false, job)?;
        let versions = folders.iter().filter_map(|folder| {
            let name = folder.strip_prefix(&prefix)?.strip_suffix('/')?;
            (!layout::is_internal(name) && Some(name) != except).then_some(name)
        });
        latest_of(versions.filter_map(|name| {
            let summary = self.get::<Summary>(&format!("{prefix}{name}/{}", layout::SUMMARY));
            let end = summary.map(|summary| {
                let summary = summary.filter(|summary| !summary.is_probational())?;
                time::parse_any(&summary.upload_finish)
            });
            end.transpose().map(|end| end.map(|end| (end, name.to_owned())))
        }))
    }
}
