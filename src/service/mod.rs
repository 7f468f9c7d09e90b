//! Services that are embedded in this package, on loopback or for a whole site.

mod answer;
mod archive;
mod conditions;
mod content;
pub mod gobbler;
pub mod gypsum;
mod hosts;
mod lifetime;
pub(crate) mod log;
mod media_type;
mod query;
mod sendfile;
mod server;
mod threads;
mod upkeep;
mod work;

pub use lifetime::Embedding;
