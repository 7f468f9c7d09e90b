//! What a user of a registry does: one protocol per module, on `http` and `transfer`.

mod cache;
pub(crate) mod files;
pub mod gobbler;
pub mod gypsum;
pub mod place;
pub mod plan;
mod remote;

pub use cache::store_private;
