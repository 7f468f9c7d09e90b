//! The content of a registry's internal files.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// Where a linked file really comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Link {
    /// Project of the target.
    pub project: String,
    /// Asset of the target.
    pub asset: String,
    /// Version of the target.
    pub version: String,
    /// Path of the target inside its version directory.
    pub path: String,
    /// The end of the chain, if the target is itself a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ancestor: Option<Box<Link>>,
}

impl Link {
    /// The file that holds the content: the ancestor if there is one, else the target itself.
    pub fn origin(&self) -> &Self {
        self.ancestor.as_deref().unwrap_or(self)
    }

    /// The same target without its ancestor.
    #[must_use]
    pub fn without_ancestor(&self) -> Self {
        Self { ancestor: None, ..self.clone() }
    }

    /// `project/asset/version/path`.
    pub fn registry_path(&self) -> String {
        format!("{}/{}/{}/{}", self.project, self.asset, self.version, self.path)
    }
}

/// One file of a version. An empty directory has size 0 and an empty `md5sum`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestEntry {
    /// Size in bytes.
    pub size: u64,
    /// MD5 digest in lower-case hexadecimal digits.
    pub md5sum: String,
    /// Set if the file is a link to another file of a registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Link>,
}

impl ManifestEntry {
    /// True for the entry of an empty directory.
    pub fn is_folder(&self) -> bool {
        self.md5sum.is_empty() && self.size == 0 && self.link.is_none()
    }

    /// Whether both have equal bytes, wherever they are kept.
    pub fn has_content_of(&self, other: &Self) -> bool {
        self.size == other.size && self.md5sum == other.md5sum
    }
}

/// `..manifest`: relative path to file, in byte order.
pub type Manifest = BTreeMap<String, ManifestEntry>;

/// `..links` of one directory: file name to link, in byte order.
pub type Links = BTreeMap<String, Link>;

/// `..summary` of a version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Name of the uploading user.
    #[serde(default)]
    pub upload_user_id: String,
    /// Start of the upload, RFC 3339.
    #[serde(default)]
    pub upload_start: String,
    /// End of the upload, RFC 3339.
    #[serde(default)]
    pub upload_finish: String,
    /// Present and true while the version is on probation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_probation: Option<bool>,
}

impl Summary {
    /// True while the version is on probation.
    pub fn is_probational(&self) -> bool {
        self.on_probation == Some(true)
    }
}

/// One entry of `uploaders`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uploader {
    /// User name.
    pub id: String,
    /// Only this asset, if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset: Option<String>,
    /// Only this version, if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Only until this time (RFC 3339), if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Uploads of a trusted uploader need no approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted: Option<bool>,
}

/// `..permissions` of a project or an asset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permissions {
    /// Users with all rights.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub owners: Vec<String>,
    /// Users who may upload.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub uploaders: Vec<Uploader>,
    /// Whether every user may create new assets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub global_write: Option<bool>,
}

/// `..usage` of a project.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Bytes of all files that are not links.
    #[serde(default)]
    pub total: u64,
}

/// `..latest` of an asset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latest {
    /// Name of the latest version that is not on probation.
    pub version: String,
}

/// Reads a list that is absent or null as an empty one.
pub(in crate::registry) fn null_is_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The sum of sizes that others have written down: too much is as much as there can be.
pub fn total_of(sizes: impl IntoIterator<Item = u64>) -> u64 {
    sizes.into_iter().fold(0, u64::saturating_add)
}

/// The size that counts for a project's usage: all entries that are not links.
pub fn usage_of(manifest: &Manifest) -> u64 {
    total_of(manifest.values().filter(|entry| entry.link.is_none()).map(|entry| entry.size))
}
