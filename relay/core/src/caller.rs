//! Who is at the other end of a connection, and the id by which the relay knows them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use nearhand_proto::credential::VerifiedCredential;
use nearhand_proto::id::{DeviceId, TechnicianId};
use nearhand_proto::identity::PublicKey;

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub enum Caller {
    /// An enrolled device.
    Device(Arc<VerifiedCredential>),
    /// A machine that isn't enrolled, with its host name made safe.
    Guest(Box<str>),
    /// A technician or administrator.
    Person(Arc<VerifiedCredential>),
    /// Somebody about to claim or join.
    Newcomer,
}

impl Caller {
    /// Its kind, for metrics and logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Device(_) => "device",
            Self::Guest(_) => "guest",
            Self::Person(_) => "person",
            Self::Newcomer => "newcomer",
        }
    }

    /// What its credential proved; `None` for those who have none.
    pub fn verified(&self) -> Option<&Arc<VerifiedCredential>> {
        match self {
            Self::Device(v) | Self::Person(v) => Some(v),
            Self::Guest(_) | Self::Newcomer => None,
        }
    }

    /// Who, in words, for the audit log.
    pub fn actor(&self, key: &PublicKey) -> String {
        match self {
            Self::Device(v) => format!("device {} ({})", v.invite.name, v.first_key().device_id()),
            Self::Person(v) => {
                format!("{} {} ({})", v.invite.role, v.invite.name, v.first_key().technician_id())
            }
            Self::Guest(name) => format!("guest {name} (key {key})"),
            Self::Newcomer => format!("newcomer (key {key})"),
        }
    }
}

/// Somebody who can be connected: stays the same when a key is rotated.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum PeerId {
    /// An enrolled device.
    Device(DeviceId),
    /// A guest, by its key.
    Guest(PublicKey),
    /// A technician or administrator.
    Person(TechnicianId),
}

impl PeerId {
    /// The id of a caller with this key; `None` for newcomers, who are nobody yet.
    pub fn of(caller: &Caller, key: &PublicKey) -> Option<Self> {
        match caller {
            Caller::Device(v) => Some(Self::Device(v.first_key().device_id())),
            Caller::Person(v) => Some(Self::Person(v.first_key().technician_id())),
            Caller::Guest(_) => Some(Self::Guest(*key)),
            Caller::Newcomer => None,
        }
    }

    /// The device's id, if it is an enrolled device.
    pub fn device(&self) -> Option<DeviceId> {
        match self {
            Self::Device(id) => Some(*id),
            _ => None,
        }
    }
}

impl fmt::Display for PeerId {
    /// `device:`, `guest:` or `person:` and the id or key, as it is stored.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(id) => write!(f, "device:{id}"),
            Self::Guest(key) => write!(f, "guest:{key}"),
            Self::Person(id) => write!(f, "person:{id}"),
        }
    }
}

impl FromStr for PeerId {
    type Err = nearhand_proto::id::ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("device", id)) => Ok(Self::Device(id.parse()?)),
            Some(("guest", key)) => Ok(Self::Guest(key.parse()?)),
            Some(("person", id)) => Ok(Self::Person(id.parse()?)),
            _ => Err(nearhand_proto::id::ParseIdError { expected: 32 }),
        }
    }
}
