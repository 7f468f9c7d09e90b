//! How things appear in a registry: under a name that is new, or in the place of another in one step.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::Result;
use crate::digest::copy::copy;
use crate::error::IoContext;
use crate::fs::atomic;
use crate::fs::open::{Named, Stamp};
use crate::job::Job;
use crate::registry::failure::Failure;
use crate::system::{self, new_link};

/// Mode of the internal files, less the umask.
pub(super) const FILE_MODE: u32 = 0o644;
/// Mode of directories, less the umask.
const FOLDER_MODE: u32 = 0o755;

pub(super) fn make_folder(path: &Path) -> Result<()> {
    system::new_folder(path, FOLDER_MODE).at(path)
}

/// A new hidden folder beside others in `parent`, with a name that nobody else uses.
pub(super) fn make_stage(parent: &Path) -> Result<PathBuf, Failure> {
    loop {
        let path = parent.join(stage_name());
        match make_folder(&path) {
            Err(error) if error.io_kind() == Some(ErrorKind::AlreadyExists) => {}
            other => return Ok(other.map(|()| path)?),
        }
    }
}

/// A name for something unfinished.
pub(super) fn stage_name() -> String {
    format!("{}{:016x}", atomic::STAGE_PREFIX, rand::random::<u64>())
}

/// Renames without ever replacing anything.
pub(super) fn rename_new(from: &Path, to: &Path) -> Result<(), Failure> {
    atomic::rename_new(from, to).map_err(|error| Failure::system("rename", to, &error))
}

/// Makes a symbolic link with exactly this text.
pub(super) fn place_link(path: &Path, text: &Path) -> Result<(), Failure> {
    new_link(text, path).map_err(|error| Failure::system("symlink", path, &error))
}

/// Copies an open file, which had `stamp` when it was opened, to the new file `target`.
pub(super) fn write_copy(
    from: Named<'_>,
    target: &Path,
    stamp: Stamp,
    job: &Job,
) -> Result<(), Failure> {
    let to = system::new_file(target, FILE_MODE)
        .map_err(|error| Failure::system("write", target, &error))?;
    copy(from, (&to, target), stamp, job, |_| ()).map_err(|error| match error {
        crate::Error::Digest { .. } => Failure::internal(format!(
            "mismatch in checksums between source and destination files for {target:?}"
        )),
        other => other.into(),
    })?;
    system::close(to).map_err(|error| Failure::system("close", target, &error))
}

/// Writes a new file, into a folder that nobody sees yet.
pub(super) fn write_new(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let write = || {
        let mut file = system::new_file(path, FILE_MODE)?;
        file.write_all(content)?;
        system::close(file)
    };
    write().map_err(|error| Failure::system("write", path, &error))
}
