//! What the caches of all clients do alike.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use serde::de::IgnoredAny;

use crate::error::IoContext;
use crate::fs::lock::{LockTable, Mode};
use crate::fs::owner::{make_folders, other_writer};
use crate::fs::{atomic, litter};
use crate::http::{Document, Object};
use crate::job::Job;
use crate::registry::format::layout::{
    LATEST, LINKS, MANIFEST, PERMISSIONS, QUOTA, SUMMARY, USAGE,
};
use crate::registry::format::model::{Links, Manifest, ManifestEntry};
use crate::runtime::PerProcess;
use crate::system::{self, Stat};
use crate::transfer::plan::{Expected, Form};
use crate::{Error, Result};

/// Modes of what only the user may read.
const PRIVATE_FILE: u32 = 0o600;
const PRIVATE_FOLDER: u32 = 0o700;
/// Another process may be busy with a large version.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

static LOCKS: PerProcess<LockTable> = PerProcess::empty();

/// The locks that processes of this user take on parts of a cache.
pub(super) fn locks() -> &'static LockTable {
    LOCKS.get(|| LockTable::new(PATIENCE))
}

/// Whose level and handlers records of caches have.
pub(super) const TARGET: &str = "selenite.cache";
/// Mode of cached files, less the umask.
const FILE_MODE: u32 = 0o666;

/// Makes a name for a file that exists; fails if that name is taken.
pub(super) type Link = fn(&Path, &Path) -> io::Result<()>;

/// A hard link.
pub(super) const HARD: Link = |original, name| fs::hard_link(original, name);

fn make_parent(path: &Path) -> Result<()> {
    path.parent().map_or(Ok(()), make_folders)
}

/// What the mark of a version or directory says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// There is none.
    Incomplete,
    /// It was complete, but the system may have lost power since.
    Doubtful,
    /// It is complete.
    Complete,
}

/// What a mark notes, and must note to be believed: the run of the system that it was made in.
///
/// Files of a cache are not waited for until they are on disk, so a power failure may leave a mark
/// of what has lost its content, or an empty mark, as those of other clients are. Then somebody looks
/// at sizes, once in each run of the system, and marks it anew.
///
/// This holds where one machine alone changes the file system. On those that several share, closing
/// a file has sent its content to the server, whose runs nobody knows; and if each machine wanted
/// its own run noted, it would look at all files, and write the mark, after each call of another
/// one. So there marks are believed, and are empty.
fn run_of(folder: &Path) -> Option<Vec<u8>> {
    if system::is_local(folder) { system::boot() } else { None }
}

/// What a mark says.
pub(super) fn standing(folder: &Path, marker: &str) -> Standing {
    let file = folder.join(marker);
    match fs::read(&file) {
        Ok(noted) if run_of(folder).is_none_or(|run| run == noted) => Standing::Complete,
        Err(_) if !file.exists() => Standing::Incomplete,
        _ => Standing::Doubtful,
    }
}

/// Notes that a version or directory is complete. If that is another user's, who lets nobody write
/// there, then it is looked at again next time.
pub(super) fn mark(folder: &Path, marker: &str) -> Result<()> {
    let made = make_folders(folder);
    litter::clear_once(folder);
    let noted = run_of(folder).unwrap_or_default();
    match made.and_then(|()| atomic::write(&folder.join(marker), &noted, FILE_MODE, false)) {
        Err(error) if error.io_kind() == Some(ErrorKind::PermissionDenied) => {
            log::info!(target: TARGET, "cannot note what is complete: {}", error.chain());
            Ok(())
        }
        other => other,
    }
}

/// Reads a small file, if it is there.
pub(super) fn read(file: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        other => other.map(Some).at(file),
    }
}

/// Reads a document, if it is there, to be used or to be said what is wrong with it.
pub(super) fn document(file: &Path) -> Result<Option<Document>> {
    Ok(read(file)?.map(|body| Document::of_file(file, body)))
}

/// True if a document is there that makes sense under its name.
pub(super) fn has_document(file: &Path) -> Result<bool> {
    Ok(document(file)?.is_some_and(|found| is_plausible(name_of(file), &found)))
}

/// A manifest, if it is there and makes sense.
pub(super) fn manifest(file: &Path) -> Result<Option<Manifest>> {
    Ok(read(file)?.and_then(|body| serde_json::from_slice(&body).ok()))
}

fn name_of(file: &Path) -> &str {
    file.file_name().and_then(OsStr::to_str).unwrap_or_default()
}

/// Keeps a small document, by way of a file in `scratch`.
pub(super) fn keep(scratch: &Path, target: &Path, content: &[u8]) -> Result<()> {
    make_parent(target)?;
    make_folders(scratch)?;
    atomic::write_through(scratch, target, content, FILE_MODE, false)
}

/// Gives the content of `original` a second name, replacing what is there: the first kind of link
/// that the file systems allow, else a copy, made in `scratch`.
pub(super) fn share(original: &Path, target: &Path, links: &[Link], scratch: &Path) -> Result<()> {
    make_parent(target)?;
    let is_linked = |link: &Link| atomic::replace(target, |name| link(original, name)).is_ok();
    if links.iter().any(is_linked) {
        return Ok(());
    }
    let staged = atomic::stage(scratch, FILE_MODE)?;
    let mut from = File::open(original).at(original)?;
    io::copy(&mut from, &mut staged.file()).at(target)?;
    atomic::persist(staged, target)
}

/// What a file of this name must be to be kept, if nothing else says what it is.
pub(super) fn form_of(name: &str) -> Form {
    match name {
        MANIFEST => Form::Document(Document::check::<Manifest>),
        LINKS => Form::Document(Document::check::<Links>),
        SUMMARY | LATEST | PERMISSIONS | QUOTA | USAGE => Form::Document(Document::check::<Object>),
        _ => Form::Any,
    }
}

/// True for what may be kept as a file of this name. JSON that is no object is somebody's edit.
pub(super) fn is_plausible(name: &str, content: &Document) -> bool {
    let is_edit = || {
        !content.body.trim_ascii_start().starts_with(b"{") && content.parse::<IgnoredAny>().is_ok()
    };
    form_of(name).check(content).is_ok() || is_edit()
}

/// What a file must be by its manifest.
pub(super) fn expected(entry: &ManifestEntry) -> Expected {
    Expected { size: entry.size, md5: entry.md5sum.clone() }
}

/// Replaces a file that only the user may read, from its birth on, and waits until it is on disk: it
/// is nowhere else. Its folder is made if need be.
pub fn store_private(file: &Path, content: &[u8], job: &Job) -> Result<()> {
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    if let Some(above) = folder.parent() {
        make_folders(above)?;
    }
    match system::new_folder(folder, PRIVATE_FOLDER) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        other => other.at(folder)?,
    }
    check_private(folder)?;
    litter::clear_once(folder);
    let mut lock = file.as_os_str().to_owned();
    lock.push(".LOCK");
    let _guard = locks().lock(Path::new(&lock), Mode::Exclusive, job)?;
    atomic::write(file, content, PRIVATE_FILE, true)
}

/// Fails if a folder of secrets is not the user's own: whoever planted it could replace them.
fn check_private(folder: &Path) -> Result<()> {
    let handle = fs::File::open(folder).at(folder)?;
    let is_own = Stat::of(&handle).at(folder)?.user == system::user_id();
    if is_own && other_writer(&handle).at(folder)?.is_none() {
        return Ok(());
    }
    Err(Error::UnsafePath {
        path: folder.to_string_lossy().into_owned(),
        why: "it is for secrets, but belongs to another user, or others can write to it; remove it, \
              or name another directory for the cache",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_files_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/credentials/token.txt");
        store_private(&file, b"one", &Job::default()).unwrap();
        store_private(&file, b"two", &Job::default()).unwrap();
        let mode = |path: &Path| system::mode_of(&fs::metadata(path).unwrap().permissions());
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert_eq!(mode(&file), 0o600);
        assert_eq!(mode(file.parent().unwrap()), 0o700);
        system::set_mode(file.parent().unwrap(), 0o777).unwrap();
        let refused = store_private(&file, b"three", &Job::default());
        assert!(matches!(refused, Err(Error::UnsafePath { .. })));
        assert_eq!(fs::read(&file).unwrap(), b"two");
    }
}
