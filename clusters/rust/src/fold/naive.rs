//! The same rules in the most literal way, as a second opinion: no heap, every lot searched for every coin.

use super::{CorruptLedger, DAY_MS, EXPIRING_MS, HOUR_MS, LISTED_MAX, Lifetime, Purse};
use crate::ledger::{Rows, kind};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lot {
    pub(super) id: u32,
    pub(super) bonus: bool,
    pub(super) amount: u32,
    pub(super) remaining: u32,
    pub(super) available_ms: i64,
    pub(super) expires_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hold {
    pub(super) id: u32,
    pub(super) amount: u32,
    pub(super) since_ms: i64,
    /// One lot id a coin.
    coins: Vec<u32>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Naive {
    pub(super) coin_lots: Vec<Lot>,
    pub(super) diamond_lots: Vec<Lot>,
    pub(super) holds: Vec<Hold>,
    pub(super) lifetime: Lifetime,
}

/// Takes one unit from the first usable lot; that lot's id.
fn take_one(lots: &mut [Lot], time_ms: i64) -> Result<u32, CorruptLedger> {
    let usable = |lot: &&mut Lot| lot.remaining > 0 && lot.available_ms <= time_ms && time_ms < lot.expires_ms;
    let first = lots.iter_mut().filter(usable).min_by_key(|lot| (lot.expires_ms, lot.id)).ok_or(CorruptLedger)?;
    first.remaining -= 1;
    Ok(first.id)
}

impl Naive {
    pub(super) fn of(rows: Rows<'_>) -> Result<Self, CorruptLedger> {
        let mut naive = Self::default();
        for row in 0..rows.len() {
            naive.apply(rows, row)?;
        }
        Ok(naive)
    }

    pub(super) fn apply(&mut self, rows: Rows<'_>, row: usize) -> Result<(), CorruptLedger> {
        let (id, amount, time_ms, reference) =
            (rows.seq[row], rows.amount[row], rows.time_ms[row], rows.reference[row]);
        let kind = rows.kind[row];
        match kind {
            kind::RECHARGE | kind::BONUS => self.coin_lots.push(Lot {
                id,
                bonus: kind == kind::BONUS,
                amount,
                remaining: amount,
                available_ms: time_ms,
                expires_ms: time_ms + i64::from(reference) * HOUR_MS,
            }),
            kind::GIFT_RECEIVED => self.diamond_lots.push(Lot {
                id,
                bonus: false,
                amount,
                remaining: amount,
                available_ms: time_ms + 7 * DAY_MS,
                expires_ms: time_ms + (30 + 30 * i64::from(reference % 4)) * DAY_MS,
            }),
            kind::GIFT_SENT => drop(self.take_coins(amount, time_ms)?),
            kind::WITHDRAWAL => {
                for _ in 0..amount {
                    take_one(&mut self.diamond_lots, time_ms)?;
                }
            }
            kind::HOLD => {
                let coins = self.take_coins(amount, time_ms)?;
                self.holds.push(Hold { id, amount, since_ms: time_ms, coins });
            }
            _ => {
                let at = self.holds.iter().position(|hold| hold.id == reference && hold.amount == amount);
                let hold = self.holds.remove(at.ok_or(CorruptLedger)?);
                if kind == kind::RELEASE {
                    hold.coins.iter().for_each(|lot| self.give_back(*lot, time_ms));
                }
            }
        }
        self.lifetime.by_kind[usize::from(kind)] += u64::from(amount);
        Ok(())
    }

    fn take_coins(&mut self, amount: u32, time_ms: i64) -> Result<Vec<u32>, CorruptLedger> {
        (0..amount).map(|_| take_one(&mut self.coin_lots, time_ms)).collect()
    }

    fn give_back(&mut self, lot: u32, time_ms: i64) {
        let lot = self.coin_lots.iter_mut().find(|found| found.id == lot).expect("the lot it came from");
        if lot.expires_ms <= time_ms {
            self.lifetime.coins_expired += 1;
        } else {
            lot.remaining += 1;
        }
    }

    /// Expires what is over at `now_ms`; coins, diamonds, and all open lots of both in order.
    pub(super) fn finish(&mut self, now_ms: i64) -> (Purse, Purse, Vec<Lot>, Vec<Lot>) {
        let (mut coins, coin_lots, coins_expired) = settle(&self.coin_lots, now_ms);
        let (diamonds, diamond_lots, diamonds_expired) = settle(&self.diamond_lots, now_ms);
        coins.frozen = self.holds.iter().map(|hold| u64::from(hold.amount)).sum();
        self.lifetime.coins_expired += coins_expired;
        self.lifetime.diamonds_expired += diamonds_expired;
        (coins, diamonds, coin_lots, diamond_lots)
    }
}

fn settle(lots: &[Lot], now_ms: i64) -> (Purse, Vec<Lot>, u64) {
    let sum =
        |wanted: &dyn Fn(&Lot) -> bool| lots.iter().filter(|lot| wanted(lot)).map(|lot| u64::from(lot.remaining)).sum();
    let open = |lot: &Lot| lot.available_ms <= now_ms && now_ms < lot.expires_ms;
    let purse = Purse {
        available: sum(&open),
        frozen: sum(&|lot| now_ms < lot.available_ms),
        expiring: sum(&|lot| open(lot) && lot.expires_ms <= now_ms + EXPIRING_MS),
    };
    let mut listed: Vec<Lot> = lots.iter().filter(|lot| open(lot) && lot.remaining > 0).cloned().collect();
    listed.sort_by_key(|lot| (lot.expires_ms, lot.id));
    (purse, listed, sum(&|lot| lot.expires_ms <= now_ms))
}

/// The ids of the lots that an answer lists.
pub(super) fn first_ids(lots: &[Lot]) -> Vec<u32> {
    lots.iter().take(LISTED_MAX).map(|lot| lot.id).collect()
}
