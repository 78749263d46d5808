"""Medians and paired ratios with intervals that assume no distribution. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A median and its interval; below 6 values the interval is the plain range, which covers less than 95 %."""

    value: float
    lo: float
    hi: float
    count: int


def median_interval(values: Sequence[float]) -> Estimate:
    """Return the median and the interval between two order statistics that covers it with at least 95 %.

    Args:
        values: one per round, at least one.
    Source: Hahn, Meeker 1991, "Statistical Intervals", section 5.2 (binomial ranks).
    """
    ordered, count = sorted(values), len(values)
    below = 0  # how many may be left out at either end
    tail = 0.5**count
    while below + 1 < count / 2 and 2 * (tail + math.comb(count, below + 1) * 0.5**count) <= 1 - LEVEL:
        below += 1
        tail += math.comb(count, below) * 0.5**count
    # The interval from rank `below + 1` to `count - below` misses the median when at most `below` lie on one side.
    return Estimate(statistics.median(ordered), ordered[below], ordered[count - 1 - below], count)


def paired(numerators: Sequence[float | None], denominators: Sequence[float | None]) -> Estimate | None:
    """Return the median ratio over the rounds that have both; None when none has."""
    pairs = zip(numerators, denominators, strict=True)
    ratios = [one / other for one, other in pairs if one is not None and other is not None and other > 0]
    return median_interval(ratios) if ratios else None
