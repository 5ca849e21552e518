//! Where receivers may be: the relay is asked to open connections by a file, and must not become a way into the
//! network it stands in.
//!
//! Judged is the address that is connected to, after its name was resolved, so that a name that points inside is no
//! way around. Redirects are never followed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is not connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ForbiddenAddress {
    /// It belongs to this machine or a private network.
    #[error("{0} is a private address: set allow_private = true for this receiver if that is meant")]
    Private(IpAddr),
    /// Nothing there may ever be a receiver.
    #[error("{0} is no address of a receiver (link-local, multicast or unspecified)")]
    Never(IpAddr),
}

/// Whether an address may be connected to.
///
/// # Errors
/// [`ForbiddenAddress`]: it is private and the operator has not allowed that, or no receiver can have it.
pub fn check(address: IpAddr, allow_private: bool) -> Result<(), ForbiddenAddress> {
    let plain = match address {
        IpAddr::V6(v6) => embedded(v6).map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    };
    let (never, private) = match plain {
        IpAddr::V4(v4) => (never_v4(v4), private_v4(v4)),
        IpAddr::V6(v6) => (never_v6(v6), private_v6(v6)),
    };
    if never {
        return Err(ForbiddenAddress::Never(address));
    }
    if private && !allow_private {
        return Err(ForbiddenAddress::Private(address));
    }
    Ok(())
}

/// The IPv4 address that an IPv6 address leads to: mapped, compatible, 6to4, NAT64.
fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0xffff) | (0x64, 0xff9b, 0, 0, 0, 0) => Some(v4(g, h)),
        (0, 0, 0, 0, 0, 0) if g != 0 => Some(v4(g, h)),
        (0x2002, high, low, ..) => Some(v4(high, low)),
        _ => None,
    }
}

/// Link-local among them: the address of a cloud's metadata service is.
fn never_v4(v4: Ipv4Addr) -> bool {
    let [first, ..] = v4.octets();
    first == 0 || v4.is_link_local() || v4.is_multicast() || v4.is_broadcast() || first >= 240
}

fn private_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    v4.is_private()
        || v4.is_loopback()
        || v4.is_documentation()
        || (a == 100 && (64..128).contains(&b)) // carrier-grade NAT, RFC 6598
        || (a, b, c) == (192, 0, 0) // protocol assignments, RFC 6890
        || (a == 198 && (18..20).contains(&b)) // benchmarks, RFC 2544
}

fn never_v6(v6: Ipv6Addr) -> bool {
    let [first, ..] = v6.segments();
    v6.is_unspecified() || v6.is_multicast() || first & 0xffc0 == 0xfe80
}

fn private_v6(v6: Ipv6Addr) -> bool {
    let [first, second, ..] = v6.segments();
    v6.is_loopback()
        || first & 0xfe00 == 0xfc00 // unique local, RFC 4193
        || first & 0xffc0 == 0xfec0 // site-local, deprecated
        || (first, second) == (0x2001, 0xdb8) // documentation
        || (first == 0x64 && second == 0xff9b) // NAT64 of a private network, RFC 8215
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_inside_is_told_from_what_is_outside_in_every_notation() {
        let public = [
            "93.184.216.34",
            "2606:2800:220:1:248:1893:25c8:1946",
            "::ffff:93.184.216.34",
            "2002:5db8:d822::1",
        ];
        for text in public {
            assert_eq!(check(text.parse().unwrap(), false), Ok(()), "{text}");
        }
        let private = [
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "198.18.0.1",
            "192.0.0.1",
            "::1",
            "fc00::1",
            "fd12::1",
            "fec0::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:a00:1::1",
            "2001:db8::1",
        ];
        for text in private {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(check(address, false), Err(ForbiddenAddress::Private(address)), "{text}");
            assert_eq!(check(address, true), Ok(()), "{text}");
        }
        let never = [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::",
            "fe80::1",
            "ff02::1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
        ];
        for text in never {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(check(address, true), Err(ForbiddenAddress::Never(address)), "{text}");
        }
    }
}
