//! Copies of files, read again and compared with their source.

use std::fs::File;
use std::path::Path;

use super::window::with_windows;
use super::{Seen, of_reader};
use crate::error::IoContext;
use crate::fs::open::{Named, Stamp, changed};
use crate::job::Job;
use crate::system;
use crate::{Error, Result};

/// Copies a regular file, which had `stamp` when it was opened, into the new and empty file `to`,
/// which must be open for reading too. A file that changes meanwhile is refused.
///
/// Blocks are shared where the file system can do that; else each window is copied, inside of the
/// system where it can do that, and read again from the copy while it is in the processor's cache.
/// A content that is in memory as a whole is handed to `whole`.
pub(crate) fn copy(
    from: Named<'_>,
    to: Named<'_>,
    stamp: Stamp,
    job: &Job,
    whole: impl FnOnce(&[u8]),
) -> Result<()> {
    let copy = Copy { from, to, size: stamp.size };
    let copied = with_windows(|window, again| {
        if let Some(count) = copy.run(window, again, job)? {
            whole(&window[..count]);
        }
        Ok(())
    });
    // Also of a copy that differs: this is why.
    if Stamp::of(from.0).at(from.1)? != stamp {
        return Err(changed(from.1));
    }
    copied
}

/// A copy being made.
struct Copy<'a> {
    from: Named<'a>,
    to: Named<'a>,
    size: u64,
}

impl Copy<'_> {
    /// Gives the length of the content if all of it is in the window.
    fn run(&self, window: &mut [u8], again: &mut [u8], job: &Job) -> Result<Option<usize>> {
        let is_large = self.size > window.len() as u64;
        let is_cloned = is_large && system::share_blocks(self.from.0, self.to.0);
        let mut by_system = is_large;
        let mut position = 0;
        let count = loop {
            job.check()?;
            let count = fill(self.from, window, position, self.size)?;
            let piece = &window[..count];
            if !is_cloned {
                let (from, to) = (self.from.0, self.to.0);
                let done =
                    if by_system { system::copy_range(from, to, position, count) } else { 0 };
                by_system = done == count;
                let rest = position + done as u64;
                system::write_all_at(self.to.0, &piece[done..], rest).at(self.to.1)?;
            }
            let read = fill(self.to, &mut again[..count], position, u64::MAX)?;
            if *piece != again[..read] {
                return self.differ(job);
            }
            position += count as u64;
            job.advance(count as u64);
            if count < window.len() {
                break count;
            }
        };
        // Only a clone can be longer: of a source that was cut off since.
        if is_cloned && fill(self.to, &mut again[..1], position, u64::MAX)? > 0 {
            return self.differ(job);
        }
        Ok((position == count as u64).then_some(count))
    }

    /// Tells how the copy differs; that it does not is possible if the source is being changed.
    fn differ(&self, job: &Job) -> Result<Option<usize>> {
        let whole = |(file, path): Named<'_>| of_reader(Whole { file, at: 0 }, path, job);
        compare(&whole(self.from)?, &whole(self.to)?, self.to.1).map(|()| None)
    }
}

/// Reads a file from its beginning, wherever its own position is.
struct Whole<'a> {
    file: &'a File,
    at: u64,
}

impl std::io::Read for Whole<'_> {
    fn read(&mut self, window: &mut [u8]) -> std::io::Result<usize> {
        let count = system::read_at(self.file, window, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Reads from `position` until the window is full or the file ends; returns the bytes read.
fn fill((file, path): Named<'_>, window: &mut [u8], position: u64, size: u64) -> Result<usize> {
    let mut count = 0;
    while count < window.len() {
        let at = position + count as u64;
        // A short read that ends where the file was said to end needs no second one.
        if count > 0 && at == size {
            break;
        }
        match system::read_at(file, &mut window[count..], at).at(path)? {
            0 => break,
            more => count += more,
        }
    }
    Ok(count)
}

fn compare(original: &Seen, copied: &Seen, copy: &Path) -> Result<()> {
    let (what, expected, actual) = if original.size != copied.size {
        ("sizes after copy", original.size.to_string(), copied.size.to_string())
    } else if original.md5 != copied.md5 {
        ("MD5 checksums after copy", original.md5.to_string(), copied.md5.to_string())
    } else {
        return Ok(());
    };
    Err(Error::Digest { path: copy.to_string_lossy().into_owned(), what, expected, actual })
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};

    use std::time::SystemTime;

    use super::*;
    use crate::digest::WINDOW_BYTES;
    use crate::fs::open::at_rest;

    /// Copies a file, calling `disturb` with it after it was opened.
    fn copied(content: &[u8], disturb: impl FnOnce(&Path)) -> Result<Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        std::fs::write(&from, content).unwrap();
        let source = File::open(&from).unwrap();
        let target = File::options().read(true).write(true).create_new(true).open(&to).unwrap();
        let job = Job::default();
        let stamp = at_rest(Stamp::of(&source).unwrap(), (&source, &from))?;
        disturb(&from);
        let mut whole = None;
        copy((&source, &from), (&target, &to), stamp, &job, |seen| whole = Some(seen.to_vec()))?;
        assert_eq!(whole.as_deref(), (content.len() < WINDOW_BYTES).then_some(content));
        assert_eq!(job.progress().bytes_done, content.len() as u64);
        Ok(std::fs::read(to).unwrap())
    }

    #[test]
    fn copies_of_any_size_are_equal() {
        let content: Vec<u8> =
            (0..3 * WINDOW_BYTES + 5).map(|at| (at % 251).to_le_bytes()[0]).collect();
        for length in [0, 1, WINDOW_BYTES - 1, WINDOW_BYTES, WINDOW_BYTES + 1, content.len()] {
            let content = &content[..length];
            assert_eq!(copied(content, |_| ()).unwrap(), content, "{length} bytes");
        }
    }

    #[test]
    fn a_file_that_changes_while_it_is_copied_is_refused() {
        let cut = |path: &Path| File::options().write(true).open(path).unwrap().set_len(1).unwrap();
        let grow = |path: &Path| {
            File::options().append(true).open(path).unwrap().write_all(b"more").unwrap();
        };
        let overwrite = |path: &Path| {
            let file = File::options().write(true).open(path).unwrap();
            system::write_all_at(&file, b"torn", 1).unwrap();
            // As by a program that gives it its old time again.
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        };
        for disturb in [cut as fn(&Path), grow, overwrite] {
            let error = copied(&vec![7; WINDOW_BYTES + 5], disturb).unwrap_err();
            assert!(error.to_string().contains("has changed while it was copied"), "{error}");
        }
    }

    #[test]
    fn a_copy_that_differs_is_told() {
        let mut one = tempfile::tempfile().unwrap();
        let mut other = tempfile::tempfile().unwrap();
        one.write_all(b"abc").unwrap();
        other.write_all(b"abd").unwrap();
        one.seek(SeekFrom::Start(2)).unwrap();
        let (one, other) = ((&one, Path::new("one")), (&other, Path::new("other")));
        let error = Copy { from: one, to: other, size: 3 }.differ(&Job::default()).unwrap_err();
        assert!(matches!(error, Error::Digest { what: "MD5 checksums after copy", .. }), "{error}");
        Copy { from: one, to: one, size: 3 }.differ(&Job::default()).unwrap();
    }
}
