//! What a slash-separated path means by its text alone, before any file system is asked.

/// The shortest path with the same meaning: no empty or `.` components, each `..` resolved.
///
/// A path of nothing becomes `.`; a `..` that leads above `/` is dropped.
pub(crate) fn clean(path: &[u8]) -> Vec<u8> {
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

/// The form of a URL path that a service answers: cleaned, a slash at its end kept.
pub(crate) fn clean_url(path: &str) -> String {
    let rooted = format!("/{path}");
    let mut cleaned = String::from_utf8(clean(rooted.as_bytes()))
        .expect("cleaning removes whole components of a text");
    if path.ends_with('/') && cleaned != "/" {
        cleaned.push('/');
    }
    cleaned
}

/// True for a relative path that stays inside the folder it is relative to.
pub(crate) fn is_local(path: &[u8]) -> bool {
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
