//! An engine: the threads that run a plan, and the handle to steer and read them.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::arrival::Share;
use crate::control::{Command, Control, Told, Vitals};
use crate::edge::Edge;
use crate::io::Io;
use crate::net::{Waker, sharpen_timers};
use crate::plan::{Plan, PlanError};
use crate::stage::{Placed, place};
use crate::worker::{Worker, slots};

/// The longest that answers may lie unread: beyond, a stall of the sender would look like a plan.
const COALESCE_MAX_US: u32 = 5_000;

struct Thread {
    control: Arc<Control>,
    waker: Waker,
    handle: JoinHandle<io::Result<()>>,
}

/// A running engine. Dropping it ends it at once.
pub struct Engine {
    threads: Vec<Thread>,
}

/// An engine that did not end as it should.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A thread could not wait for events.
    #[error("a sending thread failed: {0}")]
    Wait(#[from] io::Error),
    /// A thread panicked, which is a fault of the engine.
    #[error("a sending thread panicked: {0}")]
    Panic(String),
}

impl Engine {
    /// Starts a plan's threads; its first stage begins at `start_ns` of the monotonic clock, see
    /// [`crate::net::monotonic_ns`].
    ///
    /// # Errors
    /// [`PlanError`] when the plan cannot be run or the machine refuses a thread or descriptor; nothing runs then.
    pub fn start(plan: &Plan, start_ns: u64) -> Result<Self, PlanError> {
        Self::take_over(plan, start_ns, start_ns)
    }

    /// Starts a plan's threads in mid-run: its stages lie as [`Engine::start`] places them by `start_ns`, which may be
    /// past, but all that is meant for before `from_ns` is left to others, and nothing is told of the seconds before.
    /// Users of the stage under way begin at `from_ns`.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub fn take_over(plan: &Plan, start_ns: u64, from_ns: u64) -> Result<Self, PlanError> {
        check(plan)?;
        let stages = place(&plan.stages, start_ns)?;
        let mut engine = Self { threads: Vec::with_capacity(plan.threads as usize) };
        for index in 0..plan.threads {
            let share = Share { index, of: plan.threads };
            let edge = Edge::new(plan, slots(plan, share) as usize * plan.targets.len())?;
            let begin = Begin { stages: stages.clone(), start_ns, from_ns };
            engine.threads.push(match edge {
                Edge::Epoll(net) => spawn(plan, begin, share, net.waker(), net)?,
                Edge::Uring(uring) => spawn(plan, begin, share, uring.waker(), *uring)?,
            });
        }
        Ok(engine)
    }

    /// Changes the rate of the stage under way, until its end.
    pub fn set_rate(&self, rate_rps: f64) {
        self.ask(Command::Rate(rate_rps));
    }

    /// Changes the number of closed-loop users, until the next stage.
    pub fn set_users(&self, users: u32) {
        self.ask(Command::Users(users));
    }

    /// Starts nothing any more; what is on its way may end within its time-out.
    pub fn stop(&self) {
        self.ask(Command::Stop);
    }

    /// Ends at once; what is on its way fails as `stopped`.
    pub fn abort(&self) {
        self.ask(Command::Abort);
    }

    /// Returns what every thread told since the last time.
    #[must_use]
    pub fn drain(&self) -> Vec<Told> {
        self.threads.iter().map(|thread| thread.control.drain()).collect()
    }

    /// Whether a thread still runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.threads.iter().any(|thread| !thread.handle.is_finished())
    }

    /// Waits for the end and returns what was told since the last time.
    ///
    /// # Errors
    /// [`EngineError`] when a thread failed.
    pub fn join(mut self) -> Result<Vec<Told>, EngineError> {
        let mut told = Vec::with_capacity(self.threads.len());
        for thread in self.threads.drain(..) {
            thread.handle.join().map_err(|payload| EngineError::Panic(text_of(&*payload)))??;
            told.push(thread.control.drain());
        }
        Ok(told)
    }

    fn ask(&self, command: Command) {
        for thread in &self.threads {
            thread.control.ask(command);
            thread.waker.wake();
        }
    }
}

/// Starts the thread of one share over an edge.
/// What a thread begins with.
struct Begin {
    stages: Vec<Placed>,
    start_ns: u64,
    from_ns: u64,
}

fn spawn<I: Io + Send + 'static>(
    plan: &Plan,
    begin: Begin,
    share: Share,
    waker: Waker,
    io: I,
) -> Result<Thread, PlanError> {
    let control = Arc::new(Control::default());
    let worker = Worker::new(plan, begin.stages, share, io, Arc::clone(&control))?;
    let mut worker = if begin.from_ns > begin.start_ns { worker.taking_over(begin.from_ns) } else { worker };
    let run = move || {
        sharpen_timers();
        worker.run()
    };
    let handle = std::thread::Builder::new().name(format!("twinload-{}", share.index)).spawn(run)?;
    Ok(Thread { control, waker, handle })
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.ask(Command::Abort);
        for thread in self.threads.drain(..) {
            let _ = thread.handle.join();
        }
    }
}

/// Returns the sum of the vitals of all threads.
#[must_use]
pub fn sum_vitals(told: &[Told]) -> Vitals {
    told.iter().fold(Vitals::default(), |sum, one| Vitals {
        cpu_ns: sum.cpu_ns + one.vitals.cpu_ns,
        opened: sum.opened + one.vitals.opened,
        closed: sum.closed + one.vitals.closed,
        refused: sum.refused + one.vitals.refused,
        busy: sum.busy + one.vitals.busy,
        waiting: sum.waiting + one.vitals.waiting,
        stamped: sum.stamped + one.vitals.stamped,
        clamped: sum.clamped + one.vitals.clamped,
    })
}

fn check(plan: &Plan) -> Result<(), PlanError> {
    let columns = plan.columns.users();
    if !plan.columns.is_empty() && columns != Some(plan.user_weights.len()) {
        return Err(PlanError::Users { weights: plan.user_weights.len(), columns });
    }
    for (target, tls) in plan.targets.iter().enumerate().filter_map(|(at, target)| Some((at, target.tls.as_ref()?))) {
        tls.name().map_err(|source| PlanError::ServerName { target, source })?;
    }
    let positive = |value: f64| value > 0.0 && value <= 86_400.0;
    let numbers = [
        ("threads", f64::from(plan.threads), plan.threads >= 1 && plan.threads <= 1_024, "from 1 to 1024"),
        (
            "max_connections",
            f64::from(plan.max_connections),
            plan.max_connections >= plan.threads,
            "from the threads' on",
        ),
        ("open_ahead", f64::from(plan.open_ahead), plan.open_ahead <= plan.max_connections, "up to max_connections"),
        ("check_ratio", plan.check_ratio, (0.0..=1.0).contains(&plan.check_ratio), "from 0 to 1"),
        ("max_pending", f64::from(plan.max_pending), plan.max_pending >= 1, "from 1 on"),
        ("timeout_s", plan.timeout_s, positive(plan.timeout_s), "above 0, up to a day"),
        ("queue_limit_s", plan.queue_limit_s, positive(plan.queue_limit_s), "above 0, up to a day"),
        ("coalesce_us", f64::from(plan.coalesce_us), plan.coalesce_us <= COALESCE_MAX_US, "from 0 to 5000"),
        ("think_s", plan.think_s, plan.think_s == 0.0 || positive(plan.think_s), "from 0 to a day"),
    ];
    match numbers.into_iter().find(|(_, _, good, _)| !good) {
        Some((name, value, _, range)) => Err(PlanError::Number { name, value, range }),
        None => Ok(()),
    }
}

fn text_of(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied());
    text.unwrap_or("no message").to_owned()
}
