//! Numbers as people read them.

/// Bytes in the largest fitting unit of 1000, as disks are sold: `12.3 GB`.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(crate) fn bytes(count: u64) -> String {
    let mut value = count as f64;
    for unit in ["B", "kB", "MB", "GB", "TB"] {
        if value < 1000.0 {
            return if unit == "B" { format!("{count} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1000.0;
    }
    format!("{value:.1} PB")
}

/// `part` of `whole` in percent; 0 of nothing.
#[expect(clippy::cast_precision_loss, reason = "percentages need no more than 52 bits")]
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

/// A share: `12 %`, with one digit below ten.
pub(super) fn share(percent: f64) -> String {
    if percent < 10.0 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

/// Milliseconds: `0.4 ms`, `12 ms`, `3.2 s`.
pub(super) fn milliseconds(ms: f64) -> String {
    if ms >= 1000.0 {
        format!("{:.1} s", ms / 1000.0)
    } else if ms >= 10.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{ms:.1} ms")
    }
}

/// A length of time in its largest two units: `3 days 4 h`.
pub(super) fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (1, hours, _) => format!("1 day {hours} h"),
        (days, hours, _) => format!("{days} days {hours} h"),
    }
}

/// At most `limit` names, and how many more there are.
pub(super) fn names<T: AsRef<str>>(names: &[T], limit: usize) -> String {
    let shown: Vec<&str> = names.iter().take(limit).map(AsRef::as_ref).collect();
    match names.len().checked_sub(limit) {
        Some(more @ 1..) => format!("{} and {more} more", shown.join(", ")),
        _ => shown.join(", "),
    }
}

/// `1 package`, `2 packages`.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

/// Days since 1970-01-01 of `YYYY-MM-DD`; `None` if it is no date.
pub(super) fn day_number(date: &str) -> Option<i64> {
    let format = time::macros::format_description!("[year]-[month]-[day]");
    let date = time::Date::parse(date, format).ok()?;
    Some(i64::from(date.to_julian_day()) - UNIX_EPOCH_JULIAN)
}

/// Julian day of 1970-01-01.
const UNIX_EPOCH_JULIAN: i64 = 2_440_588;

/// Days since 1970 of the facts' time.
pub(super) fn today(facts: &crate::facts::MachineFacts) -> i64 {
    i64::try_from(facts.taken_at.0 / 86_400_000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([bytes(999), bytes(1_500_000), bytes(u64::MAX)], ["999 B", "1.5 MB", "18446.7 PB"]);
        assert_eq!([share(0.42), share(99.6)], ["0.4 %", "100 %"]);
        assert_eq!(
            [milliseconds(0.4), milliseconds(12.3), milliseconds(3200.0)],
            ["0.4 ms", "12 ms", "3.2 s"]
        );
        assert_eq!([duration(59), duration(7_500), duration(280_000)], ["59 s", "2 h 5 min", "3 days 5 h"]);
        assert_eq!(names(&["a", "b", "c"], 2), "a, b and 1 more");
        assert_eq!(percent(1, 0), 0.0);
        assert_eq!(day_number("1970-01-02"), Some(1));
        assert_eq!(day_number("2026-02-30"), None);
    }
}
