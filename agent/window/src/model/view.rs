//! What is to be seen now: the model and a time in, texts and flags out, and when it will look different by itself.

use core::time::Duration;

use nearhand_proto::grant::{Capabilities, Capability};
use nearhand_proto::message::local::{ChatLine, Help, Mark};

use super::consent_prompt::{Asked, Held, Term, is_elevated};
use super::ended_session::sentence;
use super::live_session::Live;
use super::{Fixes, Link, Model, Now, Tab, messages, phrases};
use crate::catalog::{Arg, Catalog};
use crate::platform::HOT_KEY;

/// Deeds that are shown during a session, the newest first; all of them afterwards.
const NEWEST: usize = 8;

/// Which page is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Page {
    Site,
    #[default]
    Lost,
    Help,
    Code,
    Consent,
    Elevated,
    Session,
    After,
    About,
}

/// All that is seen.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Screen {
    pub(crate) page: Page,
    pub(crate) organisation: String,
    pub(crate) connection: String,
    pub(crate) connected: bool,
    /// Other pages can be chosen.
    pub(crate) tabs: bool,
    pub(crate) remark: String,
    pub(crate) busy: bool,
    pub(crate) site_bad: bool,
    pub(crate) help: HelpPage,
    pub(crate) code: CodePage,
    pub(crate) consent: ConsentPage,
    pub(crate) session: SessionPage,
    pub(crate) after: AfterPage,
    pub(crate) about: [String; 3],
    pub(crate) tray: Tray,
}

/// Asking for help.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct HelpPage {
    pub(crate) form: bool,
    pub(crate) looking: bool,
    /// What was found, and what to do.
    pub(crate) fixes: Vec<(String, String)>,
    pub(crate) status: String,
    pub(crate) detail: String,
    pub(crate) number: String,
    /// It can still be withdrawn.
    pub(crate) open: bool,
}

/// The support code.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct CodePage {
    pub(crate) spoken: String,
    pub(crate) left: String,
    pub(crate) gone: String,
    pub(crate) copied: bool,
}

/// A request.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct ConsentPage {
    pub(crate) request: u64,
    pub(crate) who: String,
    /// In the technician's words.
    pub(crate) reason: String,
    pub(crate) first: bool,
    pub(crate) lines: Vec<Asks>,
    pub(crate) term: usize,
    pub(crate) wants_window: bool,
    pub(crate) windows: Vec<Offer>,
    pub(crate) can_allow: bool,
    /// Allow leads to the second page.
    pub(crate) second: bool,
    pub(crate) hint: String,
    pub(crate) left: String,
    pub(crate) refused: String,
    pub(crate) more: String,
    /// On the second page: who would get what.
    pub(crate) elevated: String,
    pub(crate) elevated_lines: Vec<Asks>,
    pub(crate) elevated_open: bool,
}

/// A capability that is asked for.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Asks {
    pub(crate) capability: Capability,
    pub(crate) does: String,
    pub(crate) risk: String,
    pub(crate) ticked: bool,
    pub(crate) far: bool,
}

/// A window that can be chosen.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Offer {
    pub(crate) id: u32,
    pub(crate) title: String,
    pub(crate) application: String,
    pub(crate) chosen: bool,
}

/// A session, on its page and on the banner.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct SessionPage {
    pub(crate) who: String,
    pub(crate) reason: String,
    pub(crate) since: String,
    pub(crate) state: String,
    pub(crate) paused: bool,
    pub(crate) left: String,
    pub(crate) granted: Vec<(Capability, String)>,
    /// Time and what.
    pub(crate) done: Vec<(String, String)>,
    pub(crate) chat: Vec<Said>,
    pub(crate) banner_who: String,
    pub(crate) banner_can: String,
    pub(crate) key: String,
    pub(crate) more: String,
}

/// A chat message.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Said {
    pub(crate) mine: bool,
    pub(crate) who: String,
    pub(crate) text: String,
    pub(crate) at: String,
    pub(crate) mark: String,
}

/// A session that is over.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct AfterPage {
    pub(crate) summary: String,
    pub(crate) why: String,
    pub(crate) done: Vec<(String, String)>,
    pub(crate) saved: String,
    pub(crate) rated: bool,
    pub(crate) reported: bool,
}

/// The icon.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Tray {
    pub(crate) words: String,
    pub(crate) busy: bool,
}

impl Model {
    /// What is to be seen.
    pub(crate) fn screen(&self, now: Now) -> Screen {
        let status = self.status.as_ref();
        let text = |key: &str| self.catalog.text(key);
        let connected = status.is_some_and(|status| status.connected) && self.link == Link::Up;
        let page = self.page();
        Screen {
            page,
            organisation: status.map_or_else(String::new, |s| phrases::agents(&s.organisation)),
            connection: match (status, connected) {
                (None, _) => String::new(),
                (_, true) => text("connected"),
                (_, false) => text("not-connected"),
            },
            connected,
            tabs: matches!(page, Page::Help | Page::Code | Page::About),
            remark: self
                .remark
                .as_ref()
                .filter(|(_, until)| now < *until)
                .map_or_else(String::new, |r| r.0.clone()),
            busy: self.link == Link::Starting,
            site_bad: self.site_bad,
            help: self.help_page(),
            code: self.code_page(now),
            consent: self
                .asked
                .front()
                .map_or_else(ConsentPage::default, |asked| self.consent_page(asked, now)),
            session: self.current().map_or_else(SessionPage::default, |live| self.session_page(live, now)),
            after: self.after_page(),
            about: [
                self.catalog.with("about-version", &[("version", Arg::Text(env!("CARGO_PKG_VERSION")))]),
                status.map_or_else(String::new, |s| {
                    self.catalog.with("about-device", &[("device", Arg::Text(&phrases::agents(&s.device)))])
                }),
                status.map_or_else(String::new, |s| {
                    self.catalog.with("about-relay", &[("relay", Arg::Text(&phrases::agents(&s.relay)))])
                }),
            ],
            tray: self.tray(),
        }
    }

    fn current(&self) -> Option<&Live> {
        self.current.and_then(|id| self.live.get(&id))
    }

    fn page(&self) -> Page {
        match self.link {
            Link::NoSite | Link::Starting => return Page::Site,
            Link::Seeking => return Page::Lost,
            // What was done can still be read.
            Link::Lost if self.after.is_none() || self.is_live() => return Page::Lost,
            Link::Lost | Link::Up => {}
        }
        if let Some(asked) = self.asked.front() {
            return if asked.confirming { Page::Elevated } else { Page::Consent };
        }
        if self.is_live() {
            return Page::Session;
        }
        if self.after.is_some() {
            return Page::After;
        }
        match self.tab {
            _ if self.about => Page::About,
            Tab::Code => Page::Code,
            Tab::Help | Tab::About => Page::Help,
        }
    }

    fn help_page(&self) -> HelpPage {
        let fixes = match &self.fixes {
            Fixes::Found(fixes) => fixes.iter().map(|fix| messages::fix(&self.catalog, fix)).collect(),
            Fixes::NotAsked | Fixes::Looking => Vec::new(),
        };
        let (mut status, mut detail, mut number, mut open) = (String::new(), String::new(), None, false);
        match &self.help {
            Help::None => {}
            Help::Sending => (status, open) = (self.catalog.text("help-sending"), true),
            Help::Waiting { number: n, ahead, wait } => {
                status = self.catalog.with("help-ahead", &[("n", Arg::Number(u64::from(*ahead)))]);
                if let Some(seconds) = wait {
                    let time = phrases::span(&self.catalog, u64::from(*seconds).max(60));
                    detail = self.catalog.with("help-wait", &[("time", Arg::Text(&time))]);
                }
                (number, open) = (Some(*n), true);
            }
            Help::Taken { number: n, technician } => {
                status = self.catalog.with("help-taken", &[("name", Arg::Text(&phrases::name(technician)))]);
                detail = self.catalog.text("help-taken-body");
                (number, open) = (Some(*n), true);
            }
            Help::Closed { number: n } => {
                status = self.catalog.text("help-closed");
                number = Some(*n);
            }
            Help::Refused(why) => {
                let why = messages::said(&self.catalog, why);
                status = self.catalog.with("help-refused", &[("why", Arg::Text(&why))]);
            }
        }
        HelpPage {
            form: self.help == Help::None || (self.form && !open),
            looking: matches!(self.fixes, Fixes::Looking),
            fixes,
            status,
            detail,
            number: number.map_or_else(String::new, |n| {
                self.catalog.with("help-number", &[("n", Arg::Text(&n.to_string()))])
            }),
            open,
        }
    }

    fn code_page(&self, now: Now) -> CodePage {
        let gone = self.code_gone.as_ref().map_or_else(String::new, |why| {
            self.catalog.with("code-gone", &[("why", Arg::Text(&messages::said(&self.catalog, why)))])
        });
        let Some(code) = self.code.as_ref().filter(|code| now < code.until) else {
            return CodePage { gone, ..CodePage::default() };
        };
        let left = phrases::left(&self.catalog, code.until.saturating_sub(now));
        CodePage {
            spoken: code.spoken.clone(),
            left: self.catalog.with("code-left", &[("time", Arg::Text(&left))]),
            gone: String::new(),
            copied: self.copied,
        }
    }

    fn consent_page(&self, asked: &Asked, now: Now) -> ConsentPage {
        let request = &asked.request;
        let by = |key: &str| {
            let (technician, organisation) =
                (phrases::name(&request.technician), phrases::name(&request.organisation));
            let both = [("technician", Arg::Text(&technician)), ("organisation", Arg::Text(&organisation))];
            self.catalog.with(key, &both)
        };
        let left = |left: Duration| phrases::left(&self.catalog, ceil(left));
        let held = asked.held(now);
        let more = self.asked.len().saturating_sub(1);
        ConsentPage {
            request: request.request,
            who: by("consent-who"),
            reason: if request.reason.trim().is_empty() {
                String::new()
            } else {
                phrases::passage(&request.reason)
            },
            first: request.first_contact,
            lines: self.lines(request.capabilities, asked.ticked),
            term: Term::ALL.iter().position(|term| *term == asked.term).unwrap_or_default(),
            wants_window: asked.ticked.contains(Capability::Window),
            windows: asked
                .windows
                .iter()
                .flatten()
                .map(|window| Offer {
                    id: window.id,
                    title: phrases::line(&window.title),
                    application: phrases::line(&window.application),
                    chosen: asked.window == Some(window.id),
                })
                .collect(),
            can_allow: held.is_none(),
            second: asked.needs_second(),
            hint: held.map_or_else(String::new, |held| self::held(&self.catalog, held)),
            left: self
                .catalog
                .with("consent-left", &[("time", Arg::Text(&left(asked.until.saturating_sub(now))))]),
            refused: asked.refusal.as_ref().map_or_else(String::new, |why| {
                self.catalog
                    .with("consent-refused", &[("why", Arg::Text(&messages::said(&self.catalog, why)))])
            }),
            more: if more == 0 { String::new() } else { self.count("consent-more", more) },
            elevated: by("elevated-body"),
            elevated_lines: self.lines(asked.ticked, asked.ticked),
            elevated_open: asked.term == Term::Open,
        }
    }

    fn count(&self, key: &str, count: usize) -> String {
        self.catalog.with(key, &[("n", Arg::Number(u64::try_from(count).unwrap_or(u64::MAX)))])
    }

    fn lines(&self, shown: Capabilities, ticked: Capabilities) -> Vec<Asks> {
        let line = |capability: Capability| Asks {
            capability,
            does: self.catalog.text(&format!("does-{}", phrases::key(capability))),
            risk: self.catalog.text(&format!("risk-{}", phrases::key(capability))),
            ticked: ticked.contains(capability),
            far: is_elevated(capability),
        };
        shown.iter().map(line).collect()
    }

    fn session_page(&self, live: &Live, now: Now) -> SessionPage {
        let session = &live.session;
        let (technician, organisation) =
            (phrases::name(&session.technician), phrases::name(&session.organisation));
        let both = [("technician", Arg::Text(&technician)), ("organisation", Arg::Text(&organisation))];
        let who = self.catalog.with("session-who", &both);
        let granted = live.granted();
        let left = live.ends().filter(|_| !granted.is_empty()).map_or_else(String::new, |ends| {
            let left = phrases::left(&self.catalog, ends.saturating_sub(now));
            self.catalog.with("session-left", &[("time", Arg::Text(&left))])
        });
        let state = match (live.paused, session.connected) {
            (Some(true), _) => self.catalog.text("session-paused-unseen"),
            (Some(false), _) => self.catalog.text("session-paused"),
            (None, false) => self.catalog.text("session-lost"),
            (None, true) if granted.is_empty() => self.catalog.text("session-view-none"),
            (None, true) => String::new(),
        };
        let banner_can = match granted.is_empty() {
            _ if live.paused.is_some() => self.catalog.text("session-paused"),
            true => self.catalog.text("banner-none"),
            false => {
                let what = phrases::list(&self.catalog, granted);
                self.catalog.with("banner-can", &[("what", Arg::Text(&what))])
            }
        };
        let key = if self.key_taken { "banner-key-taken" } else { "banner-key" };
        let more = self.live.len().saturating_sub(1);
        let since = phrases::clock(session.began, self.offset);
        SessionPage {
            banner_who: self.catalog.with("banner-sees", &[("who", Arg::Text(&who))]),
            who,
            reason: if session.reason.trim().is_empty() {
                String::new()
            } else {
                phrases::passage(&session.reason)
            },
            since: self.catalog.with("session-since", &[("time", Arg::Text(&since))]),
            state,
            paused: live.paused.is_some(),
            left,
            granted: granted
                .iter()
                .map(|capability| {
                    (capability, self.catalog.text(&format!("cap-{}", phrases::key(capability))))
                })
                .collect(),
            done: live
                .done
                .iter()
                .rev()
                .take(NEWEST)
                .map(|done| sentence(&self.catalog, self.offset, done))
                .collect(),
            chat: session.chat.iter().map(|line| self.said(line, &technician)).collect(),
            banner_can,
            key: self.catalog.with(key, &[("key", Arg::Text(HOT_KEY))]),
            more: if more == 0 { String::new() } else { self.count("session-more", more) },
        }
    }

    fn said(&self, line: &ChatLine, technician: &str) -> Said {
        let mine = !line.from_technician;
        let mark = match line.mark {
            Mark::Sent => "mark-sent",
            Mark::Received => "mark-received",
            Mark::Shown => "mark-shown",
        };
        Said {
            mine,
            who: if mine { self.catalog.text("chat-you") } else { technician.to_owned() },
            text: phrases::passage(&line.text),
            at: phrases::clock(line.at, self.offset),
            mark: if mine { self.catalog.text(mark) } else { String::new() },
        }
    }

    fn after_page(&self) -> AfterPage {
        let Some(after) = &self.after else { return AfterPage::default() };
        AfterPage {
            summary: after.summary(&self.catalog, self.offset),
            why: after.why(&self.catalog),
            done: after.deeds(&self.catalog, self.offset),
            saved: match &after.saved {
                None => String::new(),
                Some(Ok(file)) => {
                    self.catalog.with("after-saved", &[("file", Arg::Text(&phrases::agents(file)))])
                }
                Some(Err(why)) => {
                    self.catalog.with("after-not-saved", &[("why", Arg::Text(&phrases::agents(why)))])
                }
            },
            rated: after.rated,
            reported: after.reported,
        }
    }

    fn tray(&self) -> Tray {
        let words = match self.link {
            Link::Up if !self.asked.is_empty() => "tray-asked",
            Link::Up if self.is_live() => "tray-busy",
            Link::Up => "tray-idle",
            _ => "tray-lost",
        };
        Tray { words: self.catalog.text(words), busy: self.is_live() }
    }

    /// When it will look different although nothing happens; never, if nothing runs down.
    pub(crate) fn next_change(&self, now: Now) -> Option<Duration> {
        let code = self.code.as_ref().filter(|_| self.page() == Page::Code).map(|code| code.until);
        let asked = self.asked.front().map(|asked| asked.until);
        let session = self.current().and_then(Live::ends);
        let remark = self.remark.as_ref().map(|(_, until)| *until);
        let wait = self.asked.front().and_then(|asked| match asked.held(now) {
            Some(Held::Wait(left)) => Some(now + left),
            _ => None,
        });
        let steps = [code, asked, session, wait]
            .into_iter()
            .flatten()
            .filter(|until| *until > now)
            .map(|until| step(until - now));
        steps.chain(remark.filter(|until| *until > now).map(|until| until - now)).min()
    }
}

/// Why Allow does nothing now.
pub(super) fn held(catalog: &Catalog, held: Held) -> String {
    match held {
        Held::Wait(wait) => {
            let time = phrases::left(catalog, ceil(wait));
            catalog.with("consent-wait", &[("time", Arg::Text(&time))])
        }
        Held::NothingTicked => catalog.text("consent-pick"),
        Held::NoWindow => catalog.text("consent-pick-window"),
    }
}

/// Until a countdown's text changes: it is in seconds in the last two minutes and in minutes before.
fn step(left: Duration) -> Duration {
    const MINUTE: u64 = 60_000;
    let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
    let until = if millis <= 2 * MINUTE { millis % 1000 } else { millis % MINUTE };
    // A little past the edge, so that the text has changed when it is drawn.
    Duration::from_millis(until + 20)
}

/// To whole seconds, upwards: a countdown never shows zero while it lasts.
fn ceil(left: Duration) -> Duration {
    Duration::from_secs(left.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX))
}
