//! Bodies of requests: JSON in memory, files on their way to the registry.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::{Body, HttpBody};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};

use super::refusal::Refusal;
use super::signature::Slug;
use super::state::State;
use crate::digest::WINDOW_BYTES;
use crate::job::Job;
use crate::registry::Failure;
use crate::registry::bucket::PresignedFile;
use crate::registry::bucket::store::Incoming;
use crate::service::answer::{empty, lost};
use crate::service::query;
use crate::service::threads::Lost;

/// Largest JSON of a request in bytes: some hundred thousand files.
pub(super) const MAX_JSON_BYTES: usize = 64 << 20;
/// The same for requests of nobody in particular.
pub(super) const MAX_STRANGER_BYTES: usize = 1 << 20;
/// How long the next piece of a body may take.
const IDLE: Duration = Duration::from_secs(75);
/// Bytes that are read of a body that nobody wants.
const DRAINED_BYTES: usize = 4 << 20;

const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// The next piece of a body, which has to come in time.
pub(super) async fn next_piece(body: &mut Body) -> Result<Option<Bytes>, Refusal> {
    loop {
        let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context));
        let frame = match tokio::time::timeout(IDLE, frame).await {
            Err(_) => return Err(Refusal::new(408, "the request body did not arrive in time")),
            Ok(None) => return Ok(None),
            Ok(Some(Err(error))) => {
                let reason = format!("the request body is incomplete: {error}");
                return Err(Refusal::new(400, reason));
            }
            Ok(Some(Ok(frame))) => frame,
        };
        // Trailers say nothing.
        if let Ok(piece) = frame.into_data() {
            return Ok(Some(piece));
        }
    }
}

/// Reads on for a while, so that the sender gets to read its refusal and can go on.
pub(super) async fn drain(body: &mut Body) {
    let mut left = DRAINED_BYTES;
    while !body.is_end_stream()
        && let Ok(Some(piece)) = next_piece(body).await
        && piece.len() < left
    {
        left -= piece.len();
    }
}

/// Reads a body that is meant to be JSON.
pub(super) async fn read(body: &mut Body, most: usize) -> Result<Bytes, Refusal> {
    let mut text = BytesMut::new();
    while let Some(piece) = next_piece(body).await? {
        if text.len() + piece.len() > most {
            return Err(Refusal::new(413, format!("the request body is larger than {most} bytes")));
        }
        text.extend_from_slice(&piece);
    }
    Ok(text.freeze())
}

/// Parses a body.
pub(super) fn parse(text: &[u8]) -> Result<serde_json::Value, Failure> {
    serde_json::from_slice(text)
        .map_err(|error| Failure::invalid(format!("failed to parse JSON body; {error}")))
}

pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Receives a file by a presigned URL.
pub(super) async fn receive(
    state: &Arc<State>,
    slug: &str,
    query: &str,
    headers: &HeaderMap,
    body: &mut Body,
) -> Result<Response<Body>, Refusal> {
    let file = check(state, slug, query, headers).await?;
    let (file, mut window) = (Arc::new(file), BytesMut::new());
    // While one window is digested and written, the next one is read.
    let mut writing: Option<tokio::task::JoinHandle<Result<Incoming, Refusal>>> = None;
    while let Some(piece) = next_piece(body).await? {
        window.extend_from_slice(&piece);
        if window.len() >= WINDOW_BYTES {
            let incoming = written(writing.take()).await?;
            let (state, file) = (Arc::clone(state), Arc::clone(&file));
            let full = window.split().freeze();
            writing = Some(tokio::spawn(async move {
                let worker = Arc::clone(&state);
                worker.run(move |_| write(&state, &file, incoming, &full)).await
            }));
        }
    }
    let incoming = written(writing.take()).await?;
    let mut response = empty(StatusCode::OK);
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{}\"", file.md5)) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    let (rest, last) = (window.freeze(), Arc::clone(state));
    state.run(move |job| finish(&last, &file, incoming, &rest, job)).await?;
    Ok(response)
}

async fn written(
    writing: Option<tokio::task::JoinHandle<Result<Incoming, Refusal>>>,
) -> Result<Option<Incoming>, Refusal> {
    match writing {
        None => Ok(None),
        Some(writing) => {
            writing.await.map_err(|panic| lost(&Lost::Panic(panic.to_string())))?.map(Some)
        }
    }
}

fn write(
    state: &State,
    file: &PresignedFile,
    incoming: Option<Incoming>,
    piece: &[u8],
) -> Result<Incoming, Refusal> {
    let mut incoming = match incoming {
        Some(incoming) => incoming,
        None => state.bucket.receive(file)?.ok_or_else(Refusal::no_such_endpoint)?,
    };
    incoming.write(piece).map_err(Failure::from)?;
    Ok(incoming)
}

/// Compares what has come with what was announced, and gives it its name.
fn finish(
    state: &State,
    file: &PresignedFile,
    incoming: Option<Incoming>,
    rest: &[u8],
    job: &Job,
) -> Result<(), Refusal> {
    let incoming = write(state, file, incoming, rest)?;
    compare(file, &incoming)?;
    let is_placed = state.bucket.place(&file.version, &file.lock, vec![incoming], job)?;
    if is_placed { Ok(()) } else { Err(ended()) }
}

/// Refuses content that is not what was announced.
pub(super) fn compare(file: &PresignedFile, incoming: &Incoming) -> Result<(), Refusal> {
    let (PresignedFile { path, size, md5, .. }, seen) = (file, incoming.seen());
    if (seen.size, seen.md5) == (*size, *md5) {
        return Ok(());
    }
    let reason = format!(
        "BadDigest: the content of '{path}' has {} bytes and the MD5 checksum {}, expected {size} and {md5}",
        seen.size, seen.md5
    );
    Err(Refusal::new(400, reason))
}

fn ended() -> Refusal {
    Refusal::new(403, "the presigned URL is not valid, or its session has ended")
}

/// How long a body says that it is.
pub(super) fn length(headers: &HeaderMap) -> Result<u64, Refusal> {
    let stated = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let stated = stated.and_then(|text| text.parse().ok());
    stated.ok_or_else(|| Refusal::new(411, "Content-Length is required"))
}

/// Checks all that can be checked before the content comes.
async fn check(
    state: &Arc<State>,
    slug: &str,
    query: &str,
    headers: &HeaderMap,
) -> Result<PresignedFile, Refusal> {
    let parts = Slug::decode(slug).map_err(|_| ended())?;
    let value = |name| query::values(query, name).find_map(Result::ok).map(str::to_owned);
    let expires: u64 = value("expires").and_then(|text| text.parse().ok()).ok_or_else(ended)?;
    let signature = value("signature").ok_or_else(ended)?;
    let (worker, slug) = (Arc::clone(state), slug.to_owned());
    let file = state
        .run(move |_| {
            let is_signed = |hash: &str| worker.signer.is_valid(&signature, &slug, expires, hash);
            let Slug { version, path, md5sum } = &parts;
            Ok(worker.bucket.presigned(version, path, md5sum, &is_signed)?)
        })
        .await?
        .ok_or_else(ended)?;
    if expires <= now() {
        return Err(Refusal::new(403, "the presigned URL has expired"));
    }
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if text(&CONTENT_MD5) != Some(STANDARD.encode(file.md5.0).as_str()) {
        return Err(Refusal::new(400, "Content-MD5 is missing, or differs from the signed one"));
    }
    let length = length(headers)?;
    if length != file.size {
        return Err(Refusal::new(
            400,
            format!("'{}' should have {} bytes, not {length}", file.path, file.size),
        ));
    }
    Ok(file)
}
