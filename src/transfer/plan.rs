//! What must move, and what it must be when it arrives.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::digest::{self, Seen};
use crate::error::IoContext;
use crate::http::Document;
use crate::http::url::quote_path;
use crate::job::Job;
use crate::relpath::RelPath;
use crate::{Error, Result};

/// Files up to this size are collected in memory and written at once.
pub(super) const SMALL_BYTES: u64 = 64 * 1024;
/// Small files that have been received and are not placed yet, at most.
pub(super) const FINISHING: usize = 64;
/// Mode of new files, less the umask.
pub(super) const FILE_MODE: u32 = 0o666;

/// What is known of the content of a file before it comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected {
    /// Size in bytes.
    pub size: u64,
    /// MD5 digest in hexadecimal digits.
    pub md5: String,
}

impl Expected {
    /// Fails with [`Error::Digest`] unless `seen` is the content expected of `path`.
    pub(crate) fn check(&self, seen: &Seen, path: &str) -> Result<()> {
        let digest = seen.md5.to_string();
        let (what, expected, actual) = if seen.size != self.size {
            ("size", self.size.to_string(), seen.size.to_string())
        } else if !digest.eq_ignore_ascii_case(&self.md5) {
            ("MD5 checksum", self.md5.clone(), digest)
        } else {
            return Ok(());
        };
        Err(Error::Digest { path: path.to_owned(), what, expected, actual })
    }
}

/// Which of these files differ from what is expected of them. What has another size is not read.
pub(crate) fn differing(files: &[(&Path, &Expected)], job: &Job) -> Result<Vec<bool>> {
    let has_size = |file: &Path, size| fs::metadata(file).is_ok_and(|meta| meta.len() == size);
    let mut differ = vec![true; files.len()];
    let read: Vec<usize> =
        (0..files.len()).filter(|at| has_size(files[*at].0, files[*at].1.size)).collect();
    let places: Vec<&Path> = read.iter().map(|at| files[*at].0).collect();
    for (at, seen) in read.into_iter().zip(digest::of_files(&places, job)?) {
        differ[at] = files[at].1.check(&seen?, "").is_err();
    }
    for ((file, _), _) in files.iter().zip(&differ).filter(|(_, differs)| **differs) {
        log::warn!(target: "selenite.cache", "{} differs from its manifest", file.display());
    }
    Ok(differ)
}

/// The form of content that comes without a digest: a login page must not be taken for it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    /// Any content.
    Any,
    /// What such a check accepts as a whole.
    Document(fn(&Document) -> Result<()>),
    /// A database of `SQLite`.
    Database,
}

impl Form {
    /// Bytes that tell the form and make a message; a document has to be whole.
    pub(crate) const HEAD_BYTES: usize = 512;
    /// How each database of `SQLite` begins.
    const SQLITE: &[u8] = b"SQLite format 3\0";

    /// True for what has to be whole to be checked.
    pub(crate) fn is_document(self) -> bool {
        matches!(self, Self::Document(_))
    }

    /// Fails unless content is of this form.
    pub(crate) fn check(self, content: &Document) -> Result<()> {
        match self {
            Self::Document(check) => check(content),
            Self::Database if !content.body.starts_with(Self::SQLITE) => Err(Error::Form {
                origin: content.url.clone(),
                form: "SQLite database",
                start: content.beginning(),
            }),
            Self::Any | Self::Database => Ok(()),
        }
    }
}

/// One file to download.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// Where from.
    pub url: reqwest::Url,
    /// Its name in messages.
    pub name: String,
    /// Where to. What is there is replaced once the new content is whole.
    pub target: PathBuf,
    /// What it must be, if that is known.
    pub expected: Option<Expected>,
    /// What it must look like to be kept.
    pub form: Form,
}

impl Item {
    /// Its size, if that is known.
    pub(super) fn size(&self) -> Option<u64> {
        Some(self.expected.as_ref()?.size)
    }
}

/// The URL of `path` below `base`.
pub(crate) fn below(base: &reqwest::Url, path: &RelPath) -> reqwest::Url {
    let mut url = base.clone();
    let prefix = base.path().trim_end_matches('/');
    url.set_path(&format!("{prefix}/{}", quote_path(path.as_str())));
    url
}

/// Plans to download files below `base` to the same paths below `destination`, where it makes the
/// folders that they need.
pub(crate) fn items(
    base: &reqwest::Url,
    files: Vec<(RelPath, Option<Expected>)>,
    destination: &Path,
) -> Result<Vec<Item>> {
    let mut items = Vec::with_capacity(files.len());
    let mut folders = BTreeSet::from([destination.to_owned()]);
    for (path, expected) in files {
        let url = below(base, &path);
        let target = path.under(destination);
        folders.extend(target.parent().map(Path::to_owned));
        items.push(Item { url, name: path.to_string(), target, expected, form: Form::Any });
    }
    for folder in folders {
        fs::create_dir_all(&folder).at(&folder)?;
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Hasher;
    use crate::http::Object;

    #[test]
    fn size_and_digest_must_both_match() {
        let mut hasher = Hasher::default();
        hasher.update(b"abc");
        let seen = hasher.finish();
        let expected = |size, md5: &str| Expected { size, md5: md5.into() }.check(&seen, "f");
        assert!(expected(3, "900150983CD24FB0D6963F7D28E17F72").is_ok());
        for (size, md5, wrong) in
            [(4, "900150983cd24fb0d6963f7d28e17f72", "size"), (3, "00", "MD5 checksum")]
        {
            let error = expected(size, md5).unwrap_err();
            assert!(matches!(error, Error::Digest { what, .. } if what == wrong), "{error}");
        }
    }

    #[test]
    fn files_of_another_size_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let abc = Expected { size: 3, md5: "900150983cd24fb0d6963f7d28e17f72".into() };
        let write = |name: &str, size: u64| {
            let file = folder.path().join(name);
            fs::write(&file, "abc").unwrap();
            fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(size).unwrap();
            file
        };
        // The large one would take hours.
        let files =
            [write("same", 3), write("short", 2), write("huge", 8 << 40), folder.path().join("no")];
        let pairs = files.each_ref().map(|file| (file.as_path(), &abc));
        let job = Job::default();
        assert_eq!(differing(&pairs, &job).unwrap(), [false, true, true, true]);
        fs::write(&files[0], "abd").unwrap();
        assert_eq!(differing(&pairs[..1], &job).unwrap(), [true]);
        assert_eq!(job.progress().bytes_done, 6);
    }

    #[test]
    fn content_has_a_form() {
        let check = |form: Form, content: &[u8]| {
            form.check(&Document::of_file("http://host/f", content.to_owned()))
        };
        let object = Form::Document(Document::check::<Object>);
        let is = |form, content: &[u8]| check(form, content).is_ok();
        let page = b"<html>Please log in</html>";
        let seen = [Form::Any, object, Form::Database].map(|form| is(form, page));
        assert_eq!(seen, [true, false, false]);
        for (content, is_object) in [
            (&b"{\"a\": [1]}"[..], true),
            (b"", false),
            (b"{\"a\": 1", false),
            (b"\"log in\"", false),
            (b"[]", false),
            (b"null", false),
            (b"\x1f\x8b\x08", false),
        ] {
            assert_eq!(is(object, content), is_object, "{content:?}");
        }
        assert!(is(Form::Database, b"SQLite format 3\0\x10\0"));
        for content in [&b""[..], b"SQLite format 3", b"\x1f\x8b\x08"] {
            assert!(!is(Form::Database, content));
        }
        let text = check(Form::Database, page).unwrap_err().to_string();
        let expected = "`http://host/f` is no SQLite database: it begins with ";
        assert_eq!(text, format!("{expected}\"<html>Please log in</html>\""));
    }

    #[test]
    fn names_are_quoted_and_folders_made() {
        let root = tempfile::tempdir().unwrap();
        let base = crate::http::url::parse("http://host/fetch/").unwrap();
        let path = RelPath::parse("a b/c/d#%41").unwrap();
        let planned = items(&base, vec![(path, None)], &root.path().join("new")).unwrap();
        assert_eq!(planned[0].url.as_str(), "http://host/fetch/a%20b/c/d%23%2541");
        assert_eq!(planned[0].target, root.path().join("new/a b/c/d#%41"));
        assert!(root.path().join("new/a b/c").is_dir());
    }

    #[test]
    fn only_documents_are_whole_before_they_are_checked() {
        let object = Form::Document(Document::check::<Object>);
        let found = [Form::Any, object, Form::Database].map(Form::is_document);
        assert_eq!(found, [false, true, false]);
    }

    #[test]
    fn what_is_expected_goes_with_each_file() {
        let root = tempfile::tempdir().unwrap();
        for (base, url) in [
            ("http://host", "http://host/d/f"),
            ("http://host/", "http://host/d/f"),
            ("http://host/x//", "http://host/x/d/f"),
        ] {
            let base = crate::http::url::parse(base).unwrap();
            let files = [Some(7), None].map(|size| {
                let expected = size.map(|size| Expected { size, md5: "00".into() });
                (RelPath::parse("d/f").unwrap(), expected)
            });
            let planned = items(&base, files.into(), root.path()).unwrap();
            assert_eq!(planned[0].url.as_str(), url);
            assert_eq!((planned[0].name.as_str(), planned.len()), ("d/f", 2));
            assert_eq!([planned[0].size(), planned[1].size()], [Some(7), None]);
        }
    }
}
