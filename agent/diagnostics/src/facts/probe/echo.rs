//! Echo requests (ICMP): delay, jitter, loss.
//!
//! Sent from an unprivileged datagram socket, which the kernel gives to the groups of
//! `net.ipv4.ping_group_range` (everybody, where systemd sets it up); without that right by the `ping` program.

use core::time::Duration;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::connection::milliseconds;
use crate::facts::child::SystemPrograms;
use crate::facts::network::EchoRun;
use crate::facts::{Fact, MissingFact};

/// Time for the answer to one request; what takes longer is as good as lost.
pub const PATIENCE: Duration = Duration::from_millis(1000);

/// Requests of a series: one lost in 20 is 5 %, where the warning starts.
const REQUESTS: u32 = 20;

/// Between two requests; unprivileged `ping` allows no less.
const SPACING: Duration = Duration::from_millis(200);

/// A series of requests to each target, side by side.
pub(in crate::facts) async fn runs(
    targets: &[String],
    patience: Duration,
    programs: &SystemPrograms,
) -> Fact<Vec<EchoRun>> {
    let mut series_of_all = tokio::task::JoinSet::new();
    for target in targets {
        let address: IpAddr = target.parse().map_err(|error| MissingFact::failed(target, error))?;
        let (target, programs) = (target.clone(), programs.clone());
        series_of_all.spawn(async move {
            let times_ms =
                series(SocketAddr::new(address, 0), REQUESTS, patience.min(PATIENCE), &programs).await?;
            Ok(EchoRun { target, sent: REQUESTS, times_ms })
        });
    }
    let mut runs = series_of_all.join_all().await.into_iter().collect::<Fact<Vec<EchoRun>>>()?;
    runs.sort_by(|a, b| a.target.cmp(&b.target));
    Ok(runs)
}

/// Sends `count` requests, returns the milliseconds of those that were answered. Of `target`, the port is not used; a
/// link-local address needs its interface.
pub async fn series(
    target: SocketAddr,
    count: u32,
    patience: Duration,
    programs: &SystemPrograms,
) -> Fact<Vec<f64>> {
    match datagrams(target, count, patience).await {
        Ok(times) => Ok(times),
        Err(_) => program(target, count, patience, programs).await,
    }
}

#[cfg(target_os = "linux")]
async fn datagrams(target: SocketAddr, count: u32, patience: Duration) -> std::io::Result<Vec<f64>> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with};
    let address = target.ip();
    let (family, protocol) = match address {
        IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP),
        IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6),
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = std::net::UdpSocket::from(socket_with(family, SocketType::DGRAM, flags, Some(protocol))?);
    let socket = tokio::net::UdpSocket::from_std(socket)?;
    socket.connect(target).await?;
    let mut sent = Vec::new();
    let mut times = Vec::new();
    let mut buffer = [0; 256];
    for sequence in 0..count {
        sent.push(Instant::now());
        socket.send(&request(address, sequence)).await?;
        let last = sequence + 1 == count;
        let until = tokio::time::Instant::now() + if last { patience } else { SPACING };
        while times.len() < sent.len() {
            let Ok(received) = tokio::time::timeout_at(until, socket.recv(&mut buffer)).await else { break };
            let reply = buffer.get(..received?).and_then(|bytes| reply(address, bytes));
            if let Some(begin) = reply.and_then(|sequence| sent.get(usize::from(sequence))) {
                times.push(milliseconds(*begin));
            }
        }
        if !last {
            tokio::time::sleep_until(until).await;
        }
    }
    Ok(times)
}

#[cfg(not(target_os = "linux"))]
async fn datagrams(_: SocketAddr, _: u32, _: Duration) -> std::io::Result<Vec<f64>> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// An echo request (RFC 792, RFC 4443). The kernel writes the identifier, and for IPv6 the checksum.
fn request(address: IpAddr, sequence: u32) -> [u8; 16] {
    let kind = if address.is_ipv4() { 8 } else { 128 };
    let [_, _, high, low] = sequence.to_be_bytes();
    let mut bytes = [kind, 0, 0, 0, 0, 0, high, low, b'n', b'e', b'a', b'r', b'h', b'a', b'n', b'd'];
    let sum = bytes.chunks(2).fold(0_u32, |sum, pair| match pair {
        [high, low] => sum + u32::from(u16::from_be_bytes([*high, *low])),
        _ => sum,
    });
    let folded = (sum & 0xffff) + (sum >> 16);
    let [_, _, high, low] = (!folded).to_be_bytes();
    let [_, _, sum_high, sum_low, ..] = &mut bytes;
    (*sum_high, *sum_low) = (high, low);
    bytes
}

/// Sequence number of an echo reply.
fn reply(address: IpAddr, bytes: &[u8]) -> Option<u16> {
    let kind = if address.is_ipv4() { 0 } else { 129 };
    match bytes {
        [first, 0, _, _, _, _, high, low, ..] if *first == kind => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    }
}

async fn program(
    target: SocketAddr,
    count: u32,
    patience: Duration,
    programs: &SystemPrograms,
) -> Fact<Vec<f64>> {
    let (count, seconds) = (count.to_string(), patience.as_secs().max(1).to_string());
    // ping(8) takes the interface as `fe80::1%2`, by number too.
    let address = match target {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
        other => other.ip().to_string(),
    };
    let arguments = ["-n", "-i", "0.2", "-c", &count, "-W", &seconds, &address];
    let no_right = |_| {
        let why =
            "echo requests are not permitted here (net.ipv4.ping_group_range), and ping is not installed";
        MissingFact::NotApplicable(why.to_owned())
    };
    programs.find("ping").map_err(no_right)?;
    let output = programs.run("ping", &arguments).await?;
    match output.code {
        // 0: answers, 1: none (ping(8)).
        Some(0 | 1) => Ok(ping_times(&output.text)),
        _ => Err(MissingFact::failed("ping", output.complaint)),
    }
}

/// `64 bytes from 192.0.2.1: icmp_seq=1 ttl=64 time=0.045 ms`
fn ping_times(text: &str) -> Vec<f64> {
    text.lines()
        .filter(|line| !line.contains("DUP!"))
        .filter_map(|line| line.split_once(" time=")?.1.split_whitespace().next()?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_a_right_checksum() {
        let bytes = request("192.0.2.1".parse().unwrap(), 7);
        let sum: u32 = bytes.chunks(2).map(|p| u32::from(u16::from_be_bytes([p[0], p[1]]))).sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
        assert_eq!((bytes[0], bytes[7]), (8, 7));
    }

    #[test]
    fn only_replies_count() {
        let v4 = "192.0.2.1".parse().unwrap();
        assert_eq!(reply(v4, &[0, 0, 0, 0, 0, 0, 1, 2]), Some(258));
        assert_eq!(reply(v4, &[3, 1, 0, 0, 0, 0, 1, 2]), None);
        assert_eq!(reply(v4, &[0]), None);
    }

    #[test]
    fn reads_ping() {
        let text = "PING 192.0.2.1 (192.0.2.1) 56(84) bytes of data.\n\
            64 bytes from 192.0.2.1: icmp_seq=1 ttl=64 time=0.045 ms\n\
            64 bytes from 192.0.2.1: icmp_seq=1 ttl=64 time=0.9 ms (DUP!)\n\
            64 bytes from 192.0.2.1: icmp_seq=3 ttl=64 time=12 ms\n";
        assert_eq!(ping_times(text), [0.045, 12.0]);
    }

    #[tokio::test]
    async fn loopback_answers_or_the_reason_is_given() {
        match series("127.0.0.1:0".parse().unwrap(), 2, Duration::from_secs(2), &SystemPrograms::default())
            .await
        {
            Ok(times) => assert_eq!(times.len(), 2),
            Err(why) => {
                assert!(matches!(why, MissingFact::NotApplicable(_) | MissingFact::Failed { .. }), "{why}");
            }
        }
    }
}
