//! What of a directory does not become part of its version.

use std::path::Path;

use crate::fs::walk::{Kind, walk};
use crate::job::Job;
use crate::registry::format::layout::is_kept;
use crate::{Error, Result};

/// Paths of the files, links and empty folders in `directory` that services leave out, sorted.
///
/// Nothing is said of a directory that cannot be listed: its upload says what is wrong with it, or
/// succeeds, because the service may see more of it.
pub fn left_out(directory: &Path, ignore_dot: bool, job: &Job) -> Result<Vec<String>> {
    let entries = match walk(directory, &|_| true, job) {
        Err(Error::Cancelled) => return Err(Error::Cancelled),
        listed => listed.unwrap_or_default(),
    };
    let leaves = entries.into_iter().filter(|entry| entry.kind != Kind::Folder || entry.is_empty);
    let is_left_out = |path: &String| !path.split('/').all(|name| is_kept(name, ignore_dot));
    Ok(leaves.map(|entry| entry.path).filter(is_left_out).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_below_a_name_that_is_left_out_is() {
        let root = tempfile::tempdir().unwrap();
        for folder in [".git/empty", "a/..b", "a/c"] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        for file in [".git/head", ".x", "a/..b/d", "a/c/e", "a/...", "f."] {
            std::fs::write(root.path().join(file), "").unwrap();
        }
        let found = |ignore_dot| left_out(root.path(), ignore_dot, &Job::default()).unwrap();
        assert_eq!(found(true), [".git/empty", ".git/head", ".x", "a/...", "a/..b/d"]);
        assert_eq!(found(false), ["a/...", "a/..b/d"]);
    }

    #[test]
    fn nothing_is_said_of_what_cannot_be_listed() {
        let missing = Path::new("/no/such/directory");
        assert_eq!(left_out(missing, true, &Job::default()).unwrap(), [""; 0]);
        let (root, job) = (tempfile::tempdir().unwrap(), Job::default());
        job.cancel();
        std::fs::write(root.path().join(".x"), "").unwrap();
        assert!(matches!(left_out(root.path(), true, &job), Err(Error::Cancelled)));
    }
}
