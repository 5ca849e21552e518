//! The order of versions, as package managers have it.
//!
//! Lives here: dpkg's and rpm's comparison. Must not live here: what is compared, and what follows.

use core::cmp::Ordering;

/// Whose order counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum VersionOrder {
    /// Debian and its relatives: deb-version(7).
    Deb,
    /// Fedora, RHEL, SUSE and their relatives, and Arch, whose order (vercmp(8)) was made of it.
    Rpm,
}

impl VersionOrder {
    /// `a` against `b`.
    pub(super) fn compare(self, a: &str, b: &str) -> Ordering {
        match self {
            Self::Deb => deb(a.as_bytes(), b.as_bytes()),
            Self::Rpm => rpm(a.as_bytes(), b.as_bytes()),
        }
    }
}

fn digits(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    bytes.split_at(end)
}

/// Numbers of any length: without leading zeros the longer one is larger.
fn numbers(a: &[u8], b: &[u8]) -> Ordering {
    let trim = |bytes: &[u8]| bytes.iter().position(|byte| *byte != b'0').unwrap_or(bytes.len());
    let (a, b) = (a.get(trim(a)..).unwrap_or_default(), b.get(trim(b)..).unwrap_or_default());
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// dpkg's order: parts without digits by a table in which `~` comes before the end and letters before all else, then
/// parts of digits as numbers.
fn deb(mut a: &[u8], mut b: &[u8]) -> Ordering {
    let weight = |byte: Option<&u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(byte) if byte.is_ascii_digit() => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    };
    while !a.is_empty() || !b.is_empty() {
        while a.first().is_some_and(|byte| !byte.is_ascii_digit())
            || b.first().is_some_and(|byte| !byte.is_ascii_digit())
        {
            let order = weight(a.first()).cmp(&weight(b.first()));
            if order.is_ne() {
                return order;
            }
            a = a.get(1..).unwrap_or_default();
            b = b.get(1..).unwrap_or_default();
        }
        let ((number_a, rest_a), (number_b, rest_b)) = (digits(a), digits(b));
        let order = numbers(number_a, number_b);
        if order.is_ne() {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
    Ordering::Equal
}

/// rpm's order (`rpmvercmp`): parts of digits or letters, parted by anything; numbers beat letters; `~` comes before the
/// end (a candidate), `^` after the end but before a further part (a snapshot).
fn rpm(mut a: &[u8], mut b: &[u8]) -> Ordering {
    let is_separator = |byte: &u8| !byte.is_ascii_alphanumeric() && *byte != b'~' && *byte != b'^';
    let skip = |bytes: &[u8]| bytes.iter().position(|byte| !is_separator(byte)).unwrap_or(bytes.len());
    loop {
        a = a.get(skip(a)..).unwrap_or_default();
        b = b.get(skip(b)..).unwrap_or_default();
        match (a.first(), b.first()) {
            (Some(b'~'), Some(b'~')) | (Some(b'^'), Some(b'^')) => {
                a = a.get(1..).unwrap_or_default();
                b = b.get(1..).unwrap_or_default();
                continue;
            }
            (Some(b'~'), _) => return Ordering::Less,
            (_, Some(b'~')) => return Ordering::Greater,
            (Some(b'^'), None) => return Ordering::Greater,
            (None, Some(b'^')) => return Ordering::Less,
            (Some(b'^'), _) => return Ordering::Less,
            (_, Some(b'^')) => return Ordering::Greater,
            (None, None) => return Ordering::Equal,
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            (Some(first), Some(other)) => match (first.is_ascii_digit(), other.is_ascii_digit()) {
                (true, false) => return Ordering::Greater,
                (false, true) => return Ordering::Less,
                (true, true) => {
                    let ((number_a, rest_a), (number_b, rest_b)) = (digits(a), digits(b));
                    let order = numbers(number_a, number_b);
                    if order.is_ne() {
                        return order;
                    }
                    (a, b) = (rest_a, rest_b);
                }
                (false, false) => {
                    let ((word_a, rest_a), (word_b, rest_b)) = (letters(a), letters(b));
                    let order = word_a.cmp(word_b);
                    if order.is_ne() {
                        return order;
                    }
                    (a, b) = (rest_a, rest_b);
                }
            },
        }
    }
}

fn letters(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(bytes.len());
    bytes.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each is less than the next.
    fn ascends(order: VersionOrder, versions: &[&str]) {
        for (at, a) in versions.iter().enumerate() {
            for (other, b) in versions.iter().enumerate() {
                assert_eq!(order.compare(a, b), at.cmp(&other), "{a} against {b}");
            }
        }
    }

    #[test]
    fn debs_order() {
        ascends(VersionOrder::Deb, &["6.1.0-9", "6.1.0-13", "6.1.0-18", "6.5.0-0.deb12.4", "6.10.0-1"]);
        ascends(VersionOrder::Deb, &["1.0~~", "1.0~~a", "1.0~", "1.0", "1.0a", "1.0+", "1.0-1"]);
        ascends(VersionOrder::Deb, &["6.12.9+deb13", "6.12.41+deb13", "6.12.41+deb13+1", "6.12.100"]);
        ascends(VersionOrder::Deb, &["6.10~rc4", "6.10", "6.10-1"]);
        assert_eq!(VersionOrder::Deb.compare("6.01", "6.1"), Ordering::Equal);
    }

    #[test]
    fn rpms_order_with_tilde_and_caret() {
        ascends(
            VersionOrder::Rpm,
            &["5.14.0-427.13.1.el9_4", "5.14.0-503.11.1.el9_5", "5.14.0-503.40.1.el9_5"],
        );
        ascends(VersionOrder::Rpm, &["6.8.5-301.fc40", "6.9.7-200.fc40", "6.10.0-1.fc41"]);
        // The table of rpm's own tests (tests/rpmvercmp.at).
        ascends(
            VersionOrder::Rpm,
            &["1.0~rc1", "1.0~rc2", "1.0", "1.0^", "1.0^git1", "1.0^git2", "1.0.1", "1.1"],
        );
        ascends(VersionOrder::Rpm, &["1.0~rc1", "1.0~rc1^git1", "1.0"]);
        ascends(VersionOrder::Rpm, &["1.0^git1~pre", "1.0^git1"]);
        ascends(VersionOrder::Rpm, &["a", "b", "1"]);
        assert_eq!(VersionOrder::Rpm.compare("1.0_1", "1.0.1"), Ordering::Equal);
        assert_eq!(VersionOrder::Rpm.compare("10.0001", "10.1"), Ordering::Equal);
    }

    #[test]
    fn any_bytes_end() {
        for order in [VersionOrder::Deb, VersionOrder::Rpm] {
            for text in ["", "~", "^", "~~^^", "-.-", "é1", "9".repeat(10_000).as_str()] {
                assert_eq!(order.compare(text, text), Ordering::Equal);
                order.compare(text, "1");
            }
        }
    }
}
