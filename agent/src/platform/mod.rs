//! What differs between operating systems in the agent. The only home of `cfg(target_os)` and `unsafe` here.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::*;
