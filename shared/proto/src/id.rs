//! Typed identifiers: a newtype for each, so that no signature takes a bare string or number.
//!
//! Not here: keys (see `identity`) and how ids are allotted.

use core::fmt;
use core::str::FromStr;

use data_encoding::HEXLOWER;
use rand_core::CryptoRngCore;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected {expected} lower-case hexadecimal digits")]
pub struct ParseIdError {
    /// Number of hexadecimal digits that this kind of id has.
    pub expected: usize,
}

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl Serialize for $name {
            /// Its text form in what people read, its bytes on the wire.
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                if s.is_human_readable() { s.collect_str(self) } else { self.0.serialize(s) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                if !d.is_human_readable() {
                    return <[u8; $len]>::deserialize(d).map(Self);
                }
                let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl $name {
            /// Length in bytes; the text form has twice as many hexadecimal digits.
            pub const LEN: usize = $len;

            /// Takes the id's bytes as they are.
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The id's bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// A fresh random id.
            pub fn random(rng: &mut impl CryptoRngCore) -> Self {
                let mut bytes = [0; $len];
                rng.fill_bytes(&mut bytes);
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEXLOWER.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let err = ParseIdError { expected: $len * 2 };
                let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| err)?;
                Ok(Self(bytes.try_into().map_err(|_| err)?))
            }
        }
    };
}

bytes_id!(
    /// A device: the first 16 bytes of the SHA-256 of the key it was enrolled with. It stays the same when
    /// the device's key is rotated.
    DeviceId, 16
);
bytes_id!(
    /// A technician: the first 16 bytes of the SHA-256 of the key they joined with.
    TechnicianId, 16
);
bytes_id!(
    /// An organisation: the first 16 bytes of the SHA-256 of its key.
    OrganisationId, 16
);
bytes_id!(
    /// A session between a technician and a device; it outlives connections and paths.
    SessionId, 16
);
bytes_id!(
    /// An invitation (of a technician or a device); each can be used once.
    InviteId, 16
);
bytes_id!(
    /// A device's spool of alarm events, born with the spool.
    StreamId, 16
);
bytes_id!(
    /// An alarm: its device, rule and instance.
    Fingerprint, 16
);
bytes_id!(
    /// A run of a runbook on one device.
    RunId, 16
);
bytes_id!(
    /// One side's authorisation to bind a forwarding path at the relay.
    BindToken, 16
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips_and_rejects_what_is_not_an_id() {
        let id = SessionId::from_bytes(*b"0123456789abcdef");
        assert_eq!(id.to_string().parse::<SessionId>(), Ok(id));
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, format!("\"{id}\""));
        assert_eq!(serde_json::from_str::<SessionId>(&json).unwrap(), id);
        assert_eq!(crate::wire::encode(&id).unwrap(), id.as_bytes());
        for bad in ["", "00", "ZZ23456789abcdef0123456789abcdef", "303132333435363738396162636465666", "é"] {
            assert!(bad.parse::<SessionId>().is_err(), "{bad:?}");
        }
    }
}
