//! What a technician sees and does on the screen: their streams on one side, the session's desktop process on the
//! other.
//!
//! A driver. One desktop process serves one connection; it is started by the first stream that needs it and goes
//! with the connection, which lets go of every key that was held. What is allowed was asked of the hub before a
//! stream comes here, and the stream is dropped the moment its grant is gone. Must not live here: anything that
//! knows a display.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nearhand_proto::grant::Capability;
use nearhand_proto::message::local::{Act, Said};
use nearhand_proto::message::screen::{Clipboard, FromScreen, FromViewer, Input, InputNotice, MAX_STROKE};
use nearhand_proto::message::session::FRAME_LIMIT;
use nearhand_proto::text;
use nearhand_transport::framed;
use quinn::{RecvStream, SendStream};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::recording::{NotWritten, Recording};
use super::serve::{GRANT_GONE, Serving, gone};
use nearhand_desktop::find;
use nearhand_desktop::process::{Desktop, Ended};
use nearhand_desktop::protocol::{FromDesktop, ToDesktop};

/// Parts of frames on their way to the technician: some 12 MB at most, which is held back in the desktop process
/// before it is held here.
const SCREEN_QUEUE: usize = 256;
/// Notices and clipboard parts on their way to the technician.
const QUEUE: usize = 32;
/// A desktop process that was started so often within [`STARTS_WITHIN`] is not started again: it keeps failing.
const MAX_STARTS: usize = 5;
/// See [`MAX_STARTS`].
const STARTS_WITHIN: Duration = Duration::from_secs(60);
/// A frame goes behind everything that is short: control, chat, findings. Lower is later.
pub(super) const SCREEN_PRIORITY: i32 = -10;
/// A recording's last word has so long to reach the technician once the grant is gone. Nothing else is sent then, and
/// whoever doesn't take it has a recording that is cut.
pub(super) const LAST_WORD: Duration = Duration::from_millis(400);
/// Clipboard contents go behind frames.
const CLIPBOARD_PRIORITY: i32 = -20;

/// The desktop process of a connection.
#[derive(Default)]
pub(super) struct Desk {
    running: tokio::sync::Mutex<Option<Running>>,
    routes: Arc<Mutex<Routes>>,
    starts: Mutex<VecDeque<Instant>>,
}

struct Running {
    to: mpsc::Sender<ToDesktop>,
    /// Owns the process: aborted, it closes the process's input.
    pump: tokio::task::JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

/// Where the desktop's messages go now.
#[derive(Default)]
struct Routes {
    screen: Option<mpsc::Sender<FromScreen>>,
    input: Option<mpsc::Sender<InputNotice>>,
    clipboard: Option<mpsc::Sender<Clipboard>>,
    /// Whoever shows a window hears of its end.
    closed: Option<oneshot::Sender<String>>,
    /// Why the last desktop process is gone.
    gone: Option<String>,
}

impl Desk {
    /// The way to the desktop process; started if it doesn't run. An error is for the technician's eyes.
    async fn desktop(&self) -> Result<mpsc::Sender<ToDesktop>, String> {
        let mut running = self.running.lock().await;
        if let Some(there) = running.as_ref().filter(|running| !running.pump.is_finished()) {
            return Ok(there.to.clone());
        }
        self.count_start(Instant::now())?;
        let reach = find::display().await.map_err(|error| error.to_string())?;
        let (desktop, from) = Desktop::start(&reach).map_err(|error| error.to_string())?;
        let to = desktop.to.clone();
        let pump = tokio::spawn(pump(desktop, from, self.routes.clone()));
        *running = Some(Running { to: to.clone(), pump });
        Ok(to)
    }

    fn count_start(&self, now: Instant) -> Result<(), String> {
        let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        starts.retain(|at| now.saturating_duration_since(*at) < STARTS_WITHIN);
        if starts.len() >= MAX_STARTS {
            let why = routes(&self.routes, |routes| routes.gone.clone()).unwrap_or_default();
            return Err(format!("the desktop process keeps failing; try again in a minute. {why}"));
        }
        starts.push_back(now);
        Ok(())
    }
}

fn routes<T>(lock: &Mutex<Routes>, f: impl FnOnce(&mut Routes) -> T) -> T {
    f(&mut lock.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Hands the desktop's messages to the streams that want them, until it is gone.
async fn pump(desktop: Desktop, mut from: mpsc::Receiver<FromDesktop>, to: Arc<Mutex<Routes>>) {
    let mut failed = None;
    while let Some(message) = from.recv().await {
        // A stream that is gone wants nothing more; its queue's end is no error.
        match message {
            FromDesktop::Screen(message) => {
                if let Some(to) = routes(&to, |routes| routes.screen.clone()) {
                    let _ = to.send(message).await;
                }
            }
            FromDesktop::Input(message) => {
                if let Some(to) = routes(&to, |routes| routes.input.clone()) {
                    let _ = to.send(message).await;
                }
            }
            FromDesktop::Clipboard(message) => {
                if let Some(to) = routes(&to, |routes| routes.clipboard.clone()) {
                    let _ = to.send(message).await;
                }
            }
            FromDesktop::WindowGone(why) => {
                if let Some(to) = routes(&to, |routes| routes.closed.take()) {
                    let _ = to.send(why);
                }
            }
            FromDesktop::Failed(reason) => failed = Some(reason),
            // Its monitors are told on the screen's stream too.
            FromDesktop::Ready { .. } | FromDesktop::Windows(_) => {}
        }
    }
    let ended = desktop.ended().await;
    let why = failed.unwrap_or_else(|| match ended {
        Ended::Told => "the desktop process has ended".to_owned(),
        Ended::Crashed(how) => format!("the desktop process ended unexpectedly ({how})"),
    });
    tracing::warn!(why, "desktop process");
    routes(&to, |routes| *routes = Routes { gone: Some(why), ..Routes::default() });
}

/// Tells the desktop that a stream is over, however it ended.
struct Leaving {
    desktop: mpsc::Sender<ToDesktop>,
    last: Option<ToDesktop>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let Some(Err(full)) = self.last.take().map(|last| self.desktop.try_send(last)) else { return };
        // It is told when it gets there, unless it is gone.
        let desktop = self.desktop.clone();
        tokio::spawn(async move { desktop.send(full.into_inner()).await });
    }
}

/// What is seen.
pub(super) enum Sight {
    /// The screen.
    Screen,
    /// One window.
    Window {
        /// Which, in words.
        what: String,
        /// Who hears that it is closed.
        closed: oneshot::Sender<String>,
    },
}

impl Sight {
    /// The row in the record, its detail, and what the person reads.
    fn words(&self) -> (&'static str, String, String) {
        match self {
            Self::Screen => ("view.start", String::new(), "the screen".to_owned()),
            Self::Window { what, .. } => ("window.start", what.clone(), what.clone()),
        }
    }
}

/// The screen or a window of it, until the technician has seen enough or the grant ends.
pub(super) async fn see(serving: &Serving, sight: Sight, send: &mut SendStream, recv: &mut RecvStream) {
    let _ = send.set_priority(SCREEN_PRIORITY);
    let (start, detail, what) = sight.words();
    if serving.hub.audit(&serving.actor, start, Some(serving.session), detail).is_err() {
        return;
    }
    let window = matches!(sight, Sight::Window { .. });
    let (begins, ends) = if window {
        (Act::SeesWindow { window: what.clone() }, Act::LeavesWindow { window: what.clone() })
    } else {
        (Act::SeesScreen, Act::LeavesScreen)
    };
    let desktop = match serving.desk.desktop().await {
        Ok(desktop) => desktop,
        Err(why) => {
            let said = Said::CantShow { why: format!("{what} can't be shown: {why}") };
            serving.hub.says(serving.session, said);
            let _ = framed::write(send, &FromScreen::Gone(text::one_line(&why, 300)), FRAME_LIMIT).await;
            return;
        }
    };
    let (to, from) = mpsc::channel(SCREEN_QUEUE);
    routes(&serving.desk.routes, |routes| {
        routes.screen = Some(to);
        if let Sight::Window { closed, .. } = sight {
            routes.closed = Some(closed);
        }
    });
    let leaving = Leaving { desktop: desktop.clone(), last: Some(ToDesktop::StopView) };
    serving.hub.did(serving.session, begins);
    let cut = show(serving, window, &desktop, send, recv, from).await;
    drop(leaving);
    match cut {
        Some(Cut::Witnessed) => {
            let _ = send.finish();
            let _ = timeout(LAST_WORD, send.stopped()).await;
        }
        // What is on its way is not for them any more.
        Some(Cut::Unseen) => {
            let _ = send.reset(GRANT_GONE);
        }
        None => {}
    }
    if let Some(why) = routes(&serving.desk.routes, |routes| routes.gone.take()) {
        let _ = framed::write(send, &FromScreen::Gone(text::one_line(&why, 300)), FRAME_LIMIT).await;
    }
    serving.hub.did(serving.session, ends);
    if !window {
        note(serving, "view.end");
    }
}

/// Carries the screen's messages both ways until one side is over. What passes while the technician records is hashed
/// and signed on its way.
async fn show(
    serving: &Serving,
    window: bool,
    desktop: &mpsc::Sender<ToDesktop>,
    send: &mut SendStream,
    recv: &mut RecvStream,
    mut from: mpsc::Receiver<FromScreen>,
) -> Option<Cut> {
    let (order, mut orders) = mpsc::channel(QUEUE);
    let mut granted = serving.hub.watch_grants(serving.session);
    let capability = if window { Capability::Window } else { Capability::View };
    let mut cut = None;
    let outwards = async {
        let mut recording = Recording::default();
        let mut over = false;
        while !over {
            let due = recording.due();
            // An order is there before anything that was captured because of what follows it.
            let (before, message) = tokio::select! {
                biased;
                () = gone(&mut granted, capability) => {
                    over = true;
                    let last = recording.last()?;
                    cut = Some(if last.is_some() { Cut::Witnessed } else { Cut::Unseen });
                    (None, last)
                }
                Some(on) = orders.recv() => (None, recording.order(serving, on)?),
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
enum Cut {
    /// And a recording's last word was said.
    Witnessed,
    /// Nobody recorded.
    Unseen,
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => core::future::pending().await,
    }
}

/// What the viewer says, for the desktop; `None` breaks the stream off.
fn viewer(serving: &Serving, window: bool, said: FromViewer) -> Option<ToDesktop> {
    Some(match said {
        FromViewer::Start { quality, .. } if window => {
            ToDesktop::ViewWindow { aim: serving.hub.aim(serving.session).ok()?, quality }
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
pub(super) async fn input(serving: &Serving, send: &mut SendStream, recv: &mut RecvStream) {
    if !note(serving, "control.start") {
        return;
    }
    let Ok(desktop) = serving.desk.desktop().await else { return };
    let (to, from) = mpsc::channel(QUEUE);
    routes(&serving.desk.routes, |routes| routes.input = Some(to));
    let leaving = Leaving { desktop: desktop.clone(), last: Some(ToDesktop::StopInput) };
    serving.hub.did(serving.session, Act::Controls);
    carry(&desktop, send, recv, from, |input: Input| {
        if !matches!(input, Input::Move(_) | Input::ReleaseAll) {
            serving.hub.injected();
        }
        Some(ToDesktop::Input(input))
    })
    .await;
    drop(leaving);
    serving.hub.did(serving.session, Act::LeavesControl);
    note(serving, "control.end");
}

/// The clipboard, both ways.
pub(super) async fn clipboard(serving: &Serving, send: &mut SendStream, recv: &mut RecvStream) {
    let _ = send.set_priority(CLIPBOARD_PRIORITY);
    if !note(serving, "clipboard.start") {
        return;
    }
    let Ok(desktop) = serving.desk.desktop().await else { return };
    let (to, from) = mpsc::channel(QUEUE);
    routes(&serving.desk.routes, |routes| routes.clipboard = Some(to));
    if desktop.send(ToDesktop::StartClipboard).await.is_err() {
        return;
    }
    let leaving = Leaving { desktop: desktop.clone(), last: Some(ToDesktop::StopClipboard) };
    let (hub, session) = (&serving.hub, serving.session);
    carry(&desktop, send, recv, from, |said: Clipboard| {
        if let Clipboard::Fetch { .. } = said {
            hub.did(session, Act::TakesClipboard);
        }
        Some(ToDesktop::Clipboard(said))
    })
    .await;
    drop(leaving);
    note(serving, "clipboard.end");
}

/// Writes down what begins or ends. `false`: it can't be written down, so it must not begin.
fn note(serving: &Serving, action: &str) -> bool {
    serving.hub.audit(&serving.actor, action, Some(serving.session), String::new()).is_ok()
}

/// Carries messages both ways until one side is over.
async fn carry<In: DeserializeOwned, Out: Serialize>(
    desktop: &mpsc::Sender<ToDesktop>,
    send: &mut SendStream,
    recv: &mut RecvStream,
    mut from: mpsc::Receiver<Out>,
    mut map: impl FnMut(In) -> Option<ToDesktop>,
) {
    let outwards = async {
        while let Some(message) = from.recv().await {
            if framed::write(send, &message, FRAME_LIMIT).await.is_err() {
                return;
            }
        }
    };
    let inwards = async {
        while let Ok(said) = framed::read::<In>(recv, FRAME_LIMIT).await {
            let Some(message) = map(said) else { return };
            if desktop.send(message).await.is_err() {
                return;
            }
        }
    };
    // Each alone ends the conversation.
    tokio::select! {
        () = outwards => {}
        () = inwards => {}
    }
}
