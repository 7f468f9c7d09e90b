//! What killed processes have left: found by its name, and removed once nobody can be at work on
//! it any more.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use super::atomic::{STAGE_PREFIX, is_left_by_dead, remove_file, remove_tree};
use super::walk;
use crate::error::tell;
use crate::runtime::PerProcess;
use crate::shared::{Memory, lock};
use crate::system::Stat;

/// Unfinished files stay for so long.
pub(crate) const LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Ends the name of a download that a later call can go on with.
pub(crate) const PART_SUFFIX: &str = ".part";
/// Begins the names of temporary folders that `tempfile` makes.
const TEMPORARY_PREFIX: &str = ".tmp";

/// When something was last written, or moved to where it is: the later of the times of its
/// modification and of its change.
fn touched(stat: &Stat) -> SystemTime {
    let (seconds, _) = stat.changed.max(stat.identity.modified);
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

/// True if nothing of a file, or of a folder and all that is in it, was touched for `life`. What
/// seems to come from the future is not old; links are not followed.
pub(crate) fn is_old(path: &Path, life: Duration, now: SystemTime) -> io::Result<bool> {
    let is_young = |stat: &Stat| now.duration_since(touched(stat)).unwrap_or_default() < life;
    walk::any(path, is_young).map(|is_young| !is_young)
}

/// Folders that were cleared, so many of them.
const CLEARED: usize = 256;

/// Removes from `folder` what [`super::atomic`] has left unfinished there: of processes that are
/// dead, and of others what is old.
///
/// That is never worth a failure: it may be another user's, or gone.
pub(crate) fn clear(folder: &Path) {
    clear_named(folder, SystemTime::now(), |name| name.starts_with(STAGE_PREFIX));
}

/// [`clear`], once in a process: for whoever puts many files into one folder, one at a time.
pub(crate) fn clear_once(folder: &Path) {
    static FOLDERS: PerProcess<Mutex<Memory<PathBuf, (), CLEARED>>> = PerProcess::empty();
    let folders = FOLDERS.get(Mutex::default);
    if lock(folders).get(folder).is_none() {
        clear(folder);
        lock(folders).insert(folder.to_owned(), ());
    }
}

/// As [`clear`], in a folder that only holds what is unfinished.
pub(crate) fn clear_scratch(folder: &Path) {
    clear_named(folder, SystemTime::now(), |name| {
        name.starts_with(STAGE_PREFIX)
            || name.starts_with(TEMPORARY_PREFIX)
            || name.ends_with(PART_SUFFIX)
    });
}

fn clear_named(folder: &Path, now: SystemTime, is_litter: impl Fn(&str) -> bool) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if is_litter(&name)
            && (is_left_by_dead(&name) || is_old(&path, LIFE, now).is_ok_and(|is_old| is_old))
        {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let removed = if is_folder { remove_tree(&path) } else { remove_file(&path) };
            // The next call tries again.
            tell("selenite.cache", "cannot remove what is old", removed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_long_ago_goes_away() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["..tmp-busy/deep", "..tmp-left/deep", ".tmpOther"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        for file in ["..tmp-file", "x.part", "kept", "..tmp-busy/deep/file"] {
            fs::write(root.path().join(file), "").unwrap();
        }
        let later = SystemTime::now() + LIFE + Duration::from_secs(3600);
        let busy = fs::File::open(root.path().join("..tmp-busy/deep/file")).unwrap();
        busy.set_modified(later).unwrap();
        let left = || {
            let entries = fs::read_dir(root.path()).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<_> = names.collect();
            names.sort_unstable();
            names
        };
        let all = left();
        clear_scratch(root.path());
        assert_eq!(left(), all, "everything is fresh");
        clear_named(root.path(), later, |name| name != "kept");
        assert_eq!(left(), ["..tmp-busy", "kept"]);
        clear_scratch(&root.path().join("missing"));
    }
}
