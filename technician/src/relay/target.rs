//! Which device a session is wanted with, and whether the device that turns up is that one.
//!
//! Pure: what the technician typed, the relay's list and what is known here go in, a target or an error comes
//! out. Labels count only as the organisation signed them, never as the relay tells them. Must not live here:
//! asking the relay, files, the session's handshake.

use nearhand_proto::credential::{Credential, CredentialError, Revocations, VerifiedCredential};
use nearhand_proto::id::DeviceId;
use nearhand_proto::identity::PublicKey;
use nearhand_proto::message::control::{DeviceEntry, SessionTarget};
use nearhand_proto::support_code::{PastedText, SupportCode, SupportCodeError};
use nearhand_proto::time::UnixMillis;

use super::RelayClientError;
use crate::home::{ClientHomeError, DeviceFamiliarity, KeyChanged, KnownDevice, KnownDevices, same_label};
use crate::selection::{MatchedBy, SelectionResult, select};

/// Most devices named when several fit.
const MAX_NAMED: usize = 5;

/// The target that was found for what the technician typed.
#[derive(Clone, Debug)]
pub struct ResolvedTarget {
    /// What the relay is asked for.
    pub target: SessionTarget,
    /// The support code, whose secret half is proved to the device end to end.
    pub code: Option<SupportCode>,
    /// Which device must turn up; `None` with a support code.
    pub device: Option<ExpectedDevice>,
}

/// The enrolled device that must turn up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExpectedDevice {
    /// The device's id.
    pub id: DeviceId,
    /// Its label, as the organisation signed it, safe to show.
    pub label: String,
    /// Whether the technician asked for it by that label.
    pub by_label: bool,
}

impl ResolvedTarget {
    pub(super) fn by_code(code: SupportCode) -> Self {
        Self { target: SessionTarget::Code(code.routing()), code: Some(code), device: None }
    }
}

/// Why what the technician typed is no target of a session.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// It was meant as a support code and is none.
    #[error(transparent)]
    Code(#[from] SupportCodeError),
    /// No device of the organisation fits what was typed.
    #[error("there is no device {0:?}: `nearhand devices` lists them")]
    NoSuchDevice(String),
    /// Several devices fit.
    #[error("{asked:?} fits several devices: {}: give more of the id", named.join(", "))]
    Ambiguous {
        /// The label or id that was asked for.
        asked: String,
        /// Some of the devices that fit.
        named: Vec<String>,
    },
    /// The relay can't be asked.
    #[error(transparent)]
    Relay(#[from] RelayClientError),
}

/// Why the device that turned up is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// Its credential doesn't count. Nothing was sent to it.
    #[error("the device's credential does not count: {0}")]
    Credential(CredentialError),
    /// Not a device's credential, or another device's than was asked for.
    #[error(
        "the relay led to another device than the one asked for ({asked}): nothing was sent. Tell the relay's operator"
    )]
    Other {
        /// The label or id that was asked for.
        asked: String,
    },
    /// Its key isn't the one it is known by.
    #[error(transparent)]
    Changed(#[from] KeyChanged),
    /// The technician's directory can't be read.
    #[error(transparent)]
    Home(#[from] ClientHomeError),
}

/// A device whose credential counts; the session's handshake must show `key`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedDevice {
    /// The device's id.
    pub id: DeviceId,
    /// The key that it must prove in the handshake.
    pub key: PublicKey,
    /// All its keys so far, the first one first: any may have signed older evidence.
    pub keys: Vec<PublicKey>,
    /// Its label, as the organisation signed it, safe to show.
    pub label: String,
    /// Whether it has been met before.
    pub familiarity: DeviceFamiliarity,
}

/// What the technician typed, before the relay is asked.
#[derive(Debug)]
pub(super) enum TypedTarget {
    /// A support code and nothing else.
    Code(SupportCode),
    /// A device's name or id. If no device has it, the text may have been meant as a code, which it is or why it is none.
    Device { asked: String, or_code: Option<Result<SupportCode, SupportCodeError>> },
}

pub(super) fn parse(typed: &str) -> Result<TypedTarget, TargetError> {
    let device = |or_code| Ok(TypedTarget::Device { asked: typed.trim().to_owned(), or_code });
    match PastedText::read(typed) {
        PastedText::Code(code) => Ok(TypedTarget::Code(code?)),
        PastedText::Perhaps(code) => device(Some(code)),
        PastedText::Other => device(None),
    }
}

/// What was meant where no device has what was typed.
pub(super) fn meant(
    missing: TargetError,
    or_code: Option<Result<SupportCode, SupportCodeError>>,
) -> Result<ResolvedTarget, TargetError> {
    match (missing, or_code) {
        (TargetError::NoSuchDevice(_), Some(code)) => Ok(ResolvedTarget::by_code(code?)),
        (missing, _) => Err(missing),
    }
}

/// Finds the device among those that the relay lists: by whole id, else by label, else by the beginning of
/// its id. Devices whose credential doesn't count are left out.
pub(super) fn resolve(
    asked: &str,
    listed: &[DeviceEntry],
    organisation: &PublicKey,
    revocations: &Revocations,
    now: UnixMillis,
) -> Result<ResolvedTarget, TargetError> {
    let valid: Vec<(DeviceId, String)> = listed
        .iter()
        .filter_map(|entry| {
            let who = entry.credential.verify(organisation, now).ok()?;
            revocations.check(&who).ok()?;
            // The entry's own id is only the relay's claim; this id follows from the key.
            Some((who.device_id()?, who.invite.name))
        })
        .collect();
    match select(asked, &valid, |(id, _)| id.to_string(), |(_, label)| label) {
        SelectionResult::One((id, label), by) => {
            let device = ExpectedDevice { id: *id, label: label.clone(), by_label: by == MatchedBy::Name };
            Ok(ResolvedTarget { target: SessionTarget::Device(*id), code: None, device: Some(device) })
        }
        SelectionResult::None => Err(TargetError::NoSuchDevice(asked.to_owned())),
        SelectionResult::Several(several) => {
            let named = several.iter().take(MAX_NAMED).map(|(id, label)| format!("{label} ({id})"));
            Err(TargetError::Ambiguous { asked: asked.to_owned(), named: named.collect() })
        }
    }
}

pub(super) fn verify(
    credential: &Credential,
    target: &ResolvedTarget,
    organisation: &PublicKey,
    revocations: &Revocations,
    known: &KnownDevices,
    now: UnixMillis,
) -> Result<VerifiedDevice, DeviceError> {
    let who = credential.verify(organisation, now).map_err(DeviceError::Credential)?;
    revocations.check(&who).map_err(DeviceError::Credential)?;
    let asked = target.device.as_ref();
    let id = who
        .device_id()
        .filter(|id| asked.is_none_or(|asked| asked.id == *id))
        .ok_or_else(|| DeviceError::Other { asked: describe(asked) })?;
    if let Some(asked) = asked.filter(|asked| asked.by_label) {
        if !same_label(&asked.label, &who.invite.name) {
            return Err(DeviceError::Other { asked: describe(Some(asked)) });
        }
        known.judge_label(&asked.label, id, |known| !is_revoked(known, revocations))?;
    }
    let familiarity = known.judge(id, &who)?;
    Ok(verified(id, who, familiarity))
}

fn verified(id: DeviceId, who: VerifiedCredential, familiarity: DeviceFamiliarity) -> VerifiedDevice {
    VerifiedDevice { id, key: who.key(), keys: who.keys().to_vec(), label: who.invite.name, familiarity }
}

fn is_revoked(known: &KnownDevice, revocations: &Revocations) -> bool {
    // The list was verified when it was taken in. A device is revoked with all its keys, the first among them.
    let list = revocations.list().and_then(|list| list.peek().ok());
    list.is_some_and(|list| {
        list.devices.contains_key(&known.id)
            || list.keys.keys().any(|k| *k == known.key || k.device_id() == known.id)
    })
}

fn describe(asked: Option<&ExpectedDevice>) -> String {
    asked.map_or_else(|| "a device".to_owned(), |asked| format!("{} ({})", asked.label, asked.id))
}

#[cfg(test)]
mod tests;
