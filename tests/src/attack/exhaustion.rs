//! Attackers who only want to use everything up.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use nearhand_proto::identity::SecretKey;
use nearhand_proto::message::ProgramInfo;
use nearhand_proto::message::control::{self, RelayHello, RelayReply, RelayRequest};
use nearhand_proto::message::help::{HelpRequest, Urgency};
use rand_core::OsRng;

use super::fixtures::{address, with_eve};
use super::{AttackTrial, number, seconds};
use crate::deployment::{LIMIT, TestDeployment};
use crate::initial;
use crate::light_agents::allow_files;
use crate::metrics::{ScrapedMetrics, all_read};
use crate::program::until;
use crate::wire_client::{ControlWire, WireEndpoint};

/// What SECURITY.md promises an honest one, in seconds.
const HONEST: f64 = 1.0;
/// Honest connects, one after the other.
const TRIES: usize = 20;

/// First packets of real handshakes, each from its own socket that never answers: some from one address, some from a
/// hundred. They stay for 10 s, within which the honest ones come.
pub(super) fn stalled_handshakes(trial: &AttackTrial) -> Result<()> {
    let (site, agent, wire, eve) = with_eve(true)?;
    let stalled = trial.many(2_000, 10_000);
    // Where the system gives a process few files, fewer are stalled: that is checked below.
    let _ = allow_files(stalled);
    let packets = initial::captured(stalled)?;
    let mut held = Vec::new();
    for (count, packet) in (0_u8..=200).cycle().zip(&packets) {
        // Half from one network, which has its own share; half from others.
        let host = if count < 100 { 1 } else { count };
        let Ok(socket) = UdpSocket::bind((Ipv4Addr::new(127, 8, host, 1), 0)) else { break };
        socket.send_to(packet, ("127.0.0.1", site.port))?;
        held.push(socket);
        if held.len() % 50 == 0 {
            // Not faster than the system's buffer is emptied: what is dropped there stalls nothing.
            until(LIMIT, "the relay reads what came", || all_read(site.port))?;
        }
    }
    ensure!(held.len() > 500, "only {} sockets", held.len());
    let mut longest = Duration::ZERO;
    for _ in 0..TRIES {
        let since = Instant::now();
        let control = eve.connect(&wire)?;
        longest = longest.max(since.elapsed());
        ensure!(matches!(control.ask(&RelayRequest::Ping)?, RelayReply::Done));
    }
    trial.tried("handshakes stalled", number(held.len()));
    trial.timed("the slowest of 20 honest connects", seconds(longest), "s", HONEST);
    let since = Instant::now();
    site.admin().run(&["devices"])?.ok()?;
    ensure!(since.elapsed() < Duration::from_secs(10), "an honest client took {:?}", since.elapsed());
    site.admin().run(&["diagnose", "pc-1", "--quick"])?.ok()?;
    // Nobody stood at the door otherwise.
    let asked_to_prove =
        ScrapedMetrics::read(site.port)?.get("nearhand_handshakes_total{result=\"retry\"}")?;
    trial.tried("of them asked to prove their address", asked_to_prove);
    ensure!(asked_to_prove > number(held.len()) / 2.0, "{asked_to_prove} of {} came", held.len());
    drop(agent);
    Ok(())
}

pub(super) fn stalled_streams(trial: &AttackTrial) -> Result<()> {
    let (_site, _agent, wire, eve) = with_eve(false)?;
    // Streams that never say anything are few, and don't keep others out.
    let control = eve.connect(&wire)?;
    let held = control.stall(&[1])?;
    ensure!(!held.is_empty());
    trial.at_most("streams open at once on one connection", number(held.len()), "", 8.0)?;
    let again = eve.connect(&wire)?;
    ensure!(matches!(again.ask(&RelayRequest::Ping)?, RelayReply::Done));
    Ok(())
}

/// A stranger's network, and somebody else's.
const FLOOD: Ipv4Addr = Ipv4Addr::new(127, 4, 1, 1);
const HONEST_HOME: Ipv4Addr = Ipv4Addr::new(127, 5, 1, 1);

fn wish(number: u64) -> RelayRequest {
    let wanted =
        HelpRequest { what: "it does not print".into(), urgency: Urgency::Stopped, reach: String::new() };
    RelayRequest::AskForHelp { wish: number, wanted }
}

/// Catches a help desk that one address closes: its requests took all places, for everybody and over a restart.
pub(super) fn a_flooded_help_desk(trial: &AttackTrial) -> Result<()> {
    let (site, wire) = (TestDeployment::new()?, WireEndpoint::new()?);
    let relay = address(&site)?;
    let device = wire.enrol(&site.enrolment("till")?)?.connect(&wire)?;
    let many = trial.many(150, 2_000);
    let mut heard = 0;
    for number in 0..u64::try_from(many)? {
        // Each with another key, and gone at once.
        if let Ok(guest) = wire.guest(FLOOD, &relay, &format!("pc-{number}"))?
            && matches!(guest.ask(&wish(number))?, RelayReply::Help(_))
        {
            heard += 1;
        }
    }
    trial.tried("requests for help from one address", number(many));
    trial.at_most("of them in the queue", number(heard), "", 25.0)?;
    let honest = wire.guest(HONEST_HOME, &relay, "laptop")?.map_err(|refusal| anyhow!("{refusal}"))?;
    for (who, control) in [("another guest", &honest), ("a device", &device)] {
        let reply = control.ask(&wish(1))?;
        ensure!(matches!(reply, RelayReply::Help(_)), "{who}: {reply:?}");
    }
    let queue = site.admin().run(&["queue", "--json"])?.ok()?.json()?;
    let listed = queue.pointer("/requests").and_then(|list| list.as_array()).map_or(0, Vec::len);
    ensure!(listed == heard + 2, "{listed} of {} requests are listed", heard + 2);
    // What floods cause are few rows, which say how many there were.
    let rows = site.admin().run(&["audit", "show", "--json"])?.ok()?;
    let asked = rows.text.matches("help.asked").count();
    ensure!(asked >= 2, "the honest ones' rows are missing");
    trial.at_most("rows of the relay's log about them", number(asked), "", 20.0)?;
    Ok(())
}

/// Catches places that one address takes in seconds: 500 of guests, 256 of newcomers, all routing digits.
pub(super) fn taken_places(trial: &AttackTrial) -> Result<()> {
    let (site, wire) = (TestDeployment::new()?, WireEndpoint::new()?);
    let relay = address(&site)?;
    let device = wire.enrol(&site.enrolment("till")?)?.connect(&wire)?;
    let mut inside = Vec::new();
    for number in 0..trial.many(160, 500) {
        if let Ok(guest) = wire.guest(FLOOD, &relay, &format!("pc-{number}"))? {
            inside.push(guest);
        }
    }
    trial.at_most("guests let in from one address", number(inside.len()), "", 125.0)?;
    let digits = |control: &ControlWire| control.ask(&RelayRequest::AllocateDigits { wanted: None });
    let mut held = 0;
    for guest in &inside {
        held += usize::from(matches!(digits(guest)?, RelayReply::Digits(_)));
    }
    drop(inside);
    // With another key each time; what the ones before had is kept for them for a while.
    for number in 0..trial.many(40, 10_500) {
        if let Ok(guest) = wire.guest(FLOOD, &relay, &format!("pc-{number}"))? {
            held += usize::from(matches!(digits(&guest)?, RelayReply::Digits(_)));
        }
    }
    trial.tried("digits given to one address in turn", number(held));
    let taken = ScrapedMetrics::read(site.port)?.get("nearhand_codes_active")?;
    trial.at_most("digits taken at once by it", taken, "", 64.0)?;
    let mut newcomers = Vec::new();
    for _ in 0..trial.many(80, 300) {
        let control = wire.dial_from(FLOOD, &relay, &SecretKey::generate(&mut OsRng), control::ALPN)?;
        let hello = RelayRequest::Hello(RelayHello::Newcomer { program: ProgramInfo::this() });
        if matches!(control.ask(&hello)?, RelayReply::Welcome(_)) {
            newcomers.push(control);
        }
    }
    let honest = wire.guest(HONEST_HOME, &relay, "laptop")?.map_err(|refusal| anyhow!("{refusal}"))?;
    ensure!(matches!(digits(&honest)?, RelayReply::Digits(_)), "another guest gets no digits");
    ensure!(matches!(digits(&device)?, RelayReply::Digits(_)), "a device gets no digits");
    let grace = site.newcomer("Grace")?;
    grace.run(&["join", &site.invite("Grace")?.reveal()])?.ok()?;
    Ok(())
}

/// Catches requests that wait for their last byte in as much memory as a flood wants: the relay went from 46 to 390 MB.
pub(super) fn half_sent_requests(trial: &AttackTrial) -> Result<()> {
    let (site, wire) = (TestDeployment::new()?, WireEndpoint::new()?);
    let relay = address(&site)?;
    let resident = || ScrapedMetrics::read(site.port)?.get("process_resident_memory_bytes");
    let before = resident()?;
    let mut frame = (256_u32 * 1024 - 1).to_le_bytes().to_vec();
    frame.resize(200 * 1024, 0);
    let mut held = Vec::new();
    for number in 0..u8::try_from(trial.many(100, 250))? {
        // From as many networks as it takes.
        let from = Ipv4Addr::new(127, 4, number, 1);
        for _ in 0..4 {
            if let Ok(guest) = wire.guest(from, &relay, "pc")? {
                guest.send_part(&frame);
                held.push(guest);
            }
        }
    }
    let (mut highest, mut unchanged) = (0.0, 0);
    until(LIMIT, "what was sent has arrived", || {
        let now = resident()?;
        unchanged = if now > highest || !all_read(site.port)? { 0 } else { unchanged + 1 };
        highest = now.max(highest);
        Ok(unchanged >= 50)
    })?;
    let grown = (highest - before) / 1e6;
    trial.tried("connections with half a request", number(held.len()));
    trial.at_most("what the relay's memory grew by", grown, "MB", 100.0)?;
    site.admin().run(&["devices"])?.ok()?;
    Ok(())
}
