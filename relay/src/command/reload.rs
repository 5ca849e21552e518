//! What SIGHUP does (`systemctl reload`): the configuration, the receivers' secrets and their certificates are read again.
//! What is wrong with them changes nothing; what needs a restart is named.

use nearhand_proto::text;

use super::inputs;
use crate::config::{LimitsSection, RelayConfig};
use crate::logging;
use crate::serve::RunningRelay;

/// Takes over what can be taken over. `started` is the configuration that the relay was started with.
pub(super) async fn reload(started: &RelayConfig, relay: &mut RunningRelay) {
    let file = started.file.display();
    let read = RelayConfig::load(&started.file).map_err(anyhow::Error::new);
    let read = read.and_then(|config| Ok((inputs::senders(&config)?, config)));
    let (senders, config) = match read {
        Ok(read) => read,
        Err(error) => {
            let error = text::chain(error.as_ref());
            tracing::error!(%file, error, "the configuration was not taken over: all stays as it was");
            return;
        }
    };
    let receivers = senders.len();
    relay.set_receivers(senders).await;
    relay.set_damping(config.control_limits().damping);
    logging::set_level(config.log.level);
    tracing::info!(%file, receivers, "read again: receivers, their secrets and certificates, the log level");
    let later = needs_restart(started, &config);
    if !later.is_empty() {
        tracing::warn!(%file, keys = later.join(", "), "changed, but counts from the next start on");
    }
}

/// Keys that differ from those the relay was started with, and can't be changed while it runs.
fn needs_restart(old: &RelayConfig, new: &RelayConfig) -> Vec<&'static str> {
    // Every key is named here, so that one that is added can't be forgotten.
    let RelayConfig {
        file: _,
        listen,
        public_host,
        public_port,
        metrics_listen,
        api_listen,
        allowed_hosts,
        data,
        database_url,
        allow_guests,
        limits:
            LimitsSection {
                max_devices,
                max_guests,
                max_sessions,
                max_handshakes_pending,
                session_mbit_per_s,
                max_alarm_changes_told: _,
            },
        keep_sessions_days,
        keep_alarms_days,
        receivers: _,
        log,
    } = new;
    let limits = &old.limits;
    let keys = [
        ("listen", *listen != old.listen),
        ("public_host", *public_host != old.public_host),
        ("public_port", *public_port != old.public_port),
        ("metrics_listen", *metrics_listen != old.metrics_listen),
        ("api_listen", *api_listen != old.api_listen),
        ("allowed_hosts", *allowed_hosts != old.allowed_hosts),
        ("data", *data != old.data),
        ("database_url", *database_url != old.database_url),
        ("allow_guests", *allow_guests != old.allow_guests),
        ("limits.max_devices", *max_devices != limits.max_devices),
        ("limits.max_guests", *max_guests != limits.max_guests),
        ("limits.max_sessions", *max_sessions != limits.max_sessions),
        ("limits.max_handshakes_pending", *max_handshakes_pending != limits.max_handshakes_pending),
        ("limits.session_mbit_per_s", *session_mbit_per_s != limits.session_mbit_per_s),
        ("keep_sessions_days", *keep_sessions_days != old.keep_sessions_days),
        ("keep_alarms_days", *keep_alarms_days != old.keep_alarms_days),
        ("log.format", log.format != old.log.format),
    ];
    keys.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_needs_a_restart_is_named() {
        let parse = |text: &str| RelayConfig::parse(text, Path::new("/etc/relay.toml")).unwrap();
        let old = parse("public_host = \"a\"\n");
        assert!(needs_restart(&old, &parse("public_host = \"a\"\n[log]\nlevel = \"debug\"\n")).is_empty());
        let new =
            "public_host = \"b\"\nlisten = \"[::]:1\"\n[limits]\nmax_guests = 1\n[log]\nformat = \"json\"\n";
        let keys = ["listen", "public_host", "limits.max_guests", "log.format"];
        assert_eq!(needs_restart(&old, &parse(new)), keys);
    }
}
