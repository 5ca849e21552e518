//! The BIND packets: a pure codec.
//!
//! Each is [`PACKET_LEN`] bytes, so that no reply is larger than what asked for it:
//!
//! ```text
//! kind1 token16 nonce8 body20 mac16
//! 0x10 BIND1      body: zero                                     end → relay
//! 0x11 CHALLENGE  body: cookie16 zero4                           relay → end
//! 0x12 BIND2      body: cookie16 zero4                           end → relay
//! 0x13 BOUND      body: reflexive ip16 port2, lifetime seconds2  relay → end
//! 0x14 REFRESH    body: zero                                     end → relay
//! 0x15 ACK        body: zero                                     relay → end
//! 0x16 UNBOUND    zeros only, no token and no mac; cut to the length of the datagram it answers
//! ```
//!
//! Integers are big-endian; an IPv4 address is IPv4-mapped. `mac` is HMAC-SHA256 under the grant's key over
//! everything before it, cut to 16 bytes. The first byte is what tells these packets from QUIC on the same
//! port: QUIC's fixed bit (0x40, RFC 9000 section 17) is set on every packet of an endpoint that doesn't
//! grease it, and ours don't (`grease_quic_bit(false)`).
//!
//! Not here: what a packet means to either side (see `binder` and the relay's table).

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::grant::BindKey;
use crate::id::BindToken;

/// Length of each packet in bytes; UNBOUND may be shorter.
pub const PACKET_LEN: usize = 1 + BindToken::LEN + 8 + BODY_LEN + MAC_LEN;

/// Length of a cookie in bytes.
pub const COOKIE_LEN: usize = 16;

/// Length of the MAC in bytes: half of SHA-256, the least that RFC 2104 section 5 allows.
pub const MAC_LEN: usize = 16;

/// The longest body is BOUND's: an address, a port, a lifetime.
const BODY_LEN: usize = 16 + 2 + 2;

const BIND1: u8 = 0x10;
const CHALLENGE: u8 = 0x11;
const BIND2: u8 = 0x12;
const BOUND: u8 = 0x13;
const REFRESH: u8 = 0x14;
const ACK: u8 = 0x15;
const UNBOUND: u8 = 0x16;

static UNBOUND_PACKET: [u8; PACKET_LEN] = {
    let mut packet = [0; PACKET_LEN];
    packet[0] = UNBOUND;
    packet
};

/// Whether a datagram that starts with this byte belongs to this protocol and never to QUIC.
pub const fn is_bind_family(first: u8) -> bool {
    matches!(first, BIND1..=UNBOUND)
}

/// Whether this is the relay's unauthenticated hint that it knows no binding of the sender's address.
pub fn is_unbound(datagram: &[u8]) -> bool {
    datagram.first() == Some(&UNBOUND) && datagram.len() <= PACKET_LEN
}

/// The hint for a datagram of `received` bytes: never longer than that.
pub fn unbound(received: usize) -> &'static [u8] {
    UNBOUND_PACKET.get(..received.min(PACKET_LEN)).unwrap_or_default()
}

/// An authenticated packet's content, apart from token and nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BindPacket {
    /// An end asks to be bound.
    Bind1,
    /// The relay asks it to show that it receives at the address it sends from.
    Challenge {
        /// To be repeated; means nothing to the end.
        cookie: [u8; COOKIE_LEN],
    },
    /// The end repeats the cookie.
    Bind2 {
        /// As it came in the challenge.
        cookie: [u8; COOKIE_LEN],
    },
    /// The end's address is bound.
    Bound {
        /// The address that the relay sees the end at.
        reflexive: SocketAddr,
        /// Seconds that the binding lives without a refresh.
        lifetime_s: u16,
    },
    /// The end keeps its binding; counts only from the bound address.
    Refresh,
    /// The relay kept it.
    Ack,
}

impl BindPacket {
    fn kind(&self) -> u8 {
        match self {
            Self::Bind1 => BIND1,
            Self::Challenge { .. } => CHALLENGE,
            Self::Bind2 { .. } => BIND2,
            Self::Bound { .. } => BOUND,
            Self::Refresh => REFRESH,
            Self::Ack => ACK,
        }
    }

    fn body(&self) -> [u8; BODY_LEN] {
        let mut body = [0; BODY_LEN];
        match self {
            Self::Challenge { cookie } | Self::Bind2 { cookie } => {
                if let Some(head) = body.first_chunk_mut() {
                    *head = *cookie;
                }
            }
            Self::Bound { reflexive, lifetime_s } => {
                let address = ip16(reflexive.ip()).into_iter();
                let rest = reflexive.port().to_be_bytes().into_iter().chain(lifetime_s.to_be_bytes());
                body.iter_mut().zip(address.chain(rest)).for_each(|(to, from)| *to = from);
            }
            Self::Bind1 | Self::Refresh | Self::Ack => {}
        }
        body
    }

    fn from_parts(kind: u8, body: &[u8; BODY_LEN]) -> Option<Self> {
        let (cookie, _) = body.split_first_chunk::<COOKIE_LEN>()?;
        let packet = match kind {
            BIND1 => Self::Bind1,
            CHALLENGE => Self::Challenge { cookie: *cookie },
            BIND2 => Self::Bind2 { cookie: *cookie },
            BOUND => Self::bound_from(body)?,
            REFRESH => Self::Refresh,
            ACK => Self::Ack,
            _ => return None,
        };
        // One form for each packet: what isn't used is zero.
        (packet.body() == *body).then_some(packet)
    }

    fn bound_from(body: &[u8; BODY_LEN]) -> Option<Self> {
        let (ip, rest) = body.split_first_chunk::<16>()?;
        let (port, lifetime) = rest.split_first_chunk::<2>()?;
        let ip = IpAddr::V6(Ipv6Addr::from(*ip)).to_canonical();
        Some(Self::Bound {
            reflexive: SocketAddr::new(ip, u16::from_be_bytes(*port)),
            lifetime_s: u16::from_be_bytes(*lifetime.first_chunk()?),
        })
    }

    /// The packet's bytes, authenticated with `key`.
    pub fn seal(&self, token: BindToken, nonce: u64, key: &BindKey) -> [u8; PACKET_LEN] {
        let mut bytes = [0; PACKET_LEN];
        let head = core::iter::once(self.kind())
            .chain(*token.as_bytes())
            .chain(nonce.to_be_bytes())
            .chain(self.body());
        bytes.iter_mut().zip(head).for_each(|(to, from)| *to = from);
        if let Some((signed, mac)) = bytes.split_last_chunk_mut::<MAC_LEN>() {
            let tag = hmac(key.as_bytes(), &[signed]).finalize().into_bytes();
            mac.iter_mut().zip(tag).for_each(|(to, from)| *to = from);
        }
        bytes
    }
}

/// A packet that has the right form but isn't authenticated yet: only good for finding the key.
#[derive(Debug, Clone, Copy)]
pub struct SealedPacket<'a> {
    kind: u8,
    /// Whose packet it claims to be.
    pub token: BindToken,
    /// The number that orders one side's packets; a reply repeats it.
    pub nonce: u64,
    body: &'a [u8; BODY_LEN],
    signed: &'a [u8],
    mac: &'a [u8; MAC_LEN],
}

impl<'a> SealedPacket<'a> {
    /// Takes a datagram apart; `None` when it has no packet's form, which UNBOUND doesn't.
    pub fn parse(datagram: &'a [u8]) -> Option<Self> {
        let bytes: &[u8; PACKET_LEN] = datagram.try_into().ok()?;
        let (signed, mac) = bytes.split_last_chunk::<MAC_LEN>()?;
        let (kind, rest) = signed.split_first()?;
        let (token, rest) = rest.split_first_chunk::<{ BindToken::LEN }>()?;
        let (nonce, rest) = rest.split_first_chunk::<8>()?;
        let body = rest.try_into().ok()?;
        let (token, nonce) = (BindToken::from_bytes(*token), u64::from_be_bytes(*nonce));
        matches!(*kind, BIND1..=ACK).then_some(Self { kind: *kind, token, nonce, body, signed, mac })
    }

    /// Whether only an end sends this kind: what a relay need look at.
    pub fn is_request(&self) -> bool {
        matches!(self.kind, BIND1 | BIND2 | REFRESH)
    }

    /// The packet, if `key` made it. The comparison takes the same time for all bytes.
    pub fn open(&self, key: &BindKey) -> Option<BindPacket> {
        hmac(key.as_bytes(), &[self.signed]).verify_truncated_left(self.mac).ok()?;
        BindPacket::from_parts(self.kind, self.body)
    }
}

/// HMAC-SHA256 over the parts one after the other; also makes the relay's cookies.
pub fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> Hmac<Sha256> {
    // HMAC pads a key to the hash's block with zeros (RFC 2104, section 2): doing it here can't fail.
    let mut block = [0; 64];
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    let mut mac = <Hmac<Sha256> as hmac::digest::KeyInit>::new((&block).into());
    for part in parts {
        mac.update(part);
    }
    mac
}

/// An address in 16 bytes; IPv4 is IPv4-mapped (RFC 4291, section 2.5.5.2).
pub fn ip16(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    use super::*;

    const TOKEN: BindToken = BindToken::from_bytes(*b"0123456789abcdef");
    const NONCE: u64 = 0x0102_0304_0506_0708;

    fn key() -> BindKey {
        BindKey::from_bytes([7; 32])
    }

    fn all() -> [BindPacket; 7] {
        [
            BindPacket::Bind1,
            BindPacket::Challenge { cookie: [0xc0; 16] },
            BindPacket::Bind2 { cookie: [0xc0; 16] },
            BindPacket::Bound { reflexive: "192.0.2.7:4433".parse().unwrap(), lifetime_s: 45 },
            BindPacket::Bound { reflexive: "[2001:db8::7]:4433".parse().unwrap(), lifetime_s: 45 },
            BindPacket::Refresh,
            BindPacket::Ack,
        ]
    }

    /// Made once by an independent implementation of HMAC-SHA256 (Python's `hmac`); released, so never to change.
    const GOLDEN: [&str; 7] = [
        "103031323334353637383961626364656601020304050607080000000000000000000000000000000000000000d2dd96f855a9faad6071b86c2ec463d8",
        "11303132333435363738396162636465660102030405060708c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c000000000c489a66c3d7d622b328bbbdac5287721",
        "12303132333435363738396162636465660102030405060708c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c000000000befd91fccdffd9a3108ff76bc8e8fa77",
        "1330313233343536373839616263646566010203040506070800000000000000000000ffffc00002071151002d4dbf98afc601c31c5b888ccafa055477",
        "1330313233343536373839616263646566010203040506070820010db80000000000000000000000071151002d88771e1896037d55776b75c9cc385919",
        "1430313233343536373839616263646566010203040506070800000000000000000000000000000000000000003987fedda8d111fe9650b62dcfc47a46",
        "153031323334353637383961626364656601020304050607080000000000000000000000000000000000000000450210d8822f4f4eb4a45d334f9ea973",
    ];

    #[test]
    fn the_bytes_are_the_released_ones() {
        for (packet, golden) in all().iter().zip(GOLDEN) {
            assert_eq!(HEXLOWER.encode(&packet.seal(TOKEN, NONCE, &key())), golden, "{packet:?}");
        }
        assert_eq!(unbound(3), [0x16, 0, 0]);
        assert_eq!(unbound(1200).len(), PACKET_LEN);
        assert_eq!(unbound(0), [0_u8; 0]);
        assert_eq!(PACKET_LEN, 61);
    }

    #[test]
    fn what_is_sealed_opens_with_its_key_only() {
        for packet in all() {
            let bytes = packet.seal(TOKEN, NONCE, &key());
            let sealed = SealedPacket::parse(&bytes).unwrap();
            assert_eq!((sealed.token, sealed.nonce), (TOKEN, NONCE));
            assert_eq!(sealed.open(&key()), Some(packet));
            assert_eq!(sealed.open(&BindKey::from_bytes([8; 32])), None);
            assert!(is_bind_family(bytes[0]) && !is_unbound(&bytes));
        }
    }

    #[test]
    fn no_changed_bit_is_accepted() {
        for packet in all() {
            let bytes = packet.seal(TOKEN, NONCE, &key());
            for bit in 0..PACKET_LEN * 8 {
                let mut changed = bytes;
                changed[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(
                    SealedPacket::parse(&changed).and_then(|p| p.open(&key())),
                    None,
                    "{packet:?} bit {bit}"
                );
            }
        }
    }

    #[test]
    fn quic_packets_are_not_taken_for_ours() {
        assert!((0x40..=0xff).all(|first| !is_bind_family(first)));
        assert!((0x10..=0x16).all(is_bind_family));
    }

    proptest! {
        #[test]
        fn the_decoder_takes_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let opened = SealedPacket::parse(&bytes).and_then(|p| p.open(&key()));
            prop_assert_eq!(opened, None);
            let _ = is_unbound(&bytes);
        }

        #[test]
        fn the_decoder_takes_any_packet_sized_bytes(mut bytes in any::<[u8; 32]>(), kind in 0x0f_u8..0x18) {
            bytes[0] = kind;
            let long: Vec<u8> = bytes.iter().chain(&bytes).copied().take(PACKET_LEN).collect();
            let _ = SealedPacket::parse(&long).map(|p| p.open(&key()));
        }
    }
}
