//! Light devices: each says what happens to its own alarm, numbers it, and repeats what isn't acknowledged, as a
//! spool does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, bail, ensure};
use nearhand_proto::alarm::{AlarmBatch, AlarmEvent, AlarmTransition, Severity, SpoolEntry, SpoolRecord};
use nearhand_proto::id::StreamId;
use nearhand_proto::message::control::{RelayRefusal, RelayReply, RelayRequest};
use nearhand_proto::time::UnixMillis;

use super::SeededRng;
use crate::deployment::LIMIT;
use crate::wire_client::{ControlWire, DeviceWire, WireEndpoint};

/// Most events of a batch.
const BURST: u64 = 4;
/// Longest pause between two batches: within what the relay lets one device ask (20 a second).
const PAUSE: Duration = Duration::from_millis(100);

/// What one has said.
pub(super) struct SentAlarms {
    /// Its alarm's instance.
    pub(super) instance: String,
    /// How many events the relay has acknowledged.
    pub(super) events: u64,
    /// Batches sent again.
    pub(super) again: u64,
}

/// Says what happens until it is stopped, and then until all of it is known to be stored.
pub(super) fn send(
    wire: &WireEndpoint,
    device: &DeviceWire,
    n: u8,
    stop: &AtomicBool,
    mut rng: SeededRng,
) -> Result<SentAlarms> {
    let stream = StreamId::from_bytes([n; 16]);
    let mut sent = SentAlarms { instance: format!("of {stream}"), events: 0, again: 0 };
    let mut control = None;
    // What was sent and not answered may be stored: it is sent again until it is known to be.
    let mut unsure: Option<u64> = None;
    let (mut stopped, mut last) = (None::<Instant>, String::new());
    while stopped.is_none() || unsure.is_some() {
        if stop.load(Ordering::Relaxed) {
            let since = *stopped.get_or_insert_with(Instant::now);
            ensure!(since.elapsed() < LIMIT, "the relay takes no alarms any more: {last}");
        }
        let connected = match control.take().map_or_else(|| device.connect(wire), Ok) {
            Ok(connected) => connected,
            Err(error) => {
                last = format!("{error:#}");
                thread::park_timeout(Duration::from_millis(50));
                continue;
            }
        };
        if unsure.is_some() {
            sent.again += 1;
        }
        let count = unsure.unwrap_or_else(|| 1 + rng.below(BURST));
        unsure = Some(count);
        match say(&connected, stream, &sent.instance, sent.events + 1, count) {
            Ok(true) => {
                sent.events += count;
                (unsure, control) = (None, Some(connected));
                thread::park_timeout(rng.between(Duration::ZERO, PAUSE));
            }
            // More than one device may say: later.
            Ok(false) => {
                control = Some(connected);
                thread::park_timeout(Duration::from_secs(1));
            }
            // The connection is gone, with the relay.
            Err(error) => last = format!("{error:#}"),
        }
    }
    Ok(sent)
}

/// `false`: the relay takes no more for now.
fn say(control: &ControlWire, stream: StreamId, instance: &str, first: u64, count: u64) -> Result<bool> {
    let record = |seq: u64| {
        let transition =
            if seq.is_multiple_of(2) { AlarmTransition::Cleared } else { AlarmTransition::Raised };
        SpoolRecord { seq, entry: SpoolEntry::Event(event(instance, transition)) }
    };
    let records = (first..first + count).map(record).collect();
    match control.ask(&RelayRequest::Alarms(AlarmBatch { stream, records }))? {
        RelayReply::AlarmsStored { through, .. } if through >= first + count - 1 => Ok(true),
        RelayReply::Refused(RelayRefusal::TooMany { .. }) => Ok(false),
        other => bail!("{other:?}"),
    }
}

fn event(instance: &str, transition: AlarmTransition) -> AlarmEvent {
    AlarmEvent {
        rule: "light".into(),
        rule_version: 1,
        instance: instance.into(),
        transition,
        // Too mild for the receiver: it is the relay's own record that is looked at.
        severity: Severity::Info,
        value: None,
        summary: "said by the crash test".into(),
        observed_at: UnixMillis::from_system(SystemTime::now()),
        clock_ahead_ms: None,
        runbook: None,
        article: None,
    }
}
