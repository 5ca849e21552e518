//! The path that sessions' datagrams take: it joins the two ends of one offered session, and nothing else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hmac::Mac as _;
use nearhand_proto::forward::packet::{self, MAC_LEN, ip16};
use nearhand_proto::forward::{BindGrant, BindKey, BindPacket, PACKET_LEN, SealedPacket};
use nearhand_proto::id::SessionId;
use nearhand_proto::message::control::{RelayPushReply, RelayReply, RelayRequest, SessionTarget};
use nearhand_proto::message::session::{AgentHello, SessionRefusal, TechnicianProof};
use rand_core::OsRng;

use super::fixtures::{session_id, with_eve};
use super::{AttackTrial, number};
use crate::deployment::LIMIT;
use crate::hostile_relay::{RelayBehaviour, stolen};
use crate::wire_client::ControlWire;

/// What no relay may ever read.
const MARKER: &str = "my bank's password is swordfish";
/// Within this an answer on loopback is there, if one comes.
const ANSWER: Duration = Duration::from_millis(60);
/// Kinds of packets that an end sends, and where their body begins and ends.
const BIND1: u8 = 0x10;
const BIND2: u8 = 0x12;
const REFRESH: u8 = 0x14;
const BODY: core::ops::Range<usize> = 25..45;

/// The right to bind that goes with a session of hers.
fn opened(control: &ControlWire, session: SessionId, target: SessionTarget) -> Result<BindGrant> {
    match control.ask(&RelayRequest::Open { session, target })? {
        RelayReply::Opened(opened) => Ok(opened.bind),
        other => anyhow::bail!("{other:?}"),
    }
}

/// An end that says on its path what it likes.
struct RogueEnd {
    socket: UdpSocket,
    relay: SocketAddr,
    grant: BindGrant,
    nonce: u64,
}

impl RogueEnd {
    fn new(port: u16, grant: BindGrant) -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(ANSWER))?;
        Ok(Self { socket, relay: SocketAddr::from(([127, 0, 0, 1], port)), grant, nonce: 1_000 })
    }

    /// Sends bytes; the answer, if there is one.
    fn send(&self, bytes: &[u8]) -> Result<Option<Vec<u8>>> {
        self.socket.send_to(bytes, self.relay)?;
        let mut buffer = [0; 2048];
        match self.socket.recv(&mut buffer) {
            Ok(len) => Ok(buffer.get(..len).map(<[u8]>::to_vec)),
            Err(_) => Ok(None),
        }
    }

    /// As it should be.
    fn says(&mut self, packet: &BindPacket) -> Result<Option<BindPacket>> {
        self.nonce += 1;
        let answer = self.send(&packet.seal(self.grant.token, self.nonce, &self.grant.key))?;
        Ok(answer.and_then(|bytes| SealedPacket::parse(&bytes)?.open(&self.grant.key)))
    }

    /// A packet with any body, authenticated as it should be.
    fn forged(&mut self, kind: u8, body: &[u8]) -> Vec<u8> {
        self.nonce += 1;
        let mut bytes = BindPacket::Bind1.seal(self.grant.token, self.nonce, &self.grant.key).to_vec();
        if let Some(first) = bytes.first_mut() {
            *first = kind;
        }
        bytes.iter_mut().take(BODY.end).skip(BODY.start).zip(body).for_each(|(to, from)| *to = *from);
        let signed = PACKET_LEN - MAC_LEN;
        let tag = packet::hmac(self.grant.key.as_bytes(), &[bytes.get(..signed).unwrap_or_default()]);
        let tag = tag.finalize().into_bytes();
        bytes.iter_mut().skip(signed).zip(tag).for_each(|(to, from)| *to = from);
        bytes
    }
}

pub(super) fn a_destination_in_a_bind(trial: &AttackTrial) -> Result<()> {
    let (site, agent, wire, eve) = with_eve(true)?;
    let control = eve.connect(&wire)?;
    let target = SessionTarget::Device(site.device_id("pc-1")?);
    let mut end = RogueEnd::new(site.port, opened(&control, SessionId::random(&mut OsRng), target)?)?;
    // Somebody who must never hear anything.
    let victim = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    victim.set_nonblocking(true)?;
    let port = victim.local_addr()?.port();
    let (mut tried, mut answered) = (0, 0);
    for ip in [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        IpAddr::V6(Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped()),
    ] {
        let body = [&ip16(ip)[..], &port.to_be_bytes(), &[0, 45]].concat();
        for kind in [BIND1, BIND2, REFRESH, 0x13, 0x17] {
            let packet = end.forged(kind, &body);
            tried += 1;
            answered += usize::from(end.send(&packet)?.is_some());
        }
        // Nor is anything bound now.
        answered += usize::from(end.says(&BindPacket::Refresh)?.is_some());
    }
    // With a right cookie, and an address where the rest is zero.
    let Some(BindPacket::Challenge { cookie }) = end.says(&BindPacket::Bind1)? else {
        anyhow::bail!("the right packet is not answered, so silence says nothing")
    };
    // Under the number that the cookie was made for.
    end.nonce -= 1;
    let packet = end.forged(BIND2, &[&cookie[..], &[127, 0, 0, 1]].concat());
    tried += 1;
    answered += usize::from(end.send(&packet)?.is_some());
    trial.tried("binds with a destination", number(tried));
    trial.at_most("of them answered", number(answered), "", 0.0)?;
    // Bound as one should be, nothing leaves for anywhere but the other end.
    let Some(BindPacket::Challenge { cookie }) = end.says(&BindPacket::Bind1)? else {
        anyhow::bail!("no challenge")
    };
    end.nonce -= 1;
    let bound = end.says(&BindPacket::Bind2 { cookie })?;
    ensure!(matches!(bound, Some(BindPacket::Bound { .. })), "{bound:?}");
    for _ in 0..50 {
        let address = [&[0x40][..], &ip16(IpAddr::V4(Ipv4Addr::LOCALHOST)), &port.to_be_bytes()].concat();
        end.socket.send_to(&address, end.relay)?;
    }
    let heard = victim.recv(&mut [0; 64]).is_ok();
    ensure!(!heard, "a datagram came to where none may go");
    drop(agent);
    Ok(())
}

pub(super) fn anothers_session(_trial: &AttackTrial) -> Result<()> {
    let (site, mut agent, wire, eve) = with_eve(true)?;
    let mut client = site.admin().connect("pc-1", &[])?;
    let theirs = session_id(&client.event("connected")?)?;
    let target = SessionTarget::Device(site.device_id("pc-1")?);
    let control = eve.connect(&wire)?;
    let relay = SocketAddr::from(([127, 0, 0, 1], site.port));
    // Her own path, their session.
    let bind = opened(&control, SessionId::random(&mut OsRng), target)?;
    let answer = wire.path(relay, &eve, theirs, bind)?.hello(TechnicianProof::Managed)?;
    ensure!(matches!(answer, AgentHello::Refused(SessionRefusal::Protocol)), "{answer:?}");
    agent.program.wait_for("hello failed", LIMIT)?;
    // A token without its key, and every packet of an end under it.
    let other = BindKey::random(&mut OsRng);
    let mut end = RogueEnd::new(site.port, opened(&control, SessionId::random(&mut OsRng), target)?)?;
    for packet in
        [BindPacket::Bind1, BindPacket::Bind2 { cookie: [7; 16] }, BindPacket::Refresh, BindPacket::Ack]
    {
        end.nonce += 1;
        let answer = end.send(&packet.seal(end.grant.token, end.nonce, &other))?;
        ensure!(answer.is_none(), "{packet:?} without the key was answered");
    }
    ensure!(end.says(&BindPacket::Bind1)?.is_some(), "with the key it is");
    client.say("undisturbed")?;
    client.chat("undisturbed", "received")?;
    agent.has_audited("session.start", 1)?;
    client.end()
}

pub(super) fn a_recorded_session(_trial: &AttackTrial) -> Result<()> {
    let (site, agent, _wire, relay) = stolen(RelayBehaviour::Tapping)?;
    let mut console = agent.watch(&["--no-code"])?;
    let mut client = site.admin().connect("pc-1", &["--ask", "diagnostics"])?;
    let event = client.event("connected")?;
    client.event("granted")?;
    client.say(MARKER)?;
    console.sees(MARKER)?;
    client.end()?;
    console.sees("The session is over")?;
    let packets = relay.packets();
    ensure!(packets.len() > 5, "{} packets were recorded", packets.len());
    // What passed in between is not readable, which only says that this is the session and not its inside.
    let readable = packets.iter().any(|p| p.windows(MARKER.len()).any(|w| w == MARKER.as_bytes()));
    ensure!(!readable);
    let same = session_id(&event)?;
    for session in [same, SessionId::random(&mut OsRng)] {
        let (reply, bind) = relay.offer(session, None, false)?;
        ensure!(reply == RelayPushReply::Done);
        let back = relay.replay(bind, &packets)?;
        ensure!(back > 0, "the agent's end was there and answered the handshake");
    }
    ensure!((agent.audited("session.start")?, agent.audited("grant")?) == (1, 1));
    ensure!(console.program.count(MARKER) == 1);
    // And the agent is as before.
    let out = Duration::from_secs(60);
    relay.becomes(RelayBehaviour::Honestly);
    let mut client = site.admin().start(&["diagnose", "pc-1", "--quick"])?;
    client.event_within("report", out).context("the agent is not as before")?;
    client.ends_with(0)
}
