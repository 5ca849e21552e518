//! What is shown now: the model and a time in, texts and flags out; and when the view changes by itself.

use core::time::Duration;

use nearhand_proto::grant::{Capabilities, Capability};
use nearhand_proto::message::local::{ChatLine, DeliveryMark, HelpStatus, PauseReason};

use super::consent_prompt::{AllowBlocked, ConsentPrompt, is_elevated};
use super::input::{GrantTerm, HomeTab, STOP_KEY_NAME, SaveOutcome, StopKey, Uptime};
use super::shown_session::ShownSession;
use super::state::{AgentState, CodePageState, HelpForm, HintSearch, HomePage, WindowModel};
use super::view::{
    AfterPage, CapabilityLine, ChatEntry, CodePage, ConsentPage, GrantedLine, HelpPage, PageContents,
    SessionPage, TrayStatus, WindowOffer, WindowPage,
};
use super::{messages, phrases};
use crate::catalog::Arg;

/// How many activities a session's page shows, the newest first. The page after the session shows all.
const NEWEST_ACTIVITY: usize = 8;

impl WindowModel {
    /// What is shown now.
    pub(crate) fn view(&self, now: Uptime) -> PageContents {
        let status = self.status.as_ref();
        let text = |key: &str| self.catalog.text(key);
        let connected = status.is_some_and(|status| status.connected) && self.agent == AgentState::Connected;
        let page = self.page();
        PageContents {
            page,
            organisation: status.map_or_else(String::new, |s| phrases::agent_text(&s.organisation)),
            connection: match (status, connected) {
                (None, _) => String::new(),
                (_, true) => text("connected"),
                (_, false) => text("not-connected"),
            },
            connected,
            tabs: matches!(page, WindowPage::Help | WindowPage::Code | WindowPage::About),
            remark: self
                .remark
                .as_ref()
                .filter(|(_, until)| now < *until)
                .map_or_else(String::new, |r| r.0.clone()),
            starting: self.agent == AgentState::Starting,
            site_rejected: self.agent == AgentState::SiteRejected,
            help: self.help_page(),
            code: self.code_page(now),
            consent: self
                .prompts
                .front()
                .map_or_else(ConsentPage::default, |prompt| self.consent_page(prompt, now)),
            session: self
                .current()
                .map_or_else(SessionPage::default, |(_, live)| self.session_page(live, now)),
            after: self.after_page(),
            about: [
                self.catalog.with("about-version", &[("version", Arg::Text(env!("CARGO_PKG_VERSION")))]),
                status.map_or_else(String::new, |s| {
                    self.catalog
                        .with("about-device", &[("device", Arg::Text(&phrases::agent_text(&s.device)))])
                }),
                status.map_or_else(String::new, |s| {
                    self.catalog.with("about-relay", &[("relay", Arg::Text(&phrases::agent_text(&s.relay)))])
                }),
            ],
            tray: self.tray(),
        }
    }

    fn page(&self) -> WindowPage {
        match self.agent {
            AgentState::NoSite | AgentState::SiteRejected | AgentState::Starting => return WindowPage::Site,
            AgentState::Connecting => return WindowPage::Lost,
            // The record of an ended session can still be read.
            AgentState::Lost if self.ended.is_none() || self.has_live_session() => return WindowPage::Lost,
            AgentState::Lost | AgentState::Connected => {}
        }
        if let Some(prompt) = self.prompts.front() {
            return if prompt.confirming { WindowPage::Elevated } else { WindowPage::Consent };
        }
        if self.has_live_session() {
            return WindowPage::Session;
        }
        if self.ended.is_some() {
            return WindowPage::After;
        }
        match self.home {
            HomePage::About(_) => WindowPage::About,
            HomePage::Tab(HomeTab::Code) => WindowPage::Code,
            HomePage::Tab(HomeTab::Help) => WindowPage::Help,
        }
    }

    fn help_page(&self) -> HelpPage {
        let hints = match &self.hints {
            HintSearch::Found(found) => found.iter().map(|fix| messages::hint(&self.catalog, fix)).collect(),
            HintSearch::NotStarted | HintSearch::Running => Vec::new(),
        };
        let (mut status, mut detail, mut number, mut open) = (String::new(), String::new(), None, false);
        match &self.help {
            HelpStatus::None => {}
            HelpStatus::Sending => (status, open) = (self.catalog.text("help-sending"), true),
            HelpStatus::Waiting { number: n, ahead, wait } => {
                status = self.catalog.with("help-ahead", &[("n", Arg::Number(u64::from(*ahead)))]);
                if let Some(seconds) = wait {
                    let time = phrases::duration(&self.catalog, u64::from(*seconds).max(60));
                    detail = self.catalog.with("help-wait", &[("time", Arg::Text(&time))]);
                }
                (number, open) = (Some(*n), true);
            }
            HelpStatus::Taken { number: n, technician } => {
                status = self
                    .catalog
                    .with("help-taken", &[("name", Arg::Text(&phrases::quoted_name(technician)))]);
                detail = self.catalog.text("help-taken-body");
                (number, open) = (Some(*n), true);
            }
            HelpStatus::Closed { number: n } => {
                status = self.catalog.text("help-closed");
                number = Some(*n);
            }
            HelpStatus::Refused(why) => {
                let why = messages::text(&self.catalog, why);
                status = self.catalog.with("help-refused", &[("why", Arg::Text(&why))]);
            }
        }
        HelpPage {
            form: self.help == HelpStatus::None || (self.help_form == HelpForm::AskAgain && !open),
            hints_running: matches!(self.hints, HintSearch::Running),
            hints,
            status,
            detail,
            number: number.map_or_else(String::new, |n| {
                self.catalog.with("help-number", &[("n", Arg::Text(&n.to_string()))])
            }),
            open,
        }
    }

    fn code_page(&self, now: Uptime) -> CodePage {
        let code = match &self.code {
            CodePageState::Shown(code) if now < code.until => code,
            CodePageState::Shown(_) | CodePageState::None => return CodePage::default(),
            CodePageState::Gone(why) => {
                let why = messages::text(&self.catalog, why);
                let gone = self.catalog.with("code-gone", &[("why", Arg::Text(&why))]);
                return CodePage { gone, ..CodePage::default() };
            }
        };
        let left = phrases::time_left(&self.catalog, code.until.saturating_sub(now));
        CodePage {
            spoken: code.spoken.clone(),
            left: self.catalog.with("code-left", &[("time", Arg::Text(&left))]),
            gone: String::new(),
            copied: code.copied,
        }
    }

    fn consent_page(&self, prompt: &ConsentPrompt, now: Uptime) -> ConsentPage {
        let request = &prompt.request;
        let sentence = |key: &str| {
            let (technician, organisation) =
                (phrases::quoted_name(&request.technician), phrases::quoted_name(&request.organisation));
            let both = [("technician", Arg::Text(&technician)), ("organisation", Arg::Text(&organisation))];
            self.catalog.with(key, &both)
        };
        let left = |left: Duration| phrases::time_left(&self.catalog, phrases::round_up(left));
        let blocked = prompt.allow_blocked(now);
        let more = self.prompts.len().saturating_sub(1);
        ConsentPage {
            request: request.request,
            who: sentence("consent-who"),
            reason: if request.reason.trim().is_empty() {
                String::new()
            } else {
                phrases::quoted_passage(&request.reason)
            },
            first_contact: request.first_contact,
            lines: self.capability_lines(request.capabilities, prompt.ticked),
            term: prompt.term,
            wants_window: prompt.ticked.contains(Capability::Window),
            windows: prompt
                .windows
                .iter()
                .flatten()
                .map(|window| WindowOffer {
                    id: window.id,
                    title: phrases::quoted_line(&window.title),
                    application: phrases::quoted_line(&window.application),
                    chosen: prompt.window == Some(window.id),
                })
                .collect(),
            can_allow: blocked.is_none(),
            needs_confirm: prompt.needs_confirm(),
            hint: blocked.map_or_else(String::new, |blocked| blocked.text(&self.catalog)),
            left: self
                .catalog
                .with("consent-left", &[("time", Arg::Text(&left(prompt.until.saturating_sub(now))))]),
            refused: prompt.refusal.as_ref().map_or_else(String::new, |why| {
                self.catalog
                    .with("consent-refused", &[("why", Arg::Text(&messages::text(&self.catalog, why)))])
            }),
            more: if more == 0 { String::new() } else { self.count("consent-more", more) },
            elevated: sentence("elevated-body"),
            elevated_lines: self.capability_lines(prompt.ticked, prompt.ticked),
            elevated_open: prompt.term == GrantTerm::UntilStopped,
        }
    }

    fn count(&self, key: &str, count: usize) -> String {
        self.catalog.with(key, &[("n", Arg::Number(u64::try_from(count).unwrap_or(u64::MAX)))])
    }

    fn capability_lines(&self, shown: Capabilities, ticked: Capabilities) -> Vec<CapabilityLine> {
        let line = |capability: Capability| CapabilityLine {
            capability,
            permits: self.catalog.text(&format!("does-{}", capability.name())),
            risk: self.catalog.text(&format!("risk-{}", capability.name())),
            ticked: ticked.contains(capability),
            elevated: is_elevated(capability),
        };
        shown.iter().map(line).collect()
    }

    fn session_page(&self, live: &ShownSession, now: Uptime) -> SessionPage {
        let session = &live.session;
        let (technician, organisation) =
            (phrases::quoted_name(&session.technician), phrases::quoted_name(&session.organisation));
        let both = [("technician", Arg::Text(&technician)), ("organisation", Arg::Text(&organisation))];
        let who = self.catalog.with("session-who", &both);
        let granted = live.granted();
        let left = live.ends().filter(|_| !granted.is_empty()).map_or_else(String::new, |ends| {
            let left = phrases::time_left(&self.catalog, ends.saturating_sub(now));
            self.catalog.with("session-left", &[("time", Arg::Text(&left))])
        });
        let state = match (live.paused, session.connected) {
            (Some(PauseReason::Unseen), _) => self.catalog.text("session-paused-unseen"),
            (Some(PauseReason::OtherUser), _) => self.catalog.text("session-paused-other-user"),
            (Some(PauseReason::ByPerson), _) => self.catalog.text("session-paused"),
            (None, false) => self.catalog.text("session-lost"),
            (None, true) if granted.is_empty() => self.catalog.text("session-view-none"),
            (None, true) => String::new(),
        };
        let banner_can = match granted.is_empty() {
            _ if live.paused.is_some() => self.catalog.text("session-paused"),
            true => self.catalog.text("banner-none"),
            false => {
                let what = phrases::capability_list(&self.catalog, granted);
                self.catalog.with("banner-can", &[("what", Arg::Text(&what))])
            }
        };
        let key = match self.stop_key {
            StopKey::Ours => "banner-key",
            StopKey::Taken => "banner-key-taken",
        };
        let more = self.live.len().saturating_sub(1);
        let since = phrases::time_of_day(session.began, self.offset);
        SessionPage {
            banner_who: self.catalog.with("banner-sees", &[("who", Arg::Text(&who))]),
            who,
            reason: if session.reason.trim().is_empty() {
                String::new()
            } else {
                phrases::quoted_passage(&session.reason)
            },
            since: self.catalog.with("session-since", &[("time", Arg::Text(&since))]),
            state,
            paused: live.paused.is_some(),
            left,
            granted: granted
                .iter()
                .map(|capability| GrantedLine {
                    capability,
                    name: self.catalog.text(&format!("cap-{}", capability.name())),
                })
                .collect(),
            activity: live.lines(&self.catalog, self.offset).rev().take(NEWEST_ACTIVITY).collect(),
            chat: session.chat.iter().map(|line| self.chat_entry(line, &technician)).collect(),
            banner_can,
            stop_key: self.catalog.with(key, &[("key", Arg::Text(STOP_KEY_NAME))]),
            more: if more == 0 { String::new() } else { self.count("session-more", more) },
        }
    }

    fn chat_entry(&self, line: &ChatLine, technician: &str) -> ChatEntry {
        let mine = !line.from_technician;
        let mark = match line.mark {
            DeliveryMark::Sent => "mark-sent",
            DeliveryMark::Received => "mark-received",
            DeliveryMark::Shown => "mark-shown",
        };
        ChatEntry {
            mine,
            author: if mine { self.catalog.text("chat-you") } else { technician.to_owned() },
            text: phrases::quoted_passage(&line.text),
            time: phrases::time_of_day(line.at, self.offset),
            mark: if mine { self.catalog.text(mark) } else { String::new() },
        }
    }

    fn after_page(&self) -> AfterPage {
        let Some(ended) = &self.ended else { return AfterPage::default() };
        AfterPage {
            summary: ended.summary(&self.catalog, self.offset),
            why: ended.why(&self.catalog),
            activity: ended.activity(&self.catalog, self.offset),
            saved: match &ended.saved {
                None => String::new(),
                Some(SaveOutcome::Saved(file)) => {
                    self.catalog.with("after-saved", &[("file", Arg::Text(&phrases::agent_text(file)))])
                }
                Some(SaveOutcome::Failed(why)) => {
                    self.catalog.with("after-not-saved", &[("why", Arg::Text(&phrases::agent_text(why)))])
                }
            },
            rated: ended.rated,
            reported: ended.reported,
        }
    }

    fn tray(&self) -> TrayStatus {
        let key = match self.agent {
            AgentState::Connected if !self.prompts.is_empty() => "tray-asked",
            AgentState::Connected if self.has_live_session() => "tray-busy",
            AgentState::Connected => "tray-idle",
            _ => "tray-lost",
        };
        TrayStatus { text: self.catalog.text(key), busy: self.has_live_session() }
    }

    /// After what time the view changes although nothing happens; `None` where no countdown runs.
    pub(crate) fn next_change(&self, now: Uptime) -> Option<Duration> {
        let code = match &self.code {
            CodePageState::Shown(code) if self.page() == WindowPage::Code => Some(code.until),
            _ => None,
        };
        let request = self.prompts.front().map(|prompt| prompt.until);
        let session = self.current().and_then(|(_, live)| live.ends());
        let remark = self.remark.as_ref().map(|(_, until)| *until);
        let wait = self.prompts.front().and_then(|prompt| match prompt.allow_blocked(now) {
            Some(AllowBlocked::Wait(left)) => Some(now + left),
            _ => None,
        });
        let steps = [code, request, session, wait]
            .into_iter()
            .flatten()
            .filter(|until| *until > now)
            .map(|until| until_text_changes(until - now));
        steps.chain(remark.filter(|until| *until > now).map(|until| until - now)).min()
    }
}

/// Until a countdown's text changes. It counts seconds in the last two minutes, and minutes before.
fn until_text_changes(left: Duration) -> Duration {
    const MINUTE: u64 = 60_000;
    let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
    let until = if millis <= 2 * MINUTE { millis % 1000 } else { millis % MINUTE };
    // A little past the edge, so that the text has changed when it is drawn.
    Duration::from_millis(until + 20)
}
