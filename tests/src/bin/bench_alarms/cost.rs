//! What watching costs an agent: one with all rules that a server has by default, and one without any, at the same
//! time, on the same relay. Programs that the agent starts to look (`smartctl`, `journalctl`) count with it.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nearhand_tests::crash_test::sleep_until;
use nearhand_tests::deployment::TestDeployment;
use nearhand_tests::parties::TestAgent;
use nearhand_tests::rows::{BenchmarkRow, BetterWhen};

/// Ticks of the times in `/proc/PID/stat`, on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// Measures both for so long, a while after their start: what is read once at the beginning is no running cost.
pub(super) fn measure(settle: Duration, window: Duration) -> Result<Vec<BenchmarkRow>> {
    let site = TestDeployment::new()?;
    let with = |label: &str, rules: &str| -> Result<TestAgent> {
        let mut agent = site.device(label)?;
        fs::write(agent.data().join("rules.toml"), rules)?;
        agent.restart()?;
        agent.wait_connected()?;
        Ok(agent)
    };
    let agents = [with("all rules", "profile = \"server\"\n")?, with("no rules", "profile = \"none\"\n")?];
    eprintln!("two agents watch for {window:?}");
    sleep_until(Instant::now() + settle);
    let before = [used(&agents[0])?, used(&agents[1])?];
    sleep_until(Instant::now() + window);
    let after = [used(&agents[0])?, used(&agents[1])?];
    let share = |n: usize| -> Option<f64> {
        let cpu = after.get(n)?.saturating_sub(*before.get(n)?);
        Some(cpu.as_secs_f64() / window.as_secs_f64() * 100.0)
    };
    let (all, none) = (share(0).context("a share")?, share(1).context("a share")?);
    let [all_rss, no_rss] = [resident(&agents[0])?, resident(&agents[1])?];
    Ok(vec![
        BenchmarkRow::new("agent CPU, all default rules", all, "% core", Some(0.2), BetterWhen::Lower),
        BenchmarkRow::new("agent CPU, no rules", none, "% core", None, BetterWhen::Lower),
        BenchmarkRow::new("agent RSS, all default rules", all_rss, "MB", None, BetterWhen::Lower),
        BenchmarkRow::new("agent RSS, for the rules", all_rss - no_rss, "MB", Some(5.0), BetterWhen::Lower),
    ])
}

/// Processor time of an agent, also of threads that have ended, and of the programs that it has started and seen end.
fn used(agent: &TestAgent) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", agent.program.pid()))?;
    // proc(5): utime, stime, cutime and cstime are fields 14 to 17; those after the name begin with the third.
    let fields = stat.rsplit_once(')').context("a name")?.1.split_whitespace().skip(11).take(4);
    let ticks = fields.map(str::parse::<u32>).sum::<Result<u32, _>>()?;
    Ok(TICK * ticks)
}

/// The agent's resident memory, in MB.
fn resident(agent: &TestAgent) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{}/status", agent.program.pid()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0 / 1e6)
}
