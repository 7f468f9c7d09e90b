//! Files in answers: conditions, ranges, and bodies that are read piece by piece.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Body;
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Response, StatusCode};
use bytes::Bytes;

use crate::digest::WINDOW_BYTES;
use crate::service::answer::{empty, plain};
use crate::service::conditions::{
    BadRange, Verdict, evaluate, insert_last_modified, last_modified, not_modified, parse_ranges,
    value,
};
use crate::service::media_type;
use crate::service::sendfile::{Outbox, PART_BYTES};
use crate::service::threads;
use crate::system;

/// Up to this size content is read at once, on the thread that answers: handing it to another
/// thread would take longer than reading it.
const INLINE_BYTES: u64 = 64 * 1024;

/// What an answer says about its content.
#[derive(Debug, Default)]
pub(crate) struct About<'a> {
    /// Its media type.
    pub(crate) media_type: MediaType<'a>,
    /// Its entity tag, quoted.
    pub(crate) etag: Option<String>,
}

/// Content that can be read anywhere.
pub(crate) trait Source: Send + Sync + 'static {
    /// Size in bytes, and when it was changed.
    fn size_and_time(&self) -> (u64, Option<SystemTime>);

    /// Reads a range that must be there: content that shrinks meanwhile is an error.
    fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>>;

    /// Bytes that are worth reading at a time.
    fn window(&self) -> u64;

    /// Up to this size content is read at once, on the thread that answers.
    fn inline(&self) -> u64;

    /// The file that holds the content as it is, if there is one.
    fn file(&self) -> Option<Arc<File>> {
        None
    }
}

/// A regular file, and what was seen of it when it was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    file: Arc<File>,
    metadata: fs::Metadata,
}

impl Opened {
    pub(crate) fn new(file: File, metadata: fs::Metadata) -> Self {
        Self { file: Arc::new(file), metadata }
    }
}

impl Source for Opened {
    fn size_and_time(&self) -> (u64, Option<SystemTime>) {
        (self.metadata.len(), last_modified(&self.metadata))
    }

    fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let size = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
        let mut bytes = Vec::with_capacity(size);
        while bytes.len() < size {
            let offset = range.start + bytes.len() as u64;
            if system::append_at(&self.file, &mut bytes, offset)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        // The file may have grown, and there may be more room than was asked for.
        bytes.truncate(size);
        Ok(bytes)
    }

    fn window(&self) -> u64 {
        WINDOW_BYTES as u64
    }

    fn inline(&self) -> u64 {
        INLINE_BYTES
    }

    fn file(&self) -> Option<Arc<File>> {
        Some(Arc::clone(&self.file))
    }
}

#[cfg(feature = "s3")]
impl Source for Arc<crate::registry::bucket::store::Remote> {
    fn size_and_time(&self) -> (u64, Option<SystemTime>) {
        (self.size, crate::service::conditions::whole_seconds(self.modified))
    }

    fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        if range.is_empty() {
            Ok(Vec::new())
        } else {
            crate::registry::bucket::store::Remote::read(self, range)
        }
    }

    fn window(&self) -> u64 {
        8 << 20
    }

    fn inline(&self) -> u64 {
        0
    }
}

/// Where a media type comes from.
#[derive(Debug)]
pub(crate) enum MediaType<'a> {
    /// From the name of the file, or else from its first bytes.
    OfName(&'a str),
    /// It is known, or known to be unknown.
    Known(Option<&'static str>),
}

impl Default for MediaType<'_> {
    fn default() -> Self {
        Self::Known(None)
    }
}

/// The content of a regular file, or the part of it that the client asks for.
pub(crate) fn content(
    source: impl Source,
    about: &About<'_>,
    request: &HeaderMap,
) -> io::Result<Response<Body>> {
    let (size, modified) = source.size_and_time();
    let etag = about.etag.as_deref();
    let ranges = match evaluate(request, modified, etag) {
        Verdict::PreconditionFailed => {
            let mut response = empty(StatusCode::PRECONDITION_FAILED);
            insert_last_modified(response.headers_mut(), modified);
            return Ok(response);
        }
        Verdict::NotModified => {
            let mut response = not_modified(modified);
            insert_etag(response.headers_mut(), etag);
            return Ok(response);
        }
        Verdict::Send(None) => Vec::new(),
        Verdict::Send(Some(range)) => match parse_ranges(range, size) {
            Ok(ranges) => ranges,
            Err(BadRange::Outside) if size == 0 => Vec::new(),
            Err(bad) => {
                let mut response = plain(StatusCode::RANGE_NOT_SATISFIABLE, &bad.to_string());
                let headers = response.headers_mut();
                if matches!(bad, BadRange::Outside) {
                    headers.insert(header::CONTENT_RANGE, value(format!("bytes */{size}")));
                }
                insert_last_modified(headers, modified);
                return Ok(response);
            }
        },
    };
    // Read once, also where its first bytes tell what it is.
    let is_read_at_once = ranges.is_empty() && size <= source.inline();
    let whole = is_read_at_once.then(|| source.read(0..size)).transpose()?;
    let media_type = match about.media_type {
        MediaType::Known(known) => known.map(Cow::Borrowed),
        MediaType::OfName(name) => Some(match media_type::of_name(name) {
            Some(known) => known,
            None => {
                let sniffed = 0..size.min(media_type::SNIFFED_BYTES as u64);
                let start = match &whole {
                    Some(whole) => Cow::Borrowed(whole.as_slice()),
                    None => Cow::Owned(source.read(sniffed)?),
                };
                media_type::sniff(&start).into()
            }
        }),
    };
    let mut headers = HeaderMap::with_capacity(8);
    insert_last_modified(&mut headers, modified);
    insert_etag(&mut headers, etag);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let pieces = match ranges.as_slice() {
        [] => VecDeque::from([Piece::Content(0..size)]),
        [range] => {
            headers.insert(header::CONTENT_RANGE, value(content_range(range, size)));
            VecDeque::from([Piece::Content(range.clone())])
        }
        several => {
            let boundary = format!("{:032x}", rand::random::<u128>());
            let part_type = media_type.as_deref().unwrap_or("application/octet-stream");
            let pieces = parts(several, size, part_type, &boundary);
            let media_type = format!("multipart/byteranges; boundary={boundary}");
            headers.insert(header::CONTENT_TYPE, value(media_type));
            pieces
        }
    };
    if let (header::Entry::Vacant(entry), Some(media_type)) =
        (headers.entry(header::CONTENT_TYPE), media_type)
    {
        entry.insert(HeaderValue::from_str(&media_type).map_err(io::Error::other)?);
    }
    let length: u64 = pieces.iter().map(Piece::size).sum();
    headers.insert(header::CONTENT_LENGTH, length.into());
    let mut response = Response::new(match whole {
        Some(whole) => Body::from(whole),
        None => body(source, pieces, length)?,
    });
    if !ranges.is_empty() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    *response.headers_mut() = headers;
    Ok(response)
}

fn insert_etag(headers: &mut HeaderMap, etag: Option<&str>) {
    if let Some(etag) = etag.and_then(|etag| HeaderValue::from_str(etag).ok()) {
        headers.insert(header::ETAG, etag);
    }
}

fn content_range(range: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end - 1)
}

/// A part of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Bytes),
    Content(Range<u64>),
}

impl Piece {
    fn size(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Content(range) => range.end - range.start,
        }
    }
}

/// The body of an answer with several ranges.
fn parts(ranges: &[Range<u64>], size: u64, media_type: &str, boundary: &str) -> VecDeque<Piece> {
    let mut pieces = VecDeque::new();
    for (index, range) in ranges.iter().enumerate() {
        let start = if index == 0 { "" } else { "\r\n" };
        let head = format!(
            "{start}--{boundary}\r\nContent-Range: {}\r\nContent-Type: {media_type}\r\n\r\n",
            content_range(range, size)
        );
        pieces.push_back(Piece::Text(head.into()));
        pieces.push_back(Piece::Content(range.clone()));
    }
    pieces.push_back(Piece::Text(format!("\r\n--{boundary}--\r\n").into()));
    pieces
}

fn body(source: impl Source, pieces: VecDeque<Piece>, length: u64) -> io::Result<Body> {
    if length <= source.inline() {
        let whole: io::Result<Vec<_>> = pieces
            .into_iter()
            .map(|piece| match piece {
                Piece::Text(text) => Ok(text),
                Piece::Content(range) => source.read(range).map(Bytes::from),
            })
            .collect();
        return Ok(match <[Bytes; 1]>::try_from(whole?) {
            Ok([only]) => Body::from(only),
            Err(several) => Body::from(several.concat()),
        });
    }
    let outbox = source
        .file()
        .and_then(|file| Outbox::taking(&file).map(|(outbox, storage)| (outbox, storage, file)));
    let window = if outbox.is_some() { PART_BYTES as u64 } else { source.window() };
    let source = Arc::new(source);
    let stream = futures_util::stream::try_unfold(pieces, move |mut pieces| {
        let source = Arc::clone(&source);
        let outbox = outbox.clone();
        async move {
            let Some(piece) = pieces.pop_front() else { return Ok(None) };
            let bytes = match piece {
                Piece::Text(text) => text,
                Piece::Content(range) => {
                    let end = range.end.min(range.start + window);
                    if end < range.end {
                        pieces.push_front(Piece::Content(end..range.end));
                    }
                    let range = range.start..end;
                    match outbox {
                        Some((outbox, storage, file)) => outbox.part(storage, &file, range).await?,
                        None => {
                            threads::run_or_here(move || source.read(range.clone())).await?.into()
                        }
                    }
                }
            };
            Ok::<_, io::Error>(Some((bytes, pieces)))
        }
    });
    Ok(Body::from_stream(stream))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_read_in_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let text: Vec<u8> = (0..700_000_u32).map(|index| (index % 251) as u8).collect();
        fs::write(&path, &text).unwrap();
        let opened = || {
            let file = File::open(&path).unwrap();
            let metadata = file.metadata().unwrap();
            Opened::new(file, metadata)
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for pieces in [
            vec![Piece::Content(0..700_000)],
            vec![Piece::Text("head".into()), Piece::Content(5..600_000), Piece::Text("x".into())],
            vec![Piece::Content(3..9)],
        ] {
            let expected: Vec<u8> = pieces
                .iter()
                .flat_map(|piece| match piece {
                    Piece::Text(text) => text.to_vec(),
                    Piece::Content(range) => text[usize::try_from(range.start).unwrap()
                        ..usize::try_from(range.end).unwrap()]
                        .to_vec(),
                })
                .collect();
            let body = body(opened(), pieces.into(), expected.len() as u64);
            let read = runtime.block_on(axum::body::to_bytes(body.unwrap(), usize::MAX)).unwrap();
            assert!(read == expected);
        }
        assert!(opened().read(699_999..700_001).is_err());
    }
}
