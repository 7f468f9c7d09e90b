//! Single files and numbers from any server, as databases and schemas of metadata are.

use std::path::Path;

use super::remote::Remote;
use crate::error::IoContext;
use crate::fs::{atomic, litter};
use crate::http::url;
use crate::job::Job;
use crate::transfer::download::{self, Options};
use crate::transfer::plan::{Form, Item};
use crate::{Error, Result, runtime};

/// Downloads one file to `target`, which gets its name when it is whole and of that form.
pub(crate) fn download(
    remote: &Remote,
    from: &str,
    target: &Path,
    form: Form,
    job: &Job,
) -> Result<()> {
    let from = url::parse(from)?;
    let folder = target.parent().unwrap_or_else(|| Path::new("."));
    std::fs::create_dir_all(folder).at(folder)?;
    litter::clear(folder);
    let scratch = atomic::stage_folder(folder)?;
    let options =
        Options { concurrency: 1, scratch: scratch.path().to_owned(), ..Options::default() };
    let (name, target) = (url::redacted(&from), target.to_owned());
    let item = Item { url: from, name, target, expected: None, form };
    runtime::current()?.block_on(download::download(&remote.http, vec![item], &options, job))
}

/// The number at a URL.
pub(crate) fn number(remote: &Remote, from: &str, job: &Job) -> Result<f64> {
    let from = url::parse(from)?;
    let document = runtime::current()?.block_on(remote.http.get(&from, job))?;
    let text = std::str::from_utf8(&document.body).unwrap_or_default();
    text.trim().parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(|| {
        let (origin, start) = (document.url.clone(), document.beginning());
        Error::Form { origin, form: "number", start }
    })
}
