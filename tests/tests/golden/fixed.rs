//! Values that many messages hold, always the same.

use nearhand_machines::golden::{AT, BIND_KEY, KeyOwner};
use nearhand_proto::credential::{Credential, Endorsement, FOR_EVER, Invite, RevocationList, Role};
use nearhand_proto::forward::{BindGrant, BindKey, RateLimits};
use nearhand_proto::grant::{Capabilities, Capability, DecidedBy, GrantRecord};
use nearhand_proto::id::{BindToken, DeviceId, InviteId, OrganisationId, SessionId, TechnicianId};
use nearhand_proto::identity::Signed;
use nearhand_proto::invitation::{OneTime, RelayAddress};
use nearhand_proto::message::ProgramInfo;
use nearhand_proto::message::control::DeviceFacts;
use nearhand_proto::support_code::RoutingDigits;
use nearhand_proto::time::UnixMillis;

pub(crate) const SESSION: SessionId = SessionId::from_bytes(*b"session id 16 b.");
pub(crate) const INVITE: InviteId = InviteId::from_bytes(*b"invite id 16 b..");
pub(crate) const TOKEN: BindToken = BindToken::from_bytes(*b"0123456789abcdef");

pub(crate) fn device_id() -> DeviceId {
    KeyOwner::Device.public().device_id()
}

pub(crate) fn technician_id() -> TechnicianId {
    KeyOwner::Technician.public().technician_id()
}

pub(crate) fn organisation_id() -> OrganisationId {
    KeyOwner::Organisation.public().organisation_id()
}

/// A separate version: this build's changes with every release.
pub(crate) fn program() -> ProgramInfo {
    ProgramInfo { version: "0.1.0".into(), features: 0x8000_0000_0000_0001 }
}

pub(crate) fn facts() -> DeviceFacts {
    DeviceFacts { hostname: "kasse-3".into(), os: "Debian 13 (trixie)".into() }
}

pub(crate) fn invite(role: Role) -> Invite {
    let name = if role == Role::Device { "Till 3" } else { "Ada" };
    Invite {
        id: INVITE,
        organisation: organisation_id(),
        organisation_name: "Acme Support GmbH".into(),
        key: KeyOwner::OneTime.public(),
        role,
        name: name.into(),
        issued: AT,
        use_by: UnixMillis(AT.0 + 1),
        valid_until: UnixMillis(u64::MAX),
    }
}

pub(crate) fn signed_invite(role: Role) -> Signed<Invite> {
    KeyOwner::Organisation.secret().sign(&invite(role)).unwrap()
}

pub(crate) fn credential(role: Role) -> Credential {
    let own = if role == Role::Device { KeyOwner::Device } else { KeyOwner::Technician };
    Credential::join(signed_invite(role), &KeyOwner::OneTime.secret(), &own.public(), AT).unwrap()
}

/// The technician's, with their key replaced.
pub(crate) fn rotated_credential() -> Credential {
    let own = KeyOwner::Technician.secret();
    credential(Role::Technician).rotated(&own, &KeyOwner::Successor.public(), AT).unwrap()
}

pub(crate) fn endorsement() -> Endorsement {
    Endorsement { key: KeyOwner::Technician.public(), issued: AT }
}

pub(crate) fn revocations() -> RevocationList {
    RevocationList {
        organisation: organisation_id(),
        number: 300,
        issued: AT,
        keys: [(KeyOwner::Technician.public(), AT), (KeyOwner::Device.public(), FOR_EVER)].into(),
        invites: [(INVITE, FOR_EVER)].into(),
        devices: [(device_id(), AT)].into(),
        people: [(technician_id(), FOR_EVER)].into(),
    }
}

pub(crate) fn grant_record(by: DecidedBy) -> GrantRecord {
    GrantRecord {
        device: device_id(),
        session: SESSION,
        technician: technician_id(),
        capabilities: some_capabilities(),
        seconds: 900,
        at: AT,
        by,
    }
}

pub(crate) fn bind_grant() -> BindGrant {
    BindGrant {
        token: TOKEN,
        key: BindKey::from_bytes(BIND_KEY),
        bind_within_s: 60,
        lifetime_s: 45,
        limits: RateLimits { bytes_per_s: 25_000_000, packets_per_s: 50_000 },
    }
}

pub(crate) fn some_capabilities() -> Capabilities {
    [Capability::View, Capability::Diagnostics].into_iter().collect()
}

pub(crate) fn all_capabilities() -> Capabilities {
    Capability::ALL.into_iter().collect()
}

pub(crate) fn routing() -> RoutingDigits {
    RoutingDigits::new(42).unwrap()
}

pub(crate) fn relay() -> RelayAddress {
    RelayAddress { host: "relay.example".into(), port: 7443, key: KeyOwner::Relay.public() }
}

/// The one-time key's seed.
pub(crate) fn one_time() -> OneTime {
    OneTime::new(*KeyOwner::OneTime.secret().seed())
}
