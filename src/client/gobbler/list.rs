//! Listings of a registry, the same from its files and from its service.

use std::io::ErrorKind;

use super::remote::Remote;
use super::source::Source;
use crate::job::Job;
use crate::registry::format::layout::is_internal;
use crate::registry::read::{Registry, Tree};
use crate::relpath::RelPath;
use crate::{Error, Result, runtime};

/// Which files of a version to list.
#[derive(Debug, Clone)]
pub struct ListOptions {
    /// Only paths that begin with this text.
    pub prefix: Option<String>,
    /// Whether paths with an internal component are listed.
    pub include_internal: bool,
}

impl Default for ListOptions {
    fn default() -> Self {
        Self { prefix: None, include_internal: true }
    }
}

/// Names of the directories in `path`, sorted; `.` is the root of the registry.
pub fn list_directories(source: &Source, path: &str, job: &Job) -> Result<Vec<String>> {
    let path = if matches!(path, "" | ".") { None } else { Some(RelPath::parse(path)?) };
    let names = names(source, path.as_ref(), false, job)?;
    Ok(names.iter().filter_map(|name| Some(name.strip_suffix('/')?.to_owned())).collect())
}

/// Paths of the files below `version`, and of its empty directories with a final `/`, sorted.
///
/// Links count as files. A version that is not there has no files locally; a service answers with
/// an error.
pub fn list_files(
    source: &Source,
    version: &RelPath,
    options: &ListOptions,
    job: &Job,
) -> Result<Vec<String>> {
    // Only the directory part of the prefix can be asked for; the rest selects among the names.
    let (inner, start) = match options.prefix.as_deref() {
        None => (None, ""),
        Some(prefix) => match prefix.rsplit_once('/') {
            None => (None, prefix),
            Some((folder, start)) => (Some(RelPath::parse(folder)?), start),
        },
    };
    let folder = match &inner {
        None => version.clone(),
        Some(inner) => RelPath::parse(format!("{version}/{inner}"))?,
    };
    let names = match names(source, Some(&folder), true, job) {
        Err(Error::Io { source, .. })
            if matches!(source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
        {
            Vec::new()
        }
        other => other?,
    };
    let paths = names.into_iter().filter(|name| name.starts_with(start)).map(|name| match &inner {
        None => name,
        Some(inner) => format!("{inner}/{name}"),
    });
    let is_wanted = |path: &String| options.include_internal || !path.split('/').any(is_internal);
    Ok(paths.filter(is_wanted).collect())
}

fn names(
    source: &Source,
    folder: Option<&RelPath>,
    is_recursive: bool,
    job: &Job,
) -> Result<Vec<String>> {
    match source {
        Source::Local(registry) => Tree::new(registry).list(folder, is_recursive, job),
        Source::Remote(url) => {
            let runtime = runtime::current()?;
            // The service's own words about what is not there.
            runtime.block_on(Remote::new(url, &runtime)?.list(folder, is_recursive, job))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> (tempfile::TempDir, Source) {
        let registry = tempfile::tempdir().unwrap();
        let version = registry.path().join("p/a/v");
        std::fs::create_dir_all(version.join("sub/..hidden")).unwrap();
        std::fs::create_dir_all(version.join("empty/deep")).unwrap();
        for name in ["..manifest", "x", "sub/y", "sub/..links", "sub/..hidden/z", "subject"] {
            std::fs::write(version.join(name), "").unwrap();
        }
        crate::system::new_link("sub", version.join("link")).unwrap();
        let source = Source::Local(registry.path().to_owned());
        (registry, source)
    }

    fn list(source: &Source, prefix: Option<&str>, include_internal: bool) -> Vec<String> {
        let options = ListOptions { prefix: prefix.map(Into::into), include_internal };
        let version = RelPath::parse("p/a/v").unwrap();
        list_files(source, &version, &options, &Job::default()).unwrap()
    }

    #[test]
    fn empty_directories_and_links_are_listed() {
        let (_registry, source) = registry();
        assert_eq!(
            list(&source, None, true),
            [
                "..manifest",
                "empty/deep/",
                "link",
                "sub/..hidden/z",
                "sub/..links",
                "sub/y",
                "subject",
                "x"
            ]
        );
        assert_eq!(list(&source, None, false), ["empty/deep/", "link", "sub/y", "subject", "x"]);
    }

    #[test]
    fn a_prefix_is_a_directory_and_the_start_of_names() {
        let (_registry, source) = registry();
        assert_eq!(list(&source, Some("su"), false), ["sub/y", "subject"]);
        assert_eq!(list(&source, Some("sub/"), false), ["sub/y"]);
        assert_eq!(list(&source, Some("sub/y"), false), ["sub/y"]);
        assert_eq!(list(&source, Some("none/"), true), [""; 0]);
        assert_eq!(list(&source, Some(""), false).len(), 5);
        let options = ListOptions { prefix: Some("../v/".into()), ..ListOptions::default() };
        let version = RelPath::parse("p/a/v").unwrap();
        assert!(list_files(&source, &version, &options, &Job::default()).is_err());
    }

    #[test]
    fn directories_are_listed_by_name() {
        let (_registry, source) = registry();
        let list = |path: &str| list_directories(&source, path, &Job::default()).unwrap();
        assert_eq!(list("p/a"), ["v"]);
        assert_eq!([list("."), list("")], [["p"], ["p"]]);
    }
}
