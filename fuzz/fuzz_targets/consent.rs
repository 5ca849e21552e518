//! A state machine: see `tests/src/machines`, where a new one is one line.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| nearhand_fuzz::machine("consent", input));
