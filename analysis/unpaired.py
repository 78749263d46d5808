"""Ratios of two independent samples: one run's blocks against another's. Pure. The unit is the block or the pair.

Blocks of two runs are no pairs: they share neither time nor order. So the logarithms' means are compared as of two
samples with variances of their own (Welch).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from analysis.intervals import LEAST_FOR_T, Interval


def unpaired_ratio(base: Sequence[float], new: Sequence[float]) -> Interval | None:
    """Return new ÷ base: the ratio of geometric means with a Welch t interval of the logarithms.

    Args:
        base, new: one positive value by block; others have no logarithm and are left out.
    Returns:
        None when a side is empty; with fewer than 3 blocks on a side the least and the largest ratio of any two blocks,
        kind `range`. `count` is the smaller side's.
    Source: B. L. Welch 1947, "The generalization of 'Student's' problem when several different population variances
        are involved".
    """
    ours, theirs = ([math.log(value) for value in values if value > 0] for values in (base, new))
    if not ours or not theirs:
        return None
    count, middle = min(len(ours), len(theirs)), float(np.mean(theirs) - np.mean(ours))
    if count < LEAST_FOR_T:
        low, high = min(theirs) - max(ours), max(theirs) - min(ours)
        return Interval(math.exp(middle), math.exp(low), math.exp(high), count, "range")
    half = _half_width(ours, theirs)
    return Interval(math.exp(middle), math.exp(middle - half), math.exp(middle + half), count, "t95")


def ratio_of_estimates(base: Interval, new: Interval) -> Interval | None:
    """Return new ÷ base of two estimates that come with intervals alone, taken as independent.

    Half-widths of the logarithms add as squares (Zou, Donner 2008), of ranges end to end. None when an estimate or an
    end of one is not positive, for then the ratio has no bound.
    """
    if min(base.value, base.lo, new.value, new.lo) <= 0:
        return None
    below = (math.log(new.value / new.lo), math.log(base.hi / base.value))
    above = (math.log(new.hi / new.value), math.log(base.value / base.lo))
    ranges = "range" in (base.kind, new.kind)
    down, up = (sum(part) if ranges else math.hypot(*part) for part in (below, above))
    value = new.value / base.value
    kind = "range" if ranges else new.kind
    return Interval(value, value * math.exp(-down), value * math.exp(up), min(base.count, new.count), kind)


def _half_width(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the half width of the interval of a difference of means; 0 when neither side varies."""
    errors = [float(np.var(side, ddof=1)) / len(side) for side in (ours, theirs)]
    squared = sum(errors)
    if squared == 0:
        return 0.0
    freedom = squared**2 / sum(e**2 / (len(side) - 1) for e, side in zip(errors, (ours, theirs), strict=True))
    return float(stats.t.ppf(0.975, freedom)) * math.sqrt(squared)
