//! The client of the agent's local socket, on its own thread, with the desktop's notifications and tray icon.
//!
//! Lives here: connecting and reconnecting to the agent, requests out, events in. Must not live here: what any of it
//! means (the model), how it looks (`ui`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use nearhand_proto::message::local::{AgentNotice, LocalReply, LocalVerb};
use nearhand_transport::local::{CallError, LocalClient};
use tokio::sync::mpsc;

use crate::model::WindowInput;
use crate::model::view::TrayStatus;
use crate::notification;
use crate::tray;

/// How long to wait before connecting again, the first time; then twice as long each time.
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// The longest wait before connecting again.
const LONGEST_RETRY: Duration = Duration::from_secs(2);

/// What the user interface asks for.
#[derive(Debug)]
pub(crate) enum UiRequest {
    Send(LocalVerb),
    Notify {
        title: String,
        body: String,
    },
    Tray(TrayStatus),
    /// Tell the agent that the person closes the window, then end.
    Leave,
}

/// Runs until the window closes. `tell` takes the inputs; `done` is called at the end.
pub(crate) async fn run(
    socket: impl Future<Output = Option<PathBuf>>,
    mut requests: mpsc::UnboundedReceiver<UiRequest>,
    tell: impl Fn(WindowInput) + Clone + Send + 'static,
    labels: tray::TrayLabels,
    done: impl FnOnce(),
) {
    let icon = tray::show(labels).await;
    let mut desktop = DesktopNotices { icon };
    tokio::pin!(socket);
    let socket = loop {
        tokio::select! {
            socket = &mut socket => break socket,
            request = requests.recv() => match request {
                None | Some(UiRequest::Leave) => break None,
                Some(UiRequest::Send(_)) => {}
                Some(other) => desktop.show(other).await,
            },
        }
    };
    if let Some(socket) = socket {
        serve(&socket, &mut requests, &tell, &mut desktop).await;
    }
    done();
}

/// What the window shows on the desktop outside its own windows.
struct DesktopNotices {
    icon: Option<tray::TrayHandle>,
}

impl DesktopNotices {
    async fn show(&mut self, request: UiRequest) {
        match request {
            UiRequest::Notify { title, body } => notification::show(&title, &body).await,
            UiRequest::Tray(status) => {
                if let Some(icon) = &self.icon {
                    tray::change(icon, status).await;
                }
            }
            UiRequest::Send(_) | UiRequest::Leave => {}
        }
    }
}

/// Connects to the agent again and again, until the window closes.
async fn serve(
    socket: &Path,
    requests: &mut mpsc::UnboundedReceiver<UiRequest>,
    tell: &(impl Fn(WindowInput) + Clone + Send + 'static),
    desktop: &mut DesktopNotices,
) {
    let mut wait = FIRST_RETRY;
    loop {
        if let Ok(mut agent) = LocalClient::connect(socket, &[]).await
            && agent.ask(LocalVerb::WatchAsWindow).await.is_ok()
            && let Ok(LocalReply::Status(status)) = agent.ask(LocalVerb::Status).await
        {
            wait = FIRST_RETRY;
            tell(WindowInput::Connected(status));
            if serve_connection(socket, &mut agent, requests, tell, desktop).await {
                return;
            }
        }
        tell(WindowInput::Lost);
        let again = tokio::time::sleep(wait);
        tokio::pin!(again);
        loop {
            tokio::select! {
                () = &mut again => break,
                request = requests.recv() => match request {
                    None | Some(UiRequest::Leave) => return,
                    // No agent is connected, and sent later the request could mean something else.
                    Some(UiRequest::Send(_)) => {}
                    Some(other) => desktop.show(other).await,
                },
            }
        }
        wait = (wait * 2).min(LONGEST_RETRY);
    }
}

/// Serves one connection to the agent. True where the window closes, false where the connection is lost.
async fn serve_connection(
    socket: &Path,
    agent: &mut LocalClient,
    requests: &mut mpsc::UnboundedReceiver<UiRequest>,
    tell: &(impl Fn(WindowInput) + Clone + Send + 'static),
    desktop: &mut DesktopNotices,
) -> bool {
    loop {
        tokio::select! {
            event = agent.event() => match event {
                Ok(event) => tell(WindowInput::Event(event)),
                Err(_) => return false,
            },
            request = requests.recv() => match request {
                None | Some(UiRequest::Leave) => {
                    // Fails only where the agent is gone, and then it needn't know.
                    let _ = agent.ask(LocalVerb::LeaveWindow).await;
                    return true;
                }
                Some(UiRequest::Send(LocalVerb::Heartbeat { number })) => {
                    if agent.answer_heartbeat(number).await.is_err() {
                        return false;
                    }
                }
                Some(UiRequest::Send(verb)) if takes_long(&verb) => {
                    let (socket, tell) = (socket.to_owned(), tell.clone());
                    tokio::spawn(async move { ask_separately(&socket, verb, tell).await });
                }
                Some(UiRequest::Send(verb)) => {
                    let answer = match agent.ask(verb.clone()).await {
                        Err(CallError::Refused(why)) => Err(why),
                        Err(_) => return false,
                        Ok(reply) => Ok(reply),
                    };
                    tell(WindowInput::Answer(verb, answer));
                }
                Some(other) => desktop.show(other).await,
            },
        }
    }
}

/// Whether the answer takes long: a disk, the relay or the display is waited for. Such a request goes over a second
/// connection, so that neither Stop nor a heartbeat waits for it.
const fn takes_long(verb: &LocalVerb) -> bool {
    matches!(
        verb,
        LocalVerb::Fixes
            | LocalVerb::NewCode
            | LocalVerb::Windows
            | LocalVerb::AskForHelp(_)
            | LocalVerb::WithdrawHelp
            | LocalVerb::Rate { .. }
            | LocalVerb::ReportSession { .. }
    )
}

async fn ask_separately(socket: &Path, verb: LocalVerb, tell: impl Fn(WindowInput)) {
    let answer = match LocalClient::connect(socket, &[]).await {
        Ok(mut agent) => agent.ask(verb.clone()).await,
        Err(error) => Err(error),
    };
    let answer = answer.map_err(|error| match error {
        CallError::Refused(why) => why,
        lost => AgentNotice::Words(lost.to_string()),
    });
    tell(WindowInput::Answer(verb, answer));
}
