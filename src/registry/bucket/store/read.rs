//! A store of objects as a registry that is read.

#[cfg(feature = "s3")]
use std::io::{self, BufReader, Read};
use std::sync::Arc;

use super::{Content, Objects};
use crate::job::Job;
use crate::registry::read::{self, Keys};
use crate::{Error, Result};

impl Keys for Arc<dyn Objects> {
    fn list(&self, prefix: &str, is_recursive: bool, job: &Job) -> Result<Vec<String>> {
        Objects::list(&**self, prefix, is_recursive, job).map_err(Error::from)
    }

    fn size(&self, key: &str, _: &Job) -> Result<Option<u64>> {
        Ok(self.stat(key)?.map(|stat| stat.size))
    }

    fn open(&self, key: &str, _: &Job) -> Result<Option<read::Content>> {
        Ok(Objects::open(&**self, key)?.map(|content| match content {
            Content::File(file, _) => Box::new(file) as read::Content,
            #[cfg(feature = "s3")]
            Content::Remote(remote) => {
                Box::new(BufReader::with_capacity(PIECE_BYTES, Pieces { remote, at: 0 }))
            }
        }))
    }
}

/// Bytes that are asked of a store at once.
#[cfg(feature = "s3")]
const PIECE_BYTES: usize = 1 << 20;

/// An object that is read from its beginning.
#[cfg(feature = "s3")]
struct Pieces {
    remote: Arc<super::Remote>,
    at: u64,
}

#[cfg(feature = "s3")]
impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = self.remote.size.min(self.at.saturating_add(buffer.len() as u64));
        if self.at >= end {
            return Ok(0);
        }
        let piece = self.remote.read(self.at..end)?;
        let length = piece.len().min(buffer.len());
        buffer[..length].copy_from_slice(&piece[..length]);
        self.at += length as u64;
        Ok(length)
    }
}
