//! A relay in the wrong hands, against real agents and clients: it has the stolen key and port of the real one and
//! can cause an outage, nothing else. What it could decrypt is searched for what it should never have seen; that
//! the search can fail is shown by a client that doesn't check who answers.
//!
//! Tried with mutants: a client that takes any confirmation of the code is overheard; an agent that takes a
//! technician's credential from any key lets the relay begin a session of its own.

use std::time::Duration;

use anyhow::{Context, Result};
use nearhand_shared::credential::RevocationList;
use nearhand_shared::id::SessionId;
use nearhand_shared::identity::SecretKey;
use nearhand_shared::message::control::{self, OfferRefusal, Push, PushReply, Target};
use nearhand_shared::message::session::{AgentHello, FromTechnician, Refusal, TechnicianProof};
use nearhand_shared::support_code::{Routing, SupportCode};
use nearhand_shared::time::UnixMillis;
use nearhand_tests::hostile_relay::{HostileRelay, How, stand_in};
use nearhand_tests::parties::Agent;
use nearhand_tests::program::until;
use nearhand_tests::site::{LIMIT, Site};
use nearhand_tests::wire_client::{Member, Wire};
use rand_core::OsRng;

/// What no relay may ever read.
const MARKER: &str = "my bank's password is swordfish";

/// A site with a device whose relay was stolen.
fn stolen(how: How) -> Result<(Site, Agent, Wire, HostileRelay)> {
    let (mut site, wire) = (Site::new()?, Wire::new()?);
    let mut agent = site.device("pc-1")?;
    agent.allow("\"diagnostics\"", true)?;
    let relay = steal(&mut site, &wire, how)?;
    // Sooner than it would notice by itself.
    agent.restart()?;
    agent.wait_connected()?;
    Ok((site, agent, wire, relay))
}

fn steal(site: &mut Site, wire: &Wire, how: How) -> Result<HostileRelay> {
    site.relay.kill()?;
    let key = SecretKey::load(&site.data().join("relay.key"))?;
    HostileRelay::start(wire, site.port, &key, how)
}

fn routing(number: u16) -> Result<Routing> {
    Routing::new(number).context("too many digits")
}

#[test]
fn an_honest_relay_of_ours_works_so_the_failures_below_are_its_misdeeds() -> Result<()> {
    let (site, agent, _wire, relay) = stolen(How::Honestly)?;
    site.admin().run(&["diagnose", "pc-1", "--quick", "--reason", MARKER])?.ok()?;
    let mut console = agent.attend()?;
    let mut client = site.admin().connect(&console.code, &["--reason", MARKER])?;
    client.event("connected")?;
    console.sees(MARKER)?;
    client.end()?;
    assert_eq!((relay.heard(), agent.audited("session.start")?), (0, 2));
    Ok(())
}

/// Catches a client that says more than its credential before the code is confirmed by the other end, and one that
/// takes an agent's Ready without its proof: then the marker is heard, as it is from the careless client below.
#[test]
fn by_code_both_ends_leave_whoever_stands_between_them() -> Result<()> {
    let (site, agent, _wire, relay) = stolen(How::SwappingKeys)?;
    let console = agent.attend()?;
    let connect = |how, code| -> Result<()> {
        relay.becomes(how);
        let spoken = console.code.clone();
        site.admin()
            .run(&["connect", &spoken, "--reason", MARKER, "--ask", "diagnostics"])?
            .fails_with(code)?;
        assert!(relay.heard() > 0, "{how:?}: it stood between them");
        assert!(!relay.has_heard(MARKER), "{how:?}");
        assert!(!console.program.said("is connected"), "{how:?}");
        Ok(())
    };
    // The agent refuses a technician's credential from another key, the client a device that can't prove the code.
    connect(How::SwappingKeys, 11)?;
    connect(How::PlayingTheDevice, 9)?;
    connect(How::SkippingTheProof, 9)?;
    assert_eq!((agent.audited("session.start")?, agent.audited("code.used")?), (0, 0));
    Ok(())
}

#[test]
fn a_client_that_does_not_check_is_overheard() -> Result<()> {
    let (mut site, wire) = (Site::new()?, Wire::new()?);
    let careless = wire.join(&site.invite("Careless")?)?;
    let mut agent = site.device("pc-1")?;
    let relay = steal(&mut site, &wire, How::SkippingTheProof)?;
    agent.restart()?;
    agent.wait_connected()?;
    let control = careless.connect(&wire)?;
    let mut session = control.open(&careless, Target::Code(routing(1234)?))?;
    let ready = session.hello(TechnicianProof::Code(vec![1; 33]))?;
    assert!(matches!(ready, AgentHello::Ready(_)), "{ready:?}");
    session.say(&FromTechnician::Reason(MARKER.to_owned()))?;
    until(LIMIT, "the relay hears it", || Ok(relay.has_heard(MARKER)))?;
    Ok(())
}

#[test]
fn an_enrolled_device_is_known_by_its_key_alone() -> Result<()> {
    let (mut site, wire) = (Site::new()?, Wire::new()?);
    let (mut first, mut second) = (site.device("pc-1")?, site.device("pc-2")?);
    second.allow("\"diagnostics\"", true)?;
    // Once met: the key is known.
    site.admin().run(&["diagnose", "pc-2", "--quick"])?.ok()?;
    let relay = steal(&mut site, &wire, How::SwappingKeys)?;
    for agent in [&mut first, &mut second] {
        agent.restart()?;
        agent.wait_connected()?;
    }
    for how in [How::SwappingKeys, How::PlayingTheDevice, How::MisleadingToAnotherDevice] {
        relay.becomes(how);
        let done = site.admin().run(&["connect", "pc-2", "--reason", MARKER])?;
        done.fails_with(14)?.says("nothing was sent").with_context(|| format!("{how:?}"))?;
        assert!(!relay.has_heard(MARKER), "{how:?}");
    }
    assert_eq!((first.audited("session.start")?, second.audited("session.start")?), (0, 1));
    Ok(())
}

#[test]
fn another_version_and_another_key_are_told_apart() -> Result<()> {
    let (mut site, wire) = (Site::new()?, Wire::new()?);
    let mut agent = site.device("pc-1")?;
    site.relay.kill()?;
    let key = SecretKey::load(&site.data().join("relay.key"))?;
    let newer = stand_in(&wire, site.port, &key, b"nearhand-relay/2")?;
    site.admin().run(&["devices"])?.fails_with(16)?.says("does not speak this version")?;
    agent.restart()?;
    agent.program.wait_for("does not speak this version", LIMIT)?;
    newer.close(0_u32.into(), b"");
    drop(newer);
    let other = SecretKey::generate(&mut OsRng);
    let stand_in = free_again(|| stand_in(&wire, site.port, &other, control::ALPN))?;
    site.admin().run(&["devices"])?.fails_with(5)?.says("is not the relay")?;
    agent.restart()?;
    agent.program.wait_for("is not the relay", LIMIT)?;
    drop(stand_in);
    Ok(())
}

/// Once the port is free again.
fn free_again<T>(mut open: impl FnMut() -> Result<T>) -> Result<T> {
    let mut opened = None;
    until(LIMIT, "the port is free", || {
        opened = open().ok();
        Ok(opened.is_some())
    })?;
    opened.context("it isn't")
}

#[test]
fn offers_without_a_technician_lead_nowhere() -> Result<()> {
    let (site, agent, wire, relay) = stolen(How::Honestly)?;
    // It has seen her credential, and has not her key.
    site.admin().run(&["devices"])?.ok()?;
    let forger = Member {
        key: relay.impostor(),
        credential: relay.stolen_credential()?,
        relay: nearhand_shared::invitation::RelayAddress {
            host: "127.0.0.1".to_owned(),
            port: site.port,
            key: relay.impostor().public(),
        },
    };
    let session = SessionId::random(&mut OsRng);
    let (reply, bind) = relay.offer(session, None, false)?;
    assert_eq!(reply, PushReply::Done);
    let answer = wire.path(relay.addr(), &forger, session, bind)?.hello(TechnicianProof::Managed)?;
    assert!(matches!(answer, AgentHello::Refused(Refusal::NotTrusted)), "{answer:?}");
    // Under another session's name than was offered.
    let (_, bind) = relay.offer(SessionId::random(&mut OsRng), None, false)?;
    let other = SessionId::random(&mut OsRng);
    let answer = wire.path(relay.addr(), &forger, other, bind)?.hello(TechnicianProof::Managed)?;
    assert!(matches!(answer, AgentHello::Refused(Refusal::Protocol)), "{answer:?}");
    // A resumption of nothing, and a code that isn't shown.
    let (reply, _) = relay.offer(SessionId::random(&mut OsRng), None, true)?;
    assert_eq!(reply, PushReply::Refused(OfferRefusal::NoSuchSession));
    let (reply, _) = relay.offer(SessionId::random(&mut OsRng), Some(routing(77)?), false)?;
    assert_eq!(reply, PushReply::Refused(OfferRefusal::NoSuchCode));
    assert_eq!((agent.audited("session.start")?, agent.audited("grant")?), (0, 0));
    Ok(())
}

#[test]
fn a_thousand_guesses_are_one_a_code_and_three_in_all() -> Result<()> {
    const GUESSES: usize = 1_000;
    let (mut site, wire) = (Site::new()?, Wire::new()?);
    // The worst case: a technician of the organisation is in it too.
    let mallory = wire.join(&site.invite("Mallory")?)?;
    let mut agent = site.device("pc-1")?;
    let relay = steal(&mut site, &wire, How::Honestly)?;
    agent.restart()?;
    agent.wait_connected()?;
    let mut console = agent.attend()?;
    let mut judged = 0;
    for made in 1..=3 {
        let code: SupportCode = console.code.parse()?;
        for _ in 0..GUESSES / 3 {
            let session = SessionId::random(&mut OsRng);
            let (reply, bind) = relay.offer(session, Some(code.routing()), false)?;
            if reply != PushReply::Done {
                continue;
            }
            let guess = SupportCode::generate(code.routing(), &mut OsRng);
            let answer = wire.path(relay.addr(), &mallory, session, bind)?.prove(&guess)?;
            assert!(matches!(answer, AgentHello::Refused(Refusal::WrongCode)), "{answer:?}");
            judged += 1;
        }
        assert_eq!(judged, made, "one guess for each code");
        console.sees("tried a wrong support code. If you did not just read one out")?;
        console.types("/code")?;
        if made < 3 {
            console.next_code()?;
        }
    }
    console.sees("too many wrong support codes were tried on this device")?;
    let (reply, _) = relay.offer(SessionId::random(&mut OsRng), Some(routing(1)?), false)?;
    assert_eq!(reply, PushReply::Refused(OfferRefusal::LockedOut));
    assert_eq!((agent.audited("code.burnt")?, agent.audited("session.start")?), (3, 0));
    Ok(())
}

#[test]
fn only_the_organisation_revokes() -> Result<()> {
    let (site, agent, wire, relay) = stolen(How::Honestly)?;
    drop(wire);
    let mut client = site.admin().connect("pc-1", &["--ask", "diagnostics"])?;
    client.event("granted")?;
    let credential = relay.stolen_credential()?;
    let key = credential.links.first().context("no link")?.peek()?.key;
    let invite = credential.invite.peek()?;
    let forged = RevocationList {
        organisation: invite.organisation,
        number: 99,
        issued: UnixMillis(1),
        keys: [key].into(),
        invites: [invite.id].into(),
    };
    let list = relay.impostor().sign(&forged)?;
    let reply = relay.push(&Push::Revocations { list: Some(list), retirements: Vec::new() })?;
    assert_eq!(reply, PushReply::Done);
    client.say("still there?")?;
    client.chat("still there?", "received")?;
    client.end()?;
    site.admin().run(&["diagnose", "pc-1", "--quick"])?.ok()?;
    assert!(agent.program.said("a revocation that does not count"));
    Ok(())
}

#[test]
fn a_relay_that_sends_nonsense_hurts_nobody() -> Result<()> {
    let (site, agent, _wire, relay) = stolen(How::Honestly)?;
    for bytes in [
        &[0xff; 4][..],
        &[0, 0, 16, 0],
        &[1, 0, 0, 0, 0xff],
        &[9, 0, 0, 0, 0xfd, 1, 1, 1, 1, 1, 1, 1, 1],
        &[7],
    ] {
        assert_eq!(relay.push_raw(bytes)?, Vec::<u8>::new(), "{bytes:?}");
        // It may leave, and then comes back.
        until(LIMIT, "it is there", || Ok(agent.run(&["status"])?.ok()?.text.contains(": connected")))?;
    }
    assert!(!agent.program.said("panicked"));
    site.admin().run(&["diagnose", "pc-1", "--quick"])?.ok()?;
    Ok(())
}

#[test]
fn a_recorded_session_that_is_played_again_is_no_session() -> Result<()> {
    let (site, agent, _wire, relay) = stolen(How::Tapping)?;
    let mut console = agent.watch(&["--no-code"])?;
    let mut client = site.admin().connect("pc-1", &["--ask", "diagnostics"])?;
    let event = client.event("connected")?;
    client.event("granted")?;
    client.say(MARKER)?;
    console.sees(MARKER)?;
    client.end()?;
    console.sees("The session is over")?;
    let packets = relay.packets();
    assert!(packets.len() > 5, "{} packets were recorded", packets.len());
    // What passed in between is not readable, which only says that this is the session and not its inside.
    let readable = packets.iter().any(|p| p.windows(MARKER.len()).any(|w| w == MARKER.as_bytes()));
    assert!(!readable);
    let id = event.get("session").and_then(|id| id.as_str()).context("no id")?;
    let same: SessionId = id.parse().map_err(|_| anyhow::anyhow!("{id} is no id"))?;
    for session in [same, SessionId::random(&mut OsRng)] {
        let (reply, bind) = relay.offer(session, None, false)?;
        assert_eq!(reply, PushReply::Done);
        let back = relay.replay(bind, &packets)?;
        assert!(back > 0, "the agent's end was there and answered the handshake");
    }
    assert_eq!((agent.audited("session.start")?, agent.audited("grant")?), (1, 1));
    assert_eq!(console.program.count(MARKER), 1);
    // And the agent is as before.
    let out = Duration::from_secs(60);
    relay.becomes(How::Honestly);
    let mut client = site.admin().start(&["diagnose", "pc-1", "--quick"])?;
    client.event_within("report", out)?;
    client.ends_with(0)
}
