"""Who sends in one process, by the plan's sender: the post that takes orders and reports, behind the Locust users.

| sender | Locust's users | station |
|---|---|---|
| native-schedule | ScheduleSeat, light handles | NativeStation: the engine sends |
| native-users | a seat that sends through the engine's client | Station |
| fasthttp | SeatUser | Station |
"""

from __future__ import annotations

from locust import User

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import gevent

from swarm.bulk import Asked
from swarm.engine_plan import EngineLine, Service
from swarm.engine_sender import EngineSender, file_text, numeric_address
from swarm.native_station import NativeKit, NativeStation
from swarm.preparation import Preparation, known_bodies, pool_columns
from swarm.schedule_seat import ScheduleSeat
from swarm.seat_user import Kit, SeatUser
from swarm.station import Order, Station
from swarm.tally import Report
from swarm.targets import make_routes, planned_instances

SeatClasses = Mapping[str, type[User]]
"""The locustfile's concrete user class of each sender."""
Count = Callable[[Sequence[EngineLine], Sequence[Asked]], None]


class AnyStation(Protocol):
    """What crews need of a process that sends."""

    fault: str | None

    @property
    def worker(self) -> int:
        """The process's number."""

    @property
    def taken(self) -> int:
        """How many Locust users sit here."""

    def cut(self) -> None:
        """End the sweep under way: what is in flight is still counted."""

    def report(self) -> Report:
        """Return what was counted since the last report."""


@dataclass(frozen=True, slots=True)
class Post:
    """A process that sends in one run: `begin` takes an order, `pump` is called often, `end` ends all at once."""

    station: AnyStation
    begin: Callable[[Order], None]
    pump: Callable[[], None] | None = None
    end: Callable[[], None] | None = None


def take_post(classes: SeatClasses, preparation: Preparation, count: Count, *, worker: int, run: int) -> Post:
    """Return this process's post, with the seats of the plan's sender bound to it.

    Args:
        classes: the locustfile's.
        preparation: the plan, the pool and the templates.
        count: counts the engine's lines in Locust's statistics.
        worker, run: numbers of this process and of its runs.
    Raises: SwarmError when something that the plan names cannot be read, TargetError when a program is missing.
    """
    plan, pool, root = preparation.plan, preparation.pool, preparation.choice.root
    seat_class = classes[plan.swarm.sender]
    if issubclass(seat_class, ScheduleSeat):
        columns = pool_columns(plan, root, pool)
        instances = preparation.instances or planned_instances(plan, plan.twins)  # a worker gets them with its orders
        bodies = known_bodies(plan, root, pool, instances)
        station = NativeStation(
            NativeKit(
                pool.ids, pool.activity,
                Service(plan, preparation.entries, preparation.mix, numeric_address, file_text, bodies),
                lambda instances: make_routes(plan, instances, root=root, environ=os.environ),
                EngineSender(columns, plan, len(pool)).start, time.monotonic_ns, gevent.spawn_later, count,
            ),
            worker=worker, run=run,
        )  # fmt: skip
        seat_class.station = station
        return Post(station, station.begin, station.pump, station.end)
    if not issubclass(seat_class, SeatUser):
        raise TypeError(f"{seat_class.__name__} is no seat of the swarm")
    seats = Station(pool.ids, pool.activity, seats=plan.seats, worker=worker, run=run, clock=time.monotonic_ns)
    kit = seat_class.kit = Kit(
        seats, lambda instances: make_routes(plan, instances, root=root, environ=os.environ),
        preparation.entries, preparation.mix, plan.swarm.timeout_s,
    )  # fmt: skip
    return Post(seats, kit.begin)
