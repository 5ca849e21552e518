//! Requests that have arrived in part: how many bytes of them are held, in all and of one network.
//!
//! A request may have 256 KiB and takes as long as its sender likes, up to the limit of time. Without a common bound, many
//! connections that each send all but the last byte would hold as much memory as they like. QUIC's own windows bound what a
//! connection may send before it is read: small ones for strangers, larger ones once somebody has shown a credential.

use std::io;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use nearhand_relay_core::network::{NetworkLimits, NetworkUse, SourceNetwork};
use quinn::{Connection, RecvStream, VarInt};
use tokio::io::{AsyncRead, ReadBuf};

/// Bytes of members' unfinished requests that are held at most. Of one network: a fleet behind one address that reports at
/// once has room for a hundred full requests.
const OF_MEMBERS: InflowLimits = InflowLimits::new(64 * 1024 * 1024, 32 * 1024 * 1024, 32 * 1024 * 1024);
/// The same of guests and newcomers, who never take the members' room.
const OF_STRANGERS: InflowLimits = InflowLimits::new(8 * 1024 * 1024, 1024 * 1024, 4 * 1024 * 1024);
/// What a member's connection may send before it is read, in bytes.
const MEMBER_WINDOW: u32 = 128 * 1024;

/// A member may send more at once than a stranger.
pub(super) fn widen(connection: &Connection) {
    connection.set_receive_window(VarInt::from_u32(MEMBER_WINDOW));
}

/// How much is held at most.
#[derive(Clone, Copy, Debug)]
struct InflowLimits {
    all: usize,
    of_one: NetworkLimits,
}

impl InflowLimits {
    const fn new(all: usize, source: usize, surrounding: usize) -> Self {
        Self { all, of_one: NetworkLimits { source, surrounding } }
    }
}

/// Whose requests they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RequestSender {
    /// A device or a person with a credential.
    Member,
    /// A guest or a newcomer.
    Stranger,
}

#[derive(Debug, Default)]
struct HeldBytes {
    all: usize,
    networks: NetworkUse,
}

/// Bytes of unfinished requests.
#[derive(Debug, Default)]
pub(super) struct RequestInflow {
    members: Mutex<HeldBytes>,
    strangers: Mutex<HeldBytes>,
}

impl RequestInflow {
    fn held(&self, sender: RequestSender) -> (MutexGuard<'_, HeldBytes>, InflowLimits) {
        let (held, limits) = match sender {
            RequestSender::Member => (&self.members, OF_MEMBERS),
            RequestSender::Stranger => (&self.strangers, OF_STRANGERS),
        };
        (held.lock().unwrap_or_else(PoisonError::into_inner), limits)
    }

    fn take(&self, sender: RequestSender, network: SourceNetwork, bytes: usize) -> bool {
        let (mut held, limits) = self.held(sender);
        if held.all.saturating_add(bytes) > limits.all
            || !held.networks.has_room(network, bytes, limits.of_one)
        {
            return false;
        }
        held.all += bytes;
        held.networks.add(network, bytes);
        true
    }

    fn give_back(&self, sender: RequestSender, network: SourceNetwork, bytes: usize) {
        if bytes > 0 {
            let (mut held, _) = self.held(sender);
            held.all = held.all.saturating_sub(bytes);
            held.networks.remove(network, bytes);
        }
    }

    /// A stream whose bytes are counted until this is dropped.
    pub(super) fn counted<'a>(
        &'a self,
        stream: &'a mut RecvStream,
        sender: RequestSender,
        network: SourceNetwork,
    ) -> CountedStream<'a> {
        CountedStream { stream, inflow: self, sender, network, taken: 0 }
    }
}

/// A request's stream. Reading fails with [`io::ErrorKind::QuotaExceeded`] when too much is held.
pub(super) struct CountedStream<'a> {
    stream: &'a mut RecvStream,
    inflow: &'a RequestInflow,
    sender: RequestSender,
    network: SourceNetwork,
    taken: usize,
}

impl AsyncRead for CountedStream<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut *self.stream).poll_read(cx, buf);
        let bytes = buf.filled().len().saturating_sub(before);
        if bytes > 0 {
            if !self.inflow.take(self.sender, self.network, bytes) {
                return Poll::Ready(Err(io::ErrorKind::QuotaExceeded.into()));
            }
            self.taken += bytes;
        }
        read
    }
}

impl Drop for CountedStream<'_> {
    fn drop(&mut self) {
        self.inflow.give_back(self.sender, self.network, self.taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn net(text: &str) -> SourceNetwork {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn one_network_leaves_room_for_others_and_all_have_an_end() {
        use RequestSender::{Member, Stranger};
        let inflow = RequestInflow::default();
        let full = 256 * 1024;
        let from = |n: u16| net(&format!("198.{}.{}.1", n / 256, n % 256));
        let mine = (0..1_000).filter(|_| inflow.take(Member, from(0), full)).count();
        assert_eq!(mine * full, OF_MEMBERS.of_one.source);
        let others = (1..1_000).filter(|n| inflow.take(Member, from(*n), full)).count();
        assert_eq!((mine + others) * full, OF_MEMBERS.all);
        // Strangers have their own room, and never the members'.
        let strangers = (0..10_000).filter(|n| inflow.take(Stranger, from(n / 100), 16 * 1024)).count();
        assert_eq!(strangers * 16 * 1024, OF_STRANGERS.all);
        for _ in 0..mine {
            inflow.give_back(Member, from(0), full);
        }
        assert!(inflow.take(Member, from(1_000), full));
    }
}
