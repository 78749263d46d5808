"""Figures of what the gateway counted of the sides of a gray release: success, quantiles, faults. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Final

from shadow.gray.counts import Failures, RouteCounts, SideCounts

Z95: Final = 1.959963984540054
"""The standard normal's 97.5 % quantile."""
BEYOND: Final = 10
"""Samples that must lie beyond a quantile for it to be told."""


@dataclass(frozen=True, slots=True)
class Proportion:
    """A share of requests with its 95 % interval (Wilson)."""

    value: float
    lo: float
    hi: float
    count: int


def since(now: RouteCounts, earlier: RouteCounts) -> RouteCounts:
    """Return what was counted between two polls; counts that fell began anew at 0, so all of `now` is new."""
    return now.since(earlier) or now


def success(counts: SideCounts) -> Proportion | None:
    """Return the share of a side's requests that it answered well itself; None without a request.

    Source: E. B. Wilson 1927, "Probable inference, the law of succession, and statistical inference": an interval that
    says something at 0 failures too.
    """
    return proportion(counts.requests - counts.failed.total, counts.requests)


def proportion(good: int, of: int) -> Proportion | None:
    """Return good ÷ of with its Wilson 95 % interval; None of nothing. More failures than requests count as all."""
    if of <= 0:
        return None
    share = min(max(good / of, 0.0), 1.0)
    square = Z95 * Z95
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = Z95 / (1 + square / of) * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    return Proportion(share, max(middle - half, 0.0), min(middle + half, 1.0), of)


def quantile_ms(counts: SideCounts, q: float) -> float | None:
    """Return the nearest-rank quantile of a side's latency, its bucket's upper bound (at most 10 % above), in ms.

    None with fewer than BEYOND samples beyond it; infinite in the bucket without a bound.
    """
    total = sum(count for _, count in counts.latency)
    if total < samples_for(q):
        return None
    rank = max(math.ceil(total * q - 1e-9), 1)
    for upper_us, count in sorted(counts.latency, key=_bound):
        rank -= count
        if rank <= 0:
            return _bound((upper_us, count)) / 1000
    return None


def samples_for(q: float) -> int:
    """Return the samples that a quantile needs: 20 for the median, 1,000 for the 99th percentile."""
    return math.ceil(BEYOND / (1 - q) - 1e-9)


def _bound(bucket: tuple[int | None, int]) -> float:
    return math.inf if bucket[0] is None else float(bucket[0])


def kinds_of(failed: Failures) -> dict[str, int]:
    """Return failures by kind, those that there were."""
    return {one.name: count for one in fields(failed) if (count := getattr(failed, one.name))}


def faults_of(counts: RouteCounts) -> int:
    """Return the requests that brought their caller a 5xx or nothing."""
    return counts.baseline.caller_failed + counts.candidate.caller_failed
