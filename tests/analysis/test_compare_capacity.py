"""Runs that searched a capacity, held against one another: the ratio of capacities has its interval and threshold."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from analysis.compare import ComparedRun, Comparison, compare
from analysis.findings import Findings
from analysis.summary import summarise
from benchmarks.truth.targets import exponential

FindSearched = Callable[..., Findings]
SLOWER = {"go": exponential(500.0, 40.0), "rust": exponential(600.0, 40.0)}


def compared(base: Findings, new: Findings) -> Comparison:
    return compare(ComparedRun(base, summarise(base)), ComparedRun(new, summarise(new)))


def test_a_run_of_other_arrivals_keeps_its_capacities(find_searched: FindSearched) -> None:
    found = compared(find_searched(), find_searched(seed=2))
    rows = {(row.subject, row.figure): row for row in found.rows}
    for subject in ("baseline", "candidate", "ratio"):
        ratio = rows[subject, "capacity"].ratio
        assert ratio is not None
        assert (ratio.kind, ratio.value) == (
            "t95",
            pytest.approx(1, rel=0.15),  # a queue's capacity strays by 5 % a run
        )
        assert ratio.lo < ratio.value < ratio.hi
    assert rows["ratio", "capacity"].allowed == 0.9
    assert rows["ratio", "cpu_s_per_1k"].outcome == rows["ratio", "memory"].outcome == "pass"
    assert rows["ratio", "saturation"].outcome is None  # one block a run: the capacity decides


def test_a_candidate_that_lost_a_third_of_its_capacity_fails(find_searched: FindSearched) -> None:
    # 600 a second within 40 ms is a capacity of 484.9 for 884.9
    found = compared(find_searched(), find_searched(targets=SLOWER, cpu_s={"go": 1 / 500, "rust": 1 / 600}))
    assert found.verdict == "fail"
    assert any(reason.startswith("balance, ratio, capacity") for reason in found.reasons)
