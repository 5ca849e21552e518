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
pub mod control {
    #[path = "../../../relay/src/control/doors.rs"]
    pub mod doors;
}

/// The relay's forwarding path, without its driver.
pub mod forward {
    #[path = "../../../relay/src/forward/cid.rs"]
    #[allow(dead_code, reason = "the relay uses the rest")]
    pub mod cid;
    #[path = "../../../relay/src/forward/limit.rs"]
    mod limit;
    #[path = "../../../relay/src/forward/table.rs"]
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
