//! In a session: what is not granted, the person's Stop, codes and guesses, secrets.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nearhand_proto::grant::{Capabilities, Capability};
use nearhand_proto::id::SessionId;
use nearhand_proto::message::ProgramInfo;
use nearhand_proto::message::control::{OfferRefusal, RelayPushReply, SessionTarget};
use nearhand_proto::message::screen::{InputEvent, MouseButton, ScreenPoint};
use nearhand_proto::message::session::CheckSet;
use nearhand_proto::message::session::{
    self, AgentHello, FromAgent, FromTechnician, StreamAnswer, StreamOpen, TechnicianProof,
};
use nearhand_proto::support_code::SupportCode;
use rand_core::OsRng;
use rustix::process::Signal;

use super::fixtures::{managed, routing, session, with_eve};
use super::{AttackTrial, number, seconds};
use crate::deployment::{LIMIT, TestDeployment};
use crate::hostile_relay::{HostileRelay, RelayBehaviour};
use crate::memory::{holds, memory_holds};
use crate::program::until;
use crate::screen_device::{ScreenDevice, eve, first_frame};
use crate::wire_client::WireEndpoint;

pub(super) fn no_grant(_trial: &AttackTrial) -> Result<()> {
    let (site, agent, wire, eve) = with_eve(false)?;
    let mut console = agent.watch(&["--no-code"])?;
    let mut session = session(&site, &wire, &eve)?;
    console.sees("\"Eve\" of \"Acme Support\"")?;
    let acts = [
        (StreamOpen::Screen, Capability::View),
        (StreamOpen::Input, Capability::Control),
        (StreamOpen::Clipboard, Capability::Clipboard),
        (StreamOpen::File, Capability::Files),
        (StreamOpen::Terminal, Capability::Terminal),
        (StreamOpen::Action, Capability::Actions),
        (StreamOpen::Window, Capability::Window),
        (StreamOpen::Screenshot, Capability::Screenshot),
        (StreamOpen::Runbook, Capability::Runbook),
        (StreamOpen::Diagnostics { set: CheckSet::Quick }, Capability::Diagnostics),
    ];
    for (open, capability) in &acts {
        let answer = session.stream(open)?;
        ensure!(
            answer == StreamAnswer::Refused(session::SessionRefusal::NotGranted(*capability)),
            "{open:?}: {answer:?}"
        );
    }
    agent.has_audited("refused", acts.len())?;
    console.sees("refused: control is not granted")?;
    // Asking for what this device doesn't do grants nothing either; nor does asking for nothing.
    let answer = session.ask(Capabilities::NONE.with(Capability::Control))?;
    ensure!(format!("{answer:?}").contains("NotOffered"), "{answer:?}");
    let answer = session.ask(Capabilities::NONE)?;
    ensure!(format!("{answer:?}").contains("Refused(Protocol)"), "{answer:?}");
    ensure!(agent.audited("grant")? == 0);
    session.leave()
}

pub(super) fn a_grant_for_something_else(_trial: &AttackTrial) -> Result<()> {
    let (site, agent, wire, eve) = with_eve(true)?;
    let mut session = session(&site, &wire, &eve)?;
    let granted = session.ask(Capabilities::NONE.with(Capability::Diagnostics))?;
    ensure!(format!("{granted:?}").contains("Granted"), "{granted:?}");
    let answer = session.stream(&StreamOpen::Input)?;
    ensure!(answer == StreamAnswer::Refused(session::SessionRefusal::NotGranted(Capability::Control)));
    ensure!(session.stream(&StreamOpen::Diagnostics { set: CheckSet::Full })? == StreamAnswer::Accepted);
    let twice = session.stream(&StreamOpen::Diagnostics { set: CheckSet::Quick })?;
    ensure!(twice == StreamAnswer::Refused(session::SessionRefusal::AlreadyOpen));
    // What was given up is gone at once.
    session.say(&FromTechnician::GiveUp(Capabilities::NONE.with(Capability::Diagnostics)))?;
    until(LIMIT, "it is gone", || {
        // A stream that was opened a moment too early is cut.
        let answer = session.stream(&StreamOpen::Diagnostics { set: CheckSet::Quick }).ok();
        Ok(answer
            == Some(StreamAnswer::Refused(session::SessionRefusal::NotGranted(Capability::Diagnostics))))
    })?;
    agent.has_audited("grant", 1)?;
    session.leave()
}

pub(super) fn input_under_view_only(_trial: &AttackTrial) -> Result<()> {
    let desk = ScreenDevice::new("\"view\"")?;
    let (wire, eve) = eve(&desk.site)?;
    let mut session = desk.session(&wire, &eve, &[Capability::View])?;
    let (_screen, bytes) = first_frame(&session)?;
    ensure!(bytes > 0, "{bytes} bytes for a whole screen");
    let pointer = || desk.display.run(&["xdotool", "getmouselocation"]);
    let before = pointer()?;
    for _ in 0..3 {
        let answer = session.stream(&StreamOpen::Input)?;
        ensure!(
            answer == StreamAnswer::Refused(session::SessionRefusal::NotGranted(Capability::Control)),
            "{answer:?}"
        );
        // A client that ignores the refusal and goes on sending: the move, a click, a text.
        let stream = [
            nearhand_proto::wire::encode(&StreamOpen::Input)?,
            nearhand_proto::wire::encode(&InputEvent::Move(ScreenPoint { x: 1, y: 1 }))?,
            nearhand_proto::wire::encode(&InputEvent::Button { button: MouseButton::Primary, down: true })?,
            nearhand_proto::wire::encode(&InputEvent::Text("rm -rf".to_owned()))?,
        ];
        let frames: Vec<u8> = stream
            .iter()
            .flat_map(|frame| {
                let len = u32::try_from(frame.len()).unwrap_or_default().to_le_bytes();
                len.into_iter().chain(frame.iter().copied())
            })
            .collect();
        session.raw(&frames)?;
    }
    ensure!(pointer()? == before, "the pointer moved");
    until(LIMIT, "each is written down", || Ok(desk.agent.audited("refused")? == 6))?;
    let asked = session.ask(Capabilities::NONE.with(Capability::Control))?;
    ensure!(!format!("{asked:?}").contains("Granted"), "the policy names view alone: {asked:?}");
    session.leave()
}

pub(super) fn nonsense_on_streams(_trial: &AttackTrial) -> Result<()> {
    let (site, agent, wire, eve) = with_eve(true)?;
    let mut first = session(&site, &wire, &eve)?;
    for bytes in [&[0xff; 4][..], &[0, 0, 1, 0], &[2, 0, 0, 0, 0xfd, 0xff], &[0, 0, 0, 0], &[1]] {
        ensure!(first.raw(bytes)?.is_empty(), "{bytes:?}");
    }
    ensure!(first.stands());
    // A second control stream.
    let hello = session::TechnicianHello {
        program: ProgramInfo::this(),
        session: first.id(),
        credential: eve.credential.clone(),
        proof: TechnicianProof::Managed,
    };
    let answer = first.stream(&StreamOpen::Control(Box::new(hello)))?;
    ensure!(answer == StreamAnswer::Refused(session::SessionRefusal::Protocol));
    // Nonsense on the control stream itself ends the session, and only that.
    first.raw_control(&[0xff; 8])?;
    let end = first.hears();
    ensure!(!matches!(end, Ok(FromAgent::Decision { .. })), "{end:?}");
    let control = eve.connect(&wire)?;
    let id = SessionTarget::Device(site.device_id("pc-1")?);
    // A stream before the hello; a proof that isn't the one asked for; a resumption of nothing.
    let early = control.open(&eve, id)?;
    ensure!(early.stream(&StreamOpen::Input)? == StreamAnswer::Refused(session::SessionRefusal::Protocol));
    for (proof, refusal) in [
        (TechnicianProof::Code(vec![0; 33]), session::SessionRefusal::Protocol),
        (TechnicianProof::Resume([0; 32]), session::SessionRefusal::NoSuchSession),
    ] {
        let answer = control.open(&eve, id)?.hello(proof)?;
        ensure!(matches!(&answer, AgentHello::Refused(r) if *r == refusal), "{answer:?}");
    }
    agent.has_audited("session.start", 1)?;
    // And an honest one goes on as ever.
    site.admin().run(&["diagnose", "pc-1", "--quick"])?.ok()?;
    Ok(())
}

/// Catches a Stop that waits for an answer of the relay or of the technician, for neither hears of it before it is all
/// over, one that the run in progress comes to its end before, and one that leaves what captures the screen running.
pub(super) fn stop_while_the_relay_hangs(trial: &AttackTrial) -> Result<()> {
    let desk = ScreenDevice::new("\"view\", \"control\", \"diagnostics\"")?;
    let mut console = desk.agent.watch(&["--no-code"])?;
    let mut client = managed(desk.site.admin(), &desk.agent, "desk")?;
    client.say("/diagnose full")?;
    console.sees("diagnostics are running")?;
    desk.agent.allow("\"view\", \"control\", \"diagnostics\"", true)?;
    let (wire, eve) = eve(&desk.site)?;
    let session = desk.session(&wire, &eve, &[Capability::View, Capability::Control])?;
    let (_screen, _) = first_frame(&session)?;
    let mut input = session.talk(&StreamOpen::Input)?;
    input.say(&InputEvent::Move(ScreenPoint { x: 10, y: 10 }))?;
    let desktop = || Ok::<_, anyhow::Error>(desk.agent.program.children("nearhand-agent").len());
    until(LIMIT, "a desktop process", || Ok(desktop()? > 0))?;
    desk.site.relay.signal(Signal::STOP)?;
    let since = Instant::now();
    console.types("/stop")?;
    console.sees("Granted now: nothing")?;
    let gone = seconds(since.elapsed());
    until(LIMIT, "capture and input have ceased", || Ok(desktop()? == 0))?;
    trial.timed("grants gone after Stop", gone, "s", 1.0);
    trial.timed("what captures and types gone", seconds(since.elapsed()), "s", 1.0);
    let status = desk.agent.run(&["status"])?.ok()?;
    ensure!(!status.text.contains("diagnostics for"), "{}", status.text);
    console.sees("The session is over: stopped by the person at the device")?;
    until(LIMIT, "both ends are written down", || Ok(desk.agent.audited("session.end")? == 2))?;
    // Nothing of the run came out after all, and nobody else was needed for it.
    ensure!(!console.program.said("the report was sent"), "{}", console.program.text());
    ensure!(desk.agent.audited("diagnostics")? == 0);
    ensure!(client.program.runs(), "the client heard of it, although the relay hangs");
    desk.site.relay.signal(Signal::CONT)?;
    client.ends_with(18)
}

pub(super) fn a_wrong_code(_trial: &AttackTrial) -> Result<()> {
    let (_site, agent, wire, eve) = with_eve(false)?;
    let mut console = agent.attend()?;
    let code: SupportCode = console.code.parse()?;
    let control = eve.connect(&wire)?;
    let mut session = control.open(&eve, SessionTarget::Code(code.routing()))?;
    let guess = SupportCode::generate(code.routing(), &mut OsRng);
    let answer = session.prove(&guess)?;
    ensure!(matches!(answer, AgentHello::Refused(session::SessionRefusal::WrongCode)), "{answer:?}");
    // Neither on this path nor on another is there a second one, not even the right one.
    ensure!(session.prove(&code).is_err());
    console.sees("tried a wrong support code")?;
    ensure!(control.open(&eve, SessionTarget::Code(code.routing())).is_err());
    agent.has_audited("code.burnt", 1)?;
    ensure!(agent.audited("session.start")? == 0);
    // A proof that is begun and left burns nothing: it has told nothing.
    console.types("/code")?;
    let code: SupportCode = console.next_code()?.parse()?;
    let mut begun = control.open(&eve, SessionTarget::Code(code.routing()))?;
    let answer = begun.hello(TechnicianProof::Code(vec![1; 33]))?;
    ensure!(
        matches!(answer, AgentHello::Refused(session::SessionRefusal::WrongCode) | AgentHello::Code(_)),
        "{answer:?}"
    );
    Ok(())
}

pub(super) fn a_thousand_guesses(trial: &AttackTrial) -> Result<()> {
    const GUESSES: usize = 1_000;
    let (mut site, wire) = (TestDeployment::new()?, WireEndpoint::new()?);
    // The worst case: a technician of the organisation is in it too.
    let mallory = wire.join(&site.invite("Mallory")?)?;
    let mut agent = site.device("pc-1")?;
    let relay = HostileRelay::steal(&mut site, &wire, RelayBehaviour::Honestly)?;
    agent.restart()?;
    agent.wait_connected()?;
    let mut console = agent.attend()?;
    let mut judged = 0;
    for made in 1..=3 {
        let code: SupportCode = console.code.parse()?;
        for _ in 0..GUESSES / 3 {
            let session = SessionId::random(&mut OsRng);
            let (reply, bind) = relay.offer(session, Some(code.routing()), false)?;
            if reply != RelayPushReply::Done {
                continue;
            }
            let guess = SupportCode::generate(code.routing(), &mut OsRng);
            let answer = wire.path(relay.addr(), &mallory, session, bind)?.prove(&guess)?;
            ensure!(matches!(answer, AgentHello::Refused(session::SessionRefusal::WrongCode)), "{answer:?}");
            judged += 1;
        }
        ensure!(judged == made, "{judged} guesses were judged for {made} codes");
        console.sees("tried a wrong support code. If you did not just read one out")?;
        console.types("/code")?;
        if made < 3 {
            console.next_code()?;
        }
    }
    console.sees("too many wrong support codes were tried on this device")?;
    let (reply, _) = relay.offer(SessionId::random(&mut OsRng), Some(routing(1)?), false)?;
    ensure!(reply == RelayPushReply::Refused(OfferRefusal::LockedOut));
    agent.has_audited("code.burnt", 3)?;
    ensure!(agent.audited("session.start")? == 0);
    trial.at_most("guesses judged for each code", number(judged) / 3.0, "", 1.0)
}

/// What was said, shown and proved in a session, searched for where it must not be. Every other case's logs are
/// searched for the secrets that it handed out, when its site ends.
pub(super) fn canaries(trial: &AttackTrial) -> Result<()> {
    const SAID: &str = "canary-7f3a-my-bank-password";
    // The reason is part of the device's record, which is the device's alone.
    const REASON: &str = "canary-51c0-because-of-the-divorce";
    let site = TestDeployment::new()?;
    let agent = site.device("pc-1")?;
    let mut console = agent.attend()?;
    let code = console.code.clone();
    let mut client = site.admin().connect(&code, &["--reason", REASON, "--ask", "diagnostics"])?;
    client.event("connected")?;
    console.allows()?;
    client.event("granted")?;
    client.say(SAID)?;
    console.sees(SAID)?;
    client.say("/diagnose quick")?;
    client.event_within("report", Duration::from_secs(60))?;
    let digits: String = code.chars().filter(char::is_ascii_digit).collect();
    // The code in every form. The four routing digits are the relay's business.
    let (_, secret) = digits.split_at_checked(4).context("no code")?;
    let canaries = [SAID, REASON, code.as_str(), digits.as_str(), secret];
    let mut found = Vec::new();
    for entry in files_below(site.data())? {
        for canary in canaries {
            if holds(&entry, canary)? {
                found.push(format!("{canary:?} in {}", entry.display()));
            }
        }
    }
    for canary in canaries {
        for name in site.logs().with(canary) {
            // In addition to what people see on their own screens.
            if name == "relay" || (name == "agent pc-1" && canary != REASON) {
                found.push(format!("{canary:?} in the log of {name}"));
            }
        }
    }
    let mut searched = 0;
    if Command::new("gcore").arg("--help").output().is_ok() {
        let directory = site.directory("dumps")?;
        let dumped =
            memory_holds(site.relay.pid(), &directory, &[SAID, REASON, &code, &digits, "Acme Support"])?;
        // The last is what the relay does know: that the search can find something.
        ensure!(dumped.last() == Some(&true), "a dump of the relay holds nothing: the search is none");
        let known = dumped.len() - 1;
        found.extend(dumped.iter().take(known).filter(|is| **is).map(|_| "a dump of the relay".to_owned()));
        ensure!(
            memory_holds(agent.program.pid(), &directory, &[SAID])? == [true],
            "the agent's dump holds nothing"
        );
        searched += 1;
    }
    client.end()?;
    trial.tried("memory dumps searched", number(searched));
    ensure!(found.is_empty(), "{found:?}");
    Ok(())
}

fn files_below(directory: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => found.extend(files_below(&entry.path())?),
            false => found.push(entry.path()),
        }
    }
    Ok(found)
}
