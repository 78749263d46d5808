//! The golden vectors of the contract over a real socket: status, headers that count, body byte for byte.

mod support;

use std::path::Path;

use serde::Deserialize;
use support::{Entry, Instance, write_data};

#[derive(Deserialize)]
struct Ledger {
    users: Vec<String>,
    entries: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    seq: u32,
    at: String,
    user: String,
    kind: String,
    amount: u32,
    #[serde(rename = "ref")]
    reference: u32,
    party: Option<String>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    serve: String,
    request: Asked,
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

#[derive(Deserialize)]
struct Asked {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: String,
}

/// Unix ms of a text such as `2025-06-15T12:00:00.000Z`, by counting days.
fn unix_ms(text: &str) -> i64 {
    let number = |range: std::ops::Range<usize>| text[range].parse::<i64>().expect("a number");
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let in_month = |month: i64| match month {
        2 => 28 + i64::from(leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let days =
        (1970..year).map(|year| 365 + i64::from(leap(year))).sum::<i64>() + (1..month).map(in_month).sum::<i64>() + day
            - 1;
    (((days * 24 + number(11..13)) * 60 + number(14..16)) * 60 + number(17..19)) * 1000 + number(20..23)
}

fn entries(ledger: &Ledger) -> Vec<Entry> {
    let index = |id: &String| ledger.users.iter().position(|user| user == id).expect("a user") as u32;
    let kind = |name: &str| {
        wallet_rust::ledger::kind::NAMES.iter().position(|known| *known == name.to_lowercase()).expect("a kind") as u8
    };
    let row = |row: &Row| Entry {
        user: index(&row.user),
        seq: row.seq,
        time_ms: unix_ms(&row.at),
        kind: kind(&row.kind),
        amount: row.amount,
        party: row.party.as_ref().map_or(u32::MAX, index),
        reference: row.reference,
    };
    ledger.entries.iter().map(row).collect()
}

#[test]
fn every_golden_vector_of_a_hot_instance_is_answered() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contract/golden");
    let ledger = std::fs::read_to_string(golden.join("ledger.json")).expect("the golden ledger");
    let ledger: Ledger = serde_json::from_str(&ledger).expect("a ledger");
    let folder = tempfile::tempdir().expect("a folder");
    write_data(folder.path(), &ledger.users, &entries(&ledger));
    let instance = Instance::start(folder.path());

    let vectors = std::fs::read_to_string(golden.join("vectors.jsonl")).expect("the golden vectors");
    let vectors = vectors.lines().map(|line| serde_json::from_str::<Vector>(line).expect("a vector"));
    let counted = ["content-type", "ledger-as-of", "allow", "idempotency-replayed"];
    let mut asked = 0;
    let mut wrong = Vec::new();
    for vector in vectors.filter(|vector| vector.serve != "all") {
        assert!(vector.request.body.is_empty(), "a hot instance reads no body");
        let answer = instance.ask(&vector.request.method, &vector.request.target, &vector.request.headers);
        let mut found: Vec<(String, String)> =
            answer.headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
        found.retain(|(name, _)| counted.contains(&name.as_str()));
        found.sort();
        let mut wanted: Vec<_> = vector.headers.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect();
        wanted.sort();
        asked += 1;
        if (answer.status, &found, &answer.body) != (vector.status, &wanted, &vector.body) {
            wrong.push(format!(
                "{}: wanted {} {wanted:?} {}\n  found {answer:?}",
                vector.name, vector.status, vector.body
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {asked} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(asked > 200, "only {asked} vectors");
}
