//! The table in virtual time, honest and hostile.

use nearhand_proto::forward::RateLimits;
use nearhand_proto::forward::packet::PACKET_LEN;
use rand_core::{OsRng, RngCore};

use super::*;

const RELAY_IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1));
const QUIC: [u8; 1200] = [0x41; 1200];

struct TableBench {
    table: ForwardTable,
    now: Instant,
    nonce: u64,
    id: SessionId,
    grants: [BindGrant; 2],
}

impl TableBench {
    fn new() -> Self {
        Self::limited(RateLimits::default())
    }

    fn limited(limits: RateLimits) -> Self {
        let now = Instant::now();
        let table = ForwardTable::new(10, 1000, ControlCids::new([3; 32]), [4; 32], now);
        let grants = [BindGrant::random(&mut OsRng, limits), BindGrant::random(&mut OsRng, limits)];
        let mut bench = Self { table, now, nonce: 0, id: SessionId::random(&mut OsRng), grants };
        let until = now + secs(60);
        bench.table.offer(now, bench.id, bench.grants.clone(), until).unwrap();
        bench
    }

    fn bound() -> Self {
        let mut bench = Self::new();
        assert!(bench.bind(0, addr(1)) && bench.bind(1, addr(2)));
        bench
    }

    fn handle(&mut self, src: SocketAddr, bytes: &[u8]) -> DatagramVerdict {
        let verdict = self.table.handle_packet(self.now, src, Some(RELAY_IP), bytes);
        if let DatagramVerdict::Reply(reply) = verdict {
            assert!(reply.as_bytes().len() <= bytes.len(), "an answer is longer than what it answers");
        }
        verdict
    }

    fn seal(&mut self, side: usize, packet: BindPacket) -> [u8; PACKET_LEN] {
        self.nonce += 1;
        packet.seal(self.grants[side].token, self.nonce, &self.grants[side].key)
    }

    fn open(&self, side: usize, verdict: DatagramVerdict) -> Option<BindPacket> {
        let DatagramVerdict::Reply(reply) = verdict else { return None };
        SealedPacket::parse(reply.as_bytes())?.open(&self.grants[side].key)
    }

    /// The cookie for a side at an address, with the nonce it is good for.
    fn challenge(&mut self, side: usize, src: SocketAddr) -> Option<([u8; COOKIE_LEN], u64)> {
        let bind1 = self.seal(side, BindPacket::Bind1);
        let verdict = self.handle(src, &bind1);
        match self.open(side, verdict)? {
            BindPacket::Challenge { cookie } => Some((cookie, self.nonce)),
            other => panic!("{other:?}"),
        }
    }

    fn bind2(&self, side: usize, cookie: [u8; COOKIE_LEN], nonce: u64) -> [u8; PACKET_LEN] {
        BindPacket::Bind2 { cookie }.seal(self.grants[side].token, nonce, &self.grants[side].key)
    }

    fn bind(&mut self, side: usize, src: SocketAddr) -> bool {
        let Some((cookie, nonce)) = self.challenge(side, src) else { return false };
        let bind2 = self.bind2(side, cookie, nonce);
        let verdict = self.handle(src, &bind2);
        let bound = self.open(side, verdict);
        bound == Some(BindPacket::Bound { reflexive: src, lifetime_s: 45 })
    }

    fn refresh(&mut self, side: usize, src: SocketAddr) -> bool {
        let refresh = self.seal(side, BindPacket::Refresh);
        let verdict = self.handle(src, &refresh);
        self.open(side, verdict) == Some(BindPacket::Ack)
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.table.handle_timeout(self.now);
    }
}

fn addr(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 7], port))
}

fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn to(port: u16) -> DatagramVerdict {
    DatagramVerdict::Forward(ForwardRoute { to: addr(port), src_ip: Some(RELAY_IP) })
}

const REFUSED: DatagramVerdict = DatagramVerdict::Drop(DropReason::Refused);

#[test]
fn two_bound_sides_reach_each_other_and_nobody_else() {
    let mut bench = TableBench::new();
    assert!(bench.bind(0, addr(1)));
    assert_eq!(bench.handle(addr(1), &QUIC), DatagramVerdict::Drop(DropReason::PeerUnbound));
    assert!(bench.bind(1, addr(2)));
    assert_eq!(bench.handle(addr(1), &QUIC), to(2));
    assert_eq!(bench.handle(addr(2), &QUIC), to(1));
    assert!(matches!(bench.handle(addr(3), &QUIC), DatagramVerdict::Reply(_)));
    // A session's own handshake has long headers.
    assert_eq!(bench.handle(addr(1), &[0xc1; 1200]), to(2));
    let [first, second] = bench.table.counters(bench.id).unwrap();
    assert_eq!((first.packets, first.bytes, second.packets), (2, 2400, 1));
}

#[test]
fn a_whole_receive_batch_passes_at_once_unless_a_bind_packet_is_in_it() {
    let mut bench = TableBench::bound();
    let (now, mut run) = (bench.now, vec![0x41; 1200 * 10]);
    let route = bench.table.forward_run(now, addr(1), 1200, &run);
    assert_eq!(route, Some(ForwardRoute { to: addr(2), src_ip: Some(RELAY_IP) }));
    assert_eq!(bench.table.counters(bench.id).unwrap()[0].packets, 10);
    run[1200 * 7] = 0x12;
    assert_eq!(bench.table.forward_run(now, addr(1), 1200, &run), None);
    assert_eq!(bench.table.forward_run(now, addr(9), 1200, &run), None);
}

#[test]
fn control_is_told_from_sessions_by_header_and_connection_id() {
    let mut bench = TableBench::new();
    assert_eq!(bench.handle(addr(9), &[0xc0; 1200]), DatagramVerdict::Control);
    let mut short = vec![0x40];
    short.extend_from_slice(&ControlCids::new([3; 32]).cid([6; 8]));
    short.extend_from_slice(&[0; 30]);
    assert_eq!(bench.handle(addr(9), &short), DatagramVerdict::Control);
    short[1] ^= 1;
    let DatagramVerdict::Reply(hint) = bench.handle(addr(9), &short) else { panic!("no hint") };
    assert!(packet::is_unbound(hint.as_bytes()) && hint.as_bytes().len() == short.len());
    assert_eq!(
        bench.handle(addr(9), &short),
        DatagramVerdict::Drop(DropReason::Unbound),
        "hints are limited"
    );
    assert_eq!(bench.handle(addr(9), &[0x80; 1200]), DatagramVerdict::Drop(DropReason::Malformed));
    assert_eq!(bench.handle(addr(9), &[]), DatagramVerdict::Drop(DropReason::Malformed));
}

#[test]
fn what_is_not_authentic_is_refused_in_silence() {
    let mut bench = TableBench::new();
    let stranger = BindGrant::random(&mut OsRng, RateLimits::default());
    let (token, key) = (bench.grants[0].token, bench.grants[0].key.clone());
    for packet in [BindPacket::Bind1, BindPacket::Bind2 { cookie: [0; 16] }, BindPacket::Refresh] {
        let mut bad_mac = packet.seal(token, 1, &key);
        bad_mac[60] ^= 1;
        assert_eq!(bench.handle(addr(1), &bad_mac), REFUSED);
        assert_eq!(bench.handle(addr(1), &packet.seal(stranger.token, 1, &stranger.key)), REFUSED);
        let other_side = packet.seal(token, 1, &bench.grants[1].key);
        assert_eq!(bench.handle(addr(1), &other_side), REFUSED);
    }
    // What a relay sends, sent back to it.
    let reflected = BindPacket::Challenge { cookie: [0; 16] }.seal(token, 1, &key);
    assert_eq!(bench.handle(addr(1), &reflected), DatagramVerdict::Drop(DropReason::Malformed));
    assert_eq!(bench.handle(addr(1), packet::unbound(61)), DatagramVerdict::Drop(DropReason::Malformed));
    assert_eq!(bench.table.metrics().active_bindings, 0);
}

#[test]
fn a_cookie_is_good_for_its_address_side_and_time_only() {
    let mut bench = TableBench::new();
    let (cookie, nonce) = bench.challenge(0, addr(1)).unwrap();
    // A legitimate holder can't bind a victim's address with the cookie for his own.
    let bind2 = bench.bind2(0, cookie, nonce);
    assert_eq!(bench.handle(addr(66), &bind2), REFUSED);
    let elsewhere = Some("198.51.100.2".parse().unwrap());
    assert_eq!(bench.table.handle_packet(bench.now, addr(1), elsewhere, &bind2), REFUSED);
    let other_side = bench.bind2(1, cookie, nonce);
    assert_eq!(bench.handle(addr(1), &other_side), REFUSED);
    let other_nonce = bench.bind2(0, cookie, nonce + 1);
    assert_eq!(bench.handle(addr(1), &other_nonce), REFUSED);
    bench.now += secs(29);
    assert!(matches!(bench.handle(addr(1), &bind2), DatagramVerdict::Reply(_)), "last period's still counts");

    let (cookie, nonce) = bench.challenge(1, addr(2)).unwrap();
    bench.now += secs(60);
    let stale = bench.bind2(1, cookie, nonce);
    assert_eq!(bench.handle(addr(2), &stale), REFUSED);
}

#[test]
fn a_recorded_bind_cannot_undo_a_rebind() {
    let mut bench = TableBench::new();
    let (cookie, nonce) = bench.challenge(0, addr(1)).unwrap();
    let recorded = bench.bind2(0, cookie, nonce);
    assert!(matches!(bench.handle(addr(1), &recorded), DatagramVerdict::Reply(_)));
    assert!(bench.bind(1, addr(2)) && bench.bind(0, addr(5)));
    assert_eq!(bench.handle(addr(2), &QUIC), to(5));
    assert_eq!(bench.handle(addr(1), &recorded), REFUSED);
    assert_eq!(bench.handle(addr(2), &QUIC), to(5));
    assert!(matches!(bench.handle(addr(1), &QUIC), DatagramVerdict::Reply(_)), "the old address is unbound");
    assert_eq!(bench.table.metrics().active_bindings, 2);
}

#[test]
fn a_newcomer_at_an_address_takes_it_over() {
    let mut bench = TableBench::bound();
    let (old, id) = (bench.grants.clone(), SessionId::random(&mut OsRng));
    bench.grants = [(); 2].map(|()| BindGrant::random(&mut OsRng, RateLimits::default()));
    let until = bench.now + secs(60);
    bench.table.offer(bench.now, id, bench.grants.clone(), until).unwrap();
    // The carrier's NAT gave side 0's address to another customer.
    assert!(bench.bind(0, addr(1)) && bench.bind(1, addr(4)));
    assert_eq!(bench.handle(addr(1), &QUIC), to(4));
    assert_eq!(bench.handle(addr(2), &QUIC), DatagramVerdict::Drop(DropReason::PeerUnbound));
    bench.grants = old;
    assert!(bench.bind(0, addr(8)));
    assert_eq!(bench.handle(addr(2), &QUIC), to(8));
    assert_eq!(bench.handle(addr(4), &QUIC), to(1));
}

#[test]
fn a_binding_lives_by_refreshes_from_its_own_address() {
    let mut bench = TableBench::bound();
    for _ in 0..10 {
        bench.pass(secs(15));
        assert!(bench.refresh(0, addr(1)) && bench.refresh(1, addr(2)));
    }
    let replay = bench.seal(0, BindPacket::Refresh);
    assert!(matches!(bench.handle(addr(1), &replay), DatagramVerdict::Reply(_)));
    bench.pass(secs(30));
    assert_eq!(bench.handle(addr(1), &replay), REFUSED);
    assert!(!bench.refresh(0, addr(3)), "not from where it is bound");
    assert!(bench.refresh(1, addr(2)));
    bench.pass(secs(15));
    assert_eq!(bench.handle(addr(2), &QUIC), DatagramVerdict::Drop(DropReason::PeerUnbound));
    assert!(matches!(bench.handle(addr(1), &QUIC), DatagramVerdict::Reply(_)));
    assert!(!bench.refresh(0, addr(1)));
    assert_eq!(bench.table.metrics().active_bindings, 1);
    assert!(bench.bind(0, addr(1)), "the session lives on by its other side");
}

#[test]
fn a_grant_that_nobody_binds_and_a_session_that_nobody_refreshes_end() {
    let mut bench = TableBench::new();
    assert!(bench.bind(0, addr(1)));
    bench.pass(secs(40));
    assert!(bench.refresh(0, addr(1)));
    bench.pass(secs(21));
    assert!(!bench.bind(1, addr(2)), "its minute is over");
    bench.pass(secs(30));
    assert_eq!((bench.table.metrics().active_bindings, bench.table.metrics().sessions), (0, 1));
    bench.pass(secs(61));
    assert_eq!(bench.table.metrics().sessions, 0);
    assert_eq!(bench.table.poll_timeout(), None);
    assert!(bench.table.by_token.is_empty() && bench.table.by_source.is_empty());

    let mut bench = TableBench::new();
    bench.pass(secs(61));
    assert_eq!(bench.table.metrics().sessions, 0);
}

#[test]
fn ending_a_session_ends_its_forwarding_at_once() {
    let mut bench = TableBench::bound();
    assert_eq!(bench.handle(addr(1), &QUIC), to(2));
    let counters = bench.table.end_session(bench.id).unwrap();
    assert_eq!((counters[0].packets, counters[0].bound), (1, Some(addr(1))));
    assert!(!matches!(bench.handle(addr(1), &QUIC), DatagramVerdict::Forward(_)));
    assert!(!bench.bind(0, addr(1)));
    assert_eq!(bench.table.end_session(bench.id), None);
    assert_eq!(bench.table.metrics().sessions, 0);
}

#[test]
fn offers_are_bounded_idempotent_and_do_not_share_tokens() {
    let mut bench = TableBench::bound();
    let (now, until) = (bench.now, bench.now + secs(60));
    bench.table.offer(now, bench.id, bench.grants.clone(), until).unwrap();
    assert_eq!(bench.handle(addr(1), &QUIC), to(2), "the same offer again changes nothing");

    let offer = || [(); 2].map(|()| BindGrant::random(&mut OsRng, RateLimits::default()));
    let shared = [bench.grants[0].clone(), offer()[0].clone()];
    let new_id = || SessionId::random(&mut OsRng);
    assert_eq!(bench.table.offer(now, new_id(), shared, until), Err(OfferError::TokenInUse));
    let twice = offer()[0].clone();
    let twice = [twice.clone(), twice];
    assert_eq!(bench.table.offer(now, new_id(), twice, until), Err(OfferError::TokenInUse));
    for _ in 0..9 {
        bench.table.offer(now, new_id(), offer(), until).unwrap();
    }
    assert_eq!(bench.table.offer(now, new_id(), offer(), until), Err(OfferError::Full { max: 10 }));

    bench.grants = offer();
    bench.table.offer(now, bench.id, bench.grants.clone(), until).unwrap();
    assert!(matches!(bench.handle(addr(1), &QUIC), DatagramVerdict::Reply(_)), "new grants end old bindings");
    assert!(bench.bind(0, addr(1)));
}

#[test]
fn a_restarted_relay_takes_the_same_grants_and_the_clients_next_nonces() {
    let mut bench = TableBench::bound();
    bench.table = ForwardTable::new(10, 1000, ControlCids::new([3; 32]), [5; 32], bench.now);
    let DatagramVerdict::Reply(hint) = bench.handle(addr(1), &QUIC) else { panic!("no hint") };
    assert!(packet::is_unbound(hint.as_bytes()));
    bench.table.offer(bench.now, bench.id, bench.grants.clone(), bench.now + secs(60)).unwrap();
    assert!(bench.bind(0, addr(1)) && bench.bind(1, addr(2)));
    assert_eq!(bench.handle(addr(1), &QUIC), to(2));
}

#[test]
fn a_side_is_held_to_its_packets_and_bytes() {
    let slow = RateLimits { bytes_per_s: 1_000_000, packets_per_s: 1_000 };
    let mut bench = TableBench::limited(slow);
    assert!(bench.bind(0, addr(1)) && bench.bind(1, addr(2)));
    let burst = (0..5000).filter(|_| bench.handle(addr(1), &[0x41; 100]) == to(2)).count();
    assert_eq!(burst, 250);
    assert_eq!(bench.handle(addr(2), &QUIC), to(1), "the other side has its own");
    bench.now += secs(10);
    let burst = (0..5000).filter(|_| bench.handle(addr(1), &QUIC) == to(2)).count();
    assert_eq!(burst, 250_000 / 1200);
    let counters = bench.table.counters(bench.id).unwrap();
    assert_eq!(counters[0].limited, 4750 + 5000 - 208);
    assert_eq!(bench.table.metrics().dropped_limited, counters[0].limited);
    assert_eq!(bench.table.forward_run(bench.now, addr(1), 1200, &[0x41; 12_000]), None);
}

#[test]
fn the_heap_does_not_grow_with_rebinds_and_refreshes() {
    let mut bench = TableBench::bound();
    for n in 0..2000 {
        bench.pass(Duration::from_millis(500));
        assert!(bench.bind(0, addr(1000 + n)) && bench.refresh(1, addr(2)));
    }
    assert!(bench.table.deadlines.len() <= 3, "{}", bench.table.deadlines.len());
    assert_eq!(bench.table.by_source.len(), 2);
}

#[test]
fn a_hundred_thousand_random_datagrams_change_nothing() {
    let mut bench = TableBench::bound();
    let mut buf = [0; 1300];
    let (mut sent, mut replied) = (0, 0);
    for n in 0..100_000_u32 {
        OsRng.fill_bytes(&mut buf[..80]);
        let len = if n % 2 == 0 { PACKET_LEN } else { usize::try_from(OsRng.next_u32() % 1300).unwrap() };
        if n % 4 == 0 {
            buf[0] = 0x10 + buf[0] % 7;
            buf[1..17].copy_from_slice(bench.grants[0].token.as_bytes());
        }
        let src = SocketAddr::from((OsRng.next_u32().to_be_bytes(), 7));
        bench.now += Duration::from_micros(10);
        sent += len;
        if let DatagramVerdict::Reply(reply) = bench.handle(src, &buf[..len]) {
            assert!(packet::is_unbound(reply.as_bytes()));
            replied += reply.as_bytes().len();
        }
    }
    assert!(replied <= sent / 100, "{replied} bytes of hints for {sent}");
    assert_eq!(bench.handle(addr(1), &QUIC), to(2));
    assert_eq!(bench.table.metrics().active_bindings, 2);
}

proptest::proptest! {
    #[test]
    fn any_datagram_from_anywhere_is_survived(
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..100),
        port in 0_u16..4,
    ) {
        let mut bench = TableBench::bound();
        bench.handle(addr(port), &bytes);
        assert_eq!(bench.handle(addr(1), &QUIC), to(2));
    }
}
