//! What the window shows, as texts and flags: the data between the model and the markup.

use nearhand_proto::grant::Capability;

use super::activity::ActivityLine;
use super::input::GrantTerm;
use super::messages::HintLine;

/// The page that is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum WindowPage {
    Site,
    #[default]
    Lost,
    Help,
    Code,
    Consent,
    Elevated,
    Session,
    After,
    About,
}

/// All that is shown.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct PageContents {
    pub(crate) page: WindowPage,
    pub(crate) organisation: String,
    pub(crate) connection: String,
    pub(crate) connected: bool,
    /// The person can choose another page.
    pub(crate) tabs: bool,
    pub(crate) remark: String,
    /// The agent of a support team is being started.
    pub(crate) starting: bool,
    /// What was pasted names no support team.
    pub(crate) site_rejected: bool,
    pub(crate) help: HelpPage,
    pub(crate) code: CodePage,
    pub(crate) consent: ConsentPage,
    pub(crate) session: SessionPage,
    pub(crate) after: AfterPage,
    pub(crate) about: [String; 3],
    pub(crate) tray: TrayStatus,
}

/// The page for asking for help.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct HelpPage {
    /// The form is shown, not the state of a request.
    pub(crate) form: bool,
    /// The check for known problems is running.
    pub(crate) hints_running: bool,
    pub(crate) hints: Vec<HintLine>,
    pub(crate) status: String,
    pub(crate) detail: String,
    pub(crate) number: String,
    /// The request can still be withdrawn.
    pub(crate) open: bool,
}

/// The page of the support code.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct CodePage {
    pub(crate) spoken: String,
    pub(crate) left: String,
    pub(crate) gone: String,
    pub(crate) copied: bool,
}

/// The pages of a request.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct ConsentPage {
    pub(crate) request: u64,
    pub(crate) who: String,
    /// The reason in the technician's words.
    pub(crate) reason: String,
    pub(crate) first_contact: bool,
    pub(crate) lines: Vec<CapabilityLine>,
    pub(crate) term: GrantTerm,
    pub(crate) wants_window: bool,
    pub(crate) windows: Vec<WindowOffer>,
    pub(crate) can_allow: bool,
    /// Allow leads to the second page.
    pub(crate) needs_confirm: bool,
    pub(crate) hint: String,
    pub(crate) left: String,
    pub(crate) refused: String,
    pub(crate) more: String,
    /// The second page's sentence: who would get far-reaching access.
    pub(crate) elevated: String,
    pub(crate) elevated_lines: Vec<CapabilityLine>,
    pub(crate) elevated_open: bool,
}

/// A capability that is asked for.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct CapabilityLine {
    pub(crate) capability: Capability,
    pub(crate) permits: String,
    pub(crate) risk: String,
    pub(crate) ticked: bool,
    /// It reaches so far that it is confirmed on the second page.
    pub(crate) elevated: bool,
}

/// A window that can be chosen.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct WindowOffer {
    pub(crate) id: u32,
    pub(crate) title: String,
    pub(crate) application: String,
    pub(crate) chosen: bool,
}

/// A session under way, on its page and on the banner.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct SessionPage {
    pub(crate) who: String,
    pub(crate) reason: String,
    pub(crate) since: String,
    pub(crate) state: String,
    pub(crate) paused: bool,
    pub(crate) left: String,
    pub(crate) granted: Vec<GrantedLine>,
    pub(crate) activity: Vec<ActivityLine>,
    pub(crate) chat: Vec<ChatEntry>,
    pub(crate) banner_who: String,
    pub(crate) banner_can: String,
    /// The hot key for Stop, as a sentence.
    pub(crate) stop_key: String,
    pub(crate) more: String,
}

/// What is granted, with the button that takes it back.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct GrantedLine {
    pub(crate) capability: Capability,
    pub(crate) name: String,
}

/// A chat message that is shown.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct ChatEntry {
    pub(crate) mine: bool,
    pub(crate) author: String,
    pub(crate) text: String,
    pub(crate) time: String,
    pub(crate) mark: String,
}

/// The page of a session that has ended.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct AfterPage {
    pub(crate) summary: String,
    pub(crate) why: String,
    pub(crate) activity: Vec<ActivityLine>,
    pub(crate) saved: String,
    pub(crate) rated: bool,
    pub(crate) reported: bool,
}

/// What the tray icon shows.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct TrayStatus {
    pub(crate) text: String,
    /// A session is under way.
    pub(crate) busy: bool,
}
