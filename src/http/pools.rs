//! Connections of a runtime, by the settings that they were made with.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::client::legacy::connect::Connection;
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Client, Url};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tower_layer::Layer;
use tower_service::Service;

use super::direct;
use super::environment::Settings;
use super::resolve::Resolver;
use super::tls::Certificates;
use crate::shared::lock;
use crate::{Error, Result};

const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long unused connections are kept: servers close theirs after a while, too.
const IDLE_CONNECTIONS: Duration = Duration::from_secs(45);
/// What a server may send by HTTP/2 before it is read: of one answer, and of all over a connection. A
/// round trip of 200 ms takes no more than this, so one answer can have 80 MB/s there.
const ANSWER_WINDOW: u32 = 16 << 20;
const CONNECTION_WINDOW: u32 = 32 << 20;
/// Settings whose connections are kept.
const MOST_SETTINGS: usize = 8;
/// Servers of which is known whether they speak HTTP/2.
const MOST_KNOWN: usize = 64;
/// How long after it was made all have seen a connection that they share.
const SEEN: Duration = Duration::from_millis(100);

/// The connections of a runtime, those with the settings that were used last in front.
#[derive(Debug, Default)]
pub(super) struct Connections(Mutex<Vec<Arc<Pools>>>);

impl Connections {
    /// The pools for these settings.
    pub(super) fn with(&self, settings: Settings) -> Result<Arc<Pools>> {
        let mut all = lock(&self.0);
        let pools = match all.iter().position(|pools| pools.settings == settings) {
            Some(0) => return Ok(Arc::clone(&all[0])),
            Some(at) => all.remove(at),
            None => Arc::new(Pools::new(settings)?),
        };
        all.insert(0, Arc::clone(&pools));
        all.truncate(MOST_SETTINGS);
        Ok(pools)
    }
}

/// Connections that were made with the same settings.
#[derive(Debug)]
pub(super) struct Pools {
    settings: Settings,
    certificates: Arc<Certificates>,
    /// Whether a proxy, which may lead to plain servers, speaks TLS.
    has_tls_proxy: bool,
    /// For requests that do no harm when they are sent twice.
    pub(super) pooled: Client,
    /// Makes a connection for each request.
    pub(super) fresh: Client,
    direct: Arc<direct::Pool>,
    /// Whose turn it is to make a connection to a server.
    turns: Mutex<HashMap<String, Turn>>,
}

/// By HTTP/2 all requests share one connection, so one of those that need it makes it. So does the first
/// to a server of which nothing is known: waiting for it costs no time if it speaks HTTP/2, and once
/// that of a handshake if not. One that takes too long is not waited for.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    /// Closed where each request makes its own connection.
    one: Arc<Semaphore>,
    /// Whether the server has answered by HTTP/2.
    is_known: bool,
}

impl Turn {
    fn new(is_known: bool) -> Self {
        Self { one: Arc::new(Semaphore::new(1)), is_known }
    }

    /// Whether requests share a connection.
    pub(super) fn is_shared(&self) -> bool {
        !self.one.is_closed()
    }

    /// Waits until no other makes a connection; `None` where each makes its own.
    async fn wait(&self, patience: Duration) -> Option<OwnedSemaphorePermit> {
        let turn = Arc::clone(&self.one).acquire_owned();
        if self.is_known {
            return turn.await.ok();
        }
        let waited = tokio::time::timeout(patience, turn).await;
        waited.inspect_err(|_| self.failed()).ok()?.ok()
    }

    /// Notes that the connection could not be made: others may fare better, and wait for nobody.
    fn failed(&self) {
        if !self.is_known {
            self.one.close();
        }
    }
}

impl Pools {
    fn new(settings: Settings) -> Result<Self> {
        settings.proxies.check()?;
        let certificates = Certificates::new(settings.certificates.clone());
        Ok(Self {
            has_tls_proxy: settings.proxies.speak_tls(),
            pooled: client(&settings, &certificates, usize::MAX)?,
            fresh: client(&settings, &certificates, 0)?,
            certificates,
            direct: Arc::new(direct::Pool::new(
                settings.connect_limit,
                IDLE_CONNECTIONS,
                KEEP_ALIVE,
            )),
            turns: Mutex::default(),
            settings,
        })
    }

    /// Notes whether a server has answered by HTTP/2.
    pub(super) fn answered(&self, url: &Url, is_stream: bool) {
        self.with_turn(url, |turn| {
            if !is_stream {
                turn.one.close();
            } else if turn.is_shared() {
                turn.is_known = true;
            } else {
                *turn = Turn::new(true);
            }
        });
    }

    /// Whose turn it is to make a connection to the server of `url`, if it may speak HTTP/2.
    pub(super) fn turn(&self, url: &Url) -> Option<Turn> {
        self.with_turn(url, |turn| turn.clone())
    }

    fn with_turn<T>(&self, url: &Url, change: impl FnOnce(&mut Turn) -> T) -> Option<T> {
        if url.scheme() != "https" {
            return None;
        }
        let server = url.origin().ascii_serialization();
        let mut turns = lock(&self.turns);
        if turns.len() >= MOST_KNOWN && !turns.contains_key(&server) {
            turns.clear();
        }
        Some(change(turns.entry(server).or_insert_with(|| Turn::new(false))))
    }

    /// How long making a connection may take.
    pub(super) fn connect_limit(&self) -> Duration {
        self.settings.connect_limit
    }

    /// The pool for plain servers, if no proxy leads to `url`.
    pub(super) fn direct(&self, url: &Url) -> Option<&Arc<direct::Pool>> {
        self.settings.proxies.way_to(url).is_none().then_some(&self.direct)
    }

    /// Reads what a connection to `url` needs, unless that was done.
    pub(super) async fn prepare(&self, url: &Url) -> Result<()> {
        if url.scheme() == "https" || self.has_tls_proxy {
            self.certificates.load().await?;
        }
        Ok(())
    }
}

fn client(settings: &Settings, certificates: &Arc<Certificates>, idle: usize) -> Result<Client> {
    let mut headers = HeaderMap::new();
    // Sizes and digests are those of the file itself.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let builder = Client::builder()
        .default_headers(headers)
        .dns_resolver(Arc::new(Resolver))
        .connect_timeout(settings.connect_limit)
        .tcp_nodelay(true)
        .tcp_keepalive(KEEP_ALIVE)
        .pool_idle_timeout(IDLE_CONNECTIONS)
        .pool_max_idle_per_host(idle)
        .http2_initial_stream_window_size(ANSWER_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        // As others read answers: a line that is no header is not worth a failure.
        .http1_allow_spaces_after_header_name_in_responses(true)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_ignore_invalid_headers_in_responses(true)
        .redirect(reqwest::redirect::Policy::none())
        .connector_layer(Noting { patience: settings.connect_limit / 4 });
    let builder = match settings.proxies.clone().into_proxy() {
        Some(proxy) => builder.proxy(proxy),
        None => builder.no_proxy(),
    };
    certificates.with(builder).build().map_err(|error| Error::Transport {
        method: "preparing".into(),
        url: "connections".into(),
        source: Box::new(error),
    })
}

/// What is known of the connections that are made for a request.
#[derive(Debug, Default)]
struct Notes {
    is_new: Cell<bool>,
    turn: Option<Turn>,
    /// Dropped when the request is answered: then the others have seen the connection.
    answered: RefCell<Option<oneshot::Sender<()>>>,
}

tokio::task_local! {
    static NOTES: Notes;
}

impl Notes {
    /// Whose turn is to be waited for before a connection is made; one that was had is over.
    fn awaited(&self) -> Option<Turn> {
        self.answered.take();
        self.turn.clone()
    }
}

/// Runs a request, and says whether a connection was made for it. If not, the server may have
/// closed the one that was used before the request came.
pub(super) async fn noting<T>(turn: Option<Turn>, request: impl Future<Output = T>) -> (T, bool) {
    let noted = async { (request.await, NOTES.with(|notes| notes.is_new.get())) };
    NOTES.scope(Notes { turn, ..Notes::default() }, noted).await
}

/// Notes the connections that are made, for the request that waits for them.
#[derive(Debug, Clone, Copy)]
struct Noting {
    /// How long the first connection to a server is waited for: of the time that each has to connect,
    /// enough must be left.
    patience: Duration,
}

impl<S> Layer<S> for Noting {
    type Service = Noted<S>;

    fn layer(&self, connector: S) -> Noted<S> {
        Noted { connector, patience: self.patience }
    }
}

#[derive(Debug, Clone)]
struct Noted<S> {
    connector: S,
    patience: Duration,
}

impl<S, Target> Service<Target> for Noted<S>
where
    S: Service<Target, Response: Connection, Error: From<&'static str>, Future: Send + 'static>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, target: Target) -> Self::Future {
        let (connecting, patience) = (self.connector.call(target), self.patience);
        Box::pin(async move {
            let mut taken = None;
            if let Ok(Some(turn)) = NOTES.try_with(Notes::awaited)
                && let Some(permit) = turn.wait(patience).await
            {
                // A request that has got another connection meanwhile leaves this behind.
                NOTES.try_with(|_| ()).map_err(|_| "the connection is not needed any more")?;
                taken = Some((turn, permit));
            }
            let connection = connecting.await.inspect_err(|_| {
                if let Some((turn, _)) = &taken {
                    turn.failed();
                }
            })?;
            if let Some((turn, permit)) = taken {
                if connection.connected().is_negotiated_h2() {
                    let (sender, answered) = oneshot::channel();
                    // Where the request has got another connection, others have that, too.
                    let _ = NOTES.try_with(|notes| notes.answered.replace(Some(sender)));
                    // The answer may take long, and the connection end for others before.
                    tokio::spawn(async move {
                        let _ = tokio::time::timeout(SEEN, answered).await; // whichever is first
                        drop(permit);
                    });
                } else {
                    turn.one.close();
                }
            }
            // Nobody waits if another connection became free meanwhile.
            let _ = NOTES.try_with(|notes| notes.is_new.set(true));
            Ok(connection)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Trust;

    #[test]
    fn connections_are_kept_by_settings() {
        let all = Connections::default();
        let with = |seconds| {
            let limit = Duration::from_secs(seconds);
            all.with(Settings::now(limit, &Trust::Everybody)).unwrap()
        };
        let first = with(1);
        assert!(!Arc::ptr_eq(&first, &with(2)));
        assert!(Arc::ptr_eq(&first, &with(1)));
        for seconds in 3..20 {
            with(seconds);
        }
        assert_eq!(all.0.lock().unwrap().len(), MOST_SETTINGS);
        assert!(!Arc::ptr_eq(&first, &with(1)));
    }

    #[test]
    fn a_bundle_of_certificates_that_was_mended_is_another() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let settings = || Settings::now(KEEP_ALIVE, &Trust::Bundle(file.path().to_owned()));
        let before = settings();
        assert_eq!(before, settings());
        std::fs::write(file.path(), "mended").unwrap();
        assert_ne!(before, settings());
    }
}
