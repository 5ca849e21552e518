//! Counters of TCP, connection tracking, and the ports that listen.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::facts::linux::process;
use crate::facts::network::TcpCounters;
use crate::facts::root::SystemRoot;
use crate::facts::security::OpenPort;
use crate::facts::{Fact, MissingFact};

/// Reads TCP and connection tracking counters.
pub(in crate::facts::linux) fn tcp(root: &SystemRoot) -> Fact<TcpCounters> {
    let text = root.text("/proc/net/snmp")?;
    let (sent, resent) =
        parse_snmp(&text).ok_or_else(|| MissingFact::failed("/proc/net/snmp", "no counters of TCP"))?;
    let count = root.number("/proc/sys/net/netfilter/nf_conntrack_count");
    let limit = root.number("/proc/sys/net/netfilter/nf_conntrack_max");
    Ok(TcpCounters { sent, resent, tracked: count.zip(limit) })
}

/// Two lines that begin with `Tcp:`: names, then values.
fn parse_snmp(text: &str) -> Option<(u64, u64)> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let value = |wanted: &str| {
        let index = names.split_whitespace().position(|name| name == wanted)?;
        values.split_whitespace().nth(index)?.parse::<u64>().ok()
    };
    Some((value("OutSegs")?, value("RetransSegs")?))
}

/// Reads ports that listen on more than loopback.
pub(in crate::facts::linux) fn ports(root: &SystemRoot) -> Fact<Vec<OpenPort>> {
    let mut sockets = parse_sockets("tcp", &root.text("/proc/net/tcp")?);
    for (protocol, path) in [("tcp", "/proc/net/tcp6"), ("udp", "/proc/net/udp"), ("udp", "/proc/net/udp6")] {
        sockets.extend(root.text(path).map(|text| parse_sockets(protocol, &text)).unwrap_or_default());
    }
    let inodes: BTreeSet<u64> = sockets.iter().map(|(_, inode)| *inode).collect();
    let owners = process::socket_owners(root, &inodes);
    let mut ports: Vec<OpenPort> = sockets
        .into_iter()
        .map(|(port, inode)| OpenPort { program: owners.get(&inode).cloned(), ..port })
        .collect();
    ports.sort();
    // The same port over IPv4 and IPv6 is one.
    ports.dedup_by(|a, b| a.protocol == b.protocol && a.number == b.number);
    Ok(ports)
}

/// Listening TCP and unconnected UDP sockets of `/proc/net/{tcp,udp}*`, with their inode.
fn parse_sockets(protocol: &str, text: &str) -> Vec<(OpenPort, u64)> {
    // TCP_LISTEN and TCP_CLOSE, <net/tcp_states.h>; the latter is what an unconnected UDP socket shows.
    let wanted = if protocol == "tcp" { "0A" } else { "07" };
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (address, number) = words.get(1)?.rsplit_once(':')?;
            if *words.get(3)? != wanted || is_loopback(address)? {
                return None;
            }
            let number = u16::from_str_radix(number, 16).ok()?;
            let inode = words.get(9)?.parse().ok()?;
            Some((OpenPort { protocol: protocol.to_owned(), number, program: None }, inode))
        })
        .collect()
}

/// The kernel prints addresses as 32-bit words in the machine's byte order.
fn is_loopback(hex: &str) -> Option<bool> {
    let mut bytes = Vec::new();
    for start in (0..hex.len()).step_by(8) {
        let word = u32::from_str_radix(hex.get(start..start + 8)?, 16).ok()?;
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    let v6: Result<[u8; 16], _> = bytes.as_slice().try_into();
    let v4: Result<[u8; 4], _> = bytes.as_slice().try_into();
    match (v4, v6) {
        (Ok(v4), _) => Some(Ipv4Addr::from(v4).is_loopback()),
        (_, Ok(v6)) => Some(Ipv6Addr::from(v6).to_canonical().is_loopback()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snmp_counters_are_found_by_name() {
        let text = "Ip: A B\nIp: 1 2\nTcp: RtoAlgorithm OutSegs RetransSegs InErrs\nTcp: 1 1000 25 0\n";
        assert_eq!(parse_snmp(text), Some((1000, 25)));
        assert_eq!(parse_snmp("Tcp: OutSegs\n"), None);
    }

    #[test]
    fn only_ports_open_to_others_count() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:0CEA 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 11 1 0\n\
            1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 12 1 0\n\
            2: 0A0200C0:0016 0B0200C0:D431 01 00000000:00000000 00:00000000 00000000 0 0 13 1 0\n";
        let ports = parse_sockets("tcp", text);
        assert_eq!(ports.len(), 1);
        assert_eq!((ports[0].0.number, ports[0].1), (22, 12));
        assert_eq!(is_loopback("00000000000000000000000001000000"), Some(true));
        assert_eq!(is_loopback("00000000000000000000000000000000"), Some(false));
        assert_eq!(is_loopback("zz"), None);
    }
}
