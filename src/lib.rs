//! Clients and embedded services for scientific data registries.
//!
//! The engine in this crate knows nothing of Python; `python` binds it to the packages under
//! `python/`. Each room uses only rooms below it, and `error`, which serves all:
//!
//! ```text
//! python -> client, digest, fs, http, job, registry, relpath, runtime, service, settings, transfer
//! client -> digest, fs, http, job, names, parallel, registry, relpath, runtime, settings, transfer
//! service -> digest, fs, http, job, names, registry, relpath, runtime
//! transfer -> digest, fs, http, job, parallel, relpath, runtime
//! registry -> digest, fs, job, names, parallel, relpath
//! http -> fs, job, parallel, runtime, settings
//! digest -> fs, job, parallel, runtime, settings
//! fs -> job, parallel, relpath, runtime
//! parallel -> runtime
//! runtime -> settings
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
