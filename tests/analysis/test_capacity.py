"""Capacity out of trials: conditional throughput and ratios by hand, and when a search knows enough."""

from __future__ import annotations

import math

import pytest

from analysis.capacity import block_capacities, capacity_of, capacity_ratio
from benchmarks.truth.virtual import make_plan
from records.stage import Stage, StageLine
from swarm.trials import Counts, Trial

PLAN = make_plan(20.0, seed=1, time_limit_s=360, ratio_width=0.05)


def trials(twin: str, pair: int, lower: float, *, short: float = 0.0, upper_valid: bool = True) -> list[Trial]:
    """Return a settled block: bounds 2 % apart, each tried twice."""
    out = []
    for turn in range(2):
        for rate, late in ((lower, 0), (lower * 1.02, 200)):
            number = len(out) + 10 * pair + (1000 if twin == "candidate" else 0)
            stage = Stage(number, "trial", "trial", twin, "known", pair, 2 * pair + (twin == "candidate"), rate, 1, 2)
            counts = Counts(2000, late, 0, 2000, round(2000 * (1 - (0.0 if late else short))), None, 0)
            valid = upper_valid or not late
            line = StageLine(0, "", stage, "x", 1, 100 * number + turn, None, 0, 0, valid=valid)
            out.append(Trial(line, counts))
    return out


def test_a_blocks_capacity_is_the_middle_of_its_bounds_times_what_was_answered() -> None:
    (plain,) = block_capacities(trials("baseline", 0, 1000.0), PLAN)
    assert plain.settled
    assert plain.value_rps == pytest.approx(1000 * math.sqrt(1.02))
    (short,) = block_capacities(trials("baseline", 0, 1000.0, short=0.005), PLAN)
    assert short.value_rps == pytest.approx(1000 * math.sqrt(1.02) * 0.995)


def test_a_block_whose_upper_trials_were_no_evidence_says_at_least() -> None:
    (found,) = block_capacities(trials("baseline", 0, 1000.0, upper_valid=False), PLAN)
    assert (found.at_least, found.value_rps) == (True, 1000.0)


def test_a_search_cut_short_counts_once_it_saw_both_sides_of_the_limit() -> None:
    (both,) = block_capacities(trials("baseline", 0, 1000.0)[:2], PLAN)
    assert (both.settled, both.counts) == (False, True)
    beyond = block_capacities(trials("baseline", 0, 1000.0)[1:2], PLAN)
    assert not beyond[0].counts
    assert capacity_of(beyond, "baseline", "known", PLAN) is None


def test_the_ratio_is_the_geometric_mean_over_pairs_and_bounded_where_a_twin_was_not_at_its_limit() -> None:
    every = [t for p, f in enumerate((1.9, 2.0, 2.1)) for t in trials("baseline", p, 1000)
             + trials("candidate", p, 1000 * f)]  # fmt: skip
    blocks = block_capacities(every, PLAN)
    found = capacity_ratio(blocks, "known", PLAN)
    assert found is not None
    assert found.interval.value == pytest.approx((1.9 * 2.0 * 2.1) ** (1 / 3))
    assert (found.interval.count, found.interval.kind, found.bound) == (3, "t95", None)
    open_ = block_capacities(trials("baseline", 0, 1000) + trials("candidate", 0, 2000, upper_valid=False), PLAN)
    bounded = capacity_ratio(open_, "known", PLAN)
    assert bounded is not None
    assert bounded.bound == "at_least"


def test_no_interval_is_narrower_than_an_eighth_of_the_width() -> None:
    every = [t for p in range(3) for t in trials("baseline", p, 1000) + trials("candidate", p, 2000)]
    found = capacity_ratio(block_capacities(every, PLAN), "known", PLAN)
    assert found is not None
    assert found.interval.hi / found.interval.value == pytest.approx(1.02 ** (1 / 8))
