//! One request of a caller: which route, which side, what goes on, what comes back, what is copied.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use hyper::body::{Body as _, Incoming};
use hyper::header::{CONNECTION, HOST, HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri, Version};

use crate::body::{Body, Copy, End, Ended, SharedCopy};
use crate::canary::Canary;
use crate::config::Limits;
use crate::headers::{forward, refusal, strip_hop_by_hop};
use crate::metrics::{Metrics, Reason, Source};
use crate::mirror::{Asked, Job, Mirror};
use crate::mode::{Mode, Switch};
use crate::pairs::Answer;
use crate::problem::Problem;
use crate::route::{self, Route};
use crate::server::Watch;
use crate::upstream::{AskError, Failure, Head, Lease, Pools, Side, ask};

/// What all requests share.
#[derive(Debug)]
pub struct Proxy {
    /// The routes, first match wins.
    pub routes: Vec<Route>,
    /// The side that answers.
    pub baseline: Arc<Side>,
    /// The rewrite.
    pub candidate: Option<Arc<Side>>,
    /// Who answers.
    pub switch: Switch,
    /// Where copies go; none without a candidate.
    pub mirror: Option<Mirror>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What callers may ask.
    pub limits: Limits,
    /// The gray release, when the plan has one.
    pub canary: Option<Arc<Canary>>,
}

/// Where one request goes.
struct Plan<'a> {
    route: Option<usize>,
    side: &'a Side,
    source: Source,
    mirror: Option<&'a Mirror>,
    safe: bool,
}

/// A request that is answered, until its body is over: then it is counted, and its copy handed to the mirror.
struct Exchange {
    underway: Underway,
    lease: Lease,
    begun: Instant,
    source: Source,
    route: Option<usize>,
    status: StatusCode,
    copy: Option<Copied>,
}

/// Counts a request as under way as long as it lives.
struct Underway {
    proxy: Arc<Proxy>,
    watch: Arc<Watch>,
}

impl Underway {
    fn new(proxy: Arc<Proxy>, watch: Arc<Watch>) -> Self {
        watch.request_begins();
        proxy.metrics.in_flight.fetch_add(1, Ordering::Relaxed);
        Self { proxy, watch }
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.proxy.metrics.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.watch.request_ends();
    }
}

/// Notes that a whole body has been passed on.
struct Passed(Arc<AtomicBool>);

impl Ended for Passed {
    fn ended(self: Box<Self>, end: End) {
        self.0.store(end == End::Complete, Ordering::Relaxed);
    }
}

/// What the mirror needs of a request and its answer.
struct Copied {
    head: Head,
    headers: HeaderMap,
    asked: SharedCopy,
    answered: SharedCopy,
}

impl Proxy {
    /// Answers one request of a caller at `peer`. There is always an answer: a service's or a problem document.
    pub async fn answer(
        self: Arc<Self>,
        pools: Pools,
        watch: Arc<Watch>,
        peer: HeaderValue,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let underway = Underway::new(self.clone(), watch.clone());
        let mut answer = match self.forward(&pools, underway, &peer, request).await {
            Ok(answer) => answer,
            Err(problem) => problem.answer(),
        };
        if watch.is_draining() {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }

    async fn forward(
        self: &Arc<Self>,
        pools: &Pools,
        underway: Underway,
        peer: &HeaderValue,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Problem> {
        let begun = Instant::now();
        if let Some(problem) = refusal(&request) {
            return Err(problem);
        }
        if request.body().size_hint().lower() > self.limits.body_bytes {
            return Err(TOO_LARGE);
        }
        let plan = self.plan(&request);
        if plan.side.serving(plan.route).is_empty() {
            return Err(NOBODY);
        }
        let (head, body) = taken_apart(request, peer)?;
        let asked = plan.mirror.map(|mirror| Copy::shared(mirror.body_bytes()));
        let (body, passed) = self.body(body, asked.clone());
        let kept = plan.safe.then(|| head.clone());
        let request = head.request(plan.side, body);
        let asking = ask(pools, plan.side, plan.route, request, kept.as_ref().filter(|_| passed.is_none()));
        let result = tokio::time::timeout(self.limits.timeout, asking).await.unwrap_or_else(|_elapsed| {
            let waits_for_caller = passed.is_some_and(|passed| !passed.load(Ordering::Relaxed));
            Err(if waits_for_caller { AskError::CallerSlow } else { AskError::Service(Failure::Timeout) })
        });
        let (answer, lease) = result.map_err(|error| self.failed(&plan, error))?;
        let (mut parts, stream) = answer.into_parts();
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(self.failed(&plan, AskError::Service(Failure::Invalid)));
        }
        strip_hop_by_hop(&mut parts.headers);
        parts.version = Version::HTTP_11;
        underway.watch.answer_begins();
        let copy = plan.mirror.zip(kept).zip(asked).map(|((mirror, head), asked)| {
            let answered = Copy::shared(mirror.body_bytes());
            Copied { head, headers: parts.headers.clone(), asked, answered }
        });
        let answered = copy.as_ref().map(|copy| copy.answered.clone());
        let (source, route, status) = (plan.source, plan.route, parts.status);
        let exchange = Box::new(Exchange { underway, lease, begun, source, route, status, copy });
        Ok(Response::from_parts(parts, Body::stream(stream, u64::MAX, answered, Some(exchange))))
    }

    /// The body for the service, and whether all of it has been passed on; without a body there is nothing to pass.
    fn body(&self, body: Incoming, copy: Option<SharedCopy>) -> (Body, Option<Arc<AtomicBool>>) {
        if body.is_end_stream() {
            return (Body::empty(), None);
        }
        let passed = Arc::new(AtomicBool::new(false));
        let end = Box::new(Passed(passed.clone()));
        (Body::stream(body, self.limits.body_bytes, copy, Some(end)), Some(passed))
    }

    /// Decides by the mode as it stands now; a request ends as it began.
    fn plan(&self, request: &Request<Incoming>) -> Plan<'_> {
        let route = route::find(&self.routes, request.method().as_str(), request.uri().path());
        let safe = route.map_or(request.method().is_safe(), |route| self.routes[route].safe);
        let candidate = self.candidate.as_deref().filter(|side| route.is_some_and(|route| side.serves(route)));
        match (self.switch.get(), candidate) {
            (Mode::Full, Some(side)) => Plan { route, side, source: Source::Candidate, mirror: None, safe },
            (mode, candidate) => {
                let copied = mode == Mode::Shadow && safe && candidate.is_some();
                let mirror = self.mirror.as_ref().filter(|_| copied);
                let mirror = mirror.filter(|mirror| mirror.wants_next() || self.left_out(route));
                Plan { route, side: &self.baseline, source: Source::Baseline, mirror, safe }
            }
        }
    }

    /// Counts a request that the share leaves out.
    fn left_out(&self, route: Option<usize>) -> bool {
        self.metrics.dropped(self.row(route), None, Reason::Share);
        false
    }

    /// Counts a request without an answer, and says what its caller gets.
    fn failed(&self, plan: &Plan<'_>, error: AskError) -> Problem {
        let row = self.row(plan.route);
        if plan.mirror.is_some() {
            let reason =
                if matches!(error, AskError::Service(_)) { Reason::BaselineFailed } else { Reason::CallerGone };
            self.metrics.dropped(row, None, reason);
        }
        let AskError::Service(failure) = error else {
            return match error {
                AskError::BodyTooLarge => TOO_LARGE,
                AskError::CallerSlow => TOO_SLOW,
                _ => BROKEN_OFF,
            };
        };
        self.metrics.unresponsive(plan.source, row);
        let detail = match failure {
            Failure::Timeout => {
                return Problem::new(StatusCode::GATEWAY_TIMEOUT, "The service did not answer in time.");
            }
            Failure::Reset => "The service closed the connection without an answer.",
            Failure::Refused => "No instance of the service takes connections.",
            Failure::Invalid => "The service's answer cannot be forwarded.",
        };
        Problem::new(StatusCode::BAD_GATEWAY, detail)
    }

    /// The row of a route in the counts.
    fn row(&self, route: Option<usize>) -> usize {
        route.unwrap_or(self.routes.len())
    }
}

const TOO_LARGE: Problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "The request's body is larger than allowed.");
const NOBODY: Problem = Problem::new(StatusCode::NOT_FOUND, "No instance of the plan serves this path.");
const TOO_SLOW: Problem = Problem::new(StatusCode::REQUEST_TIMEOUT, "The request's body did not come in time.");
const BROKEN_OFF: Problem = Problem::new(StatusCode::BAD_REQUEST, "The request's body broke off.");

/// The head as the services get it, and the body. The authority of an absolute target takes the place of Host.
fn taken_apart(request: Request<Incoming>, peer: &HeaderValue) -> Result<(Head, Incoming), Problem> {
    let (parts, body) = request.into_parts();
    let (method, mut target, mut headers) = (parts.method, parts.uri, parts.headers);
    if let Some(authority) = target.authority() {
        let unfit = |_| Problem::new(StatusCode::BAD_REQUEST, "The target's authority is no Host.");
        headers.insert(HOST, HeaderValue::from_str(authority.as_str()).map_err(unfit)?);
        target = target.path_and_query().map_or(Uri::from_static("/"), |path| Uri::from(path.clone()));
    }
    forward(&mut headers, peer);
    Ok((Head { method, target, headers }, body))
}

/// The text of an address for `X-Forwarded-For`.
#[must_use]
pub fn peer_value(address: IpAddr) -> HeaderValue {
    HeaderValue::from_str(&address.to_string()).unwrap_or(HeaderValue::from_static("unknown"))
}

impl Ended for Exchange {
    fn ended(self: Box<Self>, end: End) {
        let Self { underway, lease, begun, source, route, status, copy } = *self;
        let (elapsed, row, proxy) = (begun.elapsed(), underway.proxy.row(route), &underway.proxy);
        match end {
            End::Complete => proxy.metrics.answered(source, row, status, elapsed),
            End::Failed => proxy.metrics.unresponsive(source, row),
            End::Abandoned => {}
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

impl Copied {
    /// Gives the copy to the mirror when all of it is there, else counts why not.
    fn hand_over(self, proxy: &Proxy, route: usize, end: End, status: StatusCode, ms: f64, instance: Arc<str>) {
        let dropped = |reason| proxy.metrics.dropped(route, Some(status), reason);
        match (end, Copy::take(&self.asked), Copy::take(&self.answered)) {
            (End::Failed, ..) => dropped(Reason::BaselineFailed),
            (End::Abandoned, ..) => dropped(Reason::CallerGone),
            (End::Complete, Some(body), Some(answered)) => {
                let Self { head, headers, .. } = self;
                let baseline = Answer { status, headers, body: answered, truncated: false, ms, instance };
                if let Some(mirror) = &proxy.mirror {
                    mirror.offer(Job { asked: Asked { route, head, body }, baseline });
                }
            }
            (End::Complete, ..) => dropped(Reason::BodyTooLarge),
        }
    }
}
