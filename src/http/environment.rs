//! Proxies that the environment asks for, and clients that use them.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Client, ClientBuilder, NoProxy, Proxy};

use super::client::{IDLE_CONNECTIONS, KEEP_ALIVE};
use super::resolve::Resolver;
use super::tls::Certificates;
use crate::{Error, Result};

/// Hosts that are never reached through a proxy, besides those of `NO_PROXY`.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";
pub(super) fn build(connect_limit: Duration, certificates: &Arc<Certificates>) -> Result<Client> {
    let mut headers = HeaderMap::new();
    // Sizes and digests are those of the file itself.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let builder = Client::builder()
        .default_headers(headers)
        .dns_resolver(Arc::new(Resolver))
        .connect_timeout(connect_limit)
        .tcp_nodelay(true)
        .tcp_keepalive(KEEP_ALIVE)
        .pool_idle_timeout(IDLE_CONNECTIONS)
        // As others read answers: a line that is no header is not worth a failure.
        .http1_allow_spaces_after_header_name_in_responses(true)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_ignore_invalid_headers_in_responses(true)
        .redirect(reqwest::redirect::Policy::none());
    let builder = certificates.with(with_proxies(builder)?);
    builder.build().map_err(|error| Error::Transport {
        method: "preparing".into(),
        url: "connections".into(),
        source: Box::new(error),
    })
}

type MakeProxy = fn(String) -> reqwest::Result<Proxy>;

/// The proxies that the environment names: the variable, its value, and what it is for.
pub(super) fn proxies() -> impl Iterator<Item = (&'static str, String, MakeProxy)> {
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
