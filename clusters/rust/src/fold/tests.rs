use proptest::prelude::*;

use super::naive::{self, Naive};
use super::*;

const H: i64 = HOUR_MS;
const D: i64 = DAY_MS;

/// Entries under construction; seq is 1, 2, 3, …
#[derive(Debug, Default, Clone)]
struct Entries {
    seq: Vec<u32>,
    time_ms: Vec<i64>,
    kind: Vec<u8>,
    amount: Vec<u32>,
    reference: Vec<u32>,
}

impl Entries {
    fn add(&mut self, kind: u8, amount: u32, time_ms: i64, reference: u32) -> u32 {
        let id = self.seq.len() as u32 + 1;
        self.seq.push(id);
        self.time_ms.push(time_ms);
        self.kind.push(kind);
        self.amount.push(amount);
        self.reference.push(reference);
        id
    }

    fn pop(&mut self) {
        self.seq.pop();
        self.time_ms.pop();
        self.kind.pop();
        self.amount.pop();
        self.reference.pop();
    }

    fn rows(&self) -> Rows<'_> {
        Rows {
            seq: &self.seq,
            time_ms: &self.time_ms,
            kind: &self.kind,
            amount: &self.amount,
            party: &self.seq,
            reference: &self.reference,
        }
    }
}

fn entries(list: &[(u8, u32, i64, u32)]) -> Entries {
    let mut entries = Entries::default();
    for (kind, amount, time_ms, reference) in list {
        entries.add(*kind, *amount, *time_ms, *reference);
    }
    entries
}

fn with_balance<T>(list: &[(u8, u32, i64, u32)], now_ms: i64, check: impl FnOnce(Balance<'_>) -> T) -> T {
    check(FoldScratch::default().fold(entries(list).rows(), now_ms).expect("a sound ledger"))
}

fn is_corrupt(list: &[(u8, u32, i64, u32)]) -> bool {
    FoldScratch::default().fold(entries(list).rows(), 0).is_err()
}

fn remainders(balance: &Balance<'_>) -> Vec<(u32, u32)> {
    balance.lots.iter().map(|lot| (lot.id, lot.remaining)).collect()
}

#[test]
fn an_empty_ledger_has_nothing() {
    with_balance(&[], 5, |balance| {
        assert_eq!((balance.coins, balance.diamonds, balance.lifetime), Default::default());
        assert_eq!((balance.lots_open, balance.diamond_lots_open, balance.holds_open), (0, 0, 0));
    });
}

#[test]
fn coins_leave_the_first_expiring_lot_first() {
    // 1 expires at 10 h, 2 at 5 h, 3 (a bonus) at 5 h too: 2, then 3, then 1.
    let list = [(1, 100, 0, 10), (1, 50, 0, 5), (8, 30, H, 4), (2, 60, 2 * H, 7)];
    with_balance(&list, 2 * H, |balance| {
        assert_eq!(remainders(&balance), [(3, 20), (1, 100)]);
        assert!(balance.lots[0].bonus && !balance.lots[1].bonus);
        assert_eq!(balance.coins, Purse { available: 120, frozen: 0, expiring: 120 });
        assert_eq!(balance.lifetime.by_kind, [0, 150, 60, 0, 0, 0, 0, 0, 30]);
    });
}

#[test]
fn a_lot_is_usable_until_the_moment_it_expires_and_not_then() {
    let early = [(1, 10, 0, 1), (2, 10, H - 1, 1)];
    with_balance(&early, H, |balance| assert_eq!(balance.lifetime.coins_expired, 0));
    assert!(is_corrupt(&[(1, 10, 0, 1), (2, 10, H, 1)]));
    for (now_ms, available, expired) in [(H - 1, 10, 0), (H, 0, 10)] {
        with_balance(&[(1, 10, 0, 1)], now_ms, |balance| {
            assert_eq!((balance.coins.available, balance.lifetime.coins_expired), (available, expired));
        });
    }
}

#[test]
fn expiring_is_what_ends_within_seven_days_the_last_moment_included() {
    let list = [(1, 1, 0, 168), (1, 2, 1, 168), (1, 4, 1, 24)];
    with_balance(&list, 0, |balance| assert_eq!(balance.coins, Purse { available: 7, frozen: 0, expiring: 5 }));
}

#[test]
fn a_released_hold_goes_back_to_the_lots_it_came_from() {
    // The hold empties lot 1 and takes 5 of lot 2; the gift takes 5 more of lot 2.
    let list = [(1, 10, 0, 10), (1, 20, 0, 20), (5, 15, H, 3), (2, 5, 2 * H, 9), (7, 15, 3 * H, 3)];
    with_balance(&list, 3 * H, |balance| {
        assert_eq!(remainders(&balance), [(1, 10), (2, 15)]);
        assert_eq!((balance.holds_open, balance.coins.frozen), (0, 0));
        assert_eq!(balance.lifetime.by_kind[usize::from(kind::RELEASE)], 15);
    });
}

#[test]
fn a_portion_released_after_its_lot_expired_is_expired() {
    let list = [(1, 10, 0, 2), (1, 20, 0, 20), (5, 15, H, 3), (7, 15, 2 * H, 3)];
    with_balance(&list, 2 * H, |balance| {
        assert_eq!(remainders(&balance), [(2, 20)]);
        assert_eq!(balance.lifetime.coins_expired, 10);
    });
}

#[test]
fn open_holds_are_frozen_and_captured_ones_are_gone() {
    let list = [(1, 100, 0, 99), (5, 10, 1, 2), (5, 20, 2, 3), (6, 10, 3, 2)];
    with_balance(&list, 3, |balance| {
        assert_eq!(balance.coins, Purse { available: 70, frozen: 20, expiring: 70 });
        assert_eq!(balance.holds, [Hold { id: 3, amount: 20, since_ms: 2 }]);
    });
}

#[test]
fn a_hold_outlives_its_lot_and_stays_frozen() {
    with_balance(&[(1, 10, 0, 1), (5, 4, 1, 2)], 2 * H, |balance| {
        assert_eq!(balance.coins, Purse { available: 0, frozen: 4, expiring: 0 });
        assert_eq!(balance.lifetime.coins_expired, 6);
    });
}

#[test]
fn diamonds_freeze_for_seven_days_and_expire_by_gift() {
    let list = [(3, 5, 0, 4), (3, 7, 1, 5)];
    for (now_ms, available, frozen, expired) in [
        (7 * D - 1, 0, 12, 0),
        (7 * D, 5, 7, 0),
        (7 * D + 1, 12, 0, 0),
        (30 * D - 1, 12, 0, 0),
        (30 * D, 7, 0, 5),
        (60 * D + 1, 0, 0, 12),
    ] {
        with_balance(&list, now_ms, |balance| {
            assert_eq!((balance.diamonds.available, balance.diamonds.frozen), (available, frozen), "{now_ms}");
            assert_eq!(balance.lifetime.diamonds_expired, expired, "{now_ms}");
        });
    }
}

#[test]
fn a_withdrawal_takes_available_diamonds_first_expiring_first() {
    // Lot 1 expires at day 120, lot 2 at day 31, lot 3 is frozen until day 9.
    let list = [(3, 10, 0, 3), (3, 10, D, 4), (3, 10, 2 * D, 4), (4, 15, 8 * D, 0)];
    with_balance(&list, 10 * D, |balance| {
        let lots: Vec<_> = balance.diamond_lots.iter().map(|lot| (lot.id, lot.remaining)).collect();
        assert_eq!((lots, balance.diamond_lots_open), (vec![(3, 10), (1, 5)], 2));
    });
    assert!(is_corrupt(&[(3, 10, 0, 3), (4, 1, 7 * D - 1, 0)]));
    assert!(is_corrupt(&[(3, 10, 0, 0), (4, 1, 30 * D, 0)]));
}

#[test]
fn lists_are_cut_at_twenty_and_counted_whole() {
    let mut list = Vec::new();
    for number in 0..25 {
        list.push((kind::BONUS, 10, 0, 100 - number));
        list.push((kind::GIFT_RECEIVED, 10, 0, number % 4));
    }
    list.extend((0..22).map(|number| (kind::HOLD, 1, i64::from(number), 0)));
    with_balance(&list, 22, |balance| {
        assert_eq!((balance.lots.len(), balance.lots_open), (20, 23));
        assert_eq!((balance.holds.len(), balance.holds_open, balance.holds[19].id), (20, 22, 70));
        assert_eq!((balance.diamond_lots.len(), balance.diamond_lots_open), (0, 0));
    });
    with_balance(&list, 8 * D, |balance| {
        let ids: Vec<_> = balance.diamond_lots.iter().map(|lot| lot.id).collect();
        assert_eq!((&ids[..8], ids.len(), balance.diamond_lots_open), (&[2, 10, 18, 26, 34, 42, 50, 4][..], 20, 25));
    });
}

#[test]
fn a_ledger_that_breaks_its_rules_is_corrupt() {
    assert!(is_corrupt(&[(2, 1, 0, 0)]), "a gift from nothing");
    assert!(is_corrupt(&[(1, 5, 0, 9), (5, 6, 1, 2)]), "a hold of more than there is");
    assert!(is_corrupt(&[(1, 5, 0, 9), (6, 5, 1, 1)]), "a capture of no hold");
    assert!(is_corrupt(&[(1, 5, 0, 9), (5, 5, 1, 2), (7, 5, 2, 2), (6, 5, 3, 2)]), "a hold closed twice");
    assert!(is_corrupt(&[(1, 5, 0, 9), (5, 5, 1, 2), (6, 4, 2, 2)]), "a hold captured in part");
    assert!(is_corrupt(&[(4, 1, 0, 0)]), "a withdrawal from nothing");
}

#[test]
fn a_scratch_remembers_nothing_of_the_user_before() {
    let mut scratch = FoldScratch::default();
    let full = entries(&[(1, 9, 0, 9), (5, 3, 1, 2), (3, 9, 1, 1), (4, 10, 8 * D, 0)]);
    assert_eq!(scratch.fold(full.rows(), 8 * D).err(), Some(CorruptLedger));
    let balance = scratch.fold(entries(&[]).rows(), 8 * D).map(|balance| (balance.coins, balance.holds_open));
    assert_eq!(balance, Ok((Purse::default(), 0)));
}

/// What happens next, before it is known whether it can.
#[derive(Debug, Clone)]
struct Step {
    kind: u8,
    amount: u32,
    pause_ms: i64,
    reference: u32,
    even_if_corrupt: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let pause_ms = prop_oneof![Just(0), 1..3 * H, Just(D), 1..20 * D];
    let kind = prop_oneof![2 => Just(1u8), 1 => Just(8), 3 => Just(2), 3 => Just(3), 2 => Just(4), 3 => Just(5), 2 => Just(6), 3 => Just(7)];
    (kind, 1..40u32, pause_ms, 0..240u32, prop::bool::weighted(0.005)).prop_map(
        |(kind, amount, pause_ms, reference, even_if_corrupt)| Step {
            kind,
            amount,
            pause_ms,
            reference,
            even_if_corrupt,
        },
    )
}

/// The steps that a sound ledger allows (and seldom one that it does not).
fn lay(steps: &[Step]) -> Entries {
    let mut entries = Entries::default();
    let mut naive = Naive::default();
    let mut time_ms = 0;
    for step in steps {
        time_ms += step.pause_ms;
        let open = (!naive.holds.is_empty()).then(|| &naive.holds[step.reference as usize % naive.holds.len()]);
        let (amount, reference) = match (step.kind, open) {
            (6 | 7, Some(hold)) => (hold.amount, hold.id),
            _ => (step.amount, step.reference),
        };
        entries.add(step.kind, amount, time_ms, reference);
        let mut after = naive.clone();
        if after.apply(entries.rows(), entries.seq.len() - 1).is_ok() {
            naive = after;
        } else if !step.even_if_corrupt {
            entries.pop();
        }
    }
    entries
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn the_fold_agrees_with_the_naive_one(steps in prop::collection::vec(step(), 0..160), later_ms in 0..40 * D) {
        let entries = lay(&steps);
        let now_ms = entries.time_ms.last().map_or(0, |last| last + later_ms);
        let mut scratch = FoldScratch::default();
        let found = scratch.fold(entries.rows(), now_ms);
        match (found, Naive::of(entries.rows())) {
            (Err(CorruptLedger), Err(CorruptLedger)) => {}
            (Ok(found), Ok(mut naive)) => {
                let (coins, diamonds, lots, diamond_lots) = naive.finish(now_ms);
                prop_assert_eq!((found.coins, found.diamonds), (coins, diamonds));
                prop_assert_eq!(found.lifetime, naive.lifetime);
                prop_assert_eq!((found.lots_open, found.diamond_lots_open), (lots.len(), diamond_lots.len()));
                prop_assert_eq!(found.lots.iter().map(|lot| lot.id).collect::<Vec<_>>(), naive::first_ids(&lots));
                prop_assert_eq!(found.diamond_lots.iter().map(|lot| lot.id).collect::<Vec<_>>(), naive::first_ids(&diamond_lots));
                for (listed, lot) in found.lots.iter().zip(&lots) {
                    prop_assert_eq!((listed.amount, listed.remaining, listed.bonus), (lot.amount, lot.remaining, lot.bonus));
                }
                for (listed, lot) in found.diamond_lots.iter().zip(&diamond_lots) {
                    prop_assert_eq!((listed.amount, listed.remaining), (lot.amount, lot.remaining));
                }
                let holds: Vec<_> = naive.holds.iter().take(LISTED_MAX).map(|hold| (hold.id, hold.amount, hold.since_ms)).collect();
                prop_assert_eq!(found.holds.iter().map(|hold| (hold.id, hold.amount, hold.since_ms)).collect::<Vec<_>>(), holds);
                prop_assert_eq!(found.holds_open, naive.holds.len());
            }
            (found, naive) => prop_assert!(false, "one is corrupt: {:?} {:?}", found.map(|b| b.coins), naive.map(|n| n.lifetime)),
        }
    }
}
