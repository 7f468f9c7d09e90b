//! A verified copy of a directory for a service to take over.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use crate::digest::copy::copy;
use crate::digest::together::Together;
use crate::digest::{self, Digest};
use crate::error::{IoContext, system_message};
use crate::fs::atomic;
use crate::fs::open::{self, Stamp, at_rest};
use crate::fs::walk::{Kind, walk};
use crate::job::Job;
use crate::parallel::Team;
use crate::relpath::clean_path;
use crate::system::{self, Links, Stat};
use crate::{Error, Result};

/// What one thread copies at a time, of one folder: at most so many files, and so many bytes unless
/// it is a single file.
const PIECE_FILES: usize = 256;
const PIECE_BYTES: u64 = 4 * 1024 * 1024;

/// Mode of copies, less the umask: the service must be able to read files that were private.
const FILE_MODE: u32 = 0o666;

/// The content of a directory, checked and ready to be copied.
#[derive(Debug)]
pub(crate) struct Survey {
    root: PathBuf,
    folders: Vec<String>,
    files: Vec<String>,
    /// Path of each link, and the text that it must have in a copy.
    links: Vec<(String, PathBuf)>,
}

impl Survey {
    /// Lists `root`, a path without symbolic links, and refuses what cannot be copied:
    ///
    /// 1. links that lead nowhere, to directories, or to what is not a regular file;
    /// 2. FIFOs, sockets and devices;
    /// 3. names that are not UTF-8.
    ///
    /// A link that ends inside `root` is kept relative; any other becomes absolute, so that it
    /// leads to the same place from the copy.
    pub(crate) fn new(root: &Path, job: &Job) -> Result<Self> {
        let mut survey = Self {
            root: root.to_owned(),
            folders: Vec::new(),
            files: Vec::new(),
            links: Vec::new(),
        };
        for entry in walk(root, &|_| true, job)? {
            match entry.kind {
                Kind::Folder => survey.folders.push(entry.path),
                Kind::File => survey.files.push(entry.path),
                Kind::Link => {
                    let text = portable_link(root, &entry.path)?;
                    survey.links.push((entry.path, text));
                }
                Kind::Special => {
                    let path = root.join(&entry.path);
                    let why = "it is a FIFO, socket or device; remove it from the directory";
                    return Err(Error::invalid("directory entry", path.to_string_lossy(), why));
                }
            }
        }
        Ok(survey)
    }

    /// Sizes of all files, for progress: what cannot be seen is an error of its copy.
    fn sizes(&self, team: &Team) -> Result<Vec<u64>> {
        let together: Vec<&[String]> = same_folder(&self.files).collect();
        let sizes = |(): &mut (), files: &&[String]| {
            let folder = Folder::open(&self.root.join(folder_of(&files[0])))?;
            Ok::<_, Error>(files.iter().map(|file| folder.size(name_of(file))).collect::<Vec<_>>())
        };
        Ok(team.try_map(&together, || (), sizes)?.concat())
    }

    /// Copies everything into the directory `destination`, reads every copy again and compares it
    /// with its source. What an earlier call has copied there stays, if it is equal; everything else
    /// is removed. Gives the stamps of the regular files, in order; small contents are added to
    /// `together` on the way, with the same numbers.
    pub(crate) fn copy_to(
        &self,
        destination: &Path,
        together: Option<&Together>,
        job: &Job,
    ) -> Result<Vec<Stamp>> {
        let team = Team::for_parts(self.files.len());
        let sizes = self.sizes(&team)?;
        job.expect(self.files.len() as u64, sizes.iter().sum());
        let kept = self.kept(destination, job)?;
        for folder in &self.folders {
            let folder = destination.join(folder);
            match fs::create_dir(&folder) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                other => other.at(&folder)?,
            }
        }
        for (path, text) in &self.links {
            let link = destination.join(path);
            system::new_link(text, &link).at(&link)?;
        }
        let copy = |(): &mut (), numbers: &Range<usize>| {
            let folder = folder_of(&self.files[numbers.start]);
            let mut folders = Folders::open(&self.root.join(folder), &destination.join(folder))?;
            let copy = |number: usize| {
                if let Some(stamp) = kept.get(&number) {
                    job.advance(stamp.size);
                    job.file_done();
                    return Ok(*stamp);
                }
                let digest = |content: &[u8]| {
                    if let Some(together) = together
                        && content.len() <= Together::MOST_BYTES
                    {
                        together.add(number, content);
                    }
                };
                let stamp = folders.copy(name_of(&self.files[number]), digest, job)?;
                job.file_done();
                Ok::<_, Error>(stamp)
            };
            numbers.clone().map(copy).collect::<Result<Vec<_>>>()
        };
        Ok(team.try_map(&self.pieces(&sizes), || (), copy)?.concat())
    }

    /// The files of which an earlier call has made equal copies, by number, with the stamps of their
    /// sources. Removes what else is in `destination`, but for folders that are wanted.
    fn kept(&self, destination: &Path, job: &Job) -> Result<HashMap<usize, Stamp>> {
        let found = walk(destination, &|_| true, job)?;
        if found.is_empty() {
            return Ok(HashMap::new());
        }
        let folders: HashSet<&str> = self.folders.iter().map(String::as_str).collect();
        let numbers: HashMap<&str, usize> =
            self.files.iter().enumerate().map(|(number, file)| (file.as_str(), number)).collect();
        let stamp = |path: PathBuf| fs::symlink_metadata(path).map(|now| Stamp::of_metadata(&now));
        let mut known = Vec::new();
        for entry in found {
            let copy = destination.join(&entry.path);
            if entry.kind == Kind::Folder {
                if !folders.contains(entry.path.as_str()) {
                    atomic::remove_tree(&copy)?;
                }
                continue;
            }
            // What is not there any more was in a folder that was removed.
            let stamps = (stamp(self.root.join(&entry.path)), stamp(copy.clone()));
            match (numbers.get(entry.path.as_str()), stamps) {
                (Some(number), (Ok(source), Ok(copied)))
                    if entry.kind == Kind::File && source.size == copied.size =>
                {
                    known.push((*number, source, copy));
                }
                _ => atomic::remove_file(&copy)?,
            }
        }
        let sources: Vec<PathBuf> =
            known.iter().map(|(number, ..)| self.root.join(&self.files[*number])).collect();
        let copies: Vec<PathBuf> = known.iter().map(|(.., copy)| copy.clone()).collect();
        // With counters of its own: these bytes are not those of the copy.
        let job = &job.child();
        let (of_sources, of_copies) =
            (digest::of_files(&sources, job)?, digest::of_files(&copies, job)?);
        let mut kept = HashMap::new();
        for (at, (number, stamp, copy)) in known.into_iter().enumerate() {
            match (&of_sources[at], &of_copies[at]) {
                (Ok(source), Ok(copied)) if source.md5 == copied.md5 => {
                    kept.insert(number, stamp);
                }
                // Whatever is wrong with the source, its copy will say.
                _ => atomic::remove_file(&copy)?,
            }
        }
        Ok(kept)
    }

    /// The files, in pieces of one folder each: threads that create files in the same folder wait
    /// for each other.
    fn pieces(&self, sizes: &[u64]) -> Vec<Range<usize>> {
        let mut pieces: Vec<Range<usize>> = Vec::new();
        let (mut folder, mut bytes) = ("", 0);
        for (number, file) in self.files.iter().enumerate() {
            match pieces.last_mut() {
                Some(piece)
                    if folder == folder_of(file)
                        && piece.len() < PIECE_FILES
                        && sizes[number].saturating_add(bytes) <= PIECE_BYTES =>
                {
                    piece.end += 1;
                    bytes += sizes[number];
                }
                _ => {
                    pieces.push(number..number + 1);
                    (folder, bytes) = (folder_of(file), sizes[number]);
                }
            }
        }
        pieces
    }

    /// Paths of the regular files, in order.
    pub(crate) fn files(&self) -> &[String] {
        &self.files
    }

    /// Digests of the regular files with these numbers, in order; `None` for one that is not any more
    /// what was copied.
    pub(crate) fn digests(
        &self,
        numbers: &[usize],
        copied: &[Stamp],
        job: &Job,
    ) -> Result<Vec<Option<Digest>>> {
        let source = |number: &usize| self.root.join(&self.files[*number]);
        let sources: Vec<PathBuf> = numbers.iter().map(source).collect();
        let seen = digest::of_files(&sources, job)?;
        let digests = numbers.iter().zip(&sources).zip(seen).map(|((number, source), seen)| {
            let is_same = fs::symlink_metadata(source)
                .is_ok_and(|now| Stamp::of_metadata(&now) == copied[*number]);
            // A file that cannot be read any more tells nothing.
            seen.ok().filter(|_| is_same).map(|seen| seen.md5)
        });
        Ok(digests.collect())
    }
}

/// The folder of a path, empty for the root.
fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The last component of a path.
fn name_of(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Files of one folder each, no more than one thread is to do at a time.
fn same_folder(files: &[String]) -> impl Iterator<Item = &[String]> {
    let folders = files.chunk_by(|one, other| folder_of(one) == folder_of(other));
    folders.flat_map(|files| files.chunks(PIECE_FILES))
}

/// The text that the link at `path` below `root` needs in a copy of `root`.
fn portable_link(root: &Path, path: &str) -> Result<PathBuf> {
    let link = root.join(path);
    let refuse = |why: String| Err(Error::invalid("symbolic link", link.to_string_lossy(), why));
    let text = fs::read_link(&link).at(&link)?;
    let shown = text.display();
    let end = match fs::metadata(&link) {
        Ok(end) => end,
        Err(error) => {
            return refuse(format!(
                "its target `{shown}` cannot be reached: {}; remove or repair the link",
                system_message(&error)
            ));
        }
    };
    if end.is_dir() {
        return refuse(format!(
            "its target `{shown}` is a directory, but only links to files can be copied; put the \
             files themselves in its place"
        ));
    }
    if !end.is_file() {
        return refuse(format!("its target `{shown}` is not a regular file"));
    }
    let folder = link.parent().unwrap_or(root);
    let target = folder.join(&text);
    // The last component stays as it is: it may be a link that the service knows about.
    let real = match (target.parent(), target.file_name()) {
        (Some(parent), Some(name)) => fs::canonicalize(parent).at(&link)?.join(name),
        _ => fs::canonicalize(&target).at(&link)?,
    };
    if let Ok(inner) = real.strip_prefix(root) {
        let from = Path::new(path).parent().unwrap_or(Path::new(""));
        return Ok(relative(from, inner));
    }
    if text.is_absolute() {
        return Ok(text);
    }
    // Services compare paths as text, so the path as the user wrote it is preferred.
    let written = clean_path(&target);
    let is_same = fs::metadata(&written)
        .is_ok_and(|other| Stat::from(&other).identity.place == Stat::from(&end).identity.place);
    Ok(if is_same { written } else { real })
}

/// The path of `to` as seen from the directory `from`; both are relative to the same root.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(to.components().skip(shared)).collect()
}

/// Two directories whose files are copied from one to the other.
struct Folders {
    source: Folder,
    copy: Folder,
}

impl Folders {
    fn open(source: &Path, copy: &Path) -> Result<Self> {
        Ok(Self { source: Folder::open(source)?, copy: Folder::open(copy)? })
    }

    fn copy(&mut self, name: &str, whole: impl FnOnce(&[u8]), job: &Job) -> Result<Stamp> {
        let (source, from) = self.source.at(name);
        let (input, stat) = open::regular_in(source, name, from)?;
        let stamp = at_rest(Stamp::of_stat(&stat), (&input, from))?;
        let (copies, to) = self.copy.at(name);
        let output = copies.new_file(name, FILE_MODE).at(to)?;
        copy((&input, from), (&output, to), stamp, job, whole)?;
        system::close(output).at(to)?;
        Ok(stamp)
    }
}

/// A directory, and the path of one of its files for messages: always in the same memory, as
/// threads that allocate for every file wait for each other.
struct Folder {
    handle: system::Folder,
    file: PathBuf,
}

impl Folder {
    fn open(path: &Path) -> Result<Self> {
        let handle = system::Folder::open(path, Links::Follow).at(path)?;
        Ok(Self { handle, file: path.join("none") })
    }

    /// Size of a file in bytes, 0 if it cannot be seen.
    fn size(&self, name: &str) -> u64 {
        self.handle.stat(name).map_or(0, |stat| stat.size())
    }

    /// The directory, and the path of one of its files.
    fn at(&mut self, name: &str) -> (&system::Folder, &Path) {
        self.file.set_file_name(name);
        (&self.handle, &self.file)
    }
}

/// Copies a directory into a new one and compares each copy with its source.
pub(crate) fn copy_tree(source: &Path, destination: &Path, job: &Job) -> Result<()> {
    let survey = Survey::new(&source.canonicalize().at(source)?, job)?;
    fs::create_dir(destination).at(destination)?;
    survey.copy_to(destination, None, job).map(drop)
}

#[cfg(test)]
mod tests {
    use crate::system::new_link as symlink;

    use super::*;
    use crate::digest::WINDOW_BYTES;

    fn stage(root: &Path, destination: &Path) -> Result<()> {
        let job = Job::default();
        Survey::new(&fs::canonicalize(root).unwrap(), &job)?
            .copy_to(destination, None, &job)
            .map(drop)
    }

    #[test]
    fn a_copy_is_equal_to_its_source() {
        let from = tempfile::tempdir().unwrap();
        let to = tempfile::tempdir().unwrap();
        fs::create_dir_all(from.path().join("a/empty")).unwrap();
        let mut large = vec![7; 3 * WINDOW_BYTES + 3];
        large[5] = 1;
        for (name, content) in [("a/.dot", &b"x"[..]), ("é b", b""), ("large", &large)] {
            fs::write(from.path().join(name), content).unwrap();
        }
        stage(from.path(), to.path()).unwrap();
        let list = |root: &Path| walk(root, &|_| true, &Job::default()).unwrap();
        assert_eq!(list(from.path()), list(to.path()));
        for name in ["a/.dot", "é b", "large"] {
            let of = |root: &Path| digest::of_file(&root.join(name), &Job::default()).unwrap();
            assert_eq!(of(from.path()), of(to.path()), "{name}");
        }
    }

    #[test]
    fn what_an_interrupted_copy_has_done_stays() {
        let from = tempfile::tempdir().unwrap();
        let to = tempfile::tempdir().unwrap();
        fs::create_dir_all(from.path().join("d")).unwrap();
        for (name, content) in [("same", "same"), ("d/cut", "all of it"), ("d/other", "abc")] {
            fs::write(from.path().join(name), content).unwrap();
        }
        symlink("same", from.path().join("link")).unwrap();
        stage(from.path(), to.path()).unwrap();
        let inode = |path: &Path| Stat::from(&fs::metadata(path).unwrap()).identity.place;
        let before = ["same", "d/cut", "d/other"].map(|name| inode(&to.path().join(name)));
        fs::write(to.path().join("d/cut"), "all").unwrap();
        fs::write(to.path().join("d/other"), "xyz").unwrap();
        fs::create_dir_all(to.path().join("old/older")).unwrap();
        fs::write(to.path().join("old/older/f"), "x").unwrap();
        fs::write(to.path().join("extra"), "x").unwrap();
        // Names of what was removed may be given again: the same number proves little there.
        let holder = fs::File::open(to.path().join("d/cut")).unwrap();
        stage(from.path(), to.path()).unwrap();
        let list = |root: &Path| walk(root, &|_| true, &Job::default()).unwrap();
        assert_eq!(list(from.path()), list(to.path()));
        for name in ["same", "d/cut", "d/other"] {
            let of = |root: &Path| fs::read(root.join(name)).unwrap();
            assert_eq!(of(from.path()), of(to.path()), "{name}");
        }
        assert_eq!(inode(&to.path().join("same")), before[0], "copied once");
        assert_ne!(inode(&to.path().join("d/cut")), before[1]);
        drop(holder);
    }

    #[test]
    fn links_lead_to_the_same_place_from_the_copy() {
        let base = tempfile::tempdir().unwrap();
        let from = base.path().join("from");
        let to = base.path().join("to");
        fs::create_dir_all(from.join("d")).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(base.path().join("out"), "").unwrap();
        fs::write(from.join("f"), "").unwrap();
        symlink("f", from.join("same")).unwrap();
        symlink("../f", from.join("d/up")).unwrap();
        symlink(from.join("f"), from.join("d/absolute")).unwrap();
        symlink("../../from/f", from.join("d/around")).unwrap();
        symlink("../../out", from.join("d/outside")).unwrap();
        symlink(base.path().join("out"), from.join("d/far")).unwrap();
        stage(&from, &to).unwrap();
        let text = |name: &str| fs::read_link(to.join(name)).unwrap();
        let out = base.path().join("out");
        for (name, target) in [
            ("same", Path::new("f")),
            ("d/up", Path::new("../f")),
            ("d/absolute", Path::new("../f")),
            ("d/around", Path::new("../f")),
            ("d/outside", &out),
            ("d/far", &out),
        ] {
            assert_eq!(text(name), target, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_copied_is_refused_before_anything_is() {
        for make in [
            (|root: &Path| symlink("missing", root.join("l")).unwrap()) as fn(&Path),
            |root| symlink("l", root.join("l")).unwrap(),
            |root| {
                fs::create_dir(root.join("d")).unwrap();
                symlink("d", root.join("l")).unwrap();
            },
            |root| {
                system::testing::fifo(&root.join("l"));
            },
        ] {
            let from = tempfile::tempdir().unwrap();
            let to = tempfile::tempdir().unwrap();
            fs::write(from.path().join("a"), "x").unwrap();
            make(from.path());
            let error = stage(from.path(), to.path()).unwrap_err();
            assert!(
                matches!(&error, Error::Invalid { value, .. } if value.ends_with("/l")),
                "{error}"
            );
            assert!(fs::read_dir(to.path()).unwrap().next().is_none());
        }
    }

    #[test]
    fn a_cancelled_copy_stops() {
        let from = tempfile::tempdir().unwrap();
        let to = tempfile::tempdir().unwrap();
        for number in 0..20 {
            fs::write(from.path().join(format!("f{number}")), "x").unwrap();
        }
        let job = Job::default();
        let survey = Survey::new(from.path(), &job).unwrap();
        job.cancel();
        assert!(matches!(survey.copy_to(to.path(), None, &job), Err(Error::Cancelled)));
        assert_eq!(job.progress().bytes_total, 20, "known before anything is copied");
    }
}
