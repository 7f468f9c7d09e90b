//! Bind, serve, stop, drain: what all services share.

use std::future::Future;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Result;
use crate::error::IoContext;
use crate::job::Job;
use crate::service::log::Log;
use crate::service::sendfile::{Outbox, Socket};
use crate::service::threads::{self, Lost};
use crate::system::{self, EndSignals, LocalStream};

/// How long running requests may go on after a stop was asked for.
const GRACE: Duration = Duration::from_secs(3);
/// How long the last answers may take to reach their clients.
const FAREWELL: Duration = Duration::from_millis(500);
/// Longest wait for a request's headers, and longest idle time of a connection.
const HEADERS: Duration = Duration::from_secs(75);
/// Threads for listings and checks, beyond those of the requests.
const SPARE_THREADS: usize = 64;
/// How long a client may take to ask for something when others wait for a connection.
const SILENCE: Duration = Duration::from_secs(1);
/// Pause after a failed accept, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

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

/// The sockets of a service: those of its embedding, or a listener of its own.
pub(crate) fn listen(
    host: &str,
    port: u16,
    embedding: Option<Embedding>,
) -> Result<(TcpListener, Option<LocalStream>)> {
    Ok(match embedding {
        Some(Embedding { listener, lifeline }) => (listener, Some(lifeline)),
        None => (bind(host, port)?, None),
    })
}

/// Tells the parent, if there is one, and the log that the service is ready.
pub(crate) fn announce(url: &str, lifeline: Option<LocalStream>, log: &Log) {
    if let Some(mut lifeline) = lifeline {
        // A parent that is gone is noticed when its end of the lifeline closes.
        let _ = lifeline.write_all(format!("listening on {url}\n").as_bytes());
    }
    log.line(format!("listening on {url}"));
}

/// Threads that answer connections. Half of the cores: the work of requests has threads of its own,
/// and with more of them small answers cost more in being handed around than they gain.
fn io_threads() -> usize {
    (std::thread::available_parallelism().map_or(1, std::num::NonZero::get) / 2).clamp(1, 8)
}

/// The threads of a service that carries out that many requests at once.
pub(crate) fn runtime(concurrency: usize) -> Result<tokio::runtime::Runtime> {
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

/// Connections at a time: a share of the files that may be open, since requests need some, too.
fn most_connections() -> usize {
    usize::try_from(system::most_open_files() / 4)
        .unwrap_or(usize::MAX)
        .clamp(4, Semaphore::MAX_PERMITS)
}

/// Listens on `host`, or fails with the address in the error. Port 0 means any free port.
pub(crate) fn bind(host: &str, port: u16) -> Result<TcpListener> {
    TcpListener::bind((host, port)).at(format!("{host}:{port}"))
}

/// The address that a listener has.
pub(crate) fn address_of(listener: &TcpListener) -> Result<SocketAddr> {
    listener.local_addr().at("listening socket")
}

/// The URL at which a listener is reached from this machine.
pub(crate) fn url_of(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address = match address {
            SocketAddr::V4(_) => SocketAddr::from(([127, 0, 0, 1], address.port())),
            SocketAddr::V6(_) => SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], address.port())),
        };
    }
    format!("http://{address}")
}

/// Blocking work of a service, and the two steps of its end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Work {
    stop: CancellationToken,
    abandon: CancellationToken,
    running: TaskTracker,
}

impl Work {
    /// Runs `work` on a blocking thread.
    ///
    /// Its job is cancelled when the returned future is dropped (the client went away) and when
    /// the service has to end; either way the work itself runs until it has undone what it did.
    /// Fails if the work panics, or if the system allows no thread for it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Job) -> T + Send + 'static,
    ) -> Result<T, Lost> {
        self.run_unless(std::future::pending(), work).await
    }

    /// [`Work::run`] whose job is cancelled also when `unwanted` resolves.
    pub(crate) async fn run_unless<T: Send + 'static>(
        &self,
        unwanted: impl Future<Output = ()>,
        work: impl FnOnce(&Job) -> T + Send + 'static,
    ) -> Result<T, Lost> {
        let guard = CancelOnDrop(Arc::default());
        let job = Arc::clone(&guard.0);
        let running = self.running.token();
        let mut task = pin!(threads::run(move || {
            let _running = running;
            work(&job)
        }));
        tokio::select! {
            biased;
            result = &mut task => return result,
            () = self.abandon.cancelled() => guard.0.cancel(),
            () = unwanted => guard.0.cancel(),
        }
        task.await
    }

    /// Resolves when the service stops taking requests.
    pub(crate) async fn stopped(&self) {
        self.stop.cancelled().await;
    }
}

struct CancelOnDrop(Arc<Job>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Resolves at SIGTERM or SIGINT, or when the other end of `lifeline` is closed.
///
/// The signal handlers are in place when this returns.
pub(crate) fn end_of_service(
    lifeline: Option<&LocalStream>,
) -> Result<impl Future<Output = ()> + use<>> {
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

/// Waits for room for one more connection; those that are idle are told to go.
async fn place_in(room: &Arc<Semaphore>, crowd: &Notify) -> OwnedSemaphorePermit {
    loop {
        if let Ok(place) = Arc::clone(room).try_acquire_owned() {
            return place;
        }
        // Again and again: some are too new to have heard, or were busy.
        crowd.notify_waiters();
        let freed = Arc::clone(room).acquire_owned();
        if let Ok(Ok(place)) = tokio::time::timeout(ACCEPT_PAUSE, freed).await {
            return place;
        }
    }
}

/// Serves until `end` resolves, then lets running requests finish for 3 s, cancels those left and
/// returns when all of them have undone their work.
///
/// When there are as many connections as there may be, those that are idle are closed, others after
/// their answer, and new ones wait.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    work: &Work,
    log: &Log,
    end: impl Future<Output = ()>,
) -> Result<()> {
    listener.set_nonblocking(true).at("listening socket")?;
    let listener = tokio::net::TcpListener::from_std(listener).at("listening socket")?;
    let room = Arc::new(Semaphore::new(most_connections()));
    let crowd = Arc::new(Notify::new());
    let (ending, connections) = (CancellationToken::new(), TaskTracker::new());
    let mut builder = http1::Builder::new();
    // The outbox needs bodies written as they are, not gathered first.
    builder.timer(TokioTimer::new()).header_read_timeout(HEADERS).writev(true);
    tokio::pin!(end);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut end => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                log.line(format!("cannot accept a connection: {error}"));
                crowd.notify_waiters();
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let place = tokio::select! {
            place = place_in(&room, &crowd) => place,
            () = &mut end => break,
        };
        // Only a hint: a socket that refuses it still works.
        let _ = stream.set_nodelay(true);
        let has_asked = Arc::new(AtomicBool::new(false));
        let (asks, inner) = (Arc::clone(&has_asked), TowerToHyperService::new(router.clone()));
        let service = service_fn(move |request| {
            asks.store(true, Ordering::Relaxed);
            inner.call(request)
        });
        let outbox = Outbox::default();
        let socket = TokioIo::new(Socket::new(stream, outbox.clone()));
        let connection = builder.serve_connection(socket, service);
        let (crowd, ending) = (Arc::clone(&crowd), ending.clone());
        connections.spawn(outbox.serving(async move {
            let mut connection = std::pin::pin!(connection);
            let is_crowded = tokio::select! {
                // Fails when the client goes away or does not speak HTTP: both end the connection.
                _ = &mut connection => return,
                () = crowd.notified() => true,
                () = ending.cancelled() => false,
            };
            connection.as_mut().graceful_shutdown();
            // To the server, a connection on which nothing was asked yet is not idle.
            let is_idle = async {
                tokio::time::sleep(SILENCE).await;
                if !is_crowded || has_asked.load(Ordering::Relaxed) {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                _ = connection => {}
                () = is_idle => {}
            }
            drop(place);
        }));
    }
    drop(listener);
    work.stop.cancel();
    work.running.close();
    ending.cancel();
    connections.close();
    let drained = connections.wait();
    tokio::pin!(drained);
    if tokio::time::timeout(GRACE, &mut drained).await.is_err() {
        work.abandon.cancel();
        work.running.wait().await;
        // Downloads by slow clients are cut off; there is nothing to undo.
        let _ = tokio::time::timeout(FAREWELL, drained).await;
    }
    work.abandon.cancel();
    work.running.wait().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_cancelled_when_its_client_goes_away() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let work = Work::default();
            let undone = Arc::new(AtomicBool::new(false));
            let seen = Arc::clone(&undone);
            let running = work.run(move |job| {
                while !job.is_cancelled() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                seen.store(true, Ordering::SeqCst);
            });
            assert!(tokio::time::timeout(Duration::from_millis(20), running).await.is_err());
            work.running.close();
            work.running.wait().await;
            assert!(undone.load(Ordering::SeqCst));
        });
    }

    #[test]
    fn a_panic_is_an_error_of_its_own_request() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let work = Work::default();
        let result = runtime.block_on(work.run(|_| panic!("on purpose")));
        assert!(matches!(result, Err(Lost::Panic(_))));
    }

    #[test]
    fn a_busy_port_is_an_error_with_the_address() {
        let listener = bind("127.0.0.1", 0).unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = address_of(&listener).unwrap();
        assert_eq!(url_of(address), format!("http://127.0.0.1:{port}"));
        let error = bind("127.0.0.1", port).unwrap_err();
        assert_eq!(error.io_kind(), Some(std::io::ErrorKind::AddrInUse));
        assert!(error.to_string().contains(&port.to_string()));
    }
}
