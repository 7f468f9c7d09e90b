//! A directory of links to the files of a version, to be changed and uploaded as the next one.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::digest::Hasher;
use crate::error::IoContext;
use crate::fs::{atomic, fold, once_more_if_stale};
use crate::job::Job;
use crate::registry::format::layout::MANIFEST;
use crate::registry::format::model::Manifest;
use crate::relpath::RelPath;
use crate::system;
use crate::{Error, Result};

/// Makes a link in `destination` to each file of a version of `registry`, and its empty
/// directories.
///
/// Nothing is made if any of the links is there already, or if the manifest names a path that
/// would leave `destination` or be another one's there. A call that was cut off can be repeated.
pub fn clone_version(
    registry: &Path,
    version: &RelPath,
    destination: &Path,
    job: &Job,
) -> Result<()> {
    let registry = std::path::absolute(registry).at(registry)?;
    let folder = version.under(&registry);
    let file = folder.join(MANIFEST);
    let text = once_more_if_stale(|| fs::read(&file)).at(&file)?;
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|source| Error::Json {
        origin: file.to_string_lossy().into_owned(),
        text: String::from_utf8_lossy(&text).into_owned(),
        start: None,
        source,
    })?;
    let mut content = Content { folder: folder.clone(), ..Content::default() };
    for (path, entry) in &manifest {
        let path = RelPath::parse(path.as_str())?;
        if entry.is_folder() {
            content.folders.push(path);
        } else {
            content.links.push(path);
        }
    }
    fold::refuse_equal(destination, manifest.keys().map(String::as_str))?;
    if let Some(free) = Free::of(destination)
        && let Some(aside) = free.aside(&folder)?
    {
        let filled = content.fill(&aside, job).and_then(|()| free.give(&aside));
        if filled.is_err() {
            // The next call removes what stays.
            let _ = atomic::remove_tree(&aside);
        }
        return filled;
    }
    content.add_to(destination, job)
}

/// What a version becomes.
#[derive(Default)]
struct Content {
    /// The version.
    folder: PathBuf,
    folders: Vec<RelPath>,
    links: Vec<RelPath>,
}

impl Content {
    /// Makes what is not there yet.
    fn fill(&self, destination: &Path, job: &Job) -> Result<()> {
        fs::create_dir_all(destination).at(destination)?;
        for folder in &self.folders {
            let folder = folder.under(destination);
            fs::create_dir_all(&folder).at(&folder)?;
        }
        let mut made = PathBuf::new();
        for path in &self.links {
            job.check()?;
            let link = path.under(destination);
            let parent = link.parent().unwrap_or(destination);
            if parent != made {
                fs::create_dir_all(parent).at(parent)?;
                parent.clone_into(&mut made);
            }
            match system::new_link(path.under(&self.folder), &link) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists && self.is(path, &link) => {}
                other => other.at(&link)?,
            }
            job.file_done();
        }
        Ok(())
    }

    /// Whether a link is the one that belongs there.
    fn is(&self, path: &RelPath, link: &Path) -> bool {
        fs::read_link(link).is_ok_and(|target| target == path.under(&self.folder))
    }

    /// The same where something else is already. A hidden folder tells that a call before this one
    /// was cut off, whose links may be there.
    fn add_to(&self, destination: &Path, job: &Job) -> Result<()> {
        let begun = destination.join(hidden_name(&self.folder));
        let was_begun = begun.symlink_metadata().is_ok();
        for path in &self.links {
            let link = path.under(destination);
            if link.symlink_metadata().is_ok() && !(was_begun && self.is(path, &link)) {
                return Err(system::error(ErrorKind::AlreadyExists)).at(link);
            }
        }
        fs::create_dir_all(&begun).at(&begun)?;
        self.fill(destination, job)?;
        atomic::remove_tree(&begun)
    }
}

/// A destination that a folder can take the place of: there is none, or an empty one.
struct Free<'a> {
    destination: &'a Path,
    /// Mode of the empty one.
    mode: Option<u32>,
}

impl<'a> Free<'a> {
    fn of(destination: &'a Path) -> Option<Self> {
        match fs::symlink_metadata(destination) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Some(Self { destination, mode: None })
            }
            Ok(about) if about.is_dir() => {
                let is_empty =
                    fs::read_dir(destination).is_ok_and(|mut found| found.next().is_none());
                let mode = Some(system::mode_of(&about.permissions()));
                is_empty.then_some(Self { destination, mode })
            }
            _ => None,
        }
    }

    /// A new folder beside it, unless that may not be made.
    fn aside(&self, version: &Path) -> Result<Option<PathBuf>> {
        let Some(parent) = self.destination.parent() else { return Ok(None) };
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        fs::create_dir_all(parent).at(parent)?;
        let path = parent.join(hidden_name(&version.join(self.destination)));
        atomic::remove_tree(&path)?;
        match fs::create_dir(&path) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(None),
            other => other.at(&path).map(|()| Some(path)),
        }
    }

    /// Puts the folder into its place.
    fn give(&self, folder: &Path) -> Result<()> {
        if let Some(mode) = self.mode {
            system::set_mode(folder, mode & 0o7777).at(folder)?;
        }
        fs::rename(folder, self.destination).at(self.destination)
    }
}

/// A name that the same call finds again.
fn hidden_name(of: &Path) -> String {
    let mut hasher = Hasher::default();
    hasher.update(of.as_os_str().as_encoded_bytes());
    format!("{}clone-{}", atomic::STAGE_PREFIX, hasher.finish().md5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clone(manifest: &str, destination: &Path) -> (tempfile::TempDir, Result<()>) {
        let registry = tempfile::tempdir().unwrap();
        let version = RelPath::parse("p/a/v").unwrap();
        let folder = version.under(registry.path());
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(MANIFEST), manifest).unwrap();
        let result = clone_version(registry.path(), &version, destination, &Job::default());
        (registry, result)
    }

    const MANIFEST_TEXT: &str = r#"{"a/x": {"size": 1, "md5sum": "00"}, "b": {"size": 1, "md5sum":
        "00"}, "empty": {"size": 0, "md5sum": ""}}"#;

    #[test]
    fn files_become_links_and_empty_directories_stay_directories() {
        let base = tempfile::tempdir().unwrap();
        let destination = base.path().join("new/one");
        let (registry, result) = clone(MANIFEST_TEXT, &destination);
        result.unwrap();
        let target = fs::read_link(destination.join("a/x")).unwrap();
        assert_eq!(target, registry.path().join("p/a/v/a/x"));
        assert!(fs::symlink_metadata(destination.join("empty")).unwrap().is_dir());
    }

    #[test]
    fn nothing_is_made_if_anything_is_there() {
        let destination = tempfile::tempdir().unwrap();
        fs::write(destination.path().join("b"), "").unwrap();
        let (_, result) = clone(MANIFEST_TEXT, destination.path());
        assert_eq!(result.unwrap_err().io_kind(), Some(std::io::ErrorKind::AlreadyExists));
        assert!(!destination.path().join("a").exists());
    }

    #[test]
    fn an_empty_destination_keeps_its_mode_and_nothing_is_left_beside_it() {
        let base = tempfile::tempdir().unwrap();
        let destination = base.path().join("work");
        fs::create_dir(&destination).unwrap();
        system::set_mode(&destination, 0o750).unwrap();
        let (_registry, result) = clone(MANIFEST_TEXT, &destination);
        result.unwrap();
        let mode = system::mode_of(&destination.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o750);
        assert!(destination.join("a/x").is_symlink());
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_was_cut_off_can_be_repeated() {
        let base = tempfile::tempdir().unwrap();
        let destination = base.path().join("work");
        let registry = base.path().join("registry");
        let version = RelPath::parse("p/a/v").unwrap();
        let folder = version.under(&registry);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(MANIFEST), MANIFEST_TEXT).unwrap();
        let clone = || clone_version(&registry, &version, &destination, &Job::default());
        // As it is left beside a destination that is not there yet.
        let free = Free::of(&destination).unwrap();
        let aside = free.aside(&folder).unwrap().unwrap();
        system::new_link("elsewhere", aside.join("b")).unwrap();
        clone().unwrap();
        assert!(!aside.exists());
        // And in one that holds something else.
        fs::write(destination.join("own"), "").unwrap();
        assert_eq!(clone().unwrap_err().io_kind(), Some(ErrorKind::AlreadyExists));
        fs::remove_file(destination.join("a/x")).unwrap();
        fs::create_dir(destination.join(hidden_name(&folder))).unwrap();
        clone().unwrap();
        assert!(destination.join("a/x").is_symlink());
        assert_eq!(fs::read_dir(&destination).unwrap().count(), 4);
        assert!(clone().is_err());
    }

    #[test]
    fn a_manifest_cannot_lead_outside() {
        let destination = tempfile::tempdir().unwrap();
        let (_, result) = clone(r#"{"../x": {"size": 1, "md5sum": "00"}}"#, destination.path());
        assert!(matches!(result, Err(Error::UnsafePath { .. })));
    }
}
