//! Alarms and deliveries, for Prometheus. What a device says stands in label values, made safe and escaped.

use std::time::SystemTime;

use nearhand_proto::alarm::Severity;
use nearhand_proto::message::alarms::AlarmState;
use nearhand_proto::text;
use nearhand_proto::time::UnixMillis;

use super::metrics_text::MetricsText;
use crate::control::ControlPlane;
use crate::store::StoreError;

/// Most alarms that get a separate series.
const MAX_SERIES: usize = 1000;
/// Longest label value, in characters.
const MAX_LABEL: usize = 100;

/// Adds them; what can't be read is left out, and the storage's own gauges tell why.
pub(super) async fn render(out: &mut MetricsText, control: &ControlPlane) {
    if let Err(error) = render_stored(out, control).await {
        tracing::debug!(error = %error.in_full(), "alarms could not be read for metrics");
    }
    deliveries(out, control);
}

async fn render_stored(out: &mut MetricsText, control: &ControlPlane) -> Result<(), StoreError> {
    let reader = control.store().reader();
    let counts = reader.alarm_counts().await?;
    out.family("nearhand_alarms", "Alarms by state and severity.", "gauge");
    for state in AlarmState::ALL {
        for severity in Severity::ALL {
            let found = counts.iter().find(|c| c.state == state.name() && c.severity == severity);
            let labels = [("state", state.name()), ("severity", severity.name())];
            out.sample("nearhand_alarms", &labels, found.map_or(0, |c| c.count));
        }
    }
    let told = reader.told_alarms(Severity::Info, MAX_SERIES).await?;
    out.family("nearhand_alarm_firing", "1 for each alarm that receivers were told of.", "gauge");
    for (alarm, device) in &told {
        let (id, device_id) = (alarm.id.to_string(), alarm.device.to_string());
        let (device, instance) =
            (text::one_line(device, MAX_LABEL), text::one_line(&alarm.instance, MAX_LABEL));
        let acknowledged = if alarm.acknowledged.is_some() { "true" } else { "false" };
        let labels = [
            ("alarm_id", id.as_str()),
            ("device_id", device_id.as_str()),
            ("device", device.as_str()),
            ("rule", alarm.rule.as_str()),
            ("object", instance.as_str()),
            ("severity", alarm.severity.name()),
            ("acknowledged", acknowledged),
        ];
        out.sample("nearhand_alarm_firing", &labels, 1);
    }
    let left_out = reader.told_count().await?.saturating_sub(u64::try_from(told.len()).unwrap_or(u64::MAX));
    out.single(
        "nearhand_alarm_firing_left_out",
        "Alarms beyond those that have a series of their own.",
        "gauge",
        left_out,
    );
    out.single(
        "nearhand_devices_off",
        "Devices that said that they are switched off or sleep, and haven't been back since.",
        "gauge",
        reader.devices_off().await?,
    );
    outbox(out, &reader.outbox().await?);
    Ok(())
}

fn outbox(out: &mut MetricsText, states: &[crate::store::OutboxState]) {
    let now = UnixMillis::from_system(SystemTime::now());
    out.family("nearhand_outbox_waiting", "Notices that wait for a receiver.", "gauge");
    for state in states {
        out.sample("nearhand_outbox_waiting", &[("receiver", &state.receiver)], state.waiting);
    }
    out.family("nearhand_outbox_dead", "Notices that were given up for a receiver.", "gauge");
    for state in states {
        out.sample("nearhand_outbox_dead", &[("receiver", &state.receiver)], state.dead);
    }
    out.family("nearhand_outbox_oldest_seconds", "Age of the oldest notice that waits.", "gauge");
    for state in states {
        let age = state.oldest.map_or(0, |at| now.0.saturating_sub(at.0) / 1000);
        out.sample("nearhand_outbox_oldest_seconds", &[("receiver", &state.receiver)], age);
    }
    out.family("nearhand_receiver_disabled", "1 for a receiver that wanted no more (HTTP 410).", "gauge");
    for state in states.iter().filter(|state| state.disabled.is_some()) {
        out.sample("nearhand_receiver_disabled", &[("receiver", &state.receiver)], 1);
    }
}

fn deliveries(out: &mut MetricsText, control: &ControlPlane) {
    let deliveries = control.metrics().deliveries();
    out.family("nearhand_deliveries_total", "Tries to deliver a notice, by result.", "counter");
    for ((receiver, result), count) in deliveries.counts() {
        out.sample("nearhand_deliveries_total", &[("receiver", &receiver), ("result", result)], count);
    }
    out.family("nearhand_delivery_lag_seconds", "From what happened to its delivery.", "summary");
    for (receiver, (ms, count)) in deliveries.lags() {
        let labels = [("receiver", receiver.as_str())];
        let seconds = format!("{}.{:03}", ms / 1000, ms % 1000);
        out.sample("nearhand_delivery_lag_seconds_sum", &labels, seconds);
        out.sample("nearhand_delivery_lag_seconds_count", &labels, count);
    }
}
