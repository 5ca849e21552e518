//! The HTTP interface for programs: devices, alarms and maintenance, behind tokens. `openapi.json` describes it.
//!
//! Must not live here: setup, people, sessions, anything that touches a device. What is done here goes through the
//! same functions of the control plane as what people do, with the same limits and the same record.

mod alarms;
mod answer;
mod problem;
mod shares;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{delete, get, post};
use tokio::sync::Semaphore;

use self::answer::{Answer, ApiState, TokenHolder, json, now};
use self::problem::ApiProblem;
use self::shares::{NoShare, RequestShares};
use crate::control::ControlPlane;
use crate::metrics::MetricFamily;
use crate::token::{KnownToken, TokenHash, TokenRight};

/// Largest body of a request, in bytes.
const MAX_BODY: usize = 16 * 1024;
/// Requests whose token is being looked up.
const ASKING: usize = 128;
/// How long a request may take, its body and a wait for news with it.
const PATIENCE: Duration = Duration::from_secs(30);
/// The description of all this.
const OPENAPI: &str = include_str!("openapi.json");

/// All routes, under `/api/v1`.
pub(super) fn router(control: Arc<ControlPlane>) -> Router {
    let api = ApiState { control, room: Arc::new(Semaphore::new(ASKING)), shares: RequestShares::default() };
    let behind_token = Router::new()
        .route("/api/v1/devices", get(alarms::devices))
        .route("/api/v1/alarms", get(alarms::list))
        .route("/api/v1/alarms/{id}", get(alarms::show))
        .route("/api/v1/alarms/{id}/acts", post(alarms::act))
        .route("/api/v1/maintenance", get(alarms::windows).post(alarms::open_window))
        .route("/api/v1/maintenance/{number}", delete(alarms::close_window))
        .layer(middleware::from_fn_with_state(api.clone(), admit));
    Router::new()
        .route("/api/v1/openapi.json", get(async || json(StatusCode::OK, OPENAPI.to_owned())))
        .merge(behind_token)
        .method_not_allowed_fallback(async || {
            ApiProblem::new(StatusCode::METHOD_NOT_ALLOWED, "not with this method")
        })
        .fallback(async || {
            ApiProblem::new(StatusCode::NOT_FOUND, "there is nothing here: see /api/v1/openapi.json")
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(api.clone(), count))
        .with_state(api)
}

/// Lets in who has a token that allows what they want.
async fn admit(State(api): State<ApiState>, mut request: Request, next: Next) -> Answer {
    let known = {
        let _room = api.room.try_acquire().map_err(|_| ApiProblem::busy())?;
        known(&api, request.headers()).await?
    };
    // A wait for news counts as long as it waits.
    let _share = api.shares.take(&known.name).map_err(|reason| match reason {
        NoShare::Token => ApiProblem::share_used_up(),
        NoShare::Relay => ApiProblem::busy(),
    })?;
    // What only looks is a GET; the router refuses other methods.
    let needs = if request.method().is_safe() { TokenRight::Read } else { TokenRight::Act };
    if known.may < needs {
        return Err(ApiProblem::new(
            StatusCode::FORBIDDEN,
            "this token may only read: make one with --may act",
        ));
    }
    request.extensions_mut().insert(TokenHolder(known));
    let answer = tokio::time::timeout(PATIENCE, next.run(request)).await;
    answer.map_err(|_| {
        ApiProblem::new(StatusCode::REQUEST_TIMEOUT, "the request did not come to its end in time")
    })
}

async fn known(api: &ApiState, headers: &HeaderMap) -> Result<KnownToken, ApiProblem> {
    let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = sent.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let token = token.ok_or_else(|| {
        ApiProblem::new(StatusCode::UNAUTHORIZED, "send a token: Authorization: Bearer nearhand-token-…")
    })?;
    let known = api.control.store().reader().token(&TokenHash::of(token)).await?;
    known.filter(|token| token.expires > now()).ok_or_else(|| {
        ApiProblem::new(StatusCode::UNAUTHORIZED, "this token is not known here, was removed, or has expired")
    })
}

/// Counts answers by their class.
async fn count(State(api): State<ApiState>, request: Request, next: Next) -> Response {
    let answer = next.run(request).await;
    let class = match answer.status().as_u16() {
        200..=299 => "2xx",
        400..=499 => "4xx",
        _ => "5xx",
    };
    api.control.metrics().count(MetricFamily::ApiRequests, class);
    answer
}
