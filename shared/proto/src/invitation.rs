//! The strings that people copy from one machine to another to join: one string each, with everything in it.
//!
//! Form: `nearhand-KIND-` and base64url (RFC 4648 §5, no padding) of the body in wire form and the first four
//! bytes of its SHA-256, so that a string that lost its end or a character says so. Claim, invite and
//! enrolment strings carry a one-time secret and don't print themselves.

use core::fmt;
use core::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::credential::Invite;
use crate::identity::{PublicKey, SecretKey, Signed};
use crate::wire;

/// Longest string taken, in characters; real ones have some 350.
const MAX_LEN: usize = 2048;
const CHECKSUM: usize = 4;

/// Where a relay is and how to know it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RelayAddress {
    /// Host name or IP address.
    pub host: String,
    /// The relay's UDP port.
    pub port: u16,
    /// The relay's key; nothing else at that address is taken for it.
    pub key: PublicKey,
}

impl fmt::Display for RelayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Why a string can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StringError {
    /// It doesn't begin as it should.
    #[error("this is no {0} string: it should begin with nearhand-{0}-")]
    Kind(&'static str),
    /// Characters are missing or wrong.
    #[error("this {0} string is damaged (was it copied whole?)")]
    Damaged(&'static str),
}

/// A secret of one use, wiped when dropped; never prints itself.
#[derive(Clone, Serialize, Deserialize)]
pub struct OneTime(Zeroizing<[u8; 32]>);

impl OneTime {
    /// Wraps the secret's bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The secret as a key.
    pub fn key(&self) -> SecretKey {
        SecretKey::from_seed(&self.0)
    }

    /// The secret's bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for OneTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTime(secret)")
    }
}

macro_rules! string_form {
    ($name:ident, $kind:literal) => {
        impl $name {
            /// The string to hand over.
            pub fn reveal(&self) -> Zeroizing<String> {
                Zeroizing::new(render($kind, self))
            }
        }

        impl FromStr for $name {
            type Err = StringError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                parse($kind, text)
            }
        }
    };
}

/// Printed once by `nearhand-relay init`: lets the first administrator claim the relay.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClaimString {
    /// The relay to claim.
    pub relay: RelayAddress,
    /// Known to the relay only by its hash.
    pub secret: OneTime,
}
string_form!(ClaimString, "claim");

/// Invites a person.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InviteString {
    /// The relay they will use.
    pub relay: RelayAddress,
    /// The organisation's key.
    pub organisation: PublicKey,
    /// The organisation's word.
    pub invite: Signed<Invite>,
    /// The one-time key.
    pub secret: OneTime,
}
string_form!(InviteString, "invite");

/// Enrols a device.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EnrolmentString {
    /// The relay it will report to.
    pub relay: RelayAddress,
    /// The organisation's key, which the agent pins.
    pub organisation: PublicKey,
    /// The organisation's word.
    pub invite: Signed<Invite>,
    /// The one-time key.
    pub secret: OneTime,
}
string_form!(EnrolmentString, "enrol");

/// Where a customer's machine that isn't enrolled asks for help. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteString {
    /// The relay to ask at.
    pub relay: RelayAddress,
    /// The organisation whose technicians are let in.
    pub organisation: PublicKey,
    /// The organisation's name.
    pub organisation_name: String,
}
string_form!(SiteString, "site");

fn render<T: Serialize>(kind: &str, body: &T) -> String {
    let body = wire::encode(body).unwrap_or_default();
    let sum = checksum(&body);
    format!("nearhand-{kind}-{}", BASE64URL_NOPAD.encode(&[body.as_slice(), &sum].concat()))
}

fn parse<T: DeserializeOwned>(kind: &'static str, text: &str) -> Result<T, StringError> {
    // Mail programs break long lines; people copy the breaks too.
    let text: Zeroizing<String> =
        Zeroizing::new(text.chars().take(MAX_LEN + 1).filter(|c| !c.is_whitespace()).collect());
    let rest = text
        .strip_prefix("nearhand-")
        .and_then(|t| t.strip_prefix(kind))
        .and_then(|t| t.strip_prefix('-'))
        .ok_or(StringError::Kind(kind))?;
    let damaged = StringError::Damaged(kind);
    let bytes = Zeroizing::new(BASE64URL_NOPAD.decode(rest.as_bytes()).map_err(|_| damaged)?);
    let at = bytes.len().checked_sub(CHECKSUM).filter(|_| text.len() <= MAX_LEN).ok_or(damaged)?;
    let (body, sum) = bytes.split_at(at);
    if sum != checksum(body) {
        return Err(damaged);
    }
    wire::decode(body).map_err(|_| damaged)
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM] {
    let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(body));
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim() -> ClaimString {
        let key = PublicKey::from_bytes([1; 32]);
        ClaimString {
            relay: RelayAddress { host: "relay.example".into(), port: 7443, key },
            secret: OneTime::new([0xab; 32]),
        }
    }

    #[test]
    fn a_string_survives_line_breaks_and_notices_damage() {
        let text = claim().reveal();
        let (a, b) = text.split_at(40);
        let back: ClaimString = format!(" {a}\n  {b}\r\n").parse().unwrap();
        assert_eq!(back.relay, claim().relay);
        assert_eq!(back.secret.bytes(), claim().secret.bytes());
        let damaged = |t: &str| t.parse::<ClaimString>().unwrap_err() == StringError::Damaged("claim");
        assert!(damaged(&text[..text.len() - 1]));
        assert!(damaged(&text.replace(&text[30..31], if &text[30..31] == "A" { "B" } else { "A" })));
        assert!(damaged("nearhand-claim-"));
        assert!(damaged(&format!("nearhand-claim-{}", "A".repeat(100_000))));
        assert_eq!(text.parse::<SiteString>().unwrap_err(), StringError::Kind("site"));
    }

    #[test]
    fn secrets_do_not_print_themselves() {
        assert!(!format!("{:?}", claim()).contains("ab, ab"));
        assert!(!format!("{:?}", claim()).contains("171"));
    }
}
