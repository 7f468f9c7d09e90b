//! Requests for changes: a file in the staging directory, whose name is posted to the service.

use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use rand::RngExt;
use rand::distr::Alphanumeric;
use serde::Serialize as _;
use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};

use super::remote::Remote;
use crate::error::IoContext;
use crate::error::tell;
use crate::fs::atomic;
use crate::http::Document;
use crate::job::Job;
use crate::system;
use crate::{Error, Result, runtime};

const RANDOM_LETTERS: usize = 12;
/// Mode of request files, less the umask: their owner is who asks, so nobody else may write to them.
/// Access lists of the staging directory apply.
const FILE_MODE: u32 = 0o644;
/// Mode of directories for uploads, less the umask, for the same reason.
const FOLDER_MODE: u32 = 0o755;

/// Asks the service at `url` to run `action`, and returns its answer.
///
/// The request file is gone when this returns, whatever happened.
pub fn send_request(
    staging: &Path,
    url: &str,
    action: &str,
    payload: &Value,
    job: &Job,
) -> Result<Document> {
    let runtime = runtime::current()?;
    let remote = Remote::new(url, &runtime)?;
    let file = RequestFile::create(staging, action, payload)?;
    runtime.block_on(remote.run(&file.name, job))
}

/// Makes a directory with a new name in `staging`; with `is_kept` false only the name is wanted.
pub fn allocate_upload_directory(staging: &Path, is_kept: bool) -> Result<PathBuf> {
    let (_, path) = claim(staging, "upload-", |path| system::new_folder(path, FOLDER_MODE))?;
    if !is_kept {
        atomic::remove_tree(&path)?;
    }
    Ok(path)
}

/// A request file that is removed when dropped.
#[derive(Debug)]
pub(super) struct RequestFile {
    pub(super) name: String,
    path: PathBuf,
}

impl RequestFile {
    pub(super) fn create(staging: &Path, action: &str, payload: &Value) -> Result<Self> {
        if action.is_empty() || action.contains(['/', '\0']) {
            return Err(Error::invalid("action", action, "expected the name of an action"));
        }
        // Everybody may post the name of a request: there is none before it is written.
        let mut file = None;
        let (name, path) = claim(staging, atomic::STAGE_PREFIX, |path| {
            file = Some(system::new_file(path, FILE_MODE)?);
            Ok(())
        })?;
        let unfinished = Self { name, path };
        let mut file = file.expect("the name was claimed by opening the file");
        let text = pretty_ascii(&with_action(payload, action));
        file.write_all(text.as_bytes()).at(&unfinished.path)?;
        system::close(file).at(&unfinished.path)?;
        let (name, path) = claim(staging, &format!("request-{action}-"), |path| {
            atomic::rename_new(&unfinished.path, path)
        })?;
        Ok(Self { name, path })
    }
}

impl Drop for RequestFile {
    fn drop(&mut self) {
        // The service's answer matters more than a file that its purge takes away in time.
        tell("selenite.transfer", "cannot remove a request", atomic::remove_file(&self.path));
    }
}

/// The payload with the action, so that the file means nothing else under another name.
fn with_action(payload: &Value, action: &str) -> Value {
    let mut payload = payload.clone();
    if let Value::Object(members) = &mut payload {
        members.entry("action").or_insert_with(|| action.into());
    }
    payload
}

/// Makes something under a name in `staging` that nobody has, trying others if it is taken.
fn claim(
    staging: &Path,
    prefix: &str,
    mut make: impl FnMut(&Path) -> std::io::Result<()>,
) -> Result<(String, PathBuf)> {
    loop {
        let letters = rand::rng().sample_iter(Alphanumeric).take(RANDOM_LETTERS);
        let name: String = prefix.chars().chain(letters.map(char::from)).collect();
        let path = staging.join(&name);
        match make(&path) {
            Ok(()) => return Ok((name, path)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(error).at(staging),
            Err(error) => return Err(error).at(path),
        }
    }
}

/// Four blanks, everything outside of ASCII escaped.
fn pretty_ascii(value: &Value) -> String {
    let mut text = Vec::new();
    value
        .serialize(&mut Serializer::with_formatter(
            &mut text,
            PrettyFormatter::with_indent(b"    "),
        ))
        .expect("a JSON value can be written to memory");
    let text = String::from_utf8(text).expect("JSON is written as UTF-8");
    let mut ascii = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter < '\u{7f}' {
            ascii.push(letter);
        } else {
            // Only strings hold such characters.
            for unit in letter.encode_utf16(&mut [0; 2]) {
                let _ = write!(ascii, "\\u{unit:04x}"); // writing to a String cannot fail
            }
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_written_as_python_writes_them() {
        let value = serde_json::json!({"b": "é😀\u{7f}\n\"", "a": [], "c": {}, "d": [1, null]});
        assert_eq!(
            pretty_ascii(&value),
            "{\n    \"b\": \"\\u00e9\\ud83d\\ude00\\u007f\\n\\\"\",\n    \"a\": [],\n    \"c\": {},\n    \
             \"d\": [\n        1,\n        null\n    ]\n}"
        );
    }

    #[test]
    fn a_request_file_can_be_read_by_others_and_goes_away() {
        let staging = tempfile::tempdir().unwrap();
        let request = RequestFile::create(staging.path(), "upload", &Value::Null).unwrap();
        assert!(request.name.starts_with("request-upload-"));
        let path = staging.path().join(&request.name);
        let mode = system::mode_of(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode, 0o644 & !system::testing::umask());
        drop(request);
        assert!(!path.exists());
    }

    #[test]
    fn a_request_file_goes_away_when_the_service_does_not_answer() {
        let staging = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url = format!("http://127.0.0.1:{port}");
        let sent = send_request(staging.path(), &url, "x", &Value::Null, &Job::default());
        assert!(matches!(sent, Err(Error::Transport { .. })));
        assert!(std::fs::read_dir(staging.path()).unwrap().next().is_none());
    }

    #[test]
    fn names_for_uploads_are_new() {
        let staging = tempfile::tempdir().unwrap();
        let kept = allocate_upload_directory(staging.path(), true).unwrap();
        let gone = allocate_upload_directory(staging.path(), false).unwrap();
        assert!(kept.is_dir() && !gone.exists() && kept != gone);
        let error = allocate_upload_directory(Path::new("/no/such"), true).unwrap_err();
        assert_eq!(error.io_kind(), Some(ErrorKind::NotFound));
    }
}
