//! What happens to the window, and what it asks its surroundings to do.

use core::time::Duration;

use nearhand_proto::grant::{Capability, MAX_DURATION};
use nearhand_proto::message::local::{AgentNotice, AgentStatus, LocalEvent, LocalReply, LocalVerb, Urgency};

/// Time since the window was started.
pub(crate) type Uptime = Duration;

/// Where a press came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PressSource {
    /// The person pressed: with a device, or through a screen reader.
    Person,
    /// A program imitated a device.
    Program,
}

/// A page that the person can choose while nothing is asked and no session is under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HomeTab {
    Help,
    Code,
}

/// How long what is allowed lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum GrantTerm {
    #[default]
    QuarterHour,
    OneHour,
    /// Until the person stops it, or the agent's longest time is over.
    UntilStopped,
}

impl GrantTerm {
    /// The longest time, in seconds.
    pub(super) fn seconds(self) -> u32 {
        match self {
            Self::QuarterHour => 15 * 60,
            Self::OneHour => 60 * 60,
            Self::UntilStopped => u32::try_from(MAX_DURATION.as_secs()).unwrap_or(u32::MAX),
        }
    }
}

/// What the person does in the window.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum UserAction {
    ShowTab(HomeTab),
    /// Opens the page about the program, or closes it again.
    ToggleAbout,
    /// The text that names the support team.
    UseSite(String),
    AskForHelp {
        problem: String,
        urgency: Urgency,
        contact: String,
    },
    WithdrawHelp,
    /// Opens the form again after a request for help has ended.
    AskAgain,
    NewCode,
    CancelCode,
    /// The code was put on the clipboard.
    CodeCopied,
    Tick(Capability),
    Untick(Capability),
    ChooseTerm(GrantTerm),
    ChooseWindow(u32),
    Allow,
    /// Allows on the second page, which far-reaching access needs.
    Confirm,
    /// Leaves the second page.
    Back,
    Deny,
    Stop,
    StopAll,
    Pause,
    Resume,
    Extend,
    TakeBack(Capability),
    SendMessage(String),
    SaveRecord,
    Rate {
        stars: u8,
        comment: String,
    },
    Report(String),
    /// Leaves the page of a session that has ended.
    Finish,
    CloseWindow,
}

impl UserAction {
    /// Whether the technician gets more than before. Only the person may press such a thing, no program.
    pub(crate) const fn widens(&self) -> bool {
        matches!(
            self,
            Self::NewCode
                | Self::Tick(_)
                | Self::ChooseTerm(_)
                | Self::ChooseWindow(_)
                | Self::Allow
                | Self::Confirm
                | Self::Resume
                | Self::Extend
                | Self::UseSite(_)
        )
    }
}

/// The hot key for Stop, as keyboards name it. `platform::BannerGuard` grabs it.
pub(super) const STOP_KEY_NAME: &str = "Ctrl+Alt+End";

/// Who holds the hot key for Stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StopKey {
    /// This window: the key works.
    Ours,
    /// Another program had it first.
    Taken,
}

/// What became of saving a session's record as a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum SaveOutcome {
    /// Saved under this path.
    Saved(String),
    /// Not saved, for this reason in the system's words.
    Failed(String),
}

/// What happens to the window.
#[derive(Debug)]
pub(crate) enum WindowInput {
    /// The agent answers and reports its state.
    Connected(Box<AgentStatus>),
    /// The connection to the agent is lost.
    Lost,
    Event(LocalEvent),
    /// The agent's answer to a request, or why it refused it.
    Answer(LocalVerb, Result<LocalReply, AgentNotice>),
    RecordSaved(SaveOutcome),
    Action(UserAction, PressSource),
    StopKey(StopKey),
}

/// What the window's surroundings are to do.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum WindowEffect {
    /// Send this request to the agent.
    Send(LocalVerb),
    /// Save this text as a file among the person's documents.
    SaveRecord(String),
    /// Show a desktop notification.
    Notify { title: String, body: String },
    /// Bring the window to the front.
    Show,
    /// Hide the window; the banner stays.
    Hide,
    /// Tell the program that started the window which support team the person named.
    ReportSite(String),
    /// Close the window, after telling the agent.
    Leave,
}
