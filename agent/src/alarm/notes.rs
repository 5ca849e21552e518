//! What the alarms remember over a restart besides their states: places in logs, what was told, what was writable. Pure.

use std::collections::BTreeMap;

use nearhand_rules::EngineTime;

/// What was told of things that happen, so that each is told once: kept with the alarms.
pub(crate) type AlarmNotes = BTreeMap<String, Vec<u8>>;

/// How many of the moments (seconds since 1970) are later than what was told before. The first time, what lies in the
/// past is past.
pub(crate) fn untold(
    key: &str,
    at: impl Iterator<Item = u64>,
    now: EngineTime,
    notes: &mut AlarmNotes,
) -> f64 {
    let told = notes.get(key).and_then(|bytes| Some(u64::from_be_bytes(bytes.as_slice().try_into().ok()?)));
    let since = told.unwrap_or(now.wall.0 / 1000);
    let new: Vec<u64> = at.filter(|at| *at > since).collect();
    let last = new.iter().copied().max().unwrap_or(since);
    if told != Some(last) {
        notes.insert(key.to_owned(), last.to_be_bytes().to_vec());
    }
    #[expect(clippy::cast_precision_loss, reason = "few")]
    let count = new.len() as f64;
    count
}

#[cfg(test)]
mod tests {
    use nearhand_proto::time::UnixMillis;

    use super::*;

    fn at(wall: u64) -> EngineTime {
        EngineTime { monotonic: wall, boot: [0; 16], wall: UnixMillis(wall), ahead_ms: None }
    }

    #[test]
    fn what_happened_is_told_once_and_the_past_never() {
        let mut notes = AlarmNotes::new();
        assert_eq!(untold("k", [5, 90].into_iter(), at(100_000), &mut notes), 0.0);
        assert_eq!(untold("k", [5, 90, 101, 102].into_iter(), at(103_000), &mut notes), 2.0);
        assert_eq!(untold("k", [5, 90, 101, 102].into_iter(), at(104_000), &mut notes), 0.0);
        assert_eq!(untold("k", [102, 103].into_iter(), at(105_000), &mut notes), 1.0);
    }
}
