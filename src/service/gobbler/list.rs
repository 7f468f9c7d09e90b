//! Listings of folders of the registry.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::lexical;
use super::roots::Roots;
use crate::fs::atomic::STAGE_PREFIX;
use crate::job::Job;
use crate::registry::Failure;
use crate::registry::format::json;
use crate::relpath::clean;
use crate::service::query::{self, BadEscape};
use crate::system::{self, Kind, Links};

/// Answers `/list` as a JSON array.
///
/// `path` was decoded once. Clients of the original service encode it twice, so if there is no such
/// path, it is decoded again.
pub(super) fn list(
    roots: &Roots,
    path: &[u8],
    is_recursive: bool,
    job: &Job,
) -> Result<Vec<u8>, Failure> {
    let (mut full, mut metadata) = locate(roots, path)?;
    if metadata.is_err() {
        (full, metadata) = locate(roots, &query::decode(path).map_err(|bad| not_decodable(&bad))?)?;
    }
    let metadata = metadata.map_err(|error| missing(&full, &error))?;
    if !metadata.is_dir() {
        return Ok(b"[]".to_vec());
    }
    roots.check_folder(&full).map_err(|error| missing(&full, &error))?;
    let mut text = b"[".to_vec();
    let add = |path: &[u8]| push(&mut text, path);
    Listing { add, is_recursive, roots }.fill(&full, job)?;
    text.push(b']');
    Ok(text)
}

/// All files and links in a folder of the registry, by their paths in it; those whose names are no
/// text are left out.
pub(super) fn files(roots: &Roots, folder: &[u8], job: &Job) -> Result<Vec<String>, Failure> {
    let (full, metadata) = locate(roots, folder)?;
    let is_folder = metadata.is_ok_and(|found| found.is_dir()) && roots.check_folder(&full).is_ok();
    if !is_folder {
        return Err(no_folder());
    }
    let mut files = Vec::new();
    let add = |path: &[u8]| {
        let path = std::str::from_utf8(path).ok().filter(|path| !path.ends_with('/'));
        files.extend(path.map(str::to_owned));
    };
    Listing { add, is_recursive: true, roots }.fill(&full, job)?;
    Ok(files)
}

/// A path of the request in the file system, and what is there.
type Located = (PathBuf, io::Result<fs::Metadata>);

fn locate(roots: &Roots, path: &[u8]) -> Result<Located, Failure> {
    if !lexical::is_local(path) {
        return Err(Failure::invalid("'path' is not local to the registry"));
    }
    let full = match clean(path).as_slice() {
        // The registry itself may be a link.
        b"." => roots.registry().join("."),
        inner => match std::str::from_utf8(inner).map(|inner| roots.layout().anchor(inner)) {
            Ok((place, "")) => place,
            Ok((place, inside)) => place.join(inside),
            Err(_) => roots.registry().join(system::text(inner)),
        },
    };
    let metadata = fs::symlink_metadata(&full);
    Ok((full, metadata))
}

/// The refusal of an archive of what is no folder.
pub(super) fn no_folder() -> Failure {
    Failure::not_found("there is no such folder")
}

fn missing(path: &Path, error: &io::Error) -> Failure {
    Failure::system("lstat", path, error).within("failed to obtain a directory listing")
}

/// The refusal of a `path` with a bad escape.
pub(super) fn not_decodable(bad: &BadEscape) -> Failure {
    Failure::invalid(format!("invalid 'path'; invalid URL escape {:?}", bad.0))
}

/// Names, and whether each is a folder.
pub(super) type Entries = Vec<(Vec<u8>, bool)>;

struct Listing<'a, Add> {
    /// Takes each path.
    add: Add,
    is_recursive: bool,
    roots: &'a Roots,
}

/// A folder whose entries are being listed.
struct Level {
    entries: <Entries as IntoIterator>::IntoIter,
    /// Length of the path of the folder itself, with its slash.
    path_length: usize,
}

impl<Add: FnMut(&[u8])> Listing<'_, Add> {
    /// Adds everything in `root`: files and links, and folders as `name/`. A recursive listing
    /// names only the folders that hold nothing. Each folder is in byte order of the names.
    fn fill(&mut self, root: &Path, job: &Job) -> Result<(), Failure> {
        let mut entries = entries(root).map_err(|error| unreadable(root, &error))?;
        let layout = self.roots.layout();
        if !layout.allowed().is_empty() && root == layout.root().join(".") {
            for (name, is_folder) in &mut entries {
                // Projects on other disks.
                *is_folder |= layout.place_of_link(&String::from_utf8_lossy(name)).is_some();
            }
        }
        let mut path = Vec::new();
        // An explicit stack: a deep tree must not exhaust the thread's own.
        let mut stack = vec![Level { entries: entries.into_iter(), path_length: 0 }];
        while let Some(level) = stack.last_mut() {
            path.truncate(level.path_length);
            let Some((name, is_folder)) = level.entries.next() else {
                stack.pop();
                continue;
            };
            path.extend_from_slice(&name);
            if !is_folder {
                (self.add)(&path);
                continue;
            }
            path.push(b'/');
            if !self.is_recursive {
                (self.add)(&path);
                continue;
            }
            job.check()?;
            let folder = root.join(system::text(&path));
            match entries_of(&folder)? {
                None => {}
                Some(entries) if entries.is_empty() => (self.add)(&path),
                Some(entries) => {
                    stack.push(Level { entries: entries.into_iter(), path_length: path.len() });
                }
            }
        }
        Ok(())
    }
}

/// Adds a path to a JSON array that is being written.
fn push(text: &mut Vec<u8>, path: &[u8]) {
    if text.len() > 1 {
        text.push(b',');
    }
    let is_plain = |byte: &u8| {
        matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&')
    };
    if path.iter().all(is_plain) {
        text.push(b'"');
        text.extend_from_slice(path);
        text.push(b'"');
    } else {
        text.extend(json::compact(&String::from_utf8_lossy(path)));
    }
}

/// The entries of a folder below the root; none if it has just been removed or replaced.
fn entries_of(folder: &Path) -> Result<Option<Entries>, Failure> {
    match entries(folder) {
        Ok(entries) => Ok(Some(entries)),
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
                || system::is_loop(&error) =>
        {
            Ok(None)
        }
        Err(error) => Err(unreadable(folder, &error)),
    }
}

fn unreadable(folder: &Path, error: &io::Error) -> Failure {
    Failure::system("open", folder, error).within("failed to obtain a directory listing")
}

/// The entries of a folder in byte order of their names; unfinished work is left out.
pub(super) fn entries(folder: &Path) -> io::Result<Entries> {
    let handle = system::Folder::open(folder, Links::Refuse)?;
    let mut found = Vec::new();
    handle.each(&mut system::buffer(), io::Error::from, |c_name, kind| {
        let name = c_name.to_bytes();
        if name.starts_with(STAGE_PREFIX.as_bytes()) {
            return Ok(());
        }
        let kind = match kind.map_or_else(|| handle.kind_of(c_name), Ok) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            kind => kind?,
        };
        found.push((name.to_vec(), kind == Kind::Folder));
        Ok(())
    })?;
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::format::layout::Layout;

    fn registry() -> (tempfile::TempDir, Roots) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("registry");
        for name in ["p/a/v/d", "p/a/v/e/m", "p/a/..tmp-1", "p/100%", "p/a b", "p/%zz"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        for name in ["p/a/v/f.txt", "p/a/v/d/<g>", "p/a/..LOCK", "p/a/..tmp-1/x", "p/a/v/f"] {
            fs::write(root.join(name), "").unwrap();
        }
        system::new_link("..", root.join("p/a/v/up")).unwrap();
        fs::create_dir(folder.path().join("outside")).unwrap();
        fs::create_dir(folder.path().join("outside/in")).unwrap();
        system::new_link("../../outside", root.join("p/out")).unwrap();
        let roots = Roots::new(Layout::new(root), Vec::new());
        (folder, roots)
    }

    fn listed(roots: &Roots, path: &str, is_recursive: bool) -> String {
        match list(roots, path.as_bytes(), is_recursive, &Job::default()) {
            Ok(text) => String::from_utf8(text).unwrap(),
            Err(failure) => format!("{} {}", failure.status(), failure.reason),
        }
    }

    #[test]
    fn listings_are_sorted_and_never_follow_links() {
        let (_folder, roots) = registry();
        assert_eq!(listed(&roots, "", false), r#"["p/"]"#);
        assert_eq!(listed(&roots, "./p/../p/a/", false), r#"["..LOCK","v/"]"#);
        assert_eq!(listed(&roots, "p/a/v", false), r#"["d/","e/","f","f.txt","up"]"#);
        assert_eq!(
            listed(&roots, "p/a", true),
            r#"["..LOCK","v/d/\u003cg\u003e","v/e/m/","v/f","v/f.txt","v/up"]"#
        );
        assert_eq!(listed(&roots, "p/a/v/e/m", true), "[]");
        assert_eq!(listed(&roots, "p/a/v/f.txt", true), "[]");
        assert_eq!(listed(&roots, "p/out", true), "[]");
        let alias = roots.registry().with_file_name("alias");
        system::new_link(roots.registry(), &alias).unwrap();
        let aliased = Roots::new(Layout::new(alias), Vec::new());
        assert_eq!(listed(&aliased, "", false), r#"["p/"]"#);
        assert_eq!(listed(&aliased, "p/a", false), r#"["..LOCK","v/"]"#);
        assert!(listed(&roots, "p/out/in", true).starts_with("500 "));
    }

    #[test]
    fn paths_may_be_encoded_twice() {
        let (_folder, roots) = registry();
        assert_eq!(listed(&roots, "p%2Fa", false), r#"["..LOCK","v/"]"#);
        assert_eq!(listed(&roots, "p/a+b", false), "[]");
        assert_eq!(listed(&roots, "p/a%20b", false), "[]");
        assert_eq!(listed(&roots, "p/100%", false), "[]");
        assert_eq!(listed(&roots, "p/%zz", false), "[]");
        assert_eq!(listed(&roots, "%zz", false), "400 invalid 'path'; invalid URL escape \"%zz\"");
        assert_eq!(listed(&roots, "%", false), "400 invalid 'path'; invalid URL escape \"%\"");
    }

    #[test]
    fn paths_outside_are_refused() {
        let (_folder, roots) = registry();
        for path in ["../", "/etc", "p/../../x", "..%2F", "%2Fetc", "p\0"] {
            assert_eq!(listed(&roots, path, false), "400 'path' is not local to the registry");
        }
        let missing = format!(
            "500 failed to obtain a directory listing; lstat {}/zz: no such file or directory",
            roots.registry().display()
        );
        assert_eq!(listed(&roots, "zz", false), missing);
    }
}
