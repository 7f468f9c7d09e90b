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

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use tokio::sync::Semaphore;

pub use options::{BadOptions, Options, USAGE};
pub use spoofing::Spoofing;

use crate::Result;
use crate::error::IoContext;
use crate::registry::engine::{self, Engine};
use crate::service::log::Log;
use crate::service::server::{self, Work};

/// Threads for listings and checks, beyond those of the requests.
const SPARE_THREADS: usize = 64;

/// A service that belongs to another process.
#[derive(Debug)]
pub struct Embedding {
    /// The socket to serve, bound by that process.
    pub listener: TcpListener,
    /// Is told the URL once the service is ready, and ends the service when closed.
    pub lifeline: UnixStream,
}

impl Embedding {
    /// Takes the listener from stdin and the lifeline from stdout, where the other process has put
    /// them; both streams lead to nowhere afterwards.
    pub fn from_standard_streams() -> Result<Self> {
        let take = || {
            let listener = io::stdin().as_fd().try_clone_to_owned()?;
            let lifeline = io::stdout().as_fd().try_clone_to_owned()?;
            let nowhere = File::options().read(true).write(true).open("/dev/null")?;
            rustix::stdio::dup2_stdin(&nowhere)?;
            rustix::stdio::dup2_stdout(&nowhere)?;
            Ok::<_, io::Error>(Self { listener: listener.into(), lifeline: lifeline.into() })
        };
        take().at("standard streams")
    }
}

/// Threads that answer connections. Half of the cores: the work of requests has threads of its own,
/// and with more of them small answers cost more in being handed around than they gain.
fn io_threads() -> usize {
    (std::thread::available_parallelism().map_or(1, std::num::NonZero::get) / 2).clamp(1, 8)
}

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

/// Allows as many open files as the system does: connections must not use up those of requests.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Where that is refused, the limit stays as it is.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
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
    raise_file_limit();
    // Before anybody can connect: a request file made after that is no old one.
    let recent = request_file::Recent::starting_with(&options.staging)?;
    let (listener, lifeline) = match embedding {
        Some(Embedding { listener, lifeline }) => (listener, Some(lifeline)),
        None => (server::bind(&options.host, options.port)?, None),
    };
    let url = server::url_of(&listener)?;
    let engine = Engine::open(engine::Options {
        registry: options.registry.clone(),
        administrators: options.administrators.clone(),
        whitelist: options.whitelist.clone(),
        durable: options.durable,
    })?;
    // Dropped last: the writer waits for the lines of everything else.
    let (log, _writer) = Log::start().at("log")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(io_threads())
        .thread_name("selenite-service")
        .max_blocking_threads(options.concurrency + SPARE_THREADS)
        .enable_all()
        .build()
        .at("tokio runtime")?;
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
        if let Some(mut lifeline) = lifeline {
            // A parent that is gone is noticed when its end of the lifeline closes.
            let _ = lifeline.write_all(format!("listening on {url}\n").as_bytes());
        }
        state.log.line(format!("listening on {url}"));
        tokio::spawn(purge::run(Arc::clone(&state)));
        let router = routes::router(Arc::clone(&state));
        server::serve(listener, router, &state.work, &state.log, end).await?;
        state.log.line("stopped");
        Ok(())
    })
    // Dropping the runtime ends what is left of the connections, and with them all clones of the
    // state and its log.
}
