//! The wall clock, read here and nowhere else in this crate.
//!
//! Must not live here: any decision; those take the time as an argument.

use std::time::SystemTime;

use nearhand_proto::time::UnixMillis;

/// Now, by this machine's clock.
pub fn now() -> UnixMillis {
    UnixMillis::from_system(SystemTime::now())
}
