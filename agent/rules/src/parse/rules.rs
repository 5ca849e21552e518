//! One rule: its kind decides which keys it needs and which it can't have.

use core::time::Duration;

use nearhand_proto::alarm::{MAX_INSTANCE, MAX_REFERENCE, MAX_SUMMARY, is_device_rule_name};

use super::limits::ladder;
use super::mistake::RuleMistakes;
use crate::condition::amount_of;
use crate::raw::{Located, RawRule};
use crate::rule::{
    AlarmRule, ChangeDirection, InstanceFilter, LogLines, LogSource, RuleKind, WindowAggregate,
};
use crate::sensor::{LOG_LINES, SERVICE_FAILED, SensorShape, SensorSpec, SensorUnit};
use crate::summary;
use crate::units::length;

/// Shortest time between two readings of a sensor.
const SHORTEST_EVERY: Duration = Duration::from_secs(1);
/// Longest time between two readings.
const LONGEST_EVERY: Duration = Duration::from_secs(86_400);
/// Longest pattern of a log rule, in bytes.
const MAX_PATTERN: usize = 500;
/// Most patterns for instances.
const MAX_PATTERNS: usize = 64;

/// Makes a rule, or notes what is wrong with it. What fits no longer since another part of the rule was changed is a
/// mistake of the rule that changes it.
pub(super) fn rule(raw: &RawRule, found: &mut RuleMistakes) -> Option<AlarmRule> {
    let before = found.list.len();
    let made = make(raw, found);
    for mistake in found.list.iter_mut().skip(before).filter(|mistake| mistake.line == 0) {
        mistake.line = raw.line;
    }
    made
}

fn make(raw: &RawRule, found: &mut RuleMistakes) -> Option<AlarmRule> {
    let before = found.list.len();
    let name = raw.name.as_ref()?;
    if !is_device_rule_name(&name.value) {
        let what = "names have 1 to 64 lower-case letters, digits and -";
        found.add(name.line, format!("{:?} can't be a rule's name: {what}", name.value));
    }
    let line = if raw.line == 0 { name.line } else { raw.line };
    let kind_name = raw.kind.as_ref().map_or("threshold", |kind| kind.value.as_str());
    unfit_keys(raw, kind_name, found);
    let sensor = sensor(raw, kind_name, line, found)?;
    let kind = kind(raw, kind_name, sensor, line, found)?;
    let lines = lines(raw, kind, line, found);
    let (unit, preset) = judged(kind, sensor);
    let levels = ladder(raw, unit, preset, line, found);
    let (window, hold, keep, every) = times(raw, kind, sensor, line, found);
    let filter = instances(raw, kind, &lines, line, found);
    let summary = sentence(raw, kind, sensor, found);
    for (key, text) in [("runbook", &raw.runbook), ("article", &raw.article)] {
        if let Some(text) = text.as_ref().filter(|t| t.value.len() > MAX_REFERENCE) {
            found.add(text.line, format!("{key} is longer than {MAX_REFERENCE} bytes: shorten it"));
        }
    }
    advise(raw, kind, &levels, found);
    (found.list.len() == before).then(|| {
        let mut rule = AlarmRule {
            name: name.value.clone(),
            version: 0,
            sensor,
            kind,
            instances: filter,
            window,
            levels,
            hold,
            keep,
            every,
            summary,
            runbook: raw.runbook.as_ref().map(|r| r.value.clone()),
            article: raw.article.as_ref().map(|r| r.value.clone()),
            lines,
        };
        rule.version = fnv(&format!("{rule:?}"));
        rule
    })
}

/// FNV-1a: a number that changes with the text.
fn fnv(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Keys that mean nothing for the rule's kind.
fn unfit_keys(raw: &RawRule, kind: &str, found: &mut RuleMistakes) {
    let place = |at: Option<usize>| at;
    let of = |value: &Option<Located<String>>| value.as_ref().map(|v| v.line);
    let about_lines = ["log", "absence"];
    let keys: [(&str, Option<usize>, &[&str]); 8] = [
        ("aggregate", of(&raw.aggregate), &["threshold"]),
        ("limit", of(&raw.limit), &["forecast"]),
        ("direction", of(&raw.direction), &["change"]),
        ("file", of(&raw.file), &about_lines),
        ("unit", of(&raw.unit), &about_lines),
        ("match", of(&raw.pattern), &about_lines),
        ("journal", place(raw.journal.as_ref().map(|v| v.line)), &about_lines),
        ("window", of(&raw.window), &["threshold", "rate", "forecast", "log", "change"]),
    ];
    for (key, line, fits) in keys {
        if let Some(line) = line.filter(|_| !fits.contains(&kind)) {
            found.add(
                line,
                format!(
                    "{key} means nothing in a rule of kind {kind:?} (only {}): remove it",
                    fits.join(", ")
                ),
            );
        }
    }
}

fn sensor(raw: &RawRule, kind: &str, line: usize, found: &mut RuleMistakes) -> Option<&'static SensorSpec> {
    let fixed = match kind {
        "log" => Some(LOG_LINES),
        "service" => Some(SERVICE_FAILED),
        "absence" if raw.pattern.is_some() => Some(LOG_LINES),
        _ => None,
    };
    match (&raw.sensor, fixed) {
        (Some(given), Some(fixed)) if given.value != fixed => {
            found.add(given.line, format!("a rule of kind {kind:?} always watches {fixed}: remove sensor"));
            None
        }
        (_, Some(fixed)) => SensorSpec::named(fixed),
        (None, None) => {
            found.add(line, "the rule watches nothing: add sensor = \"…\"".to_owned());
            None
        }
        (Some(given), None) => {
            let known = SensorSpec::named(&given.value);
            if known.is_none() {
                let like = nearest(&given.value);
                found.add(given.line, format!("there is no sensor {:?}{like}", given.value));
            }
            known
        }
    }
}

/// What was perhaps meant.
fn nearest(name: &str) -> String {
    let head = name.split('.').next().unwrap_or(name);
    let like: Vec<&str> = crate::sensor::CATALOGUE
        .iter()
        .map(|s| s.name)
        .filter(|n| n.split('.').next() == Some(head))
        .collect();
    match like.is_empty() {
        true => ": `nearhand-agent rules list --sensors` shows them".to_owned(),
        false => format!(": did you mean {}?", like.join(" or ")),
    }
}

fn kind(
    raw: &RawRule,
    name: &str,
    sensor: &SensorSpec,
    line: usize,
    found: &mut RuleMistakes,
) -> Option<RuleKind> {
    Some(match name {
        "threshold" => RuleKind::Threshold(aggregate(raw.aggregate.as_ref(), found)?),
        "rate" => RuleKind::Rate,
        "forecast" => {
            let Some(limit) = &raw.limit else {
                found.add(
                    line,
                    format!("a forecast needs limit = \"{}\": what is reached", sensor.unit.example()),
                );
                return None;
            };
            RuleKind::Forecast(found.keep(limit.line, "limit", amount_of(&limit.value, sensor.unit))?)
        }
        "absence" => RuleKind::Absence,
        "log" => RuleKind::Log,
        "service" => RuleKind::Service,
        "change" => RuleKind::Change(match raw.direction.as_ref().map(|d| (d.line, d.value.as_str())) {
            None | Some((_, "any")) => ChangeDirection::Any,
            Some((_, "rises")) => ChangeDirection::Rises,
            Some((_, "falls")) => ChangeDirection::Falls,
            Some((line, other)) => {
                found.add(line, format!("there is no direction {other:?}: write rises, falls or any"));
                return None;
            }
        }),
        other => {
            let at = raw.kind.as_ref().map_or(line, |kind| kind.line);
            found.add(
                at,
                format!(
                    "there is no kind {other:?}: write threshold, rate, forecast, absence, log, service or change"
                ),
            );
            return None;
        }
    })
}

fn aggregate(name: Option<&Located<String>>, found: &mut RuleMistakes) -> Option<WindowAggregate> {
    Some(match name.map(|n| (n.line, n.value.as_str())) {
        None | Some((_, "last")) => WindowAggregate::Last,
        Some((_, "mean")) => WindowAggregate::Mean,
        Some((_, "max")) => WindowAggregate::Max,
        Some((_, "min")) => WindowAggregate::Min,
        Some((_, "count")) => WindowAggregate::Count,
        Some((line, other)) => {
            found.add(line, format!("there is no aggregate {other:?}: write last, mean, max, min or count"));
            return None;
        }
    })
}

/// The unit of what is judged, and the raise of kinds that need none.
fn judged(kind: RuleKind, sensor: &SensorSpec) -> (SensorUnit, Option<&'static str>) {
    match kind {
        RuleKind::Forecast(_) | RuleKind::Absence => (SensorUnit::Seconds, None),
        RuleKind::Log | RuleKind::Service | RuleKind::Change(_) => (SensorUnit::Count, Some(">= 1")),
        RuleKind::Rate if sensor.shape != SensorShape::Gauge => (SensorUnit::Count, None),
        RuleKind::Threshold(WindowAggregate::Count) => (SensorUnit::Count, None),
        RuleKind::Threshold(_) | RuleKind::Rate => (sensor.unit, None),
    }
}

fn lines(raw: &RawRule, kind: RuleKind, line: usize, found: &mut RuleMistakes) -> Option<LogLines> {
    let Some(pattern) = &raw.pattern else {
        if kind == RuleKind::Log {
            found.add(line, "a log rule needs match = \"…\": a regular expression".to_owned());
        }
        return None;
    };
    let journal = raw.journal.as_ref().is_some_and(|j| j.value);
    let source = match (&raw.file, journal, &raw.unit) {
        (Some(file), false, None) if file.value.starts_with('/') => LogSource::File(file.value.clone()),
        (Some(file), false, None) => {
            found.add(file.line, format!("{:?} doesn't begin with /: write the whole path", file.value));
            return None;
        }
        (None, _, Some(unit)) => LogSource::Journal(Some(unit.value.clone())),
        (None, true, None) => LogSource::Journal(None),
        _ => {
            found.add(
                line,
                "say where the lines come from, once: file = \"/…\", unit = \"x.service\" or journal = true"
                    .to_owned(),
            );
            return None;
        }
    };
    if pattern.value.is_empty() || pattern.value.len() > MAX_PATTERN {
        found.add(pattern.line, format!("match must have 1 to {MAX_PATTERN} bytes"));
        return None;
    }
    let compiled = regex_lite::RegexBuilder::new(&pattern.value).size_limit(256 * 1024).build();
    let pattern = found.keep(pattern.line, "match", compiled.map_err(|error| error.to_string()))?;
    Some(LogLines { source, pattern })
}

/// Window, `for`, `keep`, `every`.
fn times(
    raw: &RawRule,
    kind: RuleKind,
    sensor: &SensorSpec,
    line: usize,
    found: &mut RuleMistakes,
) -> (Duration, Duration, Duration, Duration) {
    let mut read = |key: &str, value: &Option<Located<String>>, otherwise: Duration| match value {
        Some(text) => found
            .keep(text.line, key, length(&text.value).map_err(|error| error.to_string()))
            .unwrap_or(otherwise),
        None => otherwise,
    };
    let day = Duration::from_secs(86_400);
    let usual = match kind {
        RuleKind::Log => Duration::from_secs(600),
        RuleKind::Change(_) => day,
        _ => Duration::ZERO,
    };
    let window = read("window", &raw.window, usual);
    let hold = read("for", &raw.hold, Duration::ZERO);
    // At most one notice about a log in ten minutes.
    let keep = read(
        "keep",
        &raw.keep,
        if kind == RuleKind::Log { Duration::from_secs(600) } else { Duration::ZERO },
    );
    let every = read("every", &raw.every, sensor.interval());
    let looks_back =
        !matches!(kind, RuleKind::Threshold(WindowAggregate::Last) | RuleKind::Absence | RuleKind::Service);
    if looks_back && window.is_zero() {
        found.add(line, format!("a rule of kind {:?} looks back: add window = \"10m\"", kind.name()));
    }
    if !(SHORTEST_EVERY..=LONGEST_EVERY).contains(&every) {
        let at = raw.every.as_ref().map_or(line, |e| e.line);
        found.add(at, "every must be from 1s to 24h".to_owned());
    }
    if looks_back && !window.is_zero() && window < every {
        let at = raw.window.as_ref().map_or(line, |w| w.line);
        found.add(
            at,
            format!(
                "the window is shorter than the {} s between two readings: make it longer, or add every",
                every.as_secs()
            ),
        );
    }
    (window, hold, keep, every)
}

fn instances(
    raw: &RawRule,
    kind: RuleKind,
    lines: &Option<LogLines>,
    line: usize,
    found: &mut RuleMistakes,
) -> InstanceFilter {
    let patterns = raw.instances.as_ref().map(|list| list.value.clone()).unwrap_or_default();
    let at = raw.instances.as_ref().map_or(line, |list| list.line);
    if patterns.len() > MAX_PATTERNS || patterns.iter().any(|p| p.is_empty() || p.len() > MAX_INSTANCE) {
        found.add(at, format!("at most {MAX_PATTERNS} instances, each of 1 to {MAX_INSTANCE} bytes"));
    }
    if lines.is_some() && !patterns.is_empty() {
        found.add(at, "a rule about a log has no instances: remove them".to_owned());
    }
    let filter = InstanceFilter { patterns };
    if kind == RuleKind::Absence && lines.is_none() && filter.named().next().is_none() {
        found.add(
            line,
            "an absence rule must name what it waits for: add instances = [\"…\"], or match with file or journal"
                .to_owned(),
        );
    }
    filter
}

fn sentence(raw: &RawRule, kind: RuleKind, sensor: &SensorSpec, found: &mut RuleMistakes) -> String {
    if let Some(given) = &raw.summary {
        if let Some(word) = summary::unknown_place(&given.value) {
            found.add(
                given.line,
                format!("summary: {word} stands for nothing; there are {}", summary::PLACES.join(", ")),
            );
        }
        if given.value.is_empty() || given.value.len() > MAX_SUMMARY {
            found.add(given.line, format!("summary must have 1 to {MAX_SUMMARY} bytes"));
        }
        return given.value.clone();
    }
    let what = raw.title.as_ref().map_or(sensor.about, |title| title.value.as_str());
    let of = if sensor.of.is_empty() || raw.pattern.is_some() { "" } else { "{instance}: " };
    match kind {
        RuleKind::Threshold(_) => format!("{of}{what}: {{value}} (limit {{limit}})"),
        RuleKind::Rate | RuleKind::Log | RuleKind::Change(_) => {
            format!("{of}{what}: {{value}} in {{window}}")
        }
        RuleKind::Forecast(_) => format!("{of}{what}: limit reached in {{value}}"),
        RuleKind::Absence => format!("{of}{what}: not for {{value}}"),
        RuleKind::Service => "{instance} failed".to_owned(),
    }
}

/// What is allowed and makes noise.
fn advise(raw: &RawRule, kind: RuleKind, levels: &[crate::rule::SeverityLevel], found: &mut RuleMistakes) {
    let at = raw.raise.as_ref().map_or(raw.line, |raise| raise.line);
    let bare = levels
        .iter()
        .any(|level| level.clear == level.raise.opposite() && level.raise.unit != SensorUnit::Count);
    if at > 0 && bare && raw.keep.is_none() && matches!(kind, RuleKind::Threshold(_)) {
        found.advise(
            at,
            "without clear and keep the alarm comes and goes while the value is about the limit: add clear, or \
             keep = \"15m\""
                .to_owned(),
        );
    }
}
