//! How the window's state changes: each input as a function.

use core::time::Duration;

use nearhand_proto::grant::{Capabilities, Capability};
use nearhand_proto::id::SessionId;
use nearhand_proto::invitation::SiteString;
use nearhand_proto::message::local::{
    AgentNotice, AgentStatus, ConsentRequest, HelpRequest, HelpStatus, LocalEvent, LocalReply, LocalSession,
    LocalVerb, MAX_FIXES, MAX_HELP_TEXT, MAX_REACH_TEXT, PauseReason, SpokenCode,
};

use super::consent_prompt::ConsentPrompt;
use super::input::{HomeTab, PressSource, Uptime, UserAction, WindowEffect, WindowInput};
use super::session_review::SessionReview;
use super::shown_session::ShownSession;
use super::state::{AgentState, CodePageState, DisplayedCode, HelpForm, HintSearch, HomePage, WindowModel};
use super::{messages, phrases};
use crate::catalog::Arg;

/// How long a remark stays.
const REMARK_DURATION: Duration = Duration::from_secs(12);
/// How much time one press of "15 minutes more" adds.
const EXTEND_SECONDS: u32 = 15 * 60;

impl WindowModel {
    /// Takes in what happened, and returns what is to be done.
    pub(crate) fn handle(&mut self, input: WindowInput, now: Uptime) -> Vec<WindowEffect> {
        match input {
            WindowInput::Connected(status) => self.connected(*status, now),
            WindowInput::Lost => {
                self.agent = AgentState::Lost;
                self.prompts.clear();
                self.code.forget();
                Vec::new()
            }
            WindowInput::Event(event) => self.event(event, now),
            WindowInput::Answer(verb, answer) => self.answer(&verb, answer, now),
            WindowInput::RecordSaved(outcome) => {
                if let Some(ended) = &mut self.ended {
                    ended.saved = Some(outcome);
                }
                Vec::new()
            }
            WindowInput::Action(action, PressSource::Program) if action.widens() => {
                self.show_remark(self.catalog.text("by-program"), now);
                Vec::new()
            }
            WindowInput::Action(action, _) => self.act(action, now),
            WindowInput::StopKey(key) => {
                self.stop_key = key;
                Vec::new()
            }
        }
    }

    fn show_remark(&mut self, remark: String, now: Uptime) {
        self.remark = Some((remark, now + REMARK_DURATION));
    }

    fn show_agent_message(&mut self, message: &AgentNotice, now: Uptime) {
        let text = messages::text(&self.catalog, message);
        self.show_remark(self.catalog.with("message-from-agent", &[("text", Arg::Text(&text))]), now);
    }

    fn code_is_gone(&mut self, why: AgentNotice) {
        self.code = CodePageState::Gone(why);
    }

    fn connected(&mut self, status: AgentStatus, now: Uptime) -> Vec<WindowEffect> {
        let first = self.status.is_none();
        self.agent = AgentState::Connected;
        match &status.code {
            Some(code) => {
                self.code = shown_code(code, now);
                if first {
                    self.home = HomePage::Tab(HomeTab::Code);
                }
            }
            None => self.code.forget(),
        }
        let mut effects = vec![WindowEffect::Send(LocalVerb::Help)];
        if matches!(self.hints, HintSearch::NotStarted) {
            self.hints = HintSearch::Running;
            effects.push(WindowEffect::Send(LocalVerb::Fixes));
        }
        // A session that the agent no longer knows ended while the connection was lost.
        let known: Vec<SessionId> = self.live.keys().copied().collect();
        for session in known.into_iter().filter(|id| !status.sessions.iter().any(|s| s.session == *id)) {
            effects.extend(self.end_session(session, None));
        }
        for session in &status.sessions {
            effects.extend(self.update_session(session.clone(), now));
        }
        self.prompts.clear();
        for request in status.requests.clone() {
            effects.extend(self.event(LocalEvent::Asked(request), now));
        }
        self.status = Some(status);
        effects
    }

    fn event(&mut self, event: LocalEvent, now: Uptime) -> Vec<WindowEffect> {
        match event {
            LocalEvent::Relay { connected, problem } => {
                if let Some(status) = &mut self.status {
                    status.connected = connected;
                    status.problem = problem;
                }
            }
            LocalEvent::CodeGone(why) => self.code_is_gone(why),
            LocalEvent::Asked(request) => return self.add_prompt(request, now),
            LocalEvent::Settled { request, .. } => {
                self.prompts.retain(|prompt| prompt.request.request != request);
            }
            LocalEvent::Session(session) => return self.update_session(session, now),
            LocalEvent::Activity { session, entry } => {
                if let Some(live) = self.live.get_mut(&session) {
                    live.add_activity(entry);
                }
            }
            LocalEvent::Chat { session, line } => {
                let theirs = line.from_technician;
                let number = line.number;
                if let Some(live) = self.live.get_mut(&session) {
                    live.add_chat(line);
                    if theirs && live.seen < number {
                        live.unseen = Some(number);
                    }
                }
            }
            LocalEvent::Ended { session, why } => return self.end_session(session, Some(why)),
            LocalEvent::Notice(message) => self.show_agent_message(&message, now),
            LocalEvent::Paused { session, reason } => {
                if let Some(live) = self.live.get_mut(&session) {
                    live.paused = Some(reason);
                }
            }
            LocalEvent::Resumed { session } => {
                if let Some(live) = self.live.get_mut(&session) {
                    live.paused = None;
                }
            }
            LocalEvent::Help(help) => self.help = help,
            // Answered from here, the loop that draws: a window that hangs shows its person nothing.
            LocalEvent::Heartbeat { number } => {
                return vec![WindowEffect::Send(LocalVerb::Heartbeat { number })];
            }
        }
        Vec::new()
    }

    fn add_prompt(&mut self, request: ConsentRequest, now: Uptime) -> Vec<WindowEffect> {
        let technician = phrases::quoted_name(&request.technician);
        let organisation = phrases::quoted_name(&request.organisation);
        let wants_window = request.capabilities.contains(Capability::Window);
        self.prompts.push_back(ConsentPrompt::new(request, now));
        let body = self.catalog.with(
            "request-notice-body",
            &[("technician", Arg::Text(&technician)), ("organisation", Arg::Text(&organisation))],
        );
        let title = self.catalog.text("request-notice-title");
        let mut effects = vec![WindowEffect::Notify { title, body }, WindowEffect::Show];
        if wants_window {
            effects.push(WindowEffect::Send(LocalVerb::Windows));
        }
        effects
    }

    fn update_session(&mut self, session: LocalSession, now: Uptime) -> Vec<WindowEffect> {
        let id = session.session;
        self.ended = None;
        self.home = HomePage::Tab(self.home.tab());
        match self.live.get_mut(&id) {
            Some(live) => {
                live.update(session, now);
                Vec::new()
            }
            None => {
                self.current = Some(id);
                self.live.insert(id, ShownSession::new(session, now));
                // For what happened before this window was opened.
                vec![WindowEffect::Send(LocalVerb::Record { session: id })]
            }
        }
    }

    fn end_session(&mut self, session: SessionId, why: Option<AgentNotice>) -> Vec<WindowEffect> {
        self.prompts.retain(|prompt| prompt.request.session != session);
        let Some(live) = self.live.remove(&session) else { return Vec::new() };
        if self.current == Some(session) {
            self.current = self.live.keys().next().copied();
        }
        self.ended = Some(SessionReview::new(live, why));
        vec![WindowEffect::Send(LocalVerb::Record { session }), WindowEffect::Show]
    }

    fn answer(
        &mut self,
        verb: &LocalVerb,
        answer: Result<LocalReply, AgentNotice>,
        now: Uptime,
    ) -> Vec<WindowEffect> {
        match (verb, answer) {
            (LocalVerb::NewCode, Ok(LocalReply::Code(code))) => {
                self.code = shown_code(&code, now);
            }
            (LocalVerb::CancelCode, Ok(_)) => self.code.forget(),
            (LocalVerb::Windows, Ok(LocalReply::Windows(windows))) => {
                for prompt in &mut self.prompts {
                    prompt.set_windows(windows.clone());
                }
            }
            (LocalVerb::Decide { request, .. }, Err(why)) => {
                let prompt = self.prompts.iter_mut().find(|prompt| prompt.request.request == *request);
                if let Some(prompt) = prompt {
                    prompt.set_refused(why);
                }
            }
            (LocalVerb::Fixes, Ok(LocalReply::Fixes(mut fixes))) => {
                fixes.truncate(MAX_FIXES);
                self.hints = HintSearch::Found(fixes);
            }
            // Where the check fails, the person can ask for help all the same.
            (LocalVerb::Fixes, Err(_)) => self.hints = HintSearch::Found(Vec::new()),
            (LocalVerb::Help, Ok(LocalReply::Help(help))) => self.help = help,
            // The agent has no request for help.
            (LocalVerb::Help, Err(_)) => {}
            (LocalVerb::AskForHelp(_), Ok(reply)) => {
                self.help_form = HelpForm::WithoutRequest;
                self.help = if let LocalReply::Help(help) = reply { help } else { HelpStatus::Sending };
                return vec![WindowEffect::Send(LocalVerb::Help)];
            }
            (LocalVerb::WithdrawHelp, Ok(_)) => self.help = HelpStatus::None,
            (LocalVerb::Record { session }, Ok(LocalReply::Record(record))) => {
                if let Some(live) = self.live.get_mut(session) {
                    live.set_record(*record);
                } else if let Some(ended) = self.ended.as_mut().filter(|ended| ended.session() == *session) {
                    ended.set_record(*record);
                }
            }
            // Then the window shows what it saw itself.
            (LocalVerb::Record { .. }, Err(_)) => {}
            (LocalVerb::Rate { .. }, Ok(_)) => {
                if let Some(ended) = &mut self.ended {
                    ended.rated = true;
                }
            }
            (LocalVerb::ReportSession { .. }, Ok(_)) => {
                if let Some(ended) = &mut self.ended {
                    ended.reported = true;
                }
            }
            (LocalVerb::Pause { session }, Ok(_)) => {
                if let Some(live) = self.live.get_mut(session) {
                    live.paused = Some(PauseReason::ByPerson);
                }
            }
            (LocalVerb::Resume { session }, Ok(_)) => {
                if let Some(live) = self.live.get_mut(session) {
                    live.paused = None;
                }
            }
            (_, Err(why)) => self.show_agent_message(&why, now),
            (_, Ok(_)) => {}
        }
        Vec::new()
    }

    fn act(&mut self, action: UserAction, now: Uptime) -> Vec<WindowEffect> {
        match action {
            UserAction::ShowTab(tab) => self.home = HomePage::Tab(tab),
            UserAction::ToggleAbout => {
                self.home = match self.home {
                    HomePage::Tab(tab) => HomePage::About(tab),
                    HomePage::About(tab) => HomePage::Tab(tab),
                };
            }
            UserAction::UseSite(text) => return self.use_site(&text),
            UserAction::AskForHelp { problem, urgency, contact } => {
                let what = shorten(problem.trim(), MAX_HELP_TEXT);
                let reach = shorten(contact.trim(), MAX_REACH_TEXT);
                if what.is_empty() {
                    return Vec::new();
                }
                return vec![WindowEffect::Send(LocalVerb::AskForHelp(HelpRequest { what, urgency, reach }))];
            }
            UserAction::WithdrawHelp => return vec![WindowEffect::Send(LocalVerb::WithdrawHelp)],
            UserAction::AskAgain => self.help_form = HelpForm::AskAgain,
            UserAction::NewCode => return vec![WindowEffect::Send(LocalVerb::NewCode)],
            UserAction::CancelCode => return vec![WindowEffect::Send(LocalVerb::CancelCode)],
            UserAction::CodeCopied => {
                if let CodePageState::Shown(code) = &mut self.code {
                    code.copied = true;
                }
            }
            UserAction::Tick(_)
            | UserAction::Untick(_)
            | UserAction::ChooseTerm(_)
            | UserAction::ChooseWindow(_)
            | UserAction::Allow
            | UserAction::Confirm
            | UserAction::Back
            | UserAction::Deny => return self.act_on_prompt(&action, now),
            UserAction::StopAll => return vec![WindowEffect::Send(LocalVerb::StopAll)],
            UserAction::CloseWindow => return self.close(now),
            UserAction::Stop
            | UserAction::Pause
            | UserAction::Resume
            | UserAction::Extend
            | UserAction::TakeBack(_)
            | UserAction::SendMessage(_) => return self.act_in_session(action),
            UserAction::SaveRecord | UserAction::Rate { .. } | UserAction::Report(_) | UserAction::Finish => {
                return self.act_after_session(action);
            }
        }
        Vec::new()
    }

    fn act_on_prompt(&mut self, action: &UserAction, now: Uptime) -> Vec<WindowEffect> {
        let Some(prompt) = self.prompts.front_mut() else { return Vec::new() };
        if matches!(action, UserAction::Allow | UserAction::Confirm)
            && let Some(blocked) = prompt.allow_blocked(now)
        {
            let why = blocked.text(&self.catalog);
            self.show_remark(why, now);
            return Vec::new();
        }
        prompt.act(action, now).map(WindowEffect::Send).into_iter().collect()
    }

    fn use_site(&mut self, text: &str) -> Vec<WindowEffect> {
        let string = text.trim();
        match string.parse::<SiteString>() {
            Ok(_) => {
                self.agent = AgentState::Starting;
                vec![WindowEffect::ReportSite(string.to_owned())]
            }
            Err(_) => {
                self.agent = AgentState::SiteRejected;
                Vec::new()
            }
        }
    }

    fn close(&mut self, now: Uptime) -> Vec<WindowEffect> {
        if self.has_live_session() && self.agent == AgentState::Connected {
            self.show_remark(self.catalog.text("close-notice"), now);
            return vec![WindowEffect::Hide];
        }
        // Closing the window over a request denies it.
        let denials = self.prompts.iter().map(|prompt| WindowEffect::Send(prompt.denial()));
        denials.chain([WindowEffect::Leave]).collect()
    }

    fn act_in_session(&self, action: UserAction) -> Vec<WindowEffect> {
        let Some((session, live)) = self.current() else { return Vec::new() };
        let verb = match action {
            UserAction::Stop => LocalVerb::Stop { session },
            UserAction::Pause => LocalVerb::Pause { session },
            UserAction::Resume => LocalVerb::Resume { session },
            UserAction::Extend => {
                LocalVerb::Extend { session, capabilities: live.granted(), seconds: EXTEND_SECONDS }
            }
            UserAction::TakeBack(capability) => {
                LocalVerb::Revoke { session, capabilities: Capabilities::from(capability) }
            }
            UserAction::SendMessage(text) => {
                let text = shorten(text.trim(), phrases::MAX_PASSAGE);
                if text.is_empty() {
                    return Vec::new();
                }
                LocalVerb::Say { session, text }
            }
            _ => return Vec::new(),
        };
        vec![WindowEffect::Send(verb)]
    }

    fn act_after_session(&mut self, action: UserAction) -> Vec<WindowEffect> {
        let Some(ended) = &self.ended else { return Vec::new() };
        let session = ended.session();
        match action {
            UserAction::SaveRecord => {
                vec![WindowEffect::SaveRecord(ended.text(&self.catalog, self.offset, self.device()))]
            }
            UserAction::Rate { stars, comment } => {
                let comment = shorten(comment.trim(), MAX_HELP_TEXT);
                vec![WindowEffect::Send(LocalVerb::Rate { session, stars: stars.clamp(1, 5), comment })]
            }
            UserAction::Report(text) => {
                let text = shorten(text.trim(), MAX_HELP_TEXT);
                if text.is_empty() {
                    return Vec::new();
                }
                vec![WindowEffect::Send(LocalVerb::ReportSession { session, text })]
            }
            _ => {
                self.ended = None;
                Vec::new()
            }
        }
    }

    /// The technician's messages are visible now. The agent is told once for each.
    pub(crate) fn mark_messages_seen(&mut self) -> Vec<WindowEffect> {
        let Some((session, live)) = self.current.and_then(|id| Some((id, self.live.get_mut(&id)?))) else {
            return Vec::new();
        };
        let Some(number) = live.unseen.take() else { return Vec::new() };
        live.seen = number;
        vec![WindowEffect::Send(LocalVerb::Seen { session, number })]
    }

    fn device(&self) -> &str {
        self.status.as_ref().map_or("", |status| status.device.as_str())
    }
}

fn shown_code(code: &SpokenCode, now: Uptime) -> CodePageState {
    let until = now + Duration::from_secs(code.seconds_left.into());
    CodePageState::Shown(DisplayedCode { spoken: code.spoken.clone(), until, copied: false })
}

/// The first characters of a text.
fn shorten(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}
