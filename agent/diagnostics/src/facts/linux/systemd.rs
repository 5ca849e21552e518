//! Units, restarts and the start's course, from systemd over D-Bus.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;

use nearhand_proto::time::UnixMillis;
use zbus::zvariant::{OwnedObjectPath, OwnedValue};
use zbus::{Connection, MessageStream, Proxy};

use crate::facts::service::{BootTimes, FailedUnit, RestartingService, UnitStates};
use crate::facts::{CollectContext, Fact, MissingFact};

const DESTINATION: &str = "org.freedesktop.systemd1";
const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNITS_PATH: &str = "/org/freedesktop/systemd1/unit";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const SERVICE: &str = "org.freedesktop.systemd1.Service";

/// Most units that are asked one by one.
const UNIT_LIMIT: usize = 400;

/// Slow units that are kept.
const SLOW_LIMIT: usize = 15;

/// One row of `ListUnits`: name, description, load, active, sub, following, path, job, job type, job path.
type UnitRow =
    (String, String, String, String, String, String, OwnedObjectPath, u32, String, OwnedObjectPath);

async fn connect(context: &CollectContext) -> Fact<Connection> {
    if !context.root.has("/run/systemd/system") {
        return Err(MissingFact::NotApplicable("systemd does not run on this system".to_owned()));
    }
    if !context.root.has("/run/dbus/system_bus_socket") {
        return Err(MissingFact::Absent("the system's D-Bus socket".to_owned()));
    }
    Connection::system().await.map_err(refused)
}

fn refused(error: zbus::Error) -> MissingFact {
    match error {
        zbus::Error::InputOutput(error) => MissingFact::from_io("D-Bus", &error),
        other => MissingFact::failed("systemd", other),
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
    let path =
        OwnedObjectPath::try_from(MANAGER_PATH).map_err(|error| MissingFact::failed("systemd", error))?;
    interface(connection, path, name).await
}

/// Asks for units, failures and automatic restarts.
pub(super) async fn units(context: &Arc<CollectContext>) -> Fact<UnitStates> {
    units_over(&connect(context).await?, context.now).await
}

async fn units_over(connection: &Connection, now: UnixMillis) -> Fact<UnitStates> {
    let manager = of_manager(connection, MANAGER).await?;
    let rows: Vec<UnitRow> = manager.call("ListUnits", &()).await.map_err(refused)?;
    let state = manager.get_property::<String>("SystemState").await.unwrap_or_default();
    let mut units = UnitStates { state, loaded: rows.len(), failed: failed(&rows), restarting: Vec::new() };
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
        units.restarting.push(RestartingService {
            name: row.0.clone(),
            restarts,
            changed_seconds: (now.0 / 1000).saturating_sub(changed / 1_000_000),
            waiting: row.4 == "auto-restart",
        });
    }
    Ok(units)
}

fn failed(rows: &[UnitRow]) -> Vec<FailedUnit> {
    rows.iter()
        .filter(|row| row.3 == "failed")
        .map(|row| FailedUnit { name: row.0.clone(), description: row.1.clone() })
        .collect()
}

fn may_restart(row: &UnitRow) -> bool {
    row.0.ends_with(".service") && matches!(row.3.as_str(), "active" | "activating" | "failed")
}

/// Follows units without asking again and again: systemd says what changes.
pub struct UnitWatch {
    connection: Connection,
    changes: MessageStream,
}

/// Something of a unit changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum UnitChange {
    /// It was started again by itself, that often so far.
    Restarted(String, u32),
    /// Another change: the failed units must be asked for again.
    Other,
}

impl UnitWatch {
    /// Asks to be told.
    pub async fn start(context: &CollectContext) -> Fact<Self> {
        let from_systemd = |rule: zbus::match_rule::Builder<'static>| rule.sender(DESTINATION);
        Self::over(connect(context).await?, from_systemd).await
    }

    async fn over(
        connection: Connection,
        narrow: impl FnOnce(
            zbus::match_rule::Builder<'static>,
        ) -> zbus::Result<zbus::match_rule::Builder<'static>>,
    ) -> Fact<Self> {
        of_manager(&connection, MANAGER).await?.call::<_, _, ()>("Subscribe", &()).await.map_err(refused)?;
        let rule = zbus::MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .interface(PROPERTIES)
            .and_then(|rule| rule.member("PropertiesChanged"))
            .and_then(|rule| rule.path_namespace(UNITS_PATH))
            .and_then(narrow)
            .map_err(refused)?
            .build();
        let changes = MessageStream::for_match_rule(rule, &connection, Some(256)).await.map_err(refused)?;
        Ok(Self { connection, changes })
    }

    /// The next change. Cancel-safe.
    pub async fn changed(&mut self) -> Fact<UnitChange> {
        use zbus::export::futures_core::Stream;
        let next = core::future::poll_fn(|context| Pin::new(&mut self.changes).poll_next(context)).await;
        let message =
            next.ok_or_else(|| MissingFact::failed("systemd", "the bus hung up"))?.map_err(refused)?;
        Ok(restarted(&message).unwrap_or(UnitChange::Other))
    }

    /// Names of the units that failed.
    pub async fn failed(&self) -> Fact<Vec<String>> {
        let manager = of_manager(&self.connection, MANAGER).await?;
        let rows: Vec<UnitRow> =
            manager.call("ListUnitsFiltered", &(vec!["failed"],)).await.map_err(refused)?;
        Ok(failed(&rows).into_iter().map(|unit| unit.name).take(UNIT_LIMIT).collect())
    }
}

fn restarted(message: &zbus::Message) -> Option<UnitChange> {
    let body = message.body();
    let (interface, changed, _): (String, HashMap<String, OwnedValue>, Vec<String>) =
        body.deserialize().ok()?;
    let count = changed.get("NRestarts").filter(|_| interface == SERVICE)?;
    let count = u32::try_from(count).ok().filter(|count| *count > 0)?;
    let header = message.header();
    let name = unit_name(header.path()?.as_str().strip_prefix(UNITS_PATH)?.strip_prefix('/')?);
    Some(UnitChange::Restarted(name, count))
}

/// Paths write what isn't a letter or digit as `_` and two hexadecimal digits.
fn unit_name(escaped: &str) -> String {
    let mut bytes = escaped.bytes();
    let mut name = Vec::new();
    while let Some(byte) = bytes.next() {
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|d| u8::try_from(d).ok());
        match byte {
            b'_' => {
                if let (Some(high), Some(low)) = (digit(bytes.next()), digit(bytes.next())) {
                    name.push(high * 16 + low);
                }
            }
            other => name.push(other),
        }
    }
    String::from_utf8_lossy(&name).into_owned()
}

/// Where the machine is on its way to, if it is: `true` for a restart, `false` for off.
pub async fn shutting_down_to(context: &CollectContext) -> Fact<Option<bool>> {
    let connection = connect(context).await?;
    let manager = of_manager(&connection, MANAGER).await?;
    let jobs: Vec<(u32, String, String, String, OwnedObjectPath, OwnedObjectPath)> =
        manager.call("ListJobs", &()).await.map_err(refused)?;
    Ok(destination(jobs.iter().map(|job| (job.1.as_str(), job.2.as_str()))))
}

fn destination<'a>(jobs: impl Iterator<Item = (&'a str, &'a str)>) -> Option<bool> {
    let mut started = jobs.filter(|(_, kind)| *kind == "start");
    started.find_map(|(unit, _)| match unit {
        "reboot.target" | "kexec.target" | "soft-reboot.target" => Some(true),
        "poweroff.target" | "halt.target" => Some(false),
        _ => None,
    })
}

/// Asks how long the start took, in all and by service.
pub(super) async fn boot(context: &Arc<CollectContext>) -> Fact<BootTimes> {
    boot_over(&connect(context).await?).await
}

async fn boot_over(connection: &Connection) -> Fact<BootTimes> {
    let manager = of_manager(connection, MANAGER).await?;
    let properties = of_manager(connection, PROPERTIES).await?;
    let all: HashMap<String, OwnedValue> = properties.call("GetAll", &(MANAGER,)).await.map_err(refused)?;
    let mut boot = phases(|name| number(&all, name));
    let started = number(&all, "FinishTimestampMonotonic");
    let rows: Vec<UnitRow> = manager.call("ListUnits", &()).await.map_err(refused)?;
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
fn phases(property: impl Fn(&str) -> u64) -> BootTimes {
    let firmware = property("FirmwareTimestampMonotonic");
    let loader = property("LoaderTimestampMonotonic");
    let userspace = property("UserspaceTimestampMonotonic");
    let finish = property("FinishTimestampMonotonic");
    BootTimes {
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

    fn row(name: &str, active: &str, sub: &str) -> UnitRow {
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
        assert_eq!(
            failed(&rows),
            [FailedUnit { name: "a.service".into(), description: "what it is".into() }]
        );
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

    #[test]
    fn names_and_destinations() {
        assert_eq!(unit_name("nginx_2eservice"), "nginx.service");
        assert_eq!(unit_name("a_40b_2"), "a@b");
        assert_eq!(destination([("x.service", "stop"), ("reboot.target", "start")].into_iter()), Some(true));
        assert_eq!(destination([("poweroff.target", "start")].into_iter()), Some(false));
        assert_eq!(destination([("reboot.target", "stop")].into_iter()), None);
    }

    /// What stands for systemd: the manager at its path, and one service.
    struct FakeSystemd;

    #[zbus::interface(name = "org.freedesktop.systemd1.Manager")]
    impl FakeSystemd {
        fn list_units(&self) -> Vec<UnitRow> {
            vec![row("a.service", "failed", "failed"), row("c.service", "active", "running")]
        }
        #[expect(clippy::needless_pass_by_value, reason = "the interface's macro wants values")]
        fn list_units_filtered(&self, states: Vec<String>) -> Vec<UnitRow> {
            assert_eq!(states, ["failed"]);
            vec![row("a.service", "failed", "failed")]
        }
        fn subscribe(&self) {}
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
                .serve_at(MANAGER_PATH, FakeSystemd)?
                .serve_at(unit, FakeUnit)?
                .serve_at(unit, FakeService)?
                .build()
                .await
        };
        let client = zbus::connection::Builder::unix_stream(ours).p2p().build();
        let (server, client) = tokio::join!(server, client);
        let (server, client) = (server.unwrap(), client.unwrap());

        let units = units_over(&client, UnixMillis(1_700_000_060_000)).await.unwrap();
        assert_eq!((units.state.as_str(), units.loaded, units.failed.len()), ("degraded", 2, 1));
        let seen: Vec<_> =
            units.restarting.iter().map(|r| (r.name.as_str(), r.restarts, r.changed_seconds)).collect();
        assert_eq!(seen, [("a.service", 4, 60), ("c.service", 4, 60)]);

        let mut watch = UnitWatch::over(client.clone(), Ok).await.unwrap();
        assert_eq!(watch.failed().await.unwrap(), ["a.service"]);
        let changed = HashMap::from([("NRestarts", zbus::zvariant::Value::U32(5))]);
        let path = "/org/freedesktop/systemd1/unit/a_2eservice";
        let body = (SERVICE, changed, Vec::<String>::new());
        server.emit_signal(None::<&str>, path, PROPERTIES, "PropertiesChanged", &body).await.unwrap();
        assert_eq!(watch.changed().await.unwrap(), UnitChange::Restarted("a.service".into(), 5));

        let boot = boot_over(&client).await.unwrap();
        assert_eq!((boot.kernel_ms, boot.services_ms), (3500, Some(20_000)));
        assert_eq!(boot.units, [("c.service".to_owned(), 12_000)]);
    }
}
