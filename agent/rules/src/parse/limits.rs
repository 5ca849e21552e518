//! The severities of a rule and their limits: each with a clear on the right side of its raise, and all in order.

use nearhand_proto::alarm::Severity;

use super::mistake::RuleMistakes;
use crate::condition::LimitCondition;
use crate::raw::{Located, RawLevel, RawRule};
use crate::rule::SeverityLevel;
use crate::sensor::{SensorSpec, SensorUnit};

/// Reads the ladder. `unit` is that of what is judged; `preset` is the raise of kinds that have only one.
pub(super) fn ladder(
    rule: &RawRule,
    unit: SensorUnit,
    preset: Option<&str>,
    line: usize,
    found: &mut RuleMistakes,
) -> Vec<SeverityLevel> {
    let before = found.list.len();
    let mut raw: Vec<(Severity, Located<RawLevel>)> = named(rule).into_iter().collect();
    let plain = [&rule.raise, &rule.clear, &rule.also];
    let said =
        plain.iter().find_map(|v| v.as_ref()).map(|v| v.line).or(rule.severity.as_ref().map(|s| s.line));
    if let (Some(at), Some((severity, _))) = (said, raw.first()) {
        found.add(
            at,
            format!(
                "there are severities of their own ([rule.{severity}]): put raise and clear there, and leave \
                 severity out"
            ),
        );
    }
    if raw.is_empty() {
        raw.extend(single(rule, preset, line, found));
    }
    let mut levels = Vec::new();
    for (severity, level) in &raw {
        levels.extend(one(*severity, level, unit, preset, found));
    }
    if found.list.len() == before {
        in_order(&levels, &raw, found);
    }
    levels
}

fn named(rule: &RawRule) -> Vec<(Severity, Located<RawLevel>)> {
    let all = [
        (Severity::Info, &rule.info),
        (Severity::Warning, &rule.warning),
        (Severity::Error, &rule.error),
        (Severity::Critical, &rule.critical),
    ];
    let given = all.into_iter().filter_map(|(severity, level)| Some((severity, level.clone()?)));
    given.filter(|(_, level)| !level.value.off).collect()
}

fn single(
    rule: &RawRule,
    preset: Option<&str>,
    line: usize,
    found: &mut RuleMistakes,
) -> Option<(Severity, Located<RawLevel>)> {
    let severity = match &rule.severity {
        None => Severity::Warning,
        Some(name) => found.keep(name.line, "severity", name.value.parse().map_err(|e| format!("{e}")))?,
    };
    let text = |value: &Option<Located<String>>| value.as_ref().map(|v| v.value.clone());
    if rule.raise.is_none() && preset.is_none() {
        found.add(line, "the rule has no limit: add raise = \"> …\", or [rule.warning] with one".to_owned());
        return None;
    }
    let level =
        RawLevel { raise: text(&rule.raise), clear: text(&rule.clear), also: text(&rule.also), off: false };
    let line = [&rule.clear, &rule.raise].into_iter().find_map(|v| v.as_ref()).map_or(line, |v| v.line);
    Some((severity, Located { value: level, line }))
}

fn one(
    severity: Severity,
    level: &Located<RawLevel>,
    unit: SensorUnit,
    preset: Option<&str>,
    found: &mut RuleMistakes,
) -> Option<SeverityLevel> {
    let line = level.line;
    let Some(text) = level.value.raise.as_deref().or(preset) else {
        found.add(line, format!("{severity} has no raise: add raise = \"> {}\"", unit.example()));
        return None;
    };
    let raise = found.keep(line, "raise", LimitCondition::parse(text, unit))?;
    let clear = match &level.value.clear {
        Some(text) => found.keep(line, "clear", LimitCondition::parse(text, unit))?,
        None => raise.opposite(),
    };
    if raise.side.is_up() == clear.side.is_up() {
        let sign = if raise.side.is_up() { "<" } else { ">" };
        found.add(line, format!("clear {clear:} points the same way as raise {raise}: write it with {sign}"));
        return None;
    }
    let wrong = if raise.side.is_up() { clear.limit > raise.limit } else { clear.limit < raise.limit };
    if wrong {
        let where_to = if raise.side.is_up() { "at or below" } else { "at or above" };
        found.add(
            line,
            format!("clear {clear} is on the wrong side of raise {raise}: its limit must be {where_to} that of raise"),
        );
        return None;
    }
    let also = match &level.value.also {
        Some(text) => Some(found.keep(line, "also", also(text))?),
        None => None,
    };
    Some(SeverityLevel { severity, raise, clear, also })
}

/// `disk.free < 5 GB`
fn also(text: &str) -> Result<(&'static SensorSpec, LimitCondition), String> {
    let (name, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    let sensor = SensorSpec::named(name).ok_or_else(|| {
        format!("there is no sensor {name:?}: `nearhand-agent rules list --sensors` shows them")
    })?;
    Ok((sensor, LimitCondition::parse(rest, sensor.unit)?))
}

/// A more severe limit must lie beyond a milder one, and its end not before it.
fn in_order(levels: &[SeverityLevel], raw: &[(Severity, Located<RawLevel>)], found: &mut RuleMistakes) {
    for (pair, places) in levels.windows(2).zip(raw.windows(2)) {
        let ([mild, severe], [_, (_, at)]) = (pair, places) else { continue };
        if mild.raise.side.is_up() != severe.raise.side.is_up() {
            found.add(at.line, format!("{} and {} point different ways", mild.severity, severe.severity));
            continue;
        }
        let up = severe.raise.side.is_up();
        let beyond = |a: f64, b: f64| if up { a >= b } else { a <= b };
        for (key, milder, severer) in
            [("raise", &mild.raise, &severe.raise), ("clear", &mild.clear, &severe.clear)]
        {
            if !beyond(severer.limit, milder.limit) {
                let than = if up { "below" } else { "above" };
                found.add(
                    at.line,
                    format!(
                        "{key} of {} ({severer}) is {than} that of {} ({milder}): a more severe limit must lie beyond \
                         a milder one",
                        severe.severity, mild.severity
                    ),
                );
            }
        }
    }
}
