//! From a relay's name to a connection: all its addresses, IPv6 and IPv4, a head start apart (RFC 8305), the
//! first that answers with the right key wins.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use quinn::{ClientConfig, Connection, ConnectionError, Endpoint, TransportErrorCode};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::error::{RelayError, TriedAddress, TriedAddresses};
use crate::tls::{self, ConnectionPurpose, ExpectedKey, SERVER_NAME};
use nearhand_proto::identity::SecretKey;
use nearhand_proto::invitation::RelayAddress;
use nearhand_proto::message::control::{ALPN, KEEP_ALIVE};
use nearhand_proto::text;

/// How long the name may take to resolve.
const RESOLVE: Duration = Duration::from_secs(5);
/// How long one address may take to answer: three lost first packets (1 s, 2 s, 4 s apart) are survived.
const HANDSHAKE: Duration = Duration::from_secs(8);
/// Head start of each address over the next (RFC 8305 §8 recommends 250 ms).
const HEAD_START: Duration = Duration::from_millis(250);
/// Most addresses tried.
const MAX_ADDRESSES: usize = 8;
/// TLS alert 120, no_application_protocol (RFC 7301): another program, or another major version.
const NO_APPLICATION_PROTOCOL: u8 = 120;

/// Connects to the relay, whose key must be the pinned one.
pub(super) async fn dial(
    relay: &RelayAddress,
    key: &SecretKey,
) -> Result<(Connection, SocketAddr), RelayError> {
    let name = text::one_line(&relay.to_string(), 270);
    let addresses = resolve(relay, &name).await?;
    let config = tls::client(key, ExpectedKey::Key(relay.key), ALPN, ConnectionPurpose::Control, KEEP_ALIVE)?;
    let mut attempts = JoinSet::new();
    for (addr, place) in addresses.into_iter().zip(0..) {
        let config = config.clone();
        attempts.spawn(async move {
            sleep(HEAD_START * place).await;
            (addr, attempt(config, addr).await)
        });
    }
    let mut tried = Vec::new();
    let mut worst = None;
    while let Some(attempt) = attempts.join_next().await {
        let Ok((addr, outcome)) = attempt else { continue };
        match outcome {
            Ok(connection) => return Ok((connection, addr)),
            Err(DialMiss::WrongKey) => worst = Some(RelayError::WrongKey { relay: name.clone(), addr }),
            Err(DialMiss::Version) if worst.is_none() => worst = Some(RelayError::Version { addr }),
            Err(DialMiss::Version) => {}
            Err(DialMiss::Silent(why)) => tried.push(TriedAddress { addr, why }),
        }
    }
    // An impostor is worse news than silence elsewhere.
    Err(worst.unwrap_or(RelayError::Unreachable { relay: name, tried: TriedAddresses(tried) }))
}

enum DialMiss {
    WrongKey,
    Version,
    Silent(String),
}

/// Addresses in the order in which they are tried: families in turn, as the resolver gave them.
async fn resolve(relay: &RelayAddress, name: &str) -> Result<Vec<SocketAddr>, RelayError> {
    let no_address = |source| RelayError::NoAddress { relay: name.to_owned(), source };
    let found = timeout(RESOLVE, tokio::net::lookup_host((relay.host.as_str(), relay.port)))
        .await
        .map_err(|_| no_address(std::io::ErrorKind::TimedOut.into()))?
        .map_err(no_address)?;
    let addresses = in_turn(found);
    if addresses.is_empty() {
        return Err(no_address(std::io::ErrorKind::NotFound.into()));
    }
    Ok(addresses)
}

fn in_turn(found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let (mut six, mut four): (Vec<_>, Vec<_>) = found.partition(SocketAddr::is_ipv6);
    six.dedup();
    four.dedup();
    let longest = six.len().max(four.len());
    (0..longest)
        .flat_map(|i| [six.get(i).copied(), four.get(i).copied()])
        .flatten()
        .take(MAX_ADDRESSES)
        .collect()
}

async fn attempt(config: ClientConfig, addr: SocketAddr) -> Result<Connection, DialMiss> {
    let silent = |why: &str| DialMiss::Silent(why.to_owned());
    let from: IpAddr =
        if addr.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let endpoint =
        Endpoint::client(SocketAddr::new(from, 0)).map_err(|e| silent(&format!("no socket: {e}")))?;
    let connecting = endpoint
        .connect_with(config, addr, SERVER_NAME)
        .map_err(|e| silent(&format!("can't connect: {e}")))?;
    match timeout(HANDSHAKE, connecting).await {
        Err(_) => Err(silent("no answer")),
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(e)) => Err(miss(&e)),
    }
}

fn miss(error: &ConnectionError) -> DialMiss {
    let version = TransportErrorCode::crypto(NO_APPLICATION_PROTOCOL);
    match error {
        ConnectionError::VersionMismatch => DialMiss::Version,
        ConnectionError::TransportError(e) if e.code == version => DialMiss::Version,
        ConnectionError::ConnectionClosed(e) if e.error_code == version => DialMiss::Version,
        // Our own verifier's verdict on the key shown, as the alert it was turned into.
        ConnectionError::TransportError(e) if is_certificate_alert(e.code) => DialMiss::WrongKey,
        ConnectionError::TimedOut => DialMiss::Silent("no answer".into()),
        ConnectionError::ApplicationClosed(_) => {
            DialMiss::Silent(RelayError::ended(error.clone()).to_string())
        }
        other => DialMiss::Silent(text::one_line(&other.to_string(), 120)),
    }
}

/// Alerts that rustls raises when a verifier doesn't take the other end's key: bad_certificate (42),
/// access_denied (49), decrypt_error (51) and their kin.
fn is_certificate_alert(code: TransportErrorCode) -> bool {
    (42..=51).any(|alert| code == TransportErrorCode::crypto(alert))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_tried_in_turn() {
        let a = |s: &str| s.parse::<SocketAddr>().unwrap();
        let found = [a("1.1.1.1:1"), a("1.1.1.2:1"), a("[::1]:1"), a("1.1.1.3:1")];
        let order = in_turn(found.into_iter());
        assert_eq!(order, [a("[::1]:1"), a("1.1.1.1:1"), a("1.1.1.2:1"), a("1.1.1.3:1")]);
        assert_eq!(in_turn(vec![a("1.1.1.1:1"); 50].into_iter()).len(), 1);
    }
}
