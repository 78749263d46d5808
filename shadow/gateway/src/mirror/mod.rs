//! Copies of requests: taken in without waiting, asked and compared on a thread of their own.
//!
//! The callers' threads only put a copy into a bounded queue, after their caller's answer is complete; when it is full
//! the copy is dropped and counted. The thread of the mirror runs at a lower priority.

mod ask;
mod settle;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::sync::{Semaphore, mpsc};

use crate::canary::Canary;
use crate::canary::counts::Arm;
use crate::canary::probe::Probe;
use crate::compare::Rules;
use crate::config::MirrorConfig;
use crate::log;
use crate::metrics::{Metrics, Reason};
use crate::pairs::{Answer, PairFile};
use crate::upstream::{Head, Pools, Side};
pub use settle::Settler;

/// Added to the nice value of the mirror's thread.
const NICE: i32 = 5;
const FLUSH_LOOK: Duration = Duration::from_millis(5);

/// A request as both sides get it.
#[derive(Debug)]
pub struct Asked {
    /// The index of its route.
    pub route: usize,
    /// All but its body.
    pub head: Head,
    /// Its body.
    pub body: Vec<u8>,
}

/// A request and the answer that its caller got; the other side is to be asked.
#[derive(Debug)]
pub struct Job {
    /// What was asked.
    pub asked: Asked,
    /// The answer.
    pub given: Answer,
    /// Whose it is.
    pub by: Arm,
    /// Of a copy that decides whether the breaker closes.
    pub probe: Option<Probe>,
}

impl Job {
    /// What it holds in memory, about.
    fn bytes(&self) -> usize {
        const OVERHEAD: usize = 2_048;
        self.asked.body.len() + self.given.body.len() + OVERHEAD
    }
}

/// Where copies are put in.
#[derive(Debug)]
pub struct Mirror {
    queue: mpsc::Sender<Job>,
    config: MirrorConfig,
    metrics: Arc<Metrics>,
    load: Arc<Load>,
    turn: AtomicU64,
}

/// How much waits and is under way.
#[derive(Debug, Default)]
struct Load {
    jobs: AtomicUsize,
    bytes: AtomicUsize,
}

/// A copy's part of the load; given back when it is dropped.
#[derive(Debug)]
struct Weight {
    load: Arc<Load>,
    bytes: usize,
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.load.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.load.jobs.fetch_sub(1, Ordering::Release);
    }
}

/// The other end of the queue.
#[derive(Debug)]
pub struct Outlet {
    queue: mpsc::Receiver<Job>,
    load: Arc<Load>,
    concurrency: usize,
}

/// Both ends of a queue.
#[must_use]
pub fn queue(config: MirrorConfig, metrics: Arc<Metrics>) -> (Mirror, Outlet) {
    let (sender, receiver) = mpsc::channel(config.queue);
    let load = Arc::new(Load::default());
    let outlet = Outlet { queue: receiver, load: load.clone(), concurrency: config.concurrency };
    (Mirror { queue: sender, config, metrics, load, turn: AtomicU64::new(0) }, outlet)
}

impl Mirror {
    /// Whether the next request belongs to the share that is copied. The choice is spread evenly, not drawn.
    #[must_use]
    pub fn wants_next(&self) -> bool {
        self.config.share >= 1.0 || is_in_share(self.turn.fetch_add(1, Ordering::Relaxed), self.config.share)
    }

    /// The bytes of a body that are kept.
    #[must_use]
    pub const fn body_bytes(&self) -> usize {
        self.config.body_bytes
    }

    /// Takes a copy in, or drops and counts it. Never waits.
    pub fn offer(&self, job: Job) {
        let (route, status, bytes) = (job.asked.route, job.given.status, job.bytes());
        if self.load.bytes.load(Ordering::Relaxed) + bytes > self.config.queue_bytes {
            return self.metrics.dropped(route, Some(status), Reason::QueueBytes);
        }
        self.load.jobs.fetch_add(1, Ordering::Relaxed);
        self.load.bytes.fetch_add(bytes, Ordering::Relaxed);
        if self.queue.try_send(job).is_err() {
            drop(Weight { load: self.load.clone(), bytes });
            self.metrics.dropped(route, Some(status), Reason::QueueFull);
        }
    }

    /// Copies that wait or are under way.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.load.jobs.load(Ordering::Acquire)
    }

    /// Bytes that they hold, about.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.load.bytes.load(Ordering::Relaxed)
    }

    /// Waits until nothing is pending.
    pub async fn flush(&self) {
        while self.pending() > 0 {
            tokio::time::sleep(FLUSH_LOOK).await;
        }
    }
}

/// Multiples of the golden ratio fall evenly between 0 and 1, however many there are.
pub(crate) fn is_in_share(turn: u64, share: f64) -> bool {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let place = turn.wrapping_mul(GOLDEN) >> 11;
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    let place = place as f64 / (1_u64 << 53) as f64;
    place < share
}

impl Outlet {
    /// Asks and compares until the queue is closed; at most `concurrency` at once.
    pub async fn run(mut self, settler: Arc<Settler>) {
        let places = Arc::new(Semaphore::new(self.concurrency));
        while let Some(job) = self.queue.recv().await {
            let weight = Weight { load: self.load.clone(), bytes: job.bytes() };
            let Ok(place) = places.clone().acquire_owned().await else { return };
            let settler = settler.clone();
            tokio::spawn(async move {
                settler.settle(job).await;
                drop((place, weight));
            });
        }
    }
}

/// What the thread of the mirror needs.
#[derive(Debug)]
pub struct Parts {
    /// The queue.
    pub outlet: Outlet,
    /// The side that answers.
    pub baseline: Arc<Side>,
    /// The rewrite.
    pub candidate: Arc<Side>,
    /// The second baseline.
    pub second: Option<Arc<Side>>,
    /// The routes' names.
    pub names: Arc<[String]>,
    /// What counts.
    pub rules: Rules,
    /// Where pairs go.
    pub pairs: Arc<PairFile>,
    /// Where results are counted.
    pub metrics: Arc<Metrics>,
    /// The limits.
    pub config: MirrorConfig,
    /// The number of instances of all sides.
    pub instances: usize,
    /// The gray release that is told how the baseline did.
    pub canary: Option<Arc<Canary>>,
}

/// Starts the thread of the mirror; it ends with the process.
///
/// # Errors
/// No thread or no runtime can be made.
pub fn start(parts: Parts) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("mirror".to_owned()).spawn(move || {
        // Of this thread alone: Linux counts niceness by thread.
        if let Err(fault) = rustix::process::setpriority_process(None, NICE) {
            log::warn("the mirror runs at the callers' priority", &json!({"fault": fault.to_string()}));
        }
        let Parts { outlet, baseline, candidate, second, names, rules, pairs, metrics, config, instances, canary } =
            parts;
        let (pools, said) = (Pools::new(instances), AtomicBool::new(false));
        let settler =
            Settler { pools, baseline, candidate, second, names, rules, pairs, metrics, config, canary, said };
        runtime.block_on(outlet.run(Arc::new(settler)));
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderMap;
    use hyper::{Method, StatusCode};
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::read;

    fn job(body: usize) -> Job {
        let head = Head { method: Method::GET, target: "/a".parse().expect("a path"), headers: HeaderMap::new() };
        let body = vec![b'x'; body];
        let given = Answer {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body,
            truncated: false,
            ms: 1.0,
            instance: "i".into(),
        };
        Job { asked: Asked { route: 0, head, body: Vec::new() }, given, by: Arm::Baseline, probe: None }
    }

    fn config(queue: usize, queue_bytes: usize) -> MirrorConfig {
        let timeout = Duration::from_secs(1);
        MirrorConfig { queue, queue_bytes, concurrency: 1, timeout, body_bytes: 100_000, retries: 0, share: 1.0 }
    }

    fn drops(metrics: &Metrics, reason: Reason) -> u64 {
        read(&metrics.copies(0).dropped[reason as usize])
    }

    #[test]
    fn a_full_queue_drops_and_counts() {
        let metrics = Arc::new(Metrics::new(1));
        let (mirror, _outlet) = queue(config(2, 1 << 20), metrics.clone());
        for _ in 0..5 {
            mirror.offer(job(10));
        }
        assert_eq!((mirror.pending(), drops(&metrics, Reason::QueueFull)), (2, 3));
    }

    #[test]
    fn waiting_copies_hold_bounded_bytes() {
        let metrics = Arc::new(Metrics::new(1));
        let (mirror, _outlet) = queue(config(100, 30_000), metrics.clone());
        for _ in 0..5 {
            mirror.offer(job(10_000));
        }
        assert_eq!((mirror.pending(), drops(&metrics, Reason::QueueBytes)), (2, 3));
        assert!(mirror.pending_bytes() <= 30_000);
    }

    proptest! {
        #[test]
        fn the_share_is_kept_within_a_few_requests(share in 0.0..1.0_f64, from in any::<u32>()) {
            let from = u64::from(from);
            let taken = (from..from + 1_000).filter(|turn| is_in_share(*turn, share)).count();
            #[expect(clippy::cast_precision_loss, reason = "at most 1,000")]
            let off = (taken as f64 - share * 1_000.0).abs();
            prop_assert!(off < 8.0, "{taken} of 1,000 at {share}");
        }
    }
}
