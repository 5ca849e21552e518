//! Until when distributions get security updates from their maker without a paid contract; long-term support by
//! the distribution's own volunteers (Debian LTS) counts.
//!
//! As of 2026-11, read from the data of endoflife.date of 2026-08-22, which names the maker's page for each, and
//! for Debian LTS from wiki.debian.org/LTS. Where the maker names only a month, its last day. A release that isn't
//! listed is shown as not known, never as ended.

/// Distribution (`ID` of os-release), version or its first number, last day of support.
pub(super) const RELEASES: &[(&str, &str, &str)] = &[
    ("almalinux", "8", "2029-05-31"),
    ("almalinux", "9", "2032-05-31"),
    ("almalinux", "10", "2035-05-31"),
    ("alpine", "3.18", "2025-05-09"),
    ("alpine", "3.19", "2025-11-01"),
    ("alpine", "3.20", "2026-04-01"),
    ("alpine", "3.21", "2026-11-01"),
    ("alpine", "3.22", "2027-05-01"),
    ("alpine", "3.23", "2027-11-01"),
    ("alpine", "3.24", "2028-06-01"),
    ("centos", "7", "2024-06-30"),
    ("centos", "8", "2024-05-31"),
    ("centos", "9", "2027-05-31"),
    ("centos", "10", "2030-05-31"),
    ("debian", "9", "2022-06-30"),
    ("debian", "10", "2024-06-30"),
    ("debian", "11", "2026-08-31"),
    ("debian", "12", "2028-06-30"),
    ("debian", "13", "2030-06-30"),
    ("fedora", "39", "2024-11-26"),
    ("fedora", "40", "2025-05-13"),
    ("fedora", "41", "2025-12-15"),
    ("fedora", "42", "2026-05-27"),
    ("fedora", "43", "2026-12-09"),
    ("fedora", "44", "2027-06-02"),
    ("linuxmint", "20", "2025-04-30"),
    ("linuxmint", "21", "2027-04-30"),
    ("linuxmint", "22", "2029-04-30"),
    ("ol", "7", "2024-12-31"),
    ("ol", "8", "2029-07-31"),
    ("ol", "9", "2032-06-30"),
    ("opensuse-leap", "15.5", "2024-12-31"),
    ("opensuse-leap", "15.6", "2026-04-30"),
    ("opensuse-leap", "16.0", "2027-10-31"),
    ("raspbian", "11", "2026-08-31"),
    ("raspbian", "12", "2028-06-30"),
    ("raspbian", "13", "2030-06-30"),
    ("rhel", "7", "2024-06-30"),
    ("rhel", "8", "2029-05-31"),
    ("rhel", "9", "2032-05-31"),
    ("rhel", "10", "2035-05-31"),
    ("rocky", "8", "2029-05-31"),
    ("rocky", "9", "2032-05-31"),
    ("rocky", "10", "2035-05-31"),
    ("sled", "15.6", "2025-12-31"),
    ("sled", "15.7", "2031-07-31"),
    ("sles", "12.5", "2024-10-31"),
    ("sles", "15.5", "2024-12-31"),
    ("sles", "15.6", "2025-12-31"),
    ("sles", "15.7", "2031-07-31"),
    ("sles", "16.0", "2027-11-30"),
    ("ubuntu", "18.04", "2023-05-31"),
    ("ubuntu", "20.04", "2025-05-31"),
    ("ubuntu", "22.04", "2027-06-01"),
    ("ubuntu", "24.04", "2029-05-31"),
    ("ubuntu", "24.10", "2025-07-10"),
    ("ubuntu", "25.04", "2026-01-17"),
    ("ubuntu", "25.10", "2026-07-09"),
    ("ubuntu", "26.04", "2031-04-30"),
];

/// Distributions (`ID`) that are renewed all the time and never end.
const ROLLING: &[&str] =
    &["arch", "artix", "cachyos", "endeavouros", "gentoo", "manjaro", "opensuse-tumbleweed", "solus", "void"];

/// `true` for a distribution that has no releases that end.
pub(super) fn is_rolling(id: &str) -> bool {
    ROLLING.contains(&id)
}

/// Last day of support of a release, by its whole version or its first number.
pub(super) fn last_day(id: &str, version: &str) -> Option<&'static str> {
    let major = version.split('.').next().unwrap_or(version);
    let of =
        |wanted: &str| RELEASES.iter().find(|(i, v, _)| *i == id && *v == wanted).map(|(_, _, day)| *day);
    of(version).or_else(|| of(major))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_a_date_and_unique() {
        let mut seen = std::collections::BTreeSet::new();
        for (id, version, day) in RELEASES {
            assert!(super::super::show::day_number(day).is_some(), "{id} {version}");
            assert!(seen.insert((id, version)), "{id} {version} twice");
        }
    }

    #[test]
    fn versions_match_whole_or_by_their_first_number() {
        assert_eq!(last_day("debian", "12"), Some("2028-06-30"));
        assert_eq!(last_day("rhel", "9.4"), Some("2032-05-31"));
        assert_eq!(last_day("ubuntu", "23.10"), None);
        assert_eq!(last_day("sles", "15.7"), Some("2031-07-31"));
        assert_eq!(last_day("ubuntu", "26.04"), Some("2031-04-30"));
        assert_eq!(last_day("arch", ""), None);
        assert!(is_rolling("arch") && !is_rolling("debian"));
    }
}
