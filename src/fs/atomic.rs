//! Files that appear whole or not at all.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::{NamedTempFile, TempDir};

use crate::Result;
use crate::error::IoContext;

/// Begins the name of everything unfinished, so that readers of a registry take it for internal.
pub const STAGE_PREFIX: &str = "..tmp-";

/// Opens an unfinished file in `folder`, with `mode` less the umask from birth.
///
/// It goes away when dropped; [`persist`] gives it its name.
pub fn stage(folder: &Path, mode: u32) -> Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(&unused_name())
        .rand_bytes(0)
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(folder)
        .at(folder)
}

/// A name that no other process has, nor this one before: without asking the system for random
/// bytes for each of a million files.
fn unused_name() -> String {
    // Not a `OnceLock`: another thread could hold its lock during a fork.
    static BASE: AtomicU64 = AtomicU64::new(0);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    if BASE.load(Ordering::Relaxed) == 0 {
        let fresh = rand::random_range(1..=u64::MAX);
        // Fails if another thread was first: its number is as good.
        let _ = BASE.compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed);
    }
    let base = BASE.load(Ordering::Relaxed);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    // The base is shared with forked processes, and the process id with other machines.
    format!("{STAGE_PREFIX}{base:016x}-{:x}-{count:x}", std::process::id())
}

/// Makes an unfinished folder in `folder`; it goes away, with its content, when dropped.
pub fn stage_folder(folder: &Path) -> Result<TempDir> {
    tempfile::Builder::new().prefix(STAGE_PREFIX).tempdir_in(folder).at(folder)
}

/// Gives a staged file its final name, replacing what is there.
pub fn persist(staged: NamedTempFile, target: &Path) -> Result<()> {
    staged.persist(target).map(drop).map_err(|error| error.error).at(target)
}

/// Replaces `target` by `content` in one step; `durable` syncs the file and its folder.
pub fn write(target: &Path, content: &[u8], mode: u32, durable: bool) -> Result<()> {
    let folder = target.parent().unwrap_or_else(|| Path::new("."));
    let mut staged = stage(folder, mode)?;
    staged.write_all(content).at(target)?;
    if durable {
        staged.as_file().sync_all().at(target)?;
    }
    persist(staged, target)?;
    if durable {
        sync_folder(folder)?;
    }
    Ok(())
}

/// Replaces `target` by `content` in one step, by way of a file in `scratch`, which is on the same
/// file system.
pub fn write_through(scratch: &Path, target: &Path, content: &[u8], mode: u32) -> Result<()> {
    let mut staged = stage(scratch, mode)?;
    staged.write_all(content).at(target)?;
    persist(staged, target)
}

/// Makes the entries of a folder durable.
pub fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|handle| handle.sync_all()).at(folder)
}

/// Makes everything written to the file system of `path` durable, in one call where there is one.
pub fn sync_file_system(path: &Path) -> Result<()> {
    let handle = File::open(path).at(path)?;
    #[cfg(target_os = "linux")]
    rustix::fs::syncfs(&handle).at(path)?;
    #[cfg(not(target_os = "linux"))]
    {
        rustix::fs::sync();
        handle.sync_all().at(path)?;
    }
    Ok(())
}

/// Removes a file; one that is not there is fine.
pub fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.at(path),
    }
}

/// Removes a folder with everything in it, never following links; one that is not there is fine.
pub fn remove_tree(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.at(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_write_replaces_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("file");
        write(&target, b"one", 0o644, false).unwrap();
        write(&target, b"two", 0o644, true).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"two");
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn a_staged_file_that_is_dropped_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let staged = stage(folder.path(), 0o600).unwrap();
        assert!(staged.path().file_name().unwrap().to_str().unwrap().starts_with(STAGE_PREFIX));
        drop(staged);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn removing_what_is_not_there_is_fine() {
        let folder = tempfile::tempdir().unwrap();
        remove_file(&folder.path().join("none")).unwrap();
        remove_tree(&folder.path().join("none")).unwrap();
    }
}
