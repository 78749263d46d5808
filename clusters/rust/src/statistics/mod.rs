//! What happened to one user between two moments: buckets by kind, top gifts, top counterparts, gift values.

mod ranks;
mod tally;

use crate::ledger::{Rows, kind};
use crate::query::Period;
use crate::users::Users;
use ranks::Ranks;
use tally::Tally;
pub use tally::TallyRow;

/// How many gifts and counterparts an answer lists.
pub const TOP_MAX: usize = 10;

/// Gift ids below this, which is all that the service sells, are counted without a map.
const DENSE_GIFTS: usize = 1024;

const KINDS: usize = kind::LAST as usize + 1;

/// Entries of one kind in one bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cell {
    /// How many.
    pub count: u64,
    /// Sum of their amounts.
    pub sum: u64,
}

/// The middle value, the ninth of ten and the 99th of a hundred.
pub type Quantiles = [u32; 3];

/// Nearest-rank quantiles of gifts' amounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GiftValues {
    /// How many gift entries there are.
    pub count: usize,
    /// `None` when there are no gifts.
    pub p50_p90_p99: Option<Quantiles>,
}

/// The answer's content; its lists live in the scratch that made them.
#[derive(Debug)]
pub struct Statistics<'a> {
    cells: &'a [Cell],
    buckets: usize,
    seen: [bool; KINDS],
    /// By descending sum, then ascending gift id; `sent` and `received` together are the sum.
    pub top_gifts: &'a [TallyRow],
    /// By descending sum, then ascending user id; keys are users' indexes.
    pub top_counterparts: &'a [TallyRow],
    /// Quantiles of the gifts' amounts.
    pub gift_values: GiftValues,
    /// The same of each bucket.
    pub bucket_values: &'a [Option<Quantiles>],
}

impl Statistics<'_> {
    /// The kinds in range, in order, each with one cell a bucket.
    pub fn kinds(&self) -> impl Iterator<Item = (u8, &[Cell])> {
        (1..=kind::LAST).filter(|kind| self.seen[usize::from(*kind)]).map(|kind| {
            let start = usize::from(kind) * self.buckets;
            (kind, &self.cells[start..start + self.buckets])
        })
    }
}

/// Buffers of the statistics; one per worker, empty of meaning between requests.
#[derive(Debug, Default)]
pub struct StatisticsScratch {
    cells: Vec<Cell>,
    gifts: Tally,
    counterparts: Tally,
    values: Ranks,
    bucket_values: Vec<Option<Quantiles>>,
}

impl StatisticsScratch {
    /// Reads the rows within the period. Cost: linear in those rows.
    pub fn scan<'a>(&'a mut self, rows: Rows<'_>, period: Period, users: &Users) -> Statistics<'a> {
        let start = rows.time_ms.partition_point(|time_ms| *time_ms < period.from_ms);
        let end = rows.time_ms.partition_point(|time_ms| *time_ms < period.to_ms);
        let rows = rows.slice(start, end);
        self.clear(period.buckets, users.len());
        let seen = self.count_kinds(rows, period);
        if seen[usize::from(kind::GIFT_SENT)] || seen[usize::from(kind::GIFT_RECEIVED)] {
            self.count_gifts(rows);
        }
        let gift_values = self.values.quantiles();
        // Gifts were added in order of time, so those of a bucket lie side by side, as many as its cells count.
        let (sent, received) = (self.cells_of(kind::GIFT_SENT, period), self.cells_of(kind::GIFT_RECEIVED, period));
        let runs = self.cells[sent].iter().zip(&self.cells[received]);
        let lengths = runs.map(|(sent, received)| (sent.count + received.count) as usize);
        self.values.quantiles_of_runs(lengths, &mut self.bucket_values);
        Statistics {
            cells: &self.cells,
            buckets: period.buckets,
            seen,
            top_gifts: self.gifts.top(|row| row.key),
            top_counterparts: self.counterparts.top(|row| users.id(row.key)),
            gift_values,
            bucket_values: &self.bucket_values,
        }
    }

    fn cells_of(&self, kind: u8, period: Period) -> std::ops::Range<usize> {
        let start = usize::from(kind) * period.buckets;
        start..start + period.buckets
    }

    fn clear(&mut self, buckets: usize, users: usize) {
        self.cells.clear();
        self.cells.resize(KINDS * buckets, Cell::default());
        self.gifts.start(DENSE_GIFTS);
        self.counterparts.start(users);
        self.values.clear();
    }

    /// Fills the cells. Times never fall, so the bucket only moves on; no row is divided.
    fn count_kinds(&mut self, rows: Rows<'_>, period: Period) -> [bool; KINDS] {
        let mut seen = [false; KINDS];
        let mut bucket = 0;
        let mut bucket_end_ms = period.first_bucket_ms + period.bucket_ms;
        for ((kind, amount), time_ms) in rows.kind.iter().zip(rows.amount).zip(rows.time_ms) {
            while *time_ms >= bucket_end_ms {
                bucket += 1;
                bucket_end_ms += period.bucket_ms;
            }
            let kind = usize::from(*kind);
            seen[kind] = true;
            let cell = &mut self.cells[kind * period.buckets + bucket];
            cell.count += 1;
            cell.sum += u64::from(*amount);
        }
        seen
    }

    fn count_gifts(&mut self, rows: Rows<'_>) {
        let parties = rows.party.iter().zip(rows.reference);
        for ((kind, amount), (party, gift)) in rows.kind.iter().zip(rows.amount).zip(parties) {
            let (sent, received) = match *kind {
                kind::GIFT_SENT => (u64::from(*amount), 0),
                kind::GIFT_RECEIVED => (0, u64::from(*amount)),
                _ => continue,
            };
            self.gifts.add(*gift, sent, received);
            self.counterparts.add(*party, sent, received);
            self.values.add(*amount);
        }
    }
}

#[cfg(test)]
mod tests;
