//! One content of which nothing need be known before it comes: what breaks off goes on behind what has
//! come for as long as it is unchanged. It goes to a file, or to memory.

use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use reqwest::Url;
use reqwest::header::{CONTENT_ENCODING, CONTENT_RANGE, HeaderMap, HeaderValue, RANGE};

use super::download::concurrency;
use super::ranges::{Divided, Division, MOST_AT_ONCE, Pieces, Watch, strong_tag};
use crate::digest::running::{Kind, Running};
use crate::error::IoContext;
use crate::fs::atomic::{self, Staged};
use crate::fs::litter;
use crate::http::{Http, Response, was_refused};
use crate::job::{Job, Share};
use crate::parallel::aside;
use crate::{Error, Result, system};

/// What is written at a time.
const BLOCK_BYTES: usize = 1 << 20;
/// Files up to this size are written when they are whole.
const SMALL_BYTES: u64 = 64 * 1024;
/// From this size on, the disk has to have a file before it gets its name. Of smaller ones, waiting
/// for that would take longer than all the rest.
const DURABLE_BYTES: u64 = 1 << 20;
const SIZE: &str = "size";
/// Mode of new files, less the umask.
const FILE_MODE: u32 = 0o666;

/// One file to download.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// Where from.
    pub(crate) url: Url,
    /// Headers of its requests.
    pub(crate) headers: HeaderMap,
    /// Its name in messages.
    pub(crate) name: String,
    /// Its size, if that is known.
    pub(crate) size: Option<u64>,
    /// Whether it is wanted as it comes, also if that is in a coding.
    pub(crate) takes_codings: bool,
    /// When a file is divided into pieces that come at once.
    pub(crate) division: Division,
}

/// What the content of an answer must be.
#[derive(Debug, Clone, Default)]
pub(crate) struct Promised {
    /// What is another one when the content is.
    pub(crate) mark: String,
    /// Its digest, in hexadecimal digits.
    pub(crate) digest: Option<(Kind, String)>,
    /// What is digested after the content.
    pub(crate) suffix: Vec<u8>,
}

/// What is known of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is the same.
    Same,
    /// It may be another one.
    Unknown,
    /// It is another one.
    Changed,
}

/// Where a content comes from.
pub(crate) trait Origin: Sync {
    /// What the content of an answer must be; `None` if the answer is not taken.
    fn promised(&self, answer: &Response) -> Option<Promised>;

    /// How the content stands, asked before it goes on behind what has come. Its marks tell more.
    fn standing(&self) -> impl Future<Output = Result<Standing>> + Send {
        async { Ok(Standing::Same) }
    }

    /// Whether [`Origin::standing`] tells another content from the same, whatever its marks.
    fn can_tell(&self) -> bool {
        false
    }

    /// Another URL in place of one that is not accepted any more.
    fn renewed(&self) -> impl Future<Output = Result<Option<Url>>> + Send {
        async { Ok(None) }
    }
}

/// Where a content goes.
pub(crate) enum Target<'a> {
    /// A file. What is there is replaced once the new content is whole.
    File(&'a Path),
    /// Memory of its size.
    Memory(&'a mut [u8]),
}

/// Fetches a content; gives its size, or `None` if the answer is not taken, or in a coding, or if the
/// content has changed, or is not of the size that its memory has.
///
/// `first` is an answer that is here already.
pub(crate) async fn fetch(
    http: &Http,
    wanted: &Wanted,
    target: Target<'_>,
    origin: &impl Origin,
    first: Option<Response>,
    job: &Job,
) -> Result<Option<u64>> {
    job.expect_file(wanted.size);
    let (share, part, promised) = (job.share(wanted.size), Part::default(), Promised::default());
    let url = wanted.url.clone();
    let (rest, is_whole_only) = (None, false);
    let mut transfer = Transfer {
        http,
        wanted,
        target,
        origin,
        first,
        url,
        promised,
        share,
        part,
        rest,
        is_whole_only,
    };
    let run = transfer.run(job);
    job.race(run).await.inspect_err(|_| job.give_up())
}

struct Transfer<'a, O> {
    http: &'a Http,
    wanted: &'a Wanted,
    target: Target<'a>,
    origin: &'a O,
    first: Option<Response>,
    url: Url,
    promised: Promised,
    share: Share,
    part: Part,
    /// What is left of a stream that was too slow.
    rest: Option<Rest>,
    /// Whether it is not to be divided.
    is_whole_only: bool,
}

struct Rest {
    pieces: Pieces,
    tag: Option<HeaderValue>,
}

/// What has come.
#[derive(Default)]
struct Part {
    staged: Option<Staged>,
    received: u64,
    digest: Option<Running>,
}

/// What has become of a try.
enum Tried {
    Whole,
    /// The answer is not one to take.
    Refused,
    /// What has come is of another content.
    Other,
}

impl<O: Origin> Transfer<'_, O> {
    async fn run(&mut self, job: &Job) -> Result<Option<u64>> {
        let mut tries = self.http.tries(&self.wanted.url, job);
        let (mut farthest, mut is_renewed) = (0, false);
        loop {
            tries.begin().await;
            let before = self.part.received;
            let error = match self.attempt().await {
                Ok(Tried::Refused) => {
                    tries.answered();
                    return Ok(None);
                }
                Ok(Tried::Whole) => match self.rest.take() {
                    None => break,
                    Some(rest) => {
                        // The rest is other requests.
                        tries.answered();
                        match self.receive_rest(rest, job).await? {
                            Standing::Same => break,
                            Standing::Changed => return Ok(None),
                            Standing::Unknown => {
                                self.restart();
                                self.is_whole_only = true;
                                continue;
                            }
                        }
                    }
                },
                Ok(Tried::Other) => {
                    self.restart();
                    self.failure("it is another one than what has come of it")
                }
                Err(error) => error,
            };
            let is_wrong_size = matches!(error, Error::Digest { what: SIZE, .. });
            if self.part.received > farthest && !is_wrong_size {
                farthest = self.part.received;
                // What comes next has tries of its own.
                tries.answered();
                tries = self.http.tries(&self.wanted.url, job);
            }
            let is_expired = matches!(error, Error::Status { status: 403, .. });
            if is_expired && !is_renewed && !was_refused(&error) {
                is_renewed = true;
                if let Some(url) = self.origin.renewed().await? {
                    self.url = url;
                    tries.answered();
                    continue;
                }
            }
            if is_wrong_size {
                // What stands between may have cut it short.
                self.restart();
                tries.failed_with(error, 2).await?;
            } else if before > 0 && matches!(error, Error::Status { status: 403 | 416, .. }) {
                if matches!(error, Error::Status { status: 416, .. }) {
                    self.restart();
                }
                tries.failed_with(error, u32::MAX).await?;
            } else if before > 0 && self.part.received == 0 {
                tries.failed_with(error, u32::MAX).await?;
            } else {
                tries.failed(error).await?;
            }
            while self.part.received > 0 {
                match self.origin.standing().await {
                    Ok(Standing::Same) => break,
                    Ok(Standing::Unknown) => self.restart(),
                    Ok(Standing::Changed) => return Ok(None),
                    // Who could not send the content may be unable to tell of it for a while, too.
                    Err(error) => tries.failed(error).await?,
                }
            }
        }
        tries.answered();
        let size = self.part.received;
        if let Target::Memory(memory) = &self.target
            && memory.len() as u64 != size
        {
            return Ok(None);
        }
        let part = std::mem::take(&mut self.part);
        if let (Some(staged), Target::File(target)) = (part.staged, &self.target) {
            let target = target.to_path_buf();
            aside(move || {
                if size >= DURABLE_BYTES {
                    staged.file().sync_all().at(&target)?;
                }
                atomic::persist(staged, &target)
            })
            .await?;
        }
        self.share.done();
        Ok(Some(size))
    }

    fn restart(&mut self) {
        self.part = Part::default();
        self.share.seek(0);
    }

    fn failure(&self, why: &'static str) -> Error {
        let url = crate::http::url::redacted(&self.url);
        Error::Transport { method: "GET".into(), url, source: why.into() }
    }

    async fn answer(&mut self) -> Result<Response> {
        if let Some(first) = self.first.take() {
            return Ok(first);
        }
        let mut headers = self.wanted.headers.clone();
        if self.part.received > 0 {
            let range = HeaderValue::try_from(format!("bytes={}-", self.part.received));
            headers.insert(RANGE, range.expect("digits are valid in a header"));
        }
        if self.wanted.size.is_some_and(|size| size <= SMALL_BYTES) {
            self.http.get_once(&self.url, &headers).await
        } else {
            self.http.get_large_once(&self.url, &headers).await
        }
    }

    async fn attempt(&mut self) -> Result<Tried> {
        let mut response = self.answer().await?;
        let start = format!("bytes {}-", self.part.received);
        let continues = self.part.received > 0
            && response.status() == 206
            && response.header(CONTENT_RANGE).is_some_and(|range| range.starts_with(&start));
        let is_coded = !self.wanted.takes_codings
            && response.header(CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
        if is_coded && self.part.received > 0 {
            return Err(self.failure("the content comes in a coding that was not asked for"));
        }
        let promised = self.origin.promised(&response).filter(|_| !is_coded);
        if continues {
            if promised.is_none_or(|promised| promised.mark != self.promised.mark) {
                return Ok(Tried::Other);
            }
        } else {
            let Some(promised) = promised else { return Ok(Tried::Refused) };
            self.restart();
            self.part.digest = promised.digest.as_ref().map(|(kind, _)| Running::new(*kind));
            self.promised = promised;
        }
        self.share.seek(self.part.received);
        if let Some(length) = response.length() {
            self.share.expect(self.part.received + length);
        }
        let is_known = self.promised.digest.is_some() || self.origin.can_tell();
        let may_be = matches!(self.target, Target::File(_)) && !self.is_whole_only;
        let watch = may_be
            .then(|| Watch::new(self.wanted.division, &response, self.part.received, is_known))
            .flatten();
        self.receive(&mut response, watch.as_ref()).await?;
        match watch.filter(|watch| self.part.received < watch.size) {
            Some(watch) => {
                let (piece, received) = (self.wanted.division.piece, self.part.received);
                let pieces = Pieces::new(watch.size, piece, received);
                let tag = strong_tag(&response).and_then(|tag| HeaderValue::from_str(tag).ok());
                self.rest = Some(Rest { pieces, tag });
            }
            None => self.check()?,
        }
        Ok(Tried::Whole)
    }

    /// Receives the rest in pieces; says whether all of it is of the same content.
    async fn receive_rest(&mut self, rest: Rest, job: &Job) -> Result<Standing> {
        let Rest { mut pieces, tag } = rest;
        let (Target::File(target), Some(staged)) = (&self.target, &self.part.staged) else {
            return Ok(Standing::Unknown);
        };
        let is_tagged = tag.is_some();
        let (origin, mark) = (self.origin, &self.promised.mark);
        let divided = Divided {
            http: self.http,
            url: &self.url,
            headers: self.wanted.headers.clone(),
            validator: tag,
            file: Arc::new(staged.file().try_clone().at(target)?),
            target,
            is_recorded: false,
            is_same: &|answer| origin.promised(answer).is_some_and(|now| now.mark == *mark),
            at_once: concurrency(0).min(MOST_AT_ONCE),
            job,
        };
        let (received, digest) = (self.part.received, self.part.digest.take());
        let (received, digest, whole) =
            divided.receive(&mut pieces, received, digest, &mut self.share).await;
        let is_digested = digest.is_some();
        (self.part.received, self.part.digest) = (received, digest);
        if !whole? {
            return Ok(Standing::Unknown);
        }
        Ok(match self.origin.standing().await? {
            Standing::Changed => Standing::Changed,
            // As one stream, it says better what is wrong.
            _ if self.check().is_err() => Standing::Unknown,
            Standing::Unknown if !is_tagged && !is_digested => Standing::Unknown,
            Standing::Same | Standing::Unknown => Standing::Same,
        })
    }

    async fn receive(&mut self, response: &mut Response, watch: Option<&Watch>) -> Result<()> {
        let mut block = BytesMut::new();
        let ended = loop {
            match response.chunk().await {
                Ok(Some(piece)) => {
                    self.share.advance(piece.len() as u64);
                    block.extend_from_slice(&piece);
                    if block.len() >= BLOCK_BYTES {
                        self.write(block.split().freeze()).await?;
                        if self.wanted.size.is_some_and(|size| size < self.part.received) {
                            // Of what is too large already, nobody wants the rest.
                            return self.check();
                        }
                    }
                    let come = self.part.received + block.len() as u64;
                    if watch.is_some_and(|watch| watch.is_slow(come)) {
                        break Ok(());
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        // Also of a transfer that broke: the next try goes on behind it.
        self.write(block.freeze()).await?;
        ended
    }

    async fn write(&mut self, block: Bytes) -> Result<()> {
        let mut part = std::mem::take(&mut self.part);
        let path = match &mut self.target {
            Target::File(path) => Some(path.to_path_buf()),
            Target::Memory(memory) => {
                let start = usize::try_from(part.received).unwrap_or(usize::MAX);
                let end = start.saturating_add(block.len());
                // More than there was to come is counted, and not kept.
                if let Some(place) = memory.get_mut(start..end) {
                    place.copy_from_slice(&block);
                }
                None
            }
        };
        let is_small = self.wanted.size.is_some_and(|size| size <= SMALL_BYTES);
        let (part, written) = aside(move || {
            let written = path.map_or(Ok(()), |path| part.write(&block, &path, is_small));
            if written.is_ok() {
                part.received += block.len() as u64;
                if let Some(digest) = &mut part.digest {
                    digest.update(&block);
                }
            }
            (part, written)
        })
        .await;
        self.part = part;
        written
    }

    fn check(&mut self) -> Result<()> {
        let failed = |what, expected: &str, actual: String| {
            let (path, expected) = (self.wanted.name.clone(), expected.to_owned());
            Err(Error::Digest { path, what, expected, actual })
        };
        let received = self.part.received;
        if let Some(size) = self.wanted.size.filter(|size| *size != received) {
            return failed(SIZE, &size.to_string(), received.to_string());
        }
        if let (Some((kind, expected)), Some(mut digest)) =
            (&self.promised.digest, self.part.digest.take())
        {
            digest.update(&self.promised.suffix);
            let actual = digest.finish();
            if !actual.eq_ignore_ascii_case(expected) {
                return failed(kind.checksum(), expected, actual);
            }
        }
        Ok(())
    }
}

impl Part {
    /// Adds to the file, which is made if need be.
    fn write(&mut self, block: &[u8], target: &Path, is_small: bool) -> Result<()> {
        let staged = match self.staged.take() {
            Some(staged) => staged,
            None => {
                let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
                let folder = folder.unwrap_or_else(|| ".".as_ref());
                litter::clear_once(folder);
                // A large one has time to be left behind by a process that is killed.
                let stage = if is_small { atomic::stage } else { atomic::stage_nameless };
                stage(folder, FILE_MODE)?
            }
        };
        let written = system::write_all_at(staged.file(), block, self.received).at(target);
        self.staged = Some(staged);
        written
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::http::testing::{answer, serve, serve_all};
    use crate::runtime;

    struct Scripted {
        /// How the content stands, and how often nobody tells that before.
        standing: (Standing, AtomicU32),
        digest: Option<(Kind, String)>,
        /// The path that is asked for in place of one that has expired.
        other: Option<Url>,
    }

    impl Origin for Scripted {
        fn promised(&self, answer: &Response) -> Option<Promised> {
            let mark = answer.header("etag").unwrap_or_default().to_owned();
            let (digest, suffix) = (self.digest.clone(), b"!".to_vec());
            (answer.length() != Some(1)).then_some(Promised { mark, digest, suffix })
        }

        async fn standing(&self) -> Result<Standing> {
            let (standing, silent) = &self.standing;
            let less = |count: u32| count.checked_sub(1);
            if silent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok() {
                let (method, url, limit) = (String::new(), String::new(), Duration::ZERO);
                return Err(Error::Timeout { method, url, limit, connecting: true });
            }
            Ok(*standing)
        }

        fn can_tell(&self) -> bool {
            true
        }

        async fn renewed(&self) -> Result<Option<Url>> {
            Ok(self.other.clone())
        }
    }

    fn get(
        answers: Vec<Vec<u8>>,
        target: Target<'_>,
        size: Option<u64>,
        digest: Option<(Kind, &str)>,
        standing: Standing,
    ) -> (Result<Option<u64>>, Vec<String>) {
        let (url, server) = serve(answers);
        let runtime = runtime::current().unwrap();
        let mut http = Http::new(&runtime).unwrap();
        http.retry.retries = 3;
        let other = (standing == Standing::Unknown).then(|| url.join("/y").unwrap());
        let (headers, name, takes_codings) = (HeaderMap::new(), "f".into(), false);
        let division = Division::default();
        let wanted = Wanted { url, headers, name, size, takes_codings, division };
        let digest = digest.map(|(kind, digits)| (kind, digits.to_owned()));
        let standing = (standing, if size == Some(10) { 1.into() } else { 0.into() });
        let origin = Scripted { standing, digest, other };
        let job = Job::default();
        let result = runtime.block_on(fetch(&http, &wanted, target, &origin, None, &job));
        (result, server.join().unwrap())
    }

    fn rest(start: usize, body: &[u8]) -> Vec<u8> {
        let range = format!("Content-Range: bytes {start}-9/10\r\n");
        answer("206 Partial Content", &range, body.len(), body)
    }

    #[test]
    fn it_goes_on_behind_what_has_come_unless_the_file_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("f");
        let cut = || answer("200 OK", "", 10, b"0123");
        let whole = || answer("200 OK", "", 10, b"0123456789");
        for (answers, standing, ranges) in [
            (vec![cut(), rest(4, b"456789")], Standing::Same, 1),
            (vec![cut(), answer("403 No", "", 0, b""), rest(4, b"456789")], Standing::Same, 2),
            (vec![cut(), rest(5, b"0123456789")], Standing::Same, 1),
            (vec![cut(), whole()], Standing::Same, 1),
            (vec![cut(), whole()], Standing::Unknown, 0),
        ] {
            let (result, heads) = get(answers, Target::File(&target), Some(10), None, standing);
            assert_eq!(result.unwrap(), Some(10));
            assert_eq!(std::fs::read(&target).unwrap(), b"0123456789");
            let count = heads.iter().filter(|head| head.to_lowercase().contains("bytes=4-"));
            assert_eq!(count.count(), ranges);
            std::fs::remove_file(&target).unwrap();
        }
        let (result, _) =
            get(vec![cut()], Target::File(&target), Some(10), None, Standing::Changed);
        assert_eq!(result.unwrap(), None);
        assert!(!target.exists());
    }

    #[test]
    fn what_is_not_what_it_should_be_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("f");
        let other = || answer("200 OK", "", 4, b"none");
        let get = |answers, size, digest| {
            get(answers, Target::File(&target), size, digest, Standing::Same).0
        };
        let result = get(vec![other(), other(), other()], Some(5), None);
        assert!(matches!(result, Err(Error::Digest { what: "size", .. })));
        let result = get(vec![other()], None, Some((Kind::Sha512, "00")));
        assert!(matches!(result, Err(Error::Digest { what: "SHA-512 checksum", .. })));
        let result = get(vec![answer("200 OK", "", 1, b"x")], None, None);
        assert_eq!(result.unwrap(), None);
        assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
        assert_eq!(get(vec![answer("200 OK", "", 0, b"")], Some(0), None).unwrap(), Some(0));
        assert_eq!(std::fs::read(&target).unwrap(), b"");
    }

    #[test]
    fn nobody_takes_more_than_was_to_come() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("f");
        let much = vec![0; 16 * BLOCK_BYTES];
        let answers = (0..3).map(|_| answer("200 OK", "", much.len(), &much)).collect();
        let (result, _) = get(answers, Target::File(&target), Some(9), None, Standing::Same);
        let Err(Error::Digest { what: SIZE, actual, .. }) = &result else {
            panic!("{result:?} is not of its size")
        };
        assert!(actual.parse::<usize>().unwrap() < much.len(), "{actual}");
    }

    #[test]
    fn what_has_come_of_another_content_is_not_kept() {
        let (one, other) = ("ETag: \"1\"\r\n", "ETag: \"2\"\r\n");
        let cut = || answer("200 OK", one, 10, b"0123");
        let rest = answer(
            "206 Partial Content",
            &format!("{other}Content-Range: bytes 4-9/10\r\n"),
            6,
            b"efghij",
        );
        let gone = answer("416 No", "", 0, b"");
        for second in [rest, gone] {
            let mut memory = [0; 10];
            let answers = vec![cut(), second, answer("200 OK", other, 10, b"abcdefghij")];
            let target = Target::Memory(&mut memory);
            let (result, heads) = get(answers, target, None, None, Standing::Same);
            assert_eq!(result.unwrap(), Some(10));
            assert_eq!(&memory, b"abcdefghij");
            assert!(!heads[2].to_lowercase().contains("range: "), "{}", heads[2]);
        }
    }

    #[test]
    fn memory_is_filled_and_digested_with_what_follows() {
        // Of `abc!`.
        let digest = "4edb03f55c86d5e0a76f5627fa506bbf";
        let whole = || answer("200 OK", "", 3, b"abc");
        let mut memory = [0; 3];
        let target = Target::Memory(&mut memory);
        let promised = Some((Kind::Md5, digest));
        let (result, _) = get(vec![whole()], target, None, promised, Standing::Same);
        assert_eq!(result.unwrap(), Some(3));
        assert_eq!(&memory, b"abc");
        for size in [2, 4] {
            let mut memory = vec![0; size];
            let target = Target::Memory(&mut memory);
            let (result, _) = get(vec![whole()], target, None, None, Standing::Same);
            assert_eq!(result.unwrap(), None, "{size}");
        }
    }

    #[test]
    fn a_url_that_has_expired_is_replaced_once() {
        let gone = || answer("403 Forbidden", "", 0, b"");
        let answers = vec![gone(), answer("200 OK", "", 3, b"abc")];
        let mut memory = [0; 3];
        let target = Target::Memory(&mut memory);
        let (result, heads) = get(answers, target, None, None, Standing::Unknown);
        assert_eq!(result.unwrap(), Some(3));
        assert!(heads[1].starts_with("GET /y "), "{}", heads[1]);
        let mut memory = [0; 3];
        let target = Target::Memory(&mut memory);
        let (result, _) = get(vec![gone(), gone()], target, None, None, Standing::Unknown);
        assert!(matches!(result, Err(Error::Status { status: 403, .. })));
    }

    const PIECE: usize = 16 * 1024;

    fn content() -> Vec<u8> {
        (0..PIECE * 100).map(|at| (at % 251).to_le_bytes()[0]).collect()
    }

    /// Downloads a file that is divided as soon as possible; pieces from the twentieth request on are
    /// of another content if it `changes`. Gives the number of requests, too.
    fn get_divided(
        target: &Path,
        digest: Option<String>,
        standing: Standing,
        changes: bool,
    ) -> (Result<Option<u64>>, usize) {
        let content = content();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let size = content.len();
        let url = serve_all(move |head| {
            let number = count.fetch_add(1, Ordering::Relaxed);
            let head = head.to_lowercase();
            assert!(head.contains("girder-token: t\r\n"));
            let Some(range) = head.split("range: bytes=").nth(1) else {
                return answer("200 OK", "Accept-Ranges: bytes\r\n", size, &content);
            };
            let (first, last) = range.lines().next().unwrap().split_once('-').unwrap();
            let (first, last) = (first.parse().unwrap(), last.parse::<usize>().unwrap());
            let range = format!("Content-Range: bytes {first}-{last}/{size}\r\n");
            let mut body = content[first..=last].to_vec();
            if changes && number >= 20 {
                body.fill(0);
            }
            answer("206 Partial Content", &range, body.len(), &body)
        });
        let runtime = runtime::current().unwrap();
        let http = Http::new(&runtime).unwrap();
        let moment = Duration::ZERO;
        let wanted = Wanted {
            url,
            headers: HeaderMap::from_iter([(
                "girder-token".parse().unwrap(),
                HeaderValue::from_static("t"),
            )]),
            name: "f".into(),
            size: Some(size as u64),
            takes_codings: false,
            division: Division { look: moment, moment, piece: PIECE as u64 },
        };
        let digest = digest.map(|digits| (Kind::Sha512, digits));
        let standing = (standing, 0.into());
        let origin = Scripted { standing, digest, other: None };
        let job = Job::default();
        let fetched = fetch(&http, &wanted, Target::File(target), &origin, None, &job);
        let result = runtime.block_on(fetched);
        (result, asked.load(Ordering::Relaxed))
    }

    #[test]
    fn a_slow_file_comes_in_pieces_that_are_of_one_content() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("f");
        let content = content();
        let mut digest = Running::new(Kind::Sha512);
        digest.update(&[&content[..], b"!"].concat());
        let digest = digest.finish();
        for (digest, standing, changes, is_divided) in [
            (None, Standing::Same, false, true),
            (Some(digest.clone()), Standing::Unknown, false, true),
            // Nothing tells, or what tells says no: from the start, as one stream.
            (None, Standing::Unknown, false, false),
            (Some(digest), Standing::Same, true, false),
        ] {
            let (result, requests) = get_divided(&target, digest, standing, changes);
            assert_eq!(result.unwrap(), Some(content.len() as u64));
            assert!(std::fs::read(&target).unwrap() == content);
            let pieces = requests - 1 - usize::from(!is_divided);
            assert!((50..=100).contains(&pieces), "{requests}");
            std::fs::remove_file(&target).unwrap();
        }
        let (result, _) = get_divided(&target, None, Standing::Changed, true);
        assert_eq!(result.unwrap(), None);
        assert!(!target.exists());
    }
}
