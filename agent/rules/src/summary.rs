//! The sentence of an event.

use nearhand_proto::alarm::{AlarmTransition, MAX_SUMMARY, Severity};
use nearhand_proto::text;

use crate::condition::show;
use crate::rule::{AlarmRule, RuleKind};
use crate::sensor::{SensorShape, SensorUnit};
use crate::units::show_seconds;

/// Words that a rule's summary may hold.
pub(crate) const PLACES: [&str; 4] = ["{instance}", "{value}", "{limit}", "{window}"];

/// The first `{word}` of a summary that stands for nothing.
pub(crate) fn unknown_place(summary: &str) -> Option<&str> {
    let mut rest = summary;
    while let Some(at) = rest.find('{') {
        let from = rest.get(at..)?;
        let end = from.find('}').map_or(from.len(), |end| end + 1);
        let word = from.get(..end)?;
        if !PLACES.contains(&word) {
            return Some(word);
        }
        rest = from.get(end..)?;
    }
    None
}

/// What the judged value of a rule is counted in.
pub(crate) fn unit_of(rule: &AlarmRule) -> SensorUnit {
    match rule.kind {
        RuleKind::Forecast(_) | RuleKind::Absence => SensorUnit::Seconds,
        RuleKind::Log | RuleKind::Service | RuleKind::Change(_) => SensorUnit::Count,
        RuleKind::Rate if rule.sensor.shape != SensorShape::Gauge => SensorUnit::Count,
        RuleKind::Threshold(crate::rule::WindowAggregate::Count) => SensorUnit::Count,
        RuleKind::Threshold(_) | RuleKind::Rate => rule.sensor.unit,
    }
}

/// One sentence for a person.
pub(crate) fn sentence(
    rule: &AlarmRule,
    instance: &str,
    transition: AlarmTransition,
    severity: Severity,
    value: Option<f64>,
) -> String {
    let unit = unit_of(rule);
    let value = value.map_or_else(|| "unknown".to_owned(), |value| show(value, unit));
    let level = rule.levels.iter().find(|level| level.severity == severity).or(rule.levels.first());
    let limit = level.map(|level| level.raise.to_string()).unwrap_or_default();
    let text = rule
        .summary
        .replace("{value}", &value)
        .replace("{limit}", &limit)
        .replace("{window}", &show_seconds(rule.window.as_secs_f64()))
        // Last, since an instance may hold anything.
        .replace("{instance}", instance);
    let after = match transition {
        AlarmTransition::Raised | AlarmTransition::Worsened => "",
        AlarmTransition::Eased => " (less severe than before)",
        AlarmTransition::Cleared => " (over)",
        AlarmTransition::SensorLost => " (no longer measured: it may go on or be over)",
        AlarmTransition::SensorBack => " (measured again)",
        AlarmTransition::Expired => " (no longer watched)",
        AlarmTransition::FlappingBegan => " (comes and goes; told again when it is steady)",
        AlarmTransition::FlappingEnded => " (steady again)",
    };
    let room = MAX_SUMMARY.saturating_sub(after.len());
    let text = text::one_line(&text, room);
    let mut end = room.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{after}", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_places_are_allowed() {
        assert_eq!(unknown_place("{instance} at {value} ({limit}) in {window}"), None);
        assert_eq!(unknown_place("{instance} {who}"), Some("{who}"));
        assert_eq!(unknown_place("open {"), Some("{"));
    }
}
