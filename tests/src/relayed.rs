//! A relay's forwarder with a live control endpoint on its port, and sessions through it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nearhand_proto::forward::{BindGrant, RateLimits};
use nearhand_proto::id::SessionId;
use nearhand_relay::forward::{Forwarder, ForwarderConfig};
use nearhand_transport::bound_socket::{BindControl, BoundSocket};
use quinn::{Connection, Endpoint, EndpointConfig, ServerConfig, TokioRuntime};
use rand_core::OsRng;

use crate::quic;

const CONTROL: &[u8] = b"nearhand-relay/1";
const SESSION: &[u8] = b"nearhand-session/1";

/// A running forwarder and its control endpoint, which accepts connections and echoes their streams.
pub struct ForwardingRelay {
    /// The forwarder under test.
    pub forwarder: Forwarder,
    /// The control endpoint on the same port.
    pub control: Endpoint,
}

impl ForwardingRelay {
    /// Starts on an address. The connection-id key is always the same, as a relay keeps it.
    ///
    /// # Errors
    /// The port is in use.
    pub fn start(addr: SocketAddr) -> Result<Self> {
        let (forwarder, socket) = Forwarder::start(addr, &ForwarderConfig::new([9; 32]))?;
        let config = socket.endpoint_config(EndpointConfig::default());
        let server = Some(quic::server(CONTROL)?);
        let runtime = Arc::new(TokioRuntime);
        let control = Endpoint::new_with_abstract_socket(config, server, socket, runtime)?;
        tokio::spawn(echo_all(control.clone()));
        Ok(Self { forwarder, control })
    }

    /// A control connection to the relay, from its own socket.
    ///
    /// # Errors
    /// The handshake fails.
    pub async fn dial_control(&self) -> Result<Connection> {
        let to = self.forwarder.local_addr();
        let mut endpoint = Endpoint::client(SocketAddr::new(to.ip(), 0))?;
        endpoint.set_default_client_config(quic::client(CONTROL)?);
        Ok(endpoint.connect(to, "relay")?.await?)
    }

    /// Ends it as a kill would: connections aren't closed, all bindings are forgotten.
    ///
    /// # Errors
    /// The port isn't free within 5 s.
    pub async fn kill(self) -> Result<SocketAddr> {
        let addr = self.forwarder.local_addr();
        drop(self.forwarder);
        drop(self.control);
        let freed = async {
            while std::net::UdpSocket::bind(addr).is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), freed).await.context("the port stays in use")?;
        Ok(addr)
    }
}

async fn echo_all(endpoint: Endpoint) {
    while let Some(incoming) = endpoint.accept().await {
        tokio::spawn(async move {
            let connection = incoming.await?;
            loop {
                let (mut send, mut recv) = connection.accept_bi().await?;
                tokio::spawn(async move {
                    let mut buf = vec![0; 65_536];
                    while let Some(len) = recv.read(&mut buf).await? {
                        send.write_all(buf.get(..len).unwrap_or_default()).await?;
                    }
                    send.finish()?;
                    anyhow::Ok(())
                });
            }
            #[allow(unreachable_code, reason = "it gives the block its type")]
            anyhow::Ok(())
        });
    }
}

/// A session's two grants, and where it is offered.
#[derive(Clone)]
pub struct ForwardedSession {
    /// The session that is offered.
    pub id: SessionId,
    /// The technician's and the agent's side.
    pub grants: [BindGrant; 2],
}

impl ForwardedSession {
    /// Fresh, with limits that a benchmark doesn't meet.
    pub fn random() -> Self {
        let limits = RateLimits { bytes_per_s: 1 << 40, packets_per_s: u32::MAX };
        let grants = [(); 2].map(|()| BindGrant::random(&mut OsRng, limits));
        Self { id: SessionId::random(&mut OsRng), grants }
    }

    /// Offers it at a relay for a minute.
    ///
    /// # Errors
    /// The relay refuses it.
    pub fn at(&self, relay: &ForwardingRelay) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(60);
        Ok(relay.forwarder.offer(self.id, self.grants.clone(), until)?)
    }
}

/// One end of a session.
pub struct RelayedEnd {
    /// Its QUIC endpoint.
    pub endpoint: Endpoint,
    /// Says how far this end's path is bound.
    pub bind: BindControl,
    /// The end-to-end connection.
    pub connection: Connection,
}

/// A session between two ends through a relay, technician first.
///
/// # Errors
/// A bind or the handshake fails.
pub async fn session(relay: SocketAddr, offer: &ForwardedSession) -> Result<[RelayedEnd; 2]> {
    let [technician, agent] = offer.grants.clone();
    let (agent, agent_bind) = endpoint(relay, agent, Some(quic::server(SESSION)?))?;
    let (technician, technician_bind) = endpoint(relay, technician, None)?;
    let bound = |bind: &BindControl| {
        let mut state = bind.watch();
        async move {
            let is_bound = |s: &_| matches!(s, nearhand_proto::forward::BindState::Bound { .. });
            tokio::time::timeout(Duration::from_secs(10), state.wait_for(is_bound)).await??;
            anyhow::Ok(())
        }
    };
    tokio::try_join!(bound(&agent_bind), bound(&technician_bind)).context("binding")?;
    let dial = technician.connect_with(quic::client(SESSION)?, relay, "agent")?;
    let accept = async { anyhow::Ok(agent.accept().await.context("the endpoint closed")?.await?) };
    let (dialled, accepted) = tokio::try_join!(async { anyhow::Ok(dial.await?) }, accept)?;
    Ok([
        RelayedEnd { endpoint: technician, bind: technician_bind, connection: dialled },
        RelayedEnd { endpoint: agent, bind: agent_bind, connection: accepted },
    ])
}

fn endpoint(
    relay: SocketAddr,
    grant: BindGrant,
    server: Option<ServerConfig>,
) -> Result<(Endpoint, BindControl)> {
    let (socket, bind) = BoundSocket::open(relay, grant)?;
    let mut config = EndpointConfig::default();
    config.grease_quic_bit(false);
    let endpoint = Endpoint::new_with_abstract_socket(config, server, socket, Arc::new(TokioRuntime))?;
    Ok((endpoint, bind))
}

/// Sends `len` bytes from one end to the other and back on a separate stream; how long that took.
///
/// # Errors
/// The connection fails, or the bytes don't come back.
pub async fn round_trip(from: &Connection, to: &Connection, len: usize) -> Result<Duration> {
    let started = Instant::now();
    let sent: Vec<u8> = (0..len).map(|n| u8::try_from(n % 251).unwrap_or_default()).collect();
    let (mut send, mut recv) = from.open_bi().await?;
    let ask = async {
        send.write_all(&sent).await?;
        send.finish()?;
        anyhow::Ok(recv.read_to_end(len).await?)
    };
    let answer = async {
        let (mut send, mut recv) = to.accept_bi().await?;
        let got = recv.read_to_end(len).await?;
        send.write_all(&got).await?;
        send.finish()?;
        anyhow::Ok(())
    };
    let (back, ()) = tokio::try_join!(ask, answer)?;
    anyhow::ensure!(back == sent, "other bytes came back");
    Ok(started.elapsed())
}
