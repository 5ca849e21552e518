//! Incoming connections: handshakes, bounded in number, in time, and for each network.

use std::sync::Arc;
use std::time::Duration;

use nearhand_proto::message::control::CloseCode;
use nearhand_relay_core::handshakes::HandshakeTicket;
use nearhand_relay_core::network::SourceNetwork;
use nearhand_transport::tls;
use quinn::{Endpoint, Incoming};

use super::connection;
use super::plane::{ControlPlane, close};
use crate::metrics::MetricFamily;

/// From the first packet to the welcome: a handshake of three round trips over a bad line takes 3 s.
const ADMISSION: Duration = Duration::from_secs(10);

impl ControlPlane {
    /// Takes connections until the endpoint closes.
    pub async fn accept(self: &Arc<Self>, endpoint: &Endpoint) {
        while let Some(incoming) = endpoint.accept().await {
            self.meet(incoming);
        }
    }

    fn meet(self: &Arc<Self>, incoming: Incoming) {
        if self.is_stopping() {
            incoming.refuse();
            return;
        }
        let network = SourceNetwork::from(incoming.remote_address().ip());
        let mut handshakes = self.handshakes();
        if !incoming.remote_address_validated() && handshakes.must_prove() {
            drop(handshakes);
            self.metrics.count(MetricFamily::Handshakes, "retry");
            // It fails only for a validated address.
            let _ = incoming.retry();
            return;
        }
        if let Some(evicted) = handshakes.make_room(network) {
            evicted.abort();
            self.metrics.count(MetricFamily::Handshakes, "evicted");
        }
        let ticket = handshakes.next_ticket();
        let task = tokio::spawn(attend(Arc::clone(self), Box::new(incoming), ticket));
        // The task can't leave before it has entered: the queue is locked.
        handshakes.enter(ticket, network, task.abort_handle());
    }

    /// Handshake and hello.
    async fn admit(self: Arc<Self>, incoming: Incoming) -> Option<connection::WelcomedPeer> {
        let connection = match incoming.accept() {
            Ok(connecting) => connecting.await,
            Err(error) => Err(error),
        };
        let Ok(connection) = connection else {
            self.metrics.count(MetricFamily::Handshakes, "failed");
            return None;
        };
        let Some(key) = tls::peer_key(&connection) else {
            self.metrics.count(MetricFamily::Handshakes, "failed");
            close(&connection, CloseCode::Protocol);
            return None;
        };
        self.metrics.count(MetricFamily::Handshakes, "ok");
        connection::hello(&self, connection, key).await
    }
}

/// The whole life of a connection. What its beginning needs is boxed, and gone when it idles.
async fn attend(control: Arc<ControlPlane>, incoming: Box<Incoming>, ticket: HandshakeTicket) {
    let admission = Box::pin(tokio::time::timeout(ADMISSION, Arc::clone(&control).admit(*incoming)));
    let admitted = admission.await;
    control.handshakes().leave(ticket);
    match admitted {
        Ok(Some(welcomed)) => {
            drop(control);
            welcomed.attend().await;
        }
        Ok(None) => {}
        Err(_) => control.metrics.count(MetricFamily::Handshakes, "timed_out"),
    }
}
