//! `nearhand-relay run`.

use anyhow::Context;
use nearhand_transport::platform::ReadinessNotifier;
use tokio::time::Interval;

use super::{inputs, reload};
use crate::config::{ListenAddress, RelayConfig};
use crate::data::{self, DataDir};
use crate::logging;
use crate::platform;
use crate::serve::{self, RunningRelay};

pub(super) fn run(config: &RelayConfig) -> anyhow::Result<()> {
    logging::start(&config.log);
    // Several threads: after a restart thousands of handshakes come at once, each a millisecond of signatures,
    // and the hellos of those already through must not wait for them. Datagrams have a separate thread.
    let runtime = tokio::runtime::Builder::new_multi_thread().thread_name("control").enable_all().build()?;
    runtime.block_on(serve(config))
}

async fn serve(config: &RelayConfig) -> anyhow::Result<()> {
    let dir = DataDir::new(config.data());
    let _lock = dir.lock().with_context(|| {
        format!("can't take {}: is another relay running on it?", config.data().display())
    })?;
    let key = inputs::load_key(config)?;
    let public = key.public();
    let limits = config.control_limits();
    let senders = inputs::senders(config)?;
    let database = data::existing_database(config).context("can't open the database")?;
    // Before the port is taken: signals from now on lead to an orderly end, or to a reload.
    let stop = platform::stop_signal()?;
    let mut wish = platform::reload_signal()?;
    let (forwarder, endpoint) = serve::open_port(config.listen, &key, &limits)?;
    let mut relay =
        RunningRelay::start_notifying(key, &database, limits, endpoint, forwarder, senders).await?;
    relay.allow_hosts(config.allowed_hosts.clone());
    if let ListenAddress::On(address) = config.metrics_listen {
        relay.serve_http(address).await?;
    }
    if let ListenAddress::On(address) = config.api_listen {
        relay.serve_api(address).await?;
    }
    let claimed = relay.control().census().claimed;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), listen = %config.listen, key = %public, claimed, "the relay runs");
    let manager = ReadinessNotifier::of_environment();
    manager.ready();
    let mut alive = manager.watchdog().map(tokio::time::interval);
    let mut stop = core::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            () = wish.next() => reload::reload(config, &mut relay).await,
            () = next_beat(&mut alive) => tell_alive(&manager, &relay),
        }
    }
    manager.stopping();
    tracing::info!("stopping");
    relay.stop().await;
    Ok(())
}

/// When the service manager wants to hear of the relay again, if it does.
async fn next_beat(alive: &mut Option<Interval>) {
    match alive {
        Some(alive) => _ = alive.tick().await,
        None => core::future::pending().await,
    }
}

/// Tells the service manager that the relay serves, as often as it wants to hear it: a relay that hangs stops saying so.
fn tell_alive(manager: &ReadinessNotifier, relay: &RunningRelay) {
    if relay.is_serving() {
        manager.alive();
    } else {
        tracing::error!("a part of the relay has ended; the service manager restarts it");
    }
}
