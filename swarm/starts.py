"""Where a block of the capacity search begins, and how wide its steps are. Pure: bounds in, a rate out.

| what the blocks before it found | around | a ladder's loads apart | a walk's |
|---|---|---|---|
| nothing | the rough limit | wide | |
| one bound alone | onward from it | wide | |
| both bounds, once | their middle | a little | a little more |
| both bounds, more often | the mean of their middles | as much as they differ | one and a half times that |

A walk ends at its first two bounds. Would it begin in the middle of what is known, it would end there as often as not,
and blocks would repeat each other: so its first load is drawn from `WALK_BEGINS` steps to either side. With that, and
steps well beyond what blocks differ by, later blocks have hardly more in common with those before than chance has.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from swarm.search import Bounds, Goal, Search

FIRST_GAP: Final = 0.05
"""How far apart, relatively, the loads of a wide ladder are."""
SECOND_STEPS: Final = 2
"""How many steps apart the loads of a twin's second block are: how much its blocks differ is not known yet."""
MOST_STEPS: Final = 12
"""So many steps apart are the loads of a later block at most, however much the blocks differed."""
WALK_SECOND_STEPS: Final = 3
"""How many steps apart the loads of a twin's second block are where it is a walk."""
WALK_OF_SPREAD: Final = 1.5
"""How far apart a walk's loads are, of what the blocks differ by."""
WALK_BEGINS: Final = 1.5
"""How far from the middle a walk begins at most, of what its loads are apart."""


@dataclass(frozen=True, slots=True)
class Start:
    """The middle of a block's first loads, and how many steps of the goal's width apart they are."""

    around_rps: float
    coarse: int
    is_walk: bool = False

    def search(self, goal: Goal, rng: random.Random) -> Search:
        """Return the block's search; its grid, and where a walk begins, are drawn."""
        offset = rng.random()
        if not self.is_walk:
            return Search(replace(goal, coarse=self.coarse), offset, self.around_rps)
        beside = rng.uniform(-WALK_BEGINS, WALK_BEGINS) * self.coarse * math.log1p(goal.width_ratio)
        return Search(replace(goal, coarse=self.coarse, rungs=1), offset, self.around_rps * math.exp(beside))


def start_of(found: Sequence[Bounds], rough_rps: float, goal: Goal, *, walks: bool = False) -> Start:
    """Return where a block begins.

    Args:
        found: bounds of the twin's blocks before it, in order.
        rough_rps: where it begins when they say nothing.
        goal: of the search.
        walks: whether the block is a walk as soon as both bounds are known, else it is a ladder.
    """
    width_log = math.log1p(goal.width_ratio)
    logs = [math.log(one.lower_rps * one.upper_rps) / 2 for one in found if one.lower_rps and one.upper_rps]
    if len(logs) > 1:
        spread = statistics.stdev(logs) * (WALK_OF_SPREAD if walks else 1)
        coarse = min(max(1, round(spread / width_log)), MOST_STEPS)
        return Start(math.exp(statistics.fmean(logs)), coarse, walks)
    if logs:
        return Start(math.exp(logs[0]), WALK_SECOND_STEPS if walks else SECOND_STEPS, walks)
    wide = max(1, round(FIRST_GAP / width_log))
    half_ladder = math.exp((goal.rungs - 1) * wide / 2 * width_log)
    last = found[-1] if found else None
    if last is not None and last.lower_rps is not None:
        return Start(last.lower_rps * half_ladder, wide)
    if last is not None and last.upper_rps is not None:
        return Start(last.upper_rps / half_ladder, wide)
    return Start(rough_rps, wide)
