//! Everything that reads bytes somebody else wrote, as one table.
//!
//! The fuzz target (`fuzz/`) and the bounded test on stable Rust (`tests/decoders.rs`) both take their entry
//! points from [`DECODERS`]: a new message or parser is one line there. An entry must not panic, whatever it is
//! given, and checks what must hold of a success; how much it may allocate is checked by the test.

use core::fmt::Debug;
use core::str::FromStr;

use nearhand_shared::report::model::{Finding, Report};
use nearhand_shared::{id, text, wire};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A name to report and a function that takes hostile bytes.
pub type Decoder = (&'static str, fn(&[u8]));

/// All of them.
pub const DECODERS: &[Decoder] = &[
    ("wire::frame_len", frame_len),
    ("wire: u64", message::<u64>),
    ("wire: string", message::<String>),
    ("wire: pairs", message::<Vec<(String, u64)>>),
    ("wire: nested", message::<Vec<Vec<Vec<u8>>>>),
    ("wire: SessionId", message::<id::SessionId>),
    ("wire: Finding", message::<Finding>),
    ("wire: Report", message::<Report>),
    ("json: Report", json::<Report>),
    ("id: SessionId", parsed::<id::SessionId>),
    ("id: DeviceId", parsed::<id::DeviceId>),
    ("text::one_line", one_line),
    ("text::multi_line", multi_line),
];

/// Runs the decoder that the first byte chooses on the rest: how a fuzzer, which knows only bytes, reaches them all.
pub fn run(input: &[u8]) {
    if let Some((choice, rest)) = input.split_first()
        && let Some((_, decode)) = DECODERS.get(usize::from(*choice) % DECODERS.len())
    {
        decode(rest);
    }
}

/// A message: what decodes must encode, and that must decode to the same again. Compared as bytes, because a
/// number may be a NaN, and because the codec reads more than one form of an integer but writes one.
fn message<T: DeserializeOwned + Serialize>(bytes: &[u8]) {
    let Ok(message) = wire::decode::<T>(bytes) else { return };
    let Ok(once) = wire::encode(&message) else { return };
    let again = wire::decode::<T>(&once).and_then(|message| wire::encode(&message));
    assert_eq!(again.ok().as_ref(), Some(&once), "what was encoded decodes to something else");
}

fn frame_len(bytes: &[u8]) {
    let Some(prefix) = bytes.first_chunk() else { return };
    for limit in [0, 1, 65_536, usize::MAX] {
        if let Ok(len) = wire::frame_len(*prefix, limit) {
            assert!(len <= limit.min(wire::MAX_MESSAGE), "{len} is over the limit of {limit}");
        }
    }
}

fn json<T: DeserializeOwned + Serialize>(bytes: &[u8]) {
    if let Ok(value) = serde_json::from_slice::<T>(bytes) {
        let _written = serde_json::to_vec(&value);
    }
}

/// Text that names something: its own text form must name the same.
fn parsed<T: FromStr + ToString + PartialEq + Debug>(bytes: &[u8]) {
    if let Ok(value) = lossy(bytes).parse::<T>() {
        assert_eq!(value.to_string().parse::<T>().ok().as_ref(), Some(&value));
    }
}

fn one_line(bytes: &[u8]) {
    for max_chars in [0, 1, 80] {
        let shown = text::one_line(&lossy(bytes), max_chars);
        assert!(shown.chars().count() <= max_chars.max(1));
        assert!(!shown.chars().any(char::is_control), "{shown:?} could steer a terminal");
    }
}

fn multi_line(bytes: &[u8]) {
    let shown = text::multi_line(&lossy(bytes), 200);
    assert!(shown.chars().count() <= 200);
    assert!(
        !shown.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')),
        "{shown:?} could steer a terminal"
    );
}

fn lossy(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
