//! Relative paths that are proved to stay inside their root.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::{Error, Result, system};

/// A `/`-separated path of at least one component, none of which is empty, `.`, `..` or holds NUL.
///
/// Joined to any root, it names something below that root (symbolic links aside).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelPath(String);

impl RelPath {
    /// Accepts a path or says which rule it breaks.
    pub fn parse(path: impl Into<String>) -> Result<Self> {
        let path = path.into();
        Self::check(&path).map(|()| Self(path))
    }

    /// Fails for a path that is none.
    pub fn check(path: &str) -> Result<()> {
        match Self::fault(path) {
            None => Ok(()),
            Some(why) => Err(Error::UnsafePath { path: path.to_owned(), why }),
        }
    }

    fn fault(path: &str) -> Option<&'static str> {
        if path.is_empty() {
            Some("it is empty")
        } else if path.starts_with('/') {
            Some("it is absolute; give a path relative to the registry")
        } else if path.contains('\0') {
            Some("it holds a NUL character")
        } else {
            path.split('/').find_map(|component| match component {
                "" => Some("it has an empty component"),
                "." => Some("it has a `.` component"),
                ".." => Some("it has a `..` component"),
                _ => None,
            })
        }
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components in order.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// This path below `root`.
    pub fn under(&self, root: &Path) -> PathBuf {
        root.join(&self.0)
    }

    /// The last component.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The shortest path that means the same by its text alone, links not looked at: no empty or `.` components, each `..` resolved.
///
/// A path of nothing becomes `.`; a `..` that leads above `/` is dropped.
pub fn clean(path: &[u8]) -> Vec<u8> {
    let is_rooted = path.starts_with(b"/");
    let mut kept: Vec<&[u8]> = Vec::new();
    for component in path.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." if kept.last().is_some_and(|last| *last != b"..") => {
                kept.pop();
            }
            b".." if is_rooted => {}
            other => kept.push(other),
        }
    }
    let text = kept.join(&b'/');
    match (is_rooted, text.is_empty()) {
        (true, _) => [b"/", text.as_slice()].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => text,
    }
}

/// [`clean`] for a path of the file system.
pub fn clean_path(path: &Path) -> PathBuf {
    system::into_text(clean(path.as_os_str().as_encoded_bytes())).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned() {
        for (path, cleaned) in [
            ("", "."),
            (".", "."),
            ("/", "/"),
            ("//a///b/", "/a/b"),
            ("a/./b/../c", "a/c"),
            ("a/..", "."),
            ("../../x", "../../x"),
            ("a/../../x", "../x"),
            ("/../a", "/a"),
            ("/a/../../..", "/"),
            ("..a/...", "..a/..."),
        ] {
            assert_eq!(String::from_utf8(clean(path.as_bytes())).unwrap(), cleaned, "{path:?}");
        }
    }

    #[test]
    fn paths_that_leave_their_root_are_refused() {
        for path in ["", "/a", "a//b", "a/", "./a", "a/./b", "..", "a/../b", "../a", "a\0b"] {
            assert!(RelPath::parse(path).is_err(), "{path:?}");
        }
        for path in ["a", "a/b", "..manifest", "a/..links", "...", "a b/é", "a\\b"] {
            assert_eq!(RelPath::parse(path).unwrap().as_str(), path);
        }
    }

    proptest::proptest! {
        #[test]
        fn an_accepted_path_stays_below_its_root(text in ".{0,40}") {
            if let Ok(path) = RelPath::parse(text) {
                let full = path.under(Path::new("/root"));
                let mut depth = 0;
                for component in full.components().skip(2) {
                    assert!(matches!(component, std::path::Component::Normal(_)));
                    depth += 1;
                }
                assert!(full.starts_with("/root") && depth >= 1);
            }
        }
    }

    #[test]
    fn a_path_has_parts() {
        for (text, parts, name) in
            [("a", vec!["a"], "a"), ("a/b c/..d", vec!["a", "b c", "..d"], "..d")]
        {
            let path = RelPath::parse(text).unwrap();
            assert_eq!(path.components().collect::<Vec<_>>(), parts);
            assert_eq!((path.file_name(), path.to_string().as_str()), (name, text));
            assert_eq!(path.under(Path::new("/r")), Path::new("/r").join(text));
        }
        assert_eq!(clean_path(Path::new("/a/./b/../c")), Path::new("/a/c"));
    }

    #[test]
    fn each_rule_says_what_is_wrong() {
        for (path, why) in [
            ("", "empty"),
            ("/a", "absolute"),
            ("a\0", "NUL"),
            ("a//b", "empty component"),
            ("a/./b", "`.` component"),
            ("a/../b", "`..` component"),
        ] {
            let error = RelPath::parse(path).unwrap_err();
            assert!(
                matches!(&error, Error::UnsafePath { path: given, why: said }
                    if given == path && said.contains(why)),
                "{error}"
            );
        }
    }
}
