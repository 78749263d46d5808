"""Pacing with a fake clock: planned starts, equal rates, spread, and no debts. Pure: nothing sleeps."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from swarm_cases import make_stage

from swarm.pacing import PROBE_SPREAD_S, Course


def starts_of(course: Course, phase: float, seats: int, service_s: float = 0.0) -> list[float]:
    """Return when a seat starts whose answers take service_s: it asks again after every answer."""
    slot, now_s, starts = -1, 0.0, []
    while True:
        slot, at_s = course.next_start(slot, phase, seats, now_s)
        at_s = max(at_s, now_s)
        if at_s >= course.length_s:
            return starts
        starts.append(at_s)
        now_s = at_s + service_s
        if service_s == 0.0:
            now_s = math.nextafter(now_s, math.inf)


def test_planned_starts_are_the_area_under_the_rate() -> None:
    course = Course([make_stage(0, 100.0, ramp_s=0.5), make_stage(1, 300.0, ramp_s=1.0)])
    assert [course.offered(second) for second in range(6)] == [75, 100, 100, 200, 300, 300]  # 0.5 x 50 + 0.5 x 100, …
    assert course.planned(6) == 875 + 200
    assert course.length_s == 6


def test_a_falling_ramp_counts_the_same_way() -> None:
    course = Course([make_stage(0, 300.0), make_stage(1, 100.0, ramp_s=1.0)])
    assert course.offered(3) == 200
    assert course.offered(4) == 100


def test_a_probe_offers_nothing_planned() -> None:
    course = Course([make_stage(0, None)])
    assert [course.offered(second) for second in range(3)] == [None] * 3


def test_a_start_belongs_to_the_stage_of_its_time() -> None:
    course = Course([make_stage(0), make_stage(1)])
    found = [course.stage_at(t) for t in (-0.001, 0.0, 2.999, 3.0, 5.999, 6.0)]
    assert [stage and stage.id for stage in found] == [None, 0, 0, 1, 1, None]


def test_a_seat_starts_once_an_interval_at_its_phase() -> None:
    # 10 seats share 20 rps: each starts every 0.5 s, the one with phase 0.4 at 0.2 s first.
    starts = starts_of(Course([make_stage(0, 20.0, ramp_s=0.0)]), 0.4, 10)
    assert starts == pytest.approx([0.2, 0.7, 1.2, 1.7, 2.2, 2.7])


rate = st.floats(1.0, 500.0)


@given(rates=st.lists(rate, min_size=1, max_size=4), ramp_s=st.floats(0.0, 1.0), seats=st.integers(1, 60))
def test_all_seats_have_equal_rates_and_together_make_the_plan(rates: list[float], ramp_s: float, seats: int) -> None:
    course = Course([make_stage(i, r, ramp_s=ramp_s) for i, r in enumerate(rates)])
    counts = [len(starts_of(course, (seat + 0.5) / seats, seats)) for seat in range(seats)]
    assert max(counts) - min(counts) <= 1
    assert abs(sum(counts) - course.planned(course.length_s)) <= 1


@given(rates=st.lists(rate, min_size=1, max_size=3), ramp_s=st.floats(0.0, 1.0), seats=st.integers(1, 40))
def test_each_second_gets_its_planned_starts(rates: list[float], ramp_s: float, seats: int) -> None:
    course = Course([make_stage(i, r, ramp_s=ramp_s) for i, r in enumerate(rates)])
    found = Counter(int(s) for seat in range(seats) for s in starts_of(course, (seat + 0.5) / seats, seats))
    for second in range(course.length_s):
        assert abs(found[second] - (course.offered(second) or 0)) <= 2


@given(
    phase=st.floats(0.0, 1.0, exclude_max=True),
    rate_rps=rate,
    service_s=st.floats(0.001, 2.0),
    seats=st.integers(1, 20),
)
def test_a_seat_never_has_two_requests_under_way(phase: float, rate_rps: float, service_s: float, seats: int) -> None:
    starts = starts_of(Course([make_stage(0, rate_rps)]), phase, seats, service_s)
    assert all(later - sooner >= service_s * 0.999999 for sooner, later in pairwise(starts))


def test_a_late_seat_starts_at_once_and_makes_up_one_start_only() -> None:
    # Every 0.5 s at phase 0: an answer of 1.7 s misses 0.5, 1.0 and 1.5; one start is made up at 1.7, then 2.0 again.
    course = Course([make_stage(0, 2.0, ramp_s=0.0)])
    slot, at_s = course.next_start(-1, 0.0, 1, 0.0)
    assert (slot, at_s) == (0, 0.0)
    slot, at_s = course.next_start(slot, 0.0, 1, 1.7)
    assert (slot, at_s) == (3, 1.7)
    slot, at_s = course.next_start(slot, 0.0, 1, 1.75)
    assert (slot, at_s) == (4, 2.0)


def test_a_server_slower_than_the_plan_sets_the_rate() -> None:
    starts = starts_of(Course([make_stage(0, 10.0, ramp_s=0.0)]), 0.0, 1, service_s=0.25)
    assert len(starts) == 12  # 3 s of answers of 0.25 s, where 30 were planned


def test_a_slow_answer_among_quick_ones_costs_no_start() -> None:
    course = Course([make_stage(0, 10.0, ramp_s=0.0)])
    slot, now_s, count = -1, 0.0, 0
    while now_s < 3.0:
        slot, at_s = course.next_start(slot, 0.5, 1, now_s)
        now_s = max(at_s, now_s) + (0.15 if count % 5 == 0 else 0.02)
        count += 1
    assert abs(count - 30) <= 1


def test_a_probe_starts_again_at_once_after_a_spread_beginning() -> None:
    course = Course([make_stage(0, None)])
    assert course.next_start(-1, 0.6, 10, -0.5) == (-1, 0.6 * PROBE_SPREAD_S)
    assert course.next_start(-1, 0.6, 10, 1.25) == (-1, 1.25)


def test_after_its_end_a_sweep_has_no_next_start() -> None:
    course = Course([make_stage(0, 10.0)])
    assert course.next_start(5, 0.5, 10, 3.0) == (5, math.inf)
    assert course.next_start(2, 0.5, 10, 2.999)[1] == math.inf


def test_slots_go_on_from_stage_to_stage() -> None:
    starts = starts_of(Course([make_stage(0, 10.0, ramp_s=0.0), make_stage(1, 20.0, ramp_s=0.0)]), 0.5, 10)
    assert starts == pytest.approx([0.5, 1.5, 2.5, 3.25, 3.75, 4.25, 4.75, 5.25, 5.75])
