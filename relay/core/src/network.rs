//! The networks that addresses are counted for, and how much of a limit one network may use.
//!
//! Two sizes, since an attacker's addresses come in both: what one customer has (an IPv4 address, an IPv6 /64), and what one
//! provider or one site has (an IPv4 /24, an IPv6 /48). Plain values. Must not live here: what is limited.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The smaller network that an address is counted for: an IPv4 address, an IPv6 /64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SourceNetwork([u8; 8]);

/// The larger one: an IPv4 /24, an IPv6 /48.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SurroundingNetwork([u8; 8]);

impl From<IpAddr> for SourceNetwork {
    fn from(ip: IpAddr) -> Self {
        let bytes = match ip.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, c, d] = v4.octets();
                // No IPv6 /64 in use begins with zeros.
                [0, 0, 0, 0, a, b, c, d]
            }
            IpAddr::V6(v6) => {
                let [a, b, c, d, e, f, g, h, ..] = v6.octets();
                [a, b, c, d, e, f, g, h]
            }
        };
        Self(bytes)
    }
}

impl SourceNetwork {
    /// The larger network around it.
    pub const fn surrounding(self) -> SurroundingNetwork {
        let [a, b, c, d, e, f, g, _] = self.0;
        match [a, b, c, d] {
            [0, 0, 0, 0] => SurroundingNetwork([0, 0, 0, 0, e, f, g, 0]),
            _ => SurroundingNetwork([a, b, c, d, e, f, 0, 0]),
        }
    }
}

fn shown(f: &mut fmt::Formatter<'_>, bytes: [u8; 8], v4: &str, v6: &str) -> fmt::Result {
    let [a, b, c, d, e, g, h, i] = bytes;
    if [a, b, c, d] == [0; 4] {
        return write!(f, "{}{v4}", Ipv4Addr::new(e, g, h, i));
    }
    let word = |high, low| u16::from_be_bytes([high, low]);
    let v6_address = Ipv6Addr::new(word(a, b), word(c, d), word(e, g), word(h, i), 0, 0, 0, 0);
    write!(f, "{v6_address}{v6}")
}

impl fmt::Display for SourceNetwork {
    /// The address, or the prefix with its length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shown(f, self.0, "", "/64")
    }
}

impl fmt::Display for SurroundingNetwork {
    /// The prefix with its length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shown(f, self.0, "/24", "/48")
    }
}

/// Most that one network may use of a limit.
#[derive(Clone, Copy, Debug)]
pub struct NetworkLimits {
    /// One [`SourceNetwork`].
    pub source: usize,
    /// One [`SurroundingNetwork`].
    pub surrounding: usize,
}

impl NetworkLimits {
    /// A quarter of `room` for an address and half of it for what surrounds it, and at least 4: where room is for few, one
    /// office may need it.
    pub fn of(room: usize) -> Self {
        Self { source: (room / 4).max(4), surrounding: (room / 2).max(4) }
    }
}

/// How much of something the networks use now.
#[derive(Debug, Default)]
pub struct NetworkUse {
    source: HashMap<SourceNetwork, usize>,
    surrounding: HashMap<SurroundingNetwork, usize>,
}

impl NetworkUse {
    /// Whether `amount` more from this network stays within its limits.
    pub fn has_room(&self, network: SourceNetwork, amount: usize, limits: NetworkLimits) -> bool {
        let used = self.source.get(&network).copied().unwrap_or_default();
        let around = self.surrounding.get(&network.surrounding()).copied().unwrap_or_default();
        used.saturating_add(amount) <= limits.source && around.saturating_add(amount) <= limits.surrounding
    }

    /// Counts `amount` more.
    pub fn add(&mut self, network: SourceNetwork, amount: usize) {
        let used = self.source.entry(network).or_default();
        *used = used.saturating_add(amount);
        let around = self.surrounding.entry(network.surrounding()).or_default();
        *around = around.saturating_add(amount);
    }

    /// Counts `amount` less. Networks that use nothing are forgotten.
    pub fn remove(&mut self, network: SourceNetwork, amount: usize) {
        lessen(&mut self.source, &network, amount);
        lessen(&mut self.surrounding, &network.surrounding(), amount);
    }
}

fn lessen<K: std::hash::Hash + Eq>(used: &mut HashMap<K, usize>, key: &K, amount: usize) {
    if let Some(count) = used.get_mut(key) {
        debug_assert!(*count >= amount, "more is given back than was taken");
        *count = count.saturating_sub(amount);
        if *count == 0 {
            used.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> SourceNetwork {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn networks_are_addresses_and_slash_64s_within_slash_24s_and_slash_48s() {
        assert_eq!(net("2001:db8::1"), net("2001:db8::2"));
        assert_ne!(net("2001:db8::1"), net("2001:db8:0:1::1"));
        assert_eq!(net("192.0.2.1"), net("::ffff:192.0.2.1"));
        assert_ne!(net("192.0.2.1"), net("192.0.2.2"));
        assert_eq!(net("192.0.2.1").surrounding(), net("192.0.2.200").surrounding());
        assert_ne!(net("192.0.2.1").surrounding(), net("192.0.3.1").surrounding());
        assert_eq!(net("2001:db8:7:1::1").surrounding(), net("2001:db8:7:2::1").surrounding());
        assert_ne!(net("2001:db8:7::1").surrounding(), net("2001:db8:8::1").surrounding());
        assert_eq!(net("192.0.2.1").to_string(), "192.0.2.1");
        assert_eq!(net("192.0.2.1").surrounding().to_string(), "192.0.2.0/24");
        assert_eq!(net("2001:db8:7:1::1").to_string(), "2001:db8:7:1::/64");
        assert_eq!(net("2001:db8:7:1::1").surrounding().to_string(), "2001:db8:7::/48");
    }

    #[test]
    fn a_network_uses_its_share_and_others_theirs() {
        let (mut used, limits) = (NetworkUse::default(), NetworkLimits::of(16));
        for _ in 0..4 {
            assert!(used.has_room(net("192.0.2.1"), 1, limits));
            used.add(net("192.0.2.1"), 1);
        }
        assert!(!used.has_room(net("192.0.2.1"), 1, limits), "a quarter");
        for n in 2..6_u8 {
            used.add(net(&format!("192.0.2.{n}")), 1);
        }
        assert!(!used.has_room(net("192.0.2.9"), 1, limits), "half for the /24");
        assert!(used.has_room(net("198.51.100.1"), 1, limits));
        used.remove(net("192.0.2.1"), 4);
        assert!(used.has_room(net("192.0.2.9"), 1, limits));
        for n in 2..6_u8 {
            used.remove(net(&format!("192.0.2.{n}")), 1);
        }
        assert!(used.source.is_empty() && used.surrounding.is_empty());
    }
}
