//! The agent's connection to its relay: made, kept, made again; offers and revocations taken from it.
//!
//! A driver. A relay that doesn't answer costs one packet now and then: full-jitter backoff up to half a
//! minute, and minutes once the relay has said that this device is not welcome.

use std::sync::Arc;
use std::time::Duration;

use nearhand_proto::credential::Retirement;
use nearhand_proto::identity::SecretKey;
use nearhand_proto::message::ProgramInfo;
use nearhand_proto::message::control::{
    CloseCode, CloseOutcome, RelayHello, RelayPush, RelayPushReply, RelayRefusal, RelayReply, RelayRequest,
    SessionOffer,
};
use nearhand_proto::message::local::AgentNotice;
use nearhand_proto::message::session::SessionEndReason;
use nearhand_proto::text::chain;
use nearhand_transport::control::{RelayConnection, RelayError, backoff, random_part};
use rand_core::{OsRng, RngCore};
use tokio::time::sleep;

use crate::home::Enrolment;
use crate::hub::Hub;
use crate::off_loop::off_loop;
use crate::runbook::Runbooks;
use crate::session;

/// Longest wait between two tries, so that a restarted relay has everybody back within a minute.
const MAX_WAIT: Duration = Duration::from_secs(30);
/// Longest time that a stopping relay can keep its devices away.
const MAX_AWAY: Duration = Duration::from_secs(60);
/// How often a device that is not welcome asks again, at most; half of it is random.
const REFUSED_RETRY: Duration = Duration::from_secs(300);
/// How long an agent stays away when another program took its place, and a random part more: two that have one key must not
/// replace each other all the time, and the one that is right must be back soon.
const REPLACED_RETRY: [Duration; 2] = [Duration::from_secs(15), Duration::from_secs(30)];
/// The same when the relay has no room: places become free all the time.
const FULL_RETRY: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(25)];

/// Keeps the connection to the relay until the agent stops.
pub(crate) async fn run(hub: Arc<Hub>, runbooks: Arc<Runbooks>) {
    let mut attempt = 0;
    loop {
        let wait = match connect(&hub).await {
            Ok(connection) => {
                attempt = 0;
                follow(&hub, &runbooks, &connection).await
            }
            Err(error) => {
                let away = away_after(&error, OsRng.next_u32());
                hub.relay_down(problem(&error, away));
                tracing::warn!(error = chain(&error), attempt, ?away, "no connection to the relay");
                away
            }
        };
        let wait = wait.unwrap_or_else(|| backoff(attempt, MAX_WAIT, OsRng.next_u32()));
        attempt = attempt.saturating_add(1);
        tokio::select! {
            () = sleep(wait) => {}
            () = hub.relay.redial_wanted() => attempt = 0,
            () = hub.stopped() => return,
        }
    }
}

async fn connect(hub: &Arc<Hub>) -> Result<RelayConnection, RelayError> {
    let Enrolment { relay, credential, .. } = hub.identity.enrolment();
    let connection = RelayConnection::dial(&relay, &hub.identity.key()).await?;
    let (program, facts) = (ProgramInfo::this(), hub.facts.clone());
    let hello = match credential {
        Some(credential) => RelayHello::Device { program, credential, facts },
        None => RelayHello::Guest { program, facts },
    };
    let welcome = connection.hello(hello).await?;
    hub.take_revocations(welcome.revocations.as_ref(), &welcome.retirements);
    hub.relay_up(connection.clone(), welcome.now);
    tracing::info!(relay = %relay, "connected");
    if let Some(routing) = hub.read(|sessions, now| sessions.shown_routing(now.instant)) {
        // The code that the customer reads out right now must lead here again.
        match connection.ask(&RelayRequest::AllocateDigits { wanted: Some(routing) }).await {
            Ok(RelayReply::Digits(same)) if same == routing => {}
            _ => hub.update(|sessions, _| sessions.cancel_code(AgentNotice::CodeLost)),
        }
    }
    // The relay compares it with those that it keeps: a record that was cut or replaced while the agent was away shows here.
    if hub.identity.is_enrolled() {
        connection.ask(&RelayRequest::AuditHead(hub.audit_head())).await?;
    }
    hub.help.send(&connection).await;
    Ok(connection)
}

/// Takes what the relay says until the connection is gone. Returns how long to stay away, if the relay said.
async fn follow(hub: &Arc<Hub>, runbooks: &Arc<Runbooks>, connection: &RelayConnection) -> Option<Duration> {
    let mut away = None;
    loop {
        let push = tokio::select! {
            push = connection.next_push() => push,
            () = hub.relay.redial_wanted() => {
                connection.close();
                hub.relay_down("connecting with a new key".to_owned());
                return Some(Duration::ZERO);
            }
            () = hub.stopped() => {
                connection.close();
                return None;
            }
        };
        match push {
            Ok((RelayPush::Goodbye { within_ms }, answer)) => {
                answer.send(RelayPushReply::Done).await;
                let within = Duration::from_millis(within_ms.into()).min(MAX_AWAY);
                away = Some(random_part(within, OsRng.next_u32()));
            }
            Ok((push, answer)) => {
                let reply = take(hub, runbooks, push).await;
                tokio::spawn(answer.send(reply));
            }
            Err(error) => {
                tracing::warn!(error = chain(&error), "the connection to the relay ended");
                let refused = away_after(&error, OsRng.next_u32());
                hub.relay_down(problem(&error, refused));
                return refused.or(away);
            }
        }
    }
}

/// How long to stay away after this; `None`: as the usual backoff has it.
fn away_after(error: &RelayError, random: u32) -> Option<Duration> {
    let [least, more] = match error {
        RelayError::Closed(CloseCode::Replaced) => REPLACED_RETRY,
        RelayError::Closed(CloseCode::Overloaded) | RelayError::Refused(RelayRefusal::Full { .. }) => {
            FULL_RETRY
        }
        error if error.is_unwelcome() => [REFUSED_RETRY / 2; 2],
        _ => return None,
    };
    Some(least + random_part(more, random))
}

/// What went wrong, and when the next try is if that takes longer than usual.
fn problem(error: &RelayError, away: Option<Duration>) -> String {
    match away {
        Some(away) => format!("{}; the next try is in {} s", chain(error), away.as_secs()),
        None => chain(error),
    }
}

async fn take(hub: &Arc<Hub>, runbooks: &Arc<Runbooks>, push: RelayPush) -> RelayPushReply {
    match push {
        RelayPush::Offer(offer) => return offered(hub, runbooks, offer),
        RelayPush::Revocations { list, retirements } => {
            hub.take_revocations(list.as_ref(), &retirements);
        }
        RelayPush::SessionClosed { session, outcome } => {
            let ended = match outcome {
                CloseOutcome::Technician => SessionEndReason::ByTechnician,
                CloseOutcome::Revoked | CloseOutcome::Expired => SessionEndReason::Revoked,
                _ => SessionEndReason::ByRelay,
            };
            hub.update(|sessions, now| sessions.end(now, session, ended, None));
        }
        RelayPush::Goodbye { .. } => {}
        RelayPush::Help(place) => hub.help.moved(place).await,
    }
    RelayPushReply::Done
}

fn offered(hub: &Arc<Hub>, runbooks: &Arc<Runbooks>, offer: SessionOffer) -> RelayPushReply {
    match hub.offered(offer.clone()) {
        Ok(Some(inbox)) => {
            tokio::spawn(session::run(hub.clone(), runbooks.clone(), offer, inbox));
            RelayPushReply::Done
        }
        Ok(None) => RelayPushReply::Done,
        Err(refusal) => {
            tracing::info!(session = %offer.session, %refusal, "offer refused");
            RelayPushReply::Refused(refusal)
        }
    }
}

/// Why the device's key was not rotated.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RotateError {
    /// Only enrolled devices have a key worth rotating.
    #[error("this machine is not enrolled; its key is made anew each time it asks for help")]
    Guest,
    /// The relay isn't connected.
    #[error("the relay is not connected; the key stays as it is")]
    NoRelay,
    /// The relay said no.
    #[error("the key stays as it is: {0}")]
    Relay(#[from] RelayError),
    /// The statement could not be made.
    #[error("the key stays as it is: {0}")]
    Wire(#[from] nearhand_proto::wire::WireError),
    /// The files could not be written.
    #[error(transparent)]
    Home(#[from] crate::home::AgentHomeError),
}

/// Replaces the device's key by a new one that the old one endorses; sessions under the old one end.
pub(crate) async fn rotate(hub: &Arc<Hub>) -> Result<(), RotateError> {
    let mut enrolment = hub.identity.enrolment();
    let credential = enrolment.credential.take().ok_or(RotateError::Guest)?;
    let relay = hub.relay.connection().ok_or(RotateError::NoRelay)?;
    let home = hub.home.clone();
    let (old, new): (SecretKey, SecretKey) = (hub.identity.key(), off_loop(move || home.next_key()).await?);
    let now = hub.identity.judging_time();
    let next = credential.rotated(&old, &new.public(), now)?;
    let retired = Retirement { key: old.public(), successor: new.public(), issued: now };
    let retirement = old.sign(&retired)?;
    relay.ask(&RelayRequest::Rotate { credential: next.clone(), retirement }).await?;
    enrolment.credential = Some(next);
    hub.note("agent", "key.rotated", None, new.public().to_string());
    hub.rotated(enrolment).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_that_was_replaced_or_found_no_room_is_back_within_a_minute() {
        let between = |error: RelayError| {
            let wait = |random| away_after(&error, random).map(|wait| wait.as_secs());
            (wait(0), wait(u32::MAX))
        };
        assert_eq!(between(RelayError::Closed(CloseCode::Replaced)), (Some(15), Some(45)));
        let full = RelayRefusal::Full { what: "guests".into() };
        assert_eq!(between(RelayError::Refused(full.clone())), (Some(5), Some(30)));
        assert_eq!(between(RelayError::Closed(CloseCode::Overloaded)), (Some(5), Some(30)));
        assert_eq!(between(RelayError::Closed(CloseCode::Revoked)), (Some(150), Some(300)));
        assert_eq!(between(RelayError::Silent), (None, None));
        let told = problem(&RelayError::Refused(full), Some(Duration::from_secs(7)));
        assert!(told.contains("guests") && told.ends_with("the next try is in 7 s"), "{told}");
    }
}
