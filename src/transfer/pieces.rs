//! One file in pieces that follow each other in a session: a server is asked where it is after a
//! failure, and the file goes on from there; a piece that is too large is halved.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, Url};

use super::content::Content;
use crate::http::{Document, Http};
use crate::job::{Job, Share};
use crate::shared::lock;
use crate::{Error, Result};

/// For so long a server has to be at the same place after a piece that broke off.
const SETTLING: Duration = Duration::from_millis(100);

/// How a server takes a file in pieces.
pub(crate) trait Session {
    /// Where a piece goes that begins at `offset`.
    fn place(&self, offset: u64) -> Result<Place>;

    /// Where the server is; `None` if it has the whole file, or does not know of it.
    fn offset(&self) -> impl Future<Output = Result<Option<u64>>> + Send;
}

/// Where a piece goes.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Method of its request.
    pub(crate) method: Method,
    /// Where it is sent to.
    pub(crate) url: Url,
    /// Headers of its request.
    pub(crate) headers: HeaderMap,
}

/// How large the pieces of a file are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Size of the file.
    pub(crate) whole: u64,
    /// Size of a piece.
    pub(crate) piece: u64,
    /// Pieces are not halved to less, and not at all if they are no larger.
    pub(crate) least: u64,
}

/// Sends a file, from `start` on; gives the last answer, or `None` if that was lost and the session is
/// over.
pub(crate) async fn send(
    http: &Http,
    file: &Path,
    session: &(impl Session + Sync),
    start: u64,
    sizes: Sizes,
    job: &Job,
) -> Result<Option<Document>> {
    job.expect_file(Some(sizes.whole));
    let share = Arc::new(Mutex::new(job.share(Some(sizes.whole))));
    let transfer = Transfer { http, file, session, sizes, share };
    job.race(transfer.run(start, job)).await.inspect_err(|_| job.give_up())
}

struct Transfer<'a, S> {
    http: &'a Http,
    file: &'a Path,
    session: &'a S,
    sizes: Sizes,
    share: Arc<Mutex<Share>>,
}

impl<S: Session + Sync> Transfer<'_, S> {
    async fn run(&self, start: u64, job: &Job) -> Result<Option<Document>> {
        let Sizes { whole, mut piece, least } = self.sizes;
        let url = self.session.place(start)?.url;
        let (mut offset, mut farthest) = (start, start);
        let mut tries = self.http.tries(&url, job);
        loop {
            let length = piece.min(whole - offset);
            tries.begin().await;
            let error = match self.send_piece(offset, length).await {
                Ok(document) if offset + length == whole => {
                    tries.answered();
                    lock(&self.share).done();
                    return Ok(Some(document));
                }
                Ok(_) => {
                    offset += length;
                    tries.answered();
                    if offset > farthest {
                        farthest = offset;
                        // What comes next has tries of its own.
                        tries = self.http.tries(&url, job);
                    }
                    continue;
                }
                Err(error) => error,
            };
            let is_too_large = matches!(error, Error::Status { status: 408 | 413, .. });
            // A piece that came twice is not what the server waits for.
            let refused = matches!(error, Error::Status { status: 400, .. }).then_some(offset);
            let mut odd = None;
            if is_too_large && length > least {
                piece = (length / 2).max(least);
                tries.answered();
            } else if refused.is_some() {
                tries.answered();
                odd = Some(error);
            } else {
                tries.failed(error).await?;
            }
            let now = match self.settled(&url, refused.is_none(), job).await {
                Ok(Some(now)) => now,
                Ok(None) => return odd.map_or(Ok(None), Err),
                Err(failure) => return Err(odd.unwrap_or(failure)),
            };
            if now > whole || refused == Some(now) {
                return Err(odd.unwrap_or_else(|| self.confused(&url, now)));
            }
            if now > farthest {
                tries = self.http.tries(&url, job);
            } else if let Some(odd) = odd {
                // It has lost what it had: one that does so each time would never be done.
                tries.failed_with(odd, u32::MAX).await?;
            }
            (offset, farthest) = (now, farthest.max(now));
        }
    }

    /// Where the server is, once it is done with what had come of a piece: what is sent before that
    /// would be mixed with it.
    async fn settled(&self, url: &Url, was_sent: bool, job: &Job) -> Result<Option<u64>> {
        // To know where it is, is no progress.
        let http = self.http.preparing();
        let ask = || self.session.offset();
        let mut now = http.repeat(url, |_| true, job, ask).await?;
        while was_sent && now.is_some() {
            let pause = async {
                tokio::time::sleep(SETTLING).await;
                Ok(())
            };
            job.race(pause).await?;
            let before = std::mem::replace(&mut now, http.repeat(url, |_| true, job, ask).await?);
            if before == now {
                break;
            }
        }
        Ok(now)
    }

    fn confused(&self, url: &Url, now: u64) -> Error {
        Error::Transport {
            method: "GET".into(),
            url: crate::http::url::redacted(url),
            source: format!("it has {now} of {} bytes", self.sizes.whole).into(),
        }
    }

    async fn send_piece(&self, offset: u64, length: u64) -> Result<Document> {
        let Place { method, url, headers } = self.session.place(offset)?;
        lock(&self.share).seek(offset);
        let content = Content::part(self.file, offset, length);
        let fate = Arc::default();
        let sent = content.send(self.http, &method, &url, &headers, &self.share, &fate);
        sent.await.map(|answer| answer.document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::testing::{answer, serve};
    use crate::runtime;

    struct Fixed<'a> {
        http: &'a Http,
        url: Url,
        job: &'a Job,
    }

    impl Session for Fixed<'_> {
        fn place(&self, offset: u64) -> Result<Place> {
            let mut url = self.url.clone();
            url.set_query(Some(&format!("offset={offset}")));
            Ok(Place { method: Method::POST, url, headers: HeaderMap::new() })
        }

        async fn offset(&self) -> Result<Option<u64>> {
            let answer = self.http.get(&self.url, self.job).await?;
            Ok(String::from_utf8_lossy(&answer.body).parse().ok())
        }
    }

    /// Sends ten bytes in pieces of four; gives the result and what was asked for.
    fn send_ten(answers: &[(&str, &str)]) -> (Result<Option<Document>>, Vec<String>) {
        let answers = answers.iter().map(|(status, body)| {
            answer(status, "Retry-After: 0\r\n", body.len(), body.as_bytes())
        });
        let (url, server) = serve(answers.collect());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        std::fs::write(&file, "0123456789").unwrap();
        let runtime = runtime::current().unwrap();
        let mut http = Http::new(&runtime).unwrap();
        http.retry.retries = 2;
        let job = Job::default();
        let session = Fixed { http: &http, url, job: &job };
        let sizes = Sizes { whole: 10, piece: 4, least: 2 };
        let sent = send(&http, &file, &session, 0, sizes, &job);
        let result = runtime.block_on(sent);
        let heads = server.join().unwrap();
        let lines = heads.iter().map(|head| {
            let line = head.lines().next().unwrap_or_default();
            let length = head.to_lowercase();
            let length = length.split("content-length: ").nth(1).unwrap_or("-");
            let length = length.lines().next().unwrap_or_default();
            line.replace(" HTTP/1.1", "").replace("/x?offset=", "") + " " + length
        });
        (result, lines.collect())
    }

    const OK: (&str, &str) = ("200 OK", "{}");

    #[test]
    fn pieces_follow_each_other() {
        let (result, asked) = send_ten(&[OK, OK, ("200 OK", "done")]);
        assert_eq!(result.unwrap().unwrap().body, b"done");
        assert_eq!(asked, ["POST 0 4", "POST 4 4", "POST 8 2"]);
    }

    #[test]
    fn it_goes_on_where_the_server_is() {
        let (busy, at) = (("502 Broken", ""), |offset| ("200 OK", offset));
        let (result, asked) = send_ten(&[OK, busy, at("5"), at("6"), at("6"), OK]);
        assert!(result.unwrap().is_some());
        assert_eq!(asked, ["POST 0 4", "POST 4 4", "GET /x -", "GET /x -", "GET /x -", "POST 6 4"]);
        // A piece that came twice.
        let (result, asked) = send_ten(&[("400 No", ""), at("4"), OK, OK]);
        assert!(result.unwrap().is_some());
        assert_eq!(asked, ["POST 0 4", "GET /x -", "POST 4 4", "POST 8 2"]);
        let (result, _) = send_ten(&[("400 No", ""), at("0")]);
        assert!(matches!(result, Err(Error::Status { status: 400, .. })));
        // The last answer was lost.
        let (result, _) = send_ten(&[OK, OK, busy, at("")]);
        assert!(result.unwrap().is_none());
    }

    #[test]
    fn a_server_that_loses_what_it_had_is_not_served_for_ever() {
        let (refused, at) = (("400 No", ""), |offset| ("200 OK", offset));
        let (result, asked) = send_ten(&[OK, refused, at("0"), OK, OK, OK]);
        assert!(result.unwrap().is_some());
        assert_eq!(asked[3..], ["POST 0 4", "POST 4 4", "POST 8 2"]);
        let again = [refused, at("0"), OK].repeat(2);
        let (result, _) = send_ten(&[&[OK][..], &again, &[refused, at("0")]].concat());
        assert!(matches!(result, Err(Error::Status { status: 400, .. })));
    }

    #[test]
    fn pieces_that_are_too_large_are_halved() {
        let (large, zero) = (("413 Too Large", ""), ("200 OK", "0"));
        let (result, asked) = send_ten(&[large, zero, zero, OK, OK, OK, OK, OK]);
        assert!(result.unwrap().is_some());
        assert_eq!(asked[3..], ["POST 0 2", "POST 2 2", "POST 4 2", "POST 6 2", "POST 8 2"]);
        let (result, _) = send_ten(&[large, zero, zero, large]);
        assert!(matches!(result, Err(Error::Status { status: 413, .. })));
    }
}
