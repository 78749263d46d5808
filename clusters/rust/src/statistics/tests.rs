use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const DAY: i64 = 86_400_000;

/// (kind, amount, time, party, gift)
type Entry = (u8, u32, i64, u32, u32);

struct Table {
    seq: Vec<u32>,
    time_ms: Vec<i64>,
    kind: Vec<u8>,
    amount: Vec<u32>,
    party: Vec<u32>,
    reference: Vec<u32>,
}

impl Table {
    fn new(entries: &[Entry]) -> Self {
        Self {
            seq: (1..=entries.len() as u32).collect(),
            time_ms: entries.iter().map(|entry| entry.2).collect(),
            kind: entries.iter().map(|entry| entry.0).collect(),
            amount: entries.iter().map(|entry| entry.1).collect(),
            party: entries.iter().map(|entry| entry.3).collect(),
            reference: entries.iter().map(|entry| entry.4).collect(),
        }
    }

    fn rows(&self) -> Rows<'_> {
        Rows {
            seq: &self.seq,
            time_ms: &self.time_ms,
            kind: &self.kind,
            amount: &self.amount,
            party: &self.party,
            reference: &self.reference,
        }
    }
}

fn users(ids: &[&str]) -> Users {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("userpool.csv");
    std::fs::write(&path, format!("user_id\n{}\n", ids.join("\n"))).expect("written");
    Users::read(&path).expect("users")
}

fn period(query: &str) -> Period {
    Period::parse(query).expect("a period")
}

fn sums(rows: &[TallyRow]) -> Vec<(u32, u32, u64)> {
    rows.iter().map(|row| (row.key, row.count, row.sum())).collect()
}

#[test]
fn entries_fall_into_their_buckets_and_the_end_is_not_in_range() {
    let entries =
        [(1, 5, 0, 9, 9), (1, 6, DAY - 1, 9, 9), (8, 7, DAY, 9, 9), (1, 8, 2 * DAY, 9, 9), (1, 9, 3 * DAY, 9, 9)];
    let table = Table::new(&entries);
    let mut scratch = StatisticsScratch::default();
    let found = scratch.scan(table.rows(), period("from=1&to=259200000"), &Users::default());
    let kinds: Vec<_> = found
        .kinds()
        .map(|(kind, cells)| (kind, cells.iter().map(|cell| (cell.count, cell.sum)).collect::<Vec<_>>()))
        .collect();
    assert_eq!(kinds, [(1, vec![(1, 6), (0, 0), (1, 8)]), (8, vec![(0, 0), (1, 7), (0, 0)])]);
    assert_eq!(found.gift_values, GiftValues::default());
    assert!(found.top_gifts.is_empty() && found.top_counterparts.is_empty());
}

#[test]
fn tops_go_by_sum_then_by_gift_id_or_user_id() {
    let users = users(&["b", "a", "Z"]);
    let entries = [(2, 10, 0, 0, 7), (3, 10, 0, 1, 5), (2, 4, 1, 2, 5000), (3, 6, 1, 2, 5000), (2, 1, 2, 0, 7)];
    let table = Table::new(&entries);
    let mut scratch = StatisticsScratch::default();
    let found = scratch.scan(table.rows(), period("from=0&to=9"), &users);
    assert_eq!(sums(found.top_gifts), [(7, 2, 11), (5, 1, 10), (5000, 2, 10)]);
    assert_eq!(sums(found.top_counterparts), [(0, 2, 11), (2, 2, 10), (1, 1, 10)]);
    assert_eq!((found.top_counterparts[1].sent, found.top_counterparts[1].received), (4, 6));
}

#[test]
fn quantiles_are_nearest_rank() {
    for (count, wanted) in
        [(1u32, [1, 1, 1]), (2, [1, 2, 2]), (10, [5, 9, 10]), (100, [50, 90, 99]), (101, [51, 91, 100])]
    {
        let entries: Vec<Entry> = (0..count).map(|rank| (2, count - rank, 0, 0, 1)).collect();
        let table = Table::new(&entries);
        let mut scratch = StatisticsScratch::default();
        let found = scratch.scan(table.rows(), period("from=0&to=1"), &users(&["a"])).gift_values;
        assert_eq!(found, GiftValues { count: count as usize, p50_p90_p99: Some(wanted) });
    }
}

#[test]
fn quantiles_of_a_bucket_are_those_of_its_own_gifts() {
    const HOUR: i64 = 3_600_000;
    let mut entries: Vec<Entry> = vec![(1, 1000, 0, 9, 24)];
    // Ten values in the second hour, none in the third, two in the fourth.
    let amounts = [30, 90, 100, 60, 10, 50, 70, 80, 20, 40];
    entries.extend((0u8..).zip(amounts).map(|(at, amount)| (2 + at % 2, amount, HOUR + i64::from(at), 0, 1)));
    entries.extend([(3, 9, 3 * HOUR, 0, 1), (2, 7, 4 * HOUR - 1, 0, 1)]);
    let table = Table::new(&entries);
    let users = users(&["a"]);
    let mut scratch = StatisticsScratch::default();
    // Ranks of ten values: 5, 9, 10; of two: 1, 2, 2.
    let hours = scratch.scan(table.rows(), period("from=0&to=14400000&bucket=hour"), &users);
    assert_eq!(hours.bucket_values, [None, Some([50, 90, 100]), None, Some([7, 9, 9])]);
    let day = scratch.scan(table.rows(), period("from=0&to=10800000&bucket=day"), &users);
    assert_eq!(day.bucket_values, [Some([50, 90, 100])]);
    let one = scratch.scan(table.rows(), period("from=10800000&to=10800001"), &users);
    assert_eq!(one.bucket_values, [Some([9, 9, 9])]);
    let none = scratch.scan(table.rows(), period("from=0&to=1"), &users);
    assert_eq!(none.bucket_values, [None]);
}

#[test]
fn a_scratch_remembers_nothing_of_the_request_before() {
    let users = users(&["a", "b"]);
    let mut scratch = StatisticsScratch::default();
    let table = Table::new(&[(2, 3, 0, 0, 1), (3, 3, 0, 1, 2000)]);
    for _ in 0..2 {
        let found = scratch.scan(table.rows(), period("from=0&to=1"), &users);
        assert_eq!(sums(found.top_gifts), [(1, 1, 3), (2000, 1, 3)]);
        assert_eq!(sums(found.top_counterparts), [(0, 1, 3), (1, 1, 3)]);
    }
    let found = scratch.scan(Table::new(&[]).rows(), period("from=0&to=1"), &users);
    assert_eq!((found.kinds().count(), found.top_gifts.len(), found.gift_values.count), (0, 0, 0));
}

fn naive_top(entries: &[Entry], key: impl Fn(&Entry) -> u32, name: impl Fn(u32) -> String) -> Vec<(u32, u32, u64)> {
    let mut all: BTreeMap<u32, (u32, u64)> = BTreeMap::new();
    for entry in entries {
        let row = all.entry(key(entry)).or_default();
        row.0 += 1;
        row.1 += u64::from(entry.1);
    }
    let mut rows: Vec<_> = all.into_iter().map(|(key, (count, sum))| (key, count, sum)).collect();
    rows.sort_by_key(|row| (std::cmp::Reverse(row.2), name(row.0)));
    rows.truncate(TOP_MAX);
    rows
}

fn naive_values(gifts: &[Entry]) -> GiftValues {
    let mut values: Vec<u32> = gifts.iter().map(|entry| entry.1).collect();
    values.sort_unstable();
    let nearest = |percent: usize| {
        let rank = (1..=values.len()).find(|rank| rank * 100 >= values.len() * percent)?;
        Some(values[rank - 1])
    };
    let all = [50, 90, 99].map(nearest);
    GiftValues { count: values.len(), p50_p90_p99: all[0].zip(all[1]).zip(all[2]).map(|((a, b), c)| [a, b, c]) }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn the_scan_agrees_with_a_naive_one(
        mut entries in prop::collection::vec((1..9u8, 1..2_000_000u32, 0..9 * DAY, 0..30u32, prop_oneof![0..20u32, 1020..1030u32]), 0..300),
        from_ms in 0..9 * DAY,
        length_ms in 1..9 * DAY,
        hours in any::<bool>(),
    ) {
        entries.sort_by_key(|entry| entry.2);
        let ids: Vec<String> = (0..30).map(|user| format!("{}", (user * 7) % 30)).collect();
        let users = users(&ids.iter().map(String::as_str).collect::<Vec<_>>());
        let period = period(&format!("from={from_ms}&to={}&bucket={}", from_ms + length_ms, if hours { "hour" } else { "day" }));
        let table = Table::new(&entries);
        let mut scratch = StatisticsScratch::default();
        let found = scratch.scan(table.rows(), period, &users);

        let inside: Vec<Entry> = entries.into_iter().filter(|entry| (from_ms..from_ms + length_ms).contains(&entry.2)).collect();
        let mut cells: BTreeMap<u8, Vec<Cell>> = BTreeMap::new();
        for entry in &inside {
            let row = cells.entry(entry.0).or_insert_with(|| vec![Cell::default(); period.buckets]);
            let cell = &mut row[((entry.2 - period.first_bucket_ms) / period.bucket_ms) as usize];
            cell.count += 1;
            cell.sum += u64::from(entry.1);
        }
        prop_assert_eq!(found.kinds().map(|(kind, cells)| (kind, cells.to_vec())).collect::<BTreeMap<_, _>>(), cells);
        let gifts: Vec<Entry> = inside.into_iter().filter(|entry| matches!(entry.0, 2 | 3)).collect();
        prop_assert_eq!(sums(found.top_gifts), naive_top(&gifts, |entry| entry.4, |gift| format!("{gift:09}")));
        prop_assert_eq!(sums(found.top_counterparts), naive_top(&gifts, |entry| entry.3, |user| ids[user as usize].clone()));
        prop_assert_eq!(found.gift_values, naive_values(&gifts));
        let by_bucket: Vec<_> = (0..period.buckets as i64)
            .map(|bucket| {
                let inside = |entry: &&Entry| (entry.2 - period.first_bucket_ms) / period.bucket_ms == bucket;
                naive_values(&gifts.iter().filter(inside).copied().collect::<Vec<_>>()).p50_p90_p99
            })
            .collect();
        prop_assert_eq!(found.bucket_values, by_bucket);
    }
}
