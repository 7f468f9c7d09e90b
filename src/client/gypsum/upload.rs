//! Uploads: a session is started, files are sent to the places that the service names, and the
//! session is completed or aborted.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet, VecDeque};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use super::prepare::LinkTo;
use super::remote::{Answer, Call, Remote, secret};
use crate::digest::{self, Digest};
use crate::error::{IoContext, tell};
use crate::http::{Document, url, was_refused, was_sent};
use crate::job::Job;
use crate::registry::format::layout::SUMMARY;
use crate::relpath::RelPath;
use crate::runtime::PerProcess;
use crate::shared::lock;
use crate::transfer::pack::{self, Archives};
use crate::transfer::put::Item;
use crate::transfer::upload::{self, Target};
use crate::{Error, Refusal, Result, runtime, tar};

/// Places that are asked for at once, where the service knows how.
const BATCH: usize = 256;
/// What a service says that gives many places at once: where to ask for them.
const BATCHES: &str = "selenite-presigned-files";
/// What a service says that takes many small files at once: where to send them.
const ARCHIVE: &str = "selenite-upload-archive";
/// Sessions whose offers are kept.
const MOST_SESSIONS: usize = 256;

const EXISTS: &str = r#"{"status":"error","reason":"project-asset-version already exists"}"#;

/// A file of a new version.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct File {
    /// Path inside of the version.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// MD5 digest in hexadecimal digits.
    pub md5sum: String,
    /// Whether the service may link it to an equal file of the latest version.
    #[serde(default)]
    pub dedup: Option<bool>,
}

/// A new version.
#[derive(Debug)]
pub struct Start<'a> {
    /// Its project.
    pub project: &'a str,
    /// Its asset.
    pub asset: &'a str,
    /// Its name.
    pub version: &'a str,
    /// Its files.
    pub files: Vec<File>,
    /// Its links to files of the registry.
    pub links: Vec<LinkTo>,
    /// What holds for files that do not say it themselves.
    pub deduplicate: bool,
    /// Whether it is to be approved or rejected later.
    pub on_probation: bool,
    /// The token that its session is to have, if the service lets clients choose: ours does.
    pub session: Option<&'a str>,
}

/// Where one file is to be sent.
#[derive(Debug, Clone, Deserialize)]
pub struct Place {
    path: String,
    url: serde_json::Value,
    method: String,
}

/// What a service can do for a session besides what all can, as its answers say: where many places are
/// asked for at once, and where archives are sent.
#[derive(Debug, Clone, Default)]
struct Offers {
    batches: Option<String>,
    archive: Option<String>,
}

/// Those that came with the start of a session, by its token: the first place need not be waited for to
/// know them.
static OFFERS: PerProcess<Mutex<VecDeque<(String, Offers)>>> = PerProcess::empty();

impl Offers {
    fn of(headers: &[(String, String)]) -> Self {
        let told = |wanted: &str| Some(headers.iter().find(|(name, _)| name == wanted)?.1.clone());
        Self { batches: told(BATCHES), archive: told(ARCHIVE) }
    }

    fn keep(self, started: &Document) {
        #[derive(Deserialize)]
        struct Session {
            session_token: String,
        }

        // What else an answer may be is looked at by those who want it.
        if let (Some(_), Ok(Session { session_token })) = (&self.batches, started.parse()) {
            let mut kept = lock(OFFERS.get(Mutex::default));
            kept.truncate(MOST_SESSIONS - 1);
            kept.push_front((session_token, self));
        }
    }

    fn known(session: &str) -> Option<Self> {
        let kept = lock(OFFERS.get(Mutex::default));
        kept.iter().find(|(token, _)| token == session).map(|(_, offers)| offers.clone())
    }

    /// Forgets what was kept for a session; false if nothing was.
    fn forget(session: &str) -> bool {
        let mut kept = lock(OFFERS.get(Mutex::default));
        let before = kept.len();
        kept.retain(|(token, _)| token != session);
        kept.len() < before
    }
}

/// Sizes and digests of files below `directory`, or the working directory.
pub fn describe(directory: Option<&Path>, paths: Vec<String>, job: &Job) -> Result<Vec<File>> {
    let full =
        |path: &String| directory.map_or_else(|| PathBuf::from(path), |root| root.join(path));
    let places: Vec<PathBuf> = paths.iter().map(full).collect();
    let seen = digest::of_files(&places, job)?;
    let files = paths.into_iter().zip(seen).map(|(path, seen)| {
        let seen = seen?;
        Ok(File { path, size: seen.size, md5sum: seen.md5.to_string(), dedup: None })
    });
    files.collect()
}

/// Runs of slashes as one.
fn collapsed(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for letter in path.chars() {
        if letter != '/' || !text.ends_with('/') {
            text.push(letter);
        }
    }
    text
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Sent {
    Simple { path: String, size: u64, md5sum: String },
    Dedup { path: String, size: u64, md5sum: String },
    Link { path: String, link: SentLink },
}

#[derive(Serialize)]
struct SentLink {
    project: String,
    asset: String,
    version: String,
    path: String,
}

/// Starts an upload; the answer says what to send where.
///
/// A version that exists is left alone: some services delete it when they refuse to make it again.
pub fn start(remote: &Remote, new: Start<'_>, token: &str, job: &Job) -> Result<Document> {
    #[derive(Serialize)]
    struct Body {
        files: Vec<Sent>,
        on_probation: bool,
    }

    let Start { project, asset, version, files, links, deduplicate, on_probation, session } = new;
    let files = files.into_iter().map(|File { path, size, md5sum, dedup }| {
        let path = collapsed(&path);
        if dedup.unwrap_or(deduplicate) {
            Sent::Dedup { path, size, md5sum }
        } else {
            Sent::Simple { path, size, md5sum }
        }
    });
    let links = links.into_iter().map(|link| {
        let LinkTo { from_path, project, asset, version, path } = link;
        let link = SentLink { project, asset, version, path: collapsed(&path) };
        Sent::Link { path: collapsed(&from_path), link }
    });
    let body = Body { files: files.chain(links).collect(), on_probation };
    let body = serde_json::to_vec(&body)
        .map_err(|error| Error::invalid("files", "", error.to_string()))?;
    let url = remote.endpoint("upload/start", &[project, asset, version])?;
    runtime::current()?.block_on(async {
        let summary = format!("{project}/{asset}/{version}/{SUMMARY}");
        let look = remote.look(&summary, job).await?;
        if look.is_there {
            return Err(Error::Status {
                method: "POST".into(),
                url: url::redacted(&url),
                status: 400,
                reason: "project-asset-version already exists".into(),
                headers: Vec::new(),
                body: EXISTS.into(),
            });
        }
        let is_repeatable = session.is_some() && look.lets_choose;
        let call = Call { body: body.into(), session, ..Call::post(url, token) };
        let again = |error: &Error, _: bool| is_repeatable || was_refused(error);
        let (sent, may_be_begun) = send_known(remote, &call, is_repeatable, again, job).await;
        let sent = sent.map_err(|error| match error {
            // This does not say that nothing was begun then: the session is not to be forgotten.
            Error::Status { status: 400..500, .. } if may_be_begun => Error::Transport {
                method: "POST".into(),
                url: url::redacted(&call.url),
                source: format!("an answer was lost, and then: {}", error.chain()).into(),
            },
            other => other,
        })?;
        Offers::of(&sent.headers).keep(&sent.document);
        Ok(sent.document)
    })
}

/// Sends the files of a session; their places are asked for while others are sent. What `journal`
/// says was sent is not sent again.
pub fn upload_files(
    remote: &Remote,
    places: &[Place],
    session: &str,
    directory: &Path,
    journal: Option<&Path>,
    concurrency: usize,
    job: &Job,
) -> Result<()> {
    let journal = journal.map(Journal::open).transpose()?;
    let is_sent = |place: &&Place| journal.as_ref().is_some_and(|known| known.has(&place.path));
    let mut files = Vec::with_capacity(places.len());
    for place in places.iter().filter(|place| !is_sent(place)) {
        let Place { path, url, method } = place;
        if method != "presigned" {
            let (method, path) = (method.clone(), path.clone());
            return Err(Error::Refused(Refusal::Method { method, path }));
        }
        // The service names files of ours: only below this directory.
        let file = RelPath::parse(path.as_str())?.under(directory);
        let url = url.as_str().unwrap_or_default();
        files.push((Item { md5: digest_in(url, path), ..Item::new(file, path) }, url));
    }
    // Places are asked for in this order, and perhaps not for what is small.
    files.sort_by_key(|(item, _)| pack::is_packed(item));
    let (items, urls): (Vec<_>, Vec<_>) = files.into_iter().unzip();
    let presigner = Presigner::new(remote, urls, session, job)?;
    let target = |index: usize| presigner.target(index);
    let sent = |index: usize| {
        if let Some(journal) = &journal {
            journal.note(&items[index].name);
        }
    };
    runtime::current()?.block_on(async {
        let small = items.iter().rev().take_while(|item| pack::is_packed(item)).count();
        let archives = if small < pack::LEAST_FILES { None } else { presigner.archives().await? };
        let archives = archives.as_ref();
        upload::upload(&remote.http, &items, archives, target, sent, concurrency, job).await
    })
}

/// The digest of a file of that path, where the URL to ask for its place tells it: that ends in what
/// the service knows the file by, project, asset, version, path and digest.
fn digest_in(url: &str, path: &str) -> Option<Digest> {
    let slug = URL_SAFE_NO_PAD.decode(url.rsplit('/').next()?).ok()?;
    let [_, _, _, known, md5sum]: [String; 5] = serde_json::from_slice(&slug).ok()?;
    Digest::parse(&md5sum).filter(|_| known == path)
}

/// The files of a session that were sent: a file of a line of JSON for each path.
struct Journal {
    file: fs::File,
    known: HashSet<String>,
}

impl Journal {
    fn open(path: &Path) -> Result<Self> {
        let mut file =
            fs::OpenOptions::new().read(true).append(true).create(true).open(path).at(path)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).at(path)?;
        // A line that was cut off says nothing; the next one begins anew.
        let known =
            text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
        let known = known.collect();
        if text.last().is_some_and(|byte| *byte != b'\n') {
            file.write_all(b"\n").at(path)?;
        }
        Ok(Self { file, known })
    }

    fn has(&self, path: &str) -> bool {
        self.known.contains(path)
    }

    fn note(&self, path: &str) {
        let line = format!("{}\n", serde_json::Value::from(path));
        // It would only be sent once more.
        let noted = (&self.file).write_all(line.as_bytes()).at(path);
        tell("selenite.transfer", "cannot note what was sent", noted);
    }
}

/// Asks where files are to be sent: for one file, or for many at once where the service says that it
/// can be asked so.
struct Presigner<'a> {
    remote: Remote,
    /// By which each file is asked for, as the service wrote them.
    urls: Vec<&'a str>,
    session: &'a str,
    job: &'a Job,
    /// Where many are asked for, if that is known, and whether that was of no use.
    batches: RefCell<Option<Url>>,
    is_refused: Cell<bool>,
    /// Where archives are sent, if that is known.
    archive: RefCell<Option<Url>>,
    /// Whether the service has said what it offers.
    is_told: Cell<bool>,
    /// Held by the one who asks.
    asking: tokio::sync::Mutex<()>,
    /// What was given and is not used yet.
    ready: RefCell<HashMap<usize, Target>>,
    /// Files before this one were asked for.
    next: Cell<usize>,
}

#[derive(Deserialize)]
struct Presigned {
    url: String,
    md5sum_base64: String,
}

impl Presigned {
    fn target(self) -> Result<Target> {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::try_from(&self.md5sum_base64)
            .map_err(|_| Error::invalid("md5sum_base64", &self.md5sum_base64, "no digest"))?;
        headers.insert(HeaderName::from_static("content-md5"), value);
        let md5 = STANDARD.decode(&self.md5sum_base64).ok();
        let md5 = md5.and_then(|bytes| Some(Digest(bytes.try_into().ok()?)));
        Ok(Target { url: url::parse(&self.url)?, headers, md5, made: Some(Instant::now()) })
    }
}

impl<'a> Presigner<'a> {
    fn new(remote: &Remote, urls: Vec<&'a str>, session: &'a str, job: &'a Job) -> Result<Self> {
        for url in &urls {
            remote.at(url)?;
        }
        let mut remote = remote.clone();
        remote.http = remote.http.preparing();
        let (batches, ready) = (RefCell::default(), RefCell::default());
        let (asking, next) = (tokio::sync::Mutex::default(), Cell::new(0));
        let (archive, [is_refused, is_told]) = (RefCell::default(), Default::default());
        let presigner = Self {
            remote,
            urls,
            session,
            job,
            batches,
            is_refused,
            archive,
            is_told,
            asking,
            ready,
            next,
        };
        if let Some(offers) = Offers::known(session) {
            presigner.note(offers)?;
        }
        Ok(presigner)
    }

    fn note(&self, Offers { batches, archive }: Offers) -> Result<()> {
        if let Some(path) = batches.filter(|_| !self.is_refused.get()) {
            *self.batches.borrow_mut() = Some(self.remote.at(&path)?);
        }
        if let Some(path) = archive {
            *self.archive.borrow_mut() = Some(self.remote.at(&path)?);
        }
        self.is_told.set(true);
        Ok(())
    }

    /// Where archives are sent, if the service says so, at the latest with the first place.
    async fn archives(&self) -> Result<Option<Archives>> {
        if !self.is_told.get() {
            let first = self.ask(0).await?;
            self.ready.borrow_mut().insert(0, first);
        }
        let Some(url) = self.archive.take() else { return Ok(None) };
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, secret(self.session)?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(tar::MEDIA_TYPE));
        Ok(Some(Archives { url, headers }))
    }

    /// Where a file is to be sent; another place each time.
    async fn target(&self, index: usize) -> Result<Target> {
        if index >= self.next.get() && self.batches.borrow().is_some() {
            let _one = self.asking.lock().await;
            let batches = self.batches.borrow().clone();
            if let Some(url) = batches.filter(|_| index >= self.next.get()) {
                self.ask_for_many(url, index).await?;
            }
        }
        let ready = self.ready.borrow_mut().remove(&index);
        match ready {
            Some(target) => Ok(target),
            None => self.ask(index).await,
        }
    }

    async fn ask(&self, index: usize) -> Result<Target> {
        self.next.set(self.next.get().max(index + 1));
        let url = self.remote.at(self.urls[index])?;
        let call = Call { is_repeatable: true, ..Call::post(url, self.session) };
        let answer = self.remote.send(&call, self.job).await?;
        self.note(Offers::of(&answer.headers))?;
        answer.document.parse::<Presigned>()?.target()
    }

    /// Asks for files from this one on.
    async fn ask_for_many(&self, url: Url, first: usize) -> Result<()> {
        let end = (first + BATCH).min(self.urls.len());
        let body = serde_json::to_vec(&self.urls[first..end])
            .map_err(|error| Error::invalid("file_urls", "", error.to_string()))?;
        let call = Call::post(url, self.session);
        let call = Call { is_repeatable: true, body: body.into(), ..call };
        let given: Vec<Presigned> = match self.remote.send(&call, self.job).await {
            Ok(answer) => answer.document.parse()?,
            Err(error @ Error::Status { .. }) => {
                // Each file is asked for alone, and whose fault it is will be seen.
                log::info!("many places at once are not to be had: {}", error.chain());
                *self.batches.borrow_mut() = None;
                self.is_refused.set(true);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for (index, presigned) in (first..end).zip(given) {
            self.ready.borrow_mut().insert(index, presigned.target()?);
        }
        self.next.set(end);
        Ok(())
    }
}

/// How a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The version is there.
    Complete,
    /// Nothing of it stays.
    Abort,
}

/// Ends a session. An answer that was lost is no failure if the service has done its work.
pub fn finish(remote: &Remote, end: End, path: &str, session: &str, job: &Job) -> Result<()> {
    let call = Call::post(remote.at(path)?, session);
    // Ours, which ends a session once: whoever asks again is told whether that was done.
    let is_ours = Offers::forget(session);
    runtime::current()?.block_on(async {
        let again = |_: &Error, may_be_done: bool| end == End::Abort || is_ours || !may_be_done;
        let (sent, may_be_done) = send_known(remote, &call, is_ours, again, job).await;
        let Err(error) = sent else { return Ok(()) };
        let is_done = may_be_done
            && match end {
                // Our session was the only one that could unlock the project.
                End::Abort => matches!(error, Error::Status { status: 403, .. }),
                End::Complete => is_finished(remote, path, job).await,
            };
        if is_done { Ok(()) } else { Err(error) }
    })
}

/// Sends a change, if `is_ours` over a connection that is open, and says whether it may have been
/// carried out although nobody said so. `again`, whether it is sent again, is told that, too.
async fn send_known(
    remote: &Remote,
    call: &Call<'_>,
    is_ours: bool,
    again: impl Fn(&Error, bool) -> bool,
    job: &Job,
) -> (Result<Answer>, bool) {
    let mut first = remote.clone();
    if is_ours {
        first.http = first.http.reusing();
    }
    let may_be_done = Cell::new(false);
    let attempt = || async {
        // A connection on which one answer was lost may be dead without a word.
        let remote = if may_be_done.get() { remote } else { &first };
        let sent = remote.send_once(call).await;
        sent.inspect_err(|error| may_be_done.set(may_be_done.get() || is_lost(error)))
    };
    let again = |error: &Error| again(error, may_be_done.get());
    let sent = first.http.repeat(&call.url, again, job, attempt).await;
    (sent, may_be_done.get())
}

/// True if the request may have been carried out although nobody said so.
fn is_lost(error: &Error) -> bool {
    was_sent(error) || matches!(error, Error::Status { status: 500 | 502 | 504, .. })
}

async fn is_finished(remote: &Remote, path: &str, job: &Job) -> bool {
    let version = path.strip_prefix("/upload/complete/").unwrap_or(path);
    let version = percent_encoding::percent_decode_str(version).decode_utf8_lossy();
    let summary = remote.read(&format!("{version}/{SUMMARY}"), job).await;
    summary.is_ok_and(|summary| {
        summary
            .parse::<serde_json::Value>()
            .is_ok_and(|summary| summary.get("upload_finish").is_some())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_slashes_are_one() {
        for (path, one) in [("a//b///c", "a/b/c"), ("/a/", "/a/"), ("//", "/"), ("", "")] {
            assert_eq!(collapsed(path), one);
        }
    }

    #[test]
    fn requests_say_what_becomes_of_each_file() {
        let sent = Sent::Dedup { path: "f".into(), size: 1, md5sum: "00".into() };
        let text = serde_json::to_string(&sent).unwrap();
        assert_eq!(text, r#"{"type":"dedup","path":"f","size":1,"md5sum":"00"}"#);
    }
}
