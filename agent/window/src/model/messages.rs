//! The agent's messages, and the problems that the person can solve without help, in the person's language.

use core::time::Duration;

use nearhand_proto::message::local::{AgentNotice, FixableFinding, SelfHelpHint};
use nearhand_proto::runbook::{RunEnding, RunMode};

use super::phrases::{self, agent_text, quoted_line};
use crate::catalog::{Arg, Catalog};

/// A message of the agent as a sentence. What somebody else wrote in it stands in quotes.
pub(crate) fn text(catalog: &Catalog, message: &AgentNotice) -> String {
    let given: Vec<(&'static str, String)> = match message {
        AgentNotice::Words(words) => return agent_text(words),
        AgentNotice::WrongCode { who } => vec![("who", quoted_line(who))],
        AgentNotice::ReadFirst { seconds }
        | AgentNotice::HandsOff { seconds }
        | AgentNotice::CodesLocked { seconds } => {
            vec![("time", phrases::time_left(catalog, Duration::from_secs(*seconds)))]
        }
        AgentNotice::NotGranted(what) | AgentNotice::GrantOver(what) | AgentNotice::NotOffered(what) => {
            vec![("what", phrases::capability_list(catalog, (*what).into()))]
        }
        AgentNotice::CantShow { why } | AgentNotice::RunbookRefused { why } => vec![("why", agent_text(why))],
        AgentNotice::RunbookBegins { title, .. } => vec![("name", quoted_line(title))],
        AgentNotice::RunbookStep { runbook, act, before } => {
            let what = catalog.text(&format!("repair-{}", act.name()));
            vec![("name", quoted_line(runbook)), ("what", what), ("why", agent_text(before))]
        }
        AgentNotice::RunbookOver { runbook, why, .. } => {
            vec![("name", quoted_line(runbook)), ("why", agent_text(why))]
        }
        _ => Vec::new(),
    };
    let given: Vec<_> = given.iter().map(|(name, value)| (*name, Arg::Text(value))).collect();
    catalog.with(message_key(message), &given)
}

/// Under which key the catalog has it.
const fn message_key(message: &AgentNotice) -> &'static str {
    match message {
        AgentNotice::Stopped => "said-stopped",
        AgentNotice::ByTechnician => "said-by-technician",
        AgentNotice::TechnicianRevoked => "said-technician-revoked",
        AgentNotice::AgentStops => "said-agent-stops",
        AgentNotice::KeyRotated => "said-key-rotated",
        AgentNotice::NothingGranted => "said-nothing-granted",
        AgentNotice::ByRelay => "said-by-relay",
        AgentNotice::Unwatched => "said-unwatched",
        AgentNotice::OtherUser => "said-other-user",
        AgentNotice::ConnectionLost => "said-connection-lost",
        AgentNotice::CodeUsed => "said-code-used",
        AgentNotice::CodeBurnt => "said-code-burnt",
        AgentNotice::CodeExpired => "said-code-expired",
        AgentNotice::CodeCancelled => "said-code-cancelled",
        AgentNotice::EverythingStopped => "said-everything-stopped",
        AgentNotice::CodeLost => "said-code-lost",
        AgentNotice::CodeElsewhere => "said-code-elsewhere",
        AgentNotice::ClockOff => "said-clock-off",
        AgentNotice::RecordUnwritable { .. } => "said-record-unwritable",
        AgentNotice::RecordWritable => "said-record-writable",
        AgentNotice::Missed(_) => "said-missed",
        AgentNotice::RequestOver => "said-request-over",
        AgentNotice::NothingChosen => "said-nothing-chosen",
        AgentNotice::WhichWindow => "said-which-window",
        AgentNotice::WindowUnlisted => "said-window-unlisted",
        AgentNotice::SessionOver => "said-session-over",
        AgentNotice::NoneGranted => "said-none-granted",
        AgentNotice::ChatFull => "said-chat-full",
        AgentNotice::NoCode => "said-no-code",
        AgentNotice::NoRelay => "said-no-relay",
        AgentNotice::NotTheirScreen => "said-not-their-screen",
        AgentNotice::TooManyPrograms => "said-too-many-programs",
        AgentNotice::NoText => "said-no-text",
        AgentNotice::NotTheirs => "said-not-theirs",
        AgentNotice::NobodySees => "said-nobody-sees",
        AgentNotice::PathLost => "said-path-lost",
        AgentNotice::PathBack => "said-path-back",
        AgentNotice::PictureOver { sent: true, .. } => "said-picture-sent",
        AgentNotice::PictureOver { sent: false, .. } => "said-picture-not-sent",
        AgentNotice::WindowOver { .. } => "said-window-over",
        // Shown as it is, without the catalog.
        AgentNotice::Words(_) => "",
        AgentNotice::RunbookRefused { .. } => "said-runbook-refused",
        AgentNotice::WrongCode { .. } => "said-wrong-code",
        AgentNotice::ReadFirst { .. } => "said-read-first",
        AgentNotice::HandsOff { .. } => "said-hands-off",
        AgentNotice::CodesLocked { .. } => "said-codes-locked",
        AgentNotice::NotGranted(_) => "said-not-granted",
        AgentNotice::GrantOver(_) => "said-grant-over",
        AgentNotice::NotOffered(_) => "said-not-offered",
        AgentNotice::CantShow { .. } => "said-cant-show",
        AgentNotice::RunbookBegins { mode: RunMode::Apply, .. } => "said-runbook-begins",
        AgentNotice::RunbookBegins { mode: RunMode::DryRun, .. } => "said-runbook-looks",
        AgentNotice::RunbookStep { .. } => "said-runbook-step",
        AgentNotice::RunbookOver { ending, .. } => runbook_key(*ending),
    }
}

const fn runbook_key(ending: RunEnding) -> &'static str {
    match ending {
        RunEnding::Done => "said-runbook-done",
        RunEnding::NotDone => "said-runbook-not-done",
        RunEnding::Failed => "said-runbook-failed",
        RunEnding::Cancelled => "said-runbook-cancelled",
        RunEnding::TimedOut => "said-runbook-timed-out",
        RunEnding::Interrupted => "said-runbook-interrupted",
    }
}

/// A problem that was found on this computer, and what the person can do about it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct HintLine {
    pub(crate) title: String,
    pub(crate) advice: String,
}

/// A found problem in plain words.
pub(crate) fn hint(catalog: &Catalog, fix: &FixableFinding) -> HintLine {
    let (check, on) = fix.check.split_once(':').unwrap_or((&fix.check, ""));
    let Some(mend) = SelfHelpHint::of_check(check) else {
        // The agent is newer than this window: its own words are shown.
        return HintLine { title: agent_text(&fix.title), advice: agent_text(&fix.advice) };
    };
    let key = match mend {
        SelfHelpHint::Busy => "fix-busy",
        SelfHelpHint::Hot => "fix-hot",
        SelfHelpHint::DiskFull => "fix-disk-full",
        SelfHelpHint::Battery => "fix-battery",
        SelfHelpHint::Memory => "fix-memory",
        SelfHelpHint::NoNetwork => "fix-no-network",
        SelfHelpHint::Portal => "fix-portal",
        SelfHelpHint::Wifi => "fix-wifi",
        SelfHelpHint::Printer => "fix-printer",
        SelfHelpHint::PrintJobs => "fix-print-jobs",
        SelfHelpHint::Restart => "fix-restart",
    };
    HintLine {
        title: catalog.with(key, &[("what", Arg::Text(&agent_text(on)))]),
        advice: catalog.text(&format!("{key}-do")),
    }
}
