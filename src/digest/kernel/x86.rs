//! Vectors of AVX2 and AVX-512.
#![allow(clippy::wildcard_imports, reason = "the instructions")]

use std::arch::asm;
use std::arch::x86_64::*;

use super::{Words, run};

/// Whether this is a CPU of Intel's.
pub(super) fn is_intel() -> bool {
    // SAFETY: every x86-64 CPU has this instruction (and later compilers know it).
    #[allow(unused_unsafe)]
    let id = unsafe { __cpuid(0) };
    [id.ebx, id.edx, id.ecx].map(u32::to_le_bytes).concat() == b"GenuineIntel"
}

// What `run` asks of its caller is asked of those who call these functions.
macro_rules! kernel {
    ($name:ident, $features:literal, $words:ty, $lanes:literal) => {
        #[target_feature(enable = $features)]
        pub(super) unsafe fn $name(states: &mut [[u32; 4]], data: &[&[u8]], blocks: usize) {
            // SAFETY: the features are those of the words; the rest is our caller's duty.
            unsafe { run::<$words, $lanes>(states, data, blocks) }
        }
    };
}
kernel!(avx2_8, "avx2", Avx2, 8);
kernel!(avx2_16, "avx2", [Avx2; 2], 16);
kernel!(avx512_8, "avx512f,avx512vl", Ymm, 8);
kernel!(avx512_16, "avx512f,avx512vl", Zmm, 16);
kernel!(avx512_32, "avx512f,avx512vl", [Zmm; 2], 32);
kernel!(avx512_1, "avx512f,avx512vl", Xmm, 1);

/// 8 lanes with AVX2.
#[derive(Clone, Copy)]
struct Avx2(__m256i);

/// 1 lane, with the instructions of AVX-512.
#[derive(Clone, Copy)]
struct Xmm(__m128i);

/// 8 lanes with AVX-512.
#[derive(Clone, Copy)]
struct Ymm(__m256i);

/// 16 lanes with AVX-512.
#[derive(Clone, Copy)]
struct Zmm(__m512i);

impl Words for Avx2 {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn splat(word: u32) -> Self {
        // SAFETY: the caller has vouched for the CPU.
        Self(unsafe { _mm256_set1_epi32(word.cast_signed()) })
    }

    #[inline(always)]
    unsafe fn gather(words: &[u32]) -> Self {
        let words = words[..8].as_ptr();
        // SAFETY: the caller has vouched for the CPU, and there are 8 words.
        Self(unsafe { _mm256_loadu_si256(words.cast()) })
    }

    #[inline(always)]
    unsafe fn block(rows: &[*const u8], offset: usize) -> [Self; 16] {
        // SAFETY: the caller has vouched for the CPU and for 64 bytes in each row.
        let words = unsafe { transpose_8(rows, offset) };
        words.map(Self)
    }

    #[inline(always)]
    fn scatter(self, words: &mut [u32]) {
        let words = words[..8].as_mut_ptr();
        // SAFETY: the value exists, so the CPU has AVX2; and there is room for 8 words.
        unsafe { _mm256_storeu_si256(words.cast(), self.0) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: the value exists, so the CPU has AVX2.
        Self(unsafe { _mm256_add_epi32(self.0, other.0) })
    }

    #[inline(always)]
    fn settled(self) -> Self {
        // SAFETY: the value exists, so the CPU has AVX2.
        Self(unsafe { settled_ymm(self.0) })
    }

    #[inline(always)]
    fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self {
        // SAFETY: the value exists, so the CPU has AVX2.
        Self(unsafe {
            _mm256_or_si256(_mm256_slli_epi32(self.0, LEFT), _mm256_srli_epi32(self.0, RIGHT))
        })
    }

    #[inline(always)]
    fn mix<const ROUND: u8>(base: Self, b: Self, c: Self, d: Self) -> Self {
        // SAFETY: the value exists, so the CPU has AVX2.
        unsafe {
            match ROUND {
                0 => {
                    let chosen = _mm256_and_si256(b.0, _mm256_xor_si256(c.0, d.0));
                    base.add(Self(_mm256_xor_si256(d.0, chosen)))
                }
                // As for single words.
                1 => {
                    let early = Self(_mm256_andnot_si256(d.0, c.0));
                    base.add(early).add(Self(_mm256_and_si256(b.0, d.0)))
                }
                2 => base.add(Self(_mm256_xor_si256(b.0, _mm256_xor_si256(c.0, d.0)))),
                _ => {
                    let not_d = _mm256_xor_si256(d.0, _mm256_set1_epi32(-1));
                    base.add(Self(_mm256_xor_si256(c.0, _mm256_or_si256(b.0, not_d))))
                }
            }
        }
    }
}

/// Vectors of any width with the instructions of AVX-512: one for each round function, by its
/// truth table, and one for a rotation.
macro_rules! avx512_words {
    ($words:ident, $lanes:literal, $block:expr, $set1:ident, $load:ident, $store:ident,
     $add:ident, $settled:ident, $rotate:ident, $table:ident) => {
        impl Words for $words {
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn splat(word: u32) -> Self {
                // SAFETY: the caller has vouched for the CPU.
                Self(unsafe { $set1(word.cast_signed()) })
            }

            #[inline(always)]
            unsafe fn gather(words: &[u32]) -> Self {
                let words = words[..$lanes].as_ptr();
                // SAFETY: the caller has vouched for the CPU, and there are enough words.
                Self(unsafe { $load(words.cast()) })
            }

            #[inline(always)]
            unsafe fn block(rows: &[*const u8], offset: usize) -> [Self; 16] {
                // SAFETY: the caller has vouched for the CPU and for 64 bytes in each row.
                let words = unsafe { $block(rows, offset) };
                words.map(Self)
            }

            #[inline(always)]
            fn scatter(self, words: &mut [u32]) {
                let words = words[..$lanes].as_mut_ptr();
                // SAFETY: the value exists, so the CPU has AVX-512; there is room enough.
                unsafe { $store(words.cast(), self.0) }
            }

            #[inline(always)]
            fn add(self, other: Self) -> Self {
                // SAFETY: the value exists, so the CPU has AVX-512.
                Self(unsafe { $add(self.0, other.0) })
            }

            #[inline(always)]
            fn settled(self) -> Self {
                // SAFETY: the value exists, so the CPU has AVX-512.
                Self(unsafe { $settled(self.0) })
            }

            #[inline(always)]
            fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self {
                // SAFETY: the value exists, so the CPU has AVX-512.
                Self(unsafe { $rotate::<LEFT>(self.0) })
            }

            #[inline(always)]
            fn mix<const ROUND: u8>(base: Self, b: Self, c: Self, d: Self) -> Self {
                // SAFETY: the value exists, so the CPU has AVX-512.
                base.add(Self(unsafe {
                    match ROUND {
                        0 => $table::<0xca>(b.0, c.0, d.0),
                        1 => $table::<0xe4>(b.0, c.0, d.0),
                        2 => $table::<0x96>(b.0, c.0, d.0),
                        _ => $table::<0x39>(b.0, c.0, d.0),
                    }
                }))
            }
        }
    };
}
avx512_words!(
    Xmm,
    1,
    single,
    _mm_set1_epi32,
    _mm_loadu_si32,
    _mm_storeu_si32,
    _mm_add_epi32,
    settled_xmm,
    _mm_rol_epi32,
    _mm_ternarylogic_epi32
);
avx512_words!(
    Ymm,
    8,
    transpose_8,
    _mm256_set1_epi32,
    _mm256_loadu_si256,
    _mm256_storeu_si256,
    _mm256_add_epi32,
    settled_ymm,
    _mm256_rol_epi32,
    _mm256_ternarylogic_epi32
);
avx512_words!(
    Zmm,
    16,
    transpose_16,
    _mm512_set1_epi32,
    _mm512_loadu_si512,
    _mm512_storeu_si512,
    _mm512_add_epi32,
    settled_zmm,
    _mm512_rol_epi32,
    _mm512_ternarylogic_epi32
);

macro_rules! settled {
    ($name:ident, $features:literal, $vector:ty, $class:ident) => {
        #[inline]
        #[target_feature(enable = $features)]
        fn $name(mut vector: $vector) -> $vector {
            // SAFETY: no instruction at all.
            unsafe {
                asm!(
                    "/* {0} */",
                    inout($class) vector,
                    options(pure, nomem, nostack, preserves_flags)
                );
            }
            vector
        }
    };
}
settled!(settled_xmm, "avx512f,avx512vl", __m128i, xmm_reg);
settled!(settled_ymm, "avx2", __m256i, ymm_reg);
settled!(settled_zmm, "avx512f", __m512i, zmm_reg);

/// Words 0 to 15 of one row, each in its own vector.
#[inline(always)]
unsafe fn single(rows: &[*const u8], offset: usize) -> [__m128i; 16] {
    // SAFETY: the caller has vouched for the CPU and for 64 bytes.
    unsafe {
        let mut words = [_mm_setzero_si128(); 16];
        for (i, word) in words.iter_mut().enumerate() {
            *word = _mm_loadu_si32(rows[0].add(offset + 4 * i));
        }
        words
    }
}

/// Words 0 to 15 of 8 rows.
#[inline(always)]
unsafe fn transpose_8(rows: &[*const u8], offset: usize) -> [__m256i; 16] {
    // SAFETY: the caller has vouched for the CPU and for 64 bytes in each row.
    unsafe {
        let mut words = [_mm256_setzero_si256(); 16];
        for quarter in 0..4 {
            // Rows 0 to 3 in the lower halves, 4 to 7 in the upper ones: no later step has to
            // cross the middle.
            let mut pairs = [_mm256_setzero_si256(); 4];
            for (row, pair) in pairs.iter_mut().enumerate() {
                let low = rows[row].add(offset + 16 * quarter);
                let high = rows[row + 4].add(offset + 16 * quarter);
                *pair = _mm256_inserti128_si256::<1>(
                    _mm256_castsi128_si256(_mm_loadu_si128(low.cast())),
                    _mm_loadu_si128(high.cast()),
                );
            }
            let low_01 = _mm256_unpacklo_epi32(pairs[0], pairs[1]);
            let high_01 = _mm256_unpackhi_epi32(pairs[0], pairs[1]);
            let low_23 = _mm256_unpacklo_epi32(pairs[2], pairs[3]);
            let high_23 = _mm256_unpackhi_epi32(pairs[2], pairs[3]);
            words[4 * quarter] = _mm256_unpacklo_epi64(low_01, low_23);
            words[4 * quarter + 1] = _mm256_unpackhi_epi64(low_01, low_23);
            words[4 * quarter + 2] = _mm256_unpacklo_epi64(high_01, high_23);
            words[4 * quarter + 3] = _mm256_unpackhi_epi64(high_01, high_23);
        }
        words
    }
}

/// Words 0 to 15 of 16 rows.
#[inline(always)]
unsafe fn transpose_16(rows: &[*const u8], offset: usize) -> [__m512i; 16] {
    // SAFETY: the caller has vouched for the CPU and for 64 bytes in each row.
    unsafe {
        // Four rows at a time: vector `i` gets the words i, i + 4, i + 8 and i + 12 of each.
        let mut fours = [[_mm512_setzero_si512(); 4]; 4];
        for (four, vectors) in fours.iter_mut().enumerate() {
            let row = 4 * four;
            let row_0 = _mm512_loadu_si512(rows[row].add(offset).cast());
            let row_1 = _mm512_loadu_si512(rows[row + 1].add(offset).cast());
            let row_2 = _mm512_loadu_si512(rows[row + 2].add(offset).cast());
            let row_3 = _mm512_loadu_si512(rows[row + 3].add(offset).cast());
            let low_01 = _mm512_unpacklo_epi32(row_0, row_1);
            let high_01 = _mm512_unpackhi_epi32(row_0, row_1);
            let low_23 = _mm512_unpacklo_epi32(row_2, row_3);
            let high_23 = _mm512_unpackhi_epi32(row_2, row_3);
            *vectors = [
                _mm512_unpacklo_epi64(low_01, low_23),
                _mm512_unpackhi_epi64(low_01, low_23),
                _mm512_unpacklo_epi64(high_01, high_23),
                _mm512_unpackhi_epi64(high_01, high_23),
            ];
        }
        // Then the quarters of the vectors: word i of rows 0 to 3, of 4 to 7, and so on.
        let mut words = [_mm512_setzero_si512(); 16];
        for i in 0..4 {
            let [one, two, three, four] = [fours[0][i], fours[1][i], fours[2][i], fours[3][i]];
            let low_12 = _mm512_shuffle_i32x4::<0x44>(one, two);
            let high_12 = _mm512_shuffle_i32x4::<0xee>(one, two);
            let low_34 = _mm512_shuffle_i32x4::<0x44>(three, four);
            let high_34 = _mm512_shuffle_i32x4::<0xee>(three, four);
            words[i] = _mm512_shuffle_i32x4::<0x88>(low_12, low_34);
            words[i + 4] = _mm512_shuffle_i32x4::<0xdd>(low_12, low_34);
            words[i + 8] = _mm512_shuffle_i32x4::<0x88>(high_12, high_34);
            words[i + 12] = _mm512_shuffle_i32x4::<0xdd>(high_12, high_34);
        }
        words
    }
}
