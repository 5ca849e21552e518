//! A session's life at the device: a path is bound, the technician proves who they are, streams are served;
//! a lost connection is waited for; then it is over.
//!
//! A driver: sockets, streams and timers live here. What is allowed is asked of the hub at every request.

mod desktop;
mod diagnostics;
mod display;
mod hello;
mod path;
mod picture;
mod recording;
mod runbook;
mod screen;
mod serve;
mod stream;
mod window;

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use nearhand_proto::id::SessionId;
use nearhand_proto::message::control::{CloseOutcome, RelayRequest, SessionOffer};
use nearhand_proto::message::local::AgentNotice;
use nearhand_proto::message::session::{HELLO_TIMEOUT, RESUME_WITHIN, SessionEndReason};
use nearhand_proto::time::UnixMillis;
use quinn::{Connection, VarInt};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::hub::{Hub, ReturningSession, ToSession};
use crate::runbook::Runbooks;
use hello::ResumableSession;
use path::ServedPath;
use serve::ServeEnd;

/// Time for a last message to reach the technician before the endpoint goes.
const LINGER: Duration = Duration::from_secs(1);
/// Connections tried on one path before it is given up: the relay could feed us strangers.
const MAX_STRANGERS: u32 = 8;

/// How a session ended, for the person, the log and the relay.
struct SessionOutcome {
    why: AgentNotice,
    outcome: CloseOutcome,
}

impl SessionOutcome {
    const fn new(outcome: CloseOutcome, why: AgentNotice) -> Self {
        Self { why, outcome }
    }
}

impl From<SessionEndReason> for SessionOutcome {
    fn from(ended: SessionEndReason) -> Self {
        let outcome = match ended {
            SessionEndReason::Stopped => CloseOutcome::Stopped,
            SessionEndReason::ByTechnician => CloseOutcome::Technician,
            SessionEndReason::Revoked => CloseOutcome::Revoked,
            SessionEndReason::ByRelay => CloseOutcome::Lost,
            SessionEndReason::AgentStopping | SessionEndReason::Idle | SessionEndReason::Storage => {
                CloseOutcome::Failed
            }
        };
        Self::new(outcome, ended.into())
    }
}

/// How a session comes to its task.
enum SessionOrigin {
    /// The relay offers it.
    Offered(SessionOffer),
    /// The process before has kept it; its technician is waited for.
    Kept(Box<ResumableSession>),
}

/// Runs a session from its offer to its end.
pub(crate) async fn run(
    hub: Arc<Hub>,
    runbooks: Arc<Runbooks>,
    offer: SessionOffer,
    inbox: mpsc::Receiver<ToSession>,
) {
    let session = offer.session;
    run_to_its_end(hub, runbooks, session, SessionOrigin::Offered(offer), inbox).await;
}

/// Goes on with the sessions that the process before has kept.
pub(crate) async fn resume_kept(hub: &Arc<Hub>, runbooks: &Arc<Runbooks>) {
    let (offers, _) = hello::here(hub).await;
    for ReturningSession { session, technician, keys, inbox } in hub.returning_sessions(offers).await {
        let origin = SessionOrigin::Kept(Box::new(ResumableSession { session, technician, keys }));
        tokio::spawn(run_to_its_end(hub.clone(), runbooks.clone(), session, origin, inbox));
    }
}

async fn run_to_its_end(
    hub: Arc<Hub>,
    runbooks: Arc<Runbooks>,
    session: SessionId,
    origin: SessionOrigin,
    mut inbox: mpsc::Receiver<ToSession>,
) {
    let Some(over) = live(&hub, &runbooks, session, origin, &mut inbox).await else {
        tracing::info!(%session, "the session stays for the next process");
        return;
    };
    tracing::info!(%session, why = %over.why, "session is over");
    hub.forget_session(session, &over.why);
    if let Some(relay) = hub.relay.connection() {
        let request = RelayRequest::Close { session, outcome: over.outcome, audit: None };
        if let Err(error) = relay.ask(&request).await {
            tracing::debug!(%session, %error, "the technician closed it first, or the relay finds out by itself");
        }
        if hub.identity.is_enrolled()
            && let Err(error) = relay.ask(&RelayRequest::AuditHead(hub.newest_audit_head().await)).await
        {
            tracing::debug!(%session, %error, "the next session's end brings the relay a newer head");
        }
    }
    crate::platform::give_back_memory_soon();
}

/// How it ended; `None`: the agent is started again, and the session stays.
async fn live(
    hub: &Arc<Hub>,
    runbooks: &Arc<Runbooks>,
    session: SessionId,
    origin: SessionOrigin,
    inbox: &mut mpsc::Receiver<ToSession>,
) -> Option<SessionOutcome> {
    let (mut offer, mut standing) = match origin {
        SessionOrigin::Offered(offer) => (Some(offer), None),
        SessionOrigin::Kept(standing) => (None, Some(*standing)),
    };
    loop {
        if let Some(offer) = offer.take() {
            match serve_offer(hub, runbooks, &offer, &mut standing, inbox).await {
                Ok(ServeEnd::Over(ended)) => return Some(ended.into()),
                Ok(ServeEnd::Lost) => set_connected(hub, session, false),
                Ok(ServeEnd::Suspended) => return None,
                Err(over) => return Some(over),
            }
        }
        match timeout(RESUME_WITHIN, next_offer(inbox)).await {
            Ok(NextOffer::Offer(next)) => offer = Some(next),
            Ok(NextOffer::Ended(ended)) => return Some(ended.into()),
            Ok(NextOffer::Suspended) => return None,
            Err(_) => return Some(SessionOutcome::new(CloseOutcome::Lost, AgentNotice::ConnectionLost)),
        }
    }
}

/// Serves the technician on an offered path. An error: the session is over before it stands.
async fn serve_offer(
    hub: &Arc<Hub>,
    runbooks: &Arc<Runbooks>,
    offer: &SessionOffer,
    standing: &mut Option<ResumableSession>,
    inbox: &mut mpsc::Receiver<ToSession>,
) -> Result<ServeEnd, SessionOutcome> {
    let session = offer.session;
    let path = ServedPath::open(hub, offer).map_err(|error| {
        let why = AgentNotice::Words(format!("no path could be opened: {error}"));
        SessionOutcome::new(CloseOutcome::Failed, why)
    })?;
    match meet(hub, offer, &path, standing.as_ref()).await {
        Ok((connection, talk)) => {
            set_connected(hub, session, true);
            let standing = standing.get_or_insert(talk.standing);
            let until = standing.technician.verified.invite.valid_until;
            let served = serve::serve(hub, runbooks, standing, &path, &connection, talk.streams, inbox);
            let end = tokio::select! {
                end = served => end,
                never = end_at(hub, session, until) => match never {},
            };
            close(&connection, &path, &end).await;
            Ok(end)
        }
        Err(why) if standing.is_none() => {
            Err(SessionOutcome::new(CloseOutcome::NotGranted, AgentNotice::Words(why)))
        }
        Err(why) => {
            tracing::info!(%session, why, "no resumption on this path");
            Ok(ServeEnd::Lost)
        }
    }
}

/// Ends the session when the technician's credential expires; the session's own task then hears of it like of any other end.
async fn end_at(hub: &Hub, session: SessionId, valid_until: UnixMillis) -> Infallible {
    let left = valid_until.0.saturating_sub(hub.identity.judging_time().0);
    sleep(Duration::from_millis(left)).await;
    tracing::info!(%session, "the technician's credential has expired");
    hub.update(|sessions, now| sessions.end(now, session, SessionEndReason::Revoked, None));
    pending().await
}

fn set_connected(hub: &Hub, session: SessionId, connected: bool) {
    hub.update(|sessions, now| sessions.set_connected(now, session, connected));
}

/// Waits for the technician to connect on this path and to prove who they are. Strangers cost nothing but
/// their own time.
async fn meet(
    hub: &Arc<Hub>,
    offer: &SessionOffer,
    path: &ServedPath,
    standing: Option<&ResumableSession>,
) -> Result<(Connection, hello::AcceptedHello), String> {
    let attempt = async {
        for _ in 0..MAX_STRANGERS {
            let incoming = path.endpoint.accept().await.ok_or("the path was closed")?;
            let Ok(Ok(connection)) = timeout(HELLO_TIMEOUT, incoming).await else { continue };
            match timeout(HELLO_TIMEOUT, hello::exchange(hub, offer, &connection, standing)).await {
                Ok(Ok(talk)) => return Ok((connection, talk)),
                Ok(Err(failed)) => {
                    tracing::info!(session = %offer.session, why = %failed, "hello failed");
                    // The refusal has been sent; the technician closes when they have read it.
                    let _ = timeout(LINGER, connection.closed()).await;
                    connection.close(VarInt::from_u32(1), b"");
                    if failed.is_final() {
                        return Err(failed.to_string());
                    }
                }
                Err(_) => connection.close(VarInt::from_u32(1), b""),
            }
        }
        Err("too many strangers on this path".to_owned())
    };
    timeout(HELLO_TIMEOUT * 2, attempt)
        .await
        .unwrap_or_else(|_| Err("the technician did not come".to_owned()))
}

/// What an interrupted session hears.
enum NextOffer {
    Offer(SessionOffer),
    Ended(SessionEndReason),
    Suspended,
}

async fn next_offer(inbox: &mut mpsc::Receiver<ToSession>) -> NextOffer {
    loop {
        match inbox.recv().await {
            Some(ToSession::Offer(offer)) => return NextOffer::Offer(offer),
            Some(ToSession::End(ended)) => return NextOffer::Ended(ended),
            Some(ToSession::Suspend) => return NextOffer::Suspended,
            // Nobody is there to be told; the state is told at resumption.
            Some(ToSession::Tell(_)) => {}
            None => return NextOffer::Ended(SessionEndReason::AgentStopping),
        }
    }
}

/// Closes the connection so that the other end learns why.
async fn close(connection: &Connection, path: &ServedPath, end: &ServeEnd) {
    if let ServeEnd::Over(_) = end {
        let _ = timeout(LINGER, connection.closed()).await;
        connection.close(VarInt::from_u32(0), b"over");
    } else {
        connection.close(VarInt::from_u32(2), b"lost");
    }
    let _ = timeout(LINGER, path.endpoint.wait_idle()).await;
}
