//! The faults, one by one.

use std::fs;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::Result;
use nearhand_tests::clock::FakeClock;
use nearhand_tests::crash_test::sleep_until;
use nearhand_tests::deployment::{LIMIT, ProgramPlace};
use nearhand_tests::disk::{fill, slow_disk};
use nearhand_tests::program::until;
use nearhand_tests::rows::BenchmarkRow;
use rustix::process::{Pid, Signal, kill_process};

use crate::monitored::MonitoredSite;

/// A program is stopped for a while, as a machine that sleeps or swaps: SIGSTOP, SIGCONT.
pub(super) fn hang(lasts: Duration) -> Result<Vec<BenchmarkRow>> {
    let mut ward = MonitoredSite::new(ProgramPlace::default(), ProgramPlace::default())?;
    let mut rows = Vec::new();
    let seconds = lasts.as_secs();
    for who in ["relay", "agent", "receiver"] {
        let pid = match who {
            "relay" => ward.site.relay.pid(),
            "agent" => ward.agent.program.pid(),
            _ => ward.receiver.pid(),
        };
        eprintln!("the {who} is stopped for {lasts:?}");
        signal(pid, Signal::STOP)?;
        ward.raise(3)?;
        sleep_until(Instant::now() + lasts);
        signal(pid, Signal::CONT)?;
        rows.extend(ward.verdict(&format!("{who} stopped {seconds} s"), 30.0)?);
    }
    Ok(rows)
}

fn signal(pid: i32, signal: Signal) -> Result<()> {
    let pid = Pid::from_raw(pid).ok_or_else(|| anyhow::anyhow!("no process id"))?;
    Ok(kill_process(pid, signal)?)
}

/// The device's disk is full, then not: alarms have room kept back for them.
pub(super) fn full() -> Result<Vec<BenchmarkRow>> {
    let Some((mut ward, disk)) = MonitoredSite::on_a_small_disk()? else { return Ok(Vec::new()) };
    eprintln!("the device's disk is full");
    let ballast = fill(ward.agent.program.pid(), &disk)?;
    ward.raise(3)?;
    let mut rows = ward.verdict("disk of the device full", 30.0)?;
    fs::remove_file(ballast)?;
    rows.extend(ward.verdict("room on it again", 30.0)?);
    Ok(rows)
}

/// Every write that must last takes half a second, at the device, then at the relay. Alarms come late, and all come.
pub(super) fn slow() -> Result<Vec<BenchmarkRow>> {
    let each = Duration::from_millis(500);
    let mut rows = Vec::new();
    for who in ["device", "relay"] {
        eprintln!("the disk of the {who} takes {each:?} to write for good");
        let mut ward = match who {
            "device" => MonitoredSite::new(ProgramPlace::default(), slow_disk(each))?,
            _ => MonitoredSite::new(slow_disk(each), ProgramPlace::default())?,
        };
        ward.raise(5)?;
        rows.extend(ward.verdict(&format!("disk of the {who} slow"), 30.0)?);
    }
    Ok(rows)
}

/// The relay has no file descriptor left for a while: somebody holds them all at its metrics port.
pub(super) fn files() -> Result<Vec<BenchmarkRow>> {
    let limited = ProgramPlace::behind(&["prlimit", "--nofile=48:48", "--"]);
    let mut ward = MonitoredSite::new(limited, ProgramPlace::default())?;
    let port = ward.site.port;
    let mut held: Vec<TcpStream> = Vec::new();
    let open = |pid: i32| fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    until(LIMIT, "the relay has no file left", || {
        held.extend((0..8).filter_map(|_| TcpStream::connect(("127.0.0.1", port)).ok()));
        Ok(open(ward.site.relay.pid()) >= 47)
    })?;
    eprintln!("the relay has no file left, {} connections are held", held.len());
    ward.raise(3)?;
    sleep_until(Instant::now() + Duration::from_secs(5));
    drop(held);
    ward.verdict("no files left at the relay", 30.0)
}

/// The clocks of device and relay jump while they run, a day and ten years, to either side.
pub(super) fn clock() -> Result<Vec<BenchmarkRow>> {
    let room = tempfile::tempdir()?;
    let mut rows = Vec::new();
    for who in ["device", "relay"] {
        let clock = FakeClock::new(&room.path().join(who))?;
        let place = clock.place();
        let mut ward = match who {
            "device" => MonitoredSite::new(ProgramPlace::default(), place)?,
            _ => MonitoredSite::new(place, ProgramPlace::default())?,
        };
        for (jump, name) in
            [("+1d", "+1 day"), ("-1d", "-1 day"), ("+3652d", "+10 years"), ("+0", "back again")]
        {
            eprintln!("the {who}'s clock: {name}");
            clock.jump(jump)?;
            let named = format!("clock of the {who} {name}");
            // By then, no credential is valid: nobody new may come in, and each is told why. Who is connected stays; what is
            // raised meanwhile has arrived by the next verdict.
            if who == "relay" && name == "+10 years" {
                rows.push(ward.refused(&named, "it expired at")?);
                continue;
            }
            rows.extend(ward.verdict(&named, 30.0)?);
        }
    }
    Ok(rows)
}
