//! How the service is set up.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::lexical;
use super::spoofing::Spoofing;
use crate::error::IoContext;
use crate::quote::quote_path;
use crate::relpath::clean_path;
use crate::service::lifetime;
use crate::service::log::Form;
use crate::system;
use crate::{Error, Result};

/// Most requests at a time: each has a thread.
const MOST_AT_A_TIME: usize = 10_000;

/// Settings as they are given: by name, those of the flags of `selenite serve gobbler`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where users put requests and uploads.
    staging: PathBuf,
    /// The registry.
    registry: PathBuf,
    /// Users with all rights.
    #[serde(default)]
    administrators: Vec<String>,
    /// Address to listen on.
    #[serde(default = "lifetime::loopback")]
    host: String,
    /// Names of hosts that the service answers to, besides its own.
    #[serde(default)]
    hosts: Vec<String>,
    /// Port to listen on; 0 means any free one.
    #[serde(default = "usual_port")]
    port: i64,
    /// Put before every endpoint, with or without slashes around it.
    #[serde(default)]
    prefix: String,
    /// File of directories outside of the registry that links may point to.
    #[serde(default)]
    whitelist: PathBuf,
    /// Directories outside of the registry that its projects may be in.
    #[serde(default)]
    allow_roots: Vec<PathBuf>,
    /// File of who may act as whom.
    #[serde(default)]
    spoof: PathBuf,
    /// Days after which probational versions are rejected; never if negative.
    #[serde(default = "never")]
    probation: i64,
    /// Requests processed at a time.
    #[serde(default = "hundred")]
    concurrency: i64,
    /// Whether others than its owner may rename what is in the staging directory.
    #[serde(default)]
    insecure_staging: bool,
    /// Whether changes are safe from a power failure before they are answered.
    #[serde(default = "lifetime::durable")]
    durable: bool,
    /// Whether the URL is written to standard output once the service answers.
    #[serde(default)]
    print_url: bool,
    /// How lines of the log are written.
    #[serde(default)]
    log_format: Form,
}

fn usual_port() -> i64 {
    8080
}

fn never() -> i64 {
    -1
}

fn hundred() -> i64 {
    100
}

/// Settings that were checked, and what stands in the files that they name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where users put requests and uploads, cleaned by its text.
    pub staging: PathBuf,
    /// The registry, cleaned by its text.
    pub registry: PathBuf,
    /// Users with all rights.
    pub administrators: Vec<String>,
    /// Address to listen on.
    pub host: String,
    /// Port to listen on; 0 means any free one.
    pub port: u16,
    /// Names of hosts that the service answers to, besides its own.
    pub hosts: Vec<String>,
    /// Put before every endpoint, escaped: empty, or `/` and at least one letter.
    pub prefix: String,
    /// Absolute directories outside of the registry that links may point to.
    pub whitelist: Vec<PathBuf>,
    /// Directories outside of the registry that its projects may be in.
    pub allow_roots: Vec<PathBuf>,
    /// Who may act as whom.
    pub spoofing: Spoofing,
    /// Age at which probational versions are rejected.
    pub probation: Option<Duration>,
    /// Requests processed at a time.
    pub concurrency: usize,
    /// Whether others than its owner may rename what is in the staging directory.
    pub insecure_staging: bool,
    /// Whether changes are safe from a power failure before they are answered.
    pub durable: bool,
    /// Whether the URL is written to standard output once the service answers.
    pub print_url: bool,
    /// How lines of the log are written.
    pub log_format: Form,
}

impl Settings {
    /// Checks the settings, and reads the files that they name.
    ///
    /// Whether the directories exist is looked at by [`super::serve`].
    pub fn check(self) -> Result<Options> {
        let bad = |flag, value: i64, why: &str| Error::invalid(flag, value.to_string(), why);
        let place = |flag, path: &Path| {
            let is_given = !path.as_os_str().is_empty();
            is_given
                .then(|| clean_path(path))
                .ok_or_else(|| Error::invalid(flag, "", "it is required"))
        };
        let is_given = |file: &PathBuf| !file.as_os_str().is_empty();
        let mut registry = place("-registry", &self.registry)?;
        // Links from another disk to the registry cannot be relative.
        if !self.allow_roots.is_empty() {
            registry = std::path::absolute(&registry).at(&registry)?;
        }
        Ok(Options {
            staging: place("-staging", &self.staging)?,
            registry,
            administrators: self.administrators,
            host: self.host,
            port: u16::try_from(self.port)
                .map_err(|_| bad("-port", self.port, "give a number from 0 to 65535"))?,
            hosts: self.hosts,
            prefix: match &*lexical::clean_url(self.prefix.trim_matches('/')) {
                "/" => String::new(),
                path => quote_path(path),
            },
            whitelist: Some(self.whitelist)
                .filter(is_given)
                .map_or(Ok(Vec::new()), |file| read_whitelist(&file))?,
            allow_roots: self.allow_roots.iter().map(|path| clean_path(path)).collect(),
            spoofing: Some(self.spoof)
                .filter(is_given)
                .map_or(Ok(Spoofing::default()), |file| Spoofing::read(&file))?,
            probation: u64::try_from(self.probation)
                .ok()
                .map(|days| Duration::from_secs(days.saturating_mul(24 * 60 * 60))),
            concurrency: usize::try_from(self.concurrency)
                .ok()
                .filter(|count| (1..=MOST_AT_A_TIME).contains(count))
                .ok_or_else(|| {
                    bad("-concurrency", self.concurrency, "give a number from 1 to 10000")
                })?,
            insecure_staging: self.insecure_staging,
            durable: self.durable,
            print_url: self.print_url,
            log_format: self.log_format,
        })
    }
}

fn read_whitelist(file: &Path) -> Result<Vec<PathBuf>> {
    let text = std::fs::read(file).at(file)?;
    parse_whitelist(&text).map_err(|line| {
        let content = text.split(|byte| *byte == b'\n').nth(line - 1).unwrap_or_default();
        let why = format!("expected an absolute path of a directory, in {}:{line}", file.display());
        Error::invalid("line in the whitelist", String::from_utf8_lossy(content), why)
    })
}

/// Directories, one per line, cleaned; blank lines and lines that begin with `#` are ignored.
fn parse_whitelist(text: &[u8]) -> Result<Vec<PathBuf>, usize> {
    let mut directories = Vec::new();
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.trim_ascii().is_empty() || line.starts_with(b"#") {
            continue;
        }
        let directory = clean_path(Path::new(system::text(line)));
        if !directory.is_absolute() {
            return Err(index + 1);
        }
        directories.push(directory);
    }
    Ok(directories)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn options(more: &Value) -> Result<Options> {
        let mut settings = json!({"staging": "../s/x/..", "registry": "r/./x"});
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value::<Settings>(settings).unwrap().check()
    }

    #[test]
    fn all_but_two_have_defaults() {
        let options = options(&json!({})).unwrap();
        assert_eq!(options.registry, Path::new("r/x"));
        assert_eq!(options.staging, Path::new("../s"));
        assert_eq!((options.host.as_str(), options.port), ("127.0.0.1", 8080));
        assert_eq!((options.concurrency, options.probation), (100, None));
        assert!(options.administrators.is_empty() && options.prefix.is_empty() && options.durable);
        for text in ["{}", r#"{"staging": "s"}"#, r#"{"staging": "s", "registry": "r", "x": 1}"#] {
            assert!(serde_json::from_str::<Settings>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn values_are_brought_into_form() {
        let prefix = |text| options(&json!({"prefix": text})).unwrap().prefix;
        assert_eq!((prefix("foo"), prefix("/a//b%/")), ("/foo".to_owned(), "/a/b%25".to_owned()));
        assert_eq!((prefix(".."), prefix("/")), (String::new(), String::new()));
        let probation = |days| options(&json!({"probation": days})).unwrap().probation;
        assert_eq!((probation(0), probation(-3)), (Some(Duration::ZERO), None));
        let rooted = options(&json!({"allow_roots": ["/d/../e"]})).unwrap();
        assert!(rooted.registry.is_absolute());
        assert_eq!(rooted.allow_roots, [Path::new("/e")]);
    }

    #[test]
    fn what_cannot_be_used_is_told_by_its_flag() {
        for (more, told) in [
            (json!({"port": 70000}), "-port"),
            (json!({"port": -1}), "-port"),
            (json!({"concurrency": 0}), "-concurrency"),
            (json!({"concurrency": 10_001}), "-concurrency"),
            (json!({"staging": ""}), "-staging"),
            (json!({"registry": ""}), "-registry"),
            (json!({"whitelist": "/no/such/file"}), "/no/such/file"),
            (json!({"spoof": "/no/such/file"}), "/no/such/file"),
        ] {
            let bad = options(&more).unwrap_err().chain();
            assert!(bad.contains(told), "{bad}");
        }
    }

    #[test]
    fn whitelists_hold_absolute_directories() {
        assert_eq!(
            parse_whitelist(b"# data\n\n/a/../b/\r\n/c\n").unwrap(),
            [Path::new("/b"), Path::new("/c")]
        );
        assert_eq!(parse_whitelist(b"/a\nb\n"), Err(2));
        assert_eq!(parse_whitelist(b" /a"), Err(1));
    }
}
