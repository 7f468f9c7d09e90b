//! Uploads: a directory is copied to the staging directory, unless it is there, and handed over.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::compare::Copied;
use super::remote::Remote;
use super::request::{RequestFile, allocate_upload_directory};
use crate::error::IoContext;
use crate::error::tell;
use crate::fs::atomic;
use crate::fs::walk::{self, Kind};
use crate::http::was_sent;
use crate::job::Job;
use crate::system::{self, Stat};
use crate::transfer::stage::Survey;
use crate::{Error, Result, parallel, runtime};

/// Mode of what everybody may list and read.
const FOR_OTHERS: u32 = 0o005;

/// What to upload, and how.
#[derive(Debug, Clone, Default)]
pub struct Upload {
    /// Name of the project.
    pub project: String,
    /// Name of the asset.
    pub asset: String,
    /// Name of the new version.
    pub version: String,
    /// Whether the version must be approved before it counts.
    pub on_probation: bool,
    /// Whether the service may move files instead of copying them; `None`: if they were copied.
    pub consume: Option<bool>,
    /// Whether the service leaves out files whose names begin with a dot.
    pub ignore_dot: bool,
    /// On behalf of this user.
    pub spoof: Option<String>,
    /// A directory in staging for the copy, which goes on from what is there; `None` for a new one.
    pub copy: Option<PathBuf>,
    /// Whether the copy stays if the upload fails.
    pub keep_copy: bool,
}

/// Uploads `directory` as a new version, in this order:
///
/// 1. a direct child of `staging` is handed over as it is; anything else is copied to a new
///    directory in `staging`, and the copy is verified;
/// 2. the service is asked to make the version;
/// 3. the copy is removed, also after errors. Only if the service may still be reading it, because
///    the call was interrupted while waiting for the answer, it stays for the service's purge;
/// 4. the manifest of the new version is compared with what was copied.
pub fn upload_directory(
    upload: &Upload,
    directory: &Path,
    staging: &Path,
    url: &str,
    job: &Job,
) -> Result<()> {
    let runtime = runtime::current()?;
    let remote = Remote::new(url, &runtime)?;
    let real = directory.canonicalize().at(directory)?;
    if !real.is_dir() {
        return Err(system::error(std::io::ErrorKind::NotADirectory)).at(directory);
    }
    let real_staging = staging.canonicalize().at(staging)?;
    if real_staging.starts_with(&real) {
        let why = "it holds the staging directory; upload a directory below or beside it";
        return Err(Error::invalid("directory", directory.to_string_lossy(), why));
    }
    let (source, copy) = if real.parent() == Some(&real_staging) {
        (real, None)
    } else {
        let survey = Survey::new(&real, job)?;
        let path = match &upload.copy {
            Some(path) => real_staging.join(path.file_name().unwrap_or_default()),
            None => allocate_upload_directory(&real_staging, true)?,
        };
        let copy = Copy { path, stays: upload.keep_copy };
        check_umask(&remote, &real_staging, &copy.path, job)?;
        let copied = Copied::new(survey, &copy.path, job)?;
        (copy.path.clone(), Some((copy, copied)))
    };
    let name = source.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
        Error::invalid("directory", directory.to_string_lossy(), "its name is not valid UTF-8")
    })?;
    let mut payload = json!({
        "source": name,
        "project": upload.project,
        "asset": upload.asset,
        "version": upload.version,
        "on_probation": upload.on_probation,
        "consume": upload.consume.unwrap_or(copy.is_some()),
        "ignore_dot": upload.ignore_dot,
    });
    if let Some(user) = &upload.spoof {
        payload["spoof"] = json!(user);
    }
    let request = RequestFile::create(&real_staging, "upload", &payload)?;
    let run = || runtime.block_on(remote.run(&request.name, job)).map(drop);
    let Some((mut copy, mut copied)) = copy else { return run() };
    match copied.digested_during(&real_staging, run, job) {
        Ok(()) => {
            copy.stays = false;
            drop(copy);
            let Upload { project, asset, version, ignore_dot, .. } = upload;
            let version = format!("{project}/{asset}/{version}");
            copied.compare(&remote, &version, *ignore_dot, job)
        }
        Err(error) => {
            copy.stays |= was_sent(&error);
            Err(error)
        }
    }
}

/// Fails if the umask keeps the service from what is made here, before anything is copied.
///
/// Only the service knows whether a group or an access list lets it in, so where that is in doubt
/// it gets a request that it refuses, once it has read it.
fn check_umask(remote: &Remote, staging: &Path, made: &Path, job: &Job) -> Result<()> {
    let stat = |path: &Path| fs::metadata(path).map(|found| Stat::from(&found)).at(path);
    let (owner, copy) = (stat(staging)?.user, stat(made)?);
    if copy.mode & FOR_OTHERS == FOR_OTHERS || copy.user == owner {
        return Ok(());
    }
    let request = RequestFile::create(staging, "upload", &json!({}))?;
    match runtime::current()?.block_on(remote.run(&request.name, job)) {
        Err(error @ Error::Status { status: 500.., .. }) => Err(error),
        _ => Ok(()),
    }
}

/// A directory in staging that is removed when dropped, unless it stays.
struct Copy {
    path: PathBuf,
    stays: bool,
}

impl Drop for Copy {
    fn drop(&mut self) {
        if !self.stays {
            // The answer, or the error, matters more; the service's purge removes what stays.
            tell("selenite.transfer", "cannot remove the copy", remove_in_parallel(&self.path));
        }
    }
}

/// Removes a folder; its entries on all threads, because freeing large files takes a while.
fn remove_in_parallel(folder: &Path) -> Result<()> {
    let mut entries = walk::entries(folder)?;
    // Folders that the service has emptied are no work for threads.
    let stays = |name: &String| fs::remove_dir(folder.join(name)).is_err();
    entries.retain(|(name, kind)| *kind != Kind::Folder || stays(name));
    let remove = |(): &mut (), (name, kind): &(String, Kind)| {
        let path = folder.join(name);
        match kind {
            Kind::Folder => atomic::remove_tree(&path),
            Kind::File | Kind::Link | Kind::Special => atomic::remove_file(&path),
        }
    };
    parallel::try_map(&entries, || (), remove)?;
    atomic::remove_tree(folder)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::Arc;

    use super::*;
    use crate::http::testing::{answer, serve};

    /// A service that answers one request, after calling `see` with the request file's text.
    fn answering(
        staging: &Path,
        see: impl FnOnce(&str) + Send + 'static,
    ) -> (String, std::thread::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let staging = staging.to_owned();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = vec![0; 4096];
            let count = stream.read(&mut head).unwrap();
            let head = String::from_utf8_lossy(&head[..count]).into_owned();
            let name = head.split(' ').nth(1).unwrap().strip_prefix("/new/").unwrap().to_owned();
            see(&fs::read_to_string(staging.join(name)).unwrap());
            let body = r#"{"status":"SUCCESS"}"#;
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
                .unwrap();
        });
        (url, server)
    }

    fn upload() -> Upload {
        let (project, asset, version) = ("p".into(), "a".into(), "v".into());
        Upload { project, asset, version, ignore_dot: true, ..Upload::default() }
    }

    #[test]
    fn a_directory_elsewhere_is_copied_and_the_copy_removed() {
        let staging = tempfile::tempdir().unwrap();
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("f"), "x").unwrap();
        let staged = staging.path().to_owned();
        let (url, server) = answering(staging.path(), move |text| {
            let request: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(request["consume"], true);
            let source = staged.join(request["source"].as_str().unwrap());
            assert_eq!(fs::read_to_string(source.join("f")).unwrap(), "x");
        });
        let job = Job::default();
        upload_directory(&upload(), directory.path(), staging.path(), &url, &job).unwrap();
        server.join().unwrap();
        assert!(fs::read_dir(staging.path()).unwrap().next().is_none());
    }

    #[test]
    fn a_directory_in_staging_is_handed_over() {
        let staging = tempfile::tempdir().unwrap();
        let directory = staging.path().join("mine");
        fs::create_dir(&directory).unwrap();
        let link = tempfile::tempdir().unwrap().keep().join("link");
        system::new_link(staging.path(), &link).unwrap();
        let (url, server) = answering(staging.path(), |text| {
            let request: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(request["source"], "mine");
            assert_eq!(request["consume"], false);
        });
        upload_directory(&upload(), &link.join("mine"), staging.path(), &url, &Job::default())
            .unwrap();
        server.join().unwrap();
        assert!(directory.is_dir());
    }

    #[test]
    fn a_call_interrupted_while_waiting_leaves_the_copy_but_no_request() {
        let staging = tempfile::tempdir().unwrap();
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("f"), "x").unwrap();
        let job = Arc::new(Job::default());
        let seen = Arc::clone(&job);
        let (url, server) = answering(staging.path(), move |_| {
            seen.cancel();
            std::thread::sleep(std::time::Duration::from_millis(200));
        });
        let error = upload_directory(&upload(), directory.path(), staging.path(), &url, &job);
        assert!(matches!(error, Err(Error::Cancelled)));
        let left: Vec<_> = fs::read_dir(staging.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert!(left.len() == 1 && left[0].starts_with("upload-"), "{left:?}");
        drop(server.join());
    }

    #[test]
    fn wrong_directories_are_refused() {
        let staging = tempfile::tempdir().unwrap();
        let url = "http://127.0.0.1:9";
        let file = staging.path().join("file");
        fs::write(&file, "").unwrap();
        let attempt = |directory: &Path| {
            upload_directory(&upload(), directory, staging.path(), url, &Job::default())
                .unwrap_err()
        };
        assert_eq!(attempt(Path::new("/no/such")).io_kind(), Some(std::io::ErrorKind::NotFound));
        assert_eq!(attempt(&file).io_kind(), Some(std::io::ErrorKind::NotADirectory));
        assert!(matches!(attempt(staging.path()), Error::Invalid { argument: "directory", .. }));
    }

    #[test]
    fn the_new_manifest_must_say_what_was_copied() {
        let md5 = "900150983cd24fb0d6963f7d28e17f72";
        for (manifest, fault) in [
            (json!({"f": {"size": 3, "md5sum": md5}}), ""),
            (json!({"f": {"size": 3, "md5sum": md5}, "d/g": {"size": 0, "md5sum": ""}}), ""),
            (json!({"f": {"size": 4, "md5sum": md5}}), "size after upload of `p/a/v/f`"),
            (json!({"f": {"size": 3, "md5sum": "00"}}), "MD5 checksum after upload of `p/a/v/f`"),
            (json!({}), "content after upload of `p/a/v/f`"),
            (json!("no manifest"), ""),
        ] {
            let staging = tempfile::tempdir().unwrap();
            let directory = tempfile::tempdir().unwrap();
            // What the service leaves out is not looked for.
            for (name, text) in [("f", "abc"), (".left", "out"), ("..too", "")] {
                fs::write(directory.path().join(name), text).unwrap();
            }
            let manifest = manifest.to_string();
            let success = br#"{"status":"SUCCESS"}"#;
            let (url, server) = serve(vec![
                answer("200 OK", "", success.len(), success),
                answer("200 OK", "", manifest.len(), manifest.as_bytes()),
            ]);
            let url = url.join("/").unwrap();
            let job = Job::default();
            let uploaded =
                upload_directory(&upload(), directory.path(), staging.path(), url.as_str(), &job);
            let asked = server.join().unwrap();
            assert!(asked[1].starts_with("GET /fetch/p/a/v/..manifest "), "{}", asked[1]);
            match uploaded {
                Ok(()) => assert_eq!(fault, "", "{manifest}"),
                Err(error) => {
                    let error = error.to_string();
                    assert!(!fault.is_empty() && error.contains(fault), "{manifest}: {error}");
                }
            }
        }
    }
}
