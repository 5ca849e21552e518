//! A moment, as sessions count time. Which clock is read when is the caller's business: time is an argument here.

use std::time::Instant;

use nearhand_proto::time::UnixMillis;

/// A moment, on both clocks: expiry runs on the monotonic one, what people read shows the other.
#[derive(Clone, Copy, Debug)]
pub struct Timestamp {
    /// The monotonic clock, for deadlines.
    pub instant: Instant,
    /// The wall clock, for people and the record.
    pub wall: UnixMillis,
}
