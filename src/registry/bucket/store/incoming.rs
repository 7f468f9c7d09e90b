//! Objects on their way into a directory, and what is known of them from then on.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use crate::Result;
use crate::digest::{Digest, Hasher, Seen};
use crate::error::IoContext;
use crate::fs::atomic::Staged;
use crate::shared::lock;
use crate::system::{self, Identity};

/// Digests of received objects that are remembered.
const REMEMBERED: usize = 1 << 20;

/// An object that is being received, digested on the way. Dropped, it leaves nothing.
#[derive(Debug)]
pub struct Incoming {
    pub(super) staged: Staged,
    pub(super) target: PathBuf,
    pub(super) key: String,
    hasher: Hasher,
}

impl Incoming {
    /// Receives an object into `staged`, to become `target`.
    pub(super) fn new(staged: Staged, target: PathBuf, key: &str) -> Self {
        Self { staged, target, key: key.to_owned(), hasher: Hasher::default() }
    }

    /// Adds the next piece.
    pub fn write(&mut self, piece: &[u8]) -> Result<()> {
        self.hasher.update(piece);
        self.staged.file().write_all(piece).at(&self.target)
    }

    /// What has come so far.
    pub fn seen(&self) -> Seen {
        self.hasher.clone().finish()
    }
}

/// What was digested when it was received: no need to read it again.
#[derive(Debug, Default)]
pub(super) struct Received(Mutex<HashMap<String, (Identity, Digest)>>);

impl Received {
    fn known(&self) -> MutexGuard<'_, HashMap<String, (Identity, Digest)>> {
        lock(&self.0)
    }

    /// The digest of an object at `path`, if that is still the file that was received.
    pub(super) fn digest_of(&self, key: &str, path: &Path) -> Option<Digest> {
        let (identity, md5) = *self.known().get(key)?;
        fs::symlink_metadata(path).is_ok_and(|found| identity_of(&found) == identity).then_some(md5)
    }

    /// Remembers the digest of an object.
    pub(super) fn remember(&self, key: String, file: &Metadata, md5: Digest) {
        let mut known = self.known();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(key, (identity_of(file), md5));
    }

    /// Forgets all objects below a folder.
    pub(super) fn forget(&self, folder: &str) {
        let inside = format!("{folder}/");
        self.known().retain(|key, _| !key.starts_with(&inside));
    }
}

pub(super) fn identity_of(metadata: &Metadata) -> Identity {
    system::Stat::from(metadata).identity
}
