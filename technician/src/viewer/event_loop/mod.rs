//! The viewer's event loop: joins the session, the page and the conversations between them ([`open_streams`]), and the
//! diagnostics that the page asks for ([`diagnostics`]).
//!
//! What may be open is looked at after every event. A page that comes in is told everything anew.

mod diagnostics;
mod open_streams;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use diagnostics::DiagnosticsNews;
use nearhand_proto::grant::{Capabilities, Capability};
use nearhand_proto::message::session::Granted;
use nearhand_report::edition::Edition;
use open_streams::ViewerStreamKind;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::decoder_process::DecoderProgram;
use super::device_stream::DeviceStreamEnd;
use super::input_streams::{ClipboardContent, ClipboardOrder, InputQueue};
use super::page_messages::{FromPage, LinkState, PageCapability, PageClipboardForm, PageGrant, ToPage};
use super::screen_stream::ScreenChoice;
use super::server::{PageConnection, PageMessage, PageOutput, PageServer};
use super::session_link::SessionLink;
use crate::exit::CommandFailure;
use crate::session::{SessionEnd, SessionUpdate};

/// Verbs about the screen that wait; some of them are kept free for what gives credit.
const ORDERS: usize = 256;
const KEPT_FREE: usize = 64;
/// A page that takes nothing for so long is gone.
const STUCK: Duration = Duration::from_secs(10);
/// The last word has so long to reach the page.
const LAST_WORD: Duration = Duration::from_millis(700);
/// Longest time that can be asked for, in minutes.
const MOST_MINUTES: u32 = 12 * 60;

/// Keeps a report on this machine's disk; says where.
pub type KeepReport = Box<dyn Fn(&Edition) -> Result<String, CommandFailure> + Send + Sync>;

/// How the viewer behaves.
pub struct ViewerSettings {
    /// Pointer and keyboard stay here.
    pub view_only: bool,
    /// For how long things are asked.
    pub duration: Duration,
    /// What decodes.
    pub decoder: DecoderProgram,
    /// Where reports go.
    pub keep: KeepReport,
}

/// The loop's state.
struct ViewerLoop<L: SessionLink> {
    link: Arc<L>,
    settings: ViewerSettings,
    server: PageServer,
    began: Instant,
    page: Option<PageConnection>,
    granted: Vec<Granted>,
    granted_at: Instant,
    state: LinkState,
    asking: Option<Instant>,
    ended: Option<SessionEnd>,
    /// Why a conversation isn't tried again before something changes.
    refused: BTreeMap<ViewerStreamKind, String>,
    talks: JoinSet<(ViewerStreamKind, DeviceStreamEnd)>,
    running: BTreeMap<ViewerStreamKind, AbortHandle>,
    orders: mpsc::Sender<FromPage>,
    keyboard: Arc<InputQueue>,
    clips: mpsc::Sender<ClipboardOrder>,
    pasted: ClipboardContent,
    wanted: ScreenChoice,
    /// What the conversation about the screen was opened for.
    seen: Capability,
    round: u32,
    diagnosis: Vec<ToPage>,
    done: u32,
    runs: JoinSet<()>,
    to_run: mpsc::Sender<DiagnosticsNews>,
}

/// Serves pages until the session ends, and returns how. `hear` is told every update of the session; when `stop`
/// is done, the session is ended.
pub async fn serve<L: SessionLink>(
    link: Arc<L>,
    mut updates: mpsc::Receiver<SessionUpdate>,
    server: PageServer,
    settings: ViewerSettings,
    mut hear: impl FnMut(&SessionUpdate),
    stop: impl Future<Output = ()>,
) -> Option<SessionEnd> {
    let (to_run, mut run) = mpsc::channel(ORDERS);
    let mut desk = ViewerLoop::new(link, server, settings, to_run);
    let mut ticks = interval(Duration::from_secs(2));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tokio::pin!(stop);
    let mut stopping = false;
    loop {
        tokio::select! {
            update = updates.recv() => {
                let update = update?;
                hear(&update);
                desk.updated(update).await;
            }
            page = desk.server.next_page() => desk.attached(page?).await,
            heard = next_heard(&mut desk.page) => match heard {
                Some(PageMessage::Said(said)) => desk.said(said).await,
                Some(PageMessage::Pasted { form, last: _, bytes }) => desk.paste(form, &bytes).await,
                None => desk.detach(),
            },
            Some(over) = desk.talks.join_next() => {
                if let Ok((kind, ended)) = over {
                    desk.talked(kind, &ended).await;
                }
            }
            Some(run) = run.recv() => desk.ran(run).await,
            _ = ticks.tick(), if desk.page.is_some() => desk.trip().await,
            () = &mut stop, if !stopping => {
                stopping = true;
                desk.link.end().await;
            }
        }
        desk.settle().await;
        if let Some(end) = desk.ended.take() {
            desk.last_word(&end).await;
            return Some(end);
        }
    }
}

async fn next_heard(page: &mut Option<PageConnection>) -> Option<PageMessage> {
    match page {
        Some(page) => page.heard.recv().await,
        None => core::future::pending().await,
    }
}

impl<L: SessionLink> ViewerLoop<L> {
    fn new(
        link: Arc<L>,
        server: PageServer,
        settings: ViewerSettings,
        to_run: mpsc::Sender<DiagnosticsNews>,
    ) -> Self {
        Self {
            link,
            settings,
            server,
            began: Instant::now(),
            page: None,
            granted: Vec::new(),
            granted_at: Instant::now(),
            state: LinkState::Up,
            asking: None,
            ended: None,
            refused: BTreeMap::new(),
            talks: JoinSet::new(),
            running: BTreeMap::new(),
            orders: mpsc::channel(1).0,
            keyboard: Arc::default(),
            clips: mpsc::channel(1).0,
            pasted: ClipboardContent::default(),
            wanted: ScreenChoice::default(),
            seen: Capability::View,
            round: 0,
            diagnosis: Vec::new(),
            done: 0,
            runs: JoinSet::new(),
            to_run,
        }
    }

    async fn tell(&mut self, what: ToPage) {
        let Some(page) = &self.page else { return };
        if !matches!(timeout(STUCK, page.to.send(PageOutput::Say(what))).await, Ok(Ok(()))) {
            self.detach();
        }
    }

    fn detach(&mut self) {
        self.page = None;
        self.pasted = ClipboardContent::default();
        self.wanted.hidden = false;
        for kind in ViewerStreamKind::ALL {
            self.close(kind);
        }
    }

    /// A page has come: it takes over, and is told everything.
    async fn attached(&mut self, page: PageConnection) {
        self.tell(ToPage::Elsewhere).await;
        self.detach();
        self.refused.clear();
        self.page = Some(page);
        let device = self.link.device();
        self.tell(ToPage::Session {
            device: device.name,
            os: device.os,
            enrolled: device.enrolled,
            id: self.link.id(),
            offers: device.offers.iter().map(PageCapability::from).collect(),
            view_only: self.settings.view_only,
            minutes: self.settings.duration.as_secs().div_ceil(60),
            since: self.began.elapsed().as_secs(),
        })
        .await;
        self.tell(ToPage::Link { state: self.state }).await;
        self.tell_granted("").await;
        if let Some(left) = self.asking.and_then(|until| until.checked_duration_since(Instant::now())) {
            self.tell(ToPage::Asking { seconds: u32::try_from(left.as_secs()).unwrap_or_default() }).await;
        }
        for line in self.link.chat_lines() {
            self.tell(ToPage::from(&line)).await;
        }
        for told in self.diagnosis.clone() {
            self.tell(told).await;
        }
    }

    /// What is granted now, counted down since it was said.
    fn rights(&self) -> Vec<Granted> {
        let passed = u32::try_from(self.granted_at.elapsed().as_secs()).unwrap_or(u32::MAX);
        let left = |granted: &Granted| Granted {
            seconds_left: granted.seconds_left.saturating_sub(passed),
            ..*granted
        };
        self.granted.iter().map(left).collect()
    }

    async fn tell_granted(&mut self, why: &str) {
        let granted = self.rights().iter().map(PageGrant::from).collect();
        self.tell(ToPage::Granted { granted, why: why.to_owned() }).await;
    }

    async fn updated(&mut self, update: SessionUpdate) {
        match update {
            SessionUpdate::Interrupted => self.linked(LinkState::Interrupted).await,
            SessionUpdate::Resumed => {
                self.refused.clear();
                self.linked(LinkState::Up).await;
            }
            SessionUpdate::Path(passes) => {
                let state = if passes { LinkState::Up } else { LinkState::Stalled };
                self.linked(state).await;
            }
            SessionUpdate::Asking(seconds) => {
                self.asking = Instant::now().checked_add(Duration::from_secs(seconds.into()));
                self.tell(ToPage::Asking { seconds }).await;
            }
            SessionUpdate::Decided(_, Ok(granted)) => self.grants(granted, "").await,
            SessionUpdate::Decided(_, Err(refusal)) => {
                self.asking = None;
                self.tell(ToPage::Denied { why: refusal.to_string() }).await;
            }
            SessionUpdate::Grants(granted, why) => self.grants(granted, &why).await,
            SessionUpdate::Chat(line) => self.tell(ToPage::from(&line)).await,
            SessionUpdate::Remark(text) => self.tell(ToPage::Notice { text }).await,
            SessionUpdate::Ended(end) => self.ended = Some(end),
        }
    }

    async fn linked(&mut self, state: LinkState) {
        self.state = state;
        self.tell(ToPage::Link { state }).await;
    }

    async fn grants(&mut self, granted: Vec<Granted>, why: &str) {
        (self.granted, self.granted_at, self.asking) = (granted, Instant::now(), None);
        self.refused.clear();
        self.tell_granted(why).await;
    }

    async fn said(&mut self, said: FromPage) {
        if let Some(input) = said.input() {
            if self.running.contains_key(&ViewerStreamKind::Control) {
                self.keyboard.put(input);
            }
            return;
        }
        match said {
            FromPage::Say(words) => {
                if let Some(line) = self.link.say(&words) {
                    self.tell(ToPage::from(&line)).await;
                } else {
                    let text = "That was not sent: it is empty, or the chat is full.".to_owned();
                    self.tell(ToPage::Notice { text }).await;
                }
            }
            FromPage::Saw(number) => self.link.saw(number),
            FromPage::Ask { capabilities, minutes } => {
                let minutes = minutes.clamp(1, MOST_MINUTES);
                if let Some(what) = named(&capabilities) {
                    self.link.ask(what, Duration::from_secs(u64::from(minutes) * 60)).await;
                }
            }
            FromPage::Drop(capabilities) => {
                if let Some(what) = named(&capabilities) {
                    self.link.give_up(what).await;
                }
            }
            FromPage::End => self.link.end().await,
            FromPage::Diagnose(set) => self.diagnose(set.into()).await,
            FromPage::Offer => {
                let content = core::mem::take(&mut self.pasted);
                self.clip(ClipboardOrder::Offer(content)).await;
            }
            FromPage::Copy { serial, form } => {
                self.clip(ClipboardOrder::Copy { serial, form: form.into() }).await
            }
            FromPage::Again => self.refused.clear(),
            FromPage::Play(_) => {}
            about_the_screen => self.order(about_the_screen),
        }
    }

    /// Passes a verb on to the screen's conversation, and keeps what is wanted for the next one.
    fn order(&mut self, order: FromPage) {
        match &order {
            FromPage::Monitor(monitor) => self.wanted.monitor = *monitor,
            FromPage::Quality(quality) => self.wanted.quality = (*quality).into(),
            FromPage::Hidden(hidden) => self.wanted.hidden = *hidden,
            FromPage::Laser(_) | FromPage::Stroke { .. } if self.orders.capacity() < KEPT_FREE => return,
            _ => {}
        }
        // Without a conversation there is nobody to tell; a page that floods it has itself to blame.
        let _ = self.orders.try_send(order);
    }

    async fn paste(&mut self, form: PageClipboardForm, bytes: &[u8]) {
        if !self.pasted.add(form, bytes) {
            self.pasted = ClipboardContent::default();
            let text = "That is too large for the clipboard (16 MiB at most).".to_owned();
            self.tell(ToPage::Notice { text }).await;
        }
    }

    async fn clip(&mut self, order: ClipboardOrder) {
        if self.clips.try_send(order).is_err() {
            let text = "The clipboard is not connected: ask for it first.".to_owned();
            self.tell(ToPage::Notice { text }).await;
        }
    }

    async fn trip(&mut self) {
        if let Some(trip) = self.link.round_trip() {
            self.tell(ToPage::Trip { ms: u32::try_from(trip.as_millis()).unwrap_or(u32::MAX) }).await;
        }
    }

    /// Says goodbye, and waits until the page has heard it.
    async fn last_word(&mut self, end: &SessionEnd) {
        let why = match end {
            SessionEnd::Here => "You ended the session.".to_owned(),
            SessionEnd::ByAgent(ended) => ended.to_string(),
            SessionEnd::Lost(why) => format!("the connection was lost: {why}"),
        };
        for kind in ViewerStreamKind::ALL {
            self.close(kind);
        }
        self.tell(ToPage::Ended { why }).await;
        if let Some(PageConnection { to, mut heard }) = self.page.take() {
            drop(to);
            let gone = async { while heard.recv().await.is_some() {} };
            let _ = timeout(LAST_WORD, gone).await;
        }
    }
}

fn named(names: &[String]) -> Option<Capabilities> {
    let all: Capabilities =
        names.iter().map(|name| name.parse::<Capability>()).collect::<Result<_, _>>().ok()?;
    (!all.is_empty()).then_some(all)
}
