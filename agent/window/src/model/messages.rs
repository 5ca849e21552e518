//! The agent's messages, and the problems that the person can solve without help, in the person's language.

use core::time::Duration;

use nearhand_proto::message::local::{Fix, Mend, Said};
use nearhand_proto::runbook::{Ending, Mode};

use super::phrases::{self, agent_text, quoted_line};
use crate::catalog::{Arg, Catalog};

/// A message of the agent as a sentence. What somebody else wrote in it stands in quotes.
pub(crate) fn text(catalog: &Catalog, message: &Said) -> String {
    let given: Vec<(&'static str, String)> = match message {
        Said::Words(words) => return agent_text(words),
        Said::WrongCode { who } => vec![("who", quoted_line(who))],
        Said::ReadFirst { seconds } | Said::HandsOff { seconds } | Said::CodesLocked { seconds } => {
            vec![("time", phrases::time_left(catalog, Duration::from_secs(*seconds)))]
        }
        Said::NotGranted(what) | Said::GrantOver(what) | Said::NotOffered(what) => {
            vec![("what", phrases::capability_list(catalog, (*what).into()))]
        }
        Said::CantShow { why } | Said::RunbookRefused { why } => vec![("why", agent_text(why))],
        Said::RunbookBegins { title, .. } => vec![("name", quoted_line(title))],
        Said::RunbookStep { runbook, act, before } => {
            let what = catalog.text(&format!("repair-{}", act.name()));
            vec![("name", quoted_line(runbook)), ("what", what), ("why", agent_text(before))]
        }
        Said::RunbookOver { runbook, why, .. } => {
            vec![("name", quoted_line(runbook)), ("why", agent_text(why))]
        }
        _ => Vec::new(),
    };
    let given: Vec<_> = given.iter().map(|(name, value)| (*name, Arg::Text(value))).collect();
    catalog.with(message_key(message), &given)
}

/// Under which key the catalog has it.
const fn message_key(message: &Said) -> &'static str {
    match message {
        Said::Stopped => "said-stopped",
        Said::ByTechnician => "said-by-technician",
        Said::TechnicianRevoked => "said-technician-revoked",
        Said::AgentStops => "said-agent-stops",
        Said::KeyRotated => "said-key-rotated",
        Said::NothingGranted => "said-nothing-granted",
        Said::ByRelay => "said-by-relay",
        Said::Unwatched => "said-unwatched",
        Said::ConnectionLost => "said-connection-lost",
        Said::CodeUsed => "said-code-used",
        Said::CodeBurnt => "said-code-burnt",
        Said::CodeExpired => "said-code-expired",
        Said::CodeCancelled => "said-code-cancelled",
        Said::EverythingStopped => "said-everything-stopped",
        Said::CodeLost => "said-code-lost",
        Said::CodeElsewhere => "said-code-elsewhere",
        Said::ClockOff => "said-clock-off",
        Said::NoRoom { .. } => "said-no-room",
        Said::Missed(_) => "said-missed",
        Said::RequestOver => "said-request-over",
        Said::NothingChosen => "said-nothing-chosen",
        Said::WhichWindow => "said-which-window",
        Said::WindowUnlisted => "said-window-unlisted",
        Said::SessionOver => "said-session-over",
        Said::NoneGranted => "said-none-granted",
        Said::ChatFull => "said-chat-full",
        Said::NoCode => "said-no-code",
        Said::NoRelay => "said-no-relay",
        Said::NoText => "said-no-text",
        Said::NotTheirs => "said-not-theirs",
        Said::NobodySees => "said-nobody-sees",
        Said::PathLost => "said-path-lost",
        Said::PathBack => "said-path-back",
        Said::PictureOver { sent: true, .. } => "said-picture-sent",
        Said::PictureOver { sent: false, .. } => "said-picture-not-sent",
        Said::WindowOver { .. } => "said-window-over",
        // Shown as it is, without the catalog.
        Said::Words(_) => "",
        Said::RunbookRefused { .. } => "said-runbook-refused",
        Said::WrongCode { .. } => "said-wrong-code",
        Said::ReadFirst { .. } => "said-read-first",
        Said::HandsOff { .. } => "said-hands-off",
        Said::CodesLocked { .. } => "said-codes-locked",
        Said::NotGranted(_) => "said-not-granted",
        Said::GrantOver(_) => "said-grant-over",
        Said::NotOffered(_) => "said-not-offered",
        Said::CantShow { .. } => "said-cant-show",
        Said::RunbookBegins { mode: Mode::Apply, .. } => "said-runbook-begins",
        Said::RunbookBegins { mode: Mode::DryRun, .. } => "said-runbook-looks",
        Said::RunbookStep { .. } => "said-runbook-step",
        Said::RunbookOver { ending, .. } => runbook_key(*ending),
    }
}

const fn runbook_key(ending: Ending) -> &'static str {
    match ending {
        Ending::Done => "said-runbook-done",
        Ending::NotDone => "said-runbook-not-done",
        Ending::Failed => "said-runbook-failed",
        Ending::Cancelled => "said-runbook-cancelled",
        Ending::TimedOut => "said-runbook-timed-out",
        Ending::Interrupted => "said-runbook-interrupted",
    }
}

/// A problem that was found on this computer, and what the person can do about it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct HintLine {
    pub(crate) title: String,
    pub(crate) advice: String,
}

/// A found problem in plain words.
pub(crate) fn hint(catalog: &Catalog, fix: &Fix) -> HintLine {
    let (check, on) = fix.check.split_once(':').unwrap_or((&fix.check, ""));
    let Some(mend) = Mend::of_check(check) else {
        // The agent is newer than this window: its own words are shown.
        return HintLine { title: agent_text(&fix.title), advice: agent_text(&fix.advice) };
    };
    let key = match mend {
        Mend::Busy => "fix-busy",
        Mend::Hot => "fix-hot",
        Mend::DiskFull => "fix-disk-full",
        Mend::Battery => "fix-battery",
        Mend::Memory => "fix-memory",
        Mend::NoNetwork => "fix-no-network",
        Mend::Portal => "fix-portal",
        Mend::Wifi => "fix-wifi",
        Mend::Printer => "fix-printer",
        Mend::PrintJobs => "fix-print-jobs",
        Mend::Restart => "fix-restart",
    };
    HintLine {
        title: catalog.with(key, &[("what", Arg::Text(&agent_text(on)))]),
        advice: catalog.text(&format!("{key}-do")),
    }
}
