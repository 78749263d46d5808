//! What is checked of answers: status, then header lines, then a share of the bodies.

use std::sync::Arc;

use twinload_engine_core::parse::body_hash;
use twinload_engine_core::plan::Plan;
use twinload_engine_core::stage::Load;
use twinload_engine_core::tally::Cause;

use crate::sim::{Run, Server, plan, run};

/// Runs 1,000 requests of one user, answered by `answer`, with a check of some header lines and of the body's hash.
fn checked(answer: &'static [u8], lines: &[(&str, &str)], known: Option<u64>, check_ratio: f64) -> Run {
    let mut plan = Plan { check_ratio, ..plan(Load::Rate(1_000.0), 1.0) };
    plan.endpoints[0].expect_headers = lines.iter().map(|&(name, value)| (name.into(), value.into())).collect();
    plan.endpoints[0].bodies = known.map(|hash| Arc::from([hash]));
    run(&plan, Server { answer, ..Server::default() }, vec![])
}

const TYPED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Served-By: b \r\nContent-Length: 2\r\n\r\nok";
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n";

#[test]
fn every_expected_header_line_must_be_there_with_its_value() {
    let failed = |lines: &[(&str, &str)]| checked(TYPED, lines, None, 1.0).failed(Cause::Header);
    assert_eq!(failed(&[("content-type", "text/plain"), ("x-served-by", "b")]), 0);
    assert_eq!(failed(&[("content-type", "text/plain"), ("x-served-by", "c")]), 1_000);
    assert_eq!(failed(&[("content-type", "text/PLAIN")]), 1_000);
    assert_eq!(failed(&[("etag", "1")]), 1_000);
}

#[test]
fn the_status_is_judged_before_the_header_lines_and_those_before_the_body() {
    let busy = b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno";
    let one = checked(busy, &[("etag", "1")], Some(1), 1.0);
    assert_eq!(
        (one.failed(Cause::Status(503)), one.failed(Cause::Header), one.sum(|line| line.checked)),
        (1_000, 0, 0)
    );
    let two = checked(TYPED, &[("etag", "1")], Some(1), 1.0);
    assert_eq!((two.failed(Cause::Header), two.failed(Cause::Body), two.sum(|line| line.checked)), (1_000, 0, 0));
}

#[test]
fn a_body_is_compared_with_the_known_one_and_one_that_is_not_known_passes() {
    for answer in [TYPED, CHUNKED] {
        let counts = |known| {
            let one = checked(answer, &[], known, 1.0);
            (one.sum(|line| line.checked), one.failed(Cause::Body), one.done())
        };
        assert_eq!(counts(Some(body_hash(b"ok"))), (1_000, 0, 1_000));
        assert_eq!(counts(Some(body_hash(b"other"))), (1_000, 1_000, 1_000));
        assert_eq!((counts(Some(0)), counts(None)), ((0, 0, 1_000), (0, 0, 1_000)));
    }
}

#[test]
fn the_share_of_compared_bodies_is_the_one_that_was_asked_for() {
    let one = checked(TYPED, &[], Some(5), 0.25);
    let compared = one.sum(|line| line.checked);
    // Standard error sqrt(1,000 * 0.25 * 0.75) = 13.7; five of them.
    assert!(compared.abs_diff(250) < 69, "{compared}");
    assert_eq!(one.failed(Cause::Body), compared);
    assert_eq!(checked(TYPED, &[], Some(5), 0.0).sum(|line| line.checked), 0);
}
