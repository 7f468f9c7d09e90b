//! Listings of projects, assets, versions and files.

use super::remote::Remote;
use crate::job::Job;
use crate::registry::format::layout::is_internal;
use crate::{Result, runtime};

/// Names of the directories directly below `prefix`, which is empty or ends with `/`; internal ones
/// are left out.
pub fn list_directories(
    remote: &Remote,
    prefix: &str,
    is_recursive: bool,
    job: &Job,
) -> Result<Vec<String>> {
    let keys = runtime::current()?.block_on(remote.list(prefix, is_recursive, job))?;
    let names = keys.iter().filter_map(|key| key.strip_prefix(prefix)?.strip_suffix('/'));
    Ok(names.filter(|name| !is_internal(name)).map(str::to_owned).collect())
}

/// Paths below `folder` (which ends with `/`) of the objects whose keys begin with `folder` and
/// `prefix`.
pub fn list_files(
    remote: &Remote,
    folder: &str,
    prefix: &str,
    include_internal: bool,
    job: &Job,
) -> Result<Vec<String>> {
    let all = format!("{folder}{prefix}");
    let keys = runtime::current()?.block_on(remote.list(&all, true, job))?;
    let paths = keys.iter().filter_map(|key| key.strip_prefix(folder));
    let is_kept = |path: &&str| include_internal || !path.split('/').any(is_internal);
    Ok(paths.filter(is_kept).map(str::to_owned).collect())
}
