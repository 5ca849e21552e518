//! What a decoder takes and a fuzzer or a test begins with: the golden vectors, and what is made of them.

use std::io;
use std::net::SocketAddr;

use nearhand_proto::forward::{BindKey, BindPacket};
use nearhand_proto::id::BindToken;
use nearhand_screen::{FrameSettings, PhotoQuality, Picture, ScreenEncoder, Size};

use crate::decoders::{DecoderFamily, HostileDecoder};
use crate::golden::{self, BIND_KEY, GoldenVector};

/// The inputs of one decoder.
///
/// # Errors
/// A file of golden vectors can't be read.
pub fn of(decoder: &HostileDecoder) -> io::Result<Vec<GoldenVector>> {
    match decoder.name {
        "bind-packet" => Ok(packets()),
        "audit-log" => Ok(vec![GoldenVector { name: "log".into(), bytes: log()? }]),
        kind => golden::read(kind),
    }
}

/// The same as inputs of the family's fuzz target, each with a name for its file.
///
/// # Errors
/// A file of golden vectors can't be read.
pub fn corpus(family: DecoderFamily) -> io::Result<Vec<GoldenVector>> {
    let mut corpus = Vec::new();
    for (choice, decoder) in (0_u8..).zip(family.decoders()) {
        let seeds = of(decoder)?;
        // One that has no seed is at least chosen.
        let none = seeds.is_empty().then(|| GoldenVector { name: "empty".into(), bytes: Vec::new() });
        for seed in seeds.into_iter().chain(none) {
            let name = format!("{}-{}", decoder.name, seed.name).replace(|c: char| !c.is_alphanumeric(), "-");
            corpus.push(GoldenVector { name, bytes: [&[choice], seed.bytes.as_slice()].concat() });
        }
    }
    Ok(corpus)
}

/// Where fuzzing of a state machine begins: short runs of each operation alone, and long ones of all. Its inputs have no
/// form that could be wrong.
pub fn of_machine() -> Vec<GoldenVector> {
    let mut seeds: Vec<GoldenVector> = (0..16_u8)
        .map(|operation| GoldenVector {
            name: format!("operation-{operation}"),
            bytes: (0..48_u8).map(|n| if n % 6 == 0 { operation } else { n.wrapping_mul(37) }).collect(),
        })
        .collect();
    for (name, length, factor) in
        [("short", 64, 7_u32), ("middle", 256, 2_654_435_761), ("long", 2048, 40_503)]
    {
        let byte = |n: u32| n.wrapping_mul(factor).wrapping_add(n >> 3).to_be_bytes()[1];
        seeds.push(GoldenVector { name: name.to_owned(), bytes: (1..=length).map(byte).collect() });
    }
    seeds
}

/// Where fuzzing of a screen's frames begins: real frames, exact and not, each behind two bytes of its length.
pub fn of_screen() -> Vec<GoldenVector> {
    const SIZE: Size = Size { width: 64, height: 48 };
    let scrambled = |n: u32| n.wrapping_mul(2_654_435_761);
    let color = |name: &str, n: u32| match name {
        "flat" => 0x00aa_3311,
        "text" if scrambled(n) >> 30 == 0 => 0,
        "text" => 0x00ff_ffff,
        _ => scrambled(n) >> 8,
    };
    let mut seeds = Vec::new();
    for name in ["flat", "text", "noise"] {
        for (how, photos) in [("exact", PhotoQuality::Exact), ("lossy", PhotoQuality::Lossy { quality: 60 })]
        {
            let settings =
                FrameSettings { budget: usize::MAX, pixels: usize::MAX, photos, refine: true, focus: None };
            let (mut encoder, mut bytes) = (ScreenEncoder::new(SIZE), Vec::new());
            // A whole picture, then one that moved.
            for shift in [0, 65] {
                let mut picture = Picture::black(SIZE);
                let pixels: Vec<u32> = (shift..).map(|n| color(name, n)).take(SIZE.pixels()).collect();
                picture.put(SIZE.rect(), &pixels);
                let Some(frame) = encoder.encode(&picture, &[SIZE.rect()], settings) else { continue };
                let Ok(length) = u16::try_from(frame.bytes.len()) else { continue };
                bytes.extend(length.to_le_bytes());
                bytes.extend(frame.bytes);
            }
            seeds.push(GoldenVector { name: format!("{name}-{how}"), bytes });
        }
    }
    seeds
}

/// The log of all golden rows.
fn log() -> io::Result<Vec<u8>> {
    let rows: Vec<_> = golden::read("audit-row-json")?.into_iter().map(|row| row.bytes).collect();
    Ok(rows.join(&b'\n'))
}

/// One packet of each kind. Their golden bytes are next to their codec, `shared/proto/src/forward/packet.rs`.
fn packets() -> Vec<GoldenVector> {
    let v4 = SocketAddr::from(([192, 0, 2, 7], 4433));
    let v6 = SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 7], 4433));
    let packets = [
        BindPacket::Bind1,
        BindPacket::Challenge { cookie: [0xc0; 16] },
        BindPacket::Bind2 { cookie: [0xc0; 16] },
        BindPacket::Bound { reflexive: v4, lifetime_s: 45 },
        BindPacket::Bound { reflexive: v6, lifetime_s: 45 },
        BindPacket::Refresh,
        BindPacket::Ack,
    ];
    let (token, key) = (BindToken::from_bytes(*b"0123456789abcdef"), BindKey::from_bytes(BIND_KEY));
    let seal = |packet: &BindPacket| packet.seal(token, 0x0102_0304_0506_0708, &key).to_vec();
    let named = packets.iter().enumerate();
    named
        .map(|(number, packet)| GoldenVector { name: format!("packet-{number}"), bytes: seal(packet) })
        .collect()
}
