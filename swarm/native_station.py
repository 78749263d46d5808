"""The station of the sender "native-schedule": one process's share of a sweep, which the engine sends by itself.

    order -> this worker's users and share -> engine schedule -> drains -> engine tally -> report
                                                              `-> Locust's statistics

Locust's users sit here as light handles: they are counted, and in a live stage their number steers the load. A schedule
is made when an order comes, never earlier, so that a process may fork before it. A second order of the same sweep
means that a worker was lost: what was meant for later is then sent by a second schedule with the new share, while the
first one starts nothing any more and what it has under way still ends and counts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from records.clock import NS
from records.instance import Instance
from records.stage import Stage
from swarm.bulk import Asked
from swarm.engine_plan import EngineLine, EngineSchedule, Service, Share, decode, live_load, schedule_of
from swarm.engine_tally import EngineTally
from swarm.pacing import Course
from swarm.request_ids import ids_of
from swarm.station import Order
from swarm.tally import Report
from swarm.targets import Routes
from userpool.slices import assign

TAKE_OVER_NS: Final = 50_000_000
"""So long after an order to take over, a second schedule begins: long enough to make its threads."""

Weights = npt.NDArray[np.int64]


class Running(Protocol):
    """A schedule that the engine sends."""

    def set_rate(self, rate_rps: float) -> None:
        """Change the rate of the stage under way."""

    def set_users(self, users: int) -> None:
        """Change the number of closed-loop users."""

    def stop(self) -> None:
        """Start nothing any more."""

    def abort(self) -> None:
        """End at once."""

    def drain(self) -> bytes:
        """Return what the threads told since the last time."""


class Start(Protocol):
    """Starts a schedule."""

    def __call__(self, schedule: EngineSchedule, weights: Weights, start_ns: int, from_ns: int | None) -> Running: ...


class Later(Protocol):
    """Runs something later."""

    def __call__(self, seconds: float, act: Callable[[], None]) -> object: ...


@dataclass(frozen=True, slots=True)
class Slice:
    """A worker's part of the pool and of the load: the weight of every pool user, 0 for the others', and its share."""

    weights: Weights
    share: Share


def slice_of(ids: Sequence[str], activity: Weights, crew: Sequence[int], worker: int) -> Slice | None:
    """Return what one worker of a crew carries; None when no user is its own.

    Args:
        ids, activity: the pool's users, shape (users,) each.
        crew: the workers that take part; one that leaves moves its own users alone.
        worker: the worker, one of the crew.
    """
    owner = assign(ids, [f"worker-{number}" for number in crew])
    carrying = [place for place in range(len(crew)) if bool((activity[owner == place] > 0).any())]
    place = list(crew).index(worker)
    if place not in carrying:
        return None
    return Slice(np.where(owner == place, activity, 0), Share(carrying.index(place), len(carrying)))


@dataclass(frozen=True, slots=True)
class NativeKit:
    """What a native station needs of its process; `make_routes` checks instances against the plan."""

    ids: Sequence[str]
    activity: Weights
    service: Service
    make_routes: Callable[[tuple[Instance, ...]], Routes]
    start: Start
    clock: Callable[[], int]
    later: Later
    count: Callable[[Sequence[EngineLine], Sequence[Asked]], None]


@dataclass(slots=True)
class _Sweep:
    """A sweep under way; `start_ns` is its begin on this machine's clock, a whole second."""

    order: Order
    course: Course
    start_ns: int
    tally: EngineTally
    asked: tuple[Asked, ...]
    running: list[Running] = field(default_factory=list)
    steered: int | None = None
    cut: bool = False

    @property
    def offset(self) -> int:
        return self.order.start_second - self.start_ns // NS


class NativeStation:
    """One process of the sender "native-schedule".

    Args:
        kit: what it needs of its process.
        worker: this process's number in the crew.
        run: counts the runs of this process.
    """

    def __init__(self, kit: NativeKit, *, worker: int, run: int) -> None:
        self._kit = kit
        self._run = run
        self._reports = 0
        self._sweep: _Sweep | None = None
        self._instances: tuple[Instance, ...] = ()
        self._routes: Routes = {}
        self._slices: dict[tuple[int, ...], Slice | None] = {}
        self.worker = worker
        self.taken = 0
        self.fault: str | None = None

    def sit_down(self) -> None:
        """Count a Locust user."""
        self.taken += 1

    def stand_up(self) -> None:
        """Count a Locust user less."""
        self.taken -= 1

    def begin(self, order: Order) -> None:
        """Take an order: a new sweep, or a new share of the one under way.

        Raises: SwarmError when an entry is served nowhere, ValueError or OSError when the engine cannot start.
        """
        if self.worker not in order.crew:
            self.cut()
            return
        if order.instances != self._instances:
            self._routes, self._instances = self._kit.make_routes(order.instances), order.instances
        sweep = self._sweep
        if sweep is not None and sweep.order.number == order.number:
            self._take_over(sweep, order)
            return
        self.end()
        now_ns = self._kit.clock()
        # Stages begin on whole seconds of this clock, for the engine counts by them. On the conductor's machine this
        # is its own second, whatever time the message took; elsewhere it is off by half a second at most.
        start_ns = (now_ns + order.begins_in_ns + NS // 2) // NS * NS
        first = order.stages[0]
        tally = EngineTally(
            order.start_second - start_ns // NS, {stage.id: stage.loop == "open" for stage in order.stages}
        )
        service = self._kit.service
        asked = tuple(
            Asked(first.twin, first.endpoint, name, service.entries[name].method)
            for name in service.names(first.endpoint)
        )
        self._sweep = _Sweep(order, Course(order.stages), start_ns, tally, asked)
        self._start(self._sweep, order, None)

    def cut(self) -> None:
        """End the sweep under way: nothing more is started; what is in flight is still counted."""
        if self._sweep is not None:
            self._sweep.cut = True
            for running in self._sweep.running:
                running.stop()

    def end(self) -> None:
        """End at once what may still be under way."""
        if self._sweep is not None:
            for running in self._sweep.running:
                running.abort()
            self.pump()
            self._sweep = None

    def pump(self) -> None:
        """Read what the engine told, and let a live stage follow the number of seats; to be called often."""
        sweep = self._sweep
        if sweep is None or self.fault is not None:
            return
        try:
            for source, running in enumerate(sweep.running):
                reports = decode(running.drain())
                sweep.tally.take(source, reports)
                for report in reports:
                    if report.lines:
                        self._kit.count(report.lines, sweep.asked)
            self._steer(sweep)
        except Exception as error:  # whatever failed, the run must not go on as if it were counted
            self.fault = f"{type(error).__name__}: {error}"

    def report(self) -> Report:
        """Return what was counted since the last report."""
        self.pump()
        sweep, through = self._sweep, 0
        number, self._reports = self._reports, self._reports + 1
        if sweep is not None:
            through = sweep.tally.through(self._kit.clock() // NS + sweep.offset)
        return Report(
            self.worker, self._run, number, os.getpid(), self.taken, through,
            sweep.tally.parts() if sweep else (), self._past(sweep, through) if sweep else (), self.fault,
            sweep.tally.sending() if sweep else (),
        )  # fmt: skip

    def _past(self, sweep: _Sweep, through: int) -> tuple[int, ...]:
        start = sweep.order.start_second
        over = [
            stage.id
            for stage in sweep.order.stages
            if sweep.tally.is_over or through >= start + sweep.course.bounds_s(stage)[1]
        ]
        return tuple(stage for stage in over if sweep.tally.is_past(stage, through))

    def _take_over(self, sweep: _Sweep, order: Order) -> None:
        sweep.order = order
        if sweep.cut:
            return
        from_ns = self._kit.clock() + TAKE_OVER_NS
        before = list(sweep.running)
        self._start(sweep, order, from_ns)

        def stop() -> None:
            for running in before:
                running.stop()

        self._kit.later(max(from_ns - self._kit.clock(), 0) / NS, stop)

    def _start(self, sweep: _Sweep, order: Order, from_ns: int | None) -> None:
        mine = self._slice(order.crew)
        if mine is None:
            return
        schedule = schedule_of(
            order.stages, self._routes, self._kit.service, share=mine.share, seed=order.seed, seats=self.taken
        )
        ids = ids_of(order.seed, order.number, order.start_second, mine.share.place)
        schedule = msgspec.structs.replace(schedule, ids=ids)
        second = self._kit.clock() // NS
        sweep.tally.expect(len(sweep.running), schedule.threads, second)
        sweep.running.append(self._kit.start(schedule, mine.weights, sweep.start_ns, from_ns))
        sweep.steered = self.taken

    def _slice(self, crew: tuple[int, ...]) -> Slice | None:
        if crew not in self._slices:
            self._slices[crew] = slice_of(self._kit.ids, self._kit.activity, crew, self.worker)
        return self._slices[crew]

    def _steer(self, sweep: _Sweep) -> None:
        """Let the last schedule follow the seats; before its stage begins, it only notes that they changed."""
        stage = self._live_stage(sweep)
        if stage is None or not sweep.running or sweep.steered == self.taken:
            return
        rate_rps, users = live_load(stage, self._kit.service.plan, self.taken)
        sweep.steered = self.taken
        if rate_rps is not None:
            sweep.running[-1].set_rate(rate_rps)
        if users is not None:
            sweep.running[-1].set_users(users)

    def _live_stage(self, sweep: _Sweep) -> Stage | None:
        now_ns = self._kit.clock()
        stage = None if sweep.cut else sweep.course.stage_at((now_ns - sweep.start_ns) / NS)
        return stage if stage is not None and stage.live else None
