//! MD5 kernels on data in the cache: `cargo bench --no-default-features --bench kernels`.
//!
//! Every kernel takes its turn in every round; shown is each one's best round.
#![allow(clippy::print_stdout, reason = "a report is what a benchmark is for")]

use std::time::{Duration, Instant};

use md5::Digest as _;
use selenite::digest::kernel::{BLOCK_BYTES, INITIAL, Kernel};

const STREAM_BYTES: usize = 32 * 1024;
const ROUNDS: usize = 200;

struct Case<'a> {
    name: String,
    bytes: usize,
    run: Box<dyn FnMut() + 'a>,
    best: Duration,
}

impl<'a> Case<'a> {
    fn new(name: String, streams: usize, run: impl FnMut() + 'a) -> Self {
        Self { name, bytes: streams * STREAM_BYTES, run: Box::new(run), best: Duration::MAX }
    }
}

fn main() {
    let content: Vec<u8> = (0..64 * STREAM_BYTES).map(|i| (i * i % 251).to_le_bytes()[0]).collect();
    // Not a multiple of the page size apart, as in the lanes of files.
    let streams: Vec<&[u8]> =
        (0..32).map(|i| &content[i * (STREAM_BYTES + 5 * BLOCK_BYTES)..][..STREAM_BYTES]).collect();
    let streams = &streams;

    let mut cases = vec![Case::new("md-5 crate".to_owned(), 1, || {
        std::hint::black_box(md5::Md5::digest(streams[0]));
    })];
    for kernel in Kernel::available() {
        for count in [1, 2, 3, 4, 8, 16, 32] {
            if count <= kernel.lanes() {
                let mut states = vec![INITIAL; count];
                cases.push(Case::new(format!("{kernel:?}, {count} streams"), count, move || {
                    kernel.advance(&mut states, &streams[..count], STREAM_BYTES / BLOCK_BYTES);
                }));
            }
        }
    }
    for _ in 0..ROUNDS {
        for case in &mut cases {
            let start = Instant::now();
            (case.run)();
            case.best = case.best.min(start.elapsed());
        }
    }
    for case in &cases {
        let bytes = u32::try_from(case.bytes).map_or(f64::INFINITY, f64::from);
        let rate = bytes / case.best.as_secs_f64() / 1e9;
        println!("{:30}{rate:7.2} GB/s", case.name);
    }
}
