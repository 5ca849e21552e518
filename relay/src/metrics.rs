//! Counters of what the relay does.
//!
//! Labels are this program's own words, never a peer's. Must not live here: how they are shown (see `http`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::notify::deliveries::Deliveries;

/// A counter with up to two labels.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum MetricFamily {
    /// Handshakes by result.
    Handshakes,
    /// Hellos by kind and result.
    Hellos,
    /// Requests by kind and result.
    Requests,
    /// Sessions opened, by how.
    SessionsOpened,
    /// Sessions ended, by outcome.
    SessionsEnded,
    /// Connections closed for breaking the protocol, by how.
    Violations,
    /// Requests to the HTTP interface by class of answer.
    ApiRequests,
}

impl MetricFamily {
    /// All families, in the order in which they are printed.
    pub const ALL: [Self; 7] = [
        Self::Handshakes,
        Self::Hellos,
        Self::Requests,
        Self::SessionsOpened,
        Self::SessionsEnded,
        Self::Violations,
        Self::ApiRequests,
    ];

    /// Name, help and labels for Prometheus.
    pub const fn describe(self) -> (&'static str, &'static str, [&'static str; 2]) {
        match self {
            Self::Handshakes => ("nearhand_handshakes_total", "Handshakes by result.", ["result", ""]),
            Self::Hellos => ("nearhand_hellos_total", "Hellos by caller and result.", ["caller", "result"]),
            Self::Requests => {
                ("nearhand_requests_total", "Requests by kind and result.", ["request", "result"])
            }
            Self::SessionsOpened => ("nearhand_sessions_opened_total", "Sessions opened.", ["by", ""]),
            Self::SessionsEnded => ("nearhand_sessions_ended_total", "Sessions ended.", ["outcome", ""]),
            Self::Violations => {
                ("nearhand_protocol_violations_total", "Connections that broke the protocol.", ["what", ""])
            }
            Self::ApiRequests => {
                ("nearhand_api_requests_total", "Requests over HTTP by class of answer.", ["class", ""])
            }
        }
    }
}

type Key = (MetricFamily, &'static str, &'static str);

/// Every counter since the start of the relay.
#[derive(Debug, Default)]
pub struct RelayMetrics {
    counts: Mutex<BTreeMap<Key, u64>>,
    deliveries: Arc<Deliveries>,
}

impl RelayMetrics {
    /// How deliveries to receivers went.
    pub fn deliveries(&self) -> &Arc<Deliveries> {
        &self.deliveries
    }

    /// Counts one, under one label.
    pub fn count(&self, family: MetricFamily, label: &'static str) {
        self.count_both(family, label, "");
    }

    /// Counts one, under two labels.
    pub fn count_both(&self, family: MetricFamily, label: &'static str, second: &'static str) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((family, label, second)).or_default() += 1;
    }

    /// All counts of a family.
    pub fn of(&self, family: MetricFamily) -> Vec<([&'static str; 2], u64)> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().filter(|(k, _)| k.0 == family).map(|(k, n)| ([k.1, k.2], *n)).collect()
    }
}
