"""Counts, bounds and when a gate passes, by hand-made pairs."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.plan import Expect
from shadow.answer import Answer, Case, Pair, Reply, Unanswered
from shadow.report import GateReport
from shadow.scrub import Scrubber
from shadow.tally import FINDINGS, Need, Tally, needs_of, rate_bound, unexpected

OK = Answer(200, (("content-type", "application/json"),), b'{"n":1}')
OTHER = Answer(200, (("content-type", "application/json"),), b'{"n":2}')
BROKEN = Answer(500, (("content-type", "application/json"),), b'{"n":1}')
SILENT = Unanswered("timeout", "late")


def case(number: int = 0, kind: str = "valid", tier: str = "fan") -> Case:
    expect = Expect(headers={"Content-Type": "application/json"}) if kind == "valid" else None
    return Case(number, "balance", kind, "", tier, "GET", f"/u/{number}", f"/u/{number}", expect=expect)


def tally(wanted: int = 3, needs: tuple[Need, ...] = ()) -> Tally:
    return Tally(wanted={"balance": wanted}, needs=needs, headers=["content-type"], scrubber=Scrubber([]))


def closed(counter: Tally, stopped: str = "") -> GateReport:
    return counter.report(utc="2026-01-01T00:00:00Z", baseline="old", candidate="new", stopped=stopped)


def with_pairs(
    *pairs: tuple[Reply, Reply], wanted: int | None = None, kind: str = "valid", asked: int = 1
) -> GateReport:
    counter = tally(len(pairs) if wanted is None else wanted)
    for number, (one, two) in enumerate(pairs):
        counter.add(Pair(case(number, kind), "old-1", "new-1", one, two, asked))
    return closed(counter)


def test_nothing_differs_and_the_gate_passes() -> None:
    report = with_pairs(*[(OK, OK)] * 3)
    (count,) = report.endpoints
    assert report.passed
    assert report.why == ()
    assert (count.compared, count.matched, count.mismatches, count.bound) == (3, 3, 0, 1.0)


@pytest.mark.parametrize(
    ("pair", "why"),
    [
        ((OK, OTHER), "balance: 1 of 3 differ"),
        ((OK, SILENT), r"balance: 1 of 3 differ \(1 without an answer\)"),
        ((SILENT, SILENT), r"balance: 1 of 3 differ \(1 without an answer\)"),
        ((BROKEN, BROKEN), "balance: 1 valid requests were not answered by the baseline as expected"),
    ],
)
def test_one_bad_pair_fails_the_gate_and_is_named(pair: tuple[Reply, Reply], why: str) -> None:
    report = with_pairs((OK, OK), pair, (OK, OK))
    assert not report.passed
    assert re.fullmatch(why, "; ".join(report.why))
    (finding,) = report.findings
    assert finding.target == "/u/1"


def test_two_equal_failures_of_a_bad_request_are_a_match() -> None:
    assert with_pairs((BROKEN, BROKEN), kind="bad-parameter").passed


def test_too_few_pairs_fail_the_gate() -> None:
    report = with_pairs((OK, OK), wanted=2)
    assert report.why == ("balance: 1 pairs were compared, 2 are wanted",)


def test_nothing_compared_is_no_pass_and_no_bound() -> None:
    report = closed(tally())
    assert not report.passed
    assert report.endpoints[0].bound is None
    assert report.record("k").bound == {}


def test_a_gate_that_was_stopped_does_not_pass() -> None:
    counter = tally(1)
    counter.add(Pair(case(), "a", "b", OK, OK))
    assert closed(counter, stopped="stopped early").why == ("stopped early",)


def test_a_kind_that_never_met_a_tier_fails_the_gate() -> None:
    counter = tally(1, tuple(needs_of([case(), case(tier="whale")])))
    counter.add(Pair(case(), "a", "b", OK, OK))
    assert closed(counter).why == ("never compared: balance, valid, tier whale",)


def test_a_race_that_was_resolved_is_a_match_and_counted_apart() -> None:
    report = with_pairs((OK, OK), asked=3)
    assert report.passed
    assert (report.endpoints[0].raced, report.endpoints[0].unresolved) == (1, 0)


def test_a_race_to_the_end_is_no_match_and_no_mismatch() -> None:
    one, two = (Answer(200, (("ledger-as-of", n),), b"{}") for n in "12")
    report = with_pairs((one, two), asked=4)
    (count,) = report.endpoints
    assert (count.compared, count.raced, count.unresolved) == (0, 1, 1)
    assert not report.passed
    assert report.findings[0].note == "the answers saw unlike states of the data: 1 and 2"


def test_coverage_counts_by_kind_tier_and_status_class() -> None:
    counter = tally()
    counter.add(Pair(case(0), "a", "b", OK, OK))
    counter.add(Pair(case(1), "a", "b", OK, OTHER))
    counter.add(Pair(case(2, "bad-parameter", "whale"), "a", "b", BROKEN, BROKEN))
    counter.add(Pair(case(3, "bad-parameter", "whale"), "a", "b", SILENT, OK))
    rows = [(r.kind, r.tier, r.status_class, r.pairs, r.mismatches) for r in closed(counter).coverage]
    assert rows == [
        ("bad-parameter", "whale", "5xx", 1, 0),
        ("bad-parameter", "whale", "none", 1, 1),
        ("valid", "fan", "2xx", 2, 1),
    ]


def test_findings_are_capped_and_the_rest_counted_in_order_of_cases() -> None:
    counter = tally()
    for number in reversed(range(FINDINGS + 5)):
        counter.add(Pair(case(number), "a", "b", OK, OTHER))
    report = closed(counter)
    assert len(report.findings) == FINDINGS
    assert report.withheld == 5
    assert [f.target for f in report.findings] == [f"/u/{n}" for n in range(5, FINDINGS + 5)]


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ((("content-type", "application/json"),), None),
        ((("content-type", "application/json; charset=utf-8"),), None),
        ((("content-type", "application/jsonx"),), "content-type is application/jsonx"),
        ((), "content-type is absent"),
    ],
)
def test_an_expected_header_may_have_parameters(headers: tuple[tuple[str, str], ...], why: str | None) -> None:
    found = unexpected(Expect(headers={"Content-Type": "application/json"}), Answer(200, headers, b""))
    assert (found is None) if why is None else (why in (found or ""))


@pytest.mark.parametrize(
    ("mismatches", "pairs", "expected"),
    [(0, 3_000, 0.001), (0, 1, 1.0), (3_000, 3_000, 1.0), (1, 3_000, 0.0015804), (1, 10, 0.394163), (5, 10, 0.777559)],
)
def test_the_bound_is_that_of_the_tables(mismatches: int, pairs: int, expected: float) -> None:
    """One-sided 95 % limits of Clopper and Pearson; 1 of 10: 0.394 and 5 of 10: 0.778 stand in printed tables."""
    assert rate_bound(mismatches, pairs) == pytest.approx(expected, rel=1e-4)


def test_no_pairs_give_no_bound() -> None:
    assert rate_bound(0, 0) is None


@given(st.integers(1, 400), st.data())
def test_at_the_bound_so_few_mismatches_are_seen_in_five_of_a_hundred(pairs: int, data: st.DataObject) -> None:
    mismatches = data.draw(st.integers(1, pairs) if pairs > 1 else st.just(1))
    bound = rate_bound(mismatches, pairs)
    assert bound is not None
    if mismatches == pairs:
        assert bound == 1.0
        return
    chance = sum(math.comb(pairs, k) * bound**k * (1 - bound) ** (pairs - k) for k in range(mismatches + 1))
    assert chance == pytest.approx(0.05, rel=1e-6)
