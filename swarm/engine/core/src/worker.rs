//! The loop of one thread: starts what is due, sends, reads, counts. All decisions are here and in what it calls; the
//! machine is behind [`Io`], so that the same loop runs in virtual time.
//!
//! One turn: obey commands, start what is due, expire what is late, tell finished seconds, wait for the next moment or
//! event, handle the events; after each event what has become due is started first, so that a batch delays nobody.
//! With receive coalescing ([`Plan::coalesce_us`]) turns between two looks at the connections rest instead of waiting.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::sync::Arc;

mod entry;
mod exchange;
mod rest;
mod steer;

use rand::SeedableRng as _;
use rand::rngs::Xoshiro256PlusPlus;

use crate::alias::Alias;
use crate::arrival::{Arrival, Schedule, Share};
use crate::check::Checks;
use crate::connection::{Connection, Job, NO_SEAT};
use crate::control::{Control, Vitals};
use crate::deadlines::Deadlines;
use crate::io::{Io, Ready};
use crate::plan::{Plan, PlanError, Target};
use crate::pool::{Admission, Pool};
use crate::seats::Seats;
use crate::stage::{Load, Placed, to_ns};
use crate::tally::{Cause, Key, Tally, second_of};

pub use entry::slots;
use entry::{Entry, entries, share_of};

/// Reads go here, all connections' in turn.
const BUFFER_BYTES: usize = 64 * 1024;
/// A connection that was idle as long and turns out closed was closed before it saw the request (RFC 9112, 9.3.1).
const STALE_NS: u64 = 1_000_000_000;

/// How many connections one turn may open: with many to one target the kernel takes 100 µs to find each a port, and
/// answers must not wait behind thousands of them.
const OPENS_PER_TURN: u32 = 16;

/// What one thread sends and counts.
pub struct Worker<I> {
    io: I,
    control: Arc<Control>,
    share: Share,
    targets: Vec<Target>,
    entries: Vec<Entry>,
    draw_entry: Alias,
    draw_user: Alias,
    ids: u64,
    /// How many requests were drawn.
    drawn: u64,
    rng: Xoshiro256PlusPlus,
    stages: Vec<Placed>,
    /// When the first stage begins, or a later moment from which this worker takes over.
    begins_ns: u64,
    /// How many stages have begun.
    begun: usize,
    schedule: Schedule,
    seats: Seats,
    connections: Vec<Connection>,
    pools: Vec<Pool>,
    answers_due: Deadlines,
    connects_due: Deadlines,
    backing_off: BinaryHeap<Reverse<(u64, u32)>>,
    opens_left: u32,
    queue_limit_ns: u64,
    coalesce_ns: u64,
    /// Until when connections are not looked at.
    rests_until_ns: u64,
    busy: usize,
    waiting: usize,
    checks: Checks,
    tally: Tally,
    vitals: Vitals,
    told_second: u64,
    buffer: Box<[u8]>,
    ready: Vec<Ready>,
}

impl<I: Io> Worker<I> {
    /// Returns a worker that has a share of a plan, with `slots(plan, share)` connections per target.
    ///
    /// # Errors
    /// [`PlanError`] when the plan cannot be run.
    pub fn new(
        plan: &Plan,
        stages: Vec<Placed>,
        share: Share,
        io: I,
        control: Arc<Control>,
    ) -> Result<Self, PlanError> {
        let slots = slots(plan, share);
        let ahead = share_of(plan.open_ahead, share).min(slots);
        let target_number = plan.targets.len() as u32;
        let slot_number = (slots * target_number) as usize;
        let instances = (0..plan.targets.len() as u16).flat_map(|at| std::iter::repeat_n(at, slots as usize));
        let draw = |what, weights: &[u64]| Alias::new(weights).map_err(|source| PlanError::Weights { what, source });
        let max_pending = plan.max_pending.div_ceil(share.of) as usize;
        let weights: Vec<u64> = plan.endpoints.iter().map(|endpoint| endpoint.weight).collect();
        let told_second = second_of(io.now_ns());
        let entries = entries(plan)?;
        let checked_slots = if entries.iter().any(Entry::looks_inside) { slot_number } else { 0 };
        let seed = plan.seed.wrapping_add(u64::from(share.index)).wrapping_mul(3);
        Ok(Self {
            schedule: Schedule::new(&stages, plan.spacing, share, plan.seed),
            rng: Xoshiro256PlusPlus::seed_from_u64(seed.wrapping_add(1)),
            seats: Seats::new(to_ns(plan.think_s)),
            connections: instances.map(|instance| Connection::new(instance, plan.limits)).collect(),
            pools: (0..target_number).map(|at| Pool::new(at * slots, slots, max_pending).ahead(ahead)).collect(),
            answers_due: Deadlines::new(slot_number, to_ns(plan.timeout_s)),
            connects_due: Deadlines::new(slot_number, to_ns(plan.timeout_s)),
            backing_off: BinaryHeap::with_capacity(slot_number),
            opens_left: OPENS_PER_TURN,
            queue_limit_ns: to_ns(plan.queue_limit_s),
            coalesce_ns: u64::from(plan.coalesce_us) * 1_000,
            rests_until_ns: 0,
            targets: plan.targets.clone(),
            entries,
            draw_entry: draw("endpoints", &weights)?,
            draw_user: draw("users", &plan.user_weights)?,
            ids: plan.ids,
            drawn: 0,
            begins_ns: stages.first().map_or(0, |stage| stage.starts_ns),
            begun: 0,
            busy: 0,
            waiting: 0,
            checks: Checks::new(checked_slots, plan.check_ratio, seed.wrapping_add(2)),
            tally: Tally::default(),
            vitals: Vitals::default(),
            told_second,
            buffer: vec![0; BUFFER_BYTES].into(),
            ready: Vec::with_capacity(1_024),
            io,
            control,
            share,
            stages,
        })
    }

    /// Runs until every stage is over and everything of them has ended.
    ///
    /// # Errors
    /// When waiting for events fails.
    pub fn run(&mut self) -> io::Result<()> {
        while self.turn()? {}
        Ok(())
    }

    /// Does one turn; returns whether there is more to do.
    ///
    /// # Errors
    /// When waiting for events fails.
    pub fn turn(&mut self) -> io::Result<bool> {
        let now_ns = self.io.now_ns();
        self.obey(now_ns);
        self.advance(now_ns);
        if self.is_over(now_ns) {
            self.tell(second_of(now_ns) + 1, u64::MAX);
            return Ok(false);
        }
        let next_ns = self.next_ns();
        if self.rests(now_ns, next_ns)? {
            return Ok(true);
        }
        let mut ready = std::mem::take(&mut self.ready);
        let waited = self.io.wait(next_ns, &mut ready);
        for event in &ready {
            self.react(event);
            // One comparison per event when nothing is due; the clock was read by whatever the event did last.
            let now_ns = self.io.now_ns();
            self.start_due(now_ns);
        }
        self.looked(&ready);
        self.ready = ready;
        waited.map(|()| true)
    }

    /// The edge, for tests that play the machine.
    pub fn io(&mut self) -> &mut I {
        &mut self.io
    }

    /// Does all that a moment asks for.
    fn advance(&mut self, now_ns: u64) {
        while let Some(stage) = self.stages.get(self.begun).filter(|stage| stage.starts_ns <= now_ns) {
            let users = if let Load::Users(users) = stage.stage.load { share_of(users, self.share) } else { 0 };
            self.seats.set(users, stage.starts_ns, to_ns(stage.stage.ramp_s), &mut self.rng);
            self.pools.iter_mut().for_each(Pool::begin);
            self.begun += 1;
        }
        if self.begun == self.stages.len() && self.stages.last().is_some_and(|stage| stage.ends_ns <= now_ns) {
            self.seats.set(0, now_ns, 0, &mut self.rng);
        }
        self.opens_left = OPENS_PER_TURN;
        (0..self.pools.len()).for_each(|target| self.open_wanted(target, now_ns));
        self.start_due(now_ns);
        self.expire_answers(now_ns);
        while let Some(slot) = self.connects_due.expired(now_ns) {
            self.refused(slot, Cause::Timeout, now_ns);
        }
        while let Some(&Reverse((at_ns, slot))) = self.backing_off.peek()
            && at_ns <= now_ns
        {
            self.backing_off.pop();
            self.vacate(slot, now_ns);
        }
        self.expire_waiting(now_ns);
        let second = second_of(now_ns);
        if second > self.told_second {
            self.tell(second, second);
        }
    }

    fn expire_waiting(&mut self, now_ns: u64) {
        for at in 0..self.pools.len() {
            while self.pools[at].first_waiting().is_some_and(|job| job.intended_ns + self.queue_limit_ns <= now_ns) {
                if let Some(job) = self.pools[at].give_up() {
                    self.drop_job(&job, now_ns);
                }
            }
        }
    }

    fn next_ns(&self) -> u64 {
        if self.opens_left == 0 {
            return 0; // there may be more to open: look at what happened, but do not wait
        }
        let second_ns = (self.told_second + 1) * crate::stage::SECOND_NS;
        let waiting =
            self.pools.iter().filter_map(Pool::first_waiting).map(|job| job.intended_ns + self.queue_limit_ns);
        let moments = [
            self.schedule.peek().map(|arrival| arrival.at_ns),
            self.seats.next_ns(),
            self.answers_due.next_ns(),
            self.connects_due.next_ns(),
            self.backing_off.peek().map(|Reverse((at_ns, _))| *at_ns),
            self.stages.get(self.begun).map(|stage| stage.starts_ns),
            self.stages.last().map(|stage| stage.ends_ns).filter(|&ends_ns| ends_ns > self.io.now_ns()),
            waiting.min(),
        ];
        moments.into_iter().flatten().min().map_or(second_ns, |next_ns| next_ns.min(second_ns))
    }

    fn is_over(&self, now_ns: u64) -> bool {
        let ended = self.begun == self.stages.len() && self.stages.last().is_none_or(|stage| stage.ends_ns <= now_ns);
        ended && self.busy == 0 && self.waiting == 0 && self.schedule.peek().is_none_or(|next| next.at_ns > now_ns)
    }

    fn tell(&mut self, second: u64, through: u64) {
        let lines = self.tally.take_before(through);
        self.vitals.cpu_ns = self.io.cpu_ns();
        self.vitals.waiting = self.waiting as u64;
        self.vitals.busy = self.busy as u64;
        self.control.tell(lines, self.vitals, second, through);
        self.told_second = second;
    }

    #[inline]
    fn start_due(&mut self, now_ns: u64) {
        while let Some(arrival) = self.schedule.peek()
            && arrival.at_ns <= now_ns
        {
            self.schedule.take();
            let job = self.job_of(&arrival);
            self.start(job, now_ns);
        }
        let at = self.begun.saturating_sub(1);
        // Who is due at a stage's end or later is of the next one, and that has its own number of users.
        let before_ns = now_ns.min(self.stages[at].ends_ns.saturating_sub(1));
        while let Some((due_ns, seat)) = self.seats.take(before_ns) {
            let phase = self.stages[at].phase(due_ns);
            let job = Job { intended_ns: due_ns, seat, stage: at as u16, phase, ..self.drawn() };
            self.start(job, now_ns);
        }
    }

    fn job_of(&mut self, arrival: &Arrival) -> Job {
        Job { intended_ns: arrival.at_ns, stage: arrival.stage, phase: arrival.phase, ..self.drawn() }
    }

    fn drawn(&mut self) -> Job {
        let (endpoint, user) = (self.draw_entry.draw(&mut self.rng) as u16, self.draw_user.draw(&mut self.rng));
        let number = self.drawn;
        self.drawn += 1;
        Job { endpoint, user, number, ..Job::default() }
    }

    fn key(&self, job: &Job, at_ns: u64) -> Key {
        let stage = self.stages[usize::from(job.stage)].stage.id;
        Key { second: second_of(at_ns), stage, endpoint: job.endpoint, phase: job.phase }
    }

    fn offered(&mut self, job: &Job) {
        // A time before the last told second cannot be told any more; no arrival is, for all that were due were started.
        let key = self.key(job, job.intended_ns.max(self.told_second * crate::stage::SECOND_NS));
        self.tally.offered(key);
    }

    fn start(&mut self, job: Job, now_ns: u64) {
        self.offered(&job);
        let entry = &mut self.entries[usize::from(job.endpoint)];
        let target = usize::from(entry.targets[entry.turn]);
        entry.turn = if entry.turn + 1 == entry.targets.len() { 0 } else { entry.turn + 1 };
        match self.pools[target].admit(job) {
            Admission::Take(slot) => self.send(slot, job),
            Admission::Wait => {
                self.wait_begins(&job, now_ns);
                self.open_wanted(target, now_ns);
            }
            Admission::Drop => self.dropped(&job, now_ns),
        }
    }

    fn wait_begins(&mut self, job: &Job, now_ns: u64) {
        self.waiting += 1;
        let entry = &mut self.entries[usize::from(job.endpoint)];
        entry.waiting += 1;
        let (key, waiting) = (self.key(job, now_ns), self.entries[usize::from(job.endpoint)].waiting);
        self.tally.backlog(key, waiting);
    }

    fn wait_ends(&mut self, job: &Job) {
        self.waiting -= 1;
        self.entries[usize::from(job.endpoint)].waiting -= 1;
    }

    /// Drops an arrival that waited.
    fn drop_job(&mut self, job: &Job, now_ns: u64) {
        self.wait_ends(job);
        self.dropped(job, now_ns);
    }

    fn dropped(&mut self, job: &Job, now_ns: u64) {
        let key = self.key(job, now_ns);
        self.tally.dropped(key);
        self.seat_ended(job, now_ns, true);
    }

    fn seat_ended(&mut self, job: &Job, now_ns: u64, failed: bool) {
        if job.seat != NO_SEAT {
            self.seats.ended(job.seat, now_ns, failed);
        }
    }
}
