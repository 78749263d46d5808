"""When Locust's figures begin anew: the UI's reset, `--reset-stats`, or `events.reset_stats`. The run folder's go on.

What ended before the reset and comes after it is not shown. A process that sends leaves out seconds that began before
the reset. A master cannot: a worker's report is a sum over seconds. So it tells the workers of the reset, and drops the
figures of reports that were made before they heard of it.

| process | at a reset |
|---|---|
| local | leaves out what ended before the next whole second |
| master | tells the workers; drops the figures of each until it has answered |
| worker | forgets what it has not reported, then as local; says so with its reports |

The listeners are registered at import, before Locust's own: a report is stripped before it is added.
"""

from __future__ import annotations

from locust.env import Environment
from locust.event import Events
from locust.rpc import Message
from locust.runners import MasterRunner, WorkerRunner

from collections.abc import Callable
from typing import Any, Final

from swarm.bulk_statistics import BulkStatistics

RESET: Final = "twinload-reset"
RESETS_KEY: Final = "twinload_resets"


class StatisticsReset:
    """Hears of resets in one process; `statistics` gives its bulk statistics, None where nothing is sent."""

    def __init__(self, events: Events, statistics: Callable[[], BulkStatistics | None]) -> None:
        self._statistics = statistics
        self._environment: Environment | None = None
        self._number = 0
        self._behind: set[str] = set()
        for hook, listener in (
            (events.init, self._on_init),
            (events.reset_stats, self._on_reset),
            (events.spawning_complete, self._on_spawning_complete),
            (events.report_to_master, self._on_report_to_master),
            (events.worker_report, self._on_worker_report),
        ):
            hook.add_listener(listener)  # type: ignore[no-untyped-call]

    def _on_init(self, environment: Environment, **_: Any) -> None:
        self._environment = environment
        if isinstance(environment.runner, WorkerRunner):
            environment.runner.register_message(RESET, self._on_master_reset)

    def _on_reset(self, **_: Any) -> None:
        if (statistics := self._statistics()) is not None:
            statistics.reset()
        runner = self._environment.runner if self._environment is not None else None
        if isinstance(runner, MasterRunner):
            self._number += 1
            self._behind = {client.id for client in runner.clients.all}
            runner.send_message(RESET, {"number": self._number})

    def _on_spawning_complete(self, **_: Any) -> None:
        if self._environment is not None and self._environment.reset_stats:
            self._on_reset()

    def _on_master_reset(self, environment: Environment, msg: Message, **_: Any) -> None:
        self._number = int(msg.data["number"])
        environment.stats.clear_all()
        if (statistics := self._statistics()) is not None:
            statistics.reset()

    def _on_report_to_master(self, data: dict[str, Any], **_: Any) -> None:
        data[RESETS_KEY] = self._number

    def _on_worker_report(self, client_id: str, data: dict[str, Any], **_: Any) -> None:
        if client_id not in self._behind:
            return
        if data.get(RESETS_KEY, 0) >= self._number:
            self._behind.discard(client_id)
            return
        data["stats"], data["errors"] = [], {}
        data["stats_total"] = {"name": "Aggregated", "method": ""}
