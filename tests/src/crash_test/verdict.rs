//! Whether every promise was kept, as seen from outside: at the receiver, in the relay's own record, in the logs.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use nearhand_proto::alarm::AlarmTransition;
use nearhand_proto::message::alarms::{AlarmChange, AlarmEntry, AlarmFilter};
use nearhand_proto::message::control::{RelayRefusal, RelayReply, RelayRequest};

use super::receiver::ReceivedAlarms;
use crate::program::ProgramLogs;
use crate::wire_client::{ControlWire, WireEndpoint, WireMember};

/// Faults that are kept word by word.
const SHOWN: usize = 20;

/// How many events each alarm's instance must have; all begin with a raise, and raises and ends take turns.
#[derive(Default)]
pub(super) struct ExpectedEvents {
    /// Of real agents: at the relay and at the receiver.
    pub(super) alarms: BTreeMap<String, u64>,
    /// Of light devices: at the relay.
    pub(super) streams: BTreeMap<String, u64>,
}

/// What is wrong.
#[derive(Default)]
pub(super) struct DeliveryFaults {
    shown: Vec<String>,
    more: u64,
}

impl DeliveryFaults {
    pub(super) fn add(&mut self, fault: String) {
        match self.shown.len() < SHOWN {
            true => self.shown.push(fault),
            false => self.more += 1,
        }
    }

    pub(super) fn count(&self) -> u64 {
        u64::try_from(self.shown.len()).unwrap_or(u64::MAX).saturating_add(self.more)
    }

    pub(super) fn into_list(mut self) -> Vec<String> {
        if self.more > 0 {
            self.shown.push(format!("and {} more", self.more));
        }
        self.shown
    }
}

/// Compares one alarm's story with what it must be.
fn story<'a>(
    whose: &str,
    instance: &str,
    expected: u64,
    told: impl ExactSizeIterator<Item = &'a str>,
    words: [&str; 2],
    faults: &mut DeliveryFaults,
) {
    let count = u64::try_from(told.len()).unwrap_or(u64::MAX);
    if count != expected {
        let what = if count < expected { "lost" } else { "too many" };
        faults.add(format!("{whose}: {instance}: {count} events instead of {expected} ({what})"));
    }
    let in_turn = words.into_iter().cycle();
    if let Some(at) = told.zip(in_turn).position(|(told, expected)| told != expected) {
        faults.add(format!("{whose}: {instance}: event {} is out of turn", at + 1));
    }
}

/// The receiver has each notice once, in order, and no others.
pub(super) fn of_receiver(expected: &ExpectedEvents, heard: &ReceivedAlarms, faults: &mut DeliveryFaults) {
    for (instance, count) in &expected.alarms {
        let told = heard.told.get(instance).map(Vec::as_slice).unwrap_or_default();
        let told = told.iter().map(String::as_str);
        story("receiver", instance, *count, told, ["alarm.raised", "alarm.resolved"], faults);
    }
    for (instance, told) in heard.told.iter().filter(|(instance, _)| !expected.alarms.contains_key(*instance))
    {
        faults.add(format!("receiver: {instance}: nothing happened there, but it was told {told:?}"));
    }
    for id in &heard.changed {
        faults.add(format!("receiver: what came again as {id} was something else"));
    }
}

/// The relay has each event once, in order, and no others.
pub(super) fn of_relay(
    expected: &ExpectedEvents,
    wire: &WireEndpoint,
    reader: &WireMember,
    faults: &mut DeliveryFaults,
) -> Result<()> {
    let control = reader.connect(wire)?;
    let mut missing: BTreeMap<&String, u64> =
        expected.alarms.iter().chain(&expected.streams).map(|(instance, count)| (instance, *count)).collect();
    for alarm in alarms(&control)? {
        let Some(count) = missing.remove(&alarm.instance) else {
            faults.add(format!("relay: {} {}: nobody raised that", alarm.rule, alarm.instance));
            continue;
        };
        let events = events(&control, &alarm)?;
        let told = events.iter().map(String::as_str);
        story("relay", &alarm.instance, count, told, ["raised", "cleared"], faults);
    }
    for (instance, count) in missing.into_iter().filter(|(_, count)| *count > 0) {
        faults.add(format!("relay: {instance}: 0 events instead of {count} (lost)"));
    }
    Ok(())
}

/// No program panicked.
pub(super) fn of_logs(logs: &ProgramLogs, faults: &mut DeliveryFaults) {
    for name in logs.with("panicked at") {
        faults.add(format!("{name} panicked"));
    }
}

fn alarms(control: &ControlWire) -> Result<Vec<AlarmEntry>> {
    let filter = AlarmFilter { closed_too: true, ..AlarmFilter::default() };
    let (mut all, mut after) = (BTreeMap::new(), 0);
    loop {
        let asked = RelayRequest::AlarmsSince { filter: filter.clone(), after, wait_ms: 0 };
        let RelayReply::Alarms { entries, cursor } = ask(control, &asked)? else { bail!("no alarms") };
        if entries.is_empty() {
            return Ok(all.into_values().collect());
        }
        all.extend(entries.into_iter().map(|entry| (entry.id, entry)));
        after = cursor;
    }
}

/// The transitions of an alarm, in the order in which the relay took them.
fn events(control: &ControlWire, alarm: &AlarmEntry) -> Result<Vec<String>> {
    let (mut events, mut after) = (Vec::new(), 0);
    loop {
        let RelayReply::AlarmHistory { entries, .. } =
            ask(control, &RelayRequest::AlarmHistory { alarm: alarm.id, after })?
        else {
            bail!("no history")
        };
        let Some(last) = entries.last() else { return Ok(events) };
        after = last.number;
        events.extend(entries.iter().filter_map(|entry| match &entry.what {
            AlarmChange::Event(event) => Some(name(event.transition)),
            _ => None,
        }));
    }
}

fn name(transition: AlarmTransition) -> String {
    transition.to_string()
}

/// As fast as the relay answers one person.
fn ask(control: &ControlWire, request: &RelayRequest) -> Result<RelayReply> {
    loop {
        match control.ask(request)? {
            RelayReply::Refused(RelayRefusal::TooMany { .. }) => {
                thread::park_timeout(Duration::from_millis(200));
            }
            RelayReply::Refused(refusal) => bail!("refused: {refusal}"),
            reply => return Ok(reply),
        }
    }
}
