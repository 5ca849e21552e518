//! `nearhand-relay receivers`: who is told of alarms.

use std::time::SystemTime;

use anyhow::{Context, bail};
use nearhand_proto::text;
use nearhand_proto::time::UnixMillis;
use nearhand_relay_core::alarm::test_notice;
use nearhand_relay_core::notify::schedule::DeliveryOutcome;
use nearhand_relay_core::notify::{forms, webhook};
use rand_core::{OsRng, RngCore};
use serde_json::json;

use super::inputs;
use crate::config::RelayConfig;
use crate::data;
use crate::store::{Store, StoreReader};

/// Given-up notices that are shown.
const DEAD: usize = 200;
/// Longest line, in characters.
const MAX_LINE: usize = 500;

async fn reader(config: &RelayConfig) -> anyhow::Result<StoreReader> {
    let database = data::existing_database(config).context("can't open the database")?;
    Store::open_for_reading(&database).await.context("can't open the database")
}

pub(super) async fn list(config: &RelayConfig, json: bool) -> anyhow::Result<()> {
    let states = reader(config).await?.outbox().await?;
    let senders = inputs::senders(config)?;
    let now = UnixMillis::from_system(SystemTime::now());
    let mut rows = Vec::new();
    for section in &config.receivers {
        let state = states.iter().find(|s| s.receiver == section.name).cloned().unwrap_or_default();
        let kind = format!("{:?}", section.kind).to_lowercase();
        let oldest = state.oldest.map(|at| now.0.saturating_sub(at.0) / 1000);
        rows.push((section.name.clone(), kind, section.min_severity, state, oldest));
    }
    if json {
        let list: Vec<_> = rows
            .iter()
            .map(|(name, kind, at_least, state, oldest)| {
                json!({
                    "name": name, "kind": kind, "min_severity": at_least.name(), "waiting": state.waiting,
                    "oldest_seconds": oldest, "dead": state.dead, "disabled": state.disabled,
                })
            })
            .collect();
        println!("{}", json!({ "receivers": list }));
        return Ok(());
    }
    if senders.is_empty() {
        println!("No receivers. Add a [[receivers]] section to the configuration (docs/relay.md).");
    }
    for (name, kind, at_least, state, oldest) in rows {
        let oldest = oldest.map(|seconds| format!(", the oldest for {seconds} s")).unwrap_or_default();
        let disabled = match &state.disabled {
            Some(reason) => format!("; DISABLED, since it answered: {}", text::one_line(reason, MAX_LINE)),
            None => String::new(),
        };
        println!(
            "{name} ({kind}, from {at_least} on): {} waiting{oldest}, {} given up{disabled}",
            state.waiting, state.dead
        );
    }
    let unknown = states.iter().filter(|s| config.receivers.iter().all(|r| r.name != s.receiver));
    for state in unknown {
        println!(
            "{} (no longer in the configuration): {} waiting, {} given up",
            text::one_line(&state.receiver, MAX_LINE),
            state.waiting,
            state.dead
        );
    }
    Ok(())
}

pub(super) async fn test(config: &RelayConfig, name: &str) -> anyhow::Result<()> {
    let senders = inputs::senders(config)?;
    let Some(sender) = senders.into_iter().find(|sender| sender.name() == name) else {
        bail!(
            "there is no receiver {name:?} in the configuration: `nearhand-relay receivers list` shows them"
        );
    };
    let notice = test_notice(name, UnixMillis::from_system(SystemTime::now()), OsRng.next_u64());
    match sender.test(&notice).await {
        DeliveryOutcome::Delivered(answer) => {
            println!("Delivered. Its answer: {}", text::one_line(&answer, MAX_LINE));
            Ok(())
        }
        DeliveryOutcome::Failed(answer) => bail!("not delivered (a notice would be tried again): {answer}"),
        DeliveryOutcome::Refused(answer) => bail!("refused (a notice would be given up): {answer}"),
        DeliveryOutcome::Gone(answer) => bail!("it wants no more (it would be disabled): {answer}"),
    }
}

pub(super) async fn dead(config: &RelayConfig, json: bool) -> anyhow::Result<()> {
    let reader = reader(config).await?;
    let letters = reader.dead_letters(DEAD).await?;
    let all: u64 = reader.outbox().await?.iter().map(|state| state.dead).sum();
    let left_out = all.saturating_sub(u64::try_from(letters.len()).unwrap_or(u64::MAX));
    if json {
        let list: Vec<_> = letters
            .iter()
            .map(|letter| {
                json!({
                    "receiver": letter.receiver, "number": letter.notice.number, "attempts": letter.attempts,
                    "given_up": letter.at.to_string(), "answer": letter.answer,
                    "event": letter.notice.kind.name(), "alarm": webhook::data(&letter.notice),
                })
            })
            .collect();
        println!("{}", json!({ "dead": list, "left_out": left_out }));
        return Ok(());
    }
    if letters.is_empty() {
        println!("Nothing was given up.");
    }
    for letter in letters {
        println!(
            "{} {} number {}, {} tries, {}: {}",
            letter.at,
            text::one_line(&letter.receiver, MAX_LINE),
            letter.notice.number,
            letter.attempts,
            text::one_line(&letter.answer, MAX_LINE),
            forms::title(&letter.notice)
        );
    }
    if left_out > 0 {
        println!("{left_out} more, given up before these, are not shown; replay sends them again as well.");
    }
    Ok(())
}

pub(super) async fn replay(config: &RelayConfig, name: &str, number: Option<u64>) -> anyhow::Result<()> {
    match reader(config).await?.replay(name, number).await? {
        0 => bail!("nothing was given up for {name:?}: `nearhand-relay receivers dead` shows what was"),
        count => {
            println!("{count} will be sent again within seconds of the relay running.");
            Ok(())
        }
    }
}

pub(super) async fn enable(config: &RelayConfig, name: &str) -> anyhow::Result<()> {
    if !reader(config).await?.enable(name).await? {
        bail!("the receiver {name:?} is not disabled");
    }
    println!("{name} is sent to again.");
    Ok(())
}
