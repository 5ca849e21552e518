//! The state of the window, as data.

use std::collections::{BTreeMap, VecDeque};

use nearhand_proto::id::SessionId;
use nearhand_proto::message::local::{AgentNotice, AgentStatus, FixableFinding, HelpStatus};

use super::consent_prompt::ConsentPrompt;
use super::input::{HomeTab, StopKey, Uptime};
use super::session_review::SessionReview;
use super::shown_session::ShownSession;
use crate::catalog::Catalog;

/// How far the window is with finding its agent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AgentState {
    /// The person has yet to name a support team.
    NoSite,
    /// What the person pasted names no support team.
    SiteRejected,
    /// The person named a support team, and its agent is being started.
    Starting,
    /// The agent hasn't answered yet.
    Connecting,
    Connected,
    /// The agent answered before and no longer does.
    Lost,
}

/// What the person looks at while nothing is asked and no session is under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HomePage {
    Tab(HomeTab),
    /// The page about the program; closing it leads back to this tab.
    About(HomeTab),
}

impl HomePage {
    pub(super) const fn tab(self) -> HomeTab {
        match self {
            Self::Tab(tab) | Self::About(tab) => tab,
        }
    }
}

/// The support code.
#[derive(Clone, Debug)]
pub(super) enum CodePageState {
    None,
    Shown(DisplayedCode),
    /// There was one, and it ended for this reason.
    Gone(AgentNotice),
}

/// A support code and until when it works.
#[derive(Clone, Debug)]
pub(super) struct DisplayedCode {
    pub(super) spoken: String,
    pub(super) until: Uptime,
    /// It was put on the clipboard.
    pub(super) copied: bool,
}

impl CodePageState {
    /// The code that is shown is no longer valid, and there is nothing to say about it.
    pub(super) fn forget(&mut self) {
        if matches!(self, Self::Shown(_)) {
            *self = Self::None;
        }
    }
}

/// The quick check for problems that the person can solve without help.
#[derive(Clone, Debug)]
pub(super) enum HintSearch {
    NotStarted,
    Running,
    Found(Vec<FixableFinding>),
}

/// When the form for asking for help is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HelpForm {
    /// While there is no request.
    WithoutRequest,
    /// Also over a request that has ended: the person wants to ask again.
    AskAgain,
}

/// All that the window knows.
pub(crate) struct WindowModel {
    pub(crate) catalog: Catalog,
    pub(super) offset: time::UtcOffset,
    pub(super) agent: AgentState,
    /// The agent's last report of its state.
    pub(super) status: Option<AgentStatus>,
    pub(super) home: HomePage,
    pub(super) code: CodePageState,
    /// Requests that wait for the person; the first is shown.
    pub(super) prompts: VecDeque<ConsentPrompt>,
    pub(super) live: BTreeMap<SessionId, ShownSession>,
    /// The session that is shown.
    pub(super) current: Option<SessionId>,
    pub(super) ended: Option<SessionReview>,
    pub(super) hints: HintSearch,
    pub(super) help: HelpStatus,
    pub(super) help_form: HelpForm,
    /// A remark at the top of the window, and until when it stays.
    pub(super) remark: Option<(String, Uptime)>,
    pub(super) stop_key: StopKey,
}

impl WindowModel {
    /// A window without an agent. `ask_site`: the person names the support team first.
    pub(crate) const fn new(catalog: Catalog, offset: time::UtcOffset, ask_site: bool) -> Self {
        Self {
            catalog,
            offset,
            agent: if ask_site { AgentState::NoSite } else { AgentState::Connecting },
            status: None,
            home: HomePage::Tab(HomeTab::Help),
            code: CodePageState::None,
            prompts: VecDeque::new(),
            live: BTreeMap::new(),
            current: None,
            ended: None,
            hints: HintSearch::NotStarted,
            help: HelpStatus::None,
            help_form: HelpForm::WithoutRequest,
            remark: None,
            stop_key: StopKey::Ours,
        }
    }

    /// Whether a session is under way.
    pub(crate) fn has_live_session(&self) -> bool {
        !self.live.is_empty()
    }

    /// The session that is shown.
    pub(super) fn current(&self) -> Option<(SessionId, &ShownSession)> {
        let id = self.current?;
        Some((id, self.live.get(&id)?))
    }
}
