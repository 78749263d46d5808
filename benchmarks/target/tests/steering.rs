//! Orders take effect within 10 ms, over real sockets and read from what was counted: constant arrivals say by their
//! number until when they went on. The median of five runs, for the machine may take a thread its time once.

mod support;

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use twinload_engine_core::engine::Engine;
use twinload_engine_core::hdr::{quantile_us, total};
use twinload_engine_core::net::monotonic_ns;
use twinload_engine_core::plan::Plan;
use twinload_engine_core::stage::{Load, Stage};
use twinload_engine_core::template::{Columns, RequestSpec};

use support::{Sums, Target, sums};

/// How long an order may take until its effect.
const LIMIT_MS: f64 = 10.0;
/// The order comes this long after the begin.
const ORDER_AFTER: Duration = Duration::from_millis(40);

/// Asserts about the ms between five orders and their effects; `slack_ms` is how exactly the effect can be computed.
fn assert_in_time(slack_ms: f64, once: impl FnMut(usize) -> f64) {
    let mut delays_ms: Vec<f64> = (0..5).map(once).collect();
    delays_ms.sort_by(f64::total_cmp);
    println!("effects after {delays_ms:.3?} ms");
    assert!(delays_ms[0] > -slack_ms && delays_ms[2] < LIMIT_MS, "{delays_ms:?}");
}

/// Starts a stage, gives an order in the midst, and returns the begin, the moment of the order, and the sums.
fn order_in(plan: &Plan, order: impl FnOnce(&Engine)) -> (f64, f64, Sums) {
    let start_ns = monotonic_ns() + 5_000_000;
    let engine = Engine::start(plan, start_ns).expect("it starts");
    std::thread::sleep(ORDER_AFTER);
    let ordered_ns = monotonic_ns();
    order(&engine);
    (start_ns as f64 / 1e6, ordered_ns as f64 / 1e6, sums(&engine.join().expect("it ends")))
}

fn endless(load: Load) -> Vec<Stage> {
    vec![Stage::new(0, load, 0.0, f64::INFINITY)]
}

#[test]
fn a_new_rate_takes_effect_within_10_ms() {
    let target = Target::start();
    let plan = target.plan(vec![Stage::new(0, Load::Rate(1_000.0), 0.0, 0.1)]);
    assert_in_time(0.2, |_| {
        let (start_ms, ordered_ms, all) = order_in(&plan, |engine| engine.set_rate(9_000.0));
        assert_eq!((all.done, all.dropped, all.failed, total(&all.latency)), (all.sent, 0, 0, all.offered));
        // 1 a ms for x ms and 9 a ms for the rest of 100 ms.
        let effect_ms = (9.0 * 100.0 - all.offered as f64) / 8.0;
        start_ms + effect_ms - ordered_ms
    });
    assert!(target.count() > 5 * 100);
}

#[test]
fn a_stop_takes_effect_within_10_ms() {
    let target = Target::start();
    let plan = target.plan(endless(Load::Rate(10_000.0)));
    assert_in_time(0.2, |_| {
        let (start_ms, ordered_ms, all) = order_in(&plan, Engine::stop);
        start_ms + all.offered as f64 / 10.0 - ordered_ms
    });
}

/// Returns a plan for somebody who lets the kernel accept connections and never answers.
fn unanswered(address: SocketAddr, load: Load) -> Plan {
    Plan::simple(vec![address], RequestSpec::get("/"), Columns::default(), endless(load))
}

#[test]
fn an_abort_takes_effect_within_10_ms() {
    assert_in_time(0.2, |_| {
        // A new one every time, for what nobody accepts stays in its queue, closed or not.
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let plan = unanswered(listener.local_addr().expect("bound"), Load::Rate(1_000.0));
        let (start_ms, ordered_ms, all) = order_in(&plan, Engine::abort);
        // The first was meant for half a ms after the begin, and ended with the abort.
        let longest_ms = quantile_us(&all.latency, 1.0).unwrap_or_else(|| panic!("{all:?}")) as f64 / 1e3;
        start_ms + 0.5 + longest_ms - ordered_ms
    });
}

#[test]
fn a_new_number_of_users_takes_effect_within_10_ms() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let plan = unanswered(listener.local_addr().expect("bound"), Load::Users(0));
    assert_in_time(0.0, |_| {
        let mut seen_ms = 0.0;
        let (_, ordered_ms, all) = order_in(&plan, |engine| {
            engine.set_users(1);
            drop(listener.accept().expect("the user's connection"));
            seen_ms = monotonic_ns() as f64 / 1e6;
            engine.stop();
        });
        assert!(all.sent >= 1 && all.sent <= all.offered, "{all:?}");
        seen_ms - ordered_ms
    });
}

/// 1.25 s at 1,000 a second, of which the first second is left to others.
#[test]
fn a_share_that_is_taken_over_is_sent_from_then_on_alone() {
    let target = Target::start();
    let from_ns = monotonic_ns() + 100_000_000;
    let plan = Plan { open_ahead: 8, ..target.plan(vec![Stage::new(0, Load::Rate(1_000.0), 0.0, 1.25)]) };
    let told = Engine::take_over(&plan, from_ns - 1_000_000_000, from_ns).expect("it starts").join().expect("it ends");
    let all = sums(&told);
    assert_eq!((all.offered, all.sent, all.dropped, all.failed), (250, 250, 0, 0));
    assert_eq!((target.count(), told[0].lines[0].key.second), (250, from_ns / 1_000_000_000));
    assert!(told[0].seconds.last().is_some_and(|(_, vitals)| vitals.opened >= 8));
}
