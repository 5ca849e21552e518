//! Texts that somebody else wrote, as types: clean and bounded from the moment they are decoded.
//!
//! A field of a message that a person, a log or a page will see is a [`PeerText`] (one line) or a [`PeerPassage`]
//! (several). No matter what bytes arrive, the value holds no terminal escapes, no text direction of its own, no line breaks
//! that its kind doesn't have, and no more characters than its type names; so it can't be shown uncleaned. On the wire
//! it is a plain string. What exactly is cleaned away says [`crate::text`].

use core::fmt;
use core::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize};

use crate::text;

/// Longest text of one line where nothing shorter is named, in characters: a sentence.
pub const MAX_LINE: usize = 300;

/// One line that somebody else wrote, of at most `MAX` characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct PeerText<const MAX: usize = MAX_LINE>(String);

/// Lines that somebody else wrote, of at most `MAX` characters together.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct PeerPassage<const MAX: usize>(String);

impl<const MAX: usize> PeerText<MAX> {
    /// The text, cleaned and cut.
    pub fn new(text: &str) -> Self {
        Self(text::one_line(text, MAX))
    }
}

impl<const MAX: usize> PeerPassage<MAX> {
    /// The text, cleaned and cut.
    pub fn new(text: &str) -> Self {
        Self(text::multi_line(text, MAX))
    }
}

macro_rules! peer_text {
    ($($Text:ident),*) => { $(
        impl<const MAX: usize> $Text<MAX> {
            /// The text as it was given: what a hostile program would send. For tests of what receives it.
            #[cfg(feature = "forged-texts")]
            pub fn forged(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The text as a string that others can hold.
            pub fn into_string(self) -> String {
                self.0
            }
        }

        impl<'de, const MAX: usize> Deserialize<'de> for $Text<MAX> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(|text| Self::new(&text))
            }
        }

        impl<const MAX: usize> Deref for $Text<MAX> {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl<const MAX: usize> AsRef<str> for $Text<MAX> {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl<const MAX: usize> fmt::Display for $Text<MAX> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl<const MAX: usize> fmt::Debug for $Text<MAX> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl<const MAX: usize> From<&str> for $Text<MAX> {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }

        impl<const MAX: usize> From<String> for $Text<MAX> {
            fn from(text: String) -> Self {
                Self::new(&text)
            }
        }

        impl<const MAX: usize> From<&String> for $Text<MAX> {
            fn from(text: &String) -> Self {
                Self::new(text)
            }
        }

        impl<const MAX: usize> From<$Text<MAX>> for String {
            fn from(text: $Text<MAX>) -> Self {
                text.0
            }
        }

        impl<const MAX: usize> PartialEq<str> for $Text<MAX> {
            fn eq(&self, other: &str) -> bool {
                self.0 == other
            }
        }

        impl<const MAX: usize> PartialEq<&str> for $Text<MAX> {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }
    )* };
}

peer_text!(PeerText, PeerPassage);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{decode, encode};

    const STEERING: &str =
        "a\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}cod.exe\u{2066}\r\nRoot: \u{3164}type\tyes\u{200b}";

    #[test]
    fn what_arrives_is_clean_whatever_was_sent() {
        let sent = encode(&STEERING.to_owned()).unwrap();
        let line: PeerText = decode(&sent).unwrap();
        let passage: PeerPassage<50> = decode(&sent).unwrap();
        let hostile =
            |c: char| c.is_control() || matches!(c, '\u{202e}' | '\u{2066}' | '\u{200b}' | '\u{3164}');
        assert!(!line.chars().any(hostile) && line.contains("cod.exe"), "{line}");
        assert!(!passage.chars().any(|c| c != '\n' && c != '\t' && hostile(c)), "{passage}");
        assert_eq!(passage.lines().count(), 2);
        let json = serde_json::to_string(STEERING).unwrap();
        assert_eq!(serde_json::from_str::<PeerText>(&json).unwrap(), line);
    }

    #[test]
    fn what_arrives_is_no_longer_than_its_type_says() {
        let sent = encode(&"é".repeat(1000)).unwrap();
        assert_eq!(decode::<PeerText<10>>(&sent).unwrap().chars().count(), 10);
        assert_eq!(decode::<PeerPassage<10>>(&sent).unwrap().chars().count(), 10);
    }

    #[test]
    fn on_the_wire_it_is_a_string() {
        let text = PeerText::<64>::new("till 3");
        assert_eq!(encode(&text).unwrap(), encode(&"till 3".to_owned()).unwrap());
        assert_eq!(serde_json::to_string(&text).unwrap(), "\"till 3\"");
        assert_eq!(format!("{text:>8}|{text:?}"), "  till 3|\"till 3\"");
    }
}
