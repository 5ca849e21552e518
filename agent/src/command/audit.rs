//! `nearhand-agent audit show|verify`: the record of what was done on this device.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use nearhand_proto::audit::{AuditHead, AuditRow};
use nearhand_proto::identity::PublicKey;
use nearhand_proto::text;

use crate::audit::{self, RecordVerdict};
use crate::home::AgentHome;

/// What to do with the record.
#[derive(Debug, Subcommand)]
pub(crate) enum RecordCommand {
    /// Show the rows
    Show(ShowArgs),
    /// Check that nothing was edited, left out or cut off; names the first bad row
    Verify(VerifyArgs),
}

/// Which rows, and how.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Print JSON, a row a line
    #[arg(long)]
    json: bool,
    /// Only the last N rows
    #[arg(long, value_name = "N")]
    last: Option<usize>,
}

/// Further evidence to check the record against.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// A head that somebody else kept (a technician's evidence), as NUMBER:HASH
    #[arg(long, value_name = "NUMBER:HASH")]
    witness: Vec<String>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(home: &AgentHome, command: &RecordCommand) -> anyhow::Result<ExitCode> {
    match command {
        RecordCommand::Show(args) => show(home, args),
        RecordCommand::Verify(args) => verify(home, args),
    }
}

fn show(home: &AgentHome, args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let mut lines = std::collections::VecDeque::new();
    let limit = args.last.unwrap_or(usize::MAX);
    audit::read(home, |row| {
        lines.push_back(match &row {
            Some(row) if args.json => serde_json::to_string(row).unwrap_or_default(),
            Some(row) => line(row),
            None => "(a row that can't be read)".to_owned(),
        });
        if lines.len() > limit {
            lines.pop_front();
        }
    })?;
    lines.iter().for_each(|line| println!("{line}"));
    Ok(ExitCode::SUCCESS)
}

fn line(row: &AuditRow) -> String {
    let session = row.event.session.map(|s| format!(" [{}]", s.to_string().get(..8).unwrap_or_default()));
    let text = format!("{}{}: {}", row.event.actor, session.unwrap_or_default(), row.event.action);
    let detail = if row.event.detail.is_empty() { String::new() } else { format!(": {}", row.event.detail) };
    format!("{:>6} {} {}", row.number, row.at, text::one_line(&format!("{text}{detail}"), 400))
}

fn verify(home: &AgentHome, args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let witnesses = args.witness.iter().map(|w| witness(w)).collect::<anyhow::Result<_>>()?;
    match audit::verify(home, home.all_keys()?, witnesses)? {
        RecordVerdict::Whole(head) => {
            let hash: String = head.hash.iter().map(|b| format!("{b:02x}")).collect();
            if args.json {
                println!("{}", serde_json::json!({"ok": true, "rows": head.number, "head": hash}));
            } else {
                println!("The record is whole: {} rows, head {hash}.", head.number);
            }
            Ok(ExitCode::SUCCESS)
        }
        RecordVerdict::Cut { row, why } => {
            if args.json {
                println!("{}", serde_json::json!({"ok": false, "row": row, "why": why}));
            } else {
                println!(
                    "Rows are missing before row {row}: the agent found then that {}.",
                    text::one_line(&why, 400)
                );
            }
            Ok(ExitCode::from(super::exit::AUDIT_BROKEN))
        }
        RecordVerdict::Broken(broken) => {
            if args.json {
                let why = broken.why.to_string();
                println!("{}", serde_json::json!({"ok": false, "row": broken.row, "why": why}));
            } else {
                println!("The record is broken: {broken}.");
            }
            Ok(ExitCode::from(super::exit::AUDIT_BROKEN))
        }
    }
}

fn witness(text: &str) -> anyhow::Result<AuditHead> {
    let bad = || format!("{text:?} is no witness: write NUMBER:HASH as a technician's evidence shows it");
    let (number, hash) = text.split_once(':').with_context(bad)?;
    // A public key's text has the same form: 64 hexadecimal digits.
    let hash: PublicKey = hash.parse().with_context(bad)?;
    Ok(AuditHead { number: number.parse().with_context(bad)?, hash: *hash.as_bytes() })
}
