//! The tables of all decoders and state machines, with the inputs that a fuzzer begins with.
//!
//! The fuzz targets (`fuzz/`) and the bounded test on stable Rust (`tests/tests/decoders.rs`) run the same tables. A crate
//! without the programs: they take minutes to build with a sanitizer, and no decoder or core needs them.

pub mod decoders;
pub mod golden;
pub mod machines;
pub mod seeds;
