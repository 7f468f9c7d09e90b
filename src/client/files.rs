//! Many files below one URL, by no protocol of a registry.

use std::path::Path;

use reqwest::header::HeaderMap;

use crate::fs::{atomic, litter};
use crate::http::{Http, url};
use crate::job::Job;
use crate::relpath::RelPath;
use crate::transfer::download::{self, Options};
use crate::transfer::plan::{self, Expected};
use crate::transfer::put::Item;
use crate::transfer::upload::{self, Target};
use crate::{Error, Result, runtime};

/// Downloads files below a URL to the same paths below a directory, each checked against what is
/// expected of it, if that is given for all of them.
pub(crate) fn download(
    base: &str,
    paths: Vec<String>,
    expected: Option<Vec<Expected>>,
    destination: &Path,
    job: &Job,
) -> Result<()> {
    let base = url::parse(base)?;
    let expected = one_for_each(expected, paths.len())?;
    let files = paths.into_iter().zip(expected);
    let files = files.map(|(path, expected)| Ok((RelPath::parse(path)?, expected)));
    let items = plan::items(&base, files.collect::<Result<_>>()?, destination)?;
    let runtime = runtime::current()?;
    let http = Http::new(&runtime)?;
    // Removed afterwards: a later call would not know what an earlier one left there.
    litter::clear(destination);
    let scratch = atomic::stage_folder(destination)?;
    let options =
        Options { concurrency: 0, scratch: scratch.path().to_owned(), ..Options::default() };
    runtime.block_on(download::download(&http, items, &options, job))
}

/// Uploads files below a directory, each by a PUT to the same path below a URL.
pub(crate) fn upload(base: &str, paths: Vec<String>, directory: &Path, job: &Job) -> Result<()> {
    let base = url::parse(base)?;
    let parsed = paths.into_iter().map(RelPath::parse).collect::<Result<Vec<_>>>()?;
    let items: Vec<_> =
        parsed.iter().map(|path| Item::new(path.under(directory), path.as_str())).collect();
    let target = |index: usize| {
        let target = plan::below(&base, &parsed[index]);
        async { Ok(Target { url: target, headers: HeaderMap::new(), md5: None, made: None }) }
    };
    let runtime = runtime::current()?;
    let http = Http::new(&runtime)?;
    runtime.block_on(upload::upload(&http, &items, None, target, |_| (), 0, job))
}

fn one_for_each<T>(given: Option<Vec<T>>, count: usize) -> Result<Vec<Option<T>>> {
    match given {
        None => Ok((0..count).map(|_| None).collect()),
        Some(given) if given.len() == count => Ok(given.into_iter().map(Some).collect()),
        Some(given) => Err(Error::invalid(
            "expected",
            format!("{} entries", given.len()),
            format!("there are {count} paths; give one entry for each"),
        )),
    }
}
