//! The path of a session's datagrams: the relay's table with both ends' binders over a network that loses, doubles, delays
//! and forges. Nothing ever goes to who isn't an end; and as soon as the network is honest, both ends are bound.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use nearhand_proto::forward::{BindCommand, BindGrant, BindKey, BindState, Binder, RateLimits};
use nearhand_proto::id::{BindToken, SessionId};
use nearhand_relay_core::forward::cid::ControlCids;
use nearhand_relay_core::forward::table::{DatagramVerdict, ForwardTable};

use super::{InputDraw, beginning};

const RELAY: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));
const SESSION: SessionId = SessionId::from_bytes([5; 16]);
/// Ports of the attacker, who receives there.
const EVIL: core::ops::Range<u16> = 60_000..60_004;
/// Most packets that wait in the network.
const ROOM: usize = 64;

fn address(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)), port)
}

fn grant(number: u8) -> BindGrant {
    BindGrant {
        token: BindToken::from_bytes([number; 16]),
        key: BindKey::from_bytes([number; 32]),
        bind_within_s: 60,
        lifetime_s: 45,
        limits: RateLimits::default(),
    }
}

struct PathEnd {
    binder: Binder,
    /// Every port that it ever had; the last is the one in use.
    ports: Vec<u16>,
}

struct PathNetwork {
    table: ForwardTable,
    ends: [PathEnd; 2],
    now: Instant,
    /// From where, and what; to the relay.
    to_relay: VecDeque<(SocketAddr, Vec<u8>)>,
    /// Whose, and what; from the relay.
    to_end: VecDeque<(SocketAddr, Vec<u8>)>,
    /// All that was ever sent, for who wants to send it again.
    recorded: Vec<Vec<u8>>,
    random: u64,
    next_port: u16,
}

/// The relay's, with its own secret after each restart.
fn table(now: Instant, restarts: u16) -> ForwardTable {
    let mut secret = [0; 32];
    secret[..2].copy_from_slice(&restarts.to_le_bytes());
    let mut table = ForwardTable::new(4, 4, ControlCids::new([3; 32]), secret, now);
    let offered = table.offer(now, SESSION, [grant(1), grant(2)], now + Duration::from_secs(60));
    assert!(offered.is_ok());
    table
}

impl PathNetwork {
    fn new() -> Self {
        let now = beginning();
        let end =
            |number, port| PathEnd { binder: Binder::new(grant(number), 1_000, now), ports: vec![port] };
        Self {
            table: table(now, 1),
            ends: [end(1, 40_000), end(2, 40_001)],
            now,
            to_relay: VecDeque::new(),
            to_end: VecDeque::new(),
            recorded: Vec::new(),
            random: 1,
            next_port: 40_002,
        }
    }

    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.random
    }

    /// Lets both ends do what they want to.
    fn poll(&mut self) {
        for which in [0, 1] {
            let random = self.random();
            let end = &mut self.ends[which];
            if end.binder.poll_timeout().is_some_and(|at| at <= self.now) {
                end.binder.handle_timeout(self.now, random);
                let next = end.binder.poll_timeout();
                assert!(next.is_none_or(|at| self.now < at), "what was just done is due again");
            }
            let mut commands = 0;
            while let Some(command) = self.ends[which].binder.poll_command() {
                commands += 1;
                assert!(commands < 20, "commands without end");
                match command {
                    BindCommand::Send(packet) => {
                        let from = address(*self.ends[which].ports.last().unwrap_or(&0));
                        self.send(from, packet.to_vec());
                    }
                    BindCommand::FreshSocket => self.fresh(which),
                }
            }
        }
    }

    fn fresh(&mut self, which: usize) {
        self.ends[which].ports.push(self.next_port);
        self.next_port = 40_000 + (self.next_port + 1 - 40_000) % 10_000;
    }

    fn send(&mut self, from: SocketAddr, bytes: Vec<u8>) {
        if self.recorded.len() < 100 {
            self.recorded.push(bytes.clone());
        }
        if self.to_relay.len() < ROOM {
            self.to_relay.push_back((from, bytes));
        }
    }

    /// The relay takes a datagram.
    fn relay_takes(&mut self, from: SocketAddr, bytes: &[u8]) {
        let is_ends = |which: usize, at: SocketAddr| self.ends[which].ports.iter().any(|p| address(*p) == at);
        match self.table.handle_packet(self.now, from, Some(RELAY), bytes) {
            DatagramVerdict::Forward(route) => {
                let to = [0, 1].into_iter().find(|which| is_ends(*which, route.to));
                let to = to.expect("a datagram goes to who is no end of the session");
                assert!(is_ends(1 - to, from), "a datagram was taken from who is no end of the session");
                self.to_end.push_back((route.to, bytes.to_vec()));
            }
            DatagramVerdict::Reply(reply) => {
                assert!(reply.as_bytes().len() <= bytes.len(), "an answer is longer than what it answers");
                self.to_end.push_back((from, reply.as_bytes().to_vec()));
            }
            DatagramVerdict::Control | DatagramVerdict::Drop(_) => {}
        }
        while self.to_end.len() > ROOM {
            self.to_end.pop_front();
        }
        for side in self.table.counters(SESSION).into_iter().flatten() {
            let evil = side.bound.is_some_and(|bound| EVIL.contains(&bound.port()));
            assert!(!evil, "an attacker is bound");
        }
    }

    fn end_takes(&mut self, to: SocketAddr, bytes: &[u8]) {
        for end in &mut self.ends {
            // Only the socket in use is read.
            if end.ports.last().is_some_and(|port| address(*port) == to) {
                end.binder.handle_packet(self.now, bytes);
            }
        }
    }

    /// A network that only carries, for so long.
    fn honest(&mut self, lasts: Duration) {
        let over = self.now + lasts;
        while self.now < over {
            self.poll();
            while let Some((from, bytes)) = self.to_relay.pop_front() {
                self.relay_takes(from, &bytes);
            }
            while let Some((to, bytes)) = self.to_end.pop_front() {
                self.end_takes(to, &bytes);
            }
            self.poll();
            let due = self.ends.iter().filter_map(|end| end.binder.poll_timeout()).min();
            let step = due.map_or(over, |due| due.max(self.now + Duration::from_millis(10)));
            self.now = step.min(over).max(self.now + Duration::from_millis(10));
            self.table.handle_timeout(self.now);
        }
    }
}

pub(super) fn run(input: &[u8]) {
    let mut scene = PathNetwork::new();
    let mut draw = InputDraw::new(input);
    let mut restarts = 1_u16;
    while let Some(operation) = draw.operation(12) {
        let which = draw.below(2);
        match operation {
            0 => {
                let most = draw.while_passes().min(Duration::from_secs(60));
                scene.now += most;
                scene.table.handle_timeout(scene.now);
                scene.poll();
            }
            1 | 2 => {
                scene.poll();
                if let Some((from, bytes)) = scene.to_relay.pop_front() {
                    scene.relay_takes(from, &bytes);
                }
            }
            3 | 4 => {
                if let Some((to, bytes)) = scene.to_end.pop_front() {
                    scene.end_takes(to, &bytes);
                }
                scene.poll();
            }
            5 => drop((scene.to_relay.pop_front(), scene.to_end.pop_front())),
            6 => {
                // Doubled, and later.
                if let Some(packet) = scene.to_relay.front().cloned() {
                    scene.to_relay.push_back(packet);
                }
            }
            7 => scene.ends[which].binder.network_changed(scene.now),
            8 => {
                restarts += 1;
                scene.table = table(scene.now, restarts);
                scene.to_end.clear();
            }
            9 => {
                // From where the attacker receives: what was recorded, or anything.
                let from = address(EVIL.start + u16::from(draw.byte() % 4));
                let number = draw.below(scene.recorded.len().max(1));
                let bytes = match (draw.coin(), scene.recorded.get(number)) {
                    (true, Some(recorded)) => recorded.clone(),
                    _ => draw.bytes(61),
                };
                scene.relay_takes(from, &bytes);
            }
            10 => {
                // To an end, as if it came from the relay.
                let to = address(*scene.ends[which].ports.last().unwrap_or(&0));
                let bytes = match draw.coin() {
                    true => vec![0x16; 61],
                    false => draw.bytes(61),
                };
                scene.end_takes(to, &bytes);
                scene.poll();
            }
            _ => {
                // A packet of the session.
                let from = address(*scene.ends[which].ports.last().unwrap_or(&0));
                if scene.ends[which].binder.may_send() {
                    scene.ends[which].binder.note_sent(scene.now);
                    scene.relay_takes(from, &[0x41; 100]);
                }
            }
        }
    }
    settle(&mut scene, restarts);
}

/// From here on nobody disturbs anything: both ends come to be bound, and each hears the other.
fn settle(scene: &mut PathNetwork, restarts: u16) {
    scene.to_relay.clear();
    scene.to_end.clear();
    // What the control plane does when a session goes on: the path is offered again, and an end that gave up starts again.
    scene.table = table(scene.now, restarts.wrapping_add(1));
    for end in &mut scene.ends {
        end.binder.rebind(scene.now);
    }
    scene.honest(Duration::from_secs(20));
    for which in [0, 1] {
        let state = scene.ends[which].binder.state();
        assert!(matches!(state, BindState::Bound { .. }), "end {which} is not bound: {state:?}");
        let from = address(*scene.ends[which].ports.last().unwrap_or(&0));
        let to = address(*scene.ends[1 - which].ports.last().unwrap_or(&0));
        match scene.table.handle_packet(scene.now, from, Some(RELAY), &[0x41; 100]) {
            DatagramVerdict::Forward(route) => assert_eq!(route.to, to),
            other => panic!("end {which} is not heard: {other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::machines::MOST;

    /// Found by fuzzing: the model itself counted restarts in a byte.
    #[test]
    fn a_relay_may_be_restarted_as_often_as_an_input_says() {
        super::run(&[8; 2 * MOST]);
    }
}
