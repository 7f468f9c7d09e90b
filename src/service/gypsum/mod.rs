//! The gypsum service: users upload and read the objects of a registry over HTTP alone.

mod body;
mod identity;
mod options;
mod refusal;
mod routes;
mod signature;
mod state;
mod unpack;

use std::fs;
use std::io;
use std::sync::Arc;
use std::time::Duration;

pub use options::{GitHubApp, Options, S3Credentials};

use tokio::runtime::Handle;

use crate::error::IoContext;
use crate::fs::lock;
use crate::registry::bucket::Bucket;
use crate::registry::bucket::store::{Directory, Objects};
use crate::registry::format::layout::Layout;
use crate::service::hosts::Hosts;
use crate::service::lifetime::{self, Embedding, Place, Ready};
use crate::service::upkeep;
use crate::service::work::Work;
use crate::{Error, Result};
use identity::Identities;
use signature::Signer;
use state::State;

/// Requests that work on the registry at once; further ones wait.
const CONCURRENCY: usize = 100;
/// How long events are kept, and the time from the start to the first look for old ones.
const LOG_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const FIRST_PURGE: Duration = Duration::from_secs(60);
/// How long an answer may take to leave, at the most.
const ANSWERED: Duration = Duration::from_secs(1);

/// Runs the service; see [`lifetime::run`].
pub fn serve(options: Options, embedding: Option<Embedding>) -> Result<()> {
    let rules = options.bucket()?;
    let place = Place {
        host: options.host.clone(),
        port: options.port,
        concurrency: CONCURRENCY,
        print_url: options.print_url,
        log_format: options.log_format,
    };
    lifetime::run(&place, embedding, |start| {
        let identities = Identities::new(
            options.tokens.clone(),
            options.insecure_tokens,
            options.github_url.as_deref(),
            start.log.clone(),
        )?;
        let public_url = options.public_url.as_deref();
        let state = Arc::new(State {
            bucket: Bucket::new(open_objects(&options, start.runtime)?, rules),
            url: start.url.to_owned(),
            hosts: Hosts::new(start.address, public_url, &options.hosts, "--allow-host"),
            identities,
            signer: Signer::new(),
            work: Work::default(),
            options,
            log: start.log.clone(),
        });
        Ok(Ready {
            router: routes::router(Arc::clone(&state)),
            work: state.work.clone(),
            upkeep: keep_up(state),
        })
    })
}

/// The store that the options name.
fn open_objects(options: &Options, runtime: &Handle) -> Result<Arc<dyn Objects>> {
    match (&options.registry, &options.store) {
        (Some(registry), None) => {
            if !fs::metadata(registry).at(registry)?.is_dir() {
                return Err(io::Error::from(io::ErrorKind::NotADirectory)).at(registry);
            }
            let registry = std::path::absolute(registry).at(registry)?;
            let layout = Layout::new(registry).allowing(options.allow_roots.clone());
            Ok(Arc::new(Directory::of(layout, options.durable)))
        }
        #[cfg(feature = "s3")]
        (None, Some(store)) => {
            let s3 = crate::registry::bucket::store::S3::new(store, runtime.clone())?;
            Ok(Arc::new(s3))
        }
        #[cfg(not(feature = "s3"))]
        (None, Some(store)) => {
            let _ = runtime;
            let why = "this build has no object stores (feature `s3`)";
            Err(Error::invalid("store", store, why))
        }
        (Some(_), Some(store)) => {
            Err(Error::invalid("store", store, "there is a registry too; give one of them"))
        }
        (None, None) => Err(Error::invalid("registry", "", "give a registry or a store")),
    }
}

/// Removes what is needed no longer, until the service stops.
async fn keep_up(state: Arc<State>) {
    tokio::join!(forget(&state), settle_and_purge(&state));
}

/// Removes the receipts of requests that were answered.
async fn forget(state: &Arc<State>) {
    if state.options.store.is_none() {
        return; // a directory has none
    }
    let worker = Arc::clone(state);
    let forget = move |is_last: bool| {
        let since = if is_last { Duration::ZERO } else { ANSWERED };
        if let Err(failure) = worker.bucket.forget(since) {
            worker.log.line(format!("cannot remove receipts: {}", failure.reason));
        }
    };
    let lost = |why| state.log.line(format!("cannot remove receipts: {why}"));
    state.work.run_each(ANSWERED, forget, lost).await;
}

/// Ends what dead processes have begun, and removes old events each day.
async fn settle_and_purge(state: &Arc<State>) {
    let State { work, log, options, .. } = &**state;
    let worker = Arc::clone(state);
    let settled = state.run(move |job| Ok(worker.bucket.settle(job)?)).await;
    match settled {
        Ok(0) => {}
        Ok(count) => log.line(format!("settled {count} projects")),
        Err(refusal) => log.line(format!("cannot settle: {}", refusal.reason)),
    }
    if lock::are_missing() {
        log.line(lock::NONE);
    }
    if let Some(registry) = options.registry.clone() {
        let layout = Layout::new(registry).allowing(options.allow_roots.clone());
        upkeep::close_locks(layout, work, log).await;
    }
    let purged = Arc::clone(state);
    upkeep::each_day(FIRST_PURGE, work, log, move |job| {
        match purged.bucket.purge_logs(LOG_AGE, job) {
            Ok(0) => {}
            Ok(count) => purged.log.line(format!("removed {count} old events")),
            Err(failure) => purged.log.line(format!("cannot remove events: {}", failure.reason)),
        }
    })
    .await;
}
