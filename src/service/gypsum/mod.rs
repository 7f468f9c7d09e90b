//! The gypsum service: users upload and read the objects of a registry over HTTP alone.

mod answer;
mod body;
mod identity;
mod options;
mod routes;
mod signature;
mod state;

use std::fs;
use std::io;
use std::sync::Arc;
use std::time::Duration;

pub use options::{GitHubApp, Options, S3Credentials};

use tokio::runtime::Handle;

use crate::error::IoContext;
use crate::fs::lock;
use crate::registry::bucket::Bucket;
use crate::registry::format::layout::Layout;
use crate::registry::objects::{Directory, Objects};
use crate::registry::store;
use crate::service::hosts::Hosts;
use crate::service::log::Log;
use crate::service::server::{self, Embedding, Work};
use crate::system;
use crate::{Error, Result};
use identity::Identities;
use signature::Signer;
use state::State;

/// Requests that work on the registry at once; further ones wait.
const CONCURRENCY: usize = 100;
/// How long events are kept, and how often old ones are looked for.
const LOG_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const FIRST_PURGE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs the service until SIGTERM or SIGINT, or until its `embedding` process is gone.
///
/// Returns when running requests are finished, or undone if they take longer than 3 s.
pub fn serve(options: Options, embedding: Option<Embedding>) -> Result<()> {
    if let Some(url) = &options.public_url {
        crate::http::url::parse(url)
            .map_err(|error| Error::invalid("public_url", url, error.chain()))?;
    }
    let rules = options.bucket()?;
    system::fill_standard_streams();
    system::raise_file_limit();
    // Dropped last: the writer waits for the lines of everything else.
    let (log, _writer) = Log::start().at("log")?;
    let identities = Identities::new(
        options.tokens.clone(),
        options.insecure_tokens,
        options.github_url.as_deref(),
        log.clone(),
    )?;
    let runtime = server::runtime(CONCURRENCY)?;
    let objects = open_objects(&options, runtime.handle())?;
    let (listener, lifeline) = server::listen(&options.host, options.port, embedding)?;
    let address = server::address_of(&listener)?;
    let url = server::url_of(address);
    let hosts = Hosts::new(address, options.public_url.as_deref(), &options.hosts, "--allow-host");
    let state = Arc::new(State {
        bucket: Bucket::new(objects, rules),
        url: url.clone(),
        hosts,
        identities,
        signer: Signer::new(),
        work: Work::default(),
        options,
        log,
    });
    runtime.block_on(async {
        let end = server::end_of_service(lifeline.as_ref())?;
        server::announce(&url, lifeline, &state.log);
        tokio::spawn(keep_house(Arc::clone(&state)));
        let router = routes::router(Arc::clone(&state));
        server::serve(listener, router, &state.work, &state.log, end).await?;
        state.log.line("stopped");
        Ok(())
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
            let s3 = crate::registry::objects::S3::new(store, runtime.clone())?;
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

/// Ends what dead processes have begun, and removes old events each day.
async fn keep_house(state: Arc<State>) {
    let worker = Arc::clone(&state);
    let settled = state.run(move |job| Ok(worker.bucket.settle(job)?)).await;
    match settled {
        Ok(0) => {}
        Ok(count) => state.log.line(format!("settled {count} projects")),
        Err(refusal) => state.log.line(format!("cannot settle: {}", refusal.reason)),
    }
    if lock::are_missing() {
        state.log.line(lock::NONE);
    }
    if let Some(registry) = state.options.registry.clone() {
        let layout = Layout::new(registry).allowing(state.options.allow_roots.clone());
        let closed = state.run(move |job| Ok(store::close_locks(&layout, job)?)).await;
        if let Err(refusal) = closed {
            state.log.line(format!("cannot close all lock files to others: {}", refusal.reason));
        }
    }
    let mut pause = FIRST_PURGE;
    loop {
        tokio::select! {
            () = state.work.stopped() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = DAY;
        let worker = Arc::clone(&state);
        let purged = state.run(move |job| Ok(worker.bucket.purge_logs(LOG_AGE, job)?)).await;
        match purged {
            Ok(0) => {}
            Ok(count) => state.log.line(format!("removed {count} old events")),
            Err(refusal) => state.log.line(format!("cannot remove events: {}", refusal.reason)),
        }
    }
}
