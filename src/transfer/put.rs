//! What is sent: a file, and a body whose fate is known.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use reqwest::Url;
use reqwest::header::HeaderMap;

use crate::digest::Digest;
use crate::http::{Http, Stream, Touched};
use crate::shared::lock;
use crate::{Error, Result};

/// One file to send.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// Where it is.
    pub file: PathBuf,
    /// Its name in messages.
    pub name: String,
    /// Its size, for progress.
    pub size: Option<u64>,
    /// What its content must be, if that is known before there is a place for it.
    pub md5: Option<Digest>,
}

impl Item {
    /// A file to send under this name.
    pub(crate) fn new(file: PathBuf, name: &str) -> Self {
        // A file that is not there is an error when it is opened.
        let size = std::fs::metadata(&file).ok().map(|stat| stat.len());
        Self { file, name: name.to_owned(), size, md5: None }
    }

    pub(super) fn changed(&self) -> Error {
        let file = self.file.display().to_string();
        Error::invalid("file", file, "it has changed since the upload was started; start again")
    }
}

/// Sends one body, which `stream` makes.
pub(super) async fn put(
    http: &Http,
    url: &Url,
    headers: &HeaderMap,
    stream: &(dyn Fn(&Arc<Fate>) -> Result<Stream> + Sync),
) -> Result<()> {
    let fate = Arc::new(Fate::default());
    let sent = http.put_stream(url, headers, &|| stream(&fate), &fate.touched).await;
    // To the transport, a body that breaks off is a broken connection: tell the cause instead.
    if let Some(fault) = lock(&fate.fault).take() {
        return Err(fault);
    }
    sent?;
    if fate.is_whole.load(Ordering::Relaxed) {
        return Ok(());
    }
    Err(Error::Transport {
        method: "PUT".into(),
        url: crate::http::url::redacted(url),
        source: "the server answered before everything had arrived".into(),
    })
}

/// What becomes of a body, for the one who waits for the answer.
#[derive(Default)]
pub(super) struct Fate {
    touched: Touched,
    fault: Mutex<Option<Error>>,
    /// True once the last block was taken.
    is_whole: AtomicBool,
}

impl Fate {
    /// Begins the body from its beginning, which may be its end, too.
    pub(super) fn begin(&self, is_empty: bool) {
        self.is_whole.store(is_empty, Ordering::Relaxed);
        self.touch();
    }

    /// Says that the body gets on.
    pub(super) fn touch(&self) {
        self.touched.touch();
    }

    /// Hands a block to the transport, or keeps why there is none.
    pub(super) fn hand(
        &self,
        block: Result<Option<Bytes>>,
        is_last: bool,
    ) -> io::Result<Option<Bytes>> {
        block.inspect(|_| self.is_whole.store(is_last, Ordering::Relaxed)).map_err(|error| {
            let told = io::Error::other(error.to_string());
            *lock(&self.fault) = Some(error);
            told
        })
    }
}
