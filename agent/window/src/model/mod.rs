//! What the window knows and decides. Inputs in, effects out; time is an argument, nothing here draws, sleeps or opens
//! a socket.
//!
//! Lives here: what the agent told, what the person chose, which page that makes. Must not live here: how it is drawn
//! (`face`), how the agent is asked (`link`), what a press came from (`platform`).

pub(crate) mod consent_prompt;
pub(crate) mod ended_session;
pub(crate) mod live_session;
pub(crate) mod messages;
pub(crate) mod phrases;
pub(crate) mod view;

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use nearhand_proto::grant::{Capabilities, Capability};
use nearhand_proto::id::SessionId;
use nearhand_proto::invitation::SiteString;
use nearhand_proto::message::local::{
    Code, Event, Fix, Help, HelpWanted, MAX_FIXES, MAX_HELP_TEXT, MAX_REACH_TEXT, Reply, Said, Session,
    Status, Urgency, Verb,
};

use crate::catalog::{Arg, Catalog};
use consent_prompt::{Asked, Term};
use ended_session::After;
use live_session::Live;

/// How long a remark stays.
const REMARK: Duration = Duration::from_secs(12);
/// What one press of "more" gives.
const MORE_SECONDS: u32 = 15 * 60;

/// Time since the window was started.
pub(crate) type Now = Duration;

/// Who pressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum By {
    /// The person: a device, or through a screen reader.
    Person,
    /// A program that imitates a device.
    Program,
}

/// What the person does.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Act {
    /// Another page.
    Go(Tab),
    /// The string of a support team.
    Site(String),
    /// Asks for help.
    Ask {
        what: String,
        urgency: Urgency,
        reach: String,
    },
    /// No longer.
    Withdraw,
    /// Wants the form again.
    AskAgain,
    NewCode,
    CancelCode,
    /// The code was put on the clipboard.
    CopyCode,
    /// Ticks a capability, or takes the tick away.
    Tick(Capability, bool),
    Term(Term),
    Window(u32),
    Allow,
    /// On the second page.
    Confirm,
    Back,
    Deny,
    Stop,
    StopAll,
    Pause,
    Resume,
    Extend,
    TakeBack(Capability),
    Say(String),
    Save,
    Rate {
        stars: u8,
        comment: String,
    },
    Report(String),
    Finish,
    /// Closes the window.
    Close,
}

impl Act {
    /// Whether it gives the other end more than before: such a press must be the person's own.
    pub(crate) const fn widens(&self) -> bool {
        matches!(
            self,
            Self::NewCode
                | Self::Tick(_, true)
                | Self::Term(_)
                | Self::Window(_)
                | Self::Allow
                | Self::Confirm
                | Self::Resume
                | Self::Extend
                | Self::Site(_)
        )
    }
}

/// What happens.
#[derive(Debug)]
pub(crate) enum Input {
    /// The agent answers; how things stand.
    Connected(Box<Status>),
    /// It went away.
    Lost,
    Event(Event),
    /// What came of a verb.
    Answer(Verb, Result<Reply, Said>),
    /// The record was written to this file, or not.
    Saved(Result<String, String>),
    Person(Act, By),
    /// The hot key for Stop is another program's.
    HotKey {
        taken: bool,
    },
}

/// What is to be done.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Effect {
    Send(Verb),
    /// A file of the person's own.
    Save(String),
    /// The desktop tells the person.
    Notify {
        title: String,
        body: String,
    },
    /// The window comes to the front.
    Show,
    /// Only the banner stays.
    Hide,
    /// The string of the support team is known.
    Site(String),
    /// The window ends; the agent is told first if it is there.
    Leave,
}

/// A page that the person chooses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tab {
    Help,
    Code,
    About,
}

/// How far the agent is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Link {
    /// No support team is known.
    NoSite,
    /// The person named one; its agent is being started.
    Starting,
    Seeking,
    Up,
    Lost,
}

/// Fixes for what the local diagnosis found.
#[derive(Clone, Debug)]
enum Fixes {
    NotAsked,
    Looking,
    Found(Vec<Fix>),
}

/// A support code and until when it is good.
#[derive(Clone, Debug)]
struct Shown {
    spoken: String,
    until: Now,
}

/// All that the window knows.
pub(crate) struct Model {
    pub(crate) catalog: Catalog,
    offset: time::UtcOffset,
    link: Link,
    status: Option<Status>,
    tab: Tab,
    /// Over whatever page.
    about: bool,
    code: Option<Shown>,
    code_gone: Option<Said>,
    copied: bool,
    asked: VecDeque<Asked>,
    live: BTreeMap<SessionId, Live>,
    /// The session that is shown.
    current: Option<SessionId>,
    after: Option<After>,
    fixes: Fixes,
    help: Help,
    /// The form is shown although there is a request that is over.
    form: bool,
    remark: Option<(String, Now)>,
    key_taken: bool,
    site_bad: bool,
}

impl Model {
    /// A window without an agent yet.
    pub(crate) const fn new(catalog: Catalog, offset: time::UtcOffset, ask_site: bool) -> Self {
        Self {
            catalog,
            offset,
            link: if ask_site { Link::NoSite } else { Link::Seeking },
            status: None,
            tab: Tab::Help,
            about: false,
            code: None,
            code_gone: None,
            copied: false,
            asked: VecDeque::new(),
            live: BTreeMap::new(),
            current: None,
            after: None,
            fixes: Fixes::NotAsked,
            help: Help::None,
            form: false,
            remark: None,
            key_taken: false,
            site_bad: false,
        }
    }

    /// Whether a session is under way.
    pub(crate) fn is_live(&self) -> bool {
        !self.live.is_empty()
    }

    /// Takes in what happened; what is to be done.
    pub(crate) fn put(&mut self, input: Input, now: Now) -> Vec<Effect> {
        match input {
            Input::Connected(status) => self.connected(*status, now),
            Input::Lost => {
                self.link = Link::Lost;
                self.asked.clear();
                self.code = None;
                Vec::new()
            }
            Input::Event(event) => self.event(event, now),
            Input::Answer(verb, answer) => self.answer(&verb, answer, now),
            Input::Saved(outcome) => {
                if let Some(after) = &mut self.after {
                    after.saved = Some(outcome);
                }
                Vec::new()
            }
            Input::Person(act, By::Program) if act.widens() => {
                self.say(self.catalog.text("by-program"), now);
                Vec::new()
            }
            Input::Person(act, _) => self.act(act, now),
            Input::HotKey { taken } => {
                self.key_taken = taken;
                Vec::new()
            }
        }
    }

    fn say(&mut self, remark: String, now: Now) {
        self.remark = Some((remark, now + REMARK));
    }

    fn agent_says(&mut self, said: &Said, now: Now) {
        let text = messages::said(&self.catalog, said);
        self.say(self.catalog.with("message-from-agent", &[("text", Arg::Text(&text))]), now);
    }

    fn code_is_gone(&mut self, why: Said) {
        self.code = None;
        self.code_gone = Some(why);
    }

    fn connected(&mut self, status: Status, now: Now) -> Vec<Effect> {
        let first = self.status.is_none();
        self.link = Link::Up;
        self.site_bad = false;
        self.code = status.code.as_ref().map(|code| shown(code, now));
        if first && self.code.is_some() {
            self.tab = Tab::Code;
        }
        let mut effects = vec![Effect::Send(Verb::Help)];
        if matches!(self.fixes, Fixes::NotAsked) {
            self.fixes = Fixes::Looking;
            effects.push(Effect::Send(Verb::Fixes));
        }
        // Sessions that the agent no longer knows ended while it was away.
        let gone: Vec<SessionId> = self.live.keys().copied().collect();
        for session in gone.into_iter().filter(|id| !status.sessions.iter().any(|s| s.session == *id)) {
            effects.extend(self.ended(session, None));
        }
        for session in &status.sessions {
            effects.extend(self.session(session.clone(), now));
        }
        self.asked.clear();
        for request in status.requests.clone() {
            effects.extend(self.event(Event::Asked(request), now));
        }
        self.status = Some(status);
        effects
    }

    fn event(&mut self, event: Event, now: Now) -> Vec<Effect> {
        match event {
            Event::Relay { connected, problem } => {
                if let Some(status) = &mut self.status {
                    status.connected = connected;
                    status.problem = problem;
                }
            }
            Event::CodeGone(why) => self.code_is_gone(why),
            Event::Asked(request) => return self.is_asked(request, now),
            Event::Settled { request, .. } => self.asked.retain(|asked| asked.request.request != request),
            Event::Session(session) => return self.session(session, now),
            Event::Activity { session, entry } => {
                if let Some(live) = self.live.get_mut(&session) {
                    live.did(entry);
                }
            }
            Event::Chat { session, line } => {
                let theirs = line.from_technician;
                let number = line.number;
                if let Some(live) = self.live.get_mut(&session) {
                    live.chat(line);
                    if theirs && live.seen < number {
                        live.unseen = Some(number);
                    }
                }
            }
            Event::Ended { session, why } => return self.ended(session, Some(why)),
            Event::Notice(said) => self.agent_says(&said, now),
            Event::Paused { session, unseen } => {
                if let Some(live) = self.live.get_mut(&session) {
                    live.paused = Some(unseen);
                }
            }
            Event::Resumed { session } => {
                if let Some(live) = self.live.get_mut(&session) {
                    live.paused = None;
                }
            }
            Event::Help(help) => self.help = help,
        }
        Vec::new()
    }

    fn is_asked(&mut self, request: nearhand_proto::message::local::ConsentRequest, now: Now) -> Vec<Effect> {
        let technician = phrases::name(&request.technician);
        let organisation = phrases::name(&request.organisation);
        let wants_window = request.capabilities.contains(Capability::Window);
        self.asked.push_back(Asked::new(request, now));
        let body = self.catalog.with(
            "request-notice-body",
            &[("technician", Arg::Text(&technician)), ("organisation", Arg::Text(&organisation))],
        );
        let title = self.catalog.text("request-notice-title");
        let mut effects = vec![Effect::Notify { title, body }, Effect::Show];
        if wants_window {
            effects.push(Effect::Send(Verb::Windows));
        }
        effects
    }

    fn session(&mut self, session: Session, now: Now) -> Vec<Effect> {
        let id = session.session;
        self.after = None;
        self.about = false;
        match self.live.get_mut(&id) {
            Some(live) => {
                live.stands(session, now);
                Vec::new()
            }
            None => {
                self.current = Some(id);
                self.live.insert(id, Live::new(session, now));
                // What happened before this window was there.
                vec![Effect::Send(Verb::Record { session: id })]
            }
        }
    }

    fn ended(&mut self, session: SessionId, why: Option<Said>) -> Vec<Effect> {
        self.asked.retain(|asked| asked.request.session != session);
        let Some(live) = self.live.remove(&session) else { return Vec::new() };
        if self.current == Some(session) {
            self.current = self.live.keys().next().copied();
        }
        self.after = Some(After::new(live, why));
        vec![Effect::Send(Verb::Record { session }), Effect::Show]
    }

    fn answer(&mut self, verb: &Verb, answer: Result<Reply, Said>, now: Now) -> Vec<Effect> {
        match (verb, answer) {
            (Verb::NewCode, Ok(Reply::Code(code))) => {
                self.code = Some(shown(&code, now));
                self.code_gone = None;
                self.copied = false;
            }
            (Verb::CancelCode, Ok(_)) => self.code = None,
            (Verb::Windows, Ok(Reply::Windows(windows))) => {
                for asked in &mut self.asked {
                    asked.windows(windows.clone());
                }
            }
            (Verb::Decide { request, .. }, Err(why)) => {
                if let Some(asked) = self.asked.iter_mut().find(|asked| asked.request.request == *request) {
                    asked.refused(why);
                }
            }
            (Verb::Fixes, Ok(Reply::Fixes(mut fixes))) => {
                fixes.truncate(MAX_FIXES);
                self.fixes = Fixes::Found(fixes);
            }
            // A machine that can't be checked is asked for help all the same.
            (Verb::Fixes, Err(_)) => self.fixes = Fixes::Found(Vec::new()),
            (Verb::Help, Ok(Reply::Help(help))) => self.help = help,
            // An agent that knows nothing of it has none waiting.
            (Verb::Help, Err(_)) => {}
            (Verb::AskForHelp(_), Ok(reply)) => {
                self.form = false;
                self.help = if let Reply::Help(help) = reply { help } else { Help::Sending };
                return vec![Effect::Send(Verb::Help)];
            }
            (Verb::WithdrawHelp, Ok(_)) => self.help = Help::None,
            (Verb::Record { session }, Ok(Reply::Record(record))) => {
                if let Some(live) = self.live.get_mut(session) {
                    live.record(*record);
                } else if let Some(after) = self.after.as_mut().filter(|a| a.session() == *session) {
                    after.record(*record);
                }
            }
            // What this window saw itself is shown.
            (Verb::Record { .. }, Err(_)) => {}
            (Verb::Rate { .. }, Ok(_)) => {
                if let Some(after) = &mut self.after {
                    after.rated = true;
                }
            }
            (Verb::ReportSession { .. }, Ok(_)) => {
                if let Some(after) = &mut self.after {
                    after.reported = true;
                }
            }
            (Verb::Pause { session }, Ok(_)) => {
                if let Some(live) = self.live.get_mut(session) {
                    live.paused = Some(false);
                }
            }
            (Verb::Resume { session }, Ok(_)) => {
                if let Some(live) = self.live.get_mut(session) {
                    live.paused = None;
                }
            }
            (_, Err(why)) => self.agent_says(&why, now),
            (_, Ok(_)) => {}
        }
        Vec::new()
    }

    fn act(&mut self, act: Act, now: Now) -> Vec<Effect> {
        match act {
            Act::Go(Tab::About) => self.about = !self.about,
            Act::Go(tab) => {
                self.about = false;
                self.tab = tab;
            }
            Act::Site(text) => return self.site(&text),
            Act::Ask { what, urgency, reach } => {
                let what = cut(what.trim(), MAX_HELP_TEXT);
                let reach = cut(reach.trim(), MAX_REACH_TEXT);
                if what.is_empty() {
                    return Vec::new();
                }
                return vec![Effect::Send(Verb::AskForHelp(HelpWanted { what, urgency, reach }))];
            }
            Act::Withdraw => return vec![Effect::Send(Verb::WithdrawHelp)],
            Act::AskAgain => self.form = true,
            Act::NewCode => return vec![Effect::Send(Verb::NewCode)],
            Act::CancelCode => return vec![Effect::Send(Verb::CancelCode)],
            Act::CopyCode => self.copied = self.code.is_some(),
            Act::Tick(..)
            | Act::Term(_)
            | Act::Window(_)
            | Act::Allow
            | Act::Confirm
            | Act::Back
            | Act::Deny => {
                let Some(asked) = self.asked.front_mut() else { return Vec::new() };
                if matches!(act, Act::Allow | Act::Confirm)
                    && let Some(held) = asked.held(now)
                {
                    let why = view::held(&self.catalog, held);
                    self.say(why, now);
                    return Vec::new();
                }
                return asked.act(&act, now).map(Effect::Send).into_iter().collect();
            }
            Act::StopAll => return vec![Effect::Send(Verb::StopAll)],
            Act::Close => return self.close(now),
            Act::Stop | Act::Pause | Act::Resume | Act::Extend | Act::TakeBack(_) | Act::Say(_) => {
                return self.in_session(act);
            }
            Act::Save | Act::Rate { .. } | Act::Report(_) | Act::Finish => return self.afterwards(act),
        }
        Vec::new()
    }

    fn site(&mut self, text: &str) -> Vec<Effect> {
        let string = text.trim();
        match string.parse::<SiteString>() {
            Ok(_) => {
                self.link = Link::Starting;
                self.site_bad = false;
                vec![Effect::Site(string.to_owned())]
            }
            Err(_) => {
                self.site_bad = true;
                Vec::new()
            }
        }
    }

    fn close(&mut self, now: Now) -> Vec<Effect> {
        if self.is_live() && self.link == Link::Up {
            self.say(self.catalog.text("close-notice"), now);
            return vec![Effect::Hide];
        }
        // Somebody who walks away from a question has not said yes.
        let asked = self.asked.iter().map(|asked| Effect::Send(asked.denied()));
        asked.chain([Effect::Leave]).collect()
    }

    fn in_session(&self, act: Act) -> Vec<Effect> {
        let Some((session, live)) = self.current.and_then(|id| Some((id, self.live.get(&id)?))) else {
            return Vec::new();
        };
        let verb = match act {
            Act::Stop => Verb::Stop { session },
            Act::Pause => Verb::Pause { session },
            Act::Resume => Verb::Resume { session },
            Act::Extend => Verb::Extend { session, capabilities: live.granted(), seconds: MORE_SECONDS },
            Act::TakeBack(capability) => {
                Verb::Revoke { session, capabilities: Capabilities::from(capability) }
            }
            Act::Say(text) => {
                let text = cut(text.trim(), phrases::PASSAGE);
                if text.is_empty() {
                    return Vec::new();
                }
                Verb::Say { session, text }
            }
            _ => return Vec::new(),
        };
        vec![Effect::Send(verb)]
    }

    fn afterwards(&mut self, act: Act) -> Vec<Effect> {
        let Some(after) = &self.after else { return Vec::new() };
        let session = after.session();
        match act {
            Act::Save => vec![Effect::Save(after.text(&self.catalog, self.offset, self.device()))],
            Act::Rate { stars, comment } => {
                let comment = cut(comment.trim(), MAX_HELP_TEXT);
                vec![Effect::Send(Verb::Rate { session, stars: stars.clamp(1, 5), comment })]
            }
            Act::Report(text) => {
                let text = cut(text.trim(), MAX_HELP_TEXT);
                if text.is_empty() {
                    return Vec::new();
                }
                vec![Effect::Send(Verb::ReportSession { session, text })]
            }
            _ => {
                self.after = None;
                Vec::new()
            }
        }
    }

    /// The technician's messages are on the screen: the agent is told, once.
    pub(crate) fn seen(&mut self) -> Vec<Effect> {
        let Some((session, live)) = self.current.and_then(|id| Some((id, self.live.get_mut(&id)?))) else {
            return Vec::new();
        };
        let Some(number) = live.unseen.take() else { return Vec::new() };
        live.seen = number;
        vec![Effect::Send(Verb::Seen { session, number })]
    }

    fn device(&self) -> &str {
        self.status.as_ref().map_or("", |status| status.device.as_str())
    }
}

fn shown(code: &Code, now: Now) -> Shown {
    Shown { spoken: code.spoken.clone(), until: now + Duration::from_secs(code.seconds_left.into()) }
}

/// At most so many characters.
fn cut(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
