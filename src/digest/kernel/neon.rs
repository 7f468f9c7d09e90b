//! Vectors of NEON.
#![allow(clippy::wildcard_imports, reason = "the instructions")]

use std::arch::aarch64::*;

use super::{Words, run};

// What `run` asks of its caller is asked of those who call these functions.
macro_rules! kernel {
    ($name:ident, $words:ty, $lanes:literal) => {
        #[target_feature(enable = "neon")]
        pub(super) unsafe fn $name(states: &mut [[u32; 4]], data: &[&[u8]], blocks: usize) {
            // SAFETY: the features are those of the words; the rest is our caller's duty.
            unsafe { run::<$words, $lanes>(states, data, blocks) }
        }
    };
}
kernel!(neon_4, Neon, 4);
kernel!(neon_8, [Neon; 2], 8);

/// 4 lanes.
#[derive(Clone, Copy)]
struct Neon(uint32x4_t);

impl Words for Neon {
    const LANES: usize = 4;

    #[inline(always)]
    unsafe fn splat(word: u32) -> Self {
        // SAFETY: the caller has vouched for the CPU.
        Self(unsafe { vdupq_n_u32(word) })
    }

    #[inline(always)]
    unsafe fn gather(words: &[u32]) -> Self {
        let words = words[..4].as_ptr();
        // SAFETY: the caller has vouched for the CPU, and there are 4 words.
        Self(unsafe { vld1q_u32(words) })
    }

    #[inline(always)]
    unsafe fn block(rows: &[*const u8], offset: usize) -> [Self; 16] {
        // SAFETY: the caller has vouched for the CPU and for 64 bytes in each row.
        unsafe {
            let mut words = [Self::splat(0); 16];
            for quarter in 0..4 {
                let mut parts = [vdupq_n_u8(0); 4];
                for (row, part) in parts.iter_mut().enumerate() {
                    *part = vld1q_u8(rows[row].add(offset + 16 * quarter));
                }
                let [one, two, three, four] = parts.map(|part| vreinterpretq_u32_u8(part));
                let even_12 = vreinterpretq_u64_u32(vtrn1q_u32(one, two));
                let odd_12 = vreinterpretq_u64_u32(vtrn2q_u32(one, two));
                let even_34 = vreinterpretq_u64_u32(vtrn1q_u32(three, four));
                let odd_34 = vreinterpretq_u64_u32(vtrn2q_u32(three, four));
                words[4 * quarter] = Self(vreinterpretq_u32_u64(vtrn1q_u64(even_12, even_34)));
                words[4 * quarter + 1] = Self(vreinterpretq_u32_u64(vtrn1q_u64(odd_12, odd_34)));
                words[4 * quarter + 2] = Self(vreinterpretq_u32_u64(vtrn2q_u64(even_12, even_34)));
                words[4 * quarter + 3] = Self(vreinterpretq_u32_u64(vtrn2q_u64(odd_12, odd_34)));
            }
            words
        }
    }

    #[inline(always)]
    fn scatter(self, words: &mut [u32]) {
        let words = words[..4].as_mut_ptr();
        // SAFETY: the value exists, so the CPU has NEON; and there is room for 4 words.
        unsafe { vst1q_u32(words, self.0) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: the value exists, so the CPU has NEON.
        Self(unsafe { vaddq_u32(self.0, other.0) })
    }

    #[inline(always)]
    fn settled(self) -> Self {
        self
    }

    #[inline(always)]
    fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self {
        // SAFETY: the value exists, so the CPU has NEON.
        Self(unsafe { vsriq_n_u32::<RIGHT>(vshlq_n_u32::<LEFT>(self.0), self.0) })
    }

    #[inline(always)]
    fn mix<const ROUND: u8>(base: Self, b: Self, c: Self, d: Self) -> Self {
        // SAFETY: the value exists, so the CPU has NEON.
        base.add(Self(unsafe {
            match ROUND {
                0 => vbslq_u32(b.0, c.0, d.0),
                1 => vbslq_u32(d.0, b.0, c.0),
                2 => veorq_u32(b.0, veorq_u32(c.0, d.0)),
                _ => veorq_u32(c.0, vornq_u32(b.0, d.0)),
            }
        }))
    }
}
