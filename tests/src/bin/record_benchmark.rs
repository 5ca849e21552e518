//! Writes a benchmark's section of BENCHMARKS.md from what its runs said, so that nobody writes it by hand.
//!
//!     record_benchmark NAME COMMAND < runs      one JSON array of rows for each run
//!
//! A section says on which machine, when and by which command it was made, and of each row the median of the runs and
//! how far they were apart. Other sections stay as they are. See `scripts/bench NAME --record`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use nearhand_tests::rows::{BenchmarkRow, BetterWhen};

/// The file's own beginning.
const HEAD: &str = "# Measurements\n\nWritten by `scripts/bench NAME --record`, never by hand: each section by its own run, on the machine that \
                    it names. How to run one and what it measures: `tests/README.md`.\n";

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [name, command] = words.as_slice() else { bail!("record_benchmark NAME COMMAND < runs") };
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let runs: Vec<Vec<BenchmarkRow>> =
        serde_json::Deserializer::from_str(&text).into_iter().collect::<Result<_, _>>().context("no rows")?;
    ensure!(!runs.is_empty(), "there was no run");
    for run in &runs {
        let mut names = BTreeSet::new();
        let twice = run.iter().find(|row| !names.insert(row.name.as_str()));
        ensure!(twice.is_none(), "two rows have the same name, and would be taken for one: {twice:?}");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("where is the workspace?")?;
    let file = root.join("BENCHMARKS.md");
    let mut sections = sections(&fs::read_to_string(&file).unwrap_or_default());
    sections.insert(name.clone(), section(command, &runs)?);
    let mut text = HEAD.to_owned();
    for (name, body) in sections {
        write!(text, "\n## {name}\n\n{}\n", body.trim())?;
    }
    Ok(fs::write(file, text)?)
}

/// By name, without their headings.
fn sections(text: &str) -> BTreeMap<String, String> {
    let parts = text.split("\n## ").skip(1);
    parts.filter_map(|part| part.split_once('\n')).map(|(name, body)| (name.into(), body.into())).collect()
}

fn section(command: &str, runs: &[Vec<BenchmarkRow>]) -> Result<String> {
    let mut text = format!(
        "`{command}`, {}, {} run(s); {}; commit {}, {}.\n\n| what | median | from – to | target | |\n|---|--:|--:|--:|---|\n",
        said("date", &["-u", "+%Y-%m-%d"])?,
        runs.len(),
        machine()?,
        said("git", &["describe", "--always", "--dirty"])?,
        said("rustc", &["--version"])?,
    );
    for row in runs.first().into_iter().flatten() {
        let of_row = runs.iter().flatten().filter(|other| other.name == row.name);
        let mut values: Vec<f64> = of_row.map(|other| other.value).collect();
        values.sort_by(f64::total_cmp);
        let (first, last) = (values.first().copied(), values.last().copied());
        let middle = values.get(values.len() / 2).copied().context("a value")?;
        let spread =
            first.zip(last).filter(|(a, b)| a < b).map(|(a, b)| format!("{} – {}", shown(a), shown(b)));
        let judged = BenchmarkRow::new(&row.name, middle, row.unit.clone(), row.target, row.better);
        let sign = if row.better == BetterWhen::Lower { '≤' } else { '≥' };
        let target = row.target.map(|target| format!("{sign} {}", shown(target)));
        let met = judged.met.map_or("", |met| if met { "met" } else { "missed" });
        writeln!(
            text,
            "| {} | {} {} | {} | {} | {met} |",
            row.name,
            shown(middle),
            row.unit,
            spread.unwrap_or_default(),
            target.unwrap_or_default()
        )?;
    }
    Ok(text)
}

/// Three digits that count, and no more behind the point than it takes.
fn shown(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 || value == 0.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        small if small >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn machine() -> Result<String> {
    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    let model =
        cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown processor");
    let model = model.trim_start_matches([' ', '\t', ':']);
    let count = std::thread::available_parallelism()?;
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kb = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap_or("0 kB").trim();
    let gb = kb.trim_end_matches(" kB").parse::<f64>()? / 1e6;
    Ok(format!("{count} × {model}, {gb:.0} GB, Linux {}", said("uname", &["-r"])?))
}

fn said(program: &str, words: &[&str]) -> Result<String> {
    let output = Command::new(program).args(words).output().with_context(|| program.to_owned())?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
