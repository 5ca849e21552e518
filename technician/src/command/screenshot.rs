//! `nearhand screenshot`: one exact picture of a device's screen, as a PNG file.
//!
//! The decode process decodes the frames and makes the file; this process writes it.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use nearhand_proto::grant::Capability;
use nearhand_proto::message::screen::{FromScreen, FromViewer, ScreenQuality};
use nearhand_proto::message::session::StreamOpen;
use nearhand_proto::text;
use nearhand_report::screenshot::MAX_PNG;
use nearhand_transport::platform::write_private;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::in_session;
use crate::context::CommandContext;
use crate::exit::{CommandFailure, ExitCode};
use crate::session::TechnicianSession;
use crate::viewer::decode::DecoderInput;
use crate::viewer::decoder_process::{DecodedPieces, DecoderProcess, DecoderProgram};
use crate::viewer::device_stream::{DeviceStreamEnd, read};
use crate::viewer::epoch::StreamEpoch;

/// Longest wait for the picture once it is allowed.
const LIMIT: Duration = Duration::from_secs(60);
/// Largest file, in bytes: the largest picture of noise, and room.
const MOST: usize = 128 * 1024 * 1024;

/// Arguments of `nearhand screenshot`.
#[derive(clap::Args)]
pub struct ScreenshotArgs {
    /// Support code, or an enrolled device's label, id or the beginning of its id
    #[arg(required = true, num_args = 1.., value_name = "TARGET")]
    pub target: Vec<String>,
    /// The file to write
    #[arg(long, value_name = "FILE.png")]
    pub out: PathBuf,
    /// Only this monitor, counted from 1 [default: all of them]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub monitor: Option<u8>,
    /// Why you help, for the person at the device
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// Asks to see the screen, saves one picture, ends the session.
///
/// # Errors
/// [`CommandFailure`] with the exit code.
pub async fn run(ctx: &CommandContext, args: &ScreenshotArgs) -> Result<(), CommandFailure> {
    let reason = args.reason.as_deref().unwrap_or("to keep a picture of the screen");
    let (session, mut updates) = in_session::open(ctx, &args.target.join(" "), reason).await?;
    let duration = LIMIT * 2;
    let kept = match in_session::ask(ctx, &session, &mut updates, Capability::View.into(), duration).await {
        Ok(_) => {
            let work = exact_picture(&session, args.monitor);
            let interruption = in_session::interrupted();
            in_session::while_updated(
                ctx,
                &session,
                &mut updates,
                "the picture was there",
                interruption,
                work,
            )
            .await
        }
        Err(failure) => Err(failure),
    };
    in_session::end(&session, &mut updates).await;
    let bytes = kept?;
    write_private(&args.out, &bytes)
        .map_err(|e| CommandFailure::new(ExitCode::Local, format!("{}: {e}", args.out.display())))?;
    let path = std::path::absolute(&args.out).unwrap_or_else(|_| args.out.clone()).display().to_string();
    if ctx.output.is_json() {
        ctx.output.json(&serde_json::json!({"event": "screenshot", "file": path, "bytes": bytes.len()}))?;
    } else {
        ctx.output.line(&path)?;
    }
    Ok(())
}

/// The screen, or one monitor, as it is exactly.
async fn exact_picture(session: &TechnicianSession, monitor: Option<u8>) -> Result<Vec<u8>, CommandFailure> {
    let late = || CommandFailure::new(ExitCode::TimedOut, "the device sent no exact picture within a minute");
    let start = FromViewer::Start { monitor, quality: ScreenQuality::Exact };
    timeout(LIMIT, picture(session, &StreamOpen::Screen, Some(start), MOST)).await.map_err(|_| late())?
}

/// One picture for a report, as the device takes it: it is asked for nothing but that.
pub(super) async fn for_report(session: &TechnicianSession) -> Result<Vec<u8>, CommandFailure> {
    let late = || CommandFailure::new(ExitCode::TimedOut, "the device sent no picture within a minute");
    timeout(LIMIT, picture(session, &StreamOpen::Screenshot, None, MAX_PNG)).await.map_err(|_| late())?
}

/// The first exact frame as a PNG file of at most `most` bytes. Only a stream that `start` began has frames before it
/// that are not exact.
async fn picture(
    session: &TechnicianSession,
    open: &StreamOpen,
    start: Option<FromViewer>,
    most: usize,
) -> Result<Vec<u8>, CommandFailure> {
    let nonsense = || CommandFailure::new(ExitCode::Unexpected, DeviceStreamEnd::Nonsense.to_string());
    let program = DecoderProgram::for_png()
        .map_err(|e| CommandFailure::new(ExitCode::Local, format!("this program can't find itself: {e}")))?;
    let (mut sender, receiver) = session.open_stream(open, 1).await?;
    let one_only = start.is_none();
    if let Some(start) = start {
        sender.send(&start).await?;
    }
    let (mut messages, _reader) = read::<TechnicianSession, FromScreen>(receiver);
    let (to, mut made) = mpsc::channel(4);
    let died = |died: crate::viewer::decoder_process::DecoderFailure| {
        CommandFailure::new(ExitCode::Unexpected, died.to_string())
    };
    let mut decoding =
        DecoderProcess::start(&program, PngCollector { file: Vec::new(), most, to }).map_err(died)?;
    let (mut epoch, mut under_way, mut waiting) = (StreamEpoch::first(0), VecDeque::new(), None);
    let mut arrived = false;
    loop {
        tokio::select! {
            // A stream for a report ends after its one frame.
            message = messages.recv(), if waiting.is_none() && !(one_only && arrived) => match message.ok_or_else(nonsense)?? {
                FromScreen::Frame { frame, part, last } => {
                    epoch.accepts(frame, part.len(), last.is_some()).map_err(|_| nonsense())?;
                    if last.is_some() {
                        arrived = true;
                        under_way.push_back(frame);
                    }
                    waiting = Some(DecoderInput::Part { frame, bytes: part, last });
                }
                FromScreen::Gone(why) => {
                    let why = format!("there is nothing to see: {}", text::one_line(&why, 200));
                    return Err(CommandFailure::new(ExitCode::NotGranted, why));
                }
                _ => {}
            },
            room = decoding.feed().clone().reserve_owned(), if waiting.is_some() => {
                if let (Ok(room), Some(piece)) = (room, waiting.take()) {
                    room.send(piece);
                }
            }
            made = made.recv() => match made {
                Some(file) if !file.is_empty() => return Ok(file),
                Some(_) if one_only => return Err(nonsense()),
                Some(_) => if let Some(frame) = under_way.pop_front() {
                    sender.send(&FromViewer::Painted { frame, decode: 0, paint: 0 }).await?;
                },
                None => return Err(died(decoding.failure().await)),
            },
            gone = decoding.failure() => return Err(died(gone)),
        }
    }
}

/// Collects the pieces of the PNG file. After each frame it passes on the file, which is empty if the frame wasn't
/// exact.
struct PngCollector {
    file: Vec<u8>,
    most: usize,
    to: mpsc::Sender<Vec<u8>>,
}

impl DecodedPieces for PngCollector {
    async fn piece(&mut self, piece: Vec<u8>) -> bool {
        self.file.extend_from_slice(piece.get(1..).unwrap_or_default());
        self.file.len() <= self.most
    }

    async fn done(&mut self) -> bool {
        self.to.send(core::mem::take(&mut self.file)).await.is_ok()
    }
}
