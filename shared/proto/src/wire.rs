//! The wire codec: the only place that knows how a message becomes bytes.
//!
//! A frame is a 4-byte little-endian length and that many bytes: one message in bincode's standard
//! configuration (little-endian, variable-length integers), its serde interface. Lengths are checked
//! against the channel's limit before anything is allocated, and lengths inside a message are not believed
//! ([`unhinted`]): nothing is allocated for what has not arrived. bincode is complete but no
//! longer maintained: it is pinned, fuzzed through [`decode`], and replaceable in this file.
//!
//! Messages are append-only enums: a released variant never changes its place, and never its fields
//! ([`crate::message`]).

mod bounded;
mod unhinted;

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::bounded::at_most;

/// Largest message, in bytes, on any channel. 1 MiB: a full report is some 300 KB and travels in parts.
pub const MAX_MESSAGE: usize = 1 << 20;

/// Bytes of a frame's length prefix.
pub const PREFIX: usize = 4;

/// What bincode may count while it decodes. It counts an integer as wide as its type, up to 16 bytes, although it
/// may take one on the wire: this limit lets every message through that the wire allows.
const COUNTED: usize = 16 * MAX_MESSAGE;

type Config = Configuration<LittleEndian, Varint, Limit<COUNTED>>;
const CONFIG: Config = bincode::config::standard().with_limit::<COUNTED>();

/// Why bytes are no message, or a message can't be sent.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The frame's length is over the channel's limit.
    #[error("a frame of {len} bytes is over this channel's limit of {limit}")]
    TooLong {
        /// The length claimed or needed, in bytes.
        len: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The bytes don't decode as the message expected here.
    #[error("the bytes received are not a valid message")]
    Malformed(#[source] bincode::error::DecodeError),
    /// The message decoded, but bytes were left over.
    #[error("{left} bytes follow the message in its frame")]
    Trailing {
        /// Number of bytes left over.
        left: usize,
    },
    /// The message can't be encoded.
    #[error("the message can't be encoded")]
    Encode(#[source] bincode::error::EncodeError),
}

/// The message's bytes, without a length prefix.
///
/// # Errors
/// [`WireError::TooLong`] above [`MAX_MESSAGE`].
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, WireError> {
    #[allow(clippy::disallowed_methods, reason = "this is the codec")]
    let bytes = bincode::serde::encode_to_vec(message, CONFIG).map_err(WireError::Encode)?;
    checked_len(bytes.len(), MAX_MESSAGE)?;
    Ok(bytes)
}

/// The one message that `bytes` hold.
///
/// # Errors
/// [`WireError`]: too long, malformed, or followed by anything.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WireError> {
    checked_len(bytes.len(), MAX_MESSAGE)?;
    #[allow(clippy::disallowed_methods, reason = "this is the codec")]
    let (unhinted::Unhinted(message), used) =
        bincode::serde::borrow_decode_from_slice::<unhinted::Unhinted<T>, _>(bytes, CONFIG)
            .map_err(WireError::Malformed)?;
    match bytes.len() - used {
        0 => Ok(message),
        left => Err(WireError::Trailing { left }),
    }
}

/// The message as a whole frame: length prefix and bytes.
///
/// # Errors
/// [`WireError::TooLong`] above `limit` bytes.
pub fn frame<T: Serialize>(message: &T, limit: usize) -> Result<Vec<u8>, WireError> {
    let body = encode(message)?;
    let len = checked_len(body.len(), limit)?;
    let mut frame = Vec::with_capacity(PREFIX + body.len());
    frame.extend_from_slice(&len.to_le_bytes());
    frame.extend_from_slice(&body);
    Ok(frame)
}

/// The length that a frame's prefix claims, checked against the channel's limit.
///
/// # Errors
/// [`WireError::TooLong`] above `limit` or [`MAX_MESSAGE`] bytes: nothing after the prefix can be read as a frame.
pub fn frame_len(prefix: [u8; PREFIX], limit: usize) -> Result<usize, WireError> {
    let len = usize::try_from(u32::from_le_bytes(prefix)).unwrap_or(usize::MAX);
    checked_len(len, limit)?;
    Ok(len)
}

fn checked_len(len: usize, limit: usize) -> Result<u32, WireError> {
    u32::try_from(len).ok().filter(|_| len <= limit.min(MAX_MESSAGE)).ok_or(WireError::TooLong { len, limit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_round_trips() {
        let frame = frame(&("hello".to_owned(), 7_u64), 100).unwrap();
        let prefix: [u8; PREFIX] = frame[..PREFIX].try_into().unwrap();
        assert_eq!(frame_len(prefix, 100).unwrap(), frame.len() - PREFIX);
        assert_eq!(decode::<(String, u64)>(&frame[PREFIX..]).unwrap(), ("hello".to_owned(), 7));
    }

    #[test]
    fn lengths_are_checked_before_anything_is_allocated() {
        assert!(matches!(frame_len([0xff; 4], 65_536), Err(WireError::TooLong { .. })));
        // A vector that claims 2^40 elements in an 11-byte message.
        let mut lie = vec![253];
        lie.extend_from_slice(&(1_u64 << 40).to_le_bytes());
        lie.extend_from_slice(&[0, 0]);
        assert!(matches!(decode::<Vec<u64>>(&lie), Err(WireError::Malformed(_))));
        assert!(matches!(decode::<String>(&lie), Err(WireError::Malformed(_))));
    }

    #[test]
    fn what_encodes_decodes_up_to_the_largest_message() {
        let many = vec![1_u64; MAX_MESSAGE - 9];
        assert_eq!(decode::<Vec<u64>>(&encode(&many).unwrap()).unwrap(), many);
    }

    #[test]
    fn bytes_after_the_message_are_an_error() {
        assert!(matches!(decode::<u8>(&[1, 2]), Err(WireError::Trailing { left: 1 })));
    }

    /// Why messages grow by variants only.
    #[test]
    fn a_variant_more_changes_nothing_for_the_others_and_a_field_more_everything() {
        #[derive(Serialize, serde::Deserialize, PartialEq, Debug)]
        enum Released {
            One { a: u8 },
            Two(String),
        }
        #[derive(Serialize, serde::Deserialize, PartialEq, Debug)]
        enum Grown {
            One { a: u8 },
            Two(String),
            Three { a: u8, b: bool },
        }
        #[derive(Serialize, serde::Deserialize)]
        enum Changed {
            One { a: u8, b: bool },
        }
        let two = encode(&Grown::Two("x".to_owned())).unwrap();
        assert_eq!(decode::<Released>(&two).unwrap(), Released::Two("x".to_owned()));
        let one = encode(&Released::One { a: 7 }).unwrap();
        assert_eq!(decode::<Grown>(&one).unwrap(), Grown::One { a: 7 });
        let three = encode(&Grown::Three { a: 7, b: true }).unwrap();
        assert!(matches!(decode::<Released>(&three), Err(WireError::Malformed(_))));

        let changed = encode(&Changed::One { a: 7, b: true }).unwrap();
        assert!(matches!(decode::<Released>(&changed), Err(WireError::Trailing { left: 1 })));
        assert!(matches!(decode::<Changed>(&one), Err(WireError::Malformed(_))));
    }
}
