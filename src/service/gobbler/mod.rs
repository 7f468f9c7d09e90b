//! The Gobbler service: users put request files into a staging directory and have them processed
//! by POST; everybody may list and fetch.

mod actions;
mod answers;
mod fetch;
mod lexical;
mod list;
mod options;
mod purge;
mod request;
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

use answers::Answers;
pub use options::{Options, Settings};
use roots::Roots;
use sources::Sources;
pub use spoofing::Spoofing;
use state::State;

use crate::error::IoContext;
use crate::fs::owner::other_writer;
use crate::registry::tree::{self, Engine};
use crate::service::hosts::Hosts;
use crate::service::lifetime::{self, Embedding, Place, Ready};
use crate::service::upkeep;
use crate::service::work::Work;
use crate::system::Stat;
use crate::{Error, Result};

/// Runs the service; see [`lifetime::run`].
pub fn serve(options: Options, embedding: Option<Embedding>) -> Result<()> {
    for directory in [&options.staging, &options.registry] {
        if !fs::metadata(directory).at(directory)?.is_dir() {
            return Err(io::Error::from(io::ErrorKind::NotADirectory)).at(directory);
        }
    }
    let fault = staging_fault(&options.staging)?;
    if let Some(why) = &fault
        && !options.insecure_staging
    {
        let why = format!("{why}; run `chmod +t` on it, or start with `-insecure-staging`");
        return Err(Error::invalid("-staging", options.staging.to_string_lossy(), why));
    }
    // Before anybody can connect: a request file made after that is no old one.
    let answers = Arc::new(Answers::starting_with(&options.staging)?);
    let place = Place {
        host: options.host.clone(),
        port: options.port,
        concurrency: options.concurrency,
        print_url: options.print_url,
        log_format: options.log_format,
    };
    lifetime::run(&place, embedding, |start| {
        let engine = Engine::open(tree::Options {
            registry: options.registry.clone(),
            administrators: options.administrators.clone(),
            whitelist: options.whitelist.clone(),
            allow_roots: options.allow_roots.clone(),
            durable: options.durable,
        })?;
        let state = Arc::new(State {
            roots: Arc::new(Roots::new(engine.layout().clone(), options.whitelist.clone())),
            hosts: Hosts::new(start.address, None, &options.hosts, "-allow-host"),
            turns: Semaphore::new(options.concurrency),
            options,
            engine,
            answers,
            sources: Sources::default(),
            work: Work::default(),
            log: start.log.clone(),
        });
        Ok(Ready {
            router: routes::router(Arc::clone(&state)),
            work: state.work.clone(),
            upkeep: keep_up(state, fault),
        })
    })
}

/// Tells what is wrong with the staging directory, and keeps the registry in order.
async fn keep_up(state: Arc<State>, fault: Option<String>) {
    let State { work, log, engine, .. } = &*state;
    if let Some(why) = fault {
        log.line(format!("warning: {}: {why}", state.options.staging.display()));
    }
    let purged = Arc::clone(&state);
    tokio::join!(
        upkeep::close_locks(engine.layout().clone(), work, log),
        upkeep::each_day(purge::FIRST, work, log, move |job| purge::purge(&purged, job)),
    );
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
