//! Requests over HTTP: one connection pool per process, time limits, retries, errors with reasons.
//!
//! | file | what is there |
//! |---|---|
//! | `client`, `request`, `response` | who sends, what, and what comes back |
//! | `environment` | what the environment asks for: limits, `proxies`, certificates (`tls`), `netrc` |
//! | `pools`, `direct`, `resolve` | connections |
//! | `repeat`, `retry` | which failures are worth another try |
//! | `pace`, `search` | how many requests a server may get at once, and how many transfers are worth it |
//! | `failure`, `secrets`, `record` | what is told of requests, and what never is |
//! | `url` | what is safe to show of a URL |

mod client;
mod direct;
mod environment;
mod failure;
mod netrc;
mod pace;
mod pools;
mod proxies;
mod record;
mod repeat;
mod request;
mod resolve;
mod response;
mod retry;
mod search;
mod secrets;
#[cfg(test)]
pub(crate) mod testing;
mod tls;
pub(crate) mod url;

pub(crate) use client::Http;
pub(crate) use failure::{was_refused, was_sent};
pub(crate) use record::counted;
pub(crate) use request::{Stream, Touched};
pub(crate) use response::{Document, Object, Response};
pub(crate) use retry::Tries;
pub(crate) use search::{first_at_once, most_at_once};
pub use tls::{Trust, set_fallback};
