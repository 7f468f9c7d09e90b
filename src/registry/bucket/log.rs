//! Events that others may want to follow: one object for each.

use chrono::{SecondsFormat, Utc};
use serde::Serialize;
use serde_json::Value;

use super::{Bucket, VersionPath, now};
use crate::job::Job;
use crate::names::{AssetName, ProjectName};
use crate::registry::failure::Failure;
use crate::registry::format::layout;

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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::{Bucket, Options};
    use crate::job::Job;
    use crate::registry::objects::Directory;

    #[test]
    fn old_events_are_removed_by_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("..logs");
        std::fs::create_dir(&logs).unwrap();
        for name in ["2020-01-01T00:00:00.000Z_123456", "2020-01-01T00:00:00+01:00_1", "2999-01-01"]
        {
            std::fs::write(logs.join(name), "{}").unwrap();
        }
        let bucket =
            Bucket::new(Arc::new(Directory::new(folder.path(), false)), Options::default());
        assert_eq!(bucket.purge_logs(Duration::from_secs(3600), &Job::default()).unwrap(), 2);
        assert_eq!(std::fs::read_dir(&logs).unwrap().count(), 1);
    }
}
