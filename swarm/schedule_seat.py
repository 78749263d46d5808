"""The Locust user of the sender "native-schedule": a light handle. It sits, is counted, and does nothing by itself.

The engine sends for all seats of the process. A seat is a parked greenlet, for Locust counts and stops its users by
their greenlets; in a live stage the number of seats steers the load.
"""

from __future__ import annotations

from locust import User, task

from typing import Any, ClassVar

import gevent
from gevent.pool import Group

from swarm.native_station import NativeStation


class ScheduleSeat(User):
    """A seat of the native schedule."""

    abstract = True
    station: ClassVar[NativeStation | None] = None

    @task
    def sent_by_engine(self) -> None:
        """Do nothing, ever: the engine sends. Locust wants a user to have a task."""

    def start(self, group: Group) -> Any:
        """Sit down: park a greenlet until Locust stops the user.

        Locust reads the user from the greenlet's first argument.
        """
        self._greenlet = group.spawn(_sit, self)
        self._group = group
        return self._greenlet


def _sit(user: ScheduleSeat) -> None:
    station = user.station
    if station is None:
        return
    station.sit_down()
    try:
        gevent.get_hub().switch()  # until it is killed: no timer, no event, no turn of the loop
    finally:
        station.stand_up()
