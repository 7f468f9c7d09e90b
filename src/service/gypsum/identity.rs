//! Who a token belongs to.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::refusal::Refusal;
use crate::error::IoContext;
use crate::http::{Http, url};
use crate::registry::bucket::{Identity, is_equal};
use crate::registry::format::json;
use crate::service::log::Log;
use crate::shared::{Memory, lock};
use crate::system::{self, Stat};
use crate::{Error, Result, runtime};

/// How long an answer of GitHub is believed.
const VALID: Duration = Duration::from_secs(2 * 60 * 60);
/// Users whose answers are remembered.
const REMEMBERED: usize = 10_000;
/// Largest file of tokens in bytes.
const MAX_FILE_BYTES: u64 = 16 << 20;

type Hash = [u8; 32];

/// Knows the users of a service.
#[derive(Debug)]
pub(super) struct Identities {
    tokens: Option<TokenFile>,
    github: Option<GitHub>,
}

impl Identities {
    /// Reads the file of tokens, if there is one; it must be sound at the start.
    pub(super) fn new(
        tokens: Option<PathBuf>,
        is_insecure: bool,
        github_url: Option<&str>,
        log: Log,
    ) -> Result<Self> {
        let tokens = tokens.map(|path| TokenFile::open(path, is_insecure, log)).transpose()?;
        let github = github_url.map(GitHub::new).transpose()?;
        Ok(Self { tokens, github })
    }

    /// The user that a token belongs to.
    pub(super) async fn identify(&self, token: &str) -> Result<Identity, Refusal> {
        let hash: Hash = Sha256::digest(token).into();
        if let Some(identity) = self.tokens.as_ref().and_then(|tokens| tokens.find(&hash)) {
            return Ok(identity);
        }
        match &self.github {
            Some(github) => github.identify(token, hash).await,
            None => Err(unknown("Bad credentials")),
        }
    }

    /// True if users are known without asking others.
    pub(super) fn is_local(&self) -> bool {
        self.github.is_none()
    }
}

fn unknown(message: &str) -> Refusal {
    Refusal::new(401, format!("failed to query GitHub for user identity: {message}"))
}

/// A file of tokens, read again when it changes.
#[derive(Debug)]
struct TokenFile {
    path: PathBuf,
    is_insecure: bool,
    log: Log,
    read: Mutex<Tokens>,
}

/// What the file held when it was read.
#[derive(Debug)]
struct Tokens {
    stamp: Option<Stamp>,
    users: Vec<(Hash, Identity)>,
}

/// Tells whether a file is still the one that was read.
type Stamp = (system::Identity, u32);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    login: String,
    #[serde(default)]
    organizations: Vec<String>,
}

impl TokenFile {
    fn open(path: PathBuf, is_insecure: bool, log: Log) -> Result<Self> {
        let stamp = stamp(&path);
        let users = read(&path, is_insecure)?;
        Ok(Self { path, is_insecure, log, read: Mutex::new(Tokens { stamp, users }) })
    }

    fn find(&self, hash: &Hash) -> Option<Identity> {
        let mut tokens = lock(&self.read);
        let stamp = stamp(&self.path);
        if stamp != tokens.stamp {
            tokens.stamp = stamp;
            match read(&self.path, self.is_insecure) {
                Ok(users) => tokens.users = users,
                // Who takes the file away wants nobody to get in.
                Err(error) if error.io_kind() == Some(std::io::ErrorKind::NotFound) => {
                    tokens.users.clear();
                    self.log.line(format!("there are no tokens any more: {}", error.chain()));
                }
                Err(error) => {
                    self.log.line(format!("the tokens stay as they were: {}", error.chain()));
                }
            }
        }
        // All of them, so that the time says nothing about where the match is.
        let mut found = None;
        for (known, identity) in &tokens.users {
            if is_equal(known, hash) {
                found = Some(identity);
            }
        }
        found.cloned()
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let found = Stat::from(&fs::metadata(path).ok()?);
    Some((found.identity, found.mode))
}

fn read(path: &Path, is_insecure: bool) -> Result<Vec<(Hash, Identity)>> {
    let invalid = |why: String| Error::invalid("tokens", path.to_string_lossy(), why);
    let file = File::open(path).at(path)?;
    let mode = Stat::of(&file).at(path)?.mode;
    if mode & 0o077 != 0 && !is_insecure {
        return Err(invalid(format!(
            "others can read or change it (mode {:03o}); run `chmod 600` on it, or start with `--insecure-tokens`",
            mode & 0o777
        )));
    }
    let mut text = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut text).at(path)?;
    let users: HashMap<String, User> = json::read(&text).map_err(|error| {
        // The parser's message may quote a token that stands in the wrong place.
        invalid(format!(
            "expected a JSON object such as {{\"TOKEN\": {{\"login\": \"NAME\", \"organizations\": []}}}}, which it ceases to be at line {} column {}",
            error.line(),
            error.column()
        ))
    })?;
    users
        .into_iter()
        .map(|(token, User { login, organizations })| {
            let hash = match token.strip_prefix("sha256:") {
                None => Sha256::digest(token.as_bytes()).into(),
                Some(digits) => parse_hash(digits).ok_or_else(|| {
                    invalid(format!(
                        "the key of `{login}` begins with `sha256:`, but 64 hexadecimal digits do not follow"
                    ))
                })?,
            };
            if login.is_empty() {
                return Err(invalid("a `login` is empty".to_owned()));
            }
            Ok((hash, Identity { login, organizations }))
        })
        .collect()
}

fn parse_hash(digits: &str) -> Option<Hash> {
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, at) in hash.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&digits[at..at + 2], 16).ok()?;
    }
    Some(hash)
}

/// GitHub, or a service that answers like it.
#[derive(Debug)]
struct GitHub {
    http: Http,
    user: reqwest::Url,
    organizations: reqwest::Url,
    known: Mutex<Memory<Hash, (Instant, Identity), REMEMBERED>>,
}

#[derive(Deserialize)]
struct Login {
    login: String,
}

impl GitHub {
    fn new(base: &str) -> Result<Self> {
        let base = base.trim_end_matches('/');
        let runtime = runtime::current()?;
        Ok(Self {
            http: Http::new(&runtime)?,
            user: url::parse(&format!("{base}/user"))?,
            organizations: url::parse(&format!("{base}/user/orgs"))?,
            known: Mutex::default(),
        })
    }

    async fn identify(&self, token: &str, hash: Hash) -> Result<Identity, Refusal> {
        {
            let known = lock(&self.known);
            if let Some((since, identity)) = known.get(&hash)
                && since.elapsed() < VALID
            {
                return Ok(identity.clone());
            }
        }
        let mut headers = HeaderMap::new();
        let bearer = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| unknown("Bad credentials"))?;
        headers.insert(AUTHORIZATION, bearer);
        let login: Login = self.ask(&self.user, &headers).await.map_err(|error| match error {
            Error::Status { status: 400..=499, body, reason, .. } => {
                let message = serde_json::from_str::<serde_json::Value>(&body)
                    .ok()
                    .and_then(|answer| Some(answer.get("message")?.as_str()?.to_owned()));
                unknown(&message.unwrap_or(reason))
            }
            other => Refusal::new(
                503,
                format!("failed to query GitHub for user identity: {}", other.chain()),
            ),
        })?;
        // Who belongs to no organization that can be seen belongs to none.
        let organizations: Vec<Login> =
            self.ask(&self.organizations, &headers).await.unwrap_or_default();
        let identity = Identity {
            login: login.login,
            organizations: organizations.into_iter().map(|one| one.login).collect(),
        };
        let mut known = lock(&self.known);
        known.insert(hash, (Instant::now(), identity.clone()));
        Ok(identity)
    }

    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        url: &reqwest::Url,
        headers: &HeaderMap,
    ) -> Result<T> {
        self.http.get_once(url, headers).await?.into_document().await?.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_tokens_are_checked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let with = |text: &str, mode: u32| {
            fs::write(&path, text).unwrap();
            system::set_mode(&path, mode).unwrap();
            read(&path, false).map_err(|error| error.to_string())
        };
        let digest = crate::digest::hex(&Sha256::digest("secret"));
        let users = with(
            &format!(r#"{{"sha256:{digest}": {{"login": "a", "organizations": ["o"]}}}}"#),
            0o600,
        );
        let identity = Identity { login: "a".into(), organizations: vec!["o".into()] };
        assert_eq!(users.unwrap(), [(Sha256::digest("secret").into(), identity)]);
        for mode in [0o640, 0o604, 0o620] {
            assert!(with("{}", mode).unwrap_err().contains("chmod 600"), "{mode:o}");
        }
        for text in [
            "",
            "[]",
            r#"{"t": "a"}"#,
            r#"{"t": {}}"#,
            r#"{"t": {"login": "a", "organisations": []}}"#,
            r#"{"t": {"login": ""}}"#,
            r#"{"sha256:00": {"login": "a"}}"#,
        ] {
            assert!(with(text, 0o600).is_err(), "{text}");
        }
        assert!(read(&folder.path().join("none"), false).is_err());
        fs::write(&path, "{}").unwrap();
        system::set_mode(&path, 0o644).unwrap();
        assert!(read(&path, true).unwrap().is_empty());
    }
}
