//! One large file over several connections at once, where each of them is slow.
//!
//! 1. A file begins as one stream. Once the rest of it would take longer than a moment, the stream is
//!    left and the rest is asked for in pieces, as many at once as nobody else wants to receive. On
//!    links that are fast enough nothing changes: through 100 Mbit/s a connection, sixteen pieces at
//!    once take a tenth of the time; on loopback they would gain a twentieth.
//! 2. That takes a server which says that it sends ranges, and something that tells whether all
//!    pieces are of one file: a strong entity tag, or what the whole must be.
//! 3. A piece that breaks off goes on alone, behind what has come of it.
//! 4. An answer that is no such piece, because it is of another file or of all of it, ends this: the
//!    file comes as one stream.
//! 5. Content goes to its place in the file as it comes, and is digested from there, in order.
//!    Nothing waits in memory but a block for each piece.
//! 6. Behind the end of an unfinished file that a later call can find, there is a byte for each piece:
//!    whether it has come.

use std::collections::BTreeSet;
use std::fs::File;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, StreamExt};
use reqwest::Url;
use reqwest::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap, HeaderValue, IF_RANGE, RANGE,
};
use tokio::sync::{Semaphore, mpsc};

use crate::error::IoContext;
use crate::http::{Http, Response};
use crate::job::{Job, Share};
use crate::parallel::aside;
use crate::shared::lock;
use crate::{Error, Result, system};

/// Pieces at once, at most.
pub(super) const MOST_AT_ONCE: usize = 16;
/// No file is larger: a server that says so must not make us note its pieces.
const LARGEST: u64 = 1 << 46;
/// What is written at a time.
const BLOCK_BYTES: usize = 256 * 1024;
/// What is read at a time to be digested.
const WINDOW_BYTES: u64 = 1 << 20;
/// Says of a piece that it has come.
const CAME: u8 = 1;

/// When to divide what is left of a file, and into what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Division {
    /// For so long the stream is watched first.
    pub(crate) look: Duration,
    /// If the rest would take longer than this, it is divided.
    pub(crate) moment: Duration,
    /// Bytes of a piece.
    pub(crate) piece: u64,
}

impl Default for Division {
    fn default() -> Self {
        Self { look: Duration::from_millis(500), moment: Duration::from_secs(2), piece: 8 << 20 }
    }
}

/// Watches the stream of a file that may be divided.
#[derive(Debug)]
pub(super) struct Watch {
    division: Division,
    began: Instant,
    start: u64,
    /// Size of the whole file.
    pub(super) size: u64,
}

impl Watch {
    /// Begins with an answer whose body goes on behind `received` bytes; `None` if the file cannot be
    /// divided. Whether it `is_known` what the whole must be may stand for an entity tag.
    pub(super) fn new(
        division: Division,
        response: &Response,
        received: u64,
        is_known: bool,
    ) -> Option<Self> {
        let sends_ranges = response.status() == 206
            || response.header(ACCEPT_RANGES).is_some_and(|unit| unit == "bytes");
        let is_plain = response.header(CONTENT_ENCODING).is_none_or(|coding| coding == "identity");
        if !sends_ranges || !is_plain || !(is_known || strong_tag(response).is_some()) {
            return None;
        }
        let size = received.checked_add(response.length()?).filter(|size| *size <= LARGEST)?;
        Some(Self { division, began: Instant::now(), start: received, size })
    }

    /// True if the rest is to be divided, after so many bytes have come.
    pub(super) fn is_slow(&self, received: u64) -> bool {
        let (rest, come) = (self.size - received.min(self.size), received - self.start);
        let elapsed = self.began.elapsed();
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let needed = elapsed.as_secs_f64() * rest as f64 / come.max(1) as f64;
        elapsed >= self.division.look
            && rest >= 2 * self.division.piece
            && needed >= self.division.moment.as_secs_f64()
    }
}

/// The entity tag of an answer that is the same only for the same bytes.
pub(super) fn strong_tag(response: &Response) -> Option<&str> {
    response.header(ETAG).filter(|tag| !tag.starts_with("W/"))
}

/// The pieces of a file, and which of them have come.
#[derive(Debug)]
pub(super) struct Pieces {
    size: u64,
    length: u64,
    come: Vec<bool>,
}

impl Pieces {
    /// Those of a file of this size whose first `received` bytes have come.
    pub(super) fn new(size: u64, length: u64, received: u64) -> Self {
        let count = size.div_ceil(length);
        let mut pieces = Self { size, length, come: Vec::new() };
        pieces.come = (0..count).map(|index| pieces.range(index).end <= received).collect();
        pieces
    }

    fn range(&self, index: u64) -> Range<u64> {
        index * self.length..(index + 1).saturating_mul(self.length).min(self.size)
    }

    /// Bytes from the start on that have come.
    pub(super) fn in_order(&self) -> u64 {
        let count = self.come.iter().take_while(|came| **came).count() as u64;
        (count * self.length).min(self.size)
    }

    /// Bytes that have come.
    fn bytes(&self) -> u64 {
        let came = (0..).zip(&self.come).filter(|(_, came)| **came);
        came.map(|(index, _)| self.range(index)).map(|range| range.end - range.start).sum()
    }

    /// What a record in a file says; `None` if there is none, or one that makes no sense.
    pub(super) fn read(file: &File, size: u64, length: u64) -> std::io::Result<Option<Self>> {
        // Before anything is made of a size that somebody else has told.
        if size.checked_add(size.div_ceil(length)) != Some(file.metadata()?.len()) {
            return Ok(None);
        }
        let mut pieces = Self::new(size, length, 0);
        let mut record = vec![0; pieces.come.len()];
        let mut read = 0;
        while read < record.len() {
            match system::read_at(file, &mut record[read..], size + read as u64)? {
                0 => return Ok(None),
                count => read += count,
            }
        }
        pieces.come = record.into_iter().map(|byte| byte == CAME).collect();
        Ok(Some(pieces))
    }

    /// Writes the record.
    pub(super) fn write(&self, file: &File) -> std::io::Result<()> {
        let record: Vec<u8> = self.come.iter().map(|came| u8::from(*came) * CAME).collect();
        system::write_all_at(file, &record, self.size)
    }

    fn note(&mut self, index: u64, file: Option<&File>) -> std::io::Result<()> {
        let at = usize::try_from(index).map_err(std::io::Error::other)?;
        self.come[at] = true;
        file.map_or(Ok(()), |file| system::write_all_at(file, &[CAME], self.size + index))
    }
}

/// What all pieces of a file have in common.
pub(super) struct Divided<'a> {
    pub(super) http: &'a Http,
    pub(super) url: &'a Url,
    /// Headers of each request.
    pub(super) headers: HeaderMap,
    /// What tells that it is still the same file, if anything does.
    pub(super) validator: Option<HeaderValue>,
    /// Where content goes.
    pub(super) file: Arc<File>,
    /// Its name in messages.
    pub(super) target: &'a std::path::Path,
    /// Whether the file keeps a record of its pieces.
    pub(super) is_recorded: bool,
    /// Whether an answer is of the same file, as far as its own marks tell.
    pub(super) is_same: &'a (dyn Fn(&Response) -> bool + Sync),
    /// Pieces at once.
    pub(super) at_once: usize,
    pub(super) job: &'a Job,
}

/// What content is digested by, in order.
pub(super) trait Digesting: Send + 'static {
    /// Takes what comes next.
    fn take(&mut self, content: &[u8]);
}

impl Digesting for crate::digest::Hasher {
    fn take(&mut self, content: &[u8]) {
        self.update(content);
    }
}

impl Digesting for crate::digest::running::Running {
    fn take(&mut self, content: &[u8]) {
        self.update(content);
    }
}

impl Divided<'_> {
    /// Receives the pieces that have not come; false if the server does not send them, or the file is
    /// another one by now. `received` bytes have come in order and were taken by `hasher`, if there
    /// is one; gives back both as they are then, also after a failure.
    pub(super) async fn receive<H: Digesting>(
        &self,
        pieces: &mut Pieces,
        received: u64,
        hasher: Option<H>,
        share: &mut Share,
    ) -> (u64, Option<H>, Result<bool>) {
        let done = received.saturating_sub(pieces.in_order()) + pieces.bytes();
        share.seek(0);
        share.advance(done);
        let numbered = || (0_u64..).zip(&pieces.come);
        let waiting: BTreeSet<u64> =
            numbered().filter(|(_, came)| **came).map(|(index, _)| index).collect();
        let missing: Vec<(u64, Range<u64>)> = numbered()
            .filter(|(_, came)| !**came)
            .map(|(index, _)| {
                let Range { start, end } = pieces.range(index);
                (index, start.max(received)..end)
            })
            .collect();
        log::debug!(
            target: super::TARGET,
            "receiving {:?} in {} pieces, {} at once", self.target, missing.len(), self.at_once
        );
        let (size, length, ready) = (pieces.size, pieces.length, pieces.in_order().max(received));
        let (sender, come) = mpsc::unbounded_channel();
        let writes = Arc::new(Semaphore::new(MOST_AT_ONCE));
        let common = Common { share: Mutex::new(share), writes: Arc::clone(&writes) };
        let receiving = async {
            // Ends the digesting, too.
            let sender = sender;
            let mut all = stream::iter(missing)
                .map(|(index, range)| {
                    let common = &common;
                    async move { Ok::<_, Error>((index, self.piece(range, common).await?)) }
                })
                .buffer_unordered(self.at_once.max(1));
            while let Some(piece) = all.next().await {
                let (index, is_same) = piece?;
                if !is_same {
                    return Ok(false);
                }
                pieces.note(index, self.is_recorded.then_some(&*self.file)).at(self.target)?;
                // Nobody waits for it if it cannot be digested: that failure is the one to tell.
                let _ = sender.send(index);
            }
            Ok(true)
        };
        let order = InOrder { file: &self.file, size, length, ready, waiting, come };
        let ((received, hasher, digested), whole) =
            tokio::join!(order.digest(received, hasher), receiving);
        // Pieces that were given up may still be written, and must not be once the file begins anew.
        let most = u32::try_from(MOST_AT_ONCE).unwrap_or(u32::MAX);
        drop(writes.acquire_many(most).await);
        (received, hasher, digested.at(self.target).and(whole))
    }

    /// Receives one piece; false if the answer is none.
    async fn piece(&self, range: Range<u64>, common: &Common<'_>) -> Result<bool> {
        let at = AtomicU64::new(range.start);
        let attempt = || self.attempt(&at, range.end, common);
        match self.http.repeat(self.url, |_| true, self.job, attempt).await {
            Err(Error::Status { status: 416, .. }) => Ok(false),
            other => other,
        }
    }

    async fn attempt(&self, at: &AtomicU64, end: u64, common: &Common<'_>) -> Result<bool> {
        let start = at.load(Ordering::Relaxed);
        let mut headers = self.headers.clone();
        let range = HeaderValue::try_from(format!("bytes={start}-{}", end - 1));
        headers.insert(RANGE, range.expect("digits are valid in a header"));
        if let Some(validator) = &self.validator {
            headers.insert(IF_RANGE, validator.clone());
        }
        let mut response = self.http.get_large_once(self.url, &headers).await?;
        if !self.is_piece(&response, start, end) {
            return Ok(false);
        }
        let mut block = BytesMut::new();
        let ended = loop {
            match response.chunk().await {
                Ok(Some(piece)) => {
                    block.extend_from_slice(&piece);
                    if block.len() >= BLOCK_BYTES {
                        self.write(block.split().freeze(), at, end, common).await?;
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        // Also of a piece that broke off: the next try goes on behind it.
        self.write(block.freeze(), at, end, common).await?;
        ended.map(|()| at.load(Ordering::Relaxed) == end)
    }

    fn is_piece(&self, response: &Response, start: u64, end: u64) -> bool {
        let range = format!("bytes {start}-{}/", end - 1);
        let is_tag = |text: &HeaderValue| text.as_bytes().starts_with(b"\"");
        let tag = self.validator.as_ref().filter(|text| is_tag(text));
        response.status() == 206
            && response.header(CONTENT_RANGE).is_some_and(|given| given.starts_with(&range))
            && response.length() == Some(end - start)
            && response.header(CONTENT_ENCODING).is_none_or(|coding| coding == "identity")
            // Servers that do not know the condition send what they have.
            && (self.is_same)(response)
            && strong_tag(response).zip(tag).is_none_or(|(now, then)| now.as_bytes() == then)
    }

    async fn write(
        &self,
        block: Bytes,
        at: &AtomicU64,
        end: u64,
        common: &Common<'_>,
    ) -> Result<()> {
        let start = at.load(Ordering::Relaxed);
        let length = block.len() as u64;
        if length == 0 || start + length > end {
            return Ok(()); // more than was announced is not of this piece
        }
        let file = Arc::clone(&self.file);
        let writing = Arc::clone(&common.writes).acquire_owned().await.expect("nobody closes it");
        let write = move || {
            let _writing = writing;
            system::write_all_at(&file, &block, start)
        };
        aside(write).await.at(self.target)?;
        at.store(start + length, Ordering::Relaxed);
        lock(&common.share).advance(length);
        Ok(())
    }
}

/// What all pieces of one file share while they come.
struct Common<'a> {
    share: Mutex<&'a mut Share>,
    /// A permit for each block that is being written.
    writes: Arc<Semaphore>,
}

/// Pieces that come in any order, on their way to what takes them in order.
struct InOrder<'a> {
    file: &'a Arc<File>,
    size: u64,
    length: u64,
    /// So many bytes have come in order before.
    ready: u64,
    /// Pieces that have come, some of them before others that have not.
    waiting: BTreeSet<u64>,
    come: mpsc::UnboundedReceiver<u64>,
}

impl InOrder<'_> {
    async fn digest<H: Digesting>(
        mut self,
        mut taken: u64,
        mut hasher: Option<H>,
    ) -> (u64, Option<H>, std::io::Result<()>) {
        loop {
            while self.waiting.remove(&(self.ready / self.length)) {
                let end = (self.ready / self.length + 1).saturating_mul(self.length);
                self.ready = end.min(self.size);
            }
            if taken < self.ready {
                let (file, range) = (Arc::clone(self.file), taken..self.ready);
                taken = self.ready;
                if let Some(mut own) = hasher.take() {
                    let (own, read) = aside(move || {
                        let read = digest(&file, range, &mut own);
                        (own, read)
                    })
                    .await;
                    hasher = Some(own);
                    if let Err(error) = read {
                        return (taken, hasher, Err(error));
                    }
                }
            }
            match self.come.recv().await {
                Some(index) => self.waiting.insert(index),
                None => return (taken, hasher, Ok(())),
            };
            while let Ok(index) = self.come.try_recv() {
                self.waiting.insert(index);
            }
        }
    }
}

fn digest(file: &File, mut range: Range<u64>, hasher: &mut impl Digesting) -> std::io::Result<()> {
    let mut window =
        vec![0; usize::try_from(WINDOW_BYTES.min(range.end - range.start)).unwrap_or(0)];
    while range.start < range.end {
        let most = usize::try_from(range.end - range.start).unwrap_or(usize::MAX).min(window.len());
        match system::read_at(file, &mut window[..most], range.start)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            count => {
                hasher.take(&window[..count]);
                range.start += count as u64;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::digest::Hasher;
    use crate::http::testing::{answer, serve, serve_all};
    use crate::runtime;
    use crate::transfer::download::{self, Options};
    use crate::transfer::plan::{Expected, Form, Item};

    const PIECE: usize = 16 * 1024;
    const SIZE: usize = 125 * PIECE + 5;
    /// Of which a later call finds what has come.
    const LARGE: usize = 9 * 1024 * 1024 + 5;

    fn content(seed: usize) -> Vec<u8> {
        sized(seed, SIZE)
    }

    fn sized(seed: usize, size: usize) -> Vec<u8> {
        (0..size).map(|at| u8::try_from((at * seed + at / 509) % 251).unwrap()).collect()
    }

    fn expected(content: &[u8]) -> Expected {
        let mut hasher = Hasher::default();
        hasher.update(content);
        Expected { size: content.len() as u64, md5: hasher.finish().md5.to_string() }
    }

    /// The range that a request asks for.
    fn asked(head: &str) -> Option<Range<usize>> {
        let head = head.to_lowercase();
        let range = head.split("\r\nrange: bytes=").nth(1)?.lines().next()?;
        let (first, last) = range.split_once('-')?;
        let end = last.parse::<usize>().map_or(usize::MAX, |last| last + 1);
        Some(first.parse().unwrap()..end)
    }

    /// What a server answers that has such content: a range of it, if one is asked for.
    fn reply(head: &str, content: &[u8], tag: &str) -> Vec<u8> {
        let headers = format!("Accept-Ranges: bytes\r\nETag: \"{tag}\"\r\n");
        match asked(head) {
            Some(range) => {
                let range = range.start..range.end.min(content.len());
                part(range.clone(), tag, content.len(), &content[range])
            }
            None => answer("200 OK", &headers, content.len(), content),
        }
    }

    fn part(range: Range<usize>, tag: &str, size: usize, body: &[u8]) -> Vec<u8> {
        let headers = format!(
            "ETag: \"{tag}\"\r\nContent-Range: bytes {}-{}/{size}\r\n",
            range.start,
            range.end - 1
        );
        answer("206 Partial Content", &headers, range.end - range.start, body)
    }

    /// Downloads to `folder/target` by pieces as soon as possible.
    fn fetch(folder: &Path, url: Url, expected: Option<Expected>) -> Result<()> {
        let target = folder.join("target");
        let item = Item { url, name: "target".into(), target, expected, form: Form::Any };
        let moment = Duration::ZERO;
        let division = Division { look: moment, moment, piece: PIECE as u64 };
        let scratch = folder.join("scratch");
        let options = Options { scratch, division, ..Options::default() };
        let runtime = runtime::current().unwrap();
        let mut http = Http::new(&runtime).unwrap();
        http.retry.retries = 2;
        let job = Job::default();
        let fetched = download::download(&http, vec![item], &options, &job);
        let result = runtime.block_on(fetched);
        if result.is_ok() {
            let size = fs::metadata(folder.join("target")).unwrap().len();
            assert_eq!(job.progress().bytes_done, size);
            assert_eq!(fs::read_dir(folder.join("scratch")).unwrap().count(), 0);
        }
        result
    }

    type Heads = Arc<Mutex<Vec<String>>>;

    /// A server that notes what it is asked; `reply` is told how many requests came before.
    fn site(reply: impl Fn(&str, usize) -> Vec<u8> + Send + Sync + 'static) -> (Url, Heads) {
        let heads = Heads::default();
        let noted = Arc::clone(&heads);
        let url = serve_all(move |head| {
            let number = {
                let mut heads = lock(&noted);
                heads.push(head.to_owned());
                heads.len() - 1
            };
            reply(head, number)
        });
        (url, heads)
    }

    fn is_there(folder: &Path, content: &[u8]) -> bool {
        fs::read(folder.join("target")).unwrap() == content
    }

    #[test]
    fn a_slow_stream_is_left_for_pieces_and_each_goes_on_alone() {
        for is_known in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let whole = content(1);
            let served = whole.clone();
            // Every tenth piece breaks off once, and some requests are refused.
            let (url, heads) = site(move |head, number| match asked(head) {
                Some(range) if range.start % (10 * PIECE) == 0 => {
                    let some = range.start..range.start.midpoint(range.end);
                    part(range, "1", SIZE, &served[some])
                }
                Some(_) if number % 30 == 29 => answer("503 Busy", "Retry-After: 0\r\n", 0, b""),
                _ => reply(head, &served, "1"),
            });
            fetch(folder.path(), url, is_known.then(|| expected(&whole))).unwrap();
            assert!(is_there(folder.path(), &whole));
            let heads = lock(&heads);
            assert!(heads.len() > 100, "{}", heads.len());
            assert!(heads[1..].iter().all(|head| asked(head).is_some()));
            assert!(heads[1..].iter().all(|head| head.to_lowercase().contains("if-range: \"1\"")));
        }
    }

    #[test]
    fn a_server_that_sends_no_ranges_is_asked_once_more_at_most() {
        let whole = content(1);
        for (headers, requests) in [
            ("", 1),
            ("ETag: \"1\"\r\n", 1),
            ("Accept-Ranges: bytes\r\n", 1),
            ("Accept-Ranges: bytes\r\nETag: W/\"1\"\r\n", 1),
            ("Accept-Ranges: bytes\r\nETag: \"1\"\r\nContent-Encoding: br\r\n", 1),
            // It says so, but does not.
            ("Accept-Ranges: bytes\r\nETag: \"1\"\r\n", 2),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let served = whole.clone();
            let (url, heads) = site(move |_, _| answer("200 OK", headers, served.len(), &served));
            fetch(folder.path(), url, None).unwrap();
            assert!(is_there(folder.path(), &whole));
            let whole = lock(&heads).iter().filter(|head| asked(head).is_none()).count();
            assert_eq!(whole, requests, "{headers}");
        }
    }

    #[test]
    fn a_file_that_changes_meanwhile_is_received_anew() {
        // One server knows `If-Range`, the other does not.
        for knows in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let (old, new) = (content(1), content(2));
            let wanted = new.clone();
            let (url, _) = site(move |head, number| match number {
                0..40 => reply(head, &old, "1"),
                _ if knows && head.to_lowercase().contains("if-range: \"1\"") => {
                    reply("", &new, "2")
                }
                _ => reply(head, &new, "2"),
            });
            fetch(folder.path(), url, None).unwrap();
            assert!(is_there(folder.path(), &wanted), "{knows}");
        }
    }

    #[test]
    fn damage_is_found_and_sent_again() {
        let folder = tempfile::tempdir().unwrap();
        let whole = content(1);
        let served = whole.clone();
        let (url, heads) = site(move |head, number| match asked(head) {
            Some(range) if number == 9 => part(range.clone(), "1", SIZE, &vec![255; range.len()]),
            _ => reply(head, &served, "1"),
        });
        fetch(folder.path(), url, Some(expected(&whole))).unwrap();
        assert!(is_there(folder.path(), &whole));
        assert_eq!(lock(&heads).iter().filter(|head| asked(head).is_none()).count(), 2);
    }

    #[test]
    fn a_later_call_asks_for_the_pieces_that_have_not_come() {
        let folder = tempfile::tempdir().unwrap();
        let whole = sized(1, LARGE);
        let served = whole.clone();
        let (first, before) = site(move |head, number| match number {
            0..60 => reply(head, &served, "1"),
            _ => answer("403 No", "", 0, b""),
        });
        let failed = fetch(folder.path(), first, Some(expected(&whole)));
        assert!(matches!(failed, Err(Error::Status { status: 403, .. })), "{failed:?}");
        let part = fs::read_dir(folder.path().join("scratch")).unwrap().next().unwrap().unwrap();
        let record = LARGE.div_ceil(PIECE);
        assert_eq!(part.metadata().unwrap().len(), (LARGE + record) as u64);
        let noted = fs::read(part.path()).unwrap();
        let come = noted[LARGE..].iter().map(|byte| usize::from(*byte)).sum::<usize>();
        assert!((16..record).contains(&come), "{come}");

        let served = whole.clone();
        let (second, after) = site(move |head, _| reply(head, &served, "1"));
        fetch(folder.path(), second, Some(expected(&whole))).unwrap();
        assert!(is_there(folder.path(), &whole));
        let asked_for: usize =
            lock(&after).iter().map(|head| asked(head).expect("a piece").len()).sum();
        assert!(asked_for <= LARGE - come * PIECE + PIECE, "{asked_for}");
        drop(before);

        // A record that makes no sense is none.
        fs::write(part.path(), vec![0; LARGE + record + 1]).unwrap();
        let served = whole.clone();
        let (third, _) = site(move |head, _| reply(head, &served, "1"));
        fetch(folder.path(), third, Some(expected(&whole))).unwrap();
        assert!(is_there(folder.path(), &whole));
    }

    #[test]
    fn what_is_fast_or_nearly_done_is_left_alone() {
        let watch = |moment, start, size| {
            let division = Division { look: Duration::ZERO, moment, piece: 10 };
            let began = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
            Watch { division, began, start, size }
        };
        let second = Duration::from_secs(1);
        assert!(watch(second, 0, 1000).is_slow(100), "nine seconds are left");
        assert!(watch(second, 100, 1000).is_slow(100), "nothing has come");
        assert!(!watch(20 * second, 0, 1000).is_slow(100));
        assert!(!watch(second, 0, 1000).is_slow(985), "less than two pieces are left");
        assert!(!watch(second, 981, 1000).is_slow(981));
    }

    #[test]
    fn nothing_is_noted_for_a_size_that_no_file_has() {
        let runtime = runtime::current().unwrap();
        let http = Http::new(&runtime).unwrap();
        for (size, is_watched) in [(1 << 46, true), ((1 << 46) + 1, false), (1 << 62, false)] {
            let headers = "Accept-Ranges: bytes\r\nETag: \"1\"\r\n";
            let (url, _server) = serve(vec![answer("200 OK", headers, size, b"")]);
            let none = HeaderMap::new();
            let response = runtime.block_on(http.get_large_once(&url, &none)).unwrap();
            let watch = Watch::new(Division::default(), &response, 0, true);
            assert_eq!(watch.is_some(), is_watched, "{size}");
        }
        let file = tempfile::tempfile().unwrap();
        assert!(Pieces::read(&file, u64::MAX, 1).unwrap().is_none());
    }
}
