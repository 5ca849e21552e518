//! Grants of sessions, against a model that keeps for each capability until when it was allowed, and by what.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nearhand_agent_core::record::{RecordEntry, RecordLog, Recorded, RowStore};
use nearhand_proto::audit::{AuditEvent, AuditHead, AuditRow};
use nearhand_proto::grant::{Capabilities, Capability, MAX_DURATION};
use nearhand_proto::id::SessionId;
use nearhand_proto::identity::SecretKey;
use nearhand_proto::message::local::ConsentChoice;
use nearhand_proto::message::session::SessionRefusal;
use nearhand_proto::time::UnixMillis;

use super::{InputDraw, beginning};
use nearhand_agent_core::consent::{
    ANSWER_WITHIN, Ask, Change, Consent, DecideError, FIRST_CONTACT_WAIT, GrantTerms, HANDS_OFF, RequestId,
};

const SESSIONS: usize = 3;

#[derive(Default)]
struct GrantModel {
    /// Sessions that there are, with what is granted until when.
    granted: BTreeMap<SessionId, BTreeMap<Capability, Instant>>,
    /// Taken for one act.
    taken: Vec<(SessionId, Capability)>,
    asked: BTreeMap<RequestId, (SessionId, Capabilities, Instant, Instant)>,
    injected: Option<Instant>,
}

fn session(draw: &mut InputDraw<'_>) -> SessionId {
    SessionId::from_bytes([u8::try_from(draw.below(SESSIONS)).unwrap_or_default(); 16])
}

fn some(draw: &mut InputDraw<'_>) -> Capabilities {
    let bits = draw.number();
    Capability::ALL.into_iter().enumerate().filter(|(n, _)| bits >> n & 1 == 1).map(|(_, c)| c).collect()
}

pub(super) fn run(input: &[u8]) {
    let (mut consent, mut model, mut now) = (Consent::default(), GrantModel::default(), beginning());
    let mut draw = InputDraw::new(input);
    while let Some(operation) = draw.operation(12) {
        match operation {
            0 | 1 => now += draw.while_passes(),
            2 => {
                let session = session(&mut draw);
                consent.begin(now, session);
                model.granted.entry(session).or_default();
            }
            3 => end(&mut consent, &mut model, session(&mut draw)),
            4 => ask(&mut consent, &mut model, now, &mut draw),
            5 => decide(&mut consent, &mut model, now, &mut draw),
            6 => {
                let (session, what) = (session(&mut draw), some(&mut draw));
                let lasts = draw.while_passes() * 20;
                grant(&mut consent, now, session, what, lasts);
                model.grant(now, session, what, lasts);
            }
            7 => {
                let (session, what, more) = (session(&mut draw), some(&mut draw), draw.while_passes());
                let extended = consent.extend(now, &written(session, what, more));
                assert!(extended.without(what).is_empty());
                for (_, until) in model.live(now, session).filter(|(c, _)| extended.contains(**c)) {
                    *until = (*until + more).min(now + MAX_DURATION);
                }
            }
            8 => {
                let (session, what) = (session(&mut draw), some(&mut draw));
                let gone = consent.revoke(now, session, what);
                assert!(gone.without(what).is_empty());
                model.take_back(session, what);
            }
            9 => {
                let (session, what) = (session(&mut draw), Capability::ALL[draw.below(11)]);
                let allowed = consent.allows(now, session, what);
                assert_eq!(consent.take(now, session, what), allowed);
                if allowed.is_ok() {
                    model.taken.push((session, what));
                } else {
                    let used_up = consent.used_up(now, session, what);
                    assert!(!used_up || model.taken.contains(&(session, what)));
                    if used_up {
                        model.take_back(session, what.into());
                    }
                }
            }
            10 => {
                consent.injected(now);
                model.injected = Some(now);
            }
            _ => time_out(&mut consent, &mut model, now),
        }
        agree(&consent, &model, now);
    }
}

impl GrantModel {
    fn grant(&mut self, now: Instant, session: SessionId, what: Capabilities, lasts: Duration) {
        let Some(granted) = self.granted.get_mut(&session) else { return };
        let until = now + lasts.min(MAX_DURATION);
        for capability in what.iter() {
            let entry = granted.entry(capability).or_insert(until);
            *entry = (*entry).max(until);
        }
        self.taken.retain(|(of, c)| *of != session || !what.contains(*c));
    }

    fn allows(&self, now: Instant, session: SessionId, what: Capability) -> bool {
        let until = self.granted.get(&session).and_then(|granted| granted.get(&what));
        until.is_some_and(|until| now < *until) && !self.taken.contains(&(session, what))
    }

    fn live(
        &mut self,
        now: Instant,
        session: SessionId,
    ) -> impl Iterator<Item = (&Capability, &mut Instant)> {
        self.granted.get_mut(&session).into_iter().flatten().filter(move |(_, until)| now < **until)
    }

    fn take_back(&mut self, session: SessionId, what: Capabilities) {
        if let Some(granted) = self.granted.get_mut(&session) {
            granted.retain(|capability, _| !what.contains(*capability));
        }
        self.taken.retain(|(of, c)| *of != session || !what.contains(*c));
    }
}

/// A disk that keeps nothing and always answers.
struct AnyDisk;

impl RowStore for AnyDisk {
    fn append(&mut self, _: &[AuditRow]) -> std::io::Result<()> {
        Ok(())
    }
}

/// Terms whose row was written.
fn written(session: SessionId, capabilities: Capabilities, duration: Duration) -> Recorded<GrantTerms> {
    let key = SecretKey::from_seed(&[1; 32]);
    let head = key.sign(&AuditHead::EMPTY).expect("a head is small");
    let event =
        AuditEvent { actor: String::new(), action: String::new(), session: None, detail: String::new() };
    let (tell, told) = mpsc::channel();
    let terms = GrantTerms { session, capabilities, duration };
    let row = RecordEntry::new(UnixMillis(0), event, terms, move |recorded| drop(tell.send(recorded)));
    RecordLog::new(AnyDisk, key, AuditHead::EMPTY, head).commit(vec![row]).acknowledge();
    told.recv().expect("it is told").expect("the disk always answers")
}

fn grant(consent: &mut Consent, now: Instant, session: SessionId, what: Capabilities, lasts: Duration) {
    consent.grant(now, &written(session, what, lasts));
}

fn end(consent: &mut Consent, model: &mut GrantModel, session: SessionId) {
    let open = consent.end(session);
    for (id, _) in &open {
        assert!(model.asked.remove(id).is_some_and(|(of, ..)| of == session), "another session's request");
    }
    assert!(model.asked.values().all(|(of, ..)| *of != session), "a request outlives its session");
    model.granted.remove(&session);
    model.taken.retain(|(of, _)| *of != session);
}

fn ask(consent: &mut Consent, model: &mut GrantModel, now: Instant, draw: &mut InputDraw<'_>) {
    let ask = Ask {
        session: session(draw),
        theirs: Some(1),
        person: None,
        screen: None,
        capabilities: some(draw),
        duration: draw.while_passes(),
        first_contact: draw.coin(),
    };
    if let Ok(id) = consent.ask(now, &ask) {
        assert!(model.granted.contains_key(&ask.session) && !ask.capabilities.is_empty());
        let from = if ask.first_contact { now + FIRST_CONTACT_WAIT } else { now };
        let before = model.asked.insert(id, (ask.session, ask.capabilities, from, now + ANSWER_WITHIN));
        assert!(before.is_none(), "a request's number is used twice");
    }
    assert!(model.asked.values().filter(|(of, ..)| *of == ask.session).count() <= 4);
}

fn decide(consent: &mut Consent, model: &mut GrantModel, now: Instant, draw: &mut InputDraw<'_>) {
    let known: Vec<_> = model.asked.keys().copied().collect();
    let id = known.get(draw.below(known.len() + 1)).copied().unwrap_or(RequestId(u64::MAX));
    let (capabilities, seconds) = (some(draw), u32::from(draw.number()));
    let choice = match draw.byte() % 3 {
        0 => ConsentChoice::Deny,
        1 => ConsentChoice::Allow { capabilities, seconds, window: None },
        _ => ConsentChoice::Allow { capabilities, seconds, window: Some(1) },
    };
    let chosen = matches!(choice, ConsentChoice::Allow { window: Some(_), .. });
    let asked = model.asked.get(&id).copied();
    match consent.decide(now, id, choice) {
        Ok(decided) => {
            if let Ok((allowed, lasts)) = decided.outcome {
                assert_eq!(
                    consent.allows(now, decided.session, Capability::View).is_ok(),
                    model.allows(now, decided.session, Capability::View),
                    "a decision is in force before its row"
                );
                grant(consent, now, decided.session, allowed, lasts);
            }
            let (session, wanted, from, deadline) = asked.expect("a request that was never made was decided");
            model.asked.remove(&id);
            assert!(decided.session == session && now < deadline);
            match decided.outcome {
                Ok((allowed, lasts)) => {
                    assert!(allowed.without(wanted).is_empty(), "more than was asked for");
                    assert!(allowed.without(capabilities).is_empty(), "more than was allowed");
                    assert!(chosen || !allowed.contains(Capability::Window), "no window was chosen");
                    assert!(now >= from, "before it could be read");
                    assert!(model.injected.is_none_or(|at| now >= at + HANDS_OFF), "by a technician's hand");
                    assert!(lasts <= MAX_DURATION && lasts <= Duration::from_secs(seconds.into()));
                    model.grant(now, session, allowed, lasts);
                }
                Err(refusal) => assert_eq!(refusal, SessionRefusal::Denied),
            }
        }
        Err(DecideError::NotOpen) => assert!(asked.is_none_or(|(.., deadline)| now >= deadline)),
        Err(_) => assert!(asked.is_some(), "a request that isn't there is not open, nothing else"),
    }
}

fn time_out(consent: &mut Consent, model: &mut GrantModel, now: Instant) {
    for change in consent.handle_timeout(now) {
        match change {
            Change::TimedOut { request, decided } => {
                let asked = model.asked.remove(&request);
                assert!(asked.is_some_and(|(of, _, _, deadline)| of == decided.session && deadline <= now));
                assert_eq!(decided.outcome, Err(SessionRefusal::TimedOut));
            }
            Change::Expired { session, capabilities } => {
                let granted = model.granted.get(&session).expect("grants of no session ran out");
                assert!(capabilities.iter().all(|c| granted.get(&c).is_some_and(|until| *until <= now)));
                model.take_back(session, capabilities);
            }
            Change::Idle { session } => {
                assert!(model.granted.get(&session).is_some_and(BTreeMap::is_empty), "not idle at all");
            }
        }
    }
    let next = consent.next_timeout();
    assert!(next.is_none_or(|at| now < at), "what was just done is due again");
    assert!(model.asked.values().all(|(.., deadline)| now < *deadline), "a late request still waits");
}

/// What is allowed is what somebody allowed, and has not ended.
fn agree(consent: &Consent, model: &GrantModel, now: Instant) {
    for number in 0..SESSIONS {
        let session = SessionId::from_bytes([u8::try_from(number).unwrap_or_default(); 16]);
        let granted = model.granted.get(&session);
        let listed = consent.capabilities(now, session);
        for capability in Capability::ALL {
            let until = granted.and_then(|granted| granted.get(&capability));
            let live = until.is_some_and(|until| now < *until);
            let taken = model.taken.contains(&(session, capability));
            let allowed = consent.allows(now, session, capability);
            assert_eq!(allowed.is_ok(), live && !taken, "{capability} of {session}: {allowed:?}");
            assert_eq!(listed.contains(capability), live, "{capability} in the list");
            assert!(until.is_none_or(|until| *until <= now + MAX_DURATION), "for too long");
        }
    }
}
