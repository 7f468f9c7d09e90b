//! What the environment asks for: proxies, certificates, limits.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, ClientBuilder, NoProxy, Proxy};

use super::client::{IDLE_CONNECTIONS, KEEP_ALIVE};
use crate::error::IoContext;
use crate::{Error, Result};

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

pub(super) fn build(connect_limit: Duration, trust: &Trust) -> Result<Client> {
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

pub(super) fn seconds(name: &'static str, default: f64) -> Result<Duration> {
    let value: f64 = variable(name, default, "a number of seconds")?;
    Duration::try_from_secs_f64(value)
        .ok()
        .filter(|limit| !limit.is_zero())
        .ok_or_else(|| Error::invalid(name, value.to_string(), "expected a positive number"))
}

pub(super) fn retries() -> Result<u32> {
    variable("SELENITE_RETRIES", 4, "a whole number")
}

pub(super) fn is_set(name: &str) -> bool {
    std::env::var(name).is_ok_and(|value| {
        matches!(value.trim().to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on")
    })
}
