//! The decoders as `nearhand-tests` has them, without the programs that it also tests: those take minutes to
//! build, and no decoder needs them.

#[path = "../../tests/src/decoders.rs"]
pub mod decoders;
#[path = "../../tests/src/golden.rs"]
pub mod golden;
