//! Removal of what is no longer needed: forgotten requests and uploads, old logs, and
//! probational versions that nobody approved.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::sources::Sources;
use super::state::State;
use crate::Result;
use crate::error::IoContext;
use crate::fs::{litter, lock};
use crate::job::Job;
use crate::registry::format::layout::Layout;

/// From the start of the service to the first purge.
pub(super) const FIRST: Duration = Duration::from_secs(1);
/// Age at which entries of the staging directory and of the logs are removed.
const OLD: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Removes all that is old.
pub(super) fn purge(state: &State, job: &Job) {
    let options = &state.options;
    let report = |what: &str, result: Result<u64>| match result {
        Ok(0) => {}
        Ok(count) => state.log.line(format!("purge removed {count} {what}")),
        Err(error) => state.log.line(format!("purge of {what} failed: {}", error.chain())),
    };
    report("leftovers in the registry", state.engine.settle(job).map(|()| 0));
    if lock::are_missing() {
        state.log.line(lock::NONE);
    }
    let now = SystemTime::now();
    let is_unused = |path: &Path| litter::is_old(path, OLD, now);
    let staged = old_entries(&options.staging, is_unused, &state.sources, job);
    report("entries of the staging directory", staged);
    let logs = Layout::new(&options.registry).logs();
    // Nobody prepares anything there, and a registry may be moved as a whole.
    let is_old = |path: &Path| {
        let modified = fs::symlink_metadata(path)?.modified()?;
        Ok(now.duration_since(modified).is_ok_and(|age| age >= OLD))
    };
    report("logs", old_entries(&logs, is_old, &Sources::default(), job));
    if let Some(age) = options.probation {
        report("probational versions", state.engine.purge_probation(age, job));
    }
}

/// Removes the old entries of a folder that are not in use, with everything in them; links are
/// removed, never followed. What cannot be removed does not keep the rest.
fn old_entries(
    folder: &Path,
    is_old: impl Fn(&Path) -> io::Result<bool>,
    sources: &Sources,
    job: &Job,
) -> Result<u64> {
    let mut count = 0;
    let mut fault = Ok(());
    for entry in fs::read_dir(folder).at(folder)? {
        job.check()?;
        let entry = entry.at(folder)?;
        let removed = match is_old(&entry.path()) {
            Ok(true) => sources.remove(folder, &entry.file_name()),
            other => other,
        };
        match removed {
            Ok(true) => count += 1,
            Ok(false) => {}
            // An entry that is gone by now was removed by its owner.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => fault = Err(error).at(entry.path()),
        }
    }
    fault.map(|()| count)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn names(folder: &Path) -> Vec<OsString> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }

    /// Whether something is old `later` than now: nothing can be made to look old itself.
    fn is_old(later: Duration) -> impl Fn(&Path) -> io::Result<bool> {
        move |path| litter::is_old(path, OLD, SystemTime::now() + later)
    }

    #[test]
    fn only_old_entries_that_nobody_reads_go_away() {
        let root = tempfile::tempdir().unwrap();
        let (staging, outside) = (root.path().join("s"), root.path().join("outside"));
        for folder in ["s/old/deep", "s/held", "s/new/deep/er", "outside"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        fs::write(outside.join("precious"), "").unwrap();
        crate::system::new_link(&outside, staging.join("link")).unwrap();
        crate::system::new_link(&outside, staging.join("old/link")).unwrap();
        fs::write(staging.join("file"), "").unwrap();
        // A file that was moved in deep inside: its folder is the only one that tells.
        let later = OLD + Duration::from_secs(3600);
        let deep = fs::File::open(staging.join("new/deep/er")).unwrap();
        deep.set_modified(SystemTime::now() + later).unwrap();

        let sources = Sources::default();
        let held = sources.hold("held");
        let also_held = sources.hold("held");
        drop(also_held);
        let purge = || old_entries(&staging, is_old(later), &sources, &Job::default()).unwrap();
        assert_eq!(purge(), 3);
        assert_eq!(names(&staging), ["held", "new"]);
        assert_eq!(names(&outside), ["precious"]);
        drop(held);
        assert_eq!(purge(), 1);
        assert_eq!(names(&staging), ["new"]);
    }

    #[test]
    fn what_came_a_moment_ago_is_not_old_whatever_its_content_says() {
        let root = tempfile::tempdir().unwrap();
        let moved = root.path().join("results");
        fs::create_dir_all(moved.join("of")).unwrap();
        for path in ["of", ""] {
            let folder = fs::File::open(moved.join(path)).unwrap();
            folder.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        }
        let purge = |later| {
            old_entries(root.path(), is_old(later), &Sources::default(), &Job::default()).unwrap()
        };
        assert_eq!(purge(Duration::ZERO), 0);
        assert_eq!(purge(OLD), 1);
    }

    #[test]
    fn a_cancelled_purge_stops() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), "").unwrap();
        let job = Job::default();
        job.cancel();
        assert!(old_entries(root.path(), is_old(OLD), &Sources::default(), &job).is_err());
    }
}
