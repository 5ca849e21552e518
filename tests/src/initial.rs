//! First packets of QUIC handshakes that nobody goes on with.

use std::collections::HashSet;
use std::net::UdpSocket;
use std::time::Duration;

use anyhow::{Context, Result};
use nearhand_proto::identity::SecretKey;
use nearhand_proto::message::control::{ALPN, KEEP_ALIVE};
use nearhand_transport::tls::{self, ConnectionPurpose, ExpectedKey};
use quinn::Endpoint;
use rand_core::OsRng;

/// The first packets of `count` real handshakes, each with its own connection id.
///
/// # Errors
/// No socket, or no packet comes.
pub fn captured(count: usize) -> Result<Vec<Vec<u8>>> {
    let trap = UdpSocket::bind("127.0.0.1:0")?;
    trap.set_read_timeout(Some(Duration::from_secs(5)))?;
    let to = trap.local_addr()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let _inside = runtime.enter();
    let key = SecretKey::generate(&mut OsRng);
    let endpoint = Endpoint::client(([127, 0, 0, 1], 0).into())?;
    let mut packets = Vec::with_capacity(count);
    let (mut seen, mut buffer) = (HashSet::new(), [0; 2048]);
    while packets.len() < count {
        let config = tls::client(&key, ExpectedKey::Any, ALPN, ConnectionPurpose::Control, KEEP_ALIVE)?;
        let connecting = endpoint.connect_with(config, to, tls::SERVER_NAME)?;
        loop {
            let (len, _) = trap.recv_from(&mut buffer).context("no first packet came")?;
            let packet = buffer.get(..len).unwrap_or_default();
            // The end of the one before may come as well: it would end a handshake at once instead of stalling it.
            if seen.insert(destination(packet).to_vec()) {
                packets.push(packet.to_vec());
                break;
            }
        }
        drop(connecting);
    }
    Ok(packets)
}

/// The destination's connection id of a packet with a long header (RFC 8999, section 5.1): a length, and that many bytes.
fn destination(packet: &[u8]) -> &[u8] {
    let length = packet.get(5).copied().unwrap_or_default();
    packet.get(6..6 + usize::from(length)).unwrap_or_default()
}
