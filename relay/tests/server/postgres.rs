//! PostgreSQL as the relay's database: the same statements, limits on what a session may wait for, one relay alone. Each
//! test has a server of its own, and is skipped where PostgreSQL is not installed.

use std::time::{Duration, Instant};

use crate::harness::postgres::PostgresServer;
use crate::harness::{TestOrganisation, TestRelay, key, limits, now};
use crate::program;
use crate::store::{
    alarm, all_statements, event, no_device_keeps_another_waiting, tables_follow_the_version,
};
use nearhand_proto::alarm::{
    AlarmBatch, AlarmTransition, DeviceProfile, MonitoringHello, Severity, SpoolEntry, SpoolRecord,
};
use nearhand_proto::audit::AuditRow;
use nearhand_proto::credential::Role;
use nearhand_proto::id::{DeviceId, StreamId};
use nearhand_proto::message::alarms::AlarmFilter;
use nearhand_proto::message::control::{RelayReply, RelayRequest};
use nearhand_relay::store::{AlarmWrite, Store, StoreError, StoreWrite, WriteOutcome};
use rustix::process::{Pid, Signal, kill_process};
use sqlx::{AnyConnection, Executor, Row};

const STREAM: StreamId = StreamId::from_bytes([5; 16]);

/// The relay's advisory lock.
const WRITER_LOCK: i64 = i64::from_be_bytes(*b"nearhand");

fn batch(first: u64, count: u64) -> AlarmBatch {
    let records = (first..first + count)
        .map(|seq| {
            let event = alarm(&format!("/{seq}"), AlarmTransition::Raised, Severity::Error);
            SpoolRecord { seq, entry: SpoolEntry::Event(event) }
        })
        .collect();
    AlarmBatch { stream: STREAM, records }
}

async fn note(store: &Store) -> Result<WriteOutcome, StoreError> {
    store.write_audited(StoreWrite::Nothing, vec![event("x")]).await
}

/// Waits until writing works again.
async fn works_again(store: &Store) {
    let start = Instant::now();
    while let Err(error) = note(store).await {
        assert!(start.elapsed() < Duration::from_secs(60), "{}", error.in_full());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(store.trouble().is_none());
}

/// A write that must come to an end although the database hangs.
async fn fails_in_time(store: &Store) -> StoreError {
    let ended = tokio::time::timeout(Duration::from_secs(60), note(store)).await;
    let error = ended.expect("a write hangs for as long as the database does").unwrap_err();
    assert!(store.trouble().is_some(), "health tells it");
    error
}

#[tokio::test]
async fn everything_on_postgresql() {
    let Some(postgres) = PostgresServer::ready().await else { return };
    all_statements(&postgres.database()).await;
    tables_follow_the_version(&postgres.database()).await;
}

#[tokio::test]
async fn a_critical_alarm_is_delivered_while_another_device_floods() {
    let Some(postgres) = PostgresServer::ready().await else { return };
    no_device_keeps_another_waiting(&postgres.database()).await;
}

#[tokio::test]
async fn a_session_waits_for_nothing_without_an_end() {
    let Some(postgres) = PostgresServer::ready().await else { return };
    let store = Store::open(&postgres.database(), key()).await.unwrap();
    for (setting, value) in [
        ("statement_timeout", "5s"),
        ("lock_timeout", "4s"),
        ("idle_in_transaction_session_timeout", "3s"),
        ("client_connection_check_interval", "5s"),
    ] {
        let sql = sqlx::AssertSqlSafe(format!("SHOW {setting}"));
        let row = sqlx::query(sql).fetch_one(store.pool()).await.unwrap();
        assert_eq!(row.get::<String, _>(0), value, "{setting}");
    }
    // The writer has them too, and more than one connection is open.
    let sql = "SELECT COUNT(*) AS open FROM pg_stat_activity WHERE application_name LIKE 'nearhand-relay%'";
    let open: i64 = sqlx::query(sql).fetch_one(store.pool()).await.unwrap().get("open");
    assert!(open >= 2, "{open}");
    store.close().await;
    assert_eq!(postgres.writer().await, None, "closed in order");
}

#[tokio::test]
async fn a_second_relay_on_the_same_database_does_not_start() {
    let Some(postgres) = PostgresServer::ready().await else { return };
    let store = Store::open(&postgres.database(), key()).await.unwrap();
    note(&store).await.unwrap();
    let Err(error) = Store::open(&postgres.database(), key()).await else {
        panic!("two relays write into one database")
    };
    assert!(matches!(error, StoreError::InUse(_)), "{error:?}");
    assert!(error.to_string().contains("another nearhand-relay uses this database"), "{error}");
    assert!(!error.needs_somebody(), "it may start once the other one is gone");
    note(&store).await.expect("the first one is not disturbed");
    store.close().await;
    let next = Store::open(&postgres.database(), key()).await.expect("the other one is gone");
    note(&next).await.unwrap();
}

#[tokio::test]
async fn a_relay_that_lost_its_lock_writes_no_more() {
    let Some(postgres) = PostgresServer::ready().await else { return };
    let store = Store::open(&postgres.database(), key()).await.unwrap();
    note(&store).await.unwrap();
    // The connection goes, and another relay takes the lock before this one is back.
    let mut other = postgres.session().await;
    let pid = postgres.writer().await.unwrap();
    sqlx::query("SELECT pg_terminate_backend($1)").bind(pid).execute(&mut other).await.unwrap();
    sqlx::query("SELECT pg_advisory_lock($1)").bind(WRITER_LOCK).execute(&mut other).await.unwrap();
    let _ = note(&store).await;
    for _ in 0..2 {
        let error = note(&store).await.unwrap_err();
        assert!(matches!(error, StoreError::InUse(_)), "{error:?}");
    }
    let rows: i64 =
        sqlx::query("SELECT COUNT(*) AS rows FROM audit").fetch_one(&mut other).await.unwrap().get("rows");
    assert_eq!(rows, 1, "nothing was written without the lock");
    assert!(
        store.trouble().is_some_and(|what| what.contains("another nearhand-relay")),
        "{:?}",
        store.trouble()
    );
    drop(other);
    works_again(&store).await;
}

#[tokio::test]
async fn a_connection_that_is_cut_is_replaced() {
    let Some(postgres) = PostgresServer::ready().await else { return };
    let store = Store::open(&postgres.database(), key()).await.unwrap();
    let pid = postgres.writer().await.unwrap();
    let mut other = postgres.session().await;
    sqlx::query("SELECT pg_terminate_backend($1)").bind(pid).execute(&mut other).await.unwrap();
    works_again(&store).await;
    assert_ne!(postgres.writer().await.unwrap(), pid);
}

#[tokio::test]
async fn alarms_wait_for_the_row_that_they_lock() {
    let Some(postgres) = PostgresServer::ready().await else { return };
    let store = Store::open(&postgres.database(), key()).await.unwrap();
    let device = DeviceId::from_bytes([4; 16]);
    let write = |seq| AlarmWrite::Batch(device, batch(seq, 1), now());
    store.write_alarm(write(1)).await.unwrap();
    let mut other = postgres.session().await;
    other.execute("BEGIN; SELECT value FROM meta WHERE name = 'alarms' FOR UPDATE").await.unwrap();
    let error = store.write_alarm(write(2)).await.expect_err("two transactions give out the same numbers");
    assert!(error.in_full().contains("lock timeout"), "{}", error.in_full());
    other.execute("ROLLBACK").await.unwrap();
    works_again(&store).await;
    assert_eq!(store.write_alarm(write(2)).await.unwrap(), WriteOutcome::Number(2));
}

/// Locks what every write needs until it is told to stop.
async fn lock_tables(session: &mut AnyConnection) {
    session.execute("BEGIN; LOCK TABLE audit, meta IN ACCESS EXCLUSIVE MODE").await.unwrap();
}

#[tokio::test]
async fn a_statement_that_hangs_is_given_up_and_health_says_so() {
    let Some(postgres) = PostgresServer::ready().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut relay = TestRelay::start_on(dir.path(), &postgres.database(), limits(), Vec::new()).await;
    let address = relay.relay.serve_http("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let health = || async move { crate::api::plain(address, "/healthz").await.0 };
    assert_eq!(health().await, 200);
    let mut other = postgres.session().await;
    lock_tables(&mut other).await;
    let store = relay.relay.control().store().clone();
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..300 {
        let store = store.clone();
        waiting.spawn(async move { note(&store).await.is_err() });
    }
    // All that wait come to an end with the first, not one after the other.
    let ended = tokio::time::timeout(Duration::from_secs(60), waiting.join_all()).await;
    assert!(ended.expect("writes hang").into_iter().all(|failed| failed));
    assert_eq!(health().await, 503);
    other.execute("ROLLBACK").await.unwrap();
    works_again(&store).await;
    assert_eq!(health().await, 200);
    relay.relay.stop().await;
}

#[tokio::test]
async fn a_server_that_is_silent_is_given_up_and_taken_up_again() {
    let Some(postgres) = PostgresServer::ready().await else { return };
    let store = Store::open(&postgres.database(), key()).await.unwrap();
    note(&store).await.unwrap();
    let writer = Pid::from_raw(postgres.writer().await.unwrap()).unwrap();
    kill_process(writer, Signal::STOP).unwrap();
    let error = fails_in_time(&store).await;
    assert!(matches!(error, StoreError::TimedOut(_)), "{error:?}");
    kill_process(writer, Signal::CONT).unwrap();
    works_again(&store).await;
    // Whether what was given up was stored after all can't be told; the chain has no gap either way.
    let rows = store.reader().audit(0, 100).await.unwrap();
    let numbers: Vec<u64> =
        rows.iter().map(|row| serde_json::from_str::<AuditRow>(row).unwrap().number).collect();
    assert_eq!(numbers, (1..=rows.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_relay_serves_on_postgresql_over_a_crash_of_the_server() {
    let Some(mut postgres) = PostgresServer::ready().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let relay = TestRelay::start_on(dir.path(), &postgres.database(), limits(), Vec::new()).await;
    let (relay, org) = TestOrganisation::claim_of(relay).await;
    let till = org.member(&relay, Role::Device, "till").await;
    let device = till.online(&relay).await;
    let hello = MonitoringHello { profile: DeviceProfile::Server, stream: STREAM };
    let RelayReply::AlarmsStored { through: 0, .. } = device.ask(&RelayRequest::Monitoring(hello)).await
    else {
        panic!("monitoring was refused")
    };
    for first in [1, 101, 201] {
        let reply = device.ask(&RelayRequest::Alarms(batch(first, 100))).await;
        assert!(
            matches!(reply, RelayReply::AlarmsStored { through, .. } if through == first + 99),
            "{reply:?}"
        );
    }
    postgres.kill();
    let store = relay.relay.control().store().clone();
    let refused = device.ask(&RelayRequest::Alarms(batch(301, 1))).await;
    assert!(
        matches!(refused, RelayReply::Refused(_)),
        "nothing is acknowledged that isn't stored: {refused:?}"
    );
    assert!(store.trouble().is_some());
    postgres.run().unwrap();
    postgres.answers().await;
    works_again(&store).await;
    let again = device.ask(&RelayRequest::Alarms(batch(301, 1))).await;
    assert!(matches!(again, RelayReply::AlarmsStored { through: 301, .. }), "{again:?}");
    let filter = AlarmFilter { device: Some(till.device_id()), ..AlarmFilter::default() };
    let (alarms, _) = store.reader().alarms_since(&filter, 0, 1000).await.unwrap();
    assert_eq!(alarms.len(), 301, "none is lost, none is there twice");
    relay.relay.stop().await;
}

#[tokio::test]
async fn the_program_refuses_a_database_that_another_relay_uses() {
    let Some(postgres) = PostgresServer::ready().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let (first, other) = (dir.path().join("first"), dir.path().join("other"));
    let url = postgres.url();
    let init = |data: &std::path::Path| {
        let port = program::free_port().to_string();
        let data = data.display().to_string();
        let host = ["--host", "127.0.0.1", "--port", &port];
        program::run(&[&["init", "--data", &data], &host[..], &["--database-url", &url]].concat())
    };
    let (ok, text) = init(&first);
    assert!(ok, "{text}");
    let file = first.join("relay.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let config = config.replace("# metrics_listen = \"127.0.0.1:9464\"", "metrics_listen = \"off\"");
    std::fs::write(&file, &config).unwrap();
    let word =
        |text: &str| text.split_whitespace().find(|w| w.starts_with("nearhand-claim-")).unwrap().to_owned();
    let relay = program::start(&first, &word(&text).parse().unwrap());
    relay.connect(&key()).await.newcomer().await;

    let words = "another nearhand-relay uses this database";
    let (ok, text) = init(&other);
    assert!(!ok && text.contains(words), "{text}");
    // Its own key and port, as after a copy of the directory.
    std::fs::create_dir_all(&other).unwrap();
    std::fs::copy(first.join("relay.key"), other.join("relay.key")).unwrap();
    let moved: String = config
        .lines()
        .map(|line| {
            if line.starts_with("listen = ") {
                "listen = \"127.0.0.1:0\"\n".into()
            } else {
                format!("{line}\n")
            }
        })
        .collect();
    std::fs::write(other.join("relay.toml"), moved).unwrap();
    let (ok, text) = program::run(&["run", "--data", &other.display().to_string()]);
    assert!(!ok && text.contains(words), "{text}");
    // What the operator does next to a running relay goes on.
    let data = first.display().to_string();
    let (ok, text) = program::run(&["init", "--data", &data, "--again"]);
    assert!(ok && text.contains("nearhand-claim-"), "{text}");
    let (ok, text) = program::run(&["token", "add", "wall", "--data", &data]);
    assert!(ok, "{text}");
    let (ok, text) = program::run(&["audit", "verify", "--data", &data]);
    assert!(ok, "{text}");
}
