//! What is measured by asking others: systemd, the journal, the disks' own reports, the packet filter, the gateway, name
//! servers.
//!
//! Each probe is a separate task, restarted when the rules change. Those that can tell by themselves (systemd, the journal)
//! are listened to and cost nothing while nothing happens.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use nearhand_rules::rule::{AlarmRule, LogPattern, LogSource};
use nearhand_rules::{RuleSet, SensorReading};
use tokio::io::AsyncReadExt;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at, sleep, timeout};

use super::notes::AlarmNotes;
use super::orders::AlarmOrder;
use super::readings;
use super::sampler::context;
use crate::alarm::clock::AlarmClocks;
use nearhand_agent_core::schedule::{AlarmProbe, ProbeSchedule};
use nearhand_diagnostics::facts::journal::{JournalEntry, JournalLines};
use nearhand_diagnostics::facts::probe::echo;
use nearhand_diagnostics::facts::storage::SmartProblem;
use nearhand_diagnostics::facts::{
    self, CollectContext, Fact, FactSource, MissingFact, SourceFacts, UnitChange, UnitWatch,
};

/// Several changes of units within this time are asked about once.
const SETTLE: Duration = Duration::from_millis(300);
/// Before a source that broke is asked again.
const AGAIN: Duration = Duration::from_secs(30);
/// How long systemd may take for an answer.
const BUS_PATIENCE: Duration = Duration::from_secs(10);
/// What hangs where systemd doesn't answer.
const SYSTEMD: &str = "systemd (D-Bus)";
/// Readings of logs and units without news, so that silence means something.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// Echoes to the gateway at each reading.
const ECHOES: u32 = 5;

/// Lines of the journal that a rule waits for.
#[derive(Clone, Debug)]
pub(crate) struct JournalRule {
    rule: String,
    unit: Option<String>,
    pattern: LogPattern,
}

/// What is wanted of the outside.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProbePlan {
    every: BTreeMap<AlarmProbe, Duration>,
    journal: Vec<JournalRule>,
    gateway: bool,
    dns: bool,
    cursor: Option<String>,
}

impl ProbePlan {
    /// By these rules.
    pub(crate) fn of(set: &RuleSet, schedule: &ProbeSchedule, notes: &AlarmNotes) -> Self {
        let outside = [
            AlarmProbe::Units,
            AlarmProbe::Smart,
            AlarmProbe::Unclean,
            AlarmProbe::Firewall,
            AlarmProbe::Gateway,
            AlarmProbe::NameServers,
            AlarmProbe::Journal,
        ];
        let every = outside.into_iter().filter_map(|p| Some((p, Duration::from_millis(schedule.every(p)?))));
        let entries = |rule: &AlarmRule| {
            let lines = rule.lines.as_ref()?;
            let LogSource::Journal(unit) = &lines.source else { return None };
            Some(JournalRule { rule: rule.name.clone(), unit: unit.clone(), pattern: lines.pattern.clone() })
        };
        Self {
            every: every.collect(),
            journal: set.rules.iter().filter_map(entries).collect(),
            gateway: set.gateway,
            dns: set.dns,
            cursor: notes.get("journal").and_then(|bytes| String::from_utf8(bytes.clone()).ok()),
        }
    }
}

/// Runs the planned probes, restarts them when the plan changes, and ends with the alarms.
pub(crate) async fn run(mut wanted: watch::Receiver<ProbePlan>, orders: Sender<AlarmOrder>) {
    loop {
        let now = wanted.borrow_and_update().clone();
        let mut tasks = JoinSet::new();
        let context = Arc::new(context(AlarmClocks::new().now()));
        for (probe, every) in &now.every {
            let (context, orders, every) = (context.clone(), orders.clone(), *every);
            match probe {
                AlarmProbe::Units => drop(tasks.spawn(units(context, orders))),
                AlarmProbe::Smart => drop(tasks.spawn(again(every, context, orders, FactSource::Smart))),
                AlarmProbe::Unclean => drop(tasks.spawn(unclean(context, orders))),
                AlarmProbe::Firewall => {
                    drop(tasks.spawn(again(every, context, orders, FactSource::Firewall)));
                }
                AlarmProbe::Gateway if now.gateway => drop(tasks.spawn(gateway(every, context, orders))),
                AlarmProbe::NameServers if now.dns => drop(tasks.spawn(name_servers(every, context, orders))),
                AlarmProbe::Journal if !now.journal.is_empty() => {
                    drop(tasks.spawn(journal(context, orders, now.journal.clone(), now.cursor.clone())));
                }
                _ => {}
            }
        }
        if wanted.changed().await.is_err() {
            return;
        }
    }
}

/// Asks a source again and again; a machine without it is asked rarely.
async fn again(
    every: Duration,
    context: Arc<CollectContext>,
    orders: Sender<AlarmOrder>,
    source: FactSource,
) {
    loop {
        let wait = match timeout(source.limit(), facts::collect(source, context.clone())).await {
            Ok(Ok(gathered)) => {
                let hangs = hangs(&gathered);
                if orders.send(AlarmOrder::Readings(readings::readings(&gathered))).is_err() {
                    return;
                }
                // Whether it goes on is to be known soon, not in an hour.
                if hangs { AGAIN.min(every) } else { every }
            }
            Ok(Err(MissingFact::Absent(_) | MissingFact::NotApplicable(_))) => {
                every.max(Duration::from_secs(6 * 3600))
            }
            Ok(Err(why)) => {
                tracing::debug!(?source, %why, "nothing is known");
                every
            }
            Err(_) => every,
        };
        sleep(wait).await;
    }
}

/// Whether something of a source doesn't answer.
fn hangs(gathered: &SourceFacts) -> bool {
    let SourceFacts::Smart(reports) = gathered else { return false };
    reports.disks.iter().any(|disk| matches!(disk.problem, Some(SmartProblem::Hangs(_))))
}

/// Asks a source once, for as long as it may take.
async fn asked(source: FactSource, context: &Arc<CollectContext>) -> Fact<SourceFacts> {
    let limit = source.limit();
    match timeout(limit, facts::collect(source, context.clone())).await {
        Ok(fact) => fact,
        Err(_) => Err(MissingFact::TimedOut(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX))),
    }
}

/// Once for each run of the agent: a start is what it is.
async fn unclean(context: Arc<CollectContext>, orders: Sender<AlarmOrder>) {
    if let Ok(SourceFacts::Unclean(found)) = asked(FactSource::Unclean, &context).await {
        // Later looks see the same: the reading is repeated so that the sensor isn't silent.
        while orders.send(AlarmOrder::UncleanStarts(found.at.clone())).is_ok() {
            sleep(Duration::from_secs(3600)).await;
        }
    }
}

async fn gateway(every: Duration, context: Arc<CollectContext>, orders: Sender<AlarmOrder>) {
    loop {
        let routes = facts::glance(FactSource::Routes, &context);
        if let Ok(SourceFacts::Routes(routes)) = routes
            && let Some(gateway) = routes.gateway()
            && let Ok(times) = echo::series(gateway, ECHOES, echo::PATIENCE, &context.programs).await
        {
            let lost = ECHOES.saturating_sub(u32::try_from(times.len()).unwrap_or(ECHOES));
            let loss = f64::from(lost) * 100.0 / f64::from(ECHOES);
            if orders.send(AlarmOrder::Readings(vec![SensorReading::one("gateway.loss", loss)])).is_err() {
                return;
            }
        }
        sleep(every).await;
    }
}

/// Asks each name server. Without a way to the network nothing is said: that is not theirs.
async fn name_servers(every: Duration, context: Arc<CollectContext>, orders: Sender<AlarmOrder>) {
    loop {
        if let Ok(gathered) = asked(FactSource::Dns, &context).await
            && orders.send(AlarmOrder::Readings(readings::readings(&gathered))).is_err()
        {
            return;
        }
        sleep(every).await;
    }
}

/// Follows systemd; a machine without it is not asked again.
async fn units(context: Arc<CollectContext>, orders: Sender<AlarmOrder>) {
    loop {
        match follow_units(&context, &orders).await {
            Err(MissingFact::NotApplicable(_)) => return,
            Err(why) => tracing::debug!(%why, "systemd can't be followed"),
            Ok(()) => return,
        }
        sleep(AGAIN).await;
    }
}

async fn follow_units(context: &CollectContext, orders: &Sender<AlarmOrder>) -> Fact<()> {
    let start = context.hangs.within(SYSTEMD, BUS_PATIENCE, |_asked| UnitWatch::start(context));
    let mut watch = start.await.map_err(|why| why.about(SYSTEMD))??;
    let mut restarts: BTreeMap<String, u32> = BTreeMap::new();
    loop {
        let failed = context.hangs.within(SYSTEMD, BUS_PATIENCE, |_asked| watch.failed()).await;
        let failed = failed.map_err(|why| why.about(SYSTEMD))??;
        let failed = failed.into_iter().map(|name| (name, 1.0)).collect();
        let mut told = vec![
            SensorReading { sensor: "service.failed".to_owned(), values: failed },
            SensorReading { sensor: "service.restarts".to_owned(), values: counts(&restarts) },
        ];
        if orders.send(AlarmOrder::Readings(core::mem::take(&mut told))).is_err() {
            return Ok(());
        }
        let beat = Instant::now() + HEARTBEAT;
        loop {
            match tokio::time::timeout_at(beat, watch.changed()).await {
                Err(_) => break,
                Ok(change) => match change? {
                    UnitChange::Other => {
                        sleep(SETTLE).await;
                        // What else came meanwhile is answered by the same question.
                        while let Ok(more) = timeout(Duration::ZERO, watch.changed()).await {
                            note_restart(more?, &mut restarts, orders);
                        }
                        break;
                    }
                    restarted => note_restart(restarted, &mut restarts, orders),
                },
            }
        }
    }
}

/// A unit that wasn't known had been started again one time less.
fn note_restart(change: UnitChange, restarts: &mut BTreeMap<String, u32>, orders: &Sender<AlarmOrder>) {
    let UnitChange::Restarted(name, count) = change else { return };
    if restarts.len() >= nearhand_rules::rule::MAX_INSTANCES && !restarts.contains_key(&name) {
        return;
    }
    let reading = |value: u32| SensorReading {
        sensor: "service.restarts".to_owned(),
        values: vec![(name.clone(), f64::from(value))],
    };
    if !restarts.contains_key(&name) {
        let _ = orders.send(AlarmOrder::Readings(vec![reading(count.saturating_sub(1))]));
    }
    restarts.insert(name.clone(), count);
    // Nobody listens any more: the next reading tells.
    let _ = orders.send(AlarmOrder::Readings(vec![reading(count)]));
}

fn counts(restarts: &BTreeMap<String, u32>) -> Vec<(String, f64)> {
    restarts.iter().map(|(name, count)| (name.clone(), f64::from(*count))).collect()
}

/// Follows the journal from where it was.
async fn journal(
    context: Arc<CollectContext>,
    orders: Sender<AlarmOrder>,
    entries: Vec<JournalRule>,
    cursor: Option<String>,
) {
    let mut cursor = cursor;
    loop {
        match follow_journal(&context, &orders, &entries, &mut cursor).await {
            Ok(()) => return,
            Err(MissingFact::Absent(_)) => return,
            Err(why) => tracing::debug!(%why, "the journal can't be followed"),
        }
        sleep(AGAIN).await;
    }
}

async fn follow_journal(
    context: &CollectContext,
    orders: &Sender<AlarmOrder>,
    entries: &[JournalRule],
    cursor: &mut Option<String>,
) -> Fact<()> {
    let from = match &cursor {
        Some(cursor) => format!("--after-cursor={cursor}"),
        None => "--lines=0".to_owned(),
    };
    let fields = "--output-fields=MESSAGE,_SYSTEMD_UNIT";
    // With --all, long fields come as they are and not as null.
    let arguments = ["-f", "-q", "-o", "json", "--all", &from, fields];
    let mut running = context.programs.start("journalctl", &arguments)?;
    let mut beat = interval_at(Instant::now(), HEARTBEAT);
    let mut lines = JournalLines::default();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = tokio::select! {
            read = running.output.read(&mut buffer) => read.map_err(|e| MissingFact::from_io("journalctl", &e))?,
            _ = beat.tick() => {
                let none = entries.iter().map(|e| (e.rule.clone(), 0.0)).collect();
                let note = cursor.as_ref().map(|c| AlarmOrder::Note("journal".to_owned(), c.clone().into_bytes()));
                let beat = AlarmOrder::Readings(vec![SensorReading { sensor: "log.lines".to_owned(), values: none }]);
                if note.into_iter().chain([beat]).any(|order| orders.send(order).is_err()) {
                    return Ok(());
                }
                continue;
            }
        };
        if read == 0 {
            return Err(MissingFact::failed("journalctl", "it ended"));
        }
        let mut found: BTreeMap<&str, f64> = BTreeMap::new();
        lines.push(buffer.get(..read).unwrap_or_default(), |entry| {
            for rule in fitting(entry, entries, cursor) {
                *found.entry(rule).or_default() += 1.0;
            }
        });
        if !found.is_empty() {
            let values = found.into_iter().map(|(rule, count)| (rule.to_owned(), count)).collect();
            let reading =
                AlarmOrder::Readings(vec![SensorReading { sensor: "log.lines".to_owned(), values }]);
            // The place goes first: both are written together.
            let note =
                cursor.as_ref().map(|c| AlarmOrder::Note("journal".to_owned(), c.clone().into_bytes()));
            if note.into_iter().chain([reading]).any(|order| orders.send(order).is_err()) {
                return Ok(());
            }
        }
    }
}

/// Rules that an entry fits.
fn fitting<'a>(entry: JournalEntry, entries: &'a [JournalRule], cursor: &mut Option<String>) -> Vec<&'a str> {
    if entry.cursor.is_some() {
        *cursor = entry.cursor;
    }
    let Some(message) = entry.message else { return Vec::new() };
    let fits = |wanted: &&JournalRule| {
        wanted.unit.as_ref().is_none_or(|unit| entry.unit.as_ref() == Some(unit))
            && wanted.pattern.is_match(&message)
    };
    entries.iter().filter(fits).map(|wanted| wanted.rule.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::mpsc::{Receiver, channel};

    use nearhand_proto::alarm::DeviceProfile;

    use super::*;
    use nearhand_diagnostics::facts::child::SystemPrograms;

    fn wanted() -> ProbePlan {
        let text = "profile = \"none\"\n[[rule]]\nname = \"io\"\nkind = \"log\"\njournal = true\nmatch = \"I/O error\"\n\
            [[rule]]\nname = \"web\"\nkind = \"log\"\nunit = \"web.service\"\nmatch = \"5\\\\d\\\\d\"\n";
        let set = RuleSet::read(text, DeviceProfile::Server).unwrap();
        ProbePlan::of(&set, &ProbeSchedule::of(&set.rules), &AlarmNotes::new())
    }

    #[test]
    fn entries_are_told_apart_by_unit_and_pattern() {
        let entries = wanted().journal;
        let mut cursor = None;
        let mut fit = |text: &str| match JournalEntry::parse(text.as_bytes()) {
            Some(entry) => fitting(entry, &entries, &mut cursor).join(" "),
            None => String::new(),
        };
        assert_eq!(fit(r#"{"MESSAGE":"I/O error, dev sda","__CURSOR":"c1"}"#), "io");
        assert_eq!(fit(r#"{"MESSAGE":"GET / 503","_SYSTEMD_UNIT":"web.service"}"#), "web");
        assert_eq!(fit(r#"{"MESSAGE":"GET / 503","_SYSTEMD_UNIT":"other.service"}"#), "");
        assert_eq!(fit(r#"{"MESSAGE":[73,47,79,32,101,114,114,111,114]}"#), "io");
        let long = format!(r#"{{"MESSAGE":"{}I/O error","__CURSOR":"c1"}}"#, "x".repeat(6000));
        assert_eq!(fit(&long), "io");
        assert_eq!(
            fit(r#"{"MESSAGE":["first","I/O error"],"_SYSTEMD_UNIT":["a.service","a.service"]}"#),
            "io"
        );
        assert_eq!(fit(r#"{"MESSAGE":null,"__CURSOR":"c1"}"#), "");
        assert_eq!(fit("not json"), "");
        assert_eq!(cursor.as_deref(), Some("c1"));
    }

    /// Readings of a rule, up to the one that makes it `want` lines.
    fn lines(orders: &Receiver<AlarmOrder>, rule: &str, want: f64) -> f64 {
        let mut sum = 0.0;
        while sum < want {
            match orders.recv_timeout(Duration::from_secs(30)).unwrap() {
                AlarmOrder::Readings(readings) => {
                    let values = readings.iter().flat_map(|reading| &reading.values);
                    sum += values.filter(|(name, _)| name == rule).map(|(_, n)| n).sum::<f64>();
                }
                _ => continue,
            }
        }
        sum
    }

    #[tokio::test]
    async fn the_journal_is_followed_line_by_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journalctl");
        // As journalctl: a long field is null unless it is asked for all.
        let script = "#!/bin/sh\ncase \"$*\" in *--all*) ;; *) echo '{\"MESSAGE\":null}'; exec sleep 1000;; esac\n\
            echo '{\"MESSAGE\":\"I/O error 1\",\"__CURSOR\":\"a\"}'\n\
            printf '{\"MESSAGE\":\"I/O er'; printf 'ror 2\"}\\n{\"MESSAGE\":\"fine\"}\\n'\nexec sleep 1000\n";
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut context = context(AlarmClocks::new().now());
        context.programs = SystemPrograms::only_in(dir.path());
        let (send, receive) = channel();
        let task = tokio::spawn(journal(Arc::new(context), send, wanted().journal, None));
        let counted = tokio::task::spawn_blocking(move || lines(&receive, "io", 2.0));
        assert_eq!(counted.await.unwrap(), 2.0);
        task.abort();
    }
}
