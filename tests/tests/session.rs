//! A session from code to report and audit, with the real programs, and the ends it can come to. What keeps one
//! from beginning is in `refusals.rs`.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nearhand_tests::parties::{Agent, Client, Technician};
use nearhand_tests::program::until;
use nearhand_tests::site::{LIMIT, Site};
use rustix::process::Signal;
use serde_json::Value;

/// What SECURITY.md promises for a revocation.
const REVOKED_WITHIN: Duration = Duration::from_secs(5);
const DIAGNOSTICS: [&str; 2] = ["--ask", "diagnostics"];

/// A session with a device that its owner's policy lets begin unasked.
fn managed(technician: &Technician, agent: &Agent, label: &str) -> Result<Client> {
    agent.allow("\"diagnostics\"", true)?;
    let mut client = technician.connect(label, &DIAGNOSTICS)?;
    client.event("connected")?;
    client.event("granted")?;
    Ok(client)
}

#[test]
fn a_spoken_code_leads_to_consent_chat_and_a_report() -> Result<()> {
    let site = Site::new()?;
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
fn the_record_is_whole_and_says_what_was_done_until_somebody_edits_it() -> Result<()> {
    let site = Site::new()?;
    let agent = site.device("pc-1")?;
    agent.allow("\"diagnostics\"", false)?;
    let out = site.directory("report")?;
    let words = ["diagnose", "pc-1", "--quick", "--out", &out.to_string_lossy()];
    site.admin().run(&words)?.ok()?;
    until(LIMIT, "the end is written down", || Ok(agent.audited("session.end")? == 1))?;
    for action in ["session.start", "ask", "grant", "diagnostics"] {
        assert_eq!(agent.audited(action)?, 1, "{action}");
    }
    agent.run(&["audit", "verify"])?.ok()?.says("The record is whole")?;
    site.admin().run(&["audit", "verify"])?.ok()?.says("\"verified\":true")?;
    // The report's reader can show later that this head existed.
    let sessions = fs::read_dir(site.admin().home().join("sessions"))?.next().context("no session")??;
    let evidence = fs::read_to_string(sessions.path().join("evidence.jsonl"))?;
    let last = evidence.lines().rfind(|line| line.contains("audit-head")).context("no head")?;
    let witness: Value = serde_json::from_str(last)?;
    let witness = witness.get("witness").and_then(Value::as_str).context("no witness")?;
    agent.run(&["audit", "verify", "--witness", witness])?.ok()?;

    let log = agent.data().join("audit.jsonl");
    let text = fs::read_to_string(&log)?;
    fs::write(&log, text.replacen("session.start", "session.stArt", 1))?;
    let row = text.lines().position(|line| line.contains("session.start")).context("no row")? + 1;
    let broken = agent.run(&["audit", "verify", "--json"])?.fails_with(19)?.json()?;
    assert_eq!(broken.get("row").and_then(Value::as_u64), Some(row as u64));
    // Cut off, with the agent's own witness cut off too: the technician's evidence still shows it.
    let cut: Vec<&str> = text.split_inclusive('\n').take(row).collect();
    fs::write(&log, cut.concat())?;
    agent.run(&["audit", "verify"])?.fails_with(19)?;
    fs::remove_file(agent.data().join("audit.head"))?;
    agent.run(&["audit", "verify"])?.ok()?;
    agent.run(&["audit", "verify", "--witness", witness])?.fails_with(19)?;
    Ok(())
}

/// Catches a client that waits for the connection that the relay has cut: it ended after 23 s, with code 15.
#[test]
fn a_revoked_technician_is_out_within_seconds_and_stays_out() -> Result<()> {
    let site = Site::new()?;
    let agent = site.device("pc-1")?;
    let bob = site.technician("Bob")?;
    let mut console = agent.watch(&["--no-code"])?;
    let mut client = managed(&bob, &agent, "pc-1")?;
    let since = Instant::now();
    site.admin().run(&["revoke", "person", "Bob"])?.ok()?;
    client.ends_with(13)?;
    console.sees("The session is over")?;
    assert!(since.elapsed() < REVOKED_WITHIN, "{:?}", since.elapsed());
    bob.run(&["diagnose", "pc-1", "--quick"])?.fails_with(13)?;
    // Others are not affected.
    managed(site.admin(), &agent, "pc-1")?.end()
}

#[test]
fn a_revoked_device_is_out_within_seconds() -> Result<()> {
    let site = Site::new()?;
    let agent = site.device("pc-1")?;
    let mut client = managed(site.admin(), &agent, "pc-1")?;
    let since = Instant::now();
    site.admin().run(&["revoke", "device", "pc-1"])?.ok()?;
    client.ends_with(13)?;
    assert!(since.elapsed() < REVOKED_WITHIN, "{:?}", since.elapsed());
    site.admin().run(&["diagnose", "pc-1", "--quick"])?.fails_with(7)?;
    Ok(())
}

#[test]
fn the_person_narrows_extends_and_takes_back() -> Result<()> {
    let site = Site::new()?;
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
    assert_eq!(agent.audited("refused")?, 1);
    // The conversation goes on: it needs no grant.
    client.say("thank you")?;
    console.sees("thank you")?;
    client.say("/drop diagnostics")?;
    client.end()
}

/// Catches a Stop that waits for an answer of the relay or of the technician, for neither hears of it before it is all
/// over, and one that the run in progress comes to its end before. How long it takes is no matter of a test.
#[test]
fn stop_works_at_once_while_the_relay_hangs() -> Result<()> {
    let site = Site::new()?;
    let agent = site.device("pc-1")?;
    let mut console = agent.watch(&["--no-code"])?;
    let mut client = managed(site.admin(), &agent, "pc-1")?;
    client.say("/diagnose full")?;
    console.sees("diagnostics are running")?;
    site.relay.signal(Signal::STOP)?;
    console.types("/stop")?;
    console.sees("Granted now: nothing")?;
    let status = agent.run(&["status"])?.ok()?;
    assert!(!status.text.contains("diagnostics for"), "{}", status.text);
    console.sees("The session is over: stopped by the person at the device")?;
    assert_eq!(agent.audited("session.end")?, 1, "it is written down");
    // Nothing of the run came out after all, and nobody else was needed for it.
    assert!(!console.program.said("the report was sent"), "{}", console.program.text());
    assert_eq!(agent.audited("diagnostics")?, 0);
    ensure!(client.program.runs(), "the client heard of it, although the relay hangs");
    site.relay.signal(Signal::CONT)?;
    client.ends_with(18)
}

#[test]
fn a_first_contact_waits_and_a_second_one_does_not() -> Result<()> {
    let site = Site::new()?;
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
    let site = Site::new()?;
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
    let site = Site::new()?;
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
    let site = Site::new()?;
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
