//! Requests: read, counted, answered.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use nearhand_proto::message::control::{
    CloseCode, FRAME_LIMIT, REQUEST_TIMEOUT, RelayRefusal, RelayReply, RelayRequest,
};
use nearhand_relay_core::caller::Caller;
use nearhand_transport::framed::{self, FrameError};
use quinn::{RecvStream, SendStream};
use tokio::time::timeout;

use super::alarms::actor;
use super::inflow::RequestSender;
use super::plane::{ConnectedPeer, ControlPlane};
use crate::metrics::MetricFamily;

/// How long the last reply on a connection may take to arrive before it is closed.
pub(super) const LAST_REPLY: Duration = Duration::from_secs(2);

/// Largest frame of a guest or a newcomer, in bytes: a request for help of the most characters, all of four bytes.
const STRANGERS_LIMIT: usize = 16 * 1024;

/// Reads one request and answers it.
pub(super) async fn answer(
    control: Arc<ControlPlane>,
    peer: Arc<ConnectedPeer>,
    mut send: SendStream,
    mut recv: RecvStream,
) {
    let (limit, sender) = match peer.caller.verified() {
        Some(_) => (FRAME_LIMIT, RequestSender::Member),
        None => (STRANGERS_LIMIT, RequestSender::Stranger),
    };
    let mut stream = control.inflow.counted(&mut recv, sender, peer.network);
    let request = match timeout(REQUEST_TIMEOUT, framed::read::<RelayRequest>(&mut stream, limit)).await {
        Ok(Ok(request)) => request,
        Ok(Err(FrameError::Io(error))) if error.kind() == ErrorKind::QuotaExceeded => {
            control.metrics.count_both(MetricFamily::Requests, "unread", "full");
            let full = RelayRefusal::Full { what: "requests on their way".into() };
            // Fails only if the connection is gone.
            let _ = reply(&mut send, &RelayReply::Refused(full)).await;
            return;
        }
        Ok(Err(error)) => {
            if error.is_hostile() {
                control.note_violation(&peer, "request");
                peer.close(CloseCode::Protocol);
            }
            return;
        }
        Err(_) => {
            control.note_violation(&peer, "slow_request");
            peer.close(CloseCode::TimedOut);
            return;
        }
    };
    drop(stream);
    drop(recv);
    let kind = kind(&request);
    let rotates = matches!(request, RelayRequest::Rotate { .. });
    let answered = match peer.count_request() {
        Ok(()) => Box::pin(control.handle(&peer, request)).await,
        Err(refusal) => Err(refusal),
    };
    let result = answered.as_ref().err().map_or("ok", name);
    control.metrics.count_both(MetricFamily::Requests, kind, result);
    let done = answered.is_ok();
    let sent = reply(&mut send, &answered.unwrap_or_else(RelayReply::Refused)).await;
    if rotates && done {
        if sent.is_ok() {
            let _ = timeout(LAST_REPLY, send.stopped()).await;
        }
        peer.close(CloseCode::Rotated);
    }
}

/// Sends a reply and ends the stream.
pub(super) async fn reply(send: &mut SendStream, reply: &RelayReply) -> Result<(), FrameError> {
    match timeout(REQUEST_TIMEOUT, framed::write(send, reply, FRAME_LIMIT)).await {
        Ok(written) => written?,
        Err(_) => return Err(FrameError::Io(std::io::ErrorKind::TimedOut.into())),
    }
    // Fails only if the stream is gone already.
    let _ = send.finish();
    Ok(())
}

impl ControlPlane {
    async fn handle(
        self: &Arc<Self>,
        peer: &Arc<ConnectedPeer>,
        request: RelayRequest,
    ) -> Result<RelayReply, RelayRefusal> {
        if self.is_stopping() {
            return Err(RelayRefusal::ShuttingDown);
        }
        match (request, &peer.caller) {
            (RelayRequest::Claim { secret, organisation, credential }, Caller::Newcomer) => {
                self.claim(peer, &secret, organisation, credential).await
            }
            (RelayRequest::Join { credential, facts }, Caller::Newcomer) => {
                self.join(peer, credential, facts).await
            }
            (RelayRequest::Rotate { credential, retirement }, Caller::Device(who) | Caller::Person(who)) => {
                self.rotate(peer, who, credential, retirement).await
            }
            (RelayRequest::AllocateDigits { wanted }, Caller::Device(_) | Caller::Guest(_)) => {
                self.allot_routing(peer, wanted)
            }
            (RelayRequest::FreeDigits, Caller::Device(_) | Caller::Guest(_)) => {
                if let Some(id) = peer.id() {
                    self.state().registry.routing.free(&id);
                }
                Ok(RelayReply::Done)
            }
            (RelayRequest::AuditHead(head), Caller::Device(who)) => self.witness(peer, who, &head).await,
            (RelayRequest::Devices { after }, Caller::Person(_)) => self.devices(after).await,
            (RelayRequest::People { after }, Caller::Person(_)) => self.people(after).await,
            (RelayRequest::Open { session, target }, Caller::Person(who)) => {
                self.open(peer, who, session, target).await
            }
            (RelayRequest::Reopen { session }, Caller::Person(who)) => self.reopen(peer, who, session).await,
            (
                RelayRequest::Close { session, outcome, audit },
                Caller::Person(_) | Caller::Device(_) | Caller::Guest(_),
            ) => self.close_session(peer, session, outcome, audit).await,
            (RelayRequest::Sessions { before }, Caller::Person(who)) => self.sessions(who, before).await,
            (RelayRequest::Audit { after }, Caller::Person(who)) => self.audit(who, after).await,
            (RelayRequest::Revoke(list), Caller::Person(_)) => self.revoke(peer, list).await,
            (RelayRequest::Monitoring(said), Caller::Device(_)) => self.monitoring(peer, said).await,
            (RelayRequest::Alarms(batch), Caller::Device(_)) => self.alarms(peer, batch).await,
            (RelayRequest::ShuttingDown(why), Caller::Device(_)) => self.leaving(peer, why).await,
            (RelayRequest::AlarmsSince { filter, after, wait_ms }, Caller::Person(_)) => {
                self.alarms_since(&filter, after, wait_ms).await
            }
            (RelayRequest::AlarmHistory { alarm, after }, Caller::Person(_)) => {
                self.alarm_history(alarm, after).await
            }
            (RelayRequest::ActOnAlarm { alarm, act }, Caller::Person(who)) => {
                self.alarm_act(&actor(who), &peer.actor(), alarm, act).await
            }
            (RelayRequest::OpenMaintenance(what), Caller::Person(who)) => {
                self.open_window(&actor(who), &peer.actor(), what).await
            }
            (RelayRequest::CloseMaintenance { window }, Caller::Person(_)) => {
                self.close_window(&peer.actor(), window).await
            }
            (RelayRequest::MaintenanceWindows, Caller::Person(_)) => self.windows().await,
            (RelayRequest::AskForHelp { wish, wanted }, Caller::Device(_) | Caller::Guest(_)) => {
                self.ask_for_help(peer, wish, wanted).await
            }
            (RelayRequest::WithdrawHelp, Caller::Device(_) | Caller::Guest(_)) => {
                self.withdraw_help(peer).await
            }
            (
                RelayRequest::GiveFeedback { session, feedback: opinion },
                Caller::Device(_) | Caller::Guest(_),
            ) => self.opine(peer, session, opinion).await,
            (RelayRequest::HelpQueue { closed, skip }, Caller::Person(_)) => {
                self.help_queue(closed, skip).await
            }
            (RelayRequest::TakeHelp { number }, Caller::Person(who)) => {
                self.take_help(peer, who, number).await
            }
            (RelayRequest::CloseHelp { number }, Caller::Person(_)) => self.close_help(peer, number).await,
            (RelayRequest::Feedback { skip }, Caller::Person(who)) => self.opinions(who, skip).await,
            (RelayRequest::Ping, Caller::Device(_) | Caller::Person(_) | Caller::Guest(_)) => {
                Ok(RelayReply::Done)
            }
            _ => Err(RelayRefusal::NotAllowed),
        }
    }
}

fn kind(request: &RelayRequest) -> &'static str {
    match request {
        RelayRequest::Hello(_) => "hello",
        RelayRequest::Claim { .. } => "claim",
        RelayRequest::Join { .. } => "join",
        RelayRequest::Rotate { .. } => "rotate",
        RelayRequest::AllocateDigits { .. } => "allot_routing",
        RelayRequest::FreeDigits => "free_routing",
        RelayRequest::AuditHead(_) => "audit_head",
        RelayRequest::Devices { .. } => "devices",
        RelayRequest::People { .. } => "people",
        RelayRequest::Open { .. } => "open",
        RelayRequest::Reopen { .. } => "reopen",
        RelayRequest::Close { .. } => "close",
        RelayRequest::Sessions { .. } => "sessions",
        RelayRequest::Audit { .. } => "audit",
        RelayRequest::Revoke(_) => "revoke",
        RelayRequest::Ping => "ping",
        RelayRequest::Monitoring(_) => "monitoring",
        RelayRequest::Alarms(_) => "alarms",
        RelayRequest::ShuttingDown(_) => "leaving",
        RelayRequest::AlarmsSince { .. } => "alarms_since",
        RelayRequest::AlarmHistory { .. } => "alarm_history",
        RelayRequest::ActOnAlarm { .. } => "alarm_act",
        RelayRequest::OpenMaintenance(_) => "open_window",
        RelayRequest::CloseMaintenance { .. } => "close_window",
        RelayRequest::MaintenanceWindows => "windows",
        RelayRequest::AskForHelp { .. } => "ask_for_help",
        RelayRequest::WithdrawHelp => "withdraw_help",
        RelayRequest::GiveFeedback { .. } => "opine",
        RelayRequest::HelpQueue { .. } => "help_queue",
        RelayRequest::TakeHelp { .. } => "take_help",
        RelayRequest::CloseHelp { .. } => "close_help",
        RelayRequest::Feedback { .. } => "opinions",
    }
}

/// A refusal's name in metrics, logs and the audit log.
pub(super) fn name(refusal: &RelayRefusal) -> &'static str {
    match refusal {
        RelayRefusal::NotAllowed => "not_allowed",
        RelayRefusal::Unclaimed => "unclaimed",
        RelayRefusal::Claimed => "claimed",
        RelayRefusal::WrongClaim => "wrong_claim",
        RelayRefusal::Credential(_) => "credential",
        RelayRefusal::Revoked => "revoked",
        RelayRefusal::InviteUsed => "invite_used",
        RelayRefusal::Unknown => "unknown",
        RelayRefusal::NoSuchDevice => "no_such_device",
        RelayRefusal::DeviceOffline { .. } => "device_offline",
        RelayRefusal::NoSuchCode => "no_such_code",
        RelayRefusal::NoSuchSession => "no_such_session",
        RelayRefusal::DeviceRefused(_) => "device_refused",
        RelayRefusal::DeviceSilent => "device_silent",
        RelayRefusal::TooMany { .. } => "too_many",
        RelayRefusal::Full { .. } => "full",
        RelayRefusal::Storage => "storage",
        RelayRefusal::OldList => "old_list",
        RelayRefusal::Version { .. } => "version",
        RelayRefusal::ShuttingDown => "shutting_down",
        RelayRefusal::NoSuchAlarm => "no_such_alarm",
        RelayRefusal::NoSuchWindow => "no_such_window",
        RelayRefusal::ForeignStream => "foreign_stream",
        RelayRefusal::Invalid { .. } => "invalid",
        RelayRefusal::NoSuchHelp => "no_such_help",
    }
}
