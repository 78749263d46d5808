//! Balance and statistics as JSON bytes: members in the contract's order, no white space.

use crate::fold::{Balance, Lifetime, Purse};
use crate::json::Json;
use crate::ledger::{Rows, kind};
use crate::query::Period;
use crate::statistics::{Statistics, TallyRow};
use crate::users::Users;

/// Appends the answer of `balance`.
pub fn balance(json: &mut Json, user_id: &str, balance: &Balance<'_>, rows: Rows<'_>) {
    json.raw("{\"user_id\":\"");
    json.raw(user_id);
    purse(json, "\",\"coins\":", balance.coins);
    purse(json, ",\"diamonds\":", balance.diamonds);
    json.member(",\"lots_open\":", balance.lots_open);
    json.raw(",\"lots\":");
    json.array(balance.lots, |json, lot| {
        json.member("{\"id\":", lot.id);
        json.raw(if lot.bonus { ",\"kind\":\"bonus\"" } else { ",\"kind\":\"recharge\"" });
        lot_rest(json, lot.amount, lot.remaining, lot.expires_ms);
    });
    json.member(",\"diamond_lots_open\":", balance.diamond_lots_open);
    json.raw(",\"diamond_lots\":");
    json.array(balance.diamond_lots, |json, lot| {
        json.member("{\"id\":", lot.id);
        lot_rest(json, lot.amount, lot.remaining, lot.expires_ms);
    });
    json.member(",\"holds_open\":", balance.holds_open);
    json.raw(",\"holds\":");
    json.array(balance.holds, |json, hold| {
        json.member("{\"id\":", hold.id);
        json.member(",\"amount\":", hold.amount);
        json.member(",\"since_ms\":", hold.since_ms);
        json.raw("}");
    });
    lifetime(json, &balance.lifetime, rows);
    json.raw("}");
}

fn purse(json: &mut Json, before: &str, purse: Purse) {
    json.raw(before);
    json.member("{\"available\":", purse.available);
    json.member(",\"frozen\":", purse.frozen);
    json.member(",\"expiring\":", purse.expiring);
    json.raw("}");
}

fn lot_rest(json: &mut Json, amount: u32, remaining: u32, expires_ms: i64) {
    json.member(",\"amount\":", amount);
    json.member(",\"remaining\":", remaining);
    json.member(",\"expires_at_ms\":", expires_ms);
    json.raw("}");
}

fn lifetime(json: &mut Json, lifetime: &Lifetime, rows: Rows<'_>) {
    json.member(",\"lifetime\":{\"entries\":", rows.len());
    json.raw(",\"first_ms\":");
    json.nullable(rows.time_ms.first().copied());
    json.raw(",\"last_ms\":");
    json.nullable(rows.time_ms.last().copied());
    for (before, kind) in [
        (",\"recharged\":", kind::RECHARGE),
        (",\"bonus\":", kind::BONUS),
        (",\"gifted\":", kind::GIFT_SENT),
        (",\"captured\":", kind::CAPTURE),
        (",\"released\":", kind::RELEASE),
        (",\"received\":", kind::GIFT_RECEIVED),
        (",\"withdrawn\":", kind::WITHDRAWAL),
    ] {
        json.member(before, lifetime.by_kind[usize::from(kind)]);
    }
    json.member(",\"coins_expired\":", lifetime.coins_expired);
    json.member(",\"diamonds_expired\":", lifetime.diamonds_expired);
    json.raw("}");
}

/// Appends the answer of `statistics`.
pub fn statistics(json: &mut Json, user_id: &str, period: Period, statistics: &Statistics<'_>, users: &Users) {
    json.raw("{\"user_id\":\"");
    json.raw(user_id);
    json.member("\",\"from_ms\":", period.from_ms);
    json.member(",\"to_ms\":", period.to_ms);
    json.raw(",\"bucket\":\"");
    json.raw(period.bucket.name());
    json.member("\",\"bucket_ms\":", period.bucket_ms);
    json.member(",\"first_bucket_ms\":", period.first_bucket_ms);
    json.member(",\"buckets\":", period.buckets);
    kinds(json, statistics);
    json.raw(",\"top_gifts\":");
    json.array(statistics.top_gifts, |json, gift| {
        json.member("{\"gift_id\":", gift.key);
        json.member(",\"count\":", gift.count);
        json.member(",\"sum\":", gift.sum());
        json.raw("}");
    });
    json.raw(",\"top_counterparts\":");
    json.array(statistics.top_counterparts, |json, row| counterpart(json, row, users.id(row.key)));
    json.member(",\"gift_values\":{\"count\":", statistics.gift_values.count);
    for (place, name) in QUANTILES.into_iter().enumerate() {
        json.raw(name);
        json.nullable(statistics.gift_values.p50_p90_p99.map(|quantiles| quantiles[place]));
    }
    json.raw(",\"by_bucket\":{");
    for (place, name) in QUANTILES.into_iter().enumerate() {
        json.raw(if place == 0 { &name[1..] } else { name });
        json.array(statistics.bucket_values, |json, values| json.nullable(values.map(|quantiles| quantiles[place])));
    }
    json.raw("}}}");
}

const QUANTILES: [&str; 3] = [",\"p50\":", ",\"p90\":", ",\"p99\":"];

fn kinds(json: &mut Json, statistics: &Statistics<'_>) {
    let mut before = ",\"kinds\":{\"";
    for (kind, cells) in statistics.kinds() {
        json.raw(before);
        json.raw(kind::NAMES[usize::from(kind)]);
        json.raw("\":{\"count\":");
        json.ints(cells.iter().map(|cell| cell.count));
        json.raw(",\"sum\":");
        json.ints(cells.iter().map(|cell| cell.sum));
        json.raw("}");
        before = ",\"";
    }
    json.raw(if before == ",\"" { "}" } else { ",\"kinds\":{}" });
}

fn counterpart(json: &mut Json, row: &TallyRow, user_id: &str) {
    json.raw("{\"user_id\":\"");
    json.raw(user_id);
    json.member("\",\"count\":", row.count);
    json.member(",\"sent\":", row.sent);
    json.member(",\"received\":", row.received);
    json.raw("}");
}
