//! A state machine: see `tests/machines/src/machines`, where a new one is one line.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| nearhand_machines::machines::run("code", input));
