//! The binder in virtual time, against a relay of a few lines.

use rand_core::OsRng;

use super::*;
use crate::forward::{BindKey, RateLimits};

struct BinderBench {
    binder: Binder,
    key: BindKey,
    now: Instant,
    random: u64,
    sent: Vec<(BindPacket, u64)>,
    fresh_sockets: usize,
}

impl BinderBench {
    fn new() -> Self {
        let grant = BindGrant::random(&mut OsRng, RateLimits::default());
        let (key, now) = (grant.key.clone(), Instant::now());
        Self {
            binder: Binder::new(grant, 1 << 50, now),
            key,
            now,
            random: 5,
            sent: Vec::new(),
            fresh_sockets: 0,
        }
    }

    fn bound() -> Self {
        let mut bench = Self::new();
        bench.run(Duration::ZERO);
        bench.answer_bind();
        bench
    }

    /// Lets time pass, with every timeout handled when it is due, and collects what is sent.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.collect();
            match self.binder.poll_timeout().filter(|at| *at <= end) {
                Some(at) => self.now = self.now.max(at),
                None => break,
            }
            self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            self.binder.handle_timeout(self.now, self.random);
        }
        self.now = end;
    }

    fn collect(&mut self) {
        while let Some(command) = self.binder.poll_command() {
            match command {
                BindCommand::FreshSocket => self.fresh_sockets += 1,
                BindCommand::Send(bytes) => {
                    let sealed = SealedPacket::parse(&bytes).unwrap();
                    self.sent.push((sealed.open(&self.key).unwrap(), sealed.nonce));
                }
            }
        }
    }

    fn reply(&mut self, packet: BindPacket, nonce: u64) {
        let bytes = packet.seal(self.binder.grant.token, nonce, &self.key);
        self.binder.handle_packet(self.now, &bytes);
        self.collect();
    }

    fn answer_bind(&mut self) {
        let (packet, nonce) = self.sent.pop().unwrap();
        assert_eq!(packet, BindPacket::Bind1);
        self.reply(BindPacket::Challenge { cookie: [9; 16] }, nonce);
        assert_eq!(self.sent.pop(), Some((BindPacket::Bind2 { cookie: [9; 16] }, nonce)));
        self.reply(BindPacket::Bound { reflexive: reflexive(), lifetime_s: 45 }, nonce);
        assert_eq!(self.binder.state(), BindState::Bound { reflexive: reflexive() });
        self.sent.clear();
    }
}

fn reflexive() -> SocketAddr {
    "192.0.2.1:7".parse().unwrap()
}

fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

#[test]
fn it_binds_and_refreshes_every_15_seconds() {
    let mut bench = BinderBench::new();
    assert!(!bench.binder.may_send());
    bench.run(Duration::ZERO);
    bench.answer_bind();
    assert!(bench.binder.may_send());
    for _ in 0..3 {
        bench.run(secs(15));
        let (packet, nonce) = bench.sent.pop().unwrap();
        assert_eq!((packet, bench.sent.len()), (BindPacket::Refresh, 0));
        bench.reply(BindPacket::Ack, nonce);
    }
}

#[test]
fn nonces_only_rise() {
    let mut bench = BinderBench::new();
    bench.run(secs(30));
    assert!(bench.sent.len() > 5);
    assert!(bench.sent.windows(2).all(|w| w[0].1 < w[1].1), "{:?}", bench.sent);
}

#[test]
fn an_unanswered_first_bind_fails_when_the_grant_runs_out_and_can_be_started_again() {
    let mut bench = BinderBench::new();
    bench.run(secs(61));
    assert_eq!(bench.binder.state(), BindState::Failed(BindFailure::NoAnswer));
    assert!(bench.sent.len() < 30 && bench.fresh_sockets > 3);
    assert_eq!(bench.binder.poll_timeout(), None);
    bench.binder.rebind(bench.now);
    bench.run(Duration::ZERO);
    bench.answer_bind();
}

#[test]
fn a_path_that_is_offered_again_can_be_bound_for_the_whole_time_of_an_offer() {
    let mut bench = BinderBench::new();
    bench.run(secs(59));
    bench.binder.rebind(bench.now);
    bench.run(secs(58));
    bench.answer_bind();
    // Another network is no other offer.
    let mut bench = BinderBench::new();
    bench.run(secs(59));
    bench.binder.network_changed(bench.now);
    bench.run(secs(2));
    assert_eq!(bench.binder.state(), BindState::Failed(BindFailure::NoAnswer));
}

#[test]
fn a_round_trip_longer_than_the_retry_still_binds() {
    let mut bench = BinderBench::new();
    bench.run(Duration::from_millis(700));
    let first = bench.sent[0].1;
    assert!(bench.sent.len() > 1);
    bench.reply(BindPacket::Challenge { cookie: [1; 16] }, first);
    bench.run(Duration::from_millis(700));
    bench.reply(BindPacket::Bound { reflexive: reflexive(), lifetime_s: 45 }, first);
    assert!(bench.binder.may_send());
}

#[test]
fn what_the_relay_did_not_make_or_made_for_an_earlier_round_is_ignored() {
    let mut bench = BinderBench::new();
    bench.run(Duration::ZERO);
    let nonce = bench.sent[0].1;
    let token = bench.binder.grant.token;
    let forged = BindPacket::Bound { reflexive: reflexive(), lifetime_s: 45 };
    bench.binder.handle_packet(bench.now, &forged.seal(token, nonce, &BindKey::from_bytes([0; 32])));
    bench.binder.handle_packet(bench.now, &forged.seal(token, nonce + (1 << 30), &bench.key));
    assert_eq!(bench.binder.state(), BindState::Binding);
    bench.binder.network_changed(bench.now);
    bench.run(Duration::ZERO);
    assert_eq!(bench.fresh_sockets, 1);
    bench.reply(forged, nonce);
    assert_eq!(bench.binder.state(), BindState::Binding, "the old socket's binding is not the new one's");
}

#[test]
fn a_hint_rebinds_at_once_but_not_more_than_once_a_second_and_data_goes_on() {
    let mut bench = BinderBench::bound();
    for _ in 0..100 {
        bench.binder.handle_packet(bench.now, packet::unbound(40));
        bench.run(Duration::ZERO);
    }
    assert_eq!(bench.sent.len(), 1);
    assert!(bench.binder.may_send());
    bench.answer_bind();
    bench.binder.handle_packet(bench.now, packet::unbound(40));
    bench.run(Duration::ZERO);
    assert!(bench.sent.is_empty());
}

#[test]
fn a_hint_cuts_the_wait_for_a_restarted_relay_short() {
    let mut bench = BinderBench::bound();
    bench.binder.rebind(bench.now);
    bench.run(secs(10));
    bench.sent.clear();
    bench.binder.handle_packet(bench.now, packet::unbound(40));
    bench.run(Duration::ZERO);
    bench.answer_bind();
}

#[test]
fn an_idle_session_is_never_silent_and_a_probed_one_is_after_two_seconds() {
    let mut bench = BinderBench::bound();
    bench.binder.note_received();
    bench.binder.note_sent(bench.now);
    bench.run(secs(14));
    assert!(bench.sent.is_empty(), "an acknowledgement has no answer");

    // A keep-alive three seconds after an acknowledgement is no silence either: its answer isn't late yet.
    let mut bench = BinderBench::bound();
    bench.binder.note_received();
    bench.binder.note_sent(bench.now);
    bench.run(secs(3));
    bench.binder.note_sent(bench.now);
    bench.run(Duration::from_millis(500));
    assert!(bench.sent.is_empty());

    let mut bench = BinderBench::bound();
    bench.binder.note_sent(bench.now);
    bench.now += Duration::from_millis(200);
    bench.binder.note_sent(bench.now);
    bench.run(Duration::from_millis(1990));
    assert!(bench.sent.is_empty());
    bench.run(Duration::from_millis(20));
    assert!(matches!(bench.sent.as_slice(), [(BindPacket::Bind1, _)]));
}

#[test]
fn silence_that_a_rebind_does_not_end_is_met_less_and_less_often() {
    let mut bench = BinderBench::bound();
    let mut rebinds = 0;
    for _ in 0..1200 {
        bench.binder.note_sent(bench.now);
        bench.run(Duration::from_millis(100));
        if let Some((packet, nonce)) = bench.sent.pop() {
            match packet {
                BindPacket::Refresh => bench.reply(BindPacket::Ack, nonce),
                _ => {
                    bench.sent.push((packet, nonce));
                    bench.answer_bind();
                    rebinds += 1;
                }
            }
        }
    }
    assert!((5..10).contains(&rebinds), "{rebinds} rebinds in two minutes");
}

#[test]
fn unanswered_refreshes_lead_to_a_rebind_and_then_to_a_fresh_socket() {
    let mut bench = BinderBench::bound();
    bench.run(secs(19));
    assert_eq!(bench.sent.iter().filter(|(p, _)| *p == BindPacket::Refresh).count(), 3);
    assert_eq!(bench.binder.state(), BindState::Binding);
    assert!(bench.binder.may_send());
    bench.run(secs(5));
    assert_eq!(bench.fresh_sockets, 1);
    assert!(!bench.binder.may_send());
    bench.answer_bind();
}

#[test]
fn send_errors_ask_for_a_fresh_socket_with_a_limit() {
    let mut bench = BinderBench::bound();
    for _ in 0..50 {
        bench.binder.send_failed(bench.now);
        bench.run(Duration::ZERO);
    }
    assert_eq!(bench.fresh_sockets, 1);
    bench.answer_bind();
    bench.now += secs(2);
    bench.binder.send_failed(bench.now);
    bench.run(Duration::ZERO);
    assert_eq!(bench.fresh_sockets, 2);
}
