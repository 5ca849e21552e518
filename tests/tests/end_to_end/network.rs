//! Sessions between machines that can reach nothing but the relay, while addresses change under them; and what
//! the relay's network and memory show of what is said: nothing.
#![allow(clippy::print_stdout, reason = "a skipped test says why")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nearhand_tests::deployment::{LIMIT, ProgramPlace};
use nearhand_tests::memory::{holds, memory_holds};
use nearhand_tests::netns::RELAY;
use nearhand_tests::program::{ProgramLogs, TestProgram, until};
use nearhand_tests::remote::{DeviceHome, NetworkTrouble, RemoteSession};
use rustix::process::Signal;

/// What is said, and may be seen by nobody else.
const MARKER: &str = "swordfish-7c1f0a9e";
/// What is sent in the open, to show that it would be seen.
const OPEN: &str = "in-the-open-93b2d4";

/// One session, one consent, and it works.
fn is_the_same_session(scene: &mut RemoteSession) -> Result<()> {
    assert_eq!((scene.agent.audited("session.start")?, scene.agent.audited("grant")?), (1, 1));
    scene.client.say("/diagnose quick")?;
    scene.client.event_within("report", Duration::from_secs(60))?;
    scene.client.end()
}

/// Ends once the relay has got some datagrams that fit.
fn witness(scene: &RemoteSession, filter: &str) -> Result<TestProgram> {
    let words =
        ["tcpdump", "--immediate-mode", "-n", "-i", "br0", "-Z", "root", "-c", "5", "udp and", filter];
    let mut program = scene.network.place("relay").program("tcpdump", &words, scene.site.logs())?;
    program.wait_for("listening on", LIMIT)?;
    Ok(program)
}

fn capture(place: &ProgramPlace, file: &Path, logs: &ProgramLogs) -> Result<TestProgram> {
    let file = file.to_string_lossy();
    let words = ["tcpdump", "--immediate-mode", "-U", "-n", "-i", "any", "-Z", "root", "-w", &*file];
    let mut program = place.program("tcpdump", &words, logs)?;
    program.wait_for("listening on", LIMIT)?;
    Ok(program)
}

#[test]
fn neither_the_relays_network_nor_its_memory_shows_what_is_said() -> Result<()> {
    let Some(mut scene) = RemoteSession::set(DeviceHome::Near, None)? else { return Ok(()) };
    let directory = scene.site.directory("evidence")?;
    let file = directory.join("relay.pcap");
    let mut tcpdump = capture(&scene.network.place("relay"), &file, scene.site.logs())?;
    scene.talk(MARKER)?;
    scene.client.say("/diagnose quick")?;
    scene.client.event_within("report", Duration::from_secs(60))?;
    // The check can fail: this is seen, in the network …
    let send = format!("printf %s {OPEN} > /dev/udp/{RELAY}/{}", scene.site.port);
    scene.network.run("office", &format!("bash -c '{send}'"))?;
    until(LIMIT, "what is sent in the open is captured", || holds(&file, OPEN))?;
    tcpdump.signal(Signal::INT)?;
    tcpdump.exit(LIMIT)?;
    assert!(!holds(&file, MARKER)?, "the marker is in the capture");
    let size = std::fs::metadata(&file)?.len();
    assert!(size > 20_000, "the session itself was captured: {size} bytes");
    // … and in the memory of an end.
    if Command::new("gcore").arg("--help").output().is_err() {
        println!("skipped the rest: gcore is not installed");
        return Ok(());
    }
    let organisation = "Acme Support";
    let relay = memory_holds(scene.site.relay.pid(), &directory, &[MARKER, organisation])?;
    assert_eq!(relay, [false, true], "the marker is not in the relay, what it may know is");
    assert_eq!(memory_holds(scene.agent.program.pid(), &directory, &[MARKER])?, [true]);
    is_the_same_session(&mut scene)
}

#[test]
fn a_session_goes_on_when_the_devices_address_is_replaced() -> Result<()> {
    let Some(mut scene) = RemoteSession::set(DeviceHome::Near, None)? else { return Ok(()) };
    scene.talk("before")?;
    let mut moved = witness(&scene, "src host 10.77.1.3")?;
    scene.suffer(NetworkTrouble::DeviceMoves)?;
    let took = scene.talk("after")?;
    assert_eq!(moved.exit(LIMIT)?, 0, "its packets come from a new address");
    println!("the address was replaced: {took:?} until both had heard each other");
    assert!(took < Duration::from_secs(15), "{took:?}");
    is_the_same_session(&mut scene)
}

#[test]
fn a_session_goes_on_when_the_technicians_address_is_replaced() -> Result<()> {
    let Some(mut scene) = RemoteSession::set(DeviceHome::Near, None)? else { return Ok(()) };
    scene.talk("before")?;
    let mut moved = witness(&scene, "src host 10.77.2.3")?;
    scene.suffer(NetworkTrouble::TechnicianMoves)?;
    let took = scene.talk("after")?;
    assert_eq!(moved.exit(LIMIT)?, 0, "its packets come from a new address");
    println!("the technician's address was replaced: {took:?} until both had heard each other");
    assert!(took < Duration::from_secs(15), "{took:?}");
    is_the_same_session(&mut scene)
}

#[test]
fn a_session_goes_on_when_the_router_gives_it_another_port() -> Result<()> {
    let Some(mut scene) = RemoteSession::set(DeviceHome::BehindRouter, None)? else { return Ok(()) };
    scene.talk("before")?;
    let mut moved = witness(&scene, "src portrange 50000-50999")?;
    scene.suffer(NetworkTrouble::RouterForgets)?;
    let took = scene.talk("after")?;
    assert_eq!(moved.exit(LIMIT)?, 0, "its packets come from a new port");
    println!("the router forgot: {took:?} until both had heard each other");
    assert!(took < Duration::from_secs(15), "{took:?}");
    is_the_same_session(&mut scene)
}

#[test]
fn a_session_of_three_machines_lives_through_the_relays_death() -> Result<()> {
    let Some(mut scene) = RemoteSession::set(DeviceHome::Near, None)? else { return Ok(()) };
    scene.talk("before")?;
    let since = Instant::now();
    scene.suffer(NetworkTrouble::RelayKilled)?;
    scene.talk("after")?;
    println!("the relay was killed and started: {:?} until both had heard each other", since.elapsed());
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
    let people = scene.technician.run(&["people"])?.ok()?;
    people.json().context("no list")?;
    is_the_same_session(&mut scene)
}
