//! Requests over HTTP: one connection pool per process, time limits, retries, errors with reasons.

mod client;
mod retry;
#[cfg(test)]
pub(crate) mod testing;
pub mod url;

pub use client::{Document, Http, Response, was_sent};
pub use retry::RetryPolicy;
pub(crate) use retry::pause;
