//! The names by which a service answers.
//!
//! A page in a browser may reach a service on loopback under a name of its own, by having that name
//! lead to 127.0.0.1 (DNS rebinding), and then reads as if it were the service's own page. So:
//!
//! 1. Names of loopback, the address that the service listens on, the host of its public URL and
//!    names given to it are always answered.
//! 2. Other names are refused by a service that listens on loopback only, and by one that was given
//!    names. Any other service answers to every name.
//! 3. A request that names no host at all is answered: no browser sends one.

use std::net::{IpAddr, SocketAddr};

use axum::http::header;
use axum::http::request::Parts;
use url::Url;

/// Which names of a host a service answers to.
#[derive(Debug)]
pub(crate) struct Hosts {
    listens_on: IpAddr,
    named: Vec<String>,
    is_strict: bool,
    /// How more names are given, for messages.
    option: &'static str,
}

impl Hosts {
    /// The names of a service that listens on `address`; `names` were given by `option`.
    pub(crate) fn new(
        address: SocketAddr,
        public_url: Option<&str>,
        names: &[String],
        option: &'static str,
    ) -> Self {
        let public = public_url.and_then(|text| Url::parse(text).ok());
        let public = public.and_then(|url| url.host_str().map(bare));
        let named: Vec<String> = names.iter().map(|name| bare(name)).chain(public).collect();
        let is_strict = address.ip().is_loopback() || !names.is_empty();
        Self { listens_on: address.ip(), named, is_strict, option }
    }

    /// Why a request is refused, if it is.
    pub(crate) fn refuse(&self, request: &Parts) -> Option<String> {
        if !self.is_strict {
            return None;
        }
        // The one in the first line counts for a server, but both must be right.
        let in_line = request.uri.authority().map(|authority| authority.as_str().to_owned());
        let in_headers = request.headers.get_all(header::HOST).iter();
        let in_headers =
            in_headers.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        in_line.into_iter().chain(in_headers).find(|host| !self.knows(host)).map(|host| {
            let option = self.option;
            format!("the service does not answer to the host {host:?}; name it by `{option}`")
        })
    }

    fn knows(&self, host: &str) -> bool {
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        let name = bare(without_port(host));
        let address = name.parse::<IpAddr>().ok();
        let is_loopback = name == "localhost"
            || name.ends_with(".localhost")
            || address.is_some_and(|address| address.to_canonical().is_loopback());
        is_loopback || address == Some(self.listens_on) || self.named.contains(&name)
    }
}

/// A name of a host as it is compared: in lower case, an address without brackets, a name without
/// the dot of the root.
fn bare(host: &str) -> String {
    let host = host.trim().to_ascii_lowercase();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host);
    host.strip_suffix('.').unwrap_or(host).to_owned()
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => {
            if port.bytes().all(|digit| digit.is_ascii_digit()) { name } else { host }
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn refused(hosts: &Hosts, target: &str, names: &[&str]) -> bool {
        let mut request = Request::get(target);
        for name in names {
            request = request.header(header::HOST, *name);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        hosts.refuse(&parts).is_some()
    }

    fn hosts(address: &str, public: Option<&str>, names: &[&str]) -> Hosts {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Hosts::new(address.parse().unwrap(), public, &names, "-allow-host")
    }

    #[test]
    fn a_service_on_loopback_answers_to_its_own_names_only() {
        let ours = hosts("127.0.0.1:80", Some("https://data.example.org/x"), &["Lab.Example"]);
        for name in [
            "127.0.0.1",
            "127.1.2.3:8080",
            "localhost",
            "LocalHost.:80",
            "x.localhost",
            "[::1]:80",
            "[::ffff:127.0.0.1]",
            "data.example.org:8443",
            "lab.example.",
        ] {
            assert!(!refused(&ours, "/", &[name]), "{name}");
        }
        for name in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "evillocalhost",
            "localhost:80@evil.example",
            "[::2]",
            "10.0.0.1",
            "",
            "localhost:x",
            "data.example.org.evil",
        ] {
            assert!(refused(&ours, "/", &[name]), "{name}");
        }
        assert!(!refused(&ours, "/", &[]));
        assert!(refused(&ours, "http://evil.example/", &["localhost"]));
        assert!(refused(&ours, "http://localhost/", &["evil.example"]));
        assert!(refused(&ours, "/", &["localhost", "evil.example"]));
    }

    #[test]
    fn elsewhere_every_name_is_answered_unless_some_are_given() {
        let open = hosts("0.0.0.0:80", None, &[]);
        assert!(!refused(&open, "/", &["any.example"]));
        let named = hosts("10.0.0.1:80", None, &["data.example"]);
        for (name, is_refused) in
            [("data.example", false), ("10.0.0.1:80", false), ("localhost", false), ("any", true)]
        {
            assert_eq!(refused(&named, "/", &[name]), is_refused, "{name}");
        }
    }
}
