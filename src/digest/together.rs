//! MD5 of small contents, which are gathered until there are enough to be digested side by side.

use std::ops::Range;
use std::sync::Mutex;

use super::kernel::{BLOCK_BYTES, INITIAL, Kernel};
use super::{Digest, pad};
use crate::shared::{lock, unlocked};

/// Contents that several threads add, each with a number of its own.
#[derive(Debug)]
pub(crate) struct Together {
    kernel: Kernel,
    gathered: Mutex<Gathered>,
    digests: Mutex<Vec<(usize, Digest)>>,
    /// Memory to gather in: as much of it anew each time costs more than the digests.
    spare: Mutex<Vec<Gathered>>,
}

impl Default for Together {
    fn default() -> Self {
        Self::with(Kernel::current())
    }
}

impl Together {
    /// The largest content in bytes: as many as there are lanes fill a usual second-level cache.
    pub(crate) const MOST_BYTES: usize = 32 * 1024;

    fn with(kernel: Kernel) -> Self {
        Self {
            kernel,
            gathered: Mutex::default(),
            digests: Mutex::default(),
            spare: Mutex::default(),
        }
    }

    /// Adds a content; whoever brings the last one that fits digests all of them.
    pub(crate) fn add(&self, number: usize, content: &[u8]) {
        let mut gathered = lock(&self.gathered);
        gathered.add(number, content);
        if gathered.contents.len() == self.kernel.lanes() {
            let spare = lock(&self.spare).pop().unwrap_or_default();
            let mut full = std::mem::replace(&mut *gathered, spare);
            drop(gathered);
            let digests = full.digest(self.kernel);
            lock(&self.digests).extend(digests);
            full.clear();
            lock(&self.spare).push(full);
        }
    }

    /// The digests of all contents, with their numbers, in any order.
    pub(crate) fn finish(self) -> Vec<(usize, Digest)> {
        let mut rest = unlocked(self.gathered);
        let mut digests = unlocked(self.digests);
        digests.extend(rest.digest(self.kernel));
        digests
    }
}

/// Whole contents that wait.
#[derive(Debug, Default)]
struct Gathered {
    /// Numbers, and places in `padded`.
    contents: Vec<(usize, Range<usize>)>,
    /// The contents, each with its padding.
    padded: Vec<u8>,
}

impl Gathered {
    fn add(&mut self, number: usize, content: &[u8]) {
        let start = self.padded.len();
        self.padded.extend_from_slice(content);
        self.padded.resize(self.padded.len() + 2 * BLOCK_BYTES, 0);
        let length = pad(&mut self.padded[start..], content.len(), content.len() as u64);
        self.padded.truncate(start + length);
        self.contents.push((number, start..start + length));
    }

    fn clear(&mut self) {
        self.contents.clear();
        self.padded.clear();
    }

    fn digest(&mut self, kernel: Kernel) -> Vec<(usize, Digest)> {
        // The shortest last, so that those in work are always the first ones.
        self.contents.sort_unstable_by_key(|(_, place)| std::cmp::Reverse(place.len()));
        let mut states = vec![INITIAL; self.contents.len()];
        let mut data: Vec<&[u8]> =
            self.contents.iter().map(|(_, place)| &self.padded[place.clone()]).collect();
        let mut digests = Vec::with_capacity(data.len());
        while let Some(shortest) = data.last() {
            let length = shortest.len();
            kernel.advance(&mut states, &data, length / BLOCK_BYTES);
            for data in &mut data {
                *data = &data[length..];
            }
            while data.pop_if(|data| data.is_empty()).is_some() {
                let state = states.pop().expect("there is one for each content");
                digests.push((self.contents[data.len()].0, Digest::of_state(state)));
            }
        }
        digests
    }
}

#[cfg(test)]
mod tests {
    use md5::{Digest as _, Md5};

    use super::*;
    use crate::parallel::try_map;

    #[test]
    fn every_content_has_its_own_digest() {
        let lengths = (0..=200).chain([4096, 5, Together::MOST_BYTES, 0, 7, Together::MOST_BYTES]);
        let contents: Vec<(usize, Vec<u8>)> =
            lengths.enumerate().map(|(number, length)| (number, vec![7; length])).collect();
        for kernel in Kernel::available() {
            let together = Together::with(kernel);
            let add = |(): &mut (), (number, content): &(usize, Vec<u8>)| {
                together.add(*number, content);
                Ok::<_, ()>(())
            };
            try_map(&contents, || (), add).unwrap();
            let mut digests = together.finish();
            digests.sort_unstable();
            let expected: Vec<_> = contents
                .iter()
                .map(|(number, content)| (*number, Digest(Md5::digest(content).into())))
                .collect();
            assert_eq!(digests, expected, "{kernel:?}");
        }
    }
}
