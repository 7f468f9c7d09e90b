//! MD5 of content on its way: many transfers push pieces, hashing threads take them side by side.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes};
use tokio::sync::{mpsc, oneshot};

use super::kernel::{BLOCK_BYTES, Kernel, MAX_LANES};
use super::{Hasher, Seen};
use crate::Result;
use crate::error::IoContext;

/// Pieces that may wait for one hashing thread; as many again are being hashed.
const QUEUE_PIECES: usize = 64;

/// Hashing threads, shared by many streams. They end with the last stream.
#[derive(Debug)]
pub struct Lanes {
    threads: Vec<mpsc::Sender<Message>>,
    next: AtomicUsize,
}

/// Content of one transfer.
///
/// Pushing waits while too many pieces wait already, so memory is bounded if pieces are: 64 KiB to
/// 256 KiB each is best. A stream that is dropped leaves nothing behind.
#[derive(Debug)]
pub struct Stream {
    thread: mpsc::Sender<Message>,
    hasher: Arc<Mutex<Hasher>>,
}

#[derive(Debug)]
struct Message {
    hasher: Arc<Mutex<Hasher>>,
    piece: Piece,
}

#[derive(Debug)]
enum Piece {
    Content(Bytes),
    End(oneshot::Sender<Seen>),
}

impl Lanes {
    /// Starts hashing threads, at least one.
    pub fn start(threads: usize) -> Result<Self> {
        Self::start_with(Kernel::current(), threads)
    }

    fn start_with(kernel: Kernel, threads: usize) -> Result<Self> {
        let threads = (0..threads.max(1))
            .map(|index| {
                let (sender, receiver) = mpsc::channel(QUEUE_PIECES);
                std::thread::Builder::new()
                    .name(format!("selenite-hash-{index}"))
                    .spawn(move || work(kernel, receiver))
                    .at("hashing thread")?;
                Ok(sender)
            })
            .collect::<Result<_>>()?;
        Ok(Self { threads, next: AtomicUsize::new(0) })
    }

    /// A new stream, empty so far.
    pub fn stream(&self) -> Stream {
        let next = self.next.fetch_add(1, Ordering::Relaxed) % self.threads.len();
        Stream { thread: self.threads[next].clone(), hasher: Arc::default() }
    }
}

impl Stream {
    /// Adds the next piece.
    pub async fn push(&self, piece: Bytes) {
        there(self.thread.send(self.message(Piece::Content(piece))).await);
    }

    /// Adds the next piece, waiting on this thread, which must not be one of Tokio's.
    pub fn push_blocking(&self, piece: Bytes) {
        there(self.thread.blocking_send(self.message(Piece::Content(piece))));
    }

    /// The digest and size of everything added.
    pub async fn finish(self) -> Seen {
        let (sender, receiver) = oneshot::channel();
        there(self.thread.send(self.message(Piece::End(sender))).await);
        there(receiver.await)
    }

    /// The digest and size of everything added, waiting on this thread, which must not be one of
    /// Tokio's.
    pub fn finish_blocking(self) -> Seen {
        let (sender, receiver) = oneshot::channel();
        there(self.thread.blocking_send(self.message(Piece::End(sender))));
        there(receiver.blocking_recv())
    }

    fn message(&self, piece: Piece) -> Message {
        Message { hasher: Arc::clone(&self.hasher), piece }
    }
}

/// What a hashing thread has taken or answered.
fn there<T, E: std::fmt::Debug>(result: Result<T, E>) -> T {
    result.expect("a hashing thread outlives its streams")
}

/// A hashing thread: takes whatever has come, all streams side by side.
fn work(kernel: Kernel, mut receiver: mpsc::Receiver<Message>) {
    let mut messages = Vec::with_capacity(QUEUE_PIECES);
    while receiver.blocking_recv_many(&mut messages, QUEUE_PIECES) > 0 {
        let mut feeds: Vec<Feed> = Vec::new();
        for Message { hasher, piece } in messages.drain(..) {
            match feeds.iter_mut().find(|feed| Arc::ptr_eq(&feed.home, &hasher)) {
                Some(feed) => feed.pieces.push_back(piece),
                None => feeds.push(Feed::new(hasher, piece)),
            }
        }
        feeds.retain_mut(Feed::prepare);
        while !feeds.is_empty() {
            feeds.chunks_mut(MAX_LANES).for_each(|feeds| advance(kernel, feeds));
            feeds.retain_mut(Feed::prepare);
        }
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
    }
}

/// What has come for one stream.
struct Feed {
    /// Where the hasher is between two rounds.
    home: Arc<Mutex<Hasher>>,
    hasher: Hasher,
    pieces: VecDeque<Piece>,
    /// Content that begins at a block.
    ready: Bytes,
}

impl Feed {
    fn new(home: Arc<Mutex<Hasher>>, piece: Piece) -> Self {
        let hasher = home.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { home, hasher, pieces: VecDeque::from([piece]), ready: Bytes::new() }
    }

    /// Makes at least one block ready; false if there is none, and then the hasher is back home.
    fn prepare(&mut self) -> bool {
        while self.ready.len() < BLOCK_BYTES {
            self.hasher.update(&std::mem::take(&mut self.ready));
            match self.pieces.pop_front() {
                Some(Piece::Content(piece)) => {
                    let left = self.hasher.complete_block(&piece).len();
                    self.ready = piece.slice(piece.len() - left..);
                }
                Some(Piece::End(seen)) => {
                    // Nobody minds if the caller has given up waiting.
                    let _ = seen.send(self.hasher.clone().finish());
                }
                None => {
                    let mut home = self.home.lock().unwrap_or_else(PoisonError::into_inner);
                    *home = self.hasher.clone();
                    return false;
                }
            }
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
    async fn many_tasks_push_at_once() {
        for kernel in Kernel::available() {
            let lanes = Lanes::start_with(kernel, 2).unwrap();
            let tasks: Vec<_> = (0..100)
                .map(|seed| {
                    let stream = lanes.stream();
                    tokio::spawn(async move {
                        let content = content(seed);
                        for piece in pieces(content.clone(), seed) {
                            stream.push(piece).await;
                        }
                        check(stream.finish().await, &content);
                    })
                })
                .collect();
            drop(lanes);
            for task in tasks {
                task.await.unwrap();
            }
        }
    }

    #[test]
    fn threads_push_and_some_give_up() {
        let lanes = Lanes::start(0).unwrap();
        std::thread::scope(|scope| {
            for seed in 0..20 {
                let stream = lanes.stream();
                scope.spawn(move || {
                    let content = content(seed);
                    let hasher = Arc::downgrade(&stream.hasher);
                    for piece in pieces(content.clone(), seed) {
                        stream.push_blocking(piece);
                    }
                    if seed % 3 == 0 {
                        drop(stream);
                        while hasher.upgrade().is_some() {
                            std::thread::yield_now();
                        }
                    } else {
                        check(stream.finish_blocking(), &content);
                    }
                });
            }
        });
    }
}
