//! Active health checks: every instance is asked at an interval; so many failures or passes in a row turn it.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body as _, Incoming};
use hyper::header::{HOST, HeaderMap};
use hyper::{Method, Uri};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{Head, Instance, Pools, Side};
use crate::body::Body;
use crate::config::HealthConfig;
use crate::events::Events;

/// Turns single checks into a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streak {
    healthy: bool,
    against: u32,
}

impl Streak {
    /// A healthy instance that was never checked.
    #[must_use]
    pub const fn new() -> Self {
        Self { healthy: true, against: 0 }
    }

    /// An instance that was ejected: it has all its passes before it.
    #[must_use]
    pub const fn ejected() -> Self {
        Self { healthy: false, against: 0 }
    }

    /// Takes one check in; the new state when it turned.
    pub fn note(&mut self, passed: bool, config: &HealthConfig) -> Option<bool> {
        if passed == self.healthy {
            self.against = 0;
            return None;
        }
        self.against += 1;
        if self.against < (if self.healthy { config.fails } else { config.passes }) {
            return None;
        }
        *self = Self { healthy: passed, against: 0 };
        Some(passed)
    }
}

impl Default for Streak {
    fn default() -> Self {
        Self::new()
    }
}

/// Checks one instance for ever. Without a path there is nothing to ask, and it ends.
pub async fn watch(side: Arc<Side>, instance: Arc<Instance>, config: HealthConfig, events: Arc<Events>) {
    let Some(target) = side.health.as_ref().and_then(|path| path.parse::<Uri>().ok()) else { return };
    let pools = Pools::new(instance.id + 1);
    let mut streak = Streak::new();
    let mut ticks = interval(config.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let passed = passes(&pools, &side, &instance, &target, config.timeout).await;
        if instance.take_ejection() {
            streak = Streak::ejected();
        }
        if let Some(healthy) = streak.note(passed, &config) {
            instance.set_healthy(healthy);
            events.push("instance", &json!({"side": side.name, "instance": *instance.name, "healthy": healthy}));
        }
    }
}

/// One check: an answer of the 200s within the time, on a connection of its own.
async fn passes(pools: &Pools, side: &Side, instance: &Arc<Instance>, target: &Uri, within: Duration) -> bool {
    let asked = async {
        let mut lease = pools.lease(instance.clone(), true).await.ok()?;
        let head = Head { method: Method::GET, target: target.clone(), headers: HeaderMap::new() };
        let mut request = head.request(side, Body::empty());
        if side.host.is_none() {
            let host = instance.address.to_string().parse().ok()?;
            request.headers_mut().insert(HOST, host);
        }
        let answer = lease.sender.send_request(request).await.ok()?;
        let passed = answer.status().is_success();
        drain(answer.into_body()).await?;
        passed.then_some(())
    };
    timeout(within, asked).await.ok().flatten().is_some()
}

/// Reads a body to its end; none when it breaks off.
async fn drain(mut body: Incoming) -> Option<()> {
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        frame.ok()?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: HealthConfig =
        HealthConfig { interval: Duration::from_secs(1), timeout: Duration::from_secs(1), fails: 2, passes: 3 };

    #[test]
    fn so_many_checks_in_a_row_turn_an_instance() {
        let mut streak = Streak::new();
        let turned: Vec<_> = [false, true, false, false, true, true, false, true, true, true]
            .map(|passed| streak.note(passed, &CONFIG))
            .to_vec();
        let none = None;
        assert_eq!(turned, [none, none, none, Some(false), none, none, none, none, none, Some(true)]);
    }
}
