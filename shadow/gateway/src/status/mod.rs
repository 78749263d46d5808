//! What operators are shown: everything that was counted, as JSON and as Prometheus text.

mod canary;
mod prometheus;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use serde_json::{Map, Value, json};

use crate::events::Events;
use crate::metrics::{BUCKETS_US, CLASSES, Cell, Copies, Outcome, Reason, Source, read};
use crate::pairs::PairFile;
use crate::proxy::Proxy;
use crate::upstream::Side;
pub use prometheus::text;

/// What there is to show.
#[derive(Debug)]
pub struct Shown {
    /// The callers' side, with all counts.
    pub proxy: Arc<Proxy>,
    /// The sides that there are.
    pub sides: Vec<Arc<Side>>,
    /// The routes' names, the last one for what matches none.
    pub names: Arc<[String]>,
    /// The pairs.
    pub pairs: Arc<PairFile>,
    /// What happened.
    pub events: Arc<Events>,
    /// When the program began.
    pub begun: Instant,
}

/// The status as JSON.
#[must_use]
pub fn status(shown: &Shown) -> Value {
    let metrics = &shown.proxy.metrics;
    let sides: Map<String, Value> = shown.sides.iter().map(|side| (side.name.to_owned(), side_status(side))).collect();
    let routes: Map<String, Value> =
        shown.names.iter().enumerate().map(|(route, name)| (name.clone(), route_status(shown, route))).collect();
    let (pending, bytes) =
        shown.proxy.mirror.as_ref().map_or((0, 0), |mirror| (mirror.pending(), mirror.pending_bytes()));
    json!({
        "mode": shown.proxy.switch.get().name(),
        "uptime_s": shown.begun.elapsed().as_secs_f64(),
        "in_flight": metrics.in_flight.load(Ordering::Relaxed),
        "connections": metrics.connections.load(Ordering::Relaxed),
        "connections_refused": read(&metrics.refused),
        "mirror": {"pending": pending, "pending_bytes": bytes},
        "sides": sides,
        "routes": routes,
        "canary": shown.proxy.canary.as_ref().map(|canary| canary::section(canary, shown)),
    })
}

fn side_status(side: &Side) -> Value {
    let instance = |instance: &Arc<crate::upstream::Instance>| {
        json!({
            "name": *instance.name, "address": instance.address.to_string(), "healthy": instance.is_healthy(),
            "in_flight": instance.in_flight(),
        })
    };
    json!({"instances": side.instances.iter().map(instance).collect::<Vec<_>>()})
}

fn route_status(shown: &Shown, route: usize) -> Value {
    let metrics = &shown.proxy.metrics;
    let mut status: Map<String, Value> = Source::ALL
        .into_iter()
        .map(|source| (source.name().to_owned(), cell_status(metrics.cell(source, route))))
        .collect();
    let copies = metrics.copies(route);
    status.insert("pairs".to_owned(), pairs_status(copies));
    let dropped = Reason::ALL.into_iter().zip(&copies.dropped);
    let dropped: Map<String, Value> =
        dropped.map(|(reason, count)| (reason.name().into(), json!(read(count)))).collect();
    status.insert("dropped".to_owned(), Value::Object(dropped));
    status.insert("not_stored".to_owned(), shown.pairs.not_stored(route));
    Value::Object(status)
}

fn cell_status(cell: &Cell) -> Value {
    let classes: Map<String, Value> =
        CLASSES.iter().zip(&cell.classes).map(|(class, count)| ((*class).to_owned(), json!(read(count)))).collect();
    let buckets: Vec<Value> = BUCKETS_US
        .iter()
        .map(|bound| json!(bound))
        .chain([Value::Null])
        .zip(&cell.buckets)
        .map(|(bound_us, count)| json!([bound_us, read(count)]))
        .collect();
    let answered: u64 = cell.classes.iter().map(read).sum();
    let unresponsive = read(&cell.unresponsive);
    json!({
        "requests": answered + unresponsive, "classes": classes, "unresponsive": unresponsive,
        "latency_us": {"sum": read(&cell.sum_us), "buckets": buckets},
    })
}

fn pairs_status(copies: &Copies) -> Value {
    let of = |outcome: Outcome| copies.outcomes.iter().map(|row| read(&row[outcome as usize])).sum::<u64>();
    let [matched, mismatch, raced, unresponsive, noise, _dropped] = Outcome::ALL.map(of);
    json!({
        "compared": matched + mismatch + noise, "match": matched, "mismatch": mismatch, "raced": raced,
        "unresponsive": unresponsive, "noise": noise, "repeats": read(&copies.repeats),
        "second_asked": read(&copies.second_asked),
    })
}
