"""Means and ratios with their spread."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.intervals import mean_interval, ratio_interval
from analysis.ratio import paired_ratio

POSITIVE = st.floats(1e-3, 1e6)
PAIRS = st.lists(st.tuples(POSITIVE, POSITIVE), min_size=1, max_size=12)


def test_three_values_give_a_t_interval_worked_out_by_hand() -> None:
    # mean 2, s = 1, standard error 1/sqrt(3) = 0.57735, t(0.975, 2) = 4.30265 -> half width 2.48414
    found = mean_interval([1.0, 2.0, 3.0])
    assert found is not None
    assert (found.kind, found.count) == ("t95", 3)
    assert (found.value, found.lo, found.hi) == pytest.approx((2.0, -0.48414, 4.48414), abs=1e-5)


def test_two_values_give_their_range_and_say_so() -> None:
    found = mean_interval([4.0, 2.0])
    assert found is not None
    assert (found.value, found.lo, found.hi, found.kind) == (3.0, 2.0, 4.0, "range")
    assert "too few" in found.note


def test_no_values_have_no_mean() -> None:
    assert mean_interval([]) is None
    assert ratio_interval([]) is None
    assert ratio_interval([(0.0, 1.0)]) is None


def test_a_ratio_is_the_geometric_mean_of_its_pairs() -> None:
    found = ratio_interval([(1.0, 2.0), (1.0, 8.0)])
    assert found is not None
    assert found.kind == "range"
    assert (found.value, found.lo, found.hi) == pytest.approx((4.0, 2.0, 8.0))


def test_the_t_interval_of_log_ratios_agrees_with_scipy() -> None:
    rng = np.random.default_rng(7)
    pairs = [(float(b), float(c)) for b, c in rng.lognormal(0, 0.3, (6, 2))]
    logs = [math.log(c / b) for b, c in pairs]
    low, high = stats.t.interval(0.95, 5, loc=np.mean(logs), scale=stats.sem(logs))
    found = ratio_interval(pairs)
    assert found is not None
    assert (found.lo, found.hi) == pytest.approx((math.exp(low), math.exp(high)))


@given(PAIRS)
def test_the_value_lies_in_its_interval_and_between_its_pairs(pairs: list[tuple[float, float]]) -> None:
    found = ratio_interval(pairs)
    assert found is not None
    ratios = [c / b for b, c in pairs]
    assert found.lo <= found.value * (1 + 1e-9)
    assert found.value <= found.hi * (1 + 1e-9)
    assert min(ratios) * (1 - 1e-9) <= found.value <= max(ratios) * (1 + 1e-9)


@given(PAIRS)
def test_swapping_the_twins_inverts_the_ratio(pairs: list[tuple[float, float]]) -> None:
    one, two = ratio_interval(pairs), ratio_interval([(c, b) for b, c in pairs])
    assert one is not None
    assert two is not None
    assert (one.value, one.lo, one.hi) == pytest.approx((1 / two.value, 1 / two.hi, 1 / two.lo), rel=1e-6)


@given(PAIRS, st.floats(0.1, 10))
def test_a_common_factor_scales_the_interval(pairs: list[tuple[float, float]], factor: float) -> None:
    one, two = ratio_interval(pairs), ratio_interval([(b, c * factor) for b, c in pairs])
    assert one is not None
    assert two is not None
    assert (two.value, two.lo, two.hi) == pytest.approx(
        (one.value * factor, one.lo * factor, one.hi * factor), rel=1e-6
    )


@given(PAIRS, st.randoms(use_true_random=False))
def test_the_order_of_pairs_does_not_matter(pairs: list[tuple[float, float]], random: object) -> None:
    shuffled = list(pairs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, two = ratio_interval(pairs), ratio_interval(shuffled)
    assert one is not None
    assert two is not None
    assert (one.value, one.lo, one.hi) == pytest.approx((two.value, two.lo, two.hi), rel=1e-9)


def test_only_pairs_that_both_twins_have_are_compared() -> None:
    found = paired_ratio({0: 1.0, 1: 2.0, 2: 5.0}, {1: 4.0, 2: 10.0, 3: 9.0})
    assert found is not None
    assert (found.value, found.pairs, found.interval) == (pytest.approx(2.0), 2, "range")
    assert found.note == "2 pairs: too few for an interval, minimum and maximum only"
    assert paired_ratio({0: 1.0}, {1: 1.0}) is None
