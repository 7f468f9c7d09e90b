//! Request files: what makes one acceptable, and whose it is.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::answers::{Answer, Answers, LIFETIME, PREFIX, Place, Running, Waiting};
use super::users;
use crate::fs::owner::other_writer;
use crate::registry::Failure;
use crate::system::{self, Links, Stat};

/// The action that needs nothing but its file.
pub(super) const HEALTH_CHECK: &str = "health_check";
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

/// A name that may have an answer.
#[derive(Debug)]
pub(super) enum Admitted {
    /// To be run.
    New(RequestFile, Running, Waiting),
    /// Running already.
    Running(Waiting),
    /// Run already.
    Answered(Arc<Answer>),
}

/// The rest of the name of a request file, after its prefix; it must be one path component.
fn rest_of(name: &OsStr) -> Result<&[u8], Failure> {
    let Some(rest) = name.as_encoded_bytes().strip_prefix(PREFIX.as_bytes()) else {
        return Err(Failure::invalid("file name should start with \"request-\""));
    };
    if rest.contains(&b'/') {
        let reason = "path should be the name of a file in the staging directory";
        return Err(Failure::invalid(reason));
    }
    Ok(rest)
}

/// Finds the answer to the request file `name`, or begins to run it.
///
/// 1. The name begins with `request-` and is one path component.
/// 2. If this file was answered already, or is running, it gets the same answer.
/// 3. The file is regular, has one name only, is at most 60 s old or ahead of the clock, and can be
///    written by nobody but its owner.
/// 4. The name was not used by another file in the last 60 s.
/// 5. What follows `request-` begins with the name of an action and a dash.
///
/// All of 3 holds for the very descriptor that is read later, and so does the owner.
pub(super) fn admit(
    staging: &Path,
    name: &OsStr,
    actions: &[&'static str],
    answers: &Arc<Answers>,
) -> Result<Admitted, Failure> {
    let rest = rest_of(name)?;
    let path = staging.join(name);
    let seen = fs::symlink_metadata(&path);
    let now = Instant::now();
    let is_used =
        match answers.find(name, seen.as_ref().ok().map(|seen| Stat::from(seen).identity), now) {
            Place::Running(waiting) => return Ok(Admitted::Running(waiting)),
            Place::Answered(answer) => return Ok(Admitted::Answered(answer)),
            Place::Used => true,
            Place::Free => false,
        };
    let seen = seen.map_err(|error| {
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
        check_writers(&file, &path)?;
        (Some(file), opened)
    };
    let used = || Failure::invalid("path is already being processed");
    if is_used {
        return Err(used());
    }
    let action = action.ok_or_else(|| Failure::invalid("invalid request type"))?;
    match answers.begin(name, &metadata, now) {
        Ok((running, waiting)) => {
            let user = users::name_of(Stat::from(&metadata).user);
            let file = RequestFile { action, path, user, content };
            Ok(Admitted::New(file, running, waiting))
        }
        Err(Place::Running(waiting)) => Ok(Admitted::Running(waiting)),
        Err(Place::Answered(answer)) => Ok(Admitted::Answered(answer)),
        Err(Place::Used | Place::Free) => Err(used()),
    }
}

impl RequestFile {
    /// The content of the file.
    pub(super) fn read(&self) -> Result<Vec<u8>, Failure> {
        let mut text = Vec::new();
        let Some(mut file) = self.content.as_ref() else { return Ok(text) };
        // From its beginning: a request may be run again.
        file.rewind()
            .and_then(|()| file.take(MOST_BYTES + 1).read_to_end(&mut text))
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
    let file = system::open(path, Links::Refuse)?;
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
    } else if Stat::from(file).names > 1 {
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

/// Fails if the owner of a file is no proof of who wrote it.
fn check_writers(file: &File, path: &Path) -> Result<(), Failure> {
    match other_writer(file).map_err(|error| unreadable("fstat", path, &error))? {
        None => Ok(()),
        Some(writer) => Err(Failure::forbidden(format!(
            "request file can be written by {writer}, so that it need not be its owner's; write it \
             with mode 644 at most (umask 022)"
        ))),
    }
}

fn action_of(rest: &[u8], actions: &[&'static str]) -> Option<&'static str> {
    actions.iter().copied().chain([HEALTH_CHECK]).find(|action| {
        rest.strip_prefix(action.as_bytes()).is_some_and(|rest| rest.starts_with(b"-"))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ACTIONS: &[&str] = &["upload", "create_project"];

    fn reason(staging: &Path, name: &str, answers: &Arc<Answers>) -> String {
        match admit(staging, OsStr::new(name), ACTIONS, answers) {
            Ok(Admitted::New(file, ..)) => format!("ok {} {}", file.action, file.user),
            Ok(Admitted::Running(_) | Admitted::Answered(_)) => "known".to_owned(),
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
        let answers = Arc::new(Answers::default());
        let make = |name: &str| fs::write(staging.join(name), "{}").unwrap();
        let me = users::name_of(Stat::from(&fs::metadata(staging).unwrap()).user);

        assert_eq!(
            reason(staging, "upload-1", &answers),
            "file name should start with \"request-\""
        );
        assert_eq!(
            reason(staging, "request-../x", &answers),
            "path should be the name of a file in the staging directory"
        );
        assert_eq!(
            reason(staging, "request-upload-0", &answers),
            format!(
                "failed to access path; lstat {}/request-upload-0: no such file or directory",
                staging.display()
            )
        );
        fs::create_dir(staging.join("request-upload-d")).unwrap();
        assert_eq!(reason(staging, "request-upload-d", &answers), "path is a directory");
        system::new_link("x", staging.join("request-upload-l")).unwrap();
        assert_eq!(reason(staging, "request-upload-l", &answers), "path is a symbolic link");
        make("request-upload-h");
        fs::hard_link(staging.join("request-upload-h"), staging.join("other")).unwrap();
        assert_eq!(
            reason(staging, "request-upload-h", &answers),
            "path seems to have multiple hard links"
        );
        let fifo = staging.join("request-upload-f");
        system::testing::fifo(&fifo);
        assert_eq!(reason(staging, "request-upload-f", &answers), "path is not a regular file");

        make("request-upload-1");
        assert_eq!(reason(staging, "request-upload-1", &answers), format!("ok upload {me}"));
        assert_eq!(
            reason(staging, "request-upload-1", &answers),
            "path is already being processed"
        );
        for name in ["request-upload", "request-uploads-1", "request-"] {
            make(name);
            assert_eq!(reason(staging, name, &answers), "invalid request type");
        }
        make("request-health_check-");
        assert_eq!(
            reason(staging, "request-health_check-", &answers),
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
}
