//! Whether two values of the same evidence differ by more than a measurement does from one run to the next.

/// Units whose values are measured. Numbers with any other unit, or none, are counts, versions or names and
/// must be equal.
const MEASURED: &[&str] = &[
    "%", "b", "kb", "mb", "gb", "tb", "kib", "mib", "gib", "tib", "s", "min", "°c", "mhz", "ghz", "rpm", "w",
    "v", "mbit/s", "gbit/s", "mb/s", "dbm",
];

/// Units of latencies, which say nothing while the status stays the same.
const IGNORED: &[&str] = &["ms", "µs", "us", "ns"];

/// Relative difference that is still noise.
const TOLERANCE: f64 = 0.05;

/// `true` when the values are equal but for noise.
pub(super) fn is_same(old: &str, new: &str) -> bool {
    if old == new {
        return true;
    }
    let (Some(old), Some(new)) = (QuantityInText::of(old), QuantityInText::of(new)) else { return false };
    old.words == new.words
        && old.numbers.len() == new.numbers.len()
        && old.numbers.iter().zip(&new.numbers).all(|(a, b)| {
            let scale = a.abs().max(b.abs());
            (a - b).abs() <= (scale * TOLERANCE).max(f64::EPSILON)
        })
}

/// A value taken apart into its measured numbers and the words around them.
struct QuantityInText {
    words: String,
    numbers: Vec<f64>,
}

impl QuantityInText {
    /// `None` when the value holds a number that was not measured.
    fn of(value: &str) -> Option<Self> {
        let mut this = Self { words: String::new(), numbers: Vec::new() };
        let mut rest = value;
        while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
            let (before, from) = rest.split_at_checked(at)?;
            if before.ends_with(|c: char| c.is_alphanumeric() || "-_/:".contains(c)) {
                return None;
            }
            let digits = from.find(|c: char| !(c.is_ascii_digit() || ".,".contains(c))).unwrap_or(from.len());
            let (number, after) =
                from.split_at_checked(from.get(..digits)?.trim_end_matches(['.', ',']).len())?;
            let unit: String = after
                .trim_start()
                .chars()
                .take_while(|c| c.is_alphanumeric() || "%°/".contains(*c))
                .collect();
            let unit = unit.to_lowercase();
            this.words.push_str(before);
            if MEASURED.contains(&unit.as_str()) {
                this.numbers.push(number.replace(',', "").parse().ok()?);
            } else if !IGNORED.contains(&unit.as_str()) {
                return None;
            }
            rest = after;
        }
        this.words.push_str(rest);
        Some(this)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measurements_may_differ_a_little_and_latencies_at_will() {
        for (old, new) in [
            ("437 GB of 470 GB (93 %)", "440 GB of 470 GB (94 %)"),
            ("0.6 ms", "212 ms"),
            ("1,210.5 GB", "1,212 GB"),
            ("812 ms (others: 14 ms)", "790 ms (others: 19 ms)"),
        ] {
            assert!(is_same(old, new), "{old} {new}");
        }
    }

    #[test]
    fn everything_else_is_a_change() {
        for (old, new) in [
            ("437 GB of 470 GB (93 %)", "301 GB of 470 GB (64 %)"),
            ("437 GB", "437 MB"),
            ("184", "185"),
            ("3 of 20", "4 of 20"),
            ("openssl 3.0.14", "openssl 3.0.15"),
            ("sda1 5 GB", "sdb1 5 GB"),
            ("0 %", "4 %"),
            ("Let's Encrypt", "Corporate Proxy CA"),
            ("100 s", "100"),
        ] {
            assert!(!is_same(old, new), "{old} {new}");
        }
    }
}
