//! What a worker makes of its owner's orders.

use crate::control::Command;
use crate::io::Io;
use crate::pool::Pool;
use crate::stage::SECOND_NS;
use crate::tally::{Cause, second_of};

use super::Worker;
use super::entry::share_of;

impl<I: Io> Worker<I> {
    /// Leaves all that is meant for before a moment to others, and tells nothing of the seconds before; call it before
    /// the first turn. Users of the stage under way begin then.
    #[must_use]
    pub fn taking_over(mut self, from_ns: u64) -> Self {
        self.begins_ns = from_ns;
        self.schedule.leave_before(from_ns);
        self.begun = self.stages.iter().take_while(|stage| stage.ends_ns <= from_ns).count();
        if let Some(stage) = self.stages.get_mut(self.begun).filter(|stage| stage.starts_ns < from_ns) {
            let gone_s = (from_ns - stage.starts_ns) as f64 / SECOND_NS as f64;
            stage.stage.ramp_s = (stage.stage.ramp_s - gone_s).max(0.0);
            stage.starts_ns = from_ns;
        }
        self.told_second = self.told_second.max(second_of(from_ns));
        self
    }

    pub(super) fn obey(&mut self, now_ns: u64) {
        for command in self.control.take_commands() {
            match command {
                Command::Rate(rate_rps) => self.schedule.set_rate(now_ns, rate_rps),
                Command::Users(users) => self.set_users(users, now_ns),
                Command::Stop => self.stop(now_ns),
                Command::Abort => {
                    self.stop(now_ns);
                    self.abandon(now_ns);
                }
            }
        }
    }

    /// Nobody starts before the first stage does.
    fn set_users(&mut self, users: u32, now_ns: u64) {
        self.seats.set(share_of(users, self.share), now_ns.max(self.begins_ns), 0, &mut self.rng);
    }

    /// Starts nothing any more; who waits is dropped, what is on its way may end.
    fn stop(&mut self, now_ns: u64) {
        self.stages.iter_mut().for_each(|stage| stage.ends_ns = stage.ends_ns.min(now_ns));
        self.begun = self.stages.len();
        self.pools.iter_mut().for_each(Pool::begin);
        self.schedule.end(now_ns);
        while let Some(arrival) = self.schedule.take() {
            // It was meant for before the end, but the thread came to it no more.
            let job = self.job_of(&arrival);
            self.offered(&job);
            self.dropped(&job, now_ns);
        }
        self.seats.set(0, now_ns, 0, &mut self.rng);
        for at in 0..self.pools.len() {
            while let Some(job) = self.pools[at].give_up() {
                self.drop_job(&job, now_ns);
            }
        }
    }

    fn abandon(&mut self, now_ns: u64) {
        for slot in 0..self.connections.len() as u32 {
            if self.connections[slot as usize].is_busy() {
                self.fail(slot, Cause::Stopped, now_ns);
            }
        }
    }
}
