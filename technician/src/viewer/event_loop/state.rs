//! The event loop's state: the session, the page, and what is open between them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nearhand_proto::grant::Capability;
use nearhand_proto::message::session::GrantedCapability;
use nearhand_report::model::Report;
use nearhand_report::shareable::ShareableReport;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::super::decoder_process::DecoderProgram;
use super::super::device_stream::DeviceStreamEnd;
use super::super::input_streams::{ClipboardContent, ClipboardOrder, InputQueue};
use super::super::page_messages::{FromPage, LinkState, PageCapability, PageGrant, ToPage};
use super::super::screen_stream::ScreenChoice;
use super::super::server::{PageConnection, PageOutput, PageServer};
use super::super::session_link::SessionLink;
use super::stream_kind::ViewerStreamKind;
use crate::exit::CommandFailure;
use crate::session::{DiagnosticsError, DiagnosticsProgress, SessionEnd, SessionUpdate};

/// Verbs about the screen that wait; some of them are kept free for what gives credit.
pub(super) const ORDERS: usize = 256;
pub(super) const KEPT_FREE: usize = 64;
/// A page that takes no message for this time is gone.
const STUCK: Duration = Duration::from_secs(10);
/// Longest wait until the page has heard how the session ended.
const LAST_WORD: Duration = Duration::from_millis(700);
/// Longest time that can be asked for, in minutes.
pub(super) const MOST_MINUTES: u32 = 12 * 60;

/// Keeps a report on this machine's disk; says where.
pub type KeepReport = Box<dyn Fn(&ShareableReport) -> Result<String, CommandFailure> + Send + Sync>;

/// How the viewer behaves.
pub struct ViewerSettings {
    /// The technician's pointer and keyboard are not sent, even where control is granted.
    pub view_only: bool,
    /// Duration of what the page asks for.
    pub duration: Duration,
    /// The program that decodes the frames.
    pub decoder: DecoderProgram,
    /// Keeps a report on this machine's disk.
    pub keep: KeepReport,
}

/// News of a run.
pub(super) enum DiagnosticsNews {
    Progress(DiagnosticsProgress),
    Over(Box<Result<Report, DiagnosticsError>>),
}

/// The loop's state.
pub(super) struct ViewerLoop<L: SessionLink> {
    pub(super) link: Arc<L>,
    pub(super) settings: ViewerSettings,
    pub(super) server: PageServer,
    pub(super) began: Instant,
    pub(super) page: Option<PageConnection>,
    pub(super) granted: Vec<GrantedCapability>,
    pub(super) granted_at: Instant,
    pub(super) state: LinkState,
    pub(super) asking: Option<Instant>,
    pub(super) ended: Option<SessionEnd>,
    /// Why a conversation isn't tried again before something changes.
    pub(super) refused: BTreeMap<ViewerStreamKind, String>,
    pub(super) streams: JoinSet<(ViewerStreamKind, DeviceStreamEnd)>,
    pub(super) running: BTreeMap<ViewerStreamKind, AbortHandle>,
    pub(super) orders: mpsc::Sender<FromPage>,
    pub(super) keyboard: Arc<InputQueue>,
    pub(super) clips: mpsc::Sender<ClipboardOrder>,
    pub(super) pasted: ClipboardContent,
    pub(super) choice: ScreenChoice,
    /// What the conversation about the screen was opened for.
    pub(super) screen_shown_by: Capability,
    pub(super) epoch: u32,
    pub(super) diagnostics_shown: Vec<ToPage>,
    pub(super) checks_done: u32,
    pub(super) diagnostics_tasks: JoinSet<()>,
    pub(super) diagnostics_news: mpsc::Sender<DiagnosticsNews>,
}

impl<L: SessionLink> ViewerLoop<L> {
    pub(super) fn new(
        link: Arc<L>,
        server: PageServer,
        settings: ViewerSettings,
        diagnostics_news: mpsc::Sender<DiagnosticsNews>,
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
            streams: JoinSet::new(),
            running: BTreeMap::new(),
            orders: mpsc::channel(1).0,
            keyboard: Arc::default(),
            clips: mpsc::channel(1).0,
            pasted: ClipboardContent::default(),
            choice: ScreenChoice::default(),
            screen_shown_by: Capability::View,
            epoch: 0,
            diagnostics_shown: Vec::new(),
            checks_done: 0,
            diagnostics_tasks: JoinSet::new(),
            diagnostics_news,
        }
    }

    pub(super) async fn tell(&mut self, what: ToPage) {
        let Some(page) = &self.page else { return };
        if !matches!(timeout(STUCK, page.to.send(PageOutput::Message(what))).await, Ok(Ok(()))) {
            self.detach();
        }
    }

    pub(super) fn detach(&mut self) {
        self.page = None;
        self.pasted = ClipboardContent::default();
        self.choice.hidden = false;
        for kind in ViewerStreamKind::ALL {
            self.close(kind);
        }
    }

    pub(super) fn close(&mut self, kind: ViewerStreamKind) {
        if let Some(talk) = self.running.remove(&kind) {
            talk.abort();
        }
    }

    /// A page has come in: it takes the session over and is told the whole state.
    pub(super) async fn attach(&mut self, page: PageConnection) {
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
        for told in self.diagnostics_shown.clone() {
            self.tell(told).await;
        }
    }

    /// What is granted now, with the seconds that are left.
    pub(super) fn rights(&self) -> Vec<GrantedCapability> {
        let passed = u32::try_from(self.granted_at.elapsed().as_secs()).unwrap_or(u32::MAX);
        let left = |granted: &GrantedCapability| GrantedCapability {
            seconds_left: granted.seconds_left.saturating_sub(passed),
            ..*granted
        };
        self.granted.iter().map(left).collect()
    }

    pub(super) async fn tell_granted(&mut self, why: &str) {
        let granted = self.rights().iter().map(PageGrant::from).collect();
        self.tell(ToPage::Granted { granted, why: why.to_owned() }).await;
    }

    pub(super) async fn handle_update(&mut self, update: SessionUpdate) {
        match update {
            SessionUpdate::Interrupted => self.set_link_state(LinkState::Interrupted).await,
            SessionUpdate::Resumed => {
                self.refused.clear();
                self.set_link_state(LinkState::Up).await;
            }
            SessionUpdate::PathStalled => self.set_link_state(LinkState::Stalled).await,
            SessionUpdate::PathRestored => self.set_link_state(LinkState::Up).await,
            SessionUpdate::Asking(seconds) => {
                self.asking = Instant::now().checked_add(Duration::from_secs(seconds.into()));
                self.tell(ToPage::Asking { seconds }).await;
            }
            SessionUpdate::Decided(_, Ok(granted)) => self.set_granted(granted, "").await,
            SessionUpdate::Decided(_, Err(refusal)) => {
                self.asking = None;
                self.tell(ToPage::Denied { why: refusal.to_string() }).await;
            }
            SessionUpdate::Grants(granted, why) => self.set_granted(granted, &why).await,
            SessionUpdate::Chat(line) => self.tell(ToPage::from(&line)).await,
            SessionUpdate::Remark(text) => self.tell(ToPage::Notice { text }).await,
            SessionUpdate::Ended(end) => self.ended = Some(end),
        }
    }

    pub(super) async fn set_link_state(&mut self, state: LinkState) {
        self.state = state;
        self.tell(ToPage::Link { state }).await;
    }

    pub(super) async fn set_granted(&mut self, granted: Vec<GrantedCapability>, why: &str) {
        (self.granted, self.granted_at, self.asking) = (granted, Instant::now(), None);
        self.refused.clear();
        self.tell_granted(why).await;
    }

    pub(super) async fn tell_round_trip(&mut self) {
        if let Some(trip) = self.link.round_trip() {
            self.tell(ToPage::Trip { ms: u32::try_from(trip.as_millis()).unwrap_or(u32::MAX) }).await;
        }
    }

    /// Says goodbye, and waits until the page has heard it.
    pub(super) async fn last_word(&mut self, end: &SessionEnd) {
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
