//! The decoders of one family: see `tests/machines/src/decoders.rs`, where a new one is one line.
#![no_main]

use nearhand_machines::decoders::{DecoderFamily, run};

libfuzzer_sys::fuzz_target!(|input: &[u8]| run(DecoderFamily::Strings, input));
