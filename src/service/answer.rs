//! What the answers of both services are made of.

use axum::body::Body;
use axum::http::header::{self, HeaderValue};
use axum::http::{Response, StatusCode};

use crate::registry::Failure;
use crate::service::threads::Lost;

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// An answer of that media type.
pub(super) fn of_type(
    media_type: &'static str,
    status: StatusCode,
    text: impl Into<Body>,
) -> Response<Body> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// JSON that is text already.
pub(super) fn json(status: StatusCode, text: impl Into<Body>) -> Response<Body> {
    of_type("application/json", status, text)
}

/// An answer for humans: one line of text.
pub(super) fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = of_type("text/plain; charset=utf-8", status, format!("{text}\n"));
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Sends the client elsewhere; `None` if that cannot stand in a header.
pub(super) fn moved(location: &str) -> Option<Response<Body>> {
    let location = HeaderValue::try_from(location).ok()?;
    let mut response = empty(StatusCode::MOVED_PERMANENTLY);
    response.headers_mut().insert(header::LOCATION, location);
    Some(response)
}

/// Lets pages of every site read an answer.
pub(super) fn open_to_all(mut response: Response<Body>) -> Response<Body> {
    response
        .headers_mut()
        .insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

/// Why a request has no answer whose work was lost.
pub(super) fn lost(lost: &Lost) -> Failure {
    let reason = format!("the service failed while processing the request; {lost}");
    match lost {
        Lost::Panic(_) => Failure::internal(reason),
        Lost::NoThread => Failure::unavailable(reason),
    }
}
