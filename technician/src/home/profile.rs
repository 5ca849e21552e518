//! The technician's relay, organisation and credential: `profile.toml`, and the identity that it and the key make.
//!
//! Must not live here: where the file is and how it is written (see the parent).

use std::path::Path;

use data_encoding::{BASE64URL_NOPAD, DecodeError};
use nearhand_proto::credential::{Credential, CredentialError, MAX_NAME, Role, VerifiedCredential};
use nearhand_proto::id::{ParseIdError, TechnicianId};
use nearhand_proto::identity::{PublicKey, SecretKey};
use nearhand_proto::invitation::RelayAddress;
use nearhand_proto::time::UnixMillis;
use nearhand_proto::wire::WireError;
use nearhand_proto::{text, wire};
use serde::{Deserialize, Serialize};

use super::error::ClientHomeError;

const REMEDY: &str = "restore it from a backup, or ask the administrator for a new invitation";

/// The relay, the organisation, and the credential that both know the technician by.
#[derive(Clone, PartialEq, Debug)]
pub struct TechnicianProfile {
    /// The relay that is used.
    pub relay: RelayAddress,
    /// The organisation's key, pinned when joining.
    pub organisation: PublicKey,
    /// The organisation's name.
    pub organisation_name: String,
    /// The technician's credential.
    pub credential: Credential,
}

/// The contents of `profile.toml`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileFile {
    /// Version of the file's form.
    format: u32,
    credential: String,
    relay: RelayTable,
    organisation: OrganisationTable,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RelayTable {
    host: String,
    port: u16,
    key: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OrganisationTable {
    name: String,
    key: String,
}

const FORMAT: u32 = 1;

/// Why `profile.toml` can't be read or written as what it should be.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProfileError {
    #[error("it is not UTF-8")]
    Encoding(#[from] core::str::Utf8Error),
    #[error("{}", .0.message())]
    Toml(toml::de::Error),
    #[error("format {0} is not known to this version")]
    Format(u32),
    #[error("a key in it is no key")]
    Key(#[from] ParseIdError),
    #[error("credential: {0}")]
    Base64(#[from] DecodeError),
    #[error("credential: {0}")]
    Credential(#[from] WireError),
    #[error(transparent)]
    Unwritable(#[from] toml::ser::Error),
}

/// Why a profile and a key are no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The organisation did not sign the credential, or it breaks a rule.
    #[error("the credential does not count: {0}")]
    Credential(CredentialError),
    /// The credential ends in another key than the one that is here.
    #[error("the credential is for another key")]
    OtherKey,
    /// The credential is a device's.
    #[error("the credential is a device's")]
    Device,
}

impl TechnicianProfile {
    pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Self, ClientHomeError> {
        Self::from_text(bytes).map_err(|error| ClientHomeError::Damaged {
            path: path.to_owned(),
            why: error.to_string(),
            remedy: REMEDY,
        })
    }

    fn from_text(bytes: &[u8]) -> Result<Self, ProfileError> {
        let file: ProfileFile = toml::from_str(core::str::from_utf8(bytes)?).map_err(ProfileError::Toml)?;
        if file.format != FORMAT {
            return Err(ProfileError::Format(file.format));
        }
        let credential = BASE64URL_NOPAD.decode(file.credential.as_bytes())?;
        Ok(Self {
            relay: RelayAddress {
                host: file.relay.host,
                port: file.relay.port,
                key: file.relay.key.parse()?,
            },
            organisation: file.organisation.key.parse()?,
            organisation_name: text::one_line(&file.organisation.name, MAX_NAME),
            credential: wire::decode(&credential)?,
        })
    }

    pub(super) fn to_text(&self) -> Result<String, ProfileError> {
        let credential = wire::encode(&self.credential)?;
        Ok(toml::to_string(&ProfileFile {
            format: FORMAT,
            credential: BASE64URL_NOPAD.encode(&credential),
            relay: RelayTable {
                host: self.relay.host.clone(),
                port: self.relay.port,
                key: self.relay.key.to_string(),
            },
            organisation: OrganisationTable {
                name: self.organisation_name.clone(),
                key: self.organisation.to_string(),
            },
        })?)
    }
}

/// The technician as others know them: profile, private key, and what the credential proves.
#[derive(Clone, Debug)]
pub struct TechnicianIdentity {
    /// Relay, organisation and credential.
    pub profile: TechnicianProfile,
    /// The technician's own key.
    pub key: SecretKey,
    /// What the credential proves, apart from whether it still counts today.
    pub who: VerifiedCredential,
}

impl TechnicianIdentity {
    /// Checks that credential and key belong together.
    pub(crate) fn new(profile: TechnicianProfile, key: SecretKey) -> Result<Self, IdentityError> {
        // Whether it has expired is the relay's and the devices' question: an expired profile must still
        // say who it was.
        let who = profile
            .credential
            .verify(&profile.organisation, UnixMillis(0))
            .map_err(IdentityError::Credential)?;
        if who.key() != key.public() {
            return Err(IdentityError::OtherKey);
        }
        if !who.is_person() {
            return Err(IdentityError::Device);
        }
        Ok(Self { profile, key, who })
    }

    /// The technician's id.
    pub fn id(&self) -> TechnicianId {
        self.who.first_key().technician_id()
    }

    /// The technician's name, safe to show.
    pub fn name(&self) -> &str {
        &self.who.invite.name
    }

    /// `true` for an administrator.
    pub fn is_admin(&self) -> bool {
        self.who.invite.role == Role::Admin
    }
}
