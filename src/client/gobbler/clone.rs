//! A directory of links to the files of a version, to be changed and uploaded as the next one.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::IoContext;
use crate::fs::{fold, once_more_if_stale};
use crate::job::Job;
use crate::registry::format::layout::MANIFEST;
use crate::registry::format::model::Manifest;
use crate::relpath::RelPath;
use crate::system;
use crate::{Error, Result};

/// Makes a link in `destination` to each file of a version of `registry`, and its empty
/// directories.
///
/// Nothing is made if any of the links is there already, or if the manifest names a path that
/// would leave `destination` or be another one's there.
pub fn clone_version(
    registry: &Path,
    version: &RelPath,
    destination: &Path,
    job: &Job,
) -> Result<()> {
    let registry = std::path::absolute(registry).at(registry)?;
    let folder = version.under(&registry);
    let file = folder.join(MANIFEST);
    let text = once_more_if_stale(|| fs::read(&file)).at(&file)?;
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|source| Error::Json {
        origin: file.to_string_lossy().into_owned(),
        text: String::from_utf8_lossy(&text).into_owned(),
        start: None,
        source,
    })?;
    let mut folders = Vec::new();
    let mut links: Vec<(PathBuf, PathBuf)> = Vec::new();
    for (path, entry) in &manifest {
        let path = RelPath::parse(path.as_str())?;
        let target = path.under(destination);
        if entry.is_folder() {
            folders.push(target);
        } else if target.symlink_metadata().is_ok() {
            return Err(system::error(std::io::ErrorKind::AlreadyExists)).at(target);
        } else {
            links.push((path.under(&folder), target));
        }
    }
    fold::refuse_equal(destination, manifest.keys().map(String::as_str))?;
    fs::create_dir_all(destination).at(destination)?;
    for folder in folders {
        fs::create_dir_all(&folder).at(&folder)?;
    }
    let mut made = PathBuf::new();
    for (original, link) in links {
        job.check()?;
        let parent = link.parent().unwrap_or(destination);
        if parent != made {
            fs::create_dir_all(parent).at(parent)?;
            parent.clone_into(&mut made);
        }
        system::new_link(original, &link).at(&link)?;
        job.file_done();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clone(manifest: &str, destination: &Path) -> (tempfile::TempDir, Result<()>) {
        let registry = tempfile::tempdir().unwrap();
        let version = RelPath::parse("p/a/v").unwrap();
        let folder = version.under(registry.path());
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(MANIFEST), manifest).unwrap();
        let result = clone_version(registry.path(), &version, destination, &Job::default());
        (registry, result)
    }

    const MANIFEST_TEXT: &str = r#"{"a/x": {"size": 1, "md5sum": "00"}, "b": {"size": 1, "md5sum":
        "00"}, "empty": {"size": 0, "md5sum": ""}}"#;

    #[test]
    fn files_become_links_and_empty_directories_stay_directories() {
        let base = tempfile::tempdir().unwrap();
        let destination = base.path().join("new/one");
        let (registry, result) = clone(MANIFEST_TEXT, &destination);
        result.unwrap();
        let target = fs::read_link(destination.join("a/x")).unwrap();
        assert_eq!(target, registry.path().join("p/a/v/a/x"));
        assert!(fs::symlink_metadata(destination.join("empty")).unwrap().is_dir());
    }

    #[test]
    fn nothing_is_made_if_anything_is_there() {
        let destination = tempfile::tempdir().unwrap();
        fs::write(destination.path().join("b"), "").unwrap();
        let (_, result) = clone(MANIFEST_TEXT, destination.path());
        assert_eq!(result.unwrap_err().io_kind(), Some(std::io::ErrorKind::AlreadyExists));
        assert!(!destination.path().join("a").exists());
    }

    #[test]
    fn a_manifest_cannot_lead_outside() {
        let destination = tempfile::tempdir().unwrap();
        let (_, result) = clone(r#"{"../x": {"size": 1, "md5sum": "00"}}"#, destination.path());
        assert!(matches!(result, Err(Error::UnsafePath { .. })));
    }
}
