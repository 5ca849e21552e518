//! Log lines on standard error, as text or JSON.

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LogLevel, LogSection};

/// Starts logging. What other crates say is only let through from `warn` on.
pub fn start(log: &LogSection) {
    let level = match log.level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    let others = if matches!(log.level, LogLevel::Error) { "error" } else { "warn" };
    let filter = EnvFilter::new(format!("{others},nearhand_relay={level}"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Fails only if logging was started before.
    let _ = match log.format {
        LogFormat::Text => lines.with_ansi(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
}
