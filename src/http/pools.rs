//! Connections of a runtime, by the settings that they were made with.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Client, Url};
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
            settings,
        })
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
        .connector_layer(Noting);
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

tokio::task_local! {
    static IS_NEW: Cell<bool>;
}

/// Runs a request, and says whether a connection was made for it. If not, the server may have
/// closed the one that was used before the request came.
pub(super) async fn noting<T>(request: impl Future<Output = T>) -> (T, bool) {
    let noted = async { (request.await, IS_NEW.with(Cell::get)) };
    IS_NEW.scope(Cell::new(false), noted).await
}

/// Notes the connections that are made, for the request that waits for them.
#[derive(Debug, Clone, Copy)]
struct Noting;

impl<S> Layer<S> for Noting {
    type Service = Noted<S>;

    fn layer(&self, connector: S) -> Noted<S> {
        Noted(connector)
    }
}

#[derive(Debug, Clone)]
struct Noted<S>(S);

impl<S: Service<Target, Future: Send + 'static>, Target> Service<Target> for Noted<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, target: Target) -> Self::Future {
        let connecting = self.0.call(target);
        Box::pin(async move {
            let connection = connecting.await?;
            // Nobody waits if another connection became free meanwhile.
            let _ = IS_NEW.try_with(|is_new| is_new.set(true));
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
