//! What the verbs of the local interface come to.
//!
//! Lives here: from a verb of a known person to its answer. Must not live here: sockets and who is let in (see
//! [`super::server`]); what is decided (the hub).

use std::sync::Arc;
use std::time::Duration;

use nearhand_shared::id::SessionId;
use nearhand_shared::message::help::Opinion;
use nearhand_shared::message::local::{self, Alarm, Fix, MAX_ALARMS, MAX_FIXES, Reply, Verb};
use nearhand_shared::message::session::Ended;
use nearhand_shared::report::model::{CheckSet, Finding};
use nearhand_shared::text;

use crate::desktop::windows;
use crate::diagnostics::{self, RunEvent, RunOptions};
use crate::hub::{Hub, Viewer};
use crate::{control, platform};

/// How long the checks for [`Verb::Fixes`] may take.
const LOOK: Duration = Duration::from_secs(60);
/// Longest sentence of a fix, in characters.
const MAX_FIX: usize = 300;

async fn alarms(hub: &Hub) -> Reply {
    let off =
        || Reply::Refused("alarms are off: this device is not enrolled, or the log says why".to_owned());
    let Some(alarms) = hub.alarms.get() else { return off() };
    let Some(report) = alarms.report().await else { return off() };
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
    let refused = |error: &dyn std::error::Error| Reply::Refused(error.to_string());
    // What widens what others may do must be the person's own doing; what narrows it is taken from anybody.
    if matches!(verb, Verb::NewCode | Verb::Extend { .. } | Verb::Resume { .. })
        && let Err(error) = hub.hands_off()
    {
        return refused(&error);
    }
    if let Err(reply) = theirs(hub, caller, &verb) {
        return reply;
    }
    match verb {
        Verb::Status => Reply::Status(Box::new(hub.status(caller))),
        // What these mean for the connection is the server's.
        Verb::Watch | Verb::WatchAsWindow | Verb::LeaveWindow => Reply::Done,
        Verb::NewCode => hub.new_code(caller).await.map_or_else(|e| refused(&e), Reply::Code),
        Verb::CancelCode if !hub.code_is_theirs(caller) => {
            Reply::Refused("there is no code of yours".to_owned())
        }
        Verb::CancelCode => {
            hub.cancel_code("it was cancelled");
            Reply::Done
        }
        Verb::Decide { request, choice } => {
            hub.decide(request, choice).map_or_else(|e| refused(&e), |()| Reply::Done)
        }
        Verb::Extend { session, capabilities, seconds } => match hub.extend(session, capabilities, seconds) {
            Ok(extended) if extended.is_empty() => Reply::Refused("none of that is granted now".to_owned()),
            Ok(_) => Reply::Done,
            Err(error) => refused(&error),
        },
        Verb::Revoke { session, capabilities } => {
            if hub.take_back(session, capabilities, "person at the device").is_empty() {
                return Reply::Refused("none of that is granted now".to_owned());
            }
            Reply::Done
        }
        Verb::Stop { session } => {
            hub.end_session(session, Ended::Stopped, "stopped by the person at the device");
            Reply::Done
        }
        Verb::StopAll => {
            if hub.code_is_theirs(caller) {
                hub.cancel_code("everything was stopped");
            }
            for session in hub.sessions_of(caller) {
                hub.end_session(session, Ended::Stopped, "stopped by the person at the device");
            }
            // Also one that a rule has started. After the sessions: theirs is told as the end of the session.
            hub.runbooks.stop("stopped by the person at the device");
            Reply::Done
        }
        Verb::Say { session, text } => hub.say(session, &text).map_or_else(|e| refused(&e), |_| Reply::Done),
        Verb::Seen { session, number } => {
            hub.saw(session, number).map_or_else(|e| refused(&e), |()| Reply::Done)
        }
        Verb::Windows => windows::open()
            .await
            .map_or_else(Reply::Refused, |windows| Reply::Windows(hub.keep_windows(windows))),
        Verb::RotateKey if !caller.owner => {
            Reply::Refused("only the administrator of this machine can do that".to_owned())
        }
        Verb::Alarms => alarms(hub).await,
        Verb::Pause { session } => hub.pause(session).map_or_else(|e| refused(&e), |()| Reply::Done),
        Verb::Resume { session } => hub.resume(session).map_or_else(|e| refused(&e), |()| Reply::Done),
        Verb::Record { session } => hub.record(caller, session).map_or_else(
            || Reply::Refused("that session is not remembered".to_owned()),
            |record| Reply::Record(Box::new(record)),
        ),
        Verb::Fixes => fixes(hub).await,
        Verb::AskForHelp(wanted) => {
            hub.ask_for_help(caller, &wanted).await.map_or_else(|e| refused(&e), Reply::Help)
        }
        Verb::WithdrawHelp => hub.withdraw_help(caller).await.map_or_else(|e| refused(&e), |()| Reply::Done),
        Verb::Help => Reply::Help(hub.help(caller)),
        Verb::Rate { session, stars, comment } => {
            opine(hub, caller, session, &Opinion::Rating { stars, comment }).await
        }
        Verb::ReportSession { session, text } => opine(hub, caller, session, &Opinion::Report { text }).await,
        Verb::RotateKey => control::rotate(hub).await.map_or_else(|e| refused(&e), |()| Reply::Done),
    }
}

async fn opine(hub: &Hub, caller: Viewer, session: SessionId, opinion: &Opinion) -> Reply {
    let said = hub.opine(caller, session, opinion).await;
    said.map_or_else(|error| Reply::Refused(error.to_string()), |()| Reply::Done)
}

/// Whether what a verb is about is the caller's own; what is somebody else's doesn't exist for them.
fn theirs(hub: &Hub, caller: Viewer, verb: &Verb) -> Result<(), Reply> {
    let no = |what: &str| Err(Reply::Refused(what.to_owned()));
    match verb {
        Verb::Decide { request, .. } if !hub.asks_them(caller, *request) => {
            no("that request is no longer open")
        }
        Verb::Extend { session, .. }
        | Verb::Revoke { session, .. }
        | Verb::Stop { session }
        | Verb::Say { session, .. }
        | Verb::Seen { session, .. }
        | Verb::Pause { session }
        | Verb::Resume { session }
            if !hub.is_theirs(caller, *session) =>
        {
            no("that session is over")
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
                platform::give_back_memory();
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
    let fix = |finding: Finding| Fix {
        check: finding.id,
        title: text::one_line(&finding.title, MAX_FIX),
        advice: text::one_line(&finding.fix, MAX_FIX),
    };
    findings.into_iter().take(MAX_FIXES).map(fix).collect()
}

#[cfg(test)]
mod tests {
    use nearhand_shared::report::model::{Area, Status};

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
            finding("a", Status::Ok, "nothing"),
            finding("b", Status::Warn, "do b"),
            finding("c", Status::Fail, ""),
            finding("d", Status::Fail, "do d"),
            finding("e", Status::Warn, "do e\nand more"),
            finding("f", Status::Warn, "do f"),
        ];
        let fixes = mendable(findings);
        let names: Vec<_> = fixes.iter().map(|fix| fix.check.as_str()).collect();
        assert_eq!(names, ["d", "b", "e"]);
        assert_eq!(fixes[2].advice, "do e and more");
    }
}
