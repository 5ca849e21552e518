//! What one receive batch becomes when it is sent: datagrams regrouped by destination, so that one system
//! call sends them all and each destination's leave as few segmentation-offload sends.
//!
//! Pure. The order of one destination's datagrams is kept; that between destinations is not. Nothing is
//! copied: a group refers to the receive buffers.

use core::ops::Range;
use std::net::{IpAddr, SocketAddr};

/// Most datagrams in one offloaded send: UDP_MAX_SEGMENTS of Linux up to 6.12 (linux/udp.h); 128 since.
const MAX_SEGMENTS: usize = 64;

/// Most bytes in one offloaded send: the largest UDP payload over IPv4, 65,535 − 20 − 8.
const MAX_BYTES: usize = 65_507;

/// Where a forwarded datagram goes and how it is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendTarget {
    /// The address that the datagrams are sent to.
    pub to: SocketAddr,
    /// The relay's own address to send from; `None`: the system chooses.
    pub src_ip: Option<IpAddr>,
    /// The two bits of RFC 3168.
    pub ecn: u8,
}

/// Bytes of one receive buffer: datagrams that lie one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BufferRange {
    /// Which receive buffer, by its index.
    pub buffer: usize,
    /// Where in that buffer, in bytes.
    pub range: Range<usize>,
}

/// Datagrams for one send: all of `segment` bytes, the last may be shorter.
#[derive(Debug)]
pub struct SendGroup {
    /// Their common destination.
    pub target: SendTarget,
    /// Length of each datagram but the last, in bytes.
    pub segment: usize,
    /// Where their bytes lie, in the order to send them.
    pub pieces: Vec<BufferRange>,
    /// How many datagrams there are.
    pub packets: usize,
    bytes: usize,
    /// A shorter datagram ended it.
    closed: bool,
}

impl SendGroup {
    fn reset(&mut self, target: SendTarget, segment: usize) {
        self.target = target;
        self.segment = segment;
        self.pieces.clear();
        self.packets = 0;
        self.bytes = 0;
        self.closed = false;
    }

    /// How many of `datagrams` of `len` bytes fit. A shorter one does too, but ends the group.
    fn room(&self, target: &SendTarget, len: usize, datagrams: usize) -> usize {
        if self.closed || self.target != *target || len > self.segment {
            return 0;
        }
        let wanted = if len == self.segment { datagrams } else { 1 };
        let by_bytes = MAX_BYTES.saturating_sub(self.bytes) / len.max(1);
        wanted.min(by_bytes).min(MAX_SEGMENTS.saturating_sub(self.packets))
    }

    fn push(&mut self, buffer: usize, range: Range<usize>, len: usize, packets: usize) {
        self.packets += packets;
        self.closed |= len < self.segment;
        self.bytes += range.len();
        match self.pieces.last_mut() {
            Some(last) if last.buffer == buffer && last.range.end == range.start => {
                last.range.end = range.end;
            }
            _ => self.pieces.push(BufferRange { buffer, range }),
        }
    }
}

/// The groups of one batch; keeps its memory from batch to batch.
#[derive(Debug, Default)]
pub struct SendBatch {
    groups: Vec<SendGroup>,
    used: usize,
}

impl SendBatch {
    /// Empties the batch for the next round and keeps its memory.
    pub fn clear(&mut self) {
        self.used = 0;
    }

    /// In the order to send them.
    pub fn groups(&self) -> &[SendGroup] {
        self.groups.get(..self.used).unwrap_or_default()
    }

    /// Adds the datagrams that lie in `range` of a buffer, `stride` bytes each, the last maybe shorter.
    pub fn push(&mut self, target: SendTarget, buffer: usize, range: Range<usize>, stride: usize) {
        let mut at = range.start;
        while at < range.end {
            let left = range.end - at;
            let len = stride.clamp(1, left.min(MAX_BYTES));
            let (group, count) = self.group_for(target, len, left / len);
            let end = at + count * len;
            group.push(buffer, at..end, len, count);
            at = end;
        }
    }

    /// A group with room for at least one of the datagrams, and for how many. Only a destination's last group
    /// is looked at, so that its datagrams keep their order.
    fn group_for(&mut self, target: SendTarget, len: usize, datagrams: usize) -> (&mut SendGroup, usize) {
        let last = self.groups().iter().rposition(|group| group.target.to == target.to);
        let room =
            last.and_then(|at| self.groups.get(at)).map_or(0, |group| group.room(&target, len, datagrams));
        let at = if room > 0 { last.unwrap_or_default() } else { self.new_group(target, len) };
        let count = if room > 0 { room } else { datagrams.min(MAX_SEGMENTS).min(MAX_BYTES / len).max(1) };
        #[allow(clippy::indexing_slicing, reason = "found or made just above")]
        (&mut self.groups[at], count)
    }

    fn new_group(&mut self, target: SendTarget, segment: usize) -> usize {
        let at = self.used;
        self.used += 1;
        match self.groups.get_mut(at) {
            Some(group) => group.reset(target, segment),
            None => {
                let pieces = Vec::new();
                self.groups.push(SendGroup { target, segment, pieces, packets: 0, bytes: 0, closed: false });
            }
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(port: u16) -> SendTarget {
        SendTarget { to: SocketAddr::from(([127, 0, 0, 1], port)), src_ip: None, ecn: 0 }
    }

    /// Port, segment, packets and bytes of each group.
    fn shape(batch: &SendBatch) -> Vec<(u16, usize, usize, usize)> {
        let groups = batch.groups().iter();
        groups.map(|g| (g.target.to.port(), g.segment, g.packets, g.bytes)).collect()
    }

    #[test]
    fn datagrams_are_regrouped_by_destination() {
        let mut batch = SendBatch::default();
        for buffer in 0..6 {
            batch.push(to(1 + u16::try_from(buffer % 2).unwrap()), buffer, 0..1200, 1200);
        }
        assert_eq!(shape(&batch), [(1, 1200, 3, 3600), (2, 1200, 3, 3600)]);
        assert_eq!(batch.groups()[0].pieces.iter().map(|p| p.buffer).collect::<Vec<_>>(), [0, 2, 4]);
        batch.clear();
        assert!(batch.groups().is_empty());
    }

    #[test]
    fn a_shorter_datagram_ends_a_group_and_a_longer_one_starts_the_next() {
        let mut batch = SendBatch::default();
        batch.push(to(1), 0, 0..2500, 1200);
        batch.push(to(1), 1, 0..1200, 1200);
        batch.push(to(1), 2, 0..1300, 1300);
        assert_eq!(shape(&batch), [(1, 1200, 3, 2500), (1, 1200, 1, 1200), (1, 1300, 1, 1300)]);
    }

    #[test]
    fn a_neighbouring_range_is_one_piece() {
        let mut batch = SendBatch::default();
        batch.push(to(1), 0, 0..1200, 1200);
        batch.push(to(1), 0, 1200..4800, 1200);
        assert_eq!(batch.groups()[0].pieces, [BufferRange { buffer: 0, range: 0..4800 }]);
    }

    #[test]
    fn groups_stay_within_what_one_send_takes() {
        let mut batch = SendBatch::default();
        for buffer in 0..4 {
            batch.push(to(1), buffer, 0..64 * 100, 100);
        }
        batch.push(to(2), 4, 0..44 * 1472, 1472);
        batch.push(to(2), 5, 0..1472, 1472);
        let shape = shape(&batch);
        assert_eq!(shape[..4], [(1, 100, 64, 6400); 4]);
        assert_eq!(shape[4..], [(2, 1472, 44, 44 * 1472), (2, 1472, 1, 1472)]);
    }

    #[test]
    fn marks_are_not_mixed_and_the_order_is_kept() {
        let marked = SendTarget { ecn: 0b11, ..to(1) };
        let mut batch = SendBatch::default();
        batch.push(to(1), 0, 0..100, 100);
        batch.push(marked, 1, 0..100, 100);
        batch.push(to(1), 2, 0..100, 100);
        let buffers: Vec<_> = batch.groups().iter().map(|g| g.pieces[0].buffer).collect();
        assert_eq!(buffers, [0, 1, 2]);
    }
}
