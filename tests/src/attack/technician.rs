//! A technician who is one, and wants more; and records that somebody edited.

use std::fs;

use anyhow::{Context, Result, ensure};
use nearhand_proto::id::{DeviceId, SessionId};
use nearhand_proto::message::control::{CloseOutcome, RelayRefusal, RelayRequest, SessionTarget};
use rand_core::OsRng;
use serde_json::Value;

use super::AttackTrial;
use super::fixtures::{refused, session_id, with_eve};
use crate::deployment::{LIMIT, TestDeployment};
use crate::program::until;

pub(super) fn what_is_others(_trial: &AttackTrial) -> Result<()> {
    let (site, agent, wire, eve) = with_eve(true)?;
    let mut client = site.admin().connect("pc-1", &[])?;
    let theirs = session_id(&client.event("connected")?)?;
    let control = eve.connect(&wire)?;
    let none = SessionId::random(&mut OsRng);
    let close = |session| RelayRequest::Close { session, outcome: CloseOutcome::Technician, audit: None };
    // Somebody else's session is the same to her as none.
    for (real, unreal) in [
        (close(theirs), close(none)),
        (RelayRequest::Reopen { session: theirs }, RelayRequest::Reopen { session: none }),
    ] {
        let (real, unreal) = (control.ask(&real)?, control.ask(&unreal)?);
        ensure!(refused(&real) == Some(&RelayRefusal::NoSuchSession));
        ensure!(format!("{real:?}") == format!("{unreal:?}"));
    }
    let taken = control.ask(&RelayRequest::Open {
        session: theirs,
        target: SessionTarget::Device(site.device_id("pc-1")?),
    })?;
    ensure!(refused(&taken).is_some(), "{taken:?}");
    // What only administrators may see or do.
    ensure!(refused(&control.ask(&RelayRequest::Audit { after: 0 })?) == Some(&RelayRefusal::NotAllowed));
    ensure!(
        refused(&control.ask(&RelayRequest::AllocateDigits { wanted: None })?)
            == Some(&RelayRefusal::NotAllowed)
    );
    // A device of another organisation and one that doesn't exist.
    let other = TestDeployment::new()?;
    let _far = other.device("pc-9")?;
    let open =
        |id| RelayRequest::Open { session: SessionId::random(&mut OsRng), target: SessionTarget::Device(id) };
    let far = control.ask(&open(other.device_id("pc-9")?))?;
    let unreal = control.ask(&open(DeviceId::from_bytes([9; 16])))?;
    ensure!(refused(&far) == Some(&RelayRefusal::NoSuchDevice));
    ensure!(format!("{far:?}") == format!("{unreal:?}"));
    client.say("undisturbed")?;
    client.chat("undisturbed", "received")?;
    drop(agent);
    Ok(())
}

pub(super) fn an_edited_record(_trial: &AttackTrial) -> Result<()> {
    let site = TestDeployment::new()?;
    let agent = site.device("pc-1")?;
    agent.allow("\"diagnostics\"", false)?;
    let out = site.directory("report")?;
    let words = ["diagnose", "pc-1", "--quick", "--out", &out.to_string_lossy()];
    site.admin().run(&words)?.ok()?;
    until(LIMIT, "the end is written down", || Ok(agent.audited("session.end")? == 1))?;
    for action in ["session.start", "ask", "grant", "diagnostics"] {
        ensure!(agent.audited(action)? == 1, "{action}");
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
    ensure!(broken.get("row").and_then(Value::as_u64) == Some(u64::try_from(row)?));
    // Cut off, with the agent's own witness cut off too: the technician's evidence still shows it.
    let cut: Vec<&str> = text.split_inclusive('\n').take(row).collect();
    fs::write(&log, cut.concat())?;
    agent.run(&["audit", "verify"])?.fails_with(19)?;
    fs::remove_file(agent.data().join("audit.head"))?;
    agent.run(&["audit", "verify"])?.ok()?;
    agent.run(&["audit", "verify", "--witness", witness])?.fails_with(19)?;
    Ok(())
}
