//! Links as they are written: in a manifest, in the `..links` of each directory, and as the text of a
//! symbolic link.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::layout::Layout;
use super::model::{Link, ManifestEntry};

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
    pub fn link(&self, path: &str) -> Link {
        Link {
            project: self.project.to_owned(),
            asset: self.asset.to_owned(),
            version: self.version.to_owned(),
            path: path.to_owned(),
            ancestor: None,
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
    by_content: HashMap<(u64, String), Equal>,
}

/// Files that are equal: there may be many.
#[derive(Debug, Default)]
struct Equal {
    /// Entries that link to them, by path.
    entries: BTreeMap<String, ManifestEntry>,
    /// The path of the last one of the manifest.
    last: String,
}

impl DedupIndex {
    /// An index of the files of a manifest, that of the version `owner`.
    ///
    /// Files that lie in whitelisted directories count; empty directories do not.
    pub fn new(
        owner: Owner<'_>,
        manifest: impl IntoIterator<Item = (String, ManifestEntry)>,
    ) -> Self {
        let mut index = Self::default();
        for (path, entry) in manifest {
            if entry.md5sum.is_empty() {
                continue;
            }
            let linked = entry.linked(owner.link(&path));
            index.sizes.insert(entry.size);
            let equal = index.by_content.entry((entry.size, entry.md5sum)).or_default();
            equal.last.clone_from(&path);
            equal.entries.insert(path, linked);
        }
        index
    }

    /// True if some file has this size.
    pub fn has_size(&self, size: u64) -> bool {
        self.sizes.contains(&size)
    }

    /// What a Gobbler links to: the file at the same path if it is equal, else the first in byte
    /// order.
    pub fn find(&self, path: &str, size: u64, md5sum: String) -> Option<&Link> {
        let equal = &self.by_content.get(&(size, md5sum))?.entries;
        equal.get(path).or_else(|| equal.values().next())?.link.as_ref()
    }

    /// The entry that gypsum gives to an equal file: a link to the last one of the manifest.
    pub fn find_last(&self, size: u64, md5sum: String) -> Option<&ManifestEntry> {
        let equal = self.by_content.get(&(size, md5sum))?;
        equal.entries.get(&equal.last)
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
pub fn by_folder<'a, L: Default + Extend<(String, Link)>>(
    manifest: impl IntoIterator<Item = (&'a String, &'a ManifestEntry)>,
) -> BTreeMap<String, L> {
    let mut folders: BTreeMap<String, L> = BTreeMap::new();
    for (path, entry) in manifest {
        if let Some(link) = &entry.link {
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
            folders.entry(folder.to_owned()).or_default().extend([(name.to_owned(), link.clone())]);
        }
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::super::model::{BucketLinks, BucketManifest, Links, Manifest};
    use super::*;

    const OWNER: Owner<'_> = Owner { project: "p", asset: "a", version: "v2" };

    fn link(project: &str, asset: &str, version: &str, path: &str) -> Link {
        Owner { project, asset, version }.link(path)
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

    #[test]
    fn gypsum_prefers_the_last_of_equal_files() {
        let entry = |md5sum: &str| ManifestEntry { size: 1, md5sum: md5sum.into(), link: None };
        let manifest = [("b", "x"), ("c", "y"), ("a", "x")];
        let manifest = manifest.map(|(path, md5sum)| (path.to_owned(), entry(md5sum)));
        let index = DedupIndex::new(OWNER, BucketManifest::from(manifest));
        let found = index.find_last(1, "x".into()).unwrap();
        assert_eq!(*found, entry("x").linked(OWNER.link("a")));
        assert_eq!(index.find_last(2, "x".into()), None);
    }

    #[test]
    fn a_version_holds_what_has_all_its_names() {
        assert!(OWNER.holds(&OWNER.link("f")));
        for [project, asset, version] in [["q", "a", "v2"], ["p", "b", "v2"], ["p", "a", "v1"]] {
            assert!(
                !OWNER.holds(&link(project, asset, version, "f")),
                "{project}/{asset}/{version}"
            );
        }
    }

    #[test]
    fn each_directory_lists_its_links_in_the_order_of_its_kind_of_registry() {
        let entry = |link| ManifestEntry { size: 1, md5sum: "x".into(), link };
        let paths = ["d/z", "d/e/l", "y", "d/a"];
        let links = paths.map(|path| (path.to_owned(), entry(Some(OWNER.link("f")))));
        let manifest = links.into_iter().chain([("f".to_owned(), entry(None))]);
        let manifest: BucketManifest = manifest.collect();
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let kept: BTreeMap<String, BucketLinks> = by_folder(&manifest);
        let kept: Vec<_> =
            kept.into_iter().map(|(folder, links)| (folder, links.into_keys().collect())).collect();
        assert_eq!(
            kept,
            [("", names(&["y"])), ("d", names(&["z", "a"])), ("d/e", names(&["l"]))]
                .map(|(folder, links)| (folder.to_owned(), links))
        );
        let manifest: Manifest = manifest.into_iter().collect();
        let sorted: BTreeMap<String, Links> = by_folder(&manifest);
        assert_eq!(sorted["d"].keys().collect::<Vec<_>>(), ["a", "z"]);
    }

    #[test]
    fn a_text_does_not_lead_out_of_a_project_in_another_place() {
        let folder = tempfile::tempdir().unwrap();
        let (root, other) = (folder.path().join("registry"), folder.path().join("other"));
        std::fs::create_dir_all(root.join("q")).unwrap();
        std::fs::create_dir_all(other.join("p")).unwrap();
        crate::system::new_link(other.join("p"), root.join("p")).unwrap();
        let here = Layout::new(&root);
        let there = Layout::new(&root).allowing(vec![other]);
        let (own, foreign) = (link("p", "a", "v1", "x"), link("q", "a", "v1", "x"));
        let inside = Owner { project: "q", ..OWNER };
        for (layout, owner, link, expected) in [
            (&here, OWNER, &foreign, "../../../q/a/v1/x".to_owned()),
            (&there, OWNER, &foreign, root.join("q/a/v1/x").display().to_string()),
            (&there, OWNER, &own, "../v1/x".to_owned()),
            (&there, inside, &own, "../../../p/a/v1/x".to_owned()),
        ] {
            assert_eq!(text_in(layout, owner, "l", link), expected);
        }
    }
}
