//! What a device does by itself once an alarm is raised: it diagnoses itself, and runs the runbook that the rule
//! names. What came of it goes into the spool, to the alarm, before anybody looks.
//!
//! One diagnosis after the other, and one runbook after the other: alarms are looked into while a runbook waits for its
//! turn, behind those of other alarms and of technicians. Whether a runbook may run is decided by the owner's policy
//! (`runbook::gate`); a diagnosis only looks, and is made at most every [`PAUSE`]: what is raised meanwhile gets the
//! last one. Nothing of it is kept in memory for a restart: an alarm that was raised before isn't looked into again.

use std::sync::Arc;
use std::time::Duration;

use nearhand_proto::alarm::{AlarmResponse, DeviceReport, MAX_LINE, MAX_LINES, MAX_SUMMARY, Severity};
use nearhand_proto::message::session::CheckSet;
use nearhand_proto::runbook::{RunEnding, RunOutcome};
use nearhand_proto::text;
use nearhand_report::model::{Finding, FindingStatus};
use nearhand_report::redact;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::handle::AlarmsHandle;
use super::orders::{AlarmOrder, RaisedAlarm};
use crate::hub::Hub;
use crate::runbook::{RunbookTrigger, Runbooks};
use nearhand_diagnostics::{self as diagnostics, RunEvent, RunOptions};

/// Least time between two diagnoses.
const PAUSE: Duration = Duration::from_secs(600);
/// Runbooks that may wait for their turn. The alarms of those after them stand, and are told without.
const RUNS: usize = 8;

/// The result of a diagnosis or a runbook, for the alarm that started it.
#[derive(PartialEq, Eq, Debug)]
struct ResponseSummary {
    good: bool,
    title: String,
    lines: Vec<String>,
}

/// The newest diagnosis, which alarms share for a while.
struct LastDiagnosis {
    summary: ResponseSummary,
    made: Instant,
}

/// Works off what begins, until the agent stops.
pub(super) async fn run(
    hub: Arc<Hub>,
    runbooks: Arc<Runbooks>,
    alarms: Arc<AlarmsHandle>,
    begun: mpsc::Receiver<RaisedAlarm>,
) {
    let (runs, queued) = mpsc::channel(RUNS);
    tokio::join!(look_into(&hub, &alarms, begun, runs), repair(&hub, &runbooks, &alarms, queued));
}

/// Diagnoses, one alarm after the other, and queues the runbooks that their rules name.
async fn look_into(
    hub: &Arc<Hub>,
    alarms: &AlarmsHandle,
    mut begun: mpsc::Receiver<RaisedAlarm>,
    runs: mpsc::Sender<(RaisedAlarm, RunbookTrigger)>,
) {
    let mut last: Option<LastDiagnosis> = None;
    loop {
        let one = tokio::select! {
            one = begun.recv() => one,
            () = hub.stopped() => None,
        };
        let Some(one) = one else { return };
        // Before anything is changed: afterwards the cause may not be there any more.
        if one.diagnose && one.severity >= Severity::Warning {
            if last.as_ref().is_none_or(|diagnosis| diagnosis.made.elapsed() >= PAUSE) {
                last = diagnose(hub).await.or(last);
            }
            if let Some(diagnosis) = &last {
                let report = report(&one, AlarmResponse::Diagnosis, &diagnosis.summary);
                alarms.order(AlarmOrder::Reported(Box::new(report)));
            }
        }
        if let Some(runbook) = one.runbook.clone() {
            let raised = RunbookTrigger { rule: one.rule.clone(), instance: one.instance.clone(), runbook };
            if let Err(error) = runs.try_send((one, raised)) {
                tracing::warn!(%error, "no runbook was run for an alarm: too many wait already");
            }
        }
    }
}

/// Runs runbooks, one after the other.
async fn repair(
    hub: &Arc<Hub>,
    runbooks: &Arc<Runbooks>,
    alarms: &AlarmsHandle,
    mut queued: mpsc::Receiver<(RaisedAlarm, RunbookTrigger)>,
) {
    // The other half of this task ends it.
    while let Some((one, raised)) = queued.recv().await {
        match runbooks.raised(hub, &raised).await {
            Ok(outcome) => {
                let report = report(&one, AlarmResponse::Runbook, &summary_of_run(&outcome));
                alarms.order(AlarmOrder::Reported(Box::new(report)));
            }
            Err(refused) => {
                tracing::info!(rule = raised.rule, runbook = raised.runbook, %refused, "no runbook was run for this alarm");
            }
        }
    }
}

async fn diagnose(hub: &Hub) -> Option<LastDiagnosis> {
    let options =
        RunOptions { device_id: hub.identity.device().to_string(), ..RunOptions::new(CheckSet::Quick) };
    let (_run, mut events) = diagnostics::run(options);
    loop {
        let event = tokio::select! {
            event = events.recv() => event?,
            () = hub.stopped() => return None,
        };
        if let RunEvent::Finished(mut report) = event {
            let summary = tokio::task::spawn_blocking(move || {
                redact::redact(&mut report);
                summary_of_findings(&report.findings)
            });
            let summary = summary.await.ok()?;
            redact::forget_rules();
            crate::platform::give_back_memory_soon();
            return Some(LastDiagnosis { summary, made: Instant::now() });
        }
    }
}

fn report(of: &RaisedAlarm, deed: AlarmResponse, summary: &ResponseSummary) -> DeviceReport {
    let ResponseSummary { good, title, lines } = summary;
    DeviceReport {
        rule: of.rule.clone(),
        instance: of.instance.clone(),
        deed,
        good: *good,
        title: cut(title, MAX_SUMMARY),
        lines: lines.iter().take(MAX_LINES).map(|line| cut(line, MAX_LINE)).collect(),
        at: nearhand_proto::time::UnixMillis::from_system(std::time::SystemTime::now()),
    }
}

/// Failed checks and warnings, the failed ones first.
fn summary_of_findings(findings: &[Finding]) -> ResponseSummary {
    let of = |status: FindingStatus| findings.iter().filter(move |finding| finding.status == status);
    let (fail, warn) = (of(FindingStatus::Fail).count(), of(FindingStatus::Warn).count());
    let title = match (fail, warn) {
        (0, 0) => "no problems found".to_owned(),
        _ => format!("{fail} checks failed, {warn} warn"),
    };
    let line = |finding: &Finding| {
        let kind = if finding.status == FindingStatus::Fail { "fail" } else { "warn" };
        let of = if finding.instance.is_empty() { String::new() } else { format!(" {}", finding.instance) };
        format!("{kind} {}{of}: {}", finding.id, finding.title)
    };
    let lines = of(FindingStatus::Fail).chain(of(FindingStatus::Warn)).map(line).collect();
    ResponseSummary { good: fail == 0, title, lines }
}

fn summary_of_run(outcome: &RunOutcome) -> ResponseSummary {
    let lines = outcome.notes.iter().map(|note| {
        let well = if note.well { "" } else { " (not well)" };
        format!("{} {}{well}: {}", note.phase.name(), note.act.name(), note.saw)
    });
    ResponseSummary {
        good: outcome.ending == RunEnding::Done,
        title: format!("{outcome} [run {}]", outcome.run),
        lines: lines.collect(),
    }
}

/// Cuts a text to one line of at most this many bytes.
fn cut(line: &str, bytes: usize) -> String {
    let mut line = text::one_line(line, bytes);
    while line.len() > bytes {
        line.pop();
    }
    line
}

#[cfg(test)]
mod tests {
    use nearhand_report::model::Area;

    use super::*;

    #[test]
    fn a_report_is_within_its_limits_whatever_was_found() {
        let begun = RaisedAlarm {
            rule: "disk-space".into(),
            instance: "/".into(),
            severity: Severity::Warning,
            runbook: None,
            diagnose: true,
        };
        let long = || "ü\n\u{1b}[2J".repeat(200);
        let made = report(
            &begun,
            AlarmResponse::Diagnosis,
            &ResponseSummary { good: false, title: long(), lines: vec![long(); 50] },
        );
        assert_eq!(made.check(), Ok(()));
        assert!(made.title.len() > MAX_SUMMARY - 8 && made.lines.len() == MAX_LINES);
        assert!(!made.title.contains('\u{1b}') && !made.title.contains('\n'));
    }

    #[test]
    fn findings_are_told_worst_first() {
        let finding = |id: &str, instance: &str, status| Finding {
            id: id.into(),
            instance: instance.into(),
            area: Area::Disks,
            status,
            title: "so it is".into(),
            evidence: Vec::new(),
            explanation: String::new(),
            fix: String::new(),
            reason: None,
            runbook: None,
            article: None,
            ms: 1,
        };
        let all = [
            finding("a.b", "", FindingStatus::Ok),
            finding("c.d", "", FindingStatus::Warn),
            finding("disks.space", "/home", FindingStatus::Fail),
        ];
        let ResponseSummary { good, title, lines } = summary_of_findings(&all);
        assert_eq!((good, title.as_str()), (false, "1 checks failed, 1 warn"));
        assert_eq!(lines, ["fail disks.space /home: so it is", "warn c.d: so it is"]);
        let title = "no problems found".to_owned();
        assert_eq!(summary_of_findings(&all[..1]), ResponseSummary { good: true, title, lines: Vec::new() });
    }
}
