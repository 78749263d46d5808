//! What an answer costs per ledger entry, and what encoding it costs by hand and by `serde_json`.
//!
//! `cargo bench` prints one line a measurement: the fastest of several rounds over many users, whose
//! ledgers together are larger than the caches, as the pool's are.

use std::hint::black_box;
use std::time::Instant;

use serde::Serialize;
use wallet_rust::fold::{Balance, FoldScratch};
use wallet_rust::json::Json;
use wallet_rust::ledger::{Columns, Ledger, kind};
use wallet_rust::query::Period;
use wallet_rust::statistics::{Statistics, StatisticsScratch};
use wallet_rust::users::Users;
use wallet_rust::{encode, fold};

const USERS: u32 = 128;
const ENTRIES: u32 = 8_000;
const ROUNDS: usize = 15;
const DAY_MS: i64 = 86_400_000;
const SPAN_MS: i64 = 180 * DAY_MS;

/// A small generator of numbers (splitmix64), so that every run measures the same ledgers.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((((mixed ^ (mixed >> 31)) >> 32) * u64::from(end)) >> 32) as u32
    }
}

/// Shares of kinds in percent: recharge, gift sent, gift received, withdrawal, hold (then closed), bonus.
type Shares = [u32; 6];
const MIXED: Shares = [8, 46, 20, 2, 18, 6];
const HOST: Shares = [2, 3, 92, 2, 0, 1];

fn ledger(shares: Shares) -> Ledger {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("userpool.csv");
    let ids: String = (0..USERS).map(|user| format!("u{user:015}\n")).collect();
    std::fs::write(&path, format!("user_id\n{ids}")).expect("written");
    let mut columns = Columns { offsets: vec![0], ..Columns::default() };
    let mut numbers = Numbers(1);
    for user in 0..USERS {
        add_user(&mut columns, user, shares, &mut numbers);
        columns.offsets.push(columns.seq.len() as i64);
    }
    Ledger::new(Users::read(&path).expect("users"), columns).expect("a ledger")
}

/// Entries that never take more than there is: recharges are large, withdrawals small and late.
fn add_user(columns: &mut Columns, user: u32, shares: Shares, numbers: &mut Numbers) {
    let mut open = Vec::new();
    for entry in 0..ENTRIES {
        let seq = 1 + entry * USERS + user;
        let mut pick = numbers.below(100);
        let place =
            shares.iter().position(|share| pick.checked_sub(*share).map(|rest| pick = rest).is_none()).unwrap_or(0);
        let gift = 1 + numbers.below(20).min(numbers.below(200));
        let price = gift * gift * (1 + numbers.below(5));
        let (kind, amount, reference) = match if entry < 8 { 0 } else { place } {
            1 => (kind::GIFT_SENT, price, gift),
            2 => (kind::GIFT_RECEIVED, price, gift),
            3 if entry > ENTRIES / 4 => (kind::WITHDRAWAL, 1 + numbers.below(50), 0),
            4 if open.len() > 5 => {
                let (id, amount) = open.swap_remove(numbers.below(open.len() as u32) as usize);
                (if numbers.below(2) == 0 { kind::CAPTURE } else { kind::RELEASE }, amount, id)
            }
            4 => {
                open.push((seq, price));
                (kind::HOLD, price, seq)
            }
            5 => (kind::BONUS, 1 + numbers.below(500), 24 * (1 + numbers.below(60))),
            _ => (kind::RECHARGE, 20_000 + numbers.below(100_000), 24 * (30 + numbers.below(335))),
        };
        columns.seq.push(seq);
        columns.time_ms.push(SPAN_MS * i64::from(entry) / i64::from(ENTRIES));
        columns.kind.push(kind);
        columns.amount.push(amount);
        columns.party.push(numbers.below(USERS).min(numbers.below(USERS)));
        columns.reference.push(reference);
    }
}

/// Prints the fastest round's time per user and per entry.
fn measure(name: &str, mut one_user: impl FnMut(u32)) {
    let fastest = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        (0..USERS).for_each(&mut one_user);
        start.elapsed()
    });
    let user_ns = fastest.min().expect("a round").as_nanos() as f64 / f64::from(USERS);
    println!("{name:<44} {:>9.1} us/answer {:>7.2} ns/entry", user_ns / 1e3, user_ns / f64::from(ENTRIES));
}

fn bench(name: &str, ledger: &Ledger) {
    let (mut fold, mut statistics, mut json, mut bytes) =
        (FoldScratch::default(), StatisticsScratch::default(), Json::default(), Vec::new());
    let users = ledger.users();
    let days = Period::parse(&format!("from={}&to={}", SPAN_MS - 30 * DAY_MS, SPAN_MS)).expect("a period");
    let all = Period::parse(&format!("from=0&to={SPAN_MS}")).expect("a period");
    let hours = Period::parse(&format!("from={}&to={}&bucket=hour", SPAN_MS - 16 * DAY_MS, SPAN_MS)).expect("a period");

    measure(&format!("{name}: balance, folded"), |user| {
        black_box(fold.fold(ledger.rows(user), ledger.now_ms()).expect("sound"));
    });
    measure(&format!("{name}: balance, and by hand"), |user| {
        json.clear();
        let rows = ledger.rows(user);
        let balance = fold.fold(rows, ledger.now_ms()).expect("sound");
        encode::balance(&mut json, users.id(user), &balance, rows);
        black_box(json.as_bytes());
    });
    measure(&format!("{name}: balance, and by serde_json"), |user| {
        bytes.clear();
        let rows = ledger.rows(user);
        let balance = fold.fold(rows, ledger.now_ms()).expect("sound");
        let document = BalanceDocument::new(users.id(user), &balance, ledger, user);
        serde_json::to_writer(&mut bytes, &document).expect("JSON");
        black_box(&bytes);
    });
    assert_eq!(String::from_utf8_lossy(json.as_bytes()), String::from_utf8_lossy(&bytes), "both encoders agree");
    println!("{name}: balance has {} bytes", bytes.len());
    for (period, words) in [(all, "180 days"), (days, "30 days"), (hours, "384 hours")] {
        measure(&format!("{name}: statistics of {words}, summed"), |user| {
            black_box(statistics.scan(ledger.rows(user), period, users));
        });
        measure(&format!("{name}: statistics of {words}, and by hand"), |user| {
            json.clear();
            let found = statistics.scan(ledger.rows(user), period, users);
            encode::statistics(&mut json, users.id(user), period, &found, users);
            black_box(json.as_bytes());
        });
        measure(&format!("{name}: statistics of {words}, and by serde_json"), |user| {
            bytes.clear();
            let found = statistics.scan(ledger.rows(user), period, users);
            let document = StatisticsDocument::new(users.id(user), period, &found, users);
            serde_json::to_writer(&mut bytes, &document).expect("JSON");
            black_box(&bytes);
        });
        assert_eq!(String::from_utf8_lossy(json.as_bytes()), String::from_utf8_lossy(&bytes), "both encoders agree");
        println!("{name}: statistics of {words} has {} bytes", bytes.len());
    }
}

fn main() {
    bench("mixed", &ledger(MIXED));
    bench("host", &ledger(HOST));
}

#[derive(Serialize)]
struct PurseDocument {
    available: u64,
    frozen: u64,
    expiring: u64,
}

impl From<fold::Purse> for PurseDocument {
    fn from(purse: fold::Purse) -> Self {
        Self { available: purse.available, frozen: purse.frozen, expiring: purse.expiring }
    }
}

#[derive(Serialize)]
struct LotDocument {
    id: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    amount: u32,
    remaining: u32,
    expires_at_ms: i64,
}

#[derive(Serialize)]
struct HoldDocument {
    id: u32,
    amount: u32,
    since_ms: i64,
}

#[derive(Serialize)]
struct LifetimeDocument {
    entries: usize,
    first_ms: Option<i64>,
    last_ms: Option<i64>,
    recharged: u64,
    bonus: u64,
    gifted: u64,
    captured: u64,
    released: u64,
    received: u64,
    withdrawn: u64,
    coins_expired: u64,
    diamonds_expired: u64,
}

#[derive(Serialize)]
struct BalanceDocument<'a> {
    user_id: &'a str,
    coins: PurseDocument,
    diamonds: PurseDocument,
    lots_open: usize,
    lots: Vec<LotDocument>,
    diamond_lots_open: usize,
    diamond_lots: Vec<LotDocument>,
    holds_open: usize,
    holds: Vec<HoldDocument>,
    lifetime: LifetimeDocument,
}

impl<'a> BalanceDocument<'a> {
    fn new(user_id: &'a str, balance: &Balance<'_>, ledger: &Ledger, user: u32) -> Self {
        let rows = ledger.rows(user);
        let by_kind = |kind: u8| balance.lifetime.by_kind[usize::from(kind)];
        let lots = balance.lots.iter().map(|lot| LotDocument {
            id: lot.id,
            kind: Some(if lot.bonus { "bonus" } else { "recharge" }),
            amount: lot.amount,
            remaining: lot.remaining,
            expires_at_ms: lot.expires_ms,
        });
        let diamond_lots = balance.diamond_lots.iter().map(|lot| LotDocument {
            id: lot.id,
            kind: None,
            amount: lot.amount,
            remaining: lot.remaining,
            expires_at_ms: lot.expires_ms,
        });
        let holds = balance.holds.iter();
        Self {
            user_id,
            coins: balance.coins.into(),
            diamonds: balance.diamonds.into(),
            lots_open: balance.lots_open,
            lots: lots.collect(),
            diamond_lots_open: balance.diamond_lots_open,
            diamond_lots: diamond_lots.collect(),
            holds_open: balance.holds_open,
            holds: holds
                .map(|hold| HoldDocument { id: hold.id, amount: hold.amount, since_ms: hold.since_ms })
                .collect(),
            lifetime: LifetimeDocument {
                entries: rows.len(),
                first_ms: rows.time_ms.first().copied(),
                last_ms: rows.time_ms.last().copied(),
                recharged: by_kind(kind::RECHARGE),
                bonus: by_kind(kind::BONUS),
                gifted: by_kind(kind::GIFT_SENT),
                captured: by_kind(kind::CAPTURE),
                released: by_kind(kind::RELEASE),
                received: by_kind(kind::GIFT_RECEIVED),
                withdrawn: by_kind(kind::WITHDRAWAL),
                coins_expired: balance.lifetime.coins_expired,
                diamonds_expired: balance.lifetime.diamonds_expired,
            },
        }
    }
}

#[derive(Serialize)]
struct KindDocument {
    count: Vec<u64>,
    sum: Vec<u64>,
}

/// One member a kind that is there, in order.
#[derive(Serialize, Default)]
struct KindsDocument {
    #[serde(skip_serializing_if = "Option::is_none")]
    recharge: Option<KindDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gift_sent: Option<KindDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gift_received: Option<KindDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawal: Option<KindDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<KindDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capture: Option<KindDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<KindDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bonus: Option<KindDocument>,
}

impl KindsDocument {
    fn new(found: &Statistics<'_>) -> Self {
        let mut document = Self::default();
        for (kind, cells) in found.kinds() {
            let place = match kind {
                kind::RECHARGE => &mut document.recharge,
                kind::GIFT_SENT => &mut document.gift_sent,
                kind::GIFT_RECEIVED => &mut document.gift_received,
                kind::WITHDRAWAL => &mut document.withdrawal,
                kind::HOLD => &mut document.hold,
                kind::CAPTURE => &mut document.capture,
                kind::RELEASE => &mut document.release,
                _ => &mut document.bonus,
            };
            *place = Some(KindDocument {
                count: cells.iter().map(|cell| cell.count).collect(),
                sum: cells.iter().map(|cell| cell.sum).collect(),
            });
        }
        document
    }
}

#[derive(Serialize)]
struct GiftDocument {
    gift_id: u32,
    count: u32,
    sum: u64,
}

#[derive(Serialize)]
struct CounterpartDocument<'a> {
    user_id: &'a str,
    count: u32,
    sent: u64,
    received: u64,
}

#[derive(Serialize)]
struct ValuesDocument {
    count: usize,
    p50: Option<u32>,
    p90: Option<u32>,
    p99: Option<u32>,
    by_bucket: ByBucketDocument,
}

#[derive(Serialize)]
struct ByBucketDocument {
    p50: Vec<Option<u32>>,
    p90: Vec<Option<u32>>,
    p99: Vec<Option<u32>>,
}

#[derive(Serialize)]
struct StatisticsDocument<'a> {
    user_id: &'a str,
    from_ms: i64,
    to_ms: i64,
    bucket: &'a str,
    bucket_ms: i64,
    first_bucket_ms: i64,
    buckets: usize,
    kinds: KindsDocument,
    top_gifts: Vec<GiftDocument>,
    top_counterparts: Vec<CounterpartDocument<'a>>,
    gift_values: ValuesDocument,
}

impl<'a> StatisticsDocument<'a> {
    fn new(user_id: &'a str, period: Period, found: &Statistics<'_>, users: &'a Users) -> Self {
        let gifts =
            found.top_gifts.iter().map(|row| GiftDocument { gift_id: row.key, count: row.count, sum: row.sum() });
        let counterparts = found.top_counterparts.iter().map(|row| CounterpartDocument {
            user_id: users.id(row.key),
            count: row.count,
            sent: row.sent,
            received: row.received,
        });
        let [p50, p90, p99] = [0, 1, 2].map(|place| found.gift_values.p50_p90_p99.map(|all| all[place]));
        let by_bucket = |place: usize| found.bucket_values.iter().map(|all| all.map(|all| all[place])).collect();
        let by_bucket = ByBucketDocument { p50: by_bucket(0), p90: by_bucket(1), p99: by_bucket(2) };
        Self {
            user_id,
            from_ms: period.from_ms,
            to_ms: period.to_ms,
            bucket: period.bucket.name(),
            bucket_ms: period.bucket_ms,
            first_bucket_ms: period.first_bucket_ms,
            buckets: period.buckets,
            kinds: KindsDocument::new(found),
            top_gifts: gifts.collect(),
            top_counterparts: counterparts.collect(),
            gift_values: ValuesDocument { count: found.gift_values.count, p50, p90, p99, by_bucket },
        }
    }
}
