//! The Gobbler: a registry on a shared file system, with a service that changes it.
//!
//! Reads go to the registry's files where they can be seen, else to the service. Changes are asked
//! for by a file in the service's staging directory, whose owner says who asks.

mod cache;
mod clone;
mod compare;
mod fetch;
mod left_out;
mod list;
mod read;
mod records;
mod remote;
mod request;
mod source;
mod upload;

pub use cache::{CacheFolder, default_cache};
pub use clone::clone_version;
pub use fetch::{Fetch, FetchOptions, cache_folder, cached_file, fetch_files};
pub use left_out::left_out;
pub use list::{ListOptions, list_directories, list_files};
pub use read::read_document;
pub use remote::{Info, Remote};
pub use request::{allocate_upload_directory, send_request};
pub use source::Source;
pub use upload::{Upload, upload_directory};

use crate::names::{AssetName, BadName, ProjectName, VersionName};
use crate::relpath::RelPath;
use crate::{Error, Result};

fn named(argument: &'static str, value: &str, fault: BadName) -> Error {
    Error::invalid(argument, value, fault.to_string())
}

/// `project/asset/version`, from checked names.
pub fn version_path(project: &str, asset: &str, version: &str) -> Result<RelPath> {
    VersionName::parse(version).map_err(|fault| named("version", version, fault))?;
    RelPath::parse(format!("{}/{version}", asset_path(project, asset)?))
}

/// `project/asset`, from checked names.
pub fn asset_path(project: &str, asset: &str) -> Result<RelPath> {
    AssetName::parse(asset).map_err(|fault| named("asset", asset, fault))?;
    RelPath::parse(format!("{}/{asset}", project_path(project)?))
}

/// `project`, from a checked name.
pub fn project_path(project: &str) -> Result<RelPath> {
    ProjectName::parse(project).map_err(|fault| named("project", project, fault))?;
    RelPath::parse(project)
}
