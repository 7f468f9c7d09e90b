//! Many small files in one request.
//!
//! 1. Files whose digests are known go to a server that takes archives in them, if they are small.
//! 2. They are divided among as many archives as may be sent at once, but into none of less than
//!    [`LEAST_BYTES`], more than [`MOST_BYTES`] or more than [`MOST_FILES`].
//! 3. An archive is made while it is sent. Nothing of a file is sent before it was compared with its
//!    digest.
//! 4. An archive that breaks off is sent again from its beginning: what has come is replaced by the
//!    same.
//! 5. Where one is refused, or does not arrive, its files are left to be sent by themselves, and so are
//!    those of archives that have not begun.

use std::cell::Cell;
use std::io::Read;
use std::sync::Arc;
use std::vec;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use reqwest::Url;
use reqwest::header::HeaderMap;

use super::TARGET;
use super::crowd::Crowd;
use super::put::{Fate, Item, put};
use crate::digest::Hasher;
use crate::error::IoContext;
use crate::fs::open;
use crate::http::{Http, Stream, counted};
use crate::job::Job;
use crate::system::Links;
use crate::tar;
use crate::{Error, Result};

/// Fewer files are sent one by one: they can all be on their way at once.
pub(crate) const LEAST_FILES: usize = 16;
/// An archive takes as long as one that is smaller: some round trips.
const LEAST_BYTES: u64 = 256 * 1024;
/// What is sent again if a connection breaks.
const MOST_BYTES: u64 = 8 * 1024 * 1024;
const MOST_FILES: usize = 1000;
/// What is sent at a time, and a file more.
const BLOCK_BYTES: usize = 64 * 1024;

/// Where a server takes archives.
#[derive(Debug)]
pub(crate) struct Archives {
    /// URL of their PUTs.
    pub(crate) url: Url,
    /// Headers of these.
    pub(crate) headers: HeaderMap,
}

/// Whether a file goes into an archive where there are any.
pub(crate) fn is_packed(item: &Item) -> bool {
    item.md5.is_some() && item.size.is_some_and(|size| size <= tar::MOST_SENT)
}

impl Archives {
    /// Sends these items; gives back those that are left, and tells `sent` of the others.
    pub(super) async fn send(
        &self,
        http: &Http,
        items: &[Item],
        packed: Vec<usize>,
        sent: &impl Fn(usize),
        crowd: &Crowd,
        job: &Job,
    ) -> Result<Vec<usize>> {
        let is_refused = Cell::new(false);
        let sender = &Sender { to: self, http, items, crowd, job, is_refused };
        stream::iter(divided(items, &packed, crowd.now()))
            .map(|some| async move {
                if !sender.send(&some).await? {
                    return Ok(some);
                }
                for index in some {
                    sent(index);
                }
                Ok(Vec::new())
            })
            .buffer_unordered(crowd.most())
            .try_concat()
            .await
    }
}

/// What an item takes of an archive.
fn bytes_of(item: &Item) -> u64 {
    let size = item.size.unwrap_or_default();
    let head = tar::head(&item.name, size, 0).len() + tar::padding(size);
    head as u64 + size
}

/// Divides items among archives, of which so many can be sent at once.
fn divided(items: &[Item], packed: &[usize], at_once: usize) -> Vec<Vec<usize>> {
    let all: u64 = packed.iter().map(|index| bytes_of(&items[*index])).sum();
    let most = all.div_ceil(at_once.max(1) as u64).clamp(LEAST_BYTES, MOST_BYTES);
    let (mut archives, mut bytes) = (Vec::<Vec<usize>>::new(), most);
    for index in packed {
        bytes += bytes_of(&items[*index]);
        match archives.last_mut().filter(|last| bytes <= most && last.len() < MOST_FILES) {
            Some(last) => last.push(*index),
            None => {
                archives.push(vec![*index]);
                bytes = bytes_of(&items[*index]);
            }
        }
    }
    archives
}

struct Sender<'a> {
    to: &'a Archives,
    http: &'a Http,
    items: &'a [Item],
    crowd: &'a Crowd,
    job: &'a Job,
    /// Whether one was refused.
    is_refused: Cell<bool>,
}

impl Sender<'_> {
    /// Sends an archive of these items. False if it was not to be sent.
    async fn send(&self, some: &[usize]) -> Result<bool> {
        let Self { to, http, crowd, job, .. } = *self;
        let _turn = crowd.turn().await;
        let items: Vec<Item> = some.iter().map(|index| self.items[*index].clone()).collect();
        let length = items.iter().map(bytes_of).sum::<u64>() + tar::END.len() as u64;
        let stream = |fate: &Arc<Fate>| {
            fate.begin(false);
            let state =
                (Packing { items: items.clone().into_iter(), has_ended: false }, Arc::clone(fate));
            let body = stream::try_unfold(state, |(mut packing, fate)| async {
                fate.touch();
                let block = packing.next();
                let block = fate.hand(block, packing.has_ended)?;
                Ok::<_, std::io::Error>(block.map(|block| (block, (packing, fate))))
            });
            Ok(Stream { length, body: reqwest::Body::wrap_stream(body) })
        };
        let mut tries = crowd.tries(http, &to.url, Some(length), job);
        loop {
            if self.is_refused.get() {
                return Ok(false);
            }
            tries.begin().await;
            let attempt = counted(tries.number(), put(http, &to.url, &to.headers, &stream));
            let error = match attempt.await {
                Ok(()) => break,
                Err(error @ (Error::Item { .. } | Error::Cancelled)) => return Err(error),
                Err(error) => error,
            };
            match tries.failed(error).await {
                Ok(()) => {}
                Err(Error::Cancelled) => return Err(Error::Cancelled),
                Err(error) => {
                    if !self.is_refused.replace(true) {
                        let why = error.chain();
                        log::info!(target: TARGET, "small files are sent one by one: {why}");
                    }
                    return Ok(false);
                }
            }
        }
        crowd.answered(&mut tries);
        for item in items {
            let mut share = job.share(item.size);
            share.advance(item.size.unwrap_or_default());
            share.done();
            log::debug!(target: TARGET, "sent {:?}", item.file);
        }
        Ok(true)
    }
}

/// An archive on its way.
struct Packing {
    items: vec::IntoIter<Item>,
    has_ended: bool,
}

impl Packing {
    /// The next block, `None` after the last one.
    fn next(&mut self) -> Result<Option<Bytes>> {
        if self.has_ended {
            return Ok(None);
        }
        let mut block = Vec::with_capacity(BLOCK_BYTES);
        while block.len() < BLOCK_BYTES {
            let Some(item) = self.items.next() else {
                block.extend(tar::END);
                self.has_ended = true;
                break;
            };
            pack(&item, &mut block).map_err(|error| error.of(item.name))?;
        }
        Ok(Some(block.into()))
    }
}

/// Adds a file, which must be what it is expected to be.
fn pack(item: &Item, block: &mut Vec<u8>) -> Result<()> {
    let size = item.size.unwrap_or_default();
    block.extend(tar::head(&item.name, size, 0));
    let start = block.len();
    let (file, _) = open::regular(&item.file, Links::Follow)?;
    // A byte more tells that it has grown.
    file.take(size + 1).read_to_end(block).at(&item.file)?;
    let mut hasher = Hasher::default();
    hasher.update(&block[start..]);
    let seen = hasher.finish();
    if seen.size != size || Some(seen.md5) != item.md5 {
        return Err(item.changed());
    }
    block.resize(block.len() + tar::padding(size), 0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::path::{Path, PathBuf};
    use std::sync::Mutex;

    use super::*;
    use crate::http::testing::answer;
    use crate::runtime;
    use crate::shared::lock;
    use crate::tar::Reader;
    use crate::transfer::upload::{self, Target};

    /// What a server has got: contents in archives and alone, and how many archives it was sent.
    #[derive(Debug, Default, Clone)]
    struct Got {
        packed: BTreeMap<String, Vec<u8>>,
        alone: BTreeMap<String, Vec<u8>>,
        archives: usize,
    }

    /// Takes files alone, and archives as `reply` says for each: with a status, or `None` to break off.
    fn serve(
        reply: impl Fn(usize) -> Option<&'static str> + Send + Sync + 'static,
    ) -> (Url, Arc<Mutex<Got>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let got = Arc::<Mutex<Got>>::default();
        let (noted, reply) = (Arc::clone(&got), Arc::new(reply));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, got, reply) =
                    (stream.unwrap(), Arc::clone(&noted), Arc::clone(&reply));
                // Clients may connect ahead, and give up.
                std::thread::spawn(move || take(&stream, &got, &*reply).ok());
            }
        });
        (url, got)
    }

    fn take(
        mut stream: &TcpStream,
        got: &Mutex<Got>,
        reply: &dyn Fn(usize) -> Option<&'static str>,
    ) -> std::io::Result<()> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            head.extend(byte);
        }
        let head = String::from_utf8(head).unwrap();
        let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        if let Some(name) = head.strip_prefix("PUT /file/") {
            stream.read_exact(&mut body)?;
            let name = name.split(' ').next().unwrap();
            lock(got).alone.insert(name.to_owned(), body);
            return stream.write_all(&answer("200 OK", "", 0, b""));
        }
        assert!(head.starts_with("PUT /archive ") && head.contains("\r\nx-session: s"), "{head}");
        let number = {
            let mut got = lock(got);
            got.archives += 1;
            got.archives - 1
        };
        let Some(status) = reply(number) else {
            let half = body.len() / 2;
            return stream.read_exact(&mut body[..half]);
        };
        stream.read_exact(&mut body)?;
        if status.starts_with("200") {
            let mut reader = Reader::new(tar::MOST_SENT);
            reader.push(&body);
            while let Some(member) = reader.next().unwrap() {
                lock(got).packed.insert(member.name, member.content.to_vec());
            }
            assert!(reader.has_ended());
        }
        stream.write_all(&answer(status, "", 0, b""))
    }

    fn content(number: usize) -> Vec<u8> {
        format!("content {number} ").repeat(number % 7 * 100).into_bytes()
    }

    fn name(number: usize) -> String {
        format!("d{}/f{number}é", number % 3)
    }

    fn item(folder: &Path, name: &str, content: &[u8]) -> Item {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, content).unwrap();
        let mut hasher = Hasher::default();
        hasher.update(content);
        Item { md5: Some(hasher.finish().md5), ..Item::new(file, name) }
    }

    fn small(folder: &Path, count: usize) -> Vec<Item> {
        (0..count).map(|number| item(folder, &name(number), &content(number))).collect()
    }

    fn send(url: &Url, items: &[Item], job: &Job) -> (Result<()>, Vec<usize>) {
        let runtime = runtime::current().unwrap();
        let mut http = Http::new(&runtime).unwrap();
        http.retry.retries = 1;
        let headers = [("x-session", "s")]
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let archives =
            Archives { url: url.join("archive").unwrap(), headers: HeaderMap::from_iter(headers) };
        let target = |index: usize| async move {
            let url = url.join(&format!("file/{index}")).unwrap();
            Ok(Target { url, headers: HeaderMap::new(), md5: items[index].md5, made: None })
        };
        let sent = std::cell::RefCell::new(Vec::new());
        let tell = |index: usize| sent.borrow_mut().push(index);
        let all = upload::upload(&http, items, Some(&archives), target, tell, 0, job);
        let result = runtime.block_on(all);
        let mut sent = sent.into_inner();
        sent.sort_unstable();
        (result, sent)
    }

    #[test]
    fn small_files_go_in_archives_and_others_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut items = small(folder.path(), 700);
        items.push(item(folder.path(), "large", &vec![7; 300_000]));
        items.push(Item { md5: None, ..item(folder.path(), "unknown", b"x") });
        let (url, got) = serve(|_| Some("200 OK"));
        let job = Job::default();
        let (result, sent) = send(&url, &items, &job);
        result.unwrap();
        let got = lock(&got).clone();
        let expected: BTreeMap<_, _> =
            (0..700).map(|number| (name(number), content(number))).collect();
        assert_eq!(got.packed, expected);
        assert_eq!(got.alone.keys().collect::<Vec<_>>(), ["700", "701"]);
        assert_eq!(sent, (0..702).collect::<Vec<_>>());
        assert!((2..=16).contains(&got.archives), "{}", got.archives);
        let progress = job.progress();
        let bytes: u64 = items.iter().map(|item| item.size.unwrap()).sum();
        assert_eq!((progress.files_done, progress.files_total), (702, 702));
        assert_eq!((progress.bytes_done, progress.bytes_total), (bytes, bytes));
    }

    #[test]
    fn an_archive_that_breaks_off_is_sent_again() {
        let folder = tempfile::tempdir().unwrap();
        let items = small(folder.path(), 150);
        let (url, got) = serve(|number| match number {
            0 => None,
            1 => Some("503 Busy"),
            _ => Some("200 OK"),
        });
        let (result, sent) = send(&url, &items, &Job::default());
        result.unwrap();
        let got = lock(&got).clone();
        assert_eq!((got.packed.len(), got.alone.len(), sent.len()), (150, 0, 150));
        assert!(got.archives >= 4, "{}", got.archives);
    }

    #[test]
    fn what_is_refused_is_sent_one_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let items = small(folder.path(), 40);
        let refusals = ["400 Bad", "403 No", "404 Gone", "413 Large", "501 Unknown", "503 Busy"];
        for status in refusals.map(Some).into_iter().chain([None]) {
            let (url, got) = serve(move |_| status);
            let job = Job::default();
            let (result, sent) = send(&url, &items, &job);
            result.unwrap();
            let got = lock(&got).clone();
            assert_eq!((got.packed.len(), got.alone.len(), sent.len()), (0, 40, 40), "{status:?}");
            assert_eq!(job.progress().files_done, 40);
            assert!(got.archives <= 3, "{status:?}: {}", got.archives);
        }
    }

    #[test]
    fn a_refusal_is_believed_for_archives_to_come() {
        let folder = tempfile::tempdir().unwrap();
        let one = item(folder.path(), "f", &vec![7; 60_000]);
        let items: Vec<Item> =
            (0..200).map(|number| Item { name: format!("f{number}"), ..one.clone() }).collect();
        let (url, got) = serve(|_| Some("403 No"));
        send(&url, &items, &Job::default()).0.unwrap();
        let got = lock(&got).clone();
        assert_eq!(got.alone.len(), 200);
        assert!(got.archives <= 16, "{}", got.archives);
    }

    #[test]
    fn a_file_that_has_changed_does_not_arrive() {
        type Change = fn(&PathBuf);
        let changes: [Change; 4] = [
            |file| fs::write(file, "changed").unwrap(),
            |file| fs::write(file, "changed content").unwrap(),
            |file| fs::write(file, "").unwrap(),
            |file| fs::remove_file(file).unwrap(),
        ];
        for change in changes {
            let folder = tempfile::tempdir().unwrap();
            let mut items = small(folder.path(), 40);
            items.push(item(folder.path(), "mine", b"content"));
            change(&folder.path().join("mine"));
            let (url, got) = serve(|_| Some("200 OK"));
            let error = send(&url, &items, &Job::default()).0.unwrap_err();
            let Error::Item { item, source } = error else { panic!("{error:?}") };
            assert_eq!(item, "mine");
            let is_gone = matches!(*source, Error::Io { .. });
            assert!(is_gone || source.chain().contains("has changed since"), "{}", source.chain());
            let got = lock(&got).clone();
            assert!(!got.packed.contains_key("mine") && got.alone.is_empty());
        }
    }

    #[test]
    fn archives_are_neither_many_nor_large() {
        let item = |size| Item { size: Some(size), ..Item::new("/none".into(), "f") };
        let numbers = |sizes: &[u64], at_once| -> Vec<usize> {
            let items: Vec<Item> = sizes.iter().map(|size| item(*size)).collect();
            let packed: Vec<usize> = (0..items.len()).collect();
            let archives = divided(&items, &packed, at_once);
            assert_eq!(archives.concat(), packed);
            archives.iter().map(Vec::len).collect()
        };
        assert_eq!(numbers(&[1; 16], 16), [16], "too little for two");
        assert_eq!(numbers(&vec![4096; 2000], 16), [125; 16]);
        assert_eq!(numbers(&vec![0; 2500], 1), [1000, 1000, 500]);
        let large = numbers(&[tar::MOST_SENT; 100], 1);
        assert_eq!(large.iter().max(), Some(&31), "no more than 8 MiB");
        assert_eq!(numbers(&[], 16), Vec::<usize>::new());
    }
}
