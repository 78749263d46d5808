"""The reader of Linux: /proc, and CPU time by the kernel's per-process clock.

CPU time: `clock_gettime` on a process's CPU clock has nanoseconds, covers threads that ended, and costs 1 µs, where
/proc/PID/stat counts in ticks of 10 ms (user and system truncated apart: up to 20 ms a reading, 1 % of a core over
2 s). The clock of a thread that runs just now on another core stands at its last scheduler tick: with HZ = 250 a
reading is late by at most 4 ms per running thread. CPU time of children that were waited for is in 10 ms ticks.

Memory is the resident set: pages of a binary or library that several processes share count for each of them.

Context switches are the times that a thread was put on a core (/proc/PID/task/TID/schedstat): /proc/PID/status counts
the main thread alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import Final

import psutil

from monitor.reading import ProcessReading
from monitor.sockets import Diagnosis
from records.usage import HostUsage

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_SCHED_CLOCK: Final = 2  # CPUCLOCK_SCHED, linux/posix-timers.h: the clock of clock_getcpuclockid(3)
_MOST_BYTES: Final = 1 << 16
# Fields of /proc/PID/stat counted after the command name (proc(5) counts from 1, the state is field 3).
_STATE, _CUTIME, _CSTIME, _THREADS, _START, _RSS = 0, 13, 14, 17, 19, 21


class ProcReader:
    """Reads /proc; keeps one netlink socket, so close it."""

    def __init__(self) -> None:
        self._sockets = Diagnosis()

    @staticmethod
    def supported() -> bool:
        """Say whether this machine has what this reader reads."""
        return Path("/proc/self/task").is_dir()

    def close(self) -> None:
        """Close the socket."""
        self._sockets.close()

    def process(self, pid: int) -> ProcessReading | None:
        """Read a process and its threads: two small files a thread."""
        raw = _read(f"/proc/{pid}/stat")
        if raw is None:
            return None
        fields = raw[raw.rindex(b")") + 2 :].split()
        switches, children = _threads(pid)
        return ProcessReading(
            pid=pid,
            started=float(fields[_START]),
            waited_s=(int(fields[_CUTIME]) + int(fields[_CSTIME])) / _TICKS,
            memory_bytes=int(fields[_RSS]) * _PAGE_BYTES,
            switches=switches,
            children=children,
            zombie=fields[_STATE] in (b"Z", b"X"),
        )

    def cpu_s(self, pid: int) -> float | None:
        """Read the process's CPU clock."""
        try:
            return time.clock_gettime_ns((~pid << 3) | _SCHED_CLOCK) / 1e9
        except OSError:
            return None

    def established(self, ports: Collection[int]) -> dict[int, int] | None:
        """Count connections in one request to the kernel."""
        return self._sockets.established(ports)

    def host(self) -> HostUsage:
        """Read /proc/stat (10 ms ticks) and /proc/meminfo."""
        return host_usage()


def host_usage() -> HostUsage:
    """Return the machine's usage through psutil; busy is neither idle, waiting for I/O nor stolen."""
    cores = psutil.cpu_times(percpu=True)
    busy = tuple(_busy_s(core) for core in cores)
    memory = psutil.virtual_memory()
    return HostUsage(
        busy_s=sum(busy),
        steal_s=sum(float(getattr(core, "steal", 0.0)) for core in cores),
        busy_by_cpu_s=busy,
        memory_used_bytes=memory.total - memory.available,
    )


def _busy_s(core: object) -> float:
    """Return a core's busy seconds; guest time is already in user time."""
    return sum(float(getattr(core, name, 0.0)) for name in ("user", "nice", "system", "irq", "softirq"))


def _threads(pid: int) -> tuple[dict[int, int] | None, tuple[int, ...]]:
    switches: dict[int, int] = {}
    children: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208  names alone, sixteen times a second
    except OSError:
        return None, ()
    for thread in threads:
        folder = f"/proc/{pid}/task/{thread}/"
        if counted := _read(folder + "schedstat"):
            switches[int(thread)] = int(counted.split()[2])
        if found := _read(folder + "children"):
            children += map(int, found.split())
    return switches or None, tuple(children)


def _read(path: str) -> bytes | None:
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        return os.read(fd, _MOST_BYTES)
    except OSError:
        return None
    finally:
        os.close(fd)
