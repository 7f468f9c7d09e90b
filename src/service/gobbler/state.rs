//! What all requests of one service share.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::answers::Answers;
use super::options::Options;
use super::roots::Roots;
use super::sources::Sources;
use crate::registry::tree::Engine;
use crate::service::hosts::Hosts;
use crate::service::log::Log;
use crate::service::work::Work;

/// What all requests share.
pub(super) struct State {
    /// How it was started.
    pub(super) options: Options,
    /// The names it answers to.
    pub(super) hosts: Hosts,
    /// The registry and its changes.
    pub(super) engine: Engine,
    /// Where its files may be.
    pub(super) roots: Arc<Roots>,
    /// The names of requests that were used.
    pub(super) answers: Arc<Answers>,
    /// What no purge may take away.
    pub(super) sources: Sources,
    /// Requests that may be processed at the same time.
    pub(super) turns: Semaphore,
    /// What runs on threads.
    pub(super) work: Work,
    /// One line for each event.
    pub(super) log: Log,
}
