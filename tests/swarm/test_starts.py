"""Where a block of the capacity search begins, by hand: steps of 2 %, ladders of four loads."""

from __future__ import annotations

import math
import random

import pytest

from swarm.search import Bounds, Goal
from swarm.starts import MOST_STEPS, WALK_BEGINS, Start, start_of

GOAL = Goal(width_ratio=0.02, rungs=4)


def bounds(lower_rps: float | None, upper_rps: float | None) -> Bounds:
    """Return the bounds of a block."""
    return Bounds(lower_rps, upper_rps, reached=False, trials=4)


def test_the_first_block_begins_around_the_rough_limit_with_a_wide_ladder() -> None:
    start = start_of((), 950.0, GOAL)
    assert (start.around_rps, start.coarse) == (950.0, 3)  # 5 % are two and a half steps


def test_after_one_bound_alone_a_wide_ladder_goes_on_from_it() -> None:
    # Four loads, three steps apart: the ladder reaches four and a half steps to either side of its middle.
    above, below = start_of([bounds(1000.0, None)], 950.0, GOAL), start_of([bounds(None, 1000.0)], 950.0, GOAL)
    assert above.around_rps == pytest.approx(1000 * 1.02**4.5)
    assert below.around_rps == pytest.approx(1000 / 1.02**4.5)
    assert (above.coarse, below.coarse) == (3, 3)


def test_a_block_that_showed_nothing_changes_nothing() -> None:
    assert start_of([bounds(None, None)], 950.0, GOAL) == start_of((), 950.0, GOAL)


def test_the_second_block_begins_in_the_middle_of_the_first_one_s_bounds() -> None:
    start = start_of([bounds(900.0, 1600.0)], 950.0, GOAL)
    assert (start.around_rps, start.coarse) == (pytest.approx(1200), 2)


def test_later_blocks_begin_around_the_mean_as_wide_as_those_before_them_differ() -> None:
    # Middles of 1,000 and 1,210: their mean is 1,100, their logarithms' deviation ln 1.21 / sqrt(2), 6.8 steps of 2 %.
    found = [bounds(1000.0, 1000.0), bounds(None, 5000.0), bounds(1210.0, 1210.0)]
    start = start_of(found, 950.0, GOAL)
    assert start.around_rps == pytest.approx(1100)
    assert start.coarse == round(math.log(1.21) / math.sqrt(2) / math.log(1.02)) == 7
    assert start_of([bounds(1000.0, 1000.0)] * 3, 950.0, GOAL).coarse == 1
    assert start_of([bounds(1.0, 1.0), bounds(1000.0, 1000.0)], 950.0, GOAL).coarse == MOST_STEPS


def test_walks_have_wider_steps_and_need_both_bounds_to_begin() -> None:
    assert not start_of([bounds(1000.0, None)], 950.0, GOAL, walks=True).is_walk
    assert start_of([bounds(900.0, 1600.0)], 950.0, GOAL, walks=True).coarse == 3
    found = [bounds(1000.0, 1000.0), bounds(1210.0, 1210.0)]  # one and a half times 6.8 steps of 2 %
    assert start_of(found, 950.0, GOAL, walks=True).coarse == round(
        1.5 * math.log(1.21) / math.sqrt(2) / math.log(1.02)
    )


def test_a_walk_begins_anywhere_within_a_step_and_a_half_of_the_middle() -> None:
    walk = Start(1000.0, 4, is_walk=True)
    places = [
        math.log(walk.search(GOAL, random.Random(seed)).start_rps / 1000) / (4 * math.log(1.02)) for seed in range(400)
    ]
    assert max(map(abs, places)) <= WALK_BEGINS
    assert sum(places) / len(places) == pytest.approx(0, abs=4 * WALK_BEGINS / math.sqrt(3 * 400))
    assert len([place for place in places if abs(place) > WALK_BEGINS / 2]) == pytest.approx(200, abs=40)


def test_a_ladder_stands_around_the_middle() -> None:
    search = Start(1000.0, 4).search(GOAL, random.Random(1))
    assert (search.start_rps, search.goal.coarse, search.goal.rungs) == (1000.0, 4, 4)
    assert Start(1000.0, 4, is_walk=True).search(GOAL, random.Random(1)).goal.rungs == 1
