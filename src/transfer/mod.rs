//! Moving many files at once: planned, verified, and placed only when whole.

pub(crate) mod archive;
pub(crate) mod crowd;
pub(crate) mod download;
// What Python alone asks for so far.
#[cfg(any(feature = "python", test))]
pub(crate) mod content;
#[cfg(any(feature = "python", test))]
pub(crate) mod fetch;
pub(crate) mod pack;
#[cfg(any(feature = "python", test))]
pub(crate) mod packed;
mod part;
#[cfg(any(feature = "python", test))]
pub(crate) mod parts;
#[cfg(any(feature = "python", test))]
pub(crate) mod pieces;
pub(crate) mod plan;
pub(crate) mod put;
pub(crate) mod ranges;
pub(crate) mod stage;
pub(crate) mod upload;

/// Whose level and handlers records of transfers have.
const TARGET: &str = "selenite.transfer";
