//! Locks that are held for one packet's work.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A panic elsewhere leaves counts and buffers whole enough to go on with.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
