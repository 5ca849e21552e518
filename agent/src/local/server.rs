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
use std::time::Duration;

use nearhand_proto::message::local::{
    AgentNotice, FRAME_LIMIT, LocalEvent, LocalMessage, LocalReply, LocalRequest, LocalVerb,
};
use nearhand_transport::framed;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::LocalService;
use super::answer;
use super::places::{CallerShares, narrows};
use super::window::{RecentStarts, WindowStart};
use crate::home::AgentHome;
use crate::hub::LocalWatcher;
use crate::platform;
use nearhand_agent_core::sessions::LocalUser;

/// Who may call.
#[derive(Clone, Debug)]
pub(crate) struct SocketAccess {
    /// Where the socket is.
    pub(crate) path: PathBuf,
    /// Users who may connect, in addition to the agent's own user and root.
    pub(crate) let_in: Vec<u32>,
}

impl SocketAccess {
    /// For the agent's own user and root only.
    pub(crate) fn private(home: &AgentHome) -> Self {
        Self { path: home.socket(), let_in: Vec::new() }
    }

    /// Who calls, if they are let in: the agent's own user and root may do everything, a desktop user what concerns
    /// their own sessions.
    fn caller(&self, user: u32) -> Option<LocalUser> {
        let owner = user == 0 || user == platform::own_user();
        (owner || self.let_in.contains(&user)).then_some(LocalUser { user, owner })
    }
}

/// A program that has connected says what it wants within this time.
const FIRST_REQUEST: Duration = Duration::from_secs(5);
/// As [`FIRST_REQUEST`], for one beyond its user's share.
const URGENT_REQUEST: Duration = Duration::from_secs(2);
/// A program that doesn't watch and asks nothing for this long is disconnected.
const IDLE: Duration = Duration::from_secs(60);
/// Messages to one program that may wait; one that doesn't read is cut off.
const OUTBOX: usize = 64;

/// Verbs of one program that take a while at the same time; one more is refused.
const MAX_ANSWERING: usize = 8;

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
        /// The socket's path.
        path: String,
        /// What the system says.
        source: io::Error,
    },
}

/// Opens the socket.
pub(crate) async fn listen(door: &SocketAccess) -> Result<UnixListener, ListenError> {
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
pub(crate) async fn serve(service: Arc<LocalService>, door: SocketAccess, listener: UnixListener) {
    let shares = CallerShares::default();
    let starts = Arc::new(RecentStarts::default());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = service.hub.stopped() => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "local socket");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let peer = stream.peer_cred().ok();
        let user = peer.map(|peer| peer.uid());
        let Some(caller) = user.and_then(|user| door.caller(user)) else {
            tracing::warn!(user, "a caller of another user was turned away from the local socket");
            continue;
        };
        let Some(place) = shares.place(caller.user) else {
            tracing::warn!(user, "too many local programs of one user");
            continue;
        };
        let call = LocalCall { service: service.clone(), caller, process: peer.and_then(|peer| peer.pid()) };
        let (socket, starts) = (door.path.clone(), starts.clone());
        tokio::spawn(async move {
            let hub = call.service.hub.clone();
            let lost = if place.is_urgent {
                tracing::warn!(
                    user,
                    "more local programs of one user than their share; this one is heard once"
                );
                hear_once(&call, stream).await;
                None
            } else {
                attend(call, stream).await
            };
            drop(place);
            if let Some(start) = lost {
                starts.again(&hub, &start, &socket, caller).await;
            }
        });
    }
}

/// One program that calls.
struct LocalCall {
    service: Arc<LocalService>,
    caller: LocalUser,
    /// Its process, as the kernel says.
    process: Option<i32>,
}

/// What a caller is to us.
#[derive(Default)]
struct CallerRights {
    /// Held so that leaving ends the watching.
    watching: JoinSet<()>,
    /// Its number among those who watch.
    watcher: Option<u64>,
    /// Verbs whose answers take a while.
    answering: JoinSet<()>,
    /// It is the person's window: how to start it again.
    window: Option<WindowStart>,
}

/// Serves one program until it goes. Returns the window to start again, if it was one and did not say goodbye.
async fn attend(call: LocalCall, stream: UnixStream) -> Option<WindowStart> {
    let (read, write) = stream.into_split();
    let (out, outbox) = mpsc::channel(OUTBOX);
    let writer = tokio::spawn(send_all(write, outbox));
    let mut standing = CallerRights::default();
    tokio::select! {
        () = take_all(&call, &mut standing, read, &out) => {}
        () = out.closed() => {}
    }
    drop(out);
    // Sessions that nobody else sees pause in here.
    standing.watching.shutdown().await;
    let _ = writer.await;
    standing.window
}

async fn send_all(mut write: OwnedWriteHalf, mut outbox: mpsc::Receiver<LocalMessage>) {
    while let Some(message) = outbox.recv().await {
        if framed::write(&mut write, &message, FRAME_LIMIT).await.is_err() {
            return;
        }
    }
}

async fn take_all(
    call: &LocalCall,
    standing: &mut CallerRights,
    mut read: OwnedReadHalf,
    out: &mpsc::Sender<LocalMessage>,
) {
    let mut patience = FIRST_REQUEST;
    loop {
        while standing.answering.try_join_next().is_some() {}
        let is_busy = standing.watcher.is_some() || !standing.answering.is_empty();
        let Some(request) = next_request(&mut read, Some(patience).filter(|_| !is_busy)).await else {
            return;
        };
        patience = IDLE;
        if let LocalVerb::Heartbeat { number } = request.verb {
            if let Some(watcher) = standing.watcher {
                call.service.hub.update(|sessions, now| sessions.heartbeat_answered(now, watcher, number));
            }
            continue;
        }
        let begins = matches!(request.verb, LocalVerb::Watch | LocalVerb::WatchAsWindow);
        if begins && standing.watcher.is_none() {
            let watcher = call.service.hub.watch(call.caller);
            standing.watcher = Some(watcher.number());
            standing.watching.spawn(tell_events(watcher, out.clone()));
        }
        match request.verb {
            LocalVerb::WatchAsWindow => {
                standing.window = call.process.and_then(|id| WindowStart::of(id, call.caller.user));
            }
            LocalVerb::LeaveWindow => standing.window = None,
            _ => {}
        }
        let (number, verb) = (request.number, request.verb);
        if answer::may_take_long(&verb) {
            if standing.answering.len() >= MAX_ANSWERING {
                let reply = LocalReply::Refused(AgentNotice::Words("too many requests at once".to_owned()));
                if out.try_send(LocalMessage::Reply { number, reply }).is_err() {
                    return;
                }
                continue;
            }
            // What comes after it may be Stop, which waits for nothing.
            let (service, caller, out) = (call.service.clone(), call.caller, out.clone());
            standing.answering.spawn(async move {
                let reply = answer::answer(&service, caller, verb).await;
                // A program that has left needs no answer.
                let _ = out.send(LocalMessage::Reply { number, reply }).await;
            });
            continue;
        }
        let reply = answer::answer(&call.service, call.caller, verb).await;
        if out.try_send(LocalMessage::Reply { number, reply }).is_err() {
            return;
        }
        if !begins {
            continue;
        }
        for event in call.service.hub.read(|sessions, now| sessions.under_way(now, call.caller)) {
            if out.try_send(LocalMessage::Event(event)).is_err() {
                return;
            }
        }
    }
}

/// What a program asks next; `None`: it is gone, sent nonsense, or was silent for too long.
async fn next_request(read: &mut OwnedReadHalf, within: Option<Duration>) -> Option<LocalRequest> {
    let reading = framed::read(read, FRAME_LIMIT);
    let read = match within {
        Some(within) => timeout(within, reading).await.ok()?,
        None => reading.await,
    };
    read.inspect_err(|error| {
        if error.is_hostile() {
            tracing::warn!(%error, "a local program sent nonsense");
        }
    })
    .ok()
}

/// Hears one request of a program beyond its user's share.
async fn hear_once(call: &LocalCall, stream: UnixStream) {
    let (mut read, mut write) = stream.into_split();
    let Some(LocalRequest { number, verb }) = next_request(&mut read, Some(URGENT_REQUEST)).await else {
        return;
    };
    let reply = if narrows(&verb) {
        answer::answer(&call.service, call.caller, verb).await
    } else {
        LocalReply::Refused(AgentNotice::TooManyPrograms)
    };
    let _ = timeout(
        URGENT_REQUEST,
        framed::write(&mut write, &LocalMessage::Reply { number, reply }, FRAME_LIMIT),
    )
    .await;
}

async fn tell_events(mut watcher: LocalWatcher, out: mpsc::Sender<LocalMessage>) {
    loop {
        let event = match watcher.next().await {
            Ok(event) => event,
            Err(RecvError::Lagged(missed)) => LocalEvent::Notice(AgentNotice::Missed(missed)),
            Err(RecvError::Closed) => return,
        };
        if out.send(LocalMessage::Event(event)).await.is_err() {
            return;
        }
    }
}
