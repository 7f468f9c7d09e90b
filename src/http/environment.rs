//! What the environment asks of requests in one call: limits, and by which way and certificates.

use std::time::Duration;

use super::netrc::Netrc;
use super::proxies::Proxies;
use super::tls::{self, Trust};
use crate::{Result, settings};

/// What holds from here to the end of a call.
#[derive(Debug)]
pub(super) struct Environment {
    pub(super) settings: Settings,
    /// How long nothing may come.
    pub(super) idle_limit: Duration,
    /// Tries after the first.
    pub(super) retries: u32,
    /// Whether all requests are forbidden.
    pub(super) is_offline: bool,
    pub(super) netrc: Netrc,
}

/// What connections are made with: with other settings they are others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) connect_limit: Duration,
    pub(super) certificates: tls::Source,
    pub(super) proxies: Proxies,
}

impl Environment {
    /// What is asked for now, with certificates of the caller's choice.
    pub(super) fn now(trust: &Trust) -> Result<Self> {
        Ok(Self {
            settings: Settings::now(settings::connect_timeout()?, trust),
            idle_limit: settings::timeout()?,
            retries: settings::retries()?,
            is_offline: settings::is_offline()?,
            netrc: Netrc::read(),
        })
    }
}

impl Settings {
    /// Those that hold now.
    pub(super) fn now(connect_limit: Duration, trust: &Trust) -> Self {
        Self { connect_limit, certificates: tls::Source::now(trust), proxies: Proxies::now() }
    }
}
