//! What becomes of one copy.
//!
//! | candidate's answer | counted | written |
//! |---|---|---|
//! | none | unresponsive | yes |
//! | the same | match | no |
//! | raced, repeats left | both sides are asked anew | |
//! | raced, none left | raced | yes |
//! | differs, the second baseline agrees with the first or is not there | mismatch | yes |
//! | differs, and the second baseline differs from the first | noise | yes, with all three answers |
//!
//! All that differs is written, noise too: what is noise on which path is for the judge of the pairs to say.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use super::ask::whole;
use super::{Asked, Job};
use crate::canary::Canary;
use crate::canary::counts::Arm;
use crate::canary::probe::Probe;
use crate::clock::now;
use crate::compare::{Rules, Verdict};
use crate::config::MirrorConfig;
use crate::log;
use crate::metrics::{Metrics, Outcome, Reason, Source, add, read};
use crate::pairs::{Answer, Kind, Pair, PairFile};
use crate::upstream::{Failure, Pools, Side};

/// Of the pairs that match, one in so many is asked of the second baseline too.
const SAMPLE: u64 = 100;

/// Settles copies, one after another or many at once.
#[derive(Debug)]
pub struct Settler {
    pub(super) pools: Pools,
    pub(super) baseline: Arc<Side>,
    pub(super) candidate: Arc<Side>,
    pub(super) second: Option<Arc<Side>>,
    pub(super) names: Arc<[String]>,
    pub(super) rules: Rules,
    pub(super) pairs: Arc<PairFile>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) config: MirrorConfig,
    pub(super) canary: Option<Arc<Canary>>,
    pub(super) said: AtomicBool,
}

/// The answers of one pair, and what they show.
struct Judged {
    baseline: Answer,
    candidate: Result<Answer, Failure>,
    second: Option<Answer>,
    finding: Finding,
}

enum Finding {
    Counted(Outcome, Option<Kind>),
    BaselineTooLarge,
}

impl Settler {
    /// Asks the other side what the caller asked, compares, counts, writes.
    pub(super) async fn settle(&self, job: Job) {
        let Job { asked, given, by, probe } = job;
        let judged = match by {
            Arm::Baseline => {
                let candidate = self.ask(Source::Mirror, &self.candidate, &asked).await;
                self.judge(&asked, given, candidate).await
            }
            Arm::Candidate => match self.again(&self.baseline, &asked).await {
                Ok(baseline) => self.judge(&asked, baseline, Ok(given)).await,
                Err(_none) => return self.metrics.dropped(asked.route, None, Reason::BaselineFailed),
            },
        };
        let status = judged.baseline.status;
        if let Some(canary) = self.canary.as_ref().filter(|_| by == Arm::Candidate) {
            canary.note_copy(asked.route, Duration::from_secs_f64(judged.baseline.ms / 1_000.0));
        }
        if let Some(probe) = probe {
            self.show(probe, asked.route, &judged);
        }
        match judged.finding {
            Finding::BaselineTooLarge => self.metrics.dropped(asked.route, Some(status), Reason::BodyTooLarge),
            Finding::Counted(outcome, kind) => {
                self.metrics.outcome(asked.route, status, outcome);
                if let Some(kind) = kind {
                    self.write(&asked, kind, &judged);
                }
            }
        }
    }

    /// Tells whether the candidate answered a copy well: the same, and in its time. Where the pair cannot be held
    /// against each other, or the baseline failed too, the copy shows nothing.
    fn show(&self, probe: Probe, route: usize, judged: &Judged) {
        let Some(canary) = &self.canary else { return };
        match (&judged.finding, &judged.candidate) {
            (Finding::Counted(Outcome::Match, _), Ok(answer)) if !answer.status.is_server_error() => {
                probe.settle(Duration::from_secs_f64(answer.ms / 1_000.0) <= canary.budget(route));
            }
            (Finding::Counted(Outcome::Mismatch | Outcome::Unresponsive, _), _) => probe.settle(false),
            _ => {}
        }
    }

    async fn judge(&self, asked: &Asked, mut baseline: Answer, mut candidate: Result<Answer, Failure>) -> Judged {
        if baseline.truncated {
            return Judged { baseline, candidate, second: None, finding: Finding::BaselineTooLarge };
        }
        for repeat in 0..=self.config.retries {
            let Ok(answer) = &candidate else { break };
            if self.rules.judge(&baseline, answer) != Verdict::Raced || repeat == self.config.retries {
                break;
            }
            add(&self.metrics.copies(asked.route).repeats);
            let (anew, theirs) =
                tokio::join!(self.again(&self.baseline, asked), self.ask(Source::Mirror, &self.candidate, asked));
            candidate = theirs;
            if let Ok(anew) = anew {
                baseline = anew;
            }
            if baseline.truncated {
                return Judged { baseline, candidate, second: None, finding: Finding::BaselineTooLarge };
            }
        }
        self.name(asked, baseline, candidate).await
    }

    /// Says what the last answers show; asks the second baseline where that tells more.
    async fn name(&self, asked: &Asked, baseline: Answer, candidate: Result<Answer, Failure>) -> Judged {
        let verdict = candidate.as_ref().map(|answer| self.rules.judge(&baseline, answer));
        let counted = |outcome, kind| Finding::Counted(outcome, kind);
        match verdict {
            Err(_none) => {
                let finding = counted(Outcome::Unresponsive, Some(Kind::Unresponsive));
                Judged { baseline, candidate, second: None, finding }
            }
            Ok(Verdict::Raced) => {
                let finding = counted(Outcome::Raced, Some(Kind::Raced));
                Judged { baseline, candidate, second: None, finding }
            }
            Ok(Verdict::Match) => {
                let second = if self.is_sampled(asked.route) { self.second(asked, &baseline).await } else { None };
                let kind = second.is_some().then_some(Kind::Noise);
                Judged { baseline, candidate, second, finding: counted(Outcome::Match, kind) }
            }
            Ok(Verdict::Differs(difference)) => {
                let second = self.second(asked, &baseline).await;
                let outcome = if second.is_some() { Outcome::Noise } else { Outcome::Mismatch };
                Judged { baseline, candidate, second, finding: counted(outcome, Some(difference.into())) }
            }
        }
    }

    /// The second baseline's answer when it differs from the first's at the same state of the data. When it raced,
    /// nothing is known of noise: none, and a difference stays a mismatch.
    async fn second(&self, asked: &Asked, baseline: &Answer) -> Option<Answer> {
        let side = self.second.as_ref().filter(|side| side.serves(asked.route))?;
        add(&self.metrics.copies(asked.route).second_asked);
        let answer = self.ask(Source::Second, side, asked).await.ok()?;
        matches!(self.rules.judge(baseline, &answer), Verdict::Differs(_)).then_some(answer)
    }

    fn is_sampled(&self, route: usize) -> bool {
        self.second.is_some()
            && self.metrics.copies(route).outcomes.iter().map(|row| read(&row[Outcome::Match as usize])).sum::<u64>()
                % SAMPLE
                == 0
    }

    async fn ask(&self, source: Source, side: &Side, asked: &Asked) -> Result<Answer, Failure> {
        let answer = self.again(side, asked).await;
        match &answer {
            Ok(one) => {
                self.metrics.answered(source, asked.route, one.status, Duration::from_secs_f64(one.ms / 1_000.0));
            }
            Err(_none) => self.metrics.unresponsive(source, asked.route),
        }
        answer
    }

    async fn again(&self, side: &Side, asked: &Asked) -> Result<Answer, Failure> {
        whole(&self.pools, side, asked, self.config.timeout, self.config.body_bytes).await
    }

    fn write(&self, asked: &Asked, kind: Kind, judged: &Judged) {
        let pair = Pair {
            route: asked.route,
            route_name: &self.names[asked.route],
            method: asked.head.method.as_str(),
            target: asked.head.target.path_and_query().map_or("*", |target| target.as_str()),
            request_headers: &asked.head.headers,
            request_body: &asked.body,
            kind,
            baseline: &judged.baseline,
            candidate: judged.candidate.as_ref().map_err(|failure| *failure),
            second: judged.second.as_ref(),
        };
        if let Err(fault) = self.pairs.write(&pair, now()) {
            // Said once: a full disk would fill the log too. The counts go on.
            if !self.said.swap(true, Ordering::Relaxed) {
                log::warn("pairs cannot be written", &json!({"fault": fault.to_string()}));
            }
        }
    }
}
