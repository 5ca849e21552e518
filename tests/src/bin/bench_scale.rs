//! How many agents one relay carries: memory and processor time for each as their number grows, how fast they join, and how
//! long it takes until all are back after the relay was killed.
//!
//!     bench_scale [--short | --smoke] [--json] [--agents N]
//!
//! The real relay, started from where this program lies, and light agents with the real protocol: their key, their
//! credential, their socket, one control connection each, all in this process on one thread. They come back as agents do:
//! full-jitter waits that grow up to half a minute. What they themselves cost is taken off nothing: with two processors
//! the relay and the crowd share them, so rates are what both reach together. MB and KB are 10^6 and 10^3 bytes.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark's output")]

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nearhand_proto::message::control::RelayRequest;
use nearhand_tests::light_agents::{BenchmarkRelay, LightAgent, allow_files, crowd, memory};
use nearhand_tests::rows::{self, BenchmarkRow, BetterWhen};
use nearhand_tests::udp_load::{cpu_time, quantile};
use nearhand_transport::control::{RelayConnection, backoff};
use rand_core::{OsRng, RngCore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Longest wait between two tries, as agents have it.
const MAX_WAIT: Duration = Duration::from_secs(30);
/// An agent that is not back after this time is lost.
const LOST: Duration = Duration::from_secs(180);

fn main() -> Result<()> {
    let options: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| options.iter().any(|option| option == name);
    let seconds = Duration::from_secs;
    // More than the handshakes' own timers, and one round of keep-alives.
    let settle = seconds(20);
    let mut plan = match (has("--smoke"), has("--short")) {
        (true, _) => ScalePlan { steps: vec![10, 20], settle: seconds(1), window: seconds(1) },
        (_, true) => ScalePlan { steps: vec![100, 1_000], settle, window: seconds(15) },
        _ => ScalePlan { steps: vec![100, 1_000, 3_000, 10_000], settle, window: seconds(60) },
    };
    if let Some(at) = options.iter().position(|option| option == "--agents") {
        plan.steps = vec![options.get(at + 1).context("--agents needs a number")?.parse()?];
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let rows = runtime.block_on(measure(&plan))?;
    rows::write(&mut std::io::stdout().lock(), &rows, has("--json"))?;
    Ok(())
}

/// How many, and how long it is looked at.
struct ScalePlan {
    /// Agents on the relay, one step after the other.
    steps: Vec<usize>,
    /// Before memory is read.
    settle: Duration,
    /// At agents that idle.
    window: Duration,
}

async fn measure(plan: &ScalePlan) -> Result<Vec<BenchmarkRow>> {
    let programs = std::env::current_exe()?.parent().context("no directory")?.to_owned();
    let scratch = tempfile::tempdir()?;
    let most = plan.steps.last().copied().unwrap_or_default();
    allow_files(most)?;
    let mut relay = BenchmarkRelay::start(&programs, scratch.path(), most)?;
    let organisation = relay.claim().await?;
    // Taken after the first connection, so that what any connection needs is there.
    let alone = memory(relay.process.id())?.resident;
    let (mut rows, mut agents) = (Vec::new(), Vec::new());
    for step in &plan.steps {
        let more = step - agents.len();
        eprintln!("{more} light agents join, which makes {step}");
        let began = Instant::now();
        agents.extend(crowd(&relay.address, &organisation, agents.len(), more).await?);
        let rate = number(more)? / began.elapsed().as_secs_f64();
        rows.push(plain(&format!("joined and connected, to {step}"), rate, "1/s", BetterWhen::Higher));
        rows.extend(idle(&relay, *step, alone, plan).await?);
    }
    for (_, connection) in &agents {
        connection.ask(&RelayRequest::Ping).await.context("an idle agent was lost")?;
    }
    rows.extend(storm(&mut relay, agents).await?);
    Ok(rows)
}

/// What a number of idle agents cost.
async fn idle(
    relay: &BenchmarkRelay,
    agents: usize,
    alone: f64,
    &ScalePlan { settle, window, .. }: &ScalePlan,
) -> Result<Vec<BenchmarkRow>> {
    sleep(settle).await;
    let before = cpu_time(relay.process.id(), None)?;
    sleep(window).await;
    let cpu = cpu_time(relay.process.id(), None)?.saturating_sub(before);
    let resident = memory(relay.process.id())?.resident;
    let each = (resident - alone) / number(agents)? / 1e3;
    let share = cpu.as_secs_f64() / window.as_secs_f64() * 100.0;
    Ok(vec![
        plain(&format!("relay RSS, {agents} agents"), resident / 1e6, "MB", BetterWhen::Lower),
        BenchmarkRow::new(
            &format!("RSS per idle agent, {agents}"),
            each,
            "KB",
            Some(30.0),
            BetterWhen::Lower,
        ),
        plain(&format!("relay CPU, {agents} idle agents"), share, "% core", BetterWhen::Lower),
    ])
}

/// The relay is killed and started again: when everybody is back.
async fn storm(
    relay: &mut BenchmarkRelay,
    agents: Vec<(LightAgent, RelayConnection)>,
) -> Result<Vec<BenchmarkRow>> {
    let many = agents.len();
    eprintln!("the relay is killed; {many} agents come back");
    let mut returning = JoinSet::new();
    for (agent, connection) in agents {
        returning.spawn(async move {
            // Nothing else comes: only the end of the connection ends this wait.
            while connection.next_push().await.is_ok() {}
            // With its socket and what it had room for.
            drop(connection);
            come_back(&agent).await
        });
    }
    // Every task waits at its connection before the relay goes.
    tokio::task::yield_now().await;
    relay.kill_and_start()?;
    let began = Instant::now();
    let (mut back, mut kept) = (Vec::with_capacity(many), Vec::with_capacity(many));
    while let Some(one) = returning.join_next().await {
        let (connection, at) = one??;
        kept.push(connection);
        back.push(at.saturating_duration_since(began));
    }
    back.sort_unstable();
    ensure!(back.len() == many, "{} of {many} are back", back.len());
    let target = (many >= 1_000).then_some(60.0);
    let all = quantile(&back, 1.0).as_secs_f64();
    Ok(vec![
        plain(
            &format!("half of {many} are back"),
            quantile(&back, 0.5).as_secs_f64(),
            "s",
            BetterWhen::Lower,
        ),
        BenchmarkRow::new(&format!("all {many} are back"), all, "s", target, BetterWhen::Lower),
    ])
}

/// Tries until the relay takes it, with the waits of an agent. When it did.
async fn come_back(agent: &LightAgent) -> Result<(RelayConnection, Instant)> {
    let until = Instant::now() + LOST;
    let mut attempt = 0;
    loop {
        sleep(backoff(attempt, MAX_WAIT, OsRng.next_u32())).await;
        attempt += 1;
        match agent.try_connect().await {
            Ok(connection) => return Ok((connection, Instant::now())),
            Err(error) => ensure!(Instant::now() < until, "not back in time: {error}"),
        }
    }
}

fn number(of: usize) -> Result<f64> {
    Ok(f64::from(u32::try_from(of)?))
}

fn plain(name: &str, value: f64, unit: &'static str, better: BetterWhen) -> BenchmarkRow {
    BenchmarkRow::new(name, value, unit, None, better)
}
