//! The Gobbler service: users put request files into a staging directory and have them processed
//! by POST; everybody may list and fetch.

mod actions;
mod answers;
mod fetch;
mod lexical;
mod list;
mod options;
mod purge;
mod request_file;
mod roots;
mod routes;
mod sources;
mod spoofing;
mod state;
mod users;

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Semaphore;

pub use options::{BadOptions, Options, USAGE};
pub use spoofing::Spoofing;

use state::State;

use crate::error::IoContext;
use crate::fs::owner::other_writer;
use crate::registry::engine::{self, Engine};
use crate::registry::store;
use crate::service::hosts::Hosts;
use crate::service::log::Log;
use crate::service::server::{self, Embedding, Work};
use crate::system::{self, Stat};
use crate::{Error, Result};

/// Runs the service until SIGTERM or SIGINT, or until its `embedding` process is gone.
///
/// Returns when running requests are finished, or undone if they take longer than 3 s.
pub fn serve(options: Options, embedding: Option<Embedding>) -> Result<()> {
    for directory in [&options.staging, &options.registry] {
        if !fs::metadata(directory).at(directory)?.is_dir() {
            return Err(io::Error::from(io::ErrorKind::NotADirectory)).at(directory);
        }
    }
    system::fill_standard_streams();
    let staging_fault = staging_fault(&options.staging)?;
    if let Some(why) = &staging_fault
        && !options.insecure_staging
    {
        let why = format!("{why}; run `chmod +t` on it, or start with `-insecure-staging`");
        return Err(Error::invalid("-staging", options.staging.to_string_lossy(), why));
    }
    system::raise_file_limit();
    // Before anybody can connect: a request file made after that is no old one.
    let answers = Arc::new(answers::Answers::starting_with(&options.staging)?);
    let (listener, lifeline) = server::listen(&options.host, options.port, embedding)?;
    let address = server::address_of(&listener)?;
    let url = server::url_of(address);
    let engine = Engine::open(engine::Options {
        registry: options.registry.clone(),
        administrators: options.administrators.clone(),
        whitelist: options.whitelist.clone(),
        allow_roots: options.allow_roots.clone(),
        durable: options.durable,
    })?;
    // Dropped last: the writer waits for the lines of everything else.
    let (log, _writer) = Log::start().at("log")?;
    let runtime = server::runtime(options.concurrency)?;
    let state = Arc::new(State {
        roots: Arc::new(roots::Roots::new(engine.layout().clone(), options.whitelist.clone())),
        hosts: Hosts::new(address, None, &options.hosts, "-allow-host"),
        turns: Semaphore::new(options.concurrency),
        options,
        engine,
        answers,
        sources: sources::Sources::default(),
        work: Work::default(),
        log,
    });
    runtime.block_on(async {
        let end = server::end_of_service(lifeline.as_ref())?;
        // From here on signals are obeyed, so others may know.
        server::announce(&url, lifeline, &state.log);
        if let Some(why) = staging_fault {
            state.log.line(format!("warning: {}: {why}", state.options.staging.display()));
        }
        tokio::spawn(close_locks(Arc::clone(&state)));
        tokio::spawn(purge::run(Arc::clone(&state)));
        let router = routes::router(Arc::clone(&state));
        server::serve(listener, router, &state.work, &state.log, end).await?;
        state.log.line("stopped");
        Ok(())
    })
    // Dropping the runtime ends what is left of the connections, and with them all clones of the
    // state and its log.
}

/// Why the owner of a file in the staging directory is no proof of who put it under its name.
fn staging_fault(staging: &Path) -> Result<Option<String>> {
    let handle = File::open(staging).at(staging)?;
    if Stat::of(&handle).at(staging)?.is_sticky() {
        return Ok(None);
    }
    let writer = other_writer(&handle).at(staging)?;
    Ok(writer.map(|writer| {
        format!("it can be written by {writer} and has no sticky bit, so that requests of others can be renamed")
    }))
}

/// Closes lock files that an older or another service has left open.
async fn close_locks(state: Arc<State>) {
    let worker = Arc::clone(&state);
    let closed = state.work.run(move |job| store::close_locks(worker.engine.layout(), job)).await;
    let why = match closed {
        Ok(Ok(())) => return,
        Ok(Err(failure)) => failure.reason,
        Err(panic) => panic.to_string(),
    };
    state.log.line(format!("cannot close all lock files to others: {why}"));
}
