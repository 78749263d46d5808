//! Diamond lots: frozen for seven days, then withdrawn from first-expiring first.
//!
//! Times never fall within a user, so lots thaw in row order: the queue of the frozen is the rows
//! themselves behind a cursor. A withdrawal moves the cursor and puts what it passes into the heap.

use super::queue::{LotQueue, Queued};
use super::{CorruptLedger, DAY_MS, Finished, Purse, keep_first};
use crate::ledger::{Rows, kind};

const FREEZE_MS: i64 = 7 * DAY_MS;

/// An available diamond lot; ordered by expiry, then id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpenDiamondLot {
    /// The first moment it cannot be used.
    pub expires_ms: i64,
    /// The seq of its entry.
    pub id: u32,
    /// What it began with.
    pub amount: u32,
    /// What is left, at least 1.
    pub remaining: u32,
}

/// All diamond lots of one user.
#[derive(Debug, Default)]
pub(super) struct DiamondLots {
    /// The first row that no withdrawal has thawed.
    cursor: usize,
    /// Thawed lots with diamonds left; one past its expiry leaves when it is met.
    heap: LotQueue,
    listed: Vec<OpenDiamondLot>,
    expired: u64,
}

/// The lot of the gift received at `row`, untouched.
fn lot_of(rows: Rows<'_>, row: usize) -> Queued {
    let valid_days = 30 + 30 * i64::from(rows.reference[row] % 4);
    Queued { expires_ms: rows.time_ms[row] + valid_days * DAY_MS, number: row as u32, remaining: rows.amount[row] }
}

impl DiamondLots {
    pub(super) fn clear(&mut self) {
        self.cursor = 0;
        self.heap.clear();
        self.listed.clear();
        self.expired = 0;
    }

    /// Applies the withdrawal at `row`.
    pub(super) fn withdraw(&mut self, rows: Rows<'_>, row: usize) -> Result<(), CorruptLedger> {
        let time_ms = rows.time_ms[row];
        self.thaw(rows, time_ms);
        let mut wanted = rows.amount[row];
        while wanted > 0 {
            let first = self.heap.first().ok_or(CorruptLedger)?;
            if first.expires_ms <= time_ms {
                self.expired += u64::from(first.remaining);
                self.heap.pop();
            } else if first.remaining <= wanted {
                wanted -= first.remaining;
                self.heap.pop();
            } else {
                self.heap.set_first_remaining(first.remaining - wanted);
                wanted = 0;
            }
        }
        Ok(())
    }

    fn thaw(&mut self, rows: Rows<'_>, time_ms: i64) {
        while self.cursor < rows.len() && rows.time_ms[self.cursor] + FREEZE_MS <= time_ms {
            if rows.kind[self.cursor] == kind::GIFT_RECEIVED {
                let lot = lot_of(rows, self.cursor);
                if lot.expires_ms <= time_ms {
                    self.expired += u64::from(lot.remaining);
                } else {
                    self.heap.push(lot);
                }
            }
            self.cursor += 1;
        }
    }

    /// Counts what the heap has left and every lot behind the cursor, which was never withdrawn from.
    pub(super) fn finish(&mut self, rows: Rows<'_>, now_ms: i64) -> Finished {
        let mut purse = Purse::default();
        let thawed_end = rows.time_ms.partition_point(|time_ms| time_ms + FREEZE_MS <= now_ms);
        let received = |row: &usize| rows.kind[*row] == kind::GIFT_RECEIVED;
        let untouched = (self.cursor..thawed_end.max(self.cursor)).filter(received).map(|row| lot_of(rows, row));
        for lot in self.heap.iter().chain(untouched) {
            if lot.expires_ms <= now_ms {
                self.expired += u64::from(lot.remaining);
            } else {
                purse.count(lot.remaining, lot.expires_ms, now_ms);
                let row = lot.number as usize;
                self.listed.push(OpenDiamondLot {
                    expires_ms: lot.expires_ms,
                    id: rows.seq[row],
                    amount: rows.amount[row],
                    remaining: lot.remaining,
                });
            }
        }
        purse.frozen = (thawed_end..rows.len()).filter(received).map(|row| u64::from(rows.amount[row])).sum();
        let open = self.listed.len();
        keep_first(&mut self.listed);
        Finished { purse, open, expired: self.expired }
    }

    pub(super) fn listed(&self) -> &[OpenDiamondLot] {
        &self.listed
    }
}
