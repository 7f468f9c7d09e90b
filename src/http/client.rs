//! One request: time limits, redirects, and errors that carry the server's own reason.

use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION,
    USER_AGENT,
};
use reqwest::{Certificate, Client, ClientBuilder, Method, NoProxy, Proxy, StatusCode, Url};
use serde::de::DeserializeOwned;

use super::direct;
use super::failure::Failure;
use super::retry::RetryPolicy;
use super::url;
use crate::error::IoContext;
use crate::job::Job;
use crate::runtime::Runtime;
use crate::{Error, Result};

const AGENT: &str = concat!("selenite/", env!("CARGO_PKG_VERSION"), " (pygobbler/0.1.11)");
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long unused connections are kept: servers close theirs after 60 s or more, and what is sent
/// in that very moment is lost.
const IDLE_CONNECTIONS: Duration = Duration::from_secs(45);
/// Silence while connecting counts, but a limit of the same length for connecting passes first: then
/// it is certain that nothing was sent.
const CONNECT_FIRST: Duration = Duration::from_millis(100);
/// Bytes of an answer that errors keep.
const ERROR_BODY_BYTES: usize = 1 << 20;
/// Characters of a page that was not meant as a reason.
const EXCERPT_CHARS: usize = 200;
const MOST_REDIRECTS: usize = 10;
/// Hosts that are never reached through a proxy, besides those of `NO_PROXY`.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";
/// Variables that name certificates, the first one that is set wins.
const CERTIFICATE_VARIABLES: [&str; 5] =
    ["SELENITE_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Whose certificates are believed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Trust {
    /// Those that the environment names, else the system's.
    #[default]
    Environment,
    /// Those of this file, or of the files in this folder.
    Bundle(PathBuf),
    /// Everybody's.
    Everybody,
}

/// The HTTP client of this process, with the limits that hold for this call.
#[derive(Debug, Clone)]
pub struct Http {
    pools: Pools,
    connect_limit: Duration,
    idle_limit: Duration,
    /// How requests that may be sent twice are tried again.
    pub retry: RetryPolicy,
    /// How this client calls itself.
    pub agent: std::borrow::Cow<'static, str>,
    is_offline: bool,
}

/// Connections of a process that believe the same certificates.
#[derive(Debug, Clone)]
pub(crate) struct Pools {
    general: Client,
    /// For servers that need nothing else; none if there are proxies.
    direct: Option<Arc<direct::Pool>>,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Document {
    /// Where it came from, safe to show.
    pub url: String,
    /// Its bytes.
    pub body: Vec<u8>,
}

impl Document {
    /// Parses the body.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|source| Error::Json {
            origin: self.url.clone(),
            text: excerpt(&self.body),
            source,
        })
    }
}

/// An answer whose body is still to be read.
#[derive(Debug)]
pub struct Response {
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
    method: Method,
    url: Url,
    idle_limit: Option<Duration>,
}

#[derive(Debug)]
enum Body {
    General(reqwest::Response),
    Direct(direct::Body),
}

impl Response {
    /// The status code.
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// A header, if it is there and is text.
    pub fn header(&self, name: impl reqwest::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The announced size of the body.
    pub fn length(&self) -> Option<u64> {
        match &self.body {
            Body::General(inner) => inner.content_length(),
            Body::Direct(body) => body.length(),
        }
    }

    /// The path of the URL that was answered, after redirects.
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// The next piece of the body, `None` at its end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let body = &mut self.body;
        let piece = pin!(async {
            match body {
                Body::General(inner) => inner.chunk().await.map_err(Failure::from),
                Body::Direct(body) => body.chunk().await.map_err(Failure::from),
            }
        });
        within(self.idle_limit, piece)
            .await
            .map_err(|failure| failure.lift(&self.method, &self.url))
    }

    async fn collect(mut self, most: usize) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        while body.len() < most
            && let Some(piece) = self.chunk().await?
        {
            body.extend_from_slice(&piece);
        }
        body.truncate(most);
        Ok(body)
    }

    /// The headers, in order.
    pub fn headers(&self) -> Vec<(String, String)> {
        let pairs = self.headers.iter();
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        pairs.map(|(name, value)| (name.to_string(), text(value))).collect()
    }

    /// The whole body.
    pub async fn into_document(self) -> Result<Document> {
        let url = url::redacted(&self.url);
        Ok(Document { url, body: self.collect(usize::MAX).await? })
    }

    async fn into_error(self) -> Error {
        let (method, url, status) =
            (self.method.to_string(), url::redacted(&self.url), self.status());
        let headers = self.headers();
        let media = self.header(CONTENT_TYPE).unwrap_or_default().to_owned();
        let fallback = self.status.canonical_reason().unwrap_or("unknown status");
        // The status counts even if the connection breaks before the reason is complete.
        let body = self.collect(ERROR_BODY_BYTES).await.unwrap_or_default();
        let body = String::from_utf8_lossy(&body).into_owned();
        let reason = Some(reason(&media, &body)).filter(|reason| !reason.is_empty());
        let reason = reason.unwrap_or_else(|| fallback.to_owned());
        Error::Status { method, url, status, reason, headers, body }
    }
}

/// The server's own words: `reason` of a JSON object, a plain text, or the start of anything else.
fn reason(media: &str, body: &str) -> String {
    let kind = media.split(';').next().unwrap_or_default().trim();
    if kind == "text/plain" {
        return body.trim().to_owned();
    }
    let stated = serde_json::from_str::<serde_json::Value>(body)
        .ok()
        .and_then(|answer| Some(answer.get("reason")?.as_str()?.to_owned()));
    stated.unwrap_or_else(|| body.trim().chars().take(EXCERPT_CHARS).collect())
}

fn excerpt(body: &[u8]) -> String {
    String::from_utf8_lossy(&body[..body.len().min(ERROR_BODY_BYTES)]).into_owned()
}

impl Http {
    /// The connection pool of `runtime`, and the limits that the environment asks for now.
    pub fn new(runtime: &Runtime) -> Result<Self> {
        Self::trusting(&Trust::Environment, runtime)
    }

    /// [`Http::new`] with certificates of the caller's choice.
    pub fn trusting(trust: &Trust, runtime: &Runtime) -> Result<Self> {
        let connect_limit = seconds("SELENITE_CONNECT_TIMEOUT", 10.0)?;
        Ok(Self {
            pools: runtime.pools(format!("{trust:?}"), || Pools::new(connect_limit, trust))?,
            connect_limit,
            idle_limit: seconds("SELENITE_TIMEOUT", 60.0)?,
            retry: RetryPolicy { retries: retries()?, server_errors: false },
            agent: AGENT.into(),
            is_offline: is_set("SELENITE_OFFLINE"),
        })
    }

    /// True if `SELENITE_OFFLINE` forbids all requests.
    pub fn is_offline(&self) -> bool {
        self.is_offline
    }

    /// Sends one GET and follows redirects; a status of 300 and above is an error. No retries.
    pub async fn get_once(&self, url: &Url, headers: &HeaderMap) -> Result<Response> {
        self.get_from(url, headers, self.pools.direct.as_ref()).await
    }

    /// [`Http::get_once`] for content that may be large: of several answers at once, each is read as
    /// soon as something comes, in smaller pieces.
    pub async fn get_large_once(&self, url: &Url, headers: &HeaderMap) -> Result<Response> {
        self.get_from(url, headers, None).await
    }

    async fn get_from(
        &self,
        url: &Url,
        headers: &HeaderMap,
        direct: Option<&Arc<direct::Pool>>,
    ) -> Result<Response> {
        let (mut url, mut headers) = (url.clone(), headers.clone());
        for _ in 0..=MOST_REDIRECTS {
            let response = self.get_here(&url, &headers, direct).await?;
            if response.status() < 300 {
                return Ok(response);
            }
            let target = matches!(response.status(), 301 | 302 | 303 | 307 | 308)
                .then(|| url.join(response.header(LOCATION)?).ok())
                .flatten();
            match target {
                Some(target) => {
                    // Credentials are meant for the server that was asked.
                    if target.origin() != url.origin() {
                        headers.remove(AUTHORIZATION);
                    }
                    url = target;
                }
                None => return Err(response.into_error().await),
            }
        }
        Err(Error::Transport {
            method: "GET".into(),
            url: url::redacted(&url),
            source: format!("more than {MOST_REDIRECTS} redirects").into(),
        })
    }

    /// Gets a whole answer, trying again after transient failures.
    pub async fn get(&self, url: &Url, job: &Job) -> Result<Document> {
        let headers = HeaderMap::new();
        let attempt = || async { self.get_once(url, &headers).await?.into_document().await };
        self.retry.run(job, attempt).await
    }

    /// Sends one POST without a body and waits for the answer as long as it takes.
    ///
    /// It is sent once and redirects are not followed: they would turn it into a GET.
    pub async fn post(&self, url: &Url, job: &Job) -> Result<Document> {
        job.race(async {
            let request = self.pools.general.post(url.clone()).body("");
            let response = self.send(Method::POST, url, request, None).await?;
            if response.status() < 300 {
                response.into_document().await
            } else {
                Err(response.into_error().await)
            }
        })
        .await
    }

    /// Sends one request with a small body; redirects are not followed, a status of 300 and above
    /// is an error. No retries.
    pub async fn request_once(
        &self,
        method: Method,
        url: &Url,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Response> {
        let request =
            self.pools.general.request(method.clone(), url.clone()).headers(headers.clone());
        // Also for an empty body: some servers insist.
        let request = request.header(CONTENT_LENGTH, body.len()).body(body);
        let response = self.send(method, url, request, Some(self.idle_limit)).await?;
        if response.status() < 300 { Ok(response) } else { Err(response.into_error().await) }
    }

    /// Sends one PUT whose body comes as a stream of `length` bytes. `touched` must be touched when a
    /// piece of it is taken: the time limit runs from then. No redirects, no retries.
    pub async fn put_stream(
        &self,
        url: &Url,
        headers: &HeaderMap,
        length: u64,
        body: reqwest::Body,
        touched: &Touched,
    ) -> Result<()> {
        let request = self.pools.general.put(url.clone()).headers(headers.clone());
        let request = request.header(CONTENT_LENGTH, length).body(body);
        let answer = self.send(Method::PUT, url, request, None);
        let limit = self.idle_limit;
        let response = tokio::select! {
            response = answer => response?,
            () = touched.idle(limit) => {
                let failure = Failure::Idle(limit);
                return Err(failure.lift(&Method::PUT, url));
            }
        };
        if response.status() < 300 { Ok(()) } else { Err(response.into_error().await) }
    }

    /// Sends one GET, by way of `direct` if that leads there.
    async fn get_here(
        &self,
        url: &Url,
        headers: &HeaderMap,
        direct: Option<&Arc<direct::Pool>>,
    ) -> Result<Response> {
        let limit = Some(self.idle_limit);
        if let Some(pool) = direct
            && let Some(request) = direct::request(url, headers, &self.agent)
        {
            let answer = pin!(pool.send(url, request));
            let (head, body) = self.answer(&Method::GET, url, answer, limit).await?.into_parts();
            let (method, body) = (Method::GET, Body::Direct(body));
            let (status, headers, url) = (head.status, head.headers, url.clone());
            return Ok(Response { status, headers, body, method, url, idle_limit: limit });
        }
        let request = self.pools.general.get(url.clone()).headers(headers.clone());
        self.send(Method::GET, url, request, limit).await
    }

    async fn send(
        &self,
        method: Method,
        url: &Url,
        request: reqwest::RequestBuilder,
        idle_limit: Option<Duration>,
    ) -> Result<Response> {
        let request = request.header(USER_AGENT, self.agent.as_ref());
        let answer = pin!(async {
            request.send().await.map_err(|error| match error {
                late if late.is_timeout() && late.is_connect() => {
                    Failure::Connecting(self.connect_limit)
                }
                other => other.into(),
            })
        });
        let mut answer = self.answer(&method, url, answer, idle_limit).await?;
        let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
        let (body, url) = (Body::General(answer), url.clone());
        Ok(Response { status, headers, body, method, url, idle_limit })
    }

    /// Waits for an answer as long as it may take.
    async fn answer<T>(
        &self,
        method: &Method,
        url: &Url,
        answer: Pin<&mut impl Future<Output = Result<T, Failure>>>,
        idle_limit: Option<Duration>,
    ) -> Result<T> {
        if self.is_offline {
            return Err(Error::Transport {
                method: method.to_string(),
                url: url::redacted(url),
                source: "the network is switched off by SELENITE_OFFLINE".into(),
            });
        }
        let limit = idle_limit.map(|idle| idle + CONNECT_FIRST);
        within(limit, answer).await.map_err(|failure| match failure {
            Failure::Idle(_) => Failure::Idle(self.idle_limit).lift(method, url),
            failure => failure.lift(method, url),
        })
    }
}

/// When something last moved on a connection.
#[derive(Debug)]
pub struct Touched(std::sync::Mutex<tokio::time::Instant>);

impl Default for Touched {
    fn default() -> Self {
        Self(std::sync::Mutex::new(tokio::time::Instant::now()))
    }
}

impl Touched {
    /// Notes that something moved just now.
    pub fn touch(&self) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
            tokio::time::Instant::now();
    }

    /// Resolves when nothing has moved for so long.
    async fn idle(&self, limit: Duration) {
        loop {
            let last = *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if last.elapsed() >= limit {
                return;
            }
            tokio::time::sleep_until(last + limit).await;
        }
    }
}

/// What is awaited stays where it is: handed on by value, it would take its room once more.
async fn within<T>(
    limit: Option<Duration>,
    work: Pin<&mut impl Future<Output = Result<T, Failure>>>,
) -> Result<T, Failure> {
    match limit {
        None => work.await,
        Some(limit) => tokio::time::timeout(limit, work).await.map_err(|_| Failure::Idle(limit))?,
    }
}

impl Pools {
    fn new(connect_limit: Duration, trust: &Trust) -> Result<Self> {
        let direct = || direct::Pool::new(connect_limit, IDLE_CONNECTIONS, KEEP_ALIVE);
        Ok(Self {
            general: build(connect_limit, trust)?,
            direct: proxies().next().is_none().then(|| Arc::new(direct())),
        })
    }
}

fn build(connect_limit: Duration, trust: &Trust) -> Result<Client> {
    let mut headers = HeaderMap::new();
    // Sizes and digests are those of the file itself.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let builder = Client::builder()
        .default_headers(headers)
        .connect_timeout(connect_limit)
        .tcp_nodelay(true)
        .tcp_keepalive(KEEP_ALIVE)
        .pool_idle_timeout(IDLE_CONNECTIONS)
        .redirect(reqwest::redirect::Policy::none());
    let builder = with_proxies(builder)?;
    let builder = match trust {
        Trust::Environment => with_certificates(builder)?,
        Trust::Bundle(path) => with_certificates_of("verify", &path.to_string_lossy(), builder)?,
        Trust::Everybody => builder.tls_danger_accept_invalid_certs(true),
    };
    builder.build().map_err(|error| Error::Transport {
        method: "preparing".into(),
        url: "connections".into(),
        source: Box::new(error),
    })
}

type MakeProxy = fn(String) -> reqwest::Result<Proxy>;

/// The proxies that the environment names: the variable, its value, and what it is for.
fn proxies() -> impl Iterator<Item = (&'static str, String, MakeProxy)> {
    let all: [(&str, MakeProxy); 3] =
        [("http_proxy", Proxy::http), ("https_proxy", Proxy::https), ("all_proxy", Proxy::all)];
    all.into_iter().filter_map(|(name, make)| Some((name, proxy_variable(name)?, make)))
}

fn proxy_variable(name: &str) -> Option<String> {
    let lower = std::env::var(name).ok();
    lower.or_else(|| std::env::var(name.to_uppercase()).ok()).filter(|value| !value.is_empty())
}

fn with_proxies(builder: ClientBuilder) -> Result<ClientBuilder> {
    let direct =
        proxy_variable("no_proxy").map_or_else(|| LOOPBACK.into(), |own| own + "," + LOOPBACK);
    let direct = NoProxy::from_string(&direct);
    let mut builder = builder.no_proxy();
    for (name, url, make) in proxies() {
        let proxy = make(url).map_err(|error| {
            Error::invalid("proxy variable", name, error.without_url().to_string())
        })?;
        builder = builder.proxy(proxy.no_proxy(direct.clone()));
    }
    Ok(builder)
}

fn with_certificates(builder: ClientBuilder) -> Result<ClientBuilder> {
    let set = CERTIFICATE_VARIABLES
        .into_iter()
        .find_map(|name| Some((name, std::env::var(name).ok().filter(|value| !value.is_empty())?)));
    match set {
        Some((name, value)) => with_certificates_of(name, &value, builder),
        None => Ok(builder),
    }
}

fn with_certificates_of(
    name: &'static str,
    value: &str,
    builder: ClientBuilder,
) -> Result<ClientBuilder> {
    // Only the last variable holds a list.
    let paths: Vec<PathBuf> = match name {
        "SSL_CERT_DIR" => std::env::split_paths(value).collect(),
        _ => vec![PathBuf::from(value)],
    };
    let mut certificates = Vec::new();
    for path in paths {
        for file in certificate_files(&path)? {
            let text = std::fs::read(&file).at(&file)?;
            let found = Certificate::from_pem_bundle(&text)
                .map_err(|error| Error::invalid(name, file.to_string_lossy(), error.to_string()))?;
            certificates.extend(found);
        }
    }
    if certificates.is_empty() {
        return Err(Error::invalid(name, value, "it holds no certificate in PEM form"));
    }
    Ok(builder.tls_certs_only(certificates))
}

fn certificate_files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let names = crate::fs::walk::entries(path)?.into_iter().map(|(name, _)| path.join(name));
    Ok(names.filter(|file| file.is_file()).collect())
}

fn variable<T: std::str::FromStr>(name: &'static str, default: T, what: &str) -> Result<T> {
    match std::env::var(name) {
        Ok(text) if !text.trim().is_empty() => {
            text.trim().parse().map_err(|_| Error::invalid(name, text, format!("expected {what}")))
        }
        _ => Ok(default),
    }
}

fn seconds(name: &'static str, default: f64) -> Result<Duration> {
    let value: f64 = variable(name, default, "a number of seconds")?;
    Duration::try_from_secs_f64(value)
        .ok()
        .filter(|limit| !limit.is_zero())
        .ok_or_else(|| Error::invalid(name, value.to_string(), "expected a positive number"))
}

fn retries() -> Result<u32> {
    variable("SELENITE_RETRIES", 4, "a whole number")
}

fn is_set(name: &str) -> bool {
    std::env::var(name).is_ok_and(|value| {
        matches!(value.trim().to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on")
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::http::testing::{answer, serve};
    use crate::http::was_sent;
    use crate::runtime;

    fn http() -> (std::sync::Arc<Runtime>, Http) {
        let runtime = runtime::current().unwrap();
        let http = Http::new(&runtime).unwrap();
        (runtime, http)
    }

    #[test]
    fn a_transient_failure_is_tried_again() {
        let busy = answer("503 Busy", "Retry-After: 0\r\n", 0, b"");
        let short = answer("200 OK", "", 9, b"ab");
        let (url, server) = serve(vec![busy, short, answer("200 OK", "", 2, b"[]")]);
        let (runtime, http) = http();
        let answer = runtime.block_on(http.get(&url, &Job::default())).unwrap();
        assert_eq!(answer.body, b"[]");
        assert_eq!(server.join().unwrap().len(), 3);
    }

    #[test]
    fn a_post_is_sent_once_and_not_redirected() {
        let (url, server) = serve(vec![answer("301 Moved", "Location: /y\r\n", 0, b"")]);
        let (runtime, http) = http();
        let error = runtime.block_on(http.post(&url, &Job::default())).unwrap_err();
        assert!(matches!(error, Error::Status { status: 301, .. }), "{error:?}");
        assert!(server.join().unwrap()[0].starts_with("POST /x HTTP/1.1"));
    }

    #[test]
    fn a_get_follows_redirects_but_not_for_ever() {
        let moved = || answer("302 Found", "Location: /y\r\n", 0, b"");
        let (url, server) = serve(vec![moved(), answer("200 OK", "", 2, b"{}")]);
        let (runtime, http) = http();
        assert_eq!(runtime.block_on(http.get(&url, &Job::default())).unwrap().body, b"{}");
        assert!(server.join().unwrap()[1].starts_with("GET /y HTTP/1.1"));
        let (url, server) = serve((0..=MOST_REDIRECTS).map(|_| moved()).collect());
        let error = runtime.block_on(http.get(&url, &Job::default())).unwrap_err();
        assert!(error.chain().contains("redirects"), "{}", error.chain());
        server.join().unwrap();
    }

    #[test]
    fn the_reason_is_the_servers_own() {
        assert_eq!(reason("application/json", r#"{"reason": "why", "status": "ERROR"}"#), "why");
        assert_eq!(
            reason("text/plain; charset=utf-8", "404 page not found\n"),
            "404 page not found"
        );
        assert_eq!(reason("text/html", &"x".repeat(900)).len(), EXCERPT_CHARS);
    }

    #[test]
    fn a_silent_server_is_left_however_long_connecting_may_take() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let (runtime, mut http) = http();
        (http.connect_limit, http.idle_limit) = (Duration::from_secs(60), Duration::from_millis(1));
        http.retry.retries = 0;
        let error = runtime.block_on(http.get(&url, &Job::default())).unwrap_err();
        assert!(matches!(error, Error::Timeout { connecting: false, .. }), "{error:?}");
    }

    #[test]
    fn a_refused_connection_was_not_sent() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url = url::parse(&format!("http://me:secret@127.0.0.1:{port}/x")).unwrap();
        let (runtime, http) = http();
        let error = runtime.block_on(http.post(&url, &Job::default())).unwrap_err();
        assert!(matches!(error, Error::Transport { .. }), "{error:?}");
        assert!(!was_sent(&error));
        assert!(!error.chain().contains("secret"), "{}", error.chain());
    }
}
