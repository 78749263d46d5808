//! Receive coalescing: between two looks at the connections a worker rests, and wakes only to send, to obey or to expire.

use std::io;

use crate::io::{BATCH, Io, Ready};
use crate::tally::Cause;

use super::Worker;

impl<I: Io> Worker<I> {
    /// Rests when nothing is to be looked at yet; returns whether something else is to be done before a look.
    pub(super) fn rests(&mut self, now_ns: u64, next_ns: u64) -> io::Result<bool> {
        if now_ns >= self.rests_until_ns || !self.may_rest() {
            return Ok(false);
        }
        let until_ns = next_ns.min(self.rests_until_ns);
        Ok(self.io.rest(until_ns)? || until_ns < self.rests_until_ns)
    }

    /// Whether nobody is hurt by answers that lie unread for a while: no arrival waits for a connection that one of them
    /// would free, and no connection's time-out comes before they are looked at. (An answer's own time-out is judged by
    /// what has come.)
    fn may_rest(&self) -> bool {
        self.waiting == 0 && self.connects_due.next_ns().is_none_or(|due_ns| due_ns > self.rests_until_ns)
    }

    /// Notes what a look found: after events, and when it told all that there were, connections are left alone.
    #[inline]
    pub(super) fn looked(&mut self, found: &[Ready]) {
        if self.coalesce_ns > 0 && !found.is_empty() && found.len() < BATCH {
            self.rests_until_ns = self.io.now_ns() + self.coalesce_ns;
        }
    }

    pub(super) fn expire_answers(&mut self, now_ns: u64) {
        while let Some(slot) = self.answers_due.expired(now_ns) {
            if self.coalesce_ns == 0 || self.is_unanswered(slot) {
                self.fail(slot, Cause::Timeout, now_ns);
            }
        }
    }
}
