//! What a worker makes of its owner's orders.

use crate::control::Command;
use crate::io::Io;
use crate::pool::Pool;
use crate::tally::Cause;

use super::Worker;
use super::entry::share_of;

impl<I: Io> Worker<I> {
    pub(super) fn obey(&mut self, now_ns: u64) {
        for command in self.control.take_commands() {
            match command {
                Command::Rate(rate_rps) => self.schedule.set_rate(now_ns, rate_rps),
                Command::Users(users) => self.seats.set(share_of(users, self.share), now_ns, 0, &mut self.rng),
                Command::Stop => self.stop(now_ns),
                Command::Abort => {
                    self.stop(now_ns);
                    self.abandon(now_ns);
                }
            }
        }
    }

    /// Starts nothing any more; who waits is dropped, what is on its way may end.
    fn stop(&mut self, now_ns: u64) {
        self.stages.iter_mut().for_each(|stage| stage.ends_ns = stage.ends_ns.min(now_ns));
        self.begun = self.stages.len();
        self.pools.iter_mut().for_each(Pool::begin);
        self.schedule.end(now_ns);
        while self.schedule.take().is_some() {}
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
