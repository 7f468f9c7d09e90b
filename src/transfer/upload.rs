//! Many files at once, each the body of one PUT: streamed from the disk, bounded in number and
//! memory, tried again where that is safe.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use reqwest::Url;
use reqwest::header::HeaderMap;

use super::TARGET;
use super::crowd::Crowd;
use super::pack::{self, Archives};
use super::put::{Fate, Item, put};
use crate::digest::push::{self, Lanes};
use crate::digest::{Digest, Hasher};
use crate::error::IoContext;
use crate::fs::open;
use crate::http::{Http, Stream, counted, was_refused};
use crate::job::{Job, Share};
use crate::shared::lock;
use crate::system::Links;
use crate::{Error, Result};

/// What is read and sent at a time.
const BLOCK_BYTES: usize = 256 * 1024;
/// The same for content that is digested: some of it waits for the hashing thread, and small blocks
/// keep the memory small.
const DIGESTED_BYTES: usize = 64 * 1024;
/// Content of no more than this is digested where it is read: waking the hashing thread would take longer,
/// and the content would be sent apart from its head.
const SPOT_BYTES: u64 = 16 * 1024;
/// Blocks that may still be on their way when their memory is wanted again.
const BLOCKS_AHEAD: usize = 2;
/// Files that know where to go before it is their turn: a far service gives places for so many in the
/// time in which others are sent, also if it is asked for many at once.
const FILES_AHEAD: usize = 256;
/// How old a place that expires may be when it is used.
const OLDEST_PLACE: Duration = Duration::from_secs(300);

/// Where a file goes.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// URL of the PUT.
    pub url: Url,
    /// Headers that the server asks for.
    pub headers: HeaderMap,
    /// What the content must be, if that was promised.
    pub md5: Option<Digest>,
    /// When the URL was made, if it expires some time: a new one is asked for then.
    pub made: Option<Instant>,
}

impl Target {
    fn is_old(&self) -> bool {
        self.made.is_some_and(|made| made.elapsed() > OLDEST_PLACE)
    }
}

/// Uploads all items, at most `asked` at once (0 or 1 leave the number open).
///
/// Small ones go to `archives`, if there are any. `target` says where an item goes by itself; it is
/// asked before each try, and before the first one while other items are sent. `sent` is told of each
/// that was sent.
pub(crate) async fn upload<F: Future<Output = Result<Target>>>(
    http: &Http,
    items: &[Item],
    archives: Option<&Archives>,
    target: impl Fn(usize) -> F,
    sent: impl Fn(usize),
    asked: usize,
    job: &Job,
) -> Result<()> {
    for item in items {
        job.expect_file(item.size);
    }
    // One thread: side by side, it takes the content of many uploads faster than they go.
    let lanes = &Lanes::new(1);
    let (target, sent, crowd) = (&target, &sent, &Crowd::new(asked));
    // Whoever limits the number means all requests.
    let apart = crowd.is_free().then(|| Crowd::new(asked));
    let asking = apart.as_ref().unwrap_or(crowd);
    let alone = |some: Vec<usize>| {
        stream::iter(some)
            .map(|index| async move {
                let item = &items[index];
                let transfer = Transfer { http, item, lanes, asking, crowd, job };
                let done = transfer.run(|| target(index)).await.map(|()| sent(index));
                done.map_err(|error| error.of(&item.name))
            })
            .buffer_unordered(crowd.most() + FILES_AHEAD)
            .try_collect::<()>()
    };
    let all = async {
        let Some(archives) = archives else { return alone((0..items.len()).collect()).await };
        let (packed, others) = (0..items.len()).partition(|index| pack::is_packed(&items[*index]));
        let packed = archives.send(http, items, packed, sent, crowd, job);
        let (left, ()) = futures_util::try_join!(packed, alone(others))?;
        alone(left).await
    };
    job.race(all).await.inspect_err(|_| job.give_up())
}

struct Transfer<'a> {
    http: &'a Http,
    item: &'a Item,
    lanes: &'a Lanes,
    /// Those that ask where to go.
    asking: &'a Crowd,
    /// Those that are sent.
    crowd: &'a Crowd,
    job: &'a Job,
}

impl Transfer<'_> {
    async fn run<F: Future<Output = Result<Target>>>(&self, target: impl Fn() -> F) -> Result<()> {
        let share = Arc::new(Mutex::new(self.job.share(self.item.size)));
        let turn = self.asking.turn().await;
        let mut place = target().await?;
        drop(turn);
        let _turn = self.crowd.turn().await;
        if place.is_old() {
            place = target().await?;
        }
        let mut tries = self.crowd.tries(self.http, &place.url, self.item.size, self.job);
        loop {
            tries.begin().await;
            let attempt = counted(tries.number(), self.attempt(&place, &share));
            let error = match attempt.await {
                Ok(()) => break,
                Err(error) => error,
            };
            let has_expired =
                place.made.is_some() && matches!(error, Error::Status { status: 403, .. });
            if has_expired && !was_refused(&error) {
                tries.failed_with(error, u32::MAX).await?;
            } else {
                tries.failed(error).await?;
            }
            place = target().await?;
        }
        self.crowd.answered(&mut tries);
        self.asking.follow(self.crowd);
        lock(&share).done();
        log::debug!(target: TARGET, "sent {:?}", self.item.file);
        Ok(())
    }

    async fn attempt(&self, target: &Target, share: &Arc<Mutex<Share>>) -> Result<()> {
        let Target { url, headers, .. } = target;
        put(self.http, url, headers, &|fate| self.stream(target, share, fate)).await
    }

    /// The content from its beginning.
    fn stream(
        &self,
        target: &Target,
        share: &Arc<Mutex<Share>>,
        fate: &Arc<Fate>,
    ) -> Result<Stream> {
        lock(share).seek(0);
        let (file, stat) = open::regular(&self.item.file, Links::Follow)?;
        let size = stat.size();
        fate.begin(size == 0);
        let source = Source {
            file,
            item: self.item.clone(),
            left: size,
            digesting: target.md5.filter(|_| size > SPOT_BYTES).map(|_| self.lanes.stream()),
            promised: target.md5,
            sent: VecDeque::new(),
        };
        if size == 0 {
            // Nobody asks for the pieces of an empty content.
            let nothing = Hasher::default().finish().md5;
            return match target.md5 {
                Some(promised) if promised != nothing => Err(self.item.changed()),
                _ => Ok(Stream { length: 0, body: Bytes::new().into() }),
            };
        }
        let state = (source, Arc::clone(share), Arc::clone(fate));
        let body = stream::try_unfold(state, |(mut source, share, fate)| async {
            fate.touch();
            let block = source.next().await;
            let block = fate.hand(block, source.left == 0)?;
            Ok::<_, io::Error>(block.map(|block| {
                lock(&share).advance(block.len() as u64);
                (block, (source, share, fate))
            }))
        });
        Ok(Stream { length: size, body: reqwest::Body::wrap_stream(body) })
    }
}

/// Content on its way from the disk.
struct Source {
    file: File,
    item: Item,
    /// Bytes still to be read.
    left: u64,
    /// What was read goes to a hashing thread, too, unless it is little.
    digesting: Option<push::Stream>,
    /// What it must come to.
    promised: Option<Digest>,
    /// The last blocks: once they are sent, their memory is used again.
    sent: VecDeque<Bytes>,
}

impl Source {
    /// An empty buffer, that of a block that was sent if possible.
    fn buffer(&mut self, size: usize) -> Vec<u8> {
        let oldest = if self.sent.len() < BLOCKS_AHEAD { None } else { self.sent.pop_front() };
        match oldest.map(Bytes::try_into_mut) {
            Some(Ok(block)) => {
                let mut buffer = Vec::from(block);
                buffer.clear();
                buffer
            }
            _ => Vec::with_capacity(size),
        }
    }

    /// The next block, `None` after the last one.
    ///
    /// The last one is held back until the digest is known: content that has changed breaks off
    /// instead of arriving.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        if self.left == 0 {
            return Ok(None);
        }
        let size = if self.digesting.is_some() { DIGESTED_BYTES } else { BLOCK_BYTES };
        let most = usize::try_from(self.left).map_or(size, |left| left.min(size));
        let mut block = self.buffer(most);
        (&self.file).take(most as u64).read_to_end(&mut block).at(&self.item.file)?;
        if block.is_empty() {
            return Err(self.item.changed());
        }
        let block = Bytes::from(block);
        self.sent.push_back(block.clone());
        self.left -= block.len() as u64;
        if let Some(digesting) = &mut self.digesting {
            digesting.push(block.clone()).await.at(&self.item.file)?;
        }
        if self.left == 0 {
            self.check_digest(&block).await?;
        }
        Ok(Some(block))
    }

    async fn check_digest(&mut self, last: &[u8]) -> Result<()> {
        let Some(promised) = self.promised else { return Ok(()) };
        let hasher = match self.digesting.take() {
            Some(digesting) => digesting.finish().await.at(&self.item.file)?,
            None => {
                let mut hasher = Hasher::default();
                hasher.update(last);
                hasher
            }
        };
        if hasher.finish().md5 == promised { Ok(()) } else { Err(self.item.changed()) }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::http::testing::{answer, serve, serve_all};
    use crate::runtime;

    fn digest(content: &[u8]) -> Digest {
        let mut hasher = Hasher::default();
        hasher.update(content);
        hasher.finish().md5
    }

    /// Uploads one file to the scripted answers; returns the requests' heads.
    fn send(file: &Path, answers: Vec<Vec<u8>>, md5: Option<Digest>) -> (Result<()>, Vec<String>) {
        let (url, server) = serve(answers);
        let result = send_to(url.as_str(), file, md5);
        (result, server.join().unwrap())
    }

    fn send_to(url: &str, file: &Path, md5: Option<Digest>) -> Result<()> {
        let url = crate::http::url::parse(url).unwrap();
        let item = Item::new(file.to_owned(), "f");
        let runtime = runtime::current().unwrap();
        let mut http = Http::new(&runtime).unwrap();
        http.retry.retries = 2;
        let target = |_| async {
            let made = Some(Instant::now());
            Ok(Target { url: url.clone(), headers: HeaderMap::new(), md5, made })
        };
        let job = Job::default();
        runtime.block_on(upload(&http, &[item], None, target, |_| (), 1, &job))
    }

    #[test]
    fn a_url_that_has_expired_is_replaced_and_a_broken_server_asked_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        std::fs::write(&file, "content").unwrap();
        let answers = ["403 Forbidden", "503 Busy", "200 OK"]
            .map(|status| answer(status, "Retry-After: 0\r\n", 0, b""));
        let (result, heads) = send(&file, answers.to_vec(), Some(digest(b"content")));
        result.unwrap();
        assert_eq!(heads.len(), 3);
        for head in heads {
            assert!(head.starts_with("PUT /x HTTP/1.1"), "{head}");
            assert!(head.to_lowercase().contains("content-length: 7"), "{head}");
            assert!(!head.to_lowercase().contains("chunked"), "{head}");
        }
    }

    #[test]
    fn places_are_asked_for_while_the_first_files_are_sent() {
        let (asked, enough) = (Arc::new(AtomicUsize::new(0)), std::sync::mpsc::channel::<()>());
        let (tell, told) = (enough.0, Mutex::new(enough.1));
        let url = serve_all(move |_| {
            // The first waits; there is nobody who tells the others.
            let _ = lock(&told).recv();
            answer("200 OK", "", 0, b"")
        });
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        std::fs::write(&file, "x").unwrap();
        let items = vec![Item::new(file, "f"); 288];
        let tell = Mutex::new(Some(tell));
        let target = |_| async {
            if asked.fetch_add(1, Ordering::Relaxed) == 256 {
                lock(&tell).take();
            }
            let (headers, made) = (HeaderMap::new(), Some(Instant::now()));
            Ok(Target { url: url.clone(), headers, md5: None, made })
        };
        let runtime = runtime::current().unwrap();
        let (http, job) = (Http::new(&runtime).unwrap(), Job::default());
        runtime.block_on(upload(&http, &items, None, target, |_| (), 0, &job)).unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), items.len());
    }

    #[test]
    fn an_empty_file_has_a_length_too() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        std::fs::write(&file, "").unwrap();
        let (result, heads) = send(&file, vec![answer("200 OK", "", 0, b"")], Some(digest(b"")));
        result.unwrap();
        assert!(heads[0].to_lowercase().contains("content-length: 0"), "{}", heads[0]);
    }

    #[test]
    fn a_file_that_has_changed_does_not_arrive() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        std::fs::write(&file, "changed").unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/x", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let mut request = Vec::new();
            listener.accept().unwrap().0.read_to_end(&mut request).unwrap();
            String::from_utf8(request).unwrap()
        });
        let error = send_to(&url, &file, Some(digest(b"content"))).unwrap_err();
        assert!(error.chain().contains("has changed since"), "{}", error.chain());
        assert!(!server.join().unwrap().contains("changed"));
    }

    #[test]
    fn an_answer_before_the_end_is_no_success() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        std::fs::File::create(&file).unwrap().set_len(1 << 30).unwrap();
        let (result, _) = send(&file, vec![answer("200 OK", "", 0, b"")], None);
        assert!(result.is_err());
    }
}
