//! MD5 of content on its way: many transfers push pieces, hashing threads take them side by side.
//!
//! They also write what they digest, so that one thread receives while others do the rest, and
//! whatever has come meanwhile is one batch. Small contents stay on the thread that receives.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;

use bytes::{Buf, Bytes};
use tokio::sync::{mpsc, oneshot};

use super::kernel::{BLOCK_BYTES, Kernel, MAX_LANES};
use super::{Hasher, Seen};
use crate::shared::lock;
use crate::system;

/// Messages that may wait for one hashing thread; as many again are being worked on.
const QUEUE_MESSAGES: usize = 64;
/// With so many waiting, a hashing thread leaves writing to those who push.
const BUSY_MESSAGES: usize = 32;
/// A hashing thread waits until this many streams have content, or three quarters of fewer streams:
/// side by side, many take as long as one.
const ENOUGH_STREAMS: usize = 12;
/// What may wait for the content of other streams.
const PENDING_BYTES: usize = 2 * 1024 * 1024;
/// Two for each whole content that is digested with others.
const TOGETHER_MESSAGES: usize = 2 * MAX_LANES;

/// Hashing threads, shared by many streams. They end with the last stream.
pub(crate) struct Lanes {
    kernel: Kernel,
    count: usize,
    /// Started for the first stream; none where the system allows no more.
    threads: OnceLock<Vec<(mpsc::Sender<Message>, JoinHandle<()>)>>,
    next: AtomicUsize,
    /// Whole contents that are digested together.
    gathered: Mutex<Vec<Message>>,
}

/// Content of one transfer, on its way to a file.
///
/// Pushing waits while too many pieces wait already, so memory is bounded if pieces are: 64 KiB to
/// 256 KiB each is best.
#[derive(Debug)]
pub(crate) struct Stream {
    /// None if whoever pushes must digest.
    thread: Option<mpsc::Sender<Message>>,
    home: Arc<Home>,
    file: Option<Arc<File>>,
    pushed: u64,
}

/// The state of a stream.
#[derive(Debug, Default)]
struct Home {
    /// As long as no hashing thread works on it.
    hasher: Mutex<Hasher>,
    /// Why the file could not be written.
    failure: Mutex<Option<io::Error>>,
}

struct Message {
    home: Arc<Home>,
    piece: Piece,
}

enum Piece {
    Content(Bytes),
    /// Content that is still to be written, and its place in the file.
    Unwritten(Bytes, Arc<File>, u64),
    End(End),
}

/// What a hashing thread does with the hasher of a stream that has ended.
type End = Box<dyn FnOnce(Hasher) + Send>;

impl Lanes {
    /// So many hashing threads, at least one, as soon as there is a stream.
    pub(crate) fn new(threads: usize) -> Self {
        Self::with(Kernel::current(), threads.max(1))
    }

    fn with(kernel: Kernel, threads: usize) -> Self {
        Self {
            kernel,
            count: threads,
            threads: OnceLock::new(),
            next: AtomicUsize::new(0),
            gathered: Mutex::default(),
        }
    }

    fn start(&self) -> Vec<(mpsc::Sender<Message>, JoinHandle<()>)> {
        let kernel = self.kernel;
        let start = |index| {
            let (sender, receiver) = mpsc::channel(QUEUE_MESSAGES);
            let thread = std::thread::Builder::new()
                .name(format!("selenite-hash-{index}"))
                .spawn(move || work(kernel, receiver));
            Some((sender, thread.ok()?))
        };
        (0..self.count).map_while(start).collect()
    }

    /// A new stream, of content that is not written.
    pub(crate) fn stream(&self) -> Stream {
        self.stream_from(Hasher::default(), None)
    }

    /// A new stream that goes on where `hasher` and the content of `file` end.
    pub(crate) fn stream_to(&self, hasher: Hasher, file: File) -> Stream {
        self.stream_from(hasher, Some(Arc::new(file)))
    }

    fn stream_from(&self, hasher: Hasher, file: Option<Arc<File>>) -> Stream {
        let pushed = hasher.size();
        let home = Arc::new(Home { hasher: Mutex::new(hasher), failure: Mutex::default() });
        let threads = self.threads.get_or_init(|| self.start());
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let thread = threads.get(next % threads.len().max(1)).map(|(sender, _)| sender.clone());
        Stream { thread, home, file, pushed }
    }

    /// Digests whole content together with others, and does the rest then.
    ///
    /// Only a part of the work that is given to [`Lanes::drive`] may wait for it.
    pub(crate) async fn whole<T: Send + 'static>(
        &self,
        content: Bytes,
        rest: impl FnOnce(Seen) -> T + Send + 'static,
    ) -> T {
        let (end, result) = answering(|hasher| rest(hasher.finish()));
        let home = Arc::<Home>::default();
        let content = Message { home: Arc::clone(&home), piece: Piece::Content(content) };
        lock(&self.gathered).extend([content, Message { home, piece: end }]);
        there(result.await)
    }

    /// Does work that gathers whole contents. When nothing else can be done, or enough have come,
    /// this thread digests them side by side: waking another would take longer.
    pub(crate) async fn drive<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let mut seen = 0;
        std::future::poll_fn(|context| {
            let result = work.as_mut().poll(context);
            let mut gathered = lock(&self.gathered);
            let grows = gathered.len() > seen && gathered.len() < TOGETHER_MESSAGES;
            seen = gathered.len();
            if grows {
                // Once more when all else has been done that can be.
                context.waker().wake_by_ref();
            } else if seen > 0 {
                seen = 0;
                let together = std::mem::take(&mut *gathered);
                drop(gathered);
                let mut feeds = Vec::new();
                for message in together {
                    take(&mut feeds, message);
                }
                digest(self.kernel, &mut feeds, 1, 0);
            }
            result
        })
        .await
    }

    /// Waits until the threads have done all that was handed over. The streams must be gone.
    pub(crate) fn join(self) {
        for (sender, thread) in self.threads.into_inner().into_iter().flatten() {
            drop(sender);
            there(thread.join());
        }
    }
}

impl Stream {
    /// Adds the next piece; fails if it is known already that the file cannot be written.
    pub(crate) async fn push(&mut self, content: Bytes) -> io::Result<()> {
        let offset = self.pushed;
        self.pushed += content.len() as u64;
        if let Some(failure) = lock(&self.home.failure).take() {
            return Err(failure);
        }
        let has_time = self.thread.as_ref().is_some_and(|thread| {
            // A lone stream is received faster than it is digested; many are not.
            let is_alone = thread.strong_count() == 2;
            let waiting = thread.max_capacity() - thread.capacity();
            !is_alone && waiting < BUSY_MESSAGES
        });
        let piece = match &self.file {
            None => Piece::Content(content),
            Some(file) if has_time => Piece::Unwritten(content, Arc::clone(file), offset),
            Some(file) => {
                system::write_all_at(file, &content, offset)?;
                Piece::Content(content)
            }
        };
        self.send(piece).await;
        Ok(())
    }

    /// A hasher that has taken everything added, or why the file could not be written or closed.
    pub(crate) async fn finish(mut self) -> io::Result<Hasher> {
        let (end, result) = answering(|hasher| hasher);
        self.send(end).await;
        let hasher = there(result.await);
        if let Some(failure) = lock(&self.home.failure).take() {
            return Err(failure);
        }
        if let Some(file) = self.file.take() {
            // Nobody else has it: what was to be written came before the end.
            there(Arc::try_unwrap(file).map(system::close))?;
        }
        Ok(hasher)
    }

    async fn send(&self, piece: Piece) {
        let message = Message { home: Arc::clone(&self.home), piece };
        match &self.thread {
            Some(thread) => there(thread.send(message).await),
            None => {
                let mut feeds = Vec::new();
                take(&mut feeds, message);
                digest(Kernel::current(), &mut feeds, 1, 0);
            }
        }
    }
}

/// The end of a stream, and what comes of it.
fn answering<T: Send + 'static>(
    rest: impl FnOnce(Hasher) -> T + Send + 'static,
) -> (Piece, oneshot::Receiver<T>) {
    let (sender, receiver) = oneshot::channel();
    // Nobody minds if the caller has given up waiting.
    (Piece::End(Box::new(|hasher| drop(sender.send(rest(hasher))))), receiver)
}

/// What a hashing thread has taken or answered.
fn there<T, E: std::fmt::Debug>(result: std::result::Result<T, E>) -> T {
    result.expect("a hashing thread outlives its streams")
}

/// A hashing thread.
fn work(kernel: Kernel, mut receiver: mpsc::Receiver<Message>) {
    let mut messages = Vec::with_capacity(QUEUE_MESSAGES);
    let mut feeds = Vec::new();
    while receiver.blocking_recv_many(&mut messages, QUEUE_MESSAGES) > 0 {
        messages.drain(..).for_each(|message| take(&mut feeds, message));
        let streams = receiver.sender_strong_count().saturating_sub(1);
        let enough = (streams * 3).div_ceil(4).min(ENOUGH_STREAMS);
        digest(kernel, &mut feeds, enough, PENDING_BYTES);
    }
}

/// Writes content if that is still to be done, and keeps it for its stream.
fn take(feeds: &mut Vec<Feed>, Message { home, piece }: Message) {
    let feed = match feeds.iter().rposition(|feed| Arc::ptr_eq(&feed.home, &home)) {
        Some(at) => &mut feeds[at],
        None => {
            feeds.push(Feed::new(home));
            feeds.last_mut().expect("it has just been added")
        }
    };
    match piece {
        Piece::Content(content) => feed.add(content),
        Piece::Unwritten(content, file, offset) => {
            // Whoever pushes looks at it too: not locked while writing.
            let has_failed = lock(&feed.home.failure).is_some();
            if !has_failed && let Err(failure) = system::write_all_at(&file, &content, offset) {
                *lock(&feed.home.failure) = Some(failure);
            }
            feed.add(content);
        }
        Piece::End(end) => feed.end = Some(end),
    }
}

/// Digests streams side by side until too few of them have content, all of it together is no more
/// than `most`, and none has ended.
fn digest(kernel: Kernel, feeds: &mut Vec<Feed>, enough: usize, most: usize) {
    feeds.retain_mut(Feed::prepare);
    while feeds.len() >= enough.max(1)
        || feeds.iter().any(|feed| feed.end.is_some())
        || feeds.iter().map(|feed| feed.waiting).sum::<usize>() > most
    {
        feeds.chunks_mut(MAX_LANES).for_each(|feeds| advance(kernel, feeds));
        feeds.retain_mut(Feed::prepare);
    }
}

/// Advances streams by as many blocks as all of them have.
fn advance(kernel: Kernel, feeds: &mut [Feed]) {
    let mut states: Vec<[u32; 4]> = feeds.iter().map(|feed| feed.hasher.state).collect();
    let data: Vec<&[u8]> = feeds.iter().map(|feed| feed.ready.as_ref()).collect();
    let blocks = data.iter().map(|data| data.len() / BLOCK_BYTES).min().unwrap_or(0);
    kernel.advance(&mut states, &data, blocks);
    for (feed, state) in feeds.iter_mut().zip(states) {
        feed.hasher.state = state;
        feed.hasher.size += (blocks * BLOCK_BYTES) as u64;
        feed.ready.advance(blocks * BLOCK_BYTES);
        feed.waiting -= blocks * BLOCK_BYTES;
    }
}

/// What has come for one stream.
struct Feed {
    home: Arc<Home>,
    hasher: Hasher,
    pieces: VecDeque<Bytes>,
    /// What is wanted once all has been digested.
    end: Option<End>,
    /// Content that begins at a block.
    ready: Bytes,
    /// Bytes of content, ready or not.
    waiting: usize,
}

impl Feed {
    fn new(home: Arc<Home>) -> Self {
        let hasher = std::mem::take(&mut *lock(&home.hasher));
        let (pieces, ready) = (VecDeque::new(), Bytes::new());
        Self { home, hasher, pieces, end: None, ready, waiting: 0 }
    }

    fn add(&mut self, content: Bytes) {
        self.waiting += content.len();
        self.pieces.push_back(content);
    }

    /// Makes at least one block ready; false if there is none, and then the hasher is back home.
    fn prepare(&mut self) -> bool {
        while self.ready.len() < BLOCK_BYTES {
            self.waiting -= self.ready.len();
            self.hasher.update(&std::mem::take(&mut self.ready));
            let Some(piece) = self.pieces.pop_front() else {
                let hasher = std::mem::take(&mut self.hasher);
                match self.end.take() {
                    Some(end) => end(hasher),
                    None => *lock(&self.home.hasher) = hasher,
                }
                return false;
            };
            let left = self.hasher.complete_block(&piece).len();
            self.waiting -= piece.len() - left;
            self.ready = piece.slice(piece.len() - left..);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use md5::{Digest as _, Md5};

    use super::*;
    use crate::digest::Digest;

    fn content(seed: usize) -> Bytes {
        let length = [0, 1, 63, 64, 65, 4096, 100_000, 300_000][seed % 8] + seed;
        (0..length).map(|i| ((i + seed * 7) * (i + 13) % 251).to_le_bytes()[0]).collect()
    }

    /// Cuts content into pieces of various lengths, some of them empty.
    fn pieces(mut content: Bytes, seed: usize) -> Vec<Bytes> {
        let mut pieces = vec![Bytes::new()];
        while !content.is_empty() {
            let length = 1 + (pieces.len() * 7919 + seed * 104_729) % 9001;
            pieces.push(content.split_to(length.min(content.len())));
        }
        pieces
    }

    fn check(seen: Seen, content: &[u8]) {
        assert_eq!(seen.size, content.len() as u64);
        assert_eq!(seen.md5, Digest(Md5::digest(content).into()));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn many_tasks_push_at_once_and_some_give_up() {
        let folder = tempfile::tempdir().unwrap();
        let contents: Vec<Bytes> = (0..100).map(content).collect();
        // Without a thread of their own, too.
        for (kernel, threads) in
            Kernel::available().into_iter().flat_map(|one| [(one, 2), (one, 0)])
        {
            let lanes = Lanes::with(kernel, threads);
            let path = |seed: usize| folder.path().join(seed.to_string());
            let tasks: Vec<_> = contents
                .iter()
                .cloned()
                .enumerate()
                .map(|(seed, content)| {
                    let file = File::create(path(seed)).unwrap();
                    let mut stream = lanes.stream_to(Hasher::default(), file);
                    tokio::spawn(async move {
                        for piece in pieces(content.clone(), seed) {
                            stream.push(piece).await.unwrap();
                        }
                        if seed % 3 > 0 {
                            check(stream.finish().await.unwrap().finish(), &content);
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
            lanes.join();
            for (seed, content) in contents.iter().enumerate() {
                assert_eq!(std::fs::read(path(seed)).unwrap(), **content);
            }
        }
    }

    #[tokio::test]
    async fn whole_contents_are_digested_together() {
        let lanes = Lanes::new(1);
        let all = (0..20).map(async |seed| {
            let content = content(seed);
            let seen = lanes.whole(content.clone(), |seen| seen).await;
            check(seen, &content);
        });
        lanes.drive(futures_util::future::join_all(all)).await;
        lanes.join();
    }

    #[tokio::test]
    async fn a_stream_waits_for_silent_ones_but_in_bounded_memory() {
        let lanes = Lanes::new(1);
        let _silent = [lanes.stream(), lanes.stream()];
        let mut stream = lanes.stream();
        let pieces: Vec<_> = (0..600).map(|_| Bytes::from(vec![1; 8192])).collect();
        for piece in &pieces {
            stream.push(piece.clone()).await.unwrap();
        }
        let most = 2 * QUEUE_MESSAGES + PENDING_BYTES / 8192 + 1;
        assert!(pieces[..pieces.len() - most].iter().all(Bytes::is_unique));
        check(stream.finish().await.unwrap().finish(), &pieces.concat());
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_fails_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let writable = File::create(&path).unwrap();
        let lanes = Lanes::new(1);
        let mut bad = lanes.stream_to(Hasher::default(), File::open(&path).unwrap());
        let mut good = lanes.stream_to(Hasher::default(), writable);
        bad.push(Bytes::from_static(b"abc")).await.unwrap();
        good.push(Bytes::from_static(b"def")).await.unwrap();
        assert!(bad.finish().await.is_err());
        check(good.finish().await.unwrap().finish(), b"def");
        assert_eq!(std::fs::read(&path).unwrap(), b"def");
    }
}
