"""One usage line: every instance read at one moment, in the order that was given at the start."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import psutil

from monitor.account import Account, Figures
from monitor.errors import UnknownInstance
from monitor.reading import ProcessReading, Reader
from monitor.source import Source, SourceReading
from records.clock import NS, Clock
from records.instance import Instance
from records.usage import HostUsage, UsageLine

T = TypeVar("T")
_SAME_START_S: Final = 1.0  # two readings of one process's start differ by less, also when the wall clock is set


@dataclass(slots=True)
class _Watched:
    """A watched instance: its root processes with their starts (None until first seen), and its books."""

    instance: Instance
    roots: dict[int, float | None] = field(default_factory=dict)
    account: Account = field(default_factory=Account)
    tree: list[ProcessReading] = field(default_factory=list)
    source: Source | None = None
    told: SourceReading | None = None


class Sampler:
    """Reads all instances; the order of the arrays never changes."""

    def __init__(
        self,
        instances: Sequence[Instance],
        clock: Clock,
        reader: Reader,
        *,
        sources: Mapping[str, Source] | None = None,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        by_name = sources or {}
        self._watched = tuple(_Watched(instance, source=by_name.get(instance.name)) for instance in instances)
        self._has_sources = any(watched.source is not None for watched in self._watched)
        self._clock = clock
        self._reader = reader
        self._now_ns = now_ns
        for watched in self._watched:
            pid = watched.instance.pid
            if watched.instance.watch == "process" and pid is not None and _is_instance(watched.instance, pid):
                watched.roots = {pid: None}
        self._ports = {
            watched.instance.name: int(watched.instance.address.rsplit(":", 1)[1])
            for watched in self._watched
            if watched.instance.watch in ("process", "container") and watched.instance.address is not None
        }

    def set_pids(self, name: str, pids: Iterable[int]) -> None:
        """Name the processes of an instance that started after the watch; children are found.

        Raises: UnknownInstance.
        """
        for watched in self._watched:
            if watched.instance.name == name:
                watched.roots = {pid: watched.roots.get(pid) for pid in pids}
                return
        known = ", ".join(watched.instance.name for watched in self._watched)
        raise UnknownInstance(f"{name} is not watched; watched are: {known}")

    def sample(self) -> UsageLine:
        """Read everything now; `t_ns` is the moment at which CPU times were read."""
        for watched in self._watched:
            watched.tree = self._tree(watched)
        t_ns = self._now_ns()
        for watched in self._watched:
            watched.told = None if watched.source is None else watched.source.read()
        cpu_s = {process.pid: self._reader.cpu_s(process.pid) for watched in self._watched for process in watched.tree}
        host = self._reader.host()
        known_s = {pid: value for pid, value in cpu_s.items() if value is not None}
        figures = [self._figures(watched, known_s, host) for watched in self._watched]
        connections = self._reader.established(sorted(set(self._ports.values()))) or {}
        return UsageLine(
            t_ns=t_ns,
            utc=self._clock.utc(t_ns),
            second=t_ns // NS,
            cpu_s=tuple(one.cpu_s if one else None for one in figures),
            memory_bytes=tuple(one.memory_bytes if one else None for one in figures),
            switches=tuple(one.switches if one else None for one in figures),
            connections=tuple(
                connections.get(self._ports.get(watched.instance.name, -1)) if one and _shows_ports(watched) else None
                for watched, one in zip(self._watched, figures, strict=True)
            ),
            host=host,
            sampled_ns=self._told(lambda told: told.sampled_ns),
            containers=self._told(lambda told: told.container),
        )

    def _told(self, value: Callable[[SourceReading], T | None]) -> tuple[T | None, ...]:
        """Return a column of what sources told; () where no instance has one."""
        if not self._has_sources:
            return ()
        return tuple(None if watched.told is None else value(watched.told) for watched in self._watched)

    def _figures(self, watched: _Watched, cpu_s: dict[int, float], host: HostUsage) -> Figures | None:
        if watched.instance.watch == "host":
            return Figures(host.busy_s, host.memory_used_bytes, None)
        if watched.source is not None:
            told = watched.told
            return None if told is None else Figures(told.cpu_s, told.memory_bytes, None)
        return watched.account.add(watched.tree, cpu_s)

    def _tree(self, watched: _Watched) -> list[ProcessReading]:
        """Read the roots that live and all below them, each process once."""
        found: dict[int, ProcessReading] = {}
        queue = [pid for pid in watched.roots if self._is_root(watched, pid, found)]
        queue = [child for pid in queue for child in found[pid].children]
        while queue:
            pid = queue.pop()
            reading = None if pid in found else self._reader.process(pid)
            if reading is not None:
                found[pid] = reading
                queue += reading.children
        return list(found.values())

    def _is_root(self, watched: _Watched, pid: int, found: dict[int, ProcessReading]) -> bool:
        """Read a root; a zombie, or one whose pid now has another start, has ended."""
        reading = self._reader.process(pid)
        if reading is None or reading.zombie:
            return False
        started = watched.roots[pid]
        if started is None:
            watched.roots[pid] = started = reading.started
        if reading.started != started:
            return False
        found[pid] = reading
        return True


def _shows_ports(watched: _Watched) -> bool:
    """Say whether the machine's connections at the instance's port are the instance's."""
    return watched.source is None or (watched.told is not None and watched.told.on_host_ports)


def _is_instance(instance: Instance, pid: int) -> bool:
    """Say whether a recorded pid is still the process that was recorded."""
    if instance.started is None:
        return True
    try:
        return abs(psutil.Process(pid).create_time() - instance.started) < _SAME_START_S
    except psutil.Error:
        return False
