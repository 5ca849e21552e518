//! What differs between operating systems in the agent. The only home of `cfg(target_os)` and `unsafe` here.

mod boot;
mod clock;
mod machine;
mod memory;
mod processes;
mod terminal;
#[cfg(unix)]
mod unix;

pub(crate) use boot::{boot_id, memory_directory, since_boot};
pub(crate) use clock::{clock_is_synchronised, local_offset_seconds};
pub(crate) use machine::machine_mark;
pub(crate) use memory::{give_back_memory_soon, hold_little_memory};
pub(crate) use processes::{ProcessHandle, started, ticks_per_second};
pub(crate) use terminal::{TypedInput, continued, empty_typed_input};
#[cfg(unix)]
pub(crate) use unix::*;
