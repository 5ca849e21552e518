//! A soak: everything at once for a long time, and whether anything grows that shouldn't.
//!
//! Thirty real agents on one relay, of which one has a display; alarms that begin and end on all of them and are told to a
//! receiver; five sessions at a time: two chats that last, a diagnosis after the other, two technicians who watch the screen.
//! From outside, every few seconds, each program's memory, open files and threads ([`UsageWatch`]). Must not live here: how the
//! programs keep their promises.

mod watch;
mod work;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use serde_json::Value;

use crate::crash_test::{AgentWorkload, ReceiverProcess, enrol, sleep_until, tell_relay};
use crate::deployment::{LIMIT, TestDeployment};
use crate::parties::{TestAgent, TestClient};
use crate::program::until;
use crate::rows::{BenchmarkRow, BetterWhen};
use crate::screen_device::ScreenDevice;
use watch::{ProgramKind, UsageWatch};
use work::WorkDone;

/// What is run.
#[derive(Clone, Debug)]
pub struct SoakPlan {
    /// For how long, after everything has started.
    pub lasts: Duration,
    /// Real agents, of which one has a display.
    pub agents: u64,
    /// The receiver's program.
    pub receiver: PathBuf,
}

/// How often programs are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// Of the whole time, the first part isn't counted: programs fill their caches and pools.
const WARM_UP: u32 = 3;

/// A program's growth that is still none, in KB (10^3 bytes) a minute. An agent in a session keeps what was said, and its pools
/// of memory come and go with sessions; a relay's log of alarms and its connections' windows do, too.
const AGENT_GROWS: f64 = 16.0;
const RELAY_GROWS: f64 = 64.0;
const CLIENT_GROWS: f64 = 32.0;
/// A line through open files that rise and fall with sessions is never quite level: this growth a minute counts as none.
const FILES_GROW: f64 = 0.1;

/// Runs one.
///
/// # Errors
/// A program doesn't start, or what is done all the time fails.
pub fn run(plan: &SoakPlan) -> Result<Vec<BenchmarkRow>> {
    let mut desk = ScreenDevice::new("\"view\", \"control\", \"diagnostics\"")?;
    let receiver = ReceiverProcess::start(&plan.receiver, &desk.site)?;
    tell_relay(&mut desk.site, receiver.port())?;
    let mut agents: Vec<(TestAgent, AgentWorkload)> = Vec::new();
    for number in 1..plan.agents {
        let (agent, watched) = enrol(&desk.site, number)?;
        agent.allow("\"diagnostics\"", true)?;
        agents.push((agent, watched));
    }
    // As the relay sees it: the desk itself may not have noticed yet that its relay was started again.
    until(LIMIT, "the desk is connected again", || {
        Ok(desk.site.listed("desk")?.get("online") == Some(&Value::Bool(true)))
    })?;
    let mut chats = chats(&desk.site)?;
    let watch = UsageWatch::of(&programs(&desk, &agents, &chats, &receiver)?);
    let (done, began) = (WorkDone::default(), Instant::now());
    let over = AtomicBool::new(false);
    let watched = thread::scope(|scope| -> Result<UsageWatch> {
        let ends = SoakStopper(&over);
        let mut tasks = Vec::new();
        let (over, done, desk) = (&over, &done, &desk);
        for client in &mut chats {
            tasks.push(scope.spawn(move || work::talk(client, over, done)));
        }
        tasks.push(scope.spawn(move || work::diagnose(&desk.site, plan.agents, over, done)));
        for _ in 0..2 {
            tasks.push(scope.spawn(move || work::look(desk, over, done)));
        }
        tasks.push(scope.spawn(move || work::paint(desk, over)));
        tasks.push(scope.spawn(|| work::alarm(&mut agents, over, done)));
        let mut watch = watch;
        while began.elapsed() < plan.lasts {
            watch.look(began.elapsed())?;
            if let Some(task) = tasks.iter().position(thread::ScopedJoinHandle::is_finished) {
                let ended = tasks.swap_remove(task).join().map_err(|_| anyhow!("a part of it panicked"))?;
                ended.context("a part of it gave up")?;
                return Err(anyhow!("a part of it ended before its time"));
            }
            sleep_until(Instant::now() + LOOK);
        }
        drop(ends);
        for task in tasks {
            task.join().map_err(|_| anyhow!("a part of it panicked"))?.context("a part of it gave up")?;
        }
        Ok(watch)
    })?;
    for client in &mut chats {
        client.end()?;
    }
    let told = work::settle(&agents, &receiver);
    verdict(plan, &desk.site, &watched, &done, told)
}

/// Ends all background work when it is dropped, also after an error.
struct SoakStopper<'a>(&'a AtomicBool);

impl Drop for SoakStopper<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Two sessions that last.
fn chats(site: &TestDeployment) -> Result<Vec<TestClient>> {
    ["till 1", "till 2"]
        .into_iter()
        .map(|label| {
            let mut client = site.admin().connect(label, &[])?;
            client.event("connected")?;
            Ok(client)
        })
        .collect()
}

/// Who is looked at: kind and process id.
fn programs(
    desk: &ScreenDevice,
    agents: &[(TestAgent, AgentWorkload)],
    chats: &[TestClient],
    receiver: &ReceiverProcess,
) -> Result<Vec<(ProgramKind, i32)>> {
    let mut programs = vec![
        (ProgramKind::Relay, desk.site.relay.pid()),
        (ProgramKind::AgentWithADisplay, desk.agent.program.pid()),
    ];
    programs.extend(agents.iter().map(|(agent, _)| (ProgramKind::Agent, agent.program.pid())));
    programs.extend(chats.iter().map(|client| (ProgramKind::Client, client.program.pid())));
    // Behind `env` and its kin a place may put a shell: what is looked at is the program itself.
    for (kind, pid) in &programs {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm"))?;
        anyhow::ensure!(name.starts_with("nearhand"), "{kind:?} {pid} is {name}");
    }
    anyhow::ensure!(receiver.pid() > 0, "the receiver runs");
    Ok(programs)
}

fn verdict(
    plan: &SoakPlan,
    site: &TestDeployment,
    watch: &UsageWatch,
    done: &WorkDone,
    told: Result<u64>,
) -> Result<Vec<BenchmarkRow>> {
    let warm = plan.lasts / WARM_UP;
    let mut rows = Vec::new();
    let plain = |name: &str, value: f64| BenchmarkRow::new(name, value, "", None, BetterWhen::Higher);
    let bounded = |name: &str, value: f64, unit: &'static str, most: f64| {
        BenchmarkRow::new(name, value, unit, Some(most), BetterWhen::Lower)
    };
    rows.push(BenchmarkRow::new("lasted", plan.lasts.as_secs_f64() / 60.0, "min", None, BetterWhen::Higher));
    for (kind, most) in [
        (ProgramKind::Relay, RELAY_GROWS),
        (ProgramKind::Agent, AGENT_GROWS),
        (ProgramKind::AgentWithADisplay, AGENT_GROWS),
        (ProgramKind::Client, CLIENT_GROWS),
    ] {
        let name = kind.name();
        let growth = watch.growth(kind, warm);
        rows.push(bounded(&format!("{name}: memory grows"), growth.memory / 1000.0, "KB/min", most));
        rows.push(bounded(&format!("{name}: open files grow"), growth.files, "/min", FILES_GROW));
        rows.push(bounded(&format!("{name}: threads grow"), growth.threads, "/min", FILES_GROW));
        rows.push(BenchmarkRow::new(
            &format!("{name}: memory at the end"),
            watch.last_memory(kind) / 1e6,
            "MB",
            None,
            BetterWhen::Lower,
        ));
    }
    let panics = site.logs().lines(|line| line.contains("panicked at"));
    let errors = site.logs().lines(|line| line.contains("ERROR"));
    let warnings = site.logs().lines(|line| line.contains(" WARN "));
    watch::say("panic", &panics);
    watch::say("error", &errors);
    watch::say("warning", &warnings);
    let raised = done.alarms();
    let lost = told.map(|told| raised.abs_diff(told));
    rows.push(bounded("panics", count(panics.len())?, "", 0.0));
    rows.push(bounded("lines of errors in logs", count(errors.len())?, "", 0.0));
    rows.push(bounded("programs that ended by themselves", count(watch.gone())?, "", 0.0));
    rows.push(bounded("failed steps of the work", count(done.failures())?, "", 0.0));
    rows.push(bounded("alarms lost or told twice", count(usize::try_from(lost?)?)?, "", 0.0));
    rows.push(plain("lines of warnings in logs", count(warnings.len())?));
    rows.push(plain("samples of each program", count(watch.samples())?));
    for (name, value) in done.counts() {
        rows.push(plain(name, count(usize::try_from(value)?)?));
    }
    Ok(rows)
}

fn count(number: usize) -> Result<f64> {
    Ok(u32::try_from(number)?.into())
}
