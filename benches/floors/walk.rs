//! Reading directories.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, StatxFlags, openat, statx};

const BUFFER_BYTES: usize = 64 * 1024;

/// Counts what is below `root` but directories, with or without a look at each.
pub(crate) fn count(root: &str, look: bool) -> io::Result<usize> {
    let mut buffer = vec![MaybeUninit::uninit(); BUFFER_BYTES];
    let mut stack = vec![open(rustix::fs::CWD, root)?];
    let mut found = 0;
    while let Some(folder) = stack.pop() {
        let mut entries = RawDir::new(&folder, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            if entry.file_type() == FileType::Directory {
                stack.push(open(&folder, name)?);
                continue;
            }
            found += 1;
            if look {
                statx(&folder, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::SIZE)?;
            }
        }
    }
    Ok(found)
}

fn open(at: impl std::os::fd::AsFd, path: impl rustix::path::Arg) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat(at, path, flags, Mode::empty())?)
}
