//! Where fetched files are kept. The layout is shared with caches of other clients:
//!
//! ```text
//! CACHE/QUOTED-URL/REGISTRY/{path}           the files
//!                 /SUCCESS/{path}/....OK     empty; the directory {path} is complete
//!                 /TEMP/                     unfinished
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::IoContext;
use crate::fs::atomic;
use crate::http::url::quote_plus;
use crate::relpath::RelPath;
use crate::{Error, Result};

const MARKER: &str = "....OK";
const FILE_MODE: u32 = 0o666;

/// The cache used unless the caller names one: the user's data directory for the Gobbler.
pub fn default_cache() -> Result<PathBuf> {
    #[cfg(not(target_os = "macos"))]
    let data = std::env::var_os("XDG_DATA_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    #[cfg(target_os = "macos")]
    let data = None::<PathBuf>;
    let below_home =
        if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/share" };
    let data = data.or_else(|| Some(std::env::home_dir()?.join(below_home)));
    data.map(|data| data.join("gobbler")).ok_or_else(|| {
        Error::invalid(
            "cache",
            "None",
            "there is no home directory; name a directory for the cache",
        )
    })
}

/// Which folder to keep files in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CacheFolder {
    /// The user's own cache.
    #[default]
    Default,
    /// A cache for any number of services, each with a folder of its own in it.
    Shared(PathBuf),
    /// The folder of this one service.
    Own(PathBuf),
}

/// The files that were fetched from one service.
#[derive(Debug, Clone)]
pub(super) struct Cache {
    root: PathBuf,
}

impl Cache {
    pub(super) fn new(folder: &CacheFolder, url: &str) -> Result<Self> {
        let root = match folder {
            CacheFolder::Default => default_cache()?.join(quote_plus(url)),
            CacheFolder::Shared(folder) => folder.join(quote_plus(url)),
            CacheFolder::Own(folder) => folder.clone(),
        };
        Ok(Self { root })
    }

    pub(super) fn into_root(self) -> PathBuf {
        self.root
    }

    /// Where a file or directory of the registry is kept.
    pub(super) fn file(&self, path: &RelPath) -> PathBuf {
        path.under(&self.root.join("REGISTRY"))
    }

    /// Where a file is kept whose path may be anything, or `None` for an unsafe path.
    pub(super) fn file_at(&self, path: &str) -> Option<PathBuf> {
        RelPath::parse(path).ok().map(|path| self.file(&path))
    }

    /// Where unfinished files go.
    pub(super) fn scratch(&self) -> PathBuf {
        self.root.join("TEMP")
    }

    fn success(&self, path: &RelPath) -> PathBuf {
        path.under(&self.root.join("SUCCESS"))
    }

    /// True if the whole directory was fetched.
    pub(super) fn is_complete(&self, path: &RelPath) -> bool {
        self.success(path).join(MARKER).exists() && self.file(path).exists()
    }

    pub(super) fn mark_complete(&self, path: &RelPath) -> Result<()> {
        let folder = self.success(path);
        fs::create_dir_all(&folder).at(&folder)?;
        atomic::write(&folder.join(MARKER), b"", FILE_MODE, false)
    }

    pub(super) fn mark_incomplete(&self, path: &RelPath) -> Result<()> {
        atomic::remove_file(&self.success(path).join(MARKER))
    }

    /// Marks a directory, everything in it and everything around it as incomplete.
    pub(super) fn mark_changed(&self, path: &RelPath) -> Result<()> {
        atomic::remove_tree(&self.success(path))?;
        let text = path.as_str();
        for (end, _) in text.match_indices('/') {
            self.mark_incomplete(&RelPath::parse(&text[..end])?)?;
        }
        Ok(())
    }

    /// Keeps a small document.
    pub(super) fn write(&self, path: &RelPath, content: &[u8]) -> Result<()> {
        let target = self.file(path);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).at(folder)?;
        }
        let scratch = self.scratch();
        fs::create_dir_all(&scratch).at(&scratch)?;
        let mut staged = atomic::stage(&scratch, FILE_MODE)?;
        std::io::Write::write_all(&mut staged, content).at(&target)?;
        atomic::persist(staged, &target)
    }

    /// Reads a small document, if it is there.
    pub(super) fn read(&self, path: &RelPath) -> Result<Option<Vec<u8>>> {
        let file = self.file(path);
        match fs::read(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some).at(file),
        }
    }

    /// Gives equal content a second name instead of a second copy.
    pub(super) fn link(&self, original: &Path, target: &Path) -> Result<()> {
        let scratch = self.scratch();
        let spare = tempfile::tempdir_in(&scratch).at(&scratch)?;
        let link = spare.path().join("link");
        if fs::hard_link(original, &link).is_ok() {
            // Renaming one name of a file over another does nothing, so remove that one first.
            atomic::remove_file(target)?;
            return fs::rename(&link, target).at(target);
        }
        // Not every file system has hard links, and their number is limited.
        let mut staged = atomic::stage(&scratch, FILE_MODE)?;
        let mut from = fs::File::open(original).at(original)?;
        std::io::copy(&mut from, &mut staged).at(target)?;
        atomic::persist(staged, target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_that_of_other_clients() {
        let folder = tempfile::tempdir().unwrap();
        let cache =
            Cache::new(&CacheFolder::Shared(folder.path().to_owned()), "http://host:8080").unwrap();
        let path = RelPath::parse("p/a/v").unwrap();
        let root = folder.path().join("http%3A%2F%2Fhost%3A8080");
        assert_eq!(cache.file(&path), root.join("REGISTRY/p/a/v"));
        cache.write(&RelPath::parse("p/a/v/f").unwrap(), b"x").unwrap();
        cache.mark_complete(&path).unwrap();
        assert!(root.join("SUCCESS/p/a/v/....OK").exists() && cache.is_complete(&path));
        assert!(fs::read_dir(root.join("TEMP")).unwrap().next().is_none());
    }

    #[test]
    fn a_changed_directory_makes_everything_around_it_incomplete() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(&CacheFolder::Shared(folder.path().to_owned()), "u").unwrap();
        let paths = ["p", "p/a", "p/a/v", "p/a/v/sub", "p/b"].map(|p| RelPath::parse(p).unwrap());
        for path in &paths {
            fs::create_dir_all(cache.file(path)).unwrap();
            cache.mark_complete(path).unwrap();
        }
        cache.mark_changed(&paths[2]).unwrap();
        let complete: Vec<_> = paths.iter().map(|path| cache.is_complete(path)).collect();
        assert_eq!(complete, [false, false, false, false, true]);
    }

    #[test]
    fn linking_twice_is_fine() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(&CacheFolder::Shared(folder.path().to_owned()), "u").unwrap();
        cache.write(&RelPath::parse("a").unwrap(), b"x").unwrap();
        let (a, b) = (cache.file_at("a").unwrap(), cache.file_at("b").unwrap());
        cache.link(&a, &b).unwrap();
        cache.link(&a, &b).unwrap();
        assert_eq!(fs::read(b).unwrap(), b"x");
        assert!(fs::read_dir(cache.scratch()).unwrap().next().is_none());
        assert_eq!(cache.file_at("../x"), None);
    }
}
