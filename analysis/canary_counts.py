"""What the gateway counted of the sides of a gray release, as it stands in `canary.jsonl`, and figures of it. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

Z95: Final = 1.959963984540054
"""The standard normal's 97.5 % quantile."""
BEYOND: Final = 10
"""Samples that must lie beyond a quantile for it to be told."""


@dataclass(frozen=True, slots=True)
class Counts:
    """One side's counts: cumulative in a poll, a difference in a window.

    `failed` by kind, of the side's own answers; `fell_back`: how many of those the baseline answered; `caller_failed`:
    how many requests brought their caller a 5xx or nothing; `latency`: (upper bound in µs, count) of the side's own
    answers, buckets at most 10 % wide, None for the last one, which has no bound.
    """

    requests: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    fell_back: int = 0
    caller_failed: int = 0
    latency: tuple[tuple[int | None, int], ...] = ()

    @property
    def failures(self) -> int:
        """The side's own failures of every kind."""
        return sum(self.failed.values())


@dataclass(frozen=True, slots=True)
class Compared:
    """What became of the pairs of answers that were compared."""

    match: int = 0
    mismatch: int = 0
    raced: int = 0
    unresponsive: int = 0


@dataclass(frozen=True, slots=True)
class RouteCounts:
    """Both sides' counts of one route, or of several together."""

    baseline: Counts = field(default_factory=Counts)
    candidate: Counts = field(default_factory=Counts)
    compared: Compared = field(default_factory=Compared)


@dataclass(frozen=True, slots=True)
class Proportion:
    """A share of requests with its 95 % interval (Wilson)."""

    value: float
    lo: float
    hi: float
    count: int


def since(now: RouteCounts, earlier: RouteCounts) -> RouteCounts:
    """Return what was counted between two polls; counts that fell began anew at 0, so all of `now` is new."""
    if now.baseline.requests < earlier.baseline.requests or now.candidate.requests < earlier.candidate.requests:
        return now
    return _combined((now, 1), (earlier, -1))


def together(parts: Iterable[RouteCounts]) -> RouteCounts:
    """Return the sum of counts."""
    return _combined(*((part, 1) for part in parts))


def success(counts: Counts) -> Proportion | None:
    """Return the share of a side's requests that it answered well itself; None without a request.

    Source: E. B. Wilson 1927, "Probable inference, the law of succession, and statistical inference": an interval that
    says something at 0 failures too.
    """
    return proportion(counts.requests - counts.failures, counts.requests)


def proportion(good: int, of: int) -> Proportion | None:
    """Return good ÷ of with its Wilson 95 % interval; None of nothing. More failures than requests count as all."""
    if of <= 0:
        return None
    share = min(max(good / of, 0.0), 1.0)
    square = Z95 * Z95
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = Z95 / (1 + square / of) * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    return Proportion(share, max(middle - half, 0.0), min(middle + half, 1.0), of)


def quantile_ms(counts: Counts, q: float) -> float | None:
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


def _combined(*parts: tuple[RouteCounts, int]) -> RouteCounts:
    return RouteCounts(
        _counts([(part.baseline, sign) for part, sign in parts]),
        _counts([(part.candidate, sign) for part, sign in parts]),
        Compared(
            *(
                sum(sign * getattr(part.compared, name) for part, sign in parts)
                for name in ("match", "mismatch", "raced", "unresponsive")
            )
        ),
    )


def _counts(parts: list[tuple[Counts, int]]) -> Counts:
    failed: Counter[str] = Counter()
    latency: Counter[int | None] = Counter()
    for one, sign in parts:
        for kind, count in one.failed.items():
            failed[kind] += sign * count
        for upper_us, count in one.latency:
            latency[upper_us] += sign * count
    return Counts(
        sum(sign * one.requests for one, sign in parts),
        {kind: count for kind, count in failed.items() if count},
        sum(sign * one.fell_back for one, sign in parts),
        sum(sign * one.caller_failed for one, sign in parts),
        tuple((upper_us, count) for upper_us, count in sorted(latency.items(), key=_bound) if count),
    )
