//! What a service does beside its requests.

use std::time::Duration;

use crate::job::Job;
use crate::registry::format::layout::Layout;
use crate::registry::tree::store;
use crate::service::answer::lost;
use crate::service::log::Log;
use crate::service::work::Work;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Does something some time after the start and then every day, until the service stops.
pub(super) async fn each_day(
    first: Duration,
    work: &Work,
    log: &Log,
    task: impl Fn(&Job) + Clone + Send + 'static,
) {
    let mut pause = first;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = work.stopped() => return,
        }
        pause = DAY;
        let task = task.clone();
        let done = tokio::select! {
            done = work.run(task) => done,
            () = work.stopped() => return,
        };
        if let Err(panic) = done {
            log.line(format!("the upkeep of this day failed: {panic}"));
        }
    }
}

/// Closes lock files that an older or another service has left open.
pub(super) async fn close_locks(layout: Layout, work: &Work, log: &Log) {
    let closed = work.run(move |job| store::close_locks(&layout, job)).await;
    if let Err(failure) = closed.unwrap_or_else(|panic| Err(lost(&panic))) {
        log.line(format!("cannot close all lock files to others: {}", failure.reason));
    }
}
