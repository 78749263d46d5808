//! Holds: coins set aside until they are captured or released.

use super::coins::Portion;
use super::{CorruptLedger, LISTED_MAX};

/// A hold as the answer lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// The seq of its entry.
    pub id: u32,
    /// The coins it holds.
    pub amount: u32,
    /// When it was made.
    pub since_ms: i64,
}

#[derive(Debug, Clone, Copy)]
struct HeldHold {
    hold: Hold,
    /// Its portions are those from here to where the next hold's begin.
    first_portion: u32,
    open: bool,
}

/// All holds of one user, in order of id, with their portions in one arena.
#[derive(Debug, Default)]
pub(super) struct Holds {
    holds: Vec<HeldHold>,
    portions: Vec<Portion>,
    listed: Vec<Hold>,
}

impl Holds {
    pub(super) fn clear(&mut self) {
        self.holds.clear();
        self.portions.clear();
        self.listed.clear();
    }

    /// Opens a hold; its portions are what the caller pushes before the next call.
    pub(super) fn open(&mut self, id: u32, amount: u32, since_ms: i64) -> &mut Vec<Portion> {
        let first_portion = self.portions.len() as u32;
        self.holds.push(HeldHold { hold: Hold { id, amount, since_ms }, first_portion, open: true });
        &mut self.portions
    }

    /// Closes the open hold of this id and amount; its portions in the order taken.
    pub(super) fn close(&mut self, id: u32, amount: u32) -> Result<&[Portion], CorruptLedger> {
        let at = self.holds.binary_search_by_key(&id, |held| held.hold.id).map_err(|_| CorruptLedger)?;
        let end = self.holds.get(at + 1).map_or(self.portions.len(), |next| next.first_portion as usize);
        let held = &mut self.holds[at];
        if !held.open || held.hold.amount != amount {
            return Err(CorruptLedger);
        }
        held.open = false;
        Ok(&self.portions[held.first_portion as usize..end])
    }

    /// How many holds are open, and the coins in them.
    pub(super) fn finish(&mut self) -> (usize, u64) {
        let mut open = 0;
        let mut frozen = 0;
        for held in self.holds.iter().filter(|held| held.open) {
            open += 1;
            frozen += u64::from(held.hold.amount);
            if open <= LISTED_MAX {
                self.listed.push(held.hold);
            }
        }
        (open, frozen)
    }

    pub(super) fn listed(&self) -> &[Hold] {
        &self.listed
    }
}
