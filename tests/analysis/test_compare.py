"""Drawn runs held against one another: ratios by hand, thresholds, and what cannot be compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from defusedxml import ElementTree
from hypothesis import given
from hypothesis import strategies as st

from analysis.compare import Compared, ComparedRun, Comparison, compare, outcome_of
from analysis.findings import Findings
from analysis.intervals import Interval
from analysis.report.compare import compare_junit, compare_markdown, overall
from analysis.summary import summarise
from analysis.summary_schema import Throughput

FindDrawn = Callable[..., Findings]
PAIRS: dict[str, Any] = {"order": ("go", "rust") * 3, "endpoints": ("balance",)}
STEADY = {**PAIRS, "factors": (1.0,) * 6}
SLOWER = {**PAIRS, "factors": (1.0, 0.5) * 3, "memory_mib": {"go": 200, "rust": 90}}


def run_of(find_drawn: FindDrawn, **changes: Any) -> ComparedRun:
    findings = find_drawn(**changes)
    return ComparedRun(findings, summarise(findings))


def row_of(comparison: Comparison, subject: str, figure: str) -> Compared:
    (row,) = [row for row in comparison.rows if (row.subject, row.figure) == (subject, figure)]
    return row


def test_a_run_against_itself_passes(find_drawn: FindDrawn) -> None:
    run = run_of(find_drawn, **STEADY)
    found = compare(run, run)
    assert (found.verdict, found.reasons) == ("pass", ())
    saturation = row_of(found, "ratio", "saturation")
    assert saturation.ratio == Interval(1.0, 1.0, 1.0, 3, "t95")
    assert (saturation.allowed, saturation.outcome) == (0.9, "pass")


def test_a_candidate_of_half_the_throughput_fails_in_every_way_by_hand(find_drawn: FindDrawn) -> None:
    # rust gives 800 instead of 1,600 and so uses twice the CPU a request; 2 × 90 MiB are 1.5 times 2 × 60
    found = compare(run_of(find_drawn, **STEADY), run_of(find_drawn, **SLOWER))
    assert found.verdict == "fail"
    for subject in ("candidate", "ratio"):
        values = {f: row_of(found, subject, f).ratio for f in ("saturation", "cpu_s_per_1k", "memory", "p99")}
        assert {f: r.value for f, r in values.items() if r} == pytest.approx(
            {"saturation": 0.5, "cpu_s_per_1k": 2.0, "memory": 1.5, "p99": 1.0}
        )
    unchanged = row_of(found, "baseline", "saturation").ratio
    assert unchanged is not None
    assert unchanged.value == pytest.approx(1.0)
    failed = [(row.subject, row.figure) for row in found.rows if row.outcome == "fail"]
    assert failed == [("ratio", "saturation"), ("ratio", "cpu_s_per_1k"), ("ratio", "memory")]
    assert row_of(found, "candidate", "saturation").outcome is None  # only the ratio is asked by default
    assert found.reasons[0].startswith("balance, ratio, saturation: 0.500 (0.500 to 0.500), allowed at least 0.9")


def test_two_pairs_decide_nothing(find_drawn: FindDrawn) -> None:
    run = run_of(find_drawn, endpoints=("balance",))
    found = compare(run, run)
    assert found.verdict == "inconclusive"
    assert "under 3 pairs" in found.reasons[0]


def test_a_run_below_its_limit_bounds_the_ratio_on_one_side(find_drawn: FindDrawn) -> None:
    steady = run_of(find_drawn, **STEADY)
    below = run_of(
        find_drawn, **{**STEADY, "rates_rps": (200.0, 400.0, 600.0, 700.0, 1_000.0)}
    )  # go alone at its limit
    assert row_of(compare(steady, below), "candidate", "saturation").bound == "at_least"
    assert row_of(compare(below, steady), "candidate", "saturation").bound == "at_most"
    both = row_of(compare(below, below), "candidate", "saturation")
    assert (both.ratio, both.note) == (None, "neither run saw the limit: both figures are but bounds")


def test_figures_at_other_rates_are_not_compared(find_drawn: FindDrawn) -> None:
    one = run_of(find_drawn, **{**STEADY, "rates_rps": (500.0, 2_000.0)})
    two = run_of(find_drawn, **{**STEADY, "rates_rps": (550.0, 2_000.0)})
    far = run_of(find_drawn, **{**STEADY, "rates_rps": (700.0, 2_000.0)})
    near = compare(one, two)
    p99, cpu = row_of(near, "candidate", "p99"), row_of(near, "candidate", "cpu_s_per_1k")
    assert p99.ratio is None
    assert "the runs carry other rates: 500 and 550 a second" in p99.note
    assert cpu.ratio is not None  # depends little on the rate
    assert row_of(compare(one, far), "candidate", "cpu_s_per_1k").ratio is None


def with_capacity(run: ComparedRun, twin: str, capacity: Throughput) -> ComparedRun:
    endpoints = run.summary.twins[twin]
    changed = {**endpoints, "balance": replace(endpoints["balance"], capacity_rps=capacity)}
    return replace(run, summary=replace(run.summary, twins={**run.summary.twins, twin: changed}))


def test_capacities_are_compared_by_their_intervals_and_asked_only_where_searched(find_drawn: FindDrawn) -> None:
    run = run_of(find_drawn, **STEADY)
    assert row_of(compare(run, run), "candidate", "capacity").outcome is None
    searched = with_capacity(run, "rust", Throughput(1_000, 950, 1_050, False, 5, "t95"))
    row = row_of(compare(searched, searched), "candidate", "capacity")
    assert row.ratio is not None
    assert row.ratio.lo < 1.0 < row.ratio.hi
    assert row_of(compare(run, searched), "candidate", "capacity").note == "the base has no capacity"


def test_a_partial_run_is_never_a_pass(find_drawn: FindDrawn) -> None:
    run = run_of(find_drawn, **STEADY)
    found = compare(run, run_of(find_drawn, **STEADY, ends=("interrupted",)))
    assert found.verdict == "inconclusive"
    assert "is partial" in found.reasons[-1]


def test_markdown_and_junit_tell_every_threshold(find_drawn: FindDrawn) -> None:
    steady, slower = run_of(find_drawn, **STEADY), run_of(find_drawn, **SLOWER)
    both = (compare(steady, steady), compare(steady, slower))
    assert [overall(both), overall(both[:1]), overall([])] == ["fail", "pass", "inconclusive"]
    text = compare_markdown(both)
    for part in ("# PASS: ", "# FAIL: ", "| 0.500× | 0.500 to 0.500 | ≥ 0.9 | FAIL |", "not adjusted", "changed: none"):
        assert part in text
    suites = ElementTree.fromstring(compare_junit(both))
    assert [(s.get("tests"), s.get("failures")) for s in suites] == [("4", "0"), ("4", "4")]
    names = [case.get("name") for case in suites[1]]
    assert names == [
        "saturation new ÷ base ≥ 0.9", "cpu_s_per_1k new ÷ base ≤ 1.1", "memory new ÷ base ≤ 1.25", "verdict",
    ]  # fmt: skip


def test_a_threshold_is_kept_only_by_a_whole_interval() -> None:
    near = Interval(1.0, 0.88, 1.12, 5, "t95")
    assert outcome_of(near, 0.9, more_is_better=True) == "inconclusive"
    assert outcome_of(near, 0.85, more_is_better=True) == "pass"
    assert outcome_of(near, 1.13, more_is_better=True) == "fail"
    assert outcome_of(near, 1.15, more_is_better=False) == "pass"
    assert outcome_of(near, 0.8, more_is_better=False) == "fail"
    assert outcome_of(replace(near, kind="range"), 0.1, more_is_better=True) == "inconclusive"


def test_a_bound_decides_one_way_alone() -> None:
    half = Interval(0.5, 0.4, 0.6, 5, "t95")
    assert outcome_of(half, 0.9, more_is_better=True, bound="at_least") == "inconclusive"
    assert outcome_of(half, 0.9, more_is_better=True, bound="at_most") == "fail"
    assert outcome_of(half, 0.3, more_is_better=True, bound="at_least") == "pass"
    assert outcome_of(half, 0.3, more_is_better=True, bound="at_most") == "inconclusive"


@given(st.floats(0.1, 10), st.floats(0.1, 1), st.floats(1, 10), st.floats(0.1, 10), st.booleans())
def test_the_better_the_ratio_the_better_the_outcome(
    value: float, low: float, high: float, allowed: float, more: bool
) -> None:
    order = ("fail", "inconclusive", "pass")
    worse = Interval(value, value * low, value * high, 5, "t95")
    factor = 1.5 if more else 1 / 1.5
    better = Interval(value * factor, worse.lo * factor, worse.hi * factor, 5, "t95")
    first, second = (order.index(outcome_of(r, allowed, more_is_better=more)) for r in (worse, better))
    assert second >= first
