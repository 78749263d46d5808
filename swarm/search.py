"""The capacity search: which rates to try next, until the bounds of one block are narrow. Pure: outcomes in, rates out.

In the manner of RFC 9971 (MLRsearch), with an own implementation: its authors' library (MLRsearch 1.2.1) asks a
measurer that blocks, stops by the wall clock, knows no trial that is no evidence, and searches one fixed grid.

| word | here |
|---|---|
| load | a rate on a grid of steps of the goal width; the grid's offset is drawn anew for every block |
| excess | the worst of a trial's shares ÷ its limit; a trial above 1 is bad. At most `most_excess` counts |
| upper bound | a load whose trials have a mean excess above 1; any other tried load is a lower bound |
| bound for good | its missing trials, to `trials_a_bound`, could not change that |
| relevant upper bound | the smallest upper bound; relevant lower bound: the largest lower bound below it |

Coarse first: two loads around the start, then leaps, until there is a bound of each kind. Then the middle (in the
logarithm) is tried until they are one step apart, and both are tried again until they are bounds for good; a bound that
falls moves the search. `most_excess` is below `trials_a_bound`: one noisy trial never decides.

The RFC counts bad trials against an exceed ratio. With half of them allowed, an M/M/1 target is judged by the median of
a skewed share and found 3.5 to 5.5 % too fast by two-second trials; the bounded mean of the shares halves that.

The drawn offset makes the error of the grid a fair draw: two blocks of a twin that never varies differ by it, and an
interval over blocks knows of it. On one fixed grid all blocks would be wrong by the same, with no spread to tell.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

K = TypeVar("K", int, float)
_MOST_INVALID: Final = 2
"""So many trials of a load that were no evidence, and none that was: it and all above are out of reach."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a search is to reach.

    width_ratio: how far apart, relatively, the bounds may be in the end. coarse: steps between the first two loads.
    trials_a_bound: how many trials decide a load for good. most_trials: the search ends there, narrow or not.
    lowest_rps, highest_rps: nothing outside is tried.
    """

    width_ratio: float = 0.01
    trials_a_bound: int = 3
    most_excess: float = 2.9
    coarse: int = 4
    most_trials: int = 24
    lowest_rps: float = 1.0
    highest_rps: float = math.inf


@dataclass(frozen=True, slots=True)
class Outcome:
    """A trial as the search sees it: `excess` up to 1 is good, None is no evidence (the generator was the limit)."""

    rate_rps: float
    excess: float | None


@dataclass(frozen=True, slots=True)
class Bounds:
    """The relevant bounds of a block, None where there is none.

    `reached`: both are bounds for good, within the width of each other. `at_least`: no load above the lower bound gave
    evidence, so the capacity is it or more.
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
    tried: int
    excess: float
    invalid: int

    @property
    def is_upper(self) -> bool:
        return self.excess > self.tried

    def is_decided(self, goal: Goal) -> bool:
        """Say whether the trials that it still misses could not make it the other bound."""
        missing = max(goal.trials_a_bound - self.tried, 0)
        whole = self.tried + missing
        return self.excess > whole or self.excess + missing * goal.most_excess <= whole


def relevant_bounds(outcomes: Sequence[Outcome], goal: Goal) -> Bounds:
    """Return the relevant bounds that a block's outcomes give, provisional ones included.

    By hand, with three trials a bound and 2.9 at most: 100 at 0, 102 at 9, 101 at 0, 9, 0. The mean excess of 101 is
    (0 + 2.9 + 0) / 3, below 1: the lower bound, for good. 102 is the upper one, not for good: 2.9 + 0 + 0 is below 3.
    """
    loads = _loads({one.rate_rps: one.rate_rps for one in outcomes}, outcomes, goal)
    lower, upper = _bracket(loads)
    reached = (
        lower is not None
        and upper is not None
        and upper <= lower * (1 + goal.width_ratio) * (1 + 1e-9)
        and loads[lower].is_decided(goal)
        and loads[upper].is_decided(goal)
    )
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
        return round(math.log(rate_rps) / math.log1p(self.goal.width_ratio) - self.offset)

    def next_rates(self, outcomes: Sequence[Outcome]) -> tuple[float, ...]:
        """Return the rates to try next, rising; () when the search is over.

        Args:
            outcomes: all trials of the block so far.
        Returns:
            One rate, or two at the start and where both bounds are to be tried again: a good lower one leaves the twin
            at rest, so that the upper one can follow at once.
        """
        if len(outcomes) >= self.goal.most_trials:
            return ()
        loads = _loads({one.rate_rps: self.step_of(one.rate_rps) for one in outcomes}, outcomes, self.goal)
        return tuple(self.rate_of(step) for step in self._next(loads))

    def _next(self, loads: dict[int, _Load]) -> tuple[int, ...]:
        lowest, highest = self._ends(loads)
        lower, upper = _bracket(loads)
        leap = self._leap(loads)
        if lower is None and upper is None:
            return self._first(lowest, highest)
        if lower is None and upper is not None:
            return _until_decided(loads, upper, self.goal) if upper <= lowest else (max(lowest, upper - leap),)
        if upper is None and lower is not None:
            return _until_decided(loads, lower, self.goal) if lower >= highest else (min(highest, lower + leap),)
        if lower is None or upper is None:  # never: for the type checker
            return ()
        if upper - lower > 1:
            return ((lower + upper) // 2,)
        return tuple(step for step in (lower, upper) if not loads[step].is_decided(self.goal))

    def _first(self, lowest: int, highest: int) -> tuple[int, ...]:
        """Return two loads around the start, or the one that there is room for."""
        low = self.step_of(self.start_rps) - self.goal.coarse // 2
        both = sorted({min(max(step, lowest), highest) for step in (low, low + self.goal.coarse)})
        return tuple(both)

    def _ends(self, loads: dict[int, _Load]) -> tuple[int, int]:
        width = math.log1p(self.goal.width_ratio)
        lowest = math.ceil(math.log(self.goal.lowest_rps) / width - self.offset)
        ends = [step - 1 for step, load in loads.items() if load.invalid >= _MOST_INVALID and not load.tried]
        if math.isfinite(self.goal.highest_rps):
            ends.append(math.floor(math.log(self.goal.highest_rps) / width - self.offset))
        return lowest, max(lowest, min(ends, default=10**9))

    def _leap(self, loads: dict[int, _Load]) -> int:
        """Steps to go beyond a bound when the other is missing: doubled with every load tried in vain."""
        vain = sum(1 for load in loads.values() if load.tried)
        return int(self.goal.coarse * 2 ** min(max(0, vain - 2), 4))


def _loads(key_of: dict[float, K], outcomes: Sequence[Outcome], goal: Goal) -> dict[K, _Load]:
    found: dict[K, list[float | None]] = {}
    for one in outcomes:
        found.setdefault(key_of[one.rate_rps], []).append(one.excess)
    return {key: _load(many, goal) for key, many in found.items()}


def _load(excesses: Sequence[float | None], goal: Goal) -> _Load:
    counted = [min(excess, goal.most_excess) for excess in excesses if excess is not None]
    return _Load(len(counted), sum(counted), len(excesses) - len(counted))


def _bracket(loads: dict[K, _Load]) -> tuple[K | None, K | None]:
    """Return the relevant lower and upper bound."""
    upper = min((key for key, load in loads.items() if load.tried and load.is_upper), default=None)
    lowers = [key for key, load in loads.items() if load.tried and not load.is_upper and (upper is None or key < upper)]
    return max(lowers, default=None), upper


def _until_decided(loads: dict[int, _Load], step: int, goal: Goal) -> tuple[int, ...]:
    """At an end of what may be tried: that load until it is decided."""
    return () if loads[step].is_decided(goal) else (step,)
