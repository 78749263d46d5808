//! What was written since the ledger was loaded, readable by every worker while the follower appends.
//!
//! A user without writes costs one pointer and is read from the loaded columns. With the first write the user's rows
//! are copied, so that a fold still sees one run of rows; from then on they grow in place under a lock of their own.
//! A reader takes the mark first and leaves out rows beyond it: an event appends all of its rows before it moves the
//! mark, so what is read is the state at the mark, gifts whole.

use std::sync::{OnceLock, PoisonError, RwLock};

use super::{SharedState, State};
use crate::ledger::{Entry, Ledger, Rows};

/// The moment of the last event: the highest seq, with its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// `Ledger-As-Of`.
    pub seq: u32,
    /// `now`.
    pub time_ms: i64,
}

/// Rows of one user that may grow.
#[derive(Debug)]
struct UserRows {
    seq: Vec<u32>,
    time_ms: Vec<i64>,
    kind: Vec<u8>,
    amount: Vec<u32>,
    party: Vec<u32>,
    reference: Vec<u32>,
}

/// How many rows a column has room for beyond so many: an eighth, because a vector's own doubling of all columns would
/// cost the whole ledger once more.
fn room(rows: usize) -> usize {
    rows / 8 + 4
}

fn with_room<T: Copy>(column: &[T]) -> Vec<T> {
    let mut own = Vec::with_capacity(column.len() + room(column.len()));
    own.extend_from_slice(column);
    own
}

fn push<T>(column: &mut Vec<T>, value: T) {
    if column.len() == column.capacity() {
        column.reserve_exact(room(column.len()));
    }
    column.push(value);
}

impl UserRows {
    fn of(rows: Rows<'_>) -> Self {
        Self {
            seq: with_room(rows.seq),
            time_ms: with_room(rows.time_ms),
            kind: with_room(rows.kind),
            amount: with_room(rows.amount),
            party: with_room(rows.party),
            reference: with_room(rows.reference),
        }
    }

    fn push(&mut self, entry: Entry) {
        push(&mut self.seq, entry.seq);
        push(&mut self.time_ms, entry.time_ms);
        push(&mut self.kind, entry.kind);
        push(&mut self.amount, entry.amount);
        push(&mut self.party, entry.party);
        push(&mut self.reference, entry.reference);
    }

    /// The rows up to a seq, that one included.
    fn up_to(&self, seq: u32) -> Rows<'_> {
        let all = Rows {
            seq: &self.seq,
            time_ms: &self.time_ms,
            kind: &self.kind,
            amount: &self.amount,
            party: &self.party,
            reference: &self.reference,
        };
        all.slice(0, self.seq.partition_point(|found| *found <= seq))
    }
}

/// The written part of a ledger.
#[derive(Debug)]
pub struct Live {
    users: Box<[OnceLock<Box<RwLock<UserRows>>>]>,
    mark: RwLock<Mark>,
    pub(super) state: SharedState,
}

impl Live {
    /// Nothing written yet.
    #[must_use]
    pub fn new(ledger: &Ledger) -> Self {
        Self {
            users: (0..ledger.users().len()).map(|_| OnceLock::new()).collect(),
            mark: RwLock::new(Mark { seq: ledger.as_of(), time_ms: ledger.now_ms() }),
            state: SharedState::default(),
        }
    }

    /// How this instance stands to the store.
    #[must_use]
    pub fn state(&self) -> State {
        self.state.get()
    }

    /// The moment that reads show.
    pub fn mark(&self) -> Mark {
        // A writer that panicked had not moved the mark; what it guards is a plain value.
        *self.mark.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows a user's rows and the mark, both of one moment. The user's next write waits until `look` is done.
    ///
    /// # Panics
    /// When no user has this index.
    pub fn read<T>(&self, ledger: &Ledger, user: u32, look: impl FnOnce(Rows<'_>, Mark) -> T) -> T {
        let mark = self.mark();
        match self.users[user as usize].get() {
            None => look(ledger.rows(user), mark),
            Some(rows) => look(rows.read().unwrap_or_else(PoisonError::into_inner).up_to(mark.seq), mark),
        }
    }

    /// Appends the entries of one event and then moves the mark to the last of them. Called by one thread at a time.
    pub(super) fn append(&self, ledger: &Ledger, entries: &[(u32, Entry)]) {
        for (user, entry) in entries {
            let rows =
                self.users[*user as usize].get_or_init(|| Box::new(RwLock::new(UserRows::of(ledger.rows(*user)))));
            rows.write().unwrap_or_else(PoisonError::into_inner).push(*entry);
        }
        if let Some((_, last)) = entries.last() {
            *self.mark.write().unwrap_or_else(PoisonError::into_inner) = Mark { seq: last.seq, time_ms: last.time_ms };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::ledger::{Columns, kind};
    use crate::users::Users;

    fn ledger() -> Ledger {
        let columns = Columns {
            offsets: vec![0, 1, 1],
            seq: vec![1],
            time_ms: vec![10],
            kind: vec![kind::RECHARGE],
            amount: vec![100],
            party: vec![u32::MAX],
            reference: vec![1],
        };
        Ledger::new(Users::of(&["ann", "bob"]).expect("users"), columns).expect("a ledger")
    }

    fn gift(seq: u32) -> Vec<(u32, Entry)> {
        let sent = Entry { seq, time_ms: i64::from(seq), kind: kind::GIFT_SENT, amount: 1, party: 1, reference: 1 };
        vec![(0, sent), (1, Entry { seq: seq + 1, kind: kind::GIFT_RECEIVED, party: 0, ..sent })]
    }

    #[test]
    fn written_rows_follow_the_loaded_ones() {
        let (ledger, live) = (ledger(), Live::new(&ledger()));
        assert_eq!(live.read(&ledger, 0, |rows, mark| (rows.len(), mark)), (1, Mark { seq: 1, time_ms: 10 }));
        live.append(&ledger, &gift(2));
        let mark = Mark { seq: 3, time_ms: 2 };
        assert_eq!(live.read(&ledger, 0, |rows, mark| (rows.seq.to_vec(), mark)), (vec![1, 2], mark));
        assert_eq!(live.read(&ledger, 1, |rows, mark| (rows.seq.to_vec(), mark)), (vec![3], mark));
        assert_eq!(ledger.rows(0).len(), 1);
    }

    #[test]
    fn every_read_sees_whole_events_up_to_its_mark_while_others_are_appended() {
        const EVENTS: u32 = 20_000;
        let (ledger, live, done) = (ledger(), Live::new(&ledger()), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for user in [0, 1] {
                let (ledger, live, done) = (&ledger, &live, &done);
                scope.spawn(move || {
                    while !done.load(Ordering::Relaxed) {
                        live.read(ledger, user, |rows, mark| {
                            let events = (mark.seq as usize - 1) / 2;
                            assert_eq!(rows.len(), events + usize::from(user == 0), "{mark:?}");
                            assert!(rows.seq.last().is_none_or(|last| *last <= mark.seq));
                        });
                    }
                });
            }
            for event in 0..EVENTS {
                live.append(&ledger, &gift(2 + 2 * event));
            }
            done.store(true, Ordering::Relaxed);
        });
        assert_eq!(live.mark().seq, 1 + 2 * EVENTS);
    }
}
