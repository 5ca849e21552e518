//! Tokens by which programs use the HTTP interface: how they look, what they allow, how they are told apart.
//!
//! A token is shown once, when it is made. The relay keeps only its hash: a reader of the database can't use any token.

use core::fmt;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use nearhand_proto::time::UnixMillis;
use rand_core::{CryptoRng, RngCore};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Before a token's base64url: secret scanners find what begins with words.
const PREFIX: &str = "nearhand-token-";
/// Random bytes of a token.
const LEN: usize = 32;
/// Longest name, in bytes.
pub const MAX_NAME: usize = 64;

/// What a token allows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, clap::ValueEnum)]
pub enum TokenRight {
    /// See devices, alarms and maintenance.
    Read,
    /// And acknowledge, assign, snooze, comment, and open and end maintenance.
    Act,
}

impl TokenRight {
    /// Its name in the database and in commands. Never changes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Act => "act",
        }
    }

    /// The one with that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Read, Self::Act].into_iter().find(|may| may.name() == name)
    }
}

/// A token as its holder has it.
pub struct ApiToken(Zeroizing<String>);

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl ApiToken {
    /// A new one.
    pub fn generate(random: &mut (impl RngCore + CryptoRng)) -> Self {
        let mut bytes = Zeroizing::new([0; LEN]);
        random.fill_bytes(&mut *bytes);
        Self(Zeroizing::new(format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&*bytes))))
    }

    /// Its text, to be shown once.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

/// What the relay keeps of a token. 256 random bits need no salt and no slow hash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenHash(pub(crate) String);

impl TokenHash {
    /// Of what a caller sent.
    pub fn of(token: &str) -> Self {
        Self(HEXLOWER.encode(&Sha256::digest(token.as_bytes())))
    }
}

/// A token that the relay knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KnownToken {
    /// Its holder's name.
    pub name: String,
    /// What it allows.
    pub may: TokenRight,
    /// When it was made.
    pub created: UnixMillis,
    /// From when on it is worth nothing.
    pub expires: UnixMillis,
}

/// Whether a name can be a token's: it stands in the audit log and in receivers' messages.
pub fn is_name(name: &str) -> bool {
    let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
    !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use rand_core::OsRng;

    use super::*;

    #[test]
    fn a_token_is_known_by_its_hash_and_never_printed() {
        let (one, other) = (ApiToken::generate(&mut OsRng), ApiToken::generate(&mut OsRng));
        assert!(one.expose().starts_with(PREFIX) && one.expose().len() == PREFIX.len() + 43);
        assert_eq!(one.hash(), TokenHash::of(one.expose()));
        assert_ne!(one.hash(), other.hash());
        assert_eq!(format!("{one:?}"), "Token(..)");
        assert!(is_name("grafana-1.prod") && !is_name("") && !is_name("a b") && !is_name(&"x".repeat(65)));
    }
}
