//! A manifest as it is kept for reading: in byte order, a tenth of the memory of its text's objects.
//!
//! Folders are not kept: as the paths are sorted, what is in a folder is found by two searches.
//! 1,000,000 entries take about 90 MB, where a map of owned entries takes 330.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::{self, BufReader, Read};
use std::ops::Range;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{Registry, document};
use crate::digest::Digest;
use crate::job::Job;
use crate::registry::format::layout::MANIFEST;
use crate::registry::format::model::{Link, Manifest, ManifestEntry};
use crate::relpath::RelPath;
use crate::{Error, Result};

const BUFFER_BYTES: usize = 256 * 1024;

/// Where a link leads, in the terms of a table.
#[derive(Debug, Clone)]
struct Target {
    /// Number of the version.
    version: u32,
    /// The path there, unless it is that of the link itself.
    path: Option<Box<str>>,
}

/// The link that an entry is.
#[derive(Debug, Clone)]
struct Linked {
    entry: u32,
    target: Target,
    ancestor: Option<Box<Target>>,
}

/// The entries of a manifest.
#[derive(Debug, Default)]
pub struct Table {
    text: String,
    /// Where each path ends in the text.
    ends: Vec<u64>,
    sizes: Vec<u64>,
    digests: Vec<[u8; 16]>,
    /// Digests that are no 32 small hexadecimal digits, such as those of empty folders.
    odd: BTreeMap<u32, Box<str>>,
    /// Sorted by the numbers of the entries.
    links: Vec<Linked>,
    /// Project, asset and version of each version that links lead to.
    versions: Vec<[Box<str>; 3]>,
}

/// One entry of a table.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    table: &'a Table,
    number: u32,
}

impl<'a> Row<'a> {
    fn at(self) -> usize {
        self.number as usize
    }

    /// Its place in the table.
    pub fn number(self) -> usize {
        self.at()
    }

    /// Its path.
    pub fn path(self) -> &'a str {
        self.table.path(self.at())
    }

    /// Its size in bytes.
    pub fn size(self) -> u64 {
        self.table.sizes[self.at()]
    }

    /// Its digest, as the manifest has it.
    pub fn md5sum(self) -> String {
        match self.table.odd.get(&self.number) {
            Some(odd) => odd.to_string(),
            None => Digest(self.table.digests[self.at()]).to_string(),
        }
    }

    /// Its digest, if it is one.
    pub fn digest(self) -> Option<Digest> {
        match self.table.odd.get(&self.number) {
            Some(odd) => Digest::parse(odd),
            None => Some(Digest(self.table.digests[self.at()])),
        }
    }

    /// True for an empty folder.
    pub fn is_folder(self) -> bool {
        self.size() == 0
            && self.table.odd.get(&self.number).is_some_and(|odd| odd.is_empty())
            && self.link().is_none()
    }

    /// Where it leads, if it is a link.
    pub fn link(self) -> Option<Link> {
        let links = &self.table.links;
        let found = links.binary_search_by_key(&self.number, |link| link.entry).ok()?;
        let Linked { target, ancestor, .. } = &links[found];
        let ancestor = ancestor.as_deref().map(|above| Box::new(self.link_to(above, None)));
        Some(self.link_to(target, ancestor))
    }

    fn link_to(self, target: &Target, ancestor: Option<Box<Link>>) -> Link {
        let [project, asset, version] = &self.table.versions[target.version as usize];
        Link {
            project: project.to_string(),
            asset: asset.to_string(),
            version: version.to_string(),
            path: target.path.as_deref().unwrap_or_else(|| self.path()).to_owned(),
            ancestor,
        }
    }

    /// Whether both have equal bytes.
    pub fn has_content_of(self, other: Row<'_>) -> bool {
        self.size() == other.size()
            && match (self.digest(), other.digest()) {
                (None, None) => self.md5sum() == other.md5sum(),
                (one, two) => one == two,
            }
    }

    /// The whole entry.
    pub fn entry(self) -> ManifestEntry {
        ManifestEntry { size: self.size(), md5sum: self.md5sum(), link: self.link() }
    }
}

/// What is directly in a folder.
#[derive(Debug, Clone, Copy)]
pub enum Child<'a> {
    /// A file, or an empty folder.
    Entry(&'a str, Row<'a>),
    /// A folder with these entries.
    Folder(&'a str, usize, usize),
}

/// Sums over some entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Files, links among them.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Links.
    pub links: u64,
    /// Their bytes.
    pub linked_bytes: u64,
}

impl Table {
    /// Reads the manifest of a version.
    pub fn of(registry: &(impl Registry + ?Sized), version: &RelPath, job: &Job) -> Result<Self> {
        let path = RelPath::parse(format!("{version}/{MANIFEST}"))?;
        match Self::read(registry.open(&path, job)?, path.as_str(), job) {
            // What breaks on the way, or is no manifest, is read once more as a whole: that is tried
            // again as often as it pays, or says what is wrong.
            Err(Error::Json { .. }) => {
                let manifest: Manifest = document(registry, version, MANIFEST, job)?;
                Self::collect(manifest, path.as_str())
            }
            other => other,
        }
    }

    /// Reads a manifest that comes as text.
    pub fn read(text: impl Read, origin: &str, job: &Job) -> Result<Self> {
        let reader = BufReader::with_capacity(BUFFER_BYTES, Checked { inner: text, job });
        let mut parser = serde_json::Deserializer::from_reader(reader);
        let built = Building::deserialize(&mut parser);
        let built = built.and_then(|built| parser.end().map(|()| built));
        job.check()?;
        let built = built.map_err(|source| Error::Json {
            origin: origin.to_owned(),
            text: String::new(),
            start: None,
            source,
        })?;
        built.0.finish()
    }

    fn collect(manifest: Manifest, origin: &str) -> Result<Self> {
        let mut builder = Builder::default();
        for (path, entry) in manifest {
            builder.push(&path, entry).map_err(|why| Error::invalid("manifest", origin, why))?;
        }
        builder.finish()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn path(&self, number: usize) -> &str {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        let range = place(start)..place(self.ends[number]);
        &self.text[range]
    }

    /// The entry of that number.
    pub fn row(&self, number: usize) -> Row<'_> {
        Row { table: self, number: number_of(number) }
    }

    /// All entries, in byte order of their paths.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        (0..self.len()).map(|number| self.row(number))
    }

    /// Number of the first entry whose path is not less than this text.
    fn first_from(&self, text: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.path(middle).as_bytes() < text { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// The entry at a path.
    pub fn get(&self, path: &str) -> Option<Row<'_>> {
        let number = self.first_from(path.as_bytes());
        (number < self.len() && self.path(number) == path).then(|| self.row(number))
    }

    /// Numbers of the entries below a folder; empty for the whole version.
    pub fn below(&self, folder: &str) -> Range<usize> {
        if folder.is_empty() {
            return 0..self.len();
        }
        // `0` follows the slash.
        let [from, to] = ["/", "0"].map(|end| self.first_from(format!("{folder}{end}").as_bytes()));
        from..to
    }

    /// What is directly in a folder, sorted by name; `None` if there is no such folder.
    pub fn children(&self, folder: &str) -> Option<Vec<Child<'_>>> {
        let below = self.below(folder);
        if below.is_empty() && !folder.is_empty() {
            return self.get(folder)?.is_folder().then(Vec::new);
        }
        let start = if folder.is_empty() { 0 } else { folder.len() + 1 };
        let mut children = Vec::new();
        let mut number = below.start;
        while number < below.end {
            let path = self.path(number);
            let name = &path[start..];
            let Some((name, _)) = name.split_once('/') else {
                children.push(Child::Entry(name, self.row(number)));
                number += 1;
                continue;
            };
            let end = self.first_from(format!("{}0", &path[..start + name.len()]).as_bytes());
            children.push(Child::Folder(name, number, end));
            number = end;
        }
        let name = |child: &Child<'_>| match child {
            Child::Entry(name, _) | Child::Folder(name, ..) => (*name).to_owned(),
        };
        children.sort_by_cached_key(name);
        Some(children)
    }

    /// Sums over a range of entries.
    pub fn sums(&self, range: Range<usize>) -> Sums {
        let mut sums = Sums::default();
        let first = self.links.partition_point(|link| link.entry < number_of(range.start));
        let mut links = self.links[first..].iter().peekable();
        for at in range {
            let row = self.row(at);
            let is_link = links.next_if(|link| link.entry == number_of(at)).is_some();
            if !is_link && row.size() == 0 && row.is_folder() {
                continue;
            }
            sums.files += 1;
            sums.bytes = sums.bytes.saturating_add(row.size());
            if is_link {
                sums.links += 1;
                sums.linked_bytes = sums.linked_bytes.saturating_add(row.size());
            }
        }
        sums
    }

    /// The same entries with some left out.
    #[must_use]
    pub fn pick(&self, numbers: &[usize]) -> Self {
        let mut picked = Self { versions: self.versions.clone(), ..Self::default() };
        for &number in numbers.iter().filter(|number| **number < self.len()) {
            picked.take(self, number);
        }
        picked
    }

    /// Adds an entry of a table with the same versions.
    fn take(&mut self, from: &Self, number: usize) {
        let old = from.row(number).number;
        let new = number_of(self.len());
        self.text.push_str(from.path(number));
        self.ends.push(self.text.len() as u64);
        self.sizes.push(from.sizes[number]);
        self.digests.push(from.digests[number]);
        if let Some(odd) = from.odd.get(&old) {
            self.odd.insert(new, odd.clone());
        }
        if let Ok(found) = from.links.binary_search_by_key(&old, |link| link.entry) {
            self.links.push(Linked { entry: new, ..from.links[found].clone() });
        }
    }

    /// How this table differs from `other`, and how many entries are equal.
    pub fn diff(&self, other: &Self) -> (Vec<Change>, u64) {
        let (mut one, mut two, mut equal) = (0, 0, 0);
        let mut changes = Vec::new();
        loop {
            let order = match (one < self.len(), two < other.len()) {
                (false, false) => return (changes, equal),
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                (true, true) => self.path(one).cmp(other.path(two)),
            };
            match order {
                Ordering::Less => {
                    changes.push(Change::Removed(self.row(one).number));
                    one += 1;
                }
                Ordering::Greater => {
                    changes.push(Change::Added(other.row(two).number));
                    two += 1;
                }
                Ordering::Equal => {
                    let (old, new) = (self.row(one), other.row(two));
                    if old.has_content_of(new) {
                        equal += 1;
                    } else {
                        changes.push(Change::Changed(old.number, new.number));
                    }
                    one += 1;
                    two += 1;
                }
            }
        }
    }
}

/// A difference between two tables, by the numbers of the entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Only the second has it.
    Added(u32),
    /// Only the first has it.
    Removed(u32),
    /// Both have it, with other content.
    Changed(u32, u32),
}

fn number_of(at: usize) -> u32 {
    u32::try_from(at).expect("a table has no more entries")
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("the text is in memory")
}

/// A reader that ends with the job.
struct Checked<'a, R> {
    inner: R,
    job: &'a Job,
}

impl<R: Read> Read for Checked<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.job.check().map_err(io::Error::other)?;
        self.inner.read(buffer)
    }
}

/// A table that gets its entries in any order.
#[derive(Default)]
struct Builder {
    table: Table,
    numbers: HashMap<[Box<str>; 3], u32>,
    is_unsorted: bool,
}

impl Builder {
    fn push(&mut self, path: &str, entry: ManifestEntry) -> Result<(), &'static str> {
        let table = &mut self.table;
        let number = u32::try_from(table.len()).map_err(|_| "it has more than 2^32 entries")?;
        self.is_unsorted |= table.len().checked_sub(1).is_some_and(|last| table.path(last) >= path);
        table.text.push_str(path);
        table.ends.push(table.text.len() as u64);
        table.sizes.push(entry.size);
        let digest = Digest::parse(&entry.md5sum);
        // What is shown is what the manifest has.
        let digest =
            digest.filter(|_| !entry.md5sum.bytes().any(|digit| digit.is_ascii_uppercase()));
        table.digests.push(digest.map_or([0; 16], |digest| digest.0));
        if digest.is_none() {
            table.odd.insert(number, entry.md5sum.into());
        }
        if let Some(link) = entry.link {
            let ancestor = link.ancestor.as_deref().map(|above| Box::new(self.target(above, path)));
            let target = self.target(&link, path);
            self.table.links.push(Linked { entry: number, target, ancestor });
        }
        Ok(())
    }

    fn target(&mut self, link: &Link, own: &str) -> Target {
        let names: [Box<str>; 3] = [
            link.project.as_str().into(),
            link.asset.as_str().into(),
            link.version.as_str().into(),
        ];
        let versions = &mut self.table.versions;
        let version = *self.numbers.entry(names).or_insert_with_key(|names| {
            versions.push(names.clone());
            u32::try_from(versions.len() - 1).expect("there are no more than entries")
        });
        Target { version, path: (link.path != own).then(|| link.path.as_str().into()) }
    }

    /// Sorts what gypsum has written in another order. Of a path that comes twice the last one counts.
    fn finish(self) -> Result<Table> {
        let mut table = self.table;
        if self.is_unsorted {
            let mut order: Vec<usize> = (0..table.len()).collect();
            order.sort_by(|one, two| table.path(*one).cmp(table.path(*two)));
            let mut kept: Vec<usize> = Vec::with_capacity(order.len());
            for number in order {
                if kept.last().is_some_and(|last| table.path(*last) == table.path(number)) {
                    kept.pop();
                }
                kept.push(number);
            }
            table = table.pick(&kept);
        }
        table.text.shrink_to_fit();
        for row in table.rows() {
            RelPath::check(row.path())?;
        }
        Ok(table)
    }
}

struct Building(Builder);

impl<'de> Deserialize<'de> for Building {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Builder;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a manifest")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Builder, A::Error> {
                let mut builder = Builder::default();
                while let Some((path, entry)) = map.next_entry::<String, ManifestEntry>()? {
                    builder.push(&path, entry).map_err(serde::de::Error::custom)?;
                }
                Ok(builder)
            }
        }

        deserializer.deserialize_map(Entries).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{
        "b/x": {"size": 3, "md5sum": "00000000000000000000000000000001"},
        "a": {"size": 1, "md5sum": "0000000000000000000000000000000A"},
        "b-": {"size": 5, "md5sum": "odd"},
        "b/c/y": {"size": 7, "md5sum": "00000000000000000000000000000002",
                  "link": {"project": "p", "asset": "a", "version": "v", "path": "z",
                           "ancestor": {"project": "p", "asset": "a", "version": "u", "path": "b/c/y"}}},
        "b/e": {"size": 0, "md5sum": ""},
        "a": {"size": 2, "md5sum": "0000000000000000000000000000000A"}
    }"#;

    fn table(text: &str) -> Table {
        Table::read(text.as_bytes(), "here", &Job::default()).unwrap()
    }

    #[test]
    fn a_table_is_its_manifest() {
        let table = table(TEXT);
        let manifest: Manifest = serde_json::from_str(TEXT).unwrap();
        let rows: Manifest = table.rows().map(|row| (row.path().to_owned(), row.entry())).collect();
        assert_eq!(rows, manifest);
        let paths: Vec<_> = table.rows().map(Row::path).collect();
        assert_eq!(paths, ["a", "b-", "b/c/y", "b/e", "b/x"]);
        assert_eq!(table.get("b/x").unwrap().size(), 3);
        assert!(table.get("b").is_none() && table.get("b/xx").is_none());
        assert!(Table::collect(manifest, "here").unwrap().diff(&table).0.is_empty());
    }

    #[test]
    fn folders_are_found_in_the_paths() {
        let table = table(TEXT);
        let children = |folder: &str| {
            let children = table.children(folder)?.into_iter();
            let shown = children.map(|child| match child {
                Child::Entry(name, row) => format!("{name} {}", row.is_folder()),
                Child::Folder(name, from, to) => format!("{name}/ {}", to - from),
            });
            Some(shown.collect::<Vec<_>>())
        };
        assert_eq!(children("").unwrap(), ["a false", "b/ 3", "b- false"]);
        assert_eq!(children("b").unwrap(), ["c/ 1", "e true", "x false"]);
        assert_eq!(children("b/c").unwrap(), ["y false"]);
        assert_eq!(children("b/e").unwrap(), [""; 0]);
        for none in ["a", "x", "b/c/y", "b/"] {
            assert!(children(none).is_none(), "{none}");
        }
        assert!(Table::default().children("").unwrap().is_empty());
        let sums = Sums { files: 4, bytes: 17, links: 1, linked_bytes: 7 };
        assert_eq!(table.sums(0..5), sums);
        assert_eq!(
            table.sums(table.below("b/c")),
            Sums { files: 1, bytes: 7, links: 1, linked_bytes: 7 }
        );
        assert_eq!(table.sums(4..5), Sums { files: 1, bytes: 3, ..Sums::default() });
    }

    #[test]
    fn tables_are_compared_and_divided() {
        let old = table(TEXT);
        let new = table(&TEXT.replace("\"size\": 3", "\"size\": 4").replace("b-", "c"));
        let (changes, equal) = old.diff(&new);
        assert_eq!(changes, [Change::Removed(1), Change::Changed(4, 3), Change::Added(4)]);
        assert_eq!(equal, 3);
        let some = old.pick(&[1, 2, 4]);
        let paths: Vec<_> = some.rows().map(Row::path).collect();
        assert_eq!(paths, ["b-", "b/c/y", "b/x"]);
        assert_eq!(some.row(1).link(), old.row(2).link());
        assert_eq!(some.row(0).md5sum(), "odd");
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        for text in ["", "[]", "{\"a\": 1}", "{\"a\": {\"size\": 1}}", "{} {}"] {
            let error = Table::read(text.as_bytes(), "here", &Job::default()).unwrap_err();
            assert!(matches!(error, Error::Json { .. }), "{text}");
        }
        let unsafe_path = r#"{"../x": {"size": 1, "md5sum": ""}}"#;
        let error = Table::read(unsafe_path.as_bytes(), "here", &Job::default()).unwrap_err();
        assert!(matches!(error, Error::UnsafePath { .. }));
        let job = Job::default();
        job.cancel();
        assert!(matches!(Table::read(TEXT.as_bytes(), "here", &job), Err(Error::Cancelled)));
    }
}
