//! URLs: parts that are quoted, and wholes that are safe to show.

use reqwest::Url;

pub(crate) use crate::quote::{quote_component, quote_path, quote_plus};
use crate::{Error, Result};

/// Words in the name of a parameter or header whose value must not be shown.
const SECRET_WORDS: [&str; 11] = [
    "auth",
    "cookie",
    "credential",
    "jwt",
    "key",
    "pass",
    "secret",
    "signature",
    "token",
    "x-amz",
    "x-goog",
];
/// Such names without such a word.
const SECRET_NAMES: [&str; 5] = ["code", "pw", "pwd", "sid", "sig"];

/// Accepts an `http` or `https` URL.
pub(crate) fn parse(url: &str) -> Result<Url> {
    let why = match Url::parse(url) {
        Ok(parsed) if matches!(parsed.scheme(), "http" | "https") && parsed.has_host() => {
            return Ok(parsed);
        }
        Ok(_) => "expected a URL that begins with `http://` or `https://`".to_owned(),
        Err(error) => format!("{error}; expected a URL such as `http://host:8080`"),
    };
    Err(Error::invalid("url", without_secrets(url), why))
}

/// What may be no URL, without all that could be a secret if it were one.
pub(crate) fn without_secrets(text: &str) -> String {
    let (text, end) = match text.split_once('?') {
        Some((text, _)) => (text, "?***"),
        None => (text, ""),
    };
    let (scheme, rest) = text.split_at(text.find("://").map_or(0, |at| at + 3));
    match rest.rsplit_once('@') {
        Some((_, rest)) => format!("{scheme}***@{rest}{end}"),
        None => format!("{scheme}{rest}{end}"),
    }
}

/// True for the name of a parameter or header whose value must not be shown.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.contains(&name.as_str()) || SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// The URL without user name, password and fragment, and without the secrets of its query.
pub(crate) fn redacted(url: &Url) -> String {
    let mut shown = url.clone();
    // Both fail only for URLs without a host, which hold no credentials.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_fragment(None);
    if url.query_pairs().any(|(name, _)| is_secret(&name)) {
        shown.query_pairs_mut().clear().extend_pairs(url.query_pairs().map(|(name, value)| {
            let value = if is_secret(&name) { "***".into() } else { value };
            (name, value)
        }));
    }
    shown.into()
}

/// True for a URL that says itself who may use it.
pub(crate) fn is_signed(url: &Url) -> bool {
    url.query_pairs().any(|(name, _)| {
        let name = name.to_ascii_lowercase();
        name == "sig" || name.contains("signature")
    })
}

/// The URL of a service, to which the paths of endpoints are appended.
pub(crate) fn base(url: &str) -> Result<String> {
    let url = url.trim();
    parse(url)?;
    Ok(url.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let url = parse("https://me:pw@host/x?path=a+b&X-Amz-Signature=abc&api_token=1").unwrap();
        assert_eq!(redacted(&url), "https://host/x?path=a+b&X-Amz-Signature=***&api_token=***");
        let url = parse("https://host/x?path=a%20b").unwrap();
        assert_eq!(redacted(&url), "https://host/x?path=a%20b");
    }

    #[test]
    fn secrets_are_not_shown_of_what_is_no_url() {
        for (text, shown) in [
            ("http://me:hush@host:99999/x", "`http://***@host:99999/x`"),
            ("me:hush@host", "`***@host`"),
            ("file:///x?signature=hush", "`file:///x?***`"),
            ("no url?signature=hush", "`no url?***`"),
        ] {
            let told = parse(text).unwrap_err().chain();
            assert!(told.contains(shown) && !told.contains("hush"), "{told}");
        }
    }

    #[test]
    fn other_schemes_are_refused() {
        for url in ["host:80", "ftp://host/", "http://", "", "/x"] {
            assert!(matches!(parse(url), Err(Error::Invalid { argument: "url", .. })), "{url}");
        }
    }
}
