//! The files of an upload as a client asks for them, checked one by one.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use crate::registry::bucket::store::Limits;
use crate::registry::failure::Failure;
use crate::registry::format::model::Link;

/// Longest name in bytes that file systems can hold.
const MAX_COMPONENT_BYTES: usize = 255;
/// Longest path in bytes, so that the whole key is one that any store can hold.
const MAX_PATH_BYTES: usize = 1024;
/// Largest size in bytes: larger numbers are not exact in JSON.
const MAX_SIZE: f64 = 9_007_199_254_740_991.0;

/// One file of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) content: Content,
}

/// Where the content of a file comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// From the client, unless `dedup` and the latest version has it.
    Stored { size: u64, md5sum: String, dedup: bool },
    /// From a file of another version.
    Link(Link),
}

fn fault(reason: &str) -> Failure {
    Failure::invalid(reason)
}

/// Parses `files` of a request.
pub(super) fn parse(files: Option<&Value>, limits: Limits) -> Result<Vec<File>, Failure> {
    let files = files
        .and_then(Value::as_array)
        .ok_or_else(|| fault("expected the 'files' property to be an array"))?;
    let mut seen = HashSet::with_capacity(files.len());
    let mut parsed = Vec::with_capacity(files.len());
    for file in files {
        let file =
            file.as_object().ok_or_else(|| fault("'files' should be an array of objects"))?;
        let path = path_of(file)?;
        if limits.forbids_control && path.chars().any(char::is_control) {
            return Err(fault("'files.path' cannot contain control characters"));
        }
        if !seen.insert(path) {
            return Err(Failure::invalid(format!("duplicated value '{path}' in 'files.path'")));
        }
        let content = content_of(file)?;
        parsed.push(File { path: path.to_owned(), content });
    }
    check_together(&parsed, &seen, limits.ignores_case)?;
    Ok(parsed)
}

fn path_of(file: &Map<String, Value>) -> Result<&str, Failure> {
    let path = file
        .get("path")
        .and_then(Value::as_str)
        .ok_or_else(|| fault("'files.path' should be a string"))?;
    let reason = if path.is_empty() {
        "'files.path' cannot be empty"
    } else if path.starts_with("..") || path.contains("/..") {
        "components of 'files.path' cannot start with '..'"
    } else if path.starts_with('/') || path.ends_with('/') {
        "'files.path' cannot start or end with '/'"
    } else if path.contains("//") {
        "'files.path' cannot contain repeated '/'"
    } else if path.contains('\\') {
        "'files.path' cannot contain '\\'"
    } else if path.contains('\0') {
        "'files.path' cannot contain NUL characters"
    } else if path.split('/').any(|component| component == ".") {
        "components of 'files.path' cannot be '.'"
    } else if path.split('/').any(|component| component.len() > MAX_COMPONENT_BYTES) {
        "components of 'files.path' cannot be longer than 255 bytes"
    } else if path.len() > MAX_PATH_BYTES {
        "'files.path' cannot be longer than 1024 bytes"
    } else {
        return Ok(path);
    };
    Err(fault(reason))
}

fn content_of(file: &Map<String, Value>) -> Result<Content, Failure> {
    let kind = file
        .get("type")
        .and_then(Value::as_str)
        .ok_or_else(|| fault("'files.type' should be a string"))?;
    let dedup = match kind {
        "link" => return link_of(file).map(Content::Link),
        "simple" => false,
        "dedup" => true,
        _ => return Err(fault("invalid 'files.type'")),
    };
    let md5sum = file
        .get("md5sum")
        .and_then(Value::as_str)
        .ok_or_else(|| fault("'files.md5sum' should be a string"))?;
    let size = file
        .get("size")
        .and_then(whole)
        .ok_or_else(|| fault("'files.size' should be a non-negative integer"))?;
    if md5sum.len() != 32 || !md5sum.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(fault("'files.md5sum' should be a 32-digit hexadecimal string"));
    }
    Ok(Content::Stored { size, md5sum: md5sum.to_ascii_lowercase(), dedup })
}

/// A number that is whole, however it is written.
fn whole(value: &Value) -> Option<u64> {
    let value = value.as_f64().filter(|value| (0.0..=MAX_SIZE).contains(value))?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    (value.fract() == 0.0).then_some(value as u64)
}

fn link_of(file: &Map<String, Value>) -> Result<Link, Failure> {
    let link = file
        .get("link")
        .and_then(Value::as_object)
        .ok_or_else(|| fault("'files.link' should be an object"))?;
    let text = |key: &str| {
        link.get(key)
            .and_then(Value::as_str)
            .map(str::to_owned)
            .ok_or_else(|| Failure::invalid(format!("'files.link.{key}' should be a string")))
    };
    Ok(Link {
        project: text("project")?,
        asset: text("asset")?,
        version: text("version")?,
        path: text("path")?,
        ancestor: None,
    })
}

/// Refuses paths that cannot all be in one directory.
fn check_together(
    files: &[File],
    paths: &HashSet<&str>,
    ignores_case: bool,
) -> Result<(), Failure> {
    let mut folded = HashMap::new();
    for File { path, .. } in files {
        let mut folders = path.match_indices('/').map(|(at, _)| &path[..at]);
        if let Some(folder) = folders.find(|folder| paths.contains(folder)) {
            return Err(Failure::invalid(format!(
                "'files.path' cannot be both a file and a directory, as '{folder}' is"
            )));
        }
        if ignores_case {
            let known = folded.insert(path.to_lowercase(), path);
            if let Some(known) = known {
                return Err(Failure::invalid(format!(
                    "'files.path' has '{known}' and '{path}', which this file system cannot tell apart"
                )));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reason(files: &Value) -> String {
        parse(Some(files), Limits::default())
            .map_or_else(|failure| failure.reason, |_| String::new())
    }

    fn simple(path: &str) -> Value {
        json!({"type": "simple", "path": path, "size": 0, "md5sum": "d41d8cd98f00b204e9800998ecf8427e"})
    }

    #[test]
    fn each_bad_path_has_its_reason() {
        for (path, part) in [
            ("", "empty"),
            ("../x", "'..'"),
            ("a/..b", "'..'"),
            ("/a", "start or end"),
            ("a/", "start or end"),
            ("a//b", "repeated"),
            ("a\\b", "'\\'"),
            ("a\0", "NUL"),
            ("./a", "'.'"),
            (&"x".repeat(256), "255"),
            ("x/".repeat(600).trim_end_matches('/'), "1024"),
        ] {
            assert!(reason(&json!([simple(path)])).contains(part), "{path:?}");
        }
        for path in ["a", "a/b", ".a/b", "a..", "é 中\n?%", &"x".repeat(255)] {
            assert_eq!(reason(&json!([simple(path)])), "", "{path:?}");
        }
        assert!(reason(&json!([simple("a"), simple("a")])).contains("duplicated"));
    }

    #[test]
    fn a_path_is_a_file_or_a_directory() {
        assert!(reason(&json!([simple("a/b/c"), simple("a/b")])).contains("'a/b'"));
        assert!(reason(&json!([simple("a"), simple("a/b")])).contains("'a'"));
        assert_eq!(reason(&json!([simple("a/b"), simple("a/bc"), simple("ab")])), "");
    }

    #[test]
    fn names_that_differ_in_case_collide_where_they_are_the_same() {
        let files = json!([simple("a/B"), simple("A/b")]);
        let limits = Limits { ignores_case: true, ..Limits::default() };
        assert!(parse(Some(&files), limits).unwrap_err().reason.contains("tell apart"));
        assert_eq!(reason(&files), "");
    }

    #[test]
    fn sizes_and_digests_are_checked() {
        let file = |size: Value, md5sum: &str| json!([{"type": "dedup", "path": "a", "size": size, "md5sum": md5sum}]);
        let digest = "D41D8CD98F00B204E9800998ECF8427E";
        for size in [json!(-1), json!(0.5), json!("1"), json!(null), json!(1e300)] {
            assert!(reason(&file(size.clone(), digest)).contains("non-negative integer"), "{size}");
        }
        for md5sum in ["", "xyz", &"g".repeat(32), &"0".repeat(33)] {
            assert!(reason(&file(json!(1), md5sum)).contains("32-digit"), "{md5sum}");
        }
        let content =
            &parse(Some(&file(json!(1.0), digest)), Limits::default()).unwrap()[0].content;
        let md5sum = digest.to_lowercase();
        assert_eq!(*content, Content::Stored { size: 1, md5sum, dedup: true });
    }
}
