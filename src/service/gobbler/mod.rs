//! The Gobbler service: users put request files into a staging directory and have them processed
//! by POST; everybody may list and fetch.

mod actions;
mod fetch;
mod list;
mod options;
mod purge;
mod request_file;
mod routes;
mod spoofing;

use std::fs;
use std::io;
use std::sync::Arc;

use tokio::sync::Semaphore;

pub use options::{BadOptions, Options, USAGE};
pub use spoofing::Spoofing;

use crate::Result;
use crate::error::IoContext;
use crate::registry::engine::{self, Engine};
use crate::service::log::Log;
use crate::service::server::{self, Embedding, Work};

/// What all requests share.
struct State {
    options: Options,
    engine: Engine,
    roots: Arc<fetch::Roots>,
    recent: request_file::Recent,
    sources: purge::Sources,
    turns: Semaphore,
    work: Work,
    log: Log,
}

/// Runs the service until SIGTERM or SIGINT, or until its `embedding` process is gone.
///
/// Returns when running requests are finished, or undone if they take longer than 3 s.
pub fn serve(options: Options, embedding: Option<Embedding>) -> Result<()> {
    for directory in [&options.staging, &options.registry] {
        if !fs::metadata(directory).at(directory)?.is_dir() {
            return Err(io::Error::from(io::ErrorKind::NotADirectory)).at(directory);
        }
    }
    server::raise_file_limit();
    // Before anybody can connect: a request file made after that is no old one.
    let recent = request_file::Recent::starting_with(&options.staging)?;
    let (listener, lifeline) = server::listen(&options.host, options.port, embedding)?;
    let url = server::url_of(&listener)?;
    let engine = Engine::open(engine::Options {
        registry: options.registry.clone(),
        administrators: options.administrators.clone(),
        whitelist: options.whitelist.clone(),
        durable: options.durable,
    })?;
    // Dropped last: the writer waits for the lines of everything else.
    let (log, _writer) = Log::start().at("log")?;
    let runtime = server::runtime(options.concurrency)?;
    let state = Arc::new(State {
        roots: Arc::new(fetch::Roots::new(options.registry.clone(), options.whitelist.clone())),
        turns: Semaphore::new(options.concurrency),
        options,
        engine,
        recent,
        sources: purge::Sources::default(),
        work: Work::default(),
        log,
    });
    runtime.block_on(async {
        let end = server::end_of_service(lifeline.as_ref())?;
        // From here on signals are obeyed, so others may know.
        server::announce(&url, lifeline, &state.log);
        tokio::spawn(purge::run(Arc::clone(&state)));
        let router = routes::router(Arc::clone(&state));
        server::serve(listener, router, &state.work, &state.log, end).await?;
        state.log.line("stopped");
        Ok(())
    })
    // Dropping the runtime ends what is left of the connections, and with them all clones of the
    // state and its log.
}
