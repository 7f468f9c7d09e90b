//! Where fetched files are kept. The layout is shared with caches of other clients:
//!
//! ```text
//! CACHE/QUOTED-URL/REGISTRY/{path}           the files
//!                 /SUCCESS/{path}/....OK     the directory {path} is complete
//!                 /TEMP/                     unfinished
//! ```

use std::path::{Path, PathBuf};

use crate::client::cache::{self, Standing};
use crate::fs::{atomic, litter};
use crate::http::url::quote_plus;
use crate::relpath::RelPath;
use crate::settings;
use crate::system;
use crate::{Error, Result};

/// Components of the path of a version.
const VERSION_DEPTH: usize = 3;
const MARKER: &str = "....OK";

/// The directories that a path lies in, outermost first.
fn around(path: &RelPath) -> impl Iterator<Item = RelPath> {
    let text = path.as_str();
    text.match_indices('/').filter_map(|(end, _)| RelPath::parse(&text[..end]).ok())
}

/// The cache used unless the caller names one: the user's data directory for the Gobbler.
pub fn default_cache() -> Result<PathBuf> {
    let named = || settings::shared("XDG_DATA_HOME").filter(|path| !path.is_empty());
    let data = system::HAS_XDG.then(named).flatten().map(PathBuf::from);
    let data = data.or_else(|| Some(std::env::home_dir()?.join(system::DATA_BELOW_HOME)));
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

/// The name of the folder of a service: its URL, without the user and password that it may hold.
fn folder_name(url: &str) -> String {
    let (scheme, rest) = url.split_at(url.find("://").map_or(0, |at| at + 3));
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let host = authority.rfind('@').map_or(0, |at| at + 1);
    quote_plus(&format!("{scheme}{}", &rest[host..]))
}

impl Cache {
    pub(super) fn new(folder: &CacheFolder, url: &str) -> Result<Self> {
        let root = match folder {
            CacheFolder::Default => default_cache()?.join(folder_name(url)),
            CacheFolder::Shared(folder) => folder.join(folder_name(url)),
            CacheFolder::Own(folder) => folder.clone(),
        };
        let cache = Self { root };
        litter::clear_once(&cache.scratch());
        Ok(cache)
    }

    pub(super) fn into_root(self) -> PathBuf {
        self.root
    }

    /// Where what comes from the registry is kept.
    pub(super) fn registry(&self) -> PathBuf {
        self.root.join("REGISTRY")
    }

    /// Where a file or directory of the registry is kept.
    pub(super) fn file(&self, path: &RelPath) -> PathBuf {
        path.under(&self.registry())
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

    fn is_marked(&self, path: &RelPath) -> bool {
        self.success(path).join(MARKER).exists()
    }

    /// Whether the whole directory was fetched, alone or as a part of its version: what is around a
    /// version may have got more since.
    pub(super) fn standing(&self, path: &RelPath) -> Standing {
        if !self.file(path).is_dir() {
            return Standing::Incomplete;
        }
        let is_part = |around: &RelPath| around.components().count() >= VERSION_DEPTH;
        let marked = around(path).filter(is_part).chain([path.clone()]);
        let standing = marked.map(|folder| cache::standing(&self.success(&folder), MARKER));
        standing.max().unwrap_or(Standing::Incomplete)
    }

    pub(super) fn mark_complete(&self, path: &RelPath) -> Result<()> {
        cache::mark(&self.success(path), MARKER)
    }

    /// Marks a directory and everything around it as incomplete; returns what was complete.
    pub(super) fn mark_incomplete(&self, path: &RelPath) -> Result<Vec<RelPath>> {
        let folders = around(path).chain([path.clone()]);
        let complete: Vec<_> = folders.filter(|folder| self.is_marked(folder)).collect();
        for folder in &complete {
            atomic::remove_file(&self.success(folder).join(MARKER))?;
        }
        Ok(complete)
    }

    /// Marks a directory, everything in it and everything around it as incomplete.
    pub(super) fn mark_changed(&self, path: &RelPath) -> Result<()> {
        self.mark_incomplete(path)?;
        atomic::remove_tree(&self.success(path))
    }

    /// Keeps a small document.
    pub(super) fn write(&self, path: &RelPath, content: &[u8]) -> Result<()> {
        cache::keep(&self.scratch(), &self.file(path), content)
    }

    /// Reads a small document, if it is there.
    pub(super) fn read(&self, path: &RelPath) -> Result<Option<Vec<u8>>> {
        cache::read(&self.file(path))
    }

    /// Gives equal content a second name instead of a second copy.
    pub(super) fn link(&self, original: &Path, target: &Path) -> Result<()> {
        cache::share(original, target, &[cache::HARD], &self.scratch())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn is_complete(cache: &Cache, path: &RelPath) -> bool {
        cache.standing(path) == Standing::Complete
    }

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
        assert!(root.join("SUCCESS/p/a/v/....OK").exists() && is_complete(&cache, &path));
        assert!(fs::read_dir(root.join("TEMP")).unwrap().next().is_none());
    }

    #[test]
    fn the_name_of_a_folder_holds_no_password() {
        let plain = "https%3A%2F%2Fhost%2Fa%40b";
        assert_eq!(folder_name("https://host/a@b"), plain);
        assert_eq!(folder_name("https://user:p@ss@host/a@b"), plain);
        assert_eq!(folder_name("u"), "u");
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
        let complete: Vec<_> = paths.iter().map(|path| is_complete(&cache, path)).collect();
        assert_eq!(complete, [false, false, false, false, true]);
    }

    #[test]
    fn a_part_of_a_complete_version_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(&CacheFolder::Shared(folder.path().to_owned()), "u").unwrap();
        let [project, version, part, file, none] =
            ["p", "p/a/v", "p/a/v/x/y", "p/a/v/f", "p/a/v/z"].map(|p| RelPath::parse(p).unwrap());
        fs::create_dir_all(cache.file(&part)).unwrap();
        cache.write(&file, b"").unwrap();
        cache.mark_complete(&project).unwrap();
        assert!(!is_complete(&cache, &version), "a version may be newer than that");
        cache.mark_complete(&version).unwrap();
        let complete = [&version, &part, &file, &none].map(|path| is_complete(&cache, path));
        assert_eq!(complete, [true, true, false, false]);
        assert_eq!(cache.mark_incomplete(&part).unwrap(), [project, version.clone()]);
        assert!(!is_complete(&cache, &version) && !is_complete(&cache, &part));
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
