//! Signed statements, and the chains made of them.

use nearhand_machines::golden::{AT, KeyOwner};
use nearhand_proto::audit::AuditHead;
use nearhand_proto::credential::{Retirement, Revocations, Role};
use nearhand_proto::grant::DecidedBy;
use nearhand_proto::identity::{Signed, Statement};
use nearhand_proto::wire;

use super::fixed::{credential, endorsement, grant_record, invite, revocations, rotated_credential};
use super::{Table, audit, screen, variants};

pub(crate) fn fill(table: &mut Table) {
    variants!(
        table,
        "role",
        Role { Device: [Role::Device], Technician: [Role::Technician], Admin: [Role::Admin] }
    );
    variants!(table, "decided-by", DecidedBy { Person: [DecidedBy::Person], Policy: [DecidedBy::Policy] });
    for role in [Role::Device, Role::Technician, Role::Admin] {
        statement(table, "signed-invite", &format!("{role:?}"), KeyOwner::Organisation, &invite(role));
        table.wire("credential", format!("{role:?}"), &credential(role));
    }
    table.wire("credential", "rotated", &rotated_credential());
    statement(table, "signed-endorsement", "joining", KeyOwner::OneTime, &endorsement());
    let retirement = Retirement {
        key: KeyOwner::Technician.public(),
        successor: KeyOwner::Successor.public(),
        issued: AT,
    };
    statement(table, "signed-retirement", "own", KeyOwner::Technician, &retirement);
    statement(table, "signed-revocations", "full", KeyOwner::Organisation, &revocations());
    let mut empty = revocations();
    (empty.keys, empty.invites, empty.devices, empty.people) = Default::default();
    statement(table, "signed-revocations", "empty", KeyOwner::Organisation, &empty);
    statement(table, "signed-head", "rows", KeyOwner::Device, &audit::head());
    statement(table, "signed-head", "empty", KeyOwner::Device, &AuditHead::EMPTY);
    statement(table, "signed-screen-head", "last", KeyOwner::Device, &screen::head());
    for by in [DecidedBy::Person, DecidedBy::Policy] {
        statement(table, "signed-grant", &format!("{by:?}"), KeyOwner::Device, &grant_record(by));
    }
    table.wire("known-revocations", "none", &Revocations::default());
    table.wire("known-revocations", "some", &known());
}

/// What is known to be withdrawn, as programs keep it in a file.
fn known() -> Revocations {
    let mut known = Revocations::default();
    let list = KeyOwner::Organisation.secret().sign(&revocations()).unwrap();
    assert!(known.apply(&list, &KeyOwner::Organisation.public()).unwrap());
    let key = KeyOwner::Successor.secret();
    let retired = Retirement { key: key.public(), successor: KeyOwner::Technician.public(), issued: AT };
    assert!(known.retire(&key.sign(&retired).unwrap()).unwrap());
    known
}

/// A statement as its signer sends it; the released bytes must also open with the signer's key.
pub(crate) fn statement<T>(table: &mut Table, kind: &'static str, name: &str, signer: KeyOwner, statement: &T)
where
    T: Statement + std::fmt::Debug + 'static,
{
    let again = move |bytes: &[u8]| {
        let signed: Signed<T> = wire::decode(bytes).map_err(|e| e.to_string())?;
        let statement = signed.open(&signer.public()).map_err(|e| e.to_string())?;
        Ok((wire::encode(&signed).map_err(|e| e.to_string())?, format!("{statement:?}")))
    };
    let signed = signer.secret().sign(statement).unwrap();
    table.add(kind, name, wire::encode(&signed).unwrap(), format!("{statement:?}"), again);
}
