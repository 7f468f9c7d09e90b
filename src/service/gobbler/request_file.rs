//! Request files: what makes one acceptable, and whose it is.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{Mode, OFlags};

use crate::Result;
use crate::error::IoContext;
use crate::registry::Failure;
use crate::service::users;

/// Begins the name of every request file.
const PREFIX: &str = "request-";
/// The action that needs nothing but its file.
pub(super) const HEALTH_CHECK: &str = "health_check";
/// How old a request file may be, how far ahead of the clock, and how long its name is blocked.
const LIFETIME: Duration = Duration::from_secs(60);
/// Largest request file that is read: parsed, it may take 25 times as much memory.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// A request file that passed all checks.
#[derive(Debug)]
pub(super) struct RequestFile {
    /// What is asked for.
    pub action: &'static str,
    /// The file, as the staging directory and its name.
    pub path: PathBuf,
    /// Name of its owner.
    pub user: String,
    content: Option<File>,
}

/// Checks the request file `name` and blocks its name.
///
/// 1. The name begins with `request-` and is one path component.
/// 2. The file is regular, has one name only, and is at most 60 s old or ahead of the clock.
/// 3. The name was not used in the last 60 s.
/// 4. What follows `request-` begins with the name of an action and a dash.
///
/// All of 2 holds for the very descriptor that is read later, and so does the owner.
pub(super) fn open(
    staging: &Path,
    name: &OsStr,
    actions: &[&'static str],
    recent: &Recent,
) -> Result<RequestFile, Failure> {
    let Some(rest) = name.as_bytes().strip_prefix(PREFIX.as_bytes()) else {
        return Err(Failure::invalid("file name should start with \"request-\""));
    };
    if rest.contains(&b'/') {
        let reason = "path should be the name of a file in the staging directory";
        return Err(Failure::invalid(reason));
    }
    let path = staging.join(name);
    let seen = fs::symlink_metadata(&path).map_err(|error| {
        let reason = Failure::system("lstat", &path, &error).reason;
        Failure::invalid(format!("failed to access path; {reason}"))
    })?;
    check(&seen)?;
    let action = action_of(rest, actions);
    let (content, metadata) = if action == Some(HEALTH_CHECK) {
        (None, seen)
    } else {
        let (file, opened) =
            open_again(&path).map_err(|error| unreadable("open", &path, &error))?;
        check(&opened)?;
        (Some(file), opened)
    };
    if !recent.block(name, Instant::now(), lifetime_of(&metadata)) {
        return Err(Failure::invalid("path is already being processed"));
    }
    let action = action.ok_or_else(|| Failure::invalid("invalid request type"))?;
    Ok(RequestFile { action, path, user: users::name_of(metadata.uid()), content })
}

impl RequestFile {
    /// The content of the file.
    pub(super) fn read(&self) -> Result<Vec<u8>, Failure> {
        let mut text = Vec::new();
        let Some(file) = &self.content else { return Ok(text) };
        file.take(MOST_BYTES + 1)
            .read_to_end(&mut text)
            .map_err(|error| unreadable("read", &self.path, &error))?;
        if text.len() as u64 > MOST_BYTES {
            return Err(Failure::invalid("request file is larger than 16 MiB"));
        }
        Ok(text)
    }
}

fn unreadable(call: &str, path: &Path, error: &std::io::Error) -> Failure {
    let name = path.to_string_lossy();
    Failure::system(call, path, error).within(format!("failed to read {name:?}"))
}

fn open_again(path: &Path) -> std::io::Result<(File, Metadata)> {
    // Whatever has taken the place of the file meanwhile is neither followed nor waited for.
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let metadata = file.metadata()?;
    Ok((file, metadata))
}

fn check(file: &Metadata) -> Result<(), Failure> {
    let now = SystemTime::now();
    let reason = if file.is_dir() {
        "path is a directory"
    } else if file.is_symlink() {
        "path is a symbolic link"
    } else if !file.is_file() {
        "path is not a regular file"
    } else if file.nlink() > 1 {
        "path seems to have multiple hard links"
    } else {
        match file.modified().map(|modified| (now.duration_since(modified), modified)) {
            Ok((Ok(age), _)) if age < LIFETIME => return Ok(()),
            Ok((Err(_), modified)) if modified <= now + LIFETIME => return Ok(()),
            Ok((Ok(_), _)) => "request file is expired",
            Ok((Err(_), _)) | Err(_) => "request file has a modification time in the future",
        }
    };
    Err(Failure::invalid(reason))
}

/// How long a name is blocked: a file that is dated ahead of the clock expires later.
fn lifetime_of(file: &Metadata) -> Duration {
    let ahead = file.modified().ok().and_then(|time| time.duration_since(SystemTime::now()).ok());
    LIFETIME + ahead.unwrap_or_default().min(LIFETIME)
}

fn action_of(rest: &[u8], actions: &[&'static str]) -> Option<&'static str> {
    actions.iter().copied().chain([HEALTH_CHECK]).find(|action| {
        rest.strip_prefix(action.as_bytes()).is_some_and(|rest| rest.starts_with(b"-"))
    })
}

/// The names that were used lately, and until when they are blocked.
#[derive(Debug, Default)]
pub(super) struct Recent {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    names: HashSet<Arc<OsStr>>,
    by_end: BTreeSet<(Instant, Arc<OsStr>)>,
}

impl Recent {
    /// Blocks all names in the staging directory: they may have been used before a restart.
    pub(super) fn starting_with(staging: &Path) -> Result<Self> {
        let recent = Self::default();
        let now = Instant::now();
        for entry in fs::read_dir(staging).at(staging)? {
            let entry = entry.at(staging)?;
            let name = entry.file_name();
            if name.as_bytes().starts_with(PREFIX.as_bytes()) {
                let lifetime = entry.metadata().map_or(LIFETIME, |file| lifetime_of(&file));
                recent.block(&name, now, lifetime);
            }
        }
        Ok(recent)
    }

    /// Blocks a name; false if it was blocked already.
    fn block(&self, name: &OsStr, now: Instant, lifetime: Duration) -> bool {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((end, _)) = table.by_end.first()
            && *end <= now
        {
            if let Some((_, name)) = table.by_end.pop_first() {
                table.names.remove(&name);
            }
        }
        let name: Arc<OsStr> = name.into();
        let is_new = table.names.insert(Arc::clone(&name));
        if is_new {
            table.by_end.insert((now + lifetime, name));
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTIONS: &[&str] = &["upload", "create_project"];

    fn reason(staging: &Path, name: &str, recent: &Recent) -> String {
        match open(staging, OsStr::new(name), ACTIONS, recent) {
            Ok(file) => format!("ok {} {}", file.action, file.user),
            Err(failure) => failure.reason,
        }
    }

    fn set_time(path: &Path, time: SystemTime) {
        File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }

    #[test]
    fn each_check_has_its_own_reason() {
        let folder = tempfile::tempdir().unwrap();
        let staging = folder.path();
        let recent = Recent::default();
        let make = |name: &str| fs::write(staging.join(name), "{}").unwrap();
        let me = users::name_of(fs::metadata(staging).unwrap().uid());

        assert_eq!(
            reason(staging, "upload-1", &recent),
            "file name should start with \"request-\""
        );
        assert_eq!(
            reason(staging, "request-../x", &recent),
            "path should be the name of a file in the staging directory"
        );
        assert_eq!(
            reason(staging, "request-upload-0", &recent),
            format!(
                "failed to access path; lstat {}/request-upload-0: no such file or directory",
                staging.display()
            )
        );
        fs::create_dir(staging.join("request-upload-d")).unwrap();
        assert_eq!(reason(staging, "request-upload-d", &recent), "path is a directory");
        std::os::unix::fs::symlink("x", staging.join("request-upload-l")).unwrap();
        assert_eq!(reason(staging, "request-upload-l", &recent), "path is a symbolic link");
        make("request-upload-h");
        fs::hard_link(staging.join("request-upload-h"), staging.join("other")).unwrap();
        assert_eq!(
            reason(staging, "request-upload-h", &recent),
            "path seems to have multiple hard links"
        );
        rustix::fs::mknodat(
            rustix::fs::CWD,
            staging.join("request-upload-f"),
            rustix::fs::FileType::Fifo,
            Mode::RUSR,
            0,
        )
        .unwrap();
        assert_eq!(reason(staging, "request-upload-f", &recent), "path is not a regular file");

        make("request-upload-1");
        assert_eq!(reason(staging, "request-upload-1", &recent), format!("ok upload {me}"));
        assert_eq!(reason(staging, "request-upload-1", &recent), "path is already being processed");
        for name in ["request-upload", "request-uploads-1", "request-"] {
            make(name);
            assert_eq!(reason(staging, name, &recent), "invalid request type");
        }
        make("request-health_check-");
        assert_eq!(
            reason(staging, "request-health_check-", &recent),
            format!("ok health_check {me}")
        );
    }

    #[test]
    fn times_must_be_near_the_clock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "").unwrap();
        let now = SystemTime::now();
        let outcome = |time| {
            set_time(&path, time);
            check(&fs::symlink_metadata(&path).unwrap()).err().map(|failure| failure.reason)
        };
        let second = Duration::from_secs(1);
        assert_eq!(outcome(now - LIFETIME).as_deref(), Some("request file is expired"));
        assert_eq!(outcome(now + LIFETIME - second), None);
        assert_eq!(outcome(now - LIFETIME + 10 * second), None);
        assert!(outcome(now + LIFETIME + 10 * second).unwrap().contains("in the future"));
    }

    #[test]
    fn names_are_free_again_after_a_minute() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("request-old"), "").unwrap();
        let recent = Recent::starting_with(folder.path()).unwrap();
        let now = Instant::now();
        let [old, new] = ["request-old", "request-new"].map(OsStr::new);
        assert!(!recent.block(old, now, LIFETIME) && recent.block(new, now, LIFETIME));
        let later = now + LIFETIME + Duration::from_secs(1);
        assert!(recent.block(old, later, LIFETIME) && recent.block(new, later, LIFETIME));
        let table = recent.table.lock().unwrap();
        assert_eq!((table.names.len(), table.by_end.len()), (2, 2));
    }
}
