//! Who the technician is and with whom: `profile.toml`, and the identity it makes together with the key.
//!
//! Must not live here: where the file is and how it is written (see the parent).

use std::path::Path;

use data_encoding::BASE64URL_NOPAD;
use nearhand_proto::credential::{Credential, MAX_NAME, Role, Verified};
use nearhand_proto::id::TechnicianId;
use nearhand_proto::identity::{PublicKey, SecretKey};
use nearhand_proto::invitation::RelayAddress;
use nearhand_proto::time::UnixMillis;
use nearhand_proto::{text, wire};
use serde::{Deserialize, Serialize};

use super::ClientHomeError;

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

/// The file's shape.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileFile {
    /// What is what, for whoever opens the file.
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

impl TechnicianProfile {
    pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Self, ClientHomeError> {
        Self::from_text(bytes).map_err(|why| ClientHomeError::Damaged {
            path: path.to_owned(),
            why,
            remedy: REMEDY,
        })
    }

    fn from_text(bytes: &[u8]) -> Result<Self, String> {
        let text = core::str::from_utf8(bytes).map_err(|e| e.to_string())?;
        let file: ProfileFile = toml::from_str(text).map_err(|e| e.message().to_owned())?;
        if file.format != FORMAT {
            return Err(format!("format {} is not known to this version", file.format));
        }
        let key = |text: &str| text.parse::<PublicKey>().map_err(|e| e.to_string());
        let credential =
            BASE64URL_NOPAD.decode(file.credential.as_bytes()).map_err(|e| format!("credential: {e}"))?;
        Ok(Self {
            relay: RelayAddress { host: file.relay.host, port: file.relay.port, key: key(&file.relay.key)? },
            organisation: key(&file.organisation.key)?,
            organisation_name: text::one_line(&file.organisation.name, MAX_NAME),
            credential: wire::decode(&credential).map_err(|e| format!("credential: {e}"))?,
        })
    }

    pub(super) fn to_text(&self) -> Result<String, String> {
        let credential = wire::encode(&self.credential).map_err(|e| e.to_string())?;
        toml::to_string(&ProfileFile {
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
        })
        .map_err(|e| e.to_string())
    }
}

/// The technician as others know them: profile, private key, and what the credential proves.
#[derive(Clone, Debug)]
pub struct TechnicianIdentity {
    /// The profile.
    pub profile: TechnicianProfile,
    /// The technician's own key.
    pub key: SecretKey,
    /// What the credential proves, apart from whether it still counts today.
    pub who: Verified,
}

impl TechnicianIdentity {
    /// Checks that credential and key belong together.
    pub(crate) fn new(profile: TechnicianProfile, key: SecretKey) -> Result<Self, String> {
        // Whether it has expired is the relay's and the devices' question: an expired profile must still
        // say who it was.
        let who = profile
            .credential
            .verify(&profile.organisation, UnixMillis(0))
            .map_err(|e| format!("the credential does not count: {e}"))?;
        if who.key() != key.public() {
            return Err("the credential is for another key".into());
        }
        if !who.is_person() {
            return Err("the credential is a device's".into());
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
