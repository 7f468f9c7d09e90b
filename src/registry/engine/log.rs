//! The registry's logs: one small file for each change that others may want to follow.

use serde::{Deserialize, Serialize};

use super::{Engine, FILE_MODE};
use crate::fs::atomic;
use crate::names::{AssetName, ProjectName, VersionName};
use crate::registry::Failure;
use crate::registry::format::{json, layout, time};

/// One line of history. Fields in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Log {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asset: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    latest: Option<bool>,
    project: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

/// A log with the name of its file, fixed before it is written so that writing can be repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NamedLog {
    name: String,
    log: Log,
}

impl Log {
    pub(super) fn project(kind: &str, project: &ProjectName) -> Self {
        Self {
            asset: None,
            latest: None,
            project: project.to_string(),
            kind: kind.to_owned(),
            version: None,
        }
    }

    pub(super) fn asset(kind: &str, project: &ProjectName, asset: &AssetName) -> Self {
        Self { asset: Some(asset.to_string()), ..Self::project(kind, project) }
    }

    pub(super) fn version(
        kind: &str,
        project: &ProjectName,
        asset: &AssetName,
        version: &VersionName,
        is_latest: bool,
    ) -> Self {
        Self {
            latest: Some(is_latest),
            version: Some(version.to_string()),
            ..Self::asset(kind, project, asset)
        }
    }

    /// Gives the log a name of the present time that is not in use.
    pub(super) fn named(self) -> NamedLog {
        let number = rand::random_range(100_000..=999_999);
        NamedLog { name: format!("{}_{number}", time::now()), log: self }
    }
}

impl Engine {
    /// Writes a log; one of that name is replaced.
    pub(super) fn write_log(&self, log: &NamedLog) -> Result<(), Failure> {
        let path = self.layout.logs().join(&log.name);
        atomic::write(&path, &json::pretty(&log.log), FILE_MODE, false).map_err(|error| {
            Failure::from(error).within(format!("failed to save log in '{}'", layout::LOGS))
        })
    }
}
