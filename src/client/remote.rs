//! What both kinds of remote registry do alike.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, HeaderValue, RANGE};
use reqwest::{Method, Url};

use crate::digest::{Digest, REPR_DIGEST};
use crate::error::IoContext;
use crate::fs::once_more_if_stale;
use crate::http::{Document, Http, Response};
use crate::job::Job;
use crate::registry::read::{Content, Stat};
use crate::runtime::{self, Runtime};
use crate::{Error, Result, tar};

/// True for the answer to a request for something that is not there.
pub(super) fn is_missing(error: &Error) -> bool {
    matches!(error.root(), Error::Status { status: 404, .. })
}

/// The answer to a request for a list, and whether there are archives of what is listed.
pub(super) async fn listed(http: &Http, url: &Url, job: &Job) -> Result<(Document, bool)> {
    let headers = HeaderMap::new();
    let ask = || async {
        let response = http.get_once(url, &headers).await?;
        let has_archives = response.header(tar::ANNOUNCEMENT) == Some("tar");
        Ok((response.into_document().await?, has_archives))
    };
    http.repeat(url, |_| true, job, ask).await
}

/// What the server says of what is at a URL, which ends with a slash if it is a directory.
pub(super) async fn stat(http: &Http, url: &Url, job: &Job) -> Result<Stat> {
    let headers = HeaderMap::new();
    let ask = || http.request_once(Method::HEAD, url, &headers, Bytes::new(), true);
    let response = http.repeat(url, |_| true, job, ask).await?;
    if response.path().ends_with('/') {
        return Ok(Stat::Folder);
    }
    let size = response.header(CONTENT_LENGTH).and_then(|size| size.parse().ok());
    let size = size.ok_or_else(|| {
        let why = "the server does not say how large it is";
        Error::invalid("url", crate::http::url::redacted(url), why)
    })?;
    Ok(Stat::File { size })
}

/// Opens what is at a URL. The returned reader waits on the thread that reads.
pub(super) fn open(http: &Http, url: &Url, job: &Job) -> Result<Content> {
    let runtime = runtime::current()?;
    let headers = HeaderMap::new();
    let ask = || http.get_large_once(url, &headers);
    let response = runtime.block_on(http.repeat(url, |_| true, job, ask))?;
    refuse_folder(&response)?;
    Ok(Box::new(Body { runtime, response, rest: Bytes::new() }))
}

/// A directory has a page of its own.
pub(super) fn refuse_folder(response: &Response) -> Result<()> {
    if response.path().ends_with('/') {
        return Err(io::Error::from(ErrorKind::IsADirectory)).at(response.path());
    }
    Ok(())
}

/// The body of an answer, piece by piece.
struct Body {
    runtime: Arc<Runtime>,
    response: Response,
    rest: Bytes,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            let piece = self.runtime.block_on(self.response.chunk()).map_err(io::Error::other)?;
            let Some(piece) = piece else { return Ok(0) };
            self.rest = piece;
        }
        let length = self.rest.len().min(buffer.len());
        self.rest.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

/// Ranges with less between them are asked for together.
const GAP_BYTES: u64 = 64 * 1024;
/// Ranges that are asked for at once.
const AT_ONCE: usize = 8;

/// What is known of a file of which only parts are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole<'a> {
    /// Its path, for messages.
    pub path: &'a str,
    /// Its size in bytes.
    pub size: u64,
    /// Its digest.
    pub md5: Option<Digest>,
}

/// Ranges that are read together, and which of those that were asked for they hold.
fn merged(ranges: &[Range<u64>]) -> Vec<(Range<u64>, Vec<usize>)> {
    let mut order: Vec<usize> =
        (0..ranges.len()).filter(|number| !ranges[*number].is_empty()).collect();
    order.sort_by_key(|number| ranges[*number].start);
    let mut merged: Vec<(Range<u64>, Vec<usize>)> = Vec::new();
    for number in order {
        let range = &ranges[number];
        match merged.last_mut() {
            Some((last, numbers)) if range.start <= last.end.saturating_add(GAP_BYTES) => {
                last.end = last.end.max(range.end);
                numbers.push(number);
            }
            _ => merged.push((range.clone(), vec![number])),
        }
    }
    merged
}

/// Divides what was read into what was asked for.
fn divided(
    ranges: &[Range<u64>],
    read: impl IntoIterator<Item = (Range<u64>, Vec<usize>, Vec<u8>)>,
) -> Vec<Vec<u8>> {
    let mut parts = vec![Vec::new(); ranges.len()];
    for (whole, numbers, content) in read {
        for number in numbers {
            let place = |at: u64| usize::try_from(at - whole.start).expect("it is in memory");
            let range = &ranges[number];
            parts[number] = content[place(range.start)..place(range.end)].to_vec();
        }
    }
    parts
}

/// Parts of a file of this machine.
pub(super) fn ranges_of_file(
    path: &Path,
    ranges: &[Range<u64>],
    job: &Job,
) -> Result<Vec<Vec<u8>>> {
    let mut file = once_more_if_stale(|| File::open(path)).at(path)?;
    let read = |range: &Range<u64>| {
        job.check()?;
        let mut part = Vec::new();
        file.seek(SeekFrom::Start(range.start)).at(path)?;
        let length = range.end.saturating_sub(range.start);
        (&mut file).take(length).read_to_end(&mut part).at(path)?;
        if part.len() as u64 != length {
            return Err(io::Error::from(ErrorKind::UnexpectedEof)).at(path);
        }
        Ok(part)
    };
    ranges.iter().map(read).collect()
}

/// Parts of what is at a URL, asked for together where they are close to each other.
pub(super) async fn ranges(
    http: &Http,
    url: &Url,
    whole: Whole<'_>,
    ranges: &[Range<u64>],
    job: &Job,
) -> Result<Vec<Vec<u8>>> {
    let read = |(range, numbers): (Range<u64>, Vec<usize>)| async move {
        let attempt = || part(http, url, whole, &range, job);
        let content = http.repeat(url, |_| true, job, attempt).await?;
        Ok::<_, Error>((range, numbers, content))
    };
    let read: Vec<_> =
        stream::iter(merged(ranges)).map(read).buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(divided(ranges, read))
}

async fn part(
    http: &Http,
    url: &Url,
    whole: Whole<'_>,
    range: &Range<u64>,
    job: &Job,
) -> Result<Vec<u8>> {
    let mut headers = HeaderMap::new();
    let wanted = format!("bytes={}-{}", range.start, range.end - 1);
    headers.insert(RANGE, HeaderValue::try_from(wanted).expect("digits may be in headers"));
    let mut response = http.get_large_once(url, &headers).await?;
    // Servers may send everything instead.
    let is_part = response.status() == 206;
    let size = if is_part {
        let about = response.header(CONTENT_RANGE).and_then(|about| about.rsplit_once('/'));
        about.and_then(|(_, size)| size.parse().ok())
    } else {
        response.length()
    };
    let differs = |what, expected: String, actual: String| Error::Digest {
        path: whole.path.to_owned(),
        what,
        expected,
        actual,
    };
    if let Some(size) = size
        && size != whole.size
    {
        return Err(differs("size", whole.size.to_string(), size.to_string()));
    }
    // An entity tag is no digest, even where it looks like one.
    let stated = response.header(REPR_DIGEST).and_then(Digest::of_header);
    if let (Some(stated), Some(md5)) = (stated, whole.md5)
        && stated != md5
    {
        return Err(differs("MD5 checksum", md5.to_string(), stated.to_string()));
    }
    let mut skip = if is_part { 0 } else { range.start };
    let length = range.end - range.start;
    let mut content = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    while (content.len() as u64) < length
        && let Some(mut piece) = response.chunk().await?
    {
        let skipped = piece.len().min(usize::try_from(skip).unwrap_or(usize::MAX));
        piece.advance(skipped);
        skip -= skipped as u64;
        let missing = usize::try_from(length).unwrap_or(usize::MAX) - content.len();
        piece.truncate(missing);
        job.advance(piece.len() as u64);
        content.extend_from_slice(&piece);
    }
    if content.len() as u64 == length {
        return Ok(content);
    }
    let actual = content.len().to_string();
    Err(differs("size of a part", length.to_string(), actual))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::testing::{answer, serve};

    #[test]
    fn ranges_that_are_near_go_together() {
        let far = GAP_BYTES + 100;
        let ranges = [far + 1..far + 9, 0..10, 5..20, 20..20, 40..50, 3 * far..3 * far + 1];
        let merged = merged(&ranges);
        let expected =
            [(0..50, vec![1, 2, 4]), (far + 1..far + 9, vec![0]), (3 * far..3 * far + 1, vec![5])];
        assert_eq!(merged, expected);
        let read = merged.into_iter().map(|(range, numbers)| {
            let content: Vec<u8> = range.clone().map(|at| at.to_le_bytes()[0]).collect();
            (range, numbers, content)
        });
        let parts = divided(&ranges, read);
        for (range, part) in ranges.iter().zip(parts) {
            assert_eq!(part, range.clone().map(|at| at.to_le_bytes()[0]).collect::<Vec<_>>());
        }
    }

    fn read(answers: Vec<Vec<u8>>, md5: &str) -> Result<Vec<Vec<u8>>> {
        let (url, server) = serve(answers);
        let runtime = runtime::current().unwrap();
        let http = Http::new(&runtime).unwrap();
        let whole = Whole { path: "f", size: 5, md5: Digest::parse(md5) };
        let read = runtime.block_on(ranges(&http, &url, whole, &[1..3, 2..3], &Job::default()));
        assert!(server.join().unwrap()[0].to_lowercase().contains("range: bytes=1-2"));
        read
    }

    #[test]
    fn a_part_is_of_the_file_that_is_wanted() {
        const MD5: &str = "5d41402abc4b2a76b9719d911017c592";
        let part = |headers: &str| answer("206 Partial", headers, 2, b"el");
        let stated =
            "Content-Range: bytes 1-2/5\r\nRepr-Digest: md5=:XUFAKrxLKna5cZ2REBfFkg==:\r\n";
        let good = [
            vec![part(
                "Content-Range: bytes 1-2/5\r\nETag: \"00000000000000000000000000000000\"\r\n",
            )],
            vec![part(stated)],
            vec![answer("200 OK", "", 5, b"hello")],
            vec![answer("503 Busy", "Retry-After: 0\r\n", 0, b""), part(stated)],
        ];
        for answers in good {
            assert_eq!(read(answers, MD5).unwrap(), [&b"el"[..], b"l"]);
        }
        for (answers, md5) in [
            (vec![part("Content-Range: bytes 1-2/6\r\n")], MD5),
            (vec![answer("200 OK", "", 6, b"hello!")], MD5),
            (vec![part(stated)], "00000000000000000000000000000000"),
            (vec![answer("206 Partial", "Content-Range: bytes 1-1/5\r\n", 1, b"e")], MD5),
        ] {
            let error = read(answers, md5).unwrap_err();
            assert!(matches!(error, Error::Digest { .. }), "{error:?}");
        }
    }
}
