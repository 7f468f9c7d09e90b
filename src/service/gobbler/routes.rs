//! Which request gets which answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State as Shared};
use axum::http::header::{self, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Method, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::answers::{Answer, Running};
use super::fetch::{self, escape_html};
use super::request_file::{self, Admitted, HEALTH_CHECK, RequestFile};
use super::state::State;
use super::{actions, lexical, list, request};
use crate::job::Job;
use crate::registry::format::json::{compact, read as read_json};
use crate::registry::{Failure, FailureKind};
use crate::service::answer::{self, lost, open_to_all, plain};
use crate::service::archive;
use crate::service::log::Entry as LogEntry;
use crate::service::query;
use crate::service::threads::caught;
use crate::system;

/// The service's own name.
const NAME: &str = "gobbler API";
/// Where the original service, whose protocol this is, lives.
const URL: &str = "https://github.com/ArtifactDB/gobbler";

/// All endpoints of the service.
pub(super) fn router(state: Arc<State>) -> Router {
    Router::new().fallback(respond).with_state(state)
}

/// Every request ends here: the protocol knows no unknown paths.
async fn respond(Shared(state): Shared<Arc<State>>, request: Request) -> Response<Body> {
    // No endpoint takes a body.
    let (request, _) = request.into_parts();
    let mut entry = LogEntry::new(&state.log, &request);
    let response = match caught(route(&state, &request, &mut entry)).await {
        Ok(response) => response,
        Err(panic) => error_answer(lost(&panic), &mut entry),
    };
    entry.answered(&response);
    response
}

async fn route(state: &Arc<State>, request: &Parts, entry: &mut LogEntry<'_>) -> Response<Body> {
    if let Some(reason) = state.hosts.refuse(request) {
        let answer = json!({"reason": &reason, "status": "ERROR"});
        entry.reason = Some(reason);
        return json_answer(StatusCode::MISDIRECTED_REQUEST, &answer);
    }
    let method = &request.method;
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    let uri = &request.uri;
    let path = uri.path();
    if query::check(path.as_bytes()).is_err() {
        return plain(StatusCode::BAD_REQUEST, "400 Bad Request");
    }
    let cleaned = lexical::clean_url(path);
    if cleaned != path && path != "*" {
        return moved(&cleaned, uri.query());
    }
    if *method == Method::OPTIONS {
        return open_to_all(preflight());
    }
    let Some(inner) = path.strip_prefix(&state.options.prefix) else {
        return not_allowed("OPTIONS");
    };
    let segments: Vec<&str> = inner.split('/').skip(1).take(3).collect();
    match segments.as_slice() {
        [] if is_read => moved(&format!("{path}/"), uri.query()),
        [] => not_allowed("OPTIONS"),
        _ if !inner.starts_with('/') => not_allowed("OPTIONS"),
        ["new", name] if *method == Method::POST && !name.is_empty() => {
            open_to_all(new_request(state, name, entry).await)
        }
        ["new", name] if !is_read && !name.is_empty() => not_allowed("GET, HEAD, OPTIONS, POST"),
        _ if !is_read => not_allowed("GET, HEAD, OPTIONS"),
        ["info"] => {
            let options = &state.options;
            open_to_all(json_answer(
                StatusCode::OK,
                &json!({
                    "registry": options.registry.to_string_lossy(),
                    "staging": options.staging.to_string_lossy(),
                }),
            ))
        }
        ["list"] => open_to_all(listing(state, uri.query().unwrap_or_default(), entry).await),
        ["fetch"] => moved(&format!("{path}/"), uri.query()),
        ["fetch", ..] => {
            let inner: Vec<u8> = percent_decode_str(&inner["/fetch/".len()..]).collect();
            open_to_all(fetch::fetch(&state.roots, &inner, uri.query(), &request.headers).await)
        }
        ["archive", ..] => {
            let inner: Vec<u8> =
                percent_decode_str(inner["/archive".len()..].trim_start_matches('/')).collect();
            let wanted = wanted(uri.query().unwrap_or_default());
            let archive = fetch::archive(state, &inner, &wanted).await;
            open_to_all(archive.unwrap_or_else(|failure| error_answer(failure, entry)))
        }
        _ => open_to_all(json_answer(StatusCode::OK, &json!({"name": NAME, "url": URL}))),
    }
}

/// Answers whoever posts the name of a request file.
async fn new_request(state: &Arc<State>, name: &str, entry: &mut LogEntry<'_>) -> Response<Body> {
    match answer_to(state, name).await {
        Err(failure) => error_answer(failure, entry),
        Ok(answer) => {
            entry.action = Some(answer.action);
            entry.user = Some(answer.user.clone());
            entry.reason.clone_from(&answer.reason);
            if let Some(receipt) = answer.take_receipt() {
                // Runs after this connection's turn, and so after the answer was sent: whoever did
                // not get it may ask again.
                tokio::spawn(async move { drop(receipt) });
            }
            answer::json(answer.status, answer.body.clone())
        }
    }
}

async fn answer_to(state: &Arc<State>, name: &str) -> Result<Arc<Answer>, Failure> {
    let name = system::into_text(percent_decode_str(name).collect());
    let checker = Arc::clone(state);
    let admitted = state
        .work
        .run(move |_| {
            let staging = &checker.options.staging;
            request_file::admit(staging, &name, actions::ACTIONS, &checker.answers)
        })
        .await
        .map_err(|error| lost(&error))??;
    let mut waiting = match admitted {
        Admitted::Answered(answer) => return Ok(answer),
        Admitted::Running(waiting) => waiting,
        Admitted::New(file, running, waiting) => {
            tokio::spawn(carry_out(Arc::clone(state), Arc::new(file), running));
            waiting
        }
    };
    let answer = waiting.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone());
    answer.ok_or_else(|| Failure::internal("the service failed while processing the request"))
}

/// Runs a request for all who wait for it, until there is an answer or nobody waits any more.
async fn carry_out(state: Arc<State>, file: Arc<RequestFile>, running: Running) {
    loop {
        let is_unwanted = AtomicBool::new(false);
        let unwanted = async {
            running.abandoned().await;
            is_unwanted.store(true, Ordering::Relaxed);
        };
        let result = attempt(&state, &file, unwanted).await;
        let is_undone = result.as_ref().is_err_and(|failure| failure.kind == FailureKind::Stopped);
        if !(is_undone && is_unwanted.load(Ordering::Relaxed)) {
            return running.finish(finished(&file, result));
        }
        if running.is_left() {
            return;
        }
        // Somebody came while it was being undone.
    }
}

/// Runs a request, which is undone if it becomes unwanted in time.
async fn attempt(
    state: &Arc<State>,
    file: &Arc<RequestFile>,
    unwanted: impl Future<Output = ()> + Send,
) -> Result<actions::Answer, Failure> {
    if file.action == HEALTH_CHECK {
        return Ok((Map::new(), None));
    }
    tokio::pin!(unwanted);
    let _turn = tokio::select! {
        biased;
        turn = state.turns.acquire() => turn.map_err(|_| crate::Error::Cancelled)?,
        () = &mut unwanted => return Err(crate::Error::Cancelled.into()),
    };
    let (runner, file) = (Arc::clone(state), Arc::clone(file));
    state
        .work
        .run_unless(unwanted, move |job| run_action(&runner, &file, job))
        .await
        .map_err(|error| lost(&error))?
}

/// The answer to a request that has ended.
fn finished(file: &RequestFile, result: Result<actions::Answer, Failure>) -> Answer {
    let (status, answer, reason, receipt) = match result {
        Ok((mut answer, receipt)) => {
            answer.insert("status".to_owned(), "SUCCESS".into());
            (StatusCode::OK, Value::Object(answer), None, receipt)
        }
        Err(failure) => {
            let (status, answer) = refusal(&failure);
            (status, answer, Some(failure.reason), None)
        }
    };
    let mut answer = answer;
    answer.sort_all_objects();
    Answer::new(status, compact(&answer), file.action, file.user.clone(), reason, receipt)
}

fn run_action(state: &State, file: &RequestFile, job: &Job) -> Result<actions::Answer, Failure> {
    let text = file.read()?;
    let _held = source_of(&text).map(|name| state.sources.hold(name));
    let context = actions::Context { engine: &state.engine, staging: &state.options.staging };
    let request = request::Request {
        action: file.action,
        path: &file.path,
        user: &file.user,
        text: &text,
        spoofing: &state.options.spoofing,
    };
    actions::run(&context, &request, job)
}

/// The entry of the staging directory that a request reads, if it reads one.
fn source_of(text: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Reading {
        source: String,
    }
    read_json::<Reading>(text).ok().map(|reading| reading.source)
}

async fn listing(state: &Arc<State>, query: &str, entry: &mut LogEntry<'_>) -> Response<Body> {
    let mut pairs = query.split('&').filter(|pair| pair.starts_with("path="));
    if let Err(bad) = pairs.try_for_each(|pair| query::check(pair.as_bytes())) {
        return error_answer(list::not_decodable(&bad), entry);
    }
    let path = query_value(query, "path");
    let is_recursive = query_value(query, "recursive") == b"true";
    let roots = Arc::clone(&state.roots);
    let listing = state
        .work
        .run(move |job| list::list(&roots, &path, is_recursive, job))
        .await
        .unwrap_or_else(|error| Err(lost(&error)));
    match listing {
        Ok(text) => {
            let mut response = answer::json(StatusCode::OK, text);
            archive::announce(response.headers_mut());
            response
        }
        Err(failure) => error_answer(failure, entry),
    }
}

/// What an archive is to hold, by its query.
fn wanted(query: &str) -> archive::Wanted {
    let text = |key| String::from_utf8_lossy(&query_value(query, key)).into_owned();
    archive::Wanted { after: text("after"), most: text("most").parse().ok() }
}

/// The first value of a key in a query, decoded; empty if there is none. A pair with a bad escape
/// or a semicolon does not count.
fn query_value(query: &str, key: &str) -> Vec<u8> {
    query::values(query, key)
        .flatten()
        .filter(|value| !value.contains(';'))
        .find_map(|value| query::decode(value.as_bytes()).ok())
        .unwrap_or_default()
}

fn error_answer(failure: Failure, entry: &mut LogEntry<'_>) -> Response<Body> {
    let (status, mut answer) = refusal(&failure);
    answer.sort_all_objects();
    entry.reason = Some(failure.reason);
    json_answer(status, &answer)
}

fn refusal(failure: &Failure) -> (StatusCode, Value) {
    let status =
        StatusCode::from_u16(failure.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = json!({"reason": &failure.reason, "status": "ERROR"});
    if !failure.details.is_empty() {
        answer["details"] = failure.details.clone().into();
    }
    (status, answer)
}

fn json_answer(status: StatusCode, answer: &Value) -> Response<Body> {
    answer::json(status, compact(answer))
}

fn preflight() -> Response<Body> {
    let mut response = answer::empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, OPTIONS"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
    response
}

fn not_allowed(methods: &'static str) -> Response<Body> {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    response
}

/// Sends the client to the right spelling of a path. `path` is still escaped and begins with one
/// slash, so that it cannot lead to another host.
fn moved(path: &str, query: Option<&str>) -> Response<Body> {
    let location = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let page = format!("<a href=\"{}\">Moved Permanently</a>.\n\n", escape_html(&location));
    let mut response =
        answer::of_type("text/html; charset=utf-8", StatusCode::MOVED_PERMANENTLY, page);
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_good_pair_of_a_query_counts() {
        for (query, path) in [
            ("", ""),
            ("path", ""),
            ("path=a%2Fb+c", "a/b c"),
            ("recursive=true&path=a&path=b", "a"),
            ("path=%zz&path=b", "b"),
            ("path=a;b&path=c", "c"),
            ("p%61th=x", "x"),
            ("path=a=b", "a=b"),
            ("path=ht%252Fa", "ht%2Fa"),
        ] {
            assert_eq!(query_value(query, "path"), path.as_bytes(), "{query}");
        }
    }

    #[test]
    fn sources_are_found_in_requests() {
        assert_eq!(source_of(br#"{"project": 1, "source": "x"}"#).as_deref(), Some("x"));
        for text in [&b"{}"[..], b"[]", b"", br#"{"source": null}"#, b"{\"source\": \"x\""] {
            assert_eq!(source_of(text), None);
        }
    }

    #[test]
    fn redirects_stay_on_this_host() {
        let response = moved(&lexical::clean_url("//evil.example/x"), Some("a=<b>"));
        assert_eq!(response.headers()[header::LOCATION], "/evil.example/x?a=<b>");
    }
}
