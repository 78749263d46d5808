"""Ratios of two independent samples: by hand, against scipy, and what must always hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.intervals import Interval
from analysis.unpaired import ratio_of_estimates, unpaired_ratio

positive = st.floats(1e-3, 1e6)


def test_two_samples_by_hand() -> None:
    # logs 0, 1, 2 and 2, 3, 4: means 1 apart by 2, variances 1, so an error of √(2/3) at 4 degrees of freedom
    found = unpaired_ratio([1.0, math.e, math.e**2], [math.e**2, math.e**3, math.e**4])
    assert found is not None
    half = 2.7764451 * math.sqrt(2 / 3)
    assert math.log(found.value) == pytest.approx(2.0)
    assert (math.log(found.lo), math.log(found.hi)) == pytest.approx((2 - half, 2 + half))
    assert (found.count, found.kind) == (3, "t95")


@pytest.mark.parametrize("seed", range(5))
def test_the_interval_is_welchs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    base, new = rng.lognormal(3, 0.1, 4), rng.lognormal(3.2, 0.3, 9)
    found = unpaired_ratio(base.tolist(), new.tolist())
    known = stats.ttest_ind(np.log(new), np.log(base), equal_var=False).confidence_interval(0.95)
    assert found is not None
    assert (found.lo, found.hi) == pytest.approx((math.exp(known.low), math.exp(known.high)))


def test_runs_that_are_alike_are_told_apart_in_five_of_a_hundred() -> None:
    seed, runs = 20_261_121, 2_000
    rng = np.random.default_rng(seed)
    claimed = 0
    for _ in range(runs):
        found = unpaired_ratio(rng.lognormal(5, 0.05, 8).tolist(), rng.lognormal(5, 0.05, 8).tolist())
        assert found is not None
        claimed += not found.lo <= 1 <= found.hi
    # about 4.7 % (Welch is a little careful with few blocks), three standard errors of 0.5 % either way
    assert 0.033 <= claimed / runs <= 0.062, f"seed {seed}: {claimed} of {runs}"


def test_under_three_blocks_there_are_least_and_largest_alone() -> None:
    found = unpaired_ratio([100.0, 110.0], [220.0, 200.0, 210.0])
    assert found is not None
    assert (found.lo, found.hi, found.kind) == (pytest.approx(200 / 110), pytest.approx(2.2), "range")


def test_samples_that_never_vary_have_an_interval_without_width() -> None:
    found = unpaired_ratio([2.0] * 3, [3.0] * 3)
    assert found is not None
    assert found.lo == found.value == found.hi == pytest.approx(1.5)


def test_nothing_positive_is_no_ratio() -> None:
    assert unpaired_ratio([], [1.0]) is None
    assert unpaired_ratio([1.0], [0.0, -1.0]) is None


@given(st.lists(positive, min_size=1, max_size=8), st.lists(positive, min_size=1, max_size=8))
def test_turned_round_it_is_the_inverse(base: list[float], new: list[float]) -> None:
    one, two = unpaired_ratio(base, new), unpaired_ratio(new, base)
    assert one is not None
    assert two is not None
    assert one.lo <= one.value * (1 + 1e-9)
    assert one.value <= one.hi * (1 + 1e-9)
    assert (one.value, one.lo, one.hi) == pytest.approx((1 / two.value, 1 / two.hi, 1 / two.lo), rel=1e-6)


def test_half_widths_of_estimates_add_as_squares_of_their_logarithms() -> None:
    # 100 with factors e^0.03 either way, 200 with e^0.04: e^0.05 around 2
    base = Interval(100, 100 / math.exp(0.03), 100 * math.exp(0.03), 5, "t95")
    new = Interval(200, 200 / math.exp(0.04), 200 * math.exp(0.04), 4, "t95")
    found = ratio_of_estimates(base, new)
    assert found is not None
    assert (found.value, found.lo, found.hi) == pytest.approx((2.0, 2 / math.exp(0.05), 2 * math.exp(0.05)))
    assert (found.count, found.kind) == (4, "t95")
    ranges = ratio_of_estimates(Interval(100, 90, 110, 2, "range"), new)
    assert ranges is not None
    assert (ranges.lo, ranges.hi) == pytest.approx((new.lo / 110, new.hi / 90))
    assert ranges.kind == "range"


def test_an_estimate_that_reaches_zero_bounds_no_ratio() -> None:
    assert ratio_of_estimates(Interval(1, 0, 2, 3, "t95"), Interval(1, 1, 1, 3, "t95")) is None
