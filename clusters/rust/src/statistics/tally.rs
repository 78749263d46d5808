//! Sums by gift or by counterpart in reused buffers: a dense table says where a key's row is.

use std::collections::HashMap;

use super::TOP_MAX;

/// What was counted for one gift or one counterpart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TallyRow {
    /// The gift's id or the counterpart's index.
    pub key: u32,
    /// How many entries.
    pub count: u32,
    /// Sum of the gifts sent.
    pub sent: u64,
    /// Sum of the gifts received.
    pub received: u64,
}

impl TallyRow {
    /// Sent and received together.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sent + self.received
    }
}

/// Marks a key that has no row.
const NONE: u32 = u32::MAX;

/// One row for each key met. A slot that is not [`NONE`] belongs to one of the rows, so that forgetting costs what was used.
#[derive(Debug, Default)]
pub(super) struct Tally {
    slots: Vec<u32>,
    /// Rows of the keys beyond the table: a ledger may have them, a generated one does not.
    beyond: HashMap<u32, u32>,
    rows: Vec<TallyRow>,
}

impl Tally {
    /// Forgets the rows; keys below `dense_keys` will be found by the table, others by a map.
    pub(super) fn start(&mut self, dense_keys: usize) {
        self.forget_slots();
        self.rows.clear();
        self.slots.resize(dense_keys, NONE);
    }

    fn forget_slots(&mut self) {
        for row in &self.rows {
            if let Some(slot) = self.slots.get_mut(row.key as usize) {
                *slot = NONE;
            }
        }
        self.beyond.clear();
    }

    /// Counts one gift for the key.
    #[inline]
    pub(super) fn add(&mut self, key: u32, sent: u64, received: u64) {
        let row = match self.slots.get(key as usize) {
            Some(slot) if *slot != NONE => *slot,
            _ => self.other_row(key),
        };
        let row = &mut self.rows[row as usize];
        row.count += 1;
        row.sent += sent;
        row.received += received;
    }

    /// The row of a key that is new or beyond the table.
    #[cold]
    fn other_row(&mut self, key: u32) -> u32 {
        let next = self.rows.len() as u32;
        let slot = match self.slots.get_mut(key as usize) {
            Some(slot) => slot,
            None => self.beyond.entry(key).or_insert(NONE),
        };
        if *slot == NONE {
            *slot = next;
            self.rows.push(TallyRow { key, count: 0, sent: 0, received: 0 });
        }
        *slot
    }

    /// The [`TOP_MAX`] rows of the largest sums, in order; equal sums by ascending `tie`.
    pub(super) fn top<K: Ord>(&mut self, tie: impl Fn(&TallyRow) -> K) -> &[TallyRow] {
        // Before rows are cut off, whose slots nobody would find again.
        self.forget_slots();
        let order = |a: &TallyRow, b: &TallyRow| b.sum().cmp(&a.sum()).then_with(|| tie(a).cmp(&tie(b)));
        if self.rows.len() > TOP_MAX {
            self.rows.select_nth_unstable_by(TOP_MAX - 1, order);
            self.rows.truncate(TOP_MAX);
        }
        self.rows.sort_unstable_by(order);
        &self.rows
    }
}
