"""HDR histograms of microseconds: 1 µs to 1 h, three significant digits, kept sparse.

A bucket is an index into the counts array of an HdrHistogram with lowest value 1, highest 3.6e9 and three
digits: values below 2,048 have a bucket each, above that every doubling is cut into 1,024 buckets, so a bucket
is never wider than 0.1 % of its values. On disk: `[[bucket, count], …]`, ascending, counts > 0.

Source: G. Tene, HdrHistogram (the layout of its counts array, `countsArrayIndex`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

Sparse = tuple[tuple[int, int], ...]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

LOWEST_US: Final = 1
HIGHEST_US: Final = 3_600_000_000
_LINEAR: Final = 2_048  # values below have a bucket of their own
_HALF_BITS: Final = 10  # every doubling above is cut into 2**10 buckets


def bucket_of(value_us: int) -> int:
    """Return the bucket of a value; values outside 1 µs to 1 h go to the first or last bucket."""
    value_us = min(max(value_us, LOWEST_US), HIGHEST_US)
    if value_us < _LINEAR:
        return value_us
    shift = value_us.bit_length() - _HALF_BITS - 1
    return (shift << _HALF_BITS) + (value_us >> shift)


BUCKETS: Final = bucket_of(HIGHEST_US) + 1


def highest_us(buckets: IntArray) -> IntArray:
    """Return the largest value, in µs, that each bucket stands for (what a quantile reports)."""
    shift = np.maximum((buckets >> _HALF_BITS) - 1, 0)
    highest: IntArray = ((buckets - (shift << _HALF_BITS) + 1) << shift) - 1
    return highest


class Histogram:
    """A growing histogram: `record` is one dictionary step, so that a sender can afford it per request."""

    __slots__ = ("counts",)

    def __init__(self, sparse: Iterable[tuple[int, int]] = ()) -> None:
        self.counts: dict[int, int] = {}
        self.add(sparse)

    def record(self, value_us: int) -> None:
        """Count one value in µs."""
        bucket = bucket_of(value_us)
        self.counts[bucket] = self.counts.get(bucket, 0) + 1

    def add(self, sparse: Iterable[tuple[int, int]]) -> None:
        """Merge another histogram in; merging is the same as recording both."""
        for bucket, count in sparse:
            if not 0 <= bucket < BUCKETS or count < 1:
                raise ValueError(f"[{bucket}, {count}] is no histogram entry: bucket 0..{BUCKETS - 1}, count >= 1")
            self.counts[bucket] = self.counts.get(bucket, 0) + count

    def sparse(self) -> Sparse:
        """Return the counts as they stand on disk."""
        return tuple(sorted(self.counts.items()))

    @property
    def total(self) -> int:
        """How many values were recorded."""
        return sum(self.counts.values())


def merged(histograms: Iterable[Sparse | None]) -> Sparse:
    """Return the sum of histograms; None (nothing was measured) adds nothing."""
    out = Histogram()
    for sparse in histograms:
        if sparse is not None:
            out.add(sparse)
    return out.sparse()


def total(sparse: Sparse) -> int:
    """Return how many values a sparse histogram holds."""
    return sum(count for _, count in sparse)


def mean_us(sparse: Sparse) -> float:
    """Return the mean in µs, each value taken as the middle of its bucket; NaN for an empty histogram.

    A bucket is at most 0.1 % wide, and so is the error.
    """
    if not sparse:
        return float("nan")
    table = np.asarray(sparse, dtype=np.int64)
    highest = highest_us(table[:, 0])
    lowest = np.where(table[:, 0] > 0, highest_us(table[:, 0] - 1) + 1, 0)
    return float(np.average((lowest + highest) / 2, weights=table[:, 1]))


def quantile_us(sparse: Sparse, q: float, *, beyond: int = 10) -> float | None:
    """Return the nearest-rank quantile in µs, or None when too few samples stand behind it.

    Args:
        sparse: a histogram.
        q: the quantile, 0 < q < 1.
        beyond: how many samples must lie beyond the quantile (p99 wants 1,000 in all, p99.9 10,000).
    Returns:
        The largest value equivalent to the sample of rank ceil(q * n); None below n = beyond / (1 - q).
    Raises: ValueError when q is not inside (0, 1).
    """
    if not 0 < q < 1:
        raise ValueError(f"q = {q} is no quantile: give a number inside (0, 1)")
    count = total(sparse)
    if count == 0 or round(count * (1 - q), 9) < beyond:
        return None
    table = np.asarray(sparse, dtype=np.int64)
    rank = int(np.ceil(round(q * count, 9)))
    at = int(np.searchsorted(np.cumsum(table[:, 1]), rank))
    return float(highest_us(table[at : at + 1, 0])[0])
