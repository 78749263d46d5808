"""The reader of systems without /proc, through psutil: CPU time in its own ticks, switches of a process as a whole."""

from __future__ import annotations

from collections.abc import Collection

import psutil

from monitor.procfs import host_usage
from monitor.reading import ProcessReading
from records.usage import HostUsage


class PortableReader:
    """Reads through psutil; what a system does not tell is None."""

    def process(self, pid: int) -> ProcessReading | None:
        """Read a process without its CPU time."""
        try:
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return ProcessReading(pid, process.create_time(), 0.0, 0, {}, (), zombie=True)
            times = process.cpu_times()
            switched = process.num_ctx_switches()
            return ProcessReading(
                pid=pid,
                started=process.create_time(),
                waited_s=float(getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)),
                memory_bytes=process.memory_info().rss,
                switches={0: switched.voluntary + switched.involuntary},
                children=tuple(child.pid for child in process.children()),
            )
        except psutil.Error:
            return None

    def cpu_s(self, pid: int) -> float | None:
        """Read user and system time."""
        try:
            times = psutil.Process(pid).cpu_times()
        except psutil.Error:
            return None
        return times.user + times.system

    def established(self, ports: Collection[int]) -> dict[int, int] | None:
        """Count connections, None where this user may not see them."""
        counts = dict.fromkeys(ports, 0)
        try:
            connections = psutil.net_connections("tcp")
        except psutil.Error:
            return None
        for connection in connections:
            if connection.status == psutil.CONN_ESTABLISHED and connection.laddr and connection.laddr.port in counts:
                counts[connection.laddr.port] += 1
        return counts

    def host(self) -> HostUsage:
        """Read the machine as a whole."""
        return host_usage()

    def close(self) -> None:
        """Nothing is kept."""
