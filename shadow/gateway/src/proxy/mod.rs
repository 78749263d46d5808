//! One request of a caller: which route, which side, what goes on, what comes back, what is copied.
//!
//! ```text
//! plan      where a request goes
//! mod       the way of every request but those of release
//! release   a safe request of one of the candidate's users, with the baseline behind it
//! taken     one whole answer of a side
//! exchange  what is counted and copied when an answer that streams is over
//! ```

mod exchange;
mod plan;
mod release;
mod taken;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use hyper::body::{Body as _, Incoming};
use hyper::header::{CONNECTION, HOST, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri, Version};

use crate::body::{Body, Copy, End, Ended, SharedCopy};
use crate::canary::Canary;
use crate::canary::counts::{Arm, Fault};
use crate::config::Limits;
use crate::headers::{forward, refusal, strip_hop_by_hop};
use crate::metrics::{Metrics, Reason};
use crate::mirror::Mirror;
use crate::mode::Switch;
use crate::problem::Problem;
use crate::route::Route;
use crate::server::Watch;
use crate::upstream::{AskError, Failure, Head, Lease, Pools, Side, Told, ask, ask_telling};
use exchange::{Copied, Exchange};
use plan::Plan;

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
        let mut plan = self.plan(&request);
        if plan.side.serving(plan.route).is_empty() {
            return Err(NOBODY);
        }
        let (head, body) = taken_apart(request, peer)?;
        if plan.safe && plan.is_released() {
            // In a box, so that requests of other modes do not carry its size.
            return Box::pin(self.release(pools, underway, plan, (head, body), begun)).await;
        }
        let asked = plan.mirror.map(|mirror| Copy::shared(mirror.body_bytes()));
        let (body, passed) = self.body(body, asked.clone());
        if passed.is_some() {
            plan.take_time();
        }
        let kept = (plan.safe || plan.is_released()).then(|| head.clone());
        let request = head.request(plan.side, body);
        let fell_back = AtomicBool::new(false);
        let asking = async {
            if plan.is_released() {
                return Box::pin(self.ask_once(pools, &plan, request, kept.as_ref(), &fell_back)).await;
            }
            ask(pools, plan.side, plan.route, request, kept.as_ref().filter(|_| passed.is_none())).await
        };
        let result = tokio::time::timeout(self.limits.timeout, asking).await.unwrap_or_else(|_elapsed| {
            let waits_for_caller = passed.is_some_and(|passed| !passed.load(Ordering::Relaxed));
            Err(if waits_for_caller { AskError::CallerSlow } else { AskError::Service(Failure::Timeout) })
        });
        if fell_back.into_inner() {
            plan.fall_back(Fault::Refused);
        }
        let (answer, lease) = result.map_err(|error| self.failed(&plan, error, begun))?;
        let (mut parts, stream) = answer.into_parts();
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(self.failed(&plan, AskError::Service(Failure::Invalid), begun));
        }
        strip_hop_by_hop(&mut parts.headers);
        parts.version = Version::HTTP_11;
        underway.watch.answer_begins();
        let probe = plan.probe;
        let copy = plan.mirror.zip(kept).zip(asked).map(|((mirror, head), asked)| {
            let answered = Copy::shared(mirror.body_bytes());
            Copied { head, headers: parts.headers.clone(), asked, answered, probe }
        });
        let answered = copy.as_ref().map(|copy| copy.answered.clone());
        let (source, route, status, tally) = (plan.source, plan.route, parts.status, plan.tally);
        let exchange = Box::new(Exchange { underway, lease, begun, source, route, status, copy, tally });
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

    /// Asks the candidate once. What it refused goes to the baseline, for a token: nothing of it was sent. That it does
    /// so is noted in `fell_back`.
    async fn ask_once(
        &self,
        pools: &Pools,
        plan: &Plan<'_>,
        request: Request<Body>,
        kept: Option<&Head>,
        fell_back: &AtomicBool,
    ) -> Result<(Response<Incoming>, Lease), AskError> {
        let (Some(canary), Some(row)) = (&self.canary, plan.route) else { return Err(AskError::CallerGone) };
        canary.retry.deposit();
        let told = |instance: &Arc<_>, told| {
            if told == Told::Failed {
                canary.instance_failed(row, instance);
            }
        };
        let unanswered = match ask_telling(pools, plan.side, plan.route, request, None, told).await {
            Ok(answered) => return Ok(answered),
            Err(unanswered) => unanswered,
        };
        let (Some(unsent), Some(head)) = (unanswered.unsent, kept) else { return Err(unanswered.error) };
        if !canary.retry.take() {
            return Err(unanswered.error);
        }
        canary.note(Arm::Candidate, row, Some(Fault::Refused), None);
        fell_back.store(true, Ordering::Relaxed);
        let request = head.clone().request(&self.baseline, unsent.into_body());
        ask(pools, &self.baseline, plan.route, request, None).await
    }

    /// Counts a request without an answer, and says what its caller gets.
    fn failed(&self, plan: &Plan<'_>, error: AskError, begun: Instant) -> Problem {
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
        if let Some(tally) = plan.tally {
            tally.unanswered(self, row, failure.into(), begun.elapsed());
        }
        unanswered(failure)
    }

    /// The row of a route in the counts.
    fn row(&self, route: Option<usize>) -> usize {
        route.unwrap_or(self.routes.len())
    }
}

/// What the caller of a request without an answer is told.
fn unanswered(failure: Failure) -> Problem {
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
