//! A session from code to report, with the real programs, and the ends it can come to. What keeps one from beginning is in
//! `refusals.rs`; revocation, Stop while the relay hangs and edited records are attacks (`attacks.rs`).

use std::fs;
use std::time::Duration;

use anyhow::Result;
use nearhand_tests::deployment::TestDeployment;
use nearhand_tests::parties::{TestAgent, TestClient, TestTechnician};
use serde_json::Value;

const DIAGNOSTICS: [&str; 2] = ["--ask", "diagnostics"];

/// A session with a device that its owner's policy lets begin unasked.
fn managed(technician: &TestTechnician, agent: &TestAgent, label: &str) -> Result<TestClient> {
    agent.allow("\"diagnostics\"", true)?;
    let mut client = technician.connect(label, &DIAGNOSTICS)?;
    client.event("connected")?;
    client.event("granted")?;
    Ok(client)
}

#[test]
fn a_spoken_code_leads_to_consent_chat_and_a_report() -> Result<()> {
    let site = TestDeployment::new()?;
    let agent = site.device("pc-1")?;
    let mut console = agent.attend()?;
    let mut client =
        site.admin().connect(&console.code, &["--reason", "the printer", "--ask", "diagnostics"])?;
    client.event("connected")?;
    console.sees("The support code no longer counts: it was used")?;
    console.sees("\"Ada Lovelace\" of \"Acme Support\"")?;
    console.allows()?;
    let granted = client.event("granted")?;
    assert_eq!(granted.pointer("/granted/0/capability"), Some(&Value::from("diagnostics")));
    assert!(console.program.said("the printer"));
    client.say("can you hear me?")?;
    console.sees("│ Ada Lovelace: can you hear me?")?;
    client.chat("can you hear me?", "shown")?;
    console.types("loud and clear")?;
    client.chat("loud and clear", "received")?;
    console.sees("(read) loud and clear")?;
    client.say("/diagnose quick")?;
    let report = client.event_within("report", Duration::from_secs(60))?;
    let file = |name: &str| report.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let json: Value = serde_json::from_str(&fs::read_to_string(file("json"))?)?;
    assert!(json.get("findings").and_then(Value::as_array).is_some_and(|f| f.len() >= 10));
    let html = fs::read_to_string(file("html"))?.to_lowercase();
    assert!(html.starts_with("<!doctype html>") && html.trim_end().ends_with("</html>"));
    client.end()?;
    console.sees("The session is over: ended by the technician")?;
    Ok(())
}

#[test]
fn the_person_narrows_extends_and_takes_back() -> Result<()> {
    let site = TestDeployment::new()?;
    let agent = site.device("pc-1")?;
    let mut console = agent.attend()?;
    let mut client = site.admin().connect(&console.code, &["--ask", "diagnostics", "--for", "15m"])?;
    console.answers("allow diagnostics for 2m")?;
    let seconds = |event: &Value| event.pointer("/granted/0/seconds").and_then(Value::as_u64);
    let granted = client.event("granted")?;
    assert!(seconds(&granted).is_some_and(|s| (100..=120).contains(&s)), "{granted}");
    console.types("/more 5m")?;
    let granted = client.event("granted")?;
    assert!(seconds(&granted).is_some_and(|s| (400..=420).contains(&s)), "{granted}");
    client.say("/diagnose full")?;
    console.sees("diagnostics are running")?;
    console.types("/take diagnostics")?;
    let granted = client.event("granted")?;
    assert_eq!(seconds(&granted), None, "{granted}");
    // The run in progress was cut, and the next one is refused.
    client.program.wait_for("cut off", Duration::from_secs(20))?;
    client.say("/diagnose quick")?;
    client.program.wait_for("not-granted", Duration::from_secs(20))?;
    agent.has_audited("refused", 1)?;
    // The conversation goes on: it needs no grant.
    client.say("thank you")?;
    console.sees("thank you")?;
    client.say("/drop diagnostics")?;
    client.end()
}

#[test]
fn a_first_contact_waits_and_a_second_one_does_not() -> Result<()> {
    let site = TestDeployment::new()?;
    let agent = site.device("pc-1")?;
    let mut console = agent.attend()?;
    let mut client = site.admin().connect(&console.code, &DIAGNOSTICS)?;
    console.sees("You have not been helped by this person before")?;
    console.sees("Type allow or deny")?;
    console.types("allow")?;
    console.sees_within("first read who asks and why", Duration::from_secs(3))?;
    assert!(!client.program.said("\"granted\""), "an answer counted that came too soon");
    console.tries("allow")?;
    client.event("granted")?;
    client.end()?;
    console.types("/code")?;
    let code = console.next_code()?;
    let mut client = site.admin().connect(&code, &DIAGNOSTICS)?;
    let before = console.program.count("You have not been helped");
    console.sees("Type allow or deny")?;
    console.types("allow")?;
    client.event("granted")?;
    assert_eq!(console.program.count("You have not been helped"), before);
    client.end()
}

#[test]
fn one_technicians_grant_is_not_anothers() -> Result<()> {
    let site = TestDeployment::new()?;
    let agent = site.device("pc-1")?;
    let bob = site.technician("Bob")?;
    let mut console = agent.attend()?;
    let mut first = site.admin().connect(&console.code, &DIAGNOSTICS)?;
    console.allows()?;
    first.event("granted")?;
    let mut second = bob.connect("pc-1", &[])?;
    second.event("connected")?;
    second.say("/diagnose quick")?;
    second.program.wait_for("not-granted", Duration::from_secs(20))?;
    second.say("it is Bob")?;
    console.sees("│ Bob: it is Bob")?;
    assert!(!first.program.said("it is Bob"), "one session's chat is not another's");
    first.say("/diagnose quick")?;
    first.event_within("report", Duration::from_secs(60))?;
    console.types("/stop")?;
    first.ends_with(18)?;
    second.ends_with(18)
}

#[test]
fn rotated_keys_end_sessions_and_the_next_one_follows_them() -> Result<()> {
    let site = TestDeployment::new()?;
    let mut agent = site.device("pc-1")?;
    let bob = site.technician("Bob")?;
    let mut client = managed(&bob, &agent, "pc-1")?;
    bob.run(&["rotate"])?.ok()?;
    client.ends_with(13)?;
    managed(&bob, &agent, "pc-1")?.end()?;

    let mut client = managed(&bob, &agent, "pc-1")?;
    agent.run(&["rotate"])?.ok()?;
    client.ends_with(15)?;
    agent.wait_connected()?;
    managed(&bob, &agent, "pc-1")?.end()?;
    agent.run(&["audit", "verify"])?.ok()?;
    agent.restart()?;
    agent.wait_connected()?;
    managed(&bob, &agent, "pc-1")?.end()
}

#[test]
fn a_machine_that_is_not_enrolled_is_helped_by_code_only() -> Result<()> {
    let site = TestDeployment::new()?;
    let mut console = site.guest("laptop")?;
    console.next_code()?;
    let out = site.directory("report")?;
    let code = console.code.clone();
    let mut client = site.admin().start(&["diagnose", &code, "--quick", "--out", &out.to_string_lossy()])?;
    console.allows()?;
    client.event_within("report", Duration::from_secs(60))?;
    client.ends_with(0)?;
    console.sees("The session is over")?;
    assert!(out.join("report.html").exists());
    let devices = site.admin().run(&["devices"])?.ok()?.json()?;
    assert_eq!(devices.get("devices"), Some(&Value::Array(Vec::new())));
    console.types("/quit")?;
    assert_eq!(console.program.exit(Duration::from_secs(10))?, 0);
    Ok(())
}
