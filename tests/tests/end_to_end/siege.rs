//! Alarms while agents, relay and receiver are killed at random: what was raised is what is delivered.
//!
//! The long form is `scripts/bench faults`; `scripts/mutants alarms` shows that this can fail.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nearhand_tests::siege::{self, Plan};

/// How long programs are killed, in seconds; another number in `NEARHAND_SIEGE_SECONDS`.
const LASTS: u64 = 35;

fn number(name: &str) -> Result<Option<u64>> {
    match std::env::var(name) {
        Ok(text) => Ok(Some(text.parse().with_context(|| format!("{name}: not a number: {text}"))?)),
        Err(_) => Ok(None),
    }
}

#[test]
fn no_alarm_is_lost_or_told_twice_while_everything_is_killed() -> Result<()> {
    let seed = number("NEARHAND_SEED")?.unwrap_or_else(siege::any_seed);
    let lasts = number("NEARHAND_SIEGE_SECONDS")?.unwrap_or(LASTS);
    println!("again with NEARHAND_SEED={seed}");
    let toll = siege::run(&Plan {
        lasts: Duration::from_secs(lasts),
        agents: 3,
        streams: 4,
        seed,
        receiver: env!("CARGO_BIN_EXE_webhook_receiver").into(),
    })?;
    println!("{toll:#?}");
    ensure!(toll.faults.is_empty(), "seed {seed}: {:#?}", toll.faults);
    // What nothing happened in proves nothing.
    let few = toll.raised < 40
        || toll.acknowledged < 100
        || toll.agents_killed < 3
        || toll.relay_killed < 3
        || toll.receiver_killed < 3;
    ensure!(!few, "seed {seed}: too little happened: {toll:?}");
    Ok(())
}
