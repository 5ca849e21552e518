//! Connection ids of the control endpoint that the forwarding thread can tell from a session's.
//!
//! An id is 8 random bytes and the first 4 of their HMAC-SHA256 under the relay's own key. Keep the key with the
//! stateless-reset key: then a restarted relay knows its former self's connections, and quinn resets them at
//! once instead of letting them time out.
//!
//! Not here: what is done with a datagram (see `table`).

use core::fmt;

use hmac::Mac;
use nearhand_proto::forward::packet;

/// Random bytes of an id.
pub const NONCE_LEN: usize = 8;
/// 1 in 4 billion foreign ids passes, and then quinn answers it with a reset that nobody believes.
const TAG_LEN: usize = 4;
/// Length of an id in bytes.
pub const CID_LEN: usize = NONCE_LEN + TAG_LEN;

/// Makes and recognises the control endpoint's connection ids.
#[derive(Clone)]
pub struct ControlCids {
    key: [u8; 32],
}

impl fmt::Debug for ControlCids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ControlCids(..)")
    }
}

impl ControlCids {
    /// With the relay's own key for this purpose.
    pub const fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The connection id made of fresh random bytes.
    pub fn cid(&self, nonce: [u8; NONCE_LEN]) -> [u8; CID_LEN] {
        let tag = packet::hmac(&self.key, &[&nonce]).finalize().into_bytes();
        let mut cid = [0; CID_LEN];
        cid.iter_mut().zip(nonce.into_iter().chain(tag)).for_each(|(to, from)| *to = from);
        cid
    }

    /// Whether a short-header packet is addressed to a connection of the control endpoint, of this run or an
    /// earlier one: the destination id follows the first byte (RFC 9000, section 17.3.1).
    pub fn is_addressed_by(&self, datagram: &[u8]) -> bool {
        let Some((_, rest)) = datagram.split_first() else { return false };
        let Some((nonce, rest)) = rest.split_first_chunk::<NONCE_LEN>() else { return false };
        rest.first_chunk::<TAG_LEN>()
            .is_some_and(|tag| packet::hmac(&self.key, &[nonce]).verify_truncated_left(tag).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_ids_are_known_and_others_are_not() {
        let ours = ControlCids::new([1; 32]);
        let cid = ours.cid([5; NONCE_LEN]);
        let mut packet = vec![0x41];
        packet.extend_from_slice(&cid);
        packet.extend_from_slice(b"payload");
        assert!(ours.is_addressed_by(&packet));
        assert!(!ControlCids::new([2; 32]).is_addressed_by(&packet));
        packet[3] ^= 1;
        assert!(!ours.is_addressed_by(&packet));
        assert!(!ours.is_addressed_by(&packet[..9]));
        assert!(!ours.is_addressed_by(&[]));
    }
}
