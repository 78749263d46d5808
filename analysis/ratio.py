"""Candidate ÷ baseline, by pairs. Pure.

A pair is two adjacent blocks, one per twin: n pairs give n ratios. A ratio of saturations of which one is "at least"
is itself a bound; where neither twin was saturated there is none, for it would compare the load and not the twins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from analysis.capacity import CapacityRatio
from analysis.curve import BlockPoint
from analysis.intervals import Interval, IntervalKind, ratio_interval
from analysis.same_load import SameLoad, cpu_s_per_1k
from analysis.saturation import Saturation

Bound = Literal["at_least", "at_most"]


@dataclass(frozen=True, slots=True)
class Ratio:
    """Candidate ÷ baseline with its interval; without one (`interval` None) no single pair could be compared.

    `bound` says that the value is but a bound, since one of the twins was never seen at its limit.
    """

    value: float
    lo: float | None
    hi: float | None
    pairs: int
    interval: IntervalKind | None
    note: str
    bound: Bound | None = None

    @property
    def ends(self) -> tuple[float, float] | None:
        """The interval or range for people; None without one, and of one pair, which has no range."""
        if self.lo is None or self.hi is None or self.pairs == 1:
            return None
        return self.lo, self.hi


@dataclass(frozen=True, slots=True)
class Ratios:
    """The ratios of one endpoint; None where either side is unknown."""

    saturation: Ratio | None = None
    capacity: Ratio | None = None
    p99: Ratio | None = None
    cpu_s_per_1k: Ratio | None = None
    memory: Ratio | None = None


def ratios_of(
    baseline: Saturation | None,
    candidate: Saturation | None,
    same: SameLoad | None,
    capacity: CapacityRatio | None = None,
) -> Ratios:
    """Return the ratios of one endpoint: saturation throughput, capacity, and p99, CPU and memory at the same load."""
    at_saturation, at_capacity = _of_saturation(baseline, candidate), _of_capacity(capacity)
    if same is None:
        return Ratios(saturation=at_saturation, capacity=at_capacity)
    p99 = _paired(same, lambda block: block.quantiles.p99_ms)
    return Ratios(
        saturation=at_saturation,
        capacity=at_capacity,
        p99=p99 or _pooled_p99(same),
        cpu_s_per_1k=_paired(same, cpu_s_per_1k),
        memory=_paired(same, lambda block: block.memory_bytes),
    )


def paired_ratio(baseline: Mapping[int, float], candidate: Mapping[int, float]) -> Ratio | None:
    """Return the ratio over the pairs that both twins have.

    Args:
        baseline, candidate: one positive value by pair.
    Returns:
        None when no pair has both.
    """
    common = sorted(baseline.keys() & candidate.keys())
    found = ratio_interval([(baseline[pair], candidate[pair]) for pair in common])
    return None if found is None else _ratio(found)


def _ratio(found: Interval) -> Ratio:
    if found.kind == "range":
        pairs = "1 pair" if found.count == 1 else f"{found.count} pairs"
        note = f"{pairs}: too few for an interval, minimum and maximum only"
    else:
        note = f"95 % t interval of the log-ratios of {found.count} pairs"
    return Ratio(found.value, found.lo, found.hi, found.count, found.kind, note)


def _of_saturation(baseline: Saturation | None, candidate: Saturation | None) -> Ratio | None:
    if baseline is None or candidate is None or (baseline.at_least and candidate.at_least):
        return None
    found = paired_ratio(_by_pair(baseline), _by_pair(candidate))
    if found is None:
        return None
    if candidate.at_least:
        return replace(found, bound="at_least", note=f"{found.note}; at least: the candidate was not saturated")
    if baseline.at_least:
        return replace(found, bound="at_most", note=f"{found.note}; at most: the baseline was not saturated")
    return found


def _of_capacity(found: CapacityRatio | None) -> Ratio | None:
    if found is None:
        return None
    ratio = _ratio(found.interval)
    note = ratio.note
    if found.interval.kind != "range":
        asked = "as narrow as asked" if found.narrow else "wider than asked: the time was up"
        note = f"{note}, widened for the stop by its width; {asked}"
    limits = {"at_least": "the candidate", "at_most": "the baseline"}
    if found.bound is not None:
        note = f"{note}; {found.bound.replace('_', ' ')}: {limits[found.bound]} was not seen at its limit"
    return replace(ratio, bound=found.bound, note=note)


def _by_pair(saturation: Saturation) -> dict[int, float]:
    return {block.pair: block.value_rps for block in saturation.blocks}


def _paired(same: SameLoad, read: Callable[[BlockPoint], float | None]) -> Ratio | None:
    def by_pair(blocks: tuple[BlockPoint, ...]) -> dict[int, float]:
        return {block.pair: value for block in blocks if (value := read(block)) is not None}

    return paired_ratio(by_pair(same.baseline.point.counted), by_pair(same.candidate.point.counted))


def _pooled_p99(same: SameLoad) -> Ratio | None:
    """The ratio of p99 over all blocks together, where single blocks have too few answers for a p99 of their own."""
    baseline, candidate = (twin.point.quantiles.p99_ms for twin in (same.baseline, same.candidate))
    if not baseline or not candidate:
        return None
    note = "all blocks together: under 1,000 answers a block, so no pair has a p99 of its own"
    return Ratio(candidate / baseline, None, None, 0, None, note)
