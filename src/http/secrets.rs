//! What is secret in a request, and is taken out of every text that comes back.
//!
//! An answer may quote the request: S3 repeats what was signed, a proxy's page the whole URL. Texts
//! are looked through as they are, and once more for each layer of escapes that can be undone.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::proxies::Proxies;
use super::url::{is_secret, quote_component};

/// What stands in place of a secret.
const HIDDEN: &str = "***";
/// Shorter ones would be found everywhere; that they follow their name tells where they are.
const SHORTEST: usize = 4;
/// A text may quote a text that quotes a URL.
const LAYERS: usize = 3;
/// Requests with a larger body describe files.
const BODY_BYTES: usize = 1 << 16;
/// Words in the names of strings in JSON that are never shown; fewer than in URLs, where a `key` is
/// no path.
const JSON_WORDS: [&str; 5] = ["credential", "password", "secret", "signature", "token"];

/// What must not be shown of a request and of those that it was redirected to.
#[derive(Clone, Default)]
pub(super) struct Secrets(Vec<String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(HIDDEN)
    }
}

impl Secrets {
    /// Those of one request.
    pub(super) fn of(url: &Url, headers: &HeaderMap, body: &[u8]) -> Self {
        let mut all = Self::default();
        all.add_url(url);
        for (name, value) in headers {
            if value.is_sensitive() || is_secret(name.as_str()) {
                all.add_credentials(&String::from_utf8_lossy(value.as_bytes()));
            }
        }
        if (1..=BODY_BYTES).contains(&body.len())
            && let Ok(value) = serde_json::from_slice(body)
        {
            all.add_json(&value, false);
        }
        all
    }

    /// Adds those of a request that led to this one.
    pub(super) fn extend(&mut self, earlier: &Self) {
        self.0.extend_from_slice(&earlier.0);
    }

    fn add_url(&mut self, url: &Url) {
        // Without a word, the name is the secret.
        self.add(url.password().unwrap_or(url.username()));
        if !url.username().is_empty() {
            let pair = format!("{}:{}", url.username(), url.password().unwrap_or_default());
            let pair: Vec<u8> = percent_decode_str(&pair).collect();
            self.0.push(STANDARD.encode(pair));
        }
        for (name, value) in url.query().into_iter().flat_map(pairs) {
            if is_secret(&name) && !is_known(&name) {
                self.add(value);
                // The first part of a credential is its holder's key; the others are a date and such.
                let decoded = percent_decode_str(value).decode_utf8_lossy();
                if let Some((key, _)) = decoded.split_once('/') {
                    self.add(key);
                }
            }
        }
    }

    /// The value of a header: `Bearer TOKEN`, `Basic BASE64`, or a token alone.
    fn add_credentials(&mut self, value: &str) {
        let secret = value.split_once(' ').map_or(value, |(_, secret)| secret).trim();
        self.add(secret);
        if let Some(pair) =
            STANDARD.decode(secret).ok().and_then(|pair| String::from_utf8(pair).ok())
            && let Some((_, word)) = pair.split_once(':')
        {
            self.add(word);
        }
    }

    fn add_json(&mut self, value: &Value, is_named: bool) {
        match value {
            Value::String(text) if is_named => self.add(text),
            Value::Array(values) => values.iter().for_each(|value| self.add_json(value, is_named)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    self.add_json(value, is_named || is_secret(name));
                }
            }
            _ => {}
        }
    }

    /// Adds a secret in all forms that undoing escapes does not lead to.
    fn add(&mut self, written: &str) {
        if written.len() < SHORTEST {
            return;
        }
        let decoded = percent_decode_str(written).decode_utf8_lossy();
        let quoted = quote_component(&decoded);
        let forms = [written, &decoded, &quoted];
        for (index, form) in forms.into_iter().enumerate() {
            if !forms[..index].contains(&form) {
                self.0.extend([form.to_owned(), in_digits(form)]);
            }
        }
        if decoded.contains(' ') {
            self.0.push(decoded.replace(' ', "+"));
        }
    }

    /// The text without them, and without whatever looks like the secrets of others.
    pub(super) fn hide(&self, text: &str) -> String {
        self.hide_start(text, text.len())
    }

    /// [`Secrets::hide`] of the first `most` bytes; what follows is looked at, but not shown.
    pub(super) fn hide_start(&self, text: &str, most: usize) -> String {
        let mut all = Cow::Borrowed(self);
        for proxy in Proxies::now().urls() {
            all.to_mut().add_url(&proxy);
        }
        let mut is_hidden = vec![false; text.len()];
        let mut layer = Layer::new(text);
        for _ in 0..LAYERS {
            for secret in &all.0 {
                layer.find_secret(secret.as_bytes(), &mut is_hidden);
            }
            layer.find_parameters(&mut is_hidden);
            layer.find_credentials(&mut is_hidden);
            layer.find_json(&mut is_hidden);
            match layer.unescaped() {
                Some(next) => layer = next,
                None => break,
            }
        }
        without(text, &is_hidden[..most.min(text.len())])
    }
}

/// The beginning of a text, with each run of hidden bytes as one mark.
fn without(text: &str, is_hidden: &[bool]) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut was_hidden = false;
    for (at, letter) in text.char_indices() {
        let Some(&hidden) = is_hidden.get(at) else { break };
        match (hidden, was_hidden) {
            (false, _) => shown.push(letter),
            (true, false) => shown.push_str(HIDDEN),
            (true, true) => {}
        }
        was_hidden = hidden;
    }
    shown
}

/// Names, decoded, and values, as they are written, of a query.
fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (percent_decode_str(name).decode_utf8_lossy(), value))
}

/// Parameters that only describe a signature: words such as `host` are in many texts.
fn is_known(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["algorithm", "date", "expires", "signedheaders"].iter().any(|word| name.ends_with(word))
}

/// Bytes in hexadecimal digits with blanks between them, as S3 repeats what was signed.
fn in_digits(text: &str) -> String {
    let digits: Vec<String> = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    digits.join(" ")
}

/// A text with some of its escapes undone.
struct Layer {
    bytes: Vec<u8>,
    /// Where each byte begins in the text itself, and where the text ends.
    begins: Vec<usize>,
}

impl Layer {
    fn new(text: &str) -> Self {
        Self { bytes: text.as_bytes().to_vec(), begins: (0..=text.len()).collect() }
    }

    fn hide(&self, from: usize, to: usize, is_hidden: &mut [bool]) {
        is_hidden[self.begins[from]..self.begins[to]].fill(true);
    }

    fn find_secret(&self, secret: &[u8], is_hidden: &mut [bool]) {
        let mut from = 0;
        while let Some(at) = find(&self.bytes[from..], secret) {
            let begin = from + at;
            self.hide(begin, begin + secret.len(), is_hidden);
            from = begin + secret.len();
        }
    }

    /// Values behind `name=` whose name says that they are secret.
    fn find_parameters(&self, is_hidden: &mut [bool]) {
        let bytes = &self.bytes;
        for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'=') {
            let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.%[]".contains(byte);
            let length = bytes[..at].iter().rev().take_while(|byte| is_name(byte)).count();
            let name = String::from_utf8_lossy(&bytes[at - length..at]);
            let value = bytes[at + 1..].iter().take_while(|byte| !ends_value(**byte)).count();
            if is_secret(&name) {
                self.hide(at + 1, at + 1 + value, is_hidden);
            }
        }
    }

    /// `user:word@` of URLs.
    fn find_credentials(&self, is_hidden: &mut [bool]) {
        let mut from = 0;
        while let Some(at) = find(&self.bytes[from..], b"://") {
            from += at + 3;
            let is_over = |byte: &u8| byte.is_ascii_whitespace() || b"/?#\"<>\\`".contains(byte);
            let rest = &self.bytes[from..];
            let authority = &rest[..rest.iter().position(is_over).unwrap_or(rest.len())];
            if let Some(length) = authority.iter().rposition(|byte| *byte == b'@') {
                self.hide(from, from + length, is_hidden);
            }
        }
    }

    /// Strings of JSON whose name says that they are secret.
    fn find_json(&self, is_hidden: &mut [bool]) {
        let bytes = &self.bytes;
        let mut from = 0;
        while let Some(name) = quoted(bytes, from) {
            // Of `"a", "b"` the second is looked at next, whichever quotes belong together.
            from = name.end;
            let blanks = |at: usize| {
                at + bytes[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count()
            };
            let colon = blanks(name.end + 1);
            if bytes.get(colon) != Some(&b':') {
                continue;
            }
            let value = blanks(colon + 1);
            let word = String::from_utf8_lossy(&bytes[name]).to_ascii_lowercase();
            let is_secret = JSON_WORDS.iter().any(|secret| word.contains(secret));
            if is_secret && bytes.get(value) == Some(&b'"') {
                let end = quoted(bytes, value).map_or(bytes.len(), |value| value.end);
                self.hide(value + 1, end, is_hidden);
            }
        }
    }

    /// The text with one more layer of escapes undone, `None` if there are none.
    fn unescaped(&self) -> Option<Self> {
        let mut next = Self { bytes: Vec::with_capacity(self.bytes.len()), begins: Vec::new() };
        let mut at = 0;
        while at < self.bytes.len() {
            let (meant, length) =
                escape(&self.bytes[at..]).unwrap_or_else(|| (vec![self.bytes[at]], 1));
            next.begins.extend(meant.iter().map(|_| self.begins[at]));
            next.bytes.extend(meant);
            at += length;
        }
        next.begins.push(self.begins[at]);
        (next.bytes.len() < self.bytes.len()).then_some(next)
    }
}

/// What an escape at the beginning of a text stands for, and its length.
fn escape(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let number = |digits: &[u8], radix| {
        let digits = str::from_utf8(digits).ok()?;
        u32::from_str_radix(digits, radix).ok()
    };
    let letter = |code| Some(String::from(char::from_u32(code)?).into_bytes());
    match *bytes.first()? {
        b'%' => Some((vec![u8::try_from(number(bytes.get(1..3)?, 16)?).ok()?], 3)),
        b'\\' if bytes.get(1) == Some(&b'u') => Some((letter(number(bytes.get(2..6)?, 16)?)?, 6)),
        b'\\' => Some((vec![*bytes.get(1).filter(|next| b"\"'/\\".contains(next))?], 2)),
        b'&' => {
            let length = bytes.iter().take(10).position(|byte| *byte == b';')?;
            let meant = match &bytes[1..length] {
                b"amp" => vec![b'&'],
                b"lt" => vec![b'<'],
                b"gt" => vec![b'>'],
                b"quot" => vec![b'"'],
                b"apos" => vec![b'\''],
                [b'#', b'x' | b'X', digits @ ..] => letter(number(digits, 16)?)?,
                [b'#', digits @ ..] => letter(number(digits, 10)?)?,
                _ => return None,
            };
            Some((meant, length + 1))
        }
        _ => None,
    }
}

/// True for what cannot be part of an escaped value.
fn ends_value(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b"&;,\"'<>()[]{}|\\`".contains(&byte)
}

/// The inside of the next quotes.
fn quoted(bytes: &[u8], from: usize) -> Option<Range<usize>> {
    let begin = from + bytes[from..].iter().position(|byte| *byte == b'"')? + 1;
    let mut is_escaped = false;
    let end = bytes[begin..].iter().position(|byte| {
        let ends = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        ends
    })?;
    Some(begin..begin + end)
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use reqwest::header::{AUTHORIZATION, HeaderValue};

    use super::*;

    const URL: &str = "https://me:hu%2Fsh@h/x?X-Amz-Credential=AKIAKEY%2F2026%2Fs3\
                       &X-Amz-Security-Token=se%2Bcu%2Fred==&X-Amz-SignedHeaders=host\
                       &X-Amz-Signature=0badcafe&path=shown";

    fn hidden(text: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer gho_token"));
        let body = br#"{"client_secret": "to-ken", "names": ["plain"]}"#;
        Secrets::of(&URL.parse().unwrap(), &headers, body).hide(text)
    }

    #[test]
    fn secrets_of_the_request_are_hidden_however_they_are_escaped() {
        let digits = in_digits("token=se%2Bcu%2Fred%3D%3D&host");
        for (text, shown) in [
            ("plain and shown, from host", "plain and shown, from host"),
            (
                "<SignatureProvided>0badcafe</SignatureProvided>",
                "<SignatureProvided>***</SignatureProvided>",
            ),
            ("<AWSAccessKeyId>AKIAKEY</AWSAccessKeyId>", "<AWSAccessKeyId>***</AWSAccessKeyId>"),
            ("AKIAKEY/2026/s3, AKIAKEY%2f2026%2fs3, AKIAKEY&#x2F;2026&#47;s3.", "***, ***, ***."),
            (r"AKIAKEY\/2026\/s3 AKIAKEY\u002f2026\u002Fs3 AKIAKEY%252F2026%252Fs3", "*** *** ***"),
            ("password hu/sh of me", "password *** of me"),
            ("Basic bWU6aHUvc2g=", "Basic ***"),
            ("Bearer gho_token: to-ken", "Bearer ***: ***"),
            (&digits, "74 6f 6b 65 6e 3d *** 26 68 6f 73 74"),
        ] {
            assert_eq!(hidden(text), shown, "{text}");
        }
    }

    #[test]
    fn what_looks_like_a_secret_is_hidden_too() {
        for (text, shown) in [
            (
                "at https://a:b@h/x?sig=1&n=2 or s3://c@d/e",
                "at https://***@h/x?sig=***&n=2 or s3://***@d/e",
            ),
            ("a=1&amp;X-Amz-Signature=9&amp;b=2", "a=1&amp;X-Amz-Signature=***&amp;b=2"),
            (
                "u=http%3A%2F%2Fa%3Ab%40h%2F%3Ftoken%3D1%262",
                "u=http%3A%2F%2F***%40h%2F%3Ftoken%3D***%262",
            ),
            (
                r#"{"session_token" : "a\"b", "name": "c"}"#,
                r#"{"session_token" : "***", "name": "c"}"#,
            ),
            (r#""{\"token\":\"a\",\"b\":1}""#, r#""{\"token\":\"***\",\"b\":1}""#),
            (r#"{"token": "cut"#, r#"{"token": "***"#),
            ("Grüße = token, key is é", "Grüße = token, key is é"),
        ] {
            assert_eq!(Secrets::default().hide(text), shown, "{text}");
        }
    }

    #[test]
    fn a_secret_is_hidden_where_a_text_is_cut() {
        let secrets = Secrets::of(&URL.parse().unwrap(), &HeaderMap::new(), b"");
        assert_eq!(secrets.hide_start("é 0badcafe", 6), "é ***");
        assert_eq!(secrets.hide_start("éé", 1), "é");
    }

    #[test]
    fn any_text_can_be_looked_through() {
        for text in [
            "",
            "%",
            "%é",
            "&#x;",
            "&#xD800;",
            r"\u12",
            "\\",
            "://",
            "=",
            "\"",
            "\":\"",
            "&#99999999999;",
        ] {
            hidden(text);
        }
    }
}
