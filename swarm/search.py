"""The capacity search: which rates to try next, until the bounds of one block are narrow. Pure: outcomes in, rates out.

In the manner of RFC 9971 (MLRsearch), with an own implementation: its authors' library (MLRsearch 1.2.1) asks a
measurer that blocks, stops by the wall clock, knows no trial that is no evidence, and searches one fixed grid.

| word | here |
|---|---|
| load | a rate on a grid of steps of the goal width; the grid's offset is drawn anew for every block |
| excess | the worst of a trial's shares ÷ its limit; a trial above 1 is bad. At most `most_excess` counts |
| surplus | a trial's excess less 1: what it says for an upper bound, below 0 for a lower one |
| bounds | the split of the loads tried, low from high, with the least surplus below it: what the trials together say |
| relevant bounds | the largest load below the split and the smallest above it |

Trials come in *ladders*: a few loads that one or two sweeps drive, so that what a sweep costs beside its trials is paid
once for some. The first ladder stands around the start; then it is continued beyond its end while there is no bound of
one kind, the gap between the bounds is filled until they are one step apart, and bounds that hang on a single trial are
tried again. A *walk* is a ladder of one load: a trial at a time, up from a good one and down from a bad one, until
there is a bound of either kind. That is coarse, and quick: where a machine's moods decide more than the grid, many
coarse blocks say more of a limit than few fine ones.

`most_excess` is below 3: a bad trial that two good ones at higher loads speak against moves nothing, and at the edge,
where fewer speak against it, it moves the bounds of a sharp limit by two steps at most.

The RFC counts bad trials against an exceed ratio. With half of them allowed, an M/M/1 target is judged by the median of
a skewed share and found 3.5 to 5.5 % too fast by two-second trials; the bounded sum of the surpluses halves that.

The drawn offset makes the error of the grid a fair draw: two blocks of a twin that never varies differ by it, and an
interval over blocks knows of it. On one fixed grid all blocks would be wrong by the same, with no spread to tell.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_MOST_INVALID: Final = 2
"""So many trials of a load that were no evidence, and none that was: it and all above are out of reach."""
_MOST_DOUBLINGS: Final = 3
_BEYOND: Final = 2
"""So many loads beyond a ladder's end are tried at once; a walk tries one."""
_SUPPORT: Final = 2
"""So many trials stand behind either bound, at it or beyond it."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a search is to reach.

    width_ratio: how far apart, relatively, the bounds may be in the end. coarse: steps between the loads of the first
    ladder, of `rungs` loads; one rung is a walk, which ends at its first two bounds. most_excess: what a trial may
    count at most, at least 1 and below 3. most_trials: the search ends there, narrow or not. lowest_rps, highest_rps:
    nothing outside is tried.
    """

    width_ratio: float = 0.01
    coarse: int = 1
    rungs: int = 4
    most_excess: float = 2.9
    most_trials: int = 20
    lowest_rps: float = 1.0
    highest_rps: float = math.inf

    @property
    def is_walk(self) -> bool:
        """Whether one load is tried at a time."""
        return self.rungs == 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """A trial as the search sees it: `excess` up to 1 is good, None is no evidence (the generator was the limit)."""

    rate_rps: float
    excess: float | None


@dataclass(frozen=True, slots=True)
class Bounds:
    """The relevant bounds of a block, None where there is none.

    `reached`: within the width of each other, and no single trial decided. `at_least`: no load above the lower bound
    gave evidence, so the capacity is it or more.
    """

    lower_rps: float | None
    upper_rps: float | None
    reached: bool
    trials: int

    @property
    def at_least(self) -> bool:
        """Whether there is a lower bound alone."""
        return self.lower_rps is not None and self.upper_rps is None


@dataclass(frozen=True, slots=True)
class _Load:
    """One load: trials that were evidence, the sum of their surpluses, and trials that were none."""

    rate_rps: float
    tried: int
    surplus: float
    invalid: int


@dataclass(frozen=True, slots=True)
class _Split:
    """The loads that were evidence, parted in two: each rising, `below` and `above` the limit."""

    below: tuple[_Load, ...]
    above: tuple[_Load, ...]

    @property
    def lower(self) -> _Load | None:
        return self.below[-1] if self.below else None

    @property
    def upper(self) -> _Load | None:
        return self.above[0] if self.above else None

    @property
    def is_supported_below(self) -> bool:
        return sum(load.tried for load in self.below) >= _SUPPORT and sum(load.surplus for load in self.below) <= -1

    @property
    def is_supported_above(self) -> bool:
        return sum(load.tried for load in self.above) >= _SUPPORT and sum(load.surplus for load in self.above) >= 1


def relevant_bounds(outcomes: Sequence[Outcome], goal: Goal) -> Bounds:
    """Return the relevant bounds that a block's outcomes give, provisional ones included.

    By hand: 100 at 0, 101 at 9, 102 at 0, 103 at 9, and 2.9 at most. The surpluses are -1, 1.9, -1, 1.9; summed from
    below -1, 0.9, -0.1, 1.8: the least is behind 100, so 100 and 101 are the bounds. A second 0 at 102 makes it -1.1
    there: then the one bad trial at 101 moves nothing, and 102 and 103 are.
    """
    split = _split(_loads(outcomes, goal))
    lower = None if split.lower is None else split.lower.rate_rps
    upper = None if split.upper is None else split.upper.rate_rps
    narrow = lower is not None and upper is not None and upper <= lower * (1 + goal.width_ratio) * (1 + 1e-9)
    reached = narrow and split.is_supported_below and split.is_supported_above
    return Bounds(lower, upper, reached, len(outcomes))


@dataclass(frozen=True, slots=True)
class Search:
    """One block's search.

    Args:
        goal: what to reach.
        offset: where the grid begins, 0 <= offset < 1, in steps; drawn by the caller for each block.
        start_rps: the rate to begin near.
    """

    goal: Goal
    offset: float
    start_rps: float

    def rate_of(self, step: int) -> float:
        """Return the rate of a step of the grid."""
        return math.exp((step + self.offset) * math.log1p(self.goal.width_ratio))

    def step_of(self, rate_rps: float) -> int:
        """Return the step nearest to a rate."""
        return round(self._place_of(rate_rps))

    def _place_of(self, rate_rps: float) -> float:
        return math.log(rate_rps) / math.log1p(self.goal.width_ratio) - self.offset

    def next_rates(self, outcomes: Sequence[Outcome]) -> tuple[float, ...]:
        """Return the rates to try next, one ladder, rising; () when the search is over.

        Args:
            outcomes: all trials of the block so far.
        """
        if len(outcomes) >= self.goal.most_trials:
            return ()
        loads = _loads(outcomes, self.goal)
        lowest, highest = self._ends(loads)
        steps = self._next(loads, lowest, highest)
        return tuple(self.rate_of(step) for step in sorted({min(max(step, lowest), highest) for step in steps}))

    def _next(self, loads: Sequence[_Load], lowest: int, highest: int) -> tuple[int, ...]:
        split = _split(loads)
        if split.lower is None and split.upper is None:
            return self._first()
        gap = self._gap(loads)
        if split.lower is None and split.upper is not None:
            bottom = self.step_of(split.upper.rate_rps)
            if bottom > lowest:
                return tuple(range(bottom - gap * self._beyond, bottom, gap))
            return () if split.is_supported_above else (bottom,)
        if split.upper is None and split.lower is not None:
            top = self.step_of(split.lower.rate_rps)
            if top < highest:
                return tuple(range(top + gap, top + gap * self._beyond + 1, gap))
            return () if split.is_supported_below else (top,)
        if split.lower is None or split.upper is None:  # never: for the type checker
            return ()
        return self._between(split)

    def _between(self, split: _Split) -> tuple[int, ...]:
        """Fill the gap between two bounds, or try again those that hang on a single trial."""
        if self.goal.is_walk:
            return ()
        lower, upper = (self.step_of(load.rate_rps) if load else 0 for load in (split.lower, split.upper))
        if upper - lower > 1:
            rungs = min(self.goal.rungs - 1, upper - lower - 1)
            return tuple(lower + round((upper - lower) * place / (rungs + 1)) for place in range(1, rungs + 1))
        again = []
        if not split.is_supported_below:
            again += [lower - 1, lower]
        if not split.is_supported_above:
            again += [upper, upper + 1]
        return tuple(again)

    def _first(self) -> tuple[int, ...]:
        """Return the loads of the first ladder: around the start, `coarse` steps apart."""
        bottom = round(self._place_of(self.start_rps) - (self.goal.rungs - 1) * self.goal.coarse / 2)
        return tuple(bottom + rung * self.goal.coarse for rung in range(self.goal.rungs))

    def _ends(self, loads: Sequence[_Load]) -> tuple[int, int]:
        width = math.log1p(self.goal.width_ratio)
        lowest = math.ceil(math.log(self.goal.lowest_rps) / width - self.offset)
        best = max((load.rate_rps for load in loads if load.tried), default=0.0)
        out = [load.rate_rps for load in loads if load.invalid >= _MOST_INVALID and load.rate_rps > best]
        beside = self.goal.coarse if self.goal.is_walk else 1  # a walk goes on by its own steps
        ends = [self.step_of(rate_rps) - beside for rate_rps in out]
        if math.isfinite(self.goal.highest_rps):
            ends.append(math.floor(math.log(self.goal.highest_rps) / width - self.offset))
        return lowest, max(lowest, min(ends, default=10**9))

    @property
    def _beyond(self) -> int:
        """How many loads beyond a ladder's end are tried at once."""
        return min(self.goal.rungs, _BEYOND)

    def _gap(self, loads: Sequence[_Load]) -> int:
        """Return how many steps apart the loads beyond a ladder's end are: doubled with every two trials in vain."""
        vain = sum(load.tried for load in loads) - self.goal.rungs
        return int(self.goal.coarse * 2 ** min(max(0, vain) // 2, _MOST_DOUBLINGS))


def _loads(outcomes: Sequence[Outcome], goal: Goal) -> tuple[_Load, ...]:
    """Return the loads tried, rising."""
    found: dict[float, list[float | None]] = {}
    for one in outcomes:
        found.setdefault(one.rate_rps, []).append(one.excess)
    return tuple(_load(rate_rps, found[rate_rps], goal) for rate_rps in sorted(found))


def _load(rate_rps: float, excesses: Sequence[float | None], goal: Goal) -> _Load:
    counted = [min(excess, goal.most_excess) - 1 for excess in excesses if excess is not None]
    return _Load(rate_rps, len(counted), sum(counted), len(excesses) - len(counted))


def _split(loads: Sequence[_Load]) -> _Split:
    """Part the loads where the surplus below is least; of several such places the middle one."""
    tried = [load for load in loads if load.tried]
    sums = [0.0]
    for load in tried:
        sums.append(sums[-1] + load.surplus)
    least = min(sums)
    places = [place for place, total in enumerate(sums) if total <= least + 1e-9]
    at = places[len(places) // 2]
    return _Split(tuple(tried[:at]), tuple(tried[at:]))
