//! Requests over HTTP: one connection pool per process, time limits, retries, errors with reasons.

mod client;
mod direct;
mod failure;
mod netrc;
mod pace;
mod pools;
mod proxies;
mod record;
mod resolve;
mod response;
mod retry;
mod secrets;
#[cfg(test)]
pub(crate) mod testing;
mod tls;
pub mod url;

pub use client::{Http, MakeStream, Stream, Touched};
pub use failure::{was_refused, was_sent};
pub(crate) use record::counted;
pub use response::{Document, Object, Response};
pub use retry::RetryPolicy;
pub(crate) use retry::Tries;
pub use tls::{Trust, set_fallback};
