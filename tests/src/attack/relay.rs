//! A relay in the wrong hands: it can cause an outage, nothing else. What it could decrypt is searched for what it should
//! never have seen; `tests/end_to_end/hostile.rs` shows that the search can fail.

use anyhow::{Context, Result, ensure};
use nearhand_proto::credential::{FOR_EVER, RevocationList};
use nearhand_proto::id::SessionId;
use nearhand_proto::invitation::RelayAddress;
use nearhand_proto::message::control::{OfferRefusal, RelayPush, RelayPushReply};
use nearhand_proto::message::session::{AgentHello, SessionRefusal, TechnicianProof};
use nearhand_proto::time::UnixMillis;
use rand_core::OsRng;

use super::AttackTrial;
use super::fixtures::routing;
use crate::deployment::{LIMIT, TestDeployment};
use crate::hostile_relay::{HostileRelay, RelayBehaviour, stolen};
use crate::program::until;
use crate::wire_client::{WireEndpoint, WireMember};

/// What no relay may ever read.
const MARKER: &str = "my bank's password is swordfish";

/// Catches a client that says more than its credential before the code is confirmed by the other end, and one that
/// takes an agent's Ready without its proof: then the marker is heard, as it is from the careless client below.
pub(super) fn between_the_ends(_trial: &AttackTrial) -> Result<()> {
    let (site, agent, _wire, relay) = stolen(RelayBehaviour::SwappingKeys)?;
    let console = agent.attend()?;
    let connect = |how, code| -> Result<()> {
        relay.becomes(how);
        let spoken = console.code.clone();
        site.admin()
            .run(&["connect", &spoken, "--reason", MARKER, "--ask", "diagnostics"])?
            .fails_with(code)?;
        ensure!(relay.heard() > 0, "{how:?}: it stood between them");
        ensure!(!relay.has_heard(MARKER), "{how:?}");
        ensure!(!console.program.said("is connected"), "{how:?}");
        Ok(())
    };
    // The agent refuses a technician's credential from another key, and the client says what that means; the client refuses a
    // device that can't prove the code.
    connect(RelayBehaviour::SwappingKeys, 14)?;
    connect(RelayBehaviour::PlayingTheDevice, 9)?;
    connect(RelayBehaviour::SkippingTheProof, 9)?;
    ensure!((agent.audited("session.start")?, agent.audited("code.used")?) == (0, 0));
    Ok(())
}

pub(super) fn a_devices_place(_trial: &AttackTrial) -> Result<()> {
    let (mut site, wire) = (TestDeployment::new()?, WireEndpoint::new()?);
    let (mut first, mut second) = (site.device("pc-1")?, site.device("pc-2")?);
    second.allow("\"diagnostics\"", true)?;
    // Once met: the key is known.
    site.admin().run(&["diagnose", "pc-2", "--quick"])?.ok()?;
    let relay = HostileRelay::steal(&mut site, &wire, RelayBehaviour::SwappingKeys)?;
    for agent in [&mut first, &mut second] {
        agent.restart()?;
        agent.wait_connected()?;
    }
    for how in [
        RelayBehaviour::SwappingKeys,
        RelayBehaviour::PlayingTheDevice,
        RelayBehaviour::MisleadingToAnotherDevice,
    ] {
        relay.becomes(how);
        let done = site.admin().run(&["connect", "pc-2", "--reason", MARKER])?;
        done.fails_with(14)?.says("nothing was sent").with_context(|| format!("{how:?}"))?;
        ensure!(!relay.has_heard(MARKER), "{how:?}");
    }
    ensure!((first.audited("session.start")?, second.audited("session.start")?) == (0, 1));
    Ok(())
}

pub(super) fn offers_of_its_own(_trial: &AttackTrial) -> Result<()> {
    let (site, agent, wire, relay) = stolen(RelayBehaviour::Honestly)?;
    // It has seen her credential, and has not her key.
    site.admin().run(&["devices"])?.ok()?;
    let forger = WireMember {
        key: relay.impostor(),
        credential: relay.stolen_credential()?,
        relay: RelayAddress { host: "127.0.0.1".to_owned(), port: site.port, key: relay.impostor().public() },
    };
    let session = SessionId::random(&mut OsRng);
    let (reply, bind) = relay.offer(session, None, false)?;
    ensure!(reply == RelayPushReply::Done);
    let answer = wire.path(relay.addr(), &forger, session, bind)?.hello(TechnicianProof::Managed)?;
    ensure!(matches!(answer, AgentHello::Refused(SessionRefusal::OtherKey)), "{answer:?}");
    until(LIMIT, "the swapped key is in the device's record", || {
        Ok(agent.audited("session.other_key")? == 1)
    })?;
    // Under another session's name than was offered.
    let (_, bind) = relay.offer(SessionId::random(&mut OsRng), None, false)?;
    let other = SessionId::random(&mut OsRng);
    let answer = wire.path(relay.addr(), &forger, other, bind)?.hello(TechnicianProof::Managed)?;
    ensure!(matches!(answer, AgentHello::Refused(SessionRefusal::Protocol)), "{answer:?}");
    // A resumption of nothing, and a code that isn't shown.
    let (reply, _) = relay.offer(SessionId::random(&mut OsRng), None, true)?;
    ensure!(reply == RelayPushReply::Refused(OfferRefusal::NoSuchSession));
    let (reply, _) = relay.offer(SessionId::random(&mut OsRng), Some(routing(77)?), false)?;
    ensure!(reply == RelayPushReply::Refused(OfferRefusal::NoSuchCode));
    ensure!((agent.audited("session.start")?, agent.audited("grant")?) == (0, 0));
    Ok(())
}

pub(super) fn revocations_of_its_own(_trial: &AttackTrial) -> Result<()> {
    let (site, agent, wire, relay) = stolen(RelayBehaviour::Honestly)?;
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
        keys: [(key, FOR_EVER)].into(),
        invites: [(invite.id, FOR_EVER)].into(),
        devices: [].into(),
        people: [].into(),
    };
    let list = relay.impostor().sign(&forged)?;
    let reply = relay.push(&RelayPush::Revocations { list: Some(list), retirements: Vec::new() })?;
    ensure!(reply == RelayPushReply::Done);
    client.say("still there?")?;
    client.chat("still there?", "received")?;
    client.end()?;
    site.admin().run(&["diagnose", "pc-1", "--quick"])?.ok()?;
    ensure!(agent.program.said("a revocation that does not count"));
    Ok(())
}

pub(super) fn nonsense_from_the_relay(_trial: &AttackTrial) -> Result<()> {
    let (site, agent, _wire, relay) = stolen(RelayBehaviour::Honestly)?;
    for bytes in [
        &[0xff; 4][..],
        &[0, 0, 16, 0],
        &[1, 0, 0, 0, 0xff],
        &[9, 0, 0, 0, 0xfd, 1, 1, 1, 1, 1, 1, 1, 1],
        &[7],
    ] {
        ensure!(relay.push_raw(bytes)?.is_empty(), "{bytes:?}");
        // It may leave, and then comes back.
        until(LIMIT, "it is there", || Ok(agent.run(&["status"])?.ok()?.text.contains(": connected")))?;
    }
    ensure!(!agent.program.said("panicked"));
    site.admin().run(&["diagnose", "pc-1", "--quick"])?.ok()?;
    Ok(())
}
