//! Fuzzing: every decoder family and every state machine for a while, each in a process of libFuzzer's; how many inputs were
//! run, how many edges of the program they reach, and what was found. From the seeds, and from what earlier runs have kept in
//! `fuzz/corpus`.
//!
//!     bench_fuzz [--short] [--json] [--seconds N] [TARGET ...]
//!
//! The targets are built by `scripts/bench` (`fuzz/README.md`).
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark's output")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use nearhand_machines::decoders::DecoderFamily;
use nearhand_machines::machines::MACHINES;
use nearhand_tests::rows::{self, BenchmarkRow, BetterWhen};

/// Most memory that a target may take, in MB: SECURITY.md's "frame-sized", many times over, and the fuzzer itself.
const MEMORY: f64 = 512.0;
/// Longest input, in bytes.
const LONGEST: &str = "4096";
/// An input that takes longer than this, in seconds, is a finding.
const SLOWEST: &str = "10";

fn main() -> Result<()> {
    let options: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| options.iter().any(|option| option == name);
    let at = options.iter().position(|option| option == "--seconds");
    let seconds: u64 = match at {
        Some(at) => options.get(at + 1).context("--seconds needs a number")?.parse()?,
        None if has("--short") => 8,
        None => 60,
    };
    let given = |n: usize| at.is_none_or(|at| n != at && n != at + 1);
    let wanted: Vec<&String> = (0..)
        .zip(&options)
        .filter(|(n, option)| given(*n) && !option.starts_with("--"))
        .map(|(_, option)| option)
        .collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("where is the workspace?")?;
    let targets: Vec<&str> = DecoderFamily::ALL
        .iter()
        .map(|family| family.name())
        .chain(["screen"])
        .chain(MACHINES.iter().map(|machine| machine.name))
        .collect();
    for name in &wanted {
        ensure!(targets.contains(&name.as_str()), "no such target: {name}; there are {}", targets.join(", "));
    }
    let mut rows = Vec::new();
    let (mut runs, mut findings) = (0.0, 0.0);
    for name in targets {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| *wanted == name) {
            continue;
        }
        let ran = run(root, name, seconds)?;
        runs += ran.executions;
        findings += ran.findings;
        let plain = |what: &str, value: f64, unit: &'static str| {
            BenchmarkRow::new(&format!("{name}: {what}"), value, unit, None, BetterWhen::Higher)
        };
        rows.push(plain("executions", ran.executions, ""));
        rows.push(plain("executions a second", ran.executions / ran.seconds, "/s"));
        rows.push(plain("edges reached by the corpus it began with", ran.edges_before, ""));
        rows.push(plain("edges reached", ran.edges, ""));
        rows.push(BenchmarkRow::new(
            &format!("{name}: findings"),
            ran.findings,
            "",
            Some(0.0),
            BetterWhen::Lower,
        ));
        rows.push(BenchmarkRow::new(
            &format!("{name}: memory"),
            ran.memory,
            "MB",
            Some(MEMORY),
            BetterWhen::Lower,
        ));
    }
    rows.push(BenchmarkRow::new("executions in all", runs, "", None, BetterWhen::Higher));
    rows.push(BenchmarkRow::new("findings in all", findings, "", Some(0.0), BetterWhen::Lower));
    rows::write(&mut std::io::stdout().lock(), &rows, has("--json"))?;
    Ok(())
}

/// What came of one target.
#[derive(Default)]
struct FuzzResult {
    executions: f64,
    seconds: f64,
    edges_before: f64,
    edges: f64,
    memory: f64,
    findings: f64,
}

fn run(root: &Path, name: &str, seconds: u64) -> Result<FuzzResult> {
    let place = root.join("fuzz");
    let (corpus, artifacts) = (place.join("corpus").join(name), place.join("artifacts").join(name));
    for directory in [&corpus, &artifacts] {
        fs::create_dir_all(directory)?;
    }
    let program = built(root)?.join(name);
    ensure!(program.exists(), "{} is not there: scripts/bench builds it", program.display());
    eprintln!("{name}: {seconds} s");
    let began = Instant::now();
    let output = Command::new(&program)
        .arg(&corpus)
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args([format!("-max_total_time={seconds}"), format!("-max_len={LONGEST}")])
        .args([format!("-timeout={SLOWEST}"), format!("-rss_limit_mb={MEMORY}")])
        .args(["-print_final_stats=1", "-verbosity=1"])
        .current_dir(&place)
        .output()
        .with_context(|| format!("{} can't be run", program.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let mut ran = read(&said);
    ran.seconds = began.elapsed().as_secs_f64();
    // libFuzzer ends at the first thing that it finds.
    if !output.status.success() {
        ran.findings = 1.0;
        for line in said.lines().filter(|line| tells(line)) {
            eprintln!("  {line}");
        }
    }
    Ok(ran)
}

/// What a person wants to know of a finding.
fn tells(line: &str) -> bool {
    ["panicked", "ERROR:", "artifact", "assertion", "left:", "right:", "Test unit"]
        .iter()
        .any(|word| line.contains(word))
}

/// Where cargo-fuzz puts programs: for each system a directory.
fn built(root: &Path) -> Result<PathBuf> {
    let version = Command::new("rustc").arg("-vV").output().context("rustc can't be run")?;
    let said = String::from_utf8_lossy(&version.stdout);
    let host = said.lines().find_map(|line| line.strip_prefix("host: ")).context("which system is this?")?;
    Ok(root.join("fuzz/target").join(host).join("release"))
}

/// libFuzzer's words: lines of its progress (`#123 INITED cov: 17 ft: …`), and statistics at its end.
fn read(said: &str) -> FuzzResult {
    let mut ran = FuzzResult::default();
    let number = |text: Option<&str>| text.and_then(|text| text.parse().ok()).unwrap_or(0.0);
    for line in said.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let after = |name: &str| {
            let at = words.iter().position(|word| *word == name)?;
            words.get(at + 1).copied()
        };
        if line.starts_with('#') && after("cov:").is_some() {
            ran.edges = number(after("cov:"));
            if words.contains(&"INITED") {
                ran.edges_before = ran.edges;
            }
            ran.executions = ran.executions.max(number(words.first().and_then(|n| n.strip_prefix('#'))));
        }
        match words.as_slice() {
            ["stat::number_of_executed_units:", count] => ran.executions = number(Some(count)),
            ["stat::peak_rss_mb:", memory] => ran.memory = number(Some(memory)),
            _ => {}
        }
    }
    ran
}
