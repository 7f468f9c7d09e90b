//! A gypsum registry over HTTP.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Url};

use crate::client::remote::{self, is_missing};
use crate::http::url::{base, parse, quote_component, without_secrets};
use crate::http::{Document, Http, Trust, was_refused};
use crate::job::Job;
use crate::registry::read::{Content, Keys, Stat};
use crate::runtime::{self, Runtime};
use crate::{Error, Result};

/// The header by which our service is told which token a session is to have.
const SESSION: &str = "selenite-session-token";
const AGENT: &str = concat!("selenite/", env!("CARGO_PKG_VERSION"), " (gypsum_client/0.2.0)");

/// A gypsum service, or another server that is talked to in the same way.
#[derive(Debug, Clone)]
pub struct Remote {
    base: String,
    /// The client it is reached by.
    pub http: Http,
}

/// An answer with its headers.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Names and values, in order.
    pub headers: Vec<(String, String)>,
    /// The body and where it came from.
    pub document: Document,
}

/// What a service says of an object, and of itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Look {
    /// Whether the object is there.
    pub is_there: bool,
    /// Whether sessions can have tokens that clients choose: then it does no harm to start one again.
    pub lets_choose: bool,
}

impl Look {
    fn of(headers: &[(String, String)]) -> Self {
        Self { is_there: false, lets_choose: headers.iter().any(|(name, _)| name == SESSION) }
    }
}

/// One request to send.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// Its method.
    pub method: Method,
    /// Its URL.
    pub url: Url,
    /// On whose behalf, if that matters.
    pub token: Option<&'a str>,
    /// The token that the session is to have that it starts, if that is chosen.
    pub session: Option<&'a str>,
    /// How the client calls itself, if not by its own name.
    pub agent: Option<&'a str>,
    /// JSON, or nothing.
    pub body: Bytes,
    /// Whether it does no harm when it is sent twice.
    pub is_repeatable: bool,
}

impl<'a> Call<'a> {
    /// A POST without a body.
    pub fn post(url: Url, token: &'a str) -> Self {
        let method = Method::POST;
        Self {
            method,
            url,
            token: Some(token),
            session: None,
            agent: None,
            body: Bytes::new(),
            is_repeatable: false,
        }
    }
}

/// A header whose value never shows up in messages.
pub(super) fn secret(token: &str) -> Result<HeaderValue> {
    sensitive(format!("Bearer {}", token.trim()))
}

fn sensitive(text: String) -> Result<HeaderValue> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| Error::invalid("token", "***", "it holds characters that no token has"))?;
    value.set_sensitive(true);
    Ok(value)
}

impl Remote {
    /// The service at `url`, believed if `trust` says so.
    pub fn new(url: &str, trust: &Trust, runtime: &Arc<Runtime>) -> Result<Self> {
        let base = base(url)?;
        let mut http = Http::trusting(trust, runtime)?;
        http.agent = AGENT.into();
        http.retry.server_errors = true;
        Ok(Self { base, http })
    }

    /// The URL of a path that comes as the service wrote it: what no URL can hold is quoted.
    pub fn at(&self, path: &str) -> Result<Url> {
        if !path.starts_with('/') {
            let why = "expected a path that begins with `/`";
            return Err(Error::invalid("path", without_secrets(path), why));
        }
        parse(&format!("{}{}", self.base, path.replace('?', "%3F").replace('#', "%23")))
    }

    /// The URL of an endpoint whose parameters are to be quoted.
    pub fn endpoint(&self, name: &str, parameters: &[&str]) -> Result<Url> {
        let mut url = self.base.clone();
        if !name.is_empty() {
            url.push('/');
            url.push_str(name);
        }
        for parameter in parameters {
            url.push('/');
            url.push_str(&quote_component(parameter));
        }
        parse(&url)
    }

    /// URL of an object.
    pub fn file_url(&self, key: &str) -> Result<Url> {
        self.endpoint("file", &[key])
    }

    /// Keys that begin with `prefix`.
    pub async fn list(&self, prefix: &str, is_recursive: bool, job: &Job) -> Result<Vec<String>> {
        Ok(self.listed(prefix, is_recursive, job).await?.0)
    }

    /// [`Remote::list`], and the archive of the directory `prefix` if the service sends those.
    pub(super) async fn listed(
        &self,
        prefix: &str,
        is_recursive: bool,
        job: &Job,
    ) -> Result<(Vec<String>, Option<Url>)> {
        let mut url = format!("{}/list?recursive={is_recursive}", self.base);
        if !prefix.is_empty() {
            url.push_str("&prefix=");
            url.push_str(&quote_component(prefix));
        }
        let (answer, has_archives) = remote::listed(&self.http, &parse(&url)?, job).await?;
        let archive = self.endpoint("archive", &[prefix.trim_end_matches('/')])?;
        Ok((answer.parse()?, has_archives.then_some(archive)))
    }

    /// Content of an object.
    pub async fn read(&self, key: &str, job: &Job) -> Result<Document> {
        self.http.get(&self.file_url(key)?, job).await
    }

    /// What the service says when it is asked whether an object is there.
    pub async fn look(&self, key: &str, job: &Job) -> Result<Look> {
        let url = self.file_url(key)?;
        let nothing = HeaderMap::new();
        let ask = || self.http.request_once(Method::HEAD, &url, &nothing, Bytes::new(), true);
        match self.http.repeat(&url, |_| true, job, ask).await {
            Ok(answer) => Ok(Look { is_there: true, ..Look::of(&answer.headers()) }),
            Err(Error::Cancelled) => Err(Error::Cancelled),
            Err(Error::Status { headers, .. }) => Ok(Look::of(&headers)),
            Err(_) => Ok(Look::default()),
        }
    }

    /// Sends one request.
    ///
    /// What is not repeatable is sent again only if the service has refused it before it did
    /// anything.
    pub async fn send(&self, call: &Call<'_>, job: &Job) -> Result<Answer> {
        let again = |error: &Error| call.is_repeatable || was_refused(error);
        self.http.repeat(&call.url, again, job, || self.send_once(call)).await
    }

    /// [`Remote::send`] without retries.
    pub async fn send_once(&self, call: &Call<'_>) -> Result<Answer> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(token) = call.token {
            headers.insert(AUTHORIZATION, secret(token)?);
        }
        if let Some(session) = call.session {
            headers.insert(SESSION, sensitive(session.to_owned())?);
        }
        if !call.body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let mut http = self.http.clone();
        if let Some(agent) = call.agent {
            http.agent = agent.to_owned().into();
        }
        let method = call.method.clone();
        let (body, is_repeatable) = (call.body.clone(), call.is_repeatable);
        let response = http.request_once(method, &call.url, &headers, body, is_repeatable).await?;
        let headers = response.headers();
        Ok(Answer { headers, document: response.into_document().await? })
    }
}

impl Keys for Remote {
    fn list(&self, prefix: &str, is_recursive: bool, job: &Job) -> Result<Vec<String>> {
        runtime::current()?.block_on(self.list(prefix, is_recursive, job))
    }

    fn size(&self, key: &str, job: &Job) -> Result<Option<u64>> {
        let url = self.file_url(key)?;
        match runtime::current()?.block_on(remote::stat(&self.http, &url, job)) {
            Ok(Stat::File { size }) => Ok(Some(size)),
            Ok(Stat::Folder) => Ok(None),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn open(&self, key: &str, job: &Job) -> Result<Option<Content>> {
        match remote::open(&self.http, &self.file_url(key)?, job) {
            Err(error) if is_missing(&error) => Ok(None),
            other => other.map(Some),
        }
    }

    fn read(&self, key: &str, job: &Job) -> Result<Option<Vec<u8>>> {
        match runtime::current()?.block_on(self.read(key, job)) {
            Err(error) if is_missing(&error) => Ok(None),
            other => other.map(|found| Some(found.body)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::testing::{answer, serve};

    #[test]
    fn parameters_are_quoted_and_given_paths_kept() {
        let runtime = runtime::current().unwrap();
        let remote = Remote::new("http://h:1/p//", &Trust::Environment, &runtime).unwrap();
        let quoted = remote.file_url("a b/é+%").unwrap();
        assert_eq!(quoted.as_str(), "http://h:1/p/file/a%20b%2F%C3%A9%2B%25");
        let given = remote.at("/upload/complete/a b/é?/%41+").unwrap();
        assert_eq!(given.as_str(), "http://h:1/p/upload/complete/a%20b/%C3%A9%3F/%41+");
        assert!(remote.at("@evil.example/x").is_err());
    }

    #[test]
    fn a_refusal_is_no_word_on_what_is_there() {
        let refused = answer("503 Busy", "", 0, b"");
        let (url, server) = serve(vec![refused, answer("200 OK", "Content-Length: 0\r\n", 0, b"")]);
        let runtime = runtime::current().unwrap();
        let remote = Remote::new(url.as_str(), &Trust::Environment, &runtime).unwrap();
        let look = runtime.block_on(remote.look("p/a/v/..summary", &Job::default())).unwrap();
        assert!(look.is_there && !look.lets_choose);
        assert!(server.join().unwrap().iter().all(|head| head.starts_with("HEAD ")));
    }

    #[test]
    fn a_token_is_never_shown() {
        assert!(!format!("{:?}", secret("abc").unwrap()).contains("abc"));
        let error = secret("a\nb").unwrap_err();
        assert!(!error.chain().contains('\n'), "{error}");
    }
}
