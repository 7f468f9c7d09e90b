//! Events that others may want to follow: one object for each.

use chrono::{SecondsFormat, Utc};
use serde::Serialize;
use serde_json::Value;

use super::{Bucket, VersionPath, now};
use crate::job::Job;
use crate::names::{AssetName, ProjectName};
use crate::registry::failure::Failure;
use crate::registry::layout;

#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    project: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    asset: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latest: Option<bool>,
}

/// An object to be written: its key, which is new, and its content.
fn entry(event: &Event<'_>) -> (String, Value) {
    let number = rand::random_range(100_000..=999_999);
    let content = serde_json::to_value(event).expect("an event is plain data");
    (format!("{}/{}_{number}", layout::LOGS, now()), content)
}

/// Something has happened to a version.
pub(super) fn version(kind: &str, version: &VersionPath, is_latest: bool) -> (String, Value) {
    entry(&Event {
        kind,
        project: version.project.as_str(),
        asset: Some(version.asset.as_str()),
        version: Some(version.version.as_str()),
        latest: Some(is_latest),
    })
}

/// An asset was removed.
pub(super) fn asset(project: &ProjectName, asset: &AssetName) -> (String, Value) {
    entry(&Event {
        kind: "delete-asset",
        project: project.as_str(),
        asset: Some(asset.as_str()),
        version: None,
        latest: None,
    })
}

/// A project was removed.
pub(super) fn project(project: &ProjectName) -> (String, Value) {
    entry(&Event {
        kind: "delete-project",
        project: project.as_str(),
        asset: None,
        version: None,
        latest: None,
    })
}

impl Bucket {
    /// Removes events that are older than that; returns how many.
    pub fn purge_logs(&self, older_than: std::time::Duration, job: &Job) -> Result<u64, Failure> {
        let age = chrono::Duration::from_std(older_than).unwrap_or(chrono::Duration::MAX);
        let Some(limit) = Utc::now().checked_sub_signed(age) else { return Ok(0) };
        let limit = limit.to_rfc3339_opts(SecondsFormat::Millis, true);
        let prefix = format!("{}/", layout::LOGS);
        let mut purged = 0;
        for key in self.objects.list(&prefix, true, job)? {
            job.check()?;
            // Names begin with the time, so they compare as text.
            if key.strip_prefix(&prefix).is_some_and(|name| *name < *limit) {
                self.objects.delete(&key)?;
                purged += 1;
            }
        }
        Ok(purged)
    }
}
