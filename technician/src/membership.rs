//! Membership of a device or person in the organisation: what a credential proves, and whether it still counts. Pure.

use nearhand_proto::credential::{Credential, CredentialError, Revocations, VerifiedCredential};
use nearhand_proto::identity::PublicKey;
use nearhand_proto::time::UnixMillis;
use serde::Serialize;

use crate::output::TextTone;

/// Whether a credential counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Membership {
    /// The organisation has signed it, and neither time nor a revocation has ended it.
    Valid,
    /// The organisation, or its holder, withdrew it.
    Revoked,
    /// Its validity is over.
    Expired,
    /// The organisation didn't sign it: only the relay says that there is such a device or person.
    Unsigned,
}

impl Membership {
    /// Whether a credential is valid, and what it proves if the organisation signed it.
    pub fn of(
        credential: &Credential,
        organisation: &PublicKey,
        revocations: &Revocations,
        now: UnixMillis,
    ) -> (Self, Option<VerifiedCredential>) {
        let (membership, who) = match credential.verify(organisation, now) {
            Ok(who) => (Self::Valid, who),
            Err(CredentialError::Expired(until)) => match credential.verify(organisation, until) {
                Ok(who) => (Self::Expired, who),
                Err(_) => return (Self::Unsigned, None),
            },
            Err(_) => return (Self::Unsigned, None),
        };
        match revocations.check(&who) {
            Ok(()) => (membership, Some(who)),
            Err(_) => (Self::Revoked, Some(who)),
        }
    }

    /// The word that is shown for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Unsigned => "NOT SIGNED",
        }
    }

    /// The colour it is shown in.
    pub const fn tone(self) -> TextTone {
        match self {
            Self::Valid => TextTone::Good,
            Self::Revoked => TextTone::Faint,
            Self::Expired => TextTone::Warning,
            Self::Unsigned => TextTone::Bad,
        }
    }
}
