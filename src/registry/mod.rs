//! Registries: a folder of projects, assets and immutable versions, its format and its rules.

pub mod access;
pub mod bucket;
pub mod engine;
mod failure;
pub mod json;
pub mod layout;
pub mod links;
pub mod model;
pub mod objects;
pub mod store;
pub mod time;

pub use failure::{Failure, FailureContext, FailureKind};
