"""The stop by width: by hand, and what it does to coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from analysis.stopping import confidence, half_width, is_narrow, sequential_interval
from benchmarks.truth_virtual import stopping


def test_the_half_width_of_three_values_by_hand() -> None:
    # spread 0.01, t(2) at 95.5 % two-sided is 4.5534
    assert half_width([-0.01, 0.0, 0.01], 0.955) == pytest.approx(4.5534 * 0.01 / math.sqrt(3), rel=1e-4)


def test_two_values_are_never_narrow_and_have_their_range() -> None:
    assert not is_narrow([0.1, 0.1], 1.0)
    found = sequential_interval([0.1, 0.3], 1.0)
    assert found is not None
    assert (found.kind, found.lo, found.hi) == ("range", 0.1, 0.3)
    assert sequential_interval([], 1.0) is None


def test_a_narrow_interval_is_reported_with_the_quantile_it_was_judged_with() -> None:
    logs = [0.0, 0.01, 0.02, 0.03, 0.04]
    for width, taken_at in ((1.0, 0.9875), (0.001, 0.97)):
        found = sequential_interval(logs, width)
        assert found is not None
        error = np.std(logs, ddof=1) / math.sqrt(5)
        assert found.hi - found.value == pytest.approx(stats.t.ppf(0.5 + taken_at / 2, 4) * error)
    assert is_narrow(logs, 1.0)


def test_half_a_width_of_three_values_by_hand() -> None:
    # t(2) at 96.5 % is 5.2039, the error of the mean 0.01 / sqrt(3)
    assert half_width([-0.01, 0.0, 0.01], confidence(3)) == pytest.approx(5.2039 * 0.01 / math.sqrt(3), rel=1e-4)


def test_the_mean_of_three_uniform_values_is_covered_as_often_as_said() -> None:
    drawn = np.random.default_rng(1).random((4000, 3)) - 0.5  # where the blocks of a sharp limit lie on their grids
    holds = [abs(row.mean()) <= half_width(row.tolist(), confidence(3)) for row in drawn]
    assert np.mean(holds) == pytest.approx(0.942, abs=0.015)  # standard error 0.4 %


def test_an_interval_of_pseudo_values_stands_around_what_they_are_of() -> None:
    logs = [0.0, 0.01, 0.02]
    mean, other = sequential_interval(logs, 1.0), sequential_interval(logs, 1.0, 0.05)
    assert mean is not None
    assert other is not None
    assert other.value == 0.05
    assert other.hi - 0.05 == pytest.approx(mean.hi - 0.01)


@pytest.mark.parametrize("spread", [0.1, 0.6, 1.5])
def test_the_stop_keeps_coverage_near_95_percent(spread: float) -> None:
    covers, _ = stopping(np.random.default_rng(3), 1500, spread=spread, most=10)
    assert 0.92 <= covers <= 0.97  # standard error 0.6 %
