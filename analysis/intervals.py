"""Means and ratios with what is known of their spread. Pure. The unit is the block or the pair, never the request."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from scipy import stats

IntervalKind = Literal["t95", "range"]
LEAST_FOR_T: Final = 3  # below this a t interval says nothing worth drawing


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its interval: `t95`, or the plain `range` from minimum to maximum of fewer than 3 values."""

    value: float
    lo: float
    hi: float
    count: int
    kind: IntervalKind

    @property
    def note(self) -> str:
        """What the interval is, for people."""
        if self.kind == "range":
            return f"range of {self.count}: too few for an interval, minimum and maximum only"
        return f"95 % t interval over {self.count}"


def mean_interval(values: Sequence[float]) -> Interval | None:
    """Return the mean with a t interval of n − 1 degrees of freedom (n >= 3), else with minimum and maximum.

    Args:
        values: one finite value a block.
    Returns:
        None for no values.
    """
    if not values:
        return None
    mean = float(np.mean(values))
    if len(values) < LEAST_FOR_T:
        return Interval(mean, min(values), max(values), len(values), "range")
    half = _half_width(values)
    return Interval(mean, mean - half, mean + half, len(values), "t95")


def ratio_interval(pairs: Sequence[tuple[float, float]]) -> Interval | None:
    """Return candidate ÷ baseline over pairs: the geometric mean, and a t interval of the logarithms (n >= 3).

    Args:
        pairs: (baseline, candidate) by pair; a pair with a value that is not positive has no ratio and is left out.
    Returns:
        None when no pair is left.
    Source: T. Kalibera, R. Jones 2013, "Rigorous benchmarking in reasonable time" (the highest level repeats).
    """
    logs = [math.log(candidate / baseline) for baseline, candidate in pairs if baseline > 0 and candidate > 0]
    found = mean_interval(logs)
    if found is None:
        return None
    return Interval(math.exp(found.value), math.exp(found.lo), math.exp(found.hi), found.count, found.kind)


def _half_width(values: Sequence[float]) -> float:
    count = len(values)
    error = float(np.std(values, ddof=1)) / math.sqrt(count)
    return float(stats.t.ppf(0.975, count - 1)) * error
