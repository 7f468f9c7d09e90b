//! Services that are embedded in this package, on loopback or for a whole site.

mod conditions;
mod content;
pub mod gobbler;
pub mod gypsum;
mod hosts;
mod log;
mod media_type;
mod sendfile;
mod server;
mod threads;

pub use server::Embedding;
