//! MD5 digests and sizes of files, one at a time or many in parallel.

use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use md5::{Digest as _, Md5};
use rayon::prelude::*;

use crate::error::IoContext;
use crate::job::Job;
use crate::{Error, Result, runtime};

/// Bytes read at a time.
pub const WINDOW_BYTES: usize = 256 * 1024;

/// An MD5 digest; displayed as 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 16]);

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// What one pass over some content has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Bytes of content.
    pub size: u64,
    /// Its MD5 digest.
    pub md5: Digest,
}

/// Digests content that arrives in pieces.
#[derive(Debug, Clone, Default)]
pub struct Hasher {
    md5: Md5,
    size: u64,
}

impl Hasher {
    /// Adds the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.md5.update(piece);
        self.size += piece.len() as u64;
    }

    /// Bytes added so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The digest and size of everything added.
    pub fn finish(self) -> Seen {
        Seen { size: self.size, md5: Digest(self.md5.finalize().into()) }
    }
}

/// Opens a regular file for reading: links in the last component are not followed unless `follow`,
/// and a FIFO, socket or device is an error instead of a wait.
pub fn open_regular(path: &Path, follow: bool) -> Result<File> {
    let mut flags = rustix::fs::OFlags::NONBLOCK;
    if !follow {
        flags |= rustix::fs::OFlags::NOFOLLOW;
    }
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or_default())
        .open(path)
        .at(path)?;
    if file.metadata().at(path)?.is_file() {
        Ok(file)
    } else {
        Err(Error::UnsafePath { path: path.display().to_string(), why: "it is not a regular file" })
    }
}

/// Digests what is left to read of `file`; `path` is for messages.
pub fn of_reader(mut file: impl Read, path: &Path, job: &Job) -> Result<Seen> {
    let mut hasher = Hasher::default();
    let mut window = vec![0; WINDOW_BYTES];
    loop {
        job.check()?;
        match file.read(&mut window) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(count) => {
                hasher.update(&window[..count]);
                job.advance(count as u64);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).at(path),
        }
    }
}

/// Digests one regular file, following links.
pub fn of_file(path: &Path, job: &Job) -> Result<Seen> {
    of_reader(open_regular(path, true)?, path, job)
}

/// Digests many regular files in parallel, following links; results are in the order given.
pub fn of_files<P: AsRef<Path> + Sync>(paths: &[P], job: &Job) -> Result<Vec<Result<Seen>>> {
    let runtime = runtime::current()?;
    Ok(runtime.install(|| paths.par_iter().map(|path| of_file(path.as_ref(), job)).collect()))
}

/// Lower-case hexadecimal digits of some bytes.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_match_the_standard_ones() {
        let mut hasher = Hasher::default();
        assert_eq!(hasher.clone().finish().md5.to_string(), "d41d8cd98f00b204e9800998ecf8427e");
        hasher.update(b"ab");
        hasher.update(b"c");
        let seen = hasher.finish();
        assert_eq!(seen.md5.to_string(), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(seen.size, 3);
    }

    #[test]
    fn only_regular_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        assert!(matches!(open_regular(&fifo, true), Err(Error::UnsafePath { .. })));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        assert!(open_regular(&link, false).is_err());
        assert!(open_regular(&link, true).is_ok());
    }
}
