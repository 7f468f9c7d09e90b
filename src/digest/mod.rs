//! Digests and sizes of files: one at a time, many in parallel, or of content on its way.
//!
//! | module | what it does |
//! |---|---|
//! | [`copy`] | copies that are read again and compared |
//! | `kernel` | MD5 of several streams at once, in the lanes of vectors |
//! | `lanes` | many files: reads them in windows and keeps the lanes filled |
//! | [`push`] | content of concurrent transfers: pieces go to hashing threads |
//! | [`together`] | small contents that are in memory |
//! | [`sha`] | SHA-256 and SHA-512, which the CPU has instructions for |
//! | [`running`] | a kind that is chosen when it is needed, of content on its way |
//!
//! The kernel is the best one that the CPU can run, or the one that the environment variable
//! `SELENITE_DIGEST` names: `avx512`, `avx2`, `neon` or `scalar`.

pub(crate) mod copy;
#[doc(hidden)] // public for the benchmarks
pub mod kernel;
mod lanes;
pub(crate) mod push;
pub(crate) mod running;
pub(crate) mod sha;
pub(crate) mod together;
mod window;

use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::IoContext;
use crate::fs::open;
use crate::job::Job;
use crate::parallel::Team;
use crate::system::Links;
use crate::{Result, runtime};
use kernel::{BLOCK_BYTES, INITIAL, Kernel};

/// Bytes read at a time.
pub const WINDOW_BYTES: usize = 256 * 1024;

/// The header in which a server states the digest of what it sends (RFC 9530).
pub const REPR_DIGEST: &str = "repr-digest";

/// Windows that may be read before they are needed.
const WINDOWS_AHEAD: usize = 8;

/// Bytes from which on it pays to read ahead on another thread.
const AHEAD_BYTES: u64 = 8 << 20;

/// An MD5 digest; displayed as 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 16]);

impl Digest {
    /// Reads 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        if text.len() != 32 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        for (byte, at) in bytes.iter_mut().zip((0..32).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// What the value of the header [`REPR_DIGEST`] states, among digests of other kinds.
    pub fn of_header(text: &str) -> Option<Self> {
        let stated = text.split(',').find_map(|one| one.trim().strip_prefix("md5=:"))?;
        let bytes = STANDARD.decode(stated.split(':').next()?).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }

    /// This digest as the value of the header [`REPR_DIGEST`].
    pub fn to_header(self) -> String {
        format!("md5=:{}:", STANDARD.encode(self.0))
    }

    /// The digest of a stream that is complete.
    fn of_state(state: [u32; 4]) -> Self {
        let mut bytes = [0; 16];
        for (bytes, word) in bytes.chunks_exact_mut(4).zip(state) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        Self(bytes)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 32];
        for (digits, byte) in text.chunks_exact_mut(2).zip(self.0) {
            digits.copy_from_slice(&digits_of(byte));
        }
        formatter.write_str(std::str::from_utf8(&text).expect("hexadecimal digits are ASCII"))
    }
}

/// What one pass over some content has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Bytes of content.
    pub size: u64,
    /// Its MD5 digest.
    pub md5: Digest,
}

/// Digests content that arrives in pieces.
#[derive(Debug, Clone)]
pub struct Hasher {
    state: [u32; 4],
    size: u64,
    /// The bytes after the last whole block: `size` modulo the size of a block.
    partial: [u8; BLOCK_BYTES],
}

impl Default for Hasher {
    fn default() -> Self {
        Self::resume(INITIAL, 0)
    }
}

impl Hasher {
    /// Goes on after `size` bytes, which are whole blocks.
    fn resume(state: [u32; 4], size: u64) -> Self {
        Self { state, size, partial: [0; BLOCK_BYTES] }
    }

    /// Adds the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        let rest = self.complete_block(piece);
        let blocks = rest.len() / BLOCK_BYTES;
        let (whole, tail) = rest.split_at(blocks * BLOCK_BYTES);
        self.advance(whole);
        self.keep(tail);
    }

    /// Adds as much of a piece as the partial block wants, and gives the rest.
    fn complete_block<'piece>(&mut self, piece: &'piece [u8]) -> &'piece [u8] {
        let filled = self.filled();
        if filled == 0 {
            return piece;
        }
        let (start, rest) = piece.split_at(piece.len().min(BLOCK_BYTES - filled));
        self.keep(start);
        if self.filled() == 0 && !start.is_empty() {
            Kernel::current().advance(std::slice::from_mut(&mut self.state), &[&self.partial], 1);
        }
        rest
    }

    /// Adds whole blocks when there is no partial one.
    fn advance(&mut self, whole: &[u8]) {
        let blocks = whole.len() / BLOCK_BYTES;
        Kernel::current().advance(std::slice::from_mut(&mut self.state), &[whole], blocks);
        self.size += whole.len() as u64;
    }

    /// Puts bytes into the partial block, which has room for them.
    fn keep(&mut self, bytes: &[u8]) {
        let filled = self.filled();
        self.partial[filled..filled + bytes.len()].copy_from_slice(bytes);
        self.size += bytes.len() as u64;
    }

    /// Bytes in the partial block.
    fn filled(&self) -> usize {
        usize::try_from(self.size % BLOCK_BYTES as u64).expect("less than a block")
    }

    /// Bytes added so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The digest and size of everything added.
    pub fn finish(mut self) -> Seen {
        let mut end = [0; 2 * BLOCK_BYTES];
        end[..BLOCK_BYTES].copy_from_slice(&self.partial);
        let length = pad(&mut end, self.filled(), self.size);
        let size = self.size;
        self.advance(&end[..length]);
        Seen { size, md5: Digest::of_state(self.state) }
    }
}

/// Ends a stream of `size` bytes, of which the last `filled` are in `window`: gives the number of
/// bytes that make whole blocks now, up to two blocks more.
fn pad(window: &mut [u8], filled: usize, size: u64) -> usize {
    let end = (filled + 1 + 8).next_multiple_of(BLOCK_BYTES);
    window[filled] = 0x80;
    window[filled + 1..end - 8].fill(0);
    window[end - 8..end].copy_from_slice(&size.wrapping_mul(8).to_le_bytes());
    end
}

/// A file to be digested, opened when its turn comes.
pub trait Source: Sync {
    /// Opens the file at its start; also gives its size as it is now.
    fn open(&self) -> Result<(File, u64)>;

    /// What messages call it.
    fn path(&self) -> PathBuf;
}

/// A regular file; links to it are followed.
impl<P: AsRef<Path> + Sync> Source for P {
    fn open(&self) -> Result<(File, u64)> {
        let (file, stat) = open::regular(self.as_ref(), Links::Follow)?;
        Ok((file, stat.size()))
    }

    fn path(&self) -> PathBuf {
        self.as_ref().to_owned()
    }
}

/// Digests what is left to read of `file`; `path` is for messages.
pub fn of_reader(file: impl Read, path: &Path, job: &Job) -> Result<Seen> {
    let mut hasher = Hasher::default();
    read_windows(file, path, job, |piece| hasher.update(piece))?;
    Ok(hasher.finish())
}

/// Digests one regular file, following links.
pub fn of_file(path: &Path, job: &Job) -> Result<Seen> {
    let (file, stat) = open::regular(path, Links::Follow)?;
    rest_of(&file, stat.size(), path, Hasher::default(), job)
}

/// Digests many files in parallel; results are in the order given. A file that changes while it is
/// read gives the size and digest of what was read.
///
/// Fails as a whole only if the job is cancelled; a file that cannot be read has its own error.
pub fn of_files<S: Source>(files: &[S], job: &Job) -> Result<Vec<Result<Seen>>> {
    let team = Team::for_parts(files.len());
    let results = lanes::of_files(Kernel::current(), files, &team, job);
    job.check()?;
    Ok(results)
}

/// Digests what is left to read of a file, about `left` bytes, after what `hasher` has seen.
fn rest_of(file: &File, left: u64, path: &Path, mut hasher: Hasher, job: &Job) -> Result<Seen> {
    if left < AHEAD_BYTES || runtime::threads() == 1 {
        read_windows(file, path, job, |piece| hasher.update(piece))?;
        return Ok(hasher.finish());
    }
    let (sender, windows) = mpsc::sync_channel::<Result<(Vec<u8>, usize)>>(WINDOWS_AHEAD);
    let (giver, empty) = mpsc::channel();
    for _ in 0..WINDOWS_AHEAD {
        giver.send(vec![0; WINDOW_BYTES]).expect("the other end is here");
    }
    // Owns both ends, so that the reader ends when this gives up.
    std::thread::scope(move |scope| {
        let reader = std::thread::Builder::new().name("selenite-read".to_owned()).spawn_scoped(
            scope,
            move || {
                let mut file = file;
                // Either channel breaks when the other side has given up.
                while let Ok(mut window) = empty.recv() {
                    let read = read_some(&mut file, &mut window).at(path);
                    let is_over = !matches!(read, Ok(count) if count > 0);
                    if sender.send(read.map(|count| (window, count))).is_err() || is_over {
                        return;
                    }
                }
            },
        );
        if reader.is_err() {
            // The system allows no more threads: this one does it all.
            read_windows(file, path, job, |piece| hasher.update(piece))?;
        }
        for read in windows {
            job.check()?;
            let (window, count) = read?;
            hasher.update(&window[..count]);
            job.advance(count as u64);
            // The reader has ended if it does not want the window back.
            let _ = giver.send(window);
        }
        Ok(hasher.finish())
    })
}

/// Reads a file to its end, one window after the other.
fn read_windows(
    mut file: impl Read,
    path: &Path,
    job: &Job,
    mut take: impl FnMut(&[u8]),
) -> Result<()> {
    let mut window = vec![0; WINDOW_BYTES];
    loop {
        job.check()?;
        let count = read_some(&mut file, &mut window).at(path)?;
        if count == 0 {
            return Ok(());
        }
        take(&window[..count]);
        job.advance(count as u64);
    }
}

/// Reads once; 0 bytes mean the end.
fn read_some(file: &mut impl Read, window: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match file.read(window) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Lower-case hexadecimal digits of some bytes.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| digits_of(*byte)).map(char::from).collect()
}

fn digits_of(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

#[cfg(test)]
mod tests {
    use md5::{Digest as _, Md5};
    use proptest::prelude::*;

    use super::*;
    use crate::Error;

    fn reference(content: &[u8]) -> Seen {
        Seen { size: content.len() as u64, md5: Digest(Md5::digest(content).into()) }
    }

    proptest! {
        #[test]
        fn pieces_add_up(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20)) {
            let mut hasher = Hasher::default();
            for piece in &pieces {
                hasher.update(piece);
            }
            prop_assert_eq!(hasher.finish(), reference(&pieces.concat()));
        }
    }

    #[test]
    fn every_length_around_every_block_of_a_mebibyte() {
        let content: Vec<u8> = (0..=1 << 20).map(|i: u64| (i * i % 251) as u8).collect();
        let mut hasher = Hasher::default();
        let mut expected = Md5::new();
        let mut done = 0;
        for length in
            (0..=300).chain((320..content.len()).step_by(64).flat_map(|end| end - 1..=end + 1))
        {
            hasher.update(&content[done..length]);
            expected.update(&content[done..length]);
            done = length;
            let seen = hasher.clone().finish();
            assert_eq!(seen.size, length as u64);
            assert_eq!(seen.md5.0, expected.clone().finalize()[..], "{length} bytes");
        }
    }

    #[test]
    fn a_large_file_is_read_ahead() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        let content: Vec<u8> = (0..AHEAD_BYTES + 12345).map(|i| (i * i % 251) as u8).collect();
        std::fs::write(&path, &content).unwrap();
        let job = Job::default();
        assert_eq!(of_file(&path, &job).unwrap(), reference(&content));
        assert_eq!(of_reader(&content[..], &path, &job).unwrap(), reference(&content));
        let files = of_files(&[&path], &job).unwrap();
        assert_eq!(*files[0].as_ref().unwrap(), reference(&content));
        assert_eq!(job.progress().bytes_done, 3 * content.len() as u64);
        job.cancel();
        assert!(matches!(of_file(&path, &job), Err(Error::Cancelled)));
        assert!(matches!(of_files(&[&path], &job), Err(Error::Cancelled)));
    }

    #[test]
    fn a_directory_said_to_be_large_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::open(folder.path()).unwrap();
        let result = rest_of(&file, AHEAD_BYTES, folder.path(), Hasher::default(), &Job::default());
        assert_eq!(result.unwrap_err().io_kind(), Some(ErrorKind::IsADirectory));
    }

    #[test]
    fn digits() {
        assert_eq!(hex(&[0, 0x1f, 0xa0, 0xff]), "001fa0ff");
        assert_eq!(hex(&[]), "");
    }

    #[test]
    fn a_header_states_a_digest_among_others() {
        let digest = Digest::parse("b1946ac92492d2347c6235b4d2611184").unwrap();
        let text = digest.to_header();
        assert_eq!(text, "md5=:sZRqySSS0jR8YjW00mERhA==:");
        let others = format!("sha-256=:AAAA:, {text}");
        assert_eq!([&*text, &*others].map(Digest::of_header), [Some(digest); 2]);
        for none in ["", "md5=:AAAA:", "md5=:!:", "sha-256=:AAAA:", "md5"] {
            assert_eq!(Digest::of_header(none), None, "{none}");
        }
    }

    #[test]
    fn digests_match_the_standard_ones() {
        let mut hasher = Hasher::default();
        assert_eq!(hasher.clone().finish().md5.to_string(), "d41d8cd98f00b204e9800998ecf8427e");
        hasher.update(b"ab");
        hasher.update(b"c");
        let seen = hasher.finish();
        assert_eq!(seen.md5.to_string(), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(seen.size, 3);
    }
}
