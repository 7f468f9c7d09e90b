//! One file of which no more than its size need be known: what breaks off goes on behind what has come
//! for as long as the file is unchanged.

use std::fs::File;
use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use reqwest::Url;
use reqwest::header::{CONTENT_ENCODING, CONTENT_RANGE, HeaderMap, HeaderValue, RANGE};
use sha2::{Digest as _, Sha512};

use crate::digest;
use crate::error::IoContext;
use crate::fs::atomic::{self, Staged};
use crate::http::{Http, Response};
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
    /// Where to. What is there is replaced once the new content is whole.
    pub(crate) target: PathBuf,
    /// Its size, if that is known.
    pub(crate) size: Option<u64>,
    /// Its SHA-512 digest in hexadecimal digits, if that is known.
    pub(crate) sha512: Option<String>,
}

/// What is known of a file of which a part has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is the same.
    Same,
    /// It may be another one.
    Unknown,
    /// It is another one.
    Changed,
}

/// Downloads a file; gives its size, or `None` if the answer is not `accepted`, or in a coding, or if
/// the file has changed.
///
/// How it is `standing` is asked before it goes on behind what has come.
pub(crate) async fn fetch<F: Future<Output = Result<Standing>>>(
    http: &Http,
    wanted: &Wanted,
    accepted: impl Fn(&Response) -> bool,
    standing: impl Fn() -> F,
    job: &Job,
) -> Result<Option<u64>> {
    job.expect_file(wanted.size);
    let part = Part::new(wanted.sha512.is_some());
    let mut transfer = Transfer { http, wanted, share: job.share(wanted.size), part };
    let run = transfer.run(accepted, standing, job);
    job.race(run).await.inspect_err(|_| job.give_up())
}

struct Transfer<'a> {
    http: &'a Http,
    wanted: &'a Wanted,
    share: Share,
    part: Part,
}

/// What has come.
struct Part {
    staged: Option<Staged>,
    received: u64,
    hasher: Option<Sha512>,
}

impl Part {
    fn new(is_digested: bool) -> Self {
        Self { staged: None, received: 0, hasher: is_digested.then(Sha512::new) }
    }
}

impl Transfer<'_> {
    async fn run<F: Future<Output = Result<Standing>>>(
        &mut self,
        accepted: impl Fn(&Response) -> bool,
        standing: impl Fn() -> F,
        job: &Job,
    ) -> Result<Option<u64>> {
        let mut tries = self.http.tries(&self.wanted.url, job);
        loop {
            tries.begin().await;
            let before = self.part.received;
            let error = match self.attempt(&accepted).await {
                Ok(false) => {
                    tries.answered();
                    return Ok(None);
                }
                Ok(true) => break,
                Err(error) => error,
            };
            let has_expired = before > 0 && matches!(error, Error::Status { status: 403, .. });
            if has_expired {
                tries.failed_with(error, u32::MAX).await?;
            } else if matches!(error, Error::Digest { what: SIZE, .. }) {
                // What stands between may have cut it short.
                self.restart();
                tries.failed_with(error, 2).await?;
            } else {
                tries.failed(error).await?;
            }
            if self.part.received > 0 {
                match standing().await? {
                    Standing::Same => {}
                    Standing::Unknown => self.restart(),
                    Standing::Changed => return Ok(None),
                }
            }
        }
        tries.answered();
        let size = self.part.received;
        let part = std::mem::replace(&mut self.part, Part::new(false));
        let (staged, target) = (part.staged, self.wanted.target.clone());
        if let Some(staged) = staged {
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
        self.part = Part::new(self.wanted.sha512.is_some());
        self.share.seek(0);
    }

    /// True once everything has come, false if the answer is not accepted.
    async fn attempt(&mut self, accepted: &impl Fn(&Response) -> bool) -> Result<bool> {
        let mut headers = self.wanted.headers.clone();
        if self.part.received > 0 {
            let range = HeaderValue::try_from(format!("bytes={}-", self.part.received));
            headers.insert(RANGE, range.expect("digits are valid in a header"));
        }
        let is_small = self.wanted.size.is_some_and(|size| size <= SMALL_BYTES);
        let mut response = if is_small {
            self.http.get_once(&self.wanted.url, &headers).await?
        } else {
            self.http.get_large_once(&self.wanted.url, &headers).await?
        };
        if self.part.received == 0 && !accepted(&response) {
            return Ok(false);
        }
        if response.header(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            if self.part.received == 0 {
                return Ok(false);
            }
            return Err(Error::Transport {
                method: "GET".into(),
                url: crate::http::url::redacted(&self.wanted.url),
                source: "the content comes in a coding that was not asked for".into(),
            });
        }
        let start = format!("bytes {}-", self.part.received);
        let continues = response.status() == 206
            && response.header(CONTENT_RANGE).is_some_and(|range| range.starts_with(&start));
        if !continues {
            self.restart();
        }
        self.share.seek(self.part.received);
        if let Some(length) = response.length() {
            self.share.expect(self.part.received + length);
        }
        self.receive(&mut response).await?;
        self.check()?;
        Ok(true)
    }

    async fn receive(&mut self, response: &mut Response) -> Result<()> {
        let mut block = BytesMut::new();
        let ended = loop {
            match response.chunk().await {
                Ok(Some(piece)) => {
                    self.share.advance(piece.len() as u64);
                    block.extend_from_slice(&piece);
                    if block.len() >= BLOCK_BYTES {
                        self.write(block.split().freeze()).await?;
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
        let part = std::mem::replace(&mut self.part, Part::new(false));
        let target = self.wanted.target.clone();
        let (part, written) = aside(move || written(part, &block, &target)).await;
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
        if let (Some(expected), Some(hasher)) = (&self.wanted.sha512, &self.part.hasher) {
            let actual = digest::hex(&hasher.clone().finalize());
            if !actual.eq_ignore_ascii_case(expected) {
                return failed("SHA-512 checksum", expected, actual);
            }
        }
        Ok(())
    }
}

/// Adds to what has come; a file is made for it if need be.
fn written(mut part: Part, block: &[u8], target: &std::path::Path) -> (Part, Result<()>) {
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    let staged = match part.staged.take() {
        Some(staged) => staged,
        None => match atomic::stage(folder.unwrap_or_else(|| ".".as_ref()), FILE_MODE) {
            Ok(staged) => staged,
            Err(error) => return (part, Err(error)),
        },
    };
    let file: &File = staged.file();
    let result = system::write_all_at(file, block, part.received).at(target);
    if result.is_ok() {
        part.received += block.len() as u64;
        if let Some(hasher) = &mut part.hasher {
            hasher.update(block);
        }
    }
    part.staged = Some(staged);
    (part, result)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::http::testing::{answer, serve};
    use crate::runtime;

    fn get(
        answers: Vec<Vec<u8>>,
        target: &Path,
        size: Option<u64>,
        sha512: Option<&str>,
        standing: Standing,
    ) -> (Result<Option<u64>>, Vec<String>) {
        let (url, server) = serve(answers);
        let runtime = runtime::current().unwrap();
        let mut http = Http::new(&runtime).unwrap();
        http.retry.retries = 3;
        let wanted = Wanted {
            url,
            headers: HeaderMap::new(),
            name: "f".into(),
            target: target.to_owned(),
            size,
            sha512: sha512.map(str::to_owned),
        };
        let job = Job::default();
        let accepted = |response: &Response| response.length() != Some(1);
        let asked = || async { Ok(standing) };
        let result = runtime.block_on(fetch(&http, &wanted, accepted, asked, &job));
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
            let (result, heads) = get(answers, &target, Some(10), None, standing);
            assert_eq!(result.unwrap(), Some(10));
            assert_eq!(std::fs::read(&target).unwrap(), b"0123456789");
            let count = heads.iter().filter(|head| head.to_lowercase().contains("bytes=4-"));
            assert_eq!(count.count(), ranges);
            std::fs::remove_file(&target).unwrap();
        }
        let (result, _) = get(vec![cut()], &target, Some(10), None, Standing::Changed);
        assert_eq!(result.unwrap(), None);
        assert!(!target.exists());
    }

    #[test]
    fn what_is_not_what_it_should_be_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("f");
        let other = || answer("200 OK", "", 4, b"none");
        let (result, _) =
            get(vec![other(), other(), other()], &target, Some(5), None, Standing::Same);
        assert!(matches!(result, Err(Error::Digest { what: "size", .. })));
        let (result, _) = get(vec![other()], &target, None, Some("00"), Standing::Same);
        assert!(matches!(result, Err(Error::Digest { what: "SHA-512 checksum", .. })));
        let (result, _) =
            get(vec![answer("200 OK", "", 1, b"x")], &target, None, None, Standing::Same);
        assert_eq!(result.unwrap(), None);
        assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
        let (result, _) =
            get(vec![answer("200 OK", "", 0, b"")], &target, Some(0), None, Standing::Same);
        assert_eq!(result.unwrap(), Some(0));
        assert_eq!(std::fs::read(&target).unwrap(), b"");
    }
}
