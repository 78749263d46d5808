//! What an owner sees and steers: vitals second by second.

use twinload_engine_core::stage::Load;

use crate::sim::{MS, Server, plan, run};

#[test]
fn vitals_are_told_at_every_second_idle_or_not() {
    // The server closes its connection 1.2 s after the answer.
    let server = Server { idle_ns: Some(1_200 * MS), ..Server::default() };
    let one = run(&plan(Load::Rate(1.0 / 3.0), 4.0), server, vec![]);
    let all: Vec<_> = one
        .seconds
        .iter()
        .map(|(second, vitals)| (*second, vitals.cpu_ns / MS, vitals.opened, vitals.closed))
        .collect();
    // The only arrival is at 1.5 s, half a step of 3 s; its end at 1,503 ms, the close at 2,703 ms; CPU time is a quarter.
    assert_eq!(all, [(1, 250, 0, 0), (2, 500, 1, 0), (3, 750, 1, 1), (4, 1_000, 1, 1), (5, 1_000, 1, 1)]);
}
