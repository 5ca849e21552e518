//! What a session lives through: every program killed or hung in the middle, and full disks.
//!
//! Tried with a mutant: an agent that gives a lost connection only a second to come back fails the test of the relay
//! that is away for half a minute.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nearhand_tests::deployment::{DeploymentPlan, LIMIT, TestDeployment};
use nearhand_tests::disk::{fill, slow_disk, small_disk};
use nearhand_tests::parties::{TestAgent, TestClient, TestConsole, TestTechnician};
use nearhand_tests::program::until;
use rustix::process::Signal;

const DIAGNOSTICS: [&str; 2] = ["--ask", "diagnostics"];

/// An attended session in which something is granted.
fn attended(site: &TestDeployment, agent: &TestAgent) -> Result<(TestConsole, TestClient)> {
    let mut console = agent.attend()?;
    let mut client = site.admin().connect(&console.code, &DIAGNOSTICS)?;
    console.allows()?;
    client.event("granted")?;
    Ok((console, client))
}

/// Both say something, and each arrives at the other end exactly once.
fn talk(console: &mut TestConsole, client: &mut TestClient, word: &str) -> Result<()> {
    let (there, back) = (format!("{word} there"), format!("{word} back"));
    client.say(&there)?;
    console.types(&back)?;
    console.sees(&there)?;
    client.chat(&back, "received")?;
    arrived_once(console, client, word)
}

fn arrived_once(console: &TestConsole, client: &TestClient, word: &str) -> Result<()> {
    ensure!(console.program.count(&format!("│ Ada Lovelace: {word} there")) == 1, "at the device");
    let text = client.program.text();
    let back = format!("\"text\":\"{word} back\"");
    let lines = text.lines().filter(|line| line.contains(&back) && line.contains("\"from\":\"device\""));
    ensure!(lines.count() == 1, "at the technician's:\n{text}");
    Ok(())
}

#[test]
fn a_killed_relay_costs_no_session_no_consent_and_no_message() -> Result<()> {
    let mut site = TestDeployment::new()?;
    let agent = site.device("pc-1")?;
    let (mut console, mut client) = attended(&site, &agent)?;
    talk(&mut console, &mut client, "before")?;
    site.relay.kill()?;
    client.say("meanwhile there")?;
    console.types("meanwhile back")?;
    client.chat("meanwhile there", "sent")?;
    // Both sides say so, once it lasts longer than a moment.
    console.sees("the path through the relay is interrupted")?;
    client.event("path-lost")?;
    site.restart_relay()?;
    console.sees("│ Ada Lovelace: meanwhile there")?;
    client.chat("meanwhile back", "received")?;
    talk(&mut console, &mut client, "after")?;
    until(LIMIT, "both were told", || {
        Ok(console.program.said("stands again") && client.program.said("path-back"))
    })?;
    arrived_once(&console, &client, "meanwhile")?;
    // The same session, the same consent.
    assert_eq!((agent.audited("session.start")?, agent.audited("grant")?), (1, 1));
    client.say("/diagnose quick")?;
    client.event_within("report", Duration::from_secs(60))?;
    assert!(console.program.said("the path through the relay stands again"));
    assert!(client.program.said("path-back"));
    client.end()
}

#[test]
fn a_relay_that_is_away_for_half_a_minute_costs_no_session_and_no_code() -> Result<()> {
    let mut site = TestDeployment::new()?;
    let agent = site.device("pc-1")?;
    let (mut console, mut client) = attended(&site, &agent)?;
    console.types("/code")?;
    let code = console.next_code()?;
    site.relay.kill()?;
    // Longer than a connection lives without a packet: both ends have to make a new one.
    client.event_within("interrupted", Duration::from_secs(45))?;
    console.sees_within("the connection was lost", LIMIT)?;
    client.say("meanwhile there")?;
    site.restart_relay()?;
    client.event_within("resumed", Duration::from_secs(60))?;
    console.sees("the connection is back; the session goes on")?;
    console.sees("│ Ada Lovelace: meanwhile there")?;
    talk(&mut console, &mut client, "after")?;
    assert_eq!((agent.audited("session.start")?, agent.audited("grant")?), (1, 1));
    agent.has_audited("session.resumed", 1)?;
    // The code that was read out before still leads here.
    let mut second = site.admin().connect(&code, &[])?;
    second.event("connected")?;
    second.end()?;
    client.end()
}

#[test]
fn a_killed_client_is_waited_for_and_then_its_session_is_over() -> Result<()> {
    let site = TestDeployment::new()?;
    let agent = site.device("pc-1")?;
    let (mut console, mut client) = attended(&site, &agent)?;
    client.program.kill()?;
    console.sees_within("the connection was lost; waiting up to a minute", Duration::from_secs(40))?;
    console.sees_within("The session is over", Duration::from_secs(75))?;
    agent.has_audited("session.end", 1)?;
    // Nothing of it is left: the next one asks again.
    let mut client = site.admin().connect("pc-1", &DIAGNOSTICS)?;
    console.sees("Type allow or deny")?;
    console.types("deny")?;
    client.event("refused")?;
    client.end()
}

#[test]
fn a_killed_agent_goes_on_with_the_session_and_what_was_granted_in_it() -> Result<()> {
    let site = TestDeployment::new()?;
    let mut agent = site.device("pc-1")?;
    let (mut console, mut client) = attended(&site, &agent)?;
    client.say("before the restart")?;
    console.sees("before the restart")?;
    agent.restart()?;
    agent.wait_connected()?;
    console.sees("The agent is back.")?;
    client.event_within("resumed", Duration::from_secs(75))?;
    agent.has_audited("session.kept", 1)?;
    client.granted(true)?;
    client.say("after the restart")?;
    console.sees("after the restart")?;
    client.say("/diagnose quick")?;
    client.event_within("report", Duration::from_secs(60))?;
    console.types("stop")?;
    client.ends_with(18)?;
    // What was stopped stays so, however soon the agent is killed.
    agent.restart()?;
    agent.wait_connected()?;
    agent.has_audited("session.kept", 1)?;
    agent.run(&["audit", "verify"])?.ok()?;
    Ok(())
}

#[test]
fn an_agent_that_is_stopped_says_so() -> Result<()> {
    let site = TestDeployment::new()?;
    let mut agent = site.device("pc-1")?;
    let (_console, mut client) = attended(&site, &agent)?;
    agent.program.signal(Signal::TERM)?;
    client.ends_with(15)?;
    assert!(client.program.said("the agent on the device is stopping"), "{}", client.program.text());
    assert_eq!(agent.program.exit(LIMIT)?, 0);
    Ok(())
}

#[test]
fn a_full_disk_at_the_device_grants_nothing_and_recovers() -> Result<()> {
    let site = TestDeployment::new()?;
    let devices = site.directory("devices/pc-1")?;
    let Some(place) = small_disk(&devices, "1m") else { return Ok(()) };
    // Enrolment and agent have to see the same file system: the first process that is there keeps it.
    let agent = site.device_in(&place, "pc-1")?;
    agent.allow_inside("\"diagnostics\"")?;
    let mut client = site.admin().connect("pc-1", &DIAGNOSTICS)?;
    client.event("granted")?;
    let ballast = fill(agent.program.pid(), &devices)?;
    client.say("/ask diagnostics")?;
    let refused = client.event("refused")?;
    assert!(refused.to_string().contains("disk full?"), "{refused}");
    // A new session doesn't even begin.
    let done = site.admin().run(&["diagnose", "pc-1", "--quick"])?.fails_with(20)?;
    assert!(done.text.contains("disk full?"), "{}", done.text);
    fs::remove_file(ballast)?;
    client.say("/ask diagnostics")?;
    client.event("granted")?;
    client.end()?;
    agent.run(&["audit", "verify"])?.ok()?;
    Ok(())
}

#[test]
fn a_full_disk_at_the_relay_leaves_sessions_alone_and_recovers() -> Result<()> {
    let room = tempfile::tempdir()?;
    let Some(place) = small_disk(room.path(), "4m") else { return Ok(()) };
    let site = TestDeployment::planned(DeploymentPlan {
        place,
        data: Some(room.path().join("data")),
        ..DeploymentPlan::default()
    })?;
    let agent = site.device("pc-1")?;
    let (mut console, mut client) = attended(&site, &agent)?;
    let ballast = fill(site.relay.pid(), room.path())?;
    let full = until(LIMIT, "the relay refuses new sessions", || {
        let done = site.admin().run(&["connect", "pc-1"])?;
        Ok(done.code == 20 && done.text.contains("can't store anything right now"))
    });
    full.with_context(|| site.logs().dump())?;
    talk(&mut console, &mut client, "full")?;
    client.say("/diagnose quick")?;
    client.event_within("report", Duration::from_secs(60))?;
    fs::remove_file(ballast)?;
    until(LIMIT, "the relay takes new sessions", || Ok(site.admin().run(&["connect", "pc-1"])?.code == 0))?;
    client.end()
}

#[test]
fn slow_disks_at_device_and_relay_cost_time_and_nothing_else() -> Result<()> {
    let slow = || slow_disk(Duration::from_millis(300));
    let site = TestDeployment::planned(DeploymentPlan { place: slow(), ..DeploymentPlan::default() })?;
    let agent = site.device_at("pc-1", slow())?;
    for pid in [site.relay.pid(), agent.program.pid()] {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        ensure!(!status.contains("TracerPid:\t0\n"), "nobody holds up what {pid} writes");
    }
    let (mut console, mut client) = attended(&site, &agent)?;
    talk(&mut console, &mut client, "slow")?;
    client.say("/diagnose quick")?;
    client.event_within("report", Duration::from_secs(60))?;
    client.end()?;
    assert_eq!((agent.audited("session.start")?, agent.audited("grant")?), (1, 1));
    agent.run(&["audit", "verify"])?.ok()?;
    site.admin().run(&["audit", "verify"])?.ok()?;
    Ok(())
}

/// What docs/relay.md says to do when the relay's key is stolen, step by step.
#[test]
fn a_relay_with_a_stolen_key_is_replaced_and_everybody_keeps_who_they_are() -> Result<()> {
    let mut site = TestDeployment::new()?;
    let mut agent = site.device("pc-1")?;
    agent.allow("\"diagnostics\"", false)?;
    let (admin, grace, bob) = (site.admin().clone(), site.technician("Grace")?, site.technician("Bob")?);
    let ids = |technician: &TestTechnician| -> Result<(String, String)> {
        let devices = technician.run(&["devices"])?.ok()?;
        let own = technician.run(&["status"])?.ok()?;
        Ok((devices.field("/devices/0/id")?, own.field("/organisation/id")?))
    };
    grace.connect("pc-1", &DIAGNOSTICS)?.end()?;
    let before = ids(&admin)?;
    admin.run(&["revoke", "person", "Bob"])?.ok()?;
    admin.run(&["audit", "verify"])?.ok()?;

    let (claim, old) = site.replace_relay()?;
    // A thief with the old key can't be mistaken for the new relay, nor the other way round.
    admin.run(&["devices"])?.fails_with(5)?;
    let aside = |technician: &TestTechnician, files: &[&str]| -> Result<()> {
        let home = technician.home();
        let to = home.join("old-relay");
        fs::create_dir(&to)?;
        files.iter().try_for_each(|file| Ok(fs::rename(home.join(file), to.join(file))?))
    };
    aside(&admin, &["relay-audit.json"])?;
    admin.run(&["claim", &claim, "--keep-organisation", "--name", "Ada Lovelace"])?.ok()?;
    admin.run(&["sync"])?.ok()?.says("\"handed_on\":true")?;
    let string = site.enrolment("pc-1")?.reveal().to_string();
    agent.run(&["enrol", "--again", &string])?.ok()?;
    agent.restart()?;
    agent.wait_connected()?;
    aside(&grace, &["profile.toml", "technician.key"])?;
    grace.run(&["join", &site.invite("Grace")?.reveal()])?.ok()?;

    // The same organisation and the same device, known by its key, with its policy and its record.
    assert_eq!(ids(&admin)?, before);
    grace.connect("pc-1", &DIAGNOSTICS)?.end()?;
    agent.run(&["audit", "verify"])?.ok()?;
    admin.run(&["audit", "verify"])?.ok()?;
    // Bob is as revoked as before, and the old relay's record can still be checked.
    bob.run(&["devices"])?.fails_with(5)?;
    let of_admin = admin.run(&["status"])?.ok()?;
    assert_eq!(of_admin.json()?.get("revocation_list").and_then(serde_json::Value::as_u64), Some(1));
    let old = old.to_string_lossy().into_owned();
    site.relay_program(&["audit", "verify", "--data", &old])?.ok()?;
    Ok(())
}
