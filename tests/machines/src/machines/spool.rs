//! The alarms' spool, written, sent, confirmed, reopened as after a crash: what wasn't confirmed is there, in order, under
//! numbers that are never used twice.

use std::collections::VecDeque;

use nearhand_proto::alarm::{AlarmEvent, AlarmTransition, Severity, SpoolEntry};
use nearhand_proto::id::StreamId;
use nearhand_proto::time::UnixMillis;
use nearhand_rules::StateRow;

use super::InputDraw;
use nearhand_spool::{Spool, SpoolOwner};

/// It is on a disk, and syncs: this many operations take long enough.
const MOST: usize = 40;

fn event(number: u64) -> AlarmEvent {
    AlarmEvent {
        rule: "r".to_owned(),
        rule_version: 1,
        instance: number.to_string(),
        transition: AlarmTransition::Raised,
        severity: Severity::Warning,
        value: None,
        summary: String::new(),
        observed_at: UnixMillis(number),
        clock_ahead_ms: None,
        runbook: None,
        article: None,
    }
}

pub(super) fn run(input: &[u8]) {
    let room = tempfile::tempdir().expect("a directory for the spool");
    let owner = SpoolOwner { mark: [7; 32] };
    let mut streams = 0_u8;
    let mut fresh = || {
        streams = streams.wrapping_add(1);
        StreamId::from_bytes([streams; 16])
    };
    let open =
        |fresh: StreamId| Spool::open(room.path(), &owner, fresh, UnixMillis(1)).expect("the spool opens");
    let mut spool = open(fresh());
    let mut draw = InputDraw::new(input);
    // What waits, by number and the event's own; what was ever given out.
    let mut waiting: VecDeque<(u64, u64)> = VecDeque::new();
    let (mut made, mut newest) = (0_u64, 0_u64);
    let mut state: Option<u8> = None;
    for _ in 0..MOST {
        let Some(operation) = draw.operation(6) else { break };
        match operation {
            0 | 1 => {
                let count = 1 + u64::from(draw.byte() % 5);
                let events: Vec<AlarmEvent> = (made..made + count).map(event).collect();
                let byte = draw.byte();
                let row =
                    StateRow { rule: "r".to_owned(), instance: "i".to_owned(), state: Some(vec![byte]) };
                spool.commit(&events, &[row]).expect("the spool writes");
                state = Some(byte);
                assert_eq!(spool.newest(), newest + count, "numbers were left out or used twice");
                waiting.extend((0..count).map(|n| (newest + 1 + n, made + n)));
                (made, newest) = (made + count, newest + count);
            }
            2 => {
                let batch = spool.batch().expect("the spool reads");
                let records = batch.map(|batch| batch.records).unwrap_or_default();
                let sent: Vec<(u64, u64)> = records
                    .iter()
                    .map(|record| match &record.entry {
                        SpoolEntry::Event(event) => (record.seq, event.observed_at.0),
                        other => panic!("{other:?} was never written"),
                    })
                    .collect();
                let first: Vec<_> = waiting.iter().take(sent.len()).copied().collect();
                assert_eq!(sent, first, "what is sent is not what waits longest");
                assert_eq!(sent.is_empty(), waiting.is_empty());
            }
            3 => {
                // The relay has all that was sent, or only some; or says so of another stream.
                let batch = spool.batch().expect("the spool reads");
                let Some(last) = batch.and_then(|batch| batch.records.last().map(|record| record.seq)) else {
                    continue;
                };
                let first = waiting.front().map_or(last, |(seq, _)| *seq);
                let through = first + u64::from(draw.byte()) % (last - first + 1);
                let stream = if draw.byte() == 0 { StreamId::from_bytes([255; 16]) } else { spool.stream() };
                let ours = stream == spool.stream();
                spool.acknowledged(stream, through, fresh()).expect("the spool forgets");
                if ours {
                    waiting.retain(|(seq, _)| *seq > through);
                }
            }
            4 => {
                // Killed and started again.
                let stream = spool.stream();
                drop(spool);
                spool = open(fresh());
                assert_eq!(spool.stream(), stream, "another stream after a restart");
                assert_eq!(spool.newest(), newest, "numbers would be used twice");
            }
            _ => {
                // A relay that claims more than was ever sent: another stream, and nothing is lost.
                let before = spool.stream();
                spool.relay_has(before, newest + 1_000, fresh()).expect("the spool begins another stream");
                assert_ne!(spool.stream(), before);
            }
        }
        assert_eq!(spool.waiting(), u64::try_from(waiting.len()).unwrap_or(u64::MAX));
        let rows = spool.rows().expect("the spool reads");
        let kept = rows.first().and_then(|row| row.state.clone());
        assert_eq!(kept, state.map(|byte| vec![byte]), "what the rules knew is not what was written");
    }
}
