//! Files of the registry over HTTP.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustix::buffer::spare_capacity;
use rustix::fs::{Mode, OFlags};

use super::list;
use crate::digest::WINDOW_BYTES;
use crate::fs::atomic::STAGE_PREFIX;
use crate::relpath::clean;
use crate::service::media_type;
use crate::service::sendfile::{Outbox, PART_BYTES};

/// Up to this size content is read at once, on the thread that answers: handing it to another
/// thread would take longer than reading it.
const INLINE_BYTES: u64 = 64 * 1024;
/// What stays as it is in a URL.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The directories whose content may be served.
#[derive(Debug)]
pub(super) struct Roots {
    registry: PathBuf,
    whitelist: Vec<PathBuf>,
}

impl Roots {
    /// The registry, and directories outside of it that its links may point to.
    pub(super) fn new(registry: PathBuf, whitelist: Vec<PathBuf>) -> Self {
        Self { registry, whitelist }
    }

    /// The registry.
    pub(super) fn registry(&self) -> &Path {
        &self.registry
    }

    /// Opens what is at `path`, relative to the registry and without `..`.
    ///
    /// Links are followed, but what is really opened lies in the registry or in a whitelisted
    /// directory; anything else does not exist.
    fn open(&self, path: &Path) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        #[cfg(target_os = "linux")]
        if let Some(result) = self.open_beneath(path, flags) {
            return result;
        }
        let file = File::from(rustix::fs::open(self.registry.join(path), flags, Mode::empty())?);
        self.check(&real_path(&file)?)?;
        Ok(file)
    }

    /// Lets the kernel resolve a path that never leaves the registry. None if the path leaves it (or
    /// has absolute links), or if the kernel cannot do that.
    #[cfg(target_os = "linux")]
    fn open_beneath(&self, path: &Path, flags: OFlags) -> Option<io::Result<File>> {
        use rustix::fs::ResolveFlags;
        use rustix::io::Errno;

        // Without a link and without `..` no path can leave: one step for most.
        let whole = self.registry.join(path);
        let resolve = ResolveFlags::NO_SYMLINKS;
        match rustix::fs::openat2(rustix::fs::CWD, &whole, flags, Mode::empty(), resolve) {
            Ok(file) => return Some(Ok(file.into())),
            Err(Errno::LOOP) => {}
            Err(Errno::NOSYS | Errno::PERM) => return None,
            Err(error) => return Some(Err(error.into())),
        }
        // Opened each time: the registry may be replaced while the service runs.
        let root = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = match rustix::fs::open(&self.registry, root, Mode::empty()) {
            Ok(root) => root,
            Err(error) => return Some(Err(error.into())),
        };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        match rustix::fs::openat2(root, path, flags, Mode::empty(), resolve) {
            Ok(file) => Some(Ok(file.into())),
            Err(Errno::XDEV | Errno::NOSYS | Errno::PERM | Errno::AGAIN) => None,
            Err(error) => Some(Err(error.into())),
        }
    }

    /// Fails unless the real path of a folder lies in the registry or a whitelisted directory.
    pub(super) fn check_folder(&self, folder: &Path) -> io::Result<()> {
        self.check(&fs::canonicalize(folder)?)
    }

    fn check(&self, real: &Path) -> io::Result<()> {
        let lies_in = |root: &Path| fs::canonicalize(root).is_ok_and(|root| real.starts_with(root));
        if lies_in(&self.registry) || self.whitelist.iter().any(|root| lies_in(root)) {
            Ok(())
        } else {
            Err(rustix::io::Errno::NOENT.into())
        }
    }
}

#[cfg(target_os = "linux")]
fn real_path(file: &File) -> io::Result<PathBuf> {
    use std::os::fd::AsRawFd;
    fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

#[cfg(not(target_os = "linux"))]
fn real_path(file: &File) -> io::Result<PathBuf> {
    Ok(PathBuf::from(OsStr::from_bytes(rustix::fs::getpath(file)?.as_bytes())))
}

/// Answers a GET or HEAD of `/fetch/...`; `path` is what follows, decoded, and `query` belongs to it.
pub(super) async fn fetch(
    roots: &Arc<Roots>,
    path: &[u8],
    query: Option<&str>,
    headers: &HeaderMap,
) -> Response<Body> {
    // Rooted before it is cleaned, so that no `..` can lead out.
    let cleaned = clean(&[b"/", path].concat());
    let inner = &cleaned[1..];
    let mut components = inner.split(|byte| *byte == b'/');
    if components.any(|component| component.starts_with(STAGE_PREFIX.as_bytes())) {
        return plain(StatusCode::NOT_FOUND, "404 page not found");
    }
    if path == b"index.html" || path.ends_with(b"/index.html") {
        return redirect("./".to_owned(), query);
    }
    let relative = Path::new(OsStr::from_bytes(if inner.is_empty() { b"." } else { inner }));
    let (mut file, mut metadata) = match open(roots, relative) {
        Ok(opened) => opened,
        Err(error) => return refusal(&error),
    };
    let base = String::from_utf8_lossy(inner.rsplit(|byte| *byte == b'/').next().unwrap_or(inner));
    let escaped = utf8_percent_encode(&base, ESCAPED);
    let has_slash = path.is_empty() || path.ends_with(b"/");
    match (metadata.is_dir(), has_slash) {
        (true, false) => return redirect(format!("{escaped}/"), query),
        (false, true) => return redirect(format!("../{escaped}"), query),
        (true, true) => match open(roots, &relative.join("index.html")) {
            Ok(index) if index.1.is_file() => (file, metadata) = index,
            _ => return folder(roots, relative, &metadata, headers).await,
        },
        (false, false) => {}
    }
    let name = if has_slash { "index.html" } else { &*base };
    content(file, &metadata, name, headers).unwrap_or_else(|error| refusal(&error))
}

fn open(roots: &Roots, path: &Path) -> io::Result<(File, fs::Metadata)> {
    let file = roots.open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() || metadata.is_dir() {
        Ok((file, metadata))
    } else {
        Err(rustix::io::Errno::NOENT.into())
    }
}

fn refusal(error: &io::Error) -> Response<Body> {
    match error.kind() {
        io::ErrorKind::PermissionDenied => plain(StatusCode::FORBIDDEN, "403 Forbidden"),
        io::ErrorKind::NotFound
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::InvalidFilename => plain(StatusCode::NOT_FOUND, "404 page not found"),
        // A loop of links, or a socket: nothing that could be served.
        _ if [rustix::io::Errno::LOOP, rustix::io::Errno::NXIO]
            .iter()
            .any(|errno| error.raw_os_error() == Some(errno.raw_os_error())) =>
        {
            plain(StatusCode::NOT_FOUND, "404 page not found")
        }
        _ => plain(StatusCode::INTERNAL_SERVER_ERROR, "500 Internal Server Error"),
    }
}

/// An answer for humans: one line of text.
pub(super) fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{text}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn redirect(mut location: String, query: Option<&str>) -> Response<Body> {
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        location = format!("{location}?{query}");
    }
    // The query is the client's: it may hold what a header cannot.
    let Ok(location) = HeaderValue::try_from(location) else {
        return plain(StatusCode::BAD_REQUEST, "400 Bad Request");
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    response.headers_mut().insert(header::LOCATION, location);
    response
}

/// An HTML page of links to the entries of a folder.
async fn folder(
    roots: &Arc<Roots>,
    path: &Path,
    metadata: &fs::Metadata,
    headers: &HeaderMap,
) -> Response<Body> {
    let modified = last_modified(metadata);
    if modified.is_some_and(|time| !is_modified_since(headers, time)) {
        return not_modified(modified);
    }
    let path = roots.registry.join(path);
    let roots = Arc::clone(roots);
    let page = tokio::task::spawn_blocking(move || page_of(&roots, &path)).await;
    match page.map_err(io::Error::other).flatten() {
        Err(error) => refusal(&error),
        Ok(page) => {
            let mut response = Response::new(Body::from(page));
            let headers = response.headers_mut();
            headers
                .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            insert_last_modified(headers, modified);
            response
        }
    }
}

fn page_of(roots: &Roots, folder: &Path) -> io::Result<String> {
    let real = fs::canonicalize(folder)?;
    roots.check(&real)?;
    let mut page = String::from(
        "<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<pre>\n",
    );
    for (name, is_folder) in list::entries(&real)? {
        let name = String::from_utf8_lossy(&name);
        let slash = if is_folder { "/" } else { "" };
        let target = utf8_percent_encode(&name, ESCAPED);
        let shown = escape_html(&name);
        let _ = writeln!(page, "<a href=\"{target}{slash}\">{shown}{slash}</a>");
    }
    page.push_str("</pre>\n");
    Ok(page)
}

pub(super) fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&#34;")
        .replace('\'', "&#39;")
}

/// The content of a regular file, or the part of it that the client asks for.
fn content(
    file: File,
    metadata: &fs::Metadata,
    name: &str,
    request: &HeaderMap,
) -> io::Result<Response<Body>> {
    let modified = last_modified(metadata);
    let size = metadata.len();
    let ranges = match evaluate(request, modified) {
        Verdict::PreconditionFailed => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::PRECONDITION_FAILED;
            insert_last_modified(response.headers_mut(), modified);
            return Ok(response);
        }
        Verdict::NotModified => return Ok(not_modified(modified)),
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
    let media_type = match media_type::of_name(name) {
        Some(known) => known,
        None => {
            media_type::sniff(&read(&file, 0..size.min(media_type::SNIFFED_BYTES as u64))?).into()
        }
    };
    let mut headers = HeaderMap::with_capacity(8);
    insert_last_modified(&mut headers, modified);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let pieces = match ranges.as_slice() {
        [] => VecDeque::from([Piece::Content(0..size)]),
        [range] => {
            headers.insert(header::CONTENT_RANGE, value(content_range(range, size)));
            VecDeque::from([Piece::Content(range.clone())])
        }
        several => {
            let boundary = format!("{:032x}", rand::random::<u128>());
            let pieces = parts(several, size, &media_type, &boundary);
            let media_type = format!("multipart/byteranges; boundary={boundary}");
            headers.insert(header::CONTENT_TYPE, value(media_type));
            pieces
        }
    };
    if let header::Entry::Vacant(entry) = headers.entry(header::CONTENT_TYPE) {
        entry.insert(HeaderValue::from_str(&media_type).map_err(io::Error::other)?);
    }
    let length: u64 = pieces.iter().map(Piece::size).sum();
    headers.insert(header::CONTENT_LENGTH, length.into());
    let mut response = Response::new(body(file, pieces, length)?);
    if !ranges.is_empty() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    *response.headers_mut() = headers;
    Ok(response)
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

fn body(file: File, pieces: VecDeque<Piece>, length: u64) -> io::Result<Body> {
    if length <= INLINE_BYTES {
        let whole: io::Result<Vec<_>> = pieces
            .into_iter()
            .map(|piece| match piece {
                Piece::Text(text) => Ok(text),
                Piece::Content(range) => read(&file, range).map(Bytes::from),
            })
            .collect();
        return Ok(match <[Bytes; 1]>::try_from(whole?) {
            Ok([only]) => Body::from(only),
            Err(several) => Body::from(several.concat()),
        });
    }
    let outbox = Outbox::taking(&file);
    let window = if outbox.is_some() { PART_BYTES } else { WINDOW_BYTES } as u64;
    let file = Arc::new(file);
    let stream = futures_util::stream::try_unfold(pieces, move |mut pieces| {
        let file = Arc::clone(&file);
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
                        Some((outbox, storage)) => outbox.part(storage, &file, range).await?,
                        None => tokio::task::spawn_blocking(move || read(&file, range))
                            .await
                            .map_err(io::Error::other)??
                            .into(),
                    }
                }
            };
            Ok::<_, io::Error>(Some((bytes, pieces)))
        }
    });
    Ok(Body::from_stream(stream))
}

/// Reads a range that must be there: a file that shrinks meanwhile is an error.
fn read(file: &File, range: Range<u64>) -> io::Result<Vec<u8>> {
    let size = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
    let mut bytes = Vec::with_capacity(size);
    while bytes.len() < size {
        let offset = range.start + bytes.len() as u64;
        match rustix::io::pread(file, spare_capacity(&mut bytes), offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // The file may have grown, and there may be more room than was asked for.
    bytes.truncate(size);
    Ok(bytes)
}

/// The modification time in whole seconds, as headers have it. None for times before 1970 and for
/// the epoch itself, which file systems without times report.
fn last_modified(metadata: &fs::Metadata) -> Option<SystemTime> {
    let since = metadata.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let seconds = Duration::from_secs(since.as_secs());
    (!seconds.is_zero()).then(|| SystemTime::UNIX_EPOCH + seconds)
}

fn insert_last_modified(headers: &mut HeaderMap, modified: Option<SystemTime>) {
    if let Some(modified) = modified {
        headers.insert(header::LAST_MODIFIED, value(httpdate::fmt_http_date(modified)));
    }
}

fn not_modified(modified: Option<SystemTime>) -> Response<Body> {
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

/// Evaluates the conditions in the order of RFC 9110, section 13.2.2. There are no entity tags, so
/// none matches.
fn evaluate(headers: &HeaderMap, modified: Option<SystemTime>) -> Verdict<'_> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let time = |name| text(name).and_then(|text| httpdate::parse_http_date(text).ok());
    match (text(header::IF_MATCH), time(header::IF_UNMODIFIED_SINCE), modified) {
        (Some(tag), ..) if tag.trim() != "*" => return Verdict::PreconditionFailed,
        (None, Some(limit), Some(modified)) if modified > limit => {
            return Verdict::PreconditionFailed;
        }
        _ => {}
    }
    match (text(header::IF_NONE_MATCH), modified) {
        (Some(tag), _) if tag.trim() == "*" => return Verdict::NotModified,
        (None, Some(modified)) if !is_modified_since(headers, modified) => {
            return Verdict::NotModified;
        }
        _ => {}
    }
    let range = text(header::RANGE);
    let is_same = match text(header::IF_RANGE) {
        None => true,
        Some(_) => modified.is_some() && time(header::IF_RANGE) == modified,
    };
    Verdict::Send(range.filter(|_| is_same))
}

fn is_modified_since(headers: &HeaderMap, modified: SystemTime) -> bool {
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
    use std::os::unix::fs::symlink;

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
        format!("{:?}", evaluate(&headers, Some(at(modified))))
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
        assert_eq!(verdict(&[range, (header::IF_RANGE, "\"tag\"")], 1000), whole);
        assert_eq!(verdict(&[(header::IF_MATCH, "\"tag\"")], 1), "PreconditionFailed");
        assert_eq!(verdict(&[(header::IF_MATCH, "*")], 1), whole);
        assert_eq!(verdict(&[(header::IF_NONE_MATCH, "*")], 1), "NotModified");
        assert_eq!(
            verdict(&[(header::IF_NONE_MATCH, "\"tag\""), (header::IF_MODIFIED_SINCE, time)], 1),
            whole
        );
    }

    #[test]
    fn links_lead_only_to_the_registry_and_the_whitelist() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["registry/p", "white", "black", "other"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        for name in ["registry/p/f", "white/f", "black/f"] {
            fs::write(at(name), name).unwrap();
        }
        for (target, link) in [
            ("../p/f".into(), "registry/p/relative"),
            (at("registry/p/f"), "registry/p/absolute"),
            ("../../registry/p/f".into(), "registry/p/around"),
            (at("white/f"), "registry/p/white"),
            (at("white"), "registry/p/whites"),
            (at("black/f"), "registry/p/black"),
            ("../../black/f".into(), "registry/p/blacker"),
            (at("black"), "registry/p/blacks"),
            (at("black/f"), "white/black"),
            (at("white/black"), "registry/p/detour"),
            ("loop".into(), "registry/p/loop"),
            ("nothing".into(), "registry/p/dangling"),
        ] {
            symlink(target, at(link)).unwrap();
        }
        symlink(at("white"), at("listed")).unwrap();
        let roots = Roots::new(at("registry"), vec![at("listed")]);
        let opened = |name: &str| {
            roots.open(Path::new(name)).and_then(io::read_to_string).map_err(|error| error.kind())
        };
        for name in ["p/f", "p/relative", "p/absolute", "p/around"] {
            assert_eq!(opened(name).unwrap(), "registry/p/f", "{name}");
        }
        for name in ["p/white", "p/whites/f"] {
            assert_eq!(opened(name).unwrap(), "white/f", "{name}");
        }
        for name in ["p/black", "p/blacker", "p/blacks/f", "p/detour", "p/dangling", "p/none"] {
            assert_eq!(opened(name), Err(io::ErrorKind::NotFound), "{name}");
        }
        assert!(opened("p/loop").is_err());
    }

    #[test]
    fn bodies_are_read_in_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let text: Vec<u8> = (0..700_000_u32).map(|index| (index % 251) as u8).collect();
        fs::write(&path, &text).unwrap();
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
            let body = body(File::open(&path).unwrap(), pieces.into(), expected.len() as u64);
            let read = runtime.block_on(axum::body::to_bytes(body.unwrap(), usize::MAX)).unwrap();
            assert!(read == expected);
        }
        let file = File::open(&path).unwrap();
        assert!(read(&file, 699_999..700_001).is_err());
    }
}
