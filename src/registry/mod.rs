//! Registries: a folder of projects, assets and immutable versions, its format and its rules.

mod failure;
pub mod json;
pub mod layout;
pub mod model;

pub use failure::{Failure, FailureKind};
