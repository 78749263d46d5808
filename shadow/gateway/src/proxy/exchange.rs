//! A request whose answer streams to its caller: what is counted and copied when the answer is over.

use std::time::{Duration, Instant};

use hyper::StatusCode;
use hyper::header::HeaderMap;

use super::{Proxy, Underway};
use crate::body::{Copy, End, Ended, SharedCopy};
use crate::canary::counts::{Arm, Fault, Outcome};
use crate::canary::probe::Probe;
use crate::metrics::{Reason, Source};
use crate::mirror::{Asked, Job};
use crate::pairs::Answer;
use crate::upstream::{Head, Lease};

/// A request that is answered, until its body is over: then it is counted, and its copy handed to the mirror.
pub(super) struct Exchange {
    pub(super) underway: Underway,
    pub(super) lease: Lease,
    pub(super) begun: Instant,
    pub(super) source: Source,
    pub(super) route: Option<usize>,
    pub(super) status: StatusCode,
    pub(super) copy: Option<Copied>,
    pub(super) tally: Option<Tally>,
}

/// What the mirror needs of a request and its answer.
pub(super) struct Copied {
    pub(super) head: Head,
    pub(super) headers: HeaderMap,
    pub(super) asked: SharedCopy,
    pub(super) answered: SharedCopy,
    pub(super) probe: Option<Probe>,
}

/// What is known of a request of a gray release before its answer is over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tally {
    /// The side of its user.
    pub(super) arm: Arm,
    /// How that side failed it.
    pub(super) fault: Option<Fault>,
    /// Whether the baseline answers in its place.
    pub(super) fell_back: bool,
    /// What that side took, when it is known already.
    pub(super) own: Option<Duration>,
    /// The time that side has.
    pub(super) budget: Duration,
}

impl Tally {
    /// Counts a request that got no answer.
    pub(super) fn unanswered(self, proxy: &Proxy, route: usize, fault: Fault, elapsed: Duration) {
        let own = (fault == Fault::Late).then_some(elapsed);
        self.over(proxy, route, true, Some(fault), own);
    }

    /// Counts a request whose answer is over.
    fn answered(self, proxy: &Proxy, route: usize, end: End, status: StatusCode, elapsed: Duration) {
        let fault = match end {
            End::Abandoned => return,
            End::Failed => Some(Fault::Reset),
            End::Complete if status.is_server_error() => Some(Fault::Status),
            End::Complete => (elapsed > self.budget).then_some(Fault::Late),
        };
        let caller_failed = end == End::Failed || status.is_server_error();
        self.over(proxy, route, caller_failed, fault, (end == End::Complete).then_some(elapsed));
    }

    /// `fault` and `own` are the side's own, unless the baseline answered in its place.
    fn over(self, proxy: &Proxy, route: usize, caller_failed: bool, fault: Option<Fault>, own: Option<Duration>) {
        let Some(canary) = &proxy.canary else { return };
        let Self { arm, fell_back, .. } = self;
        let is_told = fell_back || self.fault.is_some();
        let (fault, latency) = if is_told { (self.fault, self.own) } else { (fault, own) };
        if !is_told {
            canary.note(arm, route, fault, latency);
        }
        canary.counts.side(arm, route).note(Outcome { fault, fell_back, caller_failed, latency });
    }
}

impl Ended for Exchange {
    fn ended(self: Box<Self>, end: End) {
        let Self { underway, lease, begun, source, route, status, copy, tally } = *self;
        let (elapsed, row, proxy) = (begun.elapsed(), underway.proxy.row(route), &underway.proxy);
        match end {
            End::Complete => proxy.metrics.answered(source, row, status, elapsed),
            End::Failed => proxy.metrics.unresponsive(source, row),
            End::Abandoned => {}
        }
        if let Some(tally) = tally {
            proxy.judge_instance(source, row, &lease, end, status);
            tally.answered(proxy, row, end, status, elapsed);
        }
        if let Some(copy) = copy {
            let ms = elapsed.as_secs_f64() * 1_000.0;
            copy.hand_over(proxy, row, end, status, ms, lease.instance().name.clone());
        }
        if end == End::Complete {
            lease.release();
        }
    }
}

impl Proxy {
    /// Takes in how an instance of the candidate answered one of its users.
    fn judge_instance(&self, source: Source, route: usize, lease: &Lease, end: End, status: StatusCode) {
        let Some(canary) = self.canary.as_ref().filter(|_| source == Source::Candidate) else { return };
        match end {
            End::Failed => canary.instance_failed(route, lease.instance()),
            End::Complete if status.is_server_error() => canary.instance_failed(route, lease.instance()),
            End::Complete => lease.instance().passed(),
            End::Abandoned => {}
        }
    }
}

impl Copied {
    /// Gives the copy to the mirror when all of it is there, else counts why not.
    fn hand_over(
        self,
        proxy: &Proxy,
        route: usize,
        end: End,
        status: StatusCode,
        ms: f64,
        instance: std::sync::Arc<str>,
    ) {
        let dropped = |reason| proxy.metrics.dropped(route, Some(status), reason);
        match (end, Copy::take(&self.asked), Copy::take(&self.answered)) {
            (End::Failed, ..) => dropped(Reason::BaselineFailed),
            (End::Abandoned, ..) => dropped(Reason::CallerGone),
            (End::Complete, Some(body), Some(answered)) => {
                let Self { head, headers, probe, .. } = self;
                let given = Answer { status, headers, body: answered, truncated: false, ms, instance };
                if let Some(mirror) = &proxy.mirror {
                    mirror.offer(Job { asked: Asked { route, head, body }, given, by: Arm::Baseline, probe });
                }
            }
            (End::Complete, ..) => dropped(Reason::BodyTooLarge),
        }
    }
}
