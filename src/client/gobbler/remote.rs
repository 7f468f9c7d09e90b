//! A Gobbler's registry over HTTP.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use reqwest::Url;
use reqwest::header::HeaderMap;
use serde::{Deserialize, Serialize};

use crate::client::remote;
use crate::error::IoContext;
use crate::http::url::{base, parse, quote_path, quote_plus, without_secrets};
use crate::http::{Document, Http, was_refused};
use crate::job::Job;
use crate::registry::read::{Content, Registry, Stat, absent, is_visible};
use crate::relpath::RelPath;
use crate::runtime::{self, Runtime};
use crate::{Error, Result};

const AGENT: &str = concat!("selenite/", env!("CARGO_PKG_VERSION"), " (pygobbler/0.1.11)");

/// What a service says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// Its staging directory.
    pub staging: String,
    /// Its registry.
    pub registry: String,
}

/// A running Gobbler service.
#[derive(Debug, Clone)]
pub struct Remote {
    base: String,
    /// The client it is reached by.
    pub http: Http,
}

impl Remote {
    /// The service at `url`.
    pub fn new(url: &str, runtime: &Arc<Runtime>) -> Result<Self> {
        let mut http = Http::new(runtime)?;
        http.agent = AGENT.into();
        Ok(Self { base: base(url)?, http })
    }

    /// Its URL, safe to show.
    pub fn shown(&self) -> String {
        without_secrets(&self.base)
    }

    fn endpoint(&self, rest: &str) -> Result<Url> {
        parse(&format!("{}/{rest}", self.base))
    }

    /// URL of a file of the registry.
    pub fn file_url(&self, path: &RelPath) -> Result<Url> {
        self.endpoint(&format!("fetch/{}", quote_path(path.as_str())))
    }

    /// The same, unless nobody else is to see it.
    fn visible(&self, path: &RelPath) -> Result<Url> {
        if is_visible(path.as_str()) { self.file_url(path) } else { Err(absent(path.as_str())) }
    }

    fn list_url(&self, path: Option<&RelPath>, is_recursive: bool) -> Result<Url> {
        let mut query = Vec::new();
        if let Some(path) = path {
            let mut quoted = quote_plus(path.as_str());
            // Services decode twice, which matters only for these two characters.
            if path.as_str().contains(['%', '+']) {
                quoted = quote_plus(&quoted);
            }
            query.push(format!("path={quoted}"));
        }
        if is_recursive {
            query.push("recursive=true".to_owned());
        }
        let mark = if query.is_empty() { "" } else { "?" };
        self.endpoint(&format!("list{mark}{}", query.join("&")))
    }

    /// Names in a directory of the registry, or in its root; directories end with `/`.
    ///
    /// A listing with a name that would leave the directory is refused as a whole.
    pub async fn list(
        &self,
        path: Option<&RelPath>,
        is_recursive: bool,
        job: &Job,
    ) -> Result<Vec<String>> {
        Ok(self.listed(path, is_recursive, job).await?.0)
    }

    /// [`Remote::list`], and the archive of the directory if the service sends those.
    pub(super) async fn listed(
        &self,
        path: Option<&RelPath>,
        is_recursive: bool,
        job: &Job,
    ) -> Result<(Vec<String>, Option<Url>)> {
        let url = self.list_url(path, is_recursive)?;
        let (answer, has_archives) = remote::listed(&self.http, &url, job).await?;
        let mut names: Vec<String> = answer.parse()?;
        for name in &names {
            RelPath::parse(name.strip_suffix('/').unwrap_or(name))?;
        }
        names.sort_unstable();
        let folder = path.map_or("", RelPath::as_str);
        let archive = self.endpoint(&format!("archive/{}", quote_path(folder)))?;
        Ok((names, has_archives.then_some(archive)))
    }

    /// Content of a file of the registry.
    pub async fn read(&self, path: &RelPath, job: &Job) -> Result<Document> {
        self.http.get(&self.file_url(path)?, job).await
    }

    /// Runs the request file `name`; only an answer that says `SUCCESS` is one.
    pub async fn run(&self, name: &str, job: &Job) -> Result<Document> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            status: String,
            #[serde(default)]
            reason: Option<String>,
        }

        let url = self.endpoint(&format!("new/{}", quote_path(name)))?;
        let answer = self.http.repeat(&url, is_refused, job, || self.http.post(&url, job)).await?;
        let Answer { status, reason } = answer.parse()?;
        if status == "SUCCESS" {
            return Ok(answer);
        }
        Err(Error::Status {
            method: "POST".into(),
            status: 200,
            reason: reason.map_or_else(
                || "the answer is not that of a Gobbler; check `url`".to_owned(),
                |reason| answer.shown(&reason),
            ),
            headers: Vec::new(),
            body: answer.text(),
            url: answer.url,
        })
    }

    /// Where the service keeps its directories.
    pub async fn info(&self, job: &Job) -> Result<Info> {
        let answer = self.http.get(&self.endpoint("info")?, job).await?;
        serde_json::from_slice(&answer.body).or_else(|_| {
            // A document of another kind means another address; no document is its own error.
            answer.parse::<serde::de::IgnoredAny>()?;
            let why = "the answer of `/info` is not that of a Gobbler; check the URL";
            Err(Error::invalid("url", without_secrets(&self.base), why))
        })
    }
}

impl Registry for Remote {
    fn list(&self, folder: Option<&RelPath>, is_recursive: bool, job: &Job) -> Result<Vec<String>> {
        let listed = runtime::current()?.block_on(self.list(folder, is_recursive, job));
        let is_doubtful = match &listed {
            Ok(names) => names.is_empty(),
            Err(error) => matches!(error, Error::Status { .. }),
        };
        // Of a file the service lists nothing, and what is not there is a failure of its own.
        if let Some(folder) = folder.filter(|_| is_doubtful)
            && self.stat(folder, job)? != Stat::Folder
        {
            return Err(io::Error::from(ErrorKind::NotADirectory)).at(folder.as_str());
        }
        let names = listed?;
        Ok(names.into_iter().filter(|name| is_visible(name)).collect())
    }

    fn stat(&self, path: &RelPath, job: &Job) -> Result<Stat> {
        let url = self.visible(path)?;
        runtime::current()?.block_on(remote::stat(&self.http, &url, job))
    }

    fn open(&self, path: &RelPath, job: &Job) -> Result<Content> {
        remote::open(&self.http, &self.visible(path)?, job)
    }

    fn read(&self, path: &RelPath, job: &Job) -> Result<Vec<u8>> {
        let url = self.visible(path)?;
        let found = runtime::current()?.block_on(async {
            let headers = HeaderMap::new();
            let attempt = || async {
                let response = self.http.get_once(&url, &headers).await?;
                remote::refuse_folder(&response)?;
                response.into_document().await
            };
            self.http.repeat(&url, |_| true, job, attempt).await
        })?;
        Ok(found.body)
    }
}

/// True if a change may be asked for again: the server has not taken it, and is not the service
/// itself that says so after it has waited for its turn in vain.
fn is_refused(error: &Error) -> bool {
    let asks_for_a_pause = |headers: &[(String, String)]| {
        headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("retry-after"))
    };
    was_refused(error)
        && match error {
            Error::Status { status, headers, .. } => *status == 429 || asks_for_a_pause(headers),
            _ => true,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::testing::{answer, serve};

    #[test]
    fn a_change_is_asked_for_again_only_if_it_was_not_taken() {
        let run = |answers: Vec<Vec<u8>>| {
            let (url, server) = serve(answers);
            let runtime = runtime::current().unwrap();
            let remote = Remote::new(url.as_str(), &runtime).unwrap();
            let done = runtime.block_on(remote.run("request-x", &Job::default()));
            (done, server.join().unwrap().len())
        };
        let success = br#"{"status": "SUCCESS"}"#;
        let taken = answer("200 OK", "", success.len(), success);
        let refused = answer("429 Slow Down", "Retry-After: 0\r\n", 0, b"");
        let (done, requests) = run(vec![refused, taken]);
        assert_eq!((done.unwrap().body.as_slice(), requests), (&success[..], 2));
        // The service has waited for its turn, in vain.
        let (failed, requests) = run(vec![answer("503 Busy", "", 0, b"")]);
        assert!(matches!(failed, Err(Error::Status { status: 503, .. })), "{failed:?}");
        assert_eq!(requests, 1);
    }

    #[test]
    fn paths_are_quoted_for_each_endpoint() {
        let runtime = runtime::current().unwrap();
        let remote = Remote::new("http://h:1/p/", &runtime).unwrap();
        let path = |text: &str| RelPath::parse(text).unwrap();
        let listed = |text: &str| remote.list_url(Some(&path(text)), true).unwrap().to_string();
        assert_eq!(remote.list_url(None, false).unwrap().as_str(), "http://h:1/p/list");
        assert_eq!(listed("a b/é"), "http://h:1/p/list?path=a+b%2F%C3%A9&recursive=true");
        assert_eq!(listed("a+b"), "http://h:1/p/list?path=a%252Bb&recursive=true");
        assert_eq!(
            remote.file_url(&path("a b/#?%41")).unwrap().as_str(),
            "http://h:1/p/fetch/a%20b/%23%3F%2541"
        );
    }
}
