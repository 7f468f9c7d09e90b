//! Files in answers: conditions, ranges, and bodies that are read piece by piece.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use rustix::buffer::spare_capacity;

use crate::digest::WINDOW_BYTES;
use crate::service::media_type;
use crate::service::sendfile::{Outbox, PART_BYTES};
use crate::service::threads;

/// Up to this size content is read at once, on the thread that answers: handing it to another
/// thread would take longer than reading it.
const INLINE_BYTES: u64 = 64 * 1024;
/// The first time whose year has more than four digits.
const YEAR_10000: Duration = Duration::from_secs(253_402_300_800);

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
            match rustix::io::pread(&self.file, spare_capacity(&mut bytes), offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
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
impl Source for Arc<crate::registry::objects::Remote> {
    fn size_and_time(&self) -> (u64, Option<SystemTime>) {
        (self.size, whole_seconds(self.modified))
    }

    fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        if range.is_empty() {
            Ok(Vec::new())
        } else {
            crate::registry::objects::Remote::read(self, range)
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

/// An answer for humans: one line of text.
pub(crate) fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{text}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
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
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::PRECONDITION_FAILED;
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

fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("made of visible ASCII letters")
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

/// The modification time in whole seconds, as headers have it. None for times before 1970, for the
/// epoch itself, which file systems without times report, and for times that headers cannot say.
pub(crate) fn last_modified(metadata: &fs::Metadata) -> Option<SystemTime> {
    whole_seconds(metadata.modified().ok()?)
}

fn whole_seconds(time: SystemTime) -> Option<SystemTime> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let seconds = Duration::from_secs(since.as_secs());
    let can_be_said = !seconds.is_zero() && seconds < YEAR_10000;
    can_be_said.then(|| SystemTime::UNIX_EPOCH + seconds)
}

pub(crate) fn insert_last_modified(headers: &mut HeaderMap, modified: Option<SystemTime>) {
    if let Some(modified) = modified {
        headers.insert(header::LAST_MODIFIED, value(httpdate::fmt_http_date(modified)));
    }
}

pub(crate) fn not_modified(modified: Option<SystemTime>) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    insert_last_modified(response.headers_mut(), modified);
    response
}

/// What the conditions of a request come to.
#[derive(Debug, PartialEq, Eq)]
enum Verdict<'a> {
    PreconditionFailed,
    NotModified,
    /// The content, or the part of it that the `Range` header asks for.
    Send(Option<&'a str>),
}

/// Evaluates the conditions in the order of RFC 9110, section 13.2.2. Without an entity tag, none
/// matches.
fn evaluate<'a>(
    headers: &'a HeaderMap,
    modified: Option<SystemTime>,
    etag: Option<&str>,
) -> Verdict<'a> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let time = |name| text(name).and_then(|text| httpdate::parse_http_date(text).ok());
    let is_ours = |tag: &str| etag.is_some_and(|etag| tag.trim() == etag);
    let is_any = |tags: &str| tags.trim() == "*" || tags.split(',').any(is_ours);
    match (text(header::IF_MATCH), time(header::IF_UNMODIFIED_SINCE), modified) {
        (Some(tags), ..) if !is_any(tags) => return Verdict::PreconditionFailed,
        (None, Some(limit), Some(modified)) if modified > limit => {
            return Verdict::PreconditionFailed;
        }
        _ => {}
    }
    let is_weakly_any = |tags: &str| {
        tags.trim() == "*"
            || tags.split(',').any(|tag| is_ours(tag.trim().trim_start_matches("W/")))
    };
    match (text(header::IF_NONE_MATCH), modified) {
        (Some(tags), _) if is_weakly_any(tags) => return Verdict::NotModified,
        (None, Some(modified)) if !is_modified_since(headers, modified) => {
            return Verdict::NotModified;
        }
        _ => {}
    }
    let range = text(header::RANGE);
    let is_same = match text(header::IF_RANGE) {
        None => true,
        Some(tag) if is_ours(tag) => true,
        Some(_) => modified.is_some() && time(header::IF_RANGE) == modified,
    };
    Verdict::Send(range.filter(|_| is_same))
}

pub(crate) fn is_modified_since(headers: &HeaderMap, modified: SystemTime) -> bool {
    headers
        .get(header::IF_MODIFIED_SINCE)
        .and_then(|value| httpdate::parse_http_date(value.to_str().ok()?).ok())
        .is_none_or(|limit| modified > limit)
}

/// Why a range cannot be answered.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum BadRange {
    #[error("invalid range")]
    Syntax,
    #[error("invalid range: failed to overlap")]
    Outside,
}

/// Parses a `Range` header. No ranges means the whole content, also if the ranges are larger
/// together than the content.
fn parse_ranges(text: &str, size: u64) -> Result<Vec<Range<u64>>, BadRange> {
    let specs = text.strip_prefix("bytes=").ok_or(BadRange::Syntax)?;
    let mut ranges = Vec::new();
    let mut is_outside = false;
    for spec in specs.split(',').map(str::trim).filter(|spec| !spec.is_empty()) {
        let (first, last) = spec.split_once('-').ok_or(BadRange::Syntax)?;
        let (first, last) = (number(first)?, number(last)?);
        let range = match (first, last) {
            (None, Some(length)) => size.saturating_sub(length)..size,
            (Some(first), None) => first..size,
            (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
            (None, None) | (Some(_), Some(_)) => return Err(BadRange::Syntax),
        };
        if range.start < range.end {
            ranges.push(range);
        } else {
            is_outside = true;
        }
    }
    if is_outside && ranges.is_empty() {
        return Err(BadRange::Outside);
    }
    let sum = ranges.iter().fold(0_u64, |sum, range| sum.saturating_add(range.end - range.start));
    if sum > size {
        ranges.clear();
    }
    Ok(ranges)
}

fn number(text: &str) -> Result<Option<u64>, BadRange> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadRange::Syntax);
    }
    text.parse().map(Some).map_err(|_| BadRange::Syntax)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_parsed() {
        for (text, ranges) in [
            ("bytes=2-4", &[(2, 5)][..]),
            ("bytes=7-", &[(7, 10)]),
            ("bytes=-3", &[(7, 10)]),
            ("bytes=-30", &[(0, 10)]),
            ("bytes=8-99", &[(8, 10)]),
            ("bytes= 0-0 , ,-1", &[(0, 1), (9, 10)]),
            ("bytes=0-0,20-30", &[(0, 1)]),
            ("bytes=0-9,0-9", &[]),
            ("bytes=", &[]),
        ] {
            let parsed = parse_ranges(text, 10).unwrap();
            let parsed: Vec<_> = parsed.into_iter().map(|range| (range.start, range.end)).collect();
            assert_eq!(parsed, ranges, "{text}");
        }
        for text in ["bytes=20-30", "bytes=10-", "bytes=-0"] {
            assert_eq!(parse_ranges(text, 10), Err(BadRange::Outside), "{text}");
        }
        for text in ["items=0-1", "bytes=1", "bytes=-", "bytes=4-2", "bytes=--1", "bytes=+1-2"] {
            assert_eq!(parse_ranges(text, 10), Err(BadRange::Syntax), "{text}");
        }
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn verdict(pairs: &[(header::HeaderName, &str)], modified: u64) -> String {
        let headers: HeaderMap =
            pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        format!("{:?}", evaluate(&headers, Some(at(modified)), Some("\"ours\"")))
    }

    #[test]
    fn conditions_are_evaluated_in_order() {
        let time = httpdate::fmt_http_date(at(1000));
        let time = time.as_str();
        for (name, before, same, after) in [
            (header::IF_MODIFIED_SINCE, "NotModified", "NotModified", "Send(None)"),
            (header::IF_UNMODIFIED_SINCE, "Send(None)", "Send(None)", "PreconditionFailed"),
        ] {
            assert_eq!(verdict(&[(name.clone(), time)], 999), before);
            assert_eq!(verdict(&[(name.clone(), time)], 1000), same);
            assert_eq!(verdict(&[(name.clone(), time)], 1001), after);
            assert_eq!(verdict(&[(name, "yesterday")], 1001), "Send(None)");
        }
        let range = (header::RANGE, "bytes=0-");
        let whole = "Send(None)";
        let part = "Send(Some(\"bytes=0-\"))";
        assert_eq!(verdict(std::slice::from_ref(&range), 1), part);
        assert_eq!(verdict(&[range.clone(), (header::IF_RANGE, time)], 1000), part);
        assert_eq!(verdict(&[range.clone(), (header::IF_RANGE, time)], 999), whole);
        assert_eq!(verdict(&[range.clone(), (header::IF_RANGE, "\"ours\"")], 1000), part);
        assert_eq!(verdict(&[range, (header::IF_RANGE, "\"tag\"")], 1000), whole);
        assert_eq!(verdict(&[(header::IF_MATCH, "\"tag\"")], 1), "PreconditionFailed");
        assert_eq!(verdict(&[(header::IF_MATCH, "*")], 1), whole);
        assert_eq!(verdict(&[(header::IF_MATCH, "\"a\", \"ours\"")], 1), whole);
        assert_eq!(verdict(&[(header::IF_NONE_MATCH, "\"a\", W/\"ours\"")], 1), "NotModified");
        assert_eq!(verdict(&[(header::IF_NONE_MATCH, "*")], 1), "NotModified");
        assert_eq!(
            verdict(&[(header::IF_NONE_MATCH, "\"tag\""), (header::IF_MODIFIED_SINCE, time)], 1),
            whole
        );
    }

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
