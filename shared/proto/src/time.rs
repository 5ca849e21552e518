//! Points in time as values. Reading a clock is a driver's business, never this module's.

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Wall-clock time: milliseconds since 1970-01-01T00:00:00Z. For evidence and validity periods; never for
/// how long something may still go on, which is the monotonic clock's business.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Debug)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// The given system time; times before 1970 become 0.
    pub fn from_system(time: std::time::SystemTime) -> Self {
        let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// This time and `duration` later, never past the end of the range.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Display for UnixMillis {
    /// RFC 3339 in UTC with whole seconds; a time outside that format's range as its number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.0 / 1000).ok();
        let text = seconds
            .and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok())
            .and_then(|t| t.format(&Rfc3339).ok());
        match text {
            Some(text) => f.write_str(&text),
            None => write!(f, "{} ms", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_rfc3339_and_survives_any_number() {
        assert_eq!(UnixMillis(1_700_000_000_123).to_string(), "2023-11-14T22:13:20Z");
        assert_eq!(UnixMillis(u64::MAX).to_string(), "18446744073709551615 ms");
    }
}
