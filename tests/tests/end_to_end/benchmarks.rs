//! Benchmarks, run for seconds: that each still measures what it says, and prints it as it should. Their numbers mean
//! nothing then, so that no target of speed or size counts here; what holds however long it is looked at, does.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use nearhand_tests::rows::BenchmarkRow;

/// Longer than any of them takes, in seconds.
const LIMIT: &str = "300";

/// Its rows: one array, every value a number, no name twice.
fn rows(program: &str, words: &[&str]) -> Result<Vec<BenchmarkRow>> {
    let output = Command::new("timeout").args([LIMIT, program, "--json"]).args(words).output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {words:?}: {}\n{complaint}", output.status);
    let text = String::from_utf8(output.stdout)?;
    let rows: Vec<BenchmarkRow> =
        serde_json::from_str(&text).with_context(|| format!("{program}: {text}"))?;
    let names: BTreeSet<_> = rows.iter().map(|row| &row.name).collect();
    ensure!(names.len() == rows.len(), "{program}: a name twice: {text}");
    ensure!(rows.iter().all(|row| row.met.is_some() == row.target.is_some()), "{program}: a target unjudged");
    Ok(rows)
}

fn value(rows: &[BenchmarkRow], name: &str) -> Result<f64> {
    let row = rows.iter().find(|row| row.name == name);
    Ok(row.with_context(|| format!("no row {name:?} in {rows:#?}"))?.value)
}

/// All of these are there, and more than nothing.
fn measured(rows: &[BenchmarkRow], names: &[&str]) -> Result<()> {
    for name in names {
        ensure!(value(rows, name)? > 0.0, "{name}: {rows:#?}");
    }
    Ok(())
}

/// Programs have separate namespaces and file systems only where root runs the tests.
#[allow(clippy::print_stdout, reason = "a skipped test says why")]
fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("skipped: needs root");
    }
    root
}

#[test]
fn forwarding() -> Result<()> {
    let rows = rows(env!("CARGO_BIN_EXE_bench_forward"), &["--smoke"])?;
    measured(
        &rows,
        &[
            "100 B, 1 sessions, single: ours/bare CPU",
            "1200 B, 1000 sessions, offload: ours/bare CPU",
            "100 B, single: 1,000 sessions beside 50, CPU a packet, ours beyond bare",
            "session through the relay: stream",
        ],
    )?;
    for name in
        ["latency added by ours, p50", "latency added by ours, p99", "session: round trip, p99, added"]
    {
        ensure!(value(&rows, name)?.is_finite());
    }
    Ok(())
}

#[test]
fn agents_on_one_relay() -> Result<()> {
    let rows = rows(env!("CARGO_BIN_EXE_bench_scale"), &["--smoke"])?;
    measured(&rows, &["joined and connected, to 20", "relay RSS, 20 agents", "all 20 are back"])?;
    value(&rows, "RSS per idle agent, 20").map(drop)
}

#[test]
fn what_programs_weigh() -> Result<()> {
    let rows = rows(env!("CARGO_BIN_EXE_bench_footprint"), &["--smoke"])?;
    measured(&rows, &["nearhand-agent, stripped", "agent idle RSS", "relay RSS, 20 agents"])?;
    value(&rows, "relay RSS per idle agent").map(drop)
}

#[test]
fn alarms() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let rows = rows(env!("CARGO_BIN_EXE_bench_alarms"), &["--smoke"])?;
    measured(
        &rows,
        &[
            "durable events per second",
            "SQLite alone, events per second",
            "condition to webhook, 1 s, p95",
            "condition to webhook, usual, p95",
            "agent RSS, all default rules",
        ],
    )
}

#[test]
fn links() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let rows = rows(env!("CARGO_BIN_EXE_bench_links"), &["--smoke", "talk", "troubles"])?;
    measured(&rows, &["LAN: the person is asked", "LAN: a word each way, p95", "LAN: quick diagnosis"])?;
    measured(&rows, &["the router gives other ports: silent, worst"])
}

#[test]
fn faults() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let rows = rows(env!("CARGO_BIN_EXE_bench_faults"), &["--short", "full", "files", "clock"])?;
    ensure!(rows.iter().all(|row| row.met != Some(false)), "{rows:#?}");
    Ok(())
}

#[test]
fn a_soak() -> Result<()> {
    let rows = rows(env!("CARGO_BIN_EXE_bench_soak"), &["--smoke"])?;
    for name in [
        "panics",
        "lines of errors in logs",
        "programs that ended by themselves",
        "failed steps of the work",
        "alarms lost or told twice",
    ] {
        ensure!(value(&rows, name)? == 0.0, "{rows:#?}");
    }
    measured(
        &rows,
        &["chat messages said and received", "diagnoses", "sessions at the screen", "changes of alarms"],
    )
}

#[test]
fn a_screen() -> Result<()> {
    let rows = rows(env!("CARGO_BIN_EXE_bench_screen"), &["--short", "nearhand", "typing"])?;
    measured(&rows, &["first picture: bytes", "first picture: time"])
}
