"""The station: what one sending process knows. Its seats, the sweep under way, and its tally; no socket, no Locust.

A Locust user sits down in a seat, asks `wait_s` how long to sleep and `turn` whether to send; the recorder reports each
end. Stages change by the clock: an order says when the sweep begins, relative to now, so that clocks of other machines
need not agree; seconds carry the master's numbers.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from records.clock import NS
from records.instance import Instance
from records.stage import Phase, Stage
from swarm.pacing import Course
from swarm.seats import Seat, draw_strata, seat_users
from swarm.tally import Outcome, Report, Tally, phase_of

NAP_S: Final = 0.5
"""The longest sleep of a seat, so that it sees a new sweep (at least 1 s ahead) or an early end in time."""
EARLY_S: Final = 0.001
"""An event loop's timers may fire this early; a seat then starts early rather than sleep for less than that."""


@dataclass(frozen=True, slots=True)
class Order:
    """What the conductor tells every worker: drive these stages, the first begins in `begins_in_ns`.

    `number` counts the sweeps of a run; `crew` names the workers that take part; `seed` makes the draws repeatable, the
    same for both twins of a pair; `instances` are the targets.
    """

    number: int
    stages: tuple[Stage, ...]
    start_second: int
    begins_in_ns: int
    crew: tuple[int, ...]
    seed: str
    instances: tuple[Instance, ...]


def encode_order(order: Order) -> bytes:
    """Return an order as it travels in a Locust message."""
    return msgspec.msgpack.encode(order)


def decode_order(data: bytes) -> Order:
    """Read an order back; msgspec.MsgspecError when it is none."""
    return msgspec.msgpack.decode(data, type=Order)


class Hit:
    """One request under way."""

    __slots__ = ("over", "phase", "stage", "stage_ends_ns", "start_ns", "user")

    def __init__(self, stage: Stage, phase: Phase, start_ns: int, stage_ends_ns: int, user: int) -> None:
        self.stage = stage
        self.phase = phase
        self.start_ns = start_ns
        self.stage_ends_ns = stage_ends_ns
        self.user = user
        self.over = False


@dataclass(slots=True)
class _Sweep:
    order: Order
    course: Course
    begins_ns: int
    first: int
    strata: list[int]
    cut: bool = False

    def second(self, at_ns: int) -> int:
        return self.order.start_second + (at_ns - self.begins_ns) // NS


class Station:
    """The seats of one process.

    Args:
        ids, activity: the pool's users, shape (users,) each.
        seats: how many seats this process has.
        worker: this process's number in the crew.
        run: counts the runs of this process.
        clock: monotonic nanoseconds.
    """

    def __init__(
        self,
        ids: Sequence[str],
        activity: npt.NDArray[np.int64],
        *,
        seats: int,
        worker: int,
        run: int,
        clock: Callable[[], int],
    ) -> None:
        self._run = run
        self._ids = ids
        self._activity = activity
        self._clock = clock
        self._crew: tuple[int, ...] = ()
        self._first = self._occupied = self._reports = 0
        self._sweep: _Sweep | None = None
        self._seats = [Seat(number) for number in range(seats)]
        self._free = list(reversed(self._seats))
        self.worker = worker
        self.tally = Tally()
        self.fault: str | None = None

    @property
    def order(self) -> Order | None:
        """The order of the sweep under way, or of the last one."""
        return self._sweep.order if self._sweep else None

    @property
    def taken(self) -> int:
        """How many seats are taken by Locust users."""
        return len(self._seats) - len(self._free)

    def sit_down(self) -> Seat | None:
        """Return a free seat for a new Locust user; None when all are taken."""
        return self._free.pop() if self._free else None

    def stand_up(self, seat: Seat) -> None:
        """Give a seat back."""
        self._free.append(seat)

    def begin(self, order: Order) -> None:
        """Take an order: the sweep begins by itself when its time has come."""
        now_ns = self._clock()
        if order.crew != self._crew:
            self._reseat(order.crew)
        strata = draw_strata(self._occupied, order.seed)
        self._sweep = _Sweep(order, Course(order.stages), now_ns + order.begins_in_ns, self._first, strata)

    def cut(self) -> None:
        """End the sweep under way: nothing more is started; what is in flight is still counted."""
        if self._sweep is not None:
            self._sweep.cut = True

    def wait_s(self, seat: Seat) -> float:
        """Return how long a seat shall sleep now; at most `NAP_S`."""
        sweep = self._sweep
        if sweep is None or sweep.cut or not seat.users:
            return NAP_S
        if seat.sweep is not sweep:
            place = sweep.first + seat.number
            seat.begin(sweep, f"{sweep.order.seed}/{place}", sweep.strata[place], len(sweep.strata))
        now_s = (self._clock() - sweep.begins_ns) / NS
        seat.next_slot, seat.at_s = sweep.course.next_start(seat.slot, seat.phase, len(sweep.strata), now_s)
        return min(max(seat.at_s - now_s, 0.0), NAP_S)

    def upcoming(self, seat: Seat) -> Stage | None:
        """Return the first stage of a sweep that has not begun, for a seat that takes part: time to connect."""
        sweep = self._sweep
        if sweep is None or sweep.cut or seat.sweep is not sweep or self._clock() >= sweep.begins_ns:
            return None
        return sweep.order.stages[0]

    def turn(self, seat: Seat) -> Hit | None:
        """Return the request that a seat shall send now, counted as started; None when it is not its turn."""
        sweep = self._sweep
        if sweep is None or sweep.cut or seat.sweep is not sweep:
            return None
        now_ns = self._clock()
        now_s = (now_ns - sweep.begins_ns) / NS
        if seat.at_s > now_s + EARLY_S:
            return None
        stage = sweep.course.stage_at(now_s)
        if stage is None:
            return None
        begins_s, ends_s = sweep.course.bounds_s(stage)
        phase = phase_of(stage, now_s - begins_s)
        seat.slot, seat.at_s = seat.next_slot, math.inf
        self.tally.started((sweep.second(now_ns), stage.id, phase))
        return Hit(stage, phase, now_ns, sweep.begins_ns + ends_s * NS, seat.draw_user())

    def ended(self, hit: Hit, outcome: Outcome) -> None:
        """Count the end of a request, now."""
        sweep = self._sweep
        if sweep is None or hit.over:
            raise RuntimeError(f"a request of stage {hit.stage.id} ended twice or outside any sweep")
        hit.over = True
        now_ns = self._clock()
        phase: Phase = hit.phase if now_ns < hit.stage_ends_ns else "drain"
        self.tally.ended((sweep.second(now_ns), hit.stage.id, phase), outcome)

    def report(self) -> Report:
        """Return what was counted since the last report, in whole seconds that are over."""
        sweep = self._sweep
        now_ns = self._clock()
        through = sweep.second(now_ns) if sweep else 0
        number, self._reports = self._reports, self._reports + 1
        return Report(
            self.worker, self._run, number, os.getpid(), self.taken, through,
            self.tally.take(through) if sweep else (), self._past(sweep, now_ns, through) if sweep else (), self.fault,
        )  # fmt: skip

    def _past(self, sweep: _Sweep, now_ns: int, through: int) -> tuple[int, ...]:
        over = [
            stage
            for stage in sweep.order.stages
            if sweep.cut or now_ns >= sweep.begins_ns + sweep.course.bounds_s(stage)[1] * NS
        ]
        return tuple(stage.id for stage in over if self.tally.is_told(stage.id, through))

    def _reseat(self, crew: tuple[int, ...]) -> None:
        seating = seat_users(self._ids, self._activity, crew, self.worker, len(self._seats))
        for seat, users in zip(self._seats, seating.users, strict=True):
            seat.carry(users, [int(self._activity[user]) for user in users])
        self._crew = crew
        self._first, self._occupied = seating.first, seating.occupied
