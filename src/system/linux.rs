//! What Linux alone has. `None` and 0 mean that this kernel or file system cannot do it.

use std::ffi::CStr;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, ResolveFlags, StatxFlags, openat2,
    renameat_with,
};
use rustix::io::Errno;

use super::{Buffer, Folder};

/// Where the system names the files that a process has open.
const OPEN_FILES: &str = "/proc/self/fd";
/// The number of the file system that is memory.
const TMPFS: rustix::fs::FsWord = 0x0102_1994;

/// Opens what is at `path` below `root`; no component may be a link, or lead upward.
#[inline]
pub(super) fn open_beneath(
    root: &OwnedFd,
    path: &Path,
    flags: OFlags,
) -> Option<io::Result<OwnedFd>> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match openat2(root, path, flags, Mode::empty(), resolve) {
        // Old kernels and some sandboxes do not have it.
        Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => None,
        other => Some(other.map_err(io::Error::from)),
    }
}

/// Opens what is at `path` below `root` for reading, without waiting for anybody; links that never
/// leave it are followed. `None` also if the path leaves it, or has absolute links.
pub(crate) fn open_inside(root: &Path, path: &Path) -> Option<io::Result<File>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    // Without a link and without `..` no path can leave: one step for most.
    match openat2(CWD, root.join(path), flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        Ok(file) => return Some(Ok(file.into())),
        Err(Errno::LOOP) => {}
        Err(Errno::NOSYS | Errno::PERM) => return None,
        Err(error) => return Some(Err(error.into())),
    }
    // Opened each time: it may be replaced while the service runs.
    let flags_of_root = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = match rustix::fs::open(root, flags_of_root, Mode::empty()) {
        Ok(root) => root,
        Err(error) => return Some(Err(error.into())),
    };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    match openat2(root, path, flags, Mode::empty(), resolve) {
        Ok(file) => Some(Ok(file.into())),
        Err(Errno::XDEV | Errno::NOSYS | Errno::PERM | Errno::AGAIN) => None,
        Err(error) => Some(Err(error.into())),
    }
}

/// The path of an open file.
pub(crate) fn real_path(file: &File) -> io::Result<PathBuf> {
    fs::read_link(name_of(file))
}

/// Another name of an open file.
fn name_of(file: &File) -> String {
    format!("{OPEN_FILES}/{}", file.as_raw_fd())
}

#[inline]
pub(super) fn size_of(folder: BorrowedFd<'_>, name: &CStr) -> io::Result<u64> {
    let found = rustix::fs::statx(folder, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::SIZE)?;
    Ok(found.stx_size)
}

pub(super) fn each_entry<E>(
    folder: BorrowedFd<'_>,
    buffer: &mut Buffer,
    failed: impl Fn(io::Error) -> E,
    mut each: impl FnMut(&CStr, FileType) -> Result<(), E>,
) -> Result<(), E> {
    let mut listing = rustix::fs::RawDir::new(folder, buffer);
    while let Some(found) = listing.next() {
        let found = found.map_err(|error| failed(error.into()))?;
        each(found.file_name(), found.file_type())?;
    }
    Ok(())
}

/// Makes a file without a name in `folder`, with `mode` less the umask: when this process is killed,
/// it is gone.
pub(crate) fn nameless_file(folder: &Path, mode: u32) -> io::Result<Option<File>> {
    // By this name it gets its own, and a system without it (a chroot) is no reason to fail.
    if !Path::new(OPEN_FILES).exists() {
        return Ok(None);
    }
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::open(folder, flags, Mode::from_raw_mode(mode)) {
        Ok(file) => Ok(Some(file.into())),
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Gives a name to a file that has none; nothing is replaced.
pub(crate) fn give_name(file: &File, path: &Path) -> io::Result<()> {
    Ok(rustix::fs::linkat(CWD, name_of(file), CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

/// Exchanges what has the same name in two folders, in one step; false where that is impossible.
pub(crate) fn exchange(one: &Folder, other: &Folder, name: &str) -> bool {
    renameat_with(one, name, other, name, RenameFlags::EXCHANGE).is_ok()
}

/// A number for all processes whose ids mean the same: of one system, since it was started; 0 if that
/// cannot be told.
pub(crate) fn processes() -> u64 {
    let space = fs::read_link("/proc/self/ns/pid");
    let (Some(boot), Ok(space)) = (boot(), space) else { return 0 };
    let mut hasher = DefaultHasher::new();
    (boot, space).hash(&mut hasher);
    hasher.finish()
}

/// What tells this run of the system, from its start on, from all others.
pub(crate) fn boot() -> Option<Vec<u8>> {
    fs::read("/proc/sys/kernel/random/boot_id").ok()
}

/// Makes everything written to the file system of an open file durable.
pub(crate) fn sync_file_system(handle: &File) -> io::Result<()> {
    Ok(rustix::fs::syncfs(handle)?)
}

/// Copies inside of the system, from and to the same offset; gives how many bytes it did. Between file
/// systems, and on some of them, it does none: they have to be written.
pub(crate) fn copy_range(from: &File, to: &File, offset: u64, size: usize) -> usize {
    let (mut read, mut written) = (offset, offset);
    let mut done = 0;
    while done < size {
        let (read, written) = (Some(&mut read), Some(&mut written));
        match rustix::fs::copy_file_range(from, read, to, written, size - done) {
            Ok(0) | Err(_) => break,
            Ok(more) => done += more,
        }
    }
    done
}

/// Lets an empty file share the blocks of another, where the file system can; true if it does.
pub(crate) fn share_blocks(from: &File, to: &File) -> bool {
    rustix::fs::ioctl_ficlone(to, from).is_ok()
}

/// Sends a part of a file over a connection, as much as it takes now.
#[inline]
pub(crate) fn send_file(
    to: impl AsFd,
    file: &File,
    mut offset: u64,
    size: usize,
) -> io::Result<usize> {
    Ok(rustix::fs::sendfile(to, file, Some(&mut offset), size)?)
}

/// Reads one byte, unless that would have to wait for a disk or a network: then the kind of the error
/// is `WouldBlock`.
pub(crate) fn peek(file: &File, offset: u64) -> io::Result<usize> {
    let mut byte = [0];
    let mut buffers = [io::IoSliceMut::new(&mut byte)];
    let flags = rustix::io::ReadWriteFlags::NOWAIT;
    Ok(rustix::io::preadv2(file, &mut buffers, offset, flags)?)
}

/// Whether a file is on a file system that is memory.
pub(crate) fn is_in_memory(file: &File) -> bool {
    rustix::fs::fstatfs(file).is_ok_and(|found| found.f_type == TMPFS)
}

/// True if a folder is known to be on a file system that this machine alone changes.
pub(crate) fn is_local(folder: &Path) -> bool {
    // btrfs, ext, f2fs, overlay, tmpfs, XFS and ZFS.
    const LOCAL: [i64; 7] =
        [0x9123_683e, 0xef53, 0xf2f5_2010, 0x794c_7630, 0x0102_1994, 0x5846_5342, 0x2fc1_2fc1];
    #[allow(clippy::useless_conversion, reason = "the types differ between systems")]
    let kind = rustix::fs::statfs(folder).map(|found| i64::from(found.f_type));
    kind.is_ok_and(|kind| LOCAL.contains(&kind))
}
