//! Sleep and shutdown, as logind announces them: the relay is told before the machine is silent.
//!
//! A delay lock keeps the machine awake until the goodbye is said, at most some seconds; it is let go of at once
//! afterwards. Without logind only the end of the agent itself is told.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use nearhand_proto::alarm::ShutdownNotice;
use zbus::zvariant::{OwnedFd, OwnedValue};
use zbus::{Connection, Proxy};

use super::clock::AlarmClocks;
use super::deliver::say_goodbye;
use super::sampler::context;
use crate::hub::Hub;
use nearhand_diagnostics::facts;

const DESTINATION: &str = "org.freedesktop.login1";
const PATH: &str = "/org/freedesktop/login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
/// How long systemd may take to say where the machine is going.
const PATIENCE: Duration = Duration::from_millis(500);

/// Waits for announcements until the agent stops.
pub(crate) async fn run(hub: Arc<Hub>) {
    let follow = async {
        let connection = Connection::system().await?;
        follow(&hub, &connection).await
    };
    tokio::select! {
        outcome = follow => {
            if let Err(error) = outcome {
                tracing::debug!(%error, "sleep and shutdown are not announced here");
            }
        }
        () = hub.stopped() => {}
    }
}

async fn follow(hub: &Hub, connection: &Connection) -> zbus::Result<()> {
    let manager = zbus::proxy::Builder::<Proxy<'_>>::new(connection)
        .destination(DESTINATION)?
        .path(PATH)?
        .interface(MANAGER)?
        .cache_properties(zbus::proxy::CacheProperties::No)
        .build()
        .await?;
    let mut sleeps = manager.receive_signal("PrepareForSleep").await?;
    // Comes before the other, from systemd 255 on, and says where to.
    let mut told = manager.receive_signal("PrepareForShutdownWithMetadata").await?;
    let mut shutdowns = manager.receive_signal("PrepareForShutdown").await?;
    let mut lock = delay(&manager).await;
    let mut is_said = false;
    loop {
        let (begins, leaving) = tokio::select! {
            biased;
            message = next(&mut sleeps) => {
                let Some(message) = message else { return Ok(()) };
                (message.body().deserialize()?, Some(ShutdownNotice::Sleep))
            }
            message = next(&mut told) => {
                let Some(message) = message else { return Ok(()) };
                let (begins, about): (bool, HashMap<String, OwnedValue>) = message.body().deserialize()?;
                let kind = about.get("type").and_then(|kind| <&str>::try_from(kind).ok()).unwrap_or_default();
                (begins, announced(kind))
            }
            message = next(&mut shutdowns) => {
                let Some(message) = message else { return Ok(()) };
                let begins = message.body().deserialize()?;
                // Before 255 no job exists yet at this moment: then the agent's own end says where to.
                (begins, if begins && !is_said { destination().await } else { None })
            }
        };
        if !begins {
            is_said = false;
            lock = delay(&manager).await;
            continue;
        }
        if let Some(leaving) = leaving {
            say_goodbye(hub, leaving).await;
            is_said = true;
        }
        // Said, or not known: nothing is to wait for us.
        drop(lock.take());
    }
}

/// What logind's name for a way to shut down means; `None` for one that the machine doesn't go away by.
fn announced(kind: &str) -> Option<ShutdownNotice> {
    match kind {
        "reboot" | "kexec" | "soft-reboot" => Some(ShutdownNotice::Restart),
        "poweroff" | "halt" => Some(ShutdownNotice::PowerOff),
        _ => None,
    }
}

async fn next<S: zbus::export::futures_core::Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    core::future::poll_fn(|context| core::pin::Pin::new(&mut *stream).poll_next(context)).await
}

/// Asks logind to wait for us. Without the right to, the goodbye may be too late.
async fn delay(manager: &Proxy<'_>) -> Option<OwnedFd> {
    let arguments = ("sleep:shutdown", "Nearhand", "tells its relay", "delay");
    manager.call("Inhibit", &arguments).await.ok()
}

/// Where the machine is going, if it is: known once systemd has begun.
pub(crate) async fn destination() -> Option<ShutdownNotice> {
    let context = context(AlarmClocks::new().now());
    let asked = tokio::time::timeout(PATIENCE, facts::shutting_down_to(&context)).await;
    let restarts = asked.ok()?.ok()??;
    Some(if restarts { ShutdownNotice::Restart } else { ShutdownNotice::PowerOff })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_to_shut_down_have_their_notice() {
        for kind in ["reboot", "kexec", "soft-reboot"] {
            assert_eq!(announced(kind), Some(ShutdownNotice::Restart), "{kind}");
        }
        for kind in ["poweroff", "halt"] {
            assert_eq!(announced(kind), Some(ShutdownNotice::PowerOff), "{kind}");
        }
        assert_eq!(announced("ignore"), None);
    }
}
