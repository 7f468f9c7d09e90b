//! What the caches of all clients do alike.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::Result;
use crate::error::IoContext;
use crate::fs::atomic;
use crate::fs::owner::make_folders;

/// Mode of cached files, less the umask.
pub(super) const FILE_MODE: u32 = 0o666;

/// Makes a name for a file that exists; fails if that name is taken.
pub(super) type Link = fn(&Path, &Path) -> io::Result<()>;

/// A hard link.
pub(super) const HARD: Link = |original, name| fs::hard_link(original, name);

fn make_parent(path: &Path) -> Result<()> {
    path.parent().map_or(Ok(()), make_folders)
}

/// The result of noting that a version or directory is complete. If that is another user's, who lets
/// nobody write there, then it is looked at again next time.
pub(super) fn unless_refused(noted: Result<()>) -> Result<()> {
    match noted {
        Err(error) if error.io_kind() == Some(ErrorKind::PermissionDenied) => Ok(()),
        other => other,
    }
}

/// Keeps a small document, by way of a file in `scratch`.
pub(super) fn keep(scratch: &Path, target: &Path, content: &[u8]) -> Result<()> {
    make_parent(target)?;
    make_folders(scratch)?;
    atomic::write_through(scratch, target, content, FILE_MODE)
}

/// Gives the content of `original` a second name, replacing what is there: the first kind of link
/// that the file systems allow, else a copy, made in `scratch`.
pub(super) fn share(original: &Path, target: &Path, links: &[Link], scratch: &Path) -> Result<()> {
    make_parent(target)?;
    let is_linked = |link: &Link| atomic::replace(target, |name| link(original, name)).is_ok();
    if links.iter().any(is_linked) {
        return Ok(());
    }
    let staged = atomic::stage(scratch, FILE_MODE)?;
    let mut from = File::open(original).at(original)?;
    io::copy(&mut from, &mut staged.file()).at(target)?;
    atomic::persist(staged, target)
}
