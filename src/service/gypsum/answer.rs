//! Answers: JSON, and what is wrong in JSON.

use axum::body::Body;
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::registry::Failure;
use crate::registry::format::json::plain;

/// A request that is not carried out.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    status: u16,
    pub(super) reason: String,
}

impl Refusal {
    pub(super) fn new(status: u16, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into() }
    }

    pub(super) fn no_such_endpoint() -> Self {
        Self::new(404, "no such endpoint")
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        document(status, &json!({"status": "error", "reason": self.reason}))
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self { status: failure.status(), reason: failure.reason }
    }
}

/// 200 without anything.
pub(super) fn done() -> Response<Body> {
    Response::new(Body::empty())
}

/// 200 with JSON.
pub(super) fn data(value: &Value) -> Response<Body> {
    document(StatusCode::OK, value)
}

pub(super) fn document(status: StatusCode, value: &Value) -> Response<Body> {
    text(status, plain(value))
}

/// JSON that is text already.
pub(super) fn text(status: StatusCode, text: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Sends the client elsewhere.
pub(super) fn moved(location: &str) -> Response<Body> {
    let Ok(location) = HeaderValue::from_str(location) else {
        return Refusal::no_such_endpoint().into_response();
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    response.headers_mut().insert(header::LOCATION, location);
    response
}

/// What browsers ask before they send a request to another site.
pub(super) fn options(request: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    let is_preflight = request.contains_key(header::ORIGIN)
        && request.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    match request.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        Some(wanted) if is_preflight => {
            let methods = HeaderValue::from_static("GET,HEAD,POST,OPTIONS");
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        }
        _ => {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST, OPTIONS"));
        }
    }
    response
}
