//! Names that some file systems take for one: those of macOS and Windows, and some of Linux, do not
//! tell `a` from `A`, nor two ways to write `ä`.
//!
//! 1. Of a listing that is to be written below a folder, no two names may become one there.
//! 2. A file that is there already must have the name that it is asked for by, not a similar one.
//!
//! Both cost next to nothing where all names differ by more than that.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{self, File};
use std::path::Path;

use icu_normalizer::DecomposingNormalizerBorrowed;

use crate::error::IoContext;
use crate::relpath::RelPath;
use crate::{Error, Result};

/// What all spellings of a name have in common that any file system takes for one.
fn folded(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    // By way of capitals, of which there are fewer: `ß` is `SS`.
    let lower = decomposed(name).to_uppercase().to_lowercase();
    decomposed(&lower).into_owned()
}

/// A name with each accent as a letter of its own.
fn decomposed(name: &str) -> Cow<'_, str> {
    DecomposingNormalizerBorrowed::new_nfd().normalize(name)
}

/// Fails if two of `names`, files or folders of one listing, would be one below `folder`, which need
/// not be there yet.
pub(crate) fn refuse_equal<'n>(
    folder: &Path,
    names: impl IntoIterator<Item = &'n str>,
) -> Result<()> {
    refuse(folder, names, are_one)
}

fn refuse<'n>(
    folder: &Path,
    names: impl IntoIterator<Item = &'n str>,
    are_one: impl Fn(&Path, &str, &str) -> bool,
) -> Result<()> {
    let mut seen: HashMap<String, &str> = HashMap::new();
    let mut tells_case = false;
    let mut parent = "";
    for name in names {
        let name = name.strip_suffix('/').unwrap_or(name);
        // Folders come along with what is in them; consecutive names are mostly in the same one.
        let mut ends: Vec<usize> = Vec::new();
        if let Some((folder, _)) = name.rsplit_once('/')
            && folder != parent
        {
            ends.extend(folder.match_indices('/').map(|(end, _)| end).chain([folder.len()]));
            parent = folder;
        }
        ends.push(name.len());
        for end in ends {
            let path = &name[..end];
            let other = *seen.entry(folded(path)).or_insert(path);
            // Of letters without accents, one attempt tells about all.
            let is_ascii = path.is_ascii() && other.is_ascii();
            if other == path || tells_case && is_ascii {
                continue;
            }
            if are_one(folder, other, path) {
                let (path, other) = (path.to_owned(), other.to_owned());
                return Err(Error::SameFile { path, other, folder: folder.to_owned() });
            }
            tells_case |= is_ascii;
        }
    }
    Ok(())
}

/// Tries whether two paths that differ in spelling alone are one below `folder`. Where nothing can be
/// made, nothing will be replaced.
fn are_one(folder: &Path, one: &str, other: &str) -> bool {
    let mut components = one.split('/').zip(other.split('/'));
    let Some((one, other)) = components.find(|(one, other)| one != other) else { return false };
    // What is made in a folder is of its kind.
    let there = folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
    tempfile::Builder::new().prefix(".selenite-").tempdir_in(there).is_ok_and(|probe| {
        File::create(probe.path().join(one)).is_ok() && probe.path().join(other).exists()
    })
}

/// Fails if what `path` leads to below `root` is there under a name that differs in case.
///
/// Costs one look at the file system; where that does not tell case, a listing of each folder.
pub(crate) fn refuse_other(root: &Path, path: &RelPath) -> Result<()> {
    let Cow::Owned(swapped) = swapped(path.as_str()) else { return Ok(()) };
    // Where case matters, nothing is called that. (Numbers of inodes are no help: file systems in
    // user space give each spelling its own.)
    if !root.join(swapped).exists() || !path.under(root).exists() {
        return Ok(());
    }
    let mut folder = root.to_owned();
    let mut known = String::new();
    for component in path.components() {
        let mut similar = None;
        for entry in fs::read_dir(&folder).at(&folder)? {
            let name = entry.at(&folder)?.file_name();
            let Some(name) = name.to_str() else { continue };
            // Some write letters in a form of their own.
            if name == component || decomposed(name) == decomposed(component) {
                similar = None;
                break;
            }
            if folded(name) == folded(component) {
                similar = Some(name.to_owned());
            }
        }
        if let Some(name) = similar {
            let (path, other) = (format!("{known}{component}"), format!("{known}{name}"));
            return Err(Error::SameFile { path, other, folder: root.to_owned() });
        }
        folder.push(component);
        known.push_str(component);
        known.push('/');
    }
    Ok(())
}

/// A path with small letters for capital ones and the other way round; borrowed if it has none.
fn swapped(path: &str) -> Cow<'_, str> {
    let swap = |letter: char| match letter {
        letter if letter.is_ascii_lowercase() => letter.to_ascii_uppercase(),
        letter => letter.to_ascii_lowercase(),
    };
    if path.contains(|letter: char| letter.is_ascii_alphabetic()) {
        Cow::Owned(path.chars().map(swap).collect())
    } else {
        Cow::Borrowed(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(names: &[&str], folds: bool) -> Option<(String, String)> {
        let there = |_: &Path, _: &str, _: &str| folds;
        match refuse(Path::new("x"), names.iter().copied(), there) {
            Err(Error::SameFile { path, other, .. }) => Some((path, other)),
            other => other.map(|()| None).unwrap(),
        }
    }

    #[test]
    fn names_that_differ_in_case_or_form_alone_are_refused_where_they_are_one() {
        for (names, expected) in [
            (&["a", "b", "A"][..], Some(("A", "a"))),
            (&["d/x", "D/y"], Some(("D", "d"))),
            (&["a/b/c/x", "a/B/c/y"], Some(("a/B", "a/b"))),
            (&["d/x", "D/"], Some(("D", "d"))),
            (&["d/", "D"], Some(("D", "d"))),
            (&["d/x", "e/X", "d/X"], Some(("d/X", "d/x"))),
            (&["Ärger", "ärger"], Some(("ärger", "Ärger"))),
            (&["\u{e4}", "a\u{308}"], Some(("a\u{308}", "\u{e4}"))),
            (&["straße", "STRASSE"], Some(("STRASSE", "straße"))),
            (&["a", "a/", "a"], None),
            (&["d/x", "d/y", "e/x", "x"], None),
            (&["a-b", "a_b", "ab"], None),
        ] {
            let expected = expected.map(|(path, other)| (path.to_owned(), other.to_owned()));
            assert_eq!(refused(names, true), expected, "{names:?}");
            assert_eq!(refused(names, false), None, "{names:?}");
        }
    }

    #[test]
    fn it_is_the_file_system_that_decides() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("here"), "").unwrap();
        let folds = folder.path().join("HERE").exists();
        let new = folder.path().join("new/folder");
        assert_eq!(refuse_equal(&new, ["a/b", "a/B"]).is_err(), folds);
        assert_eq!(are_one(&new, "a/b", "a/B"), folds);
        assert!(!are_one(&new, "a/b", "a/b"));
        // Nothing is left of the attempts.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_is_refused_only_if_it_has_another_name() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let check = |path: &str| refuse_other(root, &RelPath::parse(path).unwrap());
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/b/c"), "").unwrap();
        for path in ["a/b/c", "a/b/none", "1/2"] {
            check(path).unwrap();
        }
        if root.join("A").exists() {
            let error = check("a/B/c").unwrap_err();
            assert!(
                matches!(error, Error::SameFile { path, other, .. } if path == "a/B" && other == "a/b")
            );
            return;
        }
        // Two names of one file are as if there were no difference.
        crate::system::new_link("a", root.join("A")).unwrap();
        crate::system::new_link("b", root.join("a/B")).unwrap();
        fs::hard_link(root.join("a/b/c"), root.join("a/b/C")).unwrap();
        for path in ["a/b/c", "A/B/C"] {
            check(path).unwrap();
        }
    }
}
