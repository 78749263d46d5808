"""Trials: what is counted out of seconds, and judged against the SLO, by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from swarm_cases import make_plan

from records.hdr import Histogram, Sparse, quantile_us
from records.plan import SloPlan
from records.second import Second, StatusCount
from records.stage import Phase, Stage, StageKind, StageLine
from swarm.search import Outcome
from swarm.trials import Counts, Half, Trial, TrialBook, evidence_of, judge_trial, late_of

SLO = SloPlan(p99_ms=10.0, failed_ratio=0.001)
GOOD = Counts(requests=2000, late=20, lost=2, arrivals=2000, answered=2000, connections=0)


def times(*values_ms: float) -> Sparse:
    out = Histogram()
    for value in values_ms:
        out.record(round(value * 1000))
    return out.sparse()


def line(stage_id: int, start: int, rate: float = 100.0, *, valid: bool = True, measure_s: int = 2) -> StageLine:
    stage = Stage(stage_id, "trial", "trial", "one", "front", 0, 0, rate, 1, measure_s)
    return StageLine(0, "", stage, "native-schedule", 1, start, None, 0, 0, valid=valid)


def second(at: int, phase: Phase, offered: float, latency: Sparse, *, failed: int = 0, dropped: int = 0) -> Second:
    done = sum(count for _, count in latency)
    status = {"2xx": StatusCount(done, {"status": failed} if failed else {}, latency, latency)}
    return Second(at, "", at, 1, "one", "front", phase, offered, done, dropped, status=status)


@pytest.mark.parametrize(
    ("change", "excess"),
    [
        ({"lost": 4}, 2.0),
        ({"lost": 0}, 1.0),
        ({"lost": 0, "late": 21}, 1.05),
        ({"lost": 0, "late": 0, "answered": 1960}, 2.0),
        ({"lost": 0, "late": 0, "answered": 1960, "connections": 64}, 0.0),
        ({"lost": 0, "late": 0, "answered": 2040}, 0.0),
    ],
)
def test_excess_is_the_worst_share_over_its_limit(change: dict[str, int], excess: float) -> None:
    judged = judge_trial(replace(GOOD, **change), SLO)
    assert judged.excess == pytest.approx(excess, abs=1e-9)
    assert judged.good == (excess <= 1)


def test_a_trial_without_requests_is_bad() -> None:
    assert not judge_trial(replace(GOOD, requests=0), SLO).good


def test_no_failure_is_allowed_where_the_limit_is_zero() -> None:
    strict = SloPlan(p99_ms=10.0, failed_ratio=0.0)
    assert judge_trial(replace(GOOD, lost=0), strict).good
    assert judge_trial(replace(GOOD, lost=1), strict).excess == math.inf


@given(st.lists(st.integers(1, 30_000), min_size=1000, max_size=1500))
def test_at_most_one_percent_late_is_p99_within_the_limit(values_us: list[int]) -> None:
    recorded = Histogram()
    for value in values_us:
        recorded.record(value)
    p99_us = quantile_us(recorded.sparse(), 0.99)
    assert p99_us is not None
    assert (late_of(recorded.sparse(), 10.0) <= 0.01 * len(values_us)) == (p99_us <= 10_000)


def test_a_book_counts_late_answers_of_the_drain_and_dropped_ones_as_late_and_lost() -> None:
    book = TrialBook(make_plan(slo={"p99_ms": 10.0}))
    book.add(second(5, "warmup", 3, times(1, 1, 50)))
    book.add(second(6, "measure", 4, times(1, 2, 3)))
    book.add(second(7, "warmup", 0, times(30)))
    book.add(second(7, "measure", 4, times(9, 20), failed=1, dropped=1))
    book.add(second(8, "drain", 0, times(40)))
    counts = book.counts(line(1, start=5))
    assert (counts.requests, counts.late, counts.lost) == (3 + 3 + 1, 1 + 1 + 1, 2)
    assert (counts.arrivals, counts.answered) == (8, 6)
    assert counts.halves == (Half(3, 0, pytest.approx(2.0, rel=1e-3)), Half(3, 2, pytest.approx(20.0, rel=1e-3)))


def test_a_twin_is_slow_itself_when_over_one_percent_were_late_from_their_actual_send_on() -> None:
    def told(slow: int, waited: int, *, kind: StageKind = "trial") -> bool:
        """Say so of 200 answers of which some were slow to answer and others waited before they were sent."""
        book = TrialBook(make_plan(slo={"p99_ms": 10.0}))
        service = times(*[50.0] * slow, *[1.0] * (200 - slow))
        latency = times(*[50.0] * (slow + waited), *[1.0] * (200 - slow - waited))
        status = {"2xx": StatusCount(200, {}, service=service, latency=latency)}
        book.add(Second(6, "", 6, 1, "one", "front", "measure", 200, 200, 0, status=status))
        asked = line(1, start=5)
        return book.is_slow_itself(replace(asked, stage=replace(asked.stage, kind=kind)))

    assert told(slow=3, waited=0)
    assert not told(slow=2, waited=0)  # 1 % is within the SLO
    assert not told(slow=0, waited=200)  # all late, and only for want of a connection
    assert not told(slow=3, waited=0, kind="measure")
    assert not TrialBook(make_plan()).is_slow_itself(line(1, start=5))  # nothing was counted


def test_what_was_slow_in_the_warm_up_says_nothing_of_a_trial() -> None:
    book = TrialBook(make_plan(slo={"p99_ms": 10.0}))
    book.add(second(5, "warmup", 100, times(*[50.0] * 100)))
    book.add(second(6, "measure", 100, times(*[1.0] * 100)))
    assert not book.is_slow_itself(line(1, start=5))


def trial(start: int, late: int, *, rate: float = 100.0, moved: bool = False, valid: bool = True) -> Trial:
    halves = (Half(1000, 0, 1.0), Half(1000, 0, 5.0 if moved else 1.0))
    return Trial(line(start, start, rate, valid=valid), replace(GOOD, late=late, lost=0, halves=halves))


def test_a_trial_right_behind_a_bad_one_is_no_evidence_and_one_after_a_drain_is() -> None:
    found = evidence_of([trial(0, 40), trial(3, 0, rate=101), trial(9, 0, rate=102)], SLO)
    assert found.outcomes == (Outcome(100, 2.0), Outcome(102, 0.0))


def test_an_invalid_trial_is_an_outcome_without_evidence() -> None:
    assert evidence_of([trial(0, 0, valid=False)], SLO).outcomes == (Outcome(100, None),)


def test_a_good_trial_that_was_not_steady_counts_and_is_marked() -> None:
    found = evidence_of([trial(0, 0, moved=True), trial(10, 0)], SLO)
    assert found.outcomes == (Outcome(100, 0.0), Outcome(100, 0.0))
    assert len(found.marked) == 1
