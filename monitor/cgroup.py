"""A control group's files: CPU time to the microsecond or better, throttling, memory, processes; versions 1 and 2.

Files are kept open and read again in place, about 1 µs each. A group that was removed fails to read: its container has
ended. Memory is the working set: what is charged less the file pages that the kernel would drop first.

Sources: the kernel's documents cgroup-v1/{cpuacct,memory,pids}.rst, scheduler/sched-bwc.rst, cgroup-v2.rst;
proc_pid_mountinfo(5), cgroups(7).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

_MOST_BYTES: Final = 1 << 14
_NO_LIMIT: Final = 1 << 60  # version 1 writes "no limit" as the largest whole number of pages
_NS: Final = 1e9
_US: Final = 1e6
UNIFIED: Final = ""  # the name of version 2's one hierarchy, as /proc/PID/cgroup writes it


@dataclass(frozen=True, slots=True)
class GroupReading:
    """A group's figures at one moment, cumulative where time or a count; None where a file or a limit is not there."""

    cpu_s: float
    memory_bytes: int
    periods: int | None
    throttled_periods: int | None
    throttled_s: float | None
    cpu_limit_cores: float | None
    memory_limit_bytes: int | None
    processes: int | None


class Group(Protocol):
    """A control group that is read again and again."""

    def read(self) -> GroupReading:
        """Read all figures; OSError when the group is gone."""
        ...

    def close(self) -> None:
        """Close the files."""
        ...


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a hierarchy is mounted, and which of its folders that shows."""

    root: str
    point: str


class Kept:
    """A file kept open and read from its beginning each time."""

    def __init__(self, path: str | Path) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def text(self) -> bytes:
        """Return its content, at most 16 KiB."""
        return os.pread(self._fd, _MOST_BYTES, 0)

    def close(self) -> None:
        """Close it."""
        os.close(self._fd)


def mounts_of(mountinfo: str) -> dict[str, Mount]:
    """Return the mounted hierarchies by controller, version 2's by `UNIFIED`, from /proc/self/mountinfo's text."""
    found: dict[str, Mount] = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if kind[:1] == ["cgroup2"]:
            found.setdefault(UNIFIED, Mount(fields[3], fields[4]))
        elif kind[:1] == ["cgroup"]:
            for controller in kind[2].split(","):
                found.setdefault(controller, Mount(fields[3], fields[4]))
    return found


def folders_of(cgroup: str, mounts: Mapping[str, Mount]) -> dict[str, Path]:
    """Return a process's group by controller (`UNIFIED` for version 2), from /proc/PID/cgroup's text.

    A hierarchy that is not mounted, or whose mount does not show the group, is left out.
    """
    folders: dict[str, Path] = {}
    for line in cgroup.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            mount = mounts.get(controller)
            if mount is not None and PurePosixPath(path).is_relative_to(mount.root):
                folders[controller] = Path(mount.point) / PurePosixPath(path).relative_to(mount.root)
    return folders


def open_group(folders: Mapping[str, Path]) -> Group:
    """Open a group's files; where both versions are mounted, the one that accounts for CPU and memory.

    Raises: OSError (FileNotFoundError, PermissionError) when this machine does not show them.
    """
    if "cpuacct" in folders and "memory" in folders:
        return GroupV1(folders)
    if UNIFIED in folders:
        return GroupV2(folders[UNIFIED])
    raise FileNotFoundError("neither version of control groups shows this process's CPU time and memory")


class GroupV1:
    """A group of version 1, whose controllers are hierarchies of their own."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        with _Opening() as files:
            self._usage = files.one(folders["cpuacct"] / "cpuacct.usage")
            self._memory = files.one(folders["memory"] / "memory.usage_in_bytes")
            self._memory_stat = files.one(folders["memory"] / "memory.stat")
            self._memory_limit = files.one(folders["memory"] / "memory.limit_in_bytes")
            cpu, pids = folders.get("cpu"), folders.get("pids")
            self._cpu_stat = files.maybe(cpu and cpu / "cpu.stat")
            self._quota = files.maybe(cpu and cpu / "cpu.cfs_quota_us")
            self._period = files.maybe(cpu and cpu / "cpu.cfs_period_us")
            self._pids = files.maybe(pids and pids / "pids.current")
            self._files = files.keep()

    def read(self) -> GroupReading:
        """Read nine small files, CPU time first."""
        cpu_s = int(self._usage.text()) / _NS
        stat = _table(self._cpu_stat)
        limit = int(self._memory_limit.text())
        inactive = _table(self._memory_stat).get(b"total_inactive_file", 0)
        throttled_ns = stat.get(b"throttled_time")
        return GroupReading(
            cpu_s=cpu_s,
            memory_bytes=max(0, int(self._memory.text()) - inactive),
            periods=stat.get(b"nr_periods"),
            throttled_periods=stat.get(b"nr_throttled"),
            throttled_s=None if throttled_ns is None else throttled_ns / _NS,
            cpu_limit_cores=_cores(_text(self._quota), _text(self._period)),
            memory_limit_bytes=None if limit >= _NO_LIMIT else limit,
            processes=_whole(self._pids),
        )

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()


class GroupV2:
    """A group of version 2: all controllers in one folder; CPU time is there whichever controllers are on."""

    def __init__(self, folder: Path) -> None:
        with _Opening() as files:
            self._cpu_stat = files.one(folder / "cpu.stat")
            self._memory = files.one(folder / "memory.current")
            self._memory_stat = files.one(folder / "memory.stat")
            self._memory_max = files.maybe(folder / "memory.max")
            self._cpu_max = files.maybe(folder / "cpu.max")
            self._pids = files.maybe(folder / "pids.current")
            self._files = files.keep()

    def read(self) -> GroupReading:
        """Read six small files, CPU time first."""
        stat = _table(self._cpu_stat)
        quota, _, period = _text(self._cpu_max).partition(b" ")
        limit = _text(self._memory_max).strip()
        inactive = _table(self._memory_stat).get(b"inactive_file", 0)
        throttled_us = stat.get(b"throttled_usec")
        return GroupReading(
            cpu_s=stat[b"usage_usec"] / _US,
            memory_bytes=max(0, int(self._memory.text()) - inactive),
            periods=stat.get(b"nr_periods"),
            throttled_periods=stat.get(b"nr_throttled"),
            throttled_s=None if throttled_us is None else throttled_us / _US,
            cpu_limit_cores=_cores(quota, period),
            memory_limit_bytes=int(limit) if limit.isdigit() else None,
            processes=_whole(self._pids),
        )

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()


def network_bytes(text: bytes) -> tuple[int, int]:
    """Return (received, sent) bytes over the interfaces of a network, loopback left out, from /proc/PID/net/dev."""
    received = sent = 0
    for line in text.splitlines()[2:]:
        name, _, counters = line.partition(b":")
        fields = counters.split()
        if name.strip() != b"lo":
            received += int(fields[0])
            sent += int(fields[8])
    return received, sent


class _Opening:
    """Opens files; when one that must be there is not, those opened so far are closed."""

    def __init__(self) -> None:
        self._files: list[Kept] = []
        self._kept = False

    def __enter__(self) -> _Opening:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._kept:
            for file in self._files:
                file.close()

    def one(self, path: Path) -> Kept:
        """Open a file that must be there."""
        self._files.append(Kept(path))
        return self._files[-1]

    def maybe(self, path: Path | None) -> Kept | None:
        """Open a file where it is there and may be read."""
        try:
            return None if path is None else self.one(path)
        except OSError:
            return None

    def keep(self) -> tuple[Kept, ...]:
        """Return all files; they stay open."""
        self._kept = True
        return tuple(self._files)


def _table(file: Kept | None) -> dict[bytes, int]:
    """Return a file of lines "key value"."""
    words = _text(file).split()
    return dict(zip(words[::2], map(int, words[1::2]), strict=True))


def _text(file: Kept | None) -> bytes:
    return b"" if file is None else file.text()


def _whole(file: Kept | None) -> int | None:
    return None if file is None else int(file.text())


def _cores(quota: bytes, period: bytes) -> float | None:
    """Return a CPU limit in cores; None for none, which is written as -1 or max."""
    quota, period = quota.strip(), period.strip()
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None
