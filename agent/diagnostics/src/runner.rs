//! Runs collectors side by side and judges what they bring, as it comes.
//!
//! Lives here: limits (each source's own, the whole run's), order (measuring before loading the machine),
//! progress, cancellation. Must not live here: what is read and what it means. Only this file reads clocks.

use core::time::Duration;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use nearhand_proto::message::session::CheckSet;
use nearhand_proto::time::UnixMillis;
use nearhand_report::model::{Area, Finding, Report};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::diagnosis::{DiagnosticCheck, checks, judge, sources};
use super::facts::child::SystemPrograms;
use super::facts::hang::HangGuard;
use super::facts::probe::ProbeTargets;
use super::facts::root::SystemRoot;
use super::facts::{self, CollectContext, Fact, FactSource, MachineFacts, MissingFact, SourceFacts};
use super::summary;

/// The whole run's limits. Quick and full are promised as 3 s and 20 s; the rest is for judging and reporting.
const QUICK_LIMIT: Duration = Duration::from_millis(2_800);
const FULL_LIMIT: Duration = Duration::from_millis(19_000);

/// Time for one network probe's answer.
const QUICK_PATIENCE: Duration = Duration::from_millis(2_000);
const FULL_PATIENCE: Duration = Duration::from_millis(4_000);

/// Events that wait for a slow receiver before the run waits too.
const EVENTS: usize = 64;

/// What to run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Quick or full set of checks.
    pub set: CheckSet,
    /// Only these parts of the machine; empty for all.
    pub areas: Vec<Area>,
    /// This device's id in hexadecimal; empty without enrolment.
    pub device_id: String,
    /// Whom the network probes ask.
    pub targets: ProbeTargets,
}

impl RunOptions {
    /// A run of `set` over all areas with the default targets.
    pub fn new(set: CheckSet) -> Self {
        Self { set, areas: Vec::new(), device_id: String::new(), targets: ProbeTargets::default() }
    }
}

/// What happens in a run, in this order: one `Started`, then `Checking` and `Finding`, at last one `Finished`.
#[derive(Clone, PartialEq, Debug)]
pub enum RunEvent {
    /// The run begins; `total` is its number of checks.
    Started {
        /// Number of checks.
        total: usize,
    },
    /// A check's facts are being collected.
    Checking {
        /// The check's id.
        id: &'static str,
    },
    /// A check has come out. A check has one finding or more.
    Finding(Box<Finding>),
    /// The run is over, and this is all of it.
    Finished(Box<Report>),
}

/// A run under way. Dropping it cancels the run and ends its child programs.
#[derive(Debug)]
pub struct RunHandle(JoinHandle<()>);

impl RunHandle {
    /// Stops the run; no more events come.
    #[allow(dead_code, reason = "for the session's stop button; dropping does the same")]
    pub fn cancel(&self) {
        self.0.abort();
    }
}

impl Drop for RunHandle {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Begins a run on the current tokio runtime (its time, network and process drivers are needed). It ends by
/// itself when the receiver is dropped.
pub fn run(options: RunOptions) -> (RunHandle, mpsc::Receiver<RunEvent>) {
    let (patience, limit) = match options.set {
        CheckSet::Quick => (QUICK_PATIENCE, QUICK_LIMIT),
        CheckSet::Full => (FULL_PATIENCE, FULL_LIMIT),
    };
    let context = CollectContext {
        root: SystemRoot::new("/"),
        programs: SystemPrograms::default(),
        targets: options.targets.clone(),
        patience,
        now: UnixMillis::from_system(SystemTime::now()),
        hangs: HangGuard::of_process(),
    };
    let collect = |source: FactSource, context: Arc<CollectContext>| facts::collect(source, context);
    start(options, context, limit, collect)
}

fn start<C, F>(
    options: RunOptions,
    context: CollectContext,
    limit: Duration,
    collect: C,
) -> (RunHandle, mpsc::Receiver<RunEvent>)
where
    C: Fn(FactSource, Arc<CollectContext>) -> F + Send + 'static,
    F: Future<Output = Fact<SourceFacts>> + Send + 'static,
{
    let (events, receiver) = mpsc::channel(EVENTS);
    let wanted: Vec<&'static DiagnosticCheck> = checks()
        .filter(|check| options.set == CheckSet::Full || check.set == CheckSet::Quick)
        .filter(|check| options.areas.is_empty() || options.areas.contains(&check.area))
        .collect();
    let run = DiagnosticRun {
        begin: Instant::now(),
        facts: MachineFacts::none(context.now),
        waiting: wanted,
        took: HashMap::new(),
        findings: Vec::new(),
        events,
        options,
    };
    let task = tokio::spawn(async move {
        // An error is a receiver that went away: nobody wants the rest.
        let _ = run.through(Arc::new(context), limit, collect).await;
    });
    (RunHandle(task), receiver)
}

/// Nobody receives the events any more.
struct NoReceiver;

struct DiagnosticRun {
    begin: Instant,
    facts: MachineFacts,
    waiting: Vec<&'static DiagnosticCheck>,
    took: HashMap<FactSource, u64>,
    findings: Vec<Finding>,
    events: mpsc::Sender<RunEvent>,
    options: RunOptions,
}

impl DiagnosticRun {
    async fn through<C, F>(
        mut self,
        context: Arc<CollectContext>,
        limit: Duration,
        collect: C,
    ) -> Result<(), NoReceiver>
    where
        C: Fn(FactSource, Arc<CollectContext>) -> F,
        F: Future<Output = Fact<SourceFacts>> + Send + 'static,
    {
        let deadline = tokio::time::Instant::now() + limit;
        let checks = self.waiting.clone();
        self.tell(RunEvent::Started { total: checks.len() }).await?;
        let sources = self.sources();
        let measuring = sources.iter().filter(|source| source.measures()).count();
        let (measured, calm) = watch::channel(measuring);
        let mut tasks = JoinSet::new();
        for source in &sources {
            let work = collect(*source, Arc::clone(&context));
            tasks.spawn(asked(*source, work, calm.clone(), deadline));
        }
        for check in checks {
            self.tell(RunEvent::Checking { id: check.id }).await?;
        }
        let mut silent: HashSet<FactSource> = sources.iter().copied().collect();
        while let Ok(Some(done)) = tokio::time::timeout_at(deadline, tasks.join_next()).await {
            let Ok((source, fact, took)) = done else { continue };
            silent.remove(&source);
            if source.measures() {
                measured.send_modify(|left| *left = left.saturating_sub(1));
            }
            self.learn(source, fact, took).await?;
        }
        // Ends what still runs, child programs included.
        drop(tasks);
        let late = MissingFact::TimedOut(milliseconds(limit));
        for source in sources.into_iter().filter(|source| silent.contains(source)) {
            self.learn(source, Err(late.clone()), milliseconds(limit)).await?;
        }
        self.finish().await
    }

    /// The sources that the checks need, those that the report's head needs first.
    fn sources(&self) -> Vec<FactSource> {
        let head = [FactSource::Machine, FactSource::Release];
        let needed: HashSet<FactSource> =
            self.waiting.iter().flat_map(|check| sources(check)).chain(head).collect();
        FactSource::ALL.iter().copied().filter(|source| needed.contains(source)).collect()
    }

    /// Keeps what a source brought, and judges the checks that now have all they need.
    async fn learn(
        &mut self,
        source: FactSource,
        fact: Fact<SourceFacts>,
        took: u64,
    ) -> Result<(), NoReceiver> {
        match fact {
            Ok(gathered) => self.facts.keep(gathered),
            Err(missing) => self.facts.miss(source, missing),
        }
        self.took.insert(source, took);
        let (ready, waiting) = self
            .waiting
            .iter()
            .partition(|check| sources(check).all(|source| self.took.contains_key(&source)));
        self.waiting = waiting;
        let ready: Vec<&'static DiagnosticCheck> = ready;
        for check in ready {
            let ms =
                check.needs.iter().filter_map(|source| self.took.get(source)).copied().max().unwrap_or(0);
            for finding in judge(check, &self.facts, ms) {
                self.findings.push(finding.clone());
                self.tell(RunEvent::Finding(Box::new(finding))).await?;
            }
        }
        Ok(())
    }

    async fn finish(self) -> Result<(), NoReceiver> {
        let report = summary::report(
            &self.facts,
            self.findings,
            summary::RunHeader {
                device_id: &self.options.device_id,
                set: self.options.set,
                duration_ms: milliseconds(self.begin.elapsed()),
            },
        );
        self.events.send(RunEvent::Finished(Box::new(report))).await.map_err(|_| NoReceiver)
    }

    async fn tell(&self, event: RunEvent) -> Result<(), NoReceiver> {
        self.events.send(event).await.map_err(|_| NoReceiver)
    }
}

/// One source with its limit. Heavy sources wait until those that measure are done.
async fn asked<F>(
    source: FactSource,
    work: F,
    mut measuring: watch::Receiver<usize>,
    deadline: tokio::time::Instant,
) -> (FactSource, Fact<SourceFacts>, u64)
where
    F: Future<Output = Fact<SourceFacts>>,
{
    if source.is_heavy() {
        // An error is a run that is over; the source is then dropped with it.
        let _ = measuring.wait_for(|left| *left == 0).await;
    }
    let begin = Instant::now();
    let limit = source.limit().min(deadline.saturating_duration_since(tokio::time::Instant::now()));
    let fact = tokio::time::timeout(limit, work).await;
    let fact = fact.unwrap_or_else(|_| Err(MissingFact::TimedOut(milliseconds(limit))));
    (source, fact, milliseconds(begin.elapsed()))
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::load::MemoryUse;
    use nearhand_report::model::FindingStatus;

    fn context() -> CollectContext {
        CollectContext {
            root: SystemRoot::new("/nowhere"),
            programs: SystemPrograms::default(),
            targets: ProbeTargets::default(),
            patience: Duration::from_millis(50),
            now: UnixMillis(1_700_000_000_000),
            hangs: HangGuard::default(),
        }
    }

    async fn all(mut receiver: mpsc::Receiver<RunEvent>) -> (Vec<RunEvent>, Report) {
        let mut events = Vec::new();
        while let Some(event) = receiver.recv().await {
            if let RunEvent::Finished(report) = event {
                return (events, *report);
            }
            events.push(event);
        }
        panic!("the run did not finish");
    }

    #[tokio::test(start_paused = true)]
    async fn every_check_gets_a_finding_even_if_nothing_answers() {
        let hang = |_: FactSource, _: Arc<CollectContext>| std::future::pending::<Fact<SourceFacts>>();
        let options = RunOptions::new(CheckSet::Full);
        let (_handle, receiver) = start(options, context(), FULL_LIMIT, hang);
        let (events, report) = all(receiver).await;
        assert_eq!(events.first(), Some(&RunEvent::Started { total: checks().count() }));
        let seen: HashSet<&str> = report.findings.iter().map(|finding| finding.id.as_str()).collect();
        assert_eq!(seen.len(), checks().count());
        assert!(report.findings.iter().all(|f| f.status == FindingStatus::Skipped && f.reason.is_some()));
        assert!(report.findings[0].reason.as_deref().unwrap().starts_with("no answer within"));
    }

    #[tokio::test]
    async fn findings_come_as_their_facts_do_and_only_of_the_areas_asked_for() {
        let memory = |source: FactSource, _: Arc<CollectContext>| async move {
            match source {
                FactSource::Memory => Ok(SourceFacts::Memory(Box::new(MemoryUse {
                    total: 100,
                    available: Some(50),
                    ..MemoryUse::default()
                }))),
                _ => Err(MissingFact::Absent("x".to_owned())),
            }
        };
        let options = RunOptions { areas: vec![Area::Memory], ..RunOptions::new(CheckSet::Quick) };
        let (_handle, receiver) = start(options, context(), QUICK_LIMIT, memory);
        let (events, report) = all(receiver).await;
        assert!(report.findings.iter().all(|finding| finding.area == Area::Memory));
        let available = report.findings.iter().find(|f| f.id == "memory.available").unwrap();
        assert_eq!(available.status, FindingStatus::Ok);
        let streamed = events.iter().filter(|event| matches!(event, RunEvent::Finding(_))).count();
        assert_eq!(streamed, report.findings.len());
    }

    #[tokio::test]
    async fn heavy_sources_wait_for_the_measuring_ones() {
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let log = Arc::clone(&order);
        let note = move |source: FactSource, _: Arc<CollectContext>| {
            let log = Arc::clone(&log);
            async move {
                if source.measures() {
                    tokio::time::sleep(Duration::from_millis(30)).await;
                }
                log.lock().unwrap().push(source);
                Err(MissingFact::Absent("x".to_owned()))
            }
        };
        let (_handle, receiver) = start(RunOptions::new(CheckSet::Full), context(), FULL_LIMIT, note);
        all(receiver).await;
        let order = order.lock().unwrap();
        let at = |wanted: FactSource| order.iter().position(|source| *source == wanted).unwrap();
        assert!(
            at(FactSource::Pending) > at(FactSource::Activity)
                && at(FactSource::Pending) > at(FactSource::Processes)
        );
    }

    #[tokio::test]
    async fn dropping_the_handle_cancels() {
        let guard = Arc::new(());
        let held = Arc::clone(&guard);
        let hang = move |_: FactSource, _: Arc<CollectContext>| {
            let held = Arc::clone(&held);
            async move {
                let _held = held;
                std::future::pending::<Fact<SourceFacts>>().await
            }
        };
        let (handle, mut receiver) = start(RunOptions::new(CheckSet::Quick), context(), QUICK_LIMIT, hang);
        assert!(matches!(receiver.recv().await, Some(RunEvent::Started { .. })));
        drop(handle);
        while receiver.recv().await.is_some() {}
        assert_eq!(Arc::strong_count(&guard), 1);
    }

    #[tokio::test]
    async fn dropping_the_handle_ends_child_programs() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let tool = dir.path().join("tool");
        // Several sources may run it at once, each with its own file until it is whole.
        let text = "#!/bin/sh\ncd $(dirname $0)\necho $$ > pid.$$\nmv pid.$$ pid\nexec sleep 1000\n";
        std::fs::write(&tool, text).unwrap();
        std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
        let programs = SystemPrograms::only_in(dir.path());
        let collect = move |_: FactSource, _: Arc<CollectContext>| {
            let programs = programs.clone();
            async move {
                Err(programs
                    .run("tool", &[])
                    .await
                    .map_or_else(|missing| missing, |_| MissingFact::TimedOut(0)))
            }
        };
        let options = RunOptions { areas: vec![Area::Memory], ..RunOptions::new(CheckSet::Quick) };
        let (handle, receiver) = start(options, context(), FULL_LIMIT, collect);
        let pid = dir.path().join("pid");
        let waited = async {
            while !pid.exists() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), waited).await.unwrap();
        let stat = format!("/proc/{}/stat", std::fs::read_to_string(&pid).unwrap().trim());
        // Gone, or a zombie that is not collected yet.
        let runs = || std::fs::read_to_string(&stat).is_ok_and(|text| !text.contains(") Z"));
        assert!(runs());
        drop((handle, receiver));
        let ended = async {
            while runs() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap();
    }
}
