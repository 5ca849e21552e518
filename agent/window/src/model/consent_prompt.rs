//! One request that waits for the person's decision: what is ticked, for how long, and whether Allow works yet.

use core::time::Duration;

use nearhand_proto::grant::{Capabilities, Capability};
use nearhand_proto::message::local::{AgentNotice, ConsentChoice, ConsentRequest, ListedWindow, LocalVerb};

use super::input::{GrantTerm, Uptime, UserAction};
use super::phrases;
use crate::catalog::{Arg, Catalog};

/// How long Allow waits at first contact, so that the person reads who asks. Longer than the agent's own wait, which starts
/// a moment earlier.
const FIRST_CONTACT_WAIT: Duration = Duration::from_secs(5);
/// How long Allow waits otherwise: a click that was meant for what lay under the window is over by then.
const SETTLE_WAIT: Duration = Duration::from_secs(1);

/// Whether it reaches so far that the person confirms it on a second page.
pub(crate) const fn is_elevated(capability: Capability) -> bool {
    matches!(
        capability,
        Capability::Terminal | Capability::Actions | Capability::Reboot | Capability::Runbook
    )
}

/// Whether it only looks and changes nothing. Ticked from the start where nothing else is asked for.
const fn is_passive(capability: Capability) -> bool {
    matches!(
        capability,
        Capability::View | Capability::Window | Capability::Screenshot | Capability::Diagnostics
    )
}

/// Why Allow does nothing now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AllowBlocked {
    /// It works after this time.
    Wait(Duration),
    NothingTicked,
    NoWindow,
}

impl AllowBlocked {
    /// The reason as a sentence.
    pub(crate) fn text(self, catalog: &Catalog) -> String {
        match self {
            Self::Wait(wait) => {
                let time = phrases::time_left(catalog, phrases::round_up(wait));
                catalog.with("consent-wait", &[("time", Arg::Text(&time))])
            }
            Self::NothingTicked => catalog.text("consent-pick"),
            Self::NoWindow => catalog.text("consent-pick-window"),
        }
    }
}

/// A request and what the person has chosen so far.
#[derive(Clone, Debug)]
pub(crate) struct ConsentPrompt {
    pub(crate) request: ConsentRequest,
    arrived: Uptime,
    pub(crate) until: Uptime,
    pub(crate) ticked: Capabilities,
    pub(crate) term: GrantTerm,
    pub(crate) windows: Option<Vec<ListedWindow>>,
    pub(crate) window: Option<u32>,
    /// The second page is shown.
    pub(crate) confirming: bool,
    /// Why the agent refused the last decision.
    pub(crate) refusal: Option<AgentNotice>,
    /// A decision was sent to the agent and has no answer yet.
    sent: bool,
}

impl ConsentPrompt {
    pub(crate) fn new(request: ConsentRequest, now: Uptime) -> Self {
        let wanted = request.capabilities;
        let alone = {
            let mut all = wanted.iter();
            all.next().filter(|first| all.next().is_none() && is_passive(*first))
        };
        let ticked = [Capability::View, Capability::Window]
            .into_iter()
            .find(|seeing| wanted.contains(*seeing))
            .or(alone)
            .map_or(Capabilities::NONE, Capabilities::from);
        let until = now + Duration::from_secs(request.seconds_left.into());
        Self {
            request,
            arrived: now,
            until,
            ticked,
            term: GrantTerm::QuarterHour,
            windows: None,
            window: None,
            confirming: false,
            refusal: None,
            sent: false,
        }
    }

    pub(crate) fn set_windows(&mut self, windows: Vec<ListedWindow>) {
        self.window = self.window.filter(|id| windows.iter().any(|window| window.id == *id));
        self.windows = Some(windows);
    }

    pub(crate) fn set_refused(&mut self, why: AgentNotice) {
        self.sent = false;
        self.confirming = false;
        self.refusal = Some(why);
    }

    /// What is ticked and needs the second page.
    pub(crate) fn elevated(&self) -> Capabilities {
        self.ticked.iter().filter(|capability| is_elevated(*capability)).collect()
    }

    /// Whether Allow leads to the second page.
    pub(crate) fn needs_confirm(&self) -> bool {
        self.term == GrantTerm::UntilStopped || !self.elevated().is_empty()
    }

    /// Why Allow does nothing now; `None` where it works.
    pub(crate) fn allow_blocked(&self, now: Uptime) -> Option<AllowBlocked> {
        let wait = if self.request.first_contact { FIRST_CONTACT_WAIT } else { SETTLE_WAIT };
        let left = (self.arrived + wait).saturating_sub(now);
        if !left.is_zero() {
            return Some(AllowBlocked::Wait(left));
        }
        if self.ticked.is_empty() {
            return Some(AllowBlocked::NothingTicked);
        }
        (self.ticked.contains(Capability::Window) && self.window.is_none()).then_some(AllowBlocked::NoWindow)
    }

    /// The request to the agent that denies.
    pub(crate) const fn denial(&self) -> LocalVerb {
        LocalVerb::Decide { request: self.request.request, choice: ConsentChoice::Deny }
    }

    /// Takes in what the person pressed, and returns what to send to the agent.
    pub(crate) fn act(&mut self, action: &UserAction, now: Uptime) -> Option<LocalVerb> {
        match action {
            UserAction::Tick(capability) if self.request.capabilities.contains(*capability) => {
                self.ticked = self.ticked.with(*capability);
            }
            UserAction::Untick(capability) => {
                self.ticked = self.ticked.without(Capabilities::from(*capability));
            }
            UserAction::ChooseTerm(term) => self.term = *term,
            UserAction::ChooseWindow(id) => {
                let listed = self.windows.iter().flatten().any(|window| window.id == *id);
                self.window = listed.then_some(*id);
            }
            UserAction::Back => self.confirming = false,
            UserAction::Deny => return Some(self.denial()),
            UserAction::Allow if self.allow_blocked(now).is_none() && !self.confirming => {
                if self.needs_confirm() {
                    self.confirming = true;
                    return None;
                }
                return self.approval();
            }
            UserAction::Confirm if self.allow_blocked(now).is_none() && self.confirming => {
                return self.approval();
            }
            _ => {}
        }
        None
    }

    fn approval(&mut self) -> Option<LocalVerb> {
        if self.sent {
            return None;
        }
        let (capabilities, seconds) = (self.ticked, self.term.seconds());
        let window = self.window.filter(|_| capabilities.contains(Capability::Window));
        let choice = ConsentChoice::Allow { capabilities, seconds, window };
        self.sent = true;
        self.refusal = None;
        Some(LocalVerb::Decide { request: self.request.request, choice })
    }
}
