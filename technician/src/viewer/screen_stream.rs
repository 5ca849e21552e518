//! The screen's stream: frames from the device to the decode process, what it makes of them to the
//! page, the page's wishes to the device.
//!
//! When the decode process dies, the stream starts again and the technician is told; nothing else is lost.

use std::sync::Arc;
use std::time::Instant;

use nearhand_proto::message::screen::{
    FromScreen, FromViewer, MAX_CURSOR, MAX_MONITORS, MonitorNumber, ScreenQuality,
};
use nearhand_proto::message::session::StreamOpen;
use nearhand_proto::text;
use tokio::sync::mpsc;

use super::decode::DecoderInput;
use super::decoder_process::{DecoderProcess, DecoderProgram};
use super::device_stream::{DeviceStreamEnd, OperationsToPage, end_of, read, tell};
use super::epoch::{FrameArrivals, StreamEpoch};
use super::page_messages::{FromPage, PageMonitor, ScreenState, ToPage};
use super::server::PageOutput;
use super::session_link::{MessageSender, SessionLink};

/// Sent before pictures and after pointer and keyboard: these messages give the device credit for frames.
const PRIORITY: i32 = 1;
/// Deaths of the decode process in one stream after which the stream ends.
const MOST_DEATHS: u32 = 5;

/// What the technician wants to see.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ScreenChoice {
    /// One monitor, or all.
    pub monitor: Option<MonitorNumber>,
    /// How exactly pictures are to be coded.
    pub quality: ScreenQuality,
    /// The page is hidden: no frames for now.
    pub hidden: bool,
}

/// What the screen's stream needs.
pub struct ScreenStream<L> {
    /// The session whose screen is shown.
    pub link: Arc<L>,
    /// The program that decodes the frames.
    pub program: DecoderProgram,
    /// Messages for the page.
    pub page: mpsc::Sender<PageOutput>,
    /// [`StreamOpen::Screen`], or [`StreamOpen::Window`].
    pub open: StreamOpen,
    /// Number of the stream's first epoch.
    pub epoch: u32,
}

impl<L: SessionLink> ScreenStream<L> {
    /// Watches until it is over; `orders` are the page's verbs about the screen, `choice` outlives this.
    pub async fn watch(
        self,
        orders: &mut mpsc::Receiver<FromPage>,
        choice: &mut ScreenChoice,
    ) -> DeviceStreamEnd {
        end_of(self.until_over(orders, choice).await)
    }

    async fn until_over(
        self,
        orders: &mut mpsc::Receiver<FromPage>,
        choice: &mut ScreenChoice,
    ) -> Result<core::convert::Infallible, DeviceStreamEnd> {
        let (mut sender, receiver) = self.link.open_stream(&self.open, PRIORITY).await?;
        sender.send(&FromViewer::Start { monitor: choice.monitor, quality: choice.quality }).await?;
        if choice.hidden {
            sender.send(&FromViewer::Hidden(true)).await?;
        }
        let mut epoch = StreamEpoch::first(self.epoch);
        tell(&self.page, screen_message(ScreenState::On, "", &epoch)).await?;
        let (mut messages, _reader) = read::<L, FromScreen>(receiver);
        let mut decoding = self.decoder(&epoch).await?;
        let (mut waiting, mut deaths, mut arrivals) = (None, 0, FrameArrivals::default());
        loop {
            tokio::select! {
                message = messages.recv(), if waiting.is_none() => {
                    let message = message.ok_or(DeviceStreamEnd::Nonsense)??;
                    waiting = self.handle_device(message, &mut epoch, choice.monitor).await?;
                    if let Some(DecoderInput::Part { frame, last: Some(_), .. }) = &waiting {
                        arrivals.arrived(*frame, Instant::now());
                    }
                }
                room = decoding.feed().clone().reserve_owned(), if waiting.is_some() => {
                    // Without room the process has ended, which `failure` reports.
                    if let (Ok(room), Some(piece)) = (room, waiting.take()) {
                        room.send(piece);
                    }
                }
                order = orders.recv() => {
                    let order = order.ok_or(DeviceStreamEnd::NoPage)?;
                    if let FromPage::Monitor(monitor) = order {
                        choice.monitor = monitor;
                        decoding.stop().await;
                        (decoding, waiting) = (self.start_again(&mut sender, &mut epoch, *choice).await?, None);
                        arrivals = FrameArrivals::default();
                    } else if let Some(mut order) = order.viewing(epoch.number()) {
                        match &mut order {
                            // The page knows its own part of it only, and not what waited before.
                            FromViewer::Painted { frame, decode, paint } => {
                                let here = arrivals.painted(*frame, Instant::now());
                                *paint = here.map_or(*paint, |here| here.saturating_sub(*decode));
                            }
                            FromViewer::Quality(quality) => choice.quality = *quality,
                            FromViewer::Hidden(hidden) => choice.hidden = *hidden,
                            _ => {}
                        }
                        sender.send(&order).await?;
                    }
                }
                died = decoding.failure() => {
                    deaths += 1;
                    if deaths >= MOST_DEATHS {
                        return Err(DeviceStreamEnd::Undecodable(died));
                    }
                    let why = format!("{died}; it is started again");
                    tell(&self.page, screen_message(ScreenState::Opening, &why, &epoch)).await?;
                    (decoding, waiting) = (self.start_again(&mut sender, &mut epoch, *choice).await?, None);
                    arrivals = FrameArrivals::default();
                }
            }
        }
    }

    /// Says `Start` again, with a decoder that knows nothing.
    async fn start_again(
        &self,
        sender: &mut L::Sender,
        epoch: &mut StreamEpoch,
        choice: ScreenChoice,
    ) -> Result<DecoderProcess, DeviceStreamEnd> {
        epoch.restart();
        sender.send(&FromViewer::Start { monitor: choice.monitor, quality: choice.quality }).await?;
        tell(&self.page, screen_message(ScreenState::On, "", epoch)).await?;
        self.decoder(epoch).await
    }

    async fn decoder(&self, epoch: &StreamEpoch) -> Result<DecoderProcess, DeviceStreamEnd> {
        let decoding = DecoderProcess::start(&self.program, OperationsToPage(self.page.clone()))
            .map_err(DeviceStreamEnd::Undecodable)?;
        // A process that has ended already is reported by `failure`.
        let _ = decoding.feed().send(DecoderInput::Begin { epoch: epoch.number() }).await;
        Ok(decoding)
    }

    /// Passes on a message of the device; a frame's part is returned, to wait for the decoder.
    async fn handle_device(
        &self,
        message: FromScreen,
        epoch: &mut StreamEpoch,
        shown: Option<MonitorNumber>,
    ) -> Result<Option<DecoderInput>, DeviceStreamEnd> {
        let message_to_page = match message {
            FromScreen::Frame { frame, part, last } => {
                let is_present = epoch
                    .accepts(frame, part.len(), last.is_some())
                    .map_err(|_| DeviceStreamEnd::Nonsense)?;
                return Ok(is_present.then_some(DecoderInput::Part { frame, bytes: part, last }));
            }
            FromScreen::Monitors(monitors) if monitors.len() <= MAX_MONITORS => {
                ToPage::Monitors { monitors: monitors.iter().map(PageMonitor::from).collect(), shown }
            }
            FromScreen::Cursor(cursor) => {
                let pixels = usize::from(cursor.width) * usize::from(cursor.height);
                if cursor.width.max(cursor.height) > MAX_CURSOR || cursor.rgba.len() != pixels * 4 {
                    return Err(DeviceStreamEnd::Nonsense);
                }
                ToPage::from(&cursor)
            }
            FromScreen::CursorAt(at) => ToPage::CursorAt { at: at.map(|at| (at.x, at.y)) },
            FromScreen::Gone(why) => screen_message(ScreenState::Gone, &text::one_line(&why, 200), epoch),
            // Only for recordings; nothing of it is shown.
            FromScreen::Clock(_) | FromScreen::Head(_) => return Ok(None),
            FromScreen::Monitors(_) => return Err(DeviceStreamEnd::Nonsense),
        };
        tell(&self.page, message_to_page).await?;
        Ok(None)
    }
}

fn screen_message(state: ScreenState, why: &str, epoch: &StreamEpoch) -> ToPage {
    ToPage::Screen { state, why: why.to_owned(), epoch: epoch.number() }
}
