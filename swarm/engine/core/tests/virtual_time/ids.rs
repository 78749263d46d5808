//! The ids of requests: each has its own, the same plan gives the same, one sent again keeps it.

use std::collections::HashSet;

use twinload_engine_core::plan::Plan;
use twinload_engine_core::stage::Load;
use twinload_engine_core::template::RequestSpec;

use crate::sim::{MS, Run, Server, plan, run};

fn asked(rate_rps: f64, ids: u64, server: Server) -> Run {
    let mut plan = Plan { ids, ..plan(Load::Rate(rate_rps), 4.0) };
    plan.endpoints[0].request = RequestSpec::get("/{request_id}");
    run(&plan, Server { keeps: true, ..server }, vec![])
}

fn distinct(run: &Run) -> HashSet<&String> {
    run.kept.iter().collect()
}

#[test]
fn no_two_requests_have_one_id_and_the_same_plan_gives_the_same_ones() {
    let (one, again) = (asked(500.0, 7, Server::default()), asked(500.0, 7, Server::default()));
    assert_eq!((one.kept.len(), distinct(&one).len()), (2_000, 2_000));
    assert_eq!(one.kept, again.kept);
    assert_eq!(one.kept[1], "GET /00000000000000070000000000000001 HTTP/1.1");
}

#[test]
fn another_run_has_other_ids() {
    let (one, other) = (asked(500.0, 7, Server::default()), asked(500.0, 8, Server::default()));
    assert!(distinct(&one).is_disjoint(&distinct(&other)));
}

#[test]
fn a_request_that_is_sent_again_keeps_its_id() {
    let one = asked(0.5, 7, Server { forgets_ns: Some(1_000 * MS), ..Server::default() });
    assert_eq!((one.done(), distinct(&one).len()), (2, 2));
    assert_eq!(one.kept.len(), 3, "{:?}", one.kept);
}
