//! What has come of one file, where it is kept until it is whole, and how the rest is asked for.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use reqwest::header::{
    CONTENT_RANGE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_RANGE, LAST_MODIFIED, RANGE,
};

use super::TARGET;
use super::plan::{Expected, FILE_MODE, Form};
use super::ranges::Pieces;
use crate::digest::Hasher;
use crate::digest::push::Lanes;
use crate::error::{IoContext, tell};
use crate::fs::atomic::{self, Staged};
use crate::fs::lock::Locked;
use crate::http::Response;
use crate::job::{Job, Share};
use crate::system::{self, Stat};
use crate::{Error, Result};

/// What is digested at a time.
const WINDOW_BYTES: usize = 128 * 1024;

/// Where content is kept on its way.
pub(super) enum Place {
    /// Goes away when dropped.
    Anonymous(Staged),
    /// Stays for a later call when dropped; locked against other processes.
    Named(PathBuf, Locked),
}

impl Place {
    pub(super) fn file(&self) -> &File {
        match self {
            Self::Anonymous(staged) => staged.file(),
            Self::Named(_, locked) => locked.file(),
        }
    }
}

/// What was received of one file.
pub(super) struct Part {
    /// None before it is begun, and if it is already where it belongs.
    pub(super) place: Option<Place>,
    /// Where it belongs: the name that messages say.
    pub(super) target: PathBuf,
    /// Bytes in the file.
    pub(super) received: u64,
    /// Of the bytes of the job.
    pub(super) share: Share,
    /// Of these bytes, if there is a digest to compare with.
    pub(super) hasher: Hasher,
    /// Of the answer that they came by.
    pub(super) validator: Option<HeaderValue>,
    /// What it must be by what the last answer has told, or by more.
    pub(super) expected: Option<Expected>,
    /// If the rest is to come in pieces, or has.
    pub(super) pieces: Option<Pieces>,
    /// Whether it is not to be divided.
    pub(super) is_whole_only: bool,
}

impl Part {
    /// Goes on behind what an earlier call received of a file of this size. A hashing thread digests
    /// it: other transfers go on meanwhile.
    ///
    /// If it was divided into pieces of that length, those count that have come.
    pub(super) async fn digest_received(
        &mut self,
        size: u64,
        length: u64,
        lanes: &Lanes,
        job: &Job,
    ) -> Result<()> {
        let (Some(place), path) = (&self.place, &self.target) else { return Ok(()) };
        let file = place.file();
        self.pieces = Pieces::read(file, size, length).at(path)?;
        let end = self.pieces.as_ref().map_or(size, Pieces::in_order);
        if self.pieces.is_none() && file.metadata().at(path)?.len() > size {
            return file.set_len(0).at(path); // it is not of that file
        }
        let mut stream = lanes.stream();
        let mut file = file.take(end);
        loop {
            job.check()?;
            let mut window = vec![0; WINDOW_BYTES];
            let count = file.read(&mut window).at(path)?;
            if count == 0 {
                break;
            }
            window.truncate(count);
            stream.push(window.into()).await.at(path)?;
        }
        self.hasher = stream.finish().await.at(path)?;
        self.received = self.hasher.size();
        // Whole, but for the record of its pieces.
        if self.received == size && self.pieces.is_some() { self.cut() } else { Ok(()) }
    }

    /// Leaves in the file what has come in order, and nothing else.
    pub(super) fn cut(&mut self) -> Result<()> {
        self.pieces = None;
        let place = self.place.as_ref();
        place.map_or(Ok(()), |place| place.file().set_len(self.received)).at(&self.target)
    }

    /// Asks for the rest, if what is here can be trusted: either the digest will tell, or the
    /// server can say whether the file is still the same.
    pub(super) fn range_headers(&self, has_digest: bool) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if self.received > 0 && (has_digest || self.validator.is_some()) {
            let range = HeaderValue::try_from(format!("bytes={}-", self.received));
            headers.insert(RANGE, range.expect("digits are valid in a header"));
            if let Some(validator) = &self.validator {
                headers.insert(IF_RANGE, validator.clone());
            }
        }
        headers
    }

    pub(super) fn continues(&self, response: &Response) -> bool {
        let start = format!("bytes {}-", self.received);
        response.status() == 206
            && response.header(CONTENT_RANGE).is_some_and(|range| range.starts_with(&start))
    }

    pub(super) fn remember_validator(&mut self, response: &Response) {
        let strong =
            |name: HeaderName| response.header(name).filter(|value| !value.starts_with("W/"));
        self.validator = strong(ETAG)
            .or_else(|| strong(LAST_MODIFIED))
            .and_then(|value| HeaderValue::from_str(value).ok());
    }

    /// Where content goes, made now if it is nowhere yet.
    pub(super) fn file(&mut self, scratch: &Path) -> Result<&File> {
        let place = match &mut self.place {
            Some(place) => place,
            nowhere => nowhere.insert(Place::Anonymous(atomic::stage(scratch, FILE_MODE)?)),
        };
        Ok(place.file())
    }

    pub(super) fn write(&mut self, piece: &[u8], scratch: &Path) -> Result<()> {
        let offset = self.received;
        let written = system::write_all_at(self.file(scratch)?, piece, offset);
        written.at(&self.target)?;
        self.received += piece.len() as u64;
        Ok(())
    }

    /// The start of what is in the file.
    pub(super) fn head(&self) -> Result<Vec<u8>> {
        let Some(place) = &self.place else { return Ok(Vec::new()) };
        let mut head = Vec::with_capacity(Form::HEAD_BYTES);
        let mut file = place.file();
        file.rewind().at(&self.target)?;
        file.take(Form::HEAD_BYTES as u64).read_to_end(&mut head).at(&self.target)?;
        Ok(head)
    }

    pub(super) fn restart(&mut self) -> Result<()> {
        self.hasher = Hasher::default();
        self.validator = None;
        if std::mem::take(&mut self.received) > 0 || self.pieces.is_some() {
            self.cut()
        } else {
            Ok(())
        }
    }

    /// Nothing received, or content that cannot become right, is not worth keeping.
    pub(super) fn abandon(self, error: &Error) {
        if let Some(Place::Named(path, _)) = &self.place
            && (self.received == 0 && self.pieces.is_none()
                || matches!(error, Error::Digest { .. }))
        {
            // The error matters more; what stays is found when it is old.
            tell(TARGET, "cannot remove what was received", atomic::remove_file(path));
        }
    }

    /// Gives the file its name, unless it has it already.
    pub(super) fn persist(mut self) -> Result<()> {
        match self.place {
            None => {}
            Some(Place::Anonymous(staged)) => atomic::persist(staged, &self.target)?,
            // The descriptor that it was written through is closed: this one only keeps the lock.
            Some(Place::Named(path, _lock)) => atomic::rename(&path, &self.target)?,
        }
        self.share.done();
        Ok(())
    }
}

/// Opens a file of this user, which is made if need be; `None` if that cannot be.
pub(super) fn open_own(path: &Path) -> Option<File> {
    let mut options = system::no_link(FILE_MODE);
    let file = options.read(true).write(true).create(true).open(path).ok()?;
    (Stat::of(&file).ok()?.user == system::user_id()).then_some(file)
}
