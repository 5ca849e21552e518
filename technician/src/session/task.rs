//! The task behind a session: keeps its connection, finds a new one when it is lost, and says what happens.
//!
//! A driver. What came from the device is checked and neutralised before it is passed on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nearhand_proto::chat::ChatChange;
use nearhand_proto::forward::BindState;
use nearhand_proto::id::SessionId;
use nearhand_proto::message::control::{CloseOutcome, RelayPush};
use nearhand_proto::message::session::{
    ConsentDecision, FRAME_LIMIT, FromAgent, FromTechnician, GrantedCapability, HELLO_LIMIT, RESUME_WITHIN,
    SessionEndReason, SessionRefusal, StreamAnswer, StreamOpen,
};
use nearhand_proto::text;
use nearhand_transport::chat::SharedChat;
use nearhand_transport::framed;
use quinn::{Connection, RecvStream, SendStream, VarInt};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::evidence::{SessionEvidence, open_grant};
use super::path::{self, ProvedDevice, SessionPath};
use super::update::{SessionEnd, SessionUpdate};
use crate::relay::RelayClient;

/// Updates and requests that may wait.
pub(super) const QUEUE: usize = 64;
/// Longest wait until the agent takes a message; then the connection counts as lost.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(15);
/// How long the agent's last word is waited for once the end was said: a recording's signature is made first. A
/// device that is in the wrong hands says nothing, and must not keep this program.
const FAREWELL: Duration = Duration::from_secs(15);
/// Shorter interruptions are not reported.
const A_MOMENT: Duration = Duration::from_secs(1);
/// Pause between two attempts at a new path.
const RETRY: Duration = Duration::from_millis(700);

/// The stream for requests, decisions and the session's end.
pub(super) struct ControlStream {
    pub(super) send: SendStream,
    pub(super) recv: RecvStream,
}

/// One session as long as it lasts.
pub(super) struct SessionTask {
    pub(super) relay: Arc<RelayClient>,
    pub(super) id: SessionId,
    pub(super) peer: ProvedDevice,
    pub(super) chat: Arc<SharedChat>,
    pub(super) evidence: SessionEvidence,
    pub(super) updates: mpsc::Sender<SessionUpdate>,
    pub(super) connected: watch::Sender<Option<Connection>>,
}

impl SessionTask {
    pub(super) async fn run(
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
                    // A decision may have been made while there was no connection to tell us.
                    self.tell(SessionUpdate::Grants(granted, "after the interruption".to_owned())).await;
                    (path, control) = (next, streams);
                }
                Err(end) => break end,
            }
        };
        let outcome = match &end {
            SessionEnd::Here | SessionEnd::ByAgent(SessionEndReason::ByTechnician) => {
                CloseOutcome::Technician
            }
            SessionEnd::ByAgent(SessionEndReason::Stopped) => CloseOutcome::Stopped,
            SessionEnd::ByAgent(SessionEndReason::Revoked) => CloseOutcome::Revoked,
            SessionEnd::ByAgent(_) => CloseOutcome::Failed,
            SessionEnd::Lost(_) => CloseOutcome::Lost,
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
                message = from_agent.recv() => match message {
                    Some(FromAgent::Ended(ended)) => {
                        return Some(if ending.is_some() { SessionEnd::Here } else { SessionEnd::ByAgent(ended) });
                    }
                    Some(message) => self.handle_agent(message).await,
                    None if ending.is_some() => return Some(SessionEnd::Here),
                    None => return self.reason_of_loss(&path.connection).await,
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
                    if let Ok(RelayPush::SessionClosed {
                        session,
                        outcome: CloseOutcome::Revoked | CloseOutcome::Expired,
                    }) = push
                        && session == self.id
                    {
                        return Some(SessionEnd::ByAgent(SessionEndReason::Revoked));
                    }
                }
                // The relay cuts the path at the same time, so the agent's own message can't arrive.
                () = self.relay.revoked() => return Some(SessionEnd::ByAgent(SessionEndReason::Revoked)),
                () = tokio::time::sleep_until(ending.unwrap_or_else(tokio::time::Instant::now)), if ending.is_some() => {
                    return Some(SessionEnd::Here);
                }
                _ = path.connection.closed() => {
                    if ending.is_some() {
                        return Some(SessionEnd::Here);
                    }
                    // What was said before it closed still counts: the reader ends after the last of it.
                    while let Some(message) = from_agent.recv().await {
                        if let FromAgent::Ended(ended) = message {
                            return Some(SessionEnd::ByAgent(ended));
                        }
                        self.handle_agent(message).await;
                    }
                    return self.reason_of_loss(&path.connection).await;
                }
            }
        }
    }

    /// Whether a connection that is gone was closed in order.
    async fn reason_of_loss(&self, connection: &Connection) -> Option<SessionEnd> {
        match timeout(Duration::from_secs(1), connection.closed()).await {
            Ok(quinn::ConnectionError::ApplicationClosed(close))
                if close.error_code == VarInt::from_u32(0) =>
            {
                Some(SessionEnd::ByAgent(SessionEndReason::AgentStopping))
            }
            _ => None,
        }
    }

    async fn handle_agent(&mut self, message: FromAgent) {
        match message {
            FromAgent::Asking { seconds, .. } => self.tell(SessionUpdate::Asking(seconds)).await,
            FromAgent::Decision { request, decision: ConsentDecision::Granted { record, granted } } => {
                let me = self.relay.identity().id();
                let decided = match open_grant(&record, &self.peer.device, self.id, me) {
                    Ok(grant) => {
                        if let Err(error) = self.evidence.grant(&record, &grant, &self.peer.device) {
                            tracing::warn!(%error, "the signed grant could not be kept as evidence");
                        }
                        Ok(granted)
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the grant does not count");
                        Err(SessionRefusal::Protocol)
                    }
                };
                self.tell(SessionUpdate::Decided(request, decided)).await;
            }
            FromAgent::Decision { request, decision: ConsentDecision::Refused(refusal) } => {
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
    ) -> Result<(SessionPath, ControlStream, Vec<GrantedCapability>), SessionEnd> {
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
                path::resume(&self.relay, self.id, &opened, &self.peer).await
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
                    // Requests can't be answered during an interruption; only an end counts.
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
    while let Ok(message) = framed::read(&mut recv, FRAME_LIMIT).await {
        if to.send(message).await.is_err() {
            return;
        }
    }
}

/// Keeps the chat's stream open on this connection.
async fn carry_chat(chat: Arc<SharedChat>, connection: Connection, updates: mpsc::Sender<SessionUpdate>) {
    let Ok((mut send, mut recv)) = connection.open_bi().await else { return };
    if framed::write(&mut send, &StreamOpen::Chat, HELLO_LIMIT).await.is_err() {
        return;
    }
    match framed::read(&mut recv, HELLO_LIMIT).await {
        Ok(StreamAnswer::Accepted) => {}
        Ok(StreamAnswer::Refused(refusal)) => {
            tracing::warn!(%refusal, "no chat");
            return;
        }
        Err(_) => return,
    }
    let (to, mut changes) = mpsc::unbounded_channel();
    let carry = chat.carry(send, recv, |change| {
        // The receiver lives as long as this function.
        let _ = to.send(change);
        Duration::ZERO
    });
    let pass = async {
        while let Some(change) = changes.recv().await {
            let lines = match change {
                ChatChange::New(line) => vec![line],
                ChatChange::Marked(lines) => lines,
                ChatChange::Nothing => vec![],
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

/// Reports when packets don't pass for longer than a second, and when they pass again.
async fn watch_path(mut state: watch::Receiver<BindState>, updates: mpsc::Sender<SessionUpdate>) {
    let is_bound = |state: &BindState| matches!(state, BindState::Bound { .. });
    while state.wait_for(is_bound).await.is_ok() {
        if state.wait_for(|state| !is_bound(state)).await.is_err() {
            return;
        }
        if timeout(A_MOMENT, state.wait_for(is_bound)).await.is_ok() {
            continue;
        }
        if updates.send(SessionUpdate::PathStalled).await.is_err()
            || state.wait_for(is_bound).await.is_err()
            || updates.send(SessionUpdate::PathRestored).await.is_err()
        {
            return;
        }
    }
}
