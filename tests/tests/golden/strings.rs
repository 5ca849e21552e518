//! What people copy, read out and type; keys and ids in their text and file forms; a frame.

use std::str::FromStr;

use nearhand_machines::golden::KeyOwner;
use nearhand_proto::credential::Role;
use nearhand_proto::grant::Capability;
use nearhand_proto::id::{BindToken, DeviceId, InviteId, OrganisationId, SessionId, TechnicianId};
use nearhand_proto::identity::{PublicKey, SecretKey};
use nearhand_proto::invitation::{ClaimString, EnrolmentString, InviteString, RelayAddress, SiteString};
use nearhand_proto::support_code::{RoutingDigits, SupportCode};
use nearhand_proto::wire;
use nearhand_transport::key_file;

use super::fixed::{
    INVITE, SESSION, TOKEN, device_id, one_time, organisation_id, relay, signed_invite, technician_id,
};
use super::proof::Fixed;
use super::{Table, Textual};

pub(crate) fn fill(table: &mut Table) {
    invitations(table);
    support_codes(table);
    ids(table);
    keys(table);
    let frame = wire::frame(&("hello".to_owned(), 7_u64), 100).unwrap();
    table.add("frame", "frame", frame, "(\"hello\", 7)".into(), |bytes| {
        let prefix = *bytes.first_chunk().ok_or("no prefix")?;
        let len = wire::frame_len(prefix, 100).map_err(|e| e.to_string())?;
        let body = bytes.get(wire::PREFIX..).filter(|body| body.len() == len).ok_or("not the length")?;
        let value: (String, u64) = wire::decode(body).map_err(|e| e.to_string())?;
        Ok((wire::frame(&value, 100).unwrap(), format!("{value:?}")))
    });
}

macro_rules! revealed {
    ($($type:ty),+) => {$(
        impl Textual for $type {
            fn as_text(&self) -> String {
                self.reveal().to_string()
            }
        }
    )+};
}
revealed!(ClaimString, InviteString, EnrolmentString, SiteString);

macro_rules! displayed {
    ($($type:ty),+) => {$(
        impl Textual for $type {
            fn as_text(&self) -> String {
                self.to_string()
            }
        }
    )+};
}
displayed!(BindToken, Capability, DeviceId, InviteId, OrganisationId, PublicKey, SessionId, TechnicianId);

impl Textual for SupportCode {
    fn as_text(&self) -> String {
        self.spoken()
    }
}

fn parse<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn string<T: Textual + FromStr + std::fmt::Debug + 'static>(
    table: &mut Table,
    kind: &'static str,
    name: &str,
    value: &T,
) {
    table.text(kind, name, &value.as_text(), parse::<T>);
}

fn invitations(table: &mut Table) {
    let organisation = KeyOwner::Organisation.public();
    let claim = ClaimString { relay: relay(), secret: one_time() };
    string(table, "string-claim", "name", &claim);
    let host = "2001:db8::7".to_owned();
    let by_address = ClaimString { relay: RelayAddress { host, ..relay() }, ..claim };
    string(table, "string-claim", "address", &by_address);
    let invite = signed_invite(Role::Technician);
    let invite = InviteString { relay: relay(), organisation, invite, secret: one_time() };
    string(table, "string-invite", "technician", &invite);
    let invite = signed_invite(Role::Device);
    let enrol = EnrolmentString { relay: relay(), organisation, invite, secret: one_time() };
    string(table, "string-enrol", "device", &enrol);
    let organisation_name = "Acme Support GmbH".to_owned();
    let site = SiteString { relay: relay(), organisation, organisation_name };
    string(table, "string-site", "site", &site);
}

/// One code for each check digit.
fn support_codes(table: &mut Table) {
    let mut seen = [false; 10];
    for (routing, secret) in (0..40).map(|n: u16| (n * 251, u32::from(n) * 249_989)) {
        let code = SupportCode::generate(RoutingDigits::new(routing).unwrap(), &mut Fixed::number(secret));
        assert_eq!(code.secret().as_str(), format!("{secret:07}"));
        let check = code.spoken().chars().last().and_then(|c| c.to_digit(10)).unwrap();
        if !std::mem::replace(&mut seen[check as usize], true) {
            string(table, "support-code", &format!("check-{check}"), &code);
        }
    }
    assert_eq!(seen, [true; 10]);
    table.wire("routing", "0042", &RoutingDigits::new(42).unwrap());
    table.wire("routing", "9999", &RoutingDigits::new(9999).unwrap());
}

fn ids(table: &mut Table) {
    string(table, "text-device-id", "id", &device_id());
    string(table, "text-technician-id", "id", &technician_id());
    string(table, "text-organisation-id", "id", &organisation_id());
    string(table, "text-session-id", "id", &SESSION);
    string(table, "text-invite-id", "id", &INVITE);
    string(table, "text-bind-token", "token", &TOKEN);
    for capability in Capability::ALL {
        string(table, "text-capability", capability.name(), &capability);
    }
}

fn keys(table: &mut Table) {
    let key = KeyOwner::Device.public();
    string(table, "text-public-key", "key", &key);
    table.wire("public-key", "key", &key);
    table.add("spki", "key", key.to_spki(), format!("{key:?}"), |bytes| {
        let key = PublicKey::from_spki(bytes).ok_or("no Ed25519 key")?;
        Ok((key.to_spki(), format!("{key:?}")))
    });
    let file = |key: &SecretKey| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        key_file::save_key(key, &path).unwrap();
        std::fs::read(path).unwrap()
    };
    let secret = KeyOwner::Device.secret();
    table.add("key-file", "key", file(&secret), format!("{secret:?}"), move |bytes| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        nearhand_transport::platform::write_private(&path, bytes).unwrap();
        let key = key_file::load_key(&path).map_err(|e| e.to_string())?;
        Ok((file(&key), format!("{key:?}")))
    });
}
