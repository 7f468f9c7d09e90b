//! The content of internal objects, in the order in which they are written.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::registry::format::model::{Link, ManifestEntry};

/// One file of a version.
pub type Entry = ManifestEntry;

/// `..manifest`: relative path to file; files that are stored come first.
pub type Manifest = IndexMap<String, Entry>;

/// `..summary` of a version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Summary {
    #[serde(default)]
    pub(super) upload_user_id: String,
    #[serde(default)]
    pub(super) upload_start: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) on_probation: Option<bool>,
    /// Missing until the upload is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) upload_finish: Option<String>,
}

impl Summary {
    pub(super) fn is_probational(&self) -> bool {
        self.on_probation == Some(true)
    }
}

/// `..latest` of an asset.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Latest {
    pub(super) version: String,
}

/// `..usage` of a project.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Usage {
    pub(super) total: u64,
}

/// A link to a file that a manifest describes so.
pub(super) fn link_to(target: Link, entry: &Entry) -> Entry {
    let origin = entry.link.as_ref().map(|link| Box::new(link.origin().without_ancestor()));
    Entry {
        size: entry.size,
        md5sum: entry.md5sum.clone(),
        link: Some(Link { ancestor: origin, ..target }),
    }
}
