//! Identifiers that are recognised by their form: IPv4, IPv6, hardware and e-mail addresses, and the names in
//! paths of home directories. Loopback, unspecified and broadcast addresses and netmasks stay: they are the
//! same everywhere and say what is wrong.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::identifier::{COMMON, IdentifierKind, is_word, lower};

/// What was found at a place.
pub(super) struct FoundIdentifier {
    /// Its length in bytes.
    pub(super) len: usize,
    /// What it is.
    pub(super) kind: IdentifierKind,
    /// The form that its token is made of, if not the text itself.
    pub(super) canonical: Option<String>,
}

/// The identifier that starts at `at`, if one does.
pub(super) fn at(text: &str, at: usize) -> Option<FoundIdentifier> {
    let (before, rest) = (text.get(..at)?, text.get(at..)?);
    if let Some(found) = home(before, rest) {
        return Some(found);
    }
    let previous = before.chars().next_back();
    // Inside of a word or a longer number nothing starts.
    if previous.is_some_and(is_word) {
        return None;
    }
    hardware(rest, previous)
        .or_else(|| ip6(rest, previous))
        .or_else(|| ip4(rest, previous))
        .or_else(|| mail(rest, previous))
}

fn run(rest: &str, belongs: impl Fn(char) -> bool) -> &str {
    let len = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
    rest.get(..len).unwrap_or_default()
}

fn ends_word(rest: &str, len: usize) -> bool {
    !rest.get(len..).and_then(|after| after.chars().next()).is_some_and(is_word)
}

fn ip4(rest: &str, previous: Option<char>) -> Option<FoundIdentifier> {
    if previous == Some('.') {
        return None;
    }
    let found = run(rest, |c| c.is_ascii_digit() || c == '.').trim_end_matches('.');
    let address: Ipv4Addr = found.parse().ok()?;
    (ends_word(rest, found.len()) && is_telling(IpAddr::V4(address))).then(|| FoundIdentifier {
        len: found.len(),
        kind: IdentifierKind::Ip,
        canonical: Some(address.to_string()),
    })
}

fn ip6(rest: &str, previous: Option<char>) -> Option<FoundIdentifier> {
    if previous == Some(':') {
        return None;
    }
    let all = run(rest, |c| c.is_ascii_hexdigit() || c == ':' || c == '.');
    // A sentence may go on after it: "fe80::1: unreachable", "to fe80::1."
    let undotted = all.split('.').next().unwrap_or_default().trim_end_matches(':');
    let candidates = [all, all.trim_end_matches('.'), all.trim_end_matches([':', '.']), undotted];
    let (found, address) = candidates
        .into_iter()
        // Without a digit it is far more often a path in a program (`a::b`).
        .filter(|candidate| {
            candidate.matches(':').count() >= 2 && candidate.contains(|c: char| c.is_ascii_digit())
        })
        .find_map(|candidate| Some((candidate, candidate.parse::<Ipv6Addr>().ok()?)))?;
    let address = address.to_canonical();
    (ends_word(rest, found.len()) && is_telling(address)).then(|| FoundIdentifier {
        len: found.len(),
        kind: IdentifierKind::Ip,
        canonical: Some(address.to_string()),
    })
}

fn is_telling(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let bits = u32::from(v4);
            let netmask = bits.leading_ones() >= 8 && bits.leading_ones() + bits.trailing_zeros() == 32;
            !(v4.is_loopback() || v4.is_unspecified() || v4.is_broadcast() || netmask)
        }
        IpAddr::V6(v6) => !(v6.is_loopback() || v6.is_unspecified()),
    }
}

/// `54:bf:64:0a:11:c7`, `54-BF-64-0A-11-C7` or `54bf.640a.11c7`.
fn hardware(rest: &str, previous: Option<char>) -> Option<FoundIdentifier> {
    if matches!(previous, Some(':' | '-' | '.')) {
        return None;
    }
    let (separator, width, len) = match rest.get(2..3)? {
        ":" => (':', 2, 17),
        "-" => ('-', 2, 17),
        _ if rest.get(4..5)? == "." => ('.', 4, 14),
        _ => return None,
    };
    let found = rest.get(..len)?;
    let mut groups = 0;
    let well_formed = found.split(separator).all(|group| {
        groups += 1;
        group.len() == width && group.chars().all(|c| c.is_ascii_hexdigit())
    });
    let after = rest.get(len..)?.chars().next();
    let longer = after.is_some_and(is_word)
        || (after == Some(separator) && rest.get(len + 1..)?.starts_with(|c: char| c.is_ascii_hexdigit()));
    let digits: String = lower(found).chars().filter(char::is_ascii_hexdigit).collect();
    let constant = digits.chars().all(|c| c == '0') || digits.chars().all(|c| c == 'f');
    (well_formed && groups * width == 12 && !longer && !constant).then_some(FoundIdentifier {
        len,
        kind: IdentifierKind::Mac,
        canonical: Some(digits),
    })
}

/// systemd writes `getty@tty1.service`: a unit, not an address.
const UNITS: &[&str] = &[
    "service",
    "socket",
    "timer",
    "mount",
    "automount",
    "slice",
    "scope",
    "target",
    "path",
    "device",
    "swap",
];

fn mail(rest: &str, previous: Option<char>) -> Option<FoundIdentifier> {
    if matches!(previous, Some('.' | '+' | '-' | '%' | '@')) {
        return None;
    }
    let local = run(rest, |c| is_word(c) || matches!(c, '.' | '+' | '-' | '%'));
    let domain = rest.get(local.len()..)?.strip_prefix('@').filter(|_| !local.is_empty())?;
    let domain = run(domain, |c| is_word(c) || matches!(c, '.' | '-')).trim_end_matches(['.', '-']);
    let (_, top) = domain.rsplit_once('.')?;
    let is_domain = top.chars().count() >= 2 && top.chars().all(char::is_alphabetic) && !UNITS.contains(&top);
    is_domain.then_some(FoundIdentifier {
        len: local.len() + 1 + domain.len(),
        kind: IdentifierKind::Mail,
        canonical: None,
    })
}

/// Directories that have one of each user's name in them.
pub(super) const HOMES: &[&str] =
    &["/home/", "/Users/", "\\Users\\", "/var/mail/", "/var/spool/mail/", "/run/media/", "/crontabs/"];

/// The name after one of [`HOMES`].
fn home(before: &str, rest: &str) -> Option<FoundIdentifier> {
    if !HOMES.iter().any(|parent| before.ends_with(parent)) {
        return None;
    }
    let name = run(rest, |c| is_word(c) || matches!(c, '.' | '-' | '+' | '$' | '@')).trim_end_matches('.');
    let known = COMMON.contains(&lower(name).as_str());
    (!name.is_empty() && !known).then_some(FoundIdentifier {
        len: name.len(),
        kind: IdentifierKind::User,
        canonical: None,
    })
}
