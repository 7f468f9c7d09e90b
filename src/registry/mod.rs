//! Registries: a folder of projects, assets and immutable versions, its format and its rules.

pub mod bucket;
mod failure;
pub mod format;
pub mod read;
pub mod tree;

pub use failure::{Failure, FailureContext, FailureKind};
