//! SHA-256 and SHA-512 of files.
//!
//! One stream of these is fast enough on CPUs with instructions for them, so files go to threads
//! one by one.

use std::path::Path;

use sha2::{Sha256, Sha512};

use super::read_windows;
use crate::fs::open;
use crate::job::Job;
use crate::parallel::try_map;
use crate::system::Links;
use crate::{Error, Result};

/// A member of the SHA-2 family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Sha {
    /// SHA-256: 32 bytes.
    Sha256,
    /// SHA-512: 64 bytes.
    Sha512,
}

/// What one pass over some content has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShaSeen {
    /// Bytes of content.
    pub size: u64,
    /// Its digest; see [`super::hex`].
    pub digest: Vec<u8>,
}

impl Sha {
    /// Digests one regular file, following links.
    pub(crate) fn of_file(self, path: &Path, job: &Job) -> Result<ShaSeen> {
        match self {
            Self::Sha256 => of_file::<Sha256>(path, job),
            Self::Sha512 => of_file::<Sha512>(path, job),
        }
    }

    /// Digests many regular files in parallel, following links; results are in the order given.
    ///
    /// Fails as a whole only if the job is cancelled; a file that cannot be read has its own error.
    pub(crate) fn of_files<P: AsRef<Path> + Sync>(
        self,
        paths: &[P],
        job: &Job,
    ) -> Result<Vec<Result<ShaSeen>>> {
        let results =
            try_map(paths, || (), |(), path| Ok::<_, Error>(self.of_file(path.as_ref(), job)))?;
        job.check()?;
        Ok(results)
    }
}

fn of_file<D: sha2::Digest>(path: &Path, job: &Job) -> Result<ShaSeen> {
    let mut hasher = D::new();
    let mut size = 0;
    read_windows(open::regular(path, Links::Follow)?.0, path, job, |piece| {
        hasher.update(piece);
        size += piece.len() as u64;
    })?;
    Ok(ShaSeen { size, digest: hasher.finalize().to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::hex;

    #[test]
    fn digests_are_the_standard_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        let job = Job::default();
        let seen = Sha::Sha256.of_file(&path, &job).unwrap();
        assert_eq!(seen.size, 3);
        assert_eq!(
            hex(&seen.digest),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let results = Sha::Sha512.of_files(&[path, folder.path().join("none")], &job).unwrap();
        assert_eq!(
            hex(&results[0].as_ref().unwrap().digest),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        );
        assert!(results[1].is_err());
        job.cancel();
        assert!(matches!(Sha::Sha256.of_files(&[folder.path()], &job), Err(Error::Cancelled)));
    }
}
