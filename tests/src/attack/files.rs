//! Files aren't sent in this product: what asks for them is refused. What comes closest are reports, which a device sends and a
//! client keeps, and names, which end up on terminals.

use anyhow::{Result, ensure};
use nearhand_proto::grant::{Capabilities, Capability};
use nearhand_proto::message::control::DeviceFacts;
use nearhand_proto::message::session::{
    self, ChatFrame, FromTechnician, REPORT_LIMIT, StreamAnswer, StreamOpen,
};
use nearhand_proto::peer_text::PeerText;

use super::fixtures::{session, with_eve};
use super::{AttackTrial, number};
use crate::deployment::TestDeployment;
use crate::hostile_device::{HostileDevice, HostilePayload};
use crate::light_agents::now;
use crate::wire_client::WireEndpoint;

/// Steers a terminal, turns a text around, ends a string.
const STEERING: &str = "a\u{1b}]0;owned\u{7}\u{1b}[2Jb\u{202e}cod.exe\u{2066}\u{0}\u{9b}31m\r\n\u{200b}z";

pub(super) fn a_file_stream(_trial: &AttackTrial) -> Result<()> {
    let (site, agent, wire, eve) = with_eve(false)?;
    // Even where the owner's policy names it.
    agent.allow("\"files\", \"terminal\"", true)?;
    let mut session = session(&site, &wire, &eve)?;
    for (open, capability) in
        [(StreamOpen::File, Capability::Files), (StreamOpen::Terminal, Capability::Terminal)]
    {
        let answer = session.ask(Capabilities::NONE.with(capability))?;
        ensure!(format!("{answer:?}").contains("NotOffered"), "{answer:?}");
        let answer = session.stream(&open)?;
        ensure!(
            answer == StreamAnswer::Refused(session::SessionRefusal::NotGranted(capability)),
            "{answer:?}"
        );
    }
    ensure!(agent.audited("grant")? == 0);
    session.leave()
}

/// A device that sends without end where a report belongs.
pub(super) fn a_report_without_end(trial: &AttackTrial) -> Result<()> {
    let (site, wire) = (TestDeployment::new()?, WireEndpoint::new()?);
    let facts = DeviceFacts { hostname: "endless".into(), os: "none".into() };
    let device = wire.enrol_as(&site.enrolment("endless")?, facts.clone())?;
    let hostile = HostileDevice::start(&wire, &device, facts, HostilePayload::Endless)?;
    let out = site.directory("report")?;
    let done = site.admin().run(&["diagnose", "endless", "--quick", "--out", &out.to_string_lossy()])?;
    ensure!(done.code != 0 && done.text.contains("more than a report may have"), "{done:?}");
    let kept: Vec<_> = std::fs::read_dir(&out)?.collect();
    ensure!(kept.is_empty(), "something of it was kept: {kept:?}");
    // What was under way when it was cut: the stream's window.
    let sent = number(usize::try_from(hostile.sent())?) / number(REPORT_LIMIT);
    trial.at_most("of a report's limit sent before it was cut", sent, "×", 3.0)
}

pub(super) fn names_that_steer(_trial: &AttackTrial) -> Result<()> {
    let (site, agent, wire, eve) = with_eve(false)?;
    let facts = DeviceFacts { hostname: PeerText::forged(STEERING), os: PeerText::forged(STEERING) };
    let device = wire.enrol_as(&site.enrolment("named")?, facts.clone())?;
    let _hostile = HostileDevice::start(&wire, &device, facts, HostilePayload::Report(b"{}".to_vec()))?;
    let mut console = agent.watch(&["--no-code"])?;
    let mut session = session(&site, &wire, &eve)?;
    session.say(&FromTechnician::Reason(STEERING.to_owned()))?;
    let mut chat = session.talk(&StreamOpen::Chat)?;
    chat.say(&ChatFrame::Message { number: 1, at: now(), text: format!("{STEERING}said") })?;
    console.sees("said")?;
    session.say(&FromTechnician::End)?;
    console.sees("The session is over")?;
    session.leave()?;
    let mut shown = vec![("the person's console", console.program.text())];
    for words in [&["devices"][..], &["sessions"], &["people"], &["diagnose", "named", "--quick"]] {
        shown.push(("the technician's terminal", site.admin().run_plainly(words)?.text));
    }
    shown.push(("the relay's log", site.relay.text()));
    shown.push(("the agent's log", agent.program.text()));
    shown.push(("the agent's record", agent.run(&["audit", "show"])?.text));
    for (place, text) in &shown {
        let steers = |c: char| {
            (c.is_control() && !matches!(c, '\n' | '\t'))
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        let found = text.char_indices().find(|(_, c)| steers(*c));
        ensure!(found.is_none(), "{place}: {found:?} in {text:?}");
    }
    ensure!(shown.iter().any(|(_, text)| text.contains("cod.exe")), "nothing of it was shown at all");
    Ok(())
}
