//! Checks that every system's sender has to pass.

use std::net::UdpSocket;
use std::time::Duration;

use nearhand_relay_core::forward::batch::{SendBatch, SendGroup, SendTarget};
use quinn::udp::{EcnCodepoint, RecvMeta, UdpSocketState};

use super::SendReport;
use crate::forward::driver::UdpPort;

pub(crate) fn port(addr: &str) -> UdpPort {
    let socket = UdpSocket::bind(addr).unwrap();
    let udp = UdpSocketState::new((&socket).into()).unwrap();
    UdpPort { socket, udp }
}

type Send<'a> = &'a mut dyn FnMut(&UdpPort, &[SendGroup], &[Box<[u8]>], bool) -> SendReport;

pub(crate) fn every_datagram_arrives_as_it_was(
    mut send: impl FnMut(&UdpPort, &[SendGroup], &[Box<[u8]>], bool) -> SendReport,
) {
    check("127.0.0.1:0", "127.0.0.1:0", &mut send);
    check("[::1]:0", "[::1]:0", &mut send);
    // An IPv6 socket that serves IPv4 too.
    check("[::]:0", "127.0.0.1:0", &mut send);
}

fn check(from: &str, to: &str, send: Send<'_>) {
    let from = port(from);
    let receivers = [UdpSocket::bind(to).unwrap(), UdpSocket::bind(to).unwrap()];
    let v6 = from.socket.local_addr().unwrap().is_ipv6();
    let mut batch = SendBatch::default();
    let mut buffers = Vec::new();
    for n in 0..20_u8 {
        let receiver = &receivers[usize::from(n % 2)];
        let to = receiver.local_addr().unwrap();
        let target = SendTarget { to, src_ip: Some(to.ip()), ecn: EcnCodepoint::Ect0 as u8 };
        // Three datagrams, the last one shorter.
        let buffer: Vec<u8> = [vec![n; 1200], vec![n + 100; 1200], vec![n + 200; 7]].concat();
        batch.push(target, buffers.len(), 0..buffer.len(), 1200);
        buffers.push(buffer.into_boxed_slice());
    }
    assert_eq!(send(&from, batch.groups(), &buffers, v6), SendReport::default());
    for (which, receiver) in (0_u8..).zip(&receivers) {
        receiver.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        for n in (which..20).step_by(2) {
            for (first, len) in [(n, 1200), (n + 100, 1200), (n + 200, 7)] {
                let mut buf = [0; 2000];
                let (got, source) = receiver.recv_from(&mut buf).unwrap();
                assert_eq!((buf[0], got), (first, len));
                assert_eq!(source.port(), from.socket.local_addr().unwrap().port());
            }
        }
    }
    ecn_is_kept(&from, &receivers[0], v6, send);
}

fn ecn_is_kept(from: &UdpPort, receiver: &UdpSocket, v6: bool, send: Send<'_>) {
    let udp = UdpSocketState::new(receiver.into()).unwrap();
    receiver.set_nonblocking(false).unwrap();
    let target = SendTarget { to: receiver.local_addr().unwrap(), src_ip: None, ecn: EcnCodepoint::Ce as u8 };
    let mut batch = SendBatch::default();
    batch.push(target, 0, 0..3, 3);
    send(from, batch.groups(), &[Box::from([1_u8, 2, 3].as_slice())], v6);
    let (mut buf, mut metas) = ([0; 100], [RecvMeta::default()]);
    let mut bufs = [std::io::IoSliceMut::new(&mut buf)];
    assert_eq!(udp.recv(receiver.into(), &mut bufs, &mut metas).unwrap(), 1);
    assert_eq!((metas[0].ecn, metas[0].len), (Some(EcnCodepoint::Ce), 3));
}

pub(crate) fn a_group_that_is_refused_does_not_stop_the_others(
    mut send: impl FnMut(&UdpPort, &[SendGroup], &[Box<[u8]>]) -> SendReport,
) {
    let from = port("0.0.0.0:0");
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let good = SendTarget { to: receiver.local_addr().unwrap(), src_ip: None, ecn: 0 };
    // A source address that isn't ours (TEST-NET-1).
    let src_ip = Some("192.0.2.1".parse().unwrap());
    let bad = SendTarget { to: "127.0.0.1:9".parse().unwrap(), src_ip, ecn: 0 };
    let mut batch = SendBatch::default();
    batch.push(bad, 0, 0..200, 100);
    batch.push(good, 0, 0..200, 100);
    let report = send(&from, batch.groups(), &[vec![7; 200].into_boxed_slice()]);
    assert_eq!(report, SendReport { congested: 0, failed: 2 });
    for _ in 0..2 {
        assert_eq!(receiver.recv(&mut [0; 200]).unwrap(), 100);
    }
}

/// What a burst needed and freed again, with something that lives on above it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn memory_of_a_burst_is_given_back() {
    const BLOCKS: usize = 60_000;
    let burst: Vec<Vec<u8>> = (0..BLOCKS).map(|_| vec![1; 1024]).collect();
    let lives_on = vec![1_u8; 1024];
    drop(burst);
    let before = super::resident_bytes().unwrap();
    super::give_memory_back();
    let after = super::resident_bytes().unwrap();
    assert!(after + 40 * 1024 * 1024 < before, "{before} bytes before, {after} after");
    drop(lives_on);
}
