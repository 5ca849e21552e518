//! What the verbs of the local interface come to.
//!
//! Lives here: from a verb of a known person to its answer. Must not live here: sockets and who is let in (see
//! [`super::server`]); what is decided (the hub).

use std::time::Duration;

use nearhand_agent_core::sessions::LocalUser;
use nearhand_agent_core::window_target::OpenWindow;
use nearhand_proto::grant::Capabilities;
use nearhand_proto::id::SessionId;
use nearhand_proto::message::help::SessionFeedback;
use nearhand_proto::message::local::{
    self, AgentNotice, ConsentChoice, FixableFinding, ListedWindow, LocalAlarm, LocalReply, LocalVerb,
    MAX_ALARMS, MAX_FIXES, MAX_TITLE, SelfHelpHint,
};
use nearhand_proto::message::session::CheckSet;
use nearhand_proto::message::session::SessionEndReason;
use nearhand_proto::text;
use nearhand_report::model::{Finding, FindingStatus};

use super::LocalService;
use crate::alarm::AlarmsUnavailable;
use crate::hub::{Hub, UntilInForce};
use crate::{control, platform};
use nearhand_desktop::windows;
use nearhand_diagnostics::{self as diagnostics, RunEvent, RunOptions};

/// How long the checks for [`LocalVerb::Fixes`] may take.
const LOOK: Duration = Duration::from_secs(60);
/// Longest name of what a finding was made on, in characters.
const MAX_INSTANCE: usize = 64;
/// Longest sentence of a fix, in characters.
const MAX_FIX: usize = 300;

async fn alarms(service: &LocalService) -> LocalReply {
    let refused = |why: AlarmsUnavailable| LocalReply::Refused(AgentNotice::Words(why.to_string()));
    let Some(alarms) = &service.alarms else { return refused(AlarmsUnavailable::Ended) };
    let report = match alarms.status().await {
        Ok(report) => report,
        Err(why) => return refused(why),
    };
    let mut standing = report.standing;
    // What is open comes first, the worst at the top.
    standing.sort_by_key(|one| std::cmp::Reverse(one.severity));
    let mut problems = report.problems;
    if standing.len() > MAX_ALARMS {
        problems.push(format!(
            "{} more alarms, less severe than these, are not shown",
            standing.len() - MAX_ALARMS
        ));
    }
    let shown = standing.into_iter().take(MAX_ALARMS).map(|one| LocalAlarm {
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
    LocalReply::Alarms(Box::new(local::LocalAlarms {
        alarms: shown.collect(),
        rules: u32::try_from(report.rules).unwrap_or(u32::MAX),
        waiting: report.waiting,
        oldest: report.oldest,
        stream: report.stream,
        delivery: alarms.delivery_problem(),
        problems,
    }))
}

/// Whether answering a verb may take a while: a disk, the relay or another program is waited for.
pub(super) fn may_take_long(verb: &LocalVerb) -> bool {
    matches!(
        verb,
        LocalVerb::NewCode
            | LocalVerb::Windows
            | LocalVerb::Alarms
            | LocalVerb::Fixes
            | LocalVerb::AskForHelp(_)
            | LocalVerb::WithdrawHelp
            | LocalVerb::Rate { .. }
            | LocalVerb::ReportSession { .. }
            | LocalVerb::RotateKey
    )
}

/// What a caller's verb comes to.
pub(super) async fn answer(service: &LocalService, caller: LocalUser, verb: LocalVerb) -> LocalReply {
    let hub = &service.hub;
    // What widens what others may do must be the person's own doing; what narrows it is taken from anybody.
    if matches!(verb, LocalVerb::NewCode | LocalVerb::Extend { .. } | LocalVerb::Resume { .. })
        && let Err(error) = hub.read(|sessions, now| sessions.hands_off(now.instant))
    {
        return LocalReply::Refused(error.notice());
    }
    if let Err(reply) = theirs(hub, caller, &verb) {
        return reply;
    }
    match verb {
        LocalVerb::Status => LocalReply::Status(Box::new(hub.status(caller))),
        // What these mean for the connection is the server's.
        LocalVerb::Watch
        | LocalVerb::WatchAsWindow
        | LocalVerb::Heartbeat { .. }
        | LocalVerb::LeaveWindow => LocalReply::Done,
        LocalVerb::NewCode => {
            hub.new_code(caller).await.map_or_else(|e| LocalReply::Refused(e.notice()), LocalReply::Code)
        }
        LocalVerb::CancelCode => cancel_code(hub, caller),
        LocalVerb::Decide { request, choice } => decide(hub, request, choice),
        LocalVerb::Extend { session, capabilities, seconds } => extend(hub, session, capabilities, seconds),
        LocalVerb::Revoke { session, capabilities } => {
            let gone = hub.update(|sessions, now| sessions.take_back_by_person(now, session, capabilities));
            if gone.is_empty() { LocalReply::Refused(AgentNotice::NoneGranted) } else { LocalReply::Done }
        }
        LocalVerb::Stop { session } => {
            hub.update(|sessions, now| {
                sessions.end(now, session, SessionEndReason::Stopped, Some(AgentNotice::Stopped));
            });
            LocalReply::Done
        }
        LocalVerb::StopAll => stop_all(service, caller),
        LocalVerb::Say { session, text } => say(hub, session, &text),
        LocalVerb::Seen { session, number } => seen(hub, session, number),
        LocalVerb::Windows if !hub.read(|sessions, now| sessions.may_list_windows(now.instant, caller)) => {
            LocalReply::Refused(AgentNotice::NotTheirScreen)
        }
        LocalVerb::Windows => windows::open().await.map_or_else(
            |why| LocalReply::Refused(AgentNotice::Words(why.to_string())),
            |open| {
                let shown = shown(&open);
                hub.update(|sessions, _| sessions.keep_windows(open));
                LocalReply::Windows(shown)
            },
        ),
        LocalVerb::RotateKey if !caller.owner => LocalReply::Refused(AgentNotice::Words(
            "only the administrator of this machine can do that".to_owned(),
        )),
        LocalVerb::Alarms => alarms(service).await,
        LocalVerb::Pause { session } => {
            let paused = hub.update(|sessions, now| sessions.pause(now, session));
            paused.map_or_else(|e| LocalReply::Refused(e.into()), |()| LocalReply::Done)
        }
        LocalVerb::Resume { session } => resume(hub, session),
        LocalVerb::Record { session } => {
            hub.read(|sessions, _| sessions.activity_record(caller, session)).map_or_else(
                || LocalReply::Refused(AgentNotice::Words("that session is not remembered".to_owned())),
                |record| LocalReply::Record(Box::new(record)),
            )
        }
        LocalVerb::Fixes => fixes(service).await,
        LocalVerb::AskForHelp(wanted) => hub
            .help
            .ask(caller, &wanted)
            .await
            .map_or_else(|e| LocalReply::Refused(e.notice()), LocalReply::Help),
        LocalVerb::WithdrawHelp => hub
            .help
            .withdraw(caller)
            .await
            .map_or_else(|e| LocalReply::Refused(e.notice()), |()| LocalReply::Done),
        LocalVerb::Help => LocalReply::Help(hub.help.standing(caller)),
        LocalVerb::Rate { session, stars, comment } => {
            give_opinion(hub, caller, session, &SessionFeedback::Rating { stars, comment }).await
        }
        LocalVerb::ReportSession { session, text } => {
            give_opinion(hub, caller, session, &SessionFeedback::Report { text }).await
        }
        LocalVerb::RotateKey => control::rotate(hub)
            .await
            .map_or_else(|e| LocalReply::Refused(AgentNotice::Words(e.to_string())), |()| LocalReply::Done),
    }
}

fn cancel_code(hub: &Hub, caller: LocalUser) -> LocalReply {
    hub.update(|sessions, _| {
        if !sessions.code_is_theirs(caller) {
            return LocalReply::Refused(AgentNotice::NoCode);
        }
        sessions.cancel_code(AgentNotice::CodeCancelled);
        LocalReply::Done
    })
}

/// The person's decision. What they allow is in force once its row is on the disk, which they are told in an event: a
/// program that waited for the disk here could not say Stop meanwhile.
fn decide(hub: &Hub, request: u64, choice: ConsentChoice) -> LocalReply {
    let (decided, in_force) = hub.propose(|sessions, now| sessions.decide(now, request, choice));
    decided.map_or_else(|error| LocalReply::Refused(error.notice()), |_| taken(in_force))
}

fn extend(hub: &Hub, session: SessionId, capabilities: Capabilities, seconds: u32) -> LocalReply {
    let (extended, in_force) =
        hub.propose(|sessions, now| sessions.extend(now.instant, session, capabilities, seconds));
    extended.map_or(LocalReply::Refused(AgentNotice::NoneGranted), |_| taken(in_force))
}

fn resume(hub: &Hub, session: SessionId) -> LocalReply {
    let (resumed, in_force) = hub.propose(|sessions, _| sessions.resume(session));
    resumed.map_or_else(|refusal| LocalReply::Refused(refusal.into()), |_| taken(in_force))
}

/// The change is on its way to the record, unless that is known to be in vain.
fn taken(in_force: UntilInForce) -> LocalReply {
    in_force
        .not_refused_yet()
        .map_or_else(|refusal| LocalReply::Refused(refusal.into()), |()| LocalReply::Done)
}

/// Everything of a person's ends at once.
fn stop_all(service: &LocalService, caller: LocalUser) -> LocalReply {
    service.hub.update(|sessions, now| {
        if sessions.code_is_theirs(caller) {
            sessions.cancel_code(AgentNotice::EverythingStopped);
        }
        sessions.stop_all(now, caller);
    });
    // Also one that a rule has started. After the sessions: theirs is told as the end of the session.
    service.runbooks.stop("stopped by the person at the device");
    LocalReply::Done
}

/// The person says something.
fn say(hub: &Hub, session: SessionId, text: &str) -> LocalReply {
    let Some(handle) = hub.session(session) else { return LocalReply::Refused(AgentNotice::SessionOver) };
    let Some(line) = handle.chat.with(|log| log.say(text, Hub::now())) else {
        // It is empty, or the chat of this session is full.
        return LocalReply::Refused(AgentNotice::ChatFull);
    };
    handle.chat.changed();
    hub.update(|sessions, _| sessions.chat_line(session, line));
    LocalReply::Done
}

/// The person has seen the technician's messages up to `number`.
fn seen(hub: &Hub, session: SessionId, number: u64) -> LocalReply {
    let Some(handle) = hub.session(session) else { return LocalReply::Refused(AgentNotice::SessionOver) };
    handle.chat.with(|log| log.saw(number));
    handle.chat.changed();
    LocalReply::Done
}

/// Windows for the person's eyes, with what their programs say neutralised.
fn shown(windows: &[OpenWindow]) -> Vec<ListedWindow> {
    let shown = windows.iter().map(|window| ListedWindow {
        id: window.id,
        application: text::one_line(&window.application, MAX_TITLE).into(),
        title: text::one_line(&window.title, MAX_TITLE).into(),
    });
    shown.collect()
}

async fn give_opinion(
    hub: &Hub,
    caller: LocalUser,
    session: SessionId,
    opinion: &SessionFeedback,
) -> LocalReply {
    if !hub.read(|sessions, _| sessions.was_theirs(caller, session)) {
        return LocalReply::Refused(AgentNotice::NotTheirs);
    }
    let given = hub.help.give_opinion(session, opinion).await;
    given.map_or_else(|error| LocalReply::Refused(error.notice()), |()| LocalReply::Done)
}

/// Whether what a verb is about is the caller's own; what is somebody else's doesn't exist for them.
fn theirs(hub: &Hub, caller: LocalUser, verb: &LocalVerb) -> Result<(), LocalReply> {
    hub.read(|sessions, now| match verb {
        LocalVerb::Decide { request, .. } if !sessions.asks_them(now.instant, caller, *request) => {
            Err(LocalReply::Refused(AgentNotice::RequestOver))
        }
        LocalVerb::Extend { session, .. }
        | LocalVerb::Revoke { session, .. }
        | LocalVerb::Stop { session }
        | LocalVerb::Say { session, .. }
        | LocalVerb::Seen { session, .. }
        | LocalVerb::Pause { session }
        | LocalVerb::Resume { session }
            if !sessions.is_theirs(caller, *session) =>
        {
            Err(LocalReply::Refused(AgentNotice::SessionOver))
        }
        _ => Ok(()),
    })
}

/// What the quick set of checks found that a person can do something about, the worst first.
async fn fixes(service: &LocalService) -> LocalReply {
    let Ok(_one) = service.looking.try_acquire() else {
        return LocalReply::Refused(AgentNotice::Words("this machine is being looked at already".to_owned()));
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
            () = &mut limit => return LocalReply::Refused(AgentNotice::Words("the checks took too long".to_owned())),
        };
        match event {
            Some(RunEvent::Finished(report)) => {
                platform::give_back_memory_soon();
                return LocalReply::Fixes(mendable(report.findings));
            }
            Some(_) => {}
            None => return LocalReply::Refused(AgentNotice::Words("the checks could not be run".to_owned())),
        }
    }
}

fn mendable(mut findings: Vec<Finding>) -> Vec<FixableFinding> {
    findings.retain(|finding| finding.status.is_problem() && !finding.fix.is_empty());
    findings.sort_by_key(|finding| finding.status);
    // Several checks may say the same to a person.
    let mut known = Vec::new();
    findings.retain(|finding| {
        let mend = SelfHelpHint::of_check(&finding.id)
            // No answer at all is no page to log in on.
            .filter(|mend| *mend != SelfHelpHint::Portal || finding.status == FindingStatus::Fail);
        let new = mend.is_some_and(|mend| !known.contains(&(mend, finding.instance.clone())));
        known.extend(mend.map(|mend| (mend, finding.instance.clone())));
        new
    });
    let fix = |finding: Finding| FixableFinding {
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

    fn finding(id: &str, status: FindingStatus, fix: &str) -> Finding {
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
            finding("disks.space", FindingStatus::Ok, "nothing"),
            finding("cpu.load", FindingStatus::Warn, "do b"),
            finding("memory.available", FindingStatus::Fail, ""),
            finding("memory.available", FindingStatus::Fail, "do d"),
            finding("network.hosts_file", FindingStatus::Fail, "an administrator's matter"),
            finding("processes.cpu", FindingStatus::Warn, "the same as b"),
            finding("network.captive_portal", FindingStatus::Warn, "no answer at all"),
            Finding {
                instance: "/home".to_owned(),
                ..finding("disks.space", FindingStatus::Warn, "do e\nand more")
            },
            finding("network.wifi", FindingStatus::Warn, "do f"),
        ];
        let fixes = mendable(findings);
        let names: Vec<_> = fixes.iter().map(|fix| fix.check.as_str()).collect();
        assert_eq!(names, ["memory.available", "cpu.load", "disks.space:/home"]);
        assert_eq!(fixes[2].advice, "do e and more");
    }
}
