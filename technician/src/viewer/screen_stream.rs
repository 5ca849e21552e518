//! The conversation about the screen: frames from the device to the decode process, what it makes of them to the
//! page, the page's wishes to the device.
//!
//! A decode process that dies costs a new beginning and a word to the technician, nothing else.

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
use super::device_stream::{DeviceStreamEnd, OperationsToPage, over, read, tell};
use super::epoch::{FrameArrivals, StreamEpoch};
use super::page_messages::{FromPage, PageMonitor, ScreenState, ToPage};
use super::server::PageOutput;
use super::session_link::{MessageSender, SessionLink};

/// Before pictures, after pointer and keyboard: what is sent here gives credit for frames.
const PRIORITY: i32 = 1;
/// A decoder that died so often in one conversation is not started again by itself.
const MOST_DEATHS: u32 = 5;

/// What the technician wants to see.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ScreenChoice {
    /// One monitor, or all.
    pub monitor: Option<MonitorNumber>,
    /// How exactly.
    pub quality: ScreenQuality,
    /// Nothing for now.
    pub hidden: bool,
}

/// What a conversation needs.
pub struct ScreenStream<L> {
    /// The session.
    pub link: Arc<L>,
    /// What decodes.
    pub program: DecoderProgram,
    /// The page.
    pub page: mpsc::Sender<PageOutput>,
    /// [`StreamOpen::Screen`], or [`StreamOpen::Window`].
    pub open: StreamOpen,
    /// The first round's number.
    pub round: u32,
}

impl<L: SessionLink> ScreenStream<L> {
    /// Watches until it is over; `orders` are the page's verbs about the screen, `wanted` outlives this.
    pub async fn watch(
        self,
        orders: &mut mpsc::Receiver<FromPage>,
        wanted: &mut ScreenChoice,
    ) -> DeviceStreamEnd {
        over(self.until_over(orders, wanted).await)
    }

    async fn until_over(
        self,
        orders: &mut mpsc::Receiver<FromPage>,
        wanted: &mut ScreenChoice,
    ) -> Result<core::convert::Infallible, DeviceStreamEnd> {
        let (mut say, hear) = self.link.open_stream(&self.open, PRIORITY).await?;
        say.send(&FromViewer::Start { monitor: wanted.monitor, quality: wanted.quality }).await?;
        if wanted.hidden {
            say.send(&FromViewer::Hidden(true)).await?;
        }
        let mut round = StreamEpoch::first(self.round);
        tell(&self.page, state(ScreenState::On, "", &round)).await?;
        let (mut messages, _reader) = read::<L, FromScreen>(hear);
        let mut decoding = self.decoder(&round).await?;
        let (mut waiting, mut deaths, mut arrivals) = (None, 0, FrameArrivals::default());
        loop {
            tokio::select! {
                message = messages.recv(), if waiting.is_none() => {
                    let message = message.ok_or(DeviceStreamEnd::Nonsense)??;
                    waiting = self.heard(message, &mut round, wanted.monitor).await?;
                    if let Some(DecoderInput::Part { frame, last: Some(_), .. }) = &waiting {
                        arrivals.arrived(*frame, Instant::now());
                    }
                }
                room = decoding.feed().clone().reserve_owned(), if waiting.is_some() => {
                    // Without room there is no process: who listens to it says so.
                    if let (Ok(room), Some(piece)) = (room, waiting.take()) {
                        room.send(piece);
                    }
                }
                order = orders.recv() => {
                    let order = order.ok_or(DeviceStreamEnd::NoPage)?;
                    if let FromPage::Monitor(monitor) = order {
                        wanted.monitor = monitor;
                        decoding.stop().await;
                        (decoding, waiting) = (self.begin_anew(&mut say, &mut round, *wanted).await?, None);
                        arrivals = FrameArrivals::default();
                    } else if let Some(mut order) = order.viewing(round.number()) {
                        match &mut order {
                            // The page knows its own part of it only, and not what waited before.
                            FromViewer::Painted { frame, decode, paint } => {
                                let here = arrivals.painted(*frame, Instant::now());
                                *paint = here.map_or(*paint, |here| here.saturating_sub(*decode));
                            }
                            FromViewer::Quality(quality) => wanted.quality = *quality,
                            FromViewer::Hidden(hidden) => wanted.hidden = *hidden,
                            _ => {}
                        }
                        say.send(&order).await?;
                    }
                }
                died = decoding.died() => {
                    deaths += 1;
                    if deaths >= MOST_DEATHS {
                        return Err(DeviceStreamEnd::Undecodable(died));
                    }
                    let why = format!("{died}; it begins anew");
                    tell(&self.page, state(ScreenState::Opening, &why, &round)).await?;
                    (decoding, waiting) = (self.begin_anew(&mut say, &mut round, *wanted).await?, None);
                    arrivals = FrameArrivals::default();
                }
            }
        }
    }

    /// Says `Start` again, with a decoder that knows nothing.
    async fn begin_anew(
        &self,
        say: &mut L::Sender,
        round: &mut StreamEpoch,
        wanted: ScreenChoice,
    ) -> Result<DecoderProcess, DeviceStreamEnd> {
        round.restart();
        say.send(&FromViewer::Start { monitor: wanted.monitor, quality: wanted.quality }).await?;
        tell(&self.page, state(ScreenState::On, "", round)).await?;
        self.decoder(round).await
    }

    async fn decoder(&self, round: &StreamEpoch) -> Result<DecoderProcess, DeviceStreamEnd> {
        let decoding = DecoderProcess::start(&self.program, OperationsToPage(self.page.clone()))
            .map_err(DeviceStreamEnd::Undecodable)?;
        // One that is gone already says so by itself.
        let _ = decoding.feed().send(DecoderInput::Begin { round: round.number() }).await;
        Ok(decoding)
    }

    /// Passes on a message of the device; a frame's part is returned, to wait for the decoder.
    async fn heard(
        &self,
        message: FromScreen,
        round: &mut StreamEpoch,
        shown: Option<MonitorNumber>,
    ) -> Result<Option<DecoderInput>, DeviceStreamEnd> {
        let told = match message {
            FromScreen::Frame { frame, part, last } => {
                let takes =
                    round.takes(frame, part.len(), last.is_some()).map_err(|_| DeviceStreamEnd::Nonsense)?;
                return Ok(takes.then_some(DecoderInput::Part { frame, bytes: part, last }));
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
            FromScreen::Gone(why) => state(ScreenState::Gone, &text::one_line(&why, 200), round),
            // For who records; nothing of it is shown.
            FromScreen::Clock(_) | FromScreen::Head(_) => return Ok(None),
            FromScreen::Monitors(_) => return Err(DeviceStreamEnd::Nonsense),
        };
        tell(&self.page, told).await?;
        Ok(None)
    }
}

fn state(state: ScreenState, why: &str, round: &StreamEpoch) -> ToPage {
    ToPage::Screen { state, why: why.to_owned(), round: round.number() }
}
