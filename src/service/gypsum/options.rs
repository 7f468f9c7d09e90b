//! How the service is set up.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::registry::bucket::{self, QuotaDefaults};
use crate::service::lifetime;
use crate::service::log::Form;
use crate::{Error, Result};

/// Settings of the service.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The registry's directory, which must exist.
    #[serde(default)]
    pub registry: Option<PathBuf>,
    /// Where the registry's objects are instead: `s3://BUCKET?endpoint=URL&region=NAME`.
    #[serde(default)]
    pub store: Option<String>,
    /// Directories outside of the registry that its projects may be in, by links.
    #[serde(default)]
    pub allow_roots: Vec<PathBuf>,
    /// File of the tokens that users are known by.
    #[serde(default)]
    pub tokens: Option<PathBuf>,
    /// Whether others may read that file.
    #[serde(default)]
    pub insecure_tokens: bool,
    /// A service that knows tokens as `api.github.com` does.
    #[serde(default)]
    pub github_url: Option<String>,
    /// Address to listen on.
    #[serde(default = "lifetime::loopback")]
    pub host: String,
    /// Port to listen on; 0 for any free one.
    #[serde(default)]
    pub port: u16,
    /// What clients call the service; by default what they have called it in the request.
    #[serde(default)]
    pub public_url: Option<String>,
    /// Names of hosts that the service answers to, besides its own.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Whether a finished change survives a power failure.
    #[serde(default = "lifetime::durable")]
    pub durable: bool,
    /// Whether the URL is written to standard output once the service answers.
    #[serde(default)]
    pub print_url: bool,
    /// How lines of the log are written.
    #[serde(default)]
    pub log_format: Form,
    /// Users and organizations that may do everything.
    #[serde(default)]
    pub administrators: Vec<String>,
    /// Bytes that new projects may use in the year of their creation.
    #[serde(default = "baseline")]
    pub quota_baseline: f64,
    /// Bytes more in each year after it.
    #[serde(default = "growth_rate")]
    pub quota_growth: f64,
    /// Seconds that an upload may take before others may put an end to it.
    #[serde(default)]
    pub lock_timeout: Option<f64>,
    /// Seconds for which an upload may use a presigned URL.
    #[serde(default = "hour")]
    pub url_lifetime: u64,
    /// Answer of `/credentials/s3-api`.
    #[serde(default)]
    pub s3_credentials: Option<S3Credentials>,
    /// Answer of `/credentials/github-app`.
    #[serde(default)]
    pub github_app: Option<GitHubApp>,
}

fn hour() -> u64 {
    3600
}

fn baseline() -> f64 {
    QuotaDefaults::default().baseline
}

fn growth_rate() -> f64 {
    QuotaDefaults::default().growth_rate
}

impl Options {
    /// Checks the settings, and makes the rules of the registry of them.
    pub(super) fn bucket(&self) -> Result<bucket::Options> {
        if let Some(text) = &self.public_url {
            let is_sound = |url: Url| matches!(url.scheme(), "http" | "https") && url.has_host();
            if !Url::parse(text).is_ok_and(is_sound) {
                let why = "expected a URL such as `https://host/path`";
                return Err(Error::invalid("public_url", text, why));
            }
        }
        for (argument, value) in
            [("quota_baseline", self.quota_baseline), ("quota_growth", self.quota_growth)]
        {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(Error::invalid(
                    argument,
                    value.to_string(),
                    "expected a number of bytes",
                ));
            }
        }
        let lock_timeout = match self.lock_timeout {
            None => None,
            Some(seconds) => {
                let limit = Duration::try_from_secs_f64(seconds).map_err(|_| {
                    Error::invalid(
                        "lock_timeout",
                        seconds.to_string(),
                        "expected a number of seconds",
                    )
                })?;
                Some(limit)
            }
        };
        Ok(bucket::Options {
            administrators: self.administrators.clone(),
            quota: QuotaDefaults { baseline: self.quota_baseline, growth_rate: self.quota_growth },
            lock_timeout,
        })
    }
}

/// How everybody may read the objects by S3.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Credentials {
    /// URL of the store.
    pub endpoint: String,
    /// Name of the bucket.
    pub bucket: String,
    /// Access key that can only read.
    pub key: String,
    /// Its secret.
    pub secret: String,
}

/// The application that users log in to on GitHub.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GitHubApp {
    /// Its identifier.
    pub id: String,
    /// Its secret.
    pub secret: String,
}
