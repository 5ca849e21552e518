//! Alarms while agents, relay and receiver are killed at random: what was raised is what is delivered.
//!
//! The long form is `scripts/bench faults`; `scripts/mutants alarms` shows that this can fail.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nearhand_tests::crash_test::{self, CrashTestPlan};

/// How long programs are killed, in seconds; another number in `NEARHAND_CRASH_TEST_SECONDS`.
const LASTS: u64 = 35;

fn number(name: &str) -> Result<Option<u64>> {
    match std::env::var(name) {
        Ok(text) => Ok(Some(text.parse().with_context(|| format!("{name}: not a number: {text}"))?)),
        Err(_) => Ok(None),
    }
}

#[test]
fn no_alarm_is_lost_or_told_twice_while_everything_is_killed() -> Result<()> {
    let seed = number("NEARHAND_SEED")?.unwrap_or_else(crash_test::any_seed);
    let lasts = number("NEARHAND_CRASH_TEST_SECONDS")?.unwrap_or(LASTS);
    println!("again with NEARHAND_SEED={seed}");
    let report = crash_test::run(&CrashTestPlan {
        lasts: Duration::from_secs(lasts),
        agents: 3,
        streams: 4,
        seed,
        receiver: env!("CARGO_BIN_EXE_webhook_receiver").into(),
    })?;
    println!("{report:#?}");
    ensure!(report.faults.is_empty(), "seed {seed}: {:#?}", report.faults);
    // What nothing happened in proves nothing.
    let few = report.raised < 40
        || report.acknowledged < 100
        || report.agents_killed < 3
        || report.relay_killed < 3
        || report.receiver_killed < 3;
    ensure!(!few, "seed {seed}: too little happened: {report:?}");
    Ok(())
}
