//! Many small files out of one answer.
//!
//! 1. A server that has announced archives is asked for one where at least [`LEAST_FILES`] small files
//!    are wanted, and they are most of what it would send.
//! 2. What comes is looked up by its name among the files that are wanted, and must be what is
//!    expected of it; a name is never a place.
//! 3. An answer that breaks off goes on behind the last file that has come.
//! 4. Whatever is missing in the end, or wrong, is left to be asked for by itself.
//! 5. No more is taken than twice what an archive of these names can be, and an answer that breaks off
//!    without a file that is wanted counts as a try: no server sends for ever.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use reqwest::Url;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};

use super::TARGET;
use super::plan::{FILE_MODE, FINISHING, Form, Item, SMALL_BYTES};
use crate::digest::Seen;
use crate::digest::push::Lanes;
use crate::fs::atomic;
use crate::http::{Http, counted};
use crate::job::Job;
use crate::tar::{self, Reader};
use crate::{Error, Result};

/// Fewer files are asked for one by one: sixteen at once take two round trips then, as a list and an
/// archive do.
const LEAST_FILES: usize = 32;
/// What an archive has of each file at most, besides its content and its name: headers, and what fills
/// blocks.
const HEAD_BYTES: u64 = 4 * 512;

/// A folder that can be had as an archive.
#[derive(Debug, Clone)]
pub(crate) struct Archive {
    /// Where.
    pub(crate) url: Url,
    /// With what the names of items begin that are in it.
    pub(crate) base: String,
    /// The names in it, in the order of their bytes.
    pub(crate) names: Vec<String>,
}

/// Takes what an archive has of these items; gives back the others.
pub(super) async fn receive(
    http: &Http,
    archive: &Archive,
    items: Vec<Item>,
    scratch: &Path,
    lanes: &Lanes,
    job: &Job,
) -> Result<Vec<Item>> {
    let is_wanted = |item: &Item| {
        let is_small = item.size().is_some_and(|size| size <= SMALL_BYTES);
        is_small && matches!(item.form, Form::Any) && item.name.starts_with(&archive.base)
    };
    let (wanted, others): (Vec<_>, Vec<_>) = items.into_iter().partition(is_wanted);
    let wanted: BTreeMap<String, Item> =
        wanted.into_iter().map(|item| (item.name[archive.base.len()..].to_owned(), item)).collect();
    let first = wanted.keys().next();
    let before = first.map_or(0, |first| archive.names.partition_point(|name| name < first));
    if wanted.len() < LEAST_FILES || wanted.len() * 2 < archive.names.len() - before {
        return Ok(others.into_iter().chain(wanted.into_values()).collect());
    }
    let after = before.checked_sub(1).map(|last| archive.names[last].clone());
    let after = after.unwrap_or_default();
    let size_of = |name| wanted.get(name).and_then(Item::size).unwrap_or(SMALL_BYTES);
    let names = archive.names[before..].iter();
    let most: u64 = names.map(|name| HEAD_BYTES + name.len() as u64 + size_of(name)).sum();
    let budget = 2 * most;
    let mut stream = Stream { http, archive, scratch, lanes, job, wanted, after, budget, others };
    stream.run().await?;
    Ok(stream.others.into_iter().chain(stream.wanted.into_values()).collect())
}

struct Stream<'a> {
    http: &'a Http,
    archive: &'a Archive,
    scratch: &'a Path,
    lanes: &'a Lanes,
    job: &'a Job,
    /// By their names in the archive.
    wanted: BTreeMap<String, Item>,
    /// The last file that has come.
    after: String,
    /// Bytes that may still come.
    budget: u64,
    /// What is not to be had out of it.
    others: Vec<Item>,
}

impl Stream<'_> {
    async fn run(&mut self) -> Result<()> {
        let mut tries = self.http.tries(&self.archive.url, self.job);
        while !self.wanted.is_empty() {
            tries.begin().await;
            let left = self.wanted.len();
            let number = tries.number();
            let error = match counted(number, self.attempt()).await {
                Ok(()) => {
                    tries.answered();
                    break;
                }
                Err(error @ (Error::Io { .. } | Error::Cancelled)) => return Err(error),
                Err(error) => error,
            };
            if let Err(error) = tries.failed(error).await {
                if matches!(error, Error::Cancelled) {
                    return Err(error);
                }
                self.doubt(&error.chain());
                break;
            }
            if self.wanted.len() < left {
                // What comes next has tries of its own.
                tries = self.http.tries(&self.archive.url, self.job);
            }
        }
        Ok(())
    }

    fn doubt(&self, why: &str) {
        let left = self.wanted.len();
        log::info!(target: TARGET, "{left} files are asked for one by one: {why}");
    }

    /// Takes files until there are no more of them, or the answer cannot be one.
    async fn attempt(&mut self) -> Result<()> {
        let mut url = self.archive.url.clone();
        let most = SMALL_BYTES.to_string();
        url.query_pairs_mut().append_pair("after", &self.after).append_pair("most", &most);
        let mut response = self.http.get_large_once(&url, &HeaderMap::new()).await?;
        let is_archive = response.header(CONTENT_TYPE) == Some(tar::MEDIA_TYPE)
            && response.header(CONTENT_ENCODING).is_none();
        if !is_archive {
            self.doubt("the answer is no archive");
            return Ok(());
        }
        let mut reader = Reader::new(SMALL_BYTES);
        let mut placing = FuturesUnordered::new();
        let Self { scratch, lanes, job, .. } = *self;
        let ended = loop {
            match reader.next() {
                Err(malformed) => {
                    self.doubt(&malformed.to_string());
                    break Ok(());
                }
                Ok(Some(member)) => {
                    if let Some(item) = self.wanted.remove(&member.name) {
                        placing.push(place(item, member.content, scratch, lanes, job));
                    }
                    self.after = member.name;
                    if placing.len() < FINISHING {
                        continue;
                    }
                    if let Some(placed) = placing.next().await {
                        self.others.extend(placed?);
                    }
                    continue;
                }
                Ok(None) if reader.has_ended() || self.wanted.is_empty() => break Ok(()),
                Ok(None) => {}
            }
            tokio::select! {
                piece = response.chunk() => match piece {
                    Ok(Some(piece)) => {
                        let Some(budget) = self.budget.checked_sub(piece.len() as u64) else {
                            self.doubt("the archive does not end");
                            break Ok(());
                        };
                        self.budget = budget;
                        reader.push(&piece);
                    }
                    Ok(None) => {
                        self.doubt("the archive has no end");
                        break Ok(());
                    }
                    Err(error) => break Err(error),
                },
                Some(placed) = placing.next(), if !placing.is_empty() => {
                    self.others.extend(placed?);
                }
            }
        };
        while let Some(placed) = placing.next().await {
            self.others.extend(placed?);
        }
        ended
    }
}

/// Gives a file its name; gives it back if it is not what it should be.
async fn place(
    item: Item,
    content: Bytes,
    scratch: &Path,
    lanes: &Lanes,
    job: &Job,
) -> Result<Option<Item>> {
    let Some(expected) = item.expected.clone() else { return Ok(Some(item)) };
    let mut share = job.share(item.size());
    let (name, target) = (item.name.clone(), item.target.clone());
    let (scratch, body) = (scratch.to_owned(), content.clone());
    let place = move |seen: Seen| {
        expected.check(&seen, &name)?;
        atomic::write_through(&scratch, &target, &body, FILE_MODE, false)
    };
    match lanes.whole(content, place).await {
        Ok(()) => {
            share.advance(item.size().unwrap_or_default());
            share.done();
            if !item.form.is_document() {
                job.received();
            }
            Ok(None)
        }
        Err(error @ Error::Digest { .. }) => {
            log::info!(target: TARGET, "not as it should be in the archive: {error}");
            Ok(Some(item))
        }
        Err(error) => Err(error.of(item.name)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::digest::Hasher;
    use crate::http::testing::{answer, serve_all};
    use crate::runtime;
    use crate::shared::lock;
    use crate::transfer::download::{self, Options};
    use crate::transfer::plan::Expected;

    const COUNT: usize = 40;

    fn name(index: usize) -> String {
        format!("d{}/f{index:03}", index % 3)
    }

    fn content(name: &str) -> Vec<u8> {
        name.repeat(50).into_bytes()
    }

    /// All names, sorted.
    fn names() -> Vec<String> {
        let mut names: Vec<String> = (0..COUNT).map(name).collect();
        names.sort_unstable();
        names
    }

    fn packed(files: &[(String, Vec<u8>)]) -> Vec<u8> {
        let mut archive = Vec::new();
        for (name, content) in files {
            let size = content.len() as u64;
            archive.extend(tar::head(name, size, 0));
            archive.extend(content);
            archive.resize(archive.len() + tar::padding(size), 0);
        }
        archive.extend(tar::END);
        archive
    }

    /// An archive of the files after that one.
    fn of_all(after: &str) -> Vec<u8> {
        let files = names().into_iter().filter(|name| name.as_str() > after);
        packed(&files.map(|name| (name.clone(), content(&name))).collect::<Vec<_>>())
    }

    fn tar_answer(length: usize, body: &[u8]) -> Vec<u8> {
        answer("200 OK", "Content-Type: application/x-tar\r\n", length, body)
    }

    /// Downloads these files; returns what was asked for of archives, and the number of files that
    /// were asked for alone.
    fn fetch(
        folder: &Path,
        wanted: &[String],
        archive: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
    ) -> (Vec<String>, usize) {
        let asked = Arc::new(Mutex::new((Vec::new(), 0)));
        let noted = Arc::clone(&asked);
        let url = serve_all(move |head| {
            let path = head.split(' ').nth(1).unwrap();
            if let Some(query) = path.strip_prefix("/archive?") {
                let after = query.strip_prefix("after=").unwrap().strip_suffix("&most=65536");
                let after = after.unwrap().replace("%2F", "/");
                lock(&noted).0.push(after.clone());
                return archive(&after);
            }
            lock(&noted).1 += 1;
            let body = content(path.strip_prefix("/file/").unwrap());
            answer("200 OK", "", body.len(), &body)
        });
        let items = wanted.iter().map(|name| {
            let mut hasher = Hasher::default();
            hasher.update(&content(name));
            let md5 = hasher.finish().md5.to_string();
            let target = folder.join("target").join(name);
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            Item {
                url: url.join(&format!("/file/{name}")).unwrap(),
                name: format!("p/{name}"),
                target,
                expected: Some(Expected { size: content(name).len() as u64, md5 }),
                form: Form::Any,
            }
        });
        let url = url.join("/archive").unwrap();
        let archive = Archive { url, base: "p/".into(), names: names() };
        let scratch = folder.join("scratch");
        let options = Options { scratch, archive: Some(archive), ..Options::default() };
        let runtime = runtime::current().unwrap();
        let mut http = Http::new(&runtime).unwrap();
        http.retry.retries = 1;
        let job = Job::default();
        let all = download::download(&http, items.collect(), &options, &job);
        runtime.block_on(all).unwrap();
        let bytes: usize = wanted.iter().map(|name| content(name).len()).sum();
        let progress = job.progress();
        assert_eq!((progress.files_done, progress.bytes_done), (wanted.len() as u64, bytes as u64));
        assert_eq!(
            (progress.files_total, progress.bytes_total),
            (wanted.len() as u64, bytes as u64)
        );
        for name in wanted {
            assert_eq!(
                fs::read(folder.join("target").join(name)).unwrap(),
                content(name),
                "{name}"
            );
        }
        let found = crate::fs::walk::walk(folder, &|_| true, &job).unwrap();
        let files = found.iter().filter(|entry| entry.kind == crate::fs::walk::Kind::File);
        assert_eq!(files.count(), wanted.len(), "nothing else is there");
        lock(&asked).clone()
    }

    #[test]
    fn many_small_files_come_in_one_answer() {
        let folder = tempfile::tempdir().unwrap();
        let whole = of_all("");
        let asked = fetch(folder.path(), &names(), move |_| tar_answer(whole.len(), &whole));
        assert_eq!(asked, (vec![String::new()], 0));
    }

    #[test]
    fn an_answer_that_breaks_off_goes_on_behind_what_has_come() {
        let folder = tempfile::tempdir().unwrap();
        let (asked, alone) = fetch(folder.path(), &names(), move |after| {
            let rest = of_all(after);
            // Ten files, and a part of another.
            let some = rest.len().min(10 * 1024 + 700);
            tar_answer(rest.len(), &rest[..some])
        });
        let expected: Vec<String> =
            [String::new()].into_iter().chain([9, 19, 29].map(|at| names()[at].clone())).collect();
        assert_eq!((asked, alone), (expected, 0));
    }

    #[test]
    fn names_are_no_places_and_content_is_compared() {
        let folder = tempfile::tempdir().unwrap();
        let (asked, alone) = fetch(folder.path(), &names(), |_| {
            let mut files: Vec<_> = ["../x", "/tmp/x", "d0/../../x", "d0", "other/name", ""]
                .map(|name| (name.to_owned(), b"evil".to_vec()))
                .into();
            files.extend(names().into_iter().map(|name| (name.clone(), content(&name))));
            files[6].1[3] ^= 1;
            files[7].1.pop();
            files.remove(8);
            let archive = packed(&files);
            tar_answer(archive.len(), &archive)
        });
        assert_eq!((asked.len(), alone), (1, 3));
    }

    #[test]
    fn no_server_sends_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let others = (0..4000).map(|index| (format!("other/{index}"), vec![0; 512]));
        let more = packed(&others.chain([(name(0), content(&name(0)))]).collect::<Vec<_>>());
        let asked = fetch(folder.path(), &names(), move |_| tar_answer(more.len(), &more));
        assert_eq!(asked, (vec![String::new()], COUNT));

        let folder = tempfile::tempdir().unwrap();
        let (asked, alone) = fetch(folder.path(), &names(), |after| {
            let one = packed(&[(format!("{after}x"), Vec::new())]);
            tar_answer(1 << 30, &one[..512])
        });
        assert_eq!((asked, alone), (vec![String::new(), "x".to_owned()], COUNT));
    }

    #[test]
    fn what_is_no_archive_is_not_asked_for_again() {
        let cut = of_all("");
        let cut = cut[..cut.len() - 1024].to_vec();
        for (reply, alone) in [
            (answer("200 OK", "Content-Type: text/html\r\n", 4, b"page"), COUNT),
            (answer("404 Not Found", "", 0, b""), COUNT),
            (tar_answer(2000, &[b'x'; 2000]), COUNT),
            (tar_answer(0, b""), COUNT),
            (tar_answer(1024, &tar::END), COUNT),
            (tar_answer(cut.len(), &cut), 0),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let asked = fetch(folder.path(), &names(), move |_| reply.clone());
            assert_eq!(asked, (vec![String::new()], alone));
        }
    }

    #[test]
    fn an_archive_is_asked_for_if_it_pays() {
        let names = names();
        let some: Vec<String> = names.iter().step_by(2).cloned().collect();
        for (wanted, archives, alone) in [
            (&names[..LEAST_FILES - 1], vec![], LEAST_FILES - 1),
            (&names[..LEAST_FILES], vec![String::new()], 0),
            (&names[COUNT - LEAST_FILES..], vec![names[COUNT - LEAST_FILES - 1].clone()], 0),
            (&some, vec![], some.len()),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let asked = fetch(folder.path(), wanted, |after| {
                let archive = of_all(after);
                tar_answer(archive.len(), &archive)
            });
            assert_eq!(asked, (archives, alone));
        }
    }
}
