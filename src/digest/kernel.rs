//! The compression function of MD5 on many streams at once.
//!
//! One stream of MD5 is a chain of dependent operations that no vector can shorten, but several
//! streams fit side by side: stream `i` in lane `i` of every vector. Two groups of lanes that take
//! turns fill the waiting times of each other.
//!
//! The rounds are written once, over [`Words`], and compiled once for every kind of vector.
//!
//! Why not a crate: on 32 KiB per stream in the cache, with AVX-512 on an Intel core of 2023, the
//! fastest one known (`md5-many` 0.1.0-alpha.4) and this module reach, in GB/s,
//!
//! | streams | 1 | 2 | 8 | 16 | 32 |
//! |---|---|---|---|---|---|
//! | `md5-many` | 1.02 | 1.26 | 5.0 | 11.5 | 14.5 |
//! | this module | 1.02 | 2.04 | 8.2 | 13.5 | 15.3 |
//!
//! and the crate is an alpha of which we would use a small part.
#![allow(unsafe_code, reason = "vector instructions, and the only place that uses them")]
#![allow(clippy::inline_always, reason = "code without target features must merge into code with")]
#![allow(clippy::many_single_char_names, reason = "names of the algorithm's definition")]

#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod neon;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use std::arch::asm;
use std::sync::atomic::{AtomicU8, Ordering};

/// Bytes of one block.
pub const BLOCK_BYTES: usize = 64;

/// The most streams that any kernel takes at once.
pub const MAX_LANES: usize = 32;

/// What a stream is before its first block.
pub const INITIAL: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// The one block of the message `abc`, and what a stream is after it.
const KNOWN: ([u8; BLOCK_BYTES], [u32; 4]) = {
    let mut block = [0; BLOCK_BYTES];
    (block[0], block[1], block[2], block[3]) = (b'a', b'b', b'c', 0x80);
    block[56] = 24; // bits
    (block, [0x9850_0190, 0xb04f_d23c, 0x7d3f_96d6, 0x727f_e128])
};

/// The integer parts of `2^32 * abs(sin(i + 1))`.
#[allow(clippy::unreadable_literal, reason = "a table of bits")]
const SINES: [u32; 64] = [
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
];

/// A way to compute that this machine can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel(Kind);

/// A way to compute. Outside of this module there is none but in a [`Kernel`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    /// Three streams taking turns in general registers.
    Scalar = 1,
    /// Two groups of 8 lanes.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Two groups of 16 lanes.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// The same, and a lone stream in vector registers too: as fast as general ones on Intel only.
    #[cfg(target_arch = "x86_64")]
    Avx512Intel,
    /// Two groups of 4 lanes.
    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
    Neon,
}

impl Kind {
    #[cfg(target_arch = "x86_64")]
    const ALL: [Self; 4] = [Self::Scalar, Self::Avx2, Self::Avx512, Self::Avx512Intel];
    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
    const ALL: [Self; 2] = [Self::Scalar, Self::Neon];
    #[cfg(not(any(
        target_arch = "x86_64",
        all(target_arch = "aarch64", target_endian = "little")
    )))]
    const ALL: [Self; 1] = [Self::Scalar];
}

impl Kernel {
    /// The kernels that this machine can run, the best one last.
    pub fn available() -> Vec<Self> {
        let mut kinds = vec![Kind::Scalar];
        #[cfg(target_arch = "x86_64")]
        {
            if std::arch::is_x86_feature_detected!("avx2") {
                kinds.push(Kind::Avx2);
            }
            if std::arch::is_x86_feature_detected!("avx512f")
                && std::arch::is_x86_feature_detected!("avx512vl")
            {
                kinds.push(Kind::Avx512);
                if x86::is_intel() {
                    kinds.push(Kind::Avx512Intel);
                }
            }
        }
        #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
        if std::arch::is_aarch64_feature_detected!("neon") {
            kinds.push(Kind::Neon);
        }
        kinds.into_iter().map(Self).collect()
    }

    /// The kernel that `SELENITE_DIGEST` names if this machine can run it, else the best one.
    pub fn current() -> Self {
        // Not a `OnceLock`: another thread could hold its lock during a fork.
        static CURRENT: AtomicU8 = AtomicU8::new(0);
        let known = CURRENT.load(Ordering::Relaxed);
        if let Some(kind) = Kind::ALL.into_iter().find(|kind| *kind as u8 == known) {
            return Self(kind);
        }
        // A bad value was refused before anything was done.
        let wanted = crate::settings::digest().unwrap_or_default();
        let kernels = Self::available();
        let named = kernels.iter().rfind(|kernel| Some(kernel.name()) == wanted);
        let kernel = *named.or(kernels.last()).expect("a scalar kernel is always available");
        let kernel = kernel.or_scalar(Self::advance);
        CURRENT.store(kernel.0 as u8, Ordering::Relaxed);
        kernel
    }

    /// Itself if `advance` takes one known block rightly with it, in each number of lanes that it
    /// has code for, else the scalar kernel: emulators, hypervisors and CPUs have got vector
    /// instructions wrong, and a wrong digest is worse than a slow one.
    fn or_scalar(self, advance: impl Fn(Self, &mut [[u32; 4]], &[&[u8]], usize)) -> Self {
        let lanes = self.lanes();
        let is_right = [1, lanes.div_ceil(4), lanes.div_ceil(2), lanes].into_iter().all(|count| {
            let mut states = vec![INITIAL; count];
            advance(self, &mut states, &vec![KNOWN.0.as_slice(); count], 1);
            states.iter().all(|state| *state == KNOWN.1)
        });
        if is_right { self } else { Self(Kind::Scalar) }
    }

    /// What `SELENITE_DIGEST` calls it.
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 | Kind::Avx512Intel => "avx512",
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Kind::Neon => "neon",
        }
    }

    /// How many streams it takes at once.
    pub fn lanes(self) -> usize {
        match self.0 {
            Kind::Scalar => 3,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => 16,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 | Kind::Avx512Intel => MAX_LANES,
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Kind::Neon => 8,
        }
    }

    /// Takes the first `blocks` blocks of each stream's data into its state.
    ///
    /// Any number of streams will do; a multiple of [`Kernel::lanes`] is fastest.
    pub fn advance(self, states: &mut [[u32; 4]], data: &[&[u8]], blocks: usize) {
        assert_eq!(states.len(), data.len());
        assert!(data.iter().all(|data| data.len() / BLOCK_BYTES >= blocks));
        let lanes = self.lanes();
        for (states, data) in states.chunks_mut(lanes).zip(data.chunks(lanes)) {
            // SAFETY: there are as many states as data, at least one and no more than `lanes`,
            // every piece of data has that many blocks, and kernels are made by `available` only,
            // where the CPU has their features.
            unsafe {
                match (self.0, states.len()) {
                    #[cfg(target_arch = "x86_64")]
                    (Kind::Avx512Intel, 1) => x86::avx512_1(states, data, blocks),
                    (_, 1) => run::<u32, 1>(states, data, blocks),
                    (Kind::Scalar, _) => run::<[u32; 3], 3>(states, data, blocks),
                    #[cfg(target_arch = "x86_64")]
                    (Kind::Avx2, ..=8) => x86::avx2_8(states, data, blocks),
                    #[cfg(target_arch = "x86_64")]
                    (Kind::Avx2, _) => x86::avx2_16(states, data, blocks),
                    #[cfg(target_arch = "x86_64")]
                    (_, ..=8) => x86::avx512_8(states, data, blocks),
                    #[cfg(target_arch = "x86_64")]
                    (_, ..=16) => x86::avx512_16(states, data, blocks),
                    #[cfg(target_arch = "x86_64")]
                    (_, _) => x86::avx512_32(states, data, blocks),
                    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
                    (Kind::Neon, ..=4) => neon::neon_4(states, data, blocks),
                    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
                    (Kind::Neon, _) => neon::neon_8(states, data, blocks),
                }
            }
        }
    }
}

/// One 32-bit word of each of several streams.
///
/// # Safety
///
/// A vector type is made by `splat`, `gather` and `block` only, and these are called only where the
/// CPU has the features of that type: so the methods of a value may use them.
trait Words: Copy {
    /// Number of streams.
    const LANES: usize;

    /// The same word for every stream.
    unsafe fn splat(word: u32) -> Self;

    /// One word for each stream from `LANES` words.
    unsafe fn gather(words: &[u32]) -> Self;

    /// Message words 0 to 15 of the streams: 64 bytes, `offset` bytes after each of `LANES` rows.
    unsafe fn block(rows: &[*const u8], offset: usize) -> [Self; 16];

    /// One word of each stream.
    fn scatter(self, words: &mut [u32]);

    fn add(self, other: Self) -> Self;

    /// The same value, computed before anything is added to it: left to itself the compiler moves
    /// the constant to the end of a sum, where `b` is waited for.
    fn settled(self) -> Self;

    /// Rotates left; `RIGHT` is 32 - `LEFT`.
    fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self;

    /// Adds the function of a round, 0 to 3, to `base`, which is known before `b` is.
    fn mix<const ROUND: u8>(base: Self, b: Self, c: Self, d: Self) -> Self;
}

/// The 64 steps of one block.
#[inline(always)]
unsafe fn rounds<W: Words>(start: [W; 4], message: &[W; 16]) -> [W; 4] {
    let [mut a, mut b, mut c, mut d] = start;
    macro_rules! step {
        ($round:literal $a:ident $b:ident $c:ident $d:ident, $i:expr, $word:expr, $left:literal) => {
            // SAFETY: the caller has vouched for the CPU.
            let sine = unsafe { W::splat(SINES[$i]) };
            let base = $a.add(message[$word % 16].add(sine)).settled();
            $a = W::mix::<$round>(base, $b, $c, $d).rotate::<$left, { 32 - $left }>().add($b);
        };
    }
    // Step `i` takes the word `factor * i + offset`.
    macro_rules! four {
        ($round:literal $i:expr, $f:literal, $o:literal, $r:literal $s:literal $t:literal $u:literal) => {
            step!($round a b c d, $i, $f * $i + $o, $r);
            step!($round d a b c, $i + 1, $f * ($i + 1) + $o, $s);
            step!($round c d a b, $i + 2, $f * ($i + 2) + $o, $t);
            step!($round b c d a, $i + 3, $f * ($i + 3) + $o, $u);
        };
    }
    macro_rules! round {
        ($round:literal, $f:literal, $o:literal, $r:literal $s:literal $t:literal $u:literal) => {
            four!($round 16 * $round, $f, $o, $r $s $t $u);
            four!($round 16 * $round + 4, $f, $o, $r $s $t $u);
            four!($round 16 * $round + 8, $f, $o, $r $s $t $u);
            four!($round 16 * $round + 12, $f, $o, $r $s $t $u);
        };
    }
    round!(0, 1, 0, 7 12 17 22);
    round!(1, 5, 1, 5 9 14 20);
    round!(2, 3, 5, 4 11 16 23);
    round!(3, 7, 0, 6 10 15 21);
    [start[0].add(a), start[1].add(b), start[2].add(c), start[3].add(d)]
}

/// Takes blocks of up to `N` streams into their states.
///
/// # Safety
///
/// There are as many states as data, at least one and at most `N`, all data has `blocks` blocks,
/// and the CPU has the features of `W`.
#[inline(always)]
unsafe fn run<W: Words, const N: usize>(states: &mut [[u32; 4]], data: &[&[u8]], blocks: usize) {
    const { assert!(N == W::LANES) };
    // Idle lanes repeat the first stream, and nobody looks at their result.
    let mut rows = [data[0].as_ptr(); N];
    let mut words = [[0; N]; 4];
    for (lane, (state, data)) in states.iter().zip(data).enumerate() {
        rows[lane] = data.as_ptr();
        for (word, value) in state.iter().enumerate() {
            words[word][lane] = *value;
        }
    }
    // SAFETY: the caller has vouched for the CPU and for the length of the data.
    unsafe {
        let mut state = [
            W::gather(&words[0]),
            W::gather(&words[1]),
            W::gather(&words[2]),
            W::gather(&words[3]),
        ];
        for block in 0..blocks {
            state = rounds(state, &W::block(&rows, block * BLOCK_BYTES));
        }
        for (state, words) in state.into_iter().zip(&mut words) {
            state.scatter(words);
        }
    }
    for (lane, state) in states.iter_mut().enumerate() {
        for (word, value) in state.iter_mut().enumerate() {
            *value = words[word][lane];
        }
    }
}

impl Words for u32 {
    const LANES: usize = 1;

    #[inline(always)]
    unsafe fn splat(word: u32) -> Self {
        word
    }

    #[inline(always)]
    unsafe fn gather(words: &[u32]) -> Self {
        words[0]
    }

    #[inline(always)]
    unsafe fn block(rows: &[*const u8], offset: usize) -> [Self; 16] {
        // SAFETY: the caller has vouched for 64 bytes there.
        let mut words: [u32; 16] =
            unsafe { rows[0].add(offset).cast::<[u32; 16]>().read_unaligned() };
        for word in &mut words {
            *word = u32::from_le(*word);
        }
        words
    }

    #[inline(always)]
    fn scatter(self, words: &mut [u32]) {
        words[0] = self;
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    #[inline(always)]
    fn settled(mut self) -> Self {
        // SAFETY: no instruction at all.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            asm!("/* {0:e} */", inout(reg) self, options(pure, nomem, nostack, preserves_flags));
        }
        // SAFETY: no instruction at all.
        #[cfg(target_arch = "aarch64")]
        unsafe {
            asm!("/* {0:w} */", inout(reg) self, options(pure, nomem, nostack, preserves_flags));
        }
        self
    }

    #[inline(always)]
    fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self {
        self.rotate_left(LEFT.unsigned_abs())
    }

    #[inline(always)]
    fn mix<const ROUND: u8>(base: Self, b: Self, c: Self, d: Self) -> Self {
        match ROUND {
            0 => base.wrapping_add(d ^ (b & (c ^ d))),
            // The two halves have no bit in common, so they can be added one after the other, and
            // only one of them has to wait for `b`.
            1 => base.wrapping_add(c & !d).wrapping_add(b & d),
            2 => base.wrapping_add(b ^ (c ^ d)),
            _ => base.wrapping_add(c ^ (b | !d)),
        }
    }
}

/// `N` groups of lanes that take turns.
impl<W: Words, const N: usize> Words for [W; N] {
    const LANES: usize = N * W::LANES;

    #[inline(always)]
    unsafe fn splat(word: u32) -> Self {
        // SAFETY: as our caller's.
        [unsafe { W::splat(word) }; N]
    }

    #[inline(always)]
    unsafe fn gather(words: &[u32]) -> Self {
        // SAFETY: as our caller's.
        let mut groups = [unsafe { W::gather(words) }; N];
        for (group, words) in groups.iter_mut().zip(words.chunks_exact(W::LANES)) {
            // SAFETY: as our caller's.
            *group = unsafe { W::gather(words) };
        }
        groups
    }

    #[inline(always)]
    unsafe fn block(rows: &[*const u8], offset: usize) -> [Self; 16] {
        // SAFETY: as our caller's.
        let mut words = [unsafe { Self::splat(0) }; 16];
        for group in 0..N {
            // SAFETY: as our caller's.
            let block = unsafe { W::block(&rows[group * W::LANES..], offset) };
            for i in 0..16 {
                words[i][group] = block[i];
            }
        }
        words
    }

    #[inline(always)]
    fn scatter(self, words: &mut [u32]) {
        for (group, words) in self.into_iter().zip(words.chunks_exact_mut(W::LANES)) {
            group.scatter(words);
        }
    }

    #[inline(always)]
    fn add(mut self, other: Self) -> Self {
        for group in 0..N {
            self[group] = self[group].add(other[group]);
        }
        self
    }

    #[inline(always)]
    fn settled(mut self) -> Self {
        // Groups of vectors have no waiting times left to save.
        if W::LANES == 1 {
            for word in &mut self {
                *word = word.settled();
            }
        }
        self
    }

    #[inline(always)]
    fn rotate<const LEFT: i32, const RIGHT: i32>(mut self) -> Self {
        for group in &mut self {
            *group = group.rotate::<LEFT, RIGHT>();
        }
        self
    }

    #[inline(always)]
    fn mix<const ROUND: u8>(mut base: Self, b: Self, c: Self, d: Self) -> Self {
        for group in 0..N {
            base[group] = W::mix::<ROUND>(base[group], b[group], c[group], d[group]);
        }
        base
    }
}

#[cfg(test)]
mod tests {
    use md5::{Digest as _, Md5};

    use super::*;
    use crate::digest::{Digest, pad};

    fn content(seed: usize, length: usize) -> Vec<u8> {
        (0..length).map(|i| ((i + seed * 7) * (i + 13) % 251).to_le_bytes()[0]).collect()
    }

    fn reference(message: &[u8]) -> Digest {
        Digest(Md5::digest(message).into())
    }

    /// Ends streams of the same length whose last bytes are `tails`.
    fn finish(
        kernel: Kernel,
        mut states: Vec<[u32; 4]>,
        tails: &[&[u8]],
        size: u64,
    ) -> Vec<Digest> {
        // One byte off, so that no row is aligned.
        let mut rows = Vec::new();
        let mut blocks = 0;
        for tail in tails {
            let mut row = vec![0; tail.len() + 2 * BLOCK_BYTES + 1];
            row[1..=tail.len()].copy_from_slice(tail);
            blocks = pad(&mut row[1..], tail.len(), size) / BLOCK_BYTES;
            // Nothing after the last block, for tools that look for reads beyond the end.
            row.truncate(1 + blocks * BLOCK_BYTES);
            rows.push(row.into_boxed_slice());
        }
        let data: Vec<&[u8]> = rows.iter().map(|row| &row[1..]).collect();
        kernel.advance(&mut states, &data, blocks);
        states.into_iter().map(Digest::of_state).collect()
    }

    #[test]
    fn any_number_of_streams_of_any_short_length() {
        for kernel in Kernel::available() {
            for length in 0..=300 {
                let count = 1 + length % 70;
                let messages: Vec<Vec<u8>> = (0..count).map(|seed| content(seed, length)).collect();
                let data: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
                let expected: Vec<Digest> = data.iter().map(|data| reference(data)).collect();
                let digests = finish(kernel, vec![INITIAL; count], &data, length as u64);
                assert_eq!(digests, expected, "{kernel:?}, {count} streams of {length} bytes");
            }
        }
    }

    #[test]
    fn every_block_boundary_of_a_mebibyte() {
        const BLOCKS: usize = (1 << 20) / BLOCK_BYTES;
        for kernel in Kernel::available() {
            // Lanes side by side count the same blocks as one alone.
            for (count, most) in [(1, BLOCKS), (kernel.lanes().min(5), BLOCKS / 16)] {
                let messages: Vec<Vec<u8>> =
                    (0..count).map(|seed| content(seed, (most + 1) * BLOCK_BYTES)).collect();
                let mut states = vec![INITIAL; count];
                let mut references = vec![Md5::new(); count];
                for block in 0..most {
                    let start = block * BLOCK_BYTES;
                    for length in [start + 63, start + 64, start + 65] {
                        let tails: Vec<&[u8]> =
                            messages.iter().map(|message| &message[start..length]).collect();
                        let digests = finish(kernel, states.clone(), &tails, length as u64);
                        for ((digest, reference), tail) in
                            digests.iter().zip(&references).zip(&tails)
                        {
                            let expected = reference.clone().chain_update(tail).finalize();
                            assert_eq!(digest.0, expected[..], "{kernel:?}, {length} bytes");
                        }
                    }
                    let data: Vec<&[u8]> =
                        messages.iter().map(|message| &message[start..]).collect();
                    kernel.advance(&mut states, &data, 1);
                    for (reference, data) in references.iter_mut().zip(data) {
                        reference.update(&data[..BLOCK_BYTES]);
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_to_do_changes_nothing() {
        for kernel in Kernel::available() {
            kernel.advance(&mut [], &[], 3);
            let mut states = [INITIAL; 3];
            kernel.advance(&mut states, &[b"", b"x", b"yz"], 0);
            assert_eq!(states, [INITIAL; 3]);
        }
    }

    #[test]
    fn a_kernel_that_digests_wrongly_is_not_used() {
        let scalar = Kernel(Kind::Scalar);
        for kernel in Kernel::available() {
            assert_eq!(kernel.or_scalar(Kernel::advance), kernel);
            // One bit of the last lane, in the widest code alone.
            let wrong = |kernel: Kernel, states: &mut [[u32; 4]], data: &[&[u8]], blocks| {
                kernel.advance(states, data, blocks);
                if states.len() == kernel.lanes() {
                    states[states.len() - 1][3] ^= 1;
                }
            };
            assert_eq!(kernel.or_scalar(wrong), scalar, "{kernel:?}");
        }
    }

    #[test]
    #[should_panic(expected = "blocks")]
    fn data_that_is_too_short_is_refused() {
        Kernel::current().advance(&mut [INITIAL], &[&[0; 127]], 2);
    }
}
