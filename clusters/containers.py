"""Containers of ours: found by label, watched without asking the engine while they run, and removed.

A container whose first process this machine runs is watched by that process; only when it is gone the engine is asked
how it ended. Where another machine runs it, the engine is asked, at most once a second.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import psutil
from docker import DockerClient
from docker.errors import APIError, NotFound
from docker.models.containers import Container

from clusters.compose_file import INSTANCE, MARK, PROJECT
from clusters.engine import Engine, connect
from clusters.identity import is_running, start_token

KILLED: Final = 128  # an exit code above it is a signal's number more
_ASK_S: Final = 1.0
_LOG_LINES: Final = 2_000


@dataclass(frozen=True, slots=True)
class ContainerExit:
    """How a container ended; `restarted` when it runs again, as another process."""

    code: int | None
    out_of_memory: bool = False
    restarted: bool = False

    def __str__(self) -> str:
        if self.restarted:
            return "was restarted by someone"
        if self.code is None:
            return "was removed by someone"
        if self.out_of_memory:
            return f"was killed by the kernel: it reached its memory limit (exit code {self.code})"
        if KILLED < self.code < KILLED + signal.NSIG:
            with suppress(ValueError):
                return f"was killed by {signal.Signals(self.code - KILLED).name} (exit code {self.code})"
        return f"ended with exit code {self.code}"


@dataclass(frozen=True, slots=True)
class Found:
    """A container of ours: its id, and its first process where this machine runs it."""

    id: str
    pid: int | None
    token: str
    started: float | None
    running: bool = True


def discover(client: DockerClient, labels: Mapping[str, str], *, local: bool) -> dict[str, Found]:
    """Return the containers that carry all of these labels, by the instance that they say they are; ended ones too."""
    found = {}
    for container in client.containers.list(all=True, filters=_with(labels), ignore_removed=True):
        name = container.labels.get(INSTANCE)
        if name:
            found[name] = _found(container, local=local)
    return found


def _found(container: Container, *, local: bool) -> Found:
    state = container.attrs["State"]
    pid = int(state.get("Pid") or 0)
    here = local and pid > 0 and _is_in(pid, str(container.id))
    started = _epoch(state.get("StartedAt", ""))
    if here:
        with suppress(psutil.Error):
            started = psutil.Process(pid).create_time()
    return Found(
        str(container.id),
        pid if here else None,
        (start_token(pid) or "") if here else "",
        started,
        bool(state["Running"]),
    )


def _is_in(pid: int, container: str) -> bool:
    """Say whether a process of this machine is in a container: an engine in a virtual machine has pids of its own."""
    try:
        return container in Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8")
    except OSError:
        return False


def _epoch(text: str) -> float | None:
    """Return seconds since 1970 of an engine's time, whose fraction has nine digits."""
    head, _, rest = text.rstrip("Z").partition(".")
    try:
        return datetime.fromisoformat(f"{head}+00:00").timestamp() + float(f"0.{rest or 0}")
    except ValueError:
        return None


def _with(labels: Mapping[str, str]) -> dict[str, Any]:
    return {"label": [f"{name}={value}" for name, value in labels.items()]}


@dataclass(slots=True)
class Watched:
    """The containers of one start: how each ended, and its log."""

    engine: Engine
    found: dict[str, Found]
    clock: Callable[[], float] = time.monotonic
    _asked: dict[str, float] = field(default_factory=dict)
    _ends: dict[str, ContainerExit] = field(default_factory=dict)

    def ended(self, name: str) -> ContainerExit | None:
        """Return how a container ended, None while it runs."""
        one = self.found[name]
        if name in self._ends or (one.pid is not None and is_running(one.pid, one.token)):
            return self._ends.get(name)
        now = self.clock()
        if one.pid is None and now - self._asked.get(name, -math.inf) < _ASK_S:
            return None
        self._asked[name] = now
        end = self._ask(one)
        if end is not None:
            self._ends[name] = end
        return end

    def _ask(self, one: Found) -> ContainerExit | None:
        try:
            state = self.engine.client.api.inspect_container(one.id)["State"]
        except NotFound:
            return ContainerExit(None)
        if state["Running"]:
            again = one.pid is not None and state["Pid"] not in (one.pid, 0)
            return ContainerExit(None, restarted=True) if again else None
        return ContainerExit(int(state["ExitCode"]), bool(state["OOMKilled"]))

    def save_log(self, name: str, log: Path) -> None:
        """Write the last lines of a container's log to a file; what cannot be had leaves it as it is."""
        with suppress(APIError, OSError):
            lines = self.engine.client.api.logs(self.found[name].id, tail=_LOG_LINES)
            log.write_bytes(lines)


def leftovers(client: DockerClient, project: str, but: Iterable[str]) -> list[Container]:
    """Return the containers, also ended ones, that a start of ours made for a project, but for these ids."""
    known = frozenset(but)
    labels = [f"{PROJECT}={project}", MARK]
    found = client.containers.list(all=True, filters={"label": labels}, ignore_removed=True)
    return [one for one in found if one.id not in known]


def remove(client: DockerClient, containers: Sequence[Container], grace_s: float) -> None:
    """End containers together, SIGTERM before SIGKILL, and remove them; also when interrupted meanwhile."""
    if not containers:
        return
    with ThreadPoolExecutor(max_workers=len(containers)) as threads:
        try:
            if grace_s > 0:
                list(threads.map(lambda one: _stop(one, grace_s), containers))
        finally:
            list(threads.map(_remove, containers))
    _remove_networks(client, containers)


def remove_marked(mark: str, grace_s: float) -> int:
    """Remove all that a start with this mark made, and return how many there were."""
    engine = connect()
    try:
        there = engine.client.containers.list(all=True, filters=_with({MARK: mark}), ignore_removed=True)
        remove(engine.client, there, grace_s)
        return len(there)
    finally:
        engine.close()


def remove_ids(ids: Sequence[str], grace_s: float) -> None:
    """Remove containers by their ids; those that are gone are gone."""
    if not ids:
        return
    engine = connect()
    try:
        there = []
        for one in ids:
            with suppress(NotFound):
                there.append(engine.client.containers.get(one))
        remove(engine.client, there, grace_s)
    finally:
        engine.close()


def is_up(container: str) -> bool:
    """Ask the engine whether a container runs."""
    engine = connect()
    try:
        return bool(engine.client.api.inspect_container(container)["State"]["Running"])
    except NotFound:
        return False
    finally:
        engine.close()


def _stop(container: Container, grace_s: float) -> None:
    with suppress(APIError):  # it ended or was removed meanwhile
        container.stop(timeout=math.ceil(grace_s))


def _remove(container: Container) -> None:
    with suppress(APIError):  # likewise
        container.remove(force=True, v=True)


def _remove_networks(client: DockerClient, containers: Sequence[Container]) -> None:
    """Remove the networks that compose made for these containers' projects, where nothing is left in them."""
    label = "com.docker.compose.project"
    for project in {one.labels[label] for one in containers if label in one.labels}:
        for network in client.networks.list(filters=_with({label: project})):
            with suppress(APIError):  # others are still in it
                network.remove()
