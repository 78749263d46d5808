"""A container that this machine runs, read from its control group's files each time a line is made."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from monitor.cgroup import Group, Kept, folders_of, mounts_of, network_bytes, open_group
from monitor.source import SourceReading
from records.usage import ContainerUsage

PROC: Final = Path("/proc")


class ContainerFiles:
    """The files of one container; `renew` when it runs again as another process."""

    def __init__(self, container: str, pid: int, *, own_network: bool, proc: Path = PROC) -> None:
        """Open the files.

        Args:
            container: the full id; the process must be in a group of that name.
            pid: its first process.
            own_network: whether its interfaces are its own; else they are the host's (or another's) and not told.
        Raises: OSError when this machine does not show the files, or the process is not that container's (an engine in
            a virtual machine has pids of its own).
        """
        self._container = container
        self._own_network = own_network
        self._proc = proc
        self._lock = threading.Lock()
        self._group: Group | None = None
        self._network: Kept | None = None
        self.renew(pid)

    def renew(self, pid: int) -> None:
        """Open the files of the container's new first process.

        Raises: OSError as when made; then the container reads as a gap.
        """
        with self._lock:
            self._drop()
            text = (self._proc / str(pid) / "cgroup").read_text(encoding="utf-8")
            if self._container not in text:
                raise ProcessLookupError(f"process {pid} is not in container {self._container[:12]}")
            mounts = mounts_of((self._proc / "self" / "mountinfo").read_text(encoding="utf-8"))
            self._group = open_group(folders_of(text, mounts))
            if self._own_network:
                with suppress(OSError):
                    self._network = Kept(self._proc / str(pid) / "net" / "dev")

    def read(self) -> SourceReading | None:
        """Read the figures of now; None when the container has ended."""
        with self._lock:
            if self._group is None:
                return None
            try:
                group = self._group.read()
                network = None if self._network is None else network_bytes(self._network.text())
            except (OSError, ValueError):  # a group in removal fails, or reads as empty
                self._drop()
                return None
        return SourceReading(
            cpu_s=group.cpu_s,
            memory_bytes=group.memory_bytes,
            container=ContainerUsage(
                periods=group.periods,
                throttled_periods=group.throttled_periods,
                throttled_s=group.throttled_s,
                cpu_limit_cores=group.cpu_limit_cores,
                memory_limit_bytes=group.memory_limit_bytes,
                processes=group.processes,
                received_bytes=None if network is None else network[0],
                sent_bytes=None if network is None else network[1],
            ),
            on_host_ports=not self._own_network,
        )

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        for one in (self._group, self._network):
            if one is not None:
                one.close()
        self._group = self._network = None
