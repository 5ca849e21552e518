//! Log lines on standard error, as text or JSON. The level can be changed while the relay runs.

use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogFormat, LogLevel, LogSection};

/// Where the level is changed. A program logs in one way.
static LEVEL: OnceLock<Handle<Targets, Registry>> = OnceLock::new();

/// What other crates say is only let through from `warn` on.
fn targets(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    Targets::new().with_default(level.min(LevelFilter::WARN)).with_targets([("nearhand_relay", level)])
}

/// Starts logging.
pub fn start(log: &LogSection) {
    let (filter, handle) = reload::Layer::new(targets(log.level));
    let filtered = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(std::io::stderr);
    let started = match log.format {
        LogFormat::Text => filtered.with(lines).try_init(),
        LogFormat::Json => filtered.with(lines.json().flatten_event(true)).try_init(),
    };
    // Fails only if logging was started before: then that goes on.
    if started.is_ok() {
        let _ = LEVEL.set(handle);
    }
}

/// Changes what is logged from now on.
pub fn set_level(level: LogLevel) {
    if let Some(handle) = LEVEL.get() {
        // Fails only where the subscriber is gone.
        let _ = handle.reload(targets(level));
    }
}
