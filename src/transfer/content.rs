//! What one request brings: a part of a file or of memory, between what frames it. It is read block by
//! block and digested on its way.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use bytes::Bytes;
use futures_util::stream;
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};

use crate::digest::running::{Kind, Running};
use crate::error::IoContext;
use crate::fs::open;
use crate::http::{Document, Http, Stream, Touched};
use crate::job::Share;
use crate::parallel::aside;
use crate::shared::lock;
use crate::system::{self, Links};
use crate::{Error, Result};

/// What is read and sent at a time.
const BLOCK_BYTES: usize = 1 << 20;

/// Memory of somebody else's.
pub(crate) type Memory = dyn AsRef<[u8]> + Send + Sync;

/// Where content is.
#[derive(Clone)]
pub(crate) enum Source {
    /// A part of a file.
    File {
        /// The file.
        path: PathBuf,
        /// Where the part begins.
        start: u64,
        /// Its size.
        length: u64,
    },
    /// Memory, which whoever calls keeps: a connection that is still being closed holds nothing of it.
    Memory(Weak<Memory>),
}

impl Source {
    /// Its size.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::File { length, .. } => *length,
            Self::Memory(memory) => {
                memory.upgrade().map_or(0, |memory| (*memory).as_ref().len() as u64)
            }
        }
    }

    fn open(&self) -> Result<Reader> {
        match self {
            Self::File { path, start, length } => {
                let (file, stat) = open::regular(path, Links::Follow)?;
                let end = start + length;
                if stat.size() < end {
                    return Err(changed(path));
                }
                let opened = Opened::File(Arc::new(file), Arc::new(path.clone()));
                Ok(Reader { opened, at: *start, end })
            }
            Self::Memory(memory) => Ok(Reader {
                opened: Opened::Memory(Weak::clone(memory)),
                at: 0,
                end: self.length(),
            }),
        }
    }
}

/// What a request brings.
#[derive(Clone)]
pub(crate) struct Content {
    /// What comes before the rest.
    pub(crate) head: Bytes,
    /// The content itself.
    pub(crate) source: Source,
    /// What comes after it.
    pub(crate) tail: Bytes,
    /// What the content itself is digested to.
    pub(crate) digest: Option<Kind>,
    /// What is digested after it.
    pub(crate) suffix: Bytes,
}

/// An answer to what has arrived as a whole.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// Its headers, in order.
    pub(crate) headers: Vec<(String, String)>,
    /// Its body.
    pub(crate) document: Document,
}

impl Answer {
    /// A header, empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }
}

impl Content {
    /// A part of a file, as it is.
    pub(crate) fn part(path: &Path, start: u64, length: u64) -> Self {
        let source = Source::File { path: path.to_owned(), start, length };
        let nothing = Bytes::new;
        Self { head: nothing(), source, tail: nothing(), digest: None, suffix: nothing() }
    }

    /// Sends it once. The content itself is the next of `share`.
    pub(crate) async fn send(
        &self,
        http: &Http,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        share: &Arc<Mutex<Share>>,
        fate: &Arc<Fate>,
    ) -> Result<Answer> {
        let from = lock(share).place();
        let stream = || self.stream(from, share, fate);
        let sent = http.send_stream(method.clone(), url, headers, &stream, &fate.touched).await;
        // To the transport, a body that breaks off is a broken connection: tell the cause instead.
        if let Some(fault) = lock(&fate.fault).take() {
            return Err(fault);
        }
        let response = sent?;
        let (status, headers) = (response.status(), response.headers());
        let document = response.into_document().await?;
        if fate.is_whole.load(Ordering::Relaxed) {
            return Ok(Answer { status, headers, document });
        }
        Err(Error::Transport {
            method: method.to_string(),
            url: crate::http::url::redacted(url),
            source: "the server answered before all of it had arrived".into(),
        })
    }

    /// All of it from its beginning.
    fn stream(&self, from: u64, share: &Arc<Mutex<Share>>, fate: &Arc<Fate>) -> Result<Stream> {
        lock(share).seek(from);
        let reader = self.source.open()?;
        let length = self.head.len() as u64 + (reader.end - reader.at) + self.tail.len() as u64;
        let digest = self.digest.map(|kind| (Running::new(kind), self.suffix.clone()));
        fate.begin(length == 0, digest.clone().filter(|_| length == 0).map(finished));
        if length == 0 {
            // Nobody asks for the pieces of an empty content.
            return Ok(Stream { length, body: Bytes::new().into() });
        }
        let body = Body {
            head: self.head.clone(),
            reader: Some((reader, digest)),
            tail: self.tail.clone(),
            share: Arc::clone(share),
            fate: Arc::clone(fate),
        };
        let body = stream::try_unfold(body, |mut body| async {
            body.fate.touched.touch();
            match body.next().await {
                Ok(block) => Ok(block.map(|block| (block, body))),
                Err(error) => {
                    let told = std::io::Error::other(error.to_string());
                    *lock(&body.fate.fault) = Some(error);
                    Err(told)
                }
            }
        });
        Ok(Stream { length, body: reqwest::Body::wrap_stream(body) })
    }
}

/// A digest, and what comes after the content.
type Digesting = (Running, Bytes);

fn finished((mut digest, suffix): Digesting) -> String {
    digest.update(&suffix);
    digest.finish()
}

/// What becomes of a content, for the one who waits for the answer.
#[derive(Default)]
pub(crate) struct Fate {
    touched: Touched,
    fault: Mutex<Option<Error>>,
    /// True once the last block was taken.
    is_whole: AtomicBool,
    digest: Mutex<Option<String>>,
}

impl Fate {
    fn begin(&self, is_whole: bool, digest: Option<String>) {
        self.is_whole.store(is_whole, Ordering::Relaxed);
        *lock(&self.digest) = digest;
        self.touched.touch();
    }

    /// The digest of the content itself, once all of it was read.
    pub(crate) fn digest(&self) -> Option<String> {
        lock(&self.digest).clone()
    }
}

/// A content on its way.
struct Body {
    head: Bytes,
    reader: Option<(Reader, Option<Digesting>)>,
    tail: Bytes,
    share: Arc<Mutex<Share>>,
    fate: Arc<Fate>,
}

impl Body {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let mut block = std::mem::take(&mut self.head);
        if block.is_empty()
            && let Some((reader, digest)) = self.reader.take()
        {
            let (read, digest) = reader.next(digest).await?;
            lock(&self.share).advance(read.0.len() as u64);
            block = read.0;
            match read.1 {
                Some(rest) => self.reader = Some((rest, digest)),
                None => *lock(&self.fate.digest) = digest.map(finished),
            }
        }
        if block.is_empty() {
            block = std::mem::take(&mut self.tail);
        }
        let is_last = self.reader.is_none() && self.tail.is_empty();
        self.fate.is_whole.store(is_last, Ordering::Relaxed);
        Ok(Some(block).filter(|block| !block.is_empty()))
    }
}

/// What is still to be read.
struct Reader {
    opened: Opened,
    at: u64,
    end: u64,
}

enum Opened {
    File(Arc<File>, Arc<PathBuf>),
    Memory(Weak<Memory>),
}

impl Reader {
    /// The next block, and what is to be read then; both digested.
    async fn next(
        mut self,
        mut digest: Option<Digesting>,
    ) -> Result<((Bytes, Option<Self>), Option<Digesting>)> {
        aside(move || {
            let block = self.block()?;
            if let Some((digest, _)) = &mut digest {
                digest.update(&block);
            }
            let is_last = self.at == self.end;
            Ok(((block.into(), Some(self).filter(|_| !is_last)), digest))
        })
        .await
    }

    fn block(&mut self) -> Result<Vec<u8>> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let mut block = vec![0; left.min(BLOCK_BYTES)];
        match &self.opened {
            Opened::File(file, path) => {
                let count = system::read_at(file, &mut block, self.at).at(path.as_path())?;
                block.truncate(count);
                if count == 0 && left > 0 {
                    return Err(changed(path));
                }
            }
            Opened::Memory(memory) => {
                // Whoever calls has given up.
                let memory = memory.upgrade().ok_or(Error::Cancelled)?;
                let start = usize::try_from(self.at).expect("it is in memory");
                let end = start + block.len();
                block.copy_from_slice(&(*memory).as_ref()[start..end]);
            }
        }
        self.at += block.len() as u64;
        Ok(block)
    }
}

fn changed(file: &Path) -> Error {
    let file = file.display().to_string();
    Error::invalid("file", file, "it has changed since the upload was started; start again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::testing::{answer, serve};
    use crate::job::Job;
    use crate::runtime;

    fn send(content: &Content) -> (Result<Answer>, Option<String>, String) {
        let (url, server) = serve(vec![answer("201 Made", "ETag: \"t\"\r\n", 2, b"{}")]);
        let runtime = runtime::current().unwrap();
        let http = Http::new(&runtime).unwrap();
        let job = Job::default();
        job.expect_file(Some(content.source.length()));
        let share = Arc::new(Mutex::new(job.share(Some(content.source.length()))));
        let (fate, headers) = (Arc::default(), HeaderMap::new());
        let sent = content.send(&http, &Method::POST, &url, &headers, &share, &fate);
        let sent = runtime.block_on(sent);
        assert_eq!(job.progress().bytes_done, content.source.length());
        (sent, fate.digest(), server.join().unwrap().remove(0))
    }

    #[test]
    fn content_is_framed_and_digested() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "xxab").unwrap();
        let memory: Arc<Memory> = Arc::new(b"ab".to_vec());
        for source in
            [Source::File { path, start: 2, length: 2 }, Source::Memory(Arc::downgrade(&memory))]
        {
            let (head, tail) = (Bytes::from("<"), Bytes::from(">"));
            let (digest, suffix) = (Some(Kind::Md5), Bytes::from("c"));
            let content = Content { head, source, tail, digest, suffix };
            let (sent, digest, request) = send(&content);
            let sent = sent.unwrap();
            assert_eq!((sent.status, sent.header("etag")), (201, "\"t\""));
            assert_eq!(digest.unwrap(), "900150983cd24fb0d6963f7d28e17f72");
            assert!(request.ends_with("\r\n\r\n<ab>"), "{request}");
        }
    }

    #[test]
    fn nothing_is_content_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "").unwrap();
        for frame in ["", "-"] {
            let mut content = Content::part(&path, 0, 0);
            content.digest = Some(Kind::Md5);
            content.tail = frame.into();
            let (sent, digest, request) = send(&content);
            assert_eq!(sent.unwrap().document.body, b"{}");
            assert_eq!(digest.unwrap(), "d41d8cd98f00b204e9800998ecf8427e");
            assert!(request.to_lowercase().contains(&format!("content-length: {}", frame.len())));
        }
    }
}
