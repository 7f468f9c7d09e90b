//! Services that are embedded in this package, on loopback or for a whole site.

mod content;
pub mod gobbler;
pub mod gypsum;
mod hosts;
mod lexical;
mod log;
mod media_type;
mod sendfile;
mod server;
mod threads;
pub mod users;

pub use server::Embedding;
