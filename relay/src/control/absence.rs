//! The relay's eye on silence, and what it found that the store doesn't have yet.

use std::sync::{Mutex, MutexGuard, PoisonError};

use nearhand_relay_core::alarm::absence::{Absence, AbsenceFinding};

/// Findings kept while they can't be stored.
const MAX_UNSTORED: usize = 10_000;

/// The relay's eye on silence.
pub(super) struct AbsenceStore {
    absence: Mutex<Absence>,
    /// Found, and not stored yet.
    unstored: Mutex<Vec<AbsenceFinding>>,
    /// One stores at a time, so that they stay in order.
    pub(super) storing: tokio::sync::Mutex<()>,
}

impl AbsenceStore {
    pub(super) fn new(absence: Absence) -> Self {
        Self {
            absence: Mutex::new(absence),
            unstored: Mutex::default(),
            storing: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn absence(&self) -> MutexGuard<'_, Absence> {
        self.absence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn keep(&self, found: Vec<AbsenceFinding>) {
        let mut unstored = self.unstored.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MAX_UNSTORED.saturating_sub(unstored.len());
        unstored.extend(found.into_iter().take(room));
    }

    pub(super) fn take(&self) -> Vec<AbsenceFinding> {
        std::mem::take(&mut *self.unstored.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
