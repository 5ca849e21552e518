//! Consent against a model: random sequences of everything that can happen, in virtual time.
//!
//! The model says for each session and capability until when it is allowed at most, written down from the
//! rules and not from the code: a person allowed it of what was asked, in time, after the wait; the policy
//! granted it; the person prolonged it. In no order of events is anything allowed that the model doesn't allow.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nearhand_proto::grant::{Capabilities, Capability, MAX_DURATION};
use nearhand_proto::id::SessionId;
use nearhand_proto::message::local::ConsentChoice;
use proptest::prelude::*;

use super::tests::start;
use super::{ANSWER_WITHIN, Ask, Change, Consent, FIRST_CONTACT_WAIT, GrantTerms, IDLE_FOR, RequestId};
use crate::record::Recorded;
use crate::record::tests::recorded;

/// Something that happens. Sessions and requests are named by small numbers, so that they meet.
#[derive(Clone, Copy, Debug)]
enum ConsentStep {
    Begin(u8),
    End(u8),
    Ask {
        session: u8,
        what: Capabilities,
        seconds: u32,
        first_contact: bool,
    },
    Decide {
        request: u64,
        choice: ConsentChoice,
    },
    Grant {
        session: u8,
        what: Capabilities,
        seconds: u32,
    },
    Extend {
        session: u8,
        what: Capabilities,
        seconds: u32,
    },
    Revoke {
        session: u8,
        what: Capabilities,
    },
    /// Time passes, and nothing is handled.
    Pass(u64),
    /// Time passes, and what ran out is handled.
    Handle(u64),
    /// Time passes until something runs out, exactly.
    HandleNext,
}

fn sets() -> impl Strategy<Value = Capabilities> {
    prop::sample::subsequence(Capability::ALL.to_vec(), 0..4).prop_map(|set| set.into_iter().collect())
}

/// Seconds that are short, long, none or too many.
fn seconds() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 1_u32..200, 1 => Just(0), 1 => Just(u32::MAX)]
}

fn choices() -> impl Strategy<Value = ConsentChoice> {
    let allow = |window| {
        (sets(), seconds()).prop_map(move |(capabilities, seconds)| ConsentChoice::Allow {
            capabilities,
            seconds,
            window,
        })
    };
    prop_oneof![5 => allow(None), 2 => allow(Some(7)), 1 => Just(ConsentChoice::Deny)]
}

fn steps() -> impl Strategy<Value = ConsentStep> {
    let session = || 0_u8..3;
    prop_oneof![
        2 => session().prop_map(ConsentStep::Begin),
        1 => session().prop_map(ConsentStep::End),
        5 => (session(), sets(), seconds(), any::<bool>()).prop_map(|(session, what, seconds, first_contact)| {
            ConsentStep::Ask { session, what, seconds, first_contact }
        }),
        6 => (0_u64..20, choices()).prop_map(|(request, choice)| ConsentStep::Decide { request, choice }),
        1 => (session(), sets(), seconds()).prop_map(|(session, what, seconds)| {
            ConsentStep::Grant { session, what, seconds }
        }),
        2 => (session(), sets(), seconds()).prop_map(|(session, what, seconds)| {
            ConsentStep::Extend { session, what, seconds }
        }),
        2 => (session(), sets()).prop_map(|(session, what)| ConsentStep::Revoke { session, what }),
        3 => (0_u64..90_000).prop_map(ConsentStep::Pass),
        // Hours: past the longest grants and what counts as forgotten.
        1 => (0_u64..20_000_000).prop_map(ConsentStep::Pass),
        2 => (0_u64..90_000).prop_map(ConsentStep::Handle),
        2 => Just(ConsentStep::HandleNext),
    ]
}

/// An open request, as the rules see it.
struct Open {
    session: u8,
    what: Capabilities,
    asked: Instant,
    first_contact: bool,
}

/// What the rules allow.
#[derive(Default)]
struct Model {
    sessions: BTreeMap<u8, BTreeMap<Capability, Instant>>,
    open: BTreeMap<u64, Open>,
}

impl Model {
    fn grant(&mut self, now: Instant, session: u8, what: Capabilities, seconds: u32) {
        let until = now + Duration::from_secs(seconds.into()).min(MAX_DURATION);
        if let Some(granted) = self.sessions.get_mut(&session) {
            for capability in what.iter() {
                let entry = granted.entry(capability).or_insert(until);
                *entry = (*entry).max(until);
            }
        }
    }

    /// A decision that the device took.
    fn decided(&mut self, now: Instant, request: u64, choice: ConsentChoice) -> Result<(), TestCaseError> {
        let open = self.open.remove(&request);
        let open = open.ok_or_else(|| TestCaseError::fail("a decision on a request that was not open"))?;
        prop_assert!(now < open.asked + ANSWER_WITHIN, "a late decision was taken");
        if let ConsentChoice::Allow { capabilities, seconds, window } = choice {
            prop_assert!(
                !open.first_contact || now >= open.asked + FIRST_CONTACT_WAIT,
                "Allow was taken before the warning could be read"
            );
            // Nobody sees a window that nobody chose.
            let without = if window.is_some() { Capabilities::NONE } else { Capability::Window.into() };
            self.grant(now, open.session, capabilities.intersection(open.what).without(without), seconds);
        }
        Ok(())
    }

    fn extend(&mut self, now: Instant, session: u8, what: Capabilities, seconds: u32) {
        let Some(granted) = self.sessions.get_mut(&session) else { return };
        for (_, until) in granted.iter_mut().filter(|(c, until)| what.contains(**c) && now < **until) {
            let more = Duration::from_secs(seconds.into());
            *until = (*until + more.min(MAX_DURATION)).min(now + MAX_DURATION);
        }
    }

    fn allows(&self, now: Instant, session: u8, what: Capability) -> bool {
        self.sessions.get(&session).and_then(|granted| granted.get(&what)).is_some_and(|until| now < *until)
    }
}

fn id(session: u8) -> SessionId {
    SessionId::from_bytes([session; 16])
}

/// Terms whose row is on the disk.
fn terms(session: u8, capabilities: Capabilities, duration: Duration) -> Recorded<GrantTerms> {
    recorded(GrantTerms { session: id(session), capabilities, duration })
}

fn secs(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

/// The device and the model, side by side.
struct Both {
    consent: Consent,
    model: Model,
    now: Instant,
}

impl Both {
    fn take(&mut self, step: ConsentStep) -> Result<(), TestCaseError> {
        let now = self.now;
        match step {
            ConsentStep::Begin(session) => {
                self.consent.begin(now, id(session));
                self.model.sessions.entry(session).or_default();
            }
            ConsentStep::End(session) => {
                self.consent.end(id(session));
                self.model.sessions.remove(&session);
                self.model.open.retain(|_, open| open.session != session);
            }
            ConsentStep::Ask { session, what, seconds, first_contact } => {
                let ask = Ask {
                    session: id(session),
                    theirs: Some(1),
                    person: None,
                    screen: None,
                    capabilities: what,
                    duration: secs(seconds),
                    first_contact,
                };
                if let Ok(RequestId(request)) = self.consent.ask(now, &ask) {
                    let open = Open { session, what, asked: now, first_contact };
                    prop_assert!(self.model.open.insert(request, open).is_none(), "a number was used twice");
                }
            }
            ConsentStep::Decide { request, choice } => {
                if let Ok(decided) = self.consent.decide(now, RequestId(request), choice) {
                    if let Ok((capabilities, duration)) = decided.outcome {
                        let session = decided.session;
                        self.consent.grant(now, &recorded(GrantTerms { session, capabilities, duration }));
                    }
                    self.model.decided(now, request, choice)?;
                }
            }
            ConsentStep::Grant { session, what, seconds } => {
                self.consent.grant(now, &terms(session, what, secs(seconds)));
                self.model.grant(now, session, what, seconds);
            }
            ConsentStep::Extend { session, what, seconds } => {
                self.consent.extend(now, &terms(session, what, secs(seconds)));
                self.model.extend(now, session, what, seconds);
            }
            ConsentStep::Revoke { session, what } => {
                self.consent.revoke(now, id(session), what);
                if let Some(granted) = self.model.sessions.get_mut(&session) {
                    granted.retain(|capability, _| !what.contains(*capability));
                }
            }
            ConsentStep::Pass(ms) => self.now += Duration::from_millis(ms),
            ConsentStep::Handle(ms) => self.handle(now + Duration::from_millis(ms))?,
            ConsentStep::HandleNext => {
                if let Some(next) = self.consent.next_timeout() {
                    self.handle(next.max(now))?;
                }
            }
        }
        Ok(())
    }

    /// Time comes to `to`, and what has run out by then is handled.
    fn handle(&mut self, to: Instant) -> Result<(), TestCaseError> {
        self.now = to;
        for change in self.consent.handle_timeout(to) {
            match change {
                Change::TimedOut { request, decided } => {
                    let open = self.model.open.remove(&request.0);
                    prop_assert!(
                        open.is_some_and(|open| to >= open.asked + ANSWER_WITHIN),
                        "timed out early"
                    );
                    prop_assert!(decided.outcome.is_err(), "no answer is a no");
                }
                Change::Expired { session, capabilities } => {
                    let [session, ..] = *session.as_bytes();
                    for capability in capabilities.iter() {
                        prop_assert!(!self.model.allows(to, session, capability), "expired early");
                    }
                }
                Change::Idle { session } => {
                    let [session, ..] = *session.as_bytes();
                    let allowed = Capability::ALL.iter().any(|what| self.model.allows(to, session, *what));
                    prop_assert!(!allowed, "a session in use counts as forgotten");
                }
            }
        }
        prop_assert!(self.consent.next_timeout().is_none_or(|next| next > to), "a timeout lies in the past");
        prop_assert_eq!(self.consent.handle_timeout(to), [], "the same again");
        Ok(())
    }

    fn agree(&self) -> Result<(), TestCaseError> {
        for session in 0..3 {
            let granted = self.consent.capabilities(self.now, id(session));
            for what in Capability::ALL {
                let allowed = self.consent.allows(self.now, id(session), what).is_ok();
                prop_assert_eq!(
                    allowed,
                    self.model.allows(self.now, session, what),
                    "{} in {}",
                    what,
                    session
                );
                prop_assert_eq!(allowed, granted.contains(what), "what is shown is not what is allowed");
                // What isn't allowed now isn't later either, unless somebody does something.
                let later = self.consent.allows(self.now + Duration::from_secs(1), id(session), what).is_ok();
                prop_assert!(allowed || !later, "{} came by itself", what);
                let longest = self.consent.allows(self.now + MAX_DURATION, id(session), what);
                prop_assert!(longest.is_err(), "{} outlasts the longest duration", what);
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_ever_allowed_that_the_rules_do_not_allow(steps in prop::collection::vec(steps(), 0..60)) {
        let mut both = Both { consent: Consent::default(), model: Model::default(), now: start() };
        both.take(ConsentStep::Begin(0))?;
        for step in steps {
            both.take(step)?;
            both.agree()?;
        }
    }

    #[test]
    fn a_request_is_settled_once(choices in prop::collection::vec((choices(), 0_u64..70_000), 1..10)) {
        let (mut consent, mut now) = (Consent::default(), start());
        consent.begin(now, id(0));
        let what = Capabilities::NONE.with(Capability::View);
        let ask = Ask { theirs: Some(1), person: None, screen: None, session: id(0), capabilities: what, duration: secs(60), first_contact: false };
        let request = consent.ask(now, &ask).expect("one request");
        let mut settled = 0;
        for (choice, ms) in choices {
            now += Duration::from_millis(ms);
            settled += usize::from(consent.decide(now, request, choice).is_ok());
            let changes = consent.handle_timeout(now);
            settled += changes.iter().filter(|change| matches!(change, Change::TimedOut { .. })).count();
        }
        prop_assert!(settled <= 1, "settled {} times", settled);
    }
}

#[test]
fn a_session_whose_long_grant_is_taken_back_is_not_forgotten_at_once() {
    let (mut consent, began) = (Consent::default(), start());
    consent.begin(began, id(0));
    let what = Capabilities::NONE.with(Capability::View);
    consent.grant(began, &terms(0, what, MAX_DURATION));
    let now = began + IDLE_FOR + Duration::from_secs(1);
    assert_eq!(consent.handle_timeout(now), []);
    consent.revoke(now, id(0), what);
    assert_eq!(consent.handle_timeout(now), [], "in use a moment ago");
    assert!(consent.next_timeout().is_some_and(|next| next > now));
}
