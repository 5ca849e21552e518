//! The decoders and state machines as `nearhand-tests` has them, without the rest of it, and the relay's cores that the
//! machines run, without the rest of that: those take minutes to build, and no core needs them.

// The machines call the relay's cores by the relay's name.
extern crate self as nearhand_relay;

#[path = "../../relay/src/admission.rs"]
#[allow(dead_code, reason = "the relay uses the rest")]
pub mod admission;
#[path = "../../relay/src/alarm/mod.rs"]
pub mod alarm;
#[path = "../../relay/src/registry/mod.rs"]
pub mod registry;

/// Who stands at the relay's door.
#[path = "../../relay/src/control"]
pub mod control {
    pub mod doors;
}

/// The relay's forwarding path, without its driver.
#[path = "../../relay/src/forward"]
pub mod forward {
    #[allow(dead_code, reason = "the relay uses the rest")]
    pub mod cid;
    mod limit;
    #[allow(dead_code, reason = "the relay uses the rest")]
    pub mod table;
}

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
