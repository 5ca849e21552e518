//! What differs between operating systems in the agent. The only home of `cfg(target_os)` and `unsafe` here.

mod clock;
mod memory;
#[cfg(unix)]
mod unix;

pub(crate) use clock::clock_is_synchronised;
pub(crate) use memory::give_back_memory;
#[cfg(unix)]
pub(crate) use unix::*;
