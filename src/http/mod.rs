//! Requests over HTTP: one connection pool per process, time limits, retries, errors with reasons.

mod client;
mod retry;
#[cfg(test)]
pub(crate) mod testing;
pub mod url;

pub use client::{Document, Http, Response, Touched, Trust, was_sent};
pub(crate) use retry::pause;
pub use retry::{RetryPolicy, was_refused};
