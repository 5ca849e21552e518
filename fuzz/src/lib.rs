//! The decoders as `nearhand-tests` has them, without the programs that it also tests: those take minutes to
//! build, and no decoder needs them.

#[path = "../../tests/src"]
mod tests {
    pub mod decoders;
    pub mod golden;
}

pub use tests::{decoders, golden};
