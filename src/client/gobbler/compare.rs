//! Whether a new version is what was uploaded.

use std::panic::resume_unwind;

use super::service::Service;
use super::upload::Upload;
use crate::digest::Digest;
use crate::fs::copy::Stamp;
use crate::job::Job;
use crate::registry::layout::{MANIFEST, is_kept};
use crate::registry::model::Manifest;
use crate::relpath::RelPath;
use crate::settings::{self, Verify};
use crate::transfer::stage::Survey;
use crate::{Error, Result, runtime};

/// A directory, as it was when it was copied.
#[derive(Debug)]
pub(super) struct Copied {
    pub(super) survey: Survey,
    pub(super) stamps: Vec<Stamp>,
}

/// Digests of the copied files, in order; `None` for one that has changed since.
pub(super) type Digests = Vec<Option<Digest>>;

impl Copied {
    /// Does `work`, say asking a service to do the same, while the files are digested.
    ///
    /// There are no digests if nothing is to be verified, and for want of a thread.
    pub(super) fn digested_during<T>(
        &self,
        work: impl FnOnce() -> Result<T>,
        job: &Job,
    ) -> Result<(T, Option<Digests>)> {
        let digesting = job.child();
        if settings::verify()? == Verify::Never {
            digesting.cancel();
        }
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("selenite-compare".to_owned());
            let digests =
                thread.spawn_scoped(scope, || self.survey.digests(&self.stamps, &digesting));
            let result = work().inspect_err(|_| digesting.cancel());
            let digests = digests
                .ok()
                .and_then(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)).ok());
            job.check()?;
            Ok((result?, digests))
        })
    }

    /// Compares the manifest of the new version with the files.
    ///
    /// The version is there: a service that does not tell its manifest is no failure.
    pub(super) fn compare(
        &self,
        digests: &Digests,
        service: &Service,
        upload: &Upload,
        job: &Job,
    ) -> Result<()> {
        let Upload { project, asset, version, ignore_dot, .. } = upload;
        let version = format!("{project}/{asset}/{version}");
        let mut once = service.clone();
        once.http.retry.retries = 0;
        let read = async {
            let path = RelPath::parse(format!("{version}/{MANIFEST}"))?;
            once.read(&path, job).await?.parse::<Manifest>()
        };
        let manifest = runtime::current()?.block_on(job.race(read));
        job.check()?;
        let Ok(manifest) = manifest else { return Ok(()) };
        for ((path, stamp), md5) in self.survey.files().iter().zip(&self.stamps).zip(digests) {
            if !path.split('/').all(|name| is_kept(name, *ignore_dot)) {
                continue;
            }
            let differ = |what, expected: String, actual: String| {
                Err(Error::Digest { path: format!("{version}/{path}"), what, expected, actual })
            };
            let Some(entry) = manifest.get(path) else {
                let size = format!("{} bytes", stamp.size);
                return differ("content after upload", size, "no such file".to_owned());
            };
            if entry.size != stamp.size {
                let (size, actual) = (stamp.size.to_string(), entry.size.to_string());
                return differ("size after upload", size, actual);
            }
            if let Some(md5) = md5.map(|md5| md5.to_string())
                && !entry.md5sum.eq_ignore_ascii_case(&md5)
            {
                return differ("MD5 checksum after upload", md5, entry.md5sum.clone());
            }
        }
        Ok(())
    }
}
