//! Memory through which files are read, kept by each thread for the next file.

use std::cell::RefCell;

use super::WINDOW_BYTES;

thread_local! {
    static WINDOWS: RefCell<[Vec<u8>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// Runs `work` with two windows of [`WINDOW_BYTES`], whatever is in them.
///
/// A call inside of `work` gets windows of its own.
pub(super) fn with_windows<R>(work: impl FnOnce(&mut [u8], &mut [u8]) -> R) -> R {
    // Taken, not borrowed: the work may lead to another call on this thread.
    let [mut one, mut other] = WINDOWS.take();
    for window in [&mut one, &mut other] {
        window.resize(WINDOW_BYTES, 0);
    }
    let result = work(&mut one, &mut other);
    WINDOWS.set([one, other]);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_may_be_nested() {
        with_windows(|one, other| {
            one[0] = 1;
            other[0] = 2;
            with_windows(|inner, _| inner[0] = 3);
            assert_eq!((one[0], other[0], one.len()), (1, 2, WINDOW_BYTES));
        });
    }
}
