//! `nearhand-agent doctor`: checks this machine, shows and saves the report.
//!
//! Exit codes: 0 ran and nothing fails (warnings may be there), 10 ran and something fails, 1 could not run or
//! save, 2 wrong arguments (clap's own).

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the command line's own output")]

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use nearhand_shared::report::model::{Area, CheckSet, Finding, Report, SCHEMA_VERSION, Status};

use super::{FAILED, complain};
use crate::diagnostics::{Check, RunEvent, RunOptions, checks, run};

/// Exit code of a run in which at least one check fails.
const FINDINGS_FAIL: u8 = 10;

/// Largest old report that is read for comparing, in bytes.
const REPORT_LIMIT: u64 = 16 * 1024 * 1024;

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
    /// Save the report into this directory.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Show what is new, worse and gone since an older report.
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
/// (`shutdown_background`): a hanging file system must not keep the program from ending.
pub(crate) async fn doctor(args: DoctorArgs) -> ExitCode {
    if args.list {
        print!("{}", table(checks()));
        return ExitCode::SUCCESS;
    }
    match examined(&args).await {
        Ok(report) if report.counts.fail > 0 => ExitCode::from(FINDINGS_FAIL),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::from(FAILED)
        }
    }
}

async fn examined(args: &DoctorArgs) -> anyhow::Result<Report> {
    // Read first: a wrong path should be known before the run.
    let old = args.compare.as_deref().map(load).transpose()?;
    let options = RunOptions {
        areas: args.only.iter().map(|name| name.area()).collect(),
        ..RunOptions::new(if args.full { CheckSet::Full } else { CheckSet::Quick })
    };
    let report = finished(options).await?;
    let report = render::prepared(report, args.pseudonymise)?;
    match args.json {
        true => println!("{}", serde_json::to_string_pretty(&report)?),
        false => print!("{}", render::plain(&report)),
    }
    if let Some(old) = old {
        eprint!("{}", compared(&old, &report));
    }
    if let Some(directory) = &args.out {
        for path in render::save(&report, directory)? {
            eprintln!("saved {}", path.display());
        }
    }
    Ok(report)
}

/// Runs to the end, showing progress on the standard error.
async fn finished(options: RunOptions) -> anyhow::Result<Report> {
    let (_handle, mut events) = run(options);
    let live = std::io::stderr().is_terminal();
    let (mut total, mut seen) = (0, std::collections::BTreeSet::new());
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

fn load(path: &Path) -> anyhow::Result<Report> {
    use anyhow::Context;
    use std::io::Read;
    let shown = path.display();
    let file = std::fs::File::open(path).with_context(|| format!("can't open {shown}"))?;
    let mut text = String::new();
    file.take(REPORT_LIMIT).read_to_string(&mut text).with_context(|| format!("can't read {shown}"))?;
    let report: Report = serde_json::from_str(&text).with_context(|| format!("{shown} is no report"))?;
    anyhow::ensure!(
        report.schema_version <= SCHEMA_VERSION,
        "{shown} was written by a newer version (schema {}): update this program",
        report.schema_version
    );
    Ok(report)
}

/// What changed, by id and instance.
fn compared(old: &Report, new: &Report) -> String {
    type Key<'a> = (&'a str, &'a str);
    fn index(report: &Report) -> BTreeMap<Key<'_>, &Finding> {
        report.findings.iter().map(|f| ((f.id.as_str(), f.instance.as_str()), f)).collect()
    }
    let bad = |finding: &&Finding| matches!(finding.status, Status::Fail | Status::Warn);
    let (before, after) = (index(old), index(new));
    let mut text = String::new();
    for (key, finding) in after.iter().filter(|(_, finding)| bad(finding)) {
        let word = match before.get(key).filter(|finding| bad(finding)) {
            None => "new",
            Some(earlier) if finding.status < earlier.status => "worse",
            Some(_) => continue,
        };
        text.push_str(&format!("{word:>6}  {}  {}\n", finding.id, finding.title));
    }
    for (key, finding) in before.iter().filter(|(_, finding)| bad(finding)) {
        // A check that did not run or could not look says nothing about what it found the last time.
        let looked = new.findings.iter().any(|now| now.id == finding.id && now.status != Status::Skipped);
        if looked && !after.get(key).is_some_and(bad) {
            text.push_str(&format!("{:>6}  {}  {}\n", "gone", finding.id, finding.title));
        }
    }
    if text.is_empty() { "no change since the older report\n".to_owned() } else { text }
}

/// The table of `docs/checks.md`.
fn table<'a>(checks: impl Iterator<Item = &'a Check>) -> String {
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

/// The one place where the report's renderings are called.
mod render {
    use std::path::{Path, PathBuf};

    use anyhow::Context;
    use nearhand_shared::report::model::{Report, Status};

    /// The report as it may leave this function: redacted, and pseudonymised on request.
    pub(super) fn prepared(report: Report, pseudonymise: bool) -> anyhow::Result<Report> {
        anyhow::ensure!(!pseudonymise, "this build can't pseudonymise reports yet");
        Ok(report)
    }

    /// The report as a plain list, failures first.
    pub(super) fn plain(report: &Report) -> String {
        let mut text = format!(
            "{}, {}, kernel {}\n\n",
            report.subject.hostname, report.subject.os, report.subject.kernel
        );
        for finding in &report.findings {
            let word = match finding.status {
                Status::Fail => "FAIL",
                Status::Warn => "warn",
                Status::Info => "info",
                Status::Ok => "ok",
                Status::Skipped => "skip",
            };
            text.push_str(&format!("{word:<5} {:<28} {}\n", finding.id, finding.title));
            if matches!(finding.status, Status::Fail | Status::Warn) && !finding.fix.is_empty() {
                text.push_str(&format!("{:35}{}\n", "", finding.fix));
            }
        }
        let counts = report.counts;
        text.push_str(&format!(
            "\n{} failing, {} warnings, {} notes, {} in order, {} not checked\n",
            counts.fail, counts.warn, counts.info, counts.ok, counts.skipped
        ));
        text
    }

    /// Saves the report, readable by its owner only: it tells much about the machine.
    pub(super) fn save(report: &Report, directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("can't create {}", directory.display()))?;
        let path = directory.join("report.json");
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).with_context(|| format!("can't write {}", path.display()))?;
        serde_json::to_writer_pretty(file, report)
            .with_context(|| format!("can't write {}", path.display()))?;
        Ok(vec![path])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_table_is_the_registry() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/checks.md");
        let documented = std::fs::read_to_string(path).unwrap();
        let rows =
            |text: &str| text.lines().filter(|l| l.starts_with('|')).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(rows(&documented), rows(&table(checks())), "renew it with: nearhand-agent doctor --list");
    }

    fn report(findings: &[(&str, &str, Status)]) -> Report {
        let finding = |(id, instance, status): &(&str, &str, Status)| {
            serde_json::json!({
                "id": id, "instance": instance, "area": "disks", "status": status, "title": "t", "evidence": [],
                "explanation": "", "fix": "", "reason": null, "runbook": null, "article": null, "ms": 0,
            })
        };
        let findings: Vec<_> = findings.iter().map(finding).collect();
        serde_json::from_value(serde_json::json!({
            "schema_version": 1, "generator": "", "duration_ms": 0, "set": "quick", "pseudonymised": false,
            "subject": {"device": "", "hostname": "", "os": "", "kernel": "", "model": ""},
            "started_at": "", "counts": {"fail": 0, "warn": 0, "info": 0, "ok": 0, "skipped": 0},
            "findings": findings, "charts": [], "software": {}, "hardware": {},
        }))
        .unwrap()
    }

    #[test]
    fn comparing_tells_new_worse_and_gone_and_leaves_out_what_was_not_looked_at() {
        let old = report(&[
            ("disks.space", "/", Status::Warn),
            ("disks.space", "/home", Status::Warn),
            ("disks.smart", "/dev/sda", Status::Fail),
            ("disks.raid", "md0", Status::Fail),
        ]);
        let new = report(&[
            ("disks.space", "/", Status::Fail),
            ("disks.space", "/home", Status::Ok),
            ("disks.inodes", "/", Status::Warn),
            ("disks.smart", "", Status::Skipped),
        ]);
        let words: Vec<String> = compared(&old, &new)
            .lines()
            .map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(words, ["new disks.inodes", "worse disks.space", "gone disks.space"]);
        assert_eq!(compared(&new, &new), "no change since the older report\n");
    }
}
