"""Exact limits of a share: by hand, by printed tables, and against another implementation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from shadow.binomial import interval, upper_limit


def test_an_interval_of_no_hits_and_of_all_by_hand() -> None:
    # No hit of n: 1 − 0.025^(1/n); all of n: 0.025^(1/n).
    assert interval(0, 100) == pytest.approx((0.0, 1 - 0.025**0.01))
    assert interval(100, 100) == pytest.approx((0.025**0.01, 1.0))


def test_one_hit_of_two_by_hand() -> None:
    # At most one of two: 1 − p² = 0.025; at least one of two: 1 − (1 − p)² = 0.025.
    assert interval(1, 2) == pytest.approx((1 - 0.975**0.5, 0.975**0.5))
    assert upper_limit(1, 2, 0.95) == pytest.approx(0.95**0.5)


def test_of_nothing_every_share_is_possible() -> None:
    assert interval(0, 0) == (0.0, 1.0)
    assert upper_limit(0, 0, 0.95) == 1.0


@given(st.integers(1, 5_000), st.data())
def test_an_interval_is_that_of_the_exact_test(of: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, of))
    exact = binomtest(hits, of).proportion_ci(method="exact")
    assert interval(hits, of) == pytest.approx((exact.low, exact.high), abs=1e-9)
