"""The truth test's quick form: targets against their closed forms, and the whole search against the targets."""

from __future__ import annotations

import argparse
import math

import numpy as np
import pytest

from benchmarks.truth.targets import (
    exponential,
    exponential_servers,
    fixed,
    many_servers,
    one_server,
    sojourn_tail,
    stalling,
    swinging,
)
from benchmarks.truth_virtual import study


def options(repetitions: int, time_limit_s: float = 2_400) -> argparse.Namespace:
    return argparse.Namespace(
        repetitions=repetitions, seed=1, jobs=1, ratio_width=0.05, time_limit=time_limit_s, trial_s=2, whole=False
    )


def test_departures_of_one_server_by_hand() -> None:
    assert one_server(np.array([0.0, 1.0, 5.0]), np.full(3, 2.0)).tolist() == [2, 4, 7]


def test_departures_of_two_servers_by_hand() -> None:
    # 0..3, 0.5..1, then the second server is free at 1: 1..4, and the first at 3: 3..4
    left = many_servers(np.array([0.0, 0.5, 0.6, 0.7]), np.array([3.0, 0.5, 3.0, 1.0]), 2)
    assert left.tolist() == [3, 1, 4, 4]


def test_one_server_is_many_servers_with_one() -> None:
    rng = np.random.default_rng(1)
    at, work = np.sort(rng.random(500)), rng.exponential(0.002, 500)
    assert one_server(at, work) == pytest.approx(many_servers(at, work, 1))


def test_capacities_in_closed_form() -> None:
    assert exponential(1000, 20).capacity_rps == pytest.approx(1000 - math.log(100) / 0.02)  # 769.7
    assert fixed(1000, 20).capacity_rps == 1000
    assert sojourn_tail(769.74, 1000, 1, 0.02) == pytest.approx(0.01, rel=1e-3)  # c = 1 is M/M/1


@pytest.mark.parametrize("target", [exponential(1000, 20), exponential_servers(1000, 4, 30)], ids=lambda t: t.name)
def test_long_runs_at_the_capacity_have_one_percent_late(target: object) -> None:
    run = target.run(np.random.default_rng(2), target.capacity_rps, 600)  # type: ignore[attr-defined]
    late = np.mean(run.departure_s - run.arrival_s > target.limit_ms / 1000)  # type: ignore[attr-defined]
    assert late == pytest.approx(0.01, rel=0.2)


def test_a_stalled_server_works_off_what_piled_up() -> None:
    target = stalling(1000, 35, stall_s=0.04, every_s=1.0)
    run = target.run(np.random.default_rng(3), 500, 50)
    took_s = run.departure_s - run.arrival_s
    assert np.all(np.diff(run.departure_s) > 0)
    assert took_s.min() == pytest.approx(0.001, rel=1e-6)
    assert 0.04 <= took_s.max() < 0.2


def test_the_capacity_of_a_server_that_stalls_is_where_one_percent_are_late() -> None:
    target = stalling(1000, 25, stall_s=0.03, every_s=2.0)
    run = target.run(np.random.default_rng(6), target.capacity_rps, 8_000)
    late = np.mean(run.departure_s - run.arrival_s > 0.025)
    assert late == pytest.approx(0.01, rel=0.1)  # of 4,000 stalls a run has


def test_a_server_that_is_too_late_at_every_rate_has_no_capacity() -> None:
    with pytest.raises(ValueError, match="no capacity between 20 and 980"):
        stalling(1000, 20, stall_s=0.04, every_s=1.0)


def test_a_fixed_service_time_is_found_within_half_a_percent_in_six_minutes() -> None:
    found = study("D/D/1", 1.6, options(10, 360))
    assert found.repetitions >= 8
    assert abs(found.capacity_bias) < 0.005
    assert abs(found.ratio_bias) < 0.005


def test_a_queue_is_found_within_two_percent() -> None:
    found = study("M/M/1", 1.6, options(15))
    assert abs(found.capacity_bias) < 0.02
    assert abs(found.ratio_bias) < 0.02
    assert found.ratio_covers >= 0.8


def test_identical_twins_are_seldom_called_different() -> None:
    found = study("fails above", 1.0, options(40))
    assert found.ratio_covers >= 0.85  # of 40 runs at 95 %, fewer than 34 would come once in 5,000


def test_a_swinging_machine_gives_its_mean_speed_in_the_long_run_and_another_at_every_moment() -> None:
    rng, target = np.random.default_rng(5), swinging(1000, 50, by=0.05)

    def given_rps(length_s: float, at_s: float) -> float:
        run = target.run(rng, 1500, length_s, at_s)
        return len(run.departure_s) / float(run.departure_s[-1])

    assert given_rps(900, 0) == pytest.approx(1000, rel=0.01)
    short = np.log([given_rps(3, at_s) for at_s in range(0, 2000, 50)])
    assert np.std(short) == pytest.approx(0.05, rel=0.3)
    assert given_rps(3, 70) == pytest.approx(given_rps(3, 70), rel=1e-3), "whoever runs on it"


def test_a_machine_that_does_not_swing_is_a_fixed_server() -> None:
    still = swinging(1000, 50, by=0.0).run(np.random.default_rng(6), 900, 10)
    plain = fixed(1000, 50).run(np.random.default_rng(6), 900, 10)
    assert still.departure_s == pytest.approx(plain.departure_s, abs=1e-6)
