"""Counts of a gray release: differences of polls, success with its interval, quantiles of buckets."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.canary_counts import (
    Compared,
    Counts,
    RouteCounts,
    proportion,
    quantile_ms,
    samples_for,
    since,
    success,
    together,
)

COUNTS = st.builds(
    Counts,
    requests=st.integers(0, 1000),
    failed=st.dictionaries(st.sampled_from(["refused", "late", "status"]), st.integers(1, 50)),
    fell_back=st.integers(0, 100),
    caller_failed=st.integers(0, 100),
    latency=st.dictionaries(st.sampled_from([100, 110, 5000, None]), st.integers(1, 500)).map(
        lambda found: tuple(sorted(found.items(), key=lambda one: math.inf if one[0] is None else one[0]))
    ),
)
ROUTES = st.builds(
    RouteCounts, baseline=COUNTS, candidate=COUNTS, compared=st.builds(Compared, match=st.integers(0, 9))
)


def test_a_poll_since_another_is_what_was_counted_between_them() -> None:
    earlier = RouteCounts(Counts(10), Counts(5, {"late": 1}, 1, 0, ((200, 4), (300, 1))), Compared(match=3))
    now = RouteCounts(Counts(14), Counts(8, {"late": 1, "reset": 2}, 3, 1, ((200, 5), (300, 3))), Compared(4, 1))
    found = since(now, earlier)
    assert found == RouteCounts(
        Counts(4), Counts(3, {"reset": 2}, 2, 1, ((200, 1), (300, 2))), Compared(match=1, mismatch=1)
    )


def test_counts_that_fell_began_anew_with_the_gateway() -> None:
    now = RouteCounts(Counts(3), Counts(1))
    assert since(now, RouteCounts(Counts(900), Counts(100))) == now


@given(ROUTES, ROUTES)
def test_what_came_between_two_polls_is_what_was_added(earlier: RouteCounts, more: RouteCounts) -> None:
    assert since(together((earlier, more)), earlier) == together((more,))


def test_wilson_of_no_failure_in_100_reaches_from_96_3_to_100_percent() -> None:
    found = proportion(100, 100)
    assert found is not None
    assert found.value == 1.0
    assert found.lo == pytest.approx(1 / (1 + 1.959964**2 / 100), abs=1e-6)  # 0.96301
    assert found.hi == 1.0


@pytest.mark.parametrize(("good", "of"), [(0, 7), (3, 7), (90, 100), (999, 1000), (12345, 12400)])
def test_wilson_is_scipys(good: int, of: int) -> None:
    found, oracle = proportion(good, of), stats.binomtest(good, of).proportion_ci(method="wilson")
    assert found is not None
    assert (found.lo, found.hi) == pytest.approx((oracle.low, oracle.high))


def test_success_counts_every_kind_of_failure_and_is_none_without_requests() -> None:
    found = success(Counts(200, {"late": 3, "status": 7}))
    assert found is not None
    assert found.value == 0.95
    assert success(Counts()) is None


def test_a_median_needs_20_samples_and_a_p99_1000() -> None:
    assert (samples_for(0.5), samples_for(0.99), samples_for(0.999)) == (20, 1000, 10_000)
    assert quantile_ms(Counts(latency=((1000, 19),)), 0.5) is None
    assert quantile_ms(Counts(latency=((1000, 20),)), 0.5) == 1.0
    assert quantile_ms(Counts(latency=((1000, 999),)), 0.99) is None


def test_a_quantile_is_the_upper_bound_of_the_bucket_of_its_rank() -> None:
    counts = Counts(latency=((100, 500), (2000, 490), (50_000, 10)))
    assert quantile_ms(counts, 0.5) == 0.1
    assert quantile_ms(counts, 0.99) == 2.0  # rank 990 of 1,000


def test_a_quantile_in_the_bucket_without_a_bound_is_infinite() -> None:
    assert quantile_ms(Counts(latency=((None, 11), (100, 9))), 0.5) == math.inf
