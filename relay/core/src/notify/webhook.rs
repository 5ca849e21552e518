//! Webhooks by the Standard Webhooks specification (<https://www.standardwebhooks.com>): what is sent, and its
//! signatures.

use data_encoding::BASE64;
use hmac::{Hmac, Mac};
use nearhand_proto::alarm::AlarmMeasurement;
use nearhand_proto::time::UnixMillis;
use serde_json::{Value, json};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::alarm::{AlarmNotice, AlarmProjection};
use crate::clean_json::cleaned;

/// Before a secret's base64.
const PREFIX: &str = "whsec_";
/// Bytes that a secret may have, as the specification says.
const SECRET_LEN: core::ops::RangeInclusive<usize> = 24..=64;

/// A key that webhooks are signed with.
#[derive(Clone)]
pub struct WebhookSecret(Zeroizing<Vec<u8>>);

/// Why a text is no secret.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a webhook's secret is \"whsec_\" and the base64 of 24 to 64 bytes")]
pub struct BadWebhookSecret;

impl core::fmt::Debug for BadWebhookSecret {
    /// Its words: it holds nothing else.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

impl WebhookSecret {
    /// Reads one as it is handed around.
    ///
    /// # Errors
    /// [`BadWebhookSecret`]: the text lacks the prefix, is no Base64, or is too short or too long.
    pub fn parse(text: &str) -> Result<Self, BadWebhookSecret> {
        let text = text.trim().strip_prefix(PREFIX).ok_or(BadWebhookSecret)?;
        let bytes = Zeroizing::new(BASE64.decode(text.as_bytes()).map_err(|_| BadWebhookSecret)?);
        if SECRET_LEN.contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(BadWebhookSecret) }
    }

    /// The signature of one message: `v1,` and base64 of HMAC-SHA256 over id, time and body.
    fn sign(&self, id: &str, seconds: u64, body: &str) -> Option<String> {
        let mac = <Hmac<Sha256> as Mac>::new_from_slice(&self.0).ok()?;
        let mac = mac.chain_update(id).chain_update(".").chain_update(seconds.to_string());
        let tag = mac.chain_update(".").chain_update(body).finalize().into_bytes();
        Some(format!("v1,{}", BASE64.encode(&tag)))
    }
}

/// The headers of one attempt: the id is the notice's, the time is now, a signature for each secret.
pub fn headers(
    id: &str,
    body: &str,
    secrets: &[WebhookSecret],
    now: UnixMillis,
) -> Vec<(&'static str, String)> {
    let seconds = now.0 / 1000;
    let signatures: Vec<String> =
        secrets.iter().filter_map(|secret| secret.sign(id, seconds, body)).collect();
    vec![
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-signature", signatures.join(" ")),
    ]
}

/// What is sent.
pub fn body(notice: &AlarmNotice) -> Value {
    json!({
        "type": format!("alarm.{}", notice.kind.name()),
        "timestamp": rfc3339(notice.at),
        "data": data(notice),
    })
}

/// The notice's alarm, as receivers of JSON get it.
pub fn data(notice: &AlarmNotice) -> Value {
    let alarm = &notice.alarm;
    cleaned(json!({
        "id": alarm.id.to_string(),
        "number": notice.number,
        "test": notice.kind == crate::alarm::NoticeKind::Test,
        "device": { "id": alarm.device.to_string(), "name": notice.device() },
        "rule": alarm.rule,
        "instance": notice.instance(),
        "state": alarm.state.name(),
        "severity": alarm.severity.name(),
        "previous_severity": notice.before.map(nearhand_proto::alarm::Severity::name),
        "summary": notice.summary(),
        "value": value(alarm),
        "opened": rfc3339(alarm.opened),
        "changed": rfc3339(alarm.changed),
        "cleared": alarm.cleared.map(rfc3339),
        "count": alarm.count,
        "flapping": alarm.flapping,
        "acknowledged": alarm.acknowledged.as_ref().map(|ack| json!({
            "by": ack.by.name, "at": rfc3339(ack.at), "comment": ack.comment,
        })),
        "assigned": alarm.assigned.as_ref().map(|to| to.name.clone()),
        "runbook": alarm.runbook,
        "article": alarm.article,
    }))
}

fn value(alarm: &AlarmProjection) -> Value {
    match &alarm.value {
        Some(AlarmMeasurement { value, unit }) => json!({ "value": value, "unit": unit }),
        None => Value::Null,
    }
}

/// RFC 3339 in UTC, with milliseconds.
pub fn rfc3339(at: UnixMillis) -> String {
    let whole = at.to_string();
    match whole.strip_suffix('Z') {
        Some(seconds) => format!("{seconds}.{:03}Z", at.0 % 1000),
        None => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::sample_notice as notice;

    /// The specification's own example.
    #[test]
    fn nothing_that_a_device_or_a_person_wrote_goes_out_as_it_came() {
        let mut notice = notice();
        let hostile = || "a\u{202e}b\u{1b}[2J\nc".to_owned();
        let alarm = &mut notice.alarm;
        (alarm.instance, alarm.summary, alarm.runbook) = (hostile(), hostile(), Some(hostile()));
        alarm.article = Some("javascript:alert(1)".to_owned());
        alarm.value = Some(AlarmMeasurement { value: 1.0, unit: hostile() });
        let by = nearhand_proto::message::alarms::AlarmActor { id: None, name: hostile() };
        alarm.assigned = Some(by.clone());
        alarm.acknowledged = Some(nearhand_proto::message::alarms::AlarmAcknowledgement {
            by,
            at: notice.at,
            comment: hostile(),
        });
        notice.device_name = hostile();
        let text = data(&notice).to_string();
        assert!(
            !text.contains('\u{202e}') && !text.contains("\\u001b") && !text.contains("javascript"),
            "{text}"
        );
    }

    #[test]
    fn the_signature_is_that_of_the_specification() {
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let body = "{\"test\": 2432232314}";
        let found = headers(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            body,
            core::slice::from_ref(&secret),
            UnixMillis(1_614_265_330_999),
        );
        assert_eq!(
            found,
            [
                ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned()),
                ("webhook-timestamp", "1614265330".to_owned()),
                ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=".to_owned()),
            ]
        );
        let other = WebhookSecret::parse(&format!("whsec_{}", BASE64.encode(&[1; 32]))).unwrap();
        let two = headers("a", body, &[secret, other], UnixMillis(0)).remove(2).1;
        assert_eq!(two.split(' ').filter(|s| s.starts_with("v1,")).count(), 2, "while it is replaced");
        for bad in ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAA", "whsec_!!"] {
            assert!(WebhookSecret::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_a_device_says_is_safe_to_show_and_times_are_exact() {
        let mut notice = notice();
        notice.alarm.summary = "a\u{1b}[2J\u{202e}b".into();
        let body = body(&notice);
        assert_eq!(body["data"]["summary"], "a\u{fffd}[2J\u{fffd}b");
        assert_eq!(body["type"], "alarm.raised");
        assert_eq!(rfc3339(UnixMillis(1_700_000_000_123)), "2023-11-14T22:13:20.123Z");
    }
}
