//! The alarms' own thread: reads what is due, lets the rules judge, writes it down, and only then tells.
//!
//! One thread, because writing to disk takes its time and the agent's only other one must not wait for it. It sleeps
//! until something is due or somebody asks.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use nearhand_proto::alarm::{AlarmEvent, AlarmTransition, DeviceReport};
use nearhand_proto::id::StreamId;
use nearhand_rules::rule::MAX_INSTANCES;
use nearhand_rules::{Engine, EngineTime, RuleSet, SensorReading, StateRow};
use rand_core::OsRng;
use tokio::sync::{mpsc, watch};

use super::clock::AlarmClocks;
use super::notes::{AlarmNotes, untold};
use super::orders::{AlarmOrder, AlarmProgress, AlarmStatus, RaisedAlarm};
use super::probes::ProbePlan;
use super::rules_file::{self, FileStamp};
use super::sampler::AlarmSampler;
use nearhand_agent_core::schedule::AlarmProbe;
use nearhand_spool::{Spool, SpoolError, SpoolOwner};

/// How often everything the rules know is written, in milliseconds: at a crash, windows are that old at most.
const SAVE_EVERY: u64 = 300_000;
/// Events that wait in memory while nothing can be written.
const MAX_UNSAVED: usize = 1000;
/// Longest sleep, for what is due by other clocks.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// Rows that hold paths in logs and the like, under a name that no rule can have.
const NOTES: &str = "note:";

/// The files of the alarms.
#[derive(Clone, Debug)]
pub(crate) struct AlarmPaths {
    /// The agent's directory.
    pub(crate) dir: PathBuf,
    /// The rules file.
    pub(crate) rules: PathBuf,
    /// Whose spool it is.
    pub(crate) owner: SpoolOwner,
}

/// The thread's state.
pub(crate) struct AlarmWorker {
    paths: AlarmPaths,
    clocks: AlarmClocks,
    spool: Spool,
    engine: Engine,
    set: RuleSet,
    sampler: AlarmSampler,
    notes: AlarmNotes,
    notes_saved: AlarmNotes,
    rules_seen: FileStamp,
    rules_problem: Option<String>,
    spool_problem: Option<String>,
    /// What could not be written yet.
    unsaved: (Vec<AlarmEvent>, Vec<StateRow>),
    given_up: u64,
    saved_at: u64,
    progress: watch::Sender<AlarmProgress>,
    wanted: watch::Sender<ProbePlan>,
    /// Alarms that begin or get worse.
    begun: mpsc::Sender<RaisedAlarm>,
}

impl AlarmWorker {
    /// Opens the spool and goes on from where an earlier run was.
    pub(crate) fn open(
        paths: AlarmPaths,
        begun: mpsc::Sender<RaisedAlarm>,
    ) -> Result<(Self, watch::Receiver<AlarmProgress>, watch::Receiver<ProbePlan>), SpoolError> {
        let clocks = AlarmClocks::new();
        let now = clocks.now();
        let spool = Spool::open(&paths.dir, &paths.owner, StreamId::random(&mut OsRng), now.wall)?;
        let rules_seen = FileStamp::of(&paths.rules);
        let (set, rules_problem) = match rules_file::load_own(&paths.rules) {
            Ok(set) => (set, None),
            Err(error) => {
                tracing::error!(%error, "the rules that come with the program are in force");
                (
                    RuleSet::of_profile(rules_file::likely_profile(std::path::Path::new("/"))),
                    Some(error.to_string()),
                )
            }
        };
        let (noted, rows): (Vec<_>, Vec<_>) = spool.rows()?.into_iter().partition(|row| row.rule == NOTES);
        let notes: AlarmNotes =
            noted.into_iter().filter_map(|row| Some((row.instance, row.state?))).collect();
        let (engine, expired) = Engine::restore(set.rules.clone(), &rows, now);
        let sampler = AlarmSampler::new(&set, now, &notes);
        let progress = AlarmProgress { stream: spool.stream(), profile: set.profile, newest: spool.newest() };
        let (progress, progress_of) = watch::channel(progress);
        let (wanted, wanted_of) = watch::channel(ProbePlan::of(&set, &sampler.schedule, &notes));
        let mut keeper = Self {
            paths,
            clocks,
            spool,
            engine,
            set,
            sampler,
            notes_saved: notes.clone(),
            notes,
            rules_seen,
            rules_problem,
            spool_problem: None,
            unsaved: (Vec::new(), Vec::new()),
            given_up: 0,
            saved_at: now.monotonic,
            progress,
            wanted,
            begun,
        };
        keeper.write(expired);
        // Where logs are read from is known from here on.
        keeper.save();
        Ok((keeper, progress_of, wanted_of))
    }

    /// Works until it is told to stop, or nobody is left to tell it.
    pub(crate) fn run(mut self, orders: &Receiver<AlarmOrder>) {
        loop {
            let now = self.clocks.now();
            let due = self.sampler.schedule.next().unwrap_or(u64::MAX).saturating_sub(now.monotonic);
            let mut next = orders.recv_timeout(Duration::from_millis(due).min(LONGEST_SLEEP));
            // All that waits, before anything is looked at: looking may take a second, and what was learned meanwhile (the
            // relay's time) belongs into what is raised.
            loop {
                match next {
                    Ok(AlarmOrder::Stop(done)) => {
                        self.save();
                        // Nobody waits any more: that is no error.
                        let _ = done.send(());
                        return;
                    }
                    Ok(order) => self.handle(order),
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => return self.save(),
                }
                next = orders.try_recv().map_err(|error| match error {
                    TryRecvError::Empty => RecvTimeoutError::Timeout,
                    TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
                });
            }
            self.look();
        }
    }

    fn handle(&mut self, order: AlarmOrder) {
        match order {
            AlarmOrder::Readings(readings) => self.judge(&readings),
            AlarmOrder::UncleanStarts(at) => {
                let now = self.clocks.now();
                let count = untold("unclean.told", at.into_iter(), now, &mut self.notes);
                self.judge(&[SensorReading::one("boot.unclean", count)]);
            }
            AlarmOrder::Note(key, value) => {
                self.notes.insert(key, value);
            }
            AlarmOrder::ClockAhead(ms) => self.clocks.learn(ms),
            AlarmOrder::Batch(reply) => {
                let batch = self.spool.batch();
                let batch = batch.inspect_err(|error| tracing::error!(%error, "what waits can't be read"));
                let _ = reply.send(batch.ok().flatten());
            }
            AlarmOrder::RelayHas(stream, through) => {
                let done = self.spool.relay_has(stream, through, StreamId::random(&mut OsRng));
                self.renewed(done);
            }
            AlarmOrder::Foreign(stream) => {
                let done = self.spool.is_foreign(stream, StreamId::random(&mut OsRng));
                self.renewed(done);
            }
            AlarmOrder::Acknowledged(stream, through) => {
                let fresh = StreamId::random(&mut OsRng);
                if let Err(error) = self.spool.acknowledged(stream, through, fresh) {
                    tracing::error!(%error, "what the relay has can't be removed; it is sent again, and taken once");
                }
                self.tell();
            }
            AlarmOrder::Status(reply) => {
                let _ = reply.send(self.status());
            }
            AlarmOrder::Reported(report) => self.reported(*report),
            AlarmOrder::Reload => self.reload(),
            AlarmOrder::Stop(_) => {}
        }
    }

    fn renewed(&mut self, done: Result<(), SpoolError>) {
        if let Err(error) = done {
            tracing::error!(%error, "the alarms' spool can't begin another stream; it is tried again");
        }
        self.tell();
    }

    /// Reads what is due.
    fn look(&mut self) {
        if FileStamp::of(&self.paths.rules) != self.rules_seen {
            self.reload();
        }
        let now = self.clocks.now();
        let due = self.sampler.schedule.due(now.monotonic);
        if due.is_empty() {
            return;
        }
        let mut readings = Vec::new();
        for probe in due {
            match probe {
                AlarmProbe::Own => readings.extend(self.own(now)),
                other => readings.extend(self.sampler.read(other, now, &mut self.notes)),
            }
        }
        self.judge(&readings);
        if now.monotonic.saturating_sub(self.saved_at) >= SAVE_EVERY {
            self.save();
        }
    }

    fn own(&mut self, now: EngineTime) -> Vec<SensorReading> {
        self.spool.keep_reserve();
        let oldest = self.spool.oldest().ok().flatten();
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of years fit")]
        let age = oldest.map_or(0.0, |oldest| now.wall.0.saturating_sub(oldest.0) as f64 / 1000.0);
        let problem = f64::from(u8::from(self.rules_problem.is_some()));
        vec![SensorReading::one("spool.age", age), SensorReading::one("rules.problem", problem)]
    }

    fn judge(&mut self, readings: &[SensorReading]) {
        let events = self.engine.step(self.clocks.now(), readings);
        for event in &events {
            tracing::info!(rule = event.rule, instance = event.instance, transition = %event.transition,
                severity = %event.severity, "{}", event.summary);
        }
        let begins = |event: &&AlarmEvent| {
            matches!(event.transition, AlarmTransition::Raised | AlarmTransition::Worsened)
        };
        let begun: Vec<RaisedAlarm> = events
            .iter()
            .filter(begins)
            .map(|event| RaisedAlarm {
                rule: event.rule.clone(),
                instance: event.instance.clone(),
                severity: event.severity,
                runbook: event.runbook.clone(),
                diagnose: self.set.diagnose,
            })
            .collect();
        self.write(events);
        for one in begun {
            // Busy with others: the alarm stands, and is told without.
            if let Err(error) = self.begun.try_send(one) {
                tracing::warn!(%error, "an alarm was not looked into: too many at once");
            }
        }
    }

    /// Writes down what a diagnosis or a runbook found out about an alarm.
    fn reported(&mut self, report: DeviceReport) {
        tracing::info!(rule = report.rule, instance = report.instance, deed = ?report.deed, "{}", report.title);
        match self.spool.report(report) {
            Ok(()) => self.tell(),
            // The alarm itself is told; this would only have explained it.
            Err(error) => tracing::warn!(%error, "what was found out about an alarm can't be written down"),
        }
    }

    /// Writes events with what led to them; what can't be written waits here and is tried again.
    fn write(&mut self, events: Vec<AlarmEvent>) {
        self.unsaved.0.extend(events);
        self.unsaved.1.extend(self.engine.changed_rows());
        if self.unsaved.0.is_empty() && self.unsaved.1.is_empty() {
            return;
        }
        if self.notes != self.notes_saved {
            // What was read up to a place is in the state that goes with it, or it would count twice or never.
            self.unsaved.1 = self.everything();
        }
        match self.spool.commit(&self.unsaved.0, &self.unsaved.1) {
            Ok(()) => {
                self.unsaved = (Vec::new(), Vec::new());
                self.notes_saved = self.notes.clone();
                self.given_up = 0;
                if self.spool_problem.take().is_some() {
                    tracing::info!("alarms can be written again");
                }
                self.tell();
            }
            Err(error) if error.is_damage() => self.begin_again(&error),
            Err(error) => self.wait_for_room(&error),
        }
    }

    fn wait_for_room(&mut self, error: &SpoolError) {
        let words = error.to_string();
        if self.spool_problem.as_ref() != Some(&words) {
            tracing::error!(error = words, "alarms can't be written down; they are told once they are");
        }
        self.spool_problem = Some(words);
        let many = self.unsaved.0.len().saturating_sub(MAX_UNSAVED);
        if many > 0 {
            self.unsaved.0.drain(..many);
            self.given_up = self.given_up.saturating_add(u64::try_from(many).unwrap_or(u64::MAX));
            tracing::error!(
                given_up = self.given_up,
                "too many alarms wait in memory: the oldest are given up"
            );
        }
        // The newest state of each alarm is enough.
        self.unsaved.1 = self.everything();
    }

    /// The spool broke while it was used: another takes its place, with all that still goes on.
    fn begin_again(&mut self, error: &SpoolError) {
        tracing::error!(%error, "the alarms' spool broke; another one begins with all alarms that are open");
        let now = self.clocks.now();
        match Spool::open(&self.paths.dir, &self.paths.owner, StreamId::random(&mut OsRng), now.wall) {
            Ok(spool) => {
                self.spool = spool;
                self.unsaved = (Vec::new(), Vec::new());
                match self.spool.commit(&self.engine.open(now), &self.engine.all_rows()) {
                    Ok(()) => self.tell(),
                    Err(error) => self.wait_for_room(&error),
                }
            }
            Err(error) => self.wait_for_room(&error),
        }
    }

    /// Writes what the rules know.
    fn save(&mut self) {
        self.saved_at = self.clocks.now().monotonic;
        self.unsaved.1 = self.everything();
        self.write(Vec::new());
    }

    /// All rows that are worth keeping.
    fn everything(&mut self) -> Vec<StateRow> {
        let mut rows = self.engine.changed_rows();
        rows.extend(self.unsaved.1.drain(..).filter(|row| row.state.is_none()));
        rows.retain(|row| row.state.is_none());
        rows.extend(self.engine.all_rows());
        let note = |(key, value): (&String, &Vec<u8>)| StateRow {
            rule: NOTES.to_owned(),
            instance: key.clone(),
            state: Some(value.clone()),
        };
        rows.extend(self.notes.iter().map(note));
        rows
    }

    fn reload(&mut self) {
        self.rules_seen = FileStamp::of(&self.paths.rules);
        match rules_file::load_own(&self.paths.rules) {
            Ok(set) => {
                self.rules_problem = None;
                if set == self.set {
                    return;
                }
                let now = self.clocks.now();
                let expired = self.engine.replace(set.rules.clone(), now);
                self.sampler = AlarmSampler::new(&set, now, &self.notes);
                tracing::info!(rules = set.rules.len(), "other rules from now on");
                self.set = set;
                self.wanted.send_replace(ProbePlan::of(&self.set, &self.sampler.schedule, &self.notes));
                self.write(expired);
                self.tell();
            }
            Err(error) => {
                tracing::error!(%error, "the rules before it stay in force");
                self.rules_problem = Some(error.to_string());
            }
        }
    }

    fn tell(&self) {
        let now = AlarmProgress {
            stream: self.spool.stream(),
            profile: self.set.profile,
            newest: self.spool.newest(),
        };
        self.progress.send_if_modified(|before| core::mem::replace(before, now) != now);
    }

    fn status(&self) -> AlarmStatus {
        let mut problems: Vec<String> =
            self.rules_problem.iter().chain(&self.spool_problem).cloned().collect();
        problems.extend(self.engine.left_out().into_iter().map(|(rule, count)| {
            format!("the rule {rule} follows {MAX_INSTANCES} instances at most: {count} more are not watched")
        }));
        problems.extend(self.sampler.silent());
        AlarmStatus {
            standing: self.engine.alarms(false),
            waiting: self.spool.waiting(),
            oldest: self.spool.oldest().ok().flatten(),
            stream: self.spool.stream(),
            rules: self.set.rules.len(),
            problems,
        }
    }
}
