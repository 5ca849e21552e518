//! Attackers who only want to use everything up.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nearhand_proto::message::control::{RelayReply, RelayRequest};

use super::fixtures::with_eve;
use super::{AttackTrial, number, seconds};
use crate::deployment::LIMIT;
use crate::initial;
use crate::light_agents::allow_files;
use crate::metrics::{ScrapedMetrics, all_read};
use crate::program::until;

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
