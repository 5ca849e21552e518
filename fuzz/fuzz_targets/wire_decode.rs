//! Everything that decodes bytes from a peer. The table of decoders is `tests/src/decoders.rs`, which the bounded
//! test on stable Rust runs too: a new decoder is one line there and nothing here.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| nearhand_tests::decoders::run(input));
