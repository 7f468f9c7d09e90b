//! A folder as one tar archive: one answer for all of its files, which takes no more memory than a
//! block and holds no thread while the client is slow.

use std::io;
use std::ops::Range;
use std::time::SystemTime;

use axum::body::Body;
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Response, StatusCode};
use bytes::Bytes;

use super::content::Source;
use super::{answer, threads};
use crate::quote::quote_component;
use crate::tar;

/// What is sent at a time.
const BLOCK_BYTES: usize = 256 * 1024;

/// Opens a file of the folder; `None` if it is not there, or none that may be read.
pub(super) type Open = Box<dyn FnMut(&str) -> io::Result<Option<Box<dyn Source>>> + Send>;

/// What a client wants of a folder.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Only files whose names come later, in the order of their bytes.
    pub(super) after: String,
    /// Only files of no more bytes, if it says so.
    pub(super) most: Option<u64>,
}

/// An answer with the files of these names, which are those of all files of the folder `name`.
pub(super) fn archive(
    name: &str,
    mut names: Vec<String>,
    wanted: &Wanted,
    open: Open,
) -> Response<Body> {
    names.retain(|name| *name > wanted.after);
    names.sort_unstable();
    let archive = Archive {
        names: names.into_iter(),
        most: wanted.most,
        open,
        current: None,
        has_ended: false,
    };
    let blocks = futures_util::stream::try_unfold(archive, |mut archive| async move {
        let (block, archive) = threads::run(move || (archive.block(), archive)).await?;
        Ok::<_, io::Error>(block?.map(|block| (block, archive)))
    });
    let mut response = answer::of_type(tar::MEDIA_TYPE, StatusCode::OK, Body::from_stream(blocks));
    let name = quote_component(name);
    let place = HeaderValue::try_from(format!("attachment; filename*=UTF-8''{name}.tar"));
    response
        .headers_mut()
        .insert(header::CONTENT_DISPOSITION, place.expect("made of visible ASCII letters"));
    response
}

/// Says in an answer that there are archives.
pub(super) fn announce(headers: &mut HeaderMap) {
    headers.insert(tar::ANNOUNCEMENT, HeaderValue::from_static("tar"));
}

/// An archive on its way.
struct Archive {
    names: std::vec::IntoIter<String>,
    most: Option<u64>,
    open: Open,
    /// A file, and what was not sent of it.
    current: Option<(Box<dyn Source>, Range<u64>)>,
    has_ended: bool,
}

impl Archive {
    /// The next piece of the archive.
    fn block(&mut self) -> io::Result<Option<Bytes>> {
        let mut block = Vec::new();
        while block.len() < BLOCK_BYTES && !self.has_ended {
            if let Some((source, rest)) = &mut self.current {
                let room = (BLOCK_BYTES - block.len()) as u64;
                let end = rest.end.min(rest.start + room);
                // What has shrunk breaks the answer: its size was said before.
                block.extend(source.read(rest.start..end)?);
                rest.start = end;
                if end == rest.end {
                    block.resize(block.len() + tar::padding(end), 0);
                    self.current = None;
                }
                continue;
            }
            let Some(name) = self.names.next() else {
                block.extend(tar::END);
                self.has_ended = true;
                break;
            };
            let Some(source) = (self.open)(&name)? else { continue };
            let (size, modified) = source.size_and_time();
            if self.most.is_some_and(|most| size > most) {
                continue;
            }
            let modified =
                modified.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
            block.extend(tar::head(&name, size, modified.unwrap_or_default().as_secs()));
            self.current = Some((source, 0..size));
        }
        Ok((!block.is_empty()).then(|| block.into()))
    }
}
