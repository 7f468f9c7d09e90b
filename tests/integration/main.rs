//! The crate as a whole: its map, and the registry engine as its callers see it, with real folders
//! and real concurrency.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as loudly as tests")]
#![allow(clippy::result_large_err, reason = "what fails here is not returned often")]

mod floors;
mod read;
mod registry;
mod rules;
mod uploads;
