//! The entries of the staging directory that requests are reading: no purge takes them away.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Mutex;

use crate::fs::atomic;
use crate::shared::lock;

/// The entries of the staging directory that requests are reading.
#[derive(Debug, Default)]
pub(super) struct Sources {
    in_use: Mutex<HashMap<OsString, usize>>,
}

/// Keeps one entry from being purged.
#[derive(Debug)]
pub(super) struct InUse<'a> {
    sources: &'a Sources,
    name: OsString,
}

impl Sources {
    /// Keeps an entry of the staging directory from being purged until the result is dropped.
    pub(super) fn hold(&self, name: impl Into<OsString>) -> InUse<'_> {
        let name = name.into();
        let mut in_use = lock(&self.in_use);
        *in_use.entry(name.clone()).or_default() += 1;
        InUse { sources: self, name }
    }

    /// Removes an entry unless it is held; false if it is.
    pub(super) fn remove(&self, folder: &Path, name: &OsStr) -> io::Result<bool> {
        let doomed =
            folder.join(format!("{}purge-{:016x}", atomic::STAGE_PREFIX, rand::random::<u64>()));
        {
            // Under another name nobody can begin to read it, so the lock is held only here.
            let in_use = lock(&self.in_use);
            if in_use.contains_key(name) {
                return Ok(false);
            }
            fs::rename(folder.join(name), &doomed)?;
        }
        if fs::symlink_metadata(&doomed)?.is_dir() {
            fs::remove_dir_all(&doomed)?;
        } else {
            fs::remove_file(&doomed)?;
        }
        Ok(true)
    }
}

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        let mut in_use = lock(&self.sources.in_use);
        if let Some(count) = in_use.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                in_use.remove(&self.name);
            }
        }
    }
}
