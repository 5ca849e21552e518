//! One rule on one instance: the states ok → pending → firing → recovering → resolved, and what lies over them
//! (unknown, flapping).
//!
//! Each severity has its own raise and clear; the alarm is as bad as the worst that is active.

use nearhand_proto::alarm::{AlarmTransition, Severity};
use serde::{Deserialize, Serialize};

use crate::flap::FlapHistory;
use crate::rule::{AlarmRule, ChangeDirection, RuleKind};
use crate::window::SampleWindow;

/// A firing alarm whose sensor is silent for this long is given up, in milliseconds.
const GIVEN_UP: u64 = 24 * 3_600_000;

/// The state of one severity of a rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct LevelState {
    active: bool,
    /// Since when what would change `active` holds.
    since: Option<u64>,
}

/// Where an alarm stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AlarmPhase {
    /// Nothing is wrong.
    Ok,
    /// The condition holds, not yet for long enough.
    Pending,
    /// The alarm goes on.
    Firing,
    /// The condition is over, not yet for long enough.
    Recovering,
}

impl AlarmPhase {
    /// The name as `nearhand-agent alarms` shows it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Recovering => "recovering",
        }
    }
}

/// State of a rule on an instance. Times are milliseconds of the engine's own clock.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct InstanceState {
    levels: Vec<LevelState>,
    /// The severity that was told last; `None`: nothing is open.
    pub(crate) told: Option<Severity>,
    /// When it was raised.
    pub(crate) raised_at: u64,
    /// The sensor is silent, and that was told.
    pub(crate) lost: bool,
    /// When the sensor last spoke.
    seen: u64,
    /// The last raw value.
    pub(crate) last: Option<f64>,
    /// What was judged last.
    pub(crate) judged: Option<f64>,
    window: SampleWindow,
    flap: FlapHistory,
}

fn ms(length: core::time::Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

/// What became of an instance.
pub(crate) type Transitions = Vec<(AlarmTransition, Severity)>;

impl InstanceState {
    pub(crate) fn new(at: u64, rule: &AlarmRule) -> Self {
        Self { seen: at, levels: vec![LevelState::default(); rule.levels.len()], ..Self::default() }
    }

    /// Takes a sample into the window.
    pub(crate) fn sample(&mut self, rule: &AlarmRule, at: u64, value: f64) {
        let gap = at.saturating_sub(self.seen);
        if gap > ms(rule.silence()) && !rule.kind.is_timed() {
            self.pause(gap);
        }
        self.seen = at;
        let width = ms(rule.window);
        let before = self.last.replace(value);
        match rule.kind {
            RuleKind::Rate | RuleKind::Log => {
                let added = match (rule.sensor.shape, before) {
                    (crate::sensor::SensorShape::Counter, Some(before)) if value >= before => value - before,
                    // Begun again: all of it is new.
                    (crate::sensor::SensorShape::Counter, Some(_)) => value,
                    (crate::sensor::SensorShape::Counter, None) => 0.0,
                    _ => value,
                };
                if added > 0.0 {
                    self.window.push(at, added, width);
                }
            }
            RuleKind::Change(direction) => {
                let changed = before.is_some_and(|before| match direction {
                    ChangeDirection::Rises => value > before,
                    ChangeDirection::Falls => value < before,
                    ChangeDirection::Any => value.total_cmp(&before).is_ne(),
                });
                if changed {
                    self.window.push(at, 1.0, width);
                }
            }
            RuleKind::Absence if value <= 0.0 && rule.sensor.name == crate::sensor::LOG_LINES => {
                // A reading of no lines is no sign of life.
                self.seen = self.seen.saturating_sub(gap);
            }
            _ => self.window.push(at, value, width),
        }
    }

    /// The value that the conditions are about.
    fn value(&mut self, rule: &AlarmRule, at: u64) -> Option<f64> {
        let width = ms(rule.window);
        self.window.forget(at, width);
        #[expect(clippy::cast_precision_loss, reason = "seconds of a year fit")]
        match rule.kind {
            RuleKind::Threshold(aggregate) => self.window.value(aggregate, at, width),
            RuleKind::Service => self.last,
            RuleKind::Rate | RuleKind::Log | RuleKind::Change(_) => Some(self.window.sum()),
            RuleKind::Forecast(limit) => self.window.seconds_to(limit, width),
            RuleKind::Absence => Some(at.saturating_sub(self.seen) as f64 / 1000.0),
        }
    }

    /// Judges, and tells what became of it. `also(level)` says whether that level's second condition holds.
    pub(crate) fn judge(&mut self, rule: &AlarmRule, at: u64, also: impl Fn(usize) -> bool) -> Transitions {
        let mut told = Transitions::new();
        if core::mem::take(&mut self.lost) {
            told.extend(self.told.map(|severity| (AlarmTransition::SensorBack, severity)));
        }
        let Some(value) = self.value(rule, at) else { return told };
        self.judged = Some(value);
        let before = self.active(rule);
        for (n, (level, state)) in rule.levels.iter().zip(&mut self.levels).enumerate() {
            let (holds, long) = match state.active {
                false => (level.raise.holds(value) && also(n), ms(rule.hold)),
                true => (level.clear.holds(value), ms(rule.keep)),
            };
            if !holds {
                state.since = None;
            } else if at.saturating_sub(*state.since.get_or_insert(at)) >= long {
                *state = LevelState { active: !state.active, since: None };
            }
        }
        self.settle(rule, at, before, &mut told);
        told
    }

    /// The worst severity that is active.
    fn active(&self, rule: &AlarmRule) -> Option<Severity> {
        let levels = rule.levels.iter().zip(&self.levels);
        levels.filter(|(_, state)| state.active).map(|(level, _)| level.severity).max()
    }

    fn settle(&mut self, rule: &AlarmRule, at: u64, before: Option<Severity>, told: &mut Transitions) {
        let stretch = FlapHistory::stretch(ms(rule.hold), ms(rule.keep));
        self.flap.advance(at, stretch);
        let now = self.active(rule);
        if self.flap.on {
            if before.is_some() != now.is_some() {
                self.flap.note_change();
            }
            return self.settle_flapping(now, told);
        }
        let (transition, severity) = match (self.told, now) {
            (None, Some(severity)) => (AlarmTransition::Raised, severity),
            (Some(before), Some(severity)) if severity > before => (AlarmTransition::Worsened, severity),
            (Some(before), Some(severity)) if severity < before => (AlarmTransition::Eased, severity),
            (Some(before), None) => (AlarmTransition::Cleared, before),
            _ => return,
        };
        self.flap.note_change();
        if self.told.is_none() {
            self.raised_at = at;
        }
        if !self.flap.begins() {
            self.told = now;
            return told.push((transition, severity));
        }
        // An alarm stays open while it flaps; the end of it is told at the end of that.
        self.flap.on = true;
        if transition != AlarmTransition::Cleared {
            told.push((transition, severity));
        }
        self.told = Some(severity);
        told.push((AlarmTransition::FlappingBegan, severity));
    }

    /// While it flaps nothing is told but that it is worse than ever, and the end.
    fn settle_flapping(&mut self, now: Option<Severity>, told: &mut Transitions) {
        let before = self.told.unwrap_or(Severity::Info);
        if let Some(worse) = now.filter(|now| *now > before) {
            self.told = Some(worse);
            told.push((AlarmTransition::Worsened, worse));
        }
        if self.flap.ends() {
            self.flap.on = false;
            told.push((AlarmTransition::FlappingEnded, now.unwrap_or(before)));
            if now.is_none() {
                told.push((AlarmTransition::Cleared, before));
            }
            self.told = now;
        }
    }

    /// Time passes without a sample. `None`: nothing is left to know.
    pub(crate) fn pass(&mut self, rule: &AlarmRule, at: u64) -> Option<Transitions> {
        let silent = at.saturating_sub(self.seen);
        if rule.kind == RuleKind::Absence {
            return Some(Transitions::new());
        }
        if silent <= ms(rule.silence()) {
            return Some(Transitions::new());
        }
        match self.told {
            _ if silent > GIVEN_UP.max(ms(rule.silence())) => None,
            Some(severity) if !self.lost => {
                self.lost = true;
                Some(vec![(AlarmTransition::SensorLost, severity)])
            }
            _ => Some(Transitions::new()),
        }
    }

    /// Whether the sensor has just been heard, as of `at`.
    pub(crate) fn is_heard(&self, rule: &AlarmRule, at: u64) -> bool {
        at.saturating_sub(self.seen) <= ms(rule.silence())
    }

    /// Nothing was measured for this long: neither `for` nor `keep` may run on.
    fn pause(&mut self, gap: u64) {
        for level in &mut self.levels {
            level.since = level.since.map(|since| since.saturating_add(gap));
        }
    }

    /// The engine itself didn't run for this long, which says nothing about the sensor.
    pub(crate) fn resume(&mut self, rule: &AlarmRule, gap: u64) {
        self.pause(gap);
        if rule.kind != RuleKind::Absence {
            self.seen = self.seen.saturating_add(gap);
        }
        if matches!(rule.kind, RuleKind::Threshold(_)) {
            self.window.shift(gap, ms(rule.window));
        }
    }

    /// The rule has changed: what was told still stands until its new conditions say otherwise.
    pub(crate) fn fit(&mut self, rule: &AlarmRule) {
        let active = |severity| self.told.is_some_and(|told| severity <= told);
        self.levels =
            rule.levels.iter().map(|l| LevelState { active: active(l.severity), since: None }).collect();
    }

    /// Where it stands.
    pub(crate) fn phase(&self) -> AlarmPhase {
        let firing = self.levels.iter().any(|level| level.active);
        let since = |active: bool| self.levels.iter().any(|l| l.active == active && l.since.is_some());
        match firing {
            false if since(false) => AlarmPhase::Pending,
            false => AlarmPhase::Ok,
            // The mildest active one decides: while it holds, the alarm goes on.
            true => match self.levels.iter().find(|l| l.active) {
                Some(level) if level.since.is_some() => AlarmPhase::Recovering,
                _ => AlarmPhase::Firing,
            },
        }
    }

    /// Whether the alarm is flapping.
    pub(crate) fn flaps(&self) -> bool {
        self.flap.on
    }

    /// What must not be lost at a crash, for noticing that it changed.
    pub(crate) fn durable(&self) -> DurableState {
        DurableState { told: self.told, lost: self.lost, flap: self.flap.on, levels: self.levels.clone() }
    }

    /// Nothing worth keeping: neither open nor on its way, and no window.
    pub(crate) fn is_idle(&self) -> bool {
        self.told.is_none() && self.flap.is_quiet() && self.phase() == AlarmPhase::Ok
    }
}

/// What of an instance is written at once when it changes; the rest (windows) is written now and then.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct DurableState {
    told: Option<Severity>,
    lost: bool,
    flap: bool,
    levels: Vec<LevelState>,
}
