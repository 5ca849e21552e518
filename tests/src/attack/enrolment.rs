//! Who becomes a member, and who is one no more.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use nearhand_proto::credential::{self, Credential, Invite, Retirement, Role};
use nearhand_proto::identity::SecretKey;
use nearhand_proto::invitation::{InviteString, OneTime, RelayAddress};
use nearhand_proto::message::ProgramInfo;
use nearhand_proto::message::control::{self, CloseCode, RelayHello, RelayRefusal, RelayReply, RelayRequest};
use nearhand_proto::time::UnixMillis;
use nearhand_transport::key_file;
use rand_core::OsRng;
use serde_json::Value;

use super::fixtures::{address, managed, refused};
use super::{AttackTrial, seconds};
use crate::deployment::{LIMIT, TestDeployment};
use crate::program::until;
use crate::wire_client::{ControlWire, WireEndpoint, WireMember};

/// What SECURITY.md promises for a revocation, in seconds.
const REVOKED_WITHIN: f64 = 5.0;

pub(super) fn a_used_string(_trial: &AttackTrial) -> Result<()> {
    let site = TestDeployment::new()?;
    let string = site.enrolment("pc-1")?.reveal();
    let mut agent = site.enrol("pc-1", &string)?;
    agent.wait_connected()?;
    let again = site.enrol("pc-2", &string).err().context("a used string enrolled another machine")?;
    ensure!(format!("{again:#}").contains("used already"), "{again:#}");
    // Which leaves the first one as it was.
    let devices = site.admin().run(&["devices"])?.ok()?.json()?;
    ensure!(devices.pointer("/devices").and_then(|d| d.as_array()).map(Vec::len) == Some(1));
    ensure!(devices.pointer("/devices/0/online") == Some(&Value::Bool(true)));
    let invite = site.invite("Bob")?.reveal();
    site.newcomer("Bob")?.run(&["join", &invite])?.ok()?;
    site.newcomer("Mallory")?.run(&["join", &invite])?.fails_with(6)?.says("used already")?;
    Ok(())
}

/// The invitation says what somebody becomes; a device's string makes no technician.
pub(super) fn a_devices_string_for_a_person(_trial: &AttackTrial) -> Result<()> {
    let (site, wire) = (TestDeployment::new()?, WireEndpoint::new()?);
    let string = site.enrolment("pc-1")?;
    ensure!(string.invite.peek()?.role == Role::Device);
    let invite = InviteString {
        relay: string.relay,
        organisation: string.organisation,
        invite: string.invite,
        secret: string.secret,
    };
    ensure!(wire.join(&invite).is_err(), "a device's string without a device's facts");
    let mallory = site.newcomer("Mallory")?;
    let done = mallory.run(&["join", &invite.reveal()])?;
    ensure!([2, 11].contains(&done.code), "{done:?}");
    Ok(())
}

/// Catches a client that waits for the connection that the relay has cut: it ended after 23 s, with code 15.
pub(super) fn a_revoked_technician(trial: &AttackTrial) -> Result<()> {
    let site = TestDeployment::new()?;
    let agent = site.device("pc-1")?;
    let bob = site.technician("Bob")?;
    let mut console = agent.watch(&["--no-code"])?;
    let mut client = managed(&bob, &agent, "pc-1")?;
    let since = Instant::now();
    site.admin().run(&["revoke", "person", "Bob"])?.ok()?;
    client.ends_with(13)?;
    console.sees("The session is over")?;
    trial.timed("the technician is out", seconds(since.elapsed()), "s", REVOKED_WITHIN);
    ensure!(since.elapsed() < Duration::from_secs(20), "it went on for {:?}", since.elapsed());
    bob.run(&["diagnose", "pc-1", "--quick"])?.fails_with(13)?;
    // Others are not affected.
    managed(site.admin(), &agent, "pc-1")?.end()
}

pub(super) fn a_revoked_device(trial: &AttackTrial) -> Result<()> {
    let site = TestDeployment::new()?;
    let agent = site.device("pc-1")?;
    let mut client = managed(site.admin(), &agent, "pc-1")?;
    let since = Instant::now();
    site.admin().run(&["revoke", "device", "pc-1"])?.ok()?;
    client.ends_with(13)?;
    trial.timed("the device is out", seconds(since.elapsed()), "s", REVOKED_WITHIN);
    ensure!(since.elapsed() < Duration::from_secs(20), "it went on for {:?}", since.elapsed());
    site.admin().run(&["diagnose", "pc-1", "--quick"])?.fails_with(7)?;
    Ok(())
}

/// An invitation that the organisation's key signs here, so that its times can be anything.
fn invitation(
    site: &TestDeployment,
    name: &str,
    use_by: UnixMillis,
    until: UnixMillis,
) -> Result<InviteString> {
    let organisation = key_file::load_key(&site.admin().home().join("organisation.key"))?;
    let (invite, one_time) = credential::invite(&organisation, &mut OsRng, |id, of, key| Invite {
        id,
        organisation: of,
        organisation_name: "Acme".into(),
        key,
        role: Role::Technician,
        name: name.into(),
        issued: now(),
        use_by,
        valid_until: until,
    })?;
    let secret = OneTime::new(*one_time.seed());
    Ok(InviteString { relay: address(site)?, organisation: organisation.public(), invite, secret })
}

fn now() -> UnixMillis {
    UnixMillis::from_system(SystemTime::now())
}

fn in_seconds(seconds: u64) -> UnixMillis {
    now().after(Duration::from_secs(seconds))
}

/// What the relay answers a newcomer who joins with this credential.
fn joins(
    wire: &WireEndpoint,
    relay: &RelayAddress,
    own: &SecretKey,
    with: &Credential,
) -> Result<RelayReply> {
    let control = wire.dial(relay, own)?;
    control.ask(&RelayRequest::Hello(RelayHello::Newcomer { program: ProgramInfo::this() }))?;
    control.ask(&RelayRequest::Join { credential: with.clone(), facts: None })
}

/// Catches a relay that believes when a newcomer says that the string was used.
pub(super) fn an_expired_string(_trial: &AttackTrial) -> Result<()> {
    let (site, wire) = (TestDeployment::new()?, WireEndpoint::new()?);
    let past = |minutes: u64| UnixMillis(now().0.saturating_sub(minutes * 60_000));
    let string = invitation(&site, "Eve", past(5), in_seconds(36_000))?;
    let own = SecretKey::generate(&mut OsRng);
    for written in [past(10), past(5), UnixMillis(0), now()] {
        let credential =
            Credential::join(string.invite.clone(), &string.secret.key(), &own.public(), written)?;
        let reply = joins(&wire, &string.relay, &own, &credential)?;
        ensure!(matches!(refused(&reply), Some(RelayRefusal::Credential(_))), "{written}: {reply:?}");
    }
    Ok(())
}

/// Catches a relay that looks at the last key of a chain only.
pub(super) fn a_retired_key(_trial: &AttackTrial) -> Result<()> {
    let (site, wire) = (TestDeployment::new()?, WireEndpoint::new()?);
    let relay = address(&site)?;
    let [own, next, thief] = [(); 3].map(|()| SecretKey::generate(&mut OsRng));
    let join = |name| -> Result<Credential> {
        let string = invitation(&site, name, in_seconds(600), in_seconds(36_000))?;
        let credential = Credential::join(string.invite, &string.secret.key(), &own.public(), now())?;
        ensure!(matches!(joins(&wire, &relay, &own, &credential)?, RelayReply::Done));
        Ok(credential)
    };
    let (first, second) = (join("Eve")?, join("Eve again")?);
    let member = |key: &SecretKey, credential: &Credential| WireMember {
        key: key.clone(),
        credential: credential.clone(),
        relay: relay.clone(),
    };
    let longer = first.rotated(&own, &next.public(), now())?;
    let retired = Retirement { key: own.public(), successor: next.public(), issued: now() };
    let control = member(&own, &first).connect(&wire)?;
    let rotate = RelayRequest::Rotate { credential: longer.clone(), retirement: own.sign(&retired)? };
    ensure!(matches!(control.ask(&rotate)?, RelayReply::Done));
    // The old key, which somebody has kept, by the second invitation: alone, and with a key behind it.
    let branch = second.rotated(&own, &thief.public(), now())?;
    ensure!(member(&own, &second).connect(&wire).is_err(), "a retired key still counts");
    ensure!(member(&thief, &branch).connect(&wire).is_err(), "a retired key founded a branch");
    let farther = branch.rotated(&thief, &next.public(), now())?;
    ensure!(member(&next, &farther).connect(&wire).is_err(), "a branch was grafted on");
    member(&next, &longer).connect(&wire)?;
    Ok(())
}

/// Catches memberships that are only looked at when somebody connects.
pub(super) fn an_expired_member(trial: &AttackTrial) -> Result<()> {
    let (site, wire) = (TestDeployment::new()?, WireEndpoint::new()?);
    let until = in_seconds(4);
    let brief = wire.join(&invitation(&site, "Eve", until, until)?)?;
    let control = brief.connect(&wire)?;
    let code = control.closed()?;
    ensure!(code == CloseCode::Expired, "{code:?}");
    let late = Duration::from_millis(now().0.saturating_sub(until.0));
    trial.timed("out after its membership ended", seconds(late), "s", REVOKED_WITHIN);
    ensure!(brief.connect(&wire).is_err());
    site.admin().run(&["devices"])?.ok()?;
    Ok(())
}

/// Two programs with one device's key, from two addresses, each of which comes back when the other takes its place.
pub(super) fn one_identity_twice(_trial: &AttackTrial) -> Result<()> {
    let (site, wire) = (TestDeployment::new()?, WireEndpoint::new()?);
    let device = wire.enrol(&site.enrolment("till")?)?;
    let (relay, key, hello) = device.hello();
    let connect = |host: u8| -> Result<ControlWire> {
        let control = wire.dial_from(Ipv4Addr::new(127, 3, host, 1), &relay, &key, control::ALPN)?;
        control.answer_pushes();
        let reply = control.ask(&RelayRequest::Hello(hello.clone()))?;
        ensure!(matches!(reply, RelayReply::Welcome(_)), "{reply:?}");
        Ok(control)
    };
    let first = connect(1)?;
    let second = connect(2)?;
    ensure!(first.closed()? == CloseCode::Replaced);
    let third = connect(1)?;
    ensure!(second.closed()? == CloseCode::Replaced);
    until(LIMIT, "the alarm", || {
        let alarms = site.admin().run(&["alarms", "--json"])?.ok()?;
        Ok(alarms.text.contains("duplicate-identity"))
    })?;
    let alarms = site.admin().run(&["alarms", "--json"])?.ok()?.text;
    ensure!(alarms.contains("127.3.1.1") && alarms.contains("127.3.2.1"), "{alarms}");
    drop(third);
    Ok(())
}
