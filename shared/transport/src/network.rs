//! Notices that this machine reaches the relay from another address than before, at once where the system
//! tells (Linux), else by what else tells a session that its path is gone.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use tokio::net::UnixDatagram;

use crate::platform::address_changes;

/// Addresses come and go in bursts (the old one, the new one, IPv6 some time later): looked at once settled.
const SETTLE: Duration = Duration::from_millis(100);

/// Watches the address from which a relay is reached.
#[derive(Debug)]
pub(super) struct OwnAddress {
    relay: SocketAddr,
    known: Option<IpAddr>,
    changes: Option<UnixDatagram>,
}

impl OwnAddress {
    pub(super) fn watch(relay: SocketAddr) -> Self {
        let changes = address_changes().and_then(UnixDatagram::from_std);
        if let Err(error) = &changes {
            tracing::debug!(%error, "changes of this machine's addresses show by silence only");
        }
        Self { relay, known: towards(relay), changes: changes.ok() }
    }

    /// Returns once the address is another. Cancel-safe.
    pub(super) async fn changed(&mut self) {
        let Some(changes) = &self.changes else { return core::future::pending().await };
        loop {
            let mut unread = [0; 4096];
            // An overrun is an error too, and also means that something changed.
            let first = changes.recv(&mut unread).await;
            tokio::time::sleep(SETTLE).await;
            while changes.try_recv(&mut unread).is_ok() {}
            if first.is_err_and(|e| e.kind() == std::io::ErrorKind::NotConnected) {
                return core::future::pending().await;
            }
            let now = towards(self.relay);
            // Without any address there is nowhere to bind from; the next change brings one.
            if now.is_some() && now != self.known {
                self.known = now;
                return;
            }
        }
    }
}

/// The address that the system would send from to get to `relay`; nothing is sent.
fn towards(relay: SocketAddr) -> Option<IpAddr> {
    let any: SocketAddr = if relay.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(relay).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_reached_from_loopback() {
        let relay: SocketAddr = "127.0.0.1:9".parse().unwrap();
        assert_eq!(towards(relay), Some(relay.ip()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_unchanged_machine_says_nothing() {
        let mut own = OwnAddress::watch("127.0.0.1:9".parse().unwrap());
        let limit = Duration::from_secs(3600);
        assert!(tokio::time::timeout(limit, own.changed()).await.is_err());
    }
}
