//! `nearhand-agent doctor`: checks this machine, shows and saves the report.
//!
//! Exit codes: 0 ran and nothing fails (warnings may be there), 10 ran and something fails, 1 could not run or
//! save, 2 wrong arguments (clap's own) or a file that is no report.
//!
//! Lives here: arguments, progress, the table of checks. How the report is shown and kept is in [`output`].

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the command line's own output")]

mod output;

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use nearhand_proto::message::session::CheckSet;
use nearhand_proto::text;
use nearhand_report::model::{Area, FindingCounts, Report};
use nearhand_report::shareable::{PseudonymSettings, ShareableReport};

use super::exit::{FAILED, complain};
use crate::home::AgentHome;
use nearhand_diagnostics::{DiagnosticCheck, RunEvent, RunOptions, checks, identifiers, run};

/// Exit code of a run in which at least one check fails.
const FINDINGS_FAIL: u8 = 10;

/// Exit code of wrong usage, as clap's.
const USAGE: u8 = 2;

/// Arguments of `doctor`.
#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    /// Only the checks that take at most 3 seconds together (the default).
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// All checks, at most 20 seconds.
    #[arg(long)]
    full: bool,
    /// Write the report as JSON to the standard output.
    #[arg(long)]
    json: bool,
    /// Save the report as report.html, report.json and report.md into this directory.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Show what is new, worse and fixed since an older report (a report.json).
    #[arg(long, value_name = "OLD.json")]
    compare: Option<PathBuf>,
    /// Replace names, addresses and serial numbers by stable tokens.
    #[arg(long)]
    pseudonymise: bool,
    /// Only these parts of the machine.
    #[arg(long, value_name = "AREA", num_args = 1.., value_delimiter = ',')]
    only: Vec<AreaName>,
    /// List the checks as a Markdown table, and run none.
    #[arg(long)]
    list: bool,
}

/// An area as an argument.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum AreaName {
    Hardware,
    System,
    Disks,
    Cpu,
    Memory,
    Network,
    Services,
    Logs,
    Updates,
    Time,
    Security,
    Printers,
    Processes,
}

impl AreaName {
    fn area(self) -> Area {
        match self {
            Self::Hardware => Area::Hardware,
            Self::System => Area::System,
            Self::Disks => Area::Disks,
            Self::Cpu => Area::Cpu,
            Self::Memory => Area::Memory,
            Self::Network => Area::Network,
            Self::Services => Area::Services,
            Self::Logs => Area::Logs,
            Self::Updates => Area::Updates,
            Self::Time => Area::Time,
            Self::Security => Area::Security,
            Self::Printers => Area::Printers,
            Self::Processes => Area::Processes,
        }
    }
}

/// Runs the checks and shows what came out. Needs a runtime whose end doesn't wait for blocked threads
/// (`shutdown_background`): a hanging file system must not keep the program from ending. `data` is the agent's
/// directory, which need not be there.
pub(crate) async fn doctor(args: DoctorArgs, data: PathBuf) -> ExitCode {
    if args.list {
        print!("{}", table(checks()));
        return ExitCode::SUCCESS;
    }
    // Read first: a wrong file should be known before the run.
    let old = match args.compare.as_deref().map(output::load).transpose() {
        Ok(old) => old,
        Err(error) => {
            complain(&text::one_line(&text::chain(error.as_ref()), 500));
            return ExitCode::from(USAGE);
        }
    };
    match examined(&args, data, old).await {
        Ok(counts) if counts.fail > 0 => ExitCode::from(FINDINGS_FAIL),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&text::chain(error.as_ref()));
            ExitCode::from(FAILED)
        }
    }
}

async fn examined(args: &DoctorArgs, data: PathBuf, old: Option<Report>) -> anyhow::Result<FindingCounts> {
    // Not made for this: a machine that was never enrolled keeps nothing of a run.
    let home = data.is_dir().then(|| AgentHome::open(data.clone()).ok()).flatten();
    let device = home.and_then(|home| home.enrolment().ok()?.device());
    let options = RunOptions {
        areas: args.only.iter().map(|name| name.area()).collect(),
        device_id: device.map(|id| id.to_string()).unwrap_or_default(),
        ..RunOptions::new(if args.full { CheckSet::Full } else { CheckSet::Quick })
    };
    let report = finished(options).await?;
    let edition = match args.pseudonymise {
        false => ShareableReport::new(report, old, None),
        true => {
            let key = output::pseudonym_key(data);
            let known = tokio::task::spawn_blocking(identifiers).await?;
            ShareableReport::new(report, old, Some(PseudonymSettings { key: &key, known: &known }))
        }
    };
    output::show(&edition, args.json)?;
    if let Some(directory) = &args.out {
        for path in output::save(&edition, directory)? {
            eprintln!("saved {}", path.display());
        }
    }
    Ok(edition.report.counts)
}

/// Runs to the end, showing progress on the standard error.
async fn finished(options: RunOptions) -> anyhow::Result<Report> {
    let (_handle, mut events) = run(options);
    let live = std::io::stderr().is_terminal();
    let (mut total, mut seen) = (0, BTreeSet::new());
    while let Some(event) = events.recv().await {
        match event {
            RunEvent::Started { total: all } => total = all,
            RunEvent::Checking { .. } => {}
            RunEvent::Finding(finding) => {
                seen.insert(finding.id.clone());
                if live {
                    eprint!("\r\x1b[K[{}/{total}] {}", seen.len(), finding.id);
                }
            }
            RunEvent::Finished(report) => {
                if live {
                    eprint!("\r\x1b[K");
                }
                eprintln!("{total} checks in {:.1} s", report.duration_ms as f64 / 1000.0);
                return Ok(*report);
            }
        }
    }
    anyhow::bail!("the run ended without a report")
}

/// The table of `docs/checks.md`.
fn table<'a>(checks: impl Iterator<Item = &'a DiagnosticCheck>) -> String {
    let mut text = "| check | set | what | source | thresholds |\n|---|---|---|---|---|\n".to_owned();
    for check in checks {
        let set = match check.set {
            CheckSet::Quick => "quick",
            CheckSet::Full => "full",
        };
        let cell = |text: &str| text.replace('|', "\\|");
        let (what, source, thresholds) = (cell(check.what), cell(check.source), cell(check.thresholds));
        text.push_str(&format!("| `{}` | {set} | {what} | {source} | {thresholds} |\n", check.id));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_area_that_is_checked_can_be_asked_for() {
        let named: Vec<Area> = AreaName::value_variants().iter().map(|name| name.area()).collect();
        assert!(checks().all(|check| named.contains(&check.area)));
    }

    #[test]
    fn the_documented_table_is_the_registry() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/checks.md");
        let documented = std::fs::read_to_string(path).unwrap();
        let rows =
            |text: &str| text.lines().filter(|l| l.starts_with('|')).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(rows(&documented), rows(&table(checks())), "renew it with: nearhand-agent doctor --list");
    }
}
