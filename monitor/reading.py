"""What a reader tells of processes, ports and the host: the seam between the kernel and everything that counts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from records.usage import HostUsage


@dataclass(frozen=True, slots=True)
class ProcessReading:
    """One process at one moment.

    `started` names it beyond reuse of its pid (any unit, equal or not); `waited_s` is the CPU time of its children
    that ended and were waited for; `switches` counts context switches by thread id (None where unknown); `children`
    are the pids of its children. A zombie has ended, but its CPU time is not in its parent's `waited_s` yet.
    """

    pid: int
    started: float
    waited_s: float
    memory_bytes: int
    switches: dict[int, int] | None
    children: tuple[int, ...]
    zombie: bool = False


class Reader(Protocol):
    """Reads the machine; None is a process that is not there (any more)."""

    def process(self, pid: int) -> ProcessReading | None:
        """Read a process without its CPU time."""
        ...

    def cpu_s(self, pid: int) -> float | None:
        """Read the CPU time of a process without its children; quick, so that many are read at one moment."""
        ...

    def established(self, ports: Collection[int]) -> dict[int, int] | None:
        """Count established TCP connections by local port, a port without any as 0; None where unknown."""
        ...

    def host(self) -> HostUsage:
        """Read the machine as a whole."""
        ...

    def close(self) -> None:
        """Give back what is kept between readings."""
        ...
