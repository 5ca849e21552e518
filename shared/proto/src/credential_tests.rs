//! What is known to be withdrawn only grows, for any lists and retirements, in any order and from any signer.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{FOR_EVER, Retirement, RevocationList, Revocations};
use crate::id::InviteId;
use crate::identity::{PublicKey, SecretKey};
use crate::time::UnixMillis;

const NOW: UnixMillis = UnixMillis(1_000_000);

/// A list or a retirement that arrives.
#[derive(Clone, Debug)]
enum Arrival {
    List { number: u64, keys: BTreeSet<u8>, invites: BTreeSet<u8>, signer: u8, names: u8 },
    Retirement { key: u8, signer: u8 },
}

fn arrivals() -> impl Strategy<Value = Arrival> {
    let some = || prop::collection::btree_set(0_u8..6, 0..4);
    // The organisation is number 0; others are forgers.
    let signer = || prop_oneof![4 => Just(0_u8), 1 => 1_u8..3];
    prop_oneof![
        4 => (0_u64..8, some(), some(), signer(), signer()).prop_map(|(number, keys, invites, signer, names)| {
            Arrival::List { number, keys, invites, signer, names }
        }),
        1 => (3_u8..6, 3_u8..6).prop_map(|(key, signer)| Arrival::Retirement { key, signer }),
    ]
}

fn secret(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number + 1; 32])
}

fn key(number: u8) -> PublicKey {
    secret(number).public()
}

/// Takes what arrived; returns whether it was news.
fn take(known: &mut Revocations, arrival: &Arrival) -> Result<bool, TestCaseError> {
    match arrival {
        Arrival::List { number, keys, invites, signer, names } => {
            let list = RevocationList {
                organisation: key(*names).organisation_id(),
                number: *number,
                issued: NOW,
                keys: keys.iter().map(|k| (key(*k), FOR_EVER)).collect(),
                invites: invites.iter().map(|i| (InviteId::from_bytes([*i; 16]), FOR_EVER)).collect(),
                devices: BTreeMap::new(),
                people: BTreeMap::new(),
            };
            let signed = secret(*signer).sign(&list).expect("it encodes");
            let before = known.number;
            let taken = known.apply(&signed, &key(0));
            prop_assert_eq!(taken.is_err(), *signer != 0 || *names != 0, "whose list it is");
            let news = taken.is_ok_and(|news| news);
            prop_assert_eq!(news, *signer == 0 && *names == 0 && *number > before, "which list is newer");
            Ok(news)
        }
        Arrival::Retirement { key: retired, signer } => {
            let signed =
                secret(*signer).sign(&Retirement { key: key(*retired), successor: key(9), issued: NOW });
            let taken = known.retire(&signed.expect("it encodes"));
            prop_assert_eq!(taken.is_err(), retired != signer, "a key retires itself only");
            Ok(taken.is_ok_and(|news| news))
        }
    }
}

/// Whether nothing of `before` is missing.
fn holds<K: Ord, V>(now: &BTreeMap<K, V>, before: &BTreeMap<K, V>) -> bool {
    before.keys().all(|key| now.contains_key(key))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_withdrawn_stays_withdrawn(arrivals in prop::collection::vec(arrivals(), 0..12)) {
        let mut known = Revocations::default();
        for arrival in &arrivals {
            let before = known.clone();
            let news = take(&mut known, arrival)?;
            prop_assert!(known.number >= before.number, "the number went back");
            prop_assert!(holds(&known.keys, &before.keys), "a key counts again");
            prop_assert!(holds(&known.invites, &before.invites), "an invite counts again");
            prop_assert!(holds(&known.retired, &before.retired), "a retired key counts again");
            prop_assert_eq!(news, known != before, "news or not");
            // The next list withdraws all that this one does.
            let next = known.next_list(key(0).organisation_id(), NOW, [], []);
            prop_assert!(next.number > known.number && holds(&next.keys, &known.keys));
            prop_assert!(holds(&next.invites, &known.invites));
        }
    }
}
