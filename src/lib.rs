//! Clients and embedded services for scientific data registries.
//!
//! The engine in this crate knows nothing of Python; `python` binds it to the packages under
//! `python/`. Each room uses only rooms below it, and `error`, which serves all:
//!
//! ```text
//! python -> address, client, digest, fs, http, job, registry, relpath, runtime, service, settings, shared, transfer
//! client -> address, digest, fs, http, job, names, parallel, registry, relpath, runtime, settings, shared, system, tar, transfer
//! service -> digest, fs, http, job, names, quote, registry, relpath, runtime, shared, system, tar
//! transfer -> digest, fs, http, job, parallel, relpath, runtime, shared, system, tar, zip
//! registry -> digest, fs, job, names, parallel, quote, relpath, shared, system
//! http -> fs, job, parallel, quote, runtime, settings, shared, system
//! digest -> fs, job, parallel, runtime, settings, shared, system
//! fs -> job, parallel, relpath, runtime, shared, system
//! parallel -> runtime, shared
//! runtime -> settings, shared, system
//! address -> names, relpath
//! relpath -> system
//! error -> system
//! ```
// What the binding alone uses is dead without it.
#![cfg_attr(not(feature = "python"), allow(dead_code))]

pub mod address;
pub mod client;
pub mod digest;
pub mod error;
mod fs;
pub mod http;
pub mod job;
pub mod names;
mod parallel;
#[cfg(feature = "python")]
mod python;
mod quote;
pub mod registry;
pub mod relpath;
pub mod runtime;
pub mod service;
mod settings;
mod shared;
mod system;
mod tar;
mod transfer;
#[cfg(any(feature = "python", test))]
mod zip;

pub use error::{Error, Refusal, Result};
