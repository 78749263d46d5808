"""The capacity search of one block: bounds by hand, and that it ends where it should, whatever the trials say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.search import Goal, Outcome, Search, relevant_bounds

GOAL = Goal(width_ratio=0.01)


def outcomes(*said: tuple[float, float | None]) -> list[Outcome]:
    return [Outcome(rate, excess) for rate, excess in said]


def drive(search: Search, capacity_rps: float) -> list[Outcome]:
    """Answer every trial by a sharp limit."""
    done: list[Outcome] = []
    while rates := search.next_rates(done):
        for rate in rates:
            done.append(Outcome(rate, 0.0 if rate <= capacity_rps else 50.0))
            if rate > capacity_rps:
                break  # what follows a bad trial at once is no evidence
    return done


def test_one_bad_trial_of_three_makes_no_upper_bound_and_two_do() -> None:
    once = relevant_bounds(outcomes((100, 0), (102, 9), (101, 0), (101, 9), (101, 0)), GOAL)
    assert (once.lower_rps, once.upper_rps, once.reached) == (101, 102, False)
    twice = relevant_bounds(outcomes((100, 0), (100, 0), (101, 9), (101, 9), (101, 0)), GOAL)
    assert (twice.lower_rps, twice.upper_rps, twice.reached) == (100, 101, True)


def test_the_split_has_the_least_surplus_below_it() -> None:
    ladder = ((100, 0), (101, 9), (102, 0), (103, 9))
    found = relevant_bounds(outcomes(*ladder), GOAL)
    assert (found.lower_rps, found.upper_rps) == (100, 101)
    again = relevant_bounds(outcomes(*ladder, (102, 0)), GOAL)
    assert (again.lower_rps, again.upper_rps, again.reached) == (102, 103, False)


@given(capacity=st.floats(400, 600), offset=st.floats(0, 0.999), flip=st.integers(0, 5))
def test_one_wrong_trial_moves_the_bounds_by_two_steps_at_most(capacity: float, offset: float, flip: int) -> None:
    search, done = Search(GOAL, offset, 500.0), list[Outcome]()
    while rates := search.next_rates(done):
        for rate in rates:
            good = (rate <= capacity) != (len(done) == flip)
            done.append(Outcome(rate, 0.0 if good else 50.0))
    found = relevant_bounds(done, GOAL)
    assert found.lower_rps is not None
    assert found.upper_rps is not None
    assert found.lower_rps <= capacity * 1.01**2.001
    assert found.upper_rps > capacity / 1.01**2.001


def test_a_bound_is_for_good_only_when_tried_again() -> None:
    assert not relevant_bounds(outcomes((100, 0), (101, 9)), GOAL).reached
    assert relevant_bounds(outcomes((100, 0), (101, 9), (100, 0), (101, 9)), GOAL).reached


def test_a_lower_bound_above_the_smallest_upper_bound_does_not_count() -> None:
    found = relevant_bounds(outcomes((100, 0), (101, 9), (105, 0)), GOAL)
    assert (found.lower_rps, found.upper_rps) == (100, 101)


def test_trials_without_evidence_leave_at_least() -> None:
    found = relevant_bounds(outcomes((100, 0), (200, None)), GOAL)
    assert found.at_least
    assert (found.lower_rps, found.upper_rps) == (100, None)


@given(
    capacity=st.floats(20, 1e6), offset=st.floats(0, 0.999), off=st.floats(0.3, 3), width=st.sampled_from([0.005, 0.02])
)
def test_a_sharp_limit_is_found_from_anywhere_within_the_width(
    capacity: float, offset: float, off: float, width: float
) -> None:
    search = Search(Goal(width_ratio=width, most_trials=60), offset, capacity * off)
    found = relevant_bounds(drive(search, capacity), search.goal)
    assert found.reached
    assert found.lower_rps is not None
    assert found.upper_rps is not None
    assert found.lower_rps <= capacity < found.upper_rps
    assert found.upper_rps / found.lower_rps == pytest.approx(1 + width)


def test_a_good_guess_needs_six_trials_at_two_percent() -> None:
    search = Search(Goal(width_ratio=0.02, coarse=2), 0.5, 1000.0)
    assert len(drive(search, 1000.0)) <= 6


@pytest.mark.parametrize(("begin", "places"), [(502, (2, -1)), (496, (-4, -1, 2)), (511, (11, 8, 5, -1))])
def test_a_walk_goes_from_good_to_bad_or_back_until_there_is_a_bound_of_either_kind(
    begin: int, places: tuple[int, ...]
) -> None:
    # Steps of 1 % and three of them at a time, twice as many after three in vain; the limit is half a step above 500.
    search = Search(Goal(width_ratio=0.01, coarse=3, rungs=1), 0.0, 1.01**begin)
    done = drive(search, 1.01**500.5)
    assert [search.step_of(one.rate_rps) - 500 for one in done] == list(places)
    found = relevant_bounds(done, search.goal)
    assert found.lower_rps is not None
    assert found.upper_rps is not None
    assert found.lower_rps < 1.01**500.5 < found.upper_rps


@pytest.mark.parametrize(("begin", "places"), [(509, (9, 9, 6, 6, 3, 3, 0, 0)), (497, (-3, 0, 3, 3))])
def test_a_walk_beyond_the_generators_reach_comes_back_by_its_own_steps(begin: int, places: tuple[int, ...]) -> None:
    search, done = Search(Goal(width_ratio=0.01, coarse=3, rungs=1), 0.0, 1.01**begin), list[Outcome]()
    while rates := search.next_rates(done):
        done += [Outcome(rate, None if rate > 1.01**500.5 else 0.0) for rate in rates]
    assert [search.step_of(one.rate_rps) - 500 for one in done] == list(places)
    assert relevant_bounds(done, search.goal).at_least


@given(offset=st.floats(0, 0.999), seed=st.integers(0, 1000))
def test_trials_that_say_anything_end_the_search(offset: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    search = Search(GOAL, offset, 500.0)
    done: list[Outcome] = []
    while rates := search.next_rates(done):
        assert list(rates) == sorted(set(rates))
        done += [Outcome(rate, rng.choice([0.0, 0.7, 1.4, 80.0, None])) for rate in rates]
    assert len(done) <= GOAL.most_trials + GOAL.rungs - 1  # the last ladder is driven whole


def test_loads_out_of_the_generators_reach_are_left_after_two_tries() -> None:
    search = Search(GOAL, 0.0, 1000.0)
    done: list[Outcome] = []
    while rates := search.next_rates(done):
        done += [Outcome(rate, None if rate > 1000 else 0.0) for rate in rates]
    found = relevant_bounds(done, GOAL)
    assert found.at_least
    assert found.lower_rps is not None
    assert 950 < found.lower_rps <= 1000
    assert len(done) < GOAL.most_trials


def test_nothing_is_tried_outside_the_ends() -> None:
    goal = Goal(lowest_rps=100, highest_rps=200)
    for capacity in (50.0, 400.0):
        done = drive(Search(goal, 0.3, 150.0), capacity)
        assert all(100 <= one.rate_rps <= 200 for one in done)
        assert len(done) < goal.most_trials


def test_the_grids_offset_spreads_the_middle_of_the_bounds_evenly_around_the_truth() -> None:
    rng = np.random.default_rng(5)
    goal, errors = Goal(width_ratio=0.02), []
    for _ in range(400):
        found = relevant_bounds(drive(Search(goal, rng.random(), 1000 * math.exp(rng.normal(0, 0.02))), 1000.0), goal)
        assert found.lower_rps is not None
        assert found.upper_rps is not None
        errors.append(math.log(found.lower_rps * found.upper_rps) / 2 - math.log(1000))
    width = math.log(1.02)  # uniform over ± width / 2: standard deviation width / sqrt(12), standard error that / 20
    assert abs(np.mean(errors)) < 4 * width / math.sqrt(12) / 20
    assert np.std(errors) == pytest.approx(width / math.sqrt(12), rel=0.1)
