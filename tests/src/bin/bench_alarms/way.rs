//! From a condition that becomes true to the webhook that tells of it: a real agent, a real relay, an endpoint that
//! syncs what it is told. The rules have no `for`, so what is measured is the sensor's interval and the way.
//!
//! Once as a user has it who wants to know at once (`every = "1s"`), and once with the interval that the rule for disk
//! space has by default. Each condition begins at a moment drawn at random within the interval.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use nearhand_tests::crash_test::{ReceiverProcess, SeededRng, any_seed, tell_relay};
use nearhand_tests::deployment::{LIMIT, TestDeployment};
use nearhand_tests::disk::MountedDisk;
use nearhand_tests::program::until;
use nearhand_tests::rows::{BenchmarkRow, BetterWhen};
use nearhand_tests::udp_load::quantile;

/// The interval that a user sets.
const SET: Duration = Duration::from_secs(1);
/// The interval of the rule for disk space, as it comes.
const USUAL: Duration = Duration::from_secs(10);

/// Alarms measured for each interval.
pub(super) fn measure(set: u32, usual: u32) -> Result<Vec<BenchmarkRow>> {
    let binary = std::env::current_exe()?.with_file_name("webhook_receiver");
    let mut site = TestDeployment::new()?;
    let receiver = ReceiverProcess::start(&binary, &site)?;
    tell_relay(&mut site, receiver.port())?;
    let mut agent = site.device("pc-1")?;
    let place = site.directory("watched")?;
    let files: Vec<PathBuf> = (0..set).map(|n| place.join(format!("b{n:02}"))).collect();
    files.iter().try_for_each(|file| fs::write(file, "backed up"))?;
    let disks = (0..usual)
        .map(|n| MountedDisk::new(place.join(format!("disk{n:02}"))))
        .collect::<Result<Vec<_>>>()?;
    let list: Vec<String> = files.iter().map(|file| format!("\"{}\"", file.display())).collect();
    let rules = format!(
        "profile = \"server\"\n[watch]\nbackups = [{}]\n[[rule]]\nname = \"backup-age\"\nsensor = \"backup.age\"\n\
         every = \"1s\"\nraise = \"> 1h\"\nclear = \"< 30m\"\n",
        list.join(", ")
    );
    fs::write(agent.data().join("rules.toml"), rules)?;
    agent.restart()?;
    agent.wait_connected()?;
    let mut rng = SeededRng::new(any_seed(), 0);
    eprintln!("{set} alarms by an interval of {SET:?}");
    let mut begun = Vec::new();
    for file in &files {
        thread::park_timeout(rng.between(Duration::ZERO, SET));
        let opened = fs::OpenOptions::new().append(true).open(file)?;
        let old = SystemTime::now().checked_sub(Duration::from_secs(7200)).context("a time")?;
        opened.set_modified(old)?;
        begun.push((file.display().to_string(), now()?));
    }
    let quick = waits(&receiver, &begun)?;
    eprintln!("{usual} alarms by the usual interval of {USUAL:?}");
    begun.clear();
    for disk in &disks {
        thread::park_timeout(rng.between(Duration::ZERO, USUAL / 4));
        fs::write(disk.0.join("filler"), vec![1; 19 * 1024 * 1024])?;
        begun.push((disk.0.display().to_string(), now()?));
    }
    let slow = waits(&receiver, &begun)?;
    let seconds = |waits: &[Duration], part: f64| quantile(waits, part).as_secs_f64();
    Ok(vec![
        BenchmarkRow::new(
            "condition to webhook, 1 s, median",
            seconds(&quick, 0.5),
            "s",
            None,
            BetterWhen::Lower,
        ),
        BenchmarkRow::new(
            "condition to webhook, 1 s, p95",
            seconds(&quick, 0.95),
            "s",
            Some(2.0),
            BetterWhen::Lower,
        ),
        BenchmarkRow::new(
            "condition to webhook, usual, median",
            seconds(&slow, 0.5),
            "s",
            None,
            BetterWhen::Lower,
        ),
        BenchmarkRow::new(
            "condition to webhook, usual, p95",
            seconds(&slow, 0.95),
            "s",
            None,
            BetterWhen::Lower,
        ),
    ])
}

/// How long each took, sorted.
fn waits(receiver: &ReceiverProcess, begun: &[(String, u64)]) -> Result<Vec<Duration>> {
    let came = |instance: &str| -> Result<Option<u64>> { Ok(receiver.heard()?.first.get(instance).copied()) };
    let mut waits = Vec::new();
    for (instance, at) in begun {
        let mut heard = None;
        until(LIMIT, &format!("the alarm of {instance}"), || {
            heard = came(instance)?;
            Ok(heard.is_some())
        })?;
        let heard = heard.context("it was heard")?;
        waits.push(Duration::from_millis(heard.saturating_sub(*at)));
    }
    waits.sort_unstable();
    Ok(waits)
}

fn now() -> Result<u64> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}
