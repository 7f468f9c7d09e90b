//! Links as they are written: in a manifest, in the `..links` of each directory, and as the text of a
//! symbolic link.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::layout::Layout;
use super::model::{Link, Links, Manifest};

/// The version whose links are resolved.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// Its project.
    pub project: &'a str,
    /// Its asset.
    pub asset: &'a str,
    /// Its version.
    pub version: &'a str,
}

impl Owner<'_> {
    /// A link to `path` in this version.
    pub fn link(&self, path: &str, ancestor: Option<Link>) -> Link {
        Link {
            project: self.project.to_owned(),
            asset: self.asset.to_owned(),
            version: self.version.to_owned(),
            path: path.to_owned(),
            ancestor: ancestor.map(Box::new),
        }
    }

    /// True if a link leads to a file of this version.
    pub fn holds(&self, link: &Link) -> bool {
        (link.project.as_str(), link.asset.as_str(), link.version.as_str())
            == (self.project, self.asset, self.version)
    }
}

/// The files of the latest version by size and checksum, for deduplication.
#[derive(Debug, Default)]
pub struct DedupIndex {
    sizes: HashSet<u64>,
    /// Links by path, for each size and MD5 checksum: many files may be equal, or as large.
    by_content: HashMap<(u64, String), BTreeMap<String, Link>>,
}

impl DedupIndex {
    /// An index of the files of `manifest`, the manifest of the version `owner`.
    ///
    /// Files that lie in whitelisted directories count; empty directories do not.
    pub fn new(owner: Owner<'_>, manifest: Manifest) -> Self {
        let mut index = Self::default();
        for (path, entry) in manifest {
            if entry.md5sum.is_empty() {
                continue;
            }
            let ancestor = entry.link.as_ref().map(|above| above.origin().clone());
            let link = owner.link(&path, ancestor);
            index.sizes.insert(entry.size);
            index.by_content.entry((entry.size, entry.md5sum)).or_default().insert(path, link);
        }
        index
    }

    /// True if some file has this size.
    pub fn has_size(&self, size: u64) -> bool {
        self.sizes.contains(&size)
    }

    /// The file to link to: the one at the same path if it is equal, else the first in byte order.
    pub fn find(&self, path: &str, size: u64, md5sum: String) -> Option<&Link> {
        let equal = self.by_content.get(&(size, md5sum))?;
        equal.get(path).or_else(|| equal.values().next())
    }
}

/// The text of the symbolic link at `path` of version `owner` that leads to `link`'s origin.
pub fn text(owner: Owner<'_>, path: &str, link: &Link) -> String {
    let origin = link.origin();
    let mut from: Vec<&str> = vec![owner.project, owner.asset, owner.version];
    from.extend(path.split('/'));
    from.pop();
    let mut to: Vec<&str> = vec![&origin.project, &origin.asset, &origin.version];
    to.extend(origin.path.split('/'));
    // The last component of `to` is the file itself, never a directory in common.
    let common = from.iter().zip(&to[..to.len() - 1]).take_while(|(a, b)| a == b).count();
    let mut text = "../".repeat(from.len() - common);
    text.push_str(&to[common..].join("/"));
    text
}

/// The same where the version is in a registry: relative texts do not lead out of a project that
/// is in another place than the registry.
pub fn text_in(layout: &Layout, owner: Owner<'_>, path: &str, link: &Link) -> String {
    let origin = link.origin();
    if origin.project != owner.project && layout.place_of_link(owner.project).is_some() {
        return layout.root().join(origin.registry_path()).to_string_lossy().into_owned();
    }
    text(owner, path, link)
}

/// The content of all `..links` files: directory (empty for the root) to file name to link.
pub fn by_folder(manifest: &Manifest) -> BTreeMap<String, Links> {
    let mut folders: BTreeMap<String, Links> = BTreeMap::new();
    for (path, entry) in manifest {
        if let Some(link) = &entry.link {
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
            folders.entry(folder.to_owned()).or_default().insert(name.to_owned(), link.clone());
        }
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::super::model::ManifestEntry;
    use super::*;

    const OWNER: Owner<'_> = Owner { project: "p", asset: "a", version: "v2" };

    fn link(project: &str, asset: &str, version: &str, path: &str) -> Link {
        Owner { project, asset, version }.link(path, None)
    }

    #[test]
    fn texts_are_relative_and_lead_to_the_ancestor() {
        for (path, link, expected) in [
            ("l", link("p", "a", "v2", "t"), "t"),
            ("s/l", link("p", "a", "v2", "t"), "../t"),
            ("s/l", link("p", "a", "v2", "s/t"), "t"),
            ("l", link("p", "a", "v1", "x"), "../v1/x"),
            ("l", link("q", "a", "v2", "x"), "../../../q/a/v2/x"),
            ("d/l", link("q", "b", "v", "d/x"), "../../../../q/b/v/d/x"),
            ("t/l", link("p", "a", "v2", "t"), "../t"),
        ] {
            assert_eq!(text(OWNER, path, &link), expected);
        }
        let far = Link {
            ancestor: Some(Box::new(link("q", "a", "v1", "y"))),
            ..link("p", "a", "v1", "x")
        };
        assert_eq!(text(OWNER, "l", &far), "../../../q/a/v1/y");
    }

    #[test]
    fn equal_files_prefer_the_same_path() {
        let entry = |size, md5sum: &str| ManifestEntry { size, md5sum: md5sum.into(), link: None };
        let manifest = Manifest::from([
            ("a".into(), entry(1, "x")),
            ("b".into(), entry(1, "x")),
            ("c".into(), entry(0, "")),
        ]);
        let index = DedupIndex::new(OWNER, manifest);
        assert_eq!(index.find("b", 1, "x".into()).unwrap().path, "b");
        assert_eq!(index.find("z", 1, "x".into()).unwrap().path, "a");
        assert_eq!(index.find("a", 1, "y".into()), None);
        assert_eq!(index.find("c", 0, String::new()), None);
        assert!(index.has_size(1) && !index.has_size(0));
    }
}
