//! The model without a screen: what is shown and sent for each input, with the time as an argument.

use core::time::Duration;

use nearhand_proto::grant::{Capabilities, Capability};
use nearhand_proto::id::SessionId;
use nearhand_proto::message::local::{
    self, ActivityEntry, AgentNotice, AgentStatus, ChatLine, ConsentChoice, ConsentRequest, DeliveryMark,
    FixableFinding, ListedWindow, LocalEvent, LocalReply, LocalSession, LocalVerb, MAX_HELP_TEXT,
    MAX_REACH_TEXT, SelfHelpHint, Urgency,
};
use nearhand_proto::message::session::GrantedCapability;
use nearhand_proto::time::UnixMillis;

use super::input::{GrantTerm, Uptime};
use super::view::WindowPage;
use super::{PressSource, UserAction, WindowEffect, WindowInput, WindowModel, messages};
use crate::catalog::{Catalog, Language};

const S: SessionId = SessionId::from_bytes([1; 16]);

const fn at(seconds: u64) -> Uptime {
    Duration::from_secs(seconds)
}

fn model() -> WindowModel {
    WindowModel::new(Catalog::new(Language::English), time::UtcOffset::UTC, false)
}

fn status() -> AgentStatus {
    AgentStatus {
        version: "0.1.0".into(),
        device: "desk".into(),
        organisation: "Acme".into(),
        relay: "relay:1".into(),
        connected: true,
        problem: None,
        code: None,
        requests: Vec::new(),
        sessions: Vec::new(),
    }
}

fn connected() -> WindowModel {
    let mut m = model();
    m.handle(WindowInput::Connected(Box::new(status())), at(0));
    m
}

fn request(capabilities: &[Capability]) -> ConsentRequest {
    ConsentRequest {
        request: 3,
        session: S,
        organisation: "Acme".into(),
        technician: "Ada".into(),
        reason: "printer".into(),
        capabilities: capabilities.iter().copied().collect(),
        seconds: 900,
        first_contact: true,
        seconds_left: 60,
    }
}

fn session(granted: &[Capability]) -> LocalSession {
    LocalSession {
        session: S,
        organisation: "Acme".into(),
        technician: "Ada".into(),
        reason: "printer".into(),
        granted: granted.iter().map(|c| GrantedCapability { capability: *c, seconds_left: 900 }).collect(),
        connected: true,
        began: UnixMillis(0),
        chat: Vec::new(),
    }
}

fn event(m: &mut WindowModel, event: LocalEvent, now: Uptime) -> Vec<WindowEffect> {
    m.handle(WindowInput::Event(event), now)
}

fn press(m: &mut WindowModel, action: UserAction, now: Uptime) -> Vec<WindowEffect> {
    m.handle(WindowInput::Action(action, PressSource::Person), now)
}

fn decided(effects: &[WindowEffect]) -> Option<ConsentChoice> {
    effects.iter().find_map(|effect| match effect {
        WindowEffect::Send(LocalVerb::Decide { request: 3, choice }) => Some(*choice),
        _ => None,
    })
}

fn all(capabilities: &[Capability]) -> Capabilities {
    capabilities.iter().copied().collect()
}

#[test]
fn only_seeing_is_ticked_and_allow_waits() {
    let mut m = connected();
    let effects = event(&mut m, LocalEvent::Asked(request(&[Capability::View, Capability::Control])), at(10));
    assert!(effects.contains(&WindowEffect::Show));
    let screen = m.view(at(10));
    assert_eq!(screen.page, WindowPage::Consent);
    assert_eq!(screen.consent.lines.iter().map(|line| line.ticked).collect::<Vec<_>>(), [true, false]);
    assert!(!screen.consent.can_allow && screen.consent.first_contact);
    assert_eq!(press(&mut m, UserAction::Allow, at(12)), []);
    assert!(m.view(at(15)).consent.can_allow);
    let choice = decided(&press(&mut m, UserAction::Allow, at(15)));
    assert_eq!(
        choice,
        Some(ConsentChoice::Allow { capabilities: Capability::View.into(), seconds: 900, window: None })
    );
    // Once is enough, until it is refused.
    assert_eq!(press(&mut m, UserAction::Allow, at(16)), []);
    let verb = LocalVerb::Decide { request: 3, choice: choice.unwrap() };
    m.handle(WindowInput::Answer(verb, Err(AgentNotice::ReadFirst { seconds: 3 })), at(16));
    assert!(m.view(at(16)).consent.refused.contains("Allow works in 3 seconds"));
    assert!(decided(&press(&mut m, UserAction::Allow, at(17))).is_some());
}

#[test]
fn denying_needs_no_wait_and_no_person() {
    let mut m = connected();
    event(&mut m, LocalEvent::Asked(request(&[Capability::View])), at(0));
    let effects = m.handle(WindowInput::Action(UserAction::Deny, PressSource::Program), at(0));
    assert_eq!(decided(&effects), Some(ConsentChoice::Deny));
}

#[test]
fn what_a_program_presses_widens_nothing() {
    let mut m = connected();
    event(&mut m, LocalEvent::Session(session(&[Capability::View])), at(0));
    event(&mut m, LocalEvent::Asked(request(&[Capability::View, Capability::Control])), at(0));
    let before = m.view(at(9)).consent;
    for act in [
        UserAction::Allow,
        UserAction::Confirm,
        UserAction::Tick(Capability::Control),
        UserAction::ChooseTerm(GrantTerm::UntilStopped),
        UserAction::ChooseWindow(1),
        UserAction::NewCode,
        UserAction::Extend,
        UserAction::Resume,
    ] {
        assert_eq!(m.handle(WindowInput::Action(act.clone(), PressSource::Program), at(9)), [], "{act:?}");
        assert!(m.view(at(9)).remark.contains("made by a program"), "{act:?}");
    }
    assert_eq!(m.view(at(9)).consent, before);
    // What narrows is taken from anybody.
    m.handle(WindowInput::Action(UserAction::Untick(Capability::View), PressSource::Program), at(9));
    assert!(!m.view(at(9)).consent.lines.first().unwrap().ticked);
    let stop = m.handle(WindowInput::Action(UserAction::Stop, PressSource::Program), at(9));
    assert_eq!(stop, [WindowEffect::Send(LocalVerb::Stop { session: S })]);
}

#[test]
fn what_reaches_far_is_confirmed_on_a_page_of_its_own() {
    for far in [UserAction::Tick(Capability::Terminal), UserAction::ChooseTerm(GrantTerm::UntilStopped)] {
        let mut m = connected();
        event(&mut m, LocalEvent::Asked(request(&[Capability::View, Capability::Terminal])), at(0));
        press(&mut m, far.clone(), at(6));
        assert_eq!(press(&mut m, UserAction::Allow, at(6)), [], "{far:?}");
        assert_eq!(m.view(at(6)).page, WindowPage::Elevated);
        press(&mut m, UserAction::Back, at(6));
        assert_eq!(m.view(at(6)).page, WindowPage::Consent);
        assert_eq!(press(&mut m, UserAction::Confirm, at(6)), [], "not shown");
        press(&mut m, UserAction::Allow, at(6));
        assert!(decided(&press(&mut m, UserAction::Confirm, at(6))).is_some());
    }
}

#[test]
fn a_window_is_chosen_from_the_newest_list_and_never_by_none() {
    let mut m = connected();
    let effects = event(&mut m, LocalEvent::Asked(request(&[Capability::Window])), at(0));
    assert!(effects.contains(&WindowEffect::Send(LocalVerb::Windows)));
    let window = |id| ListedWindow { id, application: "Ledger".into(), title: "Accounts".into() };
    let list = |m: &mut WindowModel, ids: &[u32]| {
        let windows = ids.iter().map(|id| window(*id)).collect();
        m.handle(WindowInput::Answer(LocalVerb::Windows, Ok(LocalReply::Windows(windows))), at(1));
    };
    list(&mut m, &[70, 7]);
    assert_eq!(press(&mut m, UserAction::Allow, at(9)), []);
    press(&mut m, UserAction::ChooseWindow(8), at(9));
    assert_eq!(press(&mut m, UserAction::Allow, at(9)), []);
    press(&mut m, UserAction::ChooseWindow(7), at(9));
    list(&mut m, &[70]);
    assert_eq!(press(&mut m, UserAction::Allow, at(9)), [], "it is gone");
    press(&mut m, UserAction::ChooseWindow(70), at(9));
    let choice = decided(&press(&mut m, UserAction::Allow, at(9)));
    let wanted =
        ConsentChoice::Allow { capabilities: all(&[Capability::Window]), seconds: 900, window: Some(70) };
    assert_eq!(choice, Some(wanted));
}

#[test]
fn a_session_is_shown_until_it_ends_and_then_what_was_done() {
    let mut m = connected();
    event(&mut m, LocalEvent::Session(session(&[Capability::View])), at(0));
    event(
        &mut m,
        LocalEvent::Activity {
            session: S,
            entry: ActivityEntry { at: UnixMillis(0), activity: local::Activity::SeesScreen },
        },
        at(1),
    );
    let screen = m.view(at(60));
    assert_eq!(screen.page, WindowPage::Session);
    assert!(screen.session.left.contains("14 minutes"), "{}", screen.session.left);
    assert_eq!(screen.session.activity.first().unwrap().text, "The technician sees the screen");
    event(&mut m, LocalEvent::Paused { session: S, reason: local::PauseReason::Unseen }, at(61));
    assert!(m.view(at(61)).session.paused);
    let effects = event(&mut m, LocalEvent::Ended { session: S, why: AgentNotice::ByTechnician }, at(62));
    assert!(effects.contains(&WindowEffect::Send(LocalVerb::Record { session: S })));
    let screen = m.view(at(63));
    assert_eq!(screen.page, WindowPage::After);
    assert!(screen.after.why.contains("The technician ended it"));
    assert_eq!(screen.after.activity.len(), 1);
    press(&mut m, UserAction::Finish, at(64));
    assert_eq!(m.view(at(64)).page, WindowPage::Help);
}

#[test]
fn a_message_is_told_as_seen_once() {
    let mut m = connected();
    event(&mut m, LocalEvent::Session(session(&[])), at(0));
    let line =
        |number, mark| ChatLine { from_technician: true, number, at: UnixMillis(0), text: "hi".into(), mark };
    event(&mut m, LocalEvent::Chat { session: S, line: line(4, DeliveryMark::Received) }, at(1));
    assert_eq!(m.mark_messages_seen(), [WindowEffect::Send(LocalVerb::Seen { session: S, number: 4 })]);
    event(&mut m, LocalEvent::Chat { session: S, line: line(4, DeliveryMark::Shown) }, at(1));
    assert_eq!(m.mark_messages_seen(), []);
    assert_eq!(m.view(at(1)).session.chat.len(), 1);
}

#[test]
fn a_window_is_not_closed_over_a_session() {
    let mut m = connected();
    assert_eq!(press(&mut m, UserAction::CloseWindow, at(0)), [WindowEffect::Leave]);
    event(&mut m, LocalEvent::Asked(request(&[Capability::View])), at(0));
    let effects = press(&mut m, UserAction::CloseWindow, at(0));
    assert_eq!(decided(&effects), Some(ConsentChoice::Deny));
    event(&mut m, LocalEvent::Session(session(&[])), at(0));
    assert_eq!(press(&mut m, UserAction::CloseWindow, at(0)), [WindowEffect::Hide]);
}

#[test]
fn when_the_agent_is_gone_so_is_what_only_it_can_answer_for() {
    let mut m = connected();
    event(&mut m, LocalEvent::Session(session(&[Capability::View])), at(0));
    m.handle(WindowInput::Lost, at(1));
    assert_eq!(m.view(at(1)).page, WindowPage::Lost);
    // It comes back and knows nothing of the session.
    m.handle(WindowInput::Connected(Box::new(status())), at(3));
    assert_eq!(m.view(at(3)).page, WindowPage::After);
}

#[test]
fn what_others_wrote_stands_in_quotes_and_can_not_reorder_ours() {
    let mut m = connected();
    let mut asks = request(&[Capability::View]);
    asks.technician = format!("Nearhand says: press Allow\u{202e}{}", "x".repeat(500));
    event(&mut m, LocalEvent::Asked(asks), at(0));
    let who = m.view(at(0)).consent.who;
    assert!(who.starts_with("\u{2068}“Nearhand says"), "{who}");
    assert!(who.contains("”\u{2069} of ") && !who.contains('\u{202e}'), "{who}");
    assert!(who.chars().count() < 120, "{who}");
}

#[test]
fn nothing_is_to_be_done_while_nothing_runs_down() {
    let mut m = connected();
    assert_eq!(m.next_change(at(1)), None);
    // By the minute, and by the second in the last two.
    event(&mut m, LocalEvent::Session(session(&[Capability::View])), at(0));
    let wait = m.next_change(at(30)).unwrap();
    assert!(wait > at(29) && wait < at(31), "{wait:?}");
    let wait = m.next_change(at(850)).unwrap();
    assert!(wait <= Duration::from_millis(1_020), "{wait:?}");
}

#[test]
fn texts_of_a_persons_are_cut_to_what_the_agent_takes() {
    let mut m = connected();
    let act = UserAction::AskForHelp {
        problem: "x".repeat(9_000),
        urgency: Urgency::Stopped,
        contact: "y".repeat(9_000),
    };
    let effects = press(&mut m, act, at(0));
    let Some(WindowEffect::Send(LocalVerb::AskForHelp(wanted))) = effects.first() else {
        panic!("{effects:?}")
    };
    assert_eq!((wanted.what.len(), wanted.reach.len()), (MAX_HELP_TEXT, MAX_REACH_TEXT));
    assert_eq!(
        press(
            &mut m,
            UserAction::AskForHelp {
                problem: "  ".into(),
                urgency: Urgency::Stopped,
                contact: String::new()
            },
            at(0)
        ),
        []
    );
}

#[test]
fn what_a_person_can_mend_is_said_in_their_language_and_without_jargon() {
    for language in Language::ALL {
        let catalog = Catalog::new(language);
        let mut titles = std::collections::BTreeSet::new();
        for mend in SelfHelpHint::ALL {
            let check = format!("{}:/home", mend.checks().first().unwrap());
            let fix = FixableFinding { check, title: "cpu.load".into(), advice: "see processes.cpu".into() };
            let messages::HintLine { title, advice } = messages::hint(&catalog, &fix);
            let plain = |text: &str| !text.contains("fix-") && !text.contains("processes.");
            assert!(
                plain(&title) && plain(&advice) && title != advice,
                "{language:?} {mend:?}: {title}, {advice}"
            );
            assert!(titles.insert(title));
        }
    }
    // What only a newer agent knows is said in its words.
    let fix = FixableFinding {
        check: "disks.lost".into(),
        title: "A disk is lost".into(),
        advice: "Look for it".into(),
    };
    assert!(messages::hint(&Catalog::new(Language::German), &fix).title.contains("A disk is lost"));
}

#[test]
fn what_the_agent_says_is_translated_and_what_others_wrote_in_it_is_marked() {
    let mut m = WindowModel::new(Catalog::new(Language::German), time::UtcOffset::UTC, false);
    m.handle(WindowInput::Connected(Box::new(status())), at(0));
    event(&mut m, LocalEvent::Notice(AgentNotice::WrongCode { who: "Drücken Sie Erlauben".into() }), at(1));
    let remark = m.view(at(1)).remark;
    assert!(
        remark.contains("falschen Hilfe-Code") && remark.contains("\u{2068}“Drücken Sie Erlauben”"),
        "{remark}"
    );
    event(&mut m, LocalEvent::CodeGone(AgentNotice::CodeUsed), at(1));
    assert!(m.view(at(1)).code.gone.contains("Er wurde benutzt"));
    event(&mut m, LocalEvent::Session(session(&[])), at(2));
    let activity = local::Activity::Refused(AgentNotice::NotGranted(Capability::Control));
    event(
        &mut m,
        LocalEvent::Activity { session: S, entry: ActivityEntry { at: UnixMillis(0), activity } },
        at(2),
    );
    let done = m.view(at(2)).session.activity;
    assert_eq!(
        done.first().unwrap().text,
        "Dem Techniker wurde etwas verweigert: nicht erlaubt: Maus und Tastatur benutzen"
    );
    event(&mut m, LocalEvent::Ended { session: S, why: AgentNotice::Stopped }, at(3));
    assert!(m.view(at(3)).after.why.contains("an diesem Rechner beendet"));
}
