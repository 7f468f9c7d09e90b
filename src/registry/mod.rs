//! Registries: a folder of projects, assets and immutable versions, its format and its rules.

pub mod access;
pub mod bucket;
pub mod engine;
mod failure;
pub mod format;
pub mod objects;
pub mod read;
pub mod store;

pub use failure::{Failure, FailureContext, FailureKind};
