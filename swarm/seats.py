"""Who sits where: pool users onto workers, a worker's users onto its seats, and a seat's draw of its next user. Pure.

Every worker computes the same split by itself from the crew (the workers that take part), so each user of the pool is
in exactly one seat of exactly one worker.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import numpy as np
import numpy.typing as npt

from records.plan import Plan
from userpool.slices import assign, seat

MOST_NATIVE_SEATS: Final = 20_000
"""A process's light seats: each takes a few KB and some µs of every second."""


@dataclass(frozen=True, slots=True)
class Seating:
    """The users of each seat of one worker, and this worker's part of all seats of the crew that carry anyone.

    A seat carries nobody only where a worker has fewer users than seats: then the last ones are empty and take no part
    in the pacing. `first` is the place of this worker's seat 0 among the `occupied` seats of the crew.
    """

    users: tuple[tuple[int, ...], ...]
    first: int
    occupied: int


def seat_users(
    ids: Sequence[str], activity: npt.NDArray[np.int64], crew: Sequence[int], worker: int, seats: int
) -> Seating:
    """Return who sits where on one worker.

    Args:
        ids, activity: the pool's users, shape (users,) each.
        crew: numbers of the workers that take part; one that leaves moves its own users alone.
        worker: this worker's number, one of the crew.
        seats: how many seats each worker has.
    """
    place = list(crew).index(worker)
    owner = assign(ids, [f"worker-{number}" for number in crew])
    mine = np.flatnonzero(owner == place)
    seat_of = seat(activity[mine], seats)
    order = np.argsort(seat_of, kind="stable")
    cuts = np.searchsorted(seat_of[order], np.arange(1, seats))
    users = tuple(tuple(part.tolist()) for part in np.split(mine[order], cuts))
    occupied = np.minimum(np.bincount(owner, minlength=len(crew)), seats)
    return Seating(users, int(occupied[:place].sum()), int(occupied.sum()))


def seats_wanted(plan: Plan, workers: int) -> int:
    """Return how many Locust users carry the pool, over all workers.

    With the native schedule one a pool user, unless the plan says how many a process has: a seat costs nothing there.
    """
    if plan.swarm.sender == "native-schedule" and plan.swarm.seats is None:
        return min(plan.pool.users, MOST_NATIVE_SEATS * workers)
    return plan.seats * workers


def draw_strata(seats: int, seed: str) -> list[int]:
    """Return a permutation of 0..seats-1: the part of an interval in which each seat starts.

    One seat to each part, drawn by lot: starts are spread at random, yet in any span of time their number is within a
    few of what was planned. Free draws would miss it by some percent at low rates.
    """
    strata = list(range(seats))
    random.Random(seed).shuffle(strata)  # noqa: S311 - a draw that must be repeatable
    return strata


class Seat:
    """One Locust user: the pool users that it carries, its place in the pacing, and its draws."""

    __slots__ = ("_draw", "_sums", "at_s", "next_slot", "number", "phase", "slot", "sweep", "users")

    def __init__(self, number: int) -> None:
        self.number = number
        self.users: tuple[int, ...] = ()
        self._sums: list[int] = []
        self._draw = random.Random()  # noqa: S311 - seeded before every sweep
        self.sweep: object = None
        self.phase = 0.0
        self.slot = self.next_slot = -1
        self.at_s = 0.0

    def carry(self, users: tuple[int, ...], weights: Sequence[int]) -> None:
        """Carry these pool users from now on, drawn by weight."""
        self.users = users
        self._sums = list(accumulate(weights))

    def begin(self, sweep: object, seed: str, stratum: int, strata: int) -> None:
        """Take part in a sweep: draw a phase within a stratum, and users, from a seed that names sweep and seat."""
        self.sweep = sweep
        self._draw.seed(seed)
        self.phase = (stratum + self._draw.random()) / strata
        self.slot = self.next_slot = -1

    def draw_user(self) -> int:
        """Return the next pool user's index, drawn by activity among the seat's own."""
        return self.users[bisect_right(self._sums, self._draw.random() * self._sums[-1])]

    def draw_below(self, total: float) -> float:
        """Return a number drawn evenly from [0, total): picks the entry of a mix."""
        return self._draw.random() * total
