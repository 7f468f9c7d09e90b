//! What all requests of one service share.

use super::identity::Identities;
use super::options::Options;
use super::refusal::Refusal;
use super::signature::Signer;
use crate::job::Job;
use crate::registry::bucket::Bucket;
use crate::service::answer::lost;
use crate::service::hosts::Hosts;
use crate::service::log::Log;
use crate::service::work::Work;

/// What all requests share.
pub(super) struct State {
    /// How it was started.
    pub(super) options: Options,
    /// How the service is reached from this machine.
    pub(super) url: String,
    /// The names it answers to.
    pub(super) hosts: Hosts,
    /// The registry and its changes.
    pub(super) bucket: Bucket,
    /// Who users are.
    pub(super) identities: Identities,
    /// Signs URLs.
    pub(super) signer: Signer,
    /// What runs on threads.
    pub(super) work: Work,
    /// One line for each event.
    pub(super) log: Log,
}

impl State {
    /// Runs blocking work for a request.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Job) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.work.run(work).await.map_err(|error| Refusal::from(lost(&error)))?
    }
}
