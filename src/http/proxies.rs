//! Which proxy leads to a server, as the environment says now.

use std::net::IpAddr;

use reqwest::{Proxy, Url};

use crate::settings;
use crate::{Error, Result};

/// Servers that are never reached through a proxy, besides those of `NO_PROXY`.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";
/// Variables that name proxies, and the scheme of the URLs for which they are asked.
const VARIABLES: [(&str, Option<&str>); 3] =
    [("http_proxy", Some("http")), ("https_proxy", Some("https")), ("all_proxy", None)];
const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// What the environment says about proxies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proxies {
    /// The variable, the scheme for which it holds, and its value.
    named: Vec<(&'static str, Option<&'static str>, String)>,
    /// Servers that are reached without.
    exceptions: String,
}

impl Proxies {
    /// Those that hold now.
    pub(super) fn now() -> Self {
        let named = VARIABLES
            .into_iter()
            .filter_map(|(name, scheme)| Some((name, scheme, variable(name)?)))
            .collect();
        let own = variable("no_proxy").unwrap_or_default();
        Self { named, exceptions: format!("{own},{LOOPBACK}") }
    }

    /// Fails if one of them cannot be used.
    pub(super) fn check(&self) -> Result<()> {
        for (name, _, value) in &self.named {
            let scheme = value.split_once("://").map_or("http", |(scheme, _)| scheme);
            let refused = |why: String| Err(Error::invalid("proxy variable", *name, why));
            if !SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()) {
                return refused(format!("expected a URL that begins with one of {SCHEMES:?}"));
            }
            if let Err(error) = Proxy::all(value) {
                return refused(error.without_url().to_string());
            }
        }
        Ok(())
    }

    /// The proxy that leads to a server.
    pub(super) fn way_to(&self, url: &Url) -> Option<&str> {
        let holds = |scheme: Option<&str>| scheme.is_none_or(|scheme| scheme == url.scheme());
        let (.., proxy) = self.named.iter().find(|(_, scheme, _)| holds(*scheme))?;
        let is_reached = |server| is_at(url, server);
        let mut exceptions = self.exceptions.split([',', ' ']).filter(|server| !server.is_empty());
        (!exceptions.any(is_reached)).then_some(proxy)
    }

    /// Their URLs, of those that have one.
    pub(super) fn urls(&self) -> impl Iterator<Item = Url> {
        self.named.iter().filter_map(|(.., value)| {
            // Without a scheme, it speaks HTTP.
            let is_whole = value.contains("://");
            Url::parse(&if is_whole { value.clone() } else { format!("http://{value}") }).ok()
        })
    }

    /// Whether one of them is spoken to over TLS.
    pub(super) fn speak_tls(&self) -> bool {
        self.urls().any(|url| url.scheme() == "https")
    }

    /// [`Proxies::way_to`] for `reqwest`, unless that never is one.
    pub(super) fn into_proxy(self) -> Option<Proxy> {
        if self.named.is_empty() {
            return None;
        }
        Some(Proxy::custom(move |url| self.way_to(url).map(str::to_owned)))
    }
}

/// The variable in small letters, which wins even if it is empty, or in capitals.
fn variable(name: &str) -> Option<String> {
    let text = |name: &str| settings::shared(name)?.into_string().ok();
    let value = text(name).or_else(|| text(&name.to_uppercase()));
    value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// True if `url` is at `server`: everything (`*`), a network (`10.0.0.0/8`), or a host that may be
/// the end of a name, with or without a port.
fn is_at(url: &Url, server: &str) -> bool {
    let Some(host) = url.host_str().map(without_brackets) else { return false };
    if server == "*" {
        return true;
    }
    if let Ok(address) = host.parse::<IpAddr>()
        && let Some((network, bits)) = server.split_once('/')
    {
        let bits = bits.parse().ok();
        return network.parse().is_ok_and(|network| is_within(address, network, bits));
    }
    let (name, port) = match server.rsplit_once(':') {
        // More than one colon: an address of the sixth version, unless that is in brackets.
        Some((name, _)) if name.contains(':') && !name.ends_with(']') => (server, None),
        Some((name, port)) => (name, Some(port)),
        None => (server, None),
    };
    if port.is_some_and(|port| port.parse().ok() != url.port_or_known_default()) {
        return false;
    }
    let name = without_brackets(name).trim_start_matches("*.").trim_start_matches('.');
    if let Ok(address) = host.parse::<IpAddr>() {
        return name.parse() == Ok(address);
    }
    let name = name.to_ascii_lowercase();
    let before = host.strip_suffix(name.as_str());
    !name.is_empty() && before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

fn without_brackets(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

fn is_within(address: IpAddr, network: IpAddr, bits: Option<u32>) -> bool {
    let (address, network, length) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => (u32::from(a).into(), u32::from(n).into(), 32),
        (IpAddr::V6(a), IpAddr::V6(n)) => (u128::from(a), u128::from(n), 128),
        _ => return false,
    };
    let Some(bits) = bits.filter(|bits| *bits <= length) else { return false };
    let beyond = length - bits;
    // All bits may be beyond: then everything is within.
    (address ^ network).checked_shr(beyond).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_reached_without_a_proxy_by_name_address_network_or_port() {
        for (server, url, is_there) in [
            ("*", "http://a.b/", true),
            ("a.b", "http://a.b/", true),
            ("A.b", "http://x.a.B/", true),
            (".a.b", "http://a.b/", true),
            ("*.a.b", "https://x.a.b/", true),
            ("a.b", "http://xa.b/", false),
            (".", "http://a.b/", false),
            ("a.b:80", "http://a.b/", true),
            ("a.b:443", "http://a.b/", false),
            ("a.b:8080", "http://x.a.b:8080/", true),
            ("a.b:port", "http://a.b/", false),
            ("10.1.2.3", "http://10.1.2.3:90/", true),
            ("10.1.2.3:90", "http://10.1.2.3:90/", true),
            ("10.1.2.3:91", "http://10.1.2.3:90/", false),
            ("2.3", "http://10.1.2.3/", false),
            ("10.0.0.0/8", "http://10.1.2.3/", true),
            ("10.0.0.0/16", "http://10.1.2.3/", false),
            ("0.0.0.0/0", "http://10.1.2.3/", true),
            ("10.0.0.0/33", "http://10.1.2.3/", false),
            ("10.1.2.3/32", "http://a.b/", false),
            ("::1", "http://[::1]:90/", true),
            ("[::1]:90", "http://[::1]:90/", true),
            ("[::1]:91", "http://[::1]:90/", false),
            ("fd00::/8", "http://[fd12::1]/", true),
            ("::/0", "http://[fd12::1]/", true),
            ("fd00::/8", "http://10.1.2.3/", false),
        ] {
            assert_eq!(is_at(&url.parse().unwrap(), server), is_there, "{url} {server}");
        }
    }

    #[test]
    fn the_first_proxy_for_the_scheme_leads_there() {
        let named = |named: &[(&'static str, Option<&'static str>, &str)]| Proxies {
            named: named.iter().map(|(name, for_, to)| (*name, *for_, (*to).to_owned())).collect(),
            exceptions: format!("a.b:81 , c,{LOOPBACK}"),
        };
        let both = named(&[
            ("https_proxy", Some("https"), "socks5h://s"),
            ("all_proxy", None, "http://p:1"),
        ]);
        both.check().unwrap();
        for (url, way) in [
            ("https://a.b/", Some("socks5h://s")),
            ("http://a.b/", Some("http://p:1")),
            ("http://a.b:81/", None),
            ("https://c/", None),
            ("http://127.1.2.3/", None),
            ("http://localhost:8/", None),
            ("http://[::1]/", None),
        ] {
            assert_eq!(both.way_to(&url.parse().unwrap()), way, "{url}");
        }
        for value in ["gopher://me:hush@p", "http://me:hush@[p"] {
            let told = named(&[("all_proxy", None, value)]).check().unwrap_err().chain();
            assert!(told.contains("all_proxy") && !told.contains("hush"), "{told}");
        }
    }
}
