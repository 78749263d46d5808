//! Copies that show, while the breaker is half-open, whether the candidate is well again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Canary;

/// How many more copies may be made. A copy that shows nothing gives its place back.
#[derive(Debug, Default)]
pub(super) struct Places(AtomicU64);

impl Places {
    /// So many from now on.
    pub(super) fn set(&self, places: u32) {
        self.0.store(u64::from(places), Ordering::Relaxed);
    }

    /// Takes one, if there is one.
    pub(super) fn take(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    fn give_back(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// One copy; dropped before it was settled it gives its place back.
#[derive(Debug)]
pub struct Probe {
    canary: Arc<Canary>,
    settled: bool,
}

impl Probe {
    /// For a place that was taken.
    pub(super) const fn new(canary: Arc<Canary>) -> Self {
        Self { canary, settled: false }
    }

    /// Tells how the candidate answered.
    pub fn settle(mut self, well: bool) {
        self.settled = true;
        self.canary.probed(well);
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if !self.settled {
            self.canary.places.give_back();
        }
    }
}
