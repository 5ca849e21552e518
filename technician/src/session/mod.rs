//! A session with a device, end to end: opened, served, resumed, ended.
//!
//! A driver. [`SessionHandle`] is the handle that commands hold; behind it one task keeps the connection, finds a
//! new one when it is lost, and passes on what the agent says as [`SessionUpdate`]s. What came from the device is
//! checked and neutralised before it leaves this module.

mod diagnostics;
mod error;
mod evidence;
mod path;
mod runbook;
mod stream;

use std::sync::Arc;
use std::time::{Duration, Instant};

use nearhand_proto::chat::{Change, ChatLog, Side};
use nearhand_proto::credential::Credential;
use nearhand_proto::forward::BindState;
use nearhand_proto::grant::Capabilities;
use nearhand_proto::id::SessionId;
use nearhand_proto::identity::PublicKey;
use nearhand_proto::message::control::{Outcome, Push};
use nearhand_proto::message::local::ChatLine;
use nearhand_proto::message::session::{
    Answer, Decision, Ended, FRAME_LIMIT, FromAgent, FromTechnician, Granted, HELLO_LIMIT, Open,
    RESUME_WITHIN, Refusal,
};
use nearhand_proto::text;
use nearhand_transport::chat::SharedChat;
use nearhand_transport::framed;
use quinn::{Connection, RecvStream, SendStream, VarInt};
use rand_core::OsRng;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::clock;
use crate::relay::{RelayClient, ResolvedTarget};

pub use diagnostics::{DiagnosticsError, DiagnosticsProgress};
pub use error::SessionError;
use evidence::SessionEvidence;
use path::{ProvedDevice, SessionPath};
pub use runbook::{RunbookError, RunbookStream};
pub use stream::{StreamError, StreamReceiver, StreamSender};

/// Updates and requests that may wait.
const QUEUE: usize = 64;
/// The agent is given so long to take a message before the connection counts as lost.
const WRITE_TIMEOUT: Duration = Duration::from_secs(15);
/// How long the agent's last word is waited for once the end was said: a recording's signature is made first. A device that
/// is in the wrong hands says nothing, and must not keep this program.
const FAREWELL: Duration = Duration::from_secs(15);
/// Interruptions shorter than this are not worth a word.
const A_MOMENT: Duration = Duration::from_secs(1);
/// Pause between two attempts at a new path.
const RETRY: Duration = Duration::from_millis(700);

/// What happens in a session.
#[derive(Clone, Debug)]
pub enum SessionUpdate {
    /// The connection was lost; a new one is being made.
    Interrupted,
    /// The session goes on.
    Resumed,
    /// Packets don't pass right now (`false`), or pass again (`true`); the connection still stands.
    Path(bool),
    /// The person at the device is being asked, for so many seconds at most.
    Asking(u32),
    /// A request was decided.
    Decided(u32, Result<Vec<Granted>, Refusal>),
    /// What is granted changed, and why.
    Grants(Vec<Granted>, String),
    /// A chat message of the person, or a new mark on one's own.
    Chat(ChatLine),
    /// Something that this program has to say about the session, as a sentence.
    Remark(String),
    /// It is over.
    Ended(SessionEnd),
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// The agent said so.
    ByAgent(Ended),
    /// This end said so.
    Here,
    /// The connection was lost and could not be resumed; why.
    Lost(String),
}

/// The device at the other end, verified.
#[derive(Clone, Debug)]
pub struct SessionDevice {
    /// Its label as the organisation signed it, or what it calls itself.
    pub name: String,
    /// Its operating system, as it says.
    pub os: String,
    /// What it can do.
    pub offers: Capabilities,
    /// Whether it proved an enrolled device's key (else the support code).
    pub enrolled: bool,
}

/// A session under way.
#[derive(Debug)]
pub struct SessionHandle {
    id: SessionId,
    device: SessionDevice,
    key: PublicKey,
    credential: Option<Credential>,
    requests: mpsc::Sender<FromTechnician>,
    chat: Arc<SharedChat>,
    connection: watch::Receiver<Option<Connection>>,
    asked: std::sync::atomic::AtomicU32,
}

impl SessionHandle {
    /// Opens a session: a path through the relay, proof of who is who at both ends, then nothing until the
    /// device grants it.
    ///
    /// # Errors
    /// [`SessionError`]; nothing but this end's credential was sent to an end that did not prove itself.
    pub async fn open(
        relay: Arc<RelayClient>,
        resolved: ResolvedTarget,
        reason: &str,
    ) -> Result<(Self, mpsc::Receiver<SessionUpdate>), SessionError> {
        let id = SessionId::random(&mut OsRng);
        let opened = relay.open(id, resolved.target).await?;
        let verified = match (&resolved.device, &opened.device) {
            (Some(_), Some(credential)) => Some(relay.verify_device(credential, &resolved)?),
            (Some(_), None) => return Err(SessionError::NoCredential),
            (None, _) => None,
        };
        let first = path::first(&relay, id, &opened, verified.as_ref(), resolved.code.as_ref()).await;
        let (path, peer, mut ready) = match first {
            Ok(met) => met,
            Err(error) => {
                // The relay sweeps the path away by itself if it can't be told.
                let _ = relay.close(id, Outcome::NotGranted, None).await;
                return Err(error);
            }
        };
        if let Some(device) = &verified {
            relay.remember_device(device)?;
        }
        let mut evidence = SessionEvidence::open(relay.home(), id)?;
        evidence.head(&ready.audit, &peer.device)?;
        let name = verified.as_ref().map_or_else(|| ready.facts.hostname.clone(), |d| d.label.clone());
        let device = SessionDevice {
            name: text::one_line(&name, 64),
            os: text::one_line(&ready.facts.os, 64),
            offers: ready.offers,
            enrolled: verified.is_some(),
        };
        let (key, credential) = (peer.device, opened.device.filter(|_| verified.is_some()));
        let (requests, inbox) = mpsc::channel(QUEUE);
        let (updates, receiver) = mpsc::channel(QUEUE);
        let chat = Arc::new(SharedChat::new(ChatLog::new(Side::Technician)));
        let (connected, connection) = watch::channel(Some(path.connection.clone()));
        if !reason.is_empty() {
            framed::write(&mut ready.send, &FromTechnician::Reason(reason.to_owned()), FRAME_LIMIT).await?;
        }
        let keeper = SessionTask { relay, id, peer, chat: chat.clone(), evidence, updates, connected };
        tokio::spawn(keeper.keep(path, ControlStream { send: ready.send, recv: ready.recv }, inbox));
        let asked = std::sync::atomic::AtomicU32::new(0);
        Ok((Self { id, device, key, credential, requests, chat, connection, asked }, receiver))
    }

    /// Its id.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The device at the other end.
    pub fn device(&self) -> &SessionDevice {
        &self.device
    }

    /// The key that the device has proved, and what the organisation says of it where it is enrolled.
    pub fn proved(&self) -> (PublicKey, Option<Credential>) {
        (self.key, self.credential.clone())
    }

    /// Asks for capabilities; the answer comes as [`SessionUpdate::Decided`] with the returned number.
    pub async fn ask(&self, capabilities: Capabilities, duration: Duration) -> u32 {
        let request = self.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        let seconds = u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
        self.send(FromTechnician::Ask { request, capabilities, seconds, reason: String::new() }).await;
        request
    }

    /// Gives capabilities back.
    pub async fn give_up(&self, capabilities: Capabilities) {
        self.send(FromTechnician::GiveUp(capabilities)).await;
    }

    /// Says something to the person. `None`: it is empty or the chat is full.
    pub fn say(&self, text: &str) -> Option<ChatLine> {
        let line = self.chat.with(|log| log.say(text, clock::now()))?;
        self.chat.changed();
        Some(line)
    }

    /// The technician has seen the person's messages up to `number`.
    pub fn saw(&self, number: u64) {
        self.chat.with(|log| log.saw(number));
        self.chat.changed();
    }

    /// The whole chat.
    pub fn chat_lines(&self) -> Vec<ChatLine> {
        self.chat.with(|log| log.lines().to_vec())
    }

    /// Ends the session; [`SessionUpdate::Ended`] follows.
    pub async fn end(&self) {
        self.send(FromTechnician::End).await;
    }

    async fn send(&self, request: FromTechnician) {
        // A session that has ended says so by its own update.
        let _ = self.requests.send(request).await;
    }

    /// The connection that stands now, waited for while one is being made.
    async fn connection(&self) -> Option<Connection> {
        let mut connection = self.connection.clone();
        let stands = connection.wait_for(Option::is_some).await.ok()?;
        stands.clone()
    }
}

struct ControlStream {
    send: SendStream,
    recv: RecvStream,
}

/// Keeps one session.
struct SessionTask {
    relay: Arc<RelayClient>,
    id: SessionId,
    peer: ProvedDevice,
    chat: Arc<SharedChat>,
    evidence: SessionEvidence,
    updates: mpsc::Sender<SessionUpdate>,
    connected: watch::Sender<Option<Connection>>,
}

impl SessionTask {
    async fn keep(
        mut self,
        mut path: SessionPath,
        mut control: ControlStream,
        mut inbox: mpsc::Receiver<FromTechnician>,
    ) {
        let end = loop {
            let end = self.serve(&path, control, &mut inbox).await;
            self.connected.send_replace(None);
            path.close(end.is_some()).await;
            if let Some(end) = end {
                break end;
            }
            self.tell(SessionUpdate::Interrupted).await;
            match self.resume(&mut inbox).await {
                Ok((next, streams, granted)) => {
                    self.connected.send_replace(Some(next.connection.clone()));
                    self.tell(SessionUpdate::Resumed).await;
                    // A decision may have been made while nobody here could be told.
                    self.tell(SessionUpdate::Grants(granted, "after the interruption".to_owned())).await;
                    (path, control) = (next, streams);
                }
                Err(end) => break end,
            }
        };
        let outcome = match &end {
            SessionEnd::Here | SessionEnd::ByAgent(Ended::ByTechnician) => Outcome::Technician,
            SessionEnd::ByAgent(Ended::Stopped) => Outcome::Stopped,
            SessionEnd::ByAgent(Ended::Revoked) => Outcome::Revoked,
            SessionEnd::ByAgent(_) => Outcome::Failed,
            SessionEnd::Lost(_) => Outcome::Lost,
        };
        if let Err(error) = self.relay.close(self.id, outcome, self.evidence.last_head()).await {
            tracing::debug!(%error, "the relay finds out by itself");
        }
        self.tell(SessionUpdate::Ended(end)).await;
    }

    async fn tell(&self, update: SessionUpdate) {
        // A command that has gone no longer listens.
        let _ = self.updates.send(update).await;
    }

    /// Serves one connection. `None`: it was lost; otherwise how the session ended.
    async fn serve(
        &mut self,
        path: &SessionPath,
        ControlStream { mut send, recv }: ControlStream,
        inbox: &mut mpsc::Receiver<FromTechnician>,
    ) -> Option<SessionEnd> {
        // Ends all of its tasks when this function returns.
        let mut tasks = JoinSet::new();
        let (to_us, mut from_agent) = mpsc::channel(QUEUE);
        tasks.spawn(read_control(recv, to_us));
        tasks.spawn(carry_chat(self.chat.clone(), path.connection.clone(), self.updates.clone()));
        tasks.spawn(watch_path(path.control.watch(), self.updates.clone()));
        let mut pushes = self.relay.pushes();
        let mut ending: Option<tokio::time::Instant> = None;
        loop {
            tokio::select! {
                said = from_agent.recv() => match said {
                    Some(FromAgent::Ended(ended)) => {
                        return Some(if ending.is_some() { SessionEnd::Here } else { SessionEnd::ByAgent(ended) });
                    }
                    Some(said) => self.said(said).await,
                    None if ending.is_some() => return Some(SessionEnd::Here),
                    None => return self.why_gone(&path.connection).await,
                },
                request = inbox.recv() => {
                    // The handle is gone: the command was broken off, so the session ends.
                    let request = request.unwrap_or(FromTechnician::End);
                    if matches!(request, FromTechnician::End) {
                        ending.get_or_insert_with(|| tokio::time::Instant::now() + FAREWELL);
                    }
                    match timeout(WRITE_TIMEOUT, framed::write(&mut send, &request, FRAME_LIMIT)).await {
                        Ok(Ok(())) => {}
                        _ if ending.is_some() => return Some(SessionEnd::Here),
                        _ => return None,
                    }
                }
                push = pushes.recv() => {
                    if let Ok(Push::SessionClosed { session, outcome: Outcome::Revoked }) = push
                        && session == self.id
                    {
                        return Some(SessionEnd::ByAgent(Ended::Revoked));
                    }
                }
                // The relay cuts the path in the same moment, so the agent's own word can't arrive.
                () = self.relay.revoked() => return Some(SessionEnd::ByAgent(Ended::Revoked)),
                () = tokio::time::sleep_until(ending.unwrap_or_else(tokio::time::Instant::now)), if ending.is_some() => {
                    return Some(SessionEnd::Here);
                }
                _ = path.connection.closed() => {
                    if ending.is_some() {
                        return Some(SessionEnd::Here);
                    }
                    // What was said before it closed still counts: the reader ends after the last of it.
                    while let Some(said) = from_agent.recv().await {
                        if let FromAgent::Ended(ended) = said {
                            return Some(SessionEnd::ByAgent(ended));
                        }
                        self.said(said).await;
                    }
                    return self.why_gone(&path.connection).await;
                }
            }
        }
    }

    /// Whether a connection that is gone was closed in order.
    async fn why_gone(&self, connection: &Connection) -> Option<SessionEnd> {
        match timeout(Duration::from_secs(1), connection.closed()).await {
            Ok(quinn::ConnectionError::ApplicationClosed(close))
                if close.error_code == VarInt::from_u32(0) =>
            {
                Some(SessionEnd::ByAgent(Ended::AgentStopping))
            }
            _ => None,
        }
    }

    async fn said(&mut self, said: FromAgent) {
        match said {
            FromAgent::Asking { seconds, .. } => self.tell(SessionUpdate::Asking(seconds)).await,
            FromAgent::Decision { request, decision: Decision::Granted { record, granted } } => {
                if let Err(error) = self.evidence.grant(&record, &self.peer.device) {
                    tracing::warn!(%error, "the signed grant could not be kept as evidence");
                }
                self.tell(SessionUpdate::Decided(request, Ok(granted))).await;
            }
            FromAgent::Decision { request, decision: Decision::Refused(refusal) } => {
                self.tell(SessionUpdate::Decided(request, Err(refusal))).await;
            }
            FromAgent::Grants { granted, why } => {
                self.tell(SessionUpdate::Grants(granted, text::one_line(&why, 200))).await;
            }
            FromAgent::AuditHead(head) => {
                if let Err(error) = self.evidence.head(&head, &self.peer.device) {
                    tracing::warn!(%error, "the device's audit head could not be kept as evidence");
                }
            }
            FromAgent::Ended(_) => {}
        }
    }

    /// Finds a new path within the time that the session outlives its connection.
    async fn resume(
        &self,
        inbox: &mut mpsc::Receiver<FromTechnician>,
    ) -> Result<(SessionPath, ControlStream, Vec<Granted>), SessionEnd> {
        let until = Instant::now() + RESUME_WITHIN;
        let mut last = "the device did not come back".to_owned();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(SessionEnd::Lost(last));
            }
            let attempt = async {
                self.relay.reconnect(left).await?;
                let opened = self.relay.reopen(self.id).await?;
                path::again(&self.relay, self.id, &opened, &self.peer).await
            };
            tokio::select! {
                outcome = timeout(left, attempt) => match outcome {
                    Ok(Ok((path, ready))) => {
                        let control = ControlStream { send: ready.send, recv: ready.recv };
                        return Ok((path, control, ready.granted));
                    }
                    Ok(Err(error)) if error.is_final() => return Err(error.into_end()),
                    Ok(Err(error)) => last = error.to_string(),
                    Err(_) => {}
                },
                request = inbox.recv() => {
                    // Requests made meanwhile are answered by nobody; only an end counts.
                    if matches!(request, Some(FromTechnician::End) | None) {
                        return Err(SessionEnd::Here);
                    }
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }
}

async fn read_control(mut recv: RecvStream, to: mpsc::Sender<FromAgent>) {
    while let Ok(said) = framed::read(&mut recv, FRAME_LIMIT).await {
        if to.send(said).await.is_err() {
            return;
        }
    }
}

/// Keeps the chat's stream open on this connection.
async fn carry_chat(chat: Arc<SharedChat>, connection: Connection, updates: mpsc::Sender<SessionUpdate>) {
    let Ok((mut send, mut recv)) = connection.open_bi().await else { return };
    if framed::write(&mut send, &Open::Chat, HELLO_LIMIT).await.is_err() {
        return;
    }
    match framed::read(&mut recv, HELLO_LIMIT).await {
        Ok(Answer::Accepted) => {}
        Ok(Answer::Refused(refusal)) => {
            tracing::warn!(%refusal, "no chat");
            return;
        }
        Err(_) => return,
    }
    let (to, mut changes) = mpsc::unbounded_channel();
    let carry = chat.carry(send, recv, |change| {
        // The receiver lives as long as this function.
        let _ = to.send(change);
    });
    let pass = async {
        while let Some(change) = changes.recv().await {
            let lines = match change {
                Change::New(line) => vec![line],
                Change::Marked(lines) => lines,
                Change::Nothing => vec![],
            };
            for line in lines {
                let _ = updates.send(SessionUpdate::Chat(line)).await;
            }
        }
    };
    tokio::select! {
        Err(error) = carry => tracing::debug!(%error, "chat stream"),
        () = pass => {}
    }
}

/// Says when packets stop passing for longer than a moment, and when they pass again.
async fn watch_path(mut state: watch::Receiver<BindState>, updates: mpsc::Sender<SessionUpdate>) {
    let is_bound = |state: &BindState| matches!(state, BindState::Bound { .. });
    while state.wait_for(is_bound).await.is_ok() {
        if state.wait_for(|state| !is_bound(state)).await.is_err() {
            return;
        }
        if timeout(A_MOMENT, state.wait_for(is_bound)).await.is_ok() {
            continue;
        }
        if updates.send(SessionUpdate::Path(false)).await.is_err()
            || state.wait_for(is_bound).await.is_err()
            || updates.send(SessionUpdate::Path(true)).await.is_err()
        {
            return;
        }
    }
}
