//! The audit log, on the wire and in files.

use nearhand_machines::golden::{AT, KeyOwner};
use nearhand_proto::audit::{AuditEvent, AuditHead, AuditRow, LogVerifier, next_row};
use nearhand_proto::time::UnixMillis;

use super::Table;
use super::fixed::SESSION;

/// A log of two rows.
pub(crate) fn rows() -> Vec<AuditRow> {
    let events =
        [("agent", "agent.start", None, "version 0.1.0"), ("policy", "grant", Some(SESSION), "view")];
    let mut head = AuditHead::EMPTY;
    let rows = events.into_iter().enumerate().map(|(number, (actor, action, session, detail))| {
        let event = AuditEvent { actor: actor.into(), action: action.into(), session, detail: detail.into() };
        let at = UnixMillis(AT.0 + u64::try_from(number).unwrap());
        let row = next_row(head, at, event, &KeyOwner::Device.secret()).unwrap();
        head = AuditHead { number: row.number, hash: row.hash };
        row
    });
    rows.collect()
}

/// The witness of both.
pub(crate) fn head() -> AuditHead {
    let mut verifier = LogVerifier::new(vec![KeyOwner::Device.public()], vec![]);
    rows().iter().try_for_each(|row| verifier.row(Some(row))).unwrap();
    verifier.finish().unwrap()
}

pub(crate) fn fill(table: &mut Table) {
    for row in rows() {
        let name = format!("row-{}", row.number);
        table.wire("audit-row", name.as_str(), &row);
        table.json("audit-row-json", name, &row);
    }
}

#[test]
fn the_released_rows_are_a_log_that_verifies() {
    let mut verifier = LogVerifier::new(vec![KeyOwner::Device.public()], vec![head()]);
    for vector in nearhand_machines::golden::read("audit-row").unwrap() {
        verifier.row(Some(&nearhand_proto::wire::decode(&vector.bytes).unwrap())).unwrap();
    }
    assert_eq!(verifier.finish().unwrap(), head());
}
