//! What of a directory is to be uploaded, and what is only linked to.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cache::Cache;
use crate::error::IoContext;
use crate::fs::walk::{self, Kind};
use crate::job::Job;
use crate::relpath::clean_path;
use crate::{Error, Refusal, Result};

/// What becomes of symbolic links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// Those that lead into the cache become links of the registry, others files.
    Auto,
    /// All must lead into the cache.
    Always,
    /// All become files.
    Never,
}

impl Links {
    /// Accepts one of the option's values.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => Err(Error::Refused(Refusal::LinkMode(text.to_owned()))),
        }
    }
}

/// A link to a file of a registry, with the names that requests use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkTo {
    /// Path of the link.
    #[serde(rename = "from.path")]
    pub from_path: String,
    /// Project of the target.
    #[serde(rename = "to.project")]
    pub project: String,
    /// Asset of the target.
    #[serde(rename = "to.asset")]
    pub asset: String,
    /// Version of the target.
    #[serde(rename = "to.version")]
    pub version: String,
    /// Path of the target inside of its version.
    #[serde(rename = "to.path")]
    pub path: String,
}

/// A directory as an upload sees it, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Prepared {
    /// Paths of files to upload.
    pub files: Vec<String>,
    /// Links to files that the registry has already.
    pub links: Vec<LinkTo>,
}

/// Looks through a directory.
pub fn prepare_directory(
    directory: &Path,
    links: Links,
    cache: &Cache,
    job: &Job,
) -> Result<Prepared> {
    let bucket = resolve(&cache.bucket())?;
    let mut found = Prepared::default();
    for entry in walk::walk(directory, &|_| true, job)? {
        match entry.kind {
            Kind::Folder => {}
            Kind::File => found.files.push(entry.path),
            Kind::Link => match link_to(directory, entry.path, links, &bucket)? {
                Sent::File(path) => found.files.push(path),
                Sent::Link(link) => found.links.push(link),
            },
            Kind::Special => {
                let path = directory.join(&entry.path).display().to_string();
                return Err(Error::UnsafePath { path, why: "it is not a regular file" });
            }
        }
    }
    Ok(found)
}

enum Sent {
    File(String),
    Link(LinkTo),
}

fn link_to(directory: &Path, path: String, links: Links, bucket: &Path) -> Result<Sent> {
    let full = directory.join(&path);
    let text = fs::read_link(&full).at(&full)?;
    // The link's own target: what that leads to, if it is a link itself, is the registry's matter.
    let target = target_of(&full, &text)?;
    let meta = fs::metadata(&full);
    if meta.as_ref().is_ok_and(fs::Metadata::is_dir) {
        return Err(Error::Refused(Refusal::LinkToFolder(full.display().to_string())));
    }
    let shown = target.display().to_string();
    if links != Links::Never
        && let Some(link) = cached(&target, bucket, &path)
    {
        return Ok(Sent::Link(link));
    }
    if links == Links::Always {
        return Err(Error::Refused(Refusal::LinkOutside(shown)));
    }
    if meta.is_err() {
        return Err(Error::Refused(Refusal::Dangling(shown)));
    }
    Ok(Sent::File(path))
}

/// Where a link leads: its folder resolved, its last component not.
fn target_of(link: &Path, text: &Path) -> Result<PathBuf> {
    let folder = link.parent().unwrap_or_else(|| Path::new("."));
    let target = folder.join(text);
    match (target.parent(), target.file_name()) {
        (Some(parent), Some(name)) => Ok(resolve(parent)?.join(name)),
        _ => resolve(&target),
    }
}

/// The real path, as far as it exists; the rest by its text.
fn resolve(path: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(path).at(path)?;
    for ancestor in path.ancestors() {
        if let Ok(real) = ancestor.canonicalize() {
            let rest = path.strip_prefix(ancestor).unwrap_or(Path::new(""));
            return Ok(clean_path(&real.join(rest)));
        }
    }
    Ok(clean_path(&path))
}

/// The file of the registry that a path in the cache stands for.
fn cached(target: &Path, bucket: &Path, from: &str) -> Option<LinkTo> {
    let inside = target.strip_prefix(bucket).ok()?.to_str()?;
    let mut parts = inside.splitn(4, '/').map(str::to_owned);
    Some(LinkTo {
        from_path: from.to_owned(),
        project: parts.next()?,
        asset: parts.next()?,
        version: parts.next()?,
        path: parts.next()?,
    })
}
