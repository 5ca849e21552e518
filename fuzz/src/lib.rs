//! The decoders and state machines as `nearhand-tests` has them, without the rest of it.

#[path = "../../tests/src"]
mod tests {
    pub mod decoders;
    pub mod golden;
    pub mod machines;
}

pub use tests::{decoders, golden, machines};

/// Runs the state machine of that name on a fuzzer's input.
pub fn machine(name: &str, input: &[u8]) {
    if let Some(machine) = machines::MACHINES.iter().find(|machine| machine.name == name) {
        (machine.run)(input);
    }
}
