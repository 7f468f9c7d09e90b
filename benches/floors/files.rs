//! Reading and making files.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use crate::{number, share};

const WINDOW_BYTES: usize = 128 * 1024;

/// Opens, reads and closes files.
pub(crate) fn read(threads: usize, list: &[String]) -> io::Result<usize> {
    share(threads, list, |mut files| {
        let mut window = vec![0; WINDOW_BYTES];
        files.try_for_each(|path| {
            let mut file = File::open(path)?;
            while file.read(&mut window)? > 0 {}
            Ok(())
        })
    })
}

/// Makes files of the sizes given, each directory by one thread.
pub(crate) fn create(threads: usize, root: &Path, list: &[String]) -> io::Result<usize> {
    let mut by_folder: BTreeMap<&str, Vec<(usize, &str)>> = BTreeMap::new();
    for line in list {
        let (size, path) = line.split_once(' ').unwrap_or(("0", line));
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        by_folder.entry(folder).or_default().push((number(size)?, path));
    }
    for folder in by_folder.keys() {
        fs::create_dir_all(root.join(folder))?;
    }
    let folders: Vec<_> = by_folder.into_values().collect();
    let content = vec![7; WINDOW_BYTES];
    share(threads, &folders, |folders| {
        folders.flatten().try_for_each(|(size, path)| {
            let mut file = OpenOptions::new().write(true).create_new(true).open(root.join(path))?;
            let mut left = *size;
            while left > 0 {
                left -= file.write(&content[..left.min(WINDOW_BYTES)])?;
            }
            Ok(())
        })
    })?;
    Ok(list.len())
}
