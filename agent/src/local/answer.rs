//! What the verbs of the local interface come to.
//!
//! Lives here: from a verb of a known person to its answer. Must not live here: sockets and who is let in (see
//! [`super::server`]); what is decided (the hub).

use std::time::Duration;

use nearhand_agent_core::sessions::LocalUser;
use nearhand_agent_core::window_target::OpenWindow;
use nearhand_proto::grant::Capabilities;
use nearhand_proto::id::SessionId;
use nearhand_proto::message::help::Opinion;
use nearhand_proto::message::local::{
    self, Alarm, Choice, Fix, MAX_ALARMS, MAX_FIXES, MAX_TITLE, Mend, Reply, Said, Verb, Window,
};
use nearhand_proto::message::session::CheckSet;
use nearhand_proto::message::session::Ended;
use nearhand_proto::text;
use nearhand_report::model::{Finding, Status};

use super::LocalService;
use crate::hub::Hub;
use crate::{control, platform};
use nearhand_desktop::windows;
use nearhand_diagnostics::{self as diagnostics, RunEvent, RunOptions};

/// How long the checks for [`Verb::Fixes`] may take.
const LOOK: Duration = Duration::from_secs(60);
/// Longest name of what a finding was made on, in characters.
const MAX_INSTANCE: usize = 64;
/// Longest sentence of a fix, in characters.
const MAX_FIX: usize = 300;

async fn alarms(service: &LocalService) -> Reply {
    let off = || {
        Reply::Refused(Said::Words(
            "alarms are off: this device is not enrolled, or the log says why".to_owned(),
        ))
    };
    let Some(alarms) = &service.alarms else { return off() };
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

/// Whether answering a verb may take a while: a disk, the relay or another program is waited for.
pub(super) fn may_take_long(verb: &Verb) -> bool {
    matches!(
        verb,
        Verb::NewCode
            | Verb::Decide { .. }
            | Verb::Extend { .. }
            | Verb::Resume { .. }
            | Verb::Windows
            | Verb::Alarms
            | Verb::Fixes
            | Verb::AskForHelp(_)
            | Verb::WithdrawHelp
            | Verb::Rate { .. }
            | Verb::ReportSession { .. }
            | Verb::RotateKey
    )
}

/// What a caller's verb comes to.
pub(super) async fn answer(service: &LocalService, caller: LocalUser, verb: Verb) -> Reply {
    let hub = &service.hub;
    // What widens what others may do must be the person's own doing; what narrows it is taken from anybody.
    if matches!(verb, Verb::NewCode | Verb::Extend { .. } | Verb::Resume { .. })
        && let Err(error) = hub.read(|sessions, now| sessions.hands_off(now.instant))
    {
        return Reply::Refused(error.said());
    }
    if let Err(reply) = theirs(hub, caller, &verb) {
        return reply;
    }
    match verb {
        Verb::Status => Reply::Status(Box::new(hub.status(caller))),
        // What these mean for the connection is the server's.
        Verb::Watch | Verb::WatchAsWindow | Verb::LeaveWindow => Reply::Done,
        Verb::NewCode => hub.new_code(caller).await.map_or_else(|e| Reply::Refused(e.said()), Reply::Code),
        Verb::CancelCode => cancel_code(hub, caller),
        Verb::Decide { request, choice } => decide(hub, request, choice).await,
        Verb::Extend { session, capabilities, seconds } => extend(hub, session, capabilities, seconds).await,
        Verb::Revoke { session, capabilities } => {
            let gone = hub.update(|sessions, now| sessions.take_back_by_person(now, session, capabilities));
            if gone.is_empty() { Reply::Refused(Said::NoneGranted) } else { Reply::Done }
        }
        Verb::Stop { session } => {
            hub.update(|sessions, now| sessions.end(now, session, Ended::Stopped, Some(Said::Stopped)));
            Reply::Done
        }
        Verb::StopAll => stop_all(service, caller),
        Verb::Say { session, text } => say(hub, session, &text),
        Verb::Seen { session, number } => seen(hub, session, number),
        Verb::Windows => windows::open().await.map_or_else(
            |why| Reply::Refused(Said::Words(why)),
            |open| {
                let shown = shown(&open);
                hub.update(|sessions, _| sessions.keep_windows(open));
                Reply::Windows(shown)
            },
        ),
        Verb::RotateKey if !caller.owner => {
            Reply::Refused(Said::Words("only the administrator of this machine can do that".to_owned()))
        }
        Verb::Alarms => alarms(service).await,
        Verb::Pause { session } => {
            let paused = hub.update(|sessions, now| sessions.pause(now, session));
            paused.map_or_else(|e| Reply::Refused(e.into()), |()| Reply::Done)
        }
        Verb::Resume { session } => resume(hub, session).await,
        Verb::Record { session } => {
            hub.read(|sessions, _| sessions.activity_record(caller, session)).map_or_else(
                || Reply::Refused(Said::Words("that session is not remembered".to_owned())),
                |record| Reply::Record(Box::new(record)),
            )
        }
        Verb::Fixes => fixes(service).await,
        Verb::AskForHelp(wanted) => {
            hub.help.ask(caller, &wanted).await.map_or_else(|e| Reply::Refused(e.said()), Reply::Help)
        }
        Verb::WithdrawHelp => {
            hub.help.withdraw(caller).await.map_or_else(|e| Reply::Refused(e.said()), |()| Reply::Done)
        }
        Verb::Help => Reply::Help(hub.help.standing(caller)),
        Verb::Rate { session, stars, comment } => {
            give_opinion(hub, caller, session, &Opinion::Rating { stars, comment }).await
        }
        Verb::ReportSession { session, text } => {
            give_opinion(hub, caller, session, &Opinion::Report { text }).await
        }
        Verb::RotateKey => control::rotate(hub)
            .await
            .map_or_else(|e| Reply::Refused(Said::Words(e.to_string())), |()| Reply::Done),
    }
}

fn cancel_code(hub: &Hub, caller: LocalUser) -> Reply {
    hub.update(|sessions, _| {
        if !sessions.code_is_theirs(caller) {
            return Reply::Refused(Said::NoCode);
        }
        sessions.cancel_code(Said::CodeCancelled);
        Reply::Done
    })
}

/// The person's decision. What they allow is answered once it is in force: the record comes first.
async fn decide(hub: &Hub, request: u64, choice: Choice) -> Reply {
    let (decided, in_force) = hub.propose(|sessions, now| sessions.decide(now, request, choice));
    match decided {
        Ok(_) => {
            in_force.wait().await.map_or_else(|refusal| Reply::Refused(refusal.into()), |()| Reply::Done)
        }
        Err(error) => Reply::Refused(error.said()),
    }
}

async fn extend(hub: &Hub, session: SessionId, capabilities: Capabilities, seconds: u32) -> Reply {
    let (extended, in_force) =
        hub.propose(|sessions, now| sessions.extend(now.instant, session, capabilities, seconds));
    match extended {
        Some(_) => {
            in_force.wait().await.map_or_else(|refusal| Reply::Refused(refusal.into()), |()| Reply::Done)
        }
        None => Reply::Refused(Said::NoneGranted),
    }
}

async fn resume(hub: &Hub, session: SessionId) -> Reply {
    let (resumed, in_force) = hub.propose(|sessions, _| sessions.resume(session));
    match resumed {
        Ok(_) => {
            in_force.wait().await.map_or_else(|refusal| Reply::Refused(refusal.into()), |()| Reply::Done)
        }
        Err(refusal) => Reply::Refused(refusal.into()),
    }
}

/// Everything of a person's ends at once.
fn stop_all(service: &LocalService, caller: LocalUser) -> Reply {
    service.hub.update(|sessions, now| {
        if sessions.code_is_theirs(caller) {
            sessions.cancel_code(Said::EverythingStopped);
        }
        sessions.stop_all(now, caller);
    });
    // Also one that a rule has started. After the sessions: theirs is told as the end of the session.
    service.runbooks.stop("stopped by the person at the device");
    Reply::Done
}

/// The person says something.
fn say(hub: &Hub, session: SessionId, text: &str) -> Reply {
    let Some(handle) = hub.session(session) else { return Reply::Refused(Said::SessionOver) };
    let Some(line) = handle.chat.with(|log| log.say(text, Hub::now())) else {
        // It is empty, or the chat of this session is full.
        return Reply::Refused(Said::ChatFull);
    };
    handle.chat.changed();
    hub.update(|sessions, _| sessions.chat_line(session, line));
    Reply::Done
}

/// The person has seen the technician's messages up to `number`.
fn seen(hub: &Hub, session: SessionId, number: u64) -> Reply {
    let Some(handle) = hub.session(session) else { return Reply::Refused(Said::SessionOver) };
    handle.chat.with(|log| log.saw(number));
    handle.chat.changed();
    Reply::Done
}

/// Windows for the person's eyes, with what their programs say neutralised.
fn shown(windows: &[OpenWindow]) -> Vec<Window> {
    let shown = windows.iter().map(|window| Window {
        id: window.id,
        application: text::one_line(&window.application, MAX_TITLE).into(),
        title: text::one_line(&window.title, MAX_TITLE).into(),
    });
    shown.collect()
}

async fn give_opinion(hub: &Hub, caller: LocalUser, session: SessionId, opinion: &Opinion) -> Reply {
    if !hub.read(|sessions, _| sessions.was_theirs(caller, session)) {
        return Reply::Refused(Said::NotTheirs);
    }
    let given = hub.help.give_opinion(session, opinion).await;
    given.map_or_else(|error| Reply::Refused(error.said()), |()| Reply::Done)
}

/// Whether what a verb is about is the caller's own; what is somebody else's doesn't exist for them.
fn theirs(hub: &Hub, caller: LocalUser, verb: &Verb) -> Result<(), Reply> {
    hub.read(|sessions, now| match verb {
        Verb::Decide { request, .. } if !sessions.asks_them(now.instant, caller, *request) => {
            Err(Reply::Refused(Said::RequestOver))
        }
        Verb::Extend { session, .. }
        | Verb::Revoke { session, .. }
        | Verb::Stop { session }
        | Verb::Say { session, .. }
        | Verb::Seen { session, .. }
        | Verb::Pause { session }
        | Verb::Resume { session }
            if !sessions.is_theirs(caller, *session) =>
        {
            Err(Reply::Refused(Said::SessionOver))
        }
        _ => Ok(()),
    })
}

/// What the quick set of checks found that a person can do something about, the worst first.
async fn fixes(service: &LocalService) -> Reply {
    let Ok(_one) = service.looking.try_acquire() else {
        return Reply::Refused(Said::Words("this machine is being looked at already".to_owned()));
    };
    let options = RunOptions {
        device_id: service.hub.identity.device().to_string(),
        ..RunOptions::new(CheckSet::Quick)
    };
    let (_run, mut events) = diagnostics::run(options);
    let limit = tokio::time::sleep(LOOK);
    tokio::pin!(limit);
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = &mut limit => return Reply::Refused(Said::Words("the checks took too long".to_owned())),
        };
        match event {
            Some(RunEvent::Finished(report)) => {
                platform::give_back_memory_soon();
                return Reply::Fixes(mendable(report.findings));
            }
            Some(_) => {}
            None => return Reply::Refused(Said::Words("the checks could not be run".to_owned())),
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
