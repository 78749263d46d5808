//! The gray release as operators see it: a part of the status, and metrics.

use std::time::Instant;

use serde_json::{Map, Value, json};

use super::Shown;
use super::prometheus::Page;
use crate::canary::Canary;
use crate::canary::breaker::{Reason, State};
use crate::canary::counts::{Arm, Fault, SideCounts};
use crate::metrics::{Outcome, read};

const COMPARED: [Outcome; 4] = [Outcome::Match, Outcome::Mismatch, Outcome::Raced, Outcome::Unresponsive];

/// The status of the gray release.
pub(super) fn section(canary: &Canary, shown: &Shown) -> Value {
    let breaker = canary.breaker(Instant::now());
    let route = |(route, name): (usize, &String)| (name.clone(), route_section(canary, shown, route));
    json!({
        "share": canary.share(),
        "latched": canary.is_latched(),
        "whitelist": canary.config.whitelist.len(),
        "breaker": {
            "state": breaker.state.name(),
            "opens": breaker.opens,
            "reason": breaker.reason.map(Reason::name),
            "reopens_in_s": breaker.reopens_in.map(|left| left.as_secs_f64()),
            "probes_ok": breaker.probes_ok,
        },
        "retry_budget": canary.retry.tokens(),
        "unknown_user": canary.unknown_users(),
        "unchecked": read(&canary.counts.unchecked),
        "routes": shown.names.iter().enumerate().map(route).collect::<Map<_, _>>(),
    })
}

fn route_section(canary: &Canary, shown: &Shown, route: usize) -> Value {
    let outcomes = &shown.proxy.metrics.copies(route).outcomes;
    let compared = COMPARED.map(|outcome| {
        (outcome.name().to_owned(), json!(outcomes.iter().map(|row| read(&row[outcome as usize])).sum::<u64>()))
    });
    let mut section: Map<String, Value> =
        Arm::ALL.map(|arm| (arm.name().to_owned(), side_section(canary.counts.side(arm, route)))).into_iter().collect();
    section.insert("compared".to_owned(), Value::Object(compared.into_iter().collect()));
    Value::Object(section)
}

fn side_section(side: &SideCounts) -> Value {
    let failed = Fault::ALL.map(|fault| (fault.name().to_owned(), json!(side.failed(fault))));
    json!({
        "requests": side.requests(),
        "failed": failed.into_iter().collect::<Map<_, _>>(),
        "fell_back": side.fell_back(),
        "caller_failed": side.caller_failed(),
        "latency": side.latency(),
    })
}

/// The gray release's families of `/metrics`; none without one.
pub(super) fn families(page: &mut Page, shown: &Shown) {
    let Some(canary) = shown.proxy.canary.as_deref() else { return };
    let breaker = canary.breaker(Instant::now());
    one(page, "canary_share", "gauge", "Share of the users that belong to the candidate.", canary.share());
    let latched = u8::from(canary.is_latched());
    one(page, "canary_latched", "gauge", "1 as long as all users are taken back by order.", latched);
    one(page, "breaker_opens_total", "counter", "How often the breaker opened.", breaker.opens);
    one(page, "retry_budget", "gauge", "Requests that may be asked twice.", canary.retry.tokens());
    let unknown = canary.unknown_users();
    one(page, "canary_unknown_user_total", "counter", "Requests that did not tell their user.", unknown);
    let unchecked = read(&canary.counts.unchecked);
    one(page, "canary_unchecked_total", "counter", "Answers too large to be taken whole first.", unchecked);
    page.family("twinload_gateway_breaker_state", "gauge", "1 for the state that the breaker is in.");
    for state in State::ALL {
        let (name, on) = (state.name(), u8::from(state == breaker.state));
        page.line(format_args!("twinload_gateway_breaker_state{{state=\"{name}\"}} {on}"));
    }
    sides(page, shown, canary);
}

fn one(page: &mut Page, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
    page.family(&format!("twinload_gateway_{name}"), kind, help);
    page.line(format_args!("twinload_gateway_{name} {value}"));
}

fn sides(page: &mut Page, shown: &Shown, canary: &Canary) {
    let rows = || {
        let of = |arm: Arm| {
            shown.names.iter().enumerate().map(move |(route, name)| (arm, name, canary.counts.side(arm, route)))
        };
        Arm::ALL.into_iter().flat_map(of)
    };
    page.family("twinload_gateway_canary_requests_total", "counter", "Requests by whom their user belongs to.");
    for (arm, route, counts) in rows() {
        let (side, count) = (arm.name(), counts.requests());
        page.line(format_args!("twinload_gateway_canary_requests_total{{side=\"{side}\",route=\"{route}\"}} {count}"));
    }
    page.family("twinload_gateway_canary_failures_total", "counter", "Requests that a side failed, by how.");
    for (arm, route, counts) in rows() {
        for fault in Fault::ALL {
            let (side, kind, count) = (arm.name(), fault.name(), counts.failed(fault));
            page.line(format_args!(
                "twinload_gateway_canary_failures_total{{side=\"{side}\",route=\"{route}\",kind=\"{kind}\"}} {count}"
            ));
        }
    }
    page.family("twinload_gateway_canary_fell_back_total", "counter", "The candidate's, answered by the baseline.");
    for (_, route, counts) in rows().filter(|(arm, ..)| *arm == Arm::Candidate) {
        let count = counts.fell_back();
        page.line(format_args!("twinload_gateway_canary_fell_back_total{{route=\"{route}\"}} {count}"));
    }
    page.family("twinload_gateway_canary_caller_failed_total", "counter", "Callers that got a 5xx or no answer.");
    for (arm, route, counts) in rows() {
        let (side, count) = (arm.name(), counts.caller_failed());
        page.line(format_args!(
            "twinload_gateway_canary_caller_failed_total{{side=\"{side}\",route=\"{route}\"}} {count}"
        ));
    }
}
