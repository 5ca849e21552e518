//! `nearhand-agent runbooks`: which repairs may run here, what ran, and the owner's switch.

use std::process::ExitCode;

use clap::Subcommand;
use nearhand_proto::runbook::{RiskClass, RunMode};

use super::simple::OutputArgs;
use crate::home::AgentHome;
use crate::runbook::known::known_runbooks;
use crate::runbook::ledger::RunLedger;
use nearhand_agent_core::gate::{GateRequest, RunStarter};

/// Most runs shown.
const SHOWN: u32 = 200;

/// What can be done about runbooks.
#[derive(Debug, Subcommand)]
pub(crate) enum RunbooksCommand {
    /// List the runbooks on this device, and what the owner's policy says to them
    List(OutputArgs),
    /// Show what ran, the newest first
    Runs(OutputArgs),
    /// Let nobody run a runbook from now on
    Off,
    /// Let them run again, as far as the policy allows
    On,
}

pub(crate) fn run(home: &AgentHome, command: &RunbooksCommand) -> anyhow::Result<ExitCode> {
    match command {
        RunbooksCommand::List(output) => list(home, output),
        RunbooksCommand::Runs(output) => runs(home, output),
        RunbooksCommand::Off => switch(home, true),
        RunbooksCommand::On => switch(home, false),
    }
}

fn switch(home: &AgentHome, off: bool) -> anyhow::Result<ExitCode> {
    home.switch_runbooks(off)?;
    println!(
        "{}",
        if off {
            "No runbook runs here from now on. One that is under way goes on; `nearhand-agent stop` ends it."
        } else {
            "Runbooks run here, as far as the policy allows."
        }
    );
    Ok(ExitCode::SUCCESS)
}

fn list(home: &AgentHome, output: &OutputArgs) -> anyhow::Result<ExitCode> {
    let rules = home.policy()?.runbooks;
    let off = home.runbooks_are_off();
    let mut all = Vec::new();
    for known in known_runbooks(home, &home.enrolment()?.organisation) {
        let manifest = &known.manifest;
        let class = manifest.bind(&[]).map_or(manifest.class, |bound| manifest.class_of(&bound));
        let ask = |by, class| GateRequest {
            name: &manifest.name,
            built_in: known.built_in,
            class,
            mode: RunMode::Apply,
            by,
        };
        let session = rules.lets(&ask(RunStarter::Technician { attended: true }, class), off);
        let rule = rules.lets(&ask(RunStarter::Rule, class), off);
        all.push((known.clone(), session, rule));
    }
    if output.json {
        let json = all.iter().map(|(known, session, rule)| {
            serde_json::json!({
                "name": known.manifest.name, "version": known.manifest.version, "class": known.manifest.class.number(),
                "title": known.manifest.title, "built_in": known.built_in,
                "in_session": session.as_ref().err().map(ToString::to_string),
                "by_rule": rule.as_ref().err().map(ToString::to_string),
            })
        });
        println!("{}", serde_json::to_string_pretty(&json.collect::<Vec<_>>())?);
        return Ok(ExitCode::SUCCESS);
    }
    if off {
        println!("Runbooks are switched off (nearhand-agent runbooks on).");
    }
    for (known, session, rule) in &all {
        let manifest = &known.manifest;
        let from = if known.built_in { "" } else { ", of the organisation" };
        println!(
            "{} {} (class {}{from}): {}",
            manifest.name,
            manifest.version,
            most(manifest.class),
            manifest.title
        );
        let say = |result: &Result<(), nearhand_proto::runbook::RunRefusal>| match result {
            Ok(()) => "yes".to_owned(),
            Err(refused) => format!("no: {refused}"),
        };
        println!("  in a session: {}; by a rule: {}", say(session), say(rule));
    }
    Ok(ExitCode::SUCCESS)
}

fn most(class: RiskClass) -> String {
    if class == RiskClass::Reads { class.number().to_string() } else { format!("up to {}", class.number()) }
}

fn runs(home: &AgentHome, output: &OutputArgs) -> anyhow::Result<ExitCode> {
    let runs = match RunLedger::look(home.dir())? {
        Some(ledger) => ledger.runs(SHOWN)?,
        None => Vec::new(),
    };
    if output.json {
        println!("{}", serde_json::to_string_pretty(&runs)?);
        return Ok(ExitCode::SUCCESS);
    }
    if runs.is_empty() {
        println!("No runbook has run here.");
    }
    for run in runs {
        let how = match &run.outcome {
            Some(outcome) => format!("{}: {}", outcome.ending.name(), outcome.why),
            None => "under way".to_owned(),
        };
        println!("{} {} {} ({}) for {}: {how}", run.began, run.runbook, run.version, run.mode.name(), run.by);
    }
    Ok(ExitCode::SUCCESS)
}
