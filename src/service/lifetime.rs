//! The life of a service, from its start to its end.

use std::future::Future;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};

use axum::Router;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::runtime::{Handle, Runtime};

use crate::Result;
use crate::error::IoContext;
use crate::service::log::{Form, Log};
use crate::service::work::Work;
use crate::service::{server, threads};
use crate::system::{self, EndSignals, LocalStream};

/// Threads for listings and checks, beyond those of the requests.
const SPARE_THREADS: usize = 64;

/// Where a service listens, and how many requests it works on at once.
#[derive(Debug)]
pub(super) struct Place {
    /// Name or address of a host.
    pub(super) host: String,
    /// Port; 0 for any free one.
    pub(super) port: u16,
    /// Further requests wait.
    pub(super) concurrency: usize,
    /// Whether the URL is written to standard output, too.
    pub(super) print_url: bool,
    /// How lines of the log are written.
    pub(super) log_format: Form,
}

/// Where a service listens that is given no host: nobody else can reach it.
pub(super) fn loopback() -> String {
    "127.0.0.1".to_owned()
}

/// Whether changes survive a power failure if nothing is said of it.
pub(super) fn durable() -> bool {
    true
}

/// What a service is given that is about to begin. Nobody is answered yet.
pub(super) struct Start<'a> {
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// How it is reached from this machine.
    pub(super) url: &'a str,
    /// Its log.
    pub(super) log: &'a Log,
    /// Its threads.
    pub(super) runtime: &'a Handle,
}

/// A service that can begin.
pub(super) struct Ready<H> {
    /// What answers.
    pub(super) router: Router,
    /// What runs for its requests.
    pub(super) work: Work,
    /// What runs beside them, from the start on; whatever is left of it is dropped at the end.
    pub(super) upkeep: H,
}

/// Runs a service until SIGTERM or SIGINT, or until its `embedding` process is gone.
///
/// Returns when running requests are finished, or undone if they take longer than 3 s.
pub(super) fn run<H: Future<Output = ()> + Send + 'static>(
    place: &Place,
    embedding: Option<Embedding>,
    prepare: impl FnOnce(&Start<'_>) -> Result<Ready<H>>,
) -> Result<()> {
    system::fill_standard_streams();
    system::raise_file_limit();
    let (listener, lifeline) = match embedding {
        Some(Embedding { listener, lifeline }) => (listener, Some(lifeline)),
        None => (bind(&place.host, place.port)?, None),
    };
    let address = listener.local_addr().at("listening socket")?;
    let url = url_of(address);
    // The writer is dropped last: it waits for the lines of everything else.
    let (_writer, log) = Log::start(place.log_format).at("log")?;
    let runtime = runtime(place.concurrency)?;
    let ready = prepare(&Start { address, url: &url, log: &log, runtime: runtime.handle() })?;
    runtime.block_on(async {
        let end = end_of_service(lifeline.as_ref())?;
        // From here on signals are obeyed, so others may know.
        announce(&url, lifeline, &log);
        if place.print_url {
            print(&url).at("standard output")?;
        }
        tokio::spawn(ready.upkeep);
        server::serve(listener, ready.router, &ready.work, &log, end).await?;
        log.line("stopped");
        Ok(())
    })
    // Dropping the runtime ends what is left of the connections, and with them all clones of the
    // log.
}

/// A service that belongs to another process.
#[derive(Debug)]
pub struct Embedding {
    /// The socket to serve, bound by that process.
    pub listener: TcpListener,
    /// Is told the URL once the service is ready, and ends the service when closed.
    pub lifeline: LocalStream,
}

impl Embedding {
    /// Takes the listener from stdin and the lifeline from stdout, where the other process has put
    /// them; both streams lead to nowhere afterwards.
    pub fn from_standard_streams() -> Result<Self> {
        let (listener, lifeline) = system::take_standard_streams().at("standard streams")?;
        Ok(Self { listener, lifeline })
    }
}

/// Tells the parent, if there is one, and the log that the service is ready.
fn announce(url: &str, lifeline: Option<LocalStream>, log: &Log) {
    if let Some(mut lifeline) = lifeline {
        // A parent that is gone is noticed when its end of the lifeline closes.
        let _ = lifeline.write_all(format!("listening on {url}\n").as_bytes());
    }
    log.line(format!("listening on {url}"));
}

/// Writes the URL for a program that has started the service and waits for it.
fn print(url: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{url}")?;
    output.flush()
}

/// Threads that answer connections. Half of the cores: the work of requests has threads of its own,
/// and with more of them small answers cost more in being handed around than they gain.
fn io_threads() -> usize {
    (std::thread::available_parallelism().map_or(1, std::num::NonZero::get) / 2).clamp(1, 8)
}

/// The threads of a service that carries out that many requests at once.
fn runtime(concurrency: usize) -> Result<Runtime> {
    threads::limit(concurrency + SPARE_THREADS);
    can_start(io_threads()).at("threads of the service")?;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(io_threads())
        .thread_name("selenite-service")
        .enable_all()
        .build()
        .at("tokio runtime")
}

/// Fails if the system does not allow so many more threads, where Tokio panics.
fn can_start(count: usize) -> io::Result<()> {
    std::thread::scope(|scope| {
        // They end when the other ends of the channels are gone.
        let start = |_| {
            let (here, there) = std::sync::mpsc::channel::<()>();
            std::thread::Builder::new().spawn_scoped(scope, move || there.recv()).map(|_| here)
        };
        (0..count).map(start).collect::<io::Result<Vec<_>>>().map(drop)
    })
}

/// Listens on `host`, or fails with the address in the error. Port 0 means any free port.
fn bind(host: &str, port: u16) -> Result<TcpListener> {
    TcpListener::bind((host, port)).at(format!("{host}:{port}"))
}

/// The URL at which a listener is reached from this machine.
fn url_of(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address = match address {
            SocketAddr::V4(_) => SocketAddr::from(([127, 0, 0, 1], address.port())),
            SocketAddr::V6(_) => SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], address.port())),
        };
    }
    format!("http://{address}")
}

/// Resolves at SIGTERM or SIGINT, or when the other end of `lifeline` is closed.
///
/// The signal handlers are in place when this returns.
fn end_of_service(lifeline: Option<&LocalStream>) -> Result<impl Future<Output = ()> + use<>> {
    let lifeline = lifeline.map(watched).transpose().at("lifeline")?;
    let mut signals = Signals::watch().at("signals")?;
    Ok(async move {
        tokio::select! {
            () = signals.come() => {}
            () = closed(lifeline) => {}
        }
    })
}

/// The signals that end a service. Not Tokio's: with these, every runtime would need a descriptor that
/// is the same for the whole process, and its children.
struct Signals {
    receiver: UnixStream,
    _handlers: EndSignals,
}

impl Signals {
    fn watch() -> io::Result<Self> {
        let (receiver, sender) = LocalStream::pair()?;
        receiver.set_nonblocking(true)?;
        let handlers = EndSignals::to(&sender)?;
        Ok(Self { receiver: UnixStream::from_std(receiver)?, _handlers: handlers })
    }

    async fn come(&mut self) {
        // Not even an error is worth going on without signals.
        let _ = self.receiver.read(&mut [0]).await;
    }
}

fn watched(lifeline: &LocalStream) -> std::io::Result<UnixStream> {
    let lifeline = lifeline.try_clone()?;
    lifeline.set_nonblocking(true)?;
    UnixStream::from_std(lifeline)
}

async fn closed(lifeline: Option<UnixStream>) {
    let Some(mut lifeline) = lifeline else { return std::future::pending().await };
    let mut ignored = [0; 64];
    while let Ok(1..) = lifeline.read(&mut ignored).await {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_port_is_an_error_with_the_address() {
        let listener = bind("127.0.0.1", 0).unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = listener.local_addr().unwrap();
        assert_eq!(url_of(address), format!("http://127.0.0.1:{port}"));
        let error = bind("127.0.0.1", port).unwrap_err();
        assert_eq!(error.io_kind(), Some(std::io::ErrorKind::AddrInUse));
        assert!(error.to_string().contains(&port.to_string()));
    }
}
