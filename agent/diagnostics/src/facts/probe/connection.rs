//! What the probes share: names, connections, patience, and the clock that times them.

use core::time::Duration;
use std::net::SocketAddr;
use std::time::Instant;

use tokio::net::{TcpStream, UdpSocket};

use crate::facts::network::unspecified;

/// Why a probe has no answer. Shown to a person as the problem of a target.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Nothing came in time, in milliseconds.
    #[error("no answer within {0} ms")]
    Silent(u128),
    /// The system's resolver gave an error.
    #[error("name not found: {0}")]
    Unresolved(std::io::Error),
    /// The name exists and has no address.
    #[error("name not found")]
    NoAddress,
    /// The network or the other end refused.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The system gave no random bytes.
    #[error("no random bytes: {0}")]
    NoRandomness(rand_core::Error),
    /// A time server that says itself that it doesn't know the time.
    #[error("the server has no good time itself")]
    NoTime,
    /// What stands before the port is no name that a certificate could be for.
    #[error("{0}")]
    NoServerName(rustls::pki_types::InvalidDnsNameError),
    /// The TLS library can't be set up.
    #[error("{0}")]
    Tls(#[from] rustls::Error),
    /// The public authorities that are built in can't be used.
    #[error("{0}")]
    Verifier(#[from] rustls::client::VerifierBuilderError),
    /// The handshake ended well without a certificate.
    #[error("no certificate")]
    NoCertificate,
}

/// Runs `work`, or says that it took too long.
pub(super) async fn within<T>(
    patience: Duration,
    work: impl Future<Output = Result<T, ProbeError>>,
) -> Result<T, ProbeError> {
    match tokio::time::timeout(patience, work).await {
        Ok(done) => done,
        Err(_) => Err(ProbeError::Silent(patience.as_millis())),
    }
}

/// The addresses of `host:port`, those of IPv4 first. All of them: on a network without IPv4 the first can't be reached.
pub(super) async fn resolve(target: &str) -> Result<Vec<SocketAddr>, ProbeError> {
    let addresses = tokio::net::lookup_host(target).await.map_err(ProbeError::Unresolved)?;
    let mut addresses: Vec<SocketAddr> = addresses.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    if addresses.is_empty() { Err(ProbeError::NoAddress) } else { Ok(addresses) }
}

/// A TCP connection to `host:port`, by the first of its addresses that accepts.
pub(super) async fn connected(target: &str) -> Result<TcpStream, ProbeError> {
    let addresses = resolve(target).await?;
    Ok(TcpStream::connect(addresses.as_slice()).await?)
}

/// A UDP socket that sends to `peer` and takes answers of it only, and learns of "port unreachable".
pub(super) async fn datagrams_to(peer: SocketAddr) -> Result<UdpSocket, ProbeError> {
    let socket = UdpSocket::bind(unspecified(peer)).await?;
    socket.connect(peer).await?;
    Ok(socket)
}

/// A UDP socket to the first of `peers` that there is a route to.
pub(super) async fn datagrams_to_any(peers: &[SocketAddr]) -> Result<UdpSocket, ProbeError> {
    let mut problem = ProbeError::NoAddress;
    for peer in peers {
        match datagrams_to(*peer).await {
            Ok(socket) => return Ok(socket),
            Err(error) => problem = error,
        }
    }
    Err(problem)
}

/// Whether `host:port` accepts a connection.
pub async fn connects(target: &str, patience: Duration) -> bool {
    within(patience, connected(target)).await.is_ok()
}

/// Milliseconds to a connection with `address:port`.
pub async fn connect_time(target: &str, patience: Duration) -> Result<f64, ProbeError> {
    let begin = Instant::now();
    within(patience, async { Ok(TcpStream::connect(target).await?) }).await?;
    Ok(milliseconds(begin))
}

/// A port that is meant for what nobody reads (RFC 863).
const DISCARD_PORT: u16 = 9;

/// Milliseconds until a machine answers a datagram that nobody there waits for, with "port unreachable" or anything else.
/// Needs no right, unlike an echo request, and makes the kernel look for the neighbour; `None` without an answer.
pub async fn knock(mut machine: SocketAddr, patience: Duration) -> Option<f64> {
    machine.set_port(DISCARD_PORT);
    let begin = Instant::now();
    let asked = within(patience, async {
        let socket = datagrams_to(machine).await?;
        socket.send(&[0]).await?;
        Ok(socket.recv(&mut [0; 8]).await)
    });
    match asked.await {
        Ok(Ok(_)) => Some(milliseconds(begin)),
        Ok(Err(refused)) => {
            (refused.kind() == std::io::ErrorKind::ConnectionRefused).then(|| milliseconds(begin))
        }
        Err(_) => None,
    }
}

/// Milliseconds since `begin`, with fractions.
pub(super) fn milliseconds(begin: Instant) -> f64 {
    begin.elapsed().as_secs_f64() * 1000.0
}

/// Random bytes for identifiers that an answer must repeat.
pub(super) fn random<const N: usize>() -> Result<[u8; N], ProbeError> {
    use rand_core::RngCore;
    let mut bytes = [0; N];
    rand_core::OsRng.try_fill_bytes(&mut bytes).map_err(ProbeError::NoRandomness)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connections_are_timed_and_refusals_seen() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        assert!(connects(&address, Duration::from_secs(5)).await);
        assert!(connect_time(&address, Duration::from_secs(5)).await.unwrap() >= 0.0);
        drop(listener);
        assert!(!connects(&address, Duration::from_secs(5)).await);
    }

    #[tokio::test]
    async fn a_closed_port_is_an_answer() {
        let loopback = "127.0.0.1:0".parse().unwrap();
        assert!(knock(loopback, Duration::from_secs(5)).await.is_some());
    }

    #[tokio::test]
    async fn silence_is_said_with_its_time() {
        let silent = within(Duration::from_millis(20), std::future::pending::<Result<(), ProbeError>>());
        assert_eq!(silent.await.unwrap_err().to_string(), "no answer within 20 ms");
    }

    #[tokio::test]
    async fn an_address_without_a_route_does_not_hide_the_next() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        // A link-local address without its interface can't be connected to (RFC 4007).
        let peers = ["[fe80::1]:9".parse().unwrap(), server.local_addr().unwrap()];
        let socket = datagrams_to_any(&peers).await.unwrap();
        socket.send(b"x").await.unwrap();
        assert_eq!(server.recv(&mut [0; 8]).await.unwrap(), 1);
        assert!(matches!(datagrams_to_any(&[]).await, Err(ProbeError::NoAddress)));
    }
}
