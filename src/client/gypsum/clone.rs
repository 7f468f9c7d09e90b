//! A directory of links to the cached files of a version, to be changed and uploaded as the next.

use crate::system::new_link as symlink;
use std::fs;
use std::path::Path;

use super::cache::{Cache, checked};
use crate::Result;
use crate::error::IoContext;
use crate::fs::{atomic, fold};
use crate::job::Job;
use crate::registry::format::model::Manifest;

/// Makes a link in `destination` to each file of `version` in the cache, whether or not it is
/// there. What has the name of a link is replaced.
///
/// Nothing is made if the manifest names a path that would leave `destination` or be another one's
/// there.
pub(super) fn clone_version(
    cache: &Cache,
    version: &str,
    manifest: &Manifest,
    destination: &Path,
    job: &Job,
) -> Result<()> {
    let folder = cache.object(version)?;
    let folder = std::path::absolute(&folder).at(&folder)?;
    let mut links = Vec::with_capacity(manifest.len());
    for path in manifest.keys() {
        let path = checked(path)?;
        links.push((path.under(&folder), path.under(destination)));
    }
    fold::refuse_equal(destination, manifest.keys().map(String::as_str))?;
    fs::create_dir_all(destination).at(destination)?;
    for (target, link) in links {
        job.check()?;
        let parent = link.parent().unwrap_or(destination);
        let made = fs::create_dir_all(parent)
            .at(parent)
            .and_then(|()| atomic::replace(&link, |name| symlink(&target, name)).at(&link));
        made.map_err(|error| error.of(link.to_string_lossy()).of(target.to_string_lossy()))?;
        job.file_done();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    fn manifest(paths: &[&str]) -> Manifest {
        let entry = serde_json::json!({"size": 1, "md5sum": "00"});
        let object: serde_json::Map<_, _> =
            paths.iter().map(|path| ((*path).to_owned(), entry.clone())).collect();
        serde_json::from_value(object.into()).unwrap()
    }

    #[test]
    fn links_are_absolute_and_replace_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let destination = folder.path().join("new");
        fs::create_dir(&destination).unwrap();
        fs::write(destination.join("b"), "old").unwrap();
        let cache = Cache::new(folder.path().join("cache"));
        let clone = || {
            let manifest = manifest(&["a/x", "b"]);
            clone_version(&cache, "p/a/v", &manifest, &destination, &Job::default())
        };
        clone().unwrap();
        clone().unwrap();
        for name in ["a/x", "b"] {
            let target = fs::read_link(destination.join(name)).unwrap();
            assert_eq!(target, cache.bucket().join("p/a/v").join(name));
        }
        assert_eq!(fs::read_dir(&destination).unwrap().count(), 2);
    }

    #[test]
    fn a_manifest_cannot_lead_outside() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("cache"));
        let destination = folder.path().join("new");
        let manifest = manifest(&["a", "../x"]);
        let made = clone_version(&cache, "p/a/v", &manifest, &destination, &Job::default());
        assert!(matches!(made, Err(Error::UnsafePath { .. })));
        assert!(!destination.exists());
    }
}
