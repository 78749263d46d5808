//! The steady state takes no memory: turns of the loop are measured one by one.

use std::sync::Arc;

use twinload_engine_core::parse::body_hash;
use twinload_engine_core::plan::Plan;
use twinload_engine_core::stage::Load;
use twinload_engine_core::tally::second_of;

use crate::sim::{MS, Server, plan, worker};

/// Runs a plan for four seconds and returns the allocations of all turns from the second second on that told nothing, and
/// how many requests were sent in them.
fn taken(plan: &Plan) -> (u64, usize) {
    let (mut worker, _control) = worker(plan, Server::default(), 0);
    let (mut taken, mut sent) = (0, 0);
    while worker.io().now_ns < 4_000 * MS {
        let (before_ns, before) = (worker.io().now_ns, worker.io().sent_ns.len());
        let turn = allocation_counter::measure(|| assert!(worker.turn().expect("a turn")));
        // A turn tells first, what the wait before it ended with.
        if before_ns >= 2_000 * MS && before_ns % 1_000_000_000 != 0 {
            assert_eq!(second_of(before_ns), second_of(before_ns - 1));
            taken += turn.count_total;
            sent += worker.io().sent_ns.len() - before;
        }
    }
    (taken, sent)
}

#[test]
fn no_turn_that_tells_nothing_takes_memory() {
    let open = Plan { open_ahead: 64, ..plan(Load::Rate(5_000.0), 10.0) };
    let (memory, sent) = taken(&open);
    assert!(sent > 9_900, "{sent}");
    assert_eq!(memory, 0);
    let closed = Plan { think_s: 0.001, open_ahead: 64, ..plan(Load::Users(20), 10.0) };
    let (memory, sent) = taken(&closed);
    assert!(sent > 12_000, "{sent}");
    assert_eq!(memory, 0);
}

#[test]
fn checking_takes_no_memory_either() {
    let mut checked = Plan { check_ratio: 0.5, open_ahead: 64, ..plan(Load::Rate(5_000.0), 10.0) };
    checked.endpoints[0].expect_headers = vec![("content-length".into(), "2".into())];
    checked.endpoints[0].bodies = Some(Arc::from([body_hash(b"ok")]));
    let (memory, sent) = taken(&checked);
    assert!(sent > 9_900, "{sent}");
    assert_eq!(memory, 0);
}
