//! Lengths of time and amounts as people write them, both ways.

use core::time::Duration;

use nearhand_proto::duration::{self, DurationError};

/// Longest length of time in a rule: a year.
pub const LONGEST: Duration = Duration::from_secs(366 * 86_400);

const SIZES: [(&str, f64); 9] = [
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
    ("B", 1.0),
];

/// A number and what follows it: `"1.5 GiB"` → 1.5, `"GiB"`.
pub(crate) fn split(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end =
        text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+'))).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let number: f64 = number.parse().ok()?;
    number.is_finite().then_some((number, unit.trim()))
}

/// Seconds of a length of time in a condition, which may lie in the past: `90s`, `15m`, `-1d`.
pub(crate) fn seconds(text: &str) -> Option<f64> {
    let (length, sign) = text.trim().strip_prefix('-').map_or((text.trim(), 1.0), |length| (length, -1.0));
    duration::read(length).ok().map(|length| sign * length.as_secs_f64())
}

/// Bytes of a size: `5 GB`, `512 MiB`.
pub(crate) fn bytes(text: &str) -> Option<f64> {
    let (number, unit) = split(text)?;
    SIZES.iter().find(|(name, _)| *name == unit).map(|(_, factor)| number * factor)
}

/// A length of time in a rule, at most [`LONGEST`]; `0s` means at once.
///
/// # Errors
/// What is wrong with it and what to write instead.
pub fn length(text: &str) -> Result<Duration, DurationError> {
    match duration::read(text)? {
        length if length <= LONGEST => Ok(length),
        _ => Err(DurationError::Range { text: text.to_owned(), longest: LONGEST }),
    }
}

/// A length of time for people, in its largest fitting unit: `26 h`, `1.5 min`.
pub fn show_seconds(seconds: f64) -> String {
    let size = seconds.abs();
    let (factor, unit) = match size {
        s if s < 60.0 => (1.0, "s"),
        s if s < 3600.0 => (60.0, "min"),
        s if s < 2.0 * 86_400.0 => (3600.0, "h"),
        _ => (86_400.0, "days"),
    };
    format!("{} {unit}", number(seconds / factor))
}

/// An amount of bytes for people: `4.2 GB`.
pub fn show_bytes(bytes: f64) -> String {
    let (factor, unit) = match bytes.abs() {
        b if b < 1e3 => (1.0, "B"),
        b if b < 1e6 => (1e3, "kB"),
        b if b < 1e9 => (1e6, "MB"),
        b if b < 1e12 => (1e9, "GB"),
        _ => (1e12, "TB"),
    };
    format!("{} {unit}", number(bytes / factor))
}

/// At most one digit after the point, and none that says nothing.
pub fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    match text.strip_suffix(".0") {
        Some("-0") => "0".to_owned(),
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_sizes_are_read_and_shown() {
        assert_eq!(length("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(length("0s"), Ok(Duration::ZERO));
        assert_eq!((seconds("500ms"), seconds("-1d"), seconds("8 h")), (Some(0.5), Some(-86_400.0), None));
        for bad in ["", "5", "1.5h", "5 weeks", "-1s", "1e9d", "999999d", "s"] {
            assert!(length(bad).is_err(), "{bad:?}");
        }
        assert_eq!(bytes("5 GB"), Some(5e9));
        assert_eq!(bytes("1KiB"), Some(1024.0));
        assert_eq!(bytes("5"), None);
        assert_eq!((show_seconds(93_600.0), show_seconds(61.0)), ("26 h".into(), "1 min".into()));
        assert_eq!((show_bytes(4.25e9), number(-0.01)), ("4.2 GB".into(), "0".into()));
    }
}
