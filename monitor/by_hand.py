"""The watch of a run by hand: as a campaign's, but that it opens and closes the containers' sources itself.

A campaign opens them first, because what cannot be watched is to be told before any load, and with the plan, for twins
that run elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from monitor.sources import open_containers
from monitor.watch import Monitor
from records.clock import Clock
from records.instance import Instance
from records.usage import UsageLine


class HandMonitor(Monitor):
    """Watches processes and containers until it is stopped."""

    def __init__(self, instances: Sequence[Instance], clock: Clock, emit: Callable[[UsageLine], None]) -> None:
        """Prepare the watch; see Monitor.

        Raises: SourceUnavailable; the errors of `clusters.engine.connect` where there are containers.
        """
        with ExitStack() as stack:
            found = open_containers(instances, stack)
            super().__init__(instances, clock, emit, sources={name: source for name, (source, _) in found.items()})
            self._sources = stack.pop_all()

    def stop(self) -> None:
        """End the watch, then close the sources."""
        with self._sources:
            super().stop()
