//! A session's way through the relay: a QUIC endpoint on a socket that is bound to the offered path.

use nearhand_proto::message::control::SessionOffer;
use nearhand_proto::message::session::ALPN;
use nearhand_transport::bound_socket::{BindControl, BoundSocket};
use nearhand_transport::tls::{self, ConnectionPurpose};
use quinn::Endpoint;

use crate::hub::Hub;

/// An open path: a QUIC endpoint whose only peer is the technician, through the relay.
pub(super) struct ServedPath {
    pub(super) endpoint: Endpoint,
    pub(super) control: BindControl,
}

impl ServedPath {
    /// Opens the path that the relay offers.
    pub(super) fn open(hub: &Hub, offer: &SessionOffer) -> Result<Self, String> {
        let relay = hub.relay.connection().ok_or("the relay is not connected")?;
        let (socket, control) =
            BoundSocket::open(relay.relay_addr(), offer.bind.clone()).map_err(|e| e.to_string())?;
        let config =
            tls::server(&hub.identity.key(), ALPN, ConnectionPurpose::Session).map_err(|e| e.to_string())?;
        let runtime = quinn::default_runtime().ok_or("no runtime")?;
        let endpoint = Endpoint::new_with_abstract_socket(tls::endpoint(), Some(config), socket, runtime)
            .map_err(|e| e.to_string())?;
        Ok(Self { endpoint, control })
    }
}
