//! Where a request goes, by the mode as it stands when it begins.

use std::time::Duration;

use hyper::Request;
use hyper::body::{Body as _, Incoming};

use super::Proxy;
use super::exchange::Tally;
use crate::canary::counts::{Arm, Fault};
use crate::canary::probe::Probe;
use crate::metrics::{Reason, Source};
use crate::mirror::Mirror;
use crate::mode::Mode;
use crate::route;
use crate::upstream::Side;

/// Where one request goes.
pub(super) struct Plan<'a> {
    pub(super) route: Option<usize>,
    pub(super) side: &'a Side,
    pub(super) source: Source,
    pub(super) mirror: Option<&'a Mirror>,
    pub(super) safe: bool,
    /// Of a request that a gray release counts.
    pub(super) tally: Option<Tally>,
    pub(super) probe: Option<Probe>,
}

impl Plan<'_> {
    /// Whether the candidate answers as one of a gray release.
    pub(super) fn is_released(&self) -> bool {
        self.tally.is_some() && self.source == Source::Candidate
    }

    /// A body streams from the caller: how long that takes is not the side's, so that it is never late.
    pub(super) fn take_time(&mut self) {
        if let Some(tally) = &mut self.tally {
            tally.budget = Duration::MAX;
        }
    }

    /// The baseline answers in the candidate's place.
    pub(super) fn fall_back(&mut self, fault: Fault) {
        self.source = Source::Baseline;
        if let Some(tally) = &mut self.tally {
            (tally.fault, tally.fell_back) = (Some(fault), true);
        }
    }
}

impl Proxy {
    /// Decides by the mode as it stands now; a request ends as it began.
    pub(super) fn plan(&self, request: &Request<Incoming>) -> Plan<'_> {
        let route = route::find(&self.routes, request.method().as_str(), request.uri().path());
        let safe = route.map_or(request.method().is_safe(), |route| self.routes[route].safe);
        let candidate = self.candidate.as_deref().filter(|side| route.is_some_and(|route| side.serves(route)));
        let (tally, probe) = (None, None);
        match (self.switch.get(), candidate) {
            (Mode::Full, Some(side)) => {
                Plan { route, side, source: Source::Candidate, mirror: None, safe, tally, probe }
            }
            (Mode::Canary, Some(side)) => self.canary_plan(request, route, side, safe),
            (mode, candidate) => {
                let copied = mode == Mode::Shadow && safe && candidate.is_some();
                let mirror = self.mirror.as_ref().filter(|_| copied);
                let mirror = mirror.filter(|mirror| mirror.wants_next() || self.left_out(route));
                Plan { route, side: &self.baseline, source: Source::Baseline, mirror, safe, tally, probe }
            }
        }
    }

    /// The plan of a request in a gray release. A body that is too large to be sent twice stays with the baseline.
    fn canary_plan<'a>(
        &'a self,
        request: &Request<Incoming>,
        route: Option<usize>,
        side: &'a Side,
        safe: bool,
    ) -> Plan<'a> {
        let mut plan = Plan {
            route,
            side: &self.baseline,
            source: Source::Baseline,
            mirror: None,
            safe,
            tally: None,
            probe: None,
        };
        let (Some(canary), Some(mirror), Some(row)) = (&self.canary, &self.mirror, route) else { return plan };
        let arm = canary.arm(&self.routes[row].template, request.uri().path(), request.headers());
        let fits = request.body().size_hint().upper().is_some_and(|bytes| bytes <= mirror.body_bytes() as u64);
        let arm = if safe && !fits { Arm::Baseline } else { arm };
        plan.tally = Some(Tally { arm, fault: None, fell_back: false, own: None, budget: canary.budget(row) });
        if arm == Arm::Candidate && canary.is_served(row) {
            (plan.side, plan.source) = (side, Source::Candidate);
        } else if arm == Arm::Candidate {
            canary.note(arm, row, Some(Fault::Unhealthy), None);
            plan.fall_back(Fault::Unhealthy);
        } else if safe {
            plan.probe = canary.probe();
            let copied = plan.probe.is_some() || mirror.wants_next() || self.left_out(route);
            plan.mirror = Some(mirror).filter(|_| copied);
        }
        plan
    }

    /// Counts a request that the share leaves out.
    fn left_out(&self, route: Option<usize>) -> bool {
        self.metrics.dropped(self.row(route), None, Reason::Share);
        false
    }
}
