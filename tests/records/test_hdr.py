"""The histogram codec, against an independent HDR histogram and a table that any other codec can be held to."""

import json
from pathlib import Path

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from records.hdr import (
    BUCKETS,
    HIGHEST_US,
    Histogram,
    bucket_of,
    highest_us,
    merged,
    quantile_us,
    total,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "hdr.json"
VALUES = st.integers(1, HIGHEST_US)
ORACLE = HdrHistogram(1, HIGHEST_US, 3)


@pytest.mark.parametrize("bits", range(1, HIGHEST_US.bit_length() + 1))
def test_buckets_are_those_of_the_reference(bits: int) -> None:
    rng = np.random.default_rng(20_260_101 + bits)
    low, high = 1 << (bits - 1), min((1 << bits) - 1, HIGHEST_US)
    for value in {low, min(low + 1, high), high, *rng.integers(low, high + 1, 60).tolist()}:
        bucket = bucket_of(value)
        assert bucket == ORACLE._counts_index_for(value), value
        assert int(highest_us(np.array([bucket]))[0]) == ORACLE.get_highest_equivalent_value(value), value


def test_the_golden_table_holds() -> None:
    table = json.loads(GOLDEN.read_text())
    assert table["highest_us"] == HIGHEST_US
    assert table["buckets"] == BUCKETS
    for value, bucket, highest in table["rows"]:
        assert bucket_of(value) == bucket, value
        assert int(highest_us(np.array([bucket]))[0]) == highest, value


def test_values_outside_the_range_go_to_its_ends() -> None:
    assert bucket_of(0) == bucket_of(-5) == bucket_of(1) == 1
    assert bucket_of(HIGHEST_US + 10**9) == bucket_of(HIGHEST_US) == BUCKETS - 1


@given(VALUES)
def test_a_bucket_is_never_wider_than_a_thousandth(value: int) -> None:
    bucket = np.array([bucket_of(value)])
    high = int(highest_us(bucket)[0])
    low = int(highest_us(bucket - 1)[0]) + 1
    assert low <= value <= high
    assert high - low <= value / 1_000


@given(VALUES, VALUES)
def test_buckets_keep_the_order_of_values(one: int, two: int) -> None:
    assert (bucket_of(one) <= bucket_of(two)) or one > two


@given(st.lists(VALUES, max_size=60), st.lists(VALUES, max_size=60))
def test_merging_is_recording_both(one: list[int], two: list[int]) -> None:
    def recorded(values: list[int]) -> Histogram:
        histogram = Histogram()
        for value in values:
            histogram.record(value)
        return histogram

    both = recorded(one + two).sparse()
    assert merged([recorded(one).sparse(), None, recorded(two).sparse()]) == both
    assert total(both) == len(one) + len(two)
    assert Histogram(both).sparse() == both


@pytest.mark.parametrize("q", [0.5, 0.9, 0.99])
def test_quantiles_agree_with_the_reference(q: float) -> None:
    rng = np.random.default_rng(3)
    ours, theirs = Histogram(), HdrHistogram(1, HIGHEST_US, 3)
    for value in rng.lognormal(9, 1, 5_000).astype(int).tolist():
        ours.record(value)
        theirs.record_value(value)
    assert quantile_us(ours.sparse(), q) == theirs.get_value_at_percentile(100 * q)


@pytest.mark.parametrize(("q", "enough"), [(0.5, 20), (0.9, 100), (0.99, 1_000), (0.999, 10_000)])
def test_a_quantile_needs_ten_samples_beyond_it(q: float, enough: int) -> None:
    assert quantile_us(((5, enough),), q) == 5.0
    assert quantile_us(((5, enough - 1),), q) is None


def test_the_nearest_rank_by_hand() -> None:
    # 1 … 1,000: rank ceil(0.99 * 1,000) = 990
    assert quantile_us(tuple((value, 1) for value in range(1, 1_001)), 0.99) == 990.0
    assert quantile_us(tuple((value, 1) for value in range(1, 22)), 0.5) == 11.0


@pytest.mark.parametrize("q", [0.0, 1.0, -0.1, 1.5])
def test_a_quantile_outside_zero_to_one_is_an_error(q: float) -> None:
    with pytest.raises(ValueError, match="is no quantile"):
        quantile_us(((1, 100),), q)


def test_nothing_recorded_has_no_figures() -> None:
    assert quantile_us((), 0.5) is None
    assert total(()) == 0


@pytest.mark.parametrize("entry", [(-1, 1), (BUCKETS, 1), (5, 0), (5, -2)])
def test_an_impossible_entry_is_an_error(entry: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="no histogram entry"):
        Histogram([entry])
