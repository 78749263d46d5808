"""Locust's CPU warning, judged by what limits Locust: the process without the engine's threads.

Locust measures the whole process every ten seconds. An engine that is busy with sending would always trip the warning,
and says nothing about Python, which has one core at most. So the warning is judged here, on the usage event that
follows each measurement in the same breath: runner.current_cpu_usage (which the web UI, and a worker's heartbeat, show)
is set to Python's own share, and `events.cpu_warning` and the log follow from that. The engine's own CPU stands in the
run folder.
"""

from __future__ import annotations

from locust import runners
from locust.env import Environment
from locust.event import Events

import logging
import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

logger = logging.getLogger("twinload.swarm")
ENGINE_THREAD: Final = "twinload-"
"""How the engine names its threads."""
THRESHOLD_PERCENT: Final = float(runners.CPU_WARNING_THRESHOLD)
_TASKS: Final = Path("/proc/self/task")
_TICK_NS: Final = 1_000_000_000 // os.sysconf("SC_CLK_TCK")

ThreadCpu = Mapping[int, int]
"""CPU in ns by thread, since its begin."""


def python_threads(tasks: Path = _TASKS) -> ThreadCpu:
    """Return the CPU of this process's threads, the engine's left out; the whole process's where there is no /proc."""
    if not tasks.is_dir():
        return {0: time.process_time_ns()}
    out: dict[int, int] = {}
    for task in tasks.iterdir():
        try:
            name, figures = (task / "stat").read_text().split("(", 1)[1].rsplit(")", 1)
        except FileNotFoundError:  # it ended a moment ago
            continue
        if not name.startswith(ENGINE_THREAD):
            user, system = figures.split()[11:13]
            out[int(task.name)] = (int(user) + int(system)) * _TICK_NS
    return out


class CpuWarning:
    """Takes Locust's warning over for one process.

    Args:
        events: Locust's, of the module.
        threads: reads the CPU of all threads that count.
        clock: monotonic ns.
    """

    def __init__(
        self,
        events: Events,
        threads: Callable[[], ThreadCpu] = python_threads,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._threads = threads
        self._clock = clock
        self._seen: ThreadCpu = {}
        self._at_ns = 0
        events.init.add_listener(self._on_init)  # type: ignore[no-untyped-call]
        events.usage_monitor.add_listener(self._on_usage)  # type: ignore[no-untyped-call]

    def _on_init(self, **_: Any) -> None:
        runners.CPU_WARNING_THRESHOLD = math.inf  # type: ignore[assignment]  # Locust's own judgement never comes
        self._seen, self._at_ns = self._threads(), self._clock()

    def _on_usage(self, environment: Environment, **_: Any) -> None:
        runner = environment.runner
        if runner is None:
            return
        percent = runner.current_cpu_usage = self._percent()
        if percent <= THRESHOLD_PERCENT:
            return
        environment.events.cpu_warning.fire(environment=environment, cpu_usage=percent)  # type: ignore[no-untyped-call]
        if not runner.cpu_warning_emitted:
            runner.cpu_warning_emitted = True
            logger.warning(
                "Python uses %.0f%% of a core (the engine's threads apart; limit %.0f%%): figures may come late, and "
                "Python's senders may be slow; use more --processes or fewer users",
                percent, THRESHOLD_PERCENT,
            )  # fmt: skip

    def _percent(self) -> float:
        """Return the share of one core since the last time; threads that ended in between count up to then."""
        seen, at_ns = self._threads(), self._clock()
        used_ns = sum(max(cpu_ns - self._seen.get(thread, 0), 0) for thread, cpu_ns in seen.items())
        elapsed_ns = max(at_ns - self._at_ns, 1)
        self._seen, self._at_ns = seen, at_ns
        return 100 * used_ns / elapsed_ns
