//! Many files at once: bounded in number and memory, resumed where that is safe, verified, and
//! given their final name only when whole.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use reqwest::header::{CONTENT_ENCODING, HeaderMap};

use super::TARGET;
use super::archive::{self, Archive};
pub(crate) use super::crowd::at_once as concurrency;
use super::crowd::{Crowd, Turn};
use super::part::{Part, Place, open_own};
use super::plan::{Expected, FILE_MODE, FINISHING, Form, Item, SMALL_BYTES};
use super::ranges::{Divided, Division, MOST_AT_ONCE, Pieces, Watch};
use crate::digest::push::Lanes;
use crate::digest::{Digest, Hasher, REPR_DIGEST, Seen};
use crate::error::IoContext;
use crate::fs::atomic;
use crate::fs::litter::{self, PART_SUFFIX};
use crate::fs::lock::{Locked, Mode};
use crate::http::{Document, Http, Response, Tries, counted, url};
use crate::job::Job;
use crate::system::Stat;
use crate::{Error, Result};

/// From this size on, what was received stays on disk when a call is interrupted.
const RESUMABLE_BYTES: u64 = 8 * 1024 * 1024;
/// Smaller pieces are joined before they are handed to a hashing thread.
const PIECE_BYTES: usize = 32 * 1024;
/// Larger pieces are divided.
const MOST_BYTES: usize = 128 * 1024;

/// How to download.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// Files at once; 1 leaves the number open.
    pub concurrency: usize,
    /// Folder for what is unfinished, on the file system of the targets.
    pub scratch: PathBuf,
    /// Whether content is compared with the digest that the server states (`Repr-Digest`), where
    /// nothing better is known. An entity tag is none: stores that encrypt have tags that look so.
    pub check_stated: bool,
    /// What else can be done about a file that turns out to be a directory.
    pub directory_advice: Option<&'static str>,
    /// Out of what many small files can be had at once.
    pub archive: Option<Archive>,
    /// When a large file is divided.
    pub division: Division,
}

/// Downloads all items; what is finished when one fails stays.
pub(crate) async fn download(
    http: &Http,
    items: Vec<Item>,
    options: &Options,
    job: &Job,
) -> Result<()> {
    download_named(http, items, options, job).await.map_err(|error| match error {
        Error::Item { source, .. } => *source,
        other => other,
    })
}

/// [`download`]; the failure of an item names it.
pub(crate) async fn download_named(
    http: &Http,
    items: Vec<Item>,
    options: &Options,
    job: &Job,
) -> Result<()> {
    download_all(http, items, options, false, job).await.map(drop)
}

/// [`download_named`], but items that are not there fail nothing: their names are given back.
pub(crate) async fn download_found(
    http: &Http,
    items: Vec<Item>,
    options: &Options,
    job: &Job,
) -> Result<Vec<String>> {
    download_all(http, items, options, true, job).await
}

async fn download_all(
    http: &Http,
    items: Vec<Item>,
    options: &Options,
    may_miss: bool,
    job: &Job,
) -> Result<Vec<String>> {
    if items.is_empty() {
        return Ok(Vec::new());
    }
    for item in &items {
        job.expect_file(item.size());
    }
    fs::create_dir_all(&options.scratch).at(&options.scratch)?;
    litter::clear_scratch(&options.scratch);
    // This thread receives. One other digests large content and writes it: more gain nothing.
    let lanes = Lanes::new(1);
    let (digesting, crowd) = (&lanes, &Crowd::new(options.concurrency));
    let one = |item: Item| async move {
        let item = Arc::new(item);
        let (name, size, is_record) = (item.name.clone(), item.size(), item.form.is_document());
        let transfer = Transfer { http, item, options, lanes: digesting, crowd, job };
        match transfer.run().await {
            Ok(()) => {
                if !is_record {
                    job.received();
                }
                Ok(None)
            }
            Err(Error::Status { status: 404, .. }) if may_miss => {
                job.expect_no_more(size);
                Ok(Some(name))
            }
            Err(error) => Err(error.of(name)),
        }
    };
    let all = async {
        let items = match &options.archive {
            None => items,
            Some(archive) => {
                archive::receive(http, archive, items, &options.scratch, digesting, job).await?
            }
        };
        let all = stream::iter(items).map(one).buffer_unordered(crowd.most() + FINISHING);
        all.try_filter_map(|missing| std::future::ready(Ok(missing))).try_collect().await
    };
    let result = job.race(lanes.drive(all)).await.inspect_err(|_| job.give_up());
    // Nothing appears after the call.
    lanes.join();
    result
}

struct Transfer<'a> {
    http: &'a Http,
    item: Arc<Item>,
    options: &'a Options,
    lanes: &'a Lanes,
    /// Those that receive.
    crowd: &'a Crowd,
    job: &'a Job,
}

impl Transfer<'_> {
    async fn run(&self) -> Result<()> {
        let mut turn = Some(self.crowd.turn().await);
        let mut part = self.open_part().await?;
        part.share.advance(part.received);
        let Item { url, .. } = &*self.item;
        let mut tries = self.crowd.tries(self.http, url, self.item.size(), self.job);
        while !self.is_complete(&part) {
            // Kept after a failure: what fails for good says so before others begin in vain.
            if turn.is_none() {
                turn = Some(self.crowd.turn().await);
            }
            let error = match self.go_on(&mut part, &mut tries, &mut turn).await {
                Ok(true) => break,
                Ok(false) => continue,
                Err(error) => error,
            };
            // Content that differs from what is expected may have been damaged on the way.
            let again = if matches!(error, Error::Digest { .. }) {
                log::info!(target: TARGET, "received damaged, to be sent again: {error}");
                part.restart()?;
                part.is_whole_only = true;
                tries.failed_with(error, 2).await
            } else if part.pieces.is_some() {
                Err(error) // each piece had its own tries
            } else {
                tries.failed(error).await
            };
            if let Err(error) = again {
                part.abandon(&error);
                return Err(error);
            }
        }
        self.crowd.answered(&mut tries);
        part.persist()?;
        log::debug!(target: TARGET, "received {:?}", self.item.target);
        Ok(())
    }

    /// True for content that an earlier call received whole but did not place.
    fn is_complete(&self, part: &Part) -> bool {
        self.item.expected.as_ref().is_some_and(|expected| {
            part.received == expected.size
                && expected.size > 0
                && expected.check(&part.hasher.clone().finish(), &self.item.name).is_ok()
        })
    }

    /// Receives more of the file; true once it is whole.
    async fn go_on(
        &self,
        part: &mut Part,
        tries: &mut Tries<'_>,
        turn: &mut Option<Turn<'_>>,
    ) -> Result<bool> {
        if part.pieces.is_some() {
            return self.receive_pieces(part).await;
        }
        tries.begin().await;
        let number = tries.number();
        counted(number, self.attempt(part, tries, turn)).await?;
        if part.pieces.is_some() {
            // The rest is other requests.
            tries.answered();
        }
        Ok(part.pieces.is_none())
    }

    /// Receives the pieces that have not come; false if they are not to be had.
    async fn receive_pieces(&self, part: &mut Part) -> Result<bool> {
        let Some(mut pieces) = part.pieces.take() else { return Ok(false) };
        let free = std::iter::repeat_with(|| self.crowd.free_turn());
        let turns: Vec<_> = free.take(MOST_AT_ONCE - 1).map_while(|turn| turn).collect();
        let expected = self.item.expected.as_ref().or(part.expected.as_ref()).cloned();
        let hasher = expected.is_some().then(|| std::mem::take(&mut part.hasher));
        let divided = Divided {
            http: self.http,
            url: &self.item.url,
            headers: HeaderMap::new(),
            validator: part.validator.clone(),
            is_recorded: matches!(part.place, Some(Place::Named(..))),
            file: Arc::new(part.file(&self.options.scratch)?.try_clone().at(&self.item.target)?),
            target: &self.item.target,
            is_same: &|_| true,
            at_once: turns.len() + 1,
            job: self.job,
        };
        let received = part.received;
        let (received, hasher, whole) =
            divided.receive(&mut pieces, received, hasher, &mut part.share).await;
        part.received = received;
        part.hasher = hasher.unwrap_or_default();
        if whole.is_err() {
            part.pieces = Some(pieces);
        }
        if !whole? {
            log::info!(target: TARGET, "{:?} cannot be had in pieces", self.item.target);
            part.is_whole_only = true;
            // What has come in order may be of use if a digest tells.
            if self.item.expected.is_some() {
                part.cut()?;
            } else {
                part.restart()?;
            }
            return Ok(false);
        }
        // The record of the pieces is no content.
        part.cut()?;
        if let Some(expected) = expected {
            expected.check(&part.hasher.clone().finish(), &self.item.name)?;
        } else {
            let origin = url::redacted(&self.item.url);
            self.item.form.check(&Document::of_file(origin, part.head()?))?;
        }
        Ok(true)
    }

    async fn attempt(
        &self,
        part: &mut Part,
        tries: &mut Tries<'_>,
        turn: &mut Option<Turn<'_>>,
    ) -> Result<()> {
        let Item { url, name, form, .. } = &*self.item;
        let mut expected = self.item.expected.clone();
        let mut response = match self.get(&part.range_headers(expected.is_some())).await {
            Err(Error::Status { status: 416, .. }) if part.received > 0 => {
                part.restart()?;
                self.get(&HeaderMap::new()).await?
            }
            other => other?,
        };
        if response.path().ends_with('/') && !url.path().ends_with('/') {
            let advice = self.options.directory_advice;
            let advice = advice.map_or_else(String::new, |advice| format!("; {advice}"));
            return Err(Error::invalid("path", name, format!("it is a directory{advice}")));
        }
        if !part.continues(&response) {
            part.restart()?;
        }
        part.remember_validator(&response);
        part.share.seek(part.received);
        if let Some(length) = response.length() {
            part.share.expect(part.received + length);
        }
        if expected.is_none() && self.options.check_stated && part.received == 0 {
            expected = stated(&response);
        }
        part.expected.clone_from(&expected);
        let small = response.length().is_some_and(|length| length <= SMALL_BYTES);
        if form.is_document() || (small && part.received == 0) {
            let body = self.receive_small(&mut response, part).await?;
            self.crowd.answered(tries);
            *turn = None;
            return self.place_small(body, expected, part).await;
        }
        let watch = (!part.is_whole_only)
            .then(|| {
                let is_known = expected.is_some();
                Watch::new(self.options.division, &response, part.received, is_known)
            })
            .flatten();
        let Some(expected) = expected else {
            part.file(&self.options.scratch)?;
            while let Some(piece) = response.chunk().await? {
                part.share.advance(piece.len() as u64);
                part.write(&piece, &self.options.scratch)?;
                if self.is_too_slow(watch.as_ref(), part.received) {
                    break;
                }
            }
            if self.divide(watch.as_ref(), part)? {
                return Ok(());
            }
            return self.check_form(&part.head()?, &response);
        };
        self.receive_digesting(&mut response, part, watch.as_ref()).await?;
        if self.divide(watch.as_ref(), part)? {
            return Ok(());
        }
        expected.check(&part.hasher.clone().finish(), name)
    }

    /// True if the rest is to come in pieces, several at once.
    fn is_too_slow(&self, watch: Option<&Watch>, received: u64) -> bool {
        watch.is_some_and(|watch| self.crowd.has_free_turn() && watch.is_slow(received))
    }

    /// Divides what is left of a stream that was too slow, if it was; true if so.
    fn divide(&self, watch: Option<&Watch>, part: &mut Part) -> Result<bool> {
        let Some(watch) = watch.filter(|watch| part.received < watch.size) else {
            return Ok(false);
        };
        let pieces = Pieces::new(watch.size, self.options.division.piece, part.received);
        if let Some(Place::Named(_, locked)) = &part.place {
            pieces.write(locked.file()).at(&self.item.target)?;
        }
        part.pieces = Some(pieces);
        Ok(true)
    }

    async fn get(&self, headers: &HeaderMap) -> Result<Response> {
        let Item { url, expected, .. } = &*self.item;
        match expected {
            Some(expected) if expected.size <= SMALL_BYTES => {
                self.http.get_once(url, headers).await
            }
            _ => self.http.get_large_once(url, headers).await,
        }
    }

    fn check_form(&self, content: &[u8], response: &Response) -> Result<()> {
        match self.item.form {
            Form::Any => Ok(()),
            form => form.check(&response.document(&self.item.url, content)),
        }
    }

    async fn receive_small(&self, response: &mut Response, part: &mut Part) -> Result<Bytes> {
        // A copy, so that the connection can use its buffer again.
        let size = response.length().unwrap_or_default().min(SMALL_BYTES);
        let mut body = BytesMut::with_capacity(usize::try_from(size).unwrap_or_default());
        while let Some(piece) = response.chunk().await? {
            part.share.advance(piece.len() as u64);
            body.extend_from_slice(&piece);
        }
        self.check_form(&body, response)?;
        Ok(body.freeze())
    }

    /// Checks small content together with others, and gives it its name.
    async fn place_small(
        &self,
        body: Bytes,
        expected: Option<Expected>,
        part: &mut Part,
    ) -> Result<()> {
        part.restart()?;
        part.place = None;
        let (item, scratch) = (Arc::clone(&self.item), self.options.scratch.clone());
        let content = body.clone();
        let place = move |seen: Seen| {
            if let Some(expected) = expected {
                expected.check(&seen, &item.name)?;
            }
            atomic::write_through(&scratch, &item.target, &body, FILE_MODE, false)
        };
        self.lanes.whole(content, place).await
    }

    /// Hands content to the hashing thread, which also writes it. The file itself stays with this
    /// future, so that dropping it leaves nothing behind.
    async fn receive_digesting(
        &self,
        response: &mut Response,
        part: &mut Part,
        watch: Option<&Watch>,
    ) -> Result<()> {
        let path = &self.item.target;
        let file = part.file(&self.options.scratch)?.try_clone().at(path)?;
        let mut stream = self.lanes.stream_to(std::mem::take(&mut part.hasher), file);
        let mut block = BytesMut::new();
        let mut come = part.received;
        let received = async {
            while let Some(mut piece) = response.chunk().await? {
                part.share.advance(piece.len() as u64);
                come += piece.len() as u64;
                if !block.is_empty() {
                    let missing = piece.len().min(PIECE_BYTES - block.len());
                    block.extend_from_slice(&piece.split_to(missing));
                    if block.len() == PIECE_BYTES {
                        stream.push(block.split().freeze()).await.at(path)?;
                    }
                }
                // In pieces of bounded size: so many of them may wait for the hashing thread.
                while piece.len() >= PIECE_BYTES {
                    let next = piece.split_to(piece.len().min(MOST_BYTES));
                    stream.push(next).await.at(path)?;
                }
                block.extend_from_slice(&piece);
                if self.is_too_slow(watch, come) {
                    break;
                }
            }
            Ok(())
        }
        .await;
        // Also of a transfer that broke: the next try goes on behind it.
        let gathered = stream.push(block.freeze()).await.at(path);
        part.hasher = stream.finish().await.at(path)?;
        part.received = part.hasher.size();
        received.and(gathered)
    }

    /// A large file with a known digest goes to a file that a later call can find again.
    async fn open_part(&self) -> Result<Part> {
        let scratch = &self.options.scratch;
        if let Some(expected) = &self.item.expected
            && expected.size >= RESUMABLE_BYTES
            && !self.item.form.is_document()
        {
            let key = format!("{}\n{}\n{}", self.item.url.path(), expected.size, expected.md5);
            let mut name = Hasher::default();
            name.update(key.as_bytes());
            let name = name.finish().md5.to_string() + PART_SUFFIX;
            if let Some(part) = self.resume(scratch.join(name), expected.size).await? {
                return Ok(part);
            }
        }
        Ok(self.new_part(None))
    }

    fn new_part(&self, place: Option<Place>) -> Part {
        let target = self.item.target.clone();
        let share = self.job.share(self.item.size());
        Part {
            place,
            target,
            received: 0,
            share,
            hasher: Hasher::default(),
            validator: None,
            expected: None,
            pieces: None,
            is_whole_only: false,
        }
    }

    /// What an earlier call left at `path`, or a start of it; `None` if that is of no use: another
    /// process has it, or another user, who could still change it.
    async fn resume(&self, path: PathBuf, size: u64) -> Result<Option<Part>> {
        let Some(file) = open_own(&path) else { return Ok(None) };
        // Where locks do not work, two processes might share the file: use one that nobody knows.
        let Ok(locked) = Locked::try_new(file, Mode::Exclusive) else { return Ok(None) };
        let file = locked.file();
        // Another process may have finished and moved it between opening and locking.
        let is_same = fs::symlink_metadata(&path)
            .map(|there| Stat::from(&there).identity.place)
            .is_ok_and(|there| Stat::of(file).is_ok_and(|ours| ours.identity.place == there));
        if !is_same {
            return Ok(None);
        }
        let mut part = self.new_part(Some(Place::Named(path, locked)));
        let length = self.options.division.piece;
        match part.digest_received(size, length, self.lanes, self.job).await {
            Ok(()) => Ok(Some(part)),
            Err(Error::Cancelled) => Err(Error::Cancelled),
            Err(error) => {
                log::info!(target: TARGET, "cannot go on with what is there of {:?}: {}", self.item.target, error.chain());
                Ok(None)
            }
        }
    }
}

/// What a server says about content by digest and length.
fn stated(response: &Response) -> Option<Expected> {
    if response.header(CONTENT_ENCODING).is_some() {
        return None;
    }
    let digest = Digest::of_header(response.header(REPR_DIGEST)?)?;
    Some(Expected { size: response.length()?, md5: digest.to_string() })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::http::testing::{answer, serve};
    use crate::runtime;

    const LARGE: usize = 9 * 1024 * 1024;

    fn content(size: usize) -> Vec<u8> {
        (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect()
    }

    /// Downloads to `folder/target` what the scripted answers give; returns the requests' heads.
    fn fetch(
        folder: &Path,
        answers: Vec<Vec<u8>>,
        expected: Option<&[u8]>,
    ) -> (Result<()>, Vec<String>) {
        let (url, server) = serve(answers);
        let expected = expected.map(|content| Expected {
            size: content.len() as u64,
            md5: {
                let mut hasher = Hasher::default();
                hasher.update(content);
                hasher.finish().md5.to_string()
            },
        });
        let target = folder.join("target");
        let item = Item { url, name: "target".into(), target, expected, form: Form::Any };
        let options =
            Options { concurrency: 1, scratch: folder.join("scratch"), ..Options::default() };
        let runtime = runtime::current().unwrap();
        let mut http = Http::new(&runtime).unwrap();
        http.retry.retries = 1;
        let job = Job::default();
        let result = runtime.block_on(download(&http, vec![item], &options, &job));
        (result, server.join().unwrap())
    }

    fn unfinished(folder: &Path) -> usize {
        fs::read_dir(folder.join("scratch")).unwrap().count()
    }

    #[test]
    fn wrong_content_is_fetched_again_and_never_placed() {
        let folder = tempfile::tempdir().unwrap();
        let wrong = || answer("200 OK", "", 3, b"abd");
        let good = answer("200 OK", "", 3, b"abc");
        let (result, _) = fetch(folder.path(), vec![wrong(), good], Some(b"abc"));
        result.unwrap();
        assert_eq!(fs::read(folder.path().join("target")).unwrap(), b"abc");

        let folder = tempfile::tempdir().unwrap();
        let (result, _) = fetch(folder.path(), vec![wrong(), wrong()], Some(b"abc"));
        assert!(matches!(result, Err(Error::Digest { what: "MD5 checksum", .. })), "{result:?}");
        assert!(!folder.path().join("target").exists());
        assert_eq!(unfinished(folder.path()), 0);
    }

    #[test]
    fn a_broken_download_goes_on_where_it_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let whole = content(200_000);
        let validator = "Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n";
        let broken = answer("200 OK", validator, whole.len(), &whole[..150_000]);
        let rest = answer(
            "206 Partial",
            "Content-Range: bytes 150000-199999/200000\r\n",
            50_000,
            &whole[150_000..],
        );
        let (result, heads) = fetch(folder.path(), vec![broken, rest], None);
        result.unwrap();
        assert_eq!(fs::read(folder.path().join("target")).unwrap(), whole);
        let head = heads[1].to_lowercase();
        assert!(head.contains("range: bytes=150000-") && head.contains("if-range: wed,"), "{head}");
    }

    #[test]
    fn a_file_that_changed_meanwhile_is_fetched_from_its_start() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (vec![1; 200_000], vec![2; 100_000]);
        let broken = answer("200 OK", "ETag: \"1\"\r\n", old.len(), &old[..150_000]);
        let changed = answer("200 OK", "ETag: \"2\"\r\n", new.len(), &new);
        let (result, _) = fetch(folder.path(), vec![broken, changed], None);
        result.unwrap();
        assert_eq!(fs::read(folder.path().join("target")).unwrap(), new);
    }

    #[test]
    fn an_unfinished_file_that_cannot_be_opened_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let whole = content(LARGE);
        let nothing = || answer("503 Busy", "Retry-After: 999\r\n", 0, b"");
        let broken = answer("200 OK", "", LARGE, &whole[..LARGE - 7]);
        fetch(folder.path(), vec![broken, nothing()], Some(&whole)).0.unwrap_err();
        let part = fs::read_dir(folder.path().join("scratch")).unwrap().next().unwrap().unwrap();
        fs::remove_file(part.path()).unwrap();
        // As good as one of another user.
        fs::create_dir(part.path()).unwrap();
        let good = answer("200 OK", "", LARGE, &whole);
        fetch(folder.path(), vec![good], Some(&whole)).0.unwrap();
        assert_eq!(fs::read(folder.path().join("target")).unwrap(), whole);
        assert!(part.path().is_dir());
    }

    #[test]
    fn a_later_call_goes_on_with_a_large_file() {
        let folder = tempfile::tempdir().unwrap();
        let whole = content(LARGE);
        let broken = || answer("200 OK", "", LARGE, &whole[..LARGE - 7]);
        let nothing = answer("503 Busy", "Retry-After: 999\r\n", 0, b"");
        let (result, _) = fetch(folder.path(), vec![broken(), nothing], Some(&whole));
        assert!(matches!(result, Err(Error::Status { status: 503, .. })), "{result:?}");
        assert_eq!(unfinished(folder.path()), 1);
        let range = format!("Content-Range: bytes {}-{}/{LARGE}\r\n", LARGE - 7, LARGE - 1);
        let rest = answer("206 Partial", &range, 7, &whole[LARGE - 7..]);
        let (result, heads) = fetch(folder.path(), vec![rest], Some(&whole));
        result.unwrap();
        assert!(heads[0].to_lowercase().contains(&format!("range: bytes={}-", LARGE - 7)));
        assert_eq!(fs::read(folder.path().join("target")).unwrap(), whole);
        assert_eq!(unfinished(folder.path()), 0);
    }
}
