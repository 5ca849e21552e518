//! What an open session costs while nothing happens: on a still screen, and with a cursor that blinks. For each of our
//! processes, processor time and how often it woke up.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use nearhand_tests::program::ProgramLogs;
use nearhand_tests::rows::{BenchmarkRow, BetterWhen};
use nearhand_tests::udp_load::cpu_time;
use nearhand_tests::x_display::{ColorMarker, window};

use crate::acts::TERMINAL;
use nearhand_tests::screen_comparison::{
    COLORS, ComparedSystem, ScreenComparison, WatchMethod, with_children,
};

/// The applications, and what the first picture left to do, have come to rest after this long.
const SETTLE: Duration = Duration::from_secs(5);
/// A cursor that blinks may cost so much of a core, in each process.
const BLINKING: f64 = 0.2;

/// A process at one moment.
#[derive(Clone, Copy, Default)]
struct ProcessSample {
    /// Processor time in the kernel's ticks, as people's tools show it.
    ticks: u64,
    time: Duration,
    /// Times that one of its threads went to sleep by itself: how often it was woken.
    switches: u64,
}

impl ProcessSample {
    fn of(pid: u32) -> Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let after = stat.rsplit_once(')').map(|(_, after)| after).unwrap_or_default();
        // After the name: state, then from the fourth on; user and system time are the 14th and 15th.
        let ticks = after.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
        let ticks = ticks.sum::<Result<_, _>>()?;
        let mut switches = 0;
        for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
            let status = std::fs::read_to_string(task?.path().join("status"))?;
            let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            switches += line.context("no count of switches")?.trim().parse::<u64>()?;
        }
        Ok(Self { ticks, time: cpu_time(pid, None)?, switches })
    }
}

/// A process of ours in the session.
struct SessionProcess {
    name: &'static str,
    pid: u32,
}

/// The agent, its desktop process, the client, its decode process.
fn processes(scene: &ScreenComparison) -> Result<Vec<SessionProcess>> {
    let WatchMethod::Ours { agent, client, .. } = &scene.watched else { return Ok(vec![]) };
    let mut all = Vec::new();
    for (of, name, verb, child) in [
        (agent.program.pid(), "agent", "desktop", "its desktop process"),
        (client.program.pid(), "client", "decode", "its decode process"),
    ] {
        // The program may stand behind others that started it, such as `env`.
        for pid in with_children(of)? {
            let words = std::fs::read(PathBuf::from(format!("/proc/{pid}/cmdline")))?;
            let words: Vec<_> = words.split(|byte| *byte == 0).collect();
            let ours = words.first().is_some_and(|first| String::from_utf8_lossy(first).contains("nearhand"));
            if ours {
                let is_child = words.get(1).is_some_and(|word| *word == verb.as_bytes());
                all.push(SessionProcess { name: if is_child { child } else { name }, pid });
            }
        }
    }
    for name in ["agent", "its desktop process", "client", "its decode process"] {
        anyhow::ensure!(all.iter().filter(|one| one.name == name).count() == 1, "not one process is {name}");
    }
    Ok(all)
}

/// Both situations, each for `time`.
pub(crate) fn measure(time: Duration) -> Result<Vec<BenchmarkRow>> {
    let mut rows = Vec::new();
    for (situation, blinks) in [("still screen", false), ("blinking cursor", true)] {
        eprintln!("idle, {situation}:");
        let logs = ProgramLogs::default();
        let figures = one(&logs, blinks, time);
        if figures.is_err() {
            eprintln!("{}", logs.dump());
        }
        for (name, used) in figures.with_context(|| situation)? {
            let (seconds, share) = (time.as_secs_f64(), used.time.as_secs_f64() / time.as_secs_f64() * 100.0);
            #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
            let (ticks, switches) = (used.ticks as f64, used.switches as f64 / seconds);
            eprintln!("  {name}: {ticks} ticks, {share:.3} % of a core, woken {switches:.1} times a second");
            let name = format!("idle, {situation}: {name}");
            let target = (!blinks).then_some(0.0);
            rows.push(BenchmarkRow::new(&format!("{name}: CPU"), ticks, "ticks", target, BetterWhen::Lower));
            let target = blinks.then_some(BLINKING);
            rows.push(BenchmarkRow::new(
                &format!("{name}: share"),
                share,
                "% core",
                target,
                BetterWhen::Lower,
            ));
            rows.push(BenchmarkRow::new(&format!("{name}: woken"), switches, "/s", None, BetterWhen::Lower));
        }
    }
    Ok(rows)
}

fn one(logs: &ProgramLogs, blinks: bool, time: Duration) -> Result<Vec<(&'static str, ProcessSample)>> {
    let mut scene = ScreenComparison::set(ComparedSystem::Ours, logs, None)?;
    let _marker = ColorMarker::show(scene.device.eye()?, 1_800, 40, COLORS[0])?;
    // First: a first picture counts as whole when nothing comes any more.
    scene.open(COLORS[0])?;
    let cursor = if blinks { "-bc" } else { "+bc" };
    let shown = ["-T", "idle", cursor, "-e", "sh", "-c", "exec sleep 600"];
    let _terminal = scene.device.start(&[&TERMINAL, shown.as_slice()].concat())?;
    let terminal = window(&scene.device, "idle")?;
    // An unfocused cursor doesn't blink.
    scene.device.run(&["xdotool", "windowactivate", "--sync", &terminal])?;
    std::thread::sleep(SETTLE);
    let processes = processes(&scene)?;
    let before = processes.iter().map(|one| ProcessSample::of(one.pid)).collect::<Result<Vec<_>>>()?;
    std::thread::sleep(time);
    let mut figures = Vec::new();
    for (process, before) in processes.iter().zip(before) {
        let after = ProcessSample::of(process.pid)?;
        let used = ProcessSample {
            ticks: after.ticks - before.ticks,
            time: after.time.saturating_sub(before.time),
            switches: after.switches - before.switches,
        };
        figures.push((process.name, used));
    }
    Ok(figures)
}
