//! What every handler of the interface takes and gives: the shared state, the holder of the token, answers in JSON.

use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use nearhand_proto::message::alarms::AlarmActor;
use nearhand_proto::time::UnixMillis;
use nearhand_relay_core::clean_json::cleaned;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::problem::ApiProblem;
use super::shares::RequestShares;
use crate::control::ControlPlane;
use crate::token::KnownToken;

/// What every handler needs.
#[derive(Clone)]
pub(super) struct ApiState {
    pub(super) control: Arc<ControlPlane>,
    pub(super) room: Arc<Semaphore>,
    pub(super) shares: RequestShares,
}

/// The program that sent the request, known by its token.
#[derive(Clone)]
pub(super) struct TokenHolder(pub(super) KnownToken);

impl TokenHolder {
    /// As alarms name them.
    pub(super) fn actor(&self) -> AlarmActor {
        AlarmActor { id: None, name: self.name() }
    }

    /// As the audit log names them.
    pub(super) fn name(&self) -> String {
        format!("token {}", self.0.name)
    }
}

/// What a handler comes to.
pub(super) type Answer = Result<Response, ApiProblem>;

/// The time by the clock.
pub(super) fn now() -> UnixMillis {
    UnixMillis::from_system(SystemTime::now())
}

/// An answer that must not be kept by a cache.
pub(super) fn json(status: StatusCode, body: String) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, body).into_response()
}

/// As [`json`], with texts of devices and people made safe.
pub(super) fn cleaned_json(status: StatusCode, value: &Value) -> Response {
    json(status, cleaned(value.clone()).to_string())
}

/// What was asked for.
pub(super) fn ok(value: &Value) -> Response {
    cleaned_json(StatusCode::OK, value)
}

/// A body of JSON; mistakes are told with their place.
pub(super) fn parsed<T: DeserializeOwned>(body: &Bytes) -> Result<T, ApiProblem> {
    serde_json::from_slice(body).map_err(|error| {
        ApiProblem::new(StatusCode::BAD_REQUEST, format!("the body is not what is expected: {error}"))
    })
}
