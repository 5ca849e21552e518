//! Consent and grants: what may be done on this device, by whom, until when.
//!
//! A pure core: time comes in as an argument, decisions come out as values. The agent asks it at every
//! request and trusts neither the relay nor the client on it; expiry runs on the monotonic clock, so setting the wall
//! clock changes nothing. No answer is a no. What widens what is allowed takes a [`Recorded`]: the proof that its row is on
//! the disk. Must not live here: who is shown a request and how, the audit log, the owner's policy (see `policy`).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nearhand_proto::grant::{Capabilities, Capability, MAX_DURATION};
use nearhand_proto::id::SessionId;
use nearhand_proto::message::local::{AgentNotice, ConsentChoice};
use nearhand_proto::message::session::{GrantedCapability, SessionRefusal};

use crate::display_owner::DisplayOwner;
use crate::record::Recorded;

/// How long a person has to answer.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// At first contact, Allow counts only this long after the request appeared: time to read the warning, and
/// too long for a click that was meant for something else.
pub const FIRST_CONTACT_WAIT: Duration = Duration::from_secs(3);
/// A session in which nothing is granted and nothing is asked for ends after this long: nobody is helped any
/// more, and a forgotten one must not stay open.
pub const IDLE_FOR: Duration = Duration::from_secs(2 * 3600);
/// A technician with the keyboard could answer their own request: for so long after the last thing that they typed or
/// clicked, nothing that widens what may be done is taken from this device.
pub const HANDS_OFF: Duration = Duration::from_secs(3);
/// Most requests of one session that wait at once.
const MAX_PENDING: usize = 4;

/// What is granted or prolonged, for how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GrantTerms {
    /// In which session.
    pub session: SessionId,
    /// What is granted or prolonged.
    pub capabilities: Capabilities,
    /// For how long, or for how much longer.
    pub duration: Duration,
}

/// What a row can be written for so that consent takes it: it says what it grants or prolongs, if it does.
pub trait StatesTerms {
    /// What it grants or prolongs.
    fn terms(&self) -> &[GrantTerms];
}

impl StatesTerms for GrantTerms {
    fn terms(&self) -> &[GrantTerms] {
        core::slice::from_ref(self)
    }
}

/// Number of a request at this device.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RequestId(pub u64);

/// A technician's request that a person has to decide.
#[derive(Clone, Debug)]
pub struct Ask {
    /// In which session.
    pub session: SessionId,
    /// The technician's own number for it; `None`: the agent asks, because another user is at the screen.
    pub theirs: Option<u32>,
    /// Who decides; `None`: anybody at the device.
    pub person: Option<u32>,
    /// The display that it is about, if it is about one.
    pub screen: Option<DisplayOwner>,
    /// What the technician asks for.
    pub capabilities: Capabilities,
    /// For how long.
    pub duration: Duration,
    /// Whether this technician asks on this device for the first time.
    pub first_contact: bool,
}

#[derive(Debug)]
struct Pending {
    ask: Ask,
    allow_from: Instant,
    deadline: Instant,
}

/// What came of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// In which session.
    pub session: SessionId,
    /// The technician's number of the request, if it was theirs.
    pub theirs: Option<u32>,
    /// Who decided it.
    pub person: Option<u32>,
    /// The display that it is about, if it is about one.
    pub screen: Option<DisplayOwner>,
    /// What is to be granted and for how long, or why nothing.
    pub outcome: Result<(Capabilities, Duration), SessionRefusal>,
}

impl Decided {
    fn of(ask: &Ask, outcome: Result<(Capabilities, Duration), SessionRefusal>) -> Self {
        Self {
            session: ask.session,
            theirs: ask.theirs,
            person: ask.person,
            screen: ask.screen.clone(),
            outcome,
        }
    }
}

/// Why a person's decision was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecideError {
    /// It was decided already, or withdrawn, or its time is over.
    #[error("that request is no longer open")]
    NotOpen,
    /// First contact: Allow counts only after a wait.
    #[error("first read who asks and why: Allow works in {seconds} s")]
    TooSoon {
        /// Seconds to wait.
        seconds: u64,
    },
    /// A technician types or clicks right now, so it may be theirs.
    #[error("a technician is using this keyboard or mouse: answer when they have kept still for {seconds} s")]
    HandsOff {
        /// Seconds to wait.
        seconds: u64,
    },
    /// Nothing of what was asked for was allowed.
    #[error("nothing of what was asked for is in that choice; deny it instead")]
    Nothing,
    /// One window is to be seen, and none was chosen.
    #[error("choose which window may be seen; no other one is")]
    WhichWindow,
    /// The window isn't in the newest list.
    #[error("that window is no longer in the list; look at the list again")]
    NoSuchWindow,
}

impl DecideError {
    /// As the person is told.
    pub const fn notice(self) -> AgentNotice {
        match self {
            Self::NotOpen => AgentNotice::RequestOver,
            Self::TooSoon { seconds } => AgentNotice::ReadFirst { seconds },
            Self::HandsOff { seconds } => AgentNotice::HandsOff { seconds },
            Self::Nothing => AgentNotice::NothingChosen,
            Self::WhichWindow => AgentNotice::WhichWindow,
            Self::NoSuchWindow => AgentNotice::WindowUnlisted,
        }
    }
}

/// What time has brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nobody answered: refused.
    TimedOut {
        /// The request that nobody answered.
        request: RequestId,
        /// What came of it.
        decided: Decided,
    },
    /// Grants ran out.
    Expired {
        /// In which session.
        session: SessionId,
        /// The capabilities whose time is over.
        capabilities: Capabilities,
    },
    /// Nothing was granted or asked for in a long time.
    Idle {
        /// In which session.
        session: SessionId,
    },
}

#[derive(Debug)]
struct Grants {
    until: BTreeMap<Capability, Instant>,
    /// When something was last granted, asked for, or ran out.
    used: Instant,
    /// Ran out; a refusal says so.
    over: Capabilities,
    /// Good for one act each, which is under way.
    taken: Capabilities,
}

/// The state of consent on this device.
#[derive(Debug, Default)]
pub struct Consent {
    last: u64,
    pending: BTreeMap<RequestId, Pending>,
    sessions: BTreeMap<SessionId, Grants>,
    /// When a technician's input was last passed on to the display.
    injected: Option<Instant>,
}

impl Consent {
    /// A technician's key or click is passed on to the display.
    pub fn injected(&mut self, now: Instant) {
        self.injected = Some(now);
    }

    /// Whether what is decided at this device now is the person's own.
    ///
    /// # Errors
    /// [`DecideError::HandsOff`] shortly after a technician's key or click; it says for how many seconds to wait.
    pub fn hands_off(&self, now: Instant) -> Result<(), DecideError> {
        let left = self.injected.map(|at| (at + HANDS_OFF).saturating_duration_since(now));
        match left.filter(|left| !left.is_zero()) {
            Some(left) => Err(DecideError::HandsOff { seconds: left.as_secs() + 1 }),
            None => Ok(()),
        }
    }

    /// A session has begun; nothing is granted.
    pub fn begin(&mut self, now: Instant, session: SessionId) {
        let empty =
            Grants { until: BTreeMap::new(), used: now, over: Capabilities::NONE, taken: Capabilities::NONE };
        self.sessions.entry(session).or_insert(empty);
    }

    /// A session has ended: its grants and requests go. Returns the requests that were open, and whom they were for.
    pub fn end(&mut self, session: SessionId) -> Vec<(RequestId, Option<u32>)> {
        self.sessions.remove(&session);
        self.withdraw(|ask| ask.session == session)
    }

    /// Requests that are no longer asked. Returns them, and whom they were for.
    pub fn withdraw(&mut self, is_hit: impl Fn(&Ask) -> bool) -> Vec<(RequestId, Option<u32>)> {
        let hit = self.pending.iter().filter(|(_, pending)| is_hit(&pending.ask));
        let hit: Vec<_> = hit.map(|(id, pending)| (*id, pending.ask.person)).collect();
        for (id, _) in &hit {
            self.pending.remove(id);
        }
        hit
    }

    /// A person is asked.
    ///
    /// # Errors
    /// [`SessionRefusal::TooMany`] beyond the requests that may wait; [`SessionRefusal::Protocol`] for an empty request or
    /// a session that isn't there.
    pub fn ask(&mut self, now: Instant, ask: &Ask) -> Result<RequestId, SessionRefusal> {
        if ask.capabilities.is_empty() || ask.duration.is_zero() || !self.sessions.contains_key(&ask.session)
        {
            return Err(SessionRefusal::Protocol);
        }
        if self.pending.values().filter(|p| p.ask.session == ask.session).count() >= MAX_PENDING {
            return Err(SessionRefusal::TooMany);
        }
        self.last += 1;
        let id = RequestId(self.last);
        if let Some(grants) = self.sessions.get_mut(&ask.session) {
            grants.used = now;
        }
        let wait = if ask.first_contact { FIRST_CONTACT_WAIT } else { Duration::ZERO };
        let ask = Ask { duration: ask.duration.min(MAX_DURATION), ..ask.clone() };
        self.pending.insert(id, Pending { ask, allow_from: now + wait, deadline: now + ANSWER_WITHIN });
        Ok(id)
    }

    /// The person's decision. It grants nothing yet: [`Consent::grant`] does, once it is written down.
    ///
    /// # Errors
    /// [`DecideError`]; the request then still waits (unless it is [`DecideError::NotOpen`]).
    pub fn decide(
        &mut self,
        now: Instant,
        request: RequestId,
        choice: ConsentChoice,
    ) -> Result<Decided, DecideError> {
        let pending = self.pending.get(&request).filter(|p| now < p.deadline).ok_or(DecideError::NotOpen)?;
        let outcome = match choice {
            ConsentChoice::Deny => Err(SessionRefusal::Denied),
            ConsentChoice::Allow { capabilities, seconds, window } => {
                self.hands_off(now)?;
                if now < pending.allow_from {
                    let seconds = (pending.allow_from - now).as_secs() + 1;
                    return Err(DecideError::TooSoon { seconds });
                }
                let allowed = capabilities.intersection(pending.ask.capabilities);
                // Without a window there is nothing to be seen; the rest of the choice stands.
                let allowed =
                    if window.is_some() { allowed } else { allowed.without(Capability::Window.into()) };
                if window.is_none() && allowed.is_empty() && capabilities.contains(Capability::Window) {
                    return Err(DecideError::WhichWindow);
                }
                if allowed.is_empty() || seconds == 0 {
                    return Err(DecideError::Nothing);
                }
                Ok((allowed, Duration::from_secs(seconds.into()).min(MAX_DURATION)))
            }
        };
        let decided = Decided::of(&pending.ask, outcome);
        self.pending.remove(&request);
        Ok(decided)
    }

    /// Puts a grant in force that is decided and written down. Never shortens what is granted already.
    pub fn grant(&mut self, now: Instant, recorded: &Recorded<impl StatesTerms>) {
        for GrantTerms { session, capabilities: what, duration } in recorded.subject().terms().iter().copied()
        {
            let Some(grants) = self.sessions.get_mut(&session) else { continue };
            let until = now + duration.min(MAX_DURATION);
            grants.used = now;
            for capability in what.iter() {
                let entry = grants.until.entry(capability).or_insert(until);
                *entry = (*entry).max(until);
            }
            grants.over = grants.over.without(what);
            grants.taken = grants.taken.without(what);
        }
    }

    /// What is granted now and not used up, with the exact time that is left.
    pub fn remaining(&self, now: Instant, session: SessionId) -> Vec<(Capability, Duration)> {
        let Some(grants) = self.sessions.get(&session) else { return Vec::new() };
        let left = grants.until.iter().map(|(what, until)| (*what, until.saturating_duration_since(now)));
        left.filter(|(what, left)| !left.is_zero() && !grants.taken.contains(*what)).collect()
    }

    /// Whether an act may be done now. Asked at every request.
    ///
    /// # Errors
    /// [`SessionRefusal::NotGranted`] or [`SessionRefusal::Expired`].
    pub fn allows(&self, now: Instant, session: SessionId, what: Capability) -> Result<(), SessionRefusal> {
        let Some(grants) = self.sessions.get(&session) else { return Err(SessionRefusal::NotGranted(what)) };
        if grants.taken.contains(what) {
            return Err(SessionRefusal::NotGranted(what));
        }
        match grants.until.get(&what) {
            Some(until) if now < *until => Ok(()),
            Some(_) => Err(SessionRefusal::Expired(what)),
            None if grants.over.contains(what) => Err(SessionRefusal::Expired(what)),
            None => Err(SessionRefusal::NotGranted(what)),
        }
    }

    /// Takes a grant that is good for one act. No other act is allowed by it until it is granted again. Once this act
    /// is over ([`Consent::used_up`]), the grant is gone.
    ///
    /// # Errors
    /// [`SessionRefusal::NotGranted`] if it was never granted or another act has taken it; [`SessionRefusal::Expired`]
    /// if its time is over. The technician has to ask again after both.
    pub fn take(&mut self, now: Instant, session: SessionId, what: Capability) -> Result<(), SessionRefusal> {
        self.allows(now, session, what)?;
        if let Some(grants) = self.sessions.get_mut(&session) {
            grants.taken = grants.taken.with(what);
        }
        Ok(())
    }

    /// The act that a grant was taken for is over. Returns whether the grant goes with it: it may be gone already, or
    /// granted again.
    pub fn used_up(&mut self, now: Instant, session: SessionId, what: Capability) -> bool {
        let taken = self.sessions.get(&session).is_some_and(|grants| grants.taken.contains(what));
        taken && !self.revoke(now, session, what.into()).is_empty()
    }

    /// Prolongs what is granted now by the duration of the terms each, at most to [`MAX_DURATION`] from now. Returns what
    /// was.
    pub fn extend(&mut self, now: Instant, recorded: &Recorded<impl StatesTerms>) -> Capabilities {
        let terms = recorded.subject().terms().first().copied();
        let Some(GrantTerms { session, capabilities: what, duration: more }) = terms else {
            return Capabilities::NONE;
        };
        let Some(grants) = self.sessions.get_mut(&session) else { return Capabilities::NONE };
        let mut extended = Capabilities::NONE;
        for (capability, until) in &mut grants.until {
            if what.contains(*capability) && now < *until {
                *until = (*until + more.min(MAX_DURATION)).min(now + MAX_DURATION);
                extended = extended.with(*capability);
            }
        }
        extended
    }

    /// Takes capabilities back at once. Returns those that were granted.
    pub fn revoke(&mut self, now: Instant, session: SessionId, what: Capabilities) -> Capabilities {
        let Some(grants) = self.sessions.get_mut(&session) else { return Capabilities::NONE };
        grants.used = now;
        grants.taken = grants.taken.without(what);
        let gone: Capabilities =
            what.iter().filter(|capability| grants.until.remove(capability).is_some()).collect();
        gone
    }

    /// What is granted now, with the time left.
    pub fn granted(&self, now: Instant, session: SessionId) -> Vec<GrantedCapability> {
        let Some(grants) = self.sessions.get(&session) else { return Vec::new() };
        let left = |until: &Instant| {
            let left = until.saturating_duration_since(now);
            u32::try_from(left.as_secs() + u64::from(left.subsec_nanos() > 0)).unwrap_or(u32::MAX)
        };
        grants
            .until
            .iter()
            .map(|(capability, until)| GrantedCapability {
                capability: *capability,
                seconds_left: left(until),
            })
            .filter(|granted| granted.seconds_left > 0)
            .collect()
    }

    /// What is granted now, as a set.
    pub fn capabilities(&self, now: Instant, session: SessionId) -> Capabilities {
        self.granted(now, session).into_iter().map(|g| g.capability).collect()
    }

    /// Whether a request waits.
    pub fn is_asking(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The requests that wait, with the seconds left to answer.
    pub fn pending(&self, now: Instant) -> impl Iterator<Item = (RequestId, &Ask, u64)> {
        self.pending
            .iter()
            .map(move |(id, p)| (*id, &p.ask, p.deadline.saturating_duration_since(now).as_secs()))
    }

    /// When [`Consent::handle_timeout`] next has something to do.
    pub fn next_timeout(&self) -> Option<Instant> {
        let deadlines = self.pending.values().map(|p| p.deadline);
        let expiries = self.sessions.values().flat_map(|g| g.until.values().copied());
        let idle = self.sessions.values().filter(|g| g.until.is_empty()).map(|g| g.used + IDLE_FOR);
        deadlines.chain(expiries).chain(idle).min()
    }

    /// What has run out by now.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<Change> {
        let mut changes = Vec::new();
        let late: Vec<_> =
            self.pending.iter().filter(|(_, p)| p.deadline <= now).map(|(id, _)| *id).collect();
        for request in late {
            if let Some(p) = self.pending.remove(&request) {
                let outcome = Err(SessionRefusal::TimedOut);
                let decided = Decided::of(&p.ask, outcome);
                changes.push(Change::TimedOut { request, decided });
            }
        }
        for (session, grants) in &mut self.sessions {
            let gone: Capabilities =
                grants.until.iter().filter(|(_, until)| **until <= now).map(|(c, _)| *c).collect();
            if !gone.is_empty() {
                grants.until.retain(|_, until| now < *until);
                grants.over = gone.iter().fold(grants.over, Capabilities::with);
                grants.taken = grants.taken.without(gone);
                grants.used = now;
                changes.push(Change::Expired { session: *session, capabilities: gone });
            }
            if grants.until.is_empty() && grants.used + IDLE_FOR <= now {
                // Told once; the caller ends the session.
                grants.used = now;
                changes.push(Change::Idle { session: *session });
            }
        }
        changes
    }
}

#[cfg(test)]
#[path = "consent_tests.rs"]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::recorded;
    use Capability::{Clipboard, Control, Diagnostics, Screenshot, View, Window};

    const S: SessionId = SessionId::from_bytes([1; 16]);

    /// Where virtual time begins.
    pub(super) fn start() -> Instant {
        Instant::now()
    }

    fn set(what: &[Capability]) -> Capabilities {
        what.iter().copied().collect()
    }

    fn grant(
        consent: &mut Consent,
        now: Instant,
        session: SessionId,
        capabilities: Capabilities,
        duration: Duration,
    ) {
        consent.grant(now, &recorded(GrantTerms { session, capabilities, duration }));
    }

    fn extend(
        consent: &mut Consent,
        now: Instant,
        capabilities: Capabilities,
        duration: Duration,
    ) -> Capabilities {
        consent.extend(now, &recorded(GrantTerms { session: S, capabilities, duration }))
    }

    /// A decision that is written down and in force.
    fn decide(
        consent: &mut Consent,
        now: Instant,
        id: RequestId,
        choice: ConsentChoice,
    ) -> Result<Decided, DecideError> {
        let decided = consent.decide(now, id, choice)?;
        if let Ok((capabilities, duration)) = decided.outcome {
            grant(consent, now, decided.session, capabilities, duration);
        }
        Ok(decided)
    }

    fn asked(what: &[Capability], first_contact: bool) -> (Consent, RequestId, Instant) {
        let (mut consent, now) = (Consent::default(), Instant::now());
        consent.begin(now, S);
        let duration = Duration::from_secs(900);
        let ask = Ask {
            theirs: Some(7),
            person: None,
            screen: None,
            session: S,
            capabilities: set(what),
            duration,
            first_contact,
        };
        let id = consent.ask(now, &ask).unwrap();
        (consent, id, now)
    }

    fn allow(what: &[Capability], seconds: u32) -> ConsentChoice {
        ConsentChoice::Allow { capabilities: set(what), seconds, window: None }
    }

    #[test]
    fn a_technician_at_the_keyboard_cannot_answer_their_own_request() {
        let now = start();
        let mut consent = Consent::default();
        consent.begin(now, S);
        grant(&mut consent, now, S, Capabilities::NONE.with(Control), Duration::from_secs(600));
        let wanted = Capabilities::NONE.with(Clipboard);
        let duration = Duration::from_secs(60);
        let ask = Ask {
            theirs: Some(1),
            person: None,
            screen: None,
            session: S,
            capabilities: wanted,
            duration,
            first_contact: false,
        };
        let request = consent.ask(now, &ask).unwrap();
        consent.injected(now);
        let allow = ConsentChoice::Allow { capabilities: wanted, seconds: 60, window: None };
        let soon = now + HANDS_OFF - Duration::from_millis(1);
        assert_eq!(decide(&mut consent, soon, request, allow), Err(DecideError::HandsOff { seconds: 1 }));
        assert!(consent.hands_off(soon).is_err());
        // What it refuses still waits for the person, and a no is taken at any time.
        let mut other = Consent::default();
        other.begin(now, S);
        let theirs = other.ask(now, &ask).unwrap();
        other.injected(now);
        assert_eq!(
            decide(&mut other, now, theirs, ConsentChoice::Deny).unwrap().outcome,
            Err(SessionRefusal::Denied)
        );
        assert!(decide(&mut consent, now + HANDS_OFF, request, allow).unwrap().outcome.is_ok());
    }

    #[test]
    fn a_window_is_allowed_only_with_a_choice_and_is_not_the_screen() {
        let window = ConsentChoice::Allow { capabilities: set(&[Window]), seconds: 60, window: Some(7) };
        let (mut consent, id, now) = asked(&[Window, Diagnostics], false);
        assert_eq!(decide(&mut consent, now, id, allow(&[Window], 60)), Err(DecideError::WhichWindow));
        let decided = decide(&mut consent, now, id, allow(&[Window, Diagnostics], 60)).unwrap();
        assert_eq!(decided.outcome, Ok((set(&[Diagnostics]), Duration::from_secs(60))));
        let (mut consent, id, now) = asked(&[Window], false);
        assert!(decide(&mut consent, now, id, window).unwrap().outcome.is_ok());
        assert_eq!(consent.allows(now, S, Window), Ok(()));
        assert_eq!(consent.allows(now, S, View), Err(SessionRefusal::NotGranted(View)));
        assert_eq!(consent.allows(now, S, Control), Err(SessionRefusal::NotGranted(Control)));
        // A choice doesn't allow what was not asked for.
        let (mut consent, id, now) = asked(&[View], false);
        assert_eq!(decide(&mut consent, now, id, window), Err(DecideError::Nothing));
    }

    #[test]
    fn nothing_is_allowed_before_a_person_said_so_and_only_what_they_said() {
        let (mut consent, id, now) = asked(&[View, Control], false);
        assert_eq!(consent.allows(now, S, View), Err(SessionRefusal::NotGranted(View)));
        // More than was asked for can't be allowed.
        let decided = decide(&mut consent, now, id, allow(&[View, Clipboard], 60)).unwrap();
        assert_eq!(decided.outcome, Ok((set(&[View]), Duration::from_secs(60))));
        assert_eq!(consent.allows(now, S, View), Ok(()));
        for other in [Control, Clipboard] {
            assert_eq!(consent.allows(now, S, other), Err(SessionRefusal::NotGranted(other)));
        }
        let other_session = SessionId::from_bytes([2; 16]);
        assert_eq!(consent.allows(now, other_session, View), Err(SessionRefusal::NotGranted(View)));
        assert_eq!(
            decide(&mut consent, now, id, ConsentChoice::Deny),
            Err(DecideError::NotOpen),
            "decided once"
        );
    }

    #[test]
    fn each_capability_has_its_own_expiry() {
        let (mut consent, _, now) = asked(&[View], false);
        grant(&mut consent, now, S, set(&[View]), Duration::from_secs(10));
        grant(&mut consent, now, S, set(&[Control]), Duration::from_secs(20));
        assert_eq!(consent.next_timeout(), Some(now + Duration::from_secs(10)));
        let later = now + Duration::from_secs(10);
        // Enforced by the clock alone, even before the timeout was handled.
        assert_eq!(consent.allows(later, S, View), Err(SessionRefusal::Expired(View)));
        assert_eq!(consent.allows(later, S, Control), Ok(()));
        let change = Change::Expired { session: S, capabilities: set(&[View]) };
        assert_eq!(consent.handle_timeout(later), [change]);
        assert_eq!(consent.allows(later, S, View), Err(SessionRefusal::Expired(View)));
    }

    #[test]
    fn no_answer_is_a_no_and_a_late_one_does_not_count() {
        let (mut consent, id, now) = asked(&[View], false);
        let late = now + ANSWER_WITHIN;
        assert_eq!(decide(&mut consent, late, id, allow(&[View], 60)), Err(DecideError::NotOpen));
        let changes = consent.handle_timeout(late);
        let decided = Decided {
            session: S,
            theirs: Some(7),
            person: None,
            screen: None,
            outcome: Err(SessionRefusal::TimedOut),
        };
        assert_eq!(changes, [Change::TimedOut { request: id, decided }]);
        assert_eq!(consent.handle_timeout(late), []);
    }

    #[test]
    fn first_contact_has_a_wait_before_allow_but_not_before_deny() {
        let (mut consent, id, now) = asked(&[View], true);
        assert_eq!(
            decide(&mut consent, now, id, allow(&[View], 60)),
            Err(DecideError::TooSoon { seconds: 4 })
        );
        decide(&mut consent, now + FIRST_CONTACT_WAIT, id, allow(&[View], 60)).unwrap();
        let (mut consent, id, now) = asked(&[View], true);
        assert_eq!(
            decide(&mut consent, now, id, ConsentChoice::Deny).unwrap().outcome,
            Err(SessionRefusal::Denied)
        );
    }

    #[test]
    fn extend_narrow_and_end_take_effect_at_once() {
        let (mut consent, id, now) = asked(&[View, Diagnostics], false);
        decide(&mut consent, now, id, allow(&[View, Diagnostics], 60)).unwrap();
        let extended = extend(&mut consent, now, set(&[View, Control]), Duration::from_secs(30));
        assert_eq!(extended, set(&[View]), "what isn't granted can't be extended");
        assert_eq!(
            consent.granted(now, S),
            [
                GrantedCapability { capability: View, seconds_left: 90 },
                GrantedCapability { capability: Diagnostics, seconds_left: 60 }
            ]
        );
        assert_eq!(consent.revoke(now, S, set(&[View, Control])), set(&[View]));
        assert_eq!(consent.allows(now, S, View), Err(SessionRefusal::NotGranted(View)));
        assert_eq!(consent.allows(now, S, Diagnostics), Ok(()));
        consent.end(S);
        assert_eq!(consent.allows(now, S, Diagnostics), Err(SessionRefusal::NotGranted(Diagnostics)));
        assert_eq!(consent.next_timeout(), None);
    }

    #[test]
    fn a_forgotten_session_is_told_of() {
        let (mut consent, id, now) = asked(&[View], false);
        decide(&mut consent, now, id, allow(&[View], 60)).unwrap();
        let expired = now + Duration::from_secs(60);
        consent.handle_timeout(expired);
        assert_eq!(consent.next_timeout(), Some(expired + IDLE_FOR));
        assert_eq!(consent.handle_timeout(expired + IDLE_FOR), [Change::Idle { session: S }]);
        assert_eq!(consent.handle_timeout(expired + IDLE_FOR), []);
    }

    #[test]
    fn nothing_outlasts_the_longest_duration() {
        let (mut consent, id, now) = asked(&[View], false);
        decide(&mut consent, now, id, allow(&[View], u32::MAX)).unwrap();
        extend(&mut consent, now, set(&[View]), Duration::from_secs(u64::from(u32::MAX)));
        assert_eq!(consent.allows(now + MAX_DURATION, S, View), Err(SessionRefusal::Expired(View)));
    }

    #[test]
    fn requests_are_bounded_and_go_with_their_session() {
        let (mut consent, first, now) = asked(&[View], false);
        let ask = |theirs: u32| Ask {
            session: S,
            theirs: Some(theirs),
            person: None,
            screen: None,
            capabilities: set(&[View]),
            duration: Duration::from_secs(1),
            first_contact: false,
        };
        for i in 1..MAX_PENDING {
            consent.ask(now, &ask(u32::try_from(i).unwrap())).unwrap();
        }
        assert_eq!(consent.ask(now, &ask(9)), Err(SessionRefusal::TooMany));
        assert_eq!(consent.end(S).len(), MAX_PENDING);
        assert_eq!(decide(&mut consent, now, first, allow(&[View], 60)), Err(DecideError::NotOpen));
        assert_eq!(consent.ask(now, &ask(9)), Err(SessionRefusal::Protocol), "no such session");
    }

    #[test]
    fn one_grant_is_one_picture() {
        let (t, mut consent) = (start(), Consent::default());
        consent.begin(t, S);
        assert_eq!(consent.take(t, S, Screenshot), Err(SessionRefusal::NotGranted(Screenshot)));
        let minute = Duration::from_secs(60);
        grant(&mut consent, t, S, [Diagnostics, Screenshot].into_iter().collect(), minute);
        assert_eq!(consent.take(t, S, Screenshot), Ok(()));
        assert_eq!(
            consent.take(t, S, Screenshot),
            Err(SessionRefusal::NotGranted(Screenshot)),
            "while it is under way"
        );
        assert!(consent.capabilities(t, S).contains(Screenshot), "it can be taken back meanwhile");
        assert!(consent.used_up(t, S, Screenshot));
        assert!(!consent.used_up(t, S, Screenshot));
        assert_eq!(consent.allows(t, S, Screenshot), Err(SessionRefusal::NotGranted(Screenshot)));
        assert_eq!(consent.allows(t, S, Diagnostics), Ok(()));
        // More time is no more pictures; a new grant is, also while the first is under way.
        grant(&mut consent, t, S, Screenshot.into(), minute);
        consent.take(t, S, Screenshot).unwrap();
        extend(&mut consent, t, Screenshot.into(), minute);
        assert_eq!(consent.allows(t, S, Screenshot), Err(SessionRefusal::NotGranted(Screenshot)));
        grant(&mut consent, t, S, Screenshot.into(), minute);
        assert!(!consent.used_up(t, S, Screenshot));
        assert_eq!(consent.allows(t, S, Screenshot), Ok(()));
        // Taken back or run out while it is under way: the next grant is whole.
        consent.take(t, S, Screenshot).unwrap();
        consent.revoke(t, S, Screenshot.into());
        grant(&mut consent, t, S, Screenshot.into(), minute);
        assert_eq!(consent.take(t, S, Screenshot), Ok(()));
        consent.handle_timeout(t + 2 * minute);
        assert_eq!(consent.allows(t + 2 * minute, S, Screenshot), Err(SessionRefusal::Expired(Screenshot)));
    }
}
