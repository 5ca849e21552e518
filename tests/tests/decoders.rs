//! Every decoder against hostile bytes, on stable Rust and within seconds: no panic, and no more than
//! 1 MiB held at once, whatever the bytes claim. The fuzz target in `fuzz/` runs the same table for longer.
#![allow(unsafe_code, reason = "a global allocator is the only way to count what a decoder allocates")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use nearhand_tests::decoders::{DECODERS, run};
use proptest::prelude::*;

/// Most that a decoder may hold of the heap at one moment, in bytes: SECURITY.md's "allocation < 1 MB".
const HELD_AT_ONCE: usize = 1 << 20;

/// Longest hostile input tried here, in bytes. Short: the promise is about what bytes claim, not what they are.
const LONGEST: usize = 4096;

thread_local! {
    /// Bytes this thread holds of the heap, and the most it held since [`measured`] began. Const and without a destructor: the allocator may touch them at any time.
    static HELD: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, counting.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(more: usize, less: usize) {
    let held = HELD.get().saturating_add(more).saturating_sub(less);
    HELD.set(held);
    PEAK.set(PEAK.get().max(held));
}

// SAFETY: every call goes to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Old and new may exist together.
        count(size, 0);
        count(0, layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Bytes of the heap that `work` held at most at one moment, beyond what was held before.
fn measured(work: impl FnOnce()) -> usize {
    let before = HELD.get();
    PEAK.set(before);
    work();
    PEAK.get().saturating_sub(before)
}

/// Runs all decoders on the bytes.
fn all_survive(bytes: &[u8]) {
    for (name, decode) in DECODERS {
        let held = measured(|| decode(bytes));
        let input = bytes.len();
        assert!(held <= HELD_AT_ONCE, "{name} held {held} bytes at once for an input of {input}");
    }
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
    assert!(DECODERS.len() <= 256, "the first byte no longer reaches all: choose by two");
    for choice in 0..=u8::MAX {
        run(&[choice, 0, 1, 2, 3, 4, 5, 6, 7]);
    }
    run(&[]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..LONGEST)) {
        all_survive(&bytes);
    }

    /// Small numbers and letters: what gets far into a message before it fails.
    #[test]
    fn plausible_bytes_are_survived(
        bytes in prop::collection::vec(prop_oneof![4 => 0_u8..4, 2 => b'a'..=b'z', 1 => 250_u8..=255], 0..512)
    ) {
        all_survive(&bytes);
    }
}
