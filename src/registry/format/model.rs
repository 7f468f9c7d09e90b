//! The content of a registry's internal files.
//!
//! The Gobbler sorts the paths of a manifest, gypsum lists stored files before links and writes a
//! summary in the order in which its parts become known. Their clients read either; each service
//! writes what the original wrote, byte for byte.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, Serialize};

use crate::digest::Seen;

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
    /// The entry of a file whose content was seen.
    pub fn of(seen: Seen, link: Option<Link>) -> Self {
        Self { size: seen.size, md5sum: seen.md5.to_string(), link }
    }

    /// The entry of an empty directory.
    pub fn empty_folder() -> Self {
        Self { size: 0, md5sum: String::new(), link: None }
    }

    /// True for the entry of an empty directory.
    pub fn is_folder(&self) -> bool {
        self.md5sum.is_empty() && self.size == 0 && self.link.is_none()
    }

    /// The entry of a link to a file with this entry, which is at `target`.
    #[must_use]
    pub fn linked(&self, target: Link) -> Self {
        let ancestor = self.link.as_ref().map(|above| Box::new(above.origin().without_ancestor()));
        let link = Some(Link { ancestor, ..target });
        Self { size: self.size, md5sum: self.md5sum.clone(), link }
    }

    /// Whether both have equal bytes, wherever they are kept.
    pub fn has_content_of(&self, other: &Self) -> bool {
        self.size == other.size && self.md5sum == other.md5sum
    }
}

/// `..manifest`: relative path to file, in byte order.
pub type Manifest = BTreeMap<String, ManifestEntry>;

/// The same as gypsum writes it: files that are stored come first.
pub type BucketManifest = IndexMap<String, ManifestEntry>;

/// `..links` of one directory: file name to link, in byte order.
pub type Links = BTreeMap<String, Link>;

/// The same as gypsum writes it: in the order of the manifest.
pub type BucketLinks = IndexMap<String, Link>;

/// `..summary` of a version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Name of the uploading user.
    #[serde(default)]
    pub upload_user_id: String,
    /// Start of the upload, RFC 3339.
    #[serde(default)]
    pub upload_start: String,
    /// End of the upload, RFC 3339; empty until then.
    #[serde(default, deserialize_with = "null_is_default")]
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

    /// True once the upload has ended.
    pub fn is_finished(&self) -> bool {
        !self.upload_finish.is_empty()
    }

    /// The summary as gypsum writes it.
    pub fn in_bucket(&self) -> BucketSummary<'_> {
        BucketSummary {
            upload_user_id: &self.upload_user_id,
            upload_start: &self.upload_start,
            on_probation: self.on_probation,
            upload_finish: Some(self.upload_finish.as_str()).filter(|finish| !finish.is_empty()),
        }
    }
}

/// `..summary` in gypsum's order; the end of the upload is left out until it has come.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct BucketSummary<'a> {
    upload_user_id: &'a str,
    upload_start: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_probation: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upload_finish: Option<&'a str>,
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
    #[serde(default, deserialize_with = "null_is_default")]
    pub owners: Vec<String>,
    /// Users who may upload.
    #[serde(default, deserialize_with = "null_is_default")]
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

/// Reads what is null as if it were absent.
pub(in crate::registry) fn null_is_default<'de, D: Deserializer<'de>, T>(
    deserializer: D,
) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Of versions with the ends of their uploads the one that ended last, of several the first.
pub fn latest_of<T: Ord, E>(
    versions: impl IntoIterator<Item = Result<(T, String), E>>,
) -> Result<Option<String>, E> {
    let mut latest: Option<(T, String)> = None;
    for version in versions {
        let version = version?;
        if latest.as_ref().is_none_or(|(known, _)| version.0 > *known) {
            latest = Some(version);
        }
    }
    Ok(latest.map(|(_, name)| name))
}

/// The sum of sizes that others have written down: too much is as much as there can be.
pub fn total_of(sizes: impl IntoIterator<Item = u64>) -> u64 {
    sizes.into_iter().fold(0, u64::saturating_add)
}

/// The size that counts for a project's usage: all entries that are not links.
pub fn usage_of(manifest: &Manifest) -> u64 {
    total_of(manifest.values().filter(|entry| entry.link.is_none()).map(|entry| entry.size))
}

#[cfg(test)]
mod tests {
    use super::super::json::{plain, pretty};
    use super::*;

    fn summary(text: &str) -> Summary {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn both_forms_of_a_summary_have_their_order_and_read_each_other() {
        let whole = Summary {
            upload_user_id: "me".into(),
            upload_start: "s".into(),
            upload_finish: "f".into(),
            on_probation: Some(true),
        };
        let bucket = plain(&whole.in_bucket());
        assert_eq!(
            bucket,
            br#"{"upload_user_id":"me","upload_start":"s","on_probation":true,"upload_finish":"f"}"#
        );
        let tree = pretty(&whole);
        let keys = ["upload_user_id", "upload_start", "upload_finish", "on_probation"];
        let text = std::str::from_utf8(&tree).unwrap();
        let found: Vec<_> = keys.iter().map(|key| text.find(key).unwrap()).collect();
        assert!(found.is_sorted(), "{text}");
        for text in [bucket, tree] {
            assert_eq!(serde_json::from_slice::<Summary>(&text).unwrap(), whole);
        }
    }

    #[test]
    fn an_upload_that_goes_on_has_no_end() {
        for text in [r#"{"upload_finish": null}"#, "{}", r#"{"upload_finish": ""}"#] {
            let summary = summary(text);
            assert!(!summary.is_finished() && !summary.is_probational(), "{text}");
            assert_eq!(plain(&summary.in_bucket()), br#"{"upload_user_id":"","upload_start":""}"#);
        }
        assert!(summary(r#"{"upload_finish": "f"}"#).is_finished());
        assert!(!summary(r#"{"on_probation": false}"#).is_probational());
    }

    #[test]
    fn a_link_leads_to_the_end_of_the_chain() {
        let link = |path: &str| Link {
            project: "p".into(),
            asset: "a".into(),
            version: "v".into(),
            path: path.into(),
            ancestor: None,
        };
        let file = ManifestEntry { size: 1, md5sum: "x".into(), link: None };
        let first = file.linked(link("file"));
        assert_eq!(first.link, Some(link("file")));
        let second = first.linked(link("first"));
        let third = second.linked(link("second"));
        let ancestor = Some(Box::new(link("file")));
        assert_eq!(second.link, Some(Link { ancestor: ancestor.clone(), ..link("first") }));
        assert_eq!(third.link, Some(Link { ancestor, ..link("second") }));
        assert!(third.has_content_of(&file));
    }

    #[test]
    fn the_upload_that_ended_last_is_the_latest() {
        let latest = |versions: &[(u8, &str)]| {
            let versions = versions.iter().map(|(end, name)| Ok::<_, ()>((*end, (*name).into())));
            latest_of(versions).unwrap()
        };
        assert_eq!(latest(&[]), None);
        assert_eq!(latest(&[(1, "a"), (3, "b"), (3, "c"), (2, "d")]).as_deref(), Some("b"));
        assert_eq!(latest_of([Ok((1, String::new())), Err("bad")]), Err("bad"));
    }
}
