//! What went wrong, as RFC 9457 wants it: a status, a title, and a sentence that says what to do.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use nearhand_proto::message::control::RelayRefusal;
use serde_json::json;

use crate::store::StoreError;

/// Seconds after which a busy relay is asked again.
const RETRY: u32 = 2;

/// An error that a caller gets.
#[derive(Debug)]
pub(super) struct ApiProblem {
    status: StatusCode,
    detail: String,
    retry: Option<u32>,
}

impl ApiProblem {
    /// A problem with a sentence that explains it to the caller's developer.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), retry: None }
    }

    /// One token has too much at once; others are answered.
    pub(super) fn share_used_up() -> Self {
        let detail =
            "too many requests of this token are being answered, waits for news among them: end some first";
        Self { retry: Some(RETRY), ..Self::new(StatusCode::TOO_MANY_REQUESTS, detail) }
    }

    /// Too much at once.
    pub(super) fn busy() -> Self {
        let detail = "too many requests are being answered: try again";
        Self { retry: Some(RETRY), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail) }
    }
}

impl From<RelayRefusal> for ApiProblem {
    fn from(refusal: RelayRefusal) -> Self {
        let (status, retry) = match &refusal {
            RelayRefusal::NoSuchAlarm | RelayRefusal::NoSuchWindow => (StatusCode::NOT_FOUND, None),
            RelayRefusal::Invalid { .. } => (StatusCode::BAD_REQUEST, None),
            RelayRefusal::Full { .. } => (StatusCode::CONFLICT, None),
            RelayRefusal::TooMany { seconds } => (StatusCode::TOO_MANY_REQUESTS, Some(*seconds)),
            RelayRefusal::Storage => (StatusCode::SERVICE_UNAVAILABLE, Some(RETRY)),
            _ => (StatusCode::FORBIDDEN, None),
        };
        Self { status, detail: refusal.to_string(), retry }
    }
}

impl From<StoreError> for ApiProblem {
    fn from(error: StoreError) -> Self {
        tracing::warn!(error = %error.in_full(), "a request over HTTP could not be answered");
        Self::from(RelayRefusal::Storage)
    }
}

impl IntoResponse for ApiProblem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let headers =
            [(header::CONTENT_TYPE, "application/problem+json"), (header::CACHE_CONTROL, "no-store")];
        let mut response = (self.status, headers, body.to_string()).into_response();
        if let Some(seconds) = self.retry {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = axum::http::HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}
