//! Until when distributions get security updates from their maker without a paid contract.
//!
//! As of 2026-11. Sources: the makers' own pages (debian.org/releases and wiki.debian.org/LTS,
//! ubuntu.com/about/release-cycle, docs.fedoraproject.org, access.redhat.com/support/policy,
//! wiki.almalinux.org, rockylinux.org, en.opensuse.org/Lifetime, linuxmint.com, alpinelinux.org/releases).
//! A release that isn't listed is shown as not known, never as ended.

/// Distribution (`ID` of os-release), version or its first number, last day of support.
pub(super) const RELEASES: &[(&str, &str, &str)] = &[
    ("almalinux", "8", "2029-03-01"),
    ("almalinux", "9", "2032-05-31"),
    ("almalinux", "10", "2035-05-31"),
    ("alpine", "3.18", "2025-05-09"),
    ("alpine", "3.19", "2025-11-01"),
    ("alpine", "3.20", "2026-04-01"),
    ("alpine", "3.21", "2026-11-01"),
    ("alpine", "3.22", "2027-05-01"),
    ("centos", "7", "2024-06-30"),
    ("centos", "8", "2024-05-31"),
    ("centos", "9", "2027-05-31"),
    ("debian", "9", "2022-06-30"),
    ("debian", "10", "2024-06-30"),
    ("debian", "11", "2026-08-31"),
    ("debian", "12", "2028-06-30"),
    ("debian", "13", "2030-06-30"),
    ("fedora", "39", "2024-11-26"),
    ("fedora", "40", "2025-05-13"),
    ("fedora", "41", "2025-12-15"),
    ("fedora", "42", "2026-05-13"),
    ("fedora", "43", "2026-12-02"),
    ("linuxmint", "20", "2025-04-30"),
    ("linuxmint", "21", "2027-04-30"),
    ("linuxmint", "22", "2029-04-30"),
    ("ol", "8", "2029-07-31"),
    ("ol", "9", "2032-06-30"),
    ("opensuse-leap", "15.5", "2024-12-31"),
    ("opensuse-leap", "15.6", "2026-04-30"),
    ("raspbian", "11", "2026-08-31"),
    ("raspbian", "12", "2028-06-30"),
    ("rhel", "7", "2024-06-30"),
    ("rhel", "8", "2029-05-31"),
    ("rhel", "9", "2032-05-31"),
    ("rhel", "10", "2035-05-31"),
    ("rocky", "8", "2029-05-31"),
    ("rocky", "9", "2032-05-31"),
    ("rocky", "10", "2035-05-31"),
    ("ubuntu", "18.04", "2023-05-31"),
    ("ubuntu", "20.04", "2025-05-31"),
    ("ubuntu", "22.04", "2027-06-01"),
    ("ubuntu", "24.04", "2029-05-31"),
    ("ubuntu", "24.10", "2025-07-10"),
    ("ubuntu", "25.04", "2026-01-15"),
    ("ubuntu", "25.10", "2026-07-09"),
];

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
        assert_eq!(last_day("arch", ""), None);
    }
}
