//! Whether a new version is what was uploaded.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::path::Path;

use serde::Deserialize;

use super::remote::Remote;
use crate::digest::Digest;
use crate::digest::together::Together;
use crate::fs::open::Stamp;
use crate::job::Job;
use crate::registry::format::layout::{MANIFEST, is_kept};
use crate::relpath::RelPath;
use crate::settings::{self, Verify};
use crate::system;
use crate::transfer::stage::Survey;
use crate::{Error, Result, runtime};

/// Larger files are digested only if the service may see others than this process.
const SMALL_BYTES: u64 = 1024 * 1024;

/// A directory, as it was when it was copied.
#[derive(Debug)]
pub(super) struct Copied {
    survey: Survey,
    stamps: Vec<Stamp>,
    /// None if nothing is to be verified.
    digests: Option<Digests>,
}

/// Digests of the copied files, in order; `None` for one that is not known.
pub(super) type Digests = Vec<Option<Digest>>;

impl Copied {
    /// Copies a directory to an empty one, and digests small files on their way.
    pub(super) fn new(survey: Survey, destination: &Path, job: &Job) -> Result<Self> {
        let together = (settings::verify()? != Verify::Never).then(Together::default);
        let stamps = survey.copy_to(destination, together.as_ref(), job)?;
        let digests = together.map(|together| {
            let mut digests = vec![None; stamps.len()];
            for (number, digest) in together.finish() {
                digests[number] = Some(digest);
            }
            digests
        });
        Ok(Self { survey, stamps, digests })
    }

    /// Does `work`, say asking a service to do the same, while the other files are digested.
    ///
    /// There are no digests if nothing is to be verified; some of them for want of a thread.
    pub(super) fn digested_during<T>(
        &mut self,
        staging: &Path,
        work: impl FnOnce() -> Result<T>,
        job: &Job,
    ) -> Result<T> {
        let Some(digests) = &mut self.digests else { return work() };
        // Every process of a machine reads the same from its own disks, and digesting large files
        // takes longer than copying them.
        let most = if system::is_local(staging) { SMALL_BYTES } else { u64::MAX };
        let is_wanted = |&file: &usize| digests[file].is_none() && self.stamps[file].size <= most;
        let wanted: Vec<usize> = (0..digests.len()).filter(is_wanted).collect();
        if wanted.is_empty() {
            return work();
        }
        let digesting = job.child();
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("selenite-compare".to_owned());
            let digest = || self.survey.digests(&wanted, &self.stamps, &digesting);
            let thread = thread.spawn_scoped(scope, digest);
            let result = work().inspect_err(|_| digesting.cancel());
            // It fails if it is cancelled: looked at below.
            if let Ok(thread) = thread
                && let Ok(found) = thread.join().unwrap_or_else(|panic| resume_unwind(panic))
            {
                for (file, digest) in wanted.iter().zip(found) {
                    digests[*file] = digest;
                }
            }
            job.check()?;
            result
        })
    }

    /// Compares the manifest of the new version with the files.
    ///
    /// The version is there: a service that does not tell its manifest is no failure.
    pub(super) fn compare(
        &self,
        remote: &Remote,
        version: &str,
        ignore_dot: bool,
        job: &Job,
    ) -> Result<()> {
        let Some(digests) = &self.digests else { return Ok(()) };
        let mut once = remote.clone();
        once.http.retry.retries = 0;
        let read = async {
            let path = RelPath::parse(format!("{version}/{MANIFEST}"))?;
            once.read(&path, job).await
        };
        let document = runtime::current()?.block_on(job.race(read));
        job.check()?;
        let Ok(document) = document else { return Ok(()) };
        let Ok(manifest) = document.parse::<BTreeMap<Text<'_>, Placed<'_>>>() else {
            return Ok(());
        };
        for ((path, stamp), md5) in self.survey.files().iter().zip(&self.stamps).zip(digests) {
            if !path.split('/').all(|name| is_kept(name, ignore_dot)) {
                continue;
            }
            let differ = |what, expected: String, actual: String| {
                Err(Error::Digest { path: format!("{version}/{path}"), what, expected, actual })
            };
            let Some(entry) = manifest.get(path.as_str()) else {
                let size = format!("{} bytes", stamp.size);
                return differ("content after upload", size, "no such file".to_owned());
            };
            if entry.size != stamp.size {
                let (size, actual) = (stamp.size.to_string(), entry.size.to_string());
                return differ("size after upload", size, actual);
            }
            if let Some(md5) = md5
                && Digest::parse(&entry.md5sum.0) != Some(*md5)
            {
                let actual = entry.md5sum.0.clone().into_owned();
                return differ("MD5 checksum after upload", md5.to_string(), actual);
            }
        }
        Ok(())
    }
}

/// What a manifest says of a file: of thousands, nothing is copied out of the document.
#[derive(Debug, Deserialize)]
struct Placed<'document> {
    size: u64,
    #[serde(borrow)]
    md5sum: Text<'document>,
}

/// A text that borrows from its document where that has it without escapes.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Text<'document>(#[serde(borrow)] Cow<'document, str>);

impl Borrow<str> for Text<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}
