//! The crash test of alarms: agents raise and end alarms while agents, relay and receiver are killed at random moments, and
//! at the end what was raised must be what was delivered.
//!
//! Two kinds of devices. Real agents watch files whose age the test changes ([`workload`]); an alarm counts as raised
//! once the agent says so itself. Light ones speak the protocol ([`streams`]) and keep a batch on the way nearly all the
//! time, so that hardly a kill of the relay misses one. The receiver is a separate process that syncs what it was
//! told before it says so ([`receiver`]). What was promised is checked from outside ([`verdict`]). Must not live here:
//! anything about how the programs keep their promises.

mod receiver;
mod rng;
mod streams;
mod verdict;
mod workload;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use nearhand_transport::platform::write_private;
use rand_core::{OsRng, RngCore};

pub use receiver::ReceiverProcess;
pub use rng::{SeededRng, sleep_until};
use verdict::{DeliveryFaults, ExpectedEvents};
pub use workload::{AgentWorkload, enrol};

use crate::deployment::TestDeployment;
use crate::parties::TestAgent;
use crate::program::until;
use crate::wire_client::WireEndpoint;

/// How long what is on its way may take to arrive once nothing is killed any more.
const SETTLES: Duration = Duration::from_secs(60);
/// Longest crash test: an alarm that changes in more minutes than this allows would count as one that comes and goes.
pub const LONGEST: Duration = Duration::from_secs(600);

/// An agent and what it watches.
type Driven = (TestAgent, AgentWorkload);

/// How a crash test is run.
#[derive(Clone, Debug)]
pub struct CrashTestPlan {
    /// How long programs are killed; at most [`LONGEST`].
    pub lasts: Duration,
    /// How many real agents raise alarms.
    pub agents: u64,
    /// How many light devices send events.
    pub streams: u8,
    /// What all moments are drawn from.
    pub seed: u64,
    /// The receiver's program.
    pub receiver: PathBuf,
}

/// What it came to.
#[derive(Clone, Debug, Default)]
pub struct CrashTestReport {
    /// How often agents were killed.
    pub agents_killed: u64,
    /// How often the relay was.
    pub relay_killed: u64,
    /// How often the receiver was.
    pub receiver_killed: u64,
    /// Changes of alarms that the agents were made to see.
    pub raised: u64,
    /// Different notices that the receiver has.
    pub delivered: u64,
    /// Notices that it was told again, with an id that it knew.
    pub again: u64,
    /// Events of the light devices that the relay has acknowledged.
    pub acknowledged: u64,
    /// Batches that they had to send again.
    pub resent: u64,
    /// What was wrong at the end, the first of it: empty if every promise was kept.
    pub faults: Vec<String>,
    /// How much that is.
    pub fault_count: u64,
}

/// A seed that nobody chose.
pub fn any_seed() -> u64 {
    OsRng.next_u64()
}

/// Carries one out.
///
/// # Errors
/// A program doesn't start, or can't be asked. What is wrong with alarms is in the [`CrashTestReport`].
pub fn run(plan: &CrashTestPlan) -> Result<CrashTestReport> {
    ensure!(plan.lasts <= LONGEST, "at most {LONGEST:?}: alarms would count as coming and going");
    let mut site = TestDeployment::new()?;
    let receiver = ReceiverProcess::start(&plan.receiver, &site)?;
    tell_relay(&mut site, receiver.port())?;
    let agents = (0..plan.agents).map(|n| enrol(&site, n)).collect::<Result<Vec<_>>>()?;
    let wire = WireEndpoint::new()?;
    let devices = (0..plan.streams)
        .map(|n| wire.enrol(&site.enrolment(&format!("light {n}"))?))
        .collect::<Result<Vec<_>>>()?;
    let reader = wire.join(&site.invite("Grace")?)?;

    let (over, stop) = (Instant::now() + plan.lasts, AtomicBool::new(false));
    let mut report = CrashTestReport::default();
    let mut expected = ExpectedEvents::default();
    // What a thread has started ends with the thread: everything is handed back, and begun once more from here.
    let (site, receiver, agents) =
        thread::scope(|scope| -> Result<(TestDeployment, ReceiverProcess, Vec<Driven>)> {
            let seeded = |n: u64| SeededRng::new(plan.seed, n);
            let (of_relay, of_receiver) = (seeded(1), seeded(2));
            let relay = scope.spawn(move || kill_relay(site, over, of_relay));
            let hook = scope.spawn(move || receiver.kill_until(over, of_receiver));
            let driven: Vec<_> = (10..)
                .zip(agents)
                .map(|(n, (agent, watched))| {
                    let rng = seeded(n);
                    scope.spawn(move || workload::drive(agent, watched, over, rng))
                })
                .collect();
            // The light ones end with what is known to be stored, which takes a relay that stays; and they end also when
            // something else goes wrong.
            let ends = StreamStopper(&stop);
            let (stop, wire) = (&stop, &wire);
            let sent: Vec<_> = (1..)
                .zip(&devices)
                .map(|(n, device)| {
                    let rng = seeded(100 + u64::from(n));
                    scope.spawn(move || streams::send(wire, device, n, stop, rng))
                })
                .collect();
            let (mut site, mut receiver, mut agents) = (joined(relay)?, joined(hook)?, Vec::new());
            site.0.restart_relay()?;
            receiver.0.restart()?;
            for one in driven {
                let (mut agent, watched, kills) = joined(one)?;
                agent.restart()?;
                report.agents_killed += kills;
                agents.push((agent, watched));
            }
            (report.relay_killed, report.receiver_killed) = (site.1, receiver.1);
            drop(ends);
            for one in sent {
                let sent = joined(one)?;
                report.acknowledged += sent.events;
                report.resent += sent.again;
                expected.streams.insert(sent.instance, sent.events);
            }
            Ok((site.0, receiver.0, agents))
        })?;
    for (_, watched) in &agents {
        expected.alarms.extend(watched.turns());
    }
    report.raised = expected.alarms.values().sum();
    let came = settle(&agents, &receiver, report.raised);
    let heard = receiver.heard()?;
    (report.delivered, report.again) = (heard.notices(), heard.again);
    let mut faults = DeliveryFaults::default();
    if let Err(error) = came {
        faults.add(format!("{error:#}"));
    }
    verdict::of_receiver(&expected, &heard, &mut faults);
    verdict::of_relay(&expected, &wire, &reader, &mut faults)?;
    verdict::of_logs(site.logs(), &mut faults);
    (report.fault_count, report.faults) = (faults.count(), faults.into_list());
    Ok(report)
}

/// Stops the light devices.
struct StreamStopper<'a>(&'a AtomicBool);

impl Drop for StreamStopper<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn joined<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().map_err(|_| anyhow!("a thread of the crash test panicked"))?
}

/// Names the receiver in the relay's configuration.
///
/// # Errors
/// The relay doesn't start with it.
pub fn tell_relay(site: &mut TestDeployment, port: u16) -> Result<()> {
    write_private(&site.data().join("hook.secret"), b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?;
    let file = site.data().join("relay.toml");
    let text = std::fs::read_to_string(&file)?;
    // Each change is looked for, however often an alarm comes and goes.
    ensure!(text.contains("[limits]\n"), "relay.toml has no limits");
    let mut text = text.replacen("[limits]\n", "[limits]\nmax_alarm_changes_told = 0\n", 1);
    // It is never away for long, and nothing is given up.
    let waits = ["1"; 48].join(", ");
    text.push_str(&format!(
        "\n[[receivers]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"http://127.0.0.1:{port}/\"\nallow_private = true\n\
         min_severity = \"warning\"\nsecret_file = \"hook.secret\"\nretry_seconds = [0, {waits}]\n"
    ));
    std::fs::write(&file, text)?;
    site.restart_relay()
}

/// Kills the relay at random moments; how often.
fn kill_relay(mut site: TestDeployment, over: Instant, mut rng: SeededRng) -> Result<(TestDeployment, u64)> {
    let mut kills = 0;
    while rng.wait_for_a_kill(Duration::from_millis(400), Duration::from_secs(7), over) {
        site.relay.kill()?;
        kills += 1;
        thread::park_timeout(rng.between(Duration::ZERO, Duration::from_millis(1500)));
        site.restart_relay()?;
    }
    Ok((site, kills))
}

/// Waits until everything has arrived.
fn settle(agents: &[Driven], receiver: &ReceiverProcess, raised: u64) -> Result<()> {
    let what = format!("all {raised} notices at the receiver");
    until(SETTLES, &what, || Ok(receiver.heard()?.notices() >= raised)).with_context(|| {
        receiver.heard().map_or(String::new(), |heard| format!("{} came", heard.notices()))
    })?;
    for (agent, _) in agents {
        until(SETTLES, "nothing waits at the agents", || {
            Ok(workload::report(agent).is_some_and(|report| report.waiting == 0))
        })?;
    }
    Ok(())
}
