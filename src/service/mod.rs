//! Services that are embedded in this package, on loopback or for a whole site.

pub mod gobbler;
mod lexical;
mod log;
mod media_type;
mod sendfile;
mod server;
pub mod users;
