//! Opening files below a directory without ever following a symbolic link.
//!
//! The owner of the directory may change it while it is read: a component that is swapped for a
//! link must not make us read what only we may read.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, openat, statat};
use rustix::io::Errno;

/// A directory that stays the same whatever happens to its name.
#[derive(Debug)]
pub struct Root {
    handle: OwnedFd,
}

fn no_follow(flags: OFlags) -> OFlags {
    flags | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

impl Root {
    /// Opens a directory; a link to one is refused.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = no_follow(OFlags::RDONLY | OFlags::DIRECTORY);
        let handle = openat(rustix::fs::CWD, path, flags, Mode::empty())?;
        Ok(Self { handle })
    }

    /// Opens the regular file at the relative path `path` for reading, and looks at it.
    ///
    /// A FIFO, socket or device is an error instead of a wait.
    pub fn open_file(&self, path: &str) -> io::Result<(File, Stat)> {
        let file = File::from(self.open_at(path, OFlags::RDONLY | OFlags::NONBLOCK)?);
        let stat = fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode).is_file() {
            Ok((file, stat))
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
        }
    }

    /// Looks at what is at `path` now. The directories on the way there may be links: nothing may be
    /// done with the answer but compare it with that of an opened file.
    pub fn look_at(&self, path: &str) -> io::Result<Stat> {
        Ok(statat(&self.handle, path, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Opens the directory that holds `path`, and gives the last component of `path`.
    pub fn open_parent<'path>(&self, path: &'path str) -> io::Result<(OwnedFd, &'path str)> {
        match path.rsplit_once('/') {
            None => Ok((self.handle.try_clone()?, path)),
            Some((parent, name)) => {
                Ok((self.open_at(parent, OFlags::RDONLY | OFlags::DIRECTORY)?, name))
            }
        }
    }

    fn open_at(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{ResolveFlags, openat2};
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            match openat2(&self.handle, path, no_follow(flags), Mode::empty(), resolve) {
                // Old kernels and some sandboxes do not have it.
                Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => {}
                other => return Ok(other?),
            }
        }
        self.open_by_component(path, flags)
    }

    fn open_by_component(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let mut parts = path.split('/').peekable();
        let mut handle = self.handle.try_clone()?;
        while let Some(part) = parts.next() {
            if matches!(part, "" | "." | "..") {
                return Err(Errno::INVAL.into());
            }
            let flags =
                if parts.peek().is_some() { OFlags::RDONLY | OFlags::DIRECTORY } else { flags };
            handle = openat(&handle, part, no_follow(flags), Mode::empty())?;
        }
        Ok(handle)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn no_component_may_be_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("d")).unwrap();
        std::fs::write(folder.path().join("d/f"), "inside").unwrap();
        std::fs::write(outside.path().join("f"), "secret").unwrap();
        symlink(outside.path(), folder.path().join("l")).unwrap();
        symlink("d/f", folder.path().join("k")).unwrap();
        let root = Root::open(folder.path()).unwrap();
        let mut text = String::new();
        root.open_file("d/f").unwrap().0.read_to_string(&mut text).unwrap();
        assert_eq!(text, "inside");
        for path in ["l/f", "k", "../x", "d", "none"] {
            assert!(root.open_file(path).is_err(), "{path}");
            assert!(root.open_by_component(path, OFlags::RDONLY).is_err() || path == "d");
        }
        assert!(root.open_parent("l/f").is_err());
        assert_eq!(root.open_parent("d/f").unwrap().1, "f");
        assert!(Root::open(&folder.path().join("l")).is_err());
    }
}
