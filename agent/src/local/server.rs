//! Serves the private Unix socket: who calls is known from the kernel, what they can ask is a closed list.
//!
//! The socket's directory belongs to the agent's user and lets nobody else in (0700); on top of that each
//! caller's user must be the agent's own or root. An agent that runs as a service can let named desktop users
//! in: then the directory is open to look through (0755), and the caller's user, told by the kernel, decides.
//! A directory that somebody else made or can write to is refused.

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nearhand_shared::message::local::{
    self, Alarm, Event, FRAME_LIMIT, MAX_ALARMS, Message, Reply, Request, Verb,
};
use nearhand_shared::message::session::Ended;
use nearhand_shared::text;
use nearhand_shared::transport::framed;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

use crate::desktop::windows;
use crate::home::Home;
use crate::hub::{Hub, Watcher};
use crate::{control, platform};

/// Who may call.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    /// Where the socket is.
    pub(crate) path: PathBuf,
    /// Users let in besides the agent's own and root.
    pub(crate) let_in: Vec<u32>,
}

/// What a caller may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Caller {
    /// The agent's own user or root.
    Owner,
    /// A desktop user: everything but the device's key.
    Desktop,
}

impl Door {
    /// For the agent's own user and root only.
    pub(crate) fn private(home: &Home) -> Self {
        Self { path: home.socket(), let_in: Vec::new() }
    }

    fn caller(&self, user: u32) -> Option<Caller> {
        match user {
            0 => Some(Caller::Owner),
            user if user == platform::own_user() => Some(Caller::Owner),
            user if self.let_in.contains(&user) => Some(Caller::Desktop),
            _ => None,
        }
    }
}

/// Local programs at the same time.
const MAX_CALLERS: usize = 16;
/// Messages to one program that may wait; one that doesn't read is cut off.
const OUTBOX: usize = 64;

/// The socket can't be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    /// Another agent has it.
    #[error("another agent is running with this directory ({0}): stop it first")]
    Running(String),
    /// Somebody else made the directory, or others can enter it.
    #[error("{0} belongs to somebody else or is open to others: remove it, it is not the agent's")]
    Foreign(String),
    /// The system refused.
    #[error("the local socket {path} can't be opened: {source}")]
    Io {
        /// Which.
        path: String,
        /// What the system says.
        source: io::Error,
    },
}

/// Opens the socket.
pub(crate) async fn listen(door: &Door) -> Result<UnixListener, ListenError> {
    let path = door.path.as_path();
    let (dir_mode, socket_mode) = if door.let_in.is_empty() { (0o700, 0o600) } else { (0o755, 0o666) };
    let shown = || path.display().to_string();
    let io = |source| ListenError::Io { path: shown(), source };
    let dir = path.parent().unwrap_or(Path::new("/"));
    match std::fs::DirBuilder::new().mode(dir_mode).create(dir) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(io(e)),
        _ => {}
    }
    let meta = std::fs::symlink_metadata(dir).map_err(io)?;
    if !meta.is_dir() || meta.uid() != platform::own_user() || meta.mode() & 0o777 & !dir_mode != 0 {
        return Err(ListenError::Foreign(dir.display().to_string()));
    }
    // Made by an agent that let others in, or by one that didn't.
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(dir_mode)).map_err(io)?;
    if UnixStream::connect(path).await.is_ok() {
        return Err(ListenError::Running(shown()));
    }
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(io(e)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(io)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(socket_mode)).map_err(io)?;
    Ok(listener)
}

/// Serves callers until the agent stops.
pub(crate) async fn serve(hub: Arc<Hub>, door: Door, listener: UnixListener) {
    let places = Arc::new(tokio::sync::Semaphore::new(MAX_CALLERS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = hub.stopped() => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "local socket");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        let user = stream.peer_cred().map(|c| c.uid()).ok();
        let Some(caller) = user.and_then(|user| door.caller(user)) else {
            tracing::warn!(user, "a caller of another user was turned away from the local socket");
            continue;
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            tracing::warn!("too many local programs");
            continue;
        };
        let hub = hub.clone();
        tokio::spawn(async move {
            attend(&hub, caller, stream).await;
            drop(place);
        });
    }
}

async fn attend(hub: &Arc<Hub>, caller: Caller, stream: UnixStream) {
    let (read, write) = stream.into_split();
    let (out, outbox) = mpsc::channel(OUTBOX);
    let writer = tokio::spawn(send_all(write, outbox));
    tokio::select! {
        () = take_all(hub, caller, read, &out) => {}
        () = out.closed() => {}
    }
    drop(out);
    let _ = writer.await;
}

async fn send_all(mut write: OwnedWriteHalf, mut outbox: mpsc::Receiver<Message>) {
    while let Some(message) = outbox.recv().await {
        if framed::write(&mut write, &message, FRAME_LIMIT).await.is_err() {
            return;
        }
    }
}

async fn take_all(hub: &Arc<Hub>, caller: Caller, mut read: OwnedReadHalf, out: &mpsc::Sender<Message>) {
    // Held so that leaving ends the watching.
    let mut watching = tokio::task::JoinSet::new();
    loop {
        let request: Request = match framed::read(&mut read, FRAME_LIMIT).await {
            Ok(request) => request,
            Err(error) => {
                if error.is_hostile() {
                    tracing::warn!(%error, "a local program sent nonsense");
                }
                return;
            }
        };
        if request.verb == Verb::Watch && watching.is_empty() {
            watching.spawn(tell_events(hub.watch(), out.clone()));
        }
        let begins = request.verb == Verb::Watch;
        let reply = answer(hub, caller, request.verb).await;
        if out.try_send(Message::Reply { number: request.number, reply }).is_err() {
            return;
        }
        for event in hub.under_way().into_iter().filter(|_| begins) {
            if out.try_send(Message::Event(event)).is_err() {
                return;
            }
        }
    }
}

async fn tell_events(mut watcher: Watcher, out: mpsc::Sender<Message>) {
    loop {
        let event = match watcher.events.recv().await {
            Ok(event) => event,
            Err(RecvError::Lagged(missed)) => {
                Event::Notice(format!("{missed} events were missed; the status shows how things stand"))
            }
            Err(RecvError::Closed) => return,
        };
        if out.send(Message::Event(event)).await.is_err() {
            return;
        }
    }
}

async fn alarms(hub: &Hub) -> Reply {
    let off =
        || Reply::Refused("alarms are off: this device is not enrolled, or the log says why".to_owned());
    let Some(alarms) = hub.alarms.get() else { return off() };
    let Some(report) = alarms.report().await else { return off() };
    let mut standing = report.standing;
    // What is open comes first, the worst at the top.
    standing.sort_by_key(|one| std::cmp::Reverse(one.severity));
    let shown = standing.into_iter().take(MAX_ALARMS).map(|one| Alarm {
        rule: one.rule,
        instance: text::one_line(&one.instance, 128),
        phase: one.phase.name().to_owned(),
        severity: one.severity,
        unknown: one.unknown,
        flapping: one.flapping,
        value: one
            .value
            .map(|m| format!("{:.1} {}", m.value, m.unit).trim_end().to_owned())
            .unwrap_or_default(),
        seconds: one.lasts.map(|lasts| lasts.as_secs()),
        summary: one.summary,
    });
    Reply::Alarms(Box::new(local::Alarms {
        alarms: shown.collect(),
        rules: u32::try_from(report.rules).unwrap_or(u32::MAX),
        waiting: report.waiting,
        oldest: report.oldest,
        stream: report.stream,
        delivery: alarms.delivery_problem(),
        problems: report.problems,
    }))
}

async fn answer(hub: &Arc<Hub>, caller: Caller, verb: Verb) -> Reply {
    let refused = |error: &dyn std::error::Error| Reply::Refused(error.to_string());
    // What widens what others may do must be the person's own doing; what narrows it is taken from anybody.
    if matches!(verb, Verb::NewCode | Verb::Extend { .. })
        && let Err(error) = hub.hands_off()
    {
        return refused(&error);
    }
    match verb {
        Verb::Status => Reply::Status(Box::new(hub.status())),
        Verb::Watch => Reply::Done,
        Verb::NewCode => hub.new_code().await.map_or_else(|e| refused(&e), Reply::Code),
        Verb::CancelCode => {
            hub.cancel_code("it was cancelled");
            Reply::Done
        }
        Verb::Decide { request, choice } => {
            hub.decide(request, choice).map_or_else(|e| refused(&e), |()| Reply::Done)
        }
        Verb::Extend { session, capabilities, seconds } => match hub.extend(session, capabilities, seconds) {
            Ok(extended) if extended.is_empty() => Reply::Refused("none of that is granted now".to_owned()),
            Ok(_) => Reply::Done,
            Err(error) => refused(&error),
        },
        Verb::Revoke { session, capabilities } => {
            if hub.take_back(session, capabilities, "person at the device").is_empty() {
                return Reply::Refused("none of that is granted now".to_owned());
            }
            Reply::Done
        }
        Verb::Stop { session } => {
            hub.end_session(session, Ended::Stopped, "stopped by the person at the device");
            Reply::Done
        }
        Verb::StopAll => {
            hub.cancel_code("everything was stopped");
            hub.end_all(Ended::Stopped, "stopped by the person at the device");
            // Also one that a rule has started. After the sessions: theirs is told as the end of the session.
            hub.runbooks.stop("stopped by the person at the device");
            Reply::Done
        }
        Verb::Say { session, text } => hub.say(session, &text).map_or_else(|e| refused(&e), |_| Reply::Done),
        Verb::Seen { session, number } => {
            hub.saw(session, number).map_or_else(|e| refused(&e), |()| Reply::Done)
        }
        Verb::Windows => windows::open()
            .await
            .map_or_else(Reply::Refused, |windows| Reply::Windows(hub.keep_windows(windows))),
        Verb::RotateKey if caller == Caller::Desktop => {
            Reply::Refused("only the administrator of this machine can do that".to_owned())
        }
        Verb::Alarms => alarms(hub).await,
        Verb::RotateKey => control::rotate(hub).await.map_or_else(|e| refused(&e), |()| Reply::Done),
    }
}
