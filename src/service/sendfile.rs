//! Large files in answers without a copy: `sendfile` below the HTTP server.
//!
//! The body of a file yields markers instead of content: slices of memory that nobody writes or
//! reads. The server passes them on as they are, and the socket, which knows them by their
//! addresses, sends the parts of files that they stand for. A marker that stands for nothing, or for
//! something else than is next, ends the connection: a marker is never sent itself.
//!
//! Why not read and write: 20 files of 10 MiB from this service to a client on the same machine take
//! 158 ms with this module and 206 ms without it, and then six times the service's processor time.
//!
//! Parts are sent from the page cache, also after `sendfile` has returned. That suits files that are
//! replaced and never changed in place, as all files of a registry are.

use std::collections::VecDeque;
use std::fs::File;
use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll, ready};

use crate::service::threads;
use crate::shared::lock;
use crate::system;
use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// Most bytes of a file that one marker stands for.
pub(crate) const PART_BYTES: usize = 1 << 20;
/// Markers begin at as many different addresses, so that they are not taken for one another.
const STARTS: usize = 64;

/// The memory of all markers. Fresh zeroed memory takes no space until it is touched.
static MARKERS: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(vec![0; PART_BYTES + STARTS]));

tokio::task_local! {
    static OUTBOX: Outbox;
}

/// The parts of files that are to be sent over one connection, in the order of their markers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outbox(Arc<Mutex<Parts>>);

#[derive(Debug, Default)]
struct Parts {
    waiting: VecDeque<Part>,
    /// How many there have been.
    count: usize,
}

#[derive(Debug)]
struct Part {
    file: Arc<File>,
    offset: u64,
    /// What the server still has of the marker.
    marker: Bytes,
}

impl Outbox {
    /// Runs the future that serves a connection: bodies it polls may use the outbox.
    pub(crate) fn serving<F: Future>(
        &self,
        connection: F,
    ) -> impl Future<Output = F::Output> + use<F> {
        OUTBOX.scope(self.clone(), connection)
    }

    /// The outbox of the connection that is being served, if it has one and if `file` can be sent
    /// without keeping other connections waiting.
    pub(crate) fn taking(file: &File) -> Option<(Self, Storage)> {
        let outbox = OUTBOX.try_with(Clone::clone).ok()?;
        Some((outbox, Storage::of(file)?))
    }

    /// The marker of a part of at most [`PART_BYTES`], which is queued: it must be yielded at once.
    ///
    /// What is not yet in memory is first read by a blocking thread.
    pub(crate) async fn part(
        &self,
        storage: Storage,
        file: &Arc<File>,
        range: Range<u64>,
    ) -> io::Result<Bytes> {
        if !storage.has(file, &range)? {
            let (file, range) = (Arc::clone(file), range.clone());
            threads::run_or_here(move || warm(&file, range.clone())).await?;
        }
        self.push(file, range)
    }

    fn push(&self, file: &Arc<File>, range: Range<u64>) -> io::Result<Bytes> {
        let size = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
        let mut parts = lock(&self.0);
        let start = parts.count % STARTS;
        parts.count += 1;
        let marker = MARKERS.slice(start..start + size);
        parts.waiting.push_back(Part {
            file: Arc::clone(file),
            offset: range.start,
            marker: marker.clone(),
        });
        Ok(marker)
    }
}

/// Reads a part only for the sake of the page cache.
fn warm(file: &File, mut range: Range<u64>) -> io::Result<()> {
    let mut scratch = vec![0; 64 * 1024];
    while range.start < range.end {
        let room =
            usize::try_from(range.end - range.start).unwrap_or(usize::MAX).min(scratch.len());
        match system::read_at(file, &mut scratch[..room], range.start)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            read => range.start += read as u64,
        }
    }
    Ok(())
}

/// How to find out whether content is in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    /// It always is.
    Memory,
    /// The kernel can tell.
    Cached,
}

impl Storage {
    /// None if sending the file could wait for a disk or a network unnoticed.
    fn of(file: &File) -> Option<Self> {
        match system::peek(file, 0) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => {
                system::is_in_memory(file).then_some(Self::Memory)
            }
            _ => Some(Self::Cached),
        }
    }

    /// Whether a part is in memory. Only some pages are asked for, as content comes and goes in
    /// larger pieces.
    fn has(self, file: &File, range: &Range<u64>) -> io::Result<bool> {
        if self == Self::Memory {
            return Ok(true);
        }
        for offset in range.clone().step_by(64 * 1024).chain([range.end - 1]) {
            match system::peek(file, offset) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// A socket that sends parts of files in place of their markers.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    outbox: Outbox,
}

impl Socket {
    /// The socket of the connection that has this outbox.
    pub(crate) fn new(stream: TcpStream, outbox: Outbox) -> Self {
        Self { stream, outbox }
    }

    fn is_idle(&self) -> bool {
        lock(&self.outbox.0).waiting.is_empty()
    }

    /// Sends some of the first part, which `slice` must be the marker of.
    fn poll_send(&self, context: &mut Context<'_>, slice: &[u8]) -> Poll<io::Result<usize>> {
        let mut parts = lock(&self.outbox.0);
        let Some(part) = parts.waiting.front_mut() else { return Poll::Ready(Err(mixed_up())) };
        if slice.as_ptr_range() != part.marker.as_ptr_range() {
            return Poll::Ready(Err(mixed_up()));
        }
        loop {
            ready!(self.stream.poll_write_ready(context))?;
            let sending = || system::send_file(&self.stream, &part.file, part.offset, slice.len());
            match self.stream.try_io(Interest::WRITABLE, sending) {
                // The file has become shorter.
                Ok(0) => return Poll::Ready(Err(ErrorKind::UnexpectedEof.into())),
                Ok(sent) => {
                    part.offset += sent as u64;
                    part.marker.advance(sent);
                    if part.marker.is_empty() {
                        parts.waiting.pop_front();
                    }
                    return Poll::Ready(Ok(sent));
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::Interrupted => {}
                    _ => return Poll::Ready(Err(error)),
                },
            }
        }
    }
}

fn mixed_up() -> io::Error {
    io::Error::other("the parts of files do not match what the server sends")
}

fn is_marker(slice: &[u8]) -> bool {
    MARKERS.as_ptr_range().contains(&slice.as_ptr())
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(buffer)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let empty = slices.iter().take_while(|slice| slice.is_empty()).count();
        let slices = &slices[empty..];
        match slices.iter().position(|slice| is_marker(slice)) {
            Some(0) => self.poll_send(context, &slices[0]),
            Some(first) => {
                Pin::new(&mut self.stream).poll_write_vectored(context, &slices[..first])
            }
            // A marker was lost, or copied into one of these.
            None if !self.is_idle() => Poll::Ready(Err(mixed_up())),
            None => Pin::new(&mut self.stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// What is written, and what the other end receives until the socket is dropped.
    async fn sent(outbox: &Outbox, slices: &[&[u8]]) -> (io::Result<()>, Vec<u8>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut socket = Socket::new(client, outbox.clone());
        let mut other = listener.accept().await.unwrap().0;
        let mut received = Vec::new();
        let writing = async {
            let mut slices: Vec<_> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
            let mut slices = slices.as_mut_slice();
            let result = loop {
                if slices.is_empty() {
                    break Ok(());
                }
                match socket.write_vectored(slices).await {
                    Ok(written) => IoSlice::advance_slices(&mut slices, written),
                    Err(error) => break Err(error),
                }
            };
            drop(socket);
            result
        };
        let (result, read) = tokio::join!(writing, other.read_to_end(&mut received));
        read.unwrap();
        (result, received)
    }

    fn file_of(bytes: &[u8]) -> Arc<File> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Arc::new(file)
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(future)
    }

    #[test]
    fn parts_replace_their_markers() {
        let text: Vec<u8> = (0..3_000_000_u32).map(|index| (index % 251) as u8).collect();
        let file = file_of(&text);
        let outbox = Outbox::default();
        let first = outbox.push(&file, 5..1_000_000).unwrap();
        let second = outbox.push(&file, 2_000_000..3_000_000).unwrap();
        let slices: &[&[u8]] = &[b"", b"head", &first, b"between", &second, b"end"];
        let (result, received) = run(sent(&outbox, slices));
        result.unwrap();
        let expected =
            [b"head", &text[5..1_000_000], b"between", &text[2_000_000..], b"end"].concat();
        assert!(received == expected);
    }

    #[test]
    fn markers_that_match_nothing_are_not_sent() {
        let file = file_of(b"some content");
        let outbox = Outbox::default();
        let old = outbox.push(&file, 0..4).unwrap();
        for (parts, send) in [
            // Lost, copied, with another address, cut, or for nothing at all.
            (1, vec![&b"other"[..]]),
            (1, vec![&[0; 4][..]]),
            (1, vec![&old[..]]),
            (2, vec![&old[..]]),
            (0, vec![&old[..]]),
        ] {
            let outbox = Outbox::default();
            outbox.0.lock().unwrap().count = 1;
            for _ in 0..parts {
                outbox.push(&file, 0..4).unwrap();
            }
            let (result, received) = run(sent(&outbox, &send));
            assert!(result.is_err(), "{send:?}");
            assert_eq!(received, b"");
        }
        let marker = Outbox::default().push(&file, 0..4).unwrap();
        let outbox = Outbox::default();
        outbox.push(&file, 0..4).unwrap();
        let (result, received) = run(sent(&outbox, &[b"head", &marker[..3]]));
        assert!(result.is_err());
        assert_eq!(received, b"head");
    }

    #[test]
    fn a_file_that_shrinks_is_an_error() {
        let file = file_of(&vec![1; 100_000]);
        let outbox = Outbox::default();
        let marker = outbox.push(&file, 0..100_000).unwrap();
        file.set_len(60_000).unwrap();
        let (result, received) = run(sent(&outbox, &[&marker]));
        assert_eq!(result.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        assert!(received == vec![1; 60_000]);
        // None where it cannot be told what is in memory: emulators lack the call. Such a file is
        // read, as any other body.
        if let Some(storage) = Storage::of(&file) {
            let late = outbox.part(storage, &file, 0..100_000);
            assert_eq!(run(late).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        }
    }

    #[test]
    fn only_bodies_of_a_connection_use_its_outbox() {
        let file = file_of(b"some content");
        assert!(Outbox::taking(&file).is_none());
        let outbox = Outbox::default();
        let served = run(outbox.serving(async { Outbox::taking(&file).is_some() }));
        assert_eq!(served, Storage::of(&file).is_some());
    }
}
