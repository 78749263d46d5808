"""The same-load comparison: what both twins cost at the highest offered rate that both carry. Pure.

Where some rates were driven in three pairs and others were not, it is the highest of those. A capacity search measures
one stage at the same load in every pair, longer than its trials. Those are no help here, many as they are: a twin's
cost per answer falls as its rate grows, and by how much is not known, so that each says what its own load costs.

A twin carries a rate when its point there is valid, not past saturation, and achieved >= 97 % of it in good answers;
in an open loop 99 % of the arrivals counted, less what the edges of the measured part may hide. Only planned rates are
compared: a live stage has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analysis import figures
from analysis.curve import BlockPoint, Curve, CurvePoint
from analysis.intervals import LEAST_FOR_T, Interval, mean_interval
from analysis.proof import mean_or_none
from analysis.validity import carried


@dataclass(frozen=True, slots=True)
class TwinAtLoad:
    """One twin at the common rate, over the instances that serve the endpoint.

    Percent of CPU and memory are of the twin's allotment; `cpu_s_per_1k` is CPU seconds per 1,000 answers, failed ones
    included. None is unknown.
    """

    point: CurvePoint
    cpu_percent: float | None
    memory_bytes: float | None
    memory_percent: float | None
    idle_memory_bytes: float | None
    cpu_s_per_1k: Interval | None


@dataclass(frozen=True, slots=True)
class SameLoad:
    """The highest rate that both twins carry, and each twin there."""

    rate_rps: float
    baseline: TwinAtLoad
    candidate: TwinAtLoad


@dataclass(frozen=True, slots=True)
class Memory:
    """What is known of a twin's memory beside the load: what it may use, and what it used before any load, in bytes."""

    limit_bytes: float | None
    idle_bytes: float | None


def same_load(baseline: Curve, candidate: Curve, baseline_memory: Memory, candidate_memory: Memory) -> SameLoad | None:
    """Return the comparison at the highest rate that both carry, None when there is no such rate.

    A rate carried in three pairs goes before a higher one carried in fewer: the pair is the unit, and a capacity search
    drives most rates in one pair alone.
    """
    ours = {point.at_rps: point for point in baseline.points if carries(point)}
    theirs = {point.at_rps: point for point in candidate.points if carries(point)}
    common = ours.keys() & theirs.keys()
    if not common:
        return None
    rate = best_rate({at: common_pairs(ours[at], theirs[at]) for at in common})
    return SameLoad(rate, _at_load(ours[rate], baseline_memory), _at_load(theirs[rate], candidate_memory))


def best_rate(pairs: Mapping[float, int]) -> float:
    """Return the rate to compare at, of at least one: the highest with three pairs, else the highest with the most.

    Args:
        pairs: by rate in how many pairs both twins have it.
    """
    return max(pairs, key=lambda rate: (min(pairs[rate], LEAST_FOR_T), rate))


def common_pairs(one: CurvePoint, two: CurvePoint) -> int:
    """Return in how many pairs both points count."""
    return len({block.pair for block in one.counted} & {block.pair for block in two.counted})


def carries(point: CurvePoint) -> bool:
    """Say whether a twin carried a point's planned rate."""
    if not point.valid or point.past_saturation or point.offered_rps is None or point.live:
        return False
    offered_rps = point.offered_rps if point.arrived_rps is None else point.arrived_rps
    return carried(point.achieved_rps, offered_rps, point.loop, edge_rps=point.edge_rps)


def cpu_s_per_1k(block: BlockPoint) -> float | None:
    """Return the CPU seconds that a twin spent on 1,000 answers in one stage, None when either is unknown."""
    return figures.cpu_s_per_1k(block.target_cores, block.answered_rps)


def _at_load(point: CurvePoint, memory: Memory) -> TwinAtLoad:
    blocks = point.counted
    used = mean_or_none([block.memory_bytes for block in blocks])
    costs = [cost for block in blocks if (cost := cpu_s_per_1k(block)) is not None]
    return TwinAtLoad(
        point=point,
        cpu_percent=mean_or_none([block.target_percent for block in blocks]),
        memory_bytes=used,
        memory_percent=None if used is None or not memory.limit_bytes else 100 * used / memory.limit_bytes,
        idle_memory_bytes=memory.idle_bytes,
        cpu_s_per_1k=mean_interval(costs),
    )
