//! Every text of a report, one after the other, so that cleaning, redacting and pseudonymising cannot forget
//! a field. Must not live here: what is done to the texts.

use std::collections::BTreeMap;

use super::model::{Chart, Finding, Report};

/// What a text is for: decides how long it may be and what may be replaced in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TextRole<'a> {
    /// A stable name that programs compare: check, chart, runbook, article, generator.
    Id,
    /// The device id.
    Device,
    /// The host name.
    Hostname,
    /// Free text of one line.
    Line,
    /// The name of a value.
    Label,
    /// The value that is labelled `label`.
    Value { label: &'a str },
    /// Free text of several lines.
    Prose,
    /// Name of a software package.
    SoftwareName,
    /// Version of a software package.
    SoftwareVersion,
}

/// Calls `visit` with every text of the report. Two map entries whose names become the same are merged.
pub(super) fn texts(report: &mut Report, visit: &mut dyn FnMut(TextRole<'_>, &mut String)) {
    visit(TextRole::Id, &mut report.generator);
    visit(TextRole::Id, &mut report.started_at);
    let subject = &mut report.subject;
    visit(TextRole::Device, &mut subject.device);
    visit(TextRole::Hostname, &mut subject.hostname);
    for text in [&mut subject.os, &mut subject.kernel, &mut subject.model] {
        visit(TextRole::Line, text);
    }
    for finding in &mut report.findings {
        finding_texts(finding, visit);
    }
    for chart in &mut report.charts {
        chart_texts(chart, visit);
    }
    map_texts(&mut report.software, visit, TextRole::SoftwareName, |_| TextRole::SoftwareVersion);
    map_texts(&mut report.hardware, visit, TextRole::Label, |label| TextRole::Value { label });
}

/// Calls `visit` with every text of one finding.
pub(super) fn finding_texts(finding: &mut Finding, visit: &mut dyn FnMut(TextRole<'_>, &mut String)) {
    visit(TextRole::Id, &mut finding.id);
    visit(TextRole::Line, &mut finding.instance);
    visit(TextRole::Line, &mut finding.title);
    for evidence in &mut finding.evidence {
        visit(TextRole::Label, &mut evidence.label);
        visit(TextRole::Value { label: &evidence.label }, &mut evidence.value);
    }
    visit(TextRole::Prose, &mut finding.explanation);
    visit(TextRole::Prose, &mut finding.fix);
    if let Some(reason) = &mut finding.reason {
        visit(TextRole::Prose, reason);
    }
    for name in [&mut finding.runbook, &mut finding.article].into_iter().flatten() {
        visit(TextRole::Id, name);
    }
}

fn chart_texts(chart: &mut Chart, visit: &mut dyn FnMut(TextRole<'_>, &mut String)) {
    visit(TextRole::Id, &mut chart.id);
    visit(TextRole::Line, &mut chart.title);
    visit(TextRole::Line, &mut chart.unit);
    for point in &mut chart.points {
        visit(TextRole::Line, &mut point.label);
    }
}

fn map_texts(
    map: &mut BTreeMap<String, String>,
    visit: &mut dyn FnMut(TextRole<'_>, &mut String),
    key_role: TextRole<'_>,
    value_role: impl for<'k> Fn(&'k str) -> TextRole<'k>,
) {
    let visited = std::mem::take(map).into_iter().map(|(mut key, mut value)| {
        visit(key_role, &mut key);
        visit(value_role(&key), &mut value);
        (key, value)
    });
    *map = visited.collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    /// The only texts of the JSON form that nobody writes freely.
    fn is_fixed(text: &str) -> bool {
        serde_json::from_value::<crate::model::FindingStatus>(text.into()).is_ok()
            || serde_json::from_value::<crate::model::Area>(text.into()).is_ok()
            || serde_json::from_value::<crate::model::ChartKind>(text.into()).is_ok()
            || serde_json::from_value::<nearhand_proto::message::session::CheckSet>(text.into()).is_ok()
    }

    fn unvisited(value: &serde_json::Value, found: &mut Vec<String>) {
        match value {
            serde_json::Value::String(text) if !text.starts_with("seen") && !is_fixed(text) => {
                found.push(text.clone());
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| unvisited(item, found)),
            serde_json::Value::Object(fields) => fields.values().for_each(|item| unvisited(item, found)),
            _ => {}
        }
    }

    #[test]
    fn no_text_of_the_json_form_is_left_out() {
        let mut report = sample::full();
        texts(&mut report, &mut |_, text| *text = format!("seen {text}"));
        let mut found = Vec::new();
        unvisited(&serde_json::to_value(&report).unwrap(), &mut found);
        assert_eq!(found, Vec::<String>::new());
        assert!(report.software.keys().chain(report.hardware.keys()).all(|key| key.starts_with("seen")));
    }
}
