//! What strangers cause, for the audit log: the first few of a kind as rows, the rest as one row an interval.
//!
//! A stranger pays nothing for a refused hello or a request for help, and each row stays for ever. So the number of rows is
//! bounded by time, no matter what the number of events; what isn't a row is counted, by kind and network, and told later. Pure:
//! time is an argument. Must not live here: what the rows say otherwise.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::network::SurroundingNetwork;

/// How long events are counted into one row.
pub const INTERVAL: Duration = Duration::from_secs(15 * 60);
/// Events of one kind in an interval that have a row of their own.
pub const ROWS: u32 = 10;
/// Of these, events from one network: another's may still be read one by one.
pub const ROWS_PER_NETWORK: u32 = 5;
/// Networks that are told apart in one interval and kind; the rest is counted together.
const MAX_NETWORKS: usize = 1_000;

/// What becomes of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TallyVerdict {
    /// It has a row.
    Row,
    /// It was counted; a row will say how many there were.
    Counted,
}

/// Events of one kind that had no row of their own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TallySummary {
    /// The event's name in the audit log.
    pub action: &'static str,
    /// How many there were beyond those with a row.
    pub count: u64,
    /// From how many networks (IPv4 /24, IPv6 /48); `more` if there were too many to tell apart.
    pub networks: usize,
    /// Whether there were more networks than could be told apart.
    pub more: bool,
    /// The network that most of them came from, and how many did.
    pub most: Option<(SurroundingNetwork, u64)>,
}

impl core::fmt::Display for TallySummary {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let at_least = if self.more { "more than " } else { "" };
        let minutes = INTERVAL.as_secs() / 60;
        write!(f, "{} more within {minutes} min, from {at_least}{} networks", self.count, self.networks)?;
        match self.most {
            Some((network, count)) => write!(f, ", {count} of them from {network}"),
            None => Ok(()),
        }
    }
}

#[derive(Debug, Default)]
struct KindTally {
    rows: u32,
    counted: u64,
    networks: HashMap<SurroundingNetwork, (u32, u64)>,
    more: bool,
}

/// Counts events until their interval is over.
#[derive(Debug)]
pub struct EventTally {
    since: Instant,
    kinds: HashMap<&'static str, KindTally>,
}

impl EventTally {
    /// Nothing has happened.
    pub fn new(now: Instant) -> Self {
        Self { since: now, kinds: HashMap::new() }
    }

    /// Something happened, caused from `network`.
    pub fn note(&mut self, action: &'static str, network: SurroundingNetwork) -> TallyVerdict {
        let kind = self.kinds.entry(action).or_default();
        if kind.networks.len() >= MAX_NETWORKS && !kind.networks.contains_key(&network) {
            kind.more = true;
            kind.counted += 1;
            return TallyVerdict::Counted;
        }
        let (rows, counted) = kind.networks.entry(network).or_default();
        if kind.rows < ROWS && *rows < ROWS_PER_NETWORK {
            kind.rows += 1;
            *rows += 1;
            return TallyVerdict::Row;
        }
        kind.counted += 1;
        *counted += 1;
        TallyVerdict::Counted
    }

    /// What was counted, once the interval is over, or at once with `all`.
    pub fn take_due(&mut self, now: Instant, all: bool) -> Vec<TallySummary> {
        if !all && now.saturating_duration_since(self.since) < INTERVAL {
            return Vec::new();
        }
        self.since = now;
        let mut summaries: Vec<TallySummary> = self
            .kinds
            .drain()
            .filter(|(_, kind)| kind.counted > 0)
            .map(|(action, kind)| {
                let counted = kind.networks.iter().filter(|(_, (_, count))| *count > 0);
                let most = counted.clone().max_by_key(|(network, (_, count))| (*count, **network));
                TallySummary {
                    action,
                    count: kind.counted,
                    networks: counted.count(),
                    more: kind.more,
                    most: most.map(|(network, (_, count))| (*network, *count)),
                }
            })
            .collect();
        summaries.sort_by_key(|summary| summary.action);
        summaries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::SourceNetwork;
    use std::net::IpAddr;

    fn around(text: &str) -> SurroundingNetwork {
        SourceNetwork::from(text.parse::<IpAddr>().unwrap()).surrounding()
    }

    #[test]
    fn a_flood_makes_few_rows_and_one_that_counts_it() {
        let start = Instant::now();
        let mut tally = EventTally::new(start);
        let flood = around("203.0.113.7");
        let rows = (0..10_000).filter(|_| tally.note("help.asked", flood) == TallyVerdict::Row).count();
        assert_eq!(rows, 5);
        // Another network's events of the same kind still have rows, and so have other kinds.
        assert_eq!(tally.note("help.asked", around("192.0.2.1")), TallyVerdict::Row);
        assert_eq!(tally.note("connect.refused", flood), TallyVerdict::Row);
        assert_eq!(tally.take_due(start + INTERVAL / 2, false), []);
        let due = tally.take_due(start + INTERVAL, false);
        assert_eq!(
            due.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["9995 more within 15 min, from 1 networks, 9995 of them from 203.0.113.0/24"]
        );
        assert_eq!(tally.take_due(start + INTERVAL * 3, false), []);
        assert_eq!(tally.note("help.asked", flood), TallyVerdict::Row, "a new interval");
    }

    #[test]
    fn many_networks_make_no_more_rows_and_no_more_memory() {
        let start = Instant::now();
        let mut tally = EventTally::new(start);
        let rows = (0..5_000_u16)
            .filter(|n| {
                let [high, low] = n.to_be_bytes();
                tally.note("help.asked", around(&format!("100.{high}.{low}.1"))) == TallyVerdict::Row
            })
            .count();
        assert_eq!(rows, 10);
        let due = tally.take_due(start, true);
        assert_eq!((due[0].count, due[0].networks, due[0].more), (4_990, 990, true));
        assert!(due[0].to_string().starts_with("4990 more within 15 min, from more than 990 networks"));
    }
}
