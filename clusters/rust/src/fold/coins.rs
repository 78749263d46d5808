//! Coin lots: taken from first-expiring first, given back by released holds.

use super::queue::{LotQueue, Queued};
use super::{CorruptLedger, Finished, Purse, keep_first};

/// Coins that a hold took from one lot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Portion {
    lot: u32,
    coins: u32,
}

/// One recharge or bonus.
#[derive(Debug, Clone, Copy)]
struct CoinLot {
    expires_ms: i64,
    id: u32,
    amount: u32,
    remaining: u32,
    bonus: bool,
    /// Whether the heap has it. A lot that holds drained comes back into the heap by a release.
    queued: bool,
}

/// A coin lot as the answer lists it; ordered by expiry, then id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpenCoinLot {
    /// The first moment it cannot be used.
    pub expires_ms: i64,
    /// The seq of its entry.
    pub id: u32,
    /// What it began with.
    pub amount: u32,
    /// What is left, at least 1.
    pub remaining: u32,
    /// Whether a bonus made it, else a recharge.
    pub bonus: bool,
}

/// All coin lots of one user. Every lot with coins left is in the heap; one past its expiry leaves when it is met.
#[derive(Debug, Default)]
pub(super) struct CoinLots {
    lots: Vec<CoinLot>,
    heap: LotQueue,
    listed: Vec<OpenCoinLot>,
    expired: u64,
}

impl CoinLots {
    pub(super) fn clear(&mut self) {
        self.lots.clear();
        self.heap.clear();
        self.listed.clear();
        self.expired = 0;
    }

    pub(super) fn add(&mut self, id: u32, bonus: bool, amount: u32, expires_ms: i64) {
        self.heap.push(Queued { expires_ms, number: self.lots.len() as u32, remaining: 0 });
        self.lots.push(CoinLot { expires_ms, id, amount, remaining: amount, bonus, queued: true });
    }

    /// Takes `amount` from the usable lots and reports each portion in the order taken.
    pub(super) fn take(
        &mut self,
        amount: u32,
        time_ms: i64,
        mut portion: impl FnMut(Portion),
    ) -> Result<(), CorruptLedger> {
        let mut wanted = amount;
        while wanted > 0 {
            let number = self.heap.first().ok_or(CorruptLedger)?.number;
            let lot = &mut self.lots[number as usize];
            if lot.expires_ms <= time_ms {
                self.expired += u64::from(lot.remaining);
                lot.remaining = 0;
            } else {
                let coins = wanted.min(lot.remaining);
                lot.remaining -= coins;
                wanted -= coins;
                portion(Portion { lot: number, coins });
            }
            if lot.remaining == 0 {
                lot.queued = false;
                self.heap.pop();
            }
        }
        Ok(())
    }

    /// Puts a released portion back; into an expired lot it counts as expired at once.
    pub(super) fn give_back(&mut self, portion: Portion, time_ms: i64) {
        let lot = &mut self.lots[portion.lot as usize];
        if lot.expires_ms <= time_ms {
            self.expired += u64::from(portion.coins);
            return;
        }
        lot.remaining += portion.coins;
        if !lot.queued {
            lot.queued = true;
            self.heap.push(Queued { expires_ms: lot.expires_ms, number: portion.lot, remaining: 0 });
        }
    }

    pub(super) fn finish(&mut self, now_ms: i64) -> Finished {
        let mut purse = Purse::default();
        for Queued { expires_ms, number, .. } in self.heap.iter() {
            let CoinLot { id, amount, remaining, bonus, .. } = self.lots[number as usize];
            if expires_ms <= now_ms {
                self.expired += u64::from(remaining);
            } else {
                purse.count(remaining, expires_ms, now_ms);
                self.listed.push(OpenCoinLot { expires_ms, id, amount, remaining, bonus });
            }
        }
        let open = self.listed.len();
        keep_first(&mut self.listed);
        Finished { purse, open, expired: self.expired }
    }

    pub(super) fn listed(&self) -> &[OpenCoinLot] {
        &self.listed
    }
}
