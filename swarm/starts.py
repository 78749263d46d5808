"""Where a block of the capacity search begins, and how wide its first ladder is. Pure: bounds in, a rate out.

| what the blocks before it found | around | apart |
|---|---|---|
| nothing | the rough limit | wide |
| one bound alone | onward from it | wide |
| both bounds, once | their middle | a little |
| both bounds, more often | the mean of their middles | as much as they differ |
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from swarm.search import Bounds, Goal

FIRST_GAP: Final = 0.05
"""How far apart, relatively, the loads of a wide ladder are."""
SECOND_STEPS: Final = 2
"""How many steps apart the loads of a twin's second block are: how much its blocks differ is not known yet."""
MOST_STEPS: Final = 12
"""So many steps apart are the loads of a later ladder at most, however much the blocks differed."""


@dataclass(frozen=True, slots=True)
class Start:
    """The middle of a block's first ladder, and how many steps of the goal's width apart its loads are."""

    around_rps: float
    coarse: int


def start_of(found: Sequence[Bounds], rough_rps: float, goal: Goal) -> Start:
    """Return where a block begins.

    Args:
        found: bounds of the twin's blocks before it, in order.
        rough_rps: where it begins when they say nothing.
        goal: of the search.
    """
    width_log = math.log1p(goal.width_ratio)
    logs = [math.log(one.lower_rps * one.upper_rps) / 2 for one in found if one.lower_rps and one.upper_rps]
    if len(logs) > 1:
        coarse = min(max(1, round(statistics.stdev(logs) / width_log)), MOST_STEPS)
        return Start(math.exp(statistics.fmean(logs)), coarse)
    if logs:
        return Start(math.exp(logs[0]), SECOND_STEPS)
    wide = max(1, round(FIRST_GAP / width_log))
    half_ladder = math.exp((goal.rungs - 1) * wide / 2 * width_log)
    last = found[-1] if found else None
    if last is not None and last.lower_rps is not None:
        return Start(last.lower_rps * half_ladder, wide)
    if last is not None and last.upper_rps is not None:
        return Start(last.upper_rps / half_ladder, wide)
    return Start(rough_rps, wide)
