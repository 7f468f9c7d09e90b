//! The records of versions in the cache, their manifests and summaries: looked up, used as they are
//! once a version is off probation, and renewed otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::cache::Cache;
use super::remote::Remote;
use crate::Result;
use crate::client::cache;
use crate::client::remote::is_missing;
use crate::fs::atomic;
use crate::fs::walk::{self, Kind};
use crate::http::{Document, Object};
use crate::job::Job;
use crate::registry::format::layout::{MANIFEST, SUMMARY, is_internal};
use crate::registry::format::model::{Manifest, ManifestEntry, Summary};
use crate::relpath::RelPath;
use crate::transfer::download;

/// Splits a path into `project/asset/version` and what is inside of the version.
pub(super) fn split_version(path: &RelPath) -> Option<(RelPath, &str)> {
    let text = path.as_str();
    let ends: Vec<usize> = text.match_indices('/').map(|(at, _)| at).collect();
    let (end, inner) = match ends.get(2) {
        Some(end) => (*end, &text[end + 1..]),
        None if ends.len() == 2 => (text.len(), ""),
        None => return None,
    };
    let version = RelPath::parse(&text[..end]).ok()?;
    if version.components().any(is_internal) { None } else { Some((version, inner)) }
}

/// The versions around paths, where there are any.
pub(super) fn versions_of(paths: &[RelPath]) -> BTreeSet<RelPath> {
    paths.iter().filter_map(split_version).map(|(version, _)| version).collect()
}

/// The path of something in a folder.
pub(super) fn inside(folder: &RelPath, name: &str) -> Result<RelPath> {
    RelPath::parse(format!("{folder}/{name}"))
}

/// Manifests by version.
pub(super) type Manifests = BTreeMap<RelPath, Manifest>;

/// The records that are cached of a registry.
pub(super) struct Records<'a> {
    pub(super) remote: &'a Remote,
    pub(super) cache: &'a Cache,
    /// Versions looked up at once; 0 or 1 leave the number to the client.
    pub(super) concurrency: usize,
    pub(super) job: &'a Job,
}

impl Records<'_> {
    /// True if the cached summaries of the versions around `paths` say that none is on probation.
    pub(super) fn are_final(&self, paths: &[RelPath]) -> Result<bool> {
        let is_of_version = |path: &RelPath| {
            split_version(path).is_some_and(|(_, inner)| !inner.split('/').any(is_internal))
        };
        if !paths.iter().all(is_of_version) {
            return Ok(false);
        }
        for version in versions_of(paths) {
            let summary = self.cache.read(&inside(&version, SUMMARY)?)?;
            let summary = summary.and_then(|text| serde_json::from_slice::<Summary>(&text).ok());
            if summary.is_none_or(|summary| summary.is_probational()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The versions at, around or below `path` of which something is cached.
    pub(super) fn cached_versions(&self, path: &RelPath) -> Result<Vec<RelPath>> {
        if let Some((version, _)) = split_version(path) {
            return Ok(vec![version]);
        }
        let mut found = vec![path.clone()];
        for _ in path.components().count()..3 {
            let mut deeper = Vec::new();
            for folder in &found {
                let entries = match walk::entries(&self.cache.file(folder)) {
                    Err(error) if error.io_kind() == Some(ErrorKind::NotFound) => continue,
                    other => other?,
                };
                for (name, kind) in entries {
                    if kind == Kind::Folder && !is_internal(&name) {
                        deeper.push(inside(folder, &name)?);
                    }
                }
            }
            found = deeper;
        }
        Ok(found)
    }

    /// Looks a version up again if it was on probation when it was cached.
    pub(super) async fn refresh(&self, version: &RelPath) -> Result<()> {
        let summary_path = inside(version, SUMMARY)?;
        let manifest_path = inside(version, MANIFEST)?;
        let Some(summary) = self.cache.read(&summary_path)? else { return Ok(()) };
        // A summary that makes no sense says nothing.
        let is_settled = serde_json::from_slice(&summary)
            .is_ok_and(|summary: Summary| !summary.is_probational());
        if is_settled || self.remote.http.is_offline() {
            return Ok(());
        }
        let (summary, manifest) = tokio::try_join!(
            self.remote.read(&summary_path, self.job),
            self.remote.read(&manifest_path, self.job)
        )?;
        // What no manifest vouches for may be of another upload.
        let old = self.cached_manifest(version)?.unwrap_or_default();
        self.renew(version, Some(&old), Some(&manifest), Some(&summary)).map(drop)
    }

    /// The manifest of a version, if it is cached and makes sense.
    pub(super) fn cached_manifest(&self, version: &RelPath) -> Result<Option<Manifest>> {
        cache::manifest(&self.cache.file(&inside(version, MANIFEST)?))
    }

    /// Replaces the cached records of a version, and drops what the new manifest says otherwise
    /// than `old`, if that is known. Gives back the new manifest.
    fn renew(
        &self,
        version: &RelPath,
        old: Option<&Manifest>,
        manifest: Option<&Document>,
        summary: Option<&Document>,
    ) -> Result<Option<Manifest>> {
        let new = manifest.map(Document::parse_public::<Manifest>).transpose()?;
        summary.map(Document::check::<Object>).transpose()?;
        if let (Some(old), Some(new)) = (old, &new)
            && old != new
        {
            self.drop_changed(version, old, new)?;
        }
        // An interrupted renewal starts again as long as the cached summary is the old one, or as
        // there is no manifest.
        let mut records = [(MANIFEST, manifest), (SUMMARY, summary)];
        if old.is_none() {
            records.reverse();
        }
        for (name, record) in records {
            if let Some(record) = record {
                self.cache.write(&inside(version, name)?, &record.body)?;
            }
        }
        Ok(new)
    }

    fn drop_changed(&self, version: &RelPath, old: &Manifest, new: &Manifest) -> Result<()> {
        self.cache.mark_changed(version)?;
        let folder = self.cache.file(version);
        for entry in walk::walk(&folder, &|_| true, self.job)? {
            let path = entry.path.as_str();
            let is_kept = entry.kind == Kind::Folder
                || path == SUMMARY
                || path == MANIFEST
                || new.get(path).is_some_and(|now| old.get(path) == Some(now));
            if !is_kept {
                atomic::remove_file(&folder.join(path))?;
            }
        }
        Ok(())
    }

    /// Manifests of the versions that `paths` lie in, where there are any.
    ///
    /// Those that are not taken from the cache are cached, together with their summaries.
    pub(super) async fn manifests(&self, paths: &[RelPath], from_cache: bool) -> Result<Manifests> {
        // Consecutive paths are mostly in one version.
        let mut versions = BTreeSet::new();
        for path in paths {
            if let Some((version, inner)) = split_version(path)
                && !inner.is_empty()
                && (!inner.split('/').any(is_internal) || is_record(path))
            {
                versions.insert(version);
            }
        }
        let found: Vec<Option<(RelPath, Manifest)>> = stream::iter(versions)
            .map(|version| self.manifest(version, from_cache))
            .buffer_unordered(download::concurrency(self.concurrency))
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn manifest(
        &self,
        version: RelPath,
        from_cache: bool,
    ) -> Result<Option<(RelPath, Manifest)>> {
        let cached = self.cached_manifest(&version)?;
        if from_cache && let Some(manifest) = cached {
            return Ok(Some((version, manifest)));
        }
        let (manifest_path, summary_path) =
            (inside(&version, MANIFEST)?, inside(&version, SUMMARY)?);
        let (manifest, summary) = tokio::try_join!(
            self.read_optional(&manifest_path),
            self.read_optional(&summary_path)
        )?;
        let new = self.renew(&version, cached.as_ref(), manifest.as_ref(), summary.as_ref())?;
        Ok(new.map(|manifest| (version, manifest)))
    }

    async fn read_optional(&self, path: &RelPath) -> Result<Option<Document>> {
        match self.remote.read(path, self.job).await {
            Err(error) if is_missing(&error) => Ok(None),
            other => other.map(Some),
        }
    }
}

/// Whether it is a manifest or summary.
pub(super) fn is_record(path: &RelPath) -> bool {
    split_version(path).is_some_and(|(_, inner)| inner == MANIFEST || inner == SUMMARY)
}

/// What the manifest of its version says of a file.
pub(super) fn entry_of<'a>(
    path: &RelPath,
    manifests: &'a BTreeMap<RelPath, Manifest>,
) -> Option<&'a ManifestEntry> {
    let (version, inner) = split_version(path)?;
    manifests.get(&version)?.get(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_the_first_three_components() {
        let split = |path: &str| {
            let path = RelPath::parse(path).unwrap();
            split_version(&path).map(|(version, inner)| (version.to_string(), inner.to_owned()))
        };
        assert_eq!(split("p/a"), None);
        assert_eq!(split("p/a/v"), Some(("p/a/v".into(), String::new())));
        assert_eq!(split("p/a/v/x/y"), Some(("p/a/v".into(), "x/y".into())));
        assert_eq!(split("..logs/a/v/x"), None);
    }
}
