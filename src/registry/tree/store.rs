//! Reading a registry folder.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::fs::lock;
use crate::fs::walk::{self, Kind};
use crate::job::Job;
use crate::registry::failure::{Failure, FailureContext};
use crate::registry::format::json;
use crate::registry::format::layout::{self, Layout, Place};
use crate::registry::format::model::{
    Latest, Link, Links, Manifest, Permissions, Summary, Usage, usage_of,
};

/// Reads an internal file.
fn read<T: DeserializeOwned + Default>(path: &Path) -> Result<T, Failure> {
    let text = fs::read(path)
        .map_err(|error| Failure::system("open", path, &error))
        .within(|| format!("cannot read '{}'", path.display()))?;
    json::parse(&text).within(|| format!("cannot parse JSON in '{}'", path.display()))
}

fn read_if_there<T: DeserializeOwned + Default>(path: &Path) -> Result<Option<T>, Failure> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        _ => read(path).map(Some),
    }
}

/// The manifest of the version at `folder`.
pub fn manifest(folder: &Path) -> Result<Manifest, Failure> {
    read(&folder.join(layout::MANIFEST))
}

/// The summary of the version at `folder`.
pub fn summary(folder: &Path) -> Result<Summary, Failure> {
    read(&folder.join(layout::SUMMARY))
}

/// The latest version of the asset at `folder`; `None` if it has none.
pub fn latest(folder: &Path) -> Result<Option<Latest>, Failure> {
    read_if_there(&folder.join(layout::LATEST))
}

/// The permissions of the project or asset at `folder`; `None` if there is no such file.
pub fn permissions(folder: &Path) -> Result<Option<Permissions>, Failure> {
    read_if_there(&folder.join(layout::PERMISSIONS))
}

/// The usage of the project at `folder`; `None` if there is no such file.
pub fn usage(folder: &Path) -> Result<Option<Usage>, Failure> {
    read_if_there(&folder.join(layout::USAGE))
}

/// The links of one directory of a version; `None` if there is no such file.
pub fn links(folder: &Path) -> Result<Option<Links>, Failure> {
    let path = folder.join(layout::LINKS);
    let text = match fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Failure::system("open", &path, &error))
                .within(|| format!("failed to read linkfile at {path:?}"));
        }
        Ok(text) => text,
    };
    let links: BTreeMap<String, Option<Link>> =
        json::parse(&text).within(|| format!("failed to read linkfile at {path:?}"))?;
    let with_link = |(name, link): (String, Option<Link>)| match link {
        Some(link) => Ok((name, link)),
        None => Err(Failure::internal(format!(
            "unexpected nil value for {name:?} in linkfile at {path:?}"
        ))),
    };
    links.into_iter().map(with_link).collect::<Result<Links, _>>().map(Some)
}

/// Names of the projects of a registry, assets of a project or versions of an asset, sorted.
pub fn children(folder: &Path) -> Result<Vec<String>, Failure> {
    let entries = walk::entries(folder)
        .map_err(|error| match error {
            crate::Error::Io { path, source } => Failure::system("open", &path, &source),
            other => other.into(),
        })
        .within(|| format!("failed to read contents of {folder:?}"))?;
    Ok(entries
        .into_iter()
        .filter(|(name, kind)| *kind == Kind::Folder && !layout::is_internal(name))
        .map(|(name, _)| name)
        .collect())
}

/// True if the version at `folder` is still being uploaded, by a service of another kind: it begins
/// with a summary that lacks its end.
pub fn is_under_way(folder: &Path) -> bool {
    summary(folder).is_ok_and(|summary| !summary.is_finished())
}

/// Names of the versions of the asset at `folder` that are there to stay, sorted.
pub fn versions(folder: &Path) -> Result<Vec<String>, Failure> {
    let mut versions = children(folder)?;
    versions.retain(|version| !is_under_way(&folder.join(version)));
    Ok(versions)
}

/// Closes the lock files of a registry to others, who could hold them for ever. They may have been
/// made by a service that left them open.
pub fn close_locks(registry: &Layout, job: &Job) -> Result<(), Failure> {
    let close =
        |folder: &Path| layout::LOCKS.iter().try_for_each(|name| lock::close(&folder.join(name)));
    close(registry.root())?;
    for project in projects(registry)? {
        let project = registry.root().join(project);
        close(&project)?;
        for asset in children(&project)? {
            job.check()?;
            close(&project.join(asset))?;
        }
    }
    Ok(())
}

/// Names of the projects of a registry, sorted.
pub fn projects(layout: &Layout) -> Result<Vec<String>, Failure> {
    let mut names = children(layout.root())?;
    if !layout.allowed().is_empty() {
        let entries = walk::entries(layout.root())?;
        let is_project = |(name, kind): &(String, Kind)| {
            *kind == Kind::Link
                && !layout::is_internal(name)
                && layout.place_of_link(name).is_some()
        };
        names.extend(entries.into_iter().filter(is_project).map(|(name, _)| name));
        names.sort_unstable();
    }
    Ok(names)
}

/// True if there is such a project. A link that leads elsewhere is refused.
pub fn is_project(layout: &Layout, project: &str) -> Result<bool, Failure> {
    match layout.place(project) {
        Place::Inside | Place::Allowed(_) => Ok(true),
        Place::Missing => Ok(false),
        Place::Refused => Err(Failure::forbidden(format!(
            "project {project} is a link that leads out of the registry; if it may, start the \
             service with the option `allow-root` and the directory that it leads to"
        ))),
    }
}

/// True if `path` is a directory and not a link to one.
pub fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

/// Bytes that the version at `folder` counts for its project.
pub fn version_usage(folder: &Path) -> Result<u64, Failure> {
    Ok(usage_of(&manifest(folder).within(|| "failed to open manifest")?))
}

/// Bytes that the asset at `folder` counts for its project.
pub fn asset_usage(folder: &Path) -> Result<u64, Failure> {
    versions(folder)?.iter().try_fold(0, |total, version| {
        let used = version_usage(&folder.join(version))
            .within(|| format!("failed to get usage for version {version:?}"))?;
        Ok(total + used)
    })
}

/// Bytes used by the project at `folder`.
pub fn project_usage(folder: &Path) -> Result<u64, Failure> {
    children(folder)?.iter().try_fold(0, |total, asset| {
        let used = asset_usage(&folder.join(asset))
            .within(|| format!("failed to get usage for asset {asset:?}"))?;
        Ok(total + used)
    })
}
