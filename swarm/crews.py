"""The two crews: this process alone, and a master's workers. Here Locust's messages and reports are used.

| from the master | message | data |
|---|---|---|
| begin | `twinload-order` | an Order |
| cut | `twinload-cut` | |

| from a worker | carried by | data |
|---|---|---|
| about once a second | Locust's own report, key `twinload` | a Report |
"""

from __future__ import annotations

from locust.runners import MasterRunner

import os
import socket
from collections.abc import Callable
from typing import Any, Final

from swarm.senders import Post
from swarm.station import Order, encode_order
from swarm.tally import Report, decode_report

ORDER: Final = "twinload-order"
CUT: Final = "twinload-cut"
KEY: Final = "twinload"


Wanted = Callable[[], int | None]
"""How many seats there shall be; None: as many as there are, for Locust's user count steers."""


class LocalCrew:
    """This process sends by itself; its post is asked directly."""

    def __init__(self, post: Post, wanted: Wanted) -> None:
        self._post = post
        self._station = post.station
        self._wanted = wanted

    def members(self) -> tuple[int, ...]:
        """Return the one worker."""
        return (self._station.worker,)

    def seats(self) -> tuple[int, int]:
        """Return taken and wanted seats."""
        wanted = self._wanted()
        return self._station.taken, self._station.taken if wanted is None else wanted

    def begin(self, order: Order) -> None:
        """Take the order here."""
        self._post.begin(order)

    def cut(self) -> None:
        """End the sweep under way."""
        self._station.cut()

    def reports(self) -> tuple[Report, ...]:
        """Return one report."""
        return (self._station.report(),)

    def pids(self) -> tuple[int, ...]:
        """Return this process."""
        return (os.getpid(),)

    def fault(self) -> str | None:
        """Return None: the station's own fault comes with its report."""
        return None


class MasterCrew:
    """A master's workers; `take` is fed by Locust's worker_report event."""

    def __init__(self, runner: MasterRunner, wanted: Wanted) -> None:
        self._runner = runner
        self._wanted = wanted
        self._waiting: list[Report] = []
        self._last: dict[int, Report] = {}
        self._fault: str | None = None
        self._index: Callable[[str], int] = runner.get_worker_index

    def take(self, data: dict[str, Any]) -> None:
        """Keep the report that came with Locust's own; a gap in a worker's numbers is a fault."""
        if KEY not in data:
            return
        try:
            report = decode_report(data[KEY])
        except Exception as error:  # whatever came, it must not be lost silently
            self._fault = self._fault or f"a report cannot be read: {error}"
            return
        last = self._last.get(report.worker)
        if last is not None and (last.pid, last.run) == (report.pid, report.run) and report.number != last.number + 1:
            self._fault = self._fault or f"report {last.number + 1} of worker {report.worker} was lost"
        self._last[report.worker] = report
        self._waiting.append(report)

    def members(self) -> tuple[int, ...]:
        """Return the workers that run and have reported."""
        clients = self._runner.clients
        living = {int(self._index(client.id)) for client in (*clients.spawning, *clients.running)}
        return tuple(sorted(living & self._last.keys()))

    def seats(self) -> tuple[int, int]:
        """Return taken and wanted seats over all connected workers."""
        taken, wanted = sum(self._last[worker].seats for worker in self.members()), self._wanted()
        return taken, taken if wanted is None else wanted

    def begin(self, order: Order) -> None:
        """Send the order to every worker."""
        self._runner.send_message(ORDER, {"order": encode_order(order)})

    def cut(self) -> None:
        """Send the end to every worker."""
        self._runner.send_message(CUT, {})

    def reports(self) -> tuple[Report, ...]:
        """Return what came since the last call."""
        waiting, self._waiting = self._waiting, []
        return tuple(waiting)

    def pids(self) -> tuple[int, ...]:
        """Return the master and those of its workers that run on this machine."""
        here = f"{socket.gethostname()}_"
        local = {self._index(client.id) for client in self._runner.clients.all if client.id.startswith(here)}
        return (os.getpid(), *(self._last[worker].pid for worker in self.members() if worker in local))

    def fault(self) -> str | None:
        """Return what went wrong with a report."""
        return self._fault
