//! One request: time limits, redirects, and errors that carry the server's own reason.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, LOCATION, USER_AGENT};
use reqwest::{Client, Method, Url};

use super::environment;
use super::failure::Failure;
use super::response::{Body, Document, Response, within};
use super::retry::{RetryPolicy, Standing};
use super::secrets::Secrets;
use super::tls::{Certificates, Trust};
use super::{direct, url};
use crate::job::Job;
use crate::runtime::Runtime;
use crate::{Error, Result, settings};

const AGENT: &str = concat!("selenite/", env!("CARGO_PKG_VERSION"), " (pygobbler/0.1.11)");
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long unused connections are kept: servers close theirs after 60 s or more, and what is sent
/// in that very moment is lost.
pub(super) const IDLE_CONNECTIONS: Duration = Duration::from_secs(45);
/// Silence while connecting counts, but a limit of the same length for connecting passes first: then
/// it is certain that nothing was sent.
const CONNECT_FIRST: Duration = Duration::from_millis(100);
const MOST_REDIRECTS: usize = 10;

/// The HTTP client of this process, with the limits that hold for this call.
#[derive(Debug, Clone)]
pub struct Http {
    /// Held, as the connections are its own.
    _runtime: Arc<Runtime>,
    pools: Pools,
    connect_limit: Duration,
    pub(super) idle_limit: Duration,
    /// How requests that may be sent twice are tried again.
    pub retry: RetryPolicy,
    /// How this client calls itself.
    pub agent: std::borrow::Cow<'static, str>,
    is_offline: bool,
    /// What this client has met so far.
    pub(super) call: Arc<Mutex<Standing>>,
}

/// Connections of a runtime that believe the same certificates.
#[derive(Debug, Clone)]
pub(crate) struct Pools {
    general: Client,
    certificates: Arc<Certificates>,
    /// Whether the way to plain servers, too, may lead over a proxy that speaks TLS.
    has_tls_proxy: bool,
    /// For servers that need nothing else; none if there are proxies.
    direct: Option<Arc<direct::Pool>>,
}

impl Http {
    /// The connection pool of `runtime`, and the limits that the environment asks for now.
    pub fn new(runtime: &Arc<Runtime>) -> Result<Self> {
        Self::trusting(&Trust::Environment, runtime)
    }

    /// [`Http::new`] with certificates of the caller's choice.
    pub fn trusting(trust: &Trust, runtime: &Arc<Runtime>) -> Result<Self> {
        let connect_limit = settings::connect_timeout()?;
        Ok(Self {
            _runtime: Arc::clone(runtime),
            pools: runtime.pools(format!("{trust:?}"), || Pools::new(connect_limit, trust))?,
            connect_limit,
            idle_limit: settings::timeout()?,
            retry: RetryPolicy { retries: settings::retries()?, server_errors: false },
            agent: AGENT.into(),
            is_offline: settings::is_offline()?,
            call: Arc::default(),
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
        let mut earlier = Secrets::default();
        for _ in 0..=MOST_REDIRECTS {
            let mut response = self.get_here(&url, &headers, direct).await?;
            response.secrets.extend(&earlier);
            if response.status() < 300 {
                return Ok(response);
            }
            let target = matches!(response.status(), 301 | 302 | 303 | 307 | 308)
                .then(|| url.join(response.header(LOCATION)?).ok())
                .flatten();
            match target {
                Some(target) => {
                    earlier = response.secrets;
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
        self.repeat(url, |_| true, job, attempt).await
    }

    /// Sends one POST without a body and waits for the answer as long as it takes.
    ///
    /// It is sent once and redirects are not followed: they would turn it into a GET.
    pub async fn post(&self, url: &Url, job: &Job) -> Result<Document> {
        job.race(async {
            let request = self.pools.general.post(url.clone()).body("");
            let secrets = Secrets::of(url, &HeaderMap::new(), b"");
            let response = self.send(Method::POST, url, request, secrets, None).await?;
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
        let secrets = Secrets::of(url, headers, &body);
        // Also for an empty body: some servers insist.
        let request = request.header(CONTENT_LENGTH, body.len()).body(body);
        let response = self.send(method, url, request, secrets, Some(self.idle_limit)).await?;
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
        let secrets = Secrets::of(url, headers, b"");
        let answer = self.send(Method::PUT, url, request, secrets, None);
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
        let secrets = Secrets::of(url, headers, b"");
        if let Some(pool) = direct
            && let Some(request) = direct::request(url, headers, &self.agent)
        {
            let answer = pin!(pool.send(url, request));
            let (head, body) = self.answer(&Method::GET, url, answer, limit).await?.into_parts();
            let (method, body) = (Method::GET, Body::Direct(body));
            let (status, headers, url) = (head.status, head.headers, url.clone());
            return Ok(Response { status, headers, body, method, url, idle_limit: limit, secrets });
        }
        let request = self.pools.general.get(url.clone()).headers(headers.clone());
        self.send(Method::GET, url, request, secrets, limit).await
    }

    async fn send(
        &self,
        method: Method,
        url: &Url,
        request: reqwest::RequestBuilder,
        secrets: Secrets,
        idle_limit: Option<Duration>,
    ) -> Result<Response> {
        let request = request.header(USER_AGENT, self.agent.as_ref());
        let answer = pin!(async {
            if url.scheme() == "https" || self.pools.has_tls_proxy {
                self.pools.certificates.load().await?;
            }
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
        Ok(Response { status, headers, body, method, url, idle_limit, secrets })
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

impl Pools {
    fn new(connect_limit: Duration, trust: &Trust) -> Result<Self> {
        let direct = || direct::Pool::new(connect_limit, IDLE_CONNECTIONS, KEEP_ALIVE);
        let certificates = Certificates::new(trust);
        Ok(Self {
            general: environment::build(connect_limit, &certificates)?,
            certificates,
            has_tls_proxy: environment::proxies()
                .any(|(_, url, _)| url.to_lowercase().starts_with("https:")),
            direct: environment::proxies().next().is_none().then(|| Arc::new(direct())),
        })
    }
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
