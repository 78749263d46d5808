//! Sides and their instances: who serves a route, who is healthy, who has the least to do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use hyper::header::{HeaderName, HeaderValue};

use crate::config::{Serves, SideConfig};

/// One process that answers.
#[derive(Debug)]
pub struct Instance {
    /// Its number among the instances of all sides.
    pub id: usize,
    /// Its name.
    pub name: Arc<str>,
    /// Where it listens.
    pub address: SocketAddr,
    /// What it serves.
    pub serves: Serves,
    healthy: AtomicBool,
    ejected: AtomicBool,
    failures: AtomicU32,
    in_flight: AtomicUsize,
}

impl Instance {
    /// Whether the last checks passed; until there are any, it is taken to be.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    /// Takes note of what the checks say.
    pub fn set_healthy(&self, healthy: bool) {
        self.healthy.store(healthy, Ordering::Relaxed);
    }

    /// One more request that it failed; how many in a row.
    pub fn failed(&self) -> u32 {
        self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// A request that it answered well.
    pub fn passed(&self) {
        if self.failures.load(Ordering::Relaxed) > 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// Takes it to be unhealthy from now on, until its checks pass again.
    pub fn eject(&self) {
        self.failures.store(0, Ordering::Relaxed);
        self.healthy.store(false, Ordering::Relaxed);
        self.ejected.store(true, Ordering::Release);
    }

    /// Whether it was ejected since this was last asked.
    pub(super) fn take_ejection(&self) -> bool {
        self.ejected.load(Ordering::Relaxed) && self.ejected.swap(false, Ordering::Acquire)
    }

    /// Requests under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// A request begins.
    pub(super) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// A request is over.
    pub(super) fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A cluster: instances, and what is set on requests to them.
#[derive(Debug)]
pub struct Side {
    /// Its name.
    pub name: &'static str,
    /// All its instances.
    pub instances: Vec<Arc<Instance>>,
    /// The path of the health check.
    pub health: Option<String>,
    /// The Host to send instead of the caller's.
    pub host: Option<HeaderValue>,
    /// Headers set on every request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    by_route: Vec<Vec<Arc<Instance>>>,
    rest: Vec<Arc<Instance>>,
    turn: AtomicUsize,
}

impl Side {
    /// A side of the plan; its instances are numbered from `first_id`.
    #[must_use]
    pub fn new(name: &'static str, config: &SideConfig, routes: usize, first_id: usize) -> Self {
        let instances: Vec<Arc<Instance>> = config
            .instances
            .iter()
            .enumerate()
            .map(|(number, one)| {
                Arc::new(Instance {
                    id: first_id + number,
                    name: one.name.as_str().into(),
                    address: one.address,
                    serves: one.serves.clone(),
                    healthy: AtomicBool::new(true),
                    ejected: AtomicBool::new(false),
                    failures: AtomicU32::new(0),
                    in_flight: AtomicUsize::new(0),
                })
            })
            .collect();
        let those = |serves: &dyn Fn(&Serves) -> bool| {
            instances.iter().filter(|instance| serves(&instance.serves)).cloned().collect::<Vec<_>>()
        };
        Self {
            name,
            by_route: (0..routes).map(|route| those(&|serves| serves.routes.contains(&route))).collect(),
            rest: those(&|serves| serves.rest),
            instances,
            health: config.health.clone(),
            host: config.host.clone(),
            headers: config.headers.clone(),
            turn: AtomicUsize::new(0),
        }
    }

    /// Whether any instance is named for this route.
    #[must_use]
    pub fn serves(&self, route: usize) -> bool {
        self.by_route.get(route).is_some_and(|instances| !instances.is_empty())
    }

    /// The instances for a route, or for what no instance is named for.
    #[must_use]
    pub fn serving(&self, route: Option<usize>) -> &[Arc<Instance>] {
        match route.and_then(|route| self.by_route.get(route)) {
            Some(instances) if !instances.is_empty() => instances,
            _ => &self.rest,
        }
    }

    /// Whether `one` can be left out: it is checked, so that it can come back, and others that serve the route are healthy.
    #[must_use]
    pub fn can_spare(&self, route: usize, one: &Instance) -> bool {
        let others = self.serving(Some(route)).iter().filter(|instance| instance.id != one.id);
        self.health.is_some() && one.is_healthy() && others.into_iter().any(|instance| instance.is_healthy())
    }

    /// The healthy instance with the least under way, in turn where several have; when none is healthy, the same among
    /// all. Those in `refused` are left out.
    #[must_use]
    pub fn choose(&self, route: Option<usize>, refused: &[usize]) -> Option<Arc<Instance>> {
        let serving = self.serving(route);
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % serving.len().max(1);
        let (before, after) = serving.split_at(first);
        let open = after.iter().chain(before).filter(|instance| !refused.contains(&instance.id));
        open.min_by_key(|instance| (!instance.is_healthy(), instance.in_flight())).cloned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::InstanceConfig;

    fn side(serves: &[Serves]) -> Side {
        let instance = |(number, serves): (usize, &Serves)| InstanceConfig {
            name: format!("i{number}"),
            address: "127.0.0.1:1".parse().expect("an address"),
            serves: serves.clone(),
        };
        let instances = serves.iter().enumerate().map(instance).collect();
        Side::new("baseline", &SideConfig { instances, health: None, host: None, headers: Vec::new() }, 2, 10)
    }

    fn on(routes: &[usize], rest: bool) -> Serves {
        Serves { routes: routes.to_vec(), rest }
    }

    #[test]
    fn a_route_goes_to_those_named_for_it_and_all_else_to_the_rest() {
        let side = side(&[on(&[0], false), on(&[], true)]);
        let ids = |route| side.serving(route).iter().map(|instance| instance.id).collect::<Vec<_>>();
        assert_eq!((ids(Some(0)), ids(Some(1)), ids(None)), (vec![10], vec![11], vec![11]));
        assert!(side.serves(0) && !side.serves(1));
    }

    #[test]
    fn the_least_busy_healthy_instance_is_taken_and_equal_ones_in_turn() {
        let side = side(&[on(&[0], false), on(&[0], false), on(&[0], false)]);
        let taken = |refused: &[usize]| side.choose(Some(0), refused).map(|instance| instance.id);
        let turns = [taken(&[]), taken(&[]), taken(&[])];
        assert_eq!(turns, [Some(10), Some(11), Some(12)]);
        side.instances[0].begin();
        side.instances[1].set_healthy(false);
        assert_eq!([taken(&[]), taken(&[]), taken(&[])], [Some(12); 3]);
        assert_eq!([taken(&[12]), taken(&[12, 10]), taken(&[10, 11, 12])], [Some(10), Some(11), None]);
    }

    #[test]
    fn an_instance_is_spared_only_when_it_is_checked_and_others_are_healthy() {
        let mut side = side(&[on(&[0, 1], false), on(&[0], false)]);
        let spared = |side: &Side, route| side.can_spare(route, &side.instances[0]);
        assert!(!spared(&side, 0), "without checks it would never come back");
        side.health = Some("/readyz".to_owned());
        assert!(spared(&side, 0) && !spared(&side, 1));
        assert_eq!([side.instances[0].failed(), side.instances[0].failed()], [1, 2]);
        side.instances[0].passed();
        assert_eq!(side.instances[0].failed(), 1);
        side.instances[0].eject();
        assert!(!side.instances[0].is_healthy() && !side.can_spare(0, &side.instances[1]));
        assert!(side.instances[0].take_ejection() && !side.instances[0].take_ejection());
    }

    proptest! {
        #[test]
        fn an_unhealthy_instance_is_taken_only_when_none_is_healthy(health in prop::collection::vec(any::<bool>(), 1..6)) {
            let side = side(&vec![on(&[0], false); health.len()]);
            for (instance, healthy) in side.instances.iter().zip(&health) {
                instance.set_healthy(*healthy);
            }
            for _ in 0..10 {
                let chosen = side.choose(Some(0), &[]).expect("there is one");
                prop_assert_eq!(chosen.is_healthy(), health.contains(&true));
            }
        }
    }
}
