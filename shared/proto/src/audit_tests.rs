//! Any edit of an audit log is named, and at the right row: every bit of every row, in the form that the log
//! is kept and sent in, and rows taken out, exchanged or doubled.

use proptest::prelude::*;

use super::{AuditEvent, AuditHead, AuditRow, BrokenLog, LogDefect, LogVerifier, next_row};
use crate::id::SessionId;
use crate::identity::SecretKey;
use crate::time::UnixMillis;
use crate::wire;

fn key() -> SecretKey {
    SecretKey::from_seed(&[4; 32])
}

fn log(details: &[String]) -> (Vec<AuditRow>, AuditHead) {
    let mut head = AuditHead::EMPTY;
    let rows = details.iter().zip(0_u64..).map(|(detail, at)| {
        let session = at.is_multiple_of(2).then(|| SessionId::from_bytes([7; 16]));
        let event =
            AuditEvent { actor: "policy".into(), action: "grant".into(), session, detail: detail.clone() };
        let row = next_row(head, UnixMillis(at), event, &key()).expect("it encodes");
        head = AuditHead { number: row.number, hash: row.hash };
        row
    });
    let rows = rows.collect();
    (rows, head)
}

fn verify(rows: &[Option<AuditRow>], checkpoint: AuditHead) -> Result<AuditHead, BrokenLog> {
    let mut verifier = LogVerifier::new(vec![key().public()], vec![checkpoint]);
    rows.iter().try_for_each(|row| verifier.row(row.as_ref()))?;
    verifier.finish()
}

/// Verifies rows that can all be read; returns the place of the first bad one.
fn first_bad(rows: Vec<AuditRow>, checkpoint: AuditHead) -> Option<(u64, LogDefect)> {
    let rows: Vec<_> = rows.into_iter().map(Some).collect();
    verify(&rows, checkpoint).err().map(|broken| (broken.row, broken.why))
}

#[test]
fn every_changed_bit_of_a_row_is_named_at_that_row() {
    let (rows, head) = log(&["one".into(), "two".into(), "three".into()]);
    for at in 0..rows.len() {
        let bytes = wire::encode(&rows[at]).expect("it encodes");
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let mut log: Vec<_> = rows.iter().cloned().map(Some).collect();
            log[at] = wire::decode(&changed).ok();
            let found = verify(&log, head).expect_err("an edit went unnoticed");
            assert_eq!(found.row, at as u64 + 1, "bit {bit}: {found}");
        }
    }
}

#[test]
fn a_changed_byte_of_a_row_of_json_is_named_or_changes_nothing() {
    let (rows, head) = log(&["one".into(), "two".into()]);
    let json = serde_json::to_vec(&rows[1]).expect("it encodes");
    for at in 0..json.len() {
        for bit in 0..8 {
            let mut changed = json.clone();
            changed[at] ^= 1 << bit;
            let read: Option<AuditRow> = serde_json::from_slice(&changed).ok();
            let same = read.as_ref() == Some(&rows[1]);
            let found = verify(&[Some(rows[0].clone()), read], head);
            assert_eq!(found.is_ok(), same, "byte {at} bit {bit}: {found:?}");
            assert!(found.is_ok_and(|h| h == head) || !same);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_taken_out_exchanged_and_doubled_are_named(
        details in prop::collection::vec("[a-z]{0,8}", 2..10),
        a in any::<prop::sample::Index>(),
        b in any::<prop::sample::Index>(),
    ) {
        let (rows, head) = log(&details);
        let (a, b) = (a.index(rows.len()), b.index(rows.len()));
        prop_assert_eq!(first_bad(rows.clone(), head), None);

        let mut gone = rows.clone();
        gone.remove(a);
        let why = if a + 1 == rows.len() { LogDefect::Checkpoint } else { LogDefect::Number };
        prop_assert_eq!(first_bad(gone, head), Some((a as u64 + 1, why)), "row {} taken out", a + 1);

        let mut doubled = rows.clone();
        doubled.insert(a, rows[a].clone());
        prop_assert_eq!(first_bad(doubled, head), Some((a as u64 + 2, LogDefect::Number)), "row {} doubled", a + 1);

        let mut exchanged = rows.clone();
        exchanged.swap(a, b);
        let first = a.min(b) as u64 + 1;
        let expected = (a != b).then_some((first, LogDefect::Number));
        prop_assert_eq!(first_bad(exchanged, head), expected, "rows {} and {} exchanged", a + 1, b + 1);

        let mut cut = rows.clone();
        cut.truncate(a);
        prop_assert_eq!(first_bad(cut, head), Some((a as u64 + 1, LogDefect::Checkpoint)), "cut after {}", a);
    }

    #[test]
    fn a_rewritten_tail_contradicts_its_checkpoint(
        details in prop::collection::vec("[a-z]{1,8}", 2..8),
        at in any::<prop::sample::Index>(),
    ) {
        // By somebody who has the key: every row is sound, and only the head that another keeps can tell.
        let (_, head) = log(&details);
        let mut other = details.clone();
        other[at.index(details.len())].push('!');
        let (rewritten, _) = log(&other);
        prop_assert_eq!(first_bad(rewritten, head), Some((details.len() as u64, LogDefect::Checkpoint)));
    }
}
