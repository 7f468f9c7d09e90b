//! Many small files out of one ZIP archive, which a server makes of what it is asked for.
//!
//! 1. The archive comes into a file without a name, since it is its end that tells what is in it.
//! 2. Its files are looked up by their names among those that are wanted, and must be what is
//!    expected of them; a name is never a place.
//! 3. Whatever is missing in the end, or wrong, or could be another one, is left to be asked for by
//!    itself.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use bytes::BytesMut;
use reqwest::Url;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};

use super::TARGET;
use super::plan::FILE_MODE;
use crate::digest::running::{Kind, Running};
use crate::error::IoContext;
use crate::fs::{atomic, litter};
use crate::http::{Http, counted, was_refused};
use crate::job::Job;
use crate::parallel::aside;
use crate::zip::{self, Member};
use crate::{Error, Result, system};

/// What is written at a time.
const BLOCK_BYTES: usize = 1 << 20;
/// So much may come beside what is wanted, once its double has come.
const SPARE_BYTES: u64 = 1 << 20;
/// Where nobody else can see what an archive has.
const ARCHIVE_MODE: u32 = 0o600;

/// A file that is wanted.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    /// Its name in the archive.
    pub(crate) name: String,
    /// Its size.
    pub(crate) size: u64,
    /// Its SHA-512 digest in hexadecimal digits, if that is known.
    pub(crate) sha512: Option<String>,
    /// Where to, in a folder that is there. What is there is replaced once the new content is whole.
    pub(crate) target: PathBuf,
}

/// An archive that is to be asked for.
#[derive(Debug)]
pub(crate) struct Archive {
    /// Where.
    pub(crate) url: Url,
    /// Headers of its requests.
    pub(crate) headers: HeaderMap,
    /// Whether its files come in the order of those that are wanted: several may have the same name
    /// then.
    pub(crate) is_ordered: bool,
}

/// Takes what an archive has of these files; says which of them have come.
pub(crate) async fn receive(
    http: &Http,
    archive: &Archive,
    files: Vec<Packed>,
    job: &Job,
) -> Result<Vec<bool>> {
    let none = vec![false; files.len()];
    let Some(folder) = files.first().and_then(|file| file.target.parent()) else { return Ok(none) };
    let folder = folder.to_owned();
    let wanted = |file: &Packed| 2 * (file.size + file.name.len() as u64) + zip::OVERHEAD;
    let most = SPARE_BYTES + files.iter().map(wanted).sum::<u64>();
    let mut tries = http.tries(&archive.url, job);
    let come = loop {
        let begin = async {
            tries.begin().await;
            Ok(())
        };
        job.race(begin).await?;
        let attempt = counted(tries.number(), attempt(http, archive, &folder, most, job));
        match job.race(attempt).await {
            Ok(come) => break come,
            Err(error @ (Error::Io { .. } | Error::Cancelled)) => return Err(error),
            Err(error) if was_refused(&error) || matches!(error, Error::Status { .. }) => {
                tries.failed(error).await?;
            }
            // Alone, each file goes on behind what has come of it.
            Err(error) => tries.failed_with(error, 1).await?,
        }
    };
    tries.answered();
    let Some(mut come) = come else { return Ok(none) };
    let (is_ordered, job) = (archive.is_ordered, job.child());
    aside(move || unpack(&mut come, &files, is_ordered, &job)).await
}

/// Receives an archive; `None` if the answer is none, or has too much in it.
async fn attempt(
    http: &Http,
    archive: &Archive,
    folder: &Path,
    most: u64,
    job: &Job,
) -> Result<Option<File>> {
    let mut response = http.get_large_once(&archive.url, &archive.headers).await?;
    let is_archive = response.header(CONTENT_TYPE) == Some(zip::MEDIA_TYPE)
        && response.header(CONTENT_ENCODING).is_none();
    if !is_archive {
        doubt("the answer is no archive");
        return Ok(None);
    }
    let place = folder.to_owned();
    let mut staged = aside(move || {
        litter::clear_once(&place);
        atomic::stage_nameless(&place, ARCHIVE_MODE)
    })
    .await?;
    let (mut block, mut written, mut has_ended) = (BytesMut::new(), 0, false);
    while !has_ended {
        match response.chunk().await? {
            Some(piece) => {
                job.advance(piece.len() as u64);
                block.extend_from_slice(&piece);
            }
            None => has_ended = true,
        }
        if block.len() >= BLOCK_BYTES || has_ended {
            let (block, place) = (block.split().freeze(), folder.to_owned());
            let (start, length) = (written, block.len() as u64);
            let done = aside(move || {
                system::write_all_at(staged.file(), &block, start).at(&place).map(|()| staged)
            });
            staged = done.await?;
            written += length;
        }
        if written + block.len() as u64 > most {
            doubt("the archive is larger than what is wanted");
            return Ok(None);
        }
    }
    staged.file().try_clone().at(folder).map(Some)
}

fn doubt(why: &str) {
    log::info!(target: TARGET, "files of an archive are asked for one by one: {why}");
}

/// Gives the files of an archive their names; says which of them are there.
fn unpack(archive: &mut File, files: &[Packed], is_ordered: bool, job: &Job) -> Result<Vec<bool>> {
    let mut placed = vec![false; files.len()];
    let members = match zip::members(archive) {
        Ok(members) => members,
        Err(error) => return unless_malformed(error).map(|()| placed),
    };
    for (file, member) in matched(files, &members, is_ordered) {
        job.check()?;
        let wanted = &files[file];
        let content = match member.content(archive) {
            Ok(content) => content,
            Err(error) => {
                unless_malformed(error)?;
                continue;
            }
        };
        if is_expected(&content, wanted) {
            let folder = wanted.target.parent().unwrap_or_else(|| Path::new("."));
            atomic::write_through(folder, &wanted.target, &content, FILE_MODE, false)?;
            placed[file] = true;
        }
    }
    Ok(placed)
}

/// A fault of the archive is none of the call.
fn unless_malformed(error: io::Error) -> Result<()> {
    match error.kind() {
        ErrorKind::InvalidData | ErrorKind::UnexpectedEof => {
            doubt(&error.to_string());
            Ok(())
        }
        _ => Err(error).at("archive"),
    }
}

/// Which of the files each member is.
fn matched<'a>(
    files: &[Packed],
    members: &'a [Member],
    is_ordered: bool,
) -> Vec<(usize, &'a Member)> {
    let mut named: HashMap<&[u8], (Vec<usize>, Vec<&Member>)> = HashMap::new();
    for (at, file) in files.iter().enumerate() {
        named.entry(file.name.as_bytes()).or_default().0.push(at);
    }
    for member in members {
        if let Some((_, found)) = named.get_mut(&member.name[..]) {
            found.push(member);
        }
    }
    // If one of several is missing, nobody knows which.
    named.retain(|_, (wanted, found)| {
        wanted.len() == found.len() && (is_ordered || wanted.len() == 1)
    });
    let mut pairs: Vec<(usize, &Member)> = named
        .values()
        .flat_map(|(wanted, found)| wanted.iter().copied().zip(found.clone()))
        .collect();
    pairs.sort_unstable_by_key(|(_, member)| member.place());
    if !pairs.is_sorted_by_key(|(file, _)| *file) {
        // It is not in the order that was thought.
        pairs.retain(|(file, _)| named[files[*file].name.as_bytes()].0.len() == 1);
    }
    pairs.retain(|(file, member)| files[*file].size == member.size);
    pairs
}

/// Whether a content is the one that is wanted. In the place of a file that is elsewhere, the archive
/// has its URL.
fn is_expected(content: &[u8], wanted: &Packed) -> bool {
    if content.starts_with(b"http:") || content.starts_with(b"https:") {
        return false;
    }
    wanted.sha512.as_ref().is_none_or(|expected| {
        let mut digest = Running::new(Kind::Sha512);
        digest.update(content);
        digest.finish().eq_ignore_ascii_case(expected)
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::http::testing::{answer, serve_all};
    use crate::runtime;
    use crate::zip::testing::archive;

    /// Asks for files of these names and contents; gives what has come, and how often was asked.
    fn receive_from(
        folder: &Path,
        wanted: &[(&str, &[u8])],
        is_ordered: bool,
        reply: impl Fn(usize) -> Vec<u8> + Send + Sync + 'static,
    ) -> (Result<Vec<bool>>, usize) {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let url = serve_all(move |_| reply(count.fetch_add(1, Ordering::Relaxed)));
        let packed = |(at, (name, content)): (usize, &(&str, &[u8]))| Packed {
            name: (*name).to_owned(),
            size: content.len() as u64,
            sha512: None,
            target: folder.join(at.to_string()),
        };
        let files = wanted.iter().enumerate().map(packed).collect();
        let archive = Archive { url, headers: HeaderMap::new(), is_ordered };
        let runtime = runtime::current().unwrap();
        let (http, job) = (Http::new(&runtime).unwrap(), Job::default());
        let come = runtime.block_on(receive(&http, &archive, files, &job));
        for (at, (_, content)) in wanted.iter().enumerate() {
            let has_come = come.as_ref().is_ok_and(|come| come[at]);
            let found = fs::read(folder.join(at.to_string())).ok();
            assert_eq!(found.as_deref(), has_come.then_some(*content), "{at}");
        }
        let left = fs::read_dir(folder).unwrap().count();
        assert_eq!(left, come.as_ref().map_or(0, |come| come.iter().filter(|one| **one).count()));
        (come, asked.load(Ordering::Relaxed))
    }

    fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
        let body = archive(files);
        answer("200 OK", "Content-Type: application/zip\r\n", body.len(), &body)
    }

    fn come(wanted: &[(&str, &[u8])], is_ordered: bool, packed: &[(&str, &[u8])]) -> Vec<bool> {
        let (folder, answer) = (tempfile::tempdir().unwrap(), zipped(packed));
        let (come, asked) =
            receive_from(folder.path(), wanted, is_ordered, move |_| answer.clone());
        assert_eq!(asked, 1);
        come.unwrap()
    }

    #[test]
    fn files_come_by_their_names_and_sizes() {
        let wanted: [(&str, &[u8]); 5] =
            [("a", b"1"), ("é", b"22"), ("empty", b""), ("longer", b"5"), ("not there", b"")];
        let packed: [(&str, &[u8]); 6] = [
            ("../x", b"evil"),
            ("é", b"22"),
            ("a", b"1"),
            ("empty", b""),
            ("longer", b"55"),
            ("", b""),
        ];
        for is_ordered in [true, false] {
            assert_eq!(come(&wanted, is_ordered, &packed), [true, true, true, false, false]);
        }
        assert_eq!(come(&wanted[..1], true, &[]), [false]);
    }

    #[test]
    fn equal_names_are_told_apart_by_order_or_not_at_all() {
        let wanted: [(&str, &[u8]); 4] = [("x", b"1"), ("a", b"2"), ("x", b"3"), ("b", b"4")];
        let without = |at: usize| [&wanted[..at], &wanted[at + 1..]].concat();
        assert_eq!(come(&wanted, true, &wanted), [true; 4]);
        assert_eq!(come(&wanted, false, &wanted), [false, true, false, true]);
        // One of two is missing, or there are three of them.
        assert_eq!(come(&wanted, true, &without(0)), [false, true, false, true]);
        let more = [&wanted[..], &[("x", b"5")]].concat();
        assert_eq!(come(&wanted, true, &more), [false, true, false, true]);
        let others = [wanted[2], wanted[3], wanted[1], wanted[0]];
        assert_eq!(come(&wanted, true, &others), [false, true, false, true]);
    }

    #[test]
    fn contents_are_compared_and_are_no_files() {
        // Of the size of what was there before, it looks like its end and another file.
        let forged = archive(&[("a", b"x"), ("b", b"evil")]);
        let wanted: [(&str, &[u8]); 2] = [("a", b"x"), ("b", b"good")];
        assert_eq!(come(&wanted, true, &[("a", &forged[31..]), ("b", b"good")]), [false, true]);
        let links: [(&str, &[u8]); 3] = [("a", b"http:x"), ("b", b"https://b/"), ("c", b"httpx:")];
        assert_eq!(come(&links, true, &links), [false, false, true]);

        let folder = tempfile::tempdir().unwrap();
        for (digest, is_expected) in [("ddaf35a19361", false), (ABC, true)] {
            let target = folder.path().join("f");
            let sha512 = Some(digest.to_ascii_uppercase());
            let wanted = Packed { name: "f".into(), size: 3, sha512, target: target.clone() };
            let mut file = tempfile::tempfile().unwrap();
            io::Write::write_all(&mut file, &archive(&[("f", b"abc")])).unwrap();
            let come = unpack(&mut file, &[wanted], false, &Job::default()).unwrap();
            assert_eq!((come, target.exists()), (vec![is_expected], is_expected));
        }
    }

    const ABC: &str = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                       2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";

    #[test]
    fn what_breaks_off_is_asked_for_once_more() {
        let folder = tempfile::tempdir().unwrap();
        let wanted: [(&str, &[u8]); 2] = [("a", &[1; 3000]), ("b", &[2; 3000])];
        let whole = zipped(&wanted);
        let cut = whole[..whole.len() - 3000].to_vec();
        let (one, other) = (cut.clone(), whole.clone());
        let reply = move |count| if count == 0 { one.clone() } else { other.clone() };
        let (come, asked) = receive_from(folder.path(), &wanted, true, reply);
        assert_eq!((come.unwrap(), asked), (vec![true, true], 2));
        let folder = tempfile::tempdir().unwrap();
        let (come, asked) = receive_from(folder.path(), &wanted, true, move |_| cut.clone());
        assert!(matches!(come, Err(Error::Transport { .. })), "{come:?}");
        assert_eq!(asked, 2);
    }

    #[test]
    fn what_is_no_archive_is_not_asked_for_again() {
        let wanted: [(&str, &[u8]); 1] = [("a", b"text")];
        let body = archive(&wanted);
        let zip = "Content-Type: application/zip\r\n";
        let much = vec![0; 2 << 20];
        for reply in [
            answer("200 OK", "Content-Type: text/html\r\n", body.len(), &body),
            answer("200 OK", &format!("{zip}Content-Encoding: gzip\r\n"), body.len(), &body),
            answer("200 OK", zip, body.len() - 1, &body[..body.len() - 1]),
            answer("200 OK", zip, 0, b""),
            answer("200 OK", zip, much.len(), &much),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let (come, asked) = receive_from(folder.path(), &wanted, true, move |_| reply.clone());
            assert_eq!((come.unwrap(), asked), (vec![false], 1));
        }
        let folder = tempfile::tempdir().unwrap();
        let refusal = answer("400 Bad Request", "", 0, b"");
        let (come, asked) = receive_from(folder.path(), &wanted, true, move |_| refusal.clone());
        assert!(matches!(come, Err(Error::Status { status: 400, .. })));
        assert_eq!(asked, 1);
    }

    #[test]
    fn a_disk_that_takes_no_file_is_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("missing").join("f");
        let wanted = Packed { name: "f".into(), size: 3, sha512: None, target };
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, &archive(&[("f", b"abc")])).unwrap();
        let job = Job::default();
        let placed = unpack(&mut file, std::slice::from_ref(&wanted), true, &job);
        assert!(matches!(placed, Err(Error::Io { .. })));
        job.cancel();
        assert!(matches!(unpack(&mut file, &[wanted], true, &job), Err(Error::Cancelled)));
    }
}
