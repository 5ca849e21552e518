//! One request that waits for the person's decision: what is ticked, for how long, whether Allow counts yet.

use core::time::Duration;

use nearhand_proto::grant::{Capabilities, Capability, MAX_DURATION};
use nearhand_proto::message::local::{Choice, ConsentRequest, Said, Verb, Window};

use super::{Act, Now};

/// How long who asks is read before Allow works at first contact. Longer than the agent's own wait, which counts from
/// a moment earlier.
const FIRST_CONTACT: Duration = Duration::from_secs(5);
/// And otherwise: a click that was meant for what lay under the window is over by then.
const SETTLE: Duration = Duration::from_secs(1);

/// For how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Term {
    Quarter,
    Hour,
    /// Until the person stops it; the agent's longest at most.
    Open,
}

impl Term {
    pub(crate) const ALL: [Self; 3] = [Self::Quarter, Self::Hour, Self::Open];

    fn seconds(self) -> u32 {
        match self {
            Self::Quarter => 15 * 60,
            Self::Hour => 60 * 60,
            Self::Open => u32::try_from(MAX_DURATION.as_secs()).unwrap_or(u32::MAX),
        }
    }
}

/// Whether it reaches so far that it is confirmed on a page of its own.
pub(crate) const fn is_elevated(capability: Capability) -> bool {
    matches!(
        capability,
        Capability::Terminal | Capability::Actions | Capability::Reboot | Capability::Runbook
    )
}

/// What is seen without anything being touched: ticked from the start where it is all that is asked for.
const fn is_passive(capability: Capability) -> bool {
    matches!(
        capability,
        Capability::View | Capability::Window | Capability::Screenshot | Capability::Diagnostics
    )
}

/// Why Allow does nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Held {
    /// For so long.
    Wait(Duration),
    NothingTicked,
    NoWindow,
}

/// A request and what the person has chosen so far.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) request: ConsentRequest,
    arrived: Now,
    pub(crate) until: Now,
    pub(crate) ticked: Capabilities,
    pub(crate) term: Term,
    pub(crate) windows: Option<Vec<Window>>,
    pub(crate) window: Option<u32>,
    /// The second page is shown.
    pub(crate) confirming: bool,
    /// What the agent said to the last decision.
    pub(crate) refusal: Option<Said>,
    /// A decision is on its way.
    sent: bool,
}

impl Asked {
    pub(crate) fn new(request: ConsentRequest, now: Now) -> Self {
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
            term: Term::Quarter,
            windows: None,
            window: None,
            confirming: false,
            refusal: None,
            sent: false,
        }
    }

    pub(crate) fn windows(&mut self, windows: Vec<Window>) {
        self.window = self.window.filter(|id| windows.iter().any(|window| window.id == *id));
        self.windows = Some(windows);
    }

    pub(crate) fn refused(&mut self, why: Said) {
        self.sent = false;
        self.confirming = false;
        self.refusal = Some(why);
    }

    /// What is ticked among what reaches far.
    pub(crate) fn elevated(&self) -> Capabilities {
        self.ticked.iter().filter(|capability| is_elevated(*capability)).collect()
    }

    /// Whether the second page has to be confirmed.
    pub(crate) fn needs_second(&self) -> bool {
        self.term == Term::Open || !self.elevated().is_empty()
    }

    /// Why Allow does nothing now, if so.
    pub(crate) fn held(&self, now: Now) -> Option<Held> {
        let wait = if self.request.first_contact { FIRST_CONTACT } else { SETTLE };
        let left = (self.arrived + wait).saturating_sub(now);
        if !left.is_zero() {
            return Some(Held::Wait(left));
        }
        if self.ticked.is_empty() {
            return Some(Held::NothingTicked);
        }
        (self.ticked.contains(Capability::Window) && self.window.is_none()).then_some(Held::NoWindow)
    }

    /// The verb that says no.
    pub(crate) const fn denied(&self) -> Verb {
        Verb::Decide { request: self.request.request, choice: Choice::Deny }
    }

    /// What the person pressed here; what to ask the agent.
    pub(crate) fn act(&mut self, act: &Act, now: Now) -> Option<Verb> {
        match act {
            Act::Tick(capability, on) if self.request.capabilities.contains(*capability) => {
                self.ticked = match on {
                    true => self.ticked.with(*capability),
                    false => self.ticked.without(Capabilities::from(*capability)),
                };
            }
            Act::Term(term) => self.term = *term,
            Act::Window(id) => {
                let listed = self.windows.iter().flatten().any(|window| window.id == *id);
                self.window = listed.then_some(*id);
            }
            Act::Back => self.confirming = false,
            Act::Deny => return Some(self.denied()),
            Act::Allow if self.held(now).is_none() && !self.confirming => {
                if self.needs_second() {
                    self.confirming = true;
                    return None;
                }
                return self.allowed();
            }
            Act::Confirm if self.held(now).is_none() && self.confirming => return self.allowed(),
            _ => {}
        }
        None
    }

    fn allowed(&mut self) -> Option<Verb> {
        if self.sent {
            return None;
        }
        let (capabilities, seconds) = (self.ticked, self.term.seconds());
        let window = self.window.filter(|_| capabilities.contains(Capability::Window));
        let choice = Choice::Allow { capabilities, seconds, window };
        self.sent = true;
        self.refusal = None;
        Some(Verb::Decide { request: self.request.request, choice })
    }
}
