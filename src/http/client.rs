//! The client: sends requests over connections that fit, and on to where answers send them.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, LOCATION,
    USER_AGENT,
};
use reqwest::{Method, StatusCode, Url};

use super::environment::Environment;
use super::failure::Failure;
use super::netrc::{Login, Netrc};
use super::pace::Paces;
use super::pools::{Connections, Pools, noting};
use super::record::Sent;
use super::request::{Content, MakeStream, Request, Stream, Touched};
use super::response::{Body, Document, Response, within};
use super::retry::{RetryPolicy, Standing};
use super::secrets::Secrets;
use super::tls::Trust;
use super::{direct, url};
use crate::job::Job;
use crate::runtime::Runtime;
use crate::{Error, Result};

/// What requests of no package in particular call themselves.
const AGENT: &str = concat!("selenite/", env!("CARGO_PKG_VERSION"));
/// Silence while connecting counts, but a limit of the same length for connecting passes first: then
/// it is certain that nothing was sent.
const CONNECT_FIRST: Duration = Duration::from_millis(100);
const MOST_REDIRECTS: usize = 10;
/// Connections that end while a request waits for its turn on them: by HTTP/2, servers end each after
/// some requests (nginx: 1,000).
const MOST_ENDS: usize = 8;

/// The HTTP client of this process, with what the environment asks for in this call.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub struct Http {
    /// Held, as the connections are its own.
    _runtime: Arc<Runtime>,
    pools: Arc<Pools>,
    netrc: Arc<Netrc>,
    /// How long a server may be silent.
    pub idle_limit: Duration,
    /// How requests that may be sent twice are tried again.
    pub retry: RetryPolicy,
    /// How this client calls itself: the caller adds for which package it speaks.
    pub agent: std::borrow::Cow<'static, str>,
    is_offline: bool,
    /// Whether redirects from TLS to plain text are failures.
    pub keeps_to_tls: bool,
    /// Whether nothing is sent on to another place but what only reads.
    pub keeps_changes: bool,
    /// What this client has met so far.
    pub(super) call: Arc<Mutex<Standing>>,
    /// Whether answers only prepare what the call wants, and so are no progress.
    pub(super) is_preparing: bool,
    /// Whether what must not be sent twice may go over a connection that was used before.
    reuses: bool,
}

type Answer = (StatusCode, HeaderMap, Body);

impl Http {
    /// The connections of `runtime`, and the limits that the environment asks for now.
    pub fn new(runtime: &Arc<Runtime>) -> Result<Self> {
        Self::trusting(&Trust::Environment, runtime)
    }

    /// [`Http::new`] with certificates of the caller's choice.
    pub fn trusting(trust: &Trust, runtime: &Arc<Runtime>) -> Result<Self> {
        let trust = if crate::settings::believes_everybody() { &Trust::Everybody } else { trust };
        let Environment { settings, idle_limit, retries, is_offline, netrc } =
            Environment::now(trust)?;
        Ok(Self {
            _runtime: Arc::clone(runtime),
            pools: runtime.kept::<Connections>().with(settings)?,
            netrc: Arc::new(netrc),
            idle_limit,
            retry: RetryPolicy { retries, server_errors: false },
            agent: AGENT.into(),
            is_offline,
            keeps_to_tls: false,
            keeps_changes: false,
            call: Arc::default(),
            is_preparing: false,
            reuses: false,
        })
    }

    /// The same client, for requests of the same call that only prepare others.
    #[must_use]
    pub fn preparing(&self) -> Self {
        Self { is_preparing: true, ..self.clone() }
    }

    /// The same client, for callers who find out what became of a request that broke: also those that must
    /// not be sent twice go over connections that are open, which saves the time to make one.
    #[must_use]
    pub fn reusing(&self) -> Self {
        // That the server has closed one may be seen only when it is used.
        let retry = RetryPolicy { retries: self.retry.retries.max(1), ..self.retry };
        Self { reuses: true, retry, ..self.clone() }
    }

    /// The same client, without the logins of the user's file.
    #[must_use]
    pub fn without_logins(mut self) -> Self {
        self.netrc = Arc::default();
        self
    }

    /// Forbids all requests.
    pub fn switch_off(&mut self) {
        self.is_offline = true;
    }

    /// True if `SELENITE_OFFLINE` forbids all requests.
    pub fn is_offline(&self) -> bool {
        self.is_offline
    }

    /// Sends one GET and follows redirects; a status of 300 and above is an error. No retries.
    pub async fn get_once(&self, url: &Url, headers: &HeaderMap) -> Result<Response> {
        self.send(&Request::get(self.idle_limit, true), url, headers).await
    }

    /// [`Http::get_once`] for content that may be large: of several answers at once, each is read as
    /// soon as something comes, in smaller pieces.
    pub async fn get_large_once(&self, url: &Url, headers: &HeaderMap) -> Result<Response> {
        self.send(&Request::get(self.idle_limit, false), url, headers).await
    }

    /// Gets a whole answer, trying again after transient failures.
    pub async fn get(&self, url: &Url, job: &Job) -> Result<Document> {
        let headers = HeaderMap::new();
        let attempt = || async { self.get_once(url, &headers).await?.into_document().await };
        self.repeat(url, |_| true, job, attempt).await
    }

    /// Sends one POST without a body and waits for the answer as long as it takes. No retries.
    pub async fn post(&self, url: &Url, job: &Job) -> Result<Document> {
        let request = Request {
            method: Method::POST,
            content: Content::Bytes(Bytes::new()),
            limit: None,
            is_repeatable: false,
            is_small: true,
        };
        let headers = HeaderMap::new();
        job.race(async { self.send(&request, url, &headers).await?.into_document().await }).await
    }

    /// Sends one request with a small body; a status of 300 and above is an error. No retries.
    pub async fn request_once(
        &self,
        method: Method,
        url: &Url,
        headers: &HeaderMap,
        body: Bytes,
        is_repeatable: bool,
    ) -> Result<Response> {
        // Some servers insist on the length of an empty body, too.
        let content = Content::Bytes(body);
        let limit = Some(self.idle_limit);
        let request = Request { method, content, limit, is_repeatable, is_small: true };
        self.send(&request, url, headers).await
    }

    /// Sends one PUT that may be sent twice. `touched` must be touched when a piece of its content is
    /// taken: the time limit runs from then. No retries.
    pub async fn put_stream(
        &self,
        url: &Url,
        headers: &HeaderMap,
        stream: MakeStream<'_>,
        touched: &Touched,
    ) -> Result<()> {
        self.send_stream(Method::PUT, url, headers, stream, touched).await.map(drop)
    }

    /// [`Http::put_stream`] with another method, and with the answer.
    pub async fn send_stream(
        &self,
        method: Method,
        url: &Url,
        headers: &HeaderMap,
        stream: MakeStream<'_>,
        touched: &Touched,
    ) -> Result<Response> {
        let request = Request {
            method: method.clone(),
            content: Content::Stream(stream),
            limit: None,
            // A POST that broke may have been carried out in part.
            is_repeatable: method == Method::PUT,
            is_small: false,
        };
        let limit = self.idle_limit;
        tokio::select! {
            answer = self.send(&request, url, headers) => answer,
            () = touched.idle(limit) => Err(Failure::Idle(limit).lift(&method, url)),
        }
    }

    /// Sends a request, and on to where answers send it.
    async fn send(
        &self,
        request: &Request<'_>,
        url: &Url,
        headers: &HeaderMap,
    ) -> Result<Response> {
        let (mut url, mut headers) = (url.clone(), headers.clone());
        let mut secrets = Secrets::default();
        for sent_on in 0..=MOST_REDIRECTS {
            let full = url.clone();
            self.log_in(request, &mut url, &mut headers, sent_on > 0);
            secrets.extend(&Secrets::of(&full, &headers, request.content.seen()));
            let mut response = self.send_here(request, &url, &headers).await?;
            response.secrets = std::mem::take(&mut secrets);
            if response.status() < 300 {
                return Ok(response);
            }
            let target = response.header(LOCATION).and_then(|to| url.join(to.trim()).ok());
            let Some(target) = target.filter(|_| response.status() < 400) else {
                return Err(response.into_error().await);
            };
            let is_kept = self.keeps_changes && request.method != Method::GET;
            if is_kept || !request.is_sent_on(response.status()) {
                let mut error = response.into_error().await;
                if let Error::Status { reason, .. } = &mut error {
                    let target = url::redacted(&target);
                    *reason =
                        format!("it has moved to `{target}`, where no change is sent unasked");
                }
                return Err(error);
            }
            if self.keeps_to_tls && url.scheme() == "https" && target.scheme() != "https" {
                return Err(Error::Transport {
                    method: request.method.to_string(),
                    url: url::redacted(&url),
                    source: "it sends the request on to a place without encryption".into(),
                });
            }
            // Credentials are meant for the server that was asked.
            if !is_same_server(&url, &target) {
                let secret = |(name, value): (&HeaderName, &HeaderValue)| {
                    (*name == AUTHORIZATION || value.is_sensitive()).then(|| name.clone())
                };
                for name in headers.iter().filter_map(secret).collect::<Vec<_>>() {
                    headers.remove(name);
                }
            }
            (url, secrets) = (target, response.secrets);
        }
        Err(Error::Transport {
            method: request.method.to_string(),
            url: url::redacted(&url),
            source: format!("more than {MOST_REDIRECTS} redirects").into(),
        })
    }

    /// Adds the login that the URL or the user's file has for a server, unless there is a token or a
    /// signature. Where other servers send a request, only logins for that very server count.
    fn log_in(
        &self,
        request: &Request<'_>,
        url: &mut Url,
        headers: &mut HeaderMap,
        is_sent_on: bool,
    ) {
        let own = Login::of(url);
        // Both fail only for URLs without a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        // Streams go to places that a service has chosen, by URLs that are signed in many ways.
        let is_signed = url::is_signed(url) || matches!(request.content, Content::Stream(_));
        let noted = || self.netrc.login(url.host_str()?, is_sent_on).filter(|_| !is_signed);
        if !headers.contains_key(AUTHORIZATION)
            && let Some(Login { name, password }) = own.as_ref().or_else(noted)
        {
            let login = STANDARD.encode(format!("{name}:{password}"));
            let mut login = HeaderValue::try_from(format!("Basic {login}"))
                .expect("the letters of Base64 may be in headers");
            login.set_sensitive(true);
            headers.insert(AUTHORIZATION, login);
        }
    }

    async fn send_here(
        &self,
        request: &Request<'_>,
        url: &Url,
        headers: &HeaderMap,
    ) -> Result<Response> {
        let sent = Sent::now(&request.method, url);
        let answer = self.answer_here(request, url, headers).await;
        match &answer {
            Ok(response) => sent.answered(response.status()),
            Err(error) => sent.failed(error),
        }
        answer
    }

    async fn answer_here(
        &self,
        request: &Request<'_>,
        url: &Url,
        headers: &HeaderMap,
    ) -> Result<Response> {
        let Request { method, limit, .. } = request;
        if self.is_offline {
            return Err(Error::Transport {
                method: method.to_string(),
                url: url::redacted(url),
                source: "the network is switched off by SELENITE_OFFLINE".into(),
            });
        }
        let answer = self.answer(request, url, headers).await.map_err(|failure| match failure {
            Failure::Idle(_) => Failure::Idle(self.idle_limit).lift(method, url),
            failure => failure.lift(method, url),
        });
        let ((status, headers, body), method, url) = (answer?, method.clone(), url.clone());
        self.pools.answered(&url, body.is_stream());
        if body.is_stream() {
            Paces::here().of(&url).has_streams();
        }
        let secrets = Secrets::default(); // whoever knows all requests adds them
        Ok(Response { status, headers, body, method, url, idle_limit: *limit, secrets })
    }

    /// Sends a request over a connection that fits.
    ///
    /// One that was used before may be closed by the server before the request comes: what may be
    /// sent twice is sent again then, and the rest gets a connection of its own.
    async fn answer(
        &self,
        request: &Request<'_>,
        url: &Url,
        headers: &HeaderMap,
    ) -> Result<Answer, Failure> {
        let limit = request.limit.map(|idle| idle + CONNECT_FIRST);
        let direct = self.pools.direct(url).filter(|_| request.is_small);
        if let (Some(pool), &Method::GET, Content::None) =
            (direct, &request.method, &request.content)
            && let Some(request) = direct::request(url, headers, &self.agent)
        {
            let (head, body) = within(limit, pin!(pool.send(url, request))).await?.into_parts();
            return Ok((head.status, head.headers, Body::Direct(body)));
        }
        self.pools.prepare(url).await?;
        if request.is_repeatable {
            for _ in 0..MOST_ENDS {
                let answer = pin!(self.answer_over(Over::Any, request, url, headers));
                let turn = self.pools.turn(url);
                match noting(turn.clone(), within(limit, answer)).await {
                    (Err(failure), _) if failure.is_passed_over() => {}
                    // Those that share the next connection need none of their own.
                    (Err(failure), false)
                        if failure.is_broken() && turn.is_some_and(|turn| turn.is_shared()) => {}
                    (Err(failure), false) if failure.is_broken() => break,
                    (answer, _) => return answer,
                }
            }
        } else if self.reuses {
            let answer = pin!(self.answer_over(Over::Any, request, url, headers));
            return noting(self.pools.turn(url), within(limit, answer)).await.0;
        } else if let Some(pool) = direct {
            // A server may serve one connection after the other.
            pool.close_idle(url);
        }
        within(limit, pin!(self.answer_over(Over::New, request, url, headers))).await
    }

    async fn answer_over(
        &self,
        connection: Over,
        request: &Request<'_>,
        url: &Url,
        headers: &HeaderMap,
    ) -> Result<Answer, Failure> {
        let client = match connection {
            Over::Any => &self.pools.pooled,
            Over::New => &self.pools.fresh,
        };
        let mut sent = client
            .request(request.method.clone(), url.clone())
            .headers(headers.clone())
            .header(USER_AGENT, self.agent.as_ref());
        sent = match &request.content {
            Content::None => sent,
            Content::Bytes(bytes) => sent.header(CONTENT_LENGTH, bytes.len()).body(bytes.clone()),
            Content::Stream(make) => {
                let Stream { length, body } = make()?;
                sent.header(CONTENT_LENGTH, length).body(body)
            }
        };
        if matches!(connection, Over::New) {
            sent = sent.header(CONNECTION, "close");
        }
        let mut answer = sent.send().await.map_err(|error| match error {
            late if late.is_timeout() && late.is_connect() => {
                Failure::Connecting(self.pools.connect_limit())
            }
            other => other.into(),
        })?;
        let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
        Ok((status, headers, Body::General(answer)))
    }
}

/// Which connection a request goes over.
enum Over {
    /// One that is open, or a new one.
    Any,
    /// One that is made for it.
    New,
}

/// True if what is meant for one is meant for the other: the same server, or its way over TLS.
fn is_same_server(one: &Url, other: &Url) -> bool {
    let is_way = |url: &Url, scheme, port| {
        url.scheme() == scheme && url.port_or_known_default() == Some(port)
    };
    one.origin() == other.origin()
        || one.host() == other.host() && is_way(one, "http", 80) && is_way(other, "https", 443)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;
    use crate::http::testing::{answer, serve, serve_each};
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

    /// A client that tries nothing again.
    fn hasty() -> (std::sync::Arc<Runtime>, Http) {
        let (runtime, mut http) = http();
        http.retry.retries = 0;
        (runtime, http)
    }

    #[test]
    fn what_must_not_be_sent_twice_gets_a_connection_of_its_own() {
        let (url, server) = serve_each(&[1; 4]);
        let (runtime, http) = hasty();
        for _ in 0..2 {
            runtime.block_on(http.post(&url, &Job::default())).unwrap();
            let (method, nothing) = (Method::DELETE, HeaderMap::new());
            let deleted = http.request_once(method, &url, &nothing, Bytes::new(), false);
            runtime.block_on(deleted).unwrap();
        }
        for head in server.join().unwrap() {
            assert!(head.to_lowercase().contains("connection: close"), "{head}");
        }
    }

    #[test]
    fn what_may_be_sent_twice_is_sent_again_if_the_server_has_closed_the_connection() {
        let (url, server) = serve_each(&[1; 6]);
        let (runtime, http) = hasty();
        let nothing = HeaderMap::new();
        for _ in 0..3 {
            let asked = http.request_once(Method::POST, &url, &nothing, "{}".into(), true);
            runtime.block_on(asked).unwrap();
            let content = || Ok(Stream { length: 4, body: "text".into() });
            let touched = Touched::default();
            runtime.block_on(http.put_stream(&url, &nothing, &content, &touched)).unwrap();
        }
        let heads = server.join().unwrap();
        assert!(heads.iter().all(|head| head.ends_with("{}") || head.ends_with("text")));
    }

    #[test]
    fn a_change_over_a_connection_that_was_closed_meanwhile_is_sent_once_more() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/x", listener.local_addr().unwrap());
        let url = crate::http::url::parse(&url).unwrap();
        let server = std::thread::spawn(move || {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().unwrap();
                assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
                // It ends when the client does nothing that would tell it so.
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        let (runtime, http) = hasty();
        let (http, nothing, job) = (http.reusing(), HeaderMap::new(), Job::default());
        for _ in 0..2 {
            let change = || http.request_once(Method::POST, &url, &nothing, Bytes::new(), false);
            runtime.block_on(http.repeat(&url, |_| true, &job, change)).unwrap();
            std::thread::sleep(Duration::from_millis(300));
        }
        server.join().unwrap();
    }

    #[test]
    fn a_new_connection_that_breaks_is_a_failure() {
        // It ends once the request has come: what was not sent yet would go over the next one.
        let (url, server) = serve(vec![Vec::new(), answer("200 OK", "", 0, b"")]);
        let (runtime, http) = hasty();
        let nothing = HeaderMap::new();
        let ask = || {
            let asked = http.request_once(Method::HEAD, &url, &nothing, Bytes::new(), true);
            runtime.block_on(asked)
        };
        assert!(was_sent(&ask().unwrap_err()));
        ask().unwrap();
        assert_eq!(server.join().unwrap().len(), 2);
    }

    #[test]
    fn a_change_is_sent_on_only_as_it_is() {
        let on = answer("308 Permanent Redirect", "Location: /y\r\n", 0, b"");
        let (url, server) = serve(vec![on, answer("200 OK", "", 0, b"")]);
        let (runtime, http) = hasty();
        let nothing = HeaderMap::new();
        let asked = http.request_once(Method::PUT, &url, &nothing, "{}".into(), false);
        runtime.block_on(asked).unwrap();
        let heads = server.join().unwrap();
        assert!(heads[1].starts_with("PUT /y HTTP/1.1") && heads[1].ends_with("{}"), "{heads:?}");
        let (url, server) = serve(vec![answer("308 Permanent", "Location: /y\r\n", 0, b"")]);
        let mut staying = http.clone();
        staying.keeps_changes = true;
        let asked = staying.request_once(Method::PUT, &url, &nothing, "{}".into(), false);
        let error = runtime.block_on(asked).unwrap_err();
        assert!(matches!(error, Error::Status { status: 308, .. }), "{error:?}");
        server.join().unwrap();
        for status in ["301 Moved", "302 Found", "303 See Other"] {
            let (url, server) = serve(vec![answer(status, "Location: /y?token=hush\r\n", 0, b"")]);
            let error = runtime.block_on(http.post(&url, &Job::default())).unwrap_err();
            let Error::Status { reason, .. } = &error else { panic!("{error:?}") };
            assert!(reason.contains("/y?token=***"), "{reason}");
            assert!(server.join().unwrap()[0].starts_with("POST /x HTTP/1.1"));
        }
    }

    /// The credentials that come to the first server, and to the second to which it sends.
    fn logins(netrc: &str, user: &str, token: Option<&str>, target: &str) -> [Option<String>; 2] {
        let (other, second) = serve(vec![answer("200 OK", "", 0, b"")]);
        let other = other.join(target).unwrap();
        let on = answer("307 On", &format!("Location: {other}\r\n"), 0, b"");
        let (url, first) = serve(vec![on]);
        let url: Url = url.as_str().replace("//", &format!("//{user}")).parse().unwrap();
        let (runtime, mut http) = hasty();
        http.netrc = Arc::new(super::super::netrc::parse(netrc).unwrap());
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            headers.insert(AUTHORIZATION, token.parse().unwrap());
        }
        runtime.block_on(http.get_once(&url, &headers)).unwrap();
        [first, second].map(|server| {
            let head = server.join().unwrap().remove(0).to_lowercase();
            Some(head.split_once("\r\nauthorization: ")?.1.lines().next()?.to_owned())
        })
    }

    #[test]
    fn logins_come_from_the_url_or_the_users_file() {
        let named = "machine 127.0.0.1 login a password b";
        let others = "default login a password b";
        let (noted, own) = (Some("basic ytpi".to_owned()), Some("basic yzpk".to_owned()));
        let token = Some("bearer t".to_owned());
        for (netrc, user, with, target, expected) in [
            (named, "", None, "/", [noted.clone(), noted.clone()]),
            (named, "", None, "/?X-Amz-Signature=1", [noted.clone(), None]),
            (others, "", None, "/", [noted, None]),
            (named, "", Some("bearer t"), "/?sig=1", [token.clone(), None]),
            (others, "c:d@", None, "/", [own, None]),
            (others, "c:d@", Some("bearer t"), "/", [token, None]),
            ("", "", None, "/", [None, None]),
        ] {
            assert_eq!(logins(netrc, user, with, target), expected, "{netrc} {user} {target}");
        }
    }

    #[test]
    fn the_users_file_may_be_left_alone() {
        let (url, server) = serve(vec![answer("200 OK", "", 0, b"")]);
        let (runtime, mut http) = hasty();
        let noted = super::super::netrc::parse("default login a password b").unwrap();
        http.netrc = Arc::new(noted);
        runtime.block_on(http.without_logins().get_once(&url, &HeaderMap::new())).unwrap();
        let head = server.join().unwrap().remove(0).to_lowercase();
        assert!(!head.contains("authorization"), "{head}");
    }

    #[test]
    fn credentials_stay_on_their_server() {
        for (one, other, is_same) in [
            ("http://a/x", "http://a:80/y", true),
            ("http://a/x", "https://a/y", true),
            ("https://a/x", "http://a/y", false),
            ("http://a:8080/x", "https://a/y", false),
            ("http://a/x", "https://a:8443/y", false),
            ("http://a/x", "http://b/x", false),
            ("http://a/x", "http://x.a/x", false),
        ] {
            let url = |text: &str| text.parse().unwrap();
            assert_eq!(is_same_server(&url(one), &url(other)), is_same, "{one} {other}");
        }
        let (runtime, http) = hasty();
        let moved = answer("302 Found", "Location: /y\r\n", 0, b"");
        let (url, server) = serve(vec![moved, answer("200 OK", "", 0, b"")]);
        let url: Url = url.as_str().replace("//", "//c:d@").parse().unwrap();
        runtime.block_on(http.get_once(&url, &HeaderMap::new())).unwrap();
        let heads = server.join().unwrap();
        assert!(heads.iter().all(|head| head.contains("Basic Yzpk")), "{heads:?}");
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
        http.idle_limit = Duration::from_millis(1);
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
