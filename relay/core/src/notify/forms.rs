//! The forms of PagerDuty, OpenTelemetry, syslog and e-mail.

use std::collections::BTreeMap;

use nearhand_proto::alarm::Severity;
use nearhand_proto::text;
use serde_json::{Value, json};

use super::webhook::{data, rfc3339};
use crate::alarm::{AlarmNotice, NoticeKind};
use crate::clean_json;

/// Syslog's facility local0 (RFC 5424, section 6.2.1).
const LOCAL0: u8 = 16;
/// Name of our structured data: the number is the one that is reserved for examples, since we have none of our own.
const SD_ID: &str = "nearhand@32473";
/// Longest line of a mail, in characters.
const MAX_LINE: usize = 500;
/// Most devices that it names of what it doesn't spell out.
const MAX_DEVICES: usize = 20;
/// Most notices that a mail spells out.
pub const MAX_IN_MAIL: usize = 200;

/// What PagerDuty is sent. One alarm is one incident there: its key is the alarm's id.
pub fn pagerduty(notice: &AlarmNotice, routing_key: &str, action: &str) -> Value {
    let alarm = &notice.alarm;
    let severity = match alarm.severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
        Severity::Critical => "critical",
    };
    json!({
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": format!("nearhand-{}", alarm.id),
        "client": "Nearhand",
        "payload": {
            "summary": title(notice),
            "source": notice.device(),
            "severity": severity,
            "timestamp": rfc3339(notice.at),
            "component": notice.instance(),
            "class": alarm.rule,
            "custom_details": data(notice),
        },
    })
}

/// What PagerDuty makes of a notice.
pub const fn pagerduty_action(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::Resolved => "resolve",
        NoticeKind::Acknowledged => "acknowledge",
        _ => "trigger",
    }
}

/// Log records of OpenTelemetry, as its JSON over HTTP.
pub fn otlp(notice: &AlarmNotice) -> Value {
    let alarm = &notice.alarm;
    let number = match alarm.severity {
        Severity::Info => 9,
        Severity::Warning => 13,
        Severity::Error => 17,
        Severity::Critical => 21,
    };
    let attribute = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let nanos = format!("{}000000", notice.at.0);
    let record = json!({
        "timeUnixNano": nanos,
        "observedTimeUnixNano": nanos,
        "severityNumber": number,
        "severityText": alarm.severity.name(),
        "eventName": format!("alarm.{}", notice.kind.name()),
        "body": { "stringValue": title(notice) },
        "attributes": [
            attribute("nearhand.notice.id", &notice.id),
            attribute("nearhand.alarm.id", &alarm.id.to_string()),
            attribute("nearhand.alarm.event", notice.kind.name()),
            attribute("nearhand.alarm.state", alarm.state.name()),
            attribute("nearhand.alarm.rule", &alarm.rule),
            attribute("nearhand.alarm.instance", &notice.instance()),
            attribute("nearhand.device.id", &alarm.device.to_string()),
            attribute("nearhand.device.name", &notice.device()),
        ],
    });
    json!({ "resourceLogs": [{
        "resource": { "attributes": [attribute("service.name", "nearhand-relay")] },
        "scopeLogs": [{ "scope": { "name": "nearhand.alarms" }, "logRecords": [record] }],
    }] })
}

/// A syslog message (RFC 5424) in its frame (RFC 6587, octet counting).
pub fn syslog(notice: &AlarmNotice, host: &str) -> Vec<u8> {
    let alarm = &notice.alarm;
    let level = match alarm.severity {
        Severity::Info => 6,
        Severity::Warning => 4,
        Severity::Error => 3,
        Severity::Critical => 2,
    };
    let fields = [
        ("id", notice.id.clone()),
        ("alarm", alarm.id.to_string()),
        ("device", notice.device()),
        ("rule", alarm.rule.clone()),
        ("instance", notice.instance()),
        ("severity", alarm.severity.name().to_owned()),
        ("state", alarm.state.name().to_owned()),
        ("event", notice.kind.name().to_owned()),
    ];
    let fields: String =
        fields.iter().map(|(name, value)| format!(" {name}=\"{}\"", escaped(value))).collect();
    let message = format!(
        "<{}>1 {} {} nearhand-relay - {} [{SD_ID}{fields}] \u{feff}{}",
        LOCAL0 * 8 + level,
        rfc3339(notice.at),
        printable(host),
        notice.kind.name(),
        title(notice),
    );
    let mut frame = format!("{} ", message.len()).into_bytes();
    frame.extend(message.into_bytes());
    frame
}

/// A value of structured data (RFC 5424, section 6.3.3).
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '"' | '\\' | ']') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A host name of printable ASCII, or `-`.
fn printable(host: &str) -> String {
    let kept: String = host.chars().filter(char::is_ascii_graphic).take(255).collect();
    if kept.is_empty() { "-".to_owned() } else { kept }
}

/// One line about a notice.
pub fn title(notice: &AlarmNotice) -> String {
    let alarm = &notice.alarm;
    let what = match notice.kind {
        NoticeKind::Raised => alarm.severity.name().to_uppercase(),
        NoticeKind::Worsened | NoticeKind::Eased => {
            let before = notice.before.map_or("?", Severity::name);
            format!("{} (was {before})", alarm.severity.name().to_uppercase())
        }
        other => other.name().to_uppercase(),
    };
    let of = notice.instance();
    let of = if of.is_empty() { String::new() } else { format!(" {of}") };
    let line = format!("{what} {} {}{of}: {}", notice.device(), alarm.rule, notice.summary());
    text::one_line(&line, MAX_LINE)
}

/// Subject and text of a mail about several notices, the most urgent first. What is not spelled out is counted.
pub fn mail(notices: &[&AlarmNotice]) -> (String, String) {
    let worst =
        notices.iter().max_by_key(|notice| (notice.kind != NoticeKind::Resolved, notice.alarm.severity));
    let more = notices.len().saturating_sub(1);
    let subject = match (worst, more) {
        (Some(notice), 0) => format!("[nearhand] {}", title(notice)),
        (Some(notice), more) => format!("[nearhand] {} (+{more} more)", title(notice)),
        (None, _) => "[nearhand]".to_owned(),
    };
    let mut body = String::new();
    for notice in notices.iter().take(MAX_IN_MAIL) {
        let alarm = &notice.alarm;
        body.push_str(&format!("{}  {}\r\n", notice.at, title(notice)));
        if let Some(ack) = alarm.acknowledged.as_ref().filter(|_| notice.kind == NoticeKind::Acknowledged) {
            let said = text::one_line(&format!("{}: {}", ack.by.name, ack.comment), MAX_LINE);
            body.push_str(&format!("    acknowledged by {said}\r\n"));
        }
        if let Some(value) = &alarm.value {
            body.push_str(&format!("    value {} {}\r\n", value.value, text::one_line(&value.unit, 16)));
        }
        if let Some(runbook) = &alarm.runbook {
            body.push_str(&format!("    runbook {}\r\n", text::one_line(runbook, MAX_LINE)));
        }
        if let Some(article) = alarm.article.as_deref().and_then(clean_json::link) {
            body.push_str(&format!("    article {}\r\n", text::one_line(article, MAX_LINE)));
        }
        body.push_str(&format!("    alarm {}\r\n\r\n", alarm.id));
    }
    body.push_str(&left_out(notices.get(MAX_IN_MAIL..).unwrap_or_default()));
    body.push_str("nearhand alarms show ID tells more about one; nearhand ack ID acknowledges it.\r\n");
    (text::one_line(&subject, 200), body)
}

/// How many more there are, and of which devices most.
fn left_out(notices: &[&AlarmNotice]) -> String {
    if notices.is_empty() {
        return String::new();
    }
    let mut devices: BTreeMap<String, usize> = BTreeMap::new();
    for notice in notices {
        *devices.entry(notice.device()).or_default() += 1;
    }
    let mut devices: Vec<_> = devices.into_iter().collect();
    devices.sort_by_key(|(_, count)| core::cmp::Reverse(*count));
    let mut text = format!("{} more are not spelled out here:\r\n", notices.len());
    for (device, count) in devices.iter().take(MAX_DEVICES) {
        text.push_str(&format!("    {count} of {}\r\n", text::one_line(device, MAX_LINE)));
    }
    if let Some(rest) = devices.get(MAX_DEVICES..).filter(|rest| !rest.is_empty()) {
        let count: usize = rest.iter().map(|(_, count)| count).sum();
        text.push_str(&format!("    {count} of {} further devices\r\n", rest.len()));
    }
    text.push_str("\r\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::sample_notice as notice;

    #[test]
    fn a_mail_counts_what_it_does_not_spell_out() {
        let flood: Vec<AlarmNotice> = (0..1_000).map(|_| notice()).collect();
        let (subject, body) = mail(&flood.iter().collect::<Vec<_>>());
        assert!(subject.ends_with("(+999 more)"), "{subject}");
        assert_eq!(body.matches("    alarm ").count(), MAX_IN_MAIL);
        assert!(body.contains("800 more are not spelled out here:\r\n    800 of till 3\r\n"), "{body}");
    }

    #[test]
    fn a_syslog_frame_counts_its_octets_and_escapes_what_a_device_says() {
        let mut notice = notice();
        notice.alarm.instance = "a\"]\\b\n<0>".into();
        notice.alarm.summary = "grün\u{1b}[2J".into();
        let frame = String::from_utf8(syslog(&notice, "relay.example")).unwrap();
        let (length, message) = frame.split_once(' ').unwrap();
        assert_eq!(length.parse::<usize>().unwrap(), message.len());
        assert!(
            message.starts_with(
                "<132>1 2023-11-14T22:13:20.123Z relay.example nearhand-relay - raised [nearhand@"
            )
        );
        assert!(message.contains("instance=\"a\\\"\\]\\\\b <0>\""), "{message}");
        assert!(!message.contains('\n') && !message.contains('\u{1b}'));
        assert!(message.ends_with("\u{feff}WARNING till 3 disk-space a\"]\\b <0>: grün\u{fffd}[2J"));
    }

    #[test]
    fn a_digest_names_the_worst_and_lists_all() {
        let mild = notice();
        let mut bad = notice();
        bad.alarm.severity = Severity::Critical;
        (bad.kind, bad.before) = (NoticeKind::Worsened, Some(Severity::Warning));
        let mut over = bad.clone();
        over.kind = NoticeKind::Resolved;
        let (subject, body) = mail(&[&over, &mild, &bad]);
        assert_eq!(
            subject,
            "[nearhand] CRITICAL (was warning) till 3 disk-space /home: /home is 91 % full (+2 more)"
        );
        assert_eq!(body.matches("    alarm ").count(), 3);
        assert!(body.contains("RESOLVED till 3"));
        assert_eq!(mail(&[&mild]).0, "[nearhand] WARNING till 3 disk-space /home: /home is 91 % full");
    }

    #[test]
    fn pagerduty_and_otlp_tell_the_same_alarm_by_the_same_id() {
        let notice = notice();
        let event = pagerduty(&notice, "key", pagerduty_action(notice.kind));
        assert_eq!(
            (&event["event_action"], &event["payload"]["severity"]),
            (&json!("trigger"), &json!("warning"))
        );
        assert_eq!(event["dedup_key"], format!("nearhand-{}", notice.alarm.id));
        assert_eq!(
            (pagerduty_action(NoticeKind::Acknowledged), pagerduty_action(NoticeKind::Resolved)),
            ("acknowledge", "resolve")
        );
        let record = &otlp(&notice)["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
        assert_eq!(record["timeUnixNano"], "1700000000123000000");
        assert_eq!(record["severityNumber"], 13);
    }
}
