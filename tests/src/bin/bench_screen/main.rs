//! The screen compared with TigerVNC (its own X server, and its scraper of another's) and x11vnc, one after the other in one
//! run: the same applications do the same things on a display, and a viewer shows them on another display of the same
//! size, the technician's page in Chromium or TigerVNC's viewer.
//!
//! Bytes are those of both directions on a wire: what our relay forwarded, with QUIC's, UDP's and IP's own; what a proxy
//! passed on for the others, with the headers of the TCP segments that it takes at least, but without bare
//! acknowledgements. Processor time is that of the programs on the device, with its X server, since
//! TigerVNC's own is both in one; where the applications' drawing costs the server much, it costs all of them the same.
//! Updates are moments at which the viewer's display was painted. Latency is from a square's being drawn on the
//! device's display to its colour on the viewer's, so it has everything in it: capture, coding, network, decoding, the
//! viewer's painting.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark's output")]
#![allow(
    clippy::disallowed_methods,
    reason = "what is measured goes on for a time, not until something happens"
)]

mod acts;
mod idle;
mod links;

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result};
use nearhand_tests::program::ProgramLogs;
use nearhand_tests::rows::{self, BenchmarkRow, BetterWhen};
use nearhand_tests::x_display::{ColorMarker, PaintCounter};

use acts::{RunningWorkload, ScreenWorkload};
use nearhand_tests::screen_comparison::{COLORS, ComparedSystem, ScreenComparison, latency};

/// One workload through one system.
#[derive(Clone, Copy, Default)]
struct WorkloadCost {
    bytes: f64,
    cpu_ms: f64,
    updates: f64,
}

/// One system's figures.
struct SystemFigures {
    system: ComparedSystem,
    first_bytes: f64,
    first_ms: f64,
    costs: Vec<(ScreenWorkload, WorkloadCost)>,
    latency: [f64; 2],
    flooded: [f64; 2],
}

fn main() -> Result<()> {
    let options: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| options.iter().any(|option| option == name);
    let short = has("--short");
    let plan = |workload| {
        let ms = Duration::from_millis;
        let (settle, window, marks) = if short { (1_500, 3_000, 20) } else { (3_000, 8_600, 100) };
        ScreenPlan { settle: ms(settle), window: ms(window), marks, workload }
    };
    let only =
        |all: &[&'static str]| all.iter().copied().find(|name| options.iter().any(|option| option == name));
    // What idling costs is measured closely by itself.
    let workload = only(&ScreenWorkload::ALL.map(ScreenWorkload::name))
        .filter(|name| *name != ScreenWorkload::Idle.name());
    let system = only(&ComparedSystem::ALL.map(ComparedSystem::name));
    let (links_only, idle_only) = (has("links"), has("idle"));
    let mut all = Vec::new();
    // The short form has those between whom the targets are.
    let wanted = |one: &ComparedSystem| match system {
        Some(name) => name == one.name(),
        None => !short || matches!(one, ComparedSystem::Ours | ComparedSystem::Xvnc),
    };
    let plan = plan(workload);
    if !links_only && !idle_only {
        for one in ComparedSystem::ALL.into_iter().filter(wanted) {
            all.push(measure(one, &plan).with_context(|| one.name())?);
        }
    }
    if !has("--json") && !links_only && !idle_only {
        print!("{}", table(&all));
    }
    let mut rows = verdict(&all);
    if workload.is_none() && !idle_only {
        rows.extend(links::measure(system, plan.marks.min(if short { 10 } else { 30 }))?);
    }
    let ours = system.is_none_or(|name| name == ComparedSystem::Ours.name());
    if idle_only || (workload.is_none() && !links_only && ours) {
        rows.extend(idle::measure(Duration::from_secs(if short { 10 } else { 60 }))?);
    }
    rows::write(&mut std::io::stdout().lock(), &rows, has("--json"))?;
    Ok(())
}

/// How long and what.
struct ScreenPlan {
    /// An application may take so long to stand on the display before it is measured.
    settle: Duration,
    window: Duration,
    marks: usize,
    workload: Option<&'static str>,
}

fn measure(system: ComparedSystem, plan: &ScreenPlan) -> Result<SystemFigures> {
    eprintln!("{}:", system.name());
    let logs = ProgramLogs::default();
    let mut scene = ScreenComparison::set(system, &logs, None)?;
    let marker = ColorMarker::show(scene.device.eye()?, 1_800, 40, COLORS[0])?;
    let outcome = (|| {
        let (first_bytes, first_ms) = scene.open(COLORS[0])?;
        eprintln!("  first picture: {first_bytes:.0} bytes, {first_ms:.0} ms");
        let eye = scene.viewer.eye()?;
        let at = eye.find(COLORS[0])?.context("the marker has gone")?;
        let paints = PaintCounter::on(scene.viewer.eye()?)?;
        let latency = latency(&marker, &eye, at, plan.marks)?;
        eprintln!("  draw to painted: p50 {:.1} ms, p95 {:.1} ms", latency[0], latency[1]);
        let mut costs = Vec::new();
        let mut flooded = [f64::NAN; 2];
        for workload in
            ScreenWorkload::ALL.into_iter().filter(|one| plan.workload.is_none_or(|name| name == one.name()))
        {
            let mut act = RunningWorkload::begin(workload, &scene.device)?;
            std::thread::sleep(plan.settle);
            let (bytes, cpu, painted) = (scene.bytes()?, scene.cpu()?, paints.count());
            act.perform(plan.window)?;
            #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
            let cost = WorkloadCost {
                bytes: scene.bytes()? - bytes,
                cpu_ms: (scene.cpu()?.saturating_sub(cpu)).as_secs_f64() * 1e3,
                updates: (paints.count() - painted) as f64 / plan.window.as_secs_f64(),
            };
            eprintln!(
                "  {}: {:.0} bytes, {:.0} CPU-ms, {:.1} updates/s",
                workload.name(),
                cost.bytes,
                cost.cpu_ms,
                cost.updates
            );
            if workload == ScreenWorkload::Flood {
                flooded = self::latency(&marker, &eye, at, plan.marks.min(25))?;
                eprintln!(
                    "  newest state under the flood: p50 {:.1} ms, p95 {:.1} ms",
                    flooded[0], flooded[1]
                );
            }
            costs.push((workload, cost));
            drop(act);
            std::thread::sleep(Duration::from_millis(500));
        }
        Ok(SystemFigures { system, first_bytes, first_ms, costs, latency, flooded })
    })();
    if outcome.is_err() {
        eprintln!("{}", logs.dump());
    }
    outcome
}

/// All figures, a block for each workload.
fn table(all: &[SystemFigures]) -> String {
    let mut text =
        format!("{:<20}{:<14}{:>14}{:>12}{:>12}\n", "workload", "system", "bytes", "CPU-ms", "updates/s");
    let first = all.iter().map(|one| {
        (one.system, WorkloadCost { bytes: one.first_bytes, ..WorkloadCost::default() }, one.first_ms)
    });
    for (system, cost, ms) in first {
        let _ =
            writeln!(text, "{:<20}{:<14}{:>14.0}{ms:>9.0} ms", "first picture", system.name(), cost.bytes);
    }
    for workload in ScreenWorkload::ALL {
        for one in all {
            let Some((_, cost)) = one.costs.iter().find(|(of, _)| *of == workload) else { continue };
            let _ = writeln!(
                text,
                "{:<20}{:<14}{:>14.0}{:>12.0}{:>12.1}",
                workload.name(),
                one.system.name(),
                cost.bytes,
                cost.cpu_ms,
                cost.updates
            );
        }
    }
    for (name, pick) in [("draw to painted", 0), ("under the flood", 1)] {
        for one in all {
            let [p50, p95] = if pick == 0 { one.latency } else { one.flooded };
            let _ =
                writeln!(text, "{name:<20}{:<14}{p50:>11.1} ms (p50){p95:>8.1} ms (p95)", one.system.name());
        }
    }
    text.push('\n');
    text
}

/// Ours against the others, each with its target.
fn verdict(all: &[SystemFigures]) -> Vec<BenchmarkRow> {
    let of = |system| all.iter().find(|one: &&SystemFigures| one.system == system);
    let Some(ours) = of(ComparedSystem::Ours) else { return vec![] };
    let mut rows = Vec::new();
    let cost = |figures: &SystemFigures, workload| {
        figures.costs.iter().find(|(of, _)| *of == workload).map(|(_, cost)| *cost)
    };
    for workload in ScreenWorkload::ALL {
        let Some(own) = cost(ours, workload) else { continue };
        if workload == ScreenWorkload::Idle {
            rows.push(BenchmarkRow::new("idle: bytes", own.bytes, "B", None, BetterWhen::Lower));
            rows.push(BenchmarkRow::new("idle: CPU", own.cpu_ms, "ms", Some(0.0), BetterWhen::Lower));
        }
        let Some(theirs) = of(ComparedSystem::Xvnc).and_then(|peer| cost(peer, workload)) else { continue };
        let (bytes, cpu) = workload.targets();
        if workload != ScreenWorkload::Idle {
            let name = workload.name();
            rows.push(ratio(&format!("{name}: bytes / Xvnc"), own.bytes, theirs.bytes, bytes));
            rows.push(ratio(&format!("{name}: CPU / Xvnc"), own.cpu_ms, theirs.cpu_ms, cpu));
        }
    }
    if let Some(peer) = of(ComparedSystem::Xvnc) {
        rows.push(ratio("draw to painted p50 / Xvnc", ours.latency[0], peer.latency[0], Some(1.0)));
        rows.push(ratio("draw to painted p95 / Xvnc", ours.latency[1], peer.latency[1], Some(1.0)));
    }
    if ours.flooded[1].is_finite() {
        rows.push(BenchmarkRow::new(
            "newest state under a flood, p95",
            ours.flooded[1],
            "ms",
            Some(100.0),
            BetterWhen::Lower,
        ));
    }
    rows.push(BenchmarkRow::new("first picture: bytes", ours.first_bytes, "B", None, BetterWhen::Lower));
    rows.push(BenchmarkRow::new("first picture: time", ours.first_ms, "ms", None, BetterWhen::Lower));
    rows
}

fn ratio(name: &str, own: f64, theirs: f64, target: Option<f64>) -> BenchmarkRow {
    BenchmarkRow::new(
        name,
        if theirs > 0.0 { own / theirs } else { f64::NAN },
        "x",
        target,
        BetterWhen::Lower,
    )
}
