//! What a decoder takes and a fuzzer or a test begins with: the golden vectors, and what is made of them.

use std::io;
use std::net::SocketAddr;

use nearhand_shared::forward::{BindKey, Packet};
use nearhand_shared::id::BindToken;

use crate::decoders::{Decoder, Family};
use crate::golden::{self, BIND_KEY, Vector};

/// The inputs of one decoder.
///
/// # Errors
/// As [`golden::read`].
pub fn of(decoder: &Decoder) -> io::Result<Vec<Vector>> {
    match decoder.name {
        "bind-packet" => Ok(packets()),
        "audit-log" => Ok(vec![Vector { name: "log".into(), bytes: log()? }]),
        kind => golden::read(kind),
    }
}

/// The same as inputs of the family's fuzz target, each with a name for its file.
///
/// # Errors
/// As [`golden::read`].
pub fn corpus(family: Family) -> io::Result<Vec<Vector>> {
    let mut corpus = Vec::new();
    for (choice, decoder) in (0_u8..).zip(family.decoders()) {
        let seeds = of(decoder)?;
        // One that has no seed is at least chosen.
        let none = seeds.is_empty().then(|| Vector { name: "empty".into(), bytes: Vec::new() });
        for seed in seeds.into_iter().chain(none) {
            let name = format!("{}-{}", decoder.name, seed.name).replace(|c: char| !c.is_alphanumeric(), "-");
            corpus.push(Vector { name, bytes: [&[choice], seed.bytes.as_slice()].concat() });
        }
    }
    Ok(corpus)
}

/// The log of all golden rows.
fn log() -> io::Result<Vec<u8>> {
    let rows: Vec<_> = golden::read("audit-row-json")?.into_iter().map(|row| row.bytes).collect();
    Ok(rows.join(&b'\n'))
}

/// One packet of each kind. Their golden bytes are beside their codec, `shared/src/forward/packet.rs`.
fn packets() -> Vec<Vector> {
    let v4 = SocketAddr::from(([192, 0, 2, 7], 4433));
    let v6 = SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 7], 4433));
    let packets = [
        Packet::Bind1,
        Packet::Challenge { cookie: [0xc0; 16] },
        Packet::Bind2 { cookie: [0xc0; 16] },
        Packet::Bound { reflexive: v4, lifetime_s: 45 },
        Packet::Bound { reflexive: v6, lifetime_s: 45 },
        Packet::Refresh,
        Packet::Ack,
    ];
    let (token, key) = (BindToken::from_bytes(*b"0123456789abcdef"), BindKey::from_bytes(BIND_KEY));
    let seal = |packet: &Packet| packet.seal(token, 0x0102_0304_0506_0708, &key).to_vec();
    let named = packets.iter().enumerate();
    named.map(|(number, packet)| Vector { name: format!("packet-{number}"), bytes: seal(packet) }).collect()
}
