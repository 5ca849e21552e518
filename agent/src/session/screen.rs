//! What a technician sees and does on the screen: their streams on one side, the session's desktop process on the
//! other.
//!
//! A driver. One desktop process serves one connection; it is started by the first stream that needs it and goes
//! with the connection, which lets go of every key that was held. What is allowed was asked of the hub before a
//! stream comes here, and the stream is dropped the moment its grant is gone. Must not live here: anything that
//! knows a display.

use std::time::Instant;

use nearhand_proto::grant::Capability;
use nearhand_proto::message::local::{Activity, AgentNotice};
use nearhand_proto::message::screen::{
    ClipboardMessage, FromScreen, FromViewer, InputEvent, InputNotice, MAX_STROKE,
};
use nearhand_proto::message::session::FRAME_LIMIT;
use nearhand_proto::text;
use nearhand_transport::framed;
use quinn::{RecvStream, SendStream};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::desktop::StopOnDrop;
use super::recording::{NotWritten, SignedRecording};
use super::stream::{DISPLAY_GONE, GRANT_GONE, LAST_WORD, SCREEN_PRIORITY, ServedSession, revoked};
use nearhand_desktop::protocol::ToDesktop;

/// Parts of frames on their way to the technician: some 12 MB at most, which is held back in the desktop process
/// before it is held here.
const SCREEN_QUEUE: usize = 256;
/// Notices and clipboard parts on their way to the technician.
const QUEUE: usize = 32;
/// Clipboard contents go behind frames.
const CLIPBOARD_PRIORITY: i32 = -20;

/// What is seen.
pub(super) enum ViewTarget {
    /// The whole screen or one of its monitors.
    Screen,
    /// One window that the person chose.
    Window {
        /// Which, in words.
        what: String,
        /// Who hears that it is closed.
        closed: oneshot::Sender<String>,
    },
}

impl ViewTarget {
    /// The row in the record, its detail, and what the person reads.
    fn words(&self) -> (&'static str, String, String) {
        match self {
            Self::Screen => ("view.start", String::new(), "the screen".to_owned()),
            Self::Window { what, .. } => ("window.start", what.clone(), what.clone()),
        }
    }
}

/// The screen or a window of it, until the technician has seen enough or the grant ends.
pub(super) async fn see(
    serving: &ServedSession,
    target: ViewTarget,
    send: &mut SendStream,
    recv: &mut RecvStream,
) {
    let _ = send.set_priority(SCREEN_PRIORITY);
    let (start, detail, what) = target.words();
    let recorded = serving.hub.record(&serving.actor, start, Some(serving.session), detail).await;
    if let Err(refusal) = recorded {
        let _ = framed::write(send, &FromScreen::Gone(refusal.to_string()), FRAME_LIMIT).await;
        return;
    }
    let window = matches!(target, ViewTarget::Window { .. });
    let (begins, ends) = if window {
        (Activity::SeesWindow { window: what.clone() }, Activity::LeavesWindow { window: what.clone() })
    } else {
        (Activity::SeesScreen, Activity::LeavesScreen)
    };
    let desktop = match serving.desktop().await {
        Ok(desktop) => desktop,
        Err(why) => {
            let said = AgentNotice::CantShow { why: format!("{what} can't be shown: {why}") };
            serving.did(Activity::Told(said));
            let _ = framed::write(send, &FromScreen::Gone(text::one_line(&why, 300)), FRAME_LIMIT).await;
            return;
        }
    };
    let (to, from) = mpsc::channel(SCREEN_QUEUE);
    serving.desktop.route(|routes| {
        routes.screen = Some(to);
        if let ViewTarget::Window { closed, .. } = target {
            routes.closed = Some(closed);
        }
    });
    let leaving = StopOnDrop { desktop: desktop.clone(), last: Some(ToDesktop::StopView) };
    serving.did(begins);
    let cut = show(serving, window, &desktop, send, recv, from).await;
    drop(leaving);
    match cut {
        Some(RevokedView::Witnessed) => {
            let _ = send.finish();
            let _ = timeout(LAST_WORD, send.stopped()).await;
        }
        // What is on its way is not for them any more.
        Some(RevokedView::Unseen) => {
            let _ = send.reset(GRANT_GONE);
        }
        None => {}
    }
    if let Some(why) = serving.desktop.route(|routes| routes.gone.take()) {
        let _ = framed::write(send, &FromScreen::Gone(text::one_line(&why, 300)), FRAME_LIMIT).await;
    }
    serving.did(ends);
    if !window {
        ends_now(serving, "view.end");
    }
}

/// Carries the screen's messages both ways until one side is over. What passes while the technician records is hashed
/// and signed on its way.
async fn show(
    serving: &ServedSession,
    window: bool,
    desktop: &mpsc::Sender<ToDesktop>,
    send: &mut SendStream,
    recv: &mut RecvStream,
    mut from: mpsc::Receiver<FromScreen>,
) -> Option<RevokedView> {
    let (order, mut orders) = mpsc::channel(QUEUE);
    let mut granted = serving.hub.session(serving.session)?.watch_grants();
    let capability = if window { Capability::Window } else { Capability::View };
    let mut cut = None;
    let outwards = async {
        let mut recording = SignedRecording::default();
        let mut over = false;
        while !over {
            let due = recording.due();
            // An order is there before anything that was captured because of what follows it.
            let (before, message) = tokio::select! {
                biased;
                () = revoked(&mut granted, capability) => {
                    over = true;
                    let last = recording.last()?;
                    cut = Some(if last.is_some() { RevokedView::Witnessed } else { RevokedView::Unseen });
                    (None, last)
                }
                Some(on) = orders.recv() => {
                    // That a recording begins waits for the record; the end of the grant waits for nothing.
                    tokio::select! {
                        biased;
                        () = revoked(&mut granted, capability) => continue,
                        first = recording.order(serving, on) => (None, first?),
                    }
                }
                message = from.recv() => match message {
                    Some(message) => (recording.passes(&message)?, Some(message)),
                    None => {
                        over = true;
                        (None, recording.last()?)
                    }
                },
                () = at(due) => (None, recording.head()?),
            };
            for message in before.iter().chain(&message) {
                framed::write(send, message, FRAME_LIMIT).await.map_err(|_| NotWritten)?;
            }
        }
        Ok::<(), NotWritten>(())
    };
    let inwards = async {
        while let Ok(said) = framed::read::<FromViewer>(recv, FRAME_LIMIT).await {
            if let FromViewer::Recording(on) = said {
                if order.send(on).await.is_err() {
                    return;
                }
                continue;
            }
            let Some(message) = viewer(serving, window, said) else { return };
            if desktop.send(message).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        _ = outwards => {}
        () = inwards => {}
    }
    cut
}

/// The grant went.
enum RevokedView {
    /// And a recording's last word was said.
    Witnessed,
    /// The technician did not record.
    Unseen,
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => core::future::pending().await,
    }
}

/// What the viewer says, for the desktop; `None` breaks the stream off.
fn viewer(serving: &ServedSession, window: bool, said: FromViewer) -> Option<ToDesktop> {
    Some(match said {
        FromViewer::Start { quality, .. } if window => {
            let target = serving.hub.update(|sessions, now| sessions.target(now.instant, serving.session));
            ToDesktop::ViewWindow { aim: target.ok()?, quality }
        }
        FromViewer::Start { monitor, quality } => ToDesktop::View { monitor, quality },
        FromViewer::Painted { frame, decode, paint } => ToDesktop::Painted { frame, decode, paint },
        FromViewer::Quality(quality) => ToDesktop::Quality(quality),
        FromViewer::Hidden(hidden) => ToDesktop::Hidden(hidden),
        FromViewer::Laser(point) => ToDesktop::Laser(point),
        FromViewer::Stroke { number, points } if points.len() <= MAX_STROKE => {
            ToDesktop::Stroke { number, points }
        }
        FromViewer::Stroke { .. } | FromViewer::Recording(_) => return None,
        FromViewer::Wipe => ToDesktop::Wipe,
    })
}

/// Pointer and keyboard.
pub(super) async fn input(serving: &ServedSession, send: &mut SendStream, recv: &mut RecvStream) {
    if !begins_now(serving, "control.start").await {
        return;
    }
    let Ok(desktop) = serving.desktop().await else { return display_gone(send, recv) };
    let (to, from) = mpsc::channel(QUEUE);
    // The route alone keeps the channel open, so that its end tells of the desktop's.
    let notices = to.downgrade();
    serving.desktop.route(|routes| routes.input = Some(to));
    let leaving = StopOnDrop { desktop: desktop.clone(), last: Some(ToDesktop::StopInput) };
    serving.did(Activity::Controls);
    let asking = serving.hub.watch_asking();
    let carrying = carry(&desktop, send, recv, from, |input: InputEvent| {
        // A technician at the keyboard must not answer a question that waits for the person, of this session or another.
        if *asking.borrow() {
            return Some(ToDesktop::Input(InputEvent::ReleaseAll));
        }
        if !matches!(input, InputEvent::Move(_) | InputEvent::ReleaseAll) {
            serving.hub.update(|sessions, now| sessions.injected(now.instant));
        }
        Some(ToDesktop::Input(input))
    });
    let end = tokio::select! {
        end = carrying => end,
        () = hold_back(asking.clone(), &desktop, &notices) => CarryEnd::Technician,
    };
    drop(leaving);
    if matches!(end, CarryEnd::Desktop) {
        display_gone(send, recv);
    }
    serving.did(Activity::LeavesControl);
    ends_now(serving, "control.end");
}

/// Lets go of what is held whenever a question begins to wait, and tells the technician that they are held back.
async fn hold_back(
    mut asking: watch::Receiver<bool>,
    desktop: &mpsc::Sender<ToDesktop>,
    to: &mpsc::WeakSender<InputNotice>,
) {
    // An error means that the agent stops.
    while asking.wait_for(|waits| *waits).await.is_ok() {
        let _ = desktop.send(ToDesktop::Input(InputEvent::ReleaseAll)).await;
        tell_held_back(to, true).await;
        if asking.wait_for(|waits| !*waits).await.is_err() {
            break;
        }
        tell_held_back(to, false).await;
    }
    core::future::pending::<()>().await;
}

async fn tell_held_back(to: &mpsc::WeakSender<InputNotice>, held: bool) {
    // Without a desktop nobody is held back.
    if let Some(to) = to.upgrade() {
        let _ = to.send(InputNotice::HeldBack(held)).await;
    }
}

/// The clipboard, both ways.
pub(super) async fn clipboard(serving: &ServedSession, send: &mut SendStream, recv: &mut RecvStream) {
    let _ = send.set_priority(CLIPBOARD_PRIORITY);
    if !begins_now(serving, "clipboard.start").await {
        return;
    }
    let Ok(desktop) = serving.desktop().await else { return display_gone(send, recv) };
    let (to, from) = mpsc::channel(QUEUE);
    serving.desktop.route(|routes| routes.clipboard = Some(to));
    if desktop.send(ToDesktop::StartClipboard).await.is_err() {
        return display_gone(send, recv);
    }
    let leaving = StopOnDrop { desktop: desktop.clone(), last: Some(ToDesktop::StopClipboard) };
    let end = carry(&desktop, send, recv, from, |said: ClipboardMessage| {
        if let ClipboardMessage::Fetch { .. } = said {
            serving.did(Activity::TakesClipboard);
        }
        Some(ToDesktop::Clipboard(said))
    })
    .await;
    drop(leaving);
    if matches!(end, CarryEnd::Desktop) {
        display_gone(send, recv);
    }
    ends_now(serving, "clipboard.end");
}

/// Tells the technician's end that the display has ended: nobody took the grant back.
fn display_gone(send: &mut SendStream, recv: &mut RecvStream) {
    // A stream that has ended already says so itself.
    let _ = send.reset(DISPLAY_GONE);
    let _ = recv.stop(DISPLAY_GONE);
}

/// Writes down what begins. `false`: it can't be written down, so it must not begin.
async fn begins_now(serving: &ServedSession, action: &str) -> bool {
    serving.hub.record(&serving.actor, action, Some(serving.session), String::new()).await.is_ok()
}

/// Writes down what has ended.
fn ends_now(serving: &ServedSession, action: &str) {
    serving.hub.note(&serving.actor, action, Some(serving.session), String::new());
}

/// Which side ended a conversation.
enum CarryEnd {
    /// The desktop process.
    Desktop,
    /// The technician, or the connection.
    Technician,
}

/// Carries messages both ways until one side is over.
async fn carry<In: DeserializeOwned, Out: Serialize>(
    desktop: &mpsc::Sender<ToDesktop>,
    send: &mut SendStream,
    recv: &mut RecvStream,
    mut from: mpsc::Receiver<Out>,
    mut map: impl FnMut(In) -> Option<ToDesktop>,
) -> CarryEnd {
    let outwards = async {
        while let Some(message) = from.recv().await {
            if framed::write(send, &message, FRAME_LIMIT).await.is_err() {
                return CarryEnd::Technician;
            }
        }
        CarryEnd::Desktop
    };
    let inwards = async {
        while let Ok(said) = framed::read::<In>(recv, FRAME_LIMIT).await {
            let Some(message) = map(said) else { return CarryEnd::Technician };
            if desktop.send(message).await.is_err() {
                return CarryEnd::Desktop;
            }
        }
        CarryEnd::Technician
    };
    // Each alone ends the conversation.
    tokio::select! {
        end = outwards => end,
        end = inwards => end,
    }
}
