//! Units, restarts and the start's course, from systemd over D-Bus.

use std::collections::HashMap;
use std::sync::Arc;

use nearhand_shared::time::UnixMillis;
use zbus::zvariant::{OwnedObjectPath, OwnedValue};
use zbus::{Connection, Proxy};

use crate::diagnostics::facts::service::{Boot, Restarting, Unit, Units};
use crate::diagnostics::facts::{Context, Fact, Missing};

const DESTINATION: &str = "org.freedesktop.systemd1";
const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const SERVICE: &str = "org.freedesktop.systemd1.Service";

/// Most units that are asked one by one.
const UNIT_LIMIT: usize = 400;

/// Slow units that are kept.
const SLOW_LIMIT: usize = 15;

/// One row of `ListUnits`: name, description, load, active, sub, following, path, job, job type, job path.
type Row = (String, String, String, String, String, String, OwnedObjectPath, u32, String, OwnedObjectPath);

async fn connect(context: &Context) -> Fact<Connection> {
    if !context.root.has("/run/systemd/system") {
        return Err(Missing::NotApplicable("systemd does not run on this system".to_owned()));
    }
    if !context.root.has("/run/dbus/system_bus_socket") {
        return Err(Missing::Absent("the system's D-Bus socket".to_owned()));
    }
    Connection::system().await.map_err(refused)
}

fn refused(error: zbus::Error) -> Missing {
    match error {
        zbus::Error::InputOutput(error) => Missing::from_io("D-Bus", &error),
        other => Missing::failed("systemd", other),
    }
}

/// An interface of one of systemd's objects. Without the property cache, which would subscribe to the changes
/// of every unit to ask each one number once.
async fn interface(
    connection: &Connection,
    path: OwnedObjectPath,
    name: &'static str,
) -> Fact<Proxy<'static>> {
    zbus::proxy::Builder::new(connection)
        .destination(DESTINATION)
        .and_then(|builder| builder.path(path))
        .and_then(|builder| builder.interface(name))
        .map_err(refused)?
        .cache_properties(zbus::proxy::CacheProperties::No)
        .build()
        .await
        .map_err(refused)
}

async fn of_manager(connection: &Connection, name: &'static str) -> Fact<Proxy<'static>> {
    let path = OwnedObjectPath::try_from(MANAGER_PATH).map_err(|error| Missing::failed("systemd", error))?;
    interface(connection, path, name).await
}

/// Asks for units, failures and automatic restarts.
pub(super) async fn units(context: &Arc<Context>) -> Fact<Units> {
    units_over(&connect(context).await?, context.now).await
}

async fn units_over(connection: &Connection, now: UnixMillis) -> Fact<Units> {
    let manager = of_manager(connection, MANAGER).await?;
    let rows: Vec<Row> = manager.call("ListUnits", &()).await.map_err(refused)?;
    let state = manager.get_property::<String>("SystemState").await.unwrap_or_default();
    let mut units = Units { state, loaded: rows.len(), failed: failed(&rows), restarting: Vec::new() };
    for row in rows.iter().filter(|row| may_restart(row)).take(UNIT_LIMIT) {
        let Ok(service) = interface(connection, row.6.clone(), SERVICE).await else {
            continue;
        };
        let restarts = service.get_property::<u32>("NRestarts").await.unwrap_or(0);
        if restarts == 0 {
            continue;
        }
        let Ok(unit) = interface(connection, row.6.clone(), UNIT).await else { continue };
        let changed = unit.get_property::<u64>("StateChangeTimestamp").await.unwrap_or(0);
        units.restarting.push(Restarting {
            name: row.0.clone(),
            restarts,
            changed_seconds: (now.0 / 1000).saturating_sub(changed / 1_000_000),
            waiting: row.4 == "auto-restart",
        });
    }
    Ok(units)
}

fn failed(rows: &[Row]) -> Vec<Unit> {
    rows.iter()
        .filter(|row| row.3 == "failed")
        .map(|row| Unit { name: row.0.clone(), description: row.1.clone() })
        .collect()
}

fn may_restart(row: &Row) -> bool {
    row.0.ends_with(".service") && matches!(row.3.as_str(), "active" | "activating" | "failed")
}

/// Asks how long the start took, in all and by service.
pub(super) async fn boot(context: &Arc<Context>) -> Fact<Boot> {
    boot_over(&connect(context).await?).await
}

async fn boot_over(connection: &Connection) -> Fact<Boot> {
    let manager = of_manager(connection, MANAGER).await?;
    let properties = of_manager(connection, PROPERTIES).await?;
    let all: HashMap<String, OwnedValue> = properties.call("GetAll", &(MANAGER,)).await.map_err(refused)?;
    let mut boot = phases(|name| number(&all, name));
    let started = number(&all, "FinishTimestampMonotonic");
    let rows: Vec<Row> = manager.call("ListUnits", &()).await.map_err(refused)?;
    for row in rows.iter().filter(|row| row.0.ends_with(".service") && row.3 == "active").take(UNIT_LIMIT) {
        let Ok(unit) = interface(connection, row.6.clone(), PROPERTIES).await else {
            continue;
        };
        let Ok(all) = unit.call::<_, _, HashMap<String, OwnedValue>>("GetAll", &(UNIT,)).await else {
            continue;
        };
        let begin = number(&all, "InactiveExitTimestampMonotonic");
        let end = number(&all, "ActiveEnterTimestampMonotonic");
        // Later starts don't belong to the boot.
        if begin > 0 && end > begin && (started == 0 || begin <= started) {
            boot.units.push((row.0.clone(), (end - begin) / 1000));
        }
    }
    boot.units.sort_by_key(|(_, ms)| std::cmp::Reverse(*ms));
    boot.units.truncate(SLOW_LIMIT);
    Ok(boot)
}

fn number(values: &HashMap<String, OwnedValue>, name: &str) -> u64 {
    values.get(name).and_then(|value| u64::try_from(value).ok()).unwrap_or(0)
}

/// The phases of a start, as systemd-analyze(1) reckons: microseconds; firmware and loader count backwards
/// from the kernel's start.
fn phases(property: impl Fn(&str) -> u64) -> Boot {
    let firmware = property("FirmwareTimestampMonotonic");
    let loader = property("LoaderTimestampMonotonic");
    let userspace = property("UserspaceTimestampMonotonic");
    let finish = property("FinishTimestampMonotonic");
    Boot {
        firmware_ms: firmware.saturating_sub(loader) / 1000,
        loader_ms: loader / 1000,
        kernel_ms: userspace / 1000,
        services_ms: (finish > 0).then(|| finish.saturating_sub(userspace) / 1000),
        units: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, active: &str, sub: &str) -> Row {
        let path = || OwnedObjectPath::try_from("/org/freedesktop/systemd1/unit/x").unwrap();
        let text = str::to_owned;
        (
            text(name),
            text("what it is"),
            text("loaded"),
            text(active),
            text(sub),
            text(""),
            path(),
            0,
            text(""),
            path(),
        )
    }

    #[test]
    fn failed_units_and_services_that_may_restart() {
        let rows = [
            row("a.service", "failed", "failed"),
            row("b.mount", "active", "mounted"),
            row("c.service", "activating", "auto-restart"),
            row("d.service", "inactive", "dead"),
        ];
        assert_eq!(failed(&rows), [Unit { name: "a.service".into(), description: "what it is".into() }]);
        let may: Vec<_> = rows.iter().filter(|row| may_restart(row)).map(|row| row.0.as_str()).collect();
        assert_eq!(may, ["a.service", "c.service"]);
    }

    #[test]
    fn phases_are_reckoned_as_systemd_does() {
        let boot = phases(|name| match name {
            "FirmwareTimestampMonotonic" => 9_000_000,
            "LoaderTimestampMonotonic" => 2_000_000,
            "UserspaceTimestampMonotonic" => 3_500_000,
            "FinishTimestampMonotonic" => 23_500_000,
            _ => 0,
        });
        assert_eq!((boot.firmware_ms, boot.loader_ms, boot.kernel_ms), (7000, 2000, 3500));
        assert_eq!(boot.services_ms, Some(20_000));
        assert_eq!(phases(|_| 0).services_ms, None);
    }

    /// What stands for systemd: the manager at its path, and one service.
    struct StandIn;

    #[zbus::interface(name = "org.freedesktop.systemd1.Manager")]
    impl StandIn {
        fn list_units(&self) -> Vec<Row> {
            vec![row("a.service", "failed", "failed"), row("c.service", "active", "running")]
        }
        #[zbus(property)]
        fn system_state(&self) -> &str {
            "degraded"
        }
        #[zbus(property)]
        fn userspace_timestamp_monotonic(&self) -> u64 {
            3_500_000
        }
        #[zbus(property)]
        fn finish_timestamp_monotonic(&self) -> u64 {
            23_500_000
        }
    }

    struct FakeUnit;

    #[zbus::interface(name = "org.freedesktop.systemd1.Unit")]
    impl FakeUnit {
        #[zbus(property)]
        fn state_change_timestamp(&self) -> u64 {
            1_700_000_000_000_000
        }
        #[zbus(property)]
        fn inactive_exit_timestamp_monotonic(&self) -> u64 {
            4_000_000
        }
        #[zbus(property)]
        fn active_enter_timestamp_monotonic(&self) -> u64 {
            16_000_000
        }
    }

    struct FakeService;

    #[zbus::interface(name = "org.freedesktop.systemd1.Service")]
    impl FakeService {
        #[zbus(property, name = "NRestarts")]
        fn restarts(&self) -> u32 {
            4
        }
    }

    #[tokio::test]
    async fn asks_systemd_as_it_wants_to_be_asked() {
        let (ours, theirs) = tokio::net::UnixStream::pair().unwrap();
        let server = async {
            let guid = zbus::Guid::generate();
            let unit = "/org/freedesktop/systemd1/unit/x";
            zbus::connection::Builder::unix_stream(theirs)
                .server(guid)?
                .p2p()
                .serve_at(MANAGER_PATH, StandIn)?
                .serve_at(unit, FakeUnit)?
                .serve_at(unit, FakeService)?
                .build()
                .await
        };
        let client = zbus::connection::Builder::unix_stream(ours).p2p().build();
        let (server, client) = tokio::join!(server, client);
        let (_server, client) = (server.unwrap(), client.unwrap());

        let units = units_over(&client, UnixMillis(1_700_000_060_000)).await.unwrap();
        assert_eq!((units.state.as_str(), units.loaded, units.failed.len()), ("degraded", 2, 1));
        let seen: Vec<_> =
            units.restarting.iter().map(|r| (r.name.as_str(), r.restarts, r.changed_seconds)).collect();
        assert_eq!(seen, [("a.service", 4, 60), ("c.service", 4, 60)]);

        let boot = boot_over(&client).await.unwrap();
        assert_eq!((boot.kernel_ms, boot.services_ms), (3500, Some(20_000)));
        assert_eq!(boot.units, [("c.service".to_owned(), 12_000)]);
    }
}
