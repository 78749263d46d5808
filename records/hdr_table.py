"""Histograms as tables, for who merges many: quick to read from a line, merged by the thousand.

A table is an array of shape (n, 2) of buckets and counts, what `[[bucket, count], …]` says. To read one out of a line's
bytes takes 6 µs for 185 buckets, to read tuples and merge them one by one 30 µs.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import msgspec
import numpy as np

from records.hdr import BUCKETS, IntArray, Sparse, highest_us

EMPTY: Final[IntArray] = np.empty((0, 2), dtype=np.int64)
_DIGITS: Final = b"0123456789"
_MOST_WAITING: Final = 50_000  # rows that wait to be merged
_TYPED: Final = msgspec.json.Decoder(Sparse)

Times = Sparse | IntArray
"""A histogram, as tuples or as a table."""


@lru_cache(maxsize=4)  # a line's histograms are asked for by several, one after the other
def parse_table(text: bytes) -> IntArray:
    """Return the table that JSON text holds; not to be written to.

    Raises: msgspec.DecodeError (or its ValidationError) when it is no list of pairs of whole numbers.
    """
    if len(text) <= 2:
        _TYPED.decode(text)
        return EMPTY
    pairs = text.count(b"[") - 1
    if text.translate(None, _DIGITS) != b"[" + b"[,]," * (pairs - 1) + b"[,]]":
        return as_table(_TYPED.decode(text))  # spaces between, or no histogram at all
    found: IntArray = np.fromstring(text.translate(None, b"[]"), dtype=np.int64, sep=",").reshape(-1, 2)
    return found


def as_table(times: Times) -> IntArray:
    """Return a histogram as a table."""
    if isinstance(times, np.ndarray):
        return times
    return np.array(times, dtype=np.int64).reshape(-1, 2)


class TableSum:
    """A histogram that grows by whole tables; merging is put off until many wait, and done by numpy at once."""

    __slots__ = ("_waiting", "_whole")

    def __init__(self) -> None:
        self._whole: IntArray = EMPTY
        self._waiting: list[IntArray] = []

    def add(self, times: Times) -> None:
        """Merge a histogram in; a bucket or count that is none shows when it is asked for a result."""
        if len(times):
            self._waiting.append(as_table(times))
            if len(self._waiting) % 64 == 0 and sum(map(len, self._waiting)) > _MOST_WAITING:
                self.table()

    def table(self) -> IntArray:
        """Return the sum, buckets rising; ValueError when it was given what is no histogram."""
        if self._waiting:
            rows = np.concatenate([self._whole, *self._waiting])
            buckets, counts = rows[:, 0], rows[:, 1]
            if buckets.min() < 0 or buckets.max() >= BUCKETS or counts.min() < 1:
                raise ValueError(f"no histogram: buckets are 0..{BUCKETS - 1}, counts >= 1")
            sums = np.bincount(buckets, weights=counts)
            at = np.flatnonzero(sums)
            self._whole, self._waiting = np.column_stack((at, sums[at].astype(np.int64))), []
        return self._whole

    def sparse(self) -> Sparse:
        """Return the sum as tuples."""
        return tuple((bucket, count) for bucket, count in self.table().tolist())

    @property
    def total(self) -> int:
        """How many values it holds."""
        return int(self.table()[:, 1].sum())


def quantile_of_table_us(table: IntArray, q: float) -> float:
    """Return the nearest-rank quantile in µs of a table that is not empty, its buckets rising, however few samples."""
    reached = np.cumsum(table[:, 1])
    rank = int(np.ceil(round(q * float(reached[-1]), 9)))
    at = int(np.searchsorted(reached, rank))
    return float(highest_us(table[at : at + 1, 0])[0])
