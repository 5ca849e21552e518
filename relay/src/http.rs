//! Metrics and health over HTTP, for the operator's monitoring: no setup, no administration, no way to change
//! anything. The interface for programs is a separate port, in [`api`].

mod alarms;
mod api;
mod hosts;
mod metrics_text;

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

pub use self::hosts::AllowedHosts;
use self::metrics_text::MetricsText;
use crate::control::ControlPlane;
use crate::metrics::MetricFamily;
use crate::platform;

#[derive(Clone)]
struct MetricsState {
    control: Arc<ControlPlane>,
    started: Instant,
    /// In seconds since 1970, read once: what is computed again differs by a second now and then.
    began: u64,
}

/// The two routes; everything else is 404.
pub fn router(control: Arc<ControlPlane>, allowed: AllowedHosts) -> Router {
    let shared = MetricsState { control, started: Instant::now(), began: unix_seconds() };
    let routes = Router::new().route("/metrics", get(metrics)).route("/healthz", get(healthz));
    routes.with_state(shared).layer(middleware::from_fn_with_state(allowed, hosts::only_meant))
}

/// The interface for programs, on its own port. A page in a browser has no token for it, by any name.
pub fn api_router(control: Arc<ControlPlane>) -> Router {
    api::router(control)
}

async fn healthz(State(shared): State<MetricsState>) -> Response {
    let (status, body) = match shared.control.store().trouble() {
        None => (StatusCode::OK, serde_json::json!({ "status": "ok" })),
        Some(_) => {
            // The particulars are in the log: they may name paths.
            let reason = "the database can't be written; running sessions go on, nothing new is taken on";
            (StatusCode::SERVICE_UNAVAILABLE, serde_json::json!({ "status": "failing", "reason": reason }))
        }
    };
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

async fn metrics(State(shared): State<MetricsState>) -> Response {
    let mut text = render(&shared);
    alarms::render(&mut text, &shared.control).await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text.into_string()).into_response()
}

fn render(shared: &MetricsState) -> MetricsText {
    let control = &shared.control;
    let mut out = MetricsText::default();
    out.family("nearhand_build_info", "The running version.", "gauge");
    out.sample("nearhand_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    for family in MetricFamily::ALL {
        let (name, help, labels) = family.describe();
        out.family(name, help, "counter");
        for (values, count) in control.metrics().of(family) {
            let pairs: Vec<_> = labels.iter().copied().zip(values).collect();
            out.sample(name, &pairs, count);
        }
    }
    gauges(&mut out, control);
    forwarding(&mut out, control);
    process(&mut out, shared);
    out
}

fn gauges(out: &mut MetricsText, control: &ControlPlane) {
    let census = control.census();
    out.family("nearhand_connected", "Peers connected now.", "gauge");
    for (kind, count) in census.online {
        out.sample("nearhand_connected", &[("kind", kind)], count);
    }
    out.single("nearhand_handshakes_pending", "Connections not welcomed yet.", "gauge", census.pending);
    out.single("nearhand_sessions_active", "Sessions that run now.", "gauge", census.sessions);
    out.single("nearhand_codes_active", "Routing digits in use.", "gauge", census.codes);
    out.single("nearhand_devices_enrolled", "Enrolled devices.", "gauge", census.devices);
    out.single(
        "nearhand_claimed",
        "1 once an organisation has claimed the relay.",
        "gauge",
        u8::from(census.claimed),
    );
    let store = control.store();
    out.single(
        "nearhand_storage_errors_total",
        "Writes to the database that failed.",
        "counter",
        store.errors(),
    );
    let ok = u8::from(store.trouble().is_none());
    out.single("nearhand_storage_ok", "1 while the database can be written.", "gauge", ok);
}

fn forwarding(out: &mut MetricsText, control: &ControlPlane) {
    let totals = control.path().totals();
    out.single("nearhand_forwarded_bytes_total", "Bytes of UDP payload forwarded.", "counter", totals.bytes);
    out.single("nearhand_forwarded_packets_total", "Datagrams forwarded.", "counter", totals.packets);
    out.family("nearhand_dropped_packets_total", "Datagrams dropped, by reason.", "counter");
    for (reason, count) in &totals.dropped {
        out.sample("nearhand_dropped_packets_total", &[("reason", reason)], count);
    }
    out.family("nearhand_binds_total", "Binds of session paths, by result.", "counter");
    for (result, count) in &totals.binds {
        out.sample("nearhand_binds_total", &[("result", result)], count);
    }
    out.single("nearhand_bound_sides", "Ends of sessions bound now.", "gauge", totals.bound);
    out.single("nearhand_bind_hints_total", "Hints sent to unbound addresses.", "counter", totals.hints);
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
}

fn process(out: &mut MetricsText, shared: &MetricsState) {
    let up = shared.started.elapsed().as_secs();
    out.single("nearhand_uptime_seconds", "Seconds since the start.", "gauge", up);
    let began = shared.began;
    out.single("process_start_time_seconds", "When it was started, in seconds since 1970.", "gauge", began);
    if let Some(bytes) = platform::resident_bytes() {
        out.single("process_resident_memory_bytes", "Resident memory.", "gauge", bytes);
    }
    if let Some(count) = platform::open_files() {
        out.single("process_open_fds", "Open file descriptors.", "gauge", count);
    }
    if let Some(limit) = platform::max_files() {
        out.single("process_max_fds", "Most open file descriptors.", "gauge", limit);
    }
}
