//! Whether systemd stops this agent in order to start it again: then sessions stay, as after an upgrade.
//!
//! A driver. It asks systemd for the job of the unit that this process belongs to.

use std::time::Duration;

use zbus::zvariant::{OwnedObjectPath, OwnedValue};
use zbus::{Connection, Proxy};

const SYSTEMD: &str = "org.freedesktop.systemd1";
/// How long systemd may take to answer; the end of the agent waits for it.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether it is so; without systemd, or where it doesn't answer, it isn't.
pub(crate) async fn is_under_way() -> bool {
    // Set for each process of a unit.
    if std::env::var_os("INVOCATION_ID").is_none() {
        return false;
    }
    match tokio::time::timeout(PATIENCE, job_type()).await {
        Ok(Ok(job)) => restarts(job.as_deref()),
        Ok(Err(error)) => {
            tracing::debug!(%error, "systemd does not say why this agent stops");
            false
        }
        Err(_) => false,
    }
}

fn restarts(job: Option<&str>) -> bool {
    matches!(job, Some("restart" | "try-restart" | "reload-or-start"))
}

async fn job_type() -> zbus::Result<Option<String>> {
    let bus = Connection::system().await?;
    let manager =
        Proxy::new(&bus, SYSTEMD, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager").await?;
    let unit: OwnedObjectPath = manager.call("GetUnitByPID", &(std::process::id(),)).await?;
    let (number, job): (u32, OwnedObjectPath) =
        property(&bus, &unit, "org.freedesktop.systemd1.Unit", "Job").await?.try_into()?;
    if number == 0 {
        return Ok(None);
    }
    let job_type = property(&bus, &job, "org.freedesktop.systemd1.Job", "JobType").await?;
    Ok(Some(String::try_from(job_type)?))
}

async fn property(
    bus: &Connection,
    path: &OwnedObjectPath,
    interface: &str,
    name: &str,
) -> zbus::Result<OwnedValue> {
    let properties = Proxy::new(bus, SYSTEMD, path, "org.freedesktop.DBus.Properties").await?;
    properties.call("Get", &(interface, name)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_restart_keeps_sessions() {
        assert!(restarts(Some("restart")) && restarts(Some("try-restart")));
        for other in [None, Some("stop"), Some("start"), Some("")] {
            assert!(!restarts(other), "{other:?}");
        }
    }
}
