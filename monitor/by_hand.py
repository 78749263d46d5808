"""The watch of a run by hand: as a campaign's, but that it opens and closes its sources itself, and sees processes end.

A campaign starts its processes and so hears of their deaths; `locust` finds what runs. What happens to instances is
kept here until the driver asks: its run folder is written from one place.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from clusters.child import last_lines
from clusters.identity import is_running, start_token
from monitor.sources import open_sources
from monitor.watch import Monitor
from records.clock import Clock
from records.event import Event
from records.instance import Instance
from records.plan import Plan
from records.usage import UsageLine


class HandMonitor:
    """Watches processes, containers and external instances until it is stopped."""

    def __init__(self, plan: Plan, root: Path, instances: Sequence[Instance], clock: Clock) -> None:
        """Open the sources; from now on what happens is kept.

        Args:
            plan: for external twins, where to ask.
            root: the plan's folder.
            instances: all that are watched, the generator and the host among them.
            clock: for the times of lines and events.
        Raises: MonitorError; the errors of `clusters.engine.connect` where there are containers.
        """
        self._told = queue.SimpleQueue[Event]()
        self._clock = clock
        self._root = root
        self._sources = open_sources(plan, instances, root, clock, self._told.put)
        self._alive = {
            one.name: (one, token)
            for one in instances
            if one.role == "target" and one.watch == "process" and one.pid and (token := start_token(one.pid))
        }
        self._monitor: Monitor | None = None

    @property
    def instances(self) -> tuple[Instance, ...]:
        """Those that were given, each with the `watch` that it has now."""
        return self._sources.instances

    @property
    def ways(self) -> Mapping[str, str]:
        """By instance in words where its figures come from; processes and the host are not named."""
        return self._sources.ways

    def start(self, emit: Callable[[UsageLine], None], pids: Mapping[str, Iterable[int]]) -> None:
        """Begin to sample.

        Args:
            emit: takes one line at a time, from the watch's thread.
            pids: the processes of instances that have none of their own in the record (the generator's), by name.
        """
        self._monitor = Monitor(self.instances, self._clock, emit, sources=self._sources.by_name)
        for name, found in pids.items():
            self._monitor.set_pids(name, found)
        self._monitor.start()

    def news(self) -> tuple[Event, ...]:
        """Return what happened to the instances since this was last asked, each once."""
        told = []
        with suppress(queue.Empty):
            while True:
                told.append(self._told.get_nowait())
        return (*told, *self._ended())

    def _ended(self) -> list[Event]:
        ended = [one for one, token in self._alive.values() if not is_running(one.pid or 0, token)]
        for one in ended:
            del self._alive[one.name]
        return [self._death(one) for one in ended]

    def _death(self, instance: Instance) -> Event:
        now_ns = time.monotonic_ns()
        tail = last_lines(self._root / instance.log) if instance.log else ()
        text = "\n".join([f"{instance.name} ended", *(f"  | {line}" for line in tail)])
        return Event(now_ns, self._clock.utc(now_ns), "instance-died", text, None, instance.name)

    def stop(self) -> None:
        """End the watch, then close the sources; also when it never began."""
        with self._sources:
            if self._monitor is not None:
                self._monitor.stop()
