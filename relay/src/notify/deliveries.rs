//! How deliveries went, for the metrics. Counts only: what is due and what became of it is in the database.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use nearhand_relay_core::notify::schedule::DeliveryOutcome;

/// How deliveries went since the start.
#[derive(Debug, Default)]
pub struct Deliveries {
    counts: Mutex<BTreeMap<(String, &'static str), u64>>,
    lags: Mutex<BTreeMap<String, (u64, u64)>>,
}

impl Deliveries {
    pub(super) fn count(&self, receiver: &str, outcome: &DeliveryOutcome, lag_ms: u64) {
        let key = (receiver.to_owned(), outcome.name());
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default() += 1;
        if matches!(outcome, DeliveryOutcome::Delivered(_)) {
            let mut lags = self.lags.lock().unwrap_or_else(PoisonError::into_inner);
            let lag = lags.entry(receiver.to_owned()).or_default();
            *lag = (lag.0.saturating_add(lag_ms), lag.1.saturating_add(1));
        }
    }

    /// Tries by receiver and result.
    pub fn counts(&self) -> Vec<((String, &'static str), u64)> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|(key, count)| (key.clone(), *count)).collect()
    }

    /// By receiver: milliseconds from what happened to its delivery, added up, and how many deliveries that were.
    pub fn lags(&self) -> Vec<(String, (u64, u64))> {
        let lags = self.lags.lock().unwrap_or_else(PoisonError::into_inner);
        lags.iter().map(|(name, lag)| (name.clone(), *lag)).collect()
    }
}
