"""The watch: a thread that takes a usage line on each whole second of the monotonic clock, as the swarm counts them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from monitor.errors import SamplingFailed
from monitor.portable import PortableReader
from monitor.procfs import ProcReader
from monitor.sampler import Sampler
from monitor.source import Source
from records.clock import NS, Clock
from records.instance import Instance
from records.usage import UsageLine


class Pause(Protocol):
    """What the thread waits on: `threading.Event`, or a test's own."""

    def wait(self, timeout: float) -> bool:
        """Wait; return whether the end was asked for."""
        ...

    def set(self) -> None:
        """Ask for the end."""
        ...


def next_boundary_ns(now_ns: int, interval_ns: int) -> int:
    """Return the first multiple of the interval after a moment: what was overrun is left out, and shows as a gap."""
    return (now_ns // interval_ns + 1) * interval_ns


def sample_on_boundaries(
    take: Callable[[], None], pause: Pause, *, interval_ns: int, now_ns: Callable[[], int] = time.monotonic_ns
) -> None:
    """Take a sample now, on each boundary, and once more when the end is asked for."""
    take()
    while True:
        now = now_ns()
        boundary = next_boundary_ns(now, interval_ns)
        while now < boundary:  # a wait may end early by its clock's grain
            if pause.wait((boundary - now) / NS):
                take()
                return
            now = now_ns()
        take()


class Monitor:
    """Watches instances until it is stopped; `emit` is called from its thread, one line at a time."""

    def __init__(
        self,
        instances: Sequence[Instance],
        clock: Clock,
        emit: Callable[[UsageLine], None],
        *,
        interval_s: float = 1.0,
        sources: Mapping[str, Source] | None = None,
    ) -> None:
        """Prepare the watch of instances, in the order of the arrays of every line.

        An instance with `watch = "process"` and a pid is read from the start; one without reads None until `set_pids`;
        `watch = "host"` reads the host's; one that `sources` has by its name is read from there; any other reads None.
        """
        self._reader = ProcReader() if ProcReader.supported() else PortableReader()
        self._sampler = Sampler(instances, clock, self._reader, sources=sources)
        self._emit = emit
        self._interval_ns = round(interval_s * NS)
        self._pause = threading.Event()
        self._lock = threading.Lock()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)

    def start(self) -> None:
        """Take a first line and go on."""
        self._thread.start()

    def set_pids(self, name: str, pids: Iterable[int]) -> None:
        """Name the processes of an instance that started after the watch (the generator's); children are found.

        Raises: UnknownInstance.
        """
        with self._lock:
            self._sampler.set_pids(name, tuple(pids))

    def check(self) -> None:
        """Raise SamplingFailed when the thread ended with an error."""
        if self._error is not None:
            raise SamplingFailed(f"the watch of CPU and memory ended: {self._error}") from self._error

    def stop(self) -> None:
        """Take the last line, end the thread, and raise SamplingFailed when it had ended with an error."""
        self._pause.set()
        if self._thread.is_alive():
            self._thread.join()
        self._reader.close()
        self.check()

    def _run(self) -> None:
        try:
            sample_on_boundaries(self._take, self._pause, interval_ns=self._interval_ns)
        except BaseException as error:  # kept for `check` and `stop`: a thread has nobody else to tell
            self._error = error

    def _take(self) -> None:
        with self._lock:
            line = self._sampler.sample()
        self._emit(line)
