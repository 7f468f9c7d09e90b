//! Logs of a registry: one small document for each change that others may want to follow.
//!
//! A Gobbler names them by local time in whole seconds and writes the keys in order of their names;
//! gypsum names them by UTC in milliseconds and writes what happened first. Readers of either look
//! for just that: its clients ask for all logs after a time by comparing names as text.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{layout, time};
use crate::names::{AssetName, ProjectName, VersionName};

/// What has happened. Keys in the order in which a Gobbler writes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
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

/// An event with the name of its file, fixed before it is written so that writing can be repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// The name of the file.
    pub name: String,
    /// Its content.
    #[serde(rename = "log")]
    pub event: Event,
}

impl Event {
    /// Something has happened to a project.
    pub fn of_project(kind: &str, project: &ProjectName) -> Self {
        Self {
            asset: None,
            latest: None,
            project: project.to_string(),
            kind: kind.to_owned(),
            version: None,
        }
    }

    /// Something has happened to an asset.
    pub fn of_asset(kind: &str, project: &ProjectName, asset: &AssetName) -> Self {
        Self { asset: Some(asset.to_string()), ..Self::of_project(kind, project) }
    }

    /// Something has happened to a version.
    pub fn of_version(
        kind: &str,
        project: &ProjectName,
        asset: &AssetName,
        version: &VersionName,
        is_latest: bool,
    ) -> Self {
        Self {
            latest: Some(is_latest),
            version: Some(version.to_string()),
            ..Self::of_asset(kind, project, asset)
        }
    }

    /// The log as a Gobbler names it, with a name that is not in use.
    pub fn named(self) -> Log {
        Log { name: format!("{}_{}", time::now(), number()), event: self }
    }

    /// Key and content of the log as gypsum has them.
    pub fn to_object(&self) -> (String, Value) {
        let mut content = Map::from_iter([
            ("type".to_owned(), self.kind.as_str().into()),
            ("project".to_owned(), self.project.as_str().into()),
        ]);
        let names = [("asset", &self.asset), ("version", &self.version)];
        for (key, name) in names {
            content.extend(name.as_deref().map(|name| (key.to_owned(), name.into())));
        }
        content.extend(self.latest.map(|latest| ("latest".to_owned(), latest.into())));
        (format!("{}/{}_{}", layout::LOGS, time::now_in_utc(), number()), content.into())
    }
}

/// Tells the logs of one moment apart.
fn number() -> u32 {
    rand::random_range(100_000..=999_999)
}

#[cfg(test)]
mod tests {
    use super::super::json;
    use super::*;

    #[test]
    fn both_forms_have_their_order_of_keys() {
        let names = (
            ProjectName::parse("p").unwrap(),
            AssetName::parse("a").unwrap(),
            VersionName::parse("v").unwrap(),
        );
        let event = Event::of_version("add-version", &names.0, &names.1, &names.2, true);
        let (key, object) = event.to_object();
        assert_eq!(
            json::compact(&event),
            br#"{"asset":"a","latest":true,"project":"p","type":"add-version","version":"v"}"#
        );
        assert_eq!(
            json::plain(&object),
            br#"{"type":"add-version","project":"p","asset":"a","version":"v","latest":true}"#
        );
        assert!(
            key.starts_with("..logs/2") && key.rsplit_once("Z_").unwrap().1.len() == 6,
            "{key}"
        );
        let log = event.named();
        assert!(super::time::parse(log.name.rsplit_once('_').unwrap().0).is_ok(), "{log:?}");
        let (_, removed) = Event::of_project("delete-project", &names.0).to_object();
        assert_eq!(json::plain(&removed), br#"{"type":"delete-project","project":"p"}"#);
    }
}
