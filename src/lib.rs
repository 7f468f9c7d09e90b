//! Clients and embedded services for scientific data registries.
//!
//! The engine in this crate knows nothing of Python; `python` binds it to the packages under
//! `python/`. Dependencies point one way:
//!
//! ```text
//! python -> client -> transfer -> http -+
//! python -> service -> registry --------+-> fs, digest -> parallel, runtime, names, relpath, job
//!                                             -> settings -> error
//! ```

pub mod client;
pub mod digest;
pub mod error;
pub mod fs;
pub mod http;
pub mod job;
pub mod names;
pub mod parallel;
#[cfg(feature = "python")]
mod python;
pub mod registry;
pub mod relpath;
pub mod runtime;
pub mod service;
pub mod settings;
pub mod transfer;

pub use error::{Error, Result};
