//! The connections of one instance and who waits for them. Pure: says what to do, does no I/O.
//!
//! An arrival takes a free connection, else one is opened for it up to the maximum, else it waits; above `max_pending`
//! it is dropped. Whatever connection is free first takes whoever waits longest, so an arrival is not tied to the
//! connection that was opened for it. The connection that is free longest is
//! taken first, so that all of them stay in use and no server closes one for having nothing to do.

use std::collections::VecDeque;

use crate::connection::Job;
use crate::line::Line;

/// What becomes of an arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Send on this connection.
    Take(u32),
    /// It waits; [`Pool::opens`] says whether a connection should be opened.
    Wait,
    /// Too many wait already.
    Drop,
}

/// The connections of an instance: slots `first..first + max_connections` of the engine.
#[derive(Debug)]
pub struct Pool {
    first: u32,
    slots: usize,
    /// By place in the pool.
    free: Line<()>,
    vacant: Vec<u32>,
    connecting: usize,
    /// How many are opened though nobody waits.
    ahead: usize,
    waiting: VecDeque<Job>,
    max_pending: usize,
}

impl Pool {
    /// Returns a pool without open connections.
    #[must_use]
    pub fn new(first: u32, max_connections: u32, max_pending: usize) -> Self {
        Self {
            first,
            slots: max_connections as usize,
            free: Line::new(max_connections as usize),
            vacant: (first..first + max_connections).rev().collect(),
            connecting: 0,
            ahead: 0,
            waiting: VecDeque::with_capacity(max_pending.min(65_536)),
            max_pending,
        }
    }

    /// Has so many connections opened before anybody wants one, until [`Pool::begin`].
    #[must_use]
    pub fn ahead(self, connections: u32) -> Self {
        Self { ahead: connections as usize, ..self }
    }

    /// Opens nothing any more but what is waited for.
    pub fn begin(&mut self) {
        self.ahead = 0;
    }

    /// Decides about an arrival; one that waits is kept.
    pub fn admit(&mut self, job: Job) -> Admission {
        if let Some(slot) = self.pop_free() {
            return Admission::Take(slot);
        }
        if self.waiting.len() >= self.max_pending {
            return Admission::Drop;
        }
        self.waiting.push_back(job);
        Admission::Wait
    }

    /// Puts an arrival that must be sent once more before all others.
    pub fn put_first(&mut self, job: Job) {
        self.waiting.push_front(job);
    }

    /// Returns a slot to open a connection in when more wait than connections are under way, or more are wanted ahead
    /// than are open, under way or resting after a refusal.
    pub fn opens(&mut self) -> Option<u32> {
        let used = self.slots - self.vacant.len();
        if self.waiting.len() <= self.connecting && used >= self.ahead {
            return None;
        }
        let slot = self.vacant.pop()?;
        self.connecting += 1;
        Some(slot)
    }

    /// Notes that opening a connection ended, well or not.
    pub fn opened(&mut self) {
        self.connecting -= 1;
    }

    /// Returns whom a connection that is free serves next; with nobody waiting it stays free.
    pub fn freed(&mut self, slot: u32) -> Option<Job> {
        let next = self.waiting.pop_front();
        if next.is_none() {
            self.free.join(slot - self.first, ());
        }
        next
    }

    /// Takes a connection that was closed while free out of the free ones.
    pub fn lost(&mut self, slot: u32) {
        self.free.leave(slot - self.first);
    }

    /// Notes that a slot may be opened again.
    pub fn vacated(&mut self, slot: u32) {
        self.vacant.push(slot);
    }

    /// Returns who waits longest.
    #[must_use]
    pub fn first_waiting(&self) -> Option<&Job> {
        self.waiting.front()
    }

    /// Takes who waits longest away.
    pub fn give_up(&mut self) -> Option<Job> {
        self.waiting.pop_front()
    }

    fn pop_free(&mut self) -> Option<u32> {
        self.free.take_first().map(|place| self.first + place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(user: u32) -> Job {
        Job { user, ..Job::default() }
    }

    #[test]
    fn an_arrival_takes_a_free_one_else_opens_else_waits_else_is_dropped() {
        let mut pool = Pool::new(10, 1, 1);
        assert_eq!((pool.admit(job(1)), pool.opens()), (Admission::Wait, Some(10)));
        assert_eq!((pool.admit(job(2)), pool.opens()), (Admission::Drop, None));
        pool.opened();
        assert_eq!(pool.freed(10).map(|job| job.user), Some(1));
        assert_eq!((pool.admit(job(3)), pool.opens()), (Admission::Wait, None));
        assert_eq!(pool.freed(10).map(|job| job.user), Some(3));
        assert_eq!(pool.freed(10).map(|job| job.user), None);
        assert_eq!(pool.admit(job(4)), Admission::Take(10));
    }

    #[test]
    fn no_more_connections_are_opened_than_wait() {
        let mut pool = Pool::new(0, 8, 8);
        pool.admit(job(1));
        assert_eq!((pool.opens(), pool.opens()), (Some(0), None));
        pool.admit(job(2));
        assert_eq!((pool.opens(), pool.opens()), (Some(1), None));
    }

    #[test]
    fn so_many_as_wanted_are_opened_ahead_and_none_after_the_begin() {
        let mut pool = Pool::new(0, 4, 8).ahead(2);
        assert_eq!((pool.opens(), pool.opens(), pool.opens()), (Some(0), Some(1), None));
        pool.opened();
        pool.vacated(1); // refused, and rested
        assert_eq!((pool.opens(), pool.opens()), (Some(1), None));
        pool.begin();
        pool.opened();
        pool.vacated(1);
        assert_eq!(pool.opens(), None);
    }

    #[test]
    fn a_free_connection_that_was_lost_is_not_taken() {
        let mut pool = Pool::new(0, 3, 8);
        (0..3).for_each(|slot| assert!(pool.freed(slot).is_none()));
        pool.lost(0);
        pool.lost(0);
        let taken = [pool.admit(job(1)), pool.admit(job(2)), pool.admit(job(3))];
        assert_eq!(taken, [Admission::Take(1), Admission::Take(2), Admission::Wait]);
    }
}
