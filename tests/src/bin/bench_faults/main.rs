//! Faults: programs killed, stopped, out of disk, on a slow one, out of files, with a clock that jumps; after each, from outside,
//! whether anything was lost, whether the records still verify, and how long until all works again.
//!
//!     bench_faults [--short] [--json] [--minutes N] [--seed N] [siege | hang | full | slow | files | clock]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark's output")]

mod cases;
mod monitored;

use std::time::Duration;

use anyhow::{Context, Result};
use nearhand_tests::crash_test::{self, CrashTestPlan, CrashTestReport};
use nearhand_tests::rows::{self, BenchmarkRow, BetterWhen};

fn main() -> Result<()> {
    let options: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| options.iter().any(|option| option == name);
    let after = |name: &str| -> Result<Option<u64>> {
        let Some(at) = options.iter().position(|option| option == name) else { return Ok(None) };
        let number = options.get(at + 1).with_context(|| format!("{name} needs a number"))?;
        Ok(Some(number.parse().with_context(|| format!("{name}: not a number: {number}"))?))
    };
    let short = has("--short");
    let lasts = match after("--minutes")? {
        Some(minutes) => Duration::from_secs(minutes * 60),
        None if short => Duration::from_secs(45),
        None => crash_test::LONGEST,
    };
    let all = !["siege", "hang", "full", "slow", "files", "clock"].into_iter().any(has);
    let mut rows = Vec::new();
    if all || has("siege") {
        let seed = after("--seed")?.unwrap_or_else(crash_test::any_seed);
        rows.extend(crash_test_rows(lasts, seed, if short { 15 } else { 200 })?);
    }
    let stopped = Duration::from_secs(if short { 15 } else { 60 });
    if all || has("hang") {
        rows.extend(cases::hang(stopped)?);
    }
    if all || has("full") {
        rows.extend(cases::full()?);
    }
    if all || has("slow") {
        rows.extend(cases::slow()?);
    }
    if all || has("files") {
        rows.extend(cases::files()?);
    }
    if all || has("clock") {
        rows.extend(cases::clock()?);
    }
    rows::write(&mut std::io::stdout().lock(), &rows, has("--json"))?;
    Ok(())
}

/// Everything killed at random, for so long.
fn crash_test_rows(lasts: Duration, seed: u64, kills: u32) -> Result<Vec<BenchmarkRow>> {
    eprintln!("a crash test of {lasts:?}, seed {seed}");
    let receiver = std::env::current_exe()?.with_file_name("webhook_receiver");
    let report = crash_test::run(&CrashTestPlan { lasts, agents: 3, streams: 4, seed, receiver })?;
    eprintln!("{report:#?}");
    let CrashTestReport { agents_killed, relay_killed, receiver_killed, .. } = report;
    let all = number(agents_killed + relay_killed + receiver_killed)?;
    let plain = |name: &str, value: u64| -> Result<BenchmarkRow> {
        Ok(BenchmarkRow::new(name, number(value)?, "", None, BetterWhen::Higher))
    };
    Ok(vec![
        BenchmarkRow::new("kill -9, in all", all, "", Some(kills.into()), BetterWhen::Higher),
        plain("kill -9 of agents", agents_killed)?,
        plain("kill -9 of the relay", relay_killed)?,
        plain("kill -9 of the receiver", receiver_killed)?,
        plain("events raised by agents", report.raised)?,
        plain("notices delivered, each once", report.delivered)?,
        plain("notices that came again, with their id", report.again)?,
        plain("events of light devices", report.acknowledged)?,
        plain("their batches sent again", report.resent)?,
        BenchmarkRow::new(
            "alarms lost, doubled or out of order",
            number(report.fault_count)?,
            "",
            Some(0.0),
            BetterWhen::Lower,
        ),
    ])
}

fn number(value: u64) -> Result<f64> {
    Ok(u32::try_from(value)?.into())
}
