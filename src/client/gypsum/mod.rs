//! gypsum: a registry in an object store, behind a REST service.
//!
//! Everything goes over HTTP. What is downloaded is kept in a cache whose layout is shared with
//! other clients.

mod cache;
mod clone;
pub(crate) mod download;
mod list;
mod prepare;
mod remote;
mod save;
mod upload;

pub use cache::Cache;

pub use list::{list_directories, list_files};
pub use prepare::{LinkTo, Links, Prepared, prepare_directory};
pub use remote::{Answer, Call, Remote};
pub use save::{SaveOptions, Saver};
pub use upload::{End, File, Place, Start, describe, finish, start, upload_files};
