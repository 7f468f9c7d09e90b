//! Moving many files at once: planned, verified, and placed only when whole.

pub(crate) mod download;
pub(crate) mod plan;
pub(crate) mod stage;
pub(crate) mod upload;

/// Whose level and handlers records of transfers have.
const TARGET: &str = "selenite.transfer";
