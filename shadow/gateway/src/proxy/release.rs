//! A safe request of one of the candidate's users: the candidate is asked, and the baseline in its place when it fails.
//!
//! | the candidate | the baseline | the caller gets |
//! |---|---|---|
//! | answers well in time | is not asked | the candidate's answer |
//! | fails | is asked, for a token | the baseline's answer, else the candidate's |
//! | fails, no token | is not asked | what the candidate gave |
//! | is late, or the breaker opens | is asked too, for a token | the first whole answer; the other is dropped |
//! | is late, no token | is not asked before the breaker opens | the candidate's answer, whenever it comes |
//!
//! All of it within the time of the caller's request. Tokens are for the time before the breaker opens. Afterwards what is
//! under way may be asked of the baseline without: it is no more than what comes to the baseline anyway.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::{Method, Response};
use tokio::task::yield_now;
use tokio::time::{sleep_until, timeout_at};

use super::exchange::{Exchange, Tally};
use super::taken::{Question, Taken, collect, take};
use super::{BROKEN_OFF, Plan, Proxy, TOO_LARGE, TOO_SLOW, Underway, unanswered};
use crate::body::Body;
use crate::canary::Canary;
use crate::canary::check::is_garbage;
use crate::canary::counts::{Arm, Fault, Outcome};
use crate::metrics::{Source, add};
use crate::mirror::{Asked, Job};
use crate::pairs::Answer;
use crate::problem::Problem;
use crate::upstream::{Failure, Head, Instance, Pools, Side, Told};

/// One request on its way.
struct Release<'a> {
    proxy: &'a Proxy,
    canary: &'a Canary,
    pools: &'a Pools,
    candidate: &'a Side,
    question: &'a Question,
    begun: Instant,
    budget: Duration,
}

/// What the candidate did, as far as it is known; it outlives the time of the request.
#[derive(Debug, Default)]
struct Story {
    fault: Option<Fault>,
    own: Option<Duration>,
}

/// The answer that the caller gets.
struct Given {
    by: Arm,
    taken: Taken,
}

/// Whom the candidate's answer is waited from.
#[derive(Default)]
struct Seen(Mutex<Option<Arc<Instance>>>);

impl Seen {
    fn set(&self, instance: &Arc<Instance>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(instance.clone());
    }

    fn get(&self) -> Option<Arc<Instance>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

type Asking<'a> = Pin<&'a mut (dyn Future<Output = Result<Taken, Failure>> + Send + 'a)>;

impl Proxy {
    /// Answers a safe request of one of the candidate's users.
    pub(super) async fn release(
        self: &Arc<Self>,
        pools: &Pools,
        underway: Underway,
        plan: Plan<'_>,
        request: (Head, Incoming),
        begun: Instant,
    ) -> Result<Response<Body>, Problem> {
        let (Some(canary), Some(route), Some(mirror)) = (&self.canary, plan.route, &self.mirror) else {
            return Err(super::NOBODY);
        };
        let deadline = (begun + self.limits.timeout).into();
        let (head, mut body) = request;
        let limit = mirror.body_bytes();
        let body = match timeout_at(deadline, collect(&mut body, limit)).await {
            Ok(Ok((body, true))) => body,
            Ok(Ok((_part, false))) => return Err(TOO_LARGE),
            Ok(Err(_broken)) => return Err(BROKEN_OFF),
            Err(_elapsed) => return Err(TOO_SLOW),
        };
        // What a caller needs for its own body is not the candidate's time.
        let begun = if body.is_empty() { begun } else { Instant::now() };
        let question = Question { route, head, body, limit };
        let budget = canary.budget(route);
        let release = Release { proxy: self, canary, pools, candidate: plan.side, question: &question, begun, budget };
        canary.retry.deposit();
        let mut story = Story::default();
        let given = timeout_at(deadline, release.ask(&mut story)).await.unwrap_or(Err(Failure::Timeout));
        match given {
            Ok(given) => Ok(self.pass_on(underway, &question, given, &story, begun)),
            Err(failure) => {
                let fault = story.fault.unwrap_or(failure.into());
                let latency = story.own.or((fault == Fault::Late).then(|| begun.elapsed()));
                if story.fault.is_none() {
                    canary.note(Arm::Candidate, route, Some(fault), latency);
                }
                let outcome = Outcome { fault: Some(fault), fell_back: false, caller_failed: true, latency };
                canary.counts.side(Arm::Candidate, route).note(outcome);
                self.metrics.unresponsive(Source::Candidate, route);
                Err(unanswered(failure))
            }
        }
    }

    /// Gives an answer to the caller and counts it: a whole one now, else when it is over.
    fn pass_on(
        self: &Arc<Self>,
        underway: Underway,
        question: &Question,
        given: Given,
        story: &Story,
        begun: Instant,
    ) -> Response<Body> {
        let Given { by, taken } = given;
        let (route, status, fell_back) = (question.route, taken.status, by == Arm::Baseline);
        let source = if fell_back { Source::Baseline } else { Source::Candidate };
        let mut answer = Response::new(Body::empty());
        (*answer.status_mut(), *answer.version_mut()) = (status, taken.version);
        let Some(canary) = &self.canary else { return answer };
        if let Some((rest, lease)) = taken.rest {
            *answer.headers_mut() = taken.headers;
            underway.watch.answer_begins();
            add(&canary.counts.unchecked);
            let (fault, own, budget) = (story.fault, story.own, canary.budget(route));
            let tally = Some(Tally { arm: Arm::Candidate, fault, fell_back, own, budget });
            let route = Some(route);
            let exchange = Box::new(Exchange { underway, lease, begun, source, route, status, copy: None, tally });
            *answer.body_mut() = Body::resumed(taken.body, rest, exchange);
            return answer;
        }
        let elapsed = begun.elapsed();
        self.metrics.answered(source, route, status, elapsed);
        let caller_failed = status.is_server_error() || (!fell_back && story.fault == Some(Fault::Garbage));
        let outcome = Outcome { fault: story.fault, fell_back, caller_failed, latency: story.own };
        canary.counts.side(Arm::Candidate, route).note(outcome);
        if !fell_back
            && is_own_good(story)
            && canary.compares_next()
            && let Some(mirror) = &self.mirror
        {
            let given = Answer {
                status,
                headers: taken.headers.clone(),
                body: taken.body.to_vec(),
                truncated: false,
                ms: elapsed.as_secs_f64() * 1_000.0,
                instance: taken.instance.name.clone(),
            };
            let asked = Asked { route, head: question.head.clone(), body: question.body.to_vec() };
            mirror.offer(Job { asked, given, by: Arm::Candidate, probe: None });
        }
        *answer.headers_mut() = taken.headers;
        *answer.body_mut() = Body::full(taken.body);
        answer
    }
}

impl Release<'_> {
    async fn ask(&self, story: &mut Story) -> Result<Given, Failure> {
        let seen = Seen::default();
        let told = |instance: &Arc<Instance>, told: Told| match told {
            Told::Asked => seen.set(instance),
            Told::Failed => self.canary.instance_failed(self.question.route, instance),
        };
        let mut candidate: Asking<'_> = pin!(take(self.pools, self.candidate, self.question, told));
        let Some(result) = self.in_time(&mut candidate).await else {
            return self.both(candidate, &seen, story).await;
        };
        self.judge(&result, story);
        self.unless_bad(result, story).await
    }

    /// What the candidate gave, or the baseline's answer in its place when it is bad.
    async fn unless_bad(&self, result: Result<Taken, Failure>, story: &Story) -> Result<Given, Failure> {
        if is_own_good(story) || !self.may_ask_baseline() {
            return result.map(|taken| Given { by: Arm::Candidate, taken });
        }
        in_place_of(result, self.baseline().await)
    }

    /// Takes a token, which nobody needs when the breaker is open.
    fn may_ask_baseline(&self) -> bool {
        self.canary.is_open() || self.canary.retry.take()
    }

    /// The candidate's answer within its budget; none when it is late, or when the breaker opens.
    async fn in_time(&self, candidate: &mut Asking<'_>) -> Option<Result<Taken, Failure>> {
        tokio::select! {
            biased;
            result = &mut *candidate => return Some(result),
            () = self.canary.opened() => return None,
            () = sleep_until((self.begun + self.budget).into()) => {}
        }
        // The answer may be in the socket, and only this thread was late: its connection gets its turn first.
        for _ in 0..2 {
            tokio::select! {
                biased;
                result = &mut *candidate => return Some(result),
                () = yield_now() => {}
            }
        }
        None
    }

    /// Both sides asked at once, for a token; the first whole answer.
    async fn both(&self, mut candidate: Asking<'_>, seen: &Seen, story: &mut Story) -> Result<Given, Failure> {
        let elapsed = self.begun.elapsed();
        if elapsed >= self.budget {
            story.fault = Some(Fault::Late);
            story.own = Some(elapsed);
            self.canary.note(Arm::Candidate, self.question.route, story.fault, story.own);
            if let Some(instance) = seen.get() {
                self.canary.instance_failed(self.question.route, &instance);
            }
        }
        if !self.may_ask_baseline() {
            tokio::select! {
                biased;
                result = &mut candidate => {
                    self.judge(&result, story);
                    return self.unless_bad(result, story).await;
                }
                () = self.canary.opened() => {}
            }
        }
        let mut baseline = pin!(self.baseline());
        tokio::select! {
            biased;
            result = &mut candidate => {
                self.judge(&result, story);
                match result {
                    Ok(taken) if is_own_good(story) => Ok(Given { by: Arm::Candidate, taken }),
                    result => in_place_of(result, baseline.await),
                }
            }
            result = &mut baseline => match result {
                Ok(taken) => {
                    story.own = story.own.map(|_until_hedged| self.begun.elapsed());
                    Ok(Given { by: Arm::Baseline, taken })
                }
                Err(_failure) => {
                    let result = candidate.await;
                    self.judge(&result, story);
                    result.map(|taken| Given { by: Arm::Candidate, taken })
                }
            },
        }
    }

    async fn baseline(&self) -> Result<Taken, Failure> {
        let begun = Instant::now();
        let taken = take(self.pools, &self.proxy.baseline, self.question, |_, _| {}).await?;
        if taken.rest.is_none() && !taken.status.is_server_error() {
            self.canary.note_in_place(self.question.route, begun.elapsed());
        }
        Ok(taken)
    }

    /// Takes in what the candidate did. One that was late already stays late; the rest of an answer that streams is
    /// judged when it is over.
    fn judge(&self, result: &Result<Taken, Failure>, story: &mut Story) {
        let (route, elapsed) = (self.question.route, self.begun.elapsed());
        let is_head = self.question.head.method == Method::HEAD;
        let fault = match result {
            Err(failure) => Some(Fault::from(*failure)),
            Ok(taken) if taken.status.is_server_error() => Some(Fault::Status),
            Ok(taken) if taken.rest.is_none() && self.canary.config.checks_json => {
                is_garbage(is_head, taken.status, &taken.headers, &taken.body).then_some(Fault::Garbage)
            }
            Ok(_whole) => None,
        };
        if let Ok(taken) = result {
            match fault {
                Some(_) => self.canary.instance_failed(route, &taken.instance),
                None => taken.instance.passed(),
            }
        }
        let streams = fault.is_none() && result.as_ref().is_ok_and(|taken| taken.rest.is_some());
        if result.is_ok() && !streams {
            story.own = Some(elapsed);
        }
        if story.fault.is_some() {
            // It is told already that this one failed.
            story.fault = fault.or(story.fault);
            return;
        }
        story.fault = fault.or((elapsed > self.budget && !streams).then_some(Fault::Late));
        if !streams {
            self.canary.note(Arm::Candidate, route, story.fault, story.own);
        }
    }
}

/// The baseline's answer in the place of a bad one of the candidate's, which is still better than none.
fn in_place_of(bad: Result<Taken, Failure>, baseline: Result<Taken, Failure>) -> Result<Given, Failure> {
    match (baseline, bad) {
        (Ok(taken), _) => Ok(Given { by: Arm::Baseline, taken }),
        (Err(_failure), Ok(taken)) => Ok(Given { by: Arm::Candidate, taken }),
        (Err(failure), Err(_own)) => Err(failure),
    }
}

/// Whether what the candidate gave, in time or not, can go to the caller.
fn is_own_good(story: &Story) -> bool {
    story.fault.is_none_or(|fault| fault == Fault::Late)
}
