//! An end's side of the BIND handshake: a pure state machine. Time and randomness are arguments; what comes
//! out are packets to send and the wish for a fresh socket.
//!
//! It binds, keeps the binding with a refresh, and binds again when there is a reason to think that the
//! relay no longer knows the address: its hint, silence where data is due, unanswered refreshes, or a
//! changed network. The peer sees nothing of that. A reason may be wrong or forged (the hint isn't
//! authenticated), so a new handshake never interrupts what still works, and each reason is limited in rate.
//!
//! Not here: sockets, timers (see `transport::bound_socket`).

use core::time::Duration;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use super::grant::BindGrant;
use super::packet::{self, BindPacket, PACKET_LEN, SealedPacket};

/// Between refreshes. A third of a binding's life, and under the 30 s after which common NATs forget a UDP
/// mapping (RFC 4787 section 4.3 wants 2 minutes; measured boxes keep 30 s).
const REFRESH_EVERY: Duration = Duration::from_secs(15);

/// How long an answer to a refresh may take before it is sent again.
const ACK_WITHIN: Duration = Duration::from_secs(1);

/// Unanswered refreshes after which the binding counts as lost.
const REFRESH_TRIES: u8 = 3;

/// Wait after the first BIND1; doubles up to [`RETRY_MAX`]. Above most round trips; a later answer to an
/// earlier try still counts, so a longer round trip costs packets, not time.
const RETRY_FIRST: Duration = Duration::from_millis(300);

/// The longest wait between tries: what a restarted relay adds to a session's stall at most.
const RETRY_MAX: Duration = Duration::from_secs(3);

/// Tries on one socket before a fresh one is asked for: its NAT mapping may be what is broken.
const TRIES_PER_SOCKET: u32 = 3;

/// Silence after which data that is due is missed. Longer than three probe timeouts of a 300 ms path.
const SILENCE: Duration = Duration::from_secs(2);

/// The wait after a rebind for silence that didn't end it doubles up to this: then it is the peer that is gone.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// A second datagram this long after the first with no answer in between is taken for a QUIC probe. What is
/// sent in answer to something (an acknowledgement, which nobody answers) follows within 25 ms of it.
const PROBE_GAP: Duration = Duration::from_millis(100);

/// Least time between rebinds for a hint, which anybody can forge, and between fresh sockets for send errors.
const HINT_GAP: Duration = Duration::from_secs(1);

/// What the owner of the socket is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BindCommand {
    /// Send this to the relay from the current socket.
    Send([u8; PACKET_LEN]),
    /// Go on with a fresh socket, with another local port.
    FreshSocket,
}

/// Where the binding stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BindState {
    /// A handshake is under way; after a first bind data may still pass.
    Binding,
    /// The relay knows this end's address.
    Bound {
        /// The address the relay sees this end at.
        reflexive: SocketAddr,
    },
    /// Given up; only an explicit rebind starts again.
    Failed(BindFailure),
}

/// Why a bind was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BindFailure {
    /// The grant ran out before the relay answered.
    #[error("the relay did not answer on its UDP port before the session offer ran out")]
    NoAnswer,
}

#[derive(Debug)]
enum BindPhase {
    Binding { first_nonce: u64, tries: u32, retry_at: Instant },
    Bound { refresh_at: Instant, refresh: Option<Refreshing> },
    Failed(BindFailure),
}

/// A refresh that isn't answered yet.
#[derive(Debug, Clone, Copy)]
struct Refreshing {
    first_nonce: u64,
    tries: u8,
}

/// One end's binding. Call [`Binder::handle_timeout`] when [`Binder::poll_timeout`] says, and carry out what
/// [`Binder::poll_command`] gives after each call.
#[derive(Debug)]
pub struct Binder {
    grant: BindGrant,
    phase: BindPhase,
    /// The last nonce used.
    nonce: u64,
    /// When the first bind must be done; `None` once it is.
    first_bind_until: Option<Instant>,
    /// Whether the relay has bound the socket now in use.
    socket_bound: bool,
    reflexive: Option<SocketAddr>,
    fresh_socket_wanted: bool,
    last_fresh: Option<Instant>,
    last_hint: Option<Instant>,
    silence: Silence,
    commands: VecDeque<BindCommand>,
}

impl Binder {
    /// Starts to bind at once. The relay takes only nonces above the last one of this grant, so
    /// `first_nonce` grows with each binder made for it: microseconds of the wall clock do.
    pub fn new(grant: BindGrant, first_nonce: u64, now: Instant) -> Self {
        let until = now + Duration::from_secs(grant.bind_within_s.into());
        Self {
            grant,
            phase: BindPhase::Binding { first_nonce: 0, tries: 0, retry_at: now },
            nonce: first_nonce,
            first_bind_until: Some(until),
            socket_bound: false,
            reflexive: None,
            fresh_socket_wanted: false,
            last_fresh: None,
            last_hint: None,
            silence: Silence::default(),
            commands: VecDeque::new(),
        }
    }

    /// Where the binding stands.
    pub fn state(&self) -> BindState {
        match (&self.phase, self.reflexive) {
            (BindPhase::Failed(reason), _) => BindState::Failed(*reason),
            (BindPhase::Bound { .. }, Some(reflexive)) => BindState::Bound { reflexive },
            _ => BindState::Binding,
        }
    }

    /// Whether session data may leave on the current socket. Before its first bind the relay would take a
    /// session's first packet for a control connection and refuse it.
    pub fn may_send(&self) -> bool {
        self.socket_bound
    }

    /// The next thing to do, oldest first.
    pub fn poll_command(&mut self) -> Option<BindCommand> {
        self.commands.pop_front()
    }

    /// When [`Binder::handle_timeout`] is next due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.phase {
            BindPhase::Binding { retry_at, .. } => {
                Some(self.first_bind_until.map_or(*retry_at, |until| until.min(*retry_at)))
            }
            BindPhase::Bound { refresh_at, .. } => {
                Some(self.silence.due().map_or(*refresh_at, |due| due.min(*refresh_at)))
            }
            BindPhase::Failed(_) => None,
        }
    }

    /// Does what is due. `random` makes nonces and retry times unpredictable; each call wants another.
    pub fn handle_timeout(&mut self, now: Instant, random: u64) {
        if self.silence.due().is_some_and(|due| due <= now) && matches!(self.phase, BindPhase::Bound { .. }) {
            self.silence.fired();
            self.start(now);
        }
        match &self.phase {
            BindPhase::Binding { .. } if self.first_bind_until.is_some_and(|until| until <= now) => {
                self.phase = BindPhase::Failed(BindFailure::NoAnswer);
            }
            BindPhase::Binding { retry_at, .. } if *retry_at <= now => self.try_bind(now, random),
            BindPhase::Bound { refresh_at, refresh } if *refresh_at <= now => {
                let refresh = *refresh;
                self.try_refresh(now, random, refresh);
            }
            _ => {}
        }
    }

    /// Takes a packet of the BIND family; it must have come from the relay's address.
    pub fn handle_packet(&mut self, now: Instant, datagram: &[u8]) {
        if packet::is_unbound(datagram) {
            return self.handle_hint(now);
        }
        let Some(sealed) = SealedPacket::parse(datagram).filter(|p| p.token == self.grant.token) else {
            return;
        };
        let Some(packet) = sealed.open(&self.grant.key) else { return };
        let nonce = sealed.nonce;
        match (packet, &self.phase) {
            (BindPacket::Challenge { cookie }, BindPhase::Binding { first_nonce, tries: 1.., .. })
                if (*first_nonce..=self.nonce).contains(&nonce) =>
            {
                self.send(BindPacket::Bind2 { cookie }, nonce);
            }
            (BindPacket::Bound { reflexive, .. }, BindPhase::Binding { first_nonce, tries: 1.., .. })
                if (*first_nonce..=self.nonce).contains(&nonce) =>
            {
                self.bound(now, reflexive);
            }
            (BindPacket::Ack, BindPhase::Bound { refresh: Some(refresh), .. })
                if (refresh.first_nonce..=self.nonce).contains(&nonce) =>
            {
                self.phase = BindPhase::Bound { refresh_at: now + REFRESH_EVERY, refresh: None };
            }
            _ => {}
        }
    }

    /// Session data was sent.
    pub fn note_sent(&mut self, now: Instant) {
        self.silence.sent(now);
    }

    /// Session data came in.
    pub fn note_received(&mut self) {
        self.silence = Silence::default();
    }

    /// The owner knows that data is due from now on.
    pub fn expect_data(&mut self, now: Instant) {
        self.silence.expect(now);
    }

    /// Binds again on the current socket, at once: the path was offered again. Also starts again after a failure, and who
    /// was never bound has the whole time of the offer again.
    pub fn rebind(&mut self, now: Instant) {
        if let Some(until) = &mut self.first_bind_until {
            *until = now + Duration::from_secs(self.grant.bind_within_s.into());
        }
        self.start(now);
    }

    /// The device's network changed: binds again at once, from a fresh socket.
    pub fn network_changed(&mut self, now: Instant) {
        self.fresh_socket_wanted = true;
        match self.phase {
            BindPhase::Failed(_) => self.rebind(now),
            // Not more time: a network that comes and goes must not keep an offer alive that has run out.
            _ => self.start(now),
        }
    }

    /// The system refused to send, as it does when the address or the route is gone.
    pub fn send_failed(&mut self, now: Instant) {
        let recent = self.last_fresh.is_some_and(|at| now.saturating_duration_since(at) < HINT_GAP);
        // While a handshake is under way its own retries ask for fresh sockets.
        if matches!(self.phase, BindPhase::Bound { .. }) && !recent {
            self.last_fresh = Some(now);
            self.network_changed(now);
        }
    }

    fn handle_hint(&mut self, now: Instant) {
        if self.last_hint.is_some_and(|at| now.saturating_duration_since(at) < HINT_GAP) {
            return;
        }
        match &mut self.phase {
            BindPhase::Bound { .. } => self.start(now),
            // The relay is back: no need to wait out the longer pauses.
            BindPhase::Binding { retry_at, tries, .. } if *tries > 1 => *retry_at = now.min(*retry_at),
            _ => return,
        }
        self.last_hint = Some(now);
    }

    fn start(&mut self, now: Instant) {
        self.phase = BindPhase::Binding { first_nonce: 0, tries: 0, retry_at: now };
    }

    fn try_bind(&mut self, now: Instant, random: u64) {
        let BindPhase::Binding { first_nonce, tries, .. } = self.phase else { return };
        let nonce = self.next_nonce(random);
        let worn_out = tries > 0 && tries % TRIES_PER_SOCKET == 0;
        let fresh = core::mem::take(&mut self.fresh_socket_wanted) || worn_out;
        if fresh {
            self.socket_bound = false;
            self.last_fresh = Some(now);
            self.commands.push_back(BindCommand::FreshSocket);
        }
        let wait = RETRY_FIRST.saturating_mul(1 << tries.min(8)).min(RETRY_MAX);
        // Up to a fifth longer, so that a restarted relay isn't asked by everybody at once.
        let jitter = wait.mul_f64(f64::from((random & 0xff) as u8) / 255.0 / 5.0);
        self.phase = BindPhase::Binding {
            // Answers to what an earlier socket sent don't count.
            first_nonce: if tries == 0 || fresh { nonce } else { first_nonce },
            tries: tries.saturating_add(1),
            retry_at: now + wait + jitter,
        };
        self.send(BindPacket::Bind1, nonce);
    }

    fn try_refresh(&mut self, now: Instant, random: u64, refresh: Option<Refreshing>) {
        let tries = refresh.map_or(0, |r| r.tries);
        if tries >= REFRESH_TRIES {
            self.start(now);
            return self.try_bind(now, random);
        }
        let nonce = self.next_nonce(random);
        let first_nonce = refresh.map_or(nonce, |r| r.first_nonce);
        self.phase = BindPhase::Bound {
            refresh_at: now + ACK_WITHIN,
            refresh: Some(Refreshing { first_nonce, tries: tries + 1 }),
        };
        self.send(BindPacket::Refresh, nonce);
    }

    fn bound(&mut self, now: Instant, reflexive: SocketAddr) {
        self.phase = BindPhase::Bound { refresh_at: now + REFRESH_EVERY, refresh: None };
        self.reflexive = Some(reflexive);
        self.socket_bound = true;
        self.first_bind_until = None;
        self.silence.restart();
    }

    fn send(&mut self, packet: BindPacket, nonce: u64) {
        self.commands.push_back(BindCommand::Send(packet.seal(self.grant.token, nonce, &self.grant.key)));
    }

    /// Above every nonce before, as the relay demands. The step is under 2^16, which in microseconds is less
    /// than the time between two packets: a later binder's first nonce is above this one's last.
    fn next_nonce(&mut self, random: u64) -> u64 {
        self.nonce = self.nonce.saturating_add(1 + (random >> 48));
        self.nonce
    }
}

/// Tells data that is due and missing from an idle session.
#[derive(Debug, Default)]
struct Silence {
    /// The first datagram sent since the last one received.
    first_sent: Option<Instant>,
    /// Whether an answer is due, and since when.
    due_since: Option<Instant>,
    /// Rebinds since data last came in.
    rebinds: u32,
}

impl Silence {
    fn sent(&mut self, now: Instant) {
        let first = *self.first_sent.get_or_insert(now);
        if self.due_since.is_none() && now.saturating_duration_since(first) >= PROBE_GAP {
            // Not since the first: that may have been an acknowledgement, and this a keep-alive much later.
            self.due_since = Some(now);
        }
    }

    fn expect(&mut self, now: Instant) {
        self.due_since.get_or_insert(now);
    }

    fn due(&self) -> Option<Instant> {
        let wait = SILENCE.saturating_mul(1 << self.rebinds.min(8)).min(SILENCE_MAX);
        self.due_since.map(|since| since + wait)
    }

    fn fired(&mut self) {
        self.rebinds = self.rebinds.saturating_add(1);
        self.restart();
    }

    /// A new binding: the wait starts again.
    fn restart(&mut self) {
        self.first_sent = None;
        self.due_since = None;
    }
}

#[cfg(test)]
mod tests;
