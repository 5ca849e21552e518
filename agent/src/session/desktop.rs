//! The desktop process of a connection, as the session's streams use it: one process for all of them, which ends with the
//! connection and so lets go of every key that was held.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nearhand_agent_core::display_owner::DisplayOwner;
use nearhand_desktop::process::{DesktopEnd, DesktopProcess};
use nearhand_desktop::protocol::{FromDesktop, ToDesktop};
use nearhand_proto::id::SessionId;
use nearhand_proto::message::screen::{ClipboardMessage, FromScreen, InputNotice};
use nearhand_transport::lock::locked;
use tokio::sync::{mpsc, oneshot};

use super::display::granted_display;
use crate::hub::Hub;

/// A desktop process that was started so often within [`STARTS_WITHIN`] is not started again: it keeps failing.
const MAX_STARTS: usize = 5;
/// The time in which starts of the desktop process are counted.
const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// The desktop process of a connection, started by the first stream that needs it.
#[derive(Default)]
pub(super) struct SessionDesktop {
    running: tokio::sync::Mutex<Option<DesktopTask>>,
    routes: Arc<Mutex<DesktopRoutes>>,
    starts: Mutex<VecDeque<Instant>>,
}

struct DesktopTask {
    /// Whose display it has.
    owner: DisplayOwner,
    to: mpsc::Sender<ToDesktop>,
    /// Owns the process: aborting it closes the process's input.
    pump: tokio::task::JoinHandle<()>,
}

impl Drop for DesktopTask {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

/// Which stream gets which of the desktop's messages.
#[derive(Default)]
pub(super) struct DesktopRoutes {
    pub(super) screen: Option<mpsc::Sender<FromScreen>>,
    pub(super) input: Option<mpsc::Sender<InputNotice>>,
    pub(super) clipboard: Option<mpsc::Sender<ClipboardMessage>>,
    /// Told when the shown window is closed.
    pub(super) closed: Option<oneshot::Sender<String>>,
    /// Why the last desktop process ended.
    pub(super) gone: Option<String>,
}

impl SessionDesktop {
    /// Connects to the desktop process of the display that was granted; starts it if it doesn't run. The technician is
    /// shown the error.
    pub(super) async fn connect(
        &self,
        hub: &Hub,
        session: SessionId,
    ) -> Result<mpsc::Sender<ToDesktop>, String> {
        let mut running = self.running.lock().await;
        let reach = granted_display(hub, session).await?;
        let owner = reach.owner();
        let is_its = |task: &&DesktopTask| !task.pump.is_finished() && task.owner.is_same_desktop(&owner);
        if let Some(task) = running.as_ref().filter(is_its) {
            return Ok(task.to.clone());
        }
        // One of another display must not be left running.
        *running = None;
        self.count_start(Instant::now())?;
        let (desktop, from) = DesktopProcess::start(&reach).await.map_err(|error| error.to_string())?;
        let to = desktop.to.clone();
        let pump = tokio::spawn(forward_messages(desktop, from, self.routes.clone()));
        *running = Some(DesktopTask { owner, to: to.clone(), pump });
        Ok(to)
    }

    /// Changes where the desktop's messages go.
    pub(super) fn route<T>(&self, act: impl FnOnce(&mut DesktopRoutes) -> T) -> T {
        with_routes(&self.routes, act)
    }

    fn count_start(&self, now: Instant) -> Result<(), String> {
        let mut starts = locked(&self.starts);
        starts.retain(|at| now.saturating_duration_since(*at) < STARTS_WITHIN);
        if starts.len() >= MAX_STARTS {
            let why = with_routes(&self.routes, |routes| routes.gone.clone()).unwrap_or_default();
            return Err(format!("the desktop process keeps failing; try again in a minute. {why}"));
        }
        starts.push_back(now);
        Ok(())
    }
}

fn with_routes<T>(lock: &Mutex<DesktopRoutes>, act: impl FnOnce(&mut DesktopRoutes) -> T) -> T {
    act(&mut locked(lock))
}

/// Hands the desktop's messages to the streams that want them, until it is gone.
async fn forward_messages(
    desktop: DesktopProcess,
    mut from: mpsc::Receiver<FromDesktop>,
    to: Arc<Mutex<DesktopRoutes>>,
) {
    let mut failed = None;
    while let Some(message) = from.recv().await {
        // A stream that is gone wants nothing more; its queue's end is no error.
        match message {
            FromDesktop::Screen(message) => {
                if let Some(to) = with_routes(&to, |routes| routes.screen.clone()) {
                    let _ = to.send(message).await;
                }
            }
            FromDesktop::Input(message) => {
                if let Some(to) = with_routes(&to, |routes| routes.input.clone()) {
                    let _ = to.send(message).await;
                }
            }
            FromDesktop::Clipboard(message) => {
                if let Some(to) = with_routes(&to, |routes| routes.clipboard.clone()) {
                    let _ = to.send(message).await;
                }
            }
            FromDesktop::WindowGone(why) => {
                if let Some(to) = with_routes(&to, |routes| routes.closed.take()) {
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
        DesktopEnd::Told => "the desktop process has ended".to_owned(),
        DesktopEnd::Crashed(how) => format!("the desktop process ended unexpectedly ({how})"),
    });
    tracing::warn!(why, "desktop process");
    with_routes(&to, |routes| *routes = DesktopRoutes { gone: Some(why), ..DesktopRoutes::default() });
}

/// Tells the desktop process that a stream is over, on every way out of the stream.
pub(super) struct StopOnDrop {
    pub(super) desktop: mpsc::Sender<ToDesktop>,
    pub(super) last: Option<ToDesktop>,
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        let Some(Err(full)) = self.last.take().map(|last| self.desktop.try_send(last)) else { return };
        // Its queue is full: the message waits for room in a task apart.
        let desktop = self.desktop.clone();
        tokio::spawn(async move { desktop.send(full.into_inner()).await });
    }
}
