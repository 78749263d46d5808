"""Medians of rounds, and their intervals."""

from __future__ import annotations

import pytest

from benchmarks.sending.ratios import median_interval, paired


@pytest.mark.parametrize(
    ("count", "lo", "hi"),
    # Ranks for at least 95 %: of 6 all (1 - 2/64 = 96.9 %), of 8 all (7 ranks in: 93 %), of 9 the 2nd to the 8th
    # (1 - 2 * 10/512 = 96.1 %), of 10 the 2nd to the 9th (1 - 2 * 11/1024 = 97.9 %), of 20 the 6th to the 15th.
    [(5, 1, 5), (6, 1, 6), (8, 1, 8), (9, 2, 8), (10, 2, 9), (20, 6, 15)],
)
def test_the_interval_of_a_median_lies_between_binomial_ranks(count: int, lo: int, hi: int) -> None:
    found = median_interval([float(value) for value in range(count, 0, -1)])
    assert (found.value, found.lo, found.hi) == ((count + 1) / 2, lo, hi)


def test_ratios_pair_the_rounds_that_have_both() -> None:
    found = paired([2.0, None, 9.0, 8.0], [1.0, 5.0, 3.0, None])
    assert found is not None
    assert (found.value, found.lo, found.hi, found.count) == (2.5, 2.0, 3.0, 2)
    assert paired([None], [1.0]) is None
