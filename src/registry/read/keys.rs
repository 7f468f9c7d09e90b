//! A registry that is made of objects with keys, in which links are only noted.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::io::Read;

use super::{Content, Registry, Stat, absent, is_seen, is_visible, parse};
use crate::Result;
use crate::error::IoContext;
use crate::job::Job;
use crate::registry::format::layout::LINKS;
use crate::registry::format::model::{Link, Links};
use crate::relpath::RelPath;

/// Links to links to links: real ones need one step.
const MOST_STEPS: usize = 16;

/// Objects by their keys.
pub trait Keys: Debug + Send + Sync {
    /// Keys that begin with `prefix`. Unless `is_recursive`, those with a further `/` are cut behind
    /// it.
    fn list(&self, prefix: &str, is_recursive: bool, job: &Job) -> Result<Vec<String>>;

    /// Size of an object in bytes; `None` if there is none.
    fn size(&self, key: &str, job: &Job) -> Result<Option<u64>>;

    /// Opens an object; `None` if there is none.
    fn open(&self, key: &str, job: &Job) -> Result<Option<Content>>;

    /// The whole content of a small object; `None` if there is none.
    fn read(&self, key: &str, job: &Job) -> Result<Option<Vec<u8>>> {
        let Some(mut found) = self.open(key, job)? else { return Ok(None) };
        let mut content = Vec::new();
        found.read_to_end(&mut content).at(key)?;
        Ok(Some(content))
    }
}

/// The registry in these objects, with the links that the `..links` of each directory note.
#[derive(Debug, Clone)]
pub struct Linked<K>(pub K);

impl<K: Keys> Linked<K> {
    /// The links of a directory, which is empty or ends with a slash.
    fn links(&self, folder: &str, job: &Job) -> Result<Links> {
        let key = format!("{folder}{LINKS}");
        let Some(text) = self.0.read(&key, job)? else { return Ok(Links::new()) };
        parse(&key, &text)
    }

    /// Where the link at a path leads, if there is one.
    fn link(&self, path: &str, job: &Job) -> Result<Option<Link>> {
        let (folder, name) = path.split_at(path.rfind('/').map_or(0, |at| at + 1));
        Ok(self.links(folder, job)?.remove(name))
    }

    /// Looks an object up, or the one that a link leads to.
    fn find<T>(
        &self,
        path: &RelPath,
        look: impl Fn(&str) -> Result<Option<T>>,
        job: &Job,
    ) -> Result<Option<T>> {
        let mut path = path.clone();
        for _ in 0..MOST_STEPS {
            if !is_visible(path.as_str()) {
                return Ok(None);
            }
            if let Some(found) = look(path.as_str())? {
                return Ok(Some(found));
            }
            let Some(link) = self.link(path.as_str(), job)? else { return Ok(None) };
            path = RelPath::parse(link.origin().registry_path())?;
        }
        Ok(None)
    }
}

impl<K: Keys> Registry for Linked<K> {
    fn list(&self, folder: Option<&RelPath>, is_recursive: bool, job: &Job) -> Result<Vec<String>> {
        let prefix = folder.map_or_else(String::new, |folder| format!("{folder}/"));
        let mut names = BTreeSet::new();
        for key in self.0.list(&prefix, is_recursive, job)? {
            let Some(name) = key.strip_prefix(&prefix) else { continue };
            // A name that would lead elsewhere is refused, with the whole listing.
            RelPath::parse(name.strip_suffix('/').unwrap_or(name))?;
            names.insert(name.to_owned());
        }
        if let Some(folder) =
            folder.filter(|folder| names.is_empty() || !is_visible(folder.as_str()))
        {
            return Err(absent(folder.as_str()));
        }
        let recorded: Vec<String> =
            names.iter().filter_map(|name| name.strip_suffix(LINKS)).map(str::to_owned).collect();
        for inside in recorded.iter().filter(|inside| inside.is_empty() || inside.ends_with('/')) {
            let links = self.links(&format!("{prefix}{inside}"), job)?;
            names.extend(links.into_keys().map(|name| format!("{inside}{name}")));
        }
        let is_listed = |name: &String| name.split('/').all(is_seen);
        Ok(names.into_iter().filter(is_listed).collect())
    }

    fn stat(&self, path: &RelPath, job: &Job) -> Result<Stat> {
        if let Some(size) = self.find(path, |key| self.0.size(key, job), job)? {
            return Ok(Stat::File { size });
        }
        let is_folder =
            is_visible(path.as_str()) && !self.0.list(&format!("{path}/"), false, job)?.is_empty();
        if is_folder { Ok(Stat::Folder) } else { Err(absent(path.as_str())) }
    }

    fn open(&self, path: &RelPath, job: &Job) -> Result<Content> {
        let found = self.find(path, |key| self.0.open(key, job), job)?;
        found.ok_or_else(|| absent(path.as_str()))
    }

    fn read(&self, path: &RelPath, job: &Job) -> Result<Vec<u8>> {
        let found = self.find(path, |key| self.0.read(key, job), job)?;
        found.ok_or_else(|| absent(path.as_str()))
    }
}
