//! The balance of one user: its entries in order, folded into lots, holds and totals.
//!
//! One pass over the rows. Coins and diamonds never meet, so each side has a module of its own;
//! [`FoldScratch`] owns every buffer and is cleared, not freed, between requests.

mod coins;
mod diamonds;
mod holds;
mod queue;

use crate::ledger::{Rows, kind};
use coins::{CoinLots, OpenCoinLot};
use diamonds::{DiamondLots, OpenDiamondLot};
use holds::{Hold, Holds};

/// How many lots or holds an answer lists.
pub const LISTED_MAX: usize = 20;

/// What lies within this of `now` counts as expiring.
const EXPIRING_MS: i64 = 7 * DAY_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
const HOUR_MS: i64 = 3_600_000;

/// The ledger of a user takes more than there is or names a hold that is not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the ledger of this user breaks its rules")]
pub struct CorruptLedger;

/// Coins or diamonds at `now`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purse {
    /// Usable now.
    pub available: u64,
    /// Held (coins) or not yet available (diamonds).
    pub frozen: u64,
    /// The part of available that expires within seven days.
    pub expiring: u64,
}

/// Sums over all entries of a user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lifetime {
    /// Sums of amounts by kind, at the kinds' numbers.
    pub by_kind: [u64; kind::LAST as usize + 1],
    /// What was left in coin lots when they expired.
    pub coins_expired: u64,
    /// What was left in diamond lots when they expired.
    pub diamonds_expired: u64,
}

/// The balance of one user; the lists hold at most [`LISTED_MAX`] and live in the scratch that made them.
#[derive(Debug)]
pub struct Balance<'a> {
    /// Coins.
    pub coins: Purse,
    /// Diamonds.
    pub diamonds: Purse,
    /// How many coin lots are open.
    pub lots_open: usize,
    /// The first of them, by expiry and id.
    pub lots: &'a [OpenCoinLot],
    /// How many available diamond lots are open.
    pub diamond_lots_open: usize,
    /// The first of them, by expiry and id.
    pub diamond_lots: &'a [OpenDiamondLot],
    /// How many holds are open.
    pub holds_open: usize,
    /// The first of them, by id.
    pub holds: &'a [Hold],
    /// Totals.
    pub lifetime: Lifetime,
}

/// Buffers of the fold; one per worker, empty of meaning between requests.
#[derive(Debug, Default)]
pub struct FoldScratch {
    coins: CoinLots,
    diamonds: DiamondLots,
    holds: Holds,
}

impl FoldScratch {
    /// Folds the rows of one user into its balance at `now_ms`. Cost: linear in rows, times the logarithm of the open lots.
    ///
    /// # Errors
    /// When the rows break the ledger's rules.
    pub fn fold<'a>(&'a mut self, rows: Rows<'a>, now_ms: i64) -> Result<Balance<'a>, CorruptLedger> {
        self.coins.clear();
        self.diamonds.clear();
        self.holds.clear();
        let by_kind = self.apply(rows)?;
        let coins = self.coins.finish(now_ms);
        let diamonds = self.diamonds.finish(rows, now_ms);
        let (holds_open, frozen) = self.holds.finish();
        Ok(Balance {
            coins: Purse { frozen, ..coins.purse },
            diamonds: diamonds.purse,
            lots_open: coins.open,
            lots: self.coins.listed(),
            diamond_lots_open: diamonds.open,
            diamond_lots: self.diamonds.listed(),
            holds_open,
            holds: self.holds.listed(),
            lifetime: Lifetime { by_kind, coins_expired: coins.expired, diamonds_expired: diamonds.expired },
        })
    }

    /// Takes every row in order; the sums of amounts by kind.
    fn apply(&mut self, rows: Rows<'_>) -> Result<[u64; kind::LAST as usize + 1], CorruptLedger> {
        let mut by_kind = [0; kind::LAST as usize + 1];
        for row in 0..rows.len() {
            let kind = rows.kind[row];
            let amount = rows.amount[row];
            by_kind[usize::from(kind)] += u64::from(amount);
            // The diamonds' queue is the rows themselves: a received gift needs nothing until it can be withdrawn.
            if kind != kind::GIFT_RECEIVED {
                self.apply_row(rows, row)?;
            }
        }
        Ok(by_kind)
    }

    fn apply_row(&mut self, rows: Rows<'_>, row: usize) -> Result<(), CorruptLedger> {
        let (amount, time_ms, reference) = (rows.amount[row], rows.time_ms[row], rows.reference[row]);
        match rows.kind[row] {
            found @ (kind::RECHARGE | kind::BONUS) => {
                let expires_ms = time_ms + i64::from(reference) * HOUR_MS;
                self.coins.add(rows.seq[row], found == kind::BONUS, amount, expires_ms);
                Ok(())
            }
            kind::GIFT_SENT => self.coins.take(amount, time_ms, |_| ()),
            kind::WITHDRAWAL => self.diamonds.withdraw(rows, row),
            kind::HOLD => {
                let portions = self.holds.open(rows.seq[row], amount, time_ms);
                self.coins.take(amount, time_ms, |portion| portions.push(portion))
            }
            kind::CAPTURE => self.holds.close(reference, amount).map(|_| ()),
            kind::RELEASE => {
                for portion in self.holds.close(reference, amount)? {
                    self.coins.give_back(*portion, time_ms);
                }
                Ok(())
            }
            // Every kind of a loaded ledger is known; this one would be GIFT_RECEIVED.
            _ => Ok(()),
        }
    }
}

/// What is left at the end of one side's fold.
struct Finished {
    purse: Purse,
    open: usize,
    expired: u64,
}

impl Purse {
    /// Counts an open lot's remainder.
    fn count(&mut self, remaining: u32, expires_ms: i64, now_ms: i64) {
        self.available += u64::from(remaining);
        if expires_ms <= now_ms + EXPIRING_MS {
            self.expiring += u64::from(remaining);
        }
    }
}

/// Moves the [`LISTED_MAX`] smallest to the front, in order, and cuts the rest off.
fn keep_first<T: Ord>(open: &mut Vec<T>) {
    if open.len() > LISTED_MAX {
        open.select_nth_unstable(LISTED_MAX - 1);
        open.truncate(LISTED_MAX);
    }
    open.sort_unstable();
}

#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;
