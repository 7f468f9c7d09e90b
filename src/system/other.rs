//! What is done where a system has none of what Linux has: `None`, 0 and false lead to the usual way.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, OFlags};

use super::Buffer;

/// Opening below a folder is done component by component.
pub(super) fn open_beneath(_: &OwnedFd, _: &Path, _: OFlags) -> Option<io::Result<OwnedFd>> {
    None
}

/// The real path of what was opened has to be looked at.
pub(crate) fn open_inside(_: &Path, _: &Path) -> Option<io::Result<File>> {
    None
}

/// The path of an open file.
pub(crate) fn real_path(file: &File) -> io::Result<PathBuf> {
    Ok(super::text(rustix::fs::getpath(file)?.as_bytes()).into())
}

pub(super) fn size_of(folder: BorrowedFd<'_>, name: &CStr) -> io::Result<u64> {
    let found = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(u64::try_from(found.st_size).unwrap_or_default())
}

pub(super) fn each_entry<E>(
    folder: BorrowedFd<'_>,
    _: &mut Buffer,
    failed: impl Fn(io::Error) -> E,
    mut each: impl FnMut(&CStr, FileType) -> Result<(), E>,
) -> Result<(), E> {
    for found in rustix::fs::Dir::read_from(folder).map_err(|error| failed(error.into()))? {
        let found = found.map_err(|error| failed(error.into()))?;
        each(found.file_name(), found.file_type())?;
    }
    Ok(())
}

/// Every file has a name from birth.
pub(crate) fn nameless_file(_: &Path, _: u32) -> io::Result<Option<File>> {
    Ok(None)
}

/// Nothing is without a name.
pub(crate) fn give_name(_: &File, _: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

/// Nothing is exchanged.
pub(crate) fn exchange(_: &super::Folder, _: &super::Folder, _: &str) -> bool {
    false
}

/// Nobody knows whose process ids these are.
pub(crate) fn processes() -> u64 {
    0
}

/// Not known.
pub(crate) fn boot() -> Option<Vec<u8>> {
    None
}

/// Makes everything written to all file systems durable.
pub(crate) fn sync_file_system(handle: &File) -> io::Result<()> {
    rustix::fs::sync();
    handle.sync_all()
}

/// Every byte has to be written.
pub(crate) fn copy_range(_: &File, _: &File, _: u64, _: usize) -> usize {
    0
}

/// No blocks are shared.
pub(crate) fn share_blocks(_: &File, _: &File) -> bool {
    false
}

/// Content has to be read and written.
pub(crate) fn send_file(_: impl AsFd, _: &File, _: u64, _: usize) -> io::Result<usize> {
    Err(ErrorKind::Unsupported.into())
}

/// Whether content is in memory cannot be told.
pub(crate) fn peek(_: &File, _: u64) -> io::Result<usize> {
    Err(ErrorKind::Unsupported.into())
}

/// Not known.
pub(crate) fn is_in_memory(_: &File) -> bool {
    false
}

/// Not known.
pub(crate) fn is_local(_: &Path) -> bool {
    false
}
