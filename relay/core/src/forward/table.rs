//! The forwarding table: a pure core. It decides what becomes of each datagram on the relay's UDP port;
//! time is an argument, nothing is sent from here.
//!
//! A binding has no destination: it can only join the two sides of one offered session, and only to the
//! address that answered the cookie. What an attacker gets by each way in:
//! - a forged or recorded BIND packet: nothing; the MAC, the nonce and the cookie each stop it, silently;
//! - a legitimate grant: a binding of an address that he receives at, nothing else;
//! - a spoofed source of a bound address: a datagram injected that the peer's AEAD drops, one for one, within
//!   that side's limits;
//! - no session at all: hints no larger than what he sent, few of them.
//!
//! The cost per datagram is one hash lookup for any number of sessions; expiry is a heap, so nothing ever
//! walks the table.

use core::cmp::Reverse;
use core::time::Duration;
use std::collections::{BinaryHeap, HashMap};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Instant;

use hmac::Mac;
use nearhand_proto::forward::BindGrant;
use nearhand_proto::forward::packet::{self, BindPacket, COOKIE_LEN, SealedPacket, ip16};
use nearhand_proto::id::{BindToken, SessionId};

use super::cid::ControlCids;
use super::limit::HintLimiter;
use super::session::{BoundAddress, ForwardedSide, SideKey, TableSession};
use super::slots::{SlotIndex, SlotTable};
pub use super::verdict::{
    BindReply, DatagramVerdict, DropReason, ForwardMetrics, ForwardRoute, OfferError, SessionCounters,
    SideCounters,
};

/// A cookie's secret lasts this long, and one period more: longer than any round trip, short enough that a
/// recorded cookie is soon worth nothing.
const COOKIE_PERIOD: Duration = Duration::from_secs(30);

/// A session whose bindings are all gone can be bound again for this long, which is how long a session may be
/// resumed without a new consent.
const LINGER: Duration = Duration::from_secs(60);

/// QUIC's fixed bit and long-header bit (RFC 9000, section 17).
const FIXED_BIT: u8 = 0x40;
const LONG_HEADER: u8 = 0x80;

/// See the module.
#[derive(Debug)]
pub struct ForwardTable {
    sessions: SlotTable<TableSession>,
    by_id: HashMap<SessionId, SlotIndex>,
    by_token: HashMap<BindToken, SideKey>,
    by_source: HashMap<SocketAddr, SideKey>,
    /// One valid entry per session, at a time no later than its next deadline.
    deadlines: BinaryHeap<Reverse<(Instant, SlotIndex, SessionId)>>,
    cids: ControlCids,
    cookie_key: [u8; 32],
    started: Instant,
    hints: HintLimiter,
    max_sessions: usize,
    metrics: ForwardMetrics,
}

impl ForwardTable {
    /// Empty. `cookie_key` is fresh random bytes, never stored: a restart voids all cookies.
    pub fn new(
        max_sessions: usize,
        hints_per_s: u32,
        cids: ControlCids,
        cookie_key: [u8; 32],
        now: Instant,
    ) -> Self {
        Self {
            sessions: SlotTable::default(),
            by_id: HashMap::new(),
            by_token: HashMap::new(),
            by_source: HashMap::new(),
            deadlines: BinaryHeap::new(),
            cids,
            cookie_key,
            started: now,
            hints: HintLimiter::new(hints_per_s, now),
            max_sessions,
            metrics: ForwardMetrics::default(),
        }
    }

    /// Lets the two sides of a session bind until `until`. The same offer again only extends that; an offer
    /// with other tokens replaces the session and its bindings. After a restart live sessions are offered
    /// again with their old grants.
    ///
    /// # Errors
    /// [`OfferError`]: the table is full, or another session uses one of the tokens already.
    pub fn offer(
        &mut self,
        now: Instant,
        id: SessionId,
        grants: [BindGrant; 2],
        until: Instant,
    ) -> Result<(), OfferError> {
        self.handle_timeout(now);
        let tokens = [grants[0].token, grants[1].token];
        if let Some(session) = self.session_mut(id)
            && session.sides.iter().map(|side| side.token).eq(tokens)
        {
            session.until = session.until.max(until);
            return Ok(());
        }
        let old = self.by_id.get(&id).copied();
        let foreign = |token| self.by_token.get(&token).is_some_and(|side| Some(side.slot) != old);
        if tokens[0] == tokens[1] || tokens.into_iter().any(foreign) {
            return Err(OfferError::TokenInUse);
        }
        if old.is_none() && self.by_id.len() >= self.max_sessions {
            return Err(OfferError::Full { max: self.max_sessions });
        }
        self.end_session(id);
        let sides = grants.map(|grant| ForwardedSide::new(grant, now));
        let session = TableSession { id, until, sides, queued: None };
        self.insert(session, tokens);
        Ok(())
    }

    fn insert(&mut self, session: TableSession, tokens: [BindToken; 2]) {
        let id = session.id;
        let slot = self.sessions.insert(session);
        for (token, second) in tokens.into_iter().zip([false, true]) {
            self.by_token.insert(token, SideKey { slot, second });
        }
        self.by_id.insert(id, slot);
        self.queue(slot);
    }

    /// Sees to it that the session is looked at by its next deadline.
    fn queue(&mut self, slot: SlotIndex) {
        // None when it has just ended.
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let deadline = session.next_deadline();
        if session.queued.is_none_or(|queued| deadline < queued) {
            session.queued = Some(deadline);
            self.deadlines.push(Reverse((deadline, slot, session.id)));
        }
    }

    /// Ends a session and its bindings, at once; what it counted.
    pub fn end_session(&mut self, id: SessionId) -> Option<SessionCounters> {
        let slot = self.by_id.remove(&id)?;
        let session = self.sessions.remove(slot)?;
        for side in &session.sides {
            self.by_token.remove(&side.token);
            if let Some(binding) = side.bound {
                self.by_source.remove(&binding.addr);
            }
        }
        Some(session.counters())
    }

    /// What a session's sides sent, in the order of the offer.
    pub fn counters(&self, id: SessionId) -> Option<SessionCounters> {
        self.sessions.held(*self.by_id.get(&id)?).map(TableSession::counters)
    }

    /// The counters since the start.
    pub fn metrics(&self) -> ForwardMetrics {
        let count = |len: usize| u64::try_from(len).unwrap_or(u64::MAX);
        ForwardMetrics {
            active_bindings: count(self.by_source.len()),
            sessions: count(self.by_id.len()),
            ..self.metrics
        }
    }

    /// The counters of what the driver alone sees: datagrams that the system did not take.
    pub fn metrics_mut(&mut self) -> &mut ForwardMetrics {
        &mut self.metrics
    }

    /// When [`ForwardTable::handle_timeout`] is next due; it may find nothing to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.peek().map(|Reverse((at, ..))| *at)
    }

    /// Drops bindings and sessions whose time is over.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(Reverse((at, slot, id))) = self.deadlines.peek().copied() {
            if at > now {
                return;
            }
            self.deadlines.pop();
            // Entries of sessions that are over stay in the heap until here.
            let session = self.sessions.get_mut(slot);
            let valid = |session: &&mut TableSession| session.id == id && session.queued == Some(at);
            if let Some(session) = session.filter(valid) {
                session.queued = None;
                self.expire(now, slot);
                self.queue(slot);
            }
        }
    }

    fn expire(&mut self, now: Instant, slot: SlotIndex) {
        let Some(session) = self.sessions.held_mut(slot) else { return };
        let mut any_bound = false;
        for side in &mut session.sides {
            match side.bound {
                Some(binding) if binding.expires <= now => {
                    self.by_source.remove(&binding.addr);
                    side.bound = None;
                    session.until = session.until.max(binding.expires + LINGER);
                }
                Some(_) => any_bound = true,
                None => {}
            }
        }
        if !any_bound && session.until <= now {
            let id = session.id;
            self.end_session(id);
        }
    }

    /// What to do with a datagram from `src` to our address `dst_ip`.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        src: SocketAddr,
        dst_ip: Option<IpAddr>,
        bytes: &[u8],
    ) -> DatagramVerdict {
        let verdict = self.decide(now, src, dst_ip, bytes);
        let metrics = &mut self.metrics;
        match verdict {
            DatagramVerdict::Control => metrics.control += 1,
            DatagramVerdict::Drop(DropReason::Malformed) => metrics.dropped_malformed += 1,
            DatagramVerdict::Drop(DropReason::Refused) => metrics.binds_refused += 1,
            DatagramVerdict::Drop(DropReason::Unbound) => metrics.dropped_unbound += 1,
            DatagramVerdict::Drop(DropReason::PeerUnbound) => metrics.dropped_peer_unbound += 1,
            DatagramVerdict::Drop(DropReason::Limited) => metrics.dropped_limited += 1,
            DatagramVerdict::Forward(_) | DatagramVerdict::Reply(_) => {}
        }
        verdict
    }

    /// The common case in one look-up: all datagrams of a receive batch from one source, `stride` bytes each,
    /// are a bound session's QUIC packets within its limits. `None`: look at each with [`ForwardTable::handle_packet`].
    pub fn forward_run(
        &mut self,
        now: Instant,
        src: SocketAddr,
        stride: usize,
        bytes: &[u8],
    ) -> Option<ForwardRoute> {
        let side = *self.by_source.get(&src)?;
        let mut segments = bytes.chunks(stride.max(1));
        let packets = u64::try_from(segments.len()).ok()?;
        // Every segment: a batch of the kernel's may hold a BIND packet.
        if !segments.all(|segment| segment.first().is_some_and(|first| first & FIXED_BIT != 0)) {
            return None;
        }
        self.route(now, side, packets, u64::try_from(bytes.len()).ok()?, false).ok()
    }

    fn decide(
        &mut self,
        now: Instant,
        src: SocketAddr,
        dst_ip: Option<IpAddr>,
        bytes: &[u8],
    ) -> DatagramVerdict {
        let Some(first) = bytes.first().copied() else { return DatagramVerdict::Drop(DropReason::Malformed) };
        if packet::is_bind_family(first) {
            return match SealedPacket::parse(bytes).filter(SealedPacket::is_request) {
                Some(sealed) => self.handle_bind(now, src, dst_ip, &sealed),
                None => DatagramVerdict::Drop(DropReason::Malformed),
            };
        }
        if first & FIXED_BIT == 0 {
            return DatagramVerdict::Drop(DropReason::Malformed);
        }
        if let Some(side) = self.by_source.get(&src).copied() {
            let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            match self.route(now, side, 1, len, true) {
                Ok(route) => return DatagramVerdict::Forward(route),
                // Run out, though not yet swept.
                Err(DropReason::Unbound) => {}
                Err(reason) => return DatagramVerdict::Drop(reason),
            }
        }
        if first & LONG_HEADER != 0 || self.cids.is_addressed_by(bytes) {
            return DatagramVerdict::Control;
        }
        if self.hints.allow(now, src) {
            self.metrics.hints += 1;
            self.metrics.dropped_unbound += 1;
            return DatagramVerdict::Reply(BindReply::new(packet::unbound(bytes.len())));
        }
        DatagramVerdict::Drop(DropReason::Unbound)
    }

    /// Where a bound side's datagrams go; counts them, and a refusal if that is final.
    fn route(
        &mut self,
        now: Instant,
        side: SideKey,
        packets: u64,
        bytes: u64,
        is_final: bool,
    ) -> Result<ForwardRoute, DropReason> {
        let session = self.sessions.held_mut(side.slot).ok_or(DropReason::Unbound)?;
        let alive = |binding: &BoundAddress| binding.expires > now;
        session.side(side.second).bound.filter(alive).ok_or(DropReason::Unbound)?;
        let peer = session.side(!side.second).bound.filter(alive).ok_or(DropReason::PeerUnbound)?;
        let sender = session.side(side.second);
        if !sender.admit(now, packets, bytes) {
            sender.counters.limited += u64::from(is_final);
            return Err(DropReason::Limited);
        }
        self.metrics.packets += packets;
        self.metrics.bytes += bytes;
        Ok(ForwardRoute { to: peer.addr, src_ip: peer.dst_ip })
    }

    /// BIND1, BIND2, REFRESH. Every failure looks the same from outside: silence.
    fn handle_bind(
        &mut self,
        now: Instant,
        src: SocketAddr,
        dst_ip: Option<IpAddr>,
        sealed: &SealedPacket<'_>,
    ) -> DatagramVerdict {
        self.answer_bind(now, src, dst_ip, sealed)
            .map_or(DatagramVerdict::Drop(DropReason::Refused), DatagramVerdict::Reply)
    }

    fn answer_bind(
        &mut self,
        now: Instant,
        src: SocketAddr,
        dst_ip: Option<IpAddr>,
        sealed: &SealedPacket<'_>,
    ) -> Option<BindReply> {
        let (token, nonce) = (sealed.token, sealed.nonce);
        let at = *self.by_token.get(&token)?;
        let session = self.sessions.held_mut(at.slot)?;
        let until = session.until;
        let side = session.side(at.second);
        let packet = sealed.open(&side.key)?;
        // Replays end here, and so does a side that never came while it could.
        if nonce <= side.last_nonce || (side.counters.binds == 0 && until <= now) {
            return None;
        }
        let answer = match packet {
            BindPacket::Bind1 => {
                let key = side.key.clone();
                let cookie = self.cookie(self.period(now), src, dst_ip, token, nonce);
                return Some(BindReply::new(&BindPacket::Challenge { cookie }.seal(token, nonce, &key)));
            }
            BindPacket::Refresh => {
                let binding = side.bound.as_mut().filter(|b| b.addr == src && b.expires > now)?;
                binding.expires = now + side.lifetime;
                binding.dst_ip = dst_ip;
                BindPacket::Ack
            }
            BindPacket::Bind2 { cookie } => {
                if !self.cookie_is_ours(now, &cookie, src, dst_ip, token, nonce) {
                    return None;
                }
                let lifetime_s = self.bind(now, at, src, dst_ip)?;
                BindPacket::Bound { reflexive: src, lifetime_s }
            }
            BindPacket::Challenge { .. } | BindPacket::Bound { .. } | BindPacket::Ack => return None,
        };
        let side = self.sessions.held_mut(at.slot)?.side(at.second);
        side.last_nonce = nonce;
        Some(BindReply::new(&answer.seal(token, nonce, &side.key)))
    }

    fn bind(&mut self, now: Instant, at: SideKey, src: SocketAddr, dst_ip: Option<IpAddr>) -> Option<u16> {
        // The side that was bound there before no longer receives there: the newcomer has just shown that it does.
        if let Some(before) = self.by_source.insert(src, at)
            && before != at
            && let Some(session) = self.sessions.held_mut(before.slot)
        {
            session.side(before.second).bound = None;
            session.until = session.until.max(now + LINGER);
        }
        let session = self.sessions.held_mut(at.slot)?;
        let side = session.side(at.second);
        let expires = now + side.lifetime;
        if let Some(old) = side.bound.replace(BoundAddress { addr: src, dst_ip, expires })
            && old.addr != src
        {
            self.by_source.remove(&old.addr);
        }
        side.counters.binds += 1;
        self.metrics.binds_ok += 1;
        let lifetime_s = side.lifetime_s;
        self.queue(at.slot);
        Some(lifetime_s)
    }

    fn period(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.started).as_secs() / COOKIE_PERIOD.as_secs()
    }

    /// Binds the handshake to the address it came from and to one that we answer at. Nothing is stored: the
    /// period's secret is derived from the relay's, the source and its nonce come again in BIND2.
    fn cookie(
        &self,
        period: u64,
        src: SocketAddr,
        dst_ip: Option<IpAddr>,
        token: BindToken,
        nonce: u64,
    ) -> [u8; COOKIE_LEN] {
        let secret = packet::hmac(&self.cookie_key, &[&period.to_be_bytes()]).finalize().into_bytes();
        let dst_ip = ip16(dst_ip.unwrap_or(Ipv6Addr::UNSPECIFIED.into()));
        let parts: [&[u8]; 5] =
            [&ip16(src.ip()), &src.port().to_be_bytes(), &dst_ip, token.as_bytes(), &nonce.to_be_bytes()];
        let tag = packet::hmac(&secret.into(), &parts).finalize().into_bytes();
        let mut cookie = [0; COOKIE_LEN];
        cookie.iter_mut().zip(tag).for_each(|(to, from)| *to = from);
        cookie
    }

    fn cookie_is_ours(
        &self,
        now: Instant,
        cookie: &[u8; COOKIE_LEN],
        src: SocketAddr,
        dst_ip: Option<IpAddr>,
        token: BindToken,
        nonce: u64,
    ) -> bool {
        let period = self.period(now);
        [Some(period), period.checked_sub(1)].into_iter().flatten().any(|period| {
            let ours = self.cookie(period, src, dst_ip, token, nonce);
            subtle::ConstantTimeEq::ct_eq(ours.as_slice(), cookie).into()
        })
    }

    fn session_mut(&mut self, id: SessionId) -> Option<&mut TableSession> {
        self.sessions.held_mut(*self.by_id.get(&id)?)
    }
}

#[cfg(test)]
mod tests;
