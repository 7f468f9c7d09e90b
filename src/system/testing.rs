//! What only tests ask of the system.

use std::io;
use std::os::unix::fs::{chown, lchown};
use std::path::Path;

/// Makes a FIFO that its owner may read.
pub(crate) fn fifo(path: &Path) {
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRUSR).unwrap();
}

/// Whether this process may give files away.
pub(crate) fn is_superuser() -> bool {
    super::user_id() == 0
}

/// Gives a file to another user.
pub(crate) fn give_to(path: &Path, user: u32) {
    chown(path, Some(user), None).unwrap();
}

/// Gives a link to another user.
pub(crate) fn give_link_to(path: &Path, user: u32) {
    lchown(path, Some(user), None).unwrap();
}

/// What this process takes away from the modes of new files.
#[allow(clippy::unnecessary_cast, reason = "the types differ between systems")]
pub(crate) fn umask() -> u32 {
    let mask = rustix::process::umask(rustix::fs::Mode::empty());
    rustix::process::umask(mask);
    mask.bits() as u32
}

/// The error of a process that has too many files open.
pub(crate) fn lack_of_handles() -> io::Error {
    rustix::io::Errno::MFILE.into()
}
