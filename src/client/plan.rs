//! What an upload would do: which files would be sent, and which become links.

use std::fs;
use std::path::{Path, PathBuf};

use super::gypsum::{self, Cache, Links};
use super::place::Opened;
use crate::address::Scheme;
use crate::digest;
use crate::error::IoContext;
use crate::fs::walk::{self, Kind};
use crate::job::Job;
use crate::registry::format::layout::{self, LATEST, MANIFEST};
use crate::registry::format::links::{DedupIndex, Owner};
use crate::registry::format::model::{BucketManifest, Latest, Link};
use crate::relpath::RelPath;
use crate::{Result, system};

/// How a directory would be uploaded.
#[derive(Debug, Clone)]
pub struct PlanOptions<'a> {
    /// The project.
    pub project: &'a str,
    /// The asset.
    pub asset: &'a str,
    /// Whether what begins with a dot is left out.
    pub ignore_dot: bool,
    /// Whether files that the latest version has become links.
    pub deduplicate: bool,
    /// Where links to files of a registry may lead: its folder, or the cache.
    pub links_into: Option<PathBuf>,
}

/// A file of the new version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Its path.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// The file of the registry that it would link to.
    pub link: Option<String>,
}

/// Looks through a directory, sorted by path. Nothing is changed.
pub fn plan(
    scheme: Scheme,
    registry: &Opened,
    directory: &Path,
    options: &PlanOptions<'_>,
    job: &Job,
) -> Result<Vec<Planned>> {
    if !fs::metadata(directory).at(directory)?.is_dir() {
        return Err(system::error(std::io::ErrorKind::NotADirectory)).at(directory);
    }
    let (files, mut planned) = match scheme {
        Scheme::Gypsum => of_bucket(directory, options, job)?,
        Scheme::Gobbler | Scheme::Girder => of_tree(directory, options, job)?,
    };
    let places: Vec<PathBuf> = files.iter().map(|path| directory.join(path)).collect();
    let seen = digest::of_files(&places, job)?;
    let known = if options.deduplicate { known(registry, options, job)? } else { None };
    for (path, seen) in files.into_iter().zip(seen) {
        let seen = seen?;
        let md5 = seen.md5.to_string();
        let link = known.as_ref().and_then(|known| match scheme {
            Scheme::Gypsum => known.find_last(seen.size, md5)?.link.as_ref(),
            Scheme::Gobbler | Scheme::Girder => known.find(&path, seen.size, md5),
        });
        let link = link.map(Link::registry_path);
        planned.push(Planned { path, size: seen.size, link });
    }
    planned.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(planned)
}

/// The files of the latest version.
fn known(registry: &Opened, options: &PlanOptions<'_>, job: &Job) -> Result<Option<DedupIndex>> {
    let PlanOptions { project, asset, .. } = options;
    let read = |path: String| registry.document(&RelPath::parse(path)?, job);
    let Some(latest) = read(format!("{project}/{asset}/{LATEST}"))? else { return Ok(None) };
    let Latest { version } = latest.parse_public()?;
    let path = format!("{project}/{asset}/{version}/{MANIFEST}");
    let Some(manifest) = read(path)? else { return Ok(None) };
    let manifest: BucketManifest = manifest.parse_public()?;
    let owner = Owner { project, asset, version: &version };
    Ok(Some(DedupIndex::new(owner, manifest)))
}

type Parts = (Vec<String>, Vec<Planned>);

fn of_tree(directory: &Path, options: &PlanOptions<'_>, job: &Job) -> Result<Parts> {
    let root = options.links_into.as_ref().and_then(|root| root.canonicalize().ok());
    let (mut files, mut links) = (Vec::new(), Vec::new());
    let is_kept = |name: &str| layout::is_kept(name, options.ignore_dot);
    for entry in walk::walk(directory, &is_kept, job)? {
        let place = directory.join(&entry.path);
        let inside = || {
            let target = place.canonicalize().ok()?;
            target.strip_prefix(root.as_ref()?).ok()?.to_str().map(str::to_owned)
        };
        match entry.kind {
            Kind::Folder => {}
            Kind::Link if let Some(target) = inside() => {
                let size = fs::metadata(&place).at(&place)?.len();
                links.push(Planned { path: entry.path, size, link: Some(target) });
            }
            // What is no regular file fails when it is digested.
            Kind::File | Kind::Link | Kind::Special => files.push(entry.path),
        }
    }
    Ok((files, links))
}

fn of_bucket(directory: &Path, options: &PlanOptions<'_>, job: &Job) -> Result<Parts> {
    let cache = Cache::new(options.links_into.clone().unwrap_or_default());
    let found = gypsum::prepare_directory(directory, Links::Auto, &cache, job)?;
    let links = found.links.into_iter().map(|link| {
        // The cache need not have it.
        let size = fs::metadata(directory.join(&link.from_path)).map_or(0, |found| found.len());
        let target = format!("{}/{}/{}/{}", link.project, link.asset, link.version, link.path);
        Planned { path: link.from_path, size, link: Some(target) }
    });
    Ok((found.files, links.collect()))
}
