//! How somebody in the relay's lists stands: what their credential proves, and whether it still counts. Pure.

use nearhand_proto::credential::{Credential, CredentialError, Revocations, VerifiedCredential};
use nearhand_proto::identity::PublicKey;
use nearhand_proto::time::UnixMillis;
use serde::Serialize;

use crate::output::TextTone;

/// Whether a credential counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Membership {
    /// It counts.
    Valid,
    /// The organisation, or its holder, withdrew it.
    Revoked,
    /// Its time is over.
    Expired,
    /// The organisation didn't sign it: whatever the relay says of it is the relay's word alone.
    Unsigned,
}

impl Membership {
    /// How a credential stands; what it proves, if the organisation signed it.
    pub fn of(
        credential: &Credential,
        organisation: &PublicKey,
        revocations: &Revocations,
        now: UnixMillis,
    ) -> (Self, Option<VerifiedCredential>) {
        let (standing, who) = match credential.verify(organisation, now) {
            Ok(who) => (Self::Valid, who),
            Err(CredentialError::Expired(until)) => match credential.verify(organisation, until) {
                Ok(who) => (Self::Expired, who),
                Err(_) => return (Self::Unsigned, None),
            },
            Err(_) => return (Self::Unsigned, None),
        };
        match revocations.check(&who) {
            Ok(()) => (standing, Some(who)),
            Err(_) => (Self::Revoked, Some(who)),
        }
    }

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Unsigned => "NOT SIGNED",
        }
    }

    /// Its colour.
    pub const fn tone(self) -> TextTone {
        match self {
            Self::Valid => TextTone::Good,
            Self::Revoked => TextTone::Faint,
            Self::Expired => TextTone::Warning,
            Self::Unsigned => TextTone::Bad,
        }
    }
}
