//! Locks whose holder may have panicked.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes a lock, also after a holder of it panicked: what our locks guard is whole between any two statements, and an agent
/// that refuses Stop because of a panic elsewhere would be worse.
pub fn locked<T: ?Sized>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
