//! Connections: taken, served, drained at the end.

use std::future::Future;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Result;
use crate::error::IoContext;
use crate::service::log::Log;
use crate::service::sendfile::{Outbox, Socket};
use crate::service::work::Work;
use crate::system;

/// How long running requests may go on after a stop was asked for.
const GRACE: Duration = Duration::from_secs(3);
/// How long the last answers may take to reach their clients.
const FAREWELL: Duration = Duration::from_millis(500);
/// Longest wait for a request's headers, and longest idle time of a connection.
const HEADERS: Duration = Duration::from_secs(75);
/// How long a client may take to ask for something when others wait for a connection.
const SILENCE: Duration = Duration::from_secs(1);
/// Pause after a failed accept, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Connections at a time: a share of the files that may be open, since requests need some, too.
fn most_connections() -> usize {
    usize::try_from(system::most_open_files() / 4)
        .unwrap_or(usize::MAX)
        .clamp(4, Semaphore::MAX_PERMITS)
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
pub(super) async fn serve(
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
    work.stop();
    ending.cancel();
    connections.close();
    let drained = connections.wait();
    tokio::pin!(drained);
    if tokio::time::timeout(GRACE, &mut drained).await.is_err() {
        work.abandon().await;
        // Downloads by slow clients are cut off; there is nothing to undo.
        let _ = tokio::time::timeout(FAREWELL, drained).await;
    }
    work.abandon().await;
    Ok(())
}
