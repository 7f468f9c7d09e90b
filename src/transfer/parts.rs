//! One file in parts that go side by side, each to a URL of its own, as stores take large objects.
//!
//! 1. A part is read from the disk while it is sent, so memory does not depend on its size.
//! 2. Each part has tries of its own. What a store says of connections that broke (`RequestTimeout`)
//!    or content that did not arrive as it was sent (`BadDigest`) is worth another one.
//! 3. A part counts only with the tag that the store has given it: the parts are put together by their
//!    tags. One that is an MD5 digest must be that of the part.
//! 4. A part that may not be sent (403) is tried once more, as some stores answer so by mistake, unless
//!    its URL has expired: then others are needed, and all parts with them.
//! 5. When one part fails for good, the others are broken off.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};

use super::content::{Answer, Content};
use super::crowd::Crowd;
use crate::digest::Digest;
use crate::digest::running::Kind;
use crate::http::{Http, was_refused, was_sent};
use crate::job::Job;
use crate::shared::lock;
use crate::{Error, Result};

/// Before another try, added to the pause of all requests: a store that fails needs a moment, and the
/// tries of a part are few.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// A file, and where its parts go.
#[derive(Debug)]
pub(crate) struct Parts {
    /// The file.
    pub(crate) file: PathBuf,
    /// Its size.
    pub(crate) size: u64,
    /// Size of a part; the last one is what is left.
    pub(crate) part: u64,
    /// Where each part goes.
    pub(crate) urls: Vec<Url>,
    /// How often a part is sent at most.
    pub(crate) tries: u32,
}

/// What has become of parts: their numbers from 0 on, and how often they have failed, 0 once they are
/// there.
pub(crate) type Events = Mutex<Vec<(usize, u32)>>;

/// Sends all parts, as many at once as the crowd lets go on; gives their tags, in order.
pub(crate) async fn send(
    http: &Http,
    parts: &Parts,
    crowd: &Crowd,
    events: &Events,
    job: &Job,
) -> Result<Vec<String>> {
    let mut http = http.clone();
    // One more, for rule 4.
    http.retry.retries = parts.tries.saturating_add(1);
    http.retry.server_errors = true;
    for index in 0..parts.urls.len() {
        job.expect_file(Some(parts.length(index)));
    }
    let one = |index| {
        let (http, events) = (&http, events);
        async move {
            let tag = Transfer { http, parts, crowd, index, events, job }.run().await?;
            Ok::<_, Error>((index, tag))
        }
    };
    let all = stream::iter(0..parts.urls.len())
        .map(one)
        .buffer_unordered(crowd.most())
        .try_collect::<Vec<_>>();
    let mut tags = job.race(all).await.inspect_err(|_| job.give_up())?;
    tags.sort_unstable_by_key(|(index, _)| *index);
    Ok(tags.into_iter().map(|(_, tag)| tag).collect())
}

impl Parts {
    fn start(&self, index: usize) -> u64 {
        (index as u64).saturating_mul(self.part).min(self.size)
    }

    fn length(&self, index: usize) -> u64 {
        self.start(index + 1) - self.start(index)
    }
}

struct Transfer<'a> {
    http: &'a Http,
    parts: &'a Parts,
    crowd: &'a Crowd,
    index: usize,
    events: &'a Events,
    job: &'a Job,
}

impl Transfer<'_> {
    async fn run(&self) -> Result<String> {
        let (url, length) = (&self.parts.urls[self.index], self.parts.length(self.index));
        let mut content = Content::part(&self.parts.file, self.parts.start(self.index), length);
        content.digest = Some(Kind::Md5);
        let share = Arc::new(Mutex::new(self.job.share(Some(length))));
        let _turn = self.crowd.turn().await;
        let mut tries = self.crowd.tries(self.http, url, Some(length), self.job);
        let (mut failures, mut was_forbidden) = (0, false);
        loop {
            tries.begin().await;
            lock(&share).seek(0);
            let (fate, headers) = (Arc::default(), HeaderMap::new());
            let sent = content.send(self.http, &Method::PUT, url, &headers, &share, &fate).await;
            let error = match sent.and_then(|answer| self.tag(&answer, fate.digest())) {
                Ok(tag) => {
                    self.crowd.answered(&mut tries);
                    lock(&share).done();
                    self.tell(0);
                    return Ok(tag);
                }
                Err(error) => error,
            };
            if is_forbidden(&error) && !was_forbidden {
                was_forbidden = true;
                tries.failed_with(error, u32::MAX).await?;
                continue;
            }
            let Some(is_usual) = passing(&error) else { return Err(error) };
            failures += 1;
            self.tell(failures);
            if failures >= self.parts.tries {
                return Err(error);
            }
            if is_usual {
                tries.failed(error).await?;
            } else {
                tries.failed_with(error, u32::MAX).await?;
            }
            let pause = FIRST_PAUSE.saturating_mul(1 << (failures - 1).min(4));
            tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
        }
    }

    fn tell(&self, failures: u32) {
        lock(self.events).push((self.index, failures));
    }

    /// What the store calls the part.
    fn tag(&self, answer: &Answer, digest: Option<String>) -> Result<String> {
        let tag = answer.header("etag");
        let actual = digest.unwrap_or_default();
        let is_other = digest_of(&answer.headers).is_some_and(|said| said.to_string() != actual);
        if !tag.is_empty() && !is_other {
            return Ok(tag.to_owned());
        }
        let expected = if tag.is_empty() { "nothing" } else { tag }.to_owned();
        let path = format!("part {}", self.index + 1);
        Err(Error::Digest { path, what: Kind::Md5.checksum(), expected, actual })
    }
}

/// True if a part may not be sent, for another reason than that its URL has expired.
fn is_forbidden(error: &Error) -> bool {
    matches!(error, Error::Status { status: 403, body, .. } if !body.contains("expired"))
        && !was_refused(error)
}

/// Whether a failure may pass: true if it is one that may wherever requests are sent, false if it is
/// one of stores.
fn passing(error: &Error) -> Option<bool> {
    if was_refused(error) || was_sent(error) {
        return Some(true);
    }
    match error {
        Error::Status { status: 408, .. } => Some(true),
        Error::Status { status: 500.., .. } | Error::Digest { .. } => Some(false),
        Error::Status { status: 400, body, .. } => {
            let is_said = |code| body.contains(&format!("<Code>{code}</Code>"));
            ["RequestTimeout", "BadDigest"].into_iter().any(is_said).then_some(false)
        }
        _ => None,
    }
}

/// The MD5 digest that a store tells by its tag. That of what was encrypted, or put together out of
/// parts, is none.
pub(crate) fn digest_of(headers: &[(String, String)]) -> Option<Digest> {
    let encrypted = "x-amz-server-side-encryption";
    let header = |name: &str| {
        let found = headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    };
    let is_by_key = header(encrypted).is_some_and(|how| how != "AES256")
        || header(&format!("{encrypted}-customer-algorithm")).is_some();
    let tag = header("etag").filter(|_| !is_by_key)?;
    Digest::parse(tag.strip_prefix('"')?.strip_suffix('"')?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::testing::{answer, serve, serve_all};
    use crate::runtime;

    type Told = Vec<(usize, u32)>;

    /// Sends `0123456789` in parts of four, one at a time, each twice at most; gives the result, what
    /// was sent and what was told.
    fn send_ten(answers: &[(&str, &str, &str)]) -> (Result<Vec<String>>, Vec<String>, Told) {
        let answers = answers.iter().map(|(status, tag, body)| {
            answer(status, &format!("ETag: {tag}\r\n"), body.len(), body.as_bytes())
        });
        let (url, server) = serve(answers.collect());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        std::fs::write(&file, "0123456789").unwrap();
        let runtime = runtime::current().unwrap();
        let http = Http::new(&runtime).unwrap();
        let parts = Parts { file, size: 10, part: 4, urls: vec![url; 3], tries: 2 };
        let (events, job) = (Events::default(), Job::default());
        let result = runtime.block_on(send(&http, &parts, &Crowd::of(1), &events, &job));
        let asked = server.join().unwrap().into_iter();
        let asked = asked.map(|request| request.rsplit("\r\n").next().unwrap_or_default().into());
        (result, asked.collect(), events.into_inner().unwrap())
    }

    #[test]
    fn parts_go_at_once_as_files_do() {
        const COUNT: usize = 16;
        let all = std::sync::Barrier::new(COUNT);
        let url = serve_all(move |_| {
            all.wait();
            answer("200 OK", "ETag: \"a\"\r\n", 0, b"")
        });
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        std::fs::write(&file, [7; COUNT]).unwrap();
        let runtime = runtime::current().unwrap();
        let http = Http::new(&runtime).unwrap();
        let parts = Parts { file, size: 16, part: 1, urls: vec![url; COUNT], tries: 1 };
        let (events, job) = (Events::default(), Job::default());
        let tags = runtime.block_on(send(&http, &parts, &Crowd::new(0), &events, &job));
        assert_eq!(tags.unwrap(), ["\"a\""; COUNT]);
    }

    const FIRST: (&str, &str, &str) = ("200 OK", "\"a\"", "");
    /// The tag of `4567` as its digest.
    const SECOND: &str = "\"6562c5c1f33db6e05a082a88cddab5ea\"";

    #[test]
    fn parts_have_tags_and_tries_of_their_own() {
        let (late, third) = ("<Code>RequestTimeout</Code>", ("200 OK", "\"c-3\"", ""));
        let answers =
            [("500 No", "", ""), FIRST, ("400 No", "", late), ("200 OK", SECOND, ""), third];
        let (result, sent, told) = send_ten(&answers);
        assert_eq!(result.unwrap(), ["\"a\"", SECOND, "\"c-3\""]);
        assert_eq!(sent, ["0123", "0123", "4567", "4567", "89"]);
        assert_eq!(told, [(0, 1), (0, 0), (1, 1), (1, 0), (2, 0)]);
    }

    #[test]
    fn a_part_that_fails_for_good_ends_all() {
        let other = ("200 OK", "\"00000000000000000000000000000000\"", "");
        let forbidden = ("403 Forbidden", "", "<Code>AccessDenied</Code>");
        let expired = ("403 Forbidden", "", "<Message>Request has expired</Message>");
        for (faults, failures) in [
            (&[("500 No", "", ""), ("502 No", "", "")][..], &[1, 2][..]),
            (&[("200 OK", "", ""), other], &[1, 2]),
            (&[expired], &[]),
            (&[forbidden, forbidden], &[]),
            (&[("400 No", "", "<Code>EntityTooSmall</Code>")], &[]),
        ] {
            let (result, sent, told) = send_ten(&[&[FIRST], faults].concat());
            assert!(result.is_err(), "{faults:?}");
            assert_eq!(sent.len(), 1 + faults.len());
            let failures = failures.iter().map(|count| (1, *count));
            assert_eq!(told, [(0, 0)].into_iter().chain(failures).collect::<Vec<_>>());
        }
    }

    #[test]
    fn tags_of_what_was_encrypted_are_no_digests() {
        let tag = |name: &str, value: &str| {
            let pairs = [("ETag", SECOND), (name, value)];
            digest_of(&pairs.map(|(name, value)| (name.into(), value.into()))).is_some()
        };
        assert!(tag("x-amz-server-side-encryption", "AES256"));
        assert!(!tag("x-amz-server-side-encryption", "aws:kms"));
        assert!(!tag("X-Amz-Server-Side-Encryption-Customer-Algorithm", "AES256"));
        assert!(
            digest_of(&[("etag".into(), "\"6562c5c1f33db6e05a082a88cddab5ea-2\"".into())])
                .is_none()
        );
    }
}
