"""What Locust runs: the swarm's seats in ramp stages, wired to the watch over CPU and memory.

locust                              web UI: the plan's choices are fields of the start form
locust --headless                   the same without a browser
locust --headless --processes 2     two worker processes
locust --master / locust --worker   workers elsewhere, each with this folder
"""

from __future__ import annotations

from locust import events

from monitor.by_hand import HandMonitor
from swarm.seat_user import SeatUser
from swarm.wiring import RampStages, connect


class Seat(SeatUser):
    """One of the seats that carry the pool's users."""


class Ramp(RampStages):
    """The stages of `twinload.toml`."""


connect(events, seat_class=Seat, shape_class=Ramp, make_watch=HandMonitor)
