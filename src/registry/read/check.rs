//! Files of a folder, compared with a manifest.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::is_seen;
use super::table::{Row, Table};
use crate::digest::{self, Digest};
use crate::error::IoContext;
use crate::fs::walk::{self, Kind};
use crate::job::Job;
use crate::registry::format::layout::is_internal;
use crate::{Error, Result};

/// So many files are looked at before the next ones: their paths are in memory.
const BATCH: usize = 16 * 1024;

/// How to compare.
#[derive(Debug, Clone, Default)]
pub struct CheckOptions {
    /// Whether content is not read.
    pub size_only: bool,
    /// Whether files that the manifest does not have are looked for.
    pub find_extra: bool,
    /// Where the files of links are, if the folder need not have them.
    pub registry: Option<PathBuf>,
}

/// What a file is, beside its entry in a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// As the manifest says.
    Same,
    /// Not there.
    Missing,
    /// Of another content: its size, and its digest if that was computed.
    Differs(u64, Option<Digest>),
}

/// All that differs.
#[derive(Debug, Default)]
pub struct Checked {
    /// What is not as the manifest says: numbers of entries, in order.
    pub faults: Vec<(usize, State)>,
    /// Paths that the manifest does not have, sorted.
    pub extra: Vec<String>,
}

impl Checked {
    /// What the entry of that number is.
    pub fn state(&self, number: usize) -> State {
        let found = self.faults.binary_search_by_key(&number, |(number, _)| *number);
        found.map_or(State::Same, |at| self.faults[at].1)
    }

    /// How many entries are missing.
    pub fn missing(&self) -> usize {
        self.faults.iter().filter(|(_, state)| *state == State::Missing).count()
    }
}

/// Compares the files of a folder with a manifest.
pub fn check(table: &Table, folder: &Path, options: &CheckOptions, job: &Job) -> Result<Checked> {
    let sums = table.sums(0..table.len());
    job.expect(sums.files, if options.size_only { 0 } else { sums.bytes });
    let mut checked = Checked::default();
    for start in (0..table.len()).step_by(BATCH) {
        let batch = start..table.len().min(start + BATCH);
        let (mut rows, mut places) = (Vec::new(), Vec::new());
        for row in batch.map(|number| table.row(number)) {
            job.check()?;
            let place = place(row, folder, options);
            match look(row, &place)? {
                State::Same if row.is_folder() => {}
                State::Same if !options.size_only => {
                    rows.push(row);
                    places.push(place);
                }
                State::Same => job.file_done(),
                fault => {
                    job.file_done();
                    checked.faults.push((row.number(), fault));
                }
            }
        }
        for (row, seen) in rows.into_iter().zip(digest::of_files(&places, job)?) {
            let state = match seen {
                Ok(seen) if seen.size == row.size() && Some(seen.md5) == row.digest() => {
                    State::Same
                }
                Ok(seen) => State::Differs(seen.size, Some(seen.md5)),
                // Somebody has removed it meanwhile.
                Err(error) if error.io_kind() == Some(ErrorKind::NotFound) => State::Missing,
                Err(error) => return Err(error),
            };
            job.file_done();
            if state != State::Same {
                checked.faults.push((row.number(), state));
            }
        }
    }
    checked.faults.sort_unstable_by_key(|(number, _)| *number);
    if options.find_extra {
        checked.extra = extra(table, folder, job)?;
    }
    Ok(checked)
}

fn place(row: Row<'_>, folder: &Path, options: &CheckOptions) -> PathBuf {
    let own = folder.join(row.path());
    if let Some(registry) = &options.registry
        && let Some(link) = row.link()
        && !own.exists()
    {
        return registry.join(link.origin().registry_path());
    }
    own
}

/// What can be seen of a file without reading it.
fn look(row: Row<'_>, place: &Path) -> Result<State> {
    let found = match fs::metadata(place) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(State::Missing);
        }
        other => other.at(place)?,
    };
    Ok(if row.is_folder() {
        if found.is_dir() { State::Same } else { State::Missing }
    } else if found.is_file() && found.len() == row.size() {
        State::Same
    } else {
        State::Differs(found.len(), None)
    })
}

/// Files that a manifest does not have. What is internal belongs to no manifest.
fn extra(table: &Table, folder: &Path, job: &Job) -> Result<Vec<String>> {
    let is_public = |name: &str| is_seen(name) && !is_internal(name);
    let entries = match walk::walk(folder, &is_public, job) {
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Vec::new(),
        other => other?,
    };
    let extra = entries.into_iter().filter(|entry| entry.kind != Kind::Folder);
    Ok(extra.map(|entry| entry.path).filter(|path| table.get(path).is_none()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_difference_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let entry = |text: &str| {
            let md5 = digest::of_reader(text.as_bytes(), Path::new(""), &Job::default()).unwrap();
            format!(r#"{{"size": {}, "md5sum": "{}"}}"#, text.len(), md5.md5)
        };
        let manifest = format!(
            r#"{{"d/same": {0}, "empty": {{"size": 0, "md5sum": ""}}, "gone": {0}, "longer": {0},
                "other": {0}}}"#,
            entry("text")
        );
        let table = Table::read(manifest.as_bytes(), "here", &Job::default()).unwrap();
        for inside in ["d", "empty", "..internal"] {
            fs::create_dir(folder.path().join(inside)).unwrap();
        }
        for (name, text) in [
            ("d/same", "text"),
            ("longer", "text and more"),
            ("other", "txet"),
            ("d/extra", ""),
            ("..internal/x", ""),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let run = |size_only, find_extra| {
            let options = CheckOptions { size_only, find_extra, registry: None };
            let checked = check(&table, folder.path(), &options, &Job::default()).unwrap();
            let faults = checked.faults.into_iter();
            let faults = faults.map(|(number, state)| (table.row(number).path(), state));
            (faults.collect::<Vec<_>>(), checked.extra)
        };
        let (faults, extra) = run(false, true);
        let md5 = digest::of_file(&folder.path().join("other"), &Job::default()).unwrap().md5;
        let sizes = [("gone", State::Missing), ("longer", State::Differs(13, None))];
        assert_eq!(faults[..2], sizes);
        assert_eq!(faults[2..], [("other", State::Differs(4, Some(md5)))]);
        assert_eq!(extra, ["d/extra"]);
        assert_eq!(run(true, false), (sizes.to_vec(), Vec::new()));
    }
}
