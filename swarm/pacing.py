"""When a seat starts its next request: a closed loop with spread start times. Pure; time is an argument.

The *course* of a sweep is the planned rate over time: within a stage's ramp a straight line from the rate before to the
new one, then constant. Its integral counts planned starts. Each of n seats has an equal share of every moment's rate:
a seat starts whenever integral / n passes k + phase, k = 0, 1, 2, …, where its phase was drawn from [0, 1). So all
seats have the same rate, which keeps the mix of requests the same at every rate, and their starts are spread at random
over one interval n / rate.

The loop is closed: a seat has at most one request under way. When an answer comes after the seat's next start was due,
the seat starts at once, and of several missed starts only the last is made up: no debt piles up. So a server that is
too slow gets fewer requests than planned, which shows as achieved below offered, and there is no latency from an
intended start. A stage without a rate (a probe) lets every seat start again at once.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from records.stage import Stage

PROBE_SPREAD_S = 0.5
"""A probe's seats set off within this time, so that not all connections come at once."""
SHORTEST_RAMP_S = 1e-6
"""A shorter ramp is a step: its slope would be no number to reckon with."""


@dataclass(frozen=True, slots=True)
class _Leg:
    """A part of a course with a straight rate; `before` counts the planned starts until it. Rates None: no plan."""

    start_s: float
    end_s: float
    from_rps: float | None
    to_rps: float | None
    before: float

    def starts(self, t_s: float) -> float:
        """Return planned starts from the course's beginning until t_s, which lies in this leg."""
        if self.from_rps is None or self.to_rps is None or self.end_s <= self.start_s:
            return self.before
        x_s = min(max(t_s - self.start_s, 0.0), self.end_s - self.start_s)
        slope = (self.to_rps - self.from_rps) / (self.end_s - self.start_s)
        return self.before + self.from_rps * x_s + slope * x_s * x_s / 2

    def time_of(self, starts: float) -> float:
        """Return when the count reaches `starts`, which lies in this leg."""
        if self.from_rps is None or self.to_rps is None or self.end_s <= self.start_s:
            return self.start_s
        wanted = starts - self.before
        slope = (self.to_rps - self.from_rps) / (self.end_s - self.start_s)
        # The root of slope/2 x² + from x = wanted, in the form that loses no digits when slope is near 0.
        root = self.from_rps + math.sqrt(max(self.from_rps * self.from_rps + 2 * slope * wanted, 0.0))
        return self.end_s if root <= 0 else min(self.start_s + 2 * wanted / root, self.end_s)


class Course:
    """The planned rate of a sweep over its time, 0 at the sweep's beginning; seconds."""

    __slots__ = ("_befores", "_legs", "_stage_ends", "_stages", "_starts", "length_s")

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._stages = tuple(stages)
        self._legs = _legs(self._stages)
        self._starts = [leg.start_s for leg in self._legs]
        self._befores = [leg.before for leg in self._legs]
        ends, end_s = [], 0
        for stage in self._stages:
            end_s += stage.length_s
            ends.append(end_s)
        self._stage_ends = ends
        self.length_s = end_s

    def stage_at(self, t_s: float) -> Stage | None:
        """Return the stage that a start at t_s belongs to; None before the sweep and after it."""
        if t_s < 0 or t_s >= self.length_s:
            return None
        return self._stages[bisect_right(self._stage_ends, t_s)]

    def bounds_s(self, stage: Stage) -> tuple[int, int]:
        """Return when a stage begins and ends, in whole seconds of the sweep."""
        end_s = self._stage_ends[self._stages.index(stage)]
        return end_s - stage.length_s, end_s

    def planned(self, t_s: float) -> float:
        """Return how many starts were planned until t_s, over all seats."""
        return self._legs[max(bisect_right(self._starts, t_s) - 1, 0)].starts(t_s)

    def offered(self, second: int) -> float | None:
        """Return the planned starts of one second of the sweep; None where nothing is planned (a probe)."""
        stage = self.stage_at(second)
        if stage is None or stage.rate_rps is None:
            return None
        return self.planned(second + 1) - self.planned(second)

    def next_start(self, slot: int, phase: float, seats: int, now_s: float) -> tuple[int, float]:
        """Return the next slot of a seat and when it is due; a time that has passed means at once, inf never.

        Args:
            slot: the seat's last slot, -1 before its first.
            phase: the seat's share of an interval, in [0, 1).
            seats: how many seats share the rate.
            now_s: the time, seconds of the sweep.
        """
        stage = self.stage_at(max(now_s, 0.0))
        if stage is None:
            return slot, math.inf
        if stage.rate_rps is None:
            return slot, max(now_s, phase * PROBE_SPREAD_S)
        due = (slot + 1 + phase) * seats
        done = self.planned(now_s) if now_s > 0 else 0.0
        if due <= done:  # late: the last slot that has passed is made up, those before it are let go
            return max(math.floor(done / seats - phase), slot + 1), now_s
        return slot + 1, self._time_of(due)

    def _time_of(self, starts: float) -> float:
        if starts >= self.planned(self.length_s):
            return math.inf
        return self._legs[bisect_right(self._befores, starts) - 1].time_of(starts)


def _legs(stages: tuple[Stage, ...]) -> tuple[_Leg, ...]:
    legs: list[_Leg] = []
    start_s, rate_rps, before = 0.0, 0.0, 0.0
    for stage in stages:
        end_s = start_s + stage.length_s
        if stage.rate_rps is None:
            parts: list[tuple[float, float, float | None, float | None]] = [(start_s, end_s, None, None)]
        else:
            bend_s = start_s + (min(stage.ramp_s, stage.length_s) if stage.ramp_s > SHORTEST_RAMP_S else 0.0)
            parts = [(start_s, bend_s, rate_rps, stage.rate_rps), (bend_s, end_s, stage.rate_rps, stage.rate_rps)]
        for from_s, to_s, low, high in parts:
            if to_s > from_s:
                legs.append(_Leg(from_s, to_s, low, high, before))
                before = legs[-1].starts(to_s)
        start_s, rate_rps = end_s, stage.rate_rps or 0.0
    return tuple(legs)
