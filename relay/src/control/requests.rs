//! Requests: read, counted, answered.

use std::sync::Arc;

use nearhand_proto::message::control::{CloseCode, FRAME_LIMIT, REQUEST_TIMEOUT, Refusal, Reply, Request};
use nearhand_relay_core::caller::Caller;
use nearhand_transport::framed::{self, FrameError};
use quinn::{RecvStream, SendStream};
use tokio::time::timeout;

use super::accept::violation;
use super::alarms::actor;
use super::connection::LAST_REPLY;
use super::{Control, Peer};
use crate::metrics::Family;

/// Reads one request and answers it.
pub(super) async fn answer(
    control: Arc<Control>,
    peer: Arc<Peer>,
    mut send: SendStream,
    mut recv: RecvStream,
) {
    let request = match timeout(REQUEST_TIMEOUT, framed::read::<Request>(&mut recv, FRAME_LIMIT)).await {
        Ok(Ok(request)) => request,
        Ok(Err(error)) => {
            if error.is_hostile() {
                violation(&control, &peer, "request");
                peer.close(CloseCode::Protocol);
            }
            return;
        }
        Err(_) => {
            violation(&control, &peer, "slow_request");
            peer.close(CloseCode::TimedOut);
            return;
        }
    };
    drop(recv);
    let kind = kind(&request);
    let rotates = matches!(request, Request::Rotate { .. });
    let answered = match peer.count_request() {
        Ok(()) => Box::pin(control.handle(&peer, request)).await,
        Err(refusal) => Err(refusal),
    };
    let result = answered.as_ref().err().map_or("ok", name);
    control.metrics.count_both(Family::Requests, kind, result);
    let done = answered.is_ok();
    let sent = reply(&mut send, &answered.unwrap_or_else(Reply::Refused)).await;
    if rotates && done {
        if sent.is_ok() {
            let _ = timeout(LAST_REPLY, send.stopped()).await;
        }
        peer.close(CloseCode::Rotated);
    }
}

/// Sends a reply and ends the stream.
pub(super) async fn reply(send: &mut SendStream, reply: &Reply) -> Result<(), FrameError> {
    match timeout(REQUEST_TIMEOUT, framed::write(send, reply, FRAME_LIMIT)).await {
        Ok(written) => written?,
        Err(_) => return Err(FrameError::Io(std::io::ErrorKind::TimedOut.into())),
    }
    // Fails only if the stream is gone already.
    let _ = send.finish();
    Ok(())
}

impl Control {
    async fn handle(self: &Arc<Self>, peer: &Arc<Peer>, request: Request) -> Result<Reply, Refusal> {
        if self.is_stopping() {
            return Err(Refusal::ShuttingDown);
        }
        match (request, &peer.caller) {
            (Request::Claim { secret, organisation, credential }, Caller::Newcomer) => {
                self.claim(peer, &secret, organisation, credential).await
            }
            (Request::Join { credential, facts }, Caller::Newcomer) => {
                self.join(peer, credential, facts).await
            }
            (Request::Rotate { credential, retirement }, Caller::Device(who) | Caller::Person(who)) => {
                self.rotate(peer, who, credential, retirement).await
            }
            (Request::AllotRouting { wanted }, Caller::Device(_) | Caller::Guest(_)) => {
                self.allot_routing(peer, wanted)
            }
            (Request::FreeRouting, Caller::Device(_) | Caller::Guest(_)) => {
                if let Some(id) = peer.id() {
                    self.state().registry.routing.free(&id);
                }
                Ok(Reply::Done)
            }
            (Request::AuditHead(head), Caller::Device(who)) => self.witness(peer, who, &head).await,
            (Request::Devices { after }, Caller::Person(_)) => self.devices(after).await,
            (Request::People, Caller::Person(_)) => self.people().await,
            (Request::Open { session, target }, Caller::Person(who)) => {
                self.open(peer, who, session, target).await
            }
            (Request::Reopen { session }, Caller::Person(who)) => self.reopen(peer, who, session).await,
            (
                Request::Close { session, outcome, audit },
                Caller::Person(_) | Caller::Device(_) | Caller::Guest(_),
            ) => self.close_session(peer, session, outcome, audit).await,
            (Request::Sessions, Caller::Person(who)) => self.sessions(who).await,
            (Request::Audit { after }, Caller::Person(who)) => self.audit(who, after).await,
            (Request::Revoke(list), Caller::Person(_)) => self.revoke(peer, list).await,
            (Request::Monitoring(said), Caller::Device(_)) => self.monitoring(peer, said).await,
            (Request::Alarms(batch), Caller::Device(_)) => self.alarms(peer, batch).await,
            (Request::Leaving(why), Caller::Device(_)) => self.leaving(peer, why).await,
            (Request::AlarmsSince { filter, after, wait_ms }, Caller::Person(_)) => {
                self.alarms_since(&filter, after, wait_ms).await
            }
            (Request::AlarmHistory { alarm, after }, Caller::Person(_)) => {
                self.alarm_history(alarm, after).await
            }
            (Request::AlarmAct { alarm, act }, Caller::Person(who)) => {
                self.alarm_act(&actor(who), &peer.actor(), alarm, act).await
            }
            (Request::OpenWindow(what), Caller::Person(who)) => {
                self.open_window(&actor(who), &peer.actor(), what).await
            }
            (Request::CloseWindow { window }, Caller::Person(_)) => {
                self.close_window(&peer.actor(), window).await
            }
            (Request::Windows, Caller::Person(_)) => self.windows().await,
            (Request::AskForHelp { wish, wanted }, Caller::Device(_) | Caller::Guest(_)) => {
                self.ask_for_help(peer, wish, wanted).await
            }
            (Request::WithdrawHelp, Caller::Device(_) | Caller::Guest(_)) => self.withdraw_help(peer).await,
            (Request::Opine { session, opinion }, Caller::Device(_) | Caller::Guest(_)) => {
                self.opine(peer, session, opinion).await
            }
            (Request::HelpQueue { closed }, Caller::Person(_)) => self.help_queue(closed).await,
            (Request::TakeHelp { number }, Caller::Person(who)) => self.take_help(peer, who, number).await,
            (Request::CloseHelp { number }, Caller::Person(_)) => self.close_help(peer, number).await,
            (Request::Opinions, Caller::Person(who)) => self.opinions(who).await,
            (Request::Ping, Caller::Device(_) | Caller::Person(_) | Caller::Guest(_)) => Ok(Reply::Done),
            _ => Err(Refusal::NotAllowed),
        }
    }
}

fn kind(request: &Request) -> &'static str {
    match request {
        Request::Hello(_) => "hello",
        Request::Claim { .. } => "claim",
        Request::Join { .. } => "join",
        Request::Rotate { .. } => "rotate",
        Request::AllotRouting { .. } => "allot_routing",
        Request::FreeRouting => "free_routing",
        Request::AuditHead(_) => "audit_head",
        Request::Devices { .. } => "devices",
        Request::People => "people",
        Request::Open { .. } => "open",
        Request::Reopen { .. } => "reopen",
        Request::Close { .. } => "close",
        Request::Sessions => "sessions",
        Request::Audit { .. } => "audit",
        Request::Revoke(_) => "revoke",
        Request::Ping => "ping",
        Request::Monitoring(_) => "monitoring",
        Request::Alarms(_) => "alarms",
        Request::Leaving(_) => "leaving",
        Request::AlarmsSince { .. } => "alarms_since",
        Request::AlarmHistory { .. } => "alarm_history",
        Request::AlarmAct { .. } => "alarm_act",
        Request::OpenWindow(_) => "open_window",
        Request::CloseWindow { .. } => "close_window",
        Request::Windows => "windows",
        Request::AskForHelp { .. } => "ask_for_help",
        Request::WithdrawHelp => "withdraw_help",
        Request::Opine { .. } => "opine",
        Request::HelpQueue { .. } => "help_queue",
        Request::TakeHelp { .. } => "take_help",
        Request::CloseHelp { .. } => "close_help",
        Request::Opinions => "opinions",
    }
}

/// A refusal's name in metrics, logs and the audit log.
pub(super) fn name(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NotAllowed => "not_allowed",
        Refusal::Unclaimed => "unclaimed",
        Refusal::Claimed => "claimed",
        Refusal::WrongClaim => "wrong_claim",
        Refusal::Credential(_) => "credential",
        Refusal::Revoked => "revoked",
        Refusal::InviteUsed => "invite_used",
        Refusal::Unknown => "unknown",
        Refusal::NoSuchDevice => "no_such_device",
        Refusal::DeviceOffline { .. } => "device_offline",
        Refusal::NoSuchCode => "no_such_code",
        Refusal::NoSuchSession => "no_such_session",
        Refusal::DeviceRefused(_) => "device_refused",
        Refusal::DeviceSilent => "device_silent",
        Refusal::TooMany { .. } => "too_many",
        Refusal::Full { .. } => "full",
        Refusal::Storage => "storage",
        Refusal::OldList => "old_list",
        Refusal::Version { .. } => "version",
        Refusal::ShuttingDown => "shutting_down",
        Refusal::NoSuchAlarm => "no_such_alarm",
        Refusal::NoSuchWindow => "no_such_window",
        Refusal::ForeignStream => "foreign_stream",
        Refusal::Invalid { .. } => "invalid",
        Refusal::NoSuchHelp => "no_such_help",
    }
}
