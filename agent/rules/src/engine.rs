//! Readings in, events out.
//!
//! One step does three things in this order. The clock moves on: if the engine did not run for a while (sleep, restart),
//! every running `for` and `keep` is moved by that gap, so time that nobody measured neither raises nor clears an alarm.
//! Then every reading goes into the sample windows of the rules that use its sensor. Only then is each rule judged, because
//! an `also` condition may need a reading that stands later in the list. An instance is judged when it was just read, or
//! when time alone decides (a rate falls because its window moves on).
//!
//! State is kept in two ways. What cannot be measured again (open alarms, running delays) is handed out by
//! [`Engine::changed_rows`] before the events are sent, so an alarm is neither lost nor raised twice after a crash. Sample
//! windows are only saved now and then: losing one costs a delay, not an alarm.
//!
//! The engine has its own clock, in milliseconds: it follows the monotonic clock, goes on from where it was after a
//! restart, and never goes back. The wall clock only stamps events, and tells how long the machine was off.

use core::time::Duration;
use std::collections::BTreeMap;

use nearhand_proto::alarm::{AlarmEvent, AlarmMeasurement, AlarmTransition, MAX_INSTANCE, Severity};
use nearhand_proto::time::UnixMillis;
use nearhand_proto::wire;
use serde::{Deserialize, Serialize};

use crate::instance::{AlarmPhase, InstanceState, Transitions};
use crate::rule::{AlarmRule, MAX_INSTANCES, RuleKind};
use crate::sensor::SensorReading;
use crate::summary;

/// A step this long after the one before means that the engine didn't run (sleep, restart), in milliseconds.
const GAP: u64 = 120_000;
/// Longest time that the machine is taken to have been off, in milliseconds: the wall clock may say anything.
const LONGEST_OFF: u64 = 400 * 86_400_000;

/// A point in time, on all clocks that matter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EngineTime {
    /// Milliseconds of a clock that never goes back while the machine runs, sleep included.
    pub monotonic: u64,
    /// Which run of the machine that clock belongs to.
    pub boot: [u8; 16],
    /// The wall clock.
    pub wall: UnixMillis,
    /// How far the wall clock is known to be ahead of true time, in milliseconds.
    pub ahead_ms: Option<i64>,
}

/// One row of the engine's state as the caller stores it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StateRow {
    /// Name of the rule; empty for the engine's clock.
    pub rule: String,
    /// Name of the instance, for example a mount point.
    pub instance: String,
    /// The encoded state; `None` if the row is to be deleted.
    pub state: Option<Vec<u8>>,
}

/// The present state of a rule on one instance, for people.
#[derive(Clone, PartialEq, Debug)]
pub struct InstanceStatus {
    /// Name of the rule.
    pub rule: String,
    /// Name of the instance.
    pub instance: String,
    /// How far the alarm has come.
    pub phase: AlarmPhase,
    /// The severity, once it is raised.
    pub severity: Option<Severity>,
    /// The sensor delivers nothing, so the true state is unknown.
    pub unknown: bool,
    /// The alarm changes too often and is reported as flapping.
    pub flapping: bool,
    /// What was judged last, with its unit.
    pub value: Option<AlarmMeasurement>,
    /// How long the alarm has been raised.
    pub lasts: Option<Duration>,
    /// One sentence that describes it.
    pub summary: String,
}

#[derive(Serialize, Deserialize)]
struct StoredInstance {
    shape: String,
    version: u32,
    instance: InstanceState,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct EngineClock {
    /// The engine's own time.
    own: u64,
    /// What the monotonic clock said then.
    moment: EngineTime,
}

/// The rules and how everything stands.
#[derive(Debug)]
pub struct Engine {
    rules: Vec<AlarmRule>,
    states: Vec<BTreeMap<String, InstanceState>>,
    own: u64,
    last: Option<EngineTime>,
    /// Newest values of sensors that rules name with `also`.
    also: BTreeMap<(String, String), (f64, u64)>,
    dirty: BTreeMap<(String, String), ()>,
    /// How many instances of the last reading each rule left out, where it did.
    left_out: BTreeMap<String, usize>,
}

impl Engine {
    /// Rules without any state.
    pub fn new(rules: Vec<AlarmRule>) -> Self {
        let states = rules.iter().map(|_| BTreeMap::new()).collect();
        Self {
            rules,
            states,
            own: 0,
            last: None,
            also: BTreeMap::new(),
            dirty: BTreeMap::new(),
            left_out: BTreeMap::new(),
        }
    }

    /// Goes on from kept rows. Alarms of rules that are gone are expired; rows that can't be read are left out.
    pub fn restore(rules: Vec<AlarmRule>, rows: &[StateRow], now: EngineTime) -> (Self, Vec<AlarmEvent>) {
        let mut engine = Self::new(rules);
        let clock = rows.iter().find(|row| row.rule.is_empty()).and_then(|row| row.state.as_deref());
        if let Some(clock) = clock.and_then(|bytes| wire::decode::<EngineClock>(bytes).ok()) {
            (engine.own, engine.last) = (clock.own, Some(clock.moment));
        }
        let mut gone = Vec::new();
        for row in rows.iter().filter(|row| !row.rule.is_empty()) {
            let Some(kept) =
                row.state.as_deref().and_then(|bytes| wire::decode::<StoredInstance>(bytes).ok())
            else {
                continue;
            };
            gone.extend(engine.take_over(row, kept, now));
        }
        (engine, gone)
    }

    /// Puts a kept instance back, or tells that it is over because its rule is gone.
    fn take_over(&mut self, row: &StateRow, kept: StoredInstance, now: EngineTime) -> Option<AlarmEvent> {
        let fits = |rule: &AlarmRule| {
            rule.name == row.rule && rule.shape() == kept.shape && rule.instances.takes(&row.instance)
        };
        let found = self.rules.iter().position(fits);
        let place = found.and_then(|n| Some((self.rules.get(n)?, self.states.get_mut(n)?)));
        let Some((rule, states)) = place.filter(|(_, states)| states.len() < MAX_INSTANCES) else {
            self.dirty.insert((row.rule.clone(), row.instance.clone()), ());
            let severity = kept.instance.told?;
            return Some(expired(&row.rule, kept.version, &row.instance, severity, now));
        };
        let mut instance = kept.instance;
        if kept.version != rule.version {
            instance.fit(rule);
        }
        states.insert(row.instance.clone(), instance);
        None
    }

    /// Other rules from now on. State is kept where a rule still watches the same thing in the same way.
    pub fn replace(&mut self, rules: Vec<AlarmRule>, now: EngineTime) -> Vec<AlarmEvent> {
        let rows = self.all_rows();
        let (mut next, events) = Self::restore(rules, &rows, now);
        (next.own, next.last) = (self.own, self.last);
        next.dirty.append(&mut self.dirty);
        *self = next;
        events
    }

    /// The rules in force.
    pub fn rules(&self) -> &[AlarmRule] {
        &self.rules
    }

    /// Rules that don't follow all instances of their sensor, and how many of the last reading they left out.
    pub fn left_out(&self) -> Vec<(&str, usize)> {
        self.left_out.iter().map(|(rule, count)| (rule.as_str(), *count)).collect()
    }

    /// Moves on to `now`, takes readings, and tells what happened.
    pub fn step(&mut self, now: EngineTime, readings: &[SensorReading]) -> Vec<AlarmEvent> {
        self.advance(now);
        let at = self.own;
        for reading in readings {
            self.remember_for_also(reading);
        }
        let mut events = Vec::new();
        for reading in readings {
            for n in 0..self.rules.len() {
                self.read(n, reading, at);
            }
        }
        for n in 0..self.rules.len() {
            self.judge(n, readings, at, now, &mut events);
        }
        events
    }

    /// The engine's own clock follows the monotonic one; over a restart of the machine, the wall clock.
    fn advance(&mut self, now: EngineTime) {
        let before = self.last.replace(now).unwrap_or(now);
        let by = match before.boot == now.boot {
            true => now.monotonic.saturating_sub(before.monotonic),
            false => now.wall.0.saturating_sub(before.wall.0).min(LONGEST_OFF),
        };
        self.own = self.own.saturating_add(by);
        if by > GAP {
            for (rule, states) in self.rules.iter().zip(&mut self.states) {
                states.values_mut().for_each(|instance| instance.resume(rule, by));
            }
        }
    }

    fn remember_for_also(&mut self, reading: &SensorReading) {
        let mut levels = self.rules.iter().flat_map(|rule| &rule.levels);
        if !levels.any(|l| l.also.is_some_and(|(sensor, _)| sensor.name == reading.sensor)) {
            return;
        }
        let at = self.own;
        self.also.retain(|_, (_, seen)| at.saturating_sub(*seen) < 3_600_000);
        for (instance, value) in reading.values.iter().take(MAX_INSTANCES) {
            self.also.insert((reading.sensor.clone(), instance.clone()), (*value, at));
        }
    }

    /// Takes a reading into the windows of one rule.
    fn read(&mut self, n: usize, reading: &SensorReading, at: u64) {
        let (Some(rule), Some(states)) = (self.rules.get(n), self.states.get_mut(n)) else { return };
        if rule.sensor.name != reading.sensor {
            return;
        }
        let mut left_out = 0;
        for (name, value) in &reading.values {
            if !value.is_finite() || !rule.takes(name) {
                continue;
            }
            let has_room = states.contains_key(name)
                || states.len() < MAX_INSTANCES
                || make_room(states, reading, name, &mut self.dirty, &rule.name);
            if name.len() > MAX_INSTANCE || !has_room {
                left_out += 1;
                continue;
            }
            let instance = states.entry(name.clone()).or_insert_with(|| InstanceState::new(at, rule));
            instance.sample(rule, at, *value);
        }
        match left_out {
            0 => self.left_out.remove(&rule.name),
            _ => self.left_out.insert(rule.name.clone(), left_out),
        };
        if rule.sensor.absent_is_zero {
            for (name, instance) in states.iter_mut() {
                if !reading.values.iter().any(|(seen, _)| seen == name) {
                    instance.sample(rule, at, 0.0);
                }
            }
        }
    }

    /// Judges a rule's instances: those that were just read, and those for which time alone decides.
    fn judge(
        &mut self,
        n: usize,
        readings: &[SensorReading],
        at: u64,
        now: EngineTime,
        events: &mut Vec<AlarmEvent>,
    ) {
        let (Some(rule), Some(states)) = (self.rules.get(n), self.states.get_mut(n)) else { return };
        if rule.kind == RuleKind::Absence {
            for name in rule.expected() {
                states.entry(name.to_owned()).or_insert_with(|| InstanceState::new(at, rule));
            }
        }
        let mut over = Vec::new();
        for (name, instance) in states.iter_mut() {
            let before = instance.durable();
            let mut told = match instance.pass(rule, at) {
                Some(told) => told,
                None => {
                    over.push(name.clone());
                    self.dirty.insert((rule.name.clone(), name.clone()), ());
                    let severity = instance.told;
                    events.extend(severity.map(|s| expired(&rule.name, rule.version, name, s, now)));
                    continue;
                }
            };
            if instance.is_heard(rule, at) && (rule.kind.is_timed() || rule.is_read(readings, name))
                || rule.kind == RuleKind::Absence
            {
                let also = |level: usize| holds_also(rule, level, name, &self.also);
                told.extend(instance.judge(rule, at, also));
            }
            events.extend(events_of(rule, name, instance, told, now));
            if instance.durable() != before {
                self.dirty.insert((rule.name.clone(), name.clone()), ());
            }
        }
        for name in over {
            states.remove(&name);
        }
    }

    /// Rows that have to be kept before the events of the steps since the last call are told: what can't be measured
    /// again.
    pub fn changed_rows(&mut self) -> Vec<StateRow> {
        let dirty = core::mem::take(&mut self.dirty);
        if dirty.is_empty() {
            return Vec::new();
        }
        let mut rows: Vec<StateRow> = dirty
            .into_keys()
            .map(|(rule, instance)| StateRow { state: self.state_of(&rule, &instance), rule, instance })
            .collect();
        rows.push(self.clock_row());
        rows
    }

    /// Every row: what is worth keeping now and then, and at the end.
    pub fn all_rows(&self) -> Vec<StateRow> {
        let mut rows = vec![self.clock_row()];
        for (rule, states) in self.rules.iter().zip(&self.states) {
            for name in states.keys() {
                rows.push(StateRow {
                    rule: rule.name.clone(),
                    instance: name.clone(),
                    state: self.state_of(&rule.name, name),
                });
            }
        }
        rows
    }

    fn clock_row(&self) -> StateRow {
        let clock = self.last.map(|moment| EngineClock { own: self.own, moment });
        let state = clock.and_then(|clock| wire::encode(&clock).ok());
        StateRow { rule: String::new(), instance: String::new(), state }
    }

    fn state_of(&self, rule: &str, instance: &str) -> Option<Vec<u8>> {
        let (rule, states) = self.rules.iter().zip(&self.states).find(|(r, _)| r.name == rule)?;
        let instance = states.get(instance)?.clone();
        wire::encode(&StoredInstance { shape: rule.shape(), version: rule.version, instance }).ok()
    }

    /// How everything that isn't simply well stands; with `all`, everything.
    pub fn alarms(&self, all: bool) -> Vec<InstanceStatus> {
        let mut list = Vec::new();
        for (rule, states) in self.rules.iter().zip(&self.states) {
            for (name, instance) in states.iter().filter(|(_, i)| all || !i.is_idle()) {
                let value = instance.judged;
                let severity = instance.told.unwrap_or(Severity::Info);
                list.push(InstanceStatus {
                    rule: rule.name.clone(),
                    instance: name.clone(),
                    phase: instance.phase(),
                    severity: instance.told,
                    unknown: instance.lost,
                    flapping: instance.flaps(),
                    value: value.map(|value| measured(rule, value)),
                    lasts: instance
                        .told
                        .map(|_| Duration::from_millis(self.own.saturating_sub(instance.raised_at))),
                    summary: summary::sentence(rule, name, AlarmTransition::Raised, severity, value),
                });
            }
        }
        list
    }

    /// Alarms that are open now, as events: what a spool that had to give up events still has to say.
    pub fn open(&self, now: EngineTime) -> Vec<AlarmEvent> {
        let mut events = Vec::new();
        for (rule, states) in self.rules.iter().zip(&self.states) {
            for (name, instance) in states {
                let told = instance.told.map(|severity| (AlarmTransition::Raised, severity));
                events.extend(events_of(rule, name, instance, told.into_iter().collect(), now));
            }
        }
        events
    }
}

impl AlarmRule {
    fn takes(&self, instance: &str) -> bool {
        match &self.lines {
            Some(_) => instance == self.name,
            None => self.instances.takes(instance),
        }
    }

    fn is_read(&self, readings: &[SensorReading], instance: &str) -> bool {
        let ours = readings.iter().filter(|reading| reading.sensor == self.sensor.name);
        ours.into_iter()
            .any(|r| self.sensor.absent_is_zero || r.values.iter().any(|(name, _)| name == instance))
    }

    /// What an absence rule waits for before it was ever there.
    fn expected(&self) -> impl Iterator<Item = &str> {
        let own = self.lines.is_some().then_some(self.name.as_str());
        own.into_iter().chain(self.instances.named())
    }
}

/// Takes an instance out that is less important than `name`, if there is one: nothing is open about it, and the reading
/// doesn't have it any more or has it further behind. Readings name what matters first: real disks before those in memory.
fn make_room(
    states: &mut BTreeMap<String, InstanceState>,
    reading: &SensorReading,
    name: &str,
    dirty: &mut BTreeMap<(String, String), ()>,
    rule: &str,
) -> bool {
    let place =
        |wanted: &str| reading.values.iter().position(|(seen, _)| seen == wanted).unwrap_or(usize::MAX);
    let least = states
        .iter()
        .filter(|(_, state)| state.is_idle())
        .map(|(other, _)| (place(other), other.clone()))
        .max();
    let Some((_, other)) = least.filter(|(behind, _)| *behind > place(name)) else { return false };
    states.remove(&other);
    dirty.insert((rule.to_owned(), other), ());
    true
}

fn holds_also(
    rule: &AlarmRule,
    level: usize,
    instance: &str,
    latest: &BTreeMap<(String, String), (f64, u64)>,
) -> bool {
    let Some((sensor, condition)) = rule.levels.get(level).and_then(|l| l.also) else { return true };
    let value = latest.get(&(sensor.name.to_owned(), instance.to_owned()));
    value.is_some_and(|(value, _)| condition.holds(*value))
}

fn measured(rule: &AlarmRule, value: f64) -> AlarmMeasurement {
    AlarmMeasurement { value, unit: summary::unit_of(rule).name().to_owned() }
}

fn events_of(
    rule: &AlarmRule,
    name: &str,
    instance: &InstanceState,
    told: Transitions,
    now: EngineTime,
) -> Vec<AlarmEvent> {
    let value = instance.judged.filter(|value| value.is_finite());
    let event = |(transition, severity)| AlarmEvent {
        rule: rule.name.clone(),
        rule_version: rule.version,
        instance: name.to_owned(),
        transition,
        severity,
        value: value.map(|value| measured(rule, value)),
        summary: summary::sentence(rule, name, transition, severity, value),
        observed_at: now.wall,
        clock_ahead_ms: now.ahead_ms,
        runbook: rule.runbook.clone(),
        article: rule.article.clone(),
    };
    told.into_iter().map(event).collect()
}

fn expired(rule: &str, version: u32, instance: &str, severity: Severity, now: EngineTime) -> AlarmEvent {
    AlarmEvent {
        rule: rule.to_owned(),
        rule_version: version,
        instance: instance.to_owned(),
        transition: AlarmTransition::Expired,
        severity,
        value: None,
        summary: "no longer watched: the rule was removed or its sensor has no more data".to_owned(),
        observed_at: now.wall,
        clock_ahead_ms: now.ahead_ms,
        runbook: None,
        article: None,
    }
}
