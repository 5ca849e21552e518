//! A rule as the engine uses it. Made by [`crate::parse`] alone, which holds its invariants.

use core::time::Duration;

use nearhand_proto::alarm::Severity;

use crate::condition::LimitCondition;
use crate::sensor::SensorSpec;

/// Most instances that one rule follows; more are left out, and counted.
pub const MAX_INSTANCES: usize = 256;

/// How samples of a window become one value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WindowAggregate {
    /// The newest sample.
    Last,
    /// The mean of all samples.
    Mean,
    /// The largest sample.
    Max,
    /// The smallest sample.
    Min,
    /// How many there were.
    Count,
}

/// Which way a change must go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChangeDirection {
    /// The value became larger.
    Rises,
    /// The value became smaller.
    Falls,
    /// The value changed at all.
    Any,
}

/// How a rule judges its samples.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum RuleKind {
    /// The value itself, over a window.
    Threshold(WindowAggregate),
    /// How much was added within the window.
    Rate,
    /// Seconds until the sensor reaches this value if it goes on as within the window.
    Forecast(f64),
    /// Seconds since something was last there.
    Absence,
    /// Lines within the window.
    Log,
    /// A unit's failure.
    Service,
    /// Changes within the window.
    Change(ChangeDirection),
}

impl RuleKind {
    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Threshold(_) => "threshold",
            Self::Rate => "rate",
            Self::Forecast(_) => "forecast",
            Self::Absence => "absence",
            Self::Log => "log",
            Self::Service => "service",
            Self::Change(_) => "change",
        }
    }

    /// Judged by the passing of time as well as by samples.
    pub(crate) const fn is_timed(self) -> bool {
        matches!(self, Self::Rate | Self::Absence | Self::Log | Self::Change(_))
    }
}

/// One severity of a rule.
#[derive(Clone, PartialEq, Debug)]
pub struct SeverityLevel {
    /// The severity of the alarm.
    pub severity: Severity,
    /// The alarm is raised while this holds.
    pub raise: LimitCondition,
    /// The alarm is cleared while this holds.
    pub clear: LimitCondition,
    /// To begin, this must hold as well, of the same instance.
    pub also: Option<(&'static SensorSpec, LimitCondition)>,
}

/// Which instances a rule follows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InstanceFilter {
    /// Patterns with `*`; one that begins with `!` leaves out. Empty: all.
    pub patterns: Vec<String>,
}

impl InstanceFilter {
    /// Whether the rule follows that instance: the last pattern that fits decides.
    pub fn takes(&self, instance: &str) -> bool {
        let first_leaves_out = self.patterns.first().is_none_or(|p| p.starts_with('!'));
        self.patterns.iter().fold(first_leaves_out, |taken, pattern| match pattern.strip_prefix('!') {
            Some(out) if fits(out, instance) => false,
            None if fits(pattern, instance) => true,
            _ => taken,
        })
    }

    /// Names without `*` and `!`: instances that are known before they are seen.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        self.patterns.iter().map(String::as_str).filter(|p| !p.starts_with('!') && !p.contains('*'))
    }
}

/// `*` stands for any characters. Linear: each piece is looked for once.
fn fits(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut rest = rest;
    let mut last = None;
    for piece in pieces {
        if let Some(before) = last.replace(piece) {
            match rest.find(before) {
                Some(at) => rest = rest.get(at + before.len()..).unwrap_or(""),
                None => return false,
            }
        }
    }
    last.map_or(rest.is_empty(), |end| rest.ends_with(end))
}

/// Where the lines of a log rule come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogSource {
    /// Lines appended to this file.
    File(String),
    /// The system's journal; of one unit, if one is named.
    Journal(Option<String>),
}

/// A regular expression; matching takes time linear in the line.
pub type LogPattern = regex_lite::Regex;

/// Lines that a rule waits for.
#[derive(Clone, Debug)]
pub struct LogLines {
    /// Where they come from.
    pub source: LogSource,
    /// What they look like.
    pub pattern: LogPattern,
}

impl PartialEq for LogLines {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source && self.pattern.as_str() == other.pattern.as_str()
    }
}

/// A rule with everything that the engine needs to judge it.
#[derive(Clone, PartialEq, Debug)]
pub struct AlarmRule {
    /// Its name, unique in its set.
    pub name: String,
    /// Changes whenever the rule does.
    pub version: u32,
    /// What it watches.
    pub sensor: &'static SensorSpec,
    /// What of it is judged.
    pub kind: RuleKind,
    /// The instances that it applies to.
    pub instances: InstanceFilter,
    /// How long back the judged value reaches.
    pub window: Duration,
    /// Severities, mildest first; at least one.
    pub levels: Vec<SeverityLevel>,
    /// How long a condition must hold before the alarm is raised.
    pub hold: Duration,
    /// How long it must be over before the alarm is cleared.
    pub keep: Duration,
    /// How often the sensor is read for it.
    pub every: Duration,
    /// The sentence of its events, with `{instance}`, `{value}`, `{limit}`, `{window}`.
    pub summary: String,
    /// The runbook that may be run.
    pub runbook: Option<String>,
    /// The knowledge-base article about it.
    pub article: Option<String>,
    /// Lines of a log, where it is about them.
    pub lines: Option<LogLines>,
}

impl AlarmRule {
    /// Without a sample for this long, nothing is known any more.
    pub fn silence(&self) -> Duration {
        (self.every * 3).max(Duration::from_secs(120))
    }

    /// What must be the same for its state to be taken over when the rule changes.
    pub(crate) fn shape(&self) -> String {
        format!("{} {}", self.kind.name(), self.sensor.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_take_and_leave_out() {
        let filter = |patterns: &[&str]| InstanceFilter {
            patterns: patterns.iter().map(|p| (*p).to_owned()).collect(),
        };
        assert!(filter(&[]).takes("/"));
        assert!(filter(&["!/mnt/*"]).takes("/") && !filter(&["!/mnt/*"]).takes("/mnt/usb"));
        let some = filter(&["/var*", "!/var/tmp", "/*/x*z"]);
        for (instance, taken) in [
            ("/var", true),
            ("/var/log", true),
            ("/var/tmp", false),
            ("/a/xyz", true),
            ("/a/xy", false),
            ("/", false),
        ] {
            assert_eq!(some.takes(instance), taken, "{instance}");
        }
        assert!(fits("*", "") && fits("a*a", "aa") && !fits("a*a", "a") && fits("*a*b*", "xaxbx"));
    }
}
