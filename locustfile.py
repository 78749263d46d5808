"""What Locust runs: the swarm's seats in ramp stages, wired to the watch over CPU and memory.

locust                              web UI: the plan's choices are fields of the start form
locust --headless                   the same without a browser
locust --headless --processes 2     two worker processes
locust --master / locust --worker   workers elsewhere, each with this folder; needs --master-bind-host
"""

from __future__ import annotations

from locust import events

from monitor import MonitorError
from monitor.by_hand import HandMonitor
from swarm.native.seat_user import NativeSeatUser
from swarm.schedule_seat import ScheduleSeat
from swarm.seat_user import SeatUser
from swarm.wiring import RampStages, connect


class Handle(ScheduleSeat):
    """One of the users that the engine sends for."""


class Seat(SeatUser):
    """One of the seats that carry the pool's users, with Locust's own client."""


class NativeSeat(NativeSeatUser):
    """One of the seats that carry the pool's users, with the engine's client."""


class Ramp(RampStages):
    """The stages of `twinload.toml`."""


connect(
    events,
    seat_classes={"native-schedule": Handle, "native-users": NativeSeat, "fasthttp": Seat},
    shape_class=Ramp,
    make_watch=HandMonitor,
    watch_faults=(MonitorError,),
)
