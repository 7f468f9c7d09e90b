//! What the path of a URL means by its text alone, before any file system is asked.

use std::borrow::Cow;

use crate::relpath::clean;

/// The form of a URL path that a service answers: cleaned, a slash at its end kept.
pub(super) fn clean_url(path: &str) -> Cow<'_, str> {
    // Only what has neither is certainly clean.
    if path.starts_with('/') && !path.contains("//") && !path.contains("/.") {
        return path.into();
    }
    let rooted = format!("/{path}");
    let mut cleaned = String::from_utf8(clean(rooted.as_bytes()))
        .expect("cleaning removes whole components of a text");
    if path.ends_with('/') && cleaned != "/" {
        cleaned.push('/');
    }
    cleaned.into()
}

/// True for a relative path that stays inside the folder it is relative to.
pub(super) fn is_local(path: &[u8]) -> bool {
    let cleaned = clean(path);
    !cleaned.starts_with(b"/")
        && cleaned != b".."
        && !cleaned.starts_with(b"../")
        && !cleaned.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_paths_keep_their_last_slash() {
        for (path, cleaned) in [
            ("/", "/"),
            ("/a/", "/a/"),
            ("/a//b", "/a/b"),
            ("//a/../b/", "/b/"),
            ("/a/.", "/a"),
            ("/fetch/../../etc/passwd", "/etc/passwd"),
            ("/..", "/"),
        ] {
            assert_eq!(clean_url(path), cleaned, "{path:?}");
        }
    }

    #[test]
    fn local_paths_stay_inside() {
        for path in ["", ".", "a", "a/../b", "..a", "a/", "./a"] {
            assert!(is_local(path.as_bytes()), "{path:?}");
        }
        for path in ["/", "/a", "..", "../", "a/../..", "a/../../x", "a\0"] {
            assert!(!is_local(path.as_bytes()), "{path:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn cleaning_twice_changes_nothing(path in "[./a]{0,12}") {
            let once = clean(path.as_bytes());
            assert_eq!(clean(&once), once);
        }
    }
}
