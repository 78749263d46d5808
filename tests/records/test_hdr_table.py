"""Histograms as tables: the same as the tuples, whatever way they are read and merged."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.hdr import BUCKETS, Sparse, mean_us, merged, quantile_us
from records.hdr_table import TableSum, parse_table, quantile_of_table_us
from records.second import Second, StatusCount
from records.second_table import SecondTable

sparse = st.dictionaries(st.integers(0, BUCKETS - 1), st.integers(1, 10**6), max_size=30).map(
    lambda found: tuple(sorted(found.items()))
)


@given(sparse)
def test_a_table_is_read_from_a_line_as_the_tuples_are(times: Sparse) -> None:
    assert tuple(map(tuple, parse_table(msgspec.json.encode(times)).tolist())) == times


def test_spaces_between_are_read_too() -> None:
    assert parse_table(b"[ [1, 2],\n[30, 4] ]").tolist() == [[1, 2], [30, 4]]


@pytest.mark.parametrize(
    "text", [b"[[1,2,3],[4]]", b"[1,2]", b"[[1,2.5]]", b"[[1,-2],[3]]", b'[["1",2]]', b"[[1,2]", b"{}"]
)
def test_what_is_no_list_of_pairs_is_refused(text: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        parse_table(text)


@given(st.lists(sparse, max_size=8))
def test_a_sum_of_tables_is_the_merged_histogram(many: list[Sparse]) -> None:
    out = TableSum()
    for times in many:
        out.add(times)
    assert out.sparse() == merged(many)
    assert out.total == sum(count for times in many for _, count in times)


@given(sparse.filter(bool), st.sampled_from([0.5, 0.9, 0.99]))
def test_a_quantile_of_a_table_is_that_of_the_tuples(times: Sparse, q: float) -> None:
    assert quantile_of_table_us(np.array(times), q) == quantile_us(times, q, beyond=0)


@pytest.mark.parametrize("times", [((BUCKETS, 1),), ((-1, 1),), ((5, 0),)])
def test_a_bucket_or_count_that_is_none_shows(times: Sparse) -> None:
    out = TableSum()
    out.add(times)
    with pytest.raises(ValueError, match="no histogram"):
        out.table()


def test_the_mean_takes_the_middle_of_each_bucket() -> None:
    assert mean_us(((10, 1), (20, 3))) == 17.5
    assert mean_us(((2_048, 2),)) == 2_048.5  # the first bucket of two µs: 2,048 and 2,049
    assert np.isnan(mean_us(()))


def test_a_line_read_as_tables_is_the_line_that_was_written() -> None:
    count = StatusCount(4, {"body": 1}, ((5, 4),), ((9, 4),), 8)
    line = Second(1, "u", 2, 3, "go", "balance", "measure", 4.0, 5, 0, ((3, 4),), 7, {"2xx": count}, 1, 0.5, 2)
    found = msgspec.json.decode(msgspec.json.encode(line), type=SecondTable)
    assert found.whole() == line
    assert (found.done, found.failed) == (line.done, line.failed) == (4, 1)
    latency, lag = found.status["2xx"].latency, found.send_lag
    assert latency is not None
    assert lag is not None
    assert (latency.tolist(), lag.tolist()) == ([[9, 4]], [[3, 4]])


def test_a_closed_loops_line_has_no_latency_and_no_lag() -> None:
    line = Second(1, "u", 2, 3, "go", "balance", "measure", None, 5, status={"2xx": StatusCount(4)})
    found = msgspec.json.decode(msgspec.json.encode(line), type=SecondTable)
    assert (found.status["2xx"].latency, found.send_lag, len(found.status["2xx"].service)) == (None, None, 0)
    assert found.whole() == line
