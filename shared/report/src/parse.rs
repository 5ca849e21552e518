//! Reading a report that somebody else wrote.
//!
//! Lives here: the bounds that a report has to keep, the check of its schema version and the neutralising of
//! its texts. Nothing in here trusts the writer: sizes are checked before anything is kept, counts and order
//! are worked out again, and an error never repeats foreign text raw. Must not live here: taking secrets out
//! (see [`super::redact`]).

use serde::Deserialize;
use thiserror::Error;

use super::model::{Report, SCHEMA_VERSION};
use super::visit::{TextRole, texts};
use nearhand_proto::text;

/// Longest report in bytes that is looked at. A full report of a server with 4,000 packages has about 400 kB.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Most findings; a machine with 100 disks and as many services stays far below.
pub const MAX_FINDINGS: usize = 2_000;
/// Most pieces of evidence of one finding.
pub const MAX_EVIDENCE: usize = 200;
/// Most charts of one report.
pub const MAX_CHARTS: usize = 50;
/// Most points of one chart: a day in minutes.
pub const MAX_POINTS: usize = 1_440;
/// Most software packages; the largest desktop installations have some 6,000.
pub const MAX_SOFTWARE: usize = 20_000;
/// Most hardware components.
pub const MAX_HARDWARE: usize = 1_000;

/// Why bytes are no report that can be shown. The texts are safe to show as they are.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParseError {
    /// Longer than [`MAX_BYTES`].
    #[error("the report has {bytes} bytes; at most {MAX_BYTES} are read: ask for the quick set of checks")]
    TooLarge {
        /// The JSON's length in bytes.
        bytes: usize,
    },
    /// Not JSON, or nested too deeply.
    #[error("this is no report: {detail}")]
    NotJson {
        /// What the JSON reader stumbled over.
        detail: String,
    },
    /// JSON without a usable `schema_version`.
    #[error("this is no report: it has no `schema_version`")]
    NoVersion,
    /// Written by a newer program.
    #[error(
        "the report has schema version {found}, this program reads up to {SCHEMA_VERSION}: update this program"
    )]
    NewerSchema {
        /// The report's version.
        found: u64,
    },
    /// A version that was never published.
    #[error("the report has schema version {found}, which never existed")]
    UnknownSchema {
        /// The report's version.
        found: u64,
    },
    /// The right version, but a field is missing or of the wrong kind.
    #[error("the report does not follow its schema: {detail}")]
    NotAReport {
        /// The field and its place.
        detail: String,
    },
    /// A list is longer than its bound.
    #[error("the report has {found} {what}; at most {limit} are read")]
    TooMany {
        /// Name of the list in the report.
        what: &'static str,
        /// Number of its entries.
        found: usize,
        /// Most entries that it may have.
        limit: usize,
    },
    /// A chart's number is infinite or not a number.
    #[error("a chart of the report holds a value that is no finite number")]
    NotFinite,
}

#[derive(Deserialize)]
struct SchemaVersion {
    schema_version: Option<u64>,
}

/// Reads a report from its JSON form. Fields that this program does not know are dropped.
///
/// # Errors
/// See [`ParseError`]; texts that are too long are cut, not refused.
pub fn parse(json: &[u8]) -> Result<Report, ParseError> {
    if json.len() > MAX_BYTES {
        return Err(ParseError::TooLarge { bytes: json.len() });
    }
    // The version first: a newer report may well not fit today's model, and "update" is the useful answer.
    match serde_json::from_slice::<SchemaVersion>(json) {
        Ok(SchemaVersion { schema_version: Some(found) }) => check_version(found)?,
        Ok(SchemaVersion { schema_version: None }) => return Err(ParseError::NoVersion),
        Err(err) if err.is_data() => return Err(ParseError::NoVersion),
        Err(err) => return Err(ParseError::NotJson { detail: shown(&err) }),
    }
    let report: Report =
        serde_json::from_slice(json).map_err(|err| ParseError::NotAReport { detail: shown(&err) })?;
    admit(report)
}

/// Checks and neutralises a report that came in another form than JSON: bounds and version hold afterwards,
/// every text is safe to show, the findings are in order and counted.
///
/// # Errors
/// [`ParseError`] when the version is unknown, a list is too long or a number is not finite.
pub fn admit(mut report: Report) -> Result<Report, ParseError> {
    check_version(u64::from(report.schema_version))?;
    check_bounds(&report)?;
    texts(&mut report, &mut |role, value| {
        *value = match role {
            TextRole::Prose => text::multi_line(value, max_chars(role)),
            _ => text::one_line(value, max_chars(role)),
        };
    });
    report.sort_and_count();
    Ok(report)
}

fn check_version(found: u64) -> Result<(), ParseError> {
    match found {
        0 => Err(ParseError::UnknownSchema { found }),
        _ if found > u64::from(SCHEMA_VERSION) => Err(ParseError::NewerSchema { found }),
        _ => Ok(()),
    }
}

fn check_bounds(report: &Report) -> Result<(), ParseError> {
    let longest_evidence = report.findings.iter().map(|f| f.evidence.len()).max().unwrap_or(0);
    let longest_chart = report.charts.iter().map(|c| c.points.len()).max().unwrap_or(0);
    let bounds = [
        ("findings", report.findings.len(), MAX_FINDINGS),
        ("pieces of evidence in one finding", longest_evidence, MAX_EVIDENCE),
        ("charts", report.charts.len(), MAX_CHARTS),
        ("points in one chart", longest_chart, MAX_POINTS),
        ("software packages", report.software.len(), MAX_SOFTWARE),
        ("hardware components", report.hardware.len(), MAX_HARDWARE),
    ];
    for (what, found, limit) in bounds {
        if found > limit {
            return Err(ParseError::TooMany { what, found, limit });
        }
    }
    let mut points = report.charts.iter().flat_map(|chart| &chart.points);
    if points.all(|p| p.value.is_finite() && p.limit.is_none_or(f64::is_finite)) {
        Ok(())
    } else {
        Err(ParseError::NotFinite)
    }
}

/// Longest text in characters by what it is for.
fn max_chars(role: TextRole<'_>) -> usize {
    match role {
        TextRole::Id | TextRole::Device => 120,
        TextRole::Hostname | TextRole::Label | TextRole::SoftwareVersion => 255,
        TextRole::Line | TextRole::SoftwareName => 400,
        TextRole::Value { .. } => 2_000,
        TextRole::Prose => 8_000,
    }
}

/// The reader's message: it repeats foreign field values, so it is neutralised like them.
fn shown(err: &serde_json::Error) -> String {
    text::one_line(&err.to_string(), 200)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample;

    fn json(change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
        let mut value = serde_json::to_value(sample::full()).unwrap();
        change(&mut value);
        serde_json::to_vec(&value).unwrap()
    }

    #[test]
    fn a_written_report_reads_back() {
        let report = sample::full();
        assert_eq!(parse(&serde_json::to_vec(&report).unwrap()).unwrap(), report);
    }

    #[test]
    fn the_schema_version_is_checked_before_the_fields() {
        assert_eq!(parse(b"{\"schema_version\":2}"), Err(ParseError::NewerSchema { found: 2 }));
        assert!(parse(b"{\"schema_version\":2}").unwrap_err().to_string().contains("update this program"));
        assert_eq!(
            parse(&json(|v| v["schema_version"] = 0.into())),
            Err(ParseError::UnknownSchema { found: 0 })
        );
        for no_version in ["{}", "[]", "7", "{\"schema_version\":\"1\"}", "{\"schema_version\":-1}"] {
            assert_eq!(parse(no_version.as_bytes()), Err(ParseError::NoVersion), "{no_version}");
        }
    }

    #[test]
    fn unknown_fields_are_dropped_and_missing_ones_named() {
        let report = parse(&json(|v| v["findings"][0]["invented"] = "x".into())).unwrap();
        assert_eq!(report, sample::full());
        let missing = json(|v| {
            v["findings"][0].as_object_mut().unwrap().remove("fix");
        });
        assert!(
            matches!(parse(&missing), Err(ParseError::NotAReport { detail }) if detail.contains("`fix`"))
        );
    }

    #[test]
    fn what_is_not_json_or_far_too_deep_is_refused() {
        assert!(matches!(parse(b""), Err(ParseError::NotJson { .. })));
        assert!(matches!(parse(b"{\"schema_version\":1,"), Err(ParseError::NotJson { .. })));
        let deep = format!("{{\"schema_version\":1,\"x\":{}1", "[".repeat(100_000));
        assert!(matches!(parse(deep.as_bytes()), Err(ParseError::NotJson { .. })));
        assert_eq!(parse(&vec![b' '; MAX_BYTES + 1]), Err(ParseError::TooLarge { bytes: MAX_BYTES + 1 }));
    }

    #[test]
    fn each_list_has_its_bound() {
        let full = sample::full();
        let finding = full.findings[0].clone();
        let evidence = finding.evidence[0].clone();
        let chart = full.charts[0].clone();
        let changes: [&dyn Fn(&mut Report); 6] = [
            &|r| r.findings = vec![finding.clone(); MAX_FINDINGS + 1],
            &|r| r.findings[0].evidence = vec![evidence.clone(); MAX_EVIDENCE + 1],
            &|r| r.charts = vec![chart.clone(); MAX_CHARTS + 1],
            &|r| r.charts[0].points = vec![chart.points[0].clone(); MAX_POINTS + 1],
            &|r| r.software = (0..=MAX_SOFTWARE).map(|n| (n.to_string(), String::new())).collect(),
            &|r| r.hardware = (0..=MAX_HARDWARE).map(|n| (n.to_string(), String::new())).collect(),
        ];
        for (which, change) in changes.iter().enumerate() {
            let mut report = sample::full();
            change(&mut report);
            assert!(matches!(admit(report), Err(ParseError::TooMany { .. })), "{which}");
        }
    }

    #[test]
    fn numbers_that_are_none_are_refused() {
        let mut report = sample::full();
        report.charts[0].points[0].limit = Some(f64::INFINITY);
        assert_eq!(admit(report), Err(ParseError::NotFinite));
        let huge = String::from_utf8(json(|v| v["charts"][0]["points"][0]["value"] = 12345.into())).unwrap();
        assert!(parse(huge.replace("12345", "1e999").as_bytes()).is_err());
    }

    #[test]
    fn hostile_texts_are_neutralised_cut_and_counts_not_believed() {
        let mut report = sample::full();
        report.counts.fail = 0;
        report.findings.reverse();
        report.subject.hostname = "a\u{1b}[2Jb\nc".into();
        report.findings[0].explanation = format!("x\u{202e}y\nz{}", "w".repeat(20_000));
        let admitted = parse(&serde_json::to_vec(&report).unwrap()).unwrap();
        assert_eq!(admitted.subject.hostname, "a\u{fffd}[2Jb c");
        assert!(admitted.counts.fail > 0);
        let long = admitted.findings.iter().find(|f| f.explanation.starts_with('x')).unwrap();
        assert!(long.explanation.starts_with("x\u{fffd}y\nz") && long.explanation.ends_with('…'));
        assert_eq!(long.explanation.chars().count(), 8_000);
    }

    #[test]
    fn an_error_does_not_repeat_foreign_control_characters() {
        let bad = json(|v| v["findings"][0]["status"] = "\u{1b}]0;owned\u{7}\u{202e}".into());
        let shown = parse(&bad).unwrap_err().to_string();
        assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{shown:?}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn a_damaged_report_is_answered(at in 0usize..4000, byte in any::<u8>()) {
            let mut bytes = serde_json::to_vec(&sample::full()).unwrap();
            let len = bytes.len();
            bytes[at % len] = byte;
            let _ = parse(&bytes);
        }
    }
}
