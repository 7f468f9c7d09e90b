//! Moving many files at once: planned, verified, and placed only when whole.

pub mod download;
pub mod plan;
pub mod stage;
pub mod upload;

/// Whose level and handlers records of transfers have.
const TARGET: &str = "selenite.transfer";
