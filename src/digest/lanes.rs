//! MD5 of many files at once, each in a lane of the vectors.
//!
//! Every thread works for itself: it opens files until its lanes are filled, reads a window of each,
//! and advances all lanes together by as many blocks as the shortest window has left. A lane whose
//! file has ended goes to the next file; when there are no more files the remaining ones move
//! together, and fewer of them need a narrower kernel, which is faster per lane.
//!
//! Large files are put off to a second pass, largest first, so that the last ones to end are small.

use std::fs::File;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::kernel::{BLOCK_BYTES, INITIAL, Kernel, MAX_LANES};
use super::{AHEAD_BYTES, Digest, Hasher, Seen, Source, pad, rest_of};
use crate::error::IoContext;
use crate::job::Job;
use crate::parallel::Team;
use crate::{Error, Result, system};

/// Bytes of one file in memory: all lanes together fill a usual second-level cache.
const LANE_BYTES: usize = 32 * 1024;

/// Distance of windows: room for the padding, and not a multiple of the page size, so that lanes do
/// not compete for the same lines of the cache.
const STRIDE_BYTES: usize = LANE_BYTES + 5 * BLOCK_BYTES;

/// Size from which on files are put off.
const LARGE_BYTES: u64 = 1 << 20;

/// The most small files that a thread takes at a time.
const MAX_CLAIM: usize = 32;

/// How long a thread waits for others to close a file when it has none open itself.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(5);

/// The most files that all threads together keep open: a share of what this process may.
fn most_open() -> usize {
    usize::try_from(system::most_open_files() / 3).unwrap_or(usize::MAX)
}

/// Digests files on all threads of a team. Files not reached because the job was
/// cancelled have that as their error.
pub(super) fn of_files<S: Source>(
    kernel: Kernel,
    files: &[S],
    team: &Team,
    job: &Job,
) -> Vec<Result<Seen>> {
    let mut results: Vec<Result<Seen>> = Vec::new();
    results.resize_with(files.len(), || Err(Error::Cancelled));
    let mut enter = |outcome: Outcome| {
        for (index, seen) in outcome.seen {
            results[index] = Ok(seen);
        }
        for (index, error) in outcome.failed {
            results[index] = Err(error);
        }
        outcome.large
    };
    let all = Queue::new(kernel, files, (0..files.len()).collect(), team, false);
    let mut large: Vec<(u64, usize)> =
        all.work_off(kernel, job).into_iter().flat_map(&mut enter).collect();
    large.sort_unstable_by_key(|(size, index)| (std::cmp::Reverse(*size), *index));
    let order = large.into_iter().map(|(_, index)| index).collect();
    let large = Queue::new(kernel, files, order, team, true);
    for outcome in large.work_off(kernel, job) {
        enter(outcome);
    }
    results
}

/// Files that are handed out to threads.
struct Queue<'a, S> {
    files: &'a [S],
    /// Indices of the files to do, in this order.
    order: Vec<usize>,
    /// Position in `order` of the first file not handed out.
    next: AtomicUsize,
    /// Files handed out at a time.
    claim: usize,
    /// Whether large files are done too.
    takes_large: bool,
    team: &'a Team,
    /// Files that a thread keeps open at most.
    most_open: usize,
}

/// What one thread has done.
#[derive(Default)]
struct Outcome {
    seen: Vec<(usize, Seen)>,
    failed: Vec<(usize, Error)>,
    /// Files put off: size and index.
    large: Vec<(u64, usize)>,
}

impl<'a, S: Source> Queue<'a, S> {
    fn new(
        kernel: Kernel,
        files: &'a [S],
        order: Vec<usize>,
        team: &'a Team,
        takes_large: bool,
    ) -> Self {
        let max_claim = if takes_large { 1 } else { MAX_CLAIM };
        let claim = (order.len() / (team.size() * kernel.lanes())).clamp(1, max_claim);
        let most_open = (most_open() / team.size()).max(1);
        Self { files, order, next: AtomicUsize::new(0), claim, takes_large, team, most_open }
    }

    fn work_off(&self, kernel: Kernel, job: &Job) -> Vec<Outcome> {
        if self.order.is_empty() {
            return Vec::new();
        }
        self.team.run(|_| Worker::new(self, kernel, job).work_off())
    }
}

/// One file that is being read.
struct Lane {
    index: usize,
    file: File,
    /// Its size when it was opened.
    expected: u64,
    /// Bytes read.
    size: u64,
    /// Number of its window.
    window: usize,
    /// The part of the window that waits for the kernel.
    ready: Range<usize>,
    /// Whether the window ends with the padding.
    is_last: bool,
}

/// One thread's lanes.
struct Worker<'a, S> {
    queue: &'a Queue<'a, S>,
    kernel: Kernel,
    job: &'a Job,
    /// The most lanes: no more than a fair share of the files.
    capacity: usize,
    lanes: Vec<Lane>,
    /// States of the lanes, in the same order.
    states: Vec<[u32; 4]>,
    windows: Vec<u8>,
    /// Windows that no lane has.
    free: Vec<usize>,
    /// Positions in the queue that are this thread's.
    claimed: Range<usize>,
    /// Since when it could not open a file.
    starved: Option<Instant>,
    outcome: Outcome,
}

impl<'a, S: Source> Worker<'a, S> {
    fn new(queue: &'a Queue<'a, S>, kernel: Kernel, job: &'a Job) -> Self {
        let fair = queue.order.len().div_ceil(queue.team.size());
        let capacity = fair.min(kernel.lanes()).min(queue.most_open);
        Self {
            queue,
            kernel,
            job,
            capacity,
            lanes: Vec::with_capacity(capacity),
            states: Vec::with_capacity(capacity),
            windows: vec![0; capacity * STRIDE_BYTES],
            free: (0..capacity).collect(),
            claimed: 0..0,
            starved: None,
            outcome: Outcome::default(),
        }
    }

    fn work_off(mut self) -> Outcome {
        while !self.job.is_cancelled() {
            self.refill();
            self.open();
            if self.lanes.is_empty() {
                break;
            }
            self.advance();
        }
        self.outcome
    }

    /// Advances all lanes by as many blocks as all of them have.
    fn advance(&mut self) {
        let count = self.lanes.len();
        let mut data: [&[u8]; MAX_LANES] = [&[]; MAX_LANES];
        for (data, lane) in data.iter_mut().zip(&self.lanes) {
            *data = &self.windows[lane.window * STRIDE_BYTES..][lane.ready.clone()];
        }
        let data = &data[..count];
        let blocks = data.iter().map(|data| data.len() / BLOCK_BYTES).min().unwrap_or(0);
        self.kernel.advance(&mut self.states, data, blocks);
        for lane in &mut self.lanes {
            lane.ready.start += blocks * BLOCK_BYTES;
        }
    }

    /// Reads the next window of every lane that needs one; lanes that have ended go.
    fn refill(&mut self) {
        let mut position = 0;
        while let Some(lane) = self.lanes.get(position) {
            if !lane.ready.is_empty() {
                position += 1;
            } else if lane.is_last {
                let md5 = Digest::of_state(self.states[position]);
                self.outcome.seen.push((lane.index, Seen { size: lane.size, md5 }));
                self.remove(position);
            } else if self.is_alone() && lane.expected.saturating_sub(lane.size) >= AHEAD_BYTES {
                self.finish_alone();
            } else if self.read(position) {
                position += 1;
            }
        }
    }

    /// Opens files until the lanes are filled or there are no more files.
    fn open(&mut self) {
        while self.lanes.len() < self.capacity {
            let Some(index) = self.claim() else { return };
            let opened = self.queue.files[index].open();
            if !opened.as_ref().is_err_and(is_lack_of_handles) {
                self.starved = None;
            }
            match opened {
                Ok((_, size)) if size >= LARGE_BYTES && !self.queue.takes_large => {
                    self.outcome.large.push((size, index));
                }
                Ok((file, expected)) => self.add(index, file, expected),
                // Files of our own will be closed, or those of others: try again then.
                Err(error) if is_lack_of_handles(&error) && self.may_wait() => {
                    self.claimed.start -= 1;
                    if !self.lanes.is_empty() || self.job.is_cancelled() {
                        return;
                    }
                    std::thread::sleep(PAUSE);
                }
                Err(error) => self.outcome.failed.push((index, error)),
            }
        }
    }

    /// Whether a file may become free before this thread gives up.
    fn may_wait(&mut self) -> bool {
        !self.lanes.is_empty() || self.starved.get_or_insert_with(Instant::now).elapsed() < PATIENCE
    }

    fn add(&mut self, index: usize, file: File, expected: u64) {
        let window = self.free.pop().expect("there are as many windows as lanes");
        let lane = Lane { index, file, expected, size: 0, window, ready: 0..0, is_last: false };
        self.lanes.push(lane);
        self.states.push(INITIAL);
        self.read(self.lanes.len() - 1);
    }

    /// Index of the next file.
    fn claim(&mut self) -> Option<usize> {
        if self.claimed.is_empty() {
            let start = self.queue.next.fetch_add(self.queue.claim, Ordering::Relaxed);
            self.claimed = start..start + self.queue.claim;
        }
        let index = self.queue.order.get(self.claimed.start).copied();
        self.claimed.start += usize::from(index.is_some());
        index
    }

    /// Whether there is one lane and no other can come.
    fn is_alone(&self) -> bool {
        let count = self.queue.order.len();
        let has_claimed = !self.claimed.is_empty() && self.claimed.start < count;
        let is_exhausted = !has_claimed && self.queue.next.load(Ordering::Relaxed) >= count;
        self.lanes.len() == 1 && (self.capacity == 1 || is_exhausted)
    }

    /// Reads the only lane's file to its end.
    fn finish_alone(&mut self) {
        let (lane, state) = self.remove(0);
        let path = self.queue.files[lane.index].path();
        let left = lane.expected - lane.size;
        let hasher = Hasher::resume(state, lane.size);
        match rest_of(&lane.file, left, &path, hasher, self.job) {
            Ok(seen) => self.outcome.seen.push((lane.index, seen)),
            Err(error) => self.outcome.failed.push((lane.index, error)),
        }
    }

    /// Reads the next window of a lane; a lane that cannot be read goes.
    fn read(&mut self, position: usize) -> bool {
        let lane = &mut self.lanes[position];
        let window = &mut self.windows[lane.window * STRIDE_BYTES..][..STRIDE_BYTES];
        let before = lane.size;
        match lane.read(window) {
            Ok(()) => {
                self.job.advance(lane.size - before);
                true
            }
            Err(error) => {
                let index = lane.index;
                let error = Err::<(), _>(error).at(self.queue.files[index].path());
                self.outcome.failed.extend(error.err().map(|error| (index, error)));
                self.remove(position);
                false
            }
        }
    }

    fn remove(&mut self, position: usize) -> (Lane, [u32; 4]) {
        let lane = self.lanes.swap_remove(position);
        self.free.push(lane.window);
        (lane, self.states.swap_remove(position))
    }
}

impl Lane {
    /// Fills a window with whole blocks, the last ones of the stream if the file ends.
    fn read(&mut self, window: &mut [u8]) -> std::io::Result<()> {
        let mut filled = 0;
        while filled < LANE_BYTES {
            // Straight to the system: this is the inner loop of a million small files.
            let count = system::read(&self.file, &mut window[filled..LANE_BYTES])?;
            filled += count;
            self.size += count as u64;
            // A short read that ends where the file was said to end needs no second one.
            if count == 0 || (self.size == self.expected && filled < LANE_BYTES) {
                self.is_last = true;
                filled = pad(window, filled, self.size);
                break;
            }
        }
        self.ready = 0..filled;
        Ok(())
    }
}

/// Whether a file could not be opened because too many are open.
fn is_lack_of_handles(error: &Error) -> bool {
    let Error::Io { source, .. } = error else { return false };
    source.raw_os_error().is_some_and(system::is_lack_of_handles)
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Write};
    use std::path::{Path, PathBuf};
    use std::sync::atomic::AtomicBool;

    use md5::{Digest as _, Md5};
    use proptest::prelude::*;

    use super::*;

    fn content(seed: usize, length: usize) -> Vec<u8> {
        (0..length).map(|i| ((i + seed * 7) * (i + 13) % 251).to_le_bytes()[0]).collect()
    }

    fn reference(content: &[u8]) -> Seen {
        Seen { size: content.len() as u64, md5: Digest(Md5::digest(content).into()) }
    }

    fn digest<S: Source>(kernel: Kernel, files: &[S], job: &Job) -> Vec<Result<Seen>> {
        super::of_files(kernel, files, &Team::for_parts(files.len()), job)
    }

    /// Writes files of these lengths; gives their paths and what is to be seen.
    fn write_files(folder: &Path, lengths: &[usize]) -> (Vec<PathBuf>, Vec<Seen>) {
        let files = lengths.iter().enumerate().map(|(index, length)| {
            let path = folder.join(index.to_string());
            let content = content(index, *length);
            std::fs::write(&path, &content).unwrap();
            (path, reference(&content))
        });
        files.unzip()
    }

    fn check(lengths: &[usize]) {
        let folder = tempfile::tempdir().unwrap();
        let (paths, expected) = write_files(folder.path(), lengths);
        for kernel in Kernel::available() {
            let job = Job::default();
            let seen: Vec<Seen> =
                digest(kernel, &paths, &job).into_iter().map(Result::unwrap).collect();
            assert_eq!(seen, expected, "{kernel:?}");
            assert_eq!(job.progress().bytes_done, lengths.iter().sum::<usize>() as u64);
        }
    }

    #[test]
    fn all_short_lengths() {
        check(&(0..=300).collect::<Vec<_>>());
    }

    #[test]
    fn lengths_around_windows_and_the_limits_between_small_and_large() {
        let windows = (1..=6).map(|count| count * LANE_BYTES);
        let powers = (13..=20).map(|power| 1 << power);
        let limits = windows.chain(powers);
        check(&limits.flat_map(|limit| [limit - 1, limit, limit + 1]).collect::<Vec<_>>());
    }

    #[test]
    fn one_long_file_among_short_ones_ends_alone() {
        check(&[10, 11 << 20, 100_000, 0, 1 << 20, 2 << 20, 64]);
    }

    #[test]
    fn no_files() {
        check(&[]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn mixed_batches(lengths in prop::collection::vec(
            prop_oneof![40 => 0..5000_usize, 10 => 0..100_000_usize, 1 => 0..1_500_000_usize],
            1..=100,
        )) {
            check(&lengths);
        }
    }

    /// A file about which `open` does not tell the truth.
    struct Odd {
        path: PathBuf,
        size: u64,
        /// Whether the first attempt finds too many files open.
        is_refused: AtomicBool,
    }

    impl Odd {
        fn new(path: &Path, size: u64) -> Self {
            Self { path: path.to_owned(), size, is_refused: AtomicBool::new(false) }
        }
    }

    impl Source for Odd {
        fn open(&self) -> Result<(File, u64)> {
            if self.is_refused.swap(false, Ordering::Relaxed) {
                return Err(system::testing::lack_of_handles()).at(&self.path);
            }
            Ok((File::open(&self.path).at(&self.path)?, self.size))
        }

        fn path(&self) -> PathBuf {
            self.path.clone()
        }
    }

    #[test]
    fn files_that_grew_or_shrank_after_they_were_opened() {
        let folder = tempfile::tempdir().unwrap();
        let lengths = [0, 1, 64, 5000, LANE_BYTES, LANE_BYTES + 1, 3 * LANE_BYTES, 1_500_000];
        let (paths, seen) = write_files(folder.path(), &lengths);
        for kernel in Kernel::available() {
            for size in [0, 1, 4999, LANE_BYTES as u64, LARGE_BYTES, AHEAD_BYTES] {
                let files: Vec<Odd> = paths.iter().map(|path| Odd::new(path, size)).collect();
                for (result, seen) in digest(kernel, &files, &Job::default()).iter().zip(&seen) {
                    // A file that ends a short read at the size it had is at its end.
                    assert_eq!(result.as_ref().unwrap(), seen, "{kernel:?}, size {size}");
                }
            }
        }
    }

    #[test]
    fn a_file_that_grows_while_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("growing");
        std::fs::write(&path, content(0, 100)).unwrap();
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
                for seed in 0..2000 {
                    if is_done.load(Ordering::Relaxed) {
                        break;
                    }
                    file.write_all(&content(seed, 1000)).unwrap();
                }
            });
            for kernel in Kernel::available().into_iter().cycle().take(12) {
                let seen = digest(kernel, &[&path, &path], &Job::default());
                let content = std::fs::read(&path).unwrap();
                for seen in seen.into_iter().map(Result::unwrap) {
                    assert_eq!(seen, reference(&content[..usize::try_from(seen.size).unwrap()]));
                }
            }
            is_done.store(true, Ordering::Relaxed);
            writer.join().unwrap();
        });
    }

    #[test]
    fn errors_stay_with_their_files() {
        let folder = tempfile::tempdir().unwrap();
        let lengths: Vec<usize> = (0..60).map(|index| index * 3001).collect();
        let (paths, seen) = write_files(folder.path(), &lengths);
        for kernel in Kernel::available() {
            let mut files: Vec<Odd> = paths
                .iter()
                .zip(&lengths)
                .map(|(path, size)| Odd::new(path, *size as u64))
                .collect();
            files[20].path = folder.path().to_owned(); // opens, but cannot be read
            files[21].path = folder.path().join("none");
            files[59].path = folder.path().to_owned();
            files[59].size = LARGE_BYTES;
            let results = digest(kernel, &files, &Job::default());
            for (index, result) in results.into_iter().enumerate() {
                let expected = match index {
                    20 | 59 => Err(Some(ErrorKind::IsADirectory)),
                    21 => Err(Some(ErrorKind::NotFound)),
                    _ => Ok(seen[index]),
                };
                assert_eq!(result.map_err(|error| error.io_kind()), expected, "file {index}");
            }
        }
    }

    #[test]
    fn files_that_find_no_handle_are_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let (paths, seen) = write_files(folder.path(), &[100_000; 40]);
        // One thread: it never meets the refusal with no file of its own open.
        let alone = Team::for_parts(1);
        for kernel in Kernel::available() {
            let files: Vec<Odd> = paths.iter().map(|path| Odd::new(path, 100_000)).collect();
            for file in &files[1..] {
                file.is_refused.store(true, Ordering::Relaxed);
            }
            let results = super::of_files(kernel, &files, &alone, &Job::default());
            for (result, seen) in results.iter().zip(&seen) {
                assert_eq!(result.as_ref().unwrap(), seen);
            }
        }
    }

    /// Cancels its job when it is opened.
    struct Last<'a>(&'a Path, Option<&'a Job>);

    impl Source for Last<'_> {
        fn open(&self) -> Result<(File, u64)> {
            self.1.inspect(|job| job.cancel());
            self.0.to_owned().open()
        }

        fn path(&self) -> PathBuf {
            self.0.to_owned()
        }
    }

    #[test]
    fn a_cancelled_job_ends_early() {
        let folder = tempfile::tempdir().unwrap();
        let (paths, _) = write_files(folder.path(), &[10_000]);
        for kernel in Kernel::available() {
            let job = Job::default();
            let files: Vec<Last> =
                (0..5000).map(|index| Last(&paths[0], (index == 200).then_some(&job))).collect();
            let results = digest(kernel, &files, &job);
            assert_eq!(results.len(), 5000);
            assert!(results[0].is_ok());
            assert!(matches!(results[4999], Err(Error::Cancelled)));
            let done = results.iter().filter(|result| result.is_ok()).count();
            assert!(done < 1000, "{done} files were done after all");
        }
    }
}
