//! The written form of a registry, the one place of it: names, documents, links, times and logs.
//!
//! Clients and services read and write it alike. Where the two kinds of registry differ, as the
//! order of keys does, both forms stand side by side.

pub mod history;
pub mod json;
pub mod layout;
pub mod links;
pub mod model;
pub mod time;
pub mod verify;
