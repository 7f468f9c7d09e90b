//! Files of an upload that come in one archive: each is stored as if it had been sent to its presigned
//! URL.

use std::mem;
use std::sync::Arc;

use axum::body::Body;
use tokio::task::JoinHandle;

use super::body::{self, compare};
use super::refusal::Refusal;
use super::state::State;
use crate::job::Job;
use crate::registry::Failure;
use crate::registry::bucket::Upload;
use crate::registry::bucket::store::Incoming;
use crate::service::answer::lost;
use crate::service::threads::Lost;
use crate::tar::{self, Member, Reader};

/// Files, and bytes, that are stored together: each file is open until then.
const BATCH_FILES: usize = 64;
const BATCH_BYTES: usize = 1 << 20;

/// Stores what comes of an archive. Whatever is wrong with it, or cut off, the files before it stay.
pub(super) async fn receive(
    state: &Arc<State>,
    upload: Upload,
    body: &mut Body,
) -> Result<(), Refusal> {
    let (state, upload) = (Arc::clone(state), Arc::new(upload));
    let mut files = Files { state, upload, batch: Vec::new(), bytes: 0, storing: None };
    let read = read(body, &mut files).await;
    files.store().await?;
    files.stored().await?;
    read
}

async fn read(body: &mut Body, files: &mut Files) -> Result<(), Refusal> {
    let malformed = |why: tar::Malformed| Refusal::new(400, why.to_string());
    let mut reader = Reader::new(tar::MOST_SENT);
    while let Some(piece) = body::next_piece(body).await? {
        reader.push(&piece);
        while let Some(member) = reader.next().map_err(malformed)? {
            files.add(member).await?;
        }
    }
    if reader.has_ended() { Ok(()) } else { Err(Refusal::new(400, "the archive has no end")) }
}

/// The files of an archive: while some are stored, the next ones come.
struct Files {
    state: Arc<State>,
    upload: Arc<Upload>,
    /// What is to be stored next, and how much that is.
    batch: Vec<Member>,
    bytes: usize,
    storing: Option<JoinHandle<Result<(), Refusal>>>,
}

impl Files {
    async fn add(&mut self, member: Member) -> Result<(), Refusal> {
        self.bytes += member.content.len();
        self.batch.push(member);
        if self.batch.len() < BATCH_FILES && self.bytes < BATCH_BYTES {
            return Ok(());
        }
        self.store().await
    }

    /// Begins to store what has come, once what came before is stored.
    async fn store(&mut self) -> Result<(), Refusal> {
        let batch = mem::take(&mut self.batch);
        self.bytes = 0;
        self.stored().await?;
        let (state, upload) = (Arc::clone(&self.state), Arc::clone(&self.upload));
        self.storing = Some(tokio::spawn(async move {
            let worker = Arc::clone(&state);
            worker.run(move |job| store(&state, &upload, batch, job)).await
        }));
        Ok(())
    }

    async fn stored(&mut self) -> Result<(), Refusal> {
        let Some(storing) = self.storing.take() else { return Ok(()) };
        storing.await.map_err(|panic| lost(&Lost::Panic(panic.to_string())))?
    }
}

fn store(state: &State, upload: &Upload, batch: Vec<Member>, job: &Job) -> Result<(), Refusal> {
    let mut received = Vec::with_capacity(batch.len());
    let taken = batch.into_iter().try_for_each(|member| {
        received.push(take(state, upload, &member)?);
        Ok(())
    });
    if !received.is_empty() && !state.bucket.place(&upload.version, &upload.lock, received, job)? {
        return Err(Refusal::new(403, "the session has ended"));
    }
    taken
}

fn take(state: &State, upload: &Upload, member: &Member) -> Result<Incoming, Refusal> {
    let file = upload.file(&member.name)?;
    let mut incoming = state.bucket.receive(&file)?.ok_or_else(Refusal::no_such_endpoint)?;
    incoming.write(&member.content).map_err(Failure::from)?;
    compare(&file, &incoming)?;
    Ok(incoming)
}
