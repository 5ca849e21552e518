//! The order of decisions, rows and what is in force, in virtual time, with a disk that hangs or is full.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nearhand_proto::audit::AuditEvent;
use nearhand_proto::credential::{Credential, Invite, Role, invite};
use nearhand_proto::grant::Capability;
use nearhand_proto::id::SessionId;
use nearhand_proto::identity::SecretKey;
use nearhand_proto::message::local::{AgentNotice, ConsentChoice, LocalEvent};
use nearhand_proto::message::session::{ConsentDecision, FromAgent, SessionEndReason, SessionRefusal};
use nearhand_proto::time::UnixMillis;
use rand_core::OsRng;

use super::live_session::SessionPhase;
use super::record_health::DISK_PATIENCE;
use super::{
    ArrivedSession, CapabilityRequest, LocalUser, SessionEffect, SessionTechnician, Sessions, Timestamp,
    UnrecordedChange, UnrecordedChangeId,
};
use crate::display_owner::DisplayOwner;
use crate::record::tests::{MemoryDisk, log};
use crate::record::{RecordEntry, RecordError, RecordLog, Recorded};
use Capability::{Control, View};

const S: SessionId = SessionId::from_bytes([1; 16]);
const ANN: LocalUser = LocalUser { user: 1000, owner: false };
const MINUTE: Duration = Duration::from_secs(60);

type Acknowledged = (Option<UnrecordedChangeId>, Result<Option<Recorded<UnrecordedChange>>, RecordError>);

/// Sessions with a record whose disk can hang.
struct Device {
    sessions: Sessions,
    log: RecordLog<MemoryDisk>,
    disk_hangs: bool,
    waiting: Vec<(AuditEvent, Option<UnrecordedChange>)>,
    /// What was done, but for rows.
    done: Vec<SessionEffect>,
    now: Instant,
}

impl Device {
    /// A session that a person watches, in which View is granted.
    fn with_view() -> Self {
        let mut device = Self::empty();
        device.happens(|sessions, now| sessions.join(now, ANN));
        device.begin();
        device.ask(View);
        device.allow();
        assert_eq!(device.allows(View), Ok(()));
        device.done.clear();
        device
    }

    fn empty() -> Self {
        let mut sessions = Sessions::new(BTreeSet::from([technician().id]));
        let now = Timestamp { instant: Instant::now(), wall: UnixMillis(1) };
        sessions.screen_is(now, Some(desktop(ANN.user)));
        Self { sessions, log: log(), disk_hangs: false, waiting: vec![], done: vec![], now: Instant::now() }
    }

    fn begin(&mut self) {
        self.happens(|sessions, now| sessions.offered(now.instant, S, None, true)).unwrap();
        let offers = Capability::ALL.into_iter().collect();
        let start = ArrivedSession {
            session: S,
            technician: technician(),
            attended: true,
            person: Some(ANN.user),
            offers,
        };
        self.happens(|sessions, _| sessions.begin(start));
    }

    fn happens<T>(&mut self, happens: impl FnOnce(&mut Sessions, Timestamp) -> T) -> T {
        let now = Timestamp { instant: self.now, wall: UnixMillis(1) };
        let value = happens(&mut self.sessions, now);
        self.carry_out();
        value
    }

    fn carry_out(&mut self) {
        loop {
            for effect in self.sessions.take_effects() {
                match effect {
                    SessionEffect::Note(row) => self.hand_over(row, None),
                    SessionEffect::Record(row, change) => self.hand_over(row, Some(change)),
                    other => self.done.push(other),
                }
            }
            if self.disk_hangs || self.waiting.is_empty() {
                return;
            }
            self.write();
        }
    }

    fn hand_over(&mut self, row: AuditEvent, change: Option<UnrecordedChange>) {
        self.sessions.row_handed_over(self.now);
        self.waiting.push((row, change));
    }

    /// The disk writes what waits, and says so.
    fn write(&mut self) {
        let (tell, told) = mpsc::channel::<Acknowledged>();
        let entry = |(row, change): (AuditEvent, Option<UnrecordedChange>)| {
            let tell = tell.clone();
            match change {
                Some(change) => {
                    let id = change.id();
                    RecordEntry::new(UnixMillis(1), row, change, move |outcome| {
                        tell.send((Some(id), outcome.map(Some))).unwrap();
                    })
                }
                None => RecordEntry::new(UnixMillis(1), row, (), move |outcome| {
                    tell.send((None, outcome.map(|_| None))).unwrap();
                }),
            }
        };
        let entries = self.waiting.drain(..).map(entry).collect();
        self.log.commit(entries).acknowledge();
        let now = Timestamp { instant: self.now, wall: UnixMillis(1) };
        for acknowledged in told.try_iter() {
            match acknowledged {
                (_, Ok(Some(recorded))) => self.sessions.put_in_force(now, recorded),
                (Some(id), Err(error)) => self.sessions.not_recorded(id, &error),
                (_, Ok(None)) => self.sessions.noted(now, Ok(())),
                (None, Err(error)) => self.sessions.noted(now, Err(error)),
            }
        }
    }

    /// The disk answers again.
    fn disk_goes_on(&mut self) {
        self.disk_hangs = false;
        self.carry_out();
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.happens(Sessions::handle_timeout);
    }

    fn ask(&mut self, what: Capability) {
        let asked =
            CapabilityRequest { request: 7, capabilities: what.into(), seconds: 900, reason: String::new() };
        self.happens(|sessions, now| sessions.ask(now, S, asked, None));
    }

    /// The person allows the request that waits.
    fn allow(&mut self) {
        let request = self.sessions.requests(self.now, ANN).pop().unwrap();
        let choice = ConsentChoice::Allow { capabilities: request.capabilities, seconds: 900, window: None };
        self.happens(|sessions, now| sessions.decide(now, request.request, choice)).unwrap();
    }

    fn allows(&mut self, what: Capability) -> Result<(), SessionRefusal> {
        self.happens(|sessions, now| sessions.allows(now.instant, S, what))
    }

    /// Refusals that the technician was told.
    fn refusals(&self) -> Vec<SessionRefusal> {
        let refusal = |effect: &SessionEffect| match effect {
            SessionEffect::TellTechnician(
                _,
                FromAgent::Decision { decision: ConsentDecision::Refused(why), .. },
            ) => Some(*why),
            _ => None,
        };
        self.done.iter().filter_map(refusal).collect()
    }

    /// What everybody at the device was told in a notice.
    fn notices(&self) -> Vec<String> {
        let notice = |effect: &SessionEffect| match effect {
            SessionEffect::TellPerson(None, LocalEvent::Notice(notice)) => Some(notice.to_string()),
            _ => None,
        };
        self.done.iter().filter_map(notice).collect()
    }

    /// Whether the session's streams were told last that nothing may be done, and its task that it is over.
    fn is_stopped(&self) -> bool {
        let last = self.done.iter().rev().find_map(|effect| match effect {
            SessionEffect::SetCapabilities(S, capabilities) => Some(capabilities.is_empty()),
            _ => None,
        });
        let ends = |effect: &SessionEffect| {
            matches!(effect, SessionEffect::EndSession(S, SessionEndReason::Stopped))
        };
        last == Some(true) && self.done.iter().any(ends)
    }

    /// Whether a row of that action says that.
    fn row_said(&self, action: &str, words: &str) -> bool {
        let said = |event: &AuditEvent| event.action == action && event.detail.contains(words);
        self.log.rows().iter().any(|row| said(&row.event))
    }

    /// Whether the session is being ended.
    fn ended(&self) -> bool {
        self.sessions.live.get(&S).is_none_or(|live| matches!(live.phase, SessionPhase::Ending(_)))
    }

    fn actions(&mut self) -> Vec<String> {
        self.log.commit(vec![]).acknowledge();
        self.log.rows().iter().map(|row| row.event.action.clone()).collect()
    }
}

/// The display of a user who is at the screen.
fn desktop(user: u32) -> DisplayOwner {
    let display = format!(":{}", user - 1000);
    DisplayOwner { user, seat: Some("seat0".into()), session: None, display }
}

fn technician() -> SessionTechnician {
    let (organisation, own) = (SecretKey::from_seed(&[2; 32]), SecretKey::from_seed(&[3; 32]));
    let fill = |id, organisation, key| Invite {
        id,
        organisation,
        organisation_name: "Acme".into(),
        key,
        role: Role::Technician,
        name: "Ada".into(),
        issued: UnixMillis(0),
        use_by: UnixMillis(9),
        valid_until: UnixMillis(9),
    };
    let (signed, one_time) = invite(&organisation, &mut OsRng, fill).unwrap();
    let credential = Credential::join(signed, &one_time, &own.public(), UnixMillis(1)).unwrap();
    let verified = credential.verify(&organisation.public(), UnixMillis(1)).unwrap();
    let (name, organisation) = ("Ada".to_owned(), "Acme".to_owned());
    SessionTechnician { id: own.public().technician_id(), name, organisation, verified }
}

#[test]
fn what_is_decided_is_in_force_only_once_its_row_is_on_the_disk() {
    let mut device = Device::with_view();
    device.ask(Control);
    device.disk_hangs = true;
    device.allow();
    assert_eq!(device.allows(Control), Err(SessionRefusal::NotGranted(Control)));
    let granted =
        |device: &Device| device.done.iter().any(|effect| matches!(effect, SessionEffect::TellGranted(_)));
    assert!(!granted(&device));
    device.disk_goes_on();
    assert_eq!(device.allows(Control), Ok(()));
    assert!(granted(&device));
    // More time, and going on after a pause, wait in the same way.
    device.disk_hangs = true;
    let seconds_left = |device: &Device| device.sessions.granted(device.now, S).pop().unwrap().seconds_left;
    device.happens(|sessions, now| sessions.extend(now.instant, S, Control.into(), 600)).unwrap();
    assert_eq!(seconds_left(&device), 900);
    device.disk_goes_on();
    assert_eq!(seconds_left(&device), 1500);
    device.disk_hangs = true;
    device.happens(|sessions, now| sessions.pause(now, S)).unwrap();
    assert_eq!(device.allows(View), Err(SessionRefusal::NotGranted(View)), "a pause counts at once");
    device.happens(|sessions, _| sessions.resume(S)).unwrap();
    assert_eq!(device.allows(View), Err(SessionRefusal::NotGranted(View)));
    device.disk_goes_on();
    assert_eq!(device.allows(View), Ok(()));
}

#[test]
fn on_a_disk_that_hangs_for_a_minute_stop_counts_at_once_and_nothing_new_is_allowed() {
    let mut device = Device::with_view();
    device.ask(Control);
    device.disk_hangs = true;
    device.allow();
    device.pass(DISK_PATIENCE - Duration::from_millis(1));
    assert_eq!(device.refusals(), []);
    device.pass(Duration::from_millis(1));
    assert_eq!(device.refusals(), [SessionRefusal::Storage], "the technician isn't left waiting");
    let told = device.notices();
    assert!(told.len() == 1 && told[0].contains("the disk has not answered for 5 s"), "{told:?}");
    // Somebody who comes later is told as well.
    let late = device.happens(|sessions, now| sessions.under_way(now, ANN));
    assert!(
        matches!(late.first(), Some(LocalEvent::Notice(AgentNotice::RecordUnwritable { .. }))),
        "{late:?}"
    );
    // Asking again is refused at once; what needs no new row goes on.
    device.ask(Control);
    assert_eq!(device.refusals(), [SessionRefusal::Storage, SessionRefusal::Storage]);
    device.pass(MINUTE - DISK_PATIENCE);
    assert_eq!(device.allows(View), Ok(()));
    assert_eq!(device.allows(Control), Err(SessionRefusal::NotGranted(Control)));
    device.happens(|sessions, now| sessions.stop_all(now, ANN));
    assert!(device.is_stopped(), "no time has passed since Stop");
    assert_eq!(device.allows(View), Err(SessionRefusal::NotGranted(View)));
    // The disk is back: what was decided meanwhile isn't in force, and the record says so.
    device.disk_goes_on();
    assert_eq!(device.allows(Control), Err(SessionRefusal::NotGranted(Control)));
    let actions = device.actions();
    assert!(actions.iter().any(|action| action == "void"), "{actions:?}");
    let told = device.notices();
    assert!(told.last().is_some_and(|last| last.contains("can be written again")), "{told:?}");
}

#[test]
fn a_full_disk_allows_nothing_new_until_there_is_room() {
    let mut device = Device::with_view();
    device.log.disk().is_full = true;
    device.ask(Control);
    assert_eq!(device.refusals(), [SessionRefusal::Storage]);
    assert_eq!(device.notices().len(), 1);
    assert!(device.sessions.requests(device.now, ANN).is_empty(), "nobody is asked");
    device.ask(Control);
    assert_eq!(device.notices().len(), 1, "once for each problem");
    assert_eq!(device.allows(View), Ok(()));
    device.log.disk().is_full = false;
    device.ask(Control);
    device.allow();
    assert_eq!(device.allows(Control), Ok(()));
    assert_eq!(device.notices().len(), 2);
}

#[test]
fn what_is_taken_back_or_stopped_while_its_row_waits_never_comes_into_force() {
    let mut device = Device::with_view();
    device.ask(Control);
    device.disk_hangs = true;
    device.allow();
    device.happens(|sessions, now| sessions.take_back_by_person(now, S, Control.into()));
    assert_eq!(device.refusals(), [SessionRefusal::Denied]);
    device.disk_goes_on();
    assert_eq!(device.allows(Control), Err(SessionRefusal::NotGranted(Control)));
    assert_eq!(device.allows(View), Ok(()));

    device.ask(Control);
    device.disk_hangs = true;
    device.allow();
    device
        .happens(|sessions, now| sessions.end(now, S, SessionEndReason::Stopped, Some(AgentNotice::Stopped)));
    assert!(device.is_stopped());
    device.disk_goes_on();
    let nothing: Vec<_> = Capability::ALL.into_iter().filter(|what| device.allows(*what).is_ok()).collect();
    assert_eq!(nothing, []);
    device.ask(View);
    assert_eq!(device.refusals().last(), Some(&SessionRefusal::NoSuchSession));
}

#[test]
fn a_session_that_is_seen_again_goes_on_once_that_is_written_down() {
    let mut device = Device::with_view();
    device.disk_hangs = true;
    device.happens(|sessions, now| sessions.leave(now, 1));
    assert_eq!(device.allows(View), Err(SessionRefusal::Unattended), "at once");
    device.happens(|sessions, now| sessions.join(now, ANN));
    assert_eq!(device.allows(View), Err(SessionRefusal::Unattended));
    // The person sees it, so it doesn't end while the disk is silent.
    device.pass(MINUTE);
    assert!(!device.is_stopped());
    device.disk_goes_on();
    assert_eq!(device.allows(View), Ok(()));
}

#[test]
fn a_session_whose_row_cannot_be_written_does_not_begin() {
    let mut device = Device::empty();
    device.happens(|sessions, now| sessions.join(now, ANN));
    device.log.disk().is_full = true;
    device.begin();
    assert!(!device.sessions.is_live(S));
    let answered =
        |effect: &SessionEffect| matches!(effect, SessionEffect::Answer(_, Err(SessionRefusal::Storage)));
    assert!(device.done.iter().any(answered));
    device.happens(|sessions, now| sessions.forget(now, S, &AgentNotice::Stopped));
    device.log.disk().is_full = false;
    device.begin();
    assert!(device.sessions.is_live(S));
    assert_eq!(device.allows(View), Err(SessionRefusal::NotGranted(View)));
    assert_eq!(device.sessions.granted(device.now, S), []);
}

/// Passes time as an agent that runs does: it is there whenever something is due. `answers`: the watcher of this number
/// answers heartbeats.
fn pass_awake(device: &mut Device, time: Duration, answers: Option<u64>) {
    let end = device.now + time;
    while device.now < end {
        device.pass(Duration::from_millis(100));
        let sent = device.done.drain(..).rev().find_map(|effect| match effect {
            SessionEffect::TellPerson(_, LocalEvent::Heartbeat { number }) => Some(number),
            _ => None,
        });
        if let (Some(number), Some(watcher)) = (sent, answers) {
            device.happens(|sessions, now| sessions.heartbeat_answered(now, watcher, number));
        }
    }
}

#[test]
fn a_session_whose_watcher_hangs_pauses_and_goes_on_by_itself() {
    let mut device = Device::empty();
    let ann = device.happens(|sessions, now| sessions.join(now, ANN));
    device.begin();
    device.ask(View);
    device.allow();
    pass_awake(&mut device, MINUTE, Some(ann));
    assert_eq!(device.allows(View), Ok(()));
    // It is stopped, its connection stands.
    pass_awake(&mut device, Duration::from_secs(3), None);
    assert_eq!(device.allows(View), Err(SessionRefusal::Unattended));
    assert!(device.row_said("session.paused", "nobody can see the session on the device"));
    pass_awake(&mut device, 2 * MINUTE, None);
    assert_eq!(device.allows(View), Err(SessionRefusal::Unattended), "paused, and not over");
    device.happens(|sessions, now| sessions.heartbeat_answered(now, ann, 1));
    assert_eq!(device.allows(View), Ok(()), "it goes on by itself");
    // Stopped again, and then its connection is lost too: that is over as soon as for any other.
    pass_awake(&mut device, MINUTE, None);
    device.happens(|sessions, now| sessions.leave(now, ann));
    pass_awake(&mut device, Duration::from_secs(9), None);
    assert!(device.sessions.unseen_until().is_some(), "not over yet");
    device.pass(Duration::from_secs(2));
    assert!(device.ended(), "nobody came back");
}

#[test]
fn a_watcher_that_hangs_for_minutes_ends_the_session() {
    let mut device = Device::empty();
    device.happens(|sessions, now| sessions.join(now, ANN));
    device.begin();
    device.ask(View);
    device.allow();
    pass_awake(&mut device, 4 * MINUTE, None);
    let mut seconds = 0;
    while !device.ended() {
        device.pass(Duration::from_secs(1));
        seconds += 1;
        assert!(seconds < 90, "it never ends");
    }
}

#[test]
fn a_technician_who_floods_is_refused_in_words_and_costs_few_rows() {
    let mut device = Device::empty();
    device.happens(|sessions, now| sessions.join(now, ANN));
    device.begin();
    let before = device.log.rows().len();
    for _ in 0..2000 {
        device.ask(View);
        device.happens(|sessions, now| sessions.set_reason(now, S, "because"));
        let refused = device.allows(Control).unwrap_err();
        device.happens(|sessions, now| sessions.stream_refused(now, S, refused));
        device.happens(|sessions, now| sessions.give_up(now, S, View.into(), "technician"));
    }
    let rows = device.log.rows().len() - before;
    assert!(rows < 60, "{rows} rows");
    let told = device.done.iter().filter(|effect| matches!(effect, SessionEffect::TellPerson(..))).count();
    assert!(told < 60, "{told} events for the person");
    let asked_too_often = device.refusals().iter().filter(|why| **why == SessionRefusal::TooMany).count();
    assert!(asked_too_often > 1900, "each question is answered: {asked_too_often}");
    // Once it is calm again, one row says what was left out, and the technician is heard as before.
    device.pass(MINUTE);
    device.happens(|sessions, now| sessions.set_reason(now, S, "the printer"));
    assert!(device.row_said("refused", "more requests were refused: too many at once"));
    assert!(device.row_said("session.reason", "the printer"));
    // The chat is slowed down, not refused: what isn't read waits at the technician's end.
    let waits: Duration =
        (0..100).map(|_| device.happens(|sessions, now| sessions.chat_arrived(now, S, 4000))).max().unwrap();
    assert!(waits > MINUTE, "{waits:?}");
    // Stop waits for none of it.
    device.done.clear();
    device.happens(|sessions, now| sessions.stop_all(now, ANN));
    assert!(device.is_stopped());
}

const BEN: LocalUser = LocalUser { user: 1001, owner: false };

impl Device {
    fn screen_is(&mut self, user: Option<u32>) {
        self.happens(|sessions, now| sessions.screen_is(now, user.map(desktop)));
    }

    /// What is asked of that person.
    fn asked(&self, user: LocalUser) -> Vec<Capability> {
        let waiting = self.sessions.requests(self.now, user);
        waiting.iter().flat_map(|request| request.capabilities.iter().collect::<Vec<_>>()).collect()
    }

    fn answer(&mut self, user: LocalUser, allow: bool) {
        let request = self.sessions.requests(self.now, user).pop().unwrap();
        let allow_it = ConsentChoice::Allow {
            capabilities: request.capabilities,
            seconds: request.seconds,
            window: None,
        };
        let choice = if allow { allow_it } else { ConsentChoice::Deny };
        self.happens(|sessions, now| sessions.decide(now, request.request, choice)).unwrap();
    }

    fn may_use(&mut self, user: u32) -> Result<(), SessionRefusal> {
        self.happens(|sessions, now| sessions.may_use_screen(now, S, desktop(user)))
    }
}

#[test]
fn what_one_user_granted_shows_nothing_of_another_users_screen() {
    let mut device = Device::with_view();
    assert_eq!(device.may_use(ANN.user), Ok(()));
    // Ben comes to the screen. Nobody can ask him yet.
    device.screen_is(Some(BEN.user));
    assert!(device.allows(View).is_err());
    assert!(device.sessions.granted(device.now, S).is_empty());
    assert_eq!(device.may_use(BEN.user), Err(SessionRefusal::Unattended));
    device.happens(|sessions, now| sessions.join(now, BEN));
    assert_eq!(device.asked(BEN), [View]);
    assert_eq!(device.asked(ANN), [], "it is not hers to decide");
    // Ann is back: it goes on by itself, and Ben is asked no more.
    device.screen_is(Some(ANN.user));
    assert_eq!(device.asked(BEN), []);
    assert_eq!(device.allows(View), Ok(()));
    // A screen at which nobody can be seen: paused, nobody is asked.
    device.screen_is(None);
    assert!(device.allows(View).is_err());
    device.screen_is(Some(ANN.user));
    assert_eq!(device.allows(View), Ok(()));
}

#[test]
fn a_session_that_has_nothing_of_the_screen_left_is_bound_to_no_user_at_it() {
    let mut device = Device::with_view();
    device.ask(Capability::Diagnostics);
    device.pass(Duration::from_secs(4));
    device.allow();
    // Ben comes: all of it pauses, and goes on once nothing of Ann's screen is granted any more.
    device.screen_is(Some(BEN.user));
    assert!(device.allows(Capability::Diagnostics).is_err());
    device.happens(|sessions, now| sessions.give_up(now, S, View.into(), "technician"));
    device.screen_is(Some(BEN.user));
    assert_eq!(device.allows(Capability::Diagnostics), Ok(()));
    // From then on it is nobody's business who is at the screen.
    device.screen_is(None);
    assert_eq!(device.allows(Capability::Diagnostics), Ok(()));
    assert!(!device.sessions.follows_screen(device.now));
}

#[test]
fn a_return_to_the_screen_that_could_not_be_written_down_is_tried_again() {
    let mut device = Device::with_view();
    device.screen_is(Some(BEN.user));
    device.log.disk().is_full = true;
    device.screen_is(Some(ANN.user));
    assert!(device.allows(View).is_err());
    device.log.disk().is_full = false;
    device.screen_is(Some(ANN.user));
    assert_eq!(device.allows(View), Ok(()));
}

#[test]
fn the_other_user_decides_about_their_own_screen_and_the_session_is_theirs() {
    let mut device = Device::with_view();
    device.ask(Control);
    device.allow();
    device.happens(|sessions, now| sessions.join(now, BEN));
    device.screen_is(Some(BEN.user));
    assert_eq!(device.asked(BEN), [View, Control]);
    device.pass(Duration::from_secs(4));
    device.answer(BEN, false);
    assert!(device.allows(View).is_err(), "he said no");
    device.pass(Duration::from_secs(61));
    assert_eq!(device.asked(BEN), [], "and is not asked again and again");
    // The technician asks him for one thing of the two.
    device.ask(View);
    device.pass(Duration::from_secs(4));
    device.answer(BEN, true);
    assert_eq!(device.may_use(BEN.user), Ok(()));
    assert_eq!(device.allows(View), Ok(()));
    assert_eq!(device.allows(Control), Err(SessionRefusal::NotGranted(Control)), "that was Ann's to give");
    // It is his now, and no longer hers.
    assert!(device.sessions.is_theirs(BEN, S) && !device.sessions.is_theirs(ANN, S));
    let told = |effect: &SessionEffect| {
        matches!(
            effect,
            SessionEffect::TellPerson(Some(1000), LocalEvent::Ended { why: AgentNotice::OtherUser, .. })
        )
    };
    assert!(device.done.iter().any(told), "she is told");
    device.screen_is(Some(ANN.user));
    assert!(device.allows(View).is_err(), "she is asked again herself");
    assert_eq!(device.asked(ANN), [View]);
}

#[test]
fn an_answer_that_comes_after_a_switch_of_users_is_good_for_the_screen_it_was_about() {
    let mut device = Device::with_view();
    device.ask(Control);
    device.disk_hangs = true;
    device.allow();
    device.screen_is(Some(BEN.user));
    device.disk_goes_on();
    assert!(device.allows(Control).is_err());
    assert_eq!(device.may_use(BEN.user), Err(SessionRefusal::Unattended));
    device.screen_is(Some(ANN.user));
    assert_eq!(device.allows(Control), Ok(()));
}

#[test]
fn the_user_at_the_screen_decides_about_it_also_where_another_made_the_code() {
    let mut device = Device::empty();
    device.happens(|sessions, now| sessions.join(now, ANN));
    device.happens(|sessions, now| sessions.join(now, BEN));
    device.screen_is(Some(BEN.user));
    // The code is Ann's, who is logged in over the network.
    device.begin();
    device.ask(View);
    assert_eq!((device.asked(ANN), device.asked(BEN)), (vec![], vec![View]));
    device.ask(Capability::Diagnostics);
    assert_eq!(device.asked(ANN), [Capability::Diagnostics], "what is not of the screen is hers");
    device.screen_is(None);
    device.done.clear();
    device.ask(View);
    assert_eq!(device.refusals(), [SessionRefusal::NotOffered(View)], "nobody is at the screen");
}

#[test]
fn titles_of_windows_are_for_the_user_at_the_screen_who_is_asked_for_one() {
    let mut device = Device::with_view();
    device.happens(|sessions, now| sessions.join(now, BEN));
    let may = |device: &Device, user| device.sessions.may_list_windows(device.now, user);
    assert!(!may(&device, ANN), "nobody asks for one");
    device.ask(Capability::Window);
    assert!(may(&device, ANN) && !may(&device, BEN));
    device.screen_is(Some(BEN.user));
    assert!(!may(&device, ANN), "they are Ben's windows now");
}

/// Another process of the agent, which has what the first one kept.
fn started_again(device: &Device, later: Duration) -> Device {
    let mut again = Device::empty();
    again.now = device.now + later;
    for mut kept in device.sessions.to_keep(device.now) {
        for (_, left) in &mut kept.granted {
            *left = left.saturating_sub(later);
        }
        let start = ArrivedSession {
            session: kept.session,
            technician: technician(),
            attended: kept.attended,
            person: kept.person,
            offers: Capability::ALL.into_iter().collect(),
        };
        again.happens(|sessions, _| sessions.restore(start, kept));
    }
    again
}

#[test]
fn what_was_granted_goes_on_after_a_restart_of_the_agent_once_somebody_sees_it_and_for_no_longer() {
    let mut device = Device::with_view();
    device.ask(Control);
    device.allow();
    device.happens(|sessions, now| sessions.give_up(now, S, Control.into(), "technician"));
    let mut again = started_again(&device, MINUTE);
    assert!(again.row_said("session.kept", "still granted: view for 840 s"));
    assert_eq!(again.allows(View), Err(SessionRefusal::Unattended), "nobody sees it yet");
    again.happens(|sessions, now| sessions.join(now, ANN));
    assert_eq!(again.allows(View), Ok(()));
    assert_eq!(again.allows(Control), Err(SessionRefusal::NotGranted(Control)), "it was given up");
    assert!(again.sessions.is_theirs(ANN, S));
    again.pass(Duration::from_secs(841));
    assert!(again.allows(View).is_err(), "its time is over");
}

#[test]
fn what_was_stopped_or_is_not_written_down_does_not_come_back_after_a_restart() {
    let mut device = Device::with_view();
    device.happens(|sessions, now| sessions.pause(now, S)).unwrap();
    let mut paused = started_again(&device, MINUTE);
    paused.happens(|sessions, now| sessions.join(now, ANN));
    assert_eq!(paused.allows(View), Err(SessionRefusal::NotGranted(View)), "it stays paused");
    // Another user came to the screen meanwhile.
    let mut other = Device::empty();
    other.screen_is(Some(BEN.user));
    other.now = device.now;
    device.happens(|sessions, now| sessions.stop_all(now, ANN));
    assert_eq!(device.sessions.to_keep(device.now), [], "at once, not when its connection has ended");
    let mut full = Device::with_view();
    let kept = full.sessions.to_keep(full.now).pop().unwrap();
    let start = ArrivedSession {
        session: S,
        technician: technician(),
        attended: true,
        person: Some(ANN.user),
        offers: Capability::ALL.into_iter().collect(),
    };
    full = Device::empty();
    full.log.disk().is_full = true;
    full.happens(|sessions, now| sessions.join(now, ANN));
    full.happens(|sessions, _| sessions.restore(start.clone(), kept.clone()));
    assert!(full.allows(View).is_err(), "its row is not on the disk");
    other.happens(|sessions, now| sessions.join(now, ANN));
    other.happens(|sessions, _| sessions.restore(start, kept));
    assert!(other.allows(View).is_err(), "Ben is at the screen now");
}
