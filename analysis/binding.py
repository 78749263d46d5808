"""Which resource ran out first at a twin's limit? Pure.

| named | when, in this order |
|---|---|
| generator | the limit was not seen: nothing above the lower bound was evidence |
| cpu_limit | a container's CPU limit held it back in half of its scheduling periods, or more |
| cpu | CPU of the instances that serve was at 90 % of their allotment, or more |
| memory | memory was at 95 % of its limit, or more |
| errors | answers failed or were dropped beyond the SLO, with the above to spare |
| unknown | none of these (locks, a store behind it, its own queue, nobody watched it), or the time was up first |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from analysis.capacity import BlockCapacity, Capacity
from analysis.containers import HELD_RATIO
from analysis.curve import BlockPoint, Curve
from analysis.proof import mean_or_none
from analysis.saturation import Saturation
from analysis.trial_points import TrialPoint, near_capacity

Resource = Literal["generator", "cpu_limit", "cpu", "memory", "errors", "unknown"]
CPU_PERCENT: Final = 90.0
MEMORY_RATIO: Final = 0.95


@dataclass(frozen=True, slots=True)
class Binding:
    """What bound a twin at its limit, with the shares seen there; None is unknown."""

    resource: Resource
    cpu_percent: float | None
    memory_percent: float | None
    why: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a twin's endpoint: its curve, its limits, and the trials behind them."""

    curve: Curve
    saturation: Saturation | None
    capacity: Capacity | None
    blocks: Sequence[BlockCapacity]
    trials: Sequence[TrialPoint]
    memory_limit_bytes: float | None


def binding_of(seen: Seen) -> Binding:
    """Return what bound a twin: at its capacity where that is known, else past saturation."""
    points = _at_limit(seen)
    cpu = mean_or_none([point.target_percent for point in points])
    held = max((point.throttled_ratio for point in points if point.throttled_ratio is not None), default=None)
    used = mean_or_none([point.memory_bytes for point in points])
    memory = None if used is None or not seen.memory_limit_bytes else 100 * used / seen.memory_limit_bytes
    resource, why = _named(seen, cpu, held, memory)
    return Binding(resource, cpu, memory, why)


def _at_limit(seen: Seen) -> list[BlockPoint]:
    near = [point for points in near_capacity(seen.trials, seen.blocks).values() for point in points]
    if near:
        return near
    valid = [block for point in seen.curve.points for block in point.by_block if block.valid]
    past = [block for block in valid if block.past_saturation]
    return past or sorted(valid, key=lambda block: block.at_rps)[-1:]


def _named(seen: Seen, cpu: float | None, held: float | None, memory: float | None) -> tuple[Resource, str]:
    unseen = _unseen(seen)
    if unseen is not None:
        return unseen
    if held is not None and held >= HELD_RATIO:
        return "cpu_limit", f"its CPU limit held it back in {100 * held:.0f} % of its scheduling periods"
    if cpu is not None and cpu >= CPU_PERCENT:
        return "cpu", f"its CPU was at {cpu:.0f} % of its allotment"
    if memory is not None and memory >= 100 * MEMORY_RATIO:
        return "memory", f"its memory was at {memory:.0f} % of its limit"
    broken = Counter(reason for one in seen.trials if one.used and not one.good for reason in one.broken)
    most = broken.most_common(1)
    stood = "its CPU was not watched" if cpu is None else f"its CPU stood at {cpu:.0f} % of its allotment"
    if most and most[0][0] == "lost":
        return "errors", f"answers failed or were dropped beyond the SLO while {stood}"
    if seen.capacity is None and (seen.saturation is None or seen.saturation.at_least):
        return "unknown", f"it was not driven to its limit; {stood}"
    what = {"late": "answers were late", "short": "answers fell short of the arrivals"}.get(most[0][0] if most else "")
    return "unknown", f"{what or 'it gave no more'} while {stood}: locks, a queue of its own, or what stands behind it"


def _unseen(seen: Seen) -> tuple[Resource, str] | None:
    """Return why the limit was not seen in a search, None when it was or none was made."""
    if seen.capacity is None or not seen.capacity.at_least:
        return None
    if all(block.is_cut for block in seen.capacity.blocks if block.counts):
        return "unknown", "the time was up before a trial met the limit"
    against = Counter(reason for one in seen.trials for reason in one.point.why)
    told = against.most_common(1)
    return "generator", f"above, no trial was evidence{f': {told[0][0]}' if told else ''}"
