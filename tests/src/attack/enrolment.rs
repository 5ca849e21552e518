//! Who becomes a member, and who is one no more.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nearhand_proto::credential::Role;
use nearhand_proto::invitation::InviteString;
use serde_json::Value;

use super::fixtures::managed;
use super::{AttackTrial, seconds};
use crate::deployment::TestDeployment;
use crate::wire_client::WireEndpoint;

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
