//! Every decoder against hostile bytes, and every state machine under all orders of events, on stable Rust and within
//! seconds: no panic, and no more than 1 MiB held at once by a decoder, no matter what the bytes claim. The fuzz targets in `fuzz/`
//! run the same tables for longer (`scripts/bench fuzz`).
#![allow(clippy::unwrap_used, reason = "all of this crate is a test")]

use nearhand_machines::decoders::{DECODERS, DecoderFamily, HostileDecoder, run};
use nearhand_machines::machines::MACHINES;
use nearhand_machines::seeds;
use nearhand_tests::heap::{CountingAllocator, measured};
use proptest::prelude::*;

/// Most that a decoder may hold of the heap at one moment, in bytes: SECURITY.md's "allocation < 1 MB".
const HELD_AT_ONCE: usize = 1 << 20;

/// Longest hostile input tried here, in bytes. Short: the promise is about what bytes claim, not what they are.
const LONGEST: usize = 4096;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Runs all decoders on the bytes.
fn all_survive(bytes: &[u8]) {
    for decoder in DECODERS {
        survives(decoder, bytes);
    }
}

/// Runs one decoder on the bytes.
fn survives(decoder: &HostileDecoder, bytes: &[u8]) {
    let held = measured(|| (decoder.decode)(bytes));
    let (name, input) = (decoder.name, bytes.len());
    assert!(held <= HELD_AT_ONCE, "{name} held {held} bytes at once for an input of {input}");
}

/// A length in the codec's variable form, at its longest.
fn claim(length: u64) -> Vec<u8> {
    let mut bytes = vec![253];
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes
}

#[test]
fn the_counter_counts() {
    let two = || drop(std::hint::black_box((vec![0_u8; 1000], vec![0_u8; 2000])));
    assert_eq!(measured(two), 3000);
    assert_eq!(measured(|| {}), 0);
}

#[test]
fn claimed_lengths_allocate_nothing_that_did_not_arrive() {
    for power in 0..64 {
        for length in [(1_u64 << power) - 1, 1 << power, (1 << power) + 1] {
            let one = claim(length);
            all_survive(&one);
            // The same claim again and again: each nesting level believes it.
            all_survive(&one.repeat(64));
            // Something in between, so that inner claims are reached.
            all_survive(&[one.as_slice(), &[1, b'x', 0]].concat().repeat(32));
        }
    }
}

#[test]
fn a_collection_of_claims_stays_small() {
    // Three elements, each a collection that claims 2^19.
    let inner = claim(1 << 19);
    all_survive(&[&[3][..], &inner, &inner, &inner].concat());
}

#[test]
fn uniform_and_extreme_bytes_are_survived() {
    for byte in 0..=u8::MAX {
        for length in [0, 1, 2, 3, 4, 5, 8, 9, 16, 17, 32, 33, 64, 255, LONGEST] {
            all_survive(&vec![byte; length]);
        }
    }
}

#[test]
fn json_nested_without_end_is_an_error() {
    all_survive("[".repeat(10_000).as_bytes());
    all_survive("{\"findings\":".repeat(10_000).as_bytes());
}

#[test]
fn every_decoder_is_reached_by_its_first_byte() {
    for family in DecoderFamily::ALL {
        let count = family.decoders().count();
        assert!(
            (1..=256).contains(&count),
            "{family:?} has {count} decoders: a byte can't choose among them"
        );
        for choice in 0..=u8::MAX {
            run(family, &[choice, 0, 1, 2, 3, 4, 5, 6, 7]);
        }
        run(family, &[]);
        for seed in seeds::corpus(family).unwrap() {
            run(family, &seed.bytes);
        }
    }
}

/// Runs `check` on each decoder with each input that it takes.
#[allow(clippy::unwrap_used, reason = "only tests call it")]
fn with_each_seed(check: impl Fn(&HostileDecoder, &[u8])) {
    for decoder in DECODERS {
        for seed in seeds::of(decoder).unwrap() {
            check(decoder, &seed.bytes);
        }
    }
}

#[test]
fn cut_and_lengthened_messages_are_survived() {
    with_each_seed(|decoder, bytes| {
        for end in 0..=bytes.len() {
            survives(decoder, &bytes[..end]);
        }
        survives(decoder, &[bytes, &[0]].concat());
        survives(decoder, &[bytes, bytes].concat());
        survives(decoder, &bytes.repeat(LONGEST / bytes.len().max(1) + 1));
    });
}

#[test]
fn messages_with_a_changed_bit_are_survived() {
    with_each_seed(|decoder, bytes| {
        for at in 0..bytes.len() {
            // All bits where the structure is; one of each byte of the long signatures and texts that follow.
            let bits = if at < 64 { 0..8 } else { at % 8..at % 8 + 1 };
            for bit in bits {
                let mut changed = bytes.to_vec();
                changed[at] ^= 1 << bit;
                survives(decoder, &changed);
            }
        }
    });
}

#[test]
fn a_lie_about_a_length_anywhere_is_survived() {
    // A claim takes the place of one byte after the other, so of each length too; long tails are text and
    // signatures.
    let claims = [claim(u64::from(u32::MAX)), claim(1 << 63), claim(u64::MAX), claim(1 << 19)];
    with_each_seed(|decoder, bytes| {
        for at in (0..bytes.len()).filter(|at| *at < 128 || at % 4 == 0) {
            for lie in &claims {
                survives(decoder, &[&bytes[..at], lie, &bytes[at + 1..]].concat());
            }
        }
        for at in [0, 1, 2, bytes.len() / 2] {
            let head = bytes.get(..at).unwrap_or(bytes);
            survives(decoder, &[head, &claims[3].repeat(64)].concat());
        }
    });
}

#[test]
fn json_messages_nested_at_any_place_are_survived() {
    with_each_seed(|decoder, bytes| {
        if bytes.first() == Some(&b'{') {
            for at in (1..bytes.len()).step_by(7) {
                for deep in ["[", "{\"x\":"] {
                    survives(decoder, &[&bytes[..at], deep.repeat(2_000).as_bytes(), &bytes[at..]].concat());
                }
            }
        }
    });
}

/// Most that a message may hold for each byte of it that arrived: the smallest element of a list takes that
/// many times its bytes in memory, and a list that grows holds its old and its new place at once.
const HELD_PER_BYTE: usize = 32;

#[test]
fn a_list_of_the_smallest_elements_takes_a_small_multiple_of_its_bytes() {
    // So a first frame, from a stranger (8 KiB), stays below 256 KiB.
    with_each_seed(|decoder, bytes| {
        if matches!(
            decoder.family,
            DecoderFamily::Control | DecoderFamily::Session | DecoderFamily::Local | DecoderFamily::Audit
        ) {
            for at in 0..bytes.len().min(96) {
                // A list of 2,048 elements of zeros.
                let list = [&bytes[..at], &[251, 0, 8], &[0; 2048]].concat();
                let held = measured(|| (decoder.decode)(&list));
                assert!(
                    held <= HELD_PER_BYTE * list.len(),
                    "{} held {held} bytes: {at} of {bytes:?}",
                    decoder.name
                );
            }
        }
    });
}

/// The corpora that fuzzing begins with, cut, lengthened, changed and joined, each machine so often that it takes seconds.
#[test]
fn machines_hold_what_they_promise_from_their_seeds() {
    for machine in MACHINES {
        let seeds: Vec<Vec<u8>> = seeds::of_machine().into_iter().map(|seed| seed.bytes).collect();
        let every = usize::try_from(machine.slow).unwrap();
        let mut inputs = seeds.clone();
        for (n, seed) in seeds.iter().enumerate() {
            let other = &seeds[(n * 7 + 3) % seeds.len()];
            inputs.push([seed.as_slice(), other].concat());
            for at in (0..seed.len().min(256)).step_by(3) {
                let mut changed = seed.clone();
                changed[at] = changed[at].wrapping_mul(5).wrapping_add(1);
                inputs.push(changed);
                inputs.push(seed[at..].to_vec());
            }
        }
        inputs.iter().step_by(every).for_each(|input| (machine.run)(input));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..LONGEST)) {
        all_survive(&bytes);
    }

    /// Any order of events.
    #[test]
    fn machines_hold_what_they_promise(bytes in prop::collection::vec(any::<u8>(), 0..1500)) {
        MACHINES.iter().filter(|machine| machine.slow < 10).for_each(|machine| (machine.run)(&bytes));
    }

    /// Small numbers and letters: what gets far into a message before it fails.
    #[test]
    fn plausible_bytes_are_survived(
        bytes in prop::collection::vec(prop_oneof![4 => 0_u8..4, 2 => b'a'..=b'z', 1 => 250_u8..=255], 0..512)
    ) {
        all_survive(&bytes);
    }
}
