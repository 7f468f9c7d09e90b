//! Opening files below a directory without ever following a symbolic link.
//!
//! The owner of the directory may change it while it is read: a component that is swapped for a
//! link must not make us read what only we may read.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::system::{Folder, Kind, Links, Stat};

/// A directory that stays the same whatever happens to its name.
#[derive(Debug)]
pub struct Root {
    handle: Folder,
}

impl Root {
    /// Opens a directory; a link to one is refused.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { handle: Folder::open(path, Links::Refuse)? })
    }

    /// The directory itself.
    pub fn handle(&self) -> &Folder {
        &self.handle
    }

    /// Opens the regular file at the relative path `path` for reading, and looks at it.
    ///
    /// A FIFO, socket or device is an error instead of a wait.
    pub fn open_file(&self, path: &str) -> io::Result<(File, Stat)> {
        let file = self.handle.file_beneath(path)?;
        let stat = Stat::of(&file)?;
        if stat.kind == Kind::File {
            Ok((file, stat))
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
        }
    }

    /// Looks at what is at `path` now. The directories on the way there may be links: nothing may be
    /// done with the answer but compare it with that of an opened file.
    pub fn look_at(&self, path: &str) -> io::Result<Stat> {
        self.handle.stat(path)
    }

    /// Opens the directory that holds `path`, and gives the last component of `path`.
    pub fn open_parent<'path>(&self, path: &'path str) -> io::Result<(Folder, &'path str)> {
        match path.rsplit_once('/') {
            None => Ok((self.handle.try_clone()?, path)),
            Some((parent, name)) => Ok((self.handle.folder_beneath(parent)?, name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::system::new_link;

    #[test]
    fn no_component_may_be_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("d")).unwrap();
        std::fs::write(folder.path().join("d/f"), "inside").unwrap();
        std::fs::write(outside.path().join("f"), "secret").unwrap();
        new_link(outside.path(), folder.path().join("l")).unwrap();
        new_link("d/f", folder.path().join("k")).unwrap();
        let root = Root::open(folder.path()).unwrap();
        let mut text = String::new();
        root.open_file("d/f").unwrap().0.read_to_string(&mut text).unwrap();
        assert_eq!(text, "inside");
        for path in ["l/f", "k", "../x", "d", "none"] {
            assert!(root.open_file(path).is_err(), "{path}");
        }
        assert!(root.open_parent("l/f").is_err());
        assert_eq!(root.open_parent("d/f").unwrap().1, "f");
        assert!(Root::open(&folder.path().join("l")).is_err());
    }
}
