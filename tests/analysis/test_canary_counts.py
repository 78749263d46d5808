"""Counts of a gray release: what is new in a poll, success with its interval, quantiles of buckets."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from analysis.canary_counts import faults_of, kinds_of, proportion, quantile_ms, samples_for, since, success
from shadow.gray.counts import Failures, RouteCounts, SideCounts


def test_counts_that_fell_began_anew_with_the_gateway() -> None:
    now = RouteCounts(SideCounts(3), SideCounts(1))
    assert since(now, RouteCounts(SideCounts(900), SideCounts(100))) == now


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
    found = success(SideCounts(200, Failures(late=3, status=7)))
    assert found is not None
    assert found.value == 0.95
    assert success(SideCounts()) is None


def test_a_median_needs_20_samples_and_a_p99_1000() -> None:
    assert (samples_for(0.5), samples_for(0.99), samples_for(0.999)) == (20, 1000, 10_000)
    assert quantile_ms(SideCounts(latency=((1000, 19),)), 0.5) is None
    assert quantile_ms(SideCounts(latency=((1000, 20),)), 0.5) == 1.0
    assert quantile_ms(SideCounts(latency=((1000, 999),)), 0.99) is None


def test_a_quantile_is_the_upper_bound_of_the_bucket_of_its_rank() -> None:
    counts = SideCounts(latency=((100, 500), (2000, 490), (50_000, 10)))
    assert quantile_ms(counts, 0.5) == 0.1
    assert quantile_ms(counts, 0.99) == 2.0  # rank 990 of 1,000


def test_a_quantile_in_the_bucket_without_a_bound_is_infinite() -> None:
    assert quantile_ms(SideCounts(latency=((None, 11), (100, 9))), 0.5) == math.inf


def test_kinds_that_did_not_happen_are_left_out_and_faults_are_those_of_both_sides() -> None:
    assert kinds_of(Failures(reset=2, garbage=1)) == {"reset": 2, "garbage": 1}
    assert faults_of(RouteCounts(SideCounts(caller_failed=3), SideCounts(caller_failed=4))) == 7
