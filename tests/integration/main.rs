//! The registry engine as its callers see it: real folders, real concurrency.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as loudly as tests")]

mod registry;
mod uploads;
