//! `nearhand-agent rules`: check a rules file, show what is in force, record samples, try rules on them.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{Args, Subcommand};
use nearhand_proto::alarm::AlarmEvent;
use nearhand_proto::time::UnixMillis;
use nearhand_rules::units;
use nearhand_rules::{AlarmRule, Engine, EngineTime, RuleSet, SensorReading, sensor};
use serde::{Deserialize, Serialize};

use super::exit::{MISTAKES, complain};
use crate::alarm::rules_file::{self, RulesError};
use crate::alarm::{AlarmClocks, AlarmNotes, AlarmOrder, AlarmSampler, ProbePlan, run_probes};
use crate::home::AgentHome;

/// Longest line of a recording, in bytes.
const LONGEST_LINE: usize = 1024 * 1024;

/// What to do with rules.
#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Look for mistakes in a rules file; each is told with its line and what to write instead
    Check {
        /// The file. Default: the agent's own, rules.toml in its directory
        file: Option<PathBuf>,
    },
    /// Show the rules that are in force, or the sensors that rules can be about
    List(ListArgs),
    /// Try rules on recorded samples: shows what would have been told
    Test(TestArgs),
    /// Record what the rules' sensors measure, for `rules test`
    Record(RecordArgs),
}

/// What is shown.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// The file. Default: the agent's own
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Show sensors instead
    #[arg(long)]
    sensors: bool,
}

/// What is tried.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// The recording to replay
    #[arg(long, value_name = "FILE")]
    replay: PathBuf,
    /// The rules. Default: the agent's own
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Print events as JSON, one a line
    #[arg(long)]
    json: bool,
}

/// What is recorded.
#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// Where to; the file is replaced
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How long: 90s, 10m, 24h
    #[arg(long = "for", value_name = "TIME", default_value = "10m", value_parser = units::length)]
    length: Duration,
    /// Whose sensors. Default: those of the agent's own rules
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
}

/// A line of a recording.
#[derive(Serialize, Deserialize)]
struct RecordedReadings {
    /// Milliseconds of the monotonic clock.
    monotonic: u64,
    /// Milliseconds since 1970.
    wall: u64,
    /// What was measured.
    readings: Vec<SensorReading>,
}

pub(crate) async fn run(home: &AgentHome, command: RulesCommand) -> anyhow::Result<ExitCode> {
    match command {
        RulesCommand::Check { file } => Ok(check(&file.unwrap_or_else(|| home.rules_file()))),
        RulesCommand::List(args) => list(home, args),
        RulesCommand::Test(args) => test(home, args),
        RulesCommand::Record(args) => record(home, args).await,
    }
}

fn check(path: &std::path::Path) -> ExitCode {
    match rules_file::load(path) {
        Ok(set) => {
            if !path.exists() {
                println!(
                    "{}: there is none, so the rules that come with the program are used.",
                    path.display()
                );
            }
            for advice in &set.advice {
                println!("{}, {advice}", path.display());
            }
            println!("{} rules, none with a mistake.", set.rules.len());
            ExitCode::SUCCESS
        }
        Err(RulesError::Mistakes { path, mistakes }) => {
            for mistake in &mistakes {
                complain(&format!("{}, {mistake}", path.display()));
            }
            ExitCode::from(MISTAKES)
        }
        Err(error) => {
            complain(&error.to_string());
            ExitCode::from(super::exit::FAILED)
        }
    }
}

fn load(home: &AgentHome, file: Option<PathBuf>) -> anyhow::Result<RuleSet> {
    let path = file.unwrap_or_else(|| home.rules_file());
    Ok(rules_file::load(&path)?)
}

fn list(home: &AgentHome, args: ListArgs) -> anyhow::Result<ExitCode> {
    if args.sensors {
        for sensor in &sensor::CATALOGUE {
            let of = if sensor.of.is_empty() { String::new() } else { format!(", of each {}", sensor.of) };
            let unit = if sensor.unit.name().is_empty() { "number" } else { sensor.unit.name() };
            println!("{:22} {unit:7} every {} s{of}: {}", sensor.name, sensor.every, sensor.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    load(home, args.rules)?.rules.iter().for_each(show);
    Ok(ExitCode::SUCCESS)
}

fn show(rule: &AlarmRule) {
    println!("{} ({} of {})", rule.name, rule.kind.name(), rule.sensor.name);
    for level in &rule.levels {
        let also =
            level.also.map(|(s, condition)| format!(" and {} {condition}", s.name)).unwrap_or_default();
        println!("  {:8} {}{also}, over {}", level.severity.name(), level.raise, level.clear);
    }
    let mut times = Vec::new();
    for (name, length) in [("window", rule.window), ("for", rule.hold), ("keep", rule.keep)] {
        if !length.is_zero() {
            times.push(format!("{name} {}", units::show_seconds(length.as_secs_f64())));
        }
    }
    times.push(format!("read every {}", units::show_seconds(rule.every.as_secs_f64())));
    println!("  {}", times.join(", "));
    if !rule.instances.patterns.is_empty() {
        println!("  instances {}", rule.instances.patterns.join(" "));
    }
}

fn test(home: &AgentHome, args: TestArgs) -> anyhow::Result<ExitCode> {
    let set = load(home, args.rules)?;
    let file = File::open(&args.replay).with_context(|| args.replay.display().to_string())?;
    let mut engine = Engine::new(set.rules);
    let (mut lines, mut told) = (0_u64, 0_u64);
    for line in BufReader::new(file).lines() {
        let line = line.with_context(|| args.replay.display().to_string())?;
        lines += 1;
        anyhow::ensure!(
            line.len() <= LONGEST_LINE,
            "line {lines} is longer than 1 MiB: this is no recording"
        );
        if line.trim().is_empty() {
            continue;
        }
        let recorded: RecordedReadings = serde_json::from_str(&line).with_context(|| {
            format!("{}, line {lines}: not a line of `nearhand-agent rules record`", args.replay.display())
        })?;
        let moment = EngineTime {
            monotonic: recorded.monotonic,
            boot: [0; 16],
            wall: UnixMillis(recorded.wall),
            ahead_ms: None,
        };
        for event in engine.step(moment, &recorded.readings) {
            told += 1;
            print_event(&event, args.json)?;
        }
    }
    if !args.json {
        println!("{lines} lines, {told} event(s), {} alarm(s) open at the end.", open(&engine));
    }
    Ok(ExitCode::SUCCESS)
}

fn open(engine: &Engine) -> usize {
    engine.alarms(false).iter().filter(|standing| standing.severity.is_some()).count()
}

fn print_event(event: &AlarmEvent, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(event)?);
        return Ok(());
    }
    println!(
        "{} {:14} {:8} {}: {}",
        event.observed_at,
        event.transition.name(),
        event.severity.name(),
        event.rule,
        event.summary
    );
    Ok(())
}

async fn record(home: &AgentHome, args: RecordArgs) -> anyhow::Result<ExitCode> {
    let set = load(home, args.rules)?;
    let mut file = File::create(&args.out).with_context(|| args.out.display().to_string())?;
    let clocks = AlarmClocks::new();
    let mut notes = AlarmNotes::new();
    let mut sampler = AlarmSampler::new(&set, clocks.now(), &notes);
    let (orders, ordered) = std::sync::mpsc::channel();
    let (_plan, plan_of) = tokio::sync::watch::channel(ProbePlan::of(&set, &sampler.schedule, &notes));
    let probes = tokio::spawn(run_probes(plan_of, orders));
    let end = Instant::now() + args.length;
    eprintln!("Recording for {} …", units::show_seconds(args.length.as_secs_f64()));
    let mut lines = 0_u64;
    while Instant::now() < end {
        let now = clocks.now();
        let mut readings = Vec::new();
        for probe in sampler.schedule.due(now.monotonic) {
            readings.extend(sampler.read(probe, now, &mut notes));
        }
        while let Ok(order) = ordered.try_recv() {
            if let AlarmOrder::Readings(more) = order {
                readings.extend(more);
            }
        }
        if !readings.is_empty() {
            let line = RecordedReadings { monotonic: now.monotonic, wall: now.wall.0, readings };
            writeln!(file, "{}", serde_json::to_string(&line)?)
                .with_context(|| args.out.display().to_string())?;
            lines += 1;
        }
        let due = sampler.schedule.next().unwrap_or(u64::MAX).saturating_sub(clocks.now().monotonic);
        let wait = Duration::from_millis(due).min(Duration::from_secs(1));
        tokio::time::sleep(wait.min(end.saturating_duration_since(Instant::now()))).await;
    }
    probes.abort();
    println!("{lines} lines in {}.", args.out.display());
    Ok(ExitCode::SUCCESS)
}
