//! What the programs weigh: their files, an idle agent's memory and processor time, and those of other agents
//! ([`peers`]), an agent's whose relay is gone, the customer's window, and the relay's memory for each idle agent.
//!
//!     bench_footprint [--short | --smoke] [--json] [--programs DIR]
//!
//! The real programs of that directory (as a rule those that packages are made of; else those next to this one), with the
//! real protocol: this process claims the relay,
//! enrols one real agent, then enrols and connects as many light ones (their key, their credential, one control
//! connection each, one thread for all). Memory per agent is the relay's growth from before the first light agent
//! until all are idle, so it holds the connection, what is known of an enrolled device, and what the handshakes
//! left behind in the allocator. MB and KB are 10^6 and 10^3 bytes.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark's output")]

mod peers;
mod window;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nearhand_proto::credential::Role;
use nearhand_proto::identity::SecretKey;
use nearhand_proto::invitation::{EnrolmentString, OneTime};
use nearhand_proto::message::control::RelayRequest;
use nearhand_tests::light_agents::{BenchmarkProcess, BenchmarkRelay, allow_files, crowd, invite, memory};
use nearhand_tests::rows::{self, BenchmarkRow, BetterWhen};
use nearhand_tests::udp_load::cpu_time;
use tokio::time::{Instant, sleep};

/// A lost relay is noticed within a connection's idle timeout, and found again within the longest wait between tries.
const NOTICED: Duration = Duration::from_secs(90);

fn main() -> Result<()> {
    let options: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| options.iter().any(|option| option == name);
    let seconds = Duration::from_secs;
    // More than the handshakes' own timers, and one round of keep-alives.
    let usual = FootprintPlan {
        agents: 1_000,
        settle: seconds(20),
        alone: seconds(600),
        crowd: seconds(60),
        whole: true,
    };
    let plan = match (has("--smoke"), has("--short")) {
        (true, _) => FootprintPlan {
            agents: 20,
            settle: seconds(1),
            alone: seconds(2),
            crowd: seconds(1),
            whole: false,
        },
        (_, true) => FootprintPlan { agents: 200, alone: seconds(15), crowd: seconds(15), ..usual },
        _ => usual,
    };
    let programs = match options.iter().position(|option| option == "--programs") {
        Some(at) => {
            PathBuf::from(options.get(at + 1).context("--programs needs a directory")?).canonicalize()?
        }
        None => std::env::current_exe()?.parent().context("no directory")?.to_owned(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let rows = runtime.block_on(measure(plan, &programs))?;
    rows::write(&mut std::io::stdout().lock(), &rows, has("--json"))?;
    Ok(())
}

/// How many, and how long it is looked at.
#[derive(Clone, Copy)]
struct FootprintPlan {
    /// Light agents on the relay.
    agents: usize,
    /// Before memory is read.
    settle: Duration,
    /// At agents that idle.
    alone: Duration,
    /// At the relay with the light ones.
    crowd: Duration,
    /// With a relay that goes and comes back, which takes minutes, and the customer's window, which others build.
    whole: bool,
}

async fn measure(plan: FootprintPlan, programs: &Path) -> Result<Vec<BenchmarkRow>> {
    let FootprintPlan { agents, settle, crowd: window, whole, .. } = plan;
    let scratch = tempfile::tempdir()?;
    allow_files(agents)?;
    let mut rows = sizes(programs, whole)?;
    let relay = BenchmarkRelay::start(programs, scratch.path(), agents)?;
    let organisation = relay.claim().await?;
    let agent = real_agent(&relay, programs, scratch.path(), &organisation).await?;
    let agent = peers::MeasuredProgram::new("agent", agent);
    let (orphan, back_again) = orphan(programs, scratch.path(), if whole { 2 } else { 0 }).await?;
    rows.extend(whole.then_some(back_again));
    let mut watched = peers::start(scratch.path()).await?;
    rows.extend(idle_agents(&agent, &orphan, &watched, plan).await?);
    watched.clear();
    drop(orphan);
    if whole {
        rows.extend(a_window(programs, scratch.path())?);
    }
    let before = memory(relay.process.id())?;
    eprintln!("{agents} light agents join");
    let connected = crowd(&relay.address, &organisation, 0, agents).await?;
    sleep(settle).await;
    let cpu = cpu_time(relay.process.id(), None)?;
    sleep(window).await;
    let cpu = cpu_time(relay.process.id(), None)?.saturating_sub(cpu);
    let after = memory(relay.process.id())?;
    for (_, connection) in &connected {
        connection.ask(&RelayRequest::Ping).await.context("an idle agent was lost")?;
    }
    rows.push(plain("relay RSS, one agent", before.resident / 1e6, "MB"));
    let many = u32::try_from(agents)?;
    rows.push(plain(&format!("relay RSS, {agents} agents"), after.resident / 1e6, "MB"));
    let each = (after.resident - before.resident) / f64::from(many) / 1e3;
    rows.push(BenchmarkRow::new("relay RSS per idle agent", each, "KB", Some(30.0), BetterWhen::Lower));
    rows.push(plain(&format!("relay CPU, {agents} idle agents"), percent(cpu, window), "% core"));
    Ok(rows)
}

/// The customer's window, connected to the first agent.
fn a_window(programs: &Path, scratch: &Path) -> Result<Vec<BenchmarkRow>> {
    eprintln!("the window is opened, and idles");
    let (program, socket) = (programs.join("nearhand-window"), scratch.join("agent/run/agent.sock"));
    // A thread without a runtime: what looks at the window has its own.
    let opened = std::thread::spawn(move || window::measure(&program, &socket)).join();
    opened.map_err(|_| anyhow::anyhow!("the window's measurement broke off"))?
}

/// Sizes of the stripped programs.
fn sizes(programs: &Path, with_window: bool) -> Result<Vec<BenchmarkRow>> {
    let mut rows = Vec::new();
    let names = ["nearhand-agent", "nearhand-window", "nearhand-relay", "nearhand"];
    for name in names.into_iter().filter(|name| with_window || *name != "nearhand-window") {
        let size =
            std::fs::metadata(programs.join(name)).with_context(|| format!("{name} is not built"))?.len();
        #[allow(clippy::cast_precision_loss, reason = "shown with three decimals")]
        rows.push(plain(&format!("{name}, stripped"), size as f64 / 1e6, "MB"));
    }
    Ok(rows)
}

/// An agent whose relay is gone, and stays so; and what it has grown by when that relay had been gone twice before.
async fn orphan(programs: &Path, dir: &Path, times: u32) -> Result<(peers::MeasuredProgram, BenchmarkRow)> {
    let dir = dir.join("orphan");
    std::fs::create_dir_all(&dir)?;
    let mut relay = BenchmarkRelay::start(programs, &dir, 10)?;
    let organisation = relay.claim().await?;
    let agent = real_agent(&relay, programs, &dir, &organisation).await?;
    eprintln!("a relay goes and comes back, {times} times");
    let before = memory(agent.id())?.own;
    for _ in 0..times {
        relay.kill()?;
        wait_for_status(programs, &dir, false).await?;
        relay.start_again()?;
        wait_for_status(programs, &dir, true).await?;
    }
    let grown = (memory(agent.id())?.own - before) / 1e3;
    let row = BenchmarkRow::new(
        "agent, its relay gone and back twice, RSS growth",
        grown,
        "KB",
        Some(500.0),
        BetterWhen::Lower,
    );
    drop(relay);
    Ok((peers::MeasuredProgram::new("agent without its relay", agent), row))
}

/// All at the same time: ours, ours without its relay, and the others.
async fn idle_agents(
    agent: &peers::MeasuredProgram,
    orphan: &peers::MeasuredProgram,
    others: &[peers::MeasuredProgram],
    FootprintPlan { settle, alone: window, .. }: FootprintPlan,
) -> Result<Vec<BenchmarkRow>> {
    eprintln!("agents idle for {} s", window.as_secs());
    sleep(settle).await;
    let before = cpu_time(agent.process().id(), None)?;
    let orphaned = memory(orphan.process().id())?.own;
    let all = [agent, orphan].into_iter().chain(others).collect::<Vec<_>>();
    let rest = peers::idle(&all, window).await?;
    let cpu = cpu_time(agent.process().id(), None)?.saturating_sub(before);
    let memory_now = memory(agent.process().id())?;
    let grown = (memory(orphan.process().id())?.own - orphaned) / 1e3;
    let mut rows = vec![
        BenchmarkRow::new("agent idle RSS", memory_now.resident / 1e6, "MB", Some(12.0), BetterWhen::Lower),
        plain("agent idle RSS, not of files", memory_now.own / 1e6, "MB"),
        BenchmarkRow::new("agent idle CPU", percent(cpu, window), "% core", Some(0.05), BetterWhen::Lower),
        BenchmarkRow::new("agent without its relay, RSS growth", grown, "KB", Some(100.0), BetterWhen::Lower),
    ];
    rows.extend(rest);
    Ok(rows)
}

fn plain(name: &str, value: f64, unit: &'static str) -> BenchmarkRow {
    BenchmarkRow::new(name, value, unit, None, BetterWhen::Lower)
}

fn percent(cpu: Duration, of: Duration) -> f64 {
    cpu.as_secs_f64() / of.as_secs_f64() * 100.0
}

/// The real program, enrolled and connected.
async fn real_agent(
    relay: &BenchmarkRelay,
    programs: &Path,
    dir: &Path,
    organisation: &SecretKey,
) -> Result<BenchmarkProcess> {
    let program = programs.join("nearhand-agent");
    let (invite, one_time) = invite(organisation, Role::Device, "the real one")?;
    let string = EnrolmentString {
        relay: relay.address.clone(),
        organisation: organisation.public(),
        invite,
        secret: OneTime::new(*one_time.seed()),
    };
    let mut enrol = Command::new(&program)
        .args(["--data", "agent", "enrol", "-"])
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    enrol.stdin.take().context("no input")?.write_all(string.reveal().as_bytes())?;
    ensure!(enrol.wait()?.success(), "the agent can't be enrolled");
    let agent = BenchmarkProcess::start(&program, &["--data", "agent", "--log", "error", "run"], dir)?;
    wait_for_status(programs, dir, true).await?;
    Ok(agent)
}

/// Until the agent there is connected, or knows that it is not.
async fn wait_for_status(programs: &Path, dir: &Path, connected: bool) -> Result<()> {
    let until = Instant::now() + NOTICED;
    while is_connected(&programs.join("nearhand-agent"), dir)? != connected {
        ensure!(Instant::now() < until, "the agent doesn't get to be connected: {connected}");
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

fn is_connected(program: &Path, dir: &Path) -> Result<bool> {
    let status = Command::new(program)
        .args(["--data", "agent", "status"])
        .current_dir(dir)
        .stderr(Stdio::null())
        .output()?;
    Ok(String::from_utf8_lossy(&status.stdout).contains(": connected\n"))
}
