//! The streams with the device that are open for the page: the screen or one window, pointer and keyboard, the
//! clipboard.
//!
//! A stream is open while its capability is granted, a page is there, and the device has not refused it.

use std::sync::Arc;
use std::time::Duration;

use nearhand_proto::grant::Capability;
use nearhand_proto::message::session::{SessionRefusal, StreamOpen};
use nearhand_proto::text;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::super::device_stream::DeviceStreamEnd;
use super::super::input_streams;
use super::super::page_messages::StreamState;
use super::super::screen_stream::ScreenStream;
use super::super::session_link::SessionLink;
use super::state::{ORDERS, ViewerLoop};
use super::stream_kind::ViewerStreamKind;
use crate::session::StreamError;

/// Pause before a conversation is tried again.
const PAUSE: Duration = Duration::from_millis(200);
/// Tries while the agent still holds the earlier stream open, which it notices a little later.
const TRIES: u32 = 25;

impl<L: SessionLink> ViewerLoop<L> {
    pub(super) fn may_open(&self, kind: ViewerStreamKind) -> bool {
        let granted = self.is_granted(kind.needs())
            || (kind == ViewerStreamKind::Screen && self.is_granted(Capability::Window));
        granted && !(kind == ViewerStreamKind::Control && self.settings.view_only)
    }

    pub(super) fn is_granted(&self, capability: Capability) -> bool {
        self.granted.iter().any(|granted| granted.capability == capability)
    }

    /// What the conversation about the screen is about: the screen, or where that isn't granted, one window.
    pub(super) fn screen_capability(&self) -> Capability {
        if self.is_granted(Capability::View) { Capability::View } else { Capability::Window }
    }

    /// Opens and closes conversations as the facts are now.
    pub(super) async fn open_and_close(&mut self) {
        let other =
            self.may_open(ViewerStreamKind::Screen) && self.screen_capability() != self.screen_shown_by;
        if other && self.running.contains_key(&ViewerStreamKind::Screen) {
            self.close(ViewerStreamKind::Screen);
        }
        for kind in ViewerStreamKind::ALL {
            let wanted = self.page.is_some()
                && self.may_open(kind)
                && !self.refused.contains_key(&kind)
                && self.ended.is_none();
            if wanted && !self.running.contains_key(&kind) {
                self.open(kind).await;
            } else if !self.may_open(kind) && self.running.contains_key(&kind) {
                self.close(kind);
                self.tell(kind.state_message(StreamState::Off, String::new())).await;
            }
        }
    }

    pub(super) async fn open(&mut self, kind: ViewerStreamKind) {
        let Some(to) = self.page.as_ref().map(|page| page.to.clone()) else { return };
        let link = self.link.clone();
        let talk = match kind {
            ViewerStreamKind::Screen => {
                self.tell(kind.state_message(StreamState::On, String::new())).await;
                let (orders, mut orders_received) = mpsc::channel(ORDERS);
                self.orders = orders;
                let (mut wanted, program) = (self.choice, self.settings.decoder.clone());
                self.epoch = self.epoch.wrapping_add(1 << 16);
                let mut epoch = self.epoch;
                self.screen_shown_by = self.screen_capability();
                let open = if self.screen_shown_by == Capability::View {
                    StreamOpen::Screen
                } else {
                    StreamOpen::Window
                };
                self.streams.spawn(async move {
                    let mut tries = StreamRetries::default();
                    loop {
                        let (link, program, page) = (link.clone(), program.clone(), to.clone());
                        let stream = ScreenStream { link, program, page, open: open.clone(), epoch };
                        let ended = stream.watch(&mut orders_received, &mut wanted).await;
                        // Epochs of one stream and the next are told apart.
                        epoch = epoch.wrapping_add(1 << 8);
                        if !tries.again(&ended).await {
                            return (kind, ended);
                        }
                    }
                })
            }
            ViewerStreamKind::Control => {
                self.keyboard = Arc::default();
                let keyboard = self.keyboard.clone();
                self.streams.spawn(async move {
                    let mut tries = StreamRetries::default();
                    loop {
                        let ended =
                            input_streams::carry_input(link.clone(), to.clone(), keyboard.clone()).await;
                        if !tries.again(&ended).await {
                            return (kind, ended);
                        }
                    }
                })
            }
            ViewerStreamKind::Clipboard => {
                let (clips, mut orders_received) = mpsc::channel(4);
                self.clips = clips;
                self.streams.spawn(async move {
                    let mut tries = StreamRetries::default();
                    loop {
                        let ended =
                            input_streams::exchange_clipboard(link.clone(), to.clone(), &mut orders_received)
                                .await;
                        if !tries.again(&ended).await {
                            return (kind, ended);
                        }
                    }
                })
            }
        };
        self.running.insert(kind, talk);
    }

    /// A stream has ended by itself.
    pub(super) async fn stream_ended(&mut self, kind: ViewerStreamKind, ended: &DeviceStreamEnd) {
        // A stream that was closed here may have ended by itself at the same time.
        if !self.running.get(&kind).is_some_and(AbortHandle::is_finished) {
            return;
        }
        self.running.remove(&kind);
        let why = text::chain(ended);
        self.refused.insert(kind, why.clone());
        let state = match ended {
            DeviceStreamEnd::Stream(StreamError::NotGranted) => StreamState::Off,
            _ => StreamState::Failed,
        };
        self.tell(kind.state_message(state, why)).await;
    }
}

/// How often a conversation was tried.
#[derive(Default)]
struct StreamRetries(u32);

impl StreamRetries {
    /// Whether trying again can help. If so, waits for the pause before it returns.
    async fn again(&mut self, ended: &DeviceStreamEnd) -> bool {
        self.0 += 1;
        let helps = match ended {
            DeviceStreamEnd::Stream(StreamError::Lost) => true,
            // The earlier conversation's end is on its way.
            DeviceStreamEnd::Stream(StreamError::Refused(SessionRefusal::AlreadyOpen)) => self.0 < TRIES,
            // The grant may have been taken and given again meanwhile; a display may come back.
            DeviceStreamEnd::Stream(StreamError::NotGranted | StreamError::DisplayGone) => self.0 < 2,
            _ => false,
        };
        if helps {
            tokio::time::sleep(PAUSE).await;
        }
        helps
    }
}
