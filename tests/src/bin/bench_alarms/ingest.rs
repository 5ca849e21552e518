//! How fast the relay takes alarms: events that are on its disk, in a second and in a second of its processor time,
//! and how long an agent waits for the acknowledgement.
//!
//! The real relay with the real protocol; light agents (a key, a credential, one control connection each) keep one
//! batch on the way each, as fast as the relay takes them; and before that, at the rate that it should take and at half of
//! it, independent of the relay: how long an acknowledgement takes as fast as it goes says how many are under way.
//! For comparison, in the same run and on the same disk, what SQLite does alone: the same two rows for each event, in
//! transactions of as many events as the relay's own, synced, with nobody asking. An event raises or clears one of the
//! agent's alarms, in turn. Without receivers: the outbox costs a row for each. What the relay's memory has grown by at the
//! end, behind as many events as a soak makes in a day and more, is what it keeps of a database however large.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, bail};
use nearhand_proto::alarm::{AlarmBatch, AlarmEvent, AlarmTransition, Severity, SpoolEntry, SpoolRecord};
use nearhand_proto::id::StreamId;
use nearhand_proto::message::control::{RelayReply, RelayRequest};
use nearhand_proto::time::UnixMillis;
use nearhand_tests::deployment::TestDeployment;
use nearhand_tests::light_agents::memory;
use nearhand_tests::rows::{BenchmarkRow, BetterWhen};
use nearhand_tests::udp_load::{cpu_time, quantile};
use nearhand_tests::wire_client::{DeviceWire, WireEndpoint};
use nearhand_transport::control::RelayConnection;
use rand_core::{OsRng, RngCore};
use sqlx::{Connection, Executor};
use tokio::task::JoinSet;

/// Agents at once.
const AGENTS: usize = 48;
/// Events of a batch.
const BATCH: u64 = 25;
/// Events a second that the relay should take.
const TARGET: u32 = 10_000;
/// Events a second of the paced parts.
const PACED: [u32; 2] = [TARGET / 2, TARGET];
/// Alarms of an agent.
const ALARMS: u64 = 40;
/// Events of a transaction of SQLite alone: what the relay's writer comes to under this load.
const TRANSACTION: u64 = AGENTS as u64 * BATCH;

/// What the relay may have grown by at the end, in MB: the limit of its writer's page cache (16 MiB), and as much again for
/// batches on their way.
const GROWS: f64 = 33.6;

/// Measures it for so long.
pub(super) fn measure(window: Duration) -> Result<Vec<BenchmarkRow>> {
    let site = TestDeployment::new()?;
    let wire = WireEndpoint::new()?;
    eprintln!("{AGENTS} agents enrol");
    let devices =
        (0..AGENTS).map(|n| wire.enrol(&site.enrolment(&format!("pc {n}"))?)).collect::<Result<Vec<_>>>()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let pid = u32::try_from(site.relay.pid())?;
    let (mut rows, mut stored) = (Vec::new(), 0.0);
    let empty = memory(pid)?.own;
    for rate in PACED {
        eprintln!("they send {rate} events a second for {window:?}");
        // Between two batches of an agent.
        let between = Duration::from_secs(TRANSACTION) / rate;
        let (events, waits) = runtime.block_on(load(&devices, window, Some(between)))?;
        stored += events;
        let name = |part: &str| format!("acknowledgement at {rate}/s, {part}");
        rows.push(BenchmarkRow::new(&name("median"), ms(&waits, 0.5), "ms", None, BetterWhen::Lower));
        rows.push(BenchmarkRow::new(&name("p99"), ms(&waits, 0.99), "ms", Some(100.0), BetterWhen::Lower));
    }
    eprintln!("they send as fast as it goes for {window:?}");
    let before = cpu_time(pid, None)?;
    let (events, waits) = runtime.block_on(load(&devices, window, None))?;
    let cpu = cpu_time(pid, None)?.saturating_sub(before).as_secs_f64();
    let grown = (memory(pid)?.own - empty) / 1e6;
    stored += events;
    let database = site.directory("alone")?.join("alone.db");
    eprintln!("SQLite alone for {window:?}");
    let alone = runtime.block_on(alone(&database, window))?;
    let per_second = events / window.as_secs_f64();
    rows.extend([
        BenchmarkRow::new(
            "durable events per second",
            per_second,
            "/s",
            Some(TARGET.into()),
            BetterWhen::Higher,
        ),
        BenchmarkRow::new(
            "durable events per CPU second",
            events / cpu,
            "/s",
            Some(TARGET.into()),
            BetterWhen::Higher,
        ),
        BenchmarkRow::new("acknowledgement then, median", ms(&waits, 0.5), "ms", None, BetterWhen::Lower),
        BenchmarkRow::new("acknowledgement then, p99", ms(&waits, 0.99), "ms", None, BetterWhen::Lower),
        BenchmarkRow::new("SQLite alone, events per second", alone, "/s", None, BetterWhen::Higher),
        BenchmarkRow::new(
            "relay beside SQLite alone",
            per_second / alone * 100.0,
            "%",
            None,
            BetterWhen::Higher,
        ),
        BenchmarkRow::new("events stored in all", stored, "", None, BetterWhen::Higher),
        BenchmarkRow::new("relay memory, grown by then", grown, "MB", Some(GROWS), BetterWhen::Lower),
    ]);
    Ok(rows)
}

fn ms(waits: &[Duration], part: f64) -> f64 {
    quantile(waits, part).as_secs_f64() * 1e3
}

/// All agents send until the time is over, as fast as it goes or a batch every so often: how many events were
/// acknowledged, and the waits, sorted. One that is late counts from when it was due.
async fn load(
    devices: &[DeviceWire],
    window: Duration,
    between: Option<Duration>,
) -> Result<(f64, Vec<Duration>)> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut agents = JoinSet::new();
    for device in devices {
        let (address, key, hello) = device.hello();
        let connection = RelayConnection::dial(&address, &key).await?;
        connection.hello(hello).await?;
        agents.spawn(agent(connection, Arc::clone(&stop), between));
    }
    tokio::time::sleep(window).await;
    stop.store(true, Ordering::Relaxed);
    let mut waits = Vec::new();
    while let Some(agent) = agents.join_next().await {
        waits.extend(agent??);
    }
    waits.sort_unstable();
    let batches = u32::try_from(waits.len())?;
    Ok((f64::from(batches) * f64::from(u32::try_from(BATCH)?), waits))
}

async fn agent(
    connection: RelayConnection,
    stop: Arc<AtomicBool>,
    between: Option<Duration>,
) -> Result<Vec<Duration>> {
    let stream = StreamId::random(&mut OsRng);
    let (mut seq, mut waits) = (1, Vec::new());
    // Not all at the same moment.
    let mut due = Instant::now()
        + between.unwrap_or_default().mul_f64(f64::from(OsRng.next_u32()) / f64::from(u32::MAX));
    while !stop.load(Ordering::Relaxed) {
        match between {
            Some(between) => {
                tokio::time::sleep_until(due.into()).await;
                due += between;
            }
            None => due = Instant::now(),
        }
        let asked = between.map_or(due, |between| due - between);
        let records =
            (seq..seq + BATCH).map(|seq| SpoolRecord { seq, entry: SpoolEntry::Event(event(seq)) }).collect();
        match connection.ask(&RelayRequest::Alarms(AlarmBatch { stream, records })).await {
            Ok(RelayReply::AlarmsStored { .. }) => {
                waits.push(asked.elapsed());
                seq += BATCH;
            }
            Ok(other) => bail!("{other:?}"),
            Err(error) => match error {
                // More than the limits of one device: the others go on.
                nearhand_transport::control::RelayError::Refused(_) => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                other => return Err(other.into()),
            },
        }
    }
    Ok(waits)
}

fn event(seq: u64) -> AlarmEvent {
    let transition =
        if (seq / ALARMS).is_multiple_of(2) { AlarmTransition::Raised } else { AlarmTransition::Cleared };
    AlarmEvent {
        rule: "disk-space".into(),
        rule_version: 1,
        instance: format!("/mnt/{}", seq % ALARMS),
        transition,
        severity: Severity::Warning,
        value: None,
        summary: "the file system is 91.5 % full".into(),
        observed_at: UnixMillis::from_system(SystemTime::now()),
        clock_ahead_ms: None,
        runbook: None,
        article: None,
    }
}

/// The same rows by SQLite alone, in this process: events a second.
async fn alone(file: &std::path::Path, window: Duration) -> Result<f64> {
    std::fs::File::create(file)?;
    let mut database = sqlx::SqliteConnection::connect(&format!("sqlite://{}", file.display())).await?;
    database
        .execute(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
             CREATE TABLE log (number BIGINT PRIMARY KEY, stream TEXT, seq BIGINT, device TEXT, fingerprint TEXT, \
             at BIGINT, entry TEXT); CREATE UNIQUE INDEX once ON log (stream, seq); \
             CREATE INDEX by_alarm ON log (fingerprint, number); \
             CREATE TABLE alarms (fingerprint TEXT PRIMARY KEY, number BIGINT, body TEXT)",
        )
        .await?;
    let entry = serde_json::to_string(&event(1))?;
    let body = entry.repeat(2);
    let started = Instant::now();
    let mut number = 0_u64;
    while started.elapsed() < window {
        let mut transaction = database.begin().await?;
        for _ in 0..TRANSACTION {
            number += 1;
            let agent = number % AGENTS as u64;
            let alarm = format!("{:032x}", agent * ALARMS + number % ALARMS);
            sqlx::query("INSERT INTO log VALUES ($1, $2, $3, $4, $5, $6, $7)")
                .bind(i64::try_from(number)?)
                .bind(format!("{agent:032x}"))
                .bind(i64::try_from(number)?)
                .bind(format!("{agent:032x}"))
                .bind(alarm.clone())
                .bind(1_700_000_000_000_i64)
                .bind(entry.clone())
                .execute(&mut *transaction)
                .await?;
            sqlx::query(
                "INSERT INTO alarms VALUES ($1, $2, $3) ON CONFLICT (fingerprint) DO UPDATE SET \
                 number = excluded.number, body = excluded.body",
            )
            .bind(alarm)
            .bind(i64::try_from(number)?)
            .bind(body.clone())
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
    }
    let events = f64::from(u32::try_from(number)?);
    Ok(events / started.elapsed().as_secs_f64())
}
