//! What is wrong, in JSON.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use serde_json::json;

use crate::registry::Failure;
use crate::registry::format::json::plain;
use crate::service::answer;
use crate::service::query::BadEscape;

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
        answer::json(status, plain(&json!({"status": "error", "reason": self.reason})))
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self { status: failure.status(), reason: failure.reason }
    }
}

impl From<BadEscape> for Refusal {
    fn from(_: BadEscape) -> Self {
        Self::new(400, "URI malformed")
    }
}
