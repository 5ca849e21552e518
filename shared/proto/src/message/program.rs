//! What a program says of itself when two meet, and how a later release announces what it adds.

use serde::{Deserialize, Serialize};

use crate::peer_text::PeerText;

/// Longest version of a program, in characters.
pub(super) const MAX_VERSION: usize = 40;

/// What a program says of itself in a hello.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProgramInfo {
    /// Its version, for people.
    pub version: PeerText<MAX_VERSION>,
    /// Which variants it reads beyond those of the first release: one bit for each addition, given out once, as a
    /// constant of this type, and never used for something else. No bit is given out yet. A peer sends such a variant
    /// only if the bit is set, and ignores bits that it doesn't know.
    pub features: u64,
}

impl ProgramInfo {
    /// Whether this program reads the addition with that bit.
    pub const fn reads(&self, bit: u64) -> bool {
        self.features & bit != 0
    }

    /// The program that is running: its version, and the additions that it reads.
    pub fn this() -> Self {
        Self { version: env!("CARGO_PKG_VERSION").into(), features: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{WireError, decode, encode};

    /// A message as the first release has it.
    #[derive(PartialEq, Debug, Serialize, Deserialize)]
    enum FirstRelease {
        Hello(ProgramInfo),
        Ask { what: String },
    }

    /// The same message in a later release: a variant more, at the end.
    #[derive(PartialEq, Debug, Serialize, Deserialize)]
    enum LaterRelease {
        Hello(ProgramInfo),
        Ask { what: String },
        AskFor { what: String, seconds: u32 },
    }

    /// The bit that the later release gives out for its addition.
    const ASK_FOR: u64 = 1;

    fn program(features: u64) -> ProgramInfo {
        ProgramInfo { version: "0.0.0".into(), features }
    }

    #[test]
    fn an_addition_is_announced_by_its_bit_and_changes_nothing_else() {
        // The later release reads what the first one sends, and sees that its addition would not be read there.
        let hello = encode(&FirstRelease::Hello(ProgramInfo::this())).unwrap();
        let LaterRelease::Hello(first) = decode(&hello).unwrap() else { panic!("no hello") };
        assert!(!first.reads(ASK_FOR));
        let ask = encode(&FirstRelease::Ask { what: "view".to_owned() }).unwrap();
        assert_eq!(decode::<LaterRelease>(&ask).unwrap(), LaterRelease::Ask { what: "view".to_owned() });

        // The first release reads what the later one sends it, and ignores the bit that it doesn't know.
        let hello = encode(&LaterRelease::Hello(program(ASK_FOR | 1 << 63))).unwrap();
        assert_eq!(decode::<FirstRelease>(&hello).unwrap(), FirstRelease::Hello(program(ASK_FOR | 1 << 63)));
        let LaterRelease::Hello(later) = decode(&hello).unwrap() else { panic!("no hello") };
        assert!(later.reads(ASK_FOR) && !later.reads(2));

        // Sent without the bit, the addition is an error of that one message, not a misreading.
        let addition = encode(&LaterRelease::AskFor { what: "view".to_owned(), seconds: 60 }).unwrap();
        assert!(matches!(decode::<FirstRelease>(&addition), Err(WireError::Malformed(_))));
    }
}
