//! Host names in the configuration, whichever section they stand in.

use std::net::{IpAddr, Ipv6Addr};

/// Longest host name, in characters (RFC 1035 §2.3.4).
const MAX_NAME: usize = 253;
/// Longest part of a host name between two dots, in characters (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;

/// A text that is neither a host name nor an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum InvalidHost {
    /// A scheme, a port, a path, a space.
    #[error("must be a host name or an IP address, without scheme and port")]
    Form,
    /// An empty part, one that is too long, or one that begins or ends with a dash (RFC 1123 §2.1).
    #[error(
        "has a part between dots that no host name can have: each has 1 to {MAX_LABEL} letters, digits or inner dashes"
    )]
    Label,
    /// More than [`MAX_NAME`].
    #[error("has more than {MAX_NAME} characters")]
    TooLong,
    /// Numbers only, and yet no address (RFC 1123 §2.1).
    #[error("is neither a host name nor an IP address: is a number of the address wrong?")]
    Numbers,
}

/// The host name or address, without the brackets that an IPv6 address has in front of a port.
///
/// # Errors
/// [`InvalidHost`]; its text completes a sentence that begins with the key's name.
pub(crate) fn parse_host(host: &str) -> Result<&str, InvalidHost> {
    if let Some(bare) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return bare.parse::<Ipv6Addr>().map(|_| bare).map_err(|_| InvalidHost::Form);
    }
    if host.parse::<IpAddr>().is_ok() {
        return Ok(host);
    }
    if host.is_empty() || !host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')) {
        return Err(InvalidHost::Form);
    }
    if host.len() > MAX_NAME {
        return Err(InvalidHost::TooLong);
    }
    // A dot at the end says that the name is whole.
    let labels = || host.strip_suffix('.').unwrap_or(host).split('.');
    let good = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    if !labels().all(good) {
        return Err(InvalidHost::Label);
    }
    match labels().next_back() {
        Some(last) if last.bytes().all(|b| b.is_ascii_digit()) => Err(InvalidHost::Numbers),
        _ => Ok(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_and_addresses_and_nothing_else() {
        let label = "a".repeat(MAX_LABEL);
        let longest = format!("{}.a", [label.as_str(); 4].join(".").get(..251).unwrap());
        for host in [
            "relay",
            "relay.example.com",
            "relay.example.com.",
            "xn--mller-kva.example",
            "1and1.example",
            "10.0.0.1",
            "::1",
        ] {
            assert_eq!(parse_host(host), Ok(host));
        }
        assert_eq!(parse_host("[::1]"), Ok("::1"));
        assert_eq!(parse_host("[2001:db8::7]"), Ok("2001:db8::7"));
        assert_eq!(parse_host(&format!("{label}.example")).map(str::len), Ok(71));
        assert_eq!(parse_host(&longest).map(str::len), Ok(253));
        assert_eq!(parse_host(&format!("{label}a.example")), Err(InvalidHost::Label));
        assert_eq!(parse_host(&format!("{longest}a")), Err(InvalidHost::TooLong));
        for host in ["a..b", ".a", "-a", "a-.b", ".", "a.."] {
            assert_eq!(parse_host(host), Err(InvalidHost::Label), "{host}");
        }
        for host in [
            "",
            "https://a",
            "a:7443",
            "[::1]:7443",
            "[a]",
            "[10.0.0.1]",
            "a b",
            "müller.example",
            "a/b",
            "a_b",
            "::g",
        ] {
            assert_eq!(parse_host(host), Err(InvalidHost::Form), "{host}");
        }
        for host in ["10.0.0.256", "1.2.3", "7"] {
            assert_eq!(parse_host(host), Err(InvalidHost::Numbers), "{host}");
        }
    }
}
