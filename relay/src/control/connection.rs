//! One connection: its hello, then its requests, until it ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nearhand_proto::identity::PublicKey;
use nearhand_proto::message::ProgramInfo;
use nearhand_proto::message::control::{
    CloseCode, DeviceFacts, HELLO_LIMIT, RelayHello, RelayRefusal, RelayReply, RelayRequest,
};
use nearhand_relay_core::admission::AdmittedCaller;
use nearhand_relay_core::caller::Caller;
use nearhand_relay_core::network::SourceNetwork;
use nearhand_relay_core::registry::ConnectionNo;
use nearhand_transport::framed;
use quinn::{Connection, SendStream};

use super::inflow;
use super::plane::{ConnectedPeer, ControlPlane, close, now_unix, storage};
use super::refusals::event;
use super::requests;
use crate::metrics::MetricFamily;
use crate::store::{SeenPeer, StoreWrite, StoredMember};

/// How long a newcomer may stay: as long as somebody may need to type a name in between.
const NEWCOMER_STAY: Duration = Duration::from_secs(120);

/// A connection whose hello was accepted. When it is dropped for any reason (its end, an eviction, a welcome
/// that could not be sent), its peer is no longer here.
pub(super) struct WelcomedPeer {
    control: Arc<ControlPlane>,
    peer: Arc<ConnectedPeer>,
    number: Option<ConnectionNo>,
}

/// Reads and answers the hello.
pub(super) async fn hello(
    control: &Arc<ControlPlane>,
    connection: Connection,
    key: PublicKey,
) -> Option<WelcomedPeer> {
    let (mut send, mut recv) = connection.accept_bi().await.ok()?;
    let stranger = || ConnectedPeer::new(connection.clone(), key, Caller::Newcomer);
    let hello = match framed::read::<RelayRequest>(&mut recv, HELLO_LIMIT).await {
        Ok(RelayRequest::Hello(hello)) => hello,
        Ok(_) => {
            control.metrics.count_both(MetricFamily::Hellos, "unknown", "not_first");
            refuse(&mut send, &stranger(), RelayRefusal::NotAllowed).await;
            return None;
        }
        Err(error) => {
            if error.is_hostile() {
                control.note_violation(&stranger(), "hello");
                stranger().close(CloseCode::Protocol);
            }
            return None;
        }
    };
    drop(recv);
    let (program, facts) = said(&hello);
    match admit(control, &connection, key, hello, &program).await {
        Ok(welcomed) => {
            let kind = welcomed.peer.caller.kind();
            let welcome = control.state().admission.welcome(now_unix());
            if requests::reply(&mut send, &RelayReply::Welcome(welcome)).await.is_err() {
                return None;
            }
            control.metrics.count_both(MetricFamily::Hellos, kind, "ok");
            if let Some(id) = welcomed.peer.id() {
                control.note_seen(SeenPeer { peer: id, at: now_unix(), said: Some((facts, program)) });
            }
            tracing::debug!(caller = kind, key = %key, "connected");
            Some(welcomed)
        }
        Err((kind, refusal)) => {
            control.metrics.count_both(MetricFamily::Hellos, kind, requests::name(&refusal));
            let from = connection.remote_address();
            let detail = format!("{kind} with key {key} from {from}: {}", requests::name(&refusal));
            let network = SourceNetwork::from(from.ip());
            control.audit_refusal("relay", "connect.refused", network, &detail).await;
            refuse(&mut send, &stranger(), refusal).await;
            None
        }
    }
}

/// What a hello says beyond who it is.
fn said(hello: &RelayHello) -> (String, Option<DeviceFacts>) {
    let (program, facts): (&ProgramInfo, _) = match hello {
        RelayHello::Device { program, facts, .. } | RelayHello::Guest { program, facts } => {
            (program, Some(facts.clone()))
        }
        RelayHello::Person { program, .. } | RelayHello::Newcomer { program } => (program, None),
    };
    (program.version.to_string(), facts)
}

async fn admit(
    control: &Arc<ControlPlane>,
    connection: &Connection,
    key: PublicKey,
    hello: RelayHello,
    version: &str,
) -> Result<WelcomedPeer, (&'static str, RelayRefusal)> {
    let kind = match &hello {
        RelayHello::Device { .. } => "device",
        RelayHello::Guest { .. } => "guest",
        RelayHello::Person { .. } => "person",
        RelayHello::Newcomer { .. } => "newcomer",
    };
    let fail = |refusal| (kind, refusal);
    if control.is_stopping() {
        return Err(fail(RelayRefusal::ShuttingDown));
    }
    let now = now_unix();
    let admitted = control.state().admission.hello(&key, &hello, now).map_err(fail)?;
    if admitted.longer_chain {
        take_longer_chain(control, &admitted, hello, version).await.map_err(fail)?;
    }
    let peer = Arc::new(ConnectedPeer::new(connection.clone(), key, admitted.caller));
    let Some(id) = peer.id() else {
        return Ok(WelcomedPeer { control: Arc::clone(control), peer, number: None });
    };
    let connected = {
        let mut state = control.state();
        // Revoked while the chain was being stored?
        if peer.caller.verified().is_some_and(|who| state.admission.is_revoked(who)) {
            return Err(fail(RelayRefusal::Revoked));
        }
        state.registry.connect(id, peer.network, Arc::clone(&peer)).map_err(fail)?
    };
    if !matches!(peer.caller, Caller::Guest(_)) {
        inflow::widen(&peer.connection);
    }
    if let Some(evicted) = connected.evicted {
        evicted.close(CloseCode::Overloaded);
    }
    if let Some(replaced) = connected.replaced {
        control.replace(replaced, &peer);
    }
    control.device_connected(&id);
    Ok(WelcomedPeer { control: Arc::clone(control), peer, number: Some(connected.number) })
}

/// A rotation whose request was lost on the way: the chain itself proves it.
async fn take_longer_chain(
    control: &ControlPlane,
    admitted: &AdmittedCaller,
    hello: RelayHello,
    version: &str,
) -> Result<(), RelayRefusal> {
    let (Some(who), RelayHello::Device { credential, .. } | RelayHello::Person { credential, .. }) =
        (admitted.caller.verified(), hello)
    else {
        return Ok(());
    };
    let actor = admitted.caller.actor(&who.key());
    let member = StoredMember {
        who: Arc::clone(who),
        credential,
        facts: None,
        version: version.to_owned(),
        at: now_unix(),
    };
    let event = event(&actor, "rotate", None, format!("today's key is {}", who.key()));
    control
        .store
        .write_audited(StoreWrite::Rotate(Box::new(member), None), vec![event])
        .await
        .map_err(storage)?;
    control.state().admission.rotated(who, None);
    Ok(())
}

/// Says no and closes, once the answer has arrived or a moment has passed.
async fn refuse(send: &mut SendStream, peer: &ConnectedPeer, refusal: RelayRefusal) {
    if requests::reply(send, &RelayReply::Refused(refusal)).await.is_ok() {
        let _ = tokio::time::timeout(requests::LAST_REPLY, send.stopped()).await;
    }
    peer.close(CloseCode::Refused);
}

impl WelcomedPeer {
    /// Takes requests until the connection ends.
    pub(super) async fn attend(self) {
        if self.number.is_none() {
            return Box::pin(self.attend_newcomer()).await;
        }
        while let Ok((send, recv)) = self.peer.connection.accept_bi().await {
            tokio::spawn(requests::answer(Arc::clone(&self.control), Arc::clone(&self.peer), send, recv));
        }
    }

    async fn attend_newcomer(self) {
        let ticket = {
            let mut newcomers = self.control.newcomers();
            if let Some(evicted) = newcomers.make_room(self.peer.network) {
                // The one who has waited longest gives way, so that nobody who only waits keeps others out.
                close(&evicted, CloseCode::Overloaded);
            }
            let ticket = newcomers.next_ticket();
            newcomers.enter(ticket, self.peer.network, self.peer.connection.clone());
            ticket
        };
        let stay = async {
            while let Ok((send, recv)) = self.peer.connection.accept_bi().await {
                // One after the other: a newcomer has one thing to ask.
                requests::answer(Arc::clone(&self.control), Arc::clone(&self.peer), send, recv).await;
            }
        };
        if tokio::time::timeout(NEWCOMER_STAY, stay).await.is_err() {
            self.peer.close(CloseCode::TimedOut);
        }
        self.control.newcomers().leave(ticket);
    }
}

impl Drop for WelcomedPeer {
    fn drop(&mut self) {
        let (Some(id), Some(number)) = (self.peer.id(), self.number) else { return };
        let control = &self.control;
        let last = control.state().registry.disconnect(&id, number, Instant::now());
        if last {
            control.device_gone(&id);
            control.note_seen(SeenPeer { peer: id, at: now_unix(), said: None });
        }
        tracing::debug!(caller = self.peer.caller.kind(), key = %self.peer.key, "disconnected");
    }
}
