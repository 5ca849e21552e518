//! What the verbs of the local interface come to.
//!
//! Lives here: from a verb of a known person to its answer. Must not live here: sockets and who is let in (see
//! [`super::server`]); what is decided (the hub).

use std::sync::Arc;
use std::time::Duration;

use nearhand_proto::id::SessionId;
use nearhand_proto::message::help::Opinion;
use nearhand_proto::message::local::{self, Alarm, Fix, MAX_ALARMS, MAX_FIXES, Mend, Reply, Said, Verb};
use nearhand_proto::message::session::CheckSet;
use nearhand_proto::message::session::Ended;
use nearhand_proto::text;
use nearhand_report::model::{Finding, Status};

use crate::hub::{Hub, Viewer};
use crate::{control, platform};
use nearhand_desktop::windows;
use nearhand_diagnostics::{self as diagnostics, RunEvent, RunOptions};

/// How long the checks for [`Verb::Fixes`] may take.
const LOOK: Duration = Duration::from_secs(60);
/// Longest name of what a finding was made on, in characters.
const MAX_INSTANCE: usize = 64;
/// Longest sentence of a fix, in characters.
const MAX_FIX: usize = 300;

async fn alarms(hub: &Hub) -> Reply {
    let off =
        || Reply::Refused("alarms are off: this device is not enrolled, or the log says why".to_owned());
    let Some(alarms) = hub.alarms.get() else { return off() };
    let Some(report) = alarms.status().await else { return off() };
    let mut standing = report.standing;
    // What is open comes first, the worst at the top.
    standing.sort_by_key(|one| std::cmp::Reverse(one.severity));
    let shown = standing.into_iter().take(MAX_ALARMS).map(|one| Alarm {
        rule: one.rule,
        instance: text::one_line(&one.instance, 128),
        phase: one.phase.name().to_owned(),
        severity: one.severity,
        unknown: one.unknown,
        flapping: one.flapping,
        value: one
            .value
            .map(|m| format!("{:.1} {}", m.value, m.unit).trim_end().to_owned())
            .unwrap_or_default(),
        seconds: one.lasts.map(|lasts| lasts.as_secs()),
        summary: one.summary,
    });
    Reply::Alarms(Box::new(local::Alarms {
        alarms: shown.collect(),
        rules: u32::try_from(report.rules).unwrap_or(u32::MAX),
        waiting: report.waiting,
        oldest: report.oldest,
        stream: report.stream,
        delivery: alarms.delivery_problem(),
        problems: report.problems,
    }))
}

/// What a caller's verb comes to.
pub(super) async fn answer(hub: &Arc<Hub>, caller: Viewer, verb: Verb) -> Reply {
    // What widens what others may do must be the person's own doing; what narrows it is taken from anybody.
    if matches!(verb, Verb::NewCode | Verb::Extend { .. } | Verb::Resume { .. })
        && let Err(error) = hub.hands_off()
    {
        return Reply::no(error.said());
    }
    if let Err(reply) = theirs(hub, caller, &verb) {
        return reply;
    }
    match verb {
        Verb::Status => Reply::Status(Box::new(hub.status(caller))),
        // What these mean for the connection is the server's.
        Verb::Watch | Verb::WatchAsWindow | Verb::LeaveWindow => Reply::Done,
        Verb::NewCode => hub.new_code(caller).await.map_or_else(|e| Reply::no(e.said()), Reply::Code),
        Verb::CancelCode if !hub.code_is_theirs(caller) => Reply::no(Said::NoCode),
        Verb::CancelCode => {
            hub.cancel_code(Said::CodeCancelled);
            Reply::Done
        }
        Verb::Decide { request, choice } => {
            hub.decide(request, choice).map_or_else(|e| Reply::no(e.said()), |()| Reply::Done)
        }
        Verb::Extend { session, capabilities, seconds } => match hub.extend(session, capabilities, seconds) {
            Ok(extended) if extended.is_empty() => Reply::no(Said::NoneGranted),
            Ok(_) => Reply::Done,
            Err(refusal) => Reply::no(refusal.into()),
        },
        Verb::Revoke { session, capabilities } => {
            if hub.take_back(session, capabilities, "person at the device").is_empty() {
                return Reply::no(Said::NoneGranted);
            }
            Reply::Done
        }
        Verb::Stop { session } => {
            hub.end_session(session, Ended::Stopped, Some(Said::Stopped));
            Reply::Done
        }
        Verb::StopAll => {
            if hub.code_is_theirs(caller) {
                hub.cancel_code(Said::EverythingStopped);
            }
            for session in hub.sessions_of(caller) {
                hub.end_session(session, Ended::Stopped, Some(Said::Stopped));
            }
            // Also one that a rule has started. After the sessions: theirs is told as the end of the session.
            hub.runbooks.stop("stopped by the person at the device");
            Reply::Done
        }
        Verb::Say { session, text } => {
            hub.say(session, &text).map_or_else(|e| Reply::no(e.said()), |_| Reply::Done)
        }
        Verb::Seen { session, number } => {
            hub.saw(session, number).map_or_else(|e| Reply::no(e.said()), |()| Reply::Done)
        }
        Verb::Windows => windows::open()
            .await
            .map_or_else(Reply::Refused, |windows| Reply::Windows(hub.keep_windows(windows))),
        Verb::RotateKey if !caller.owner => {
            Reply::Refused("only the administrator of this machine can do that".to_owned())
        }
        Verb::Alarms => alarms(hub).await,
        Verb::Pause { session } => hub.pause(session).map_or_else(|e| Reply::no(e.into()), |()| Reply::Done),
        Verb::Resume { session } => {
            hub.resume(session).map_or_else(|e| Reply::no(e.into()), |()| Reply::Done)
        }
        Verb::Record { session } => hub.record(caller, session).map_or_else(
            || Reply::Refused("that session is not remembered".to_owned()),
            |record| Reply::Record(Box::new(record)),
        ),
        Verb::Fixes => fixes(hub).await,
        Verb::AskForHelp(wanted) => {
            hub.ask_for_help(caller, &wanted).await.map_or_else(|e| Reply::no(e.said()), Reply::Help)
        }
        Verb::WithdrawHelp => {
            hub.withdraw_help(caller).await.map_or_else(|e| Reply::no(e.said()), |()| Reply::Done)
        }
        Verb::Help => Reply::Help(hub.help(caller)),
        Verb::Rate { session, stars, comment } => {
            opine(hub, caller, session, &Opinion::Rating { stars, comment }).await
        }
        Verb::ReportSession { session, text } => opine(hub, caller, session, &Opinion::Report { text }).await,
        Verb::RotateKey => {
            control::rotate(hub).await.map_or_else(|e| Reply::Refused(e.to_string()), |()| Reply::Done)
        }
    }
}

async fn opine(hub: &Hub, caller: Viewer, session: SessionId, opinion: &Opinion) -> Reply {
    let said = hub.opine(caller, session, opinion).await;
    said.map_or_else(|error| Reply::no(error.said()), |()| Reply::Done)
}

/// Whether what a verb is about is the caller's own; what is somebody else's doesn't exist for them.
fn theirs(hub: &Hub, caller: Viewer, verb: &Verb) -> Result<(), Reply> {
    match verb {
        Verb::Decide { request, .. } if !hub.asks_them(caller, *request) => Err(Reply::no(Said::RequestOver)),
        Verb::Extend { session, .. }
        | Verb::Revoke { session, .. }
        | Verb::Stop { session }
        | Verb::Say { session, .. }
        | Verb::Seen { session, .. }
        | Verb::Pause { session }
        | Verb::Resume { session }
            if !hub.is_theirs(caller, *session) =>
        {
            Err(Reply::no(Said::SessionOver))
        }
        _ => Ok(()),
    }
}

/// What the quick set of checks found that a person can do something about, the worst first.
async fn fixes(hub: &Hub) -> Reply {
    let Ok(_one) = hub.looking.try_acquire() else {
        return Reply::Refused("this machine is being looked at already".to_owned());
    };
    let options = RunOptions { device_id: hub.device().to_string(), ..RunOptions::new(CheckSet::Quick) };
    let (_run, mut events) = diagnostics::run(options);
    let limit = tokio::time::sleep(LOOK);
    tokio::pin!(limit);
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = &mut limit => return Reply::Refused("the checks took too long".to_owned()),
        };
        match event {
            Some(RunEvent::Finished(report)) => {
                platform::give_back_memory_soon();
                return Reply::Fixes(mendable(report.findings));
            }
            Some(_) => {}
            None => return Reply::Refused("the checks could not be run".to_owned()),
        }
    }
}

fn mendable(mut findings: Vec<Finding>) -> Vec<Fix> {
    findings.retain(|finding| finding.status.is_problem() && !finding.fix.is_empty());
    findings.sort_by_key(|finding| finding.status);
    // Several checks may say the same to a person.
    let mut known = Vec::new();
    findings.retain(|finding| {
        let mend = Mend::of_check(&finding.id)
            // No answer at all is no page to log in on.
            .filter(|mend| *mend != Mend::Portal || finding.status == Status::Fail);
        let new = mend.is_some_and(|mend| !known.contains(&(mend, finding.instance.clone())));
        known.extend(mend.map(|mend| (mend, finding.instance.clone())));
        new
    });
    let fix = |finding: Finding| Fix {
        check: match finding.instance.as_str() {
            "" => finding.id,
            instance => format!("{}:{}", finding.id, text::one_line(instance, MAX_INSTANCE)),
        },
        title: text::one_line(&finding.title, MAX_FIX),
        advice: text::one_line(&finding.fix, MAX_FIX),
    };
    findings.into_iter().take(MAX_FIXES).map(fix).collect()
}

#[cfg(test)]
mod tests {
    use nearhand_report::model::Area;

    use super::*;

    fn finding(id: &str, status: Status, fix: &str) -> Finding {
        Finding {
            id: id.to_owned(),
            instance: String::new(),
            area: Area::Disks,
            status,
            title: "a title".to_owned(),
            evidence: vec![],
            explanation: String::new(),
            fix: fix.to_owned(),
            reason: None,
            runbook: None,
            article: None,
            ms: 0,
        }
    }

    #[test]
    fn a_person_is_told_of_the_worst_that_they_can_mend() {
        let findings = vec![
            finding("disks.space", Status::Ok, "nothing"),
            finding("cpu.load", Status::Warn, "do b"),
            finding("memory.available", Status::Fail, ""),
            finding("memory.available", Status::Fail, "do d"),
            finding("network.hosts_file", Status::Fail, "an administrator's matter"),
            finding("processes.cpu", Status::Warn, "the same as b"),
            finding("network.captive_portal", Status::Warn, "no answer at all"),
            Finding {
                instance: "/home".to_owned(),
                ..finding("disks.space", Status::Warn, "do e\nand more")
            },
            finding("network.wifi", Status::Warn, "do f"),
        ];
        let fixes = mendable(findings);
        let names: Vec<_> = fixes.iter().map(|fix| fix.check.as_str()).collect();
        assert_eq!(names, ["memory.available", "cpu.load", "disks.space:/home"]);
        assert_eq!(fixes[2].advice, "do e and more");
    }
}
