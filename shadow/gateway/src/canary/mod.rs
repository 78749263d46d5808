//! The gray release: a share of the users is answered by the candidate, and none of them sees a fault of it.
//!
//! ```text
//! share            which users                           (pure)
//! budget           how long the candidate may take       (pure, the time is given)
//! retry            how many requests are asked twice     (atomic, no time)
//! check            whether an answer is what it says     (pure)
//! breaker          when all users come back              (pure, the time is given)
//! windows slow     what the breaker sees                 (pure, the time is given)
//! probe            copies that let them go again
//! buckets counts   what the judge is given
//! ```

pub mod breaker;
pub mod buckets;
pub mod budget;
pub mod check;
pub mod counts;
pub mod probe;
pub mod retry;
pub mod share;
pub mod slow;
pub mod windows;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::header::HeaderMap;
use serde_json::json;
use tokio::sync::Notify;

use crate::config::{CanaryConfig, UserConfig};
use crate::events::Events;
use crate::metrics::{add, read};
use crate::mirror::is_in_share;
use crate::route::Template;
use crate::upstream::{Instance, Side};
use breaker::{Breaker, BreakerStatus, Change, State};
use budget::{Recent, budget};
use counts::{Arm, Counts, Fault};
use probe::{Places, Probe};
use retry::RetryBudget;
use share::{place, places};
use slow::Origin;

/// Failures in a row that eject an instance.
const EJECTED_AFTER: u32 = 5;
/// How often time passes for it.
pub const TICK: Duration = Duration::from_millis(50);

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
    candidate: Arc<Side>,
    names: Arc<[String]>,
    origin: Instant,
    /// The bits of a float.
    share: AtomicU64,
    latched: AtomicBool,
    breaker: Mutex<Breaker>,
    /// The breaker's state, to be read without its lock.
    state: AtomicU64,
    opened: Notify,
    places: Places,
    budgets: Vec<RouteBudget>,
    turn: AtomicU64,
}

/// The budget of one route, and what it comes from.
#[derive(Debug)]
struct RouteBudget {
    users: Mutex<Recent>,
    in_place: Mutex<Recent>,
    budget_us: AtomicU64,
}

impl Canary {
    /// A gray release to `candidate` of the routes named; `kept` goes before the plan's share.
    #[must_use]
    pub fn new(
        config: CanaryConfig,
        candidate: Arc<Side>,
        names: Arc<[String]>,
        events: Arc<Events>,
        kept: Option<Kept>,
    ) -> Self {
        let kept = kept.unwrap_or(Kept { share: config.share, latched: false, opens: 0 });
        let breaker = Breaker::new(config.breaker, names.len(), kept.opens, kept.latched);
        let budget_us = u64::try_from(config.budget.max.as_micros()).unwrap_or(u64::MAX);
        let budget = || RouteBudget {
            users: Mutex::default(),
            in_place: Mutex::default(),
            budget_us: AtomicU64::new(budget_us),
        };
        Self {
            counts: Counts::new(names.len()),
            retry: RetryBudget::new(config.retry),
            events,
            candidate,
            origin: Instant::now(),
            share: AtomicU64::new(kept.share.to_bits()),
            latched: AtomicBool::new(kept.latched),
            state: AtomicU64::new(breaker.state() as u64),
            breaker: Mutex::new(breaker),
            opened: Notify::new(),
            places: Places::default(),
            budgets: names.iter().map(|_| budget()).collect(),
            turn: AtomicU64::new(0),
            names,
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
        if share > 0.0 && self.latched.swap(false, Ordering::Relaxed) {
            self.lock().release();
        }
        self.events.push("share", &json!({"from": before, "to": share, "latched": self.is_latched()}));
    }

    /// Whether all users, the whitelist's too, are taken back.
    #[must_use]
    pub fn is_latched(&self) -> bool {
        self.latched.load(Ordering::Relaxed)
    }

    /// Takes all users back at once: share 0, the breaker open and held; what is under way is asked of the baseline.
    pub fn latch(&self, now: Instant) {
        self.latched.store(true, Ordering::Relaxed);
        self.turn(|breaker| breaker.hold(self.since(now)));
        self.set_share(0.0);
    }

    /// The breaker.
    #[must_use]
    pub fn breaker(&self, now: Instant) -> BreakerStatus {
        self.lock().status(self.since(now))
    }

    /// Requests that did not tell their user.
    #[must_use]
    pub fn unknown_users(&self) -> u64 {
        read(&self.counts.unknown_user)
    }

    /// What a file of state is to keep.
    #[must_use]
    pub fn kept(&self) -> Kept {
        Kept { share: self.share(), latched: self.is_latched(), opens: self.lock().opens() }
    }

    /// The side of the user of a request. Without a user, or while the breaker is not closed, it is the baseline.
    #[must_use]
    pub fn arm(&self, template: &Template, path: &str, headers: &HeaderMap) -> Arm {
        let Some(user) = self.user(template, path, headers) else {
            add(&self.counts.unknown_user);
            return Arm::Baseline;
        };
        let belongs = || place(&self.config.salt, user) < places(self.share()) || self.config.whitelist.contains(user);
        if self.is_open() || !belongs() { Arm::Baseline } else { Arm::Candidate }
    }

    /// Whether everybody is answered by the baseline.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state() != State::Closed || self.is_latched()
    }

    /// Returns when the breaker opens; at once when it is open.
    pub async fn opened(&self) {
        let mut opened = std::pin::pin!(self.opened.notified());
        opened.as_mut().enable();
        if !self.is_open() {
            opened.await;
        }
    }

    /// The candidate's time for a route.
    #[must_use]
    pub fn budget(&self, route: usize) -> Duration {
        Duration::from_micros(self.budgets[route].budget_us.load(Ordering::Relaxed))
    }

    /// Takes in how the side of a request's user did: how it failed, and how long it took.
    pub fn note(&self, arm: Arm, route: usize, fault: Option<Fault>, latency: Option<Duration>) {
        let now = self.since(Instant::now());
        let origin = if arm == Arm::Baseline { Origin::Baseline } else { Origin::Candidate };
        if let Some(latency) = latency.filter(|_| arm == Arm::Baseline) {
            lock(&self.budgets[route].users).note(now, latency);
        }
        self.turn(|breaker| {
            let change = breaker.note(now, arm, fault);
            change.or_else(|| breaker.latency(now, route, origin, latency?))
        });
    }

    /// Takes in how long the baseline took in the candidate's place.
    pub fn note_in_place(&self, route: usize, latency: Duration) {
        let now = self.since(Instant::now());
        let late = latency > self.budget(route);
        self.turn(|breaker| {
            breaker.note_in_place(now, late);
            None
        });
        self.note_copy(route, latency);
    }

    /// Takes in how long the baseline took for a copy.
    pub fn note_copy(&self, route: usize, latency: Duration) {
        let now = self.since(Instant::now());
        lock(&self.budgets[route].in_place).note(now, latency);
        self.turn(|breaker| breaker.latency(now, route, Origin::InPlace, latency));
    }

    /// Takes in that an instance of the candidate failed; one that does so again and again is left out, when others
    /// serve the route, until its checks pass.
    pub fn instance_failed(&self, route: usize, instance: &Arc<Instance>) {
        let failures = instance.failed();
        if failures >= EJECTED_AFTER && self.candidate.can_spare(route, instance) {
            instance.eject();
            let figures = json!({"side": self.candidate.name, "instance": *instance.name, "failures": failures});
            self.events.push("ejected", &figures);
        }
    }

    /// Whether an instance that serves the route is healthy.
    #[must_use]
    pub fn is_served(&self, route: usize) -> bool {
        self.candidate.serving(Some(route)).iter().any(|instance| instance.is_healthy())
    }

    /// Whether the next request that the candidate answered is to be compared.
    #[must_use]
    pub fn compares_next(&self) -> bool {
        let share = self.config.compare_share;
        share >= 1.0 || is_in_share(self.turn.fetch_add(1, Ordering::Relaxed), share)
    }

    /// A place among the copies that decide whether the breaker closes.
    #[must_use]
    pub fn probe(self: &Arc<Self>) -> Option<Probe> {
        (self.state() == State::HalfOpen && self.places.take()).then(|| Probe::new(self.clone()))
    }

    fn probed(&self, well: bool) {
        let now = self.since(Instant::now());
        self.turn(|breaker| breaker.probe(now, well));
    }

    /// Time passed: budgets are set anew, the breaker looks at its time and at the candidate's health.
    pub fn tick(&self, now: Instant) {
        for route in &self.budgets {
            let p99 = lock(&route.users).p99().or_else(|| lock(&route.in_place).p99());
            if let Some(p99) = p99 {
                let budget_us = budget(p99, &self.config.budget).as_micros();
                route.budget_us.store(u64::try_from(budget_us).unwrap_or(u64::MAX), Ordering::Relaxed);
            }
        }
        let healthy = self.candidate.instances.iter().any(|instance| instance.is_healthy());
        self.turn(|breaker| breaker.tick(self.since(now), healthy));
    }

    fn user<'request>(
        &self,
        template: &Template,
        path: &'request str,
        headers: &'request HeaderMap,
    ) -> Option<&'request str> {
        let UserConfig { placeholder, header } = &self.config.user;
        let named = placeholder.as_ref().and_then(|name| template.named(name, path));
        named.or_else(|| headers.get(header.as_ref()?)?.to_str().ok()).filter(|user| !user.is_empty())
    }

    fn state(&self) -> State {
        State::ALL[usize::try_from(self.state.load(Ordering::Relaxed)).unwrap_or(0)]
    }

    fn since(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.origin)
    }

    fn lock(&self) -> MutexGuard<'_, Breaker> {
        lock(&self.breaker)
    }

    /// Lets the breaker do something; when it changed its state, everybody is told.
    fn turn(&self, act: impl FnOnce(&mut Breaker) -> Option<Change>) {
        let changed = {
            let mut breaker = self.lock();
            let changed = act(&mut breaker);
            if changed.is_some() {
                self.state.store(breaker.state() as u64, Ordering::Relaxed);
            }
            changed
        };
        let Some(Change { from, to, reason, mut figures }) = changed else { return };
        match to {
            State::Open => self.opened.notify_waiters(),
            State::HalfOpen => self.places.set(self.config.breaker.probes),
            State::Closed => {}
        }
        let route = figures.get("route").and_then(serde_json::Value::as_u64);
        if let Some(name) = route.and_then(|route| self.names.get(usize::try_from(route).ok()?)) {
            figures["route"] = json!(name);
        }
        let reason = reason.map(breaker::Reason::name);
        let event = json!({"from": from.name(), "to": to.name(), "reason": reason, "figures": figures});
        self.events.push("breaker", &event);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
