"""What happens to watched containers: one that ends, reaches its memory limit, or runs again is told at once.

The engine's events say when to look; what is told is what they and an inspection show, so nothing is lost while the
connection was down. A container is in one of two states:

| state | died | out of memory | runs, begun anew |
|---|---|---|---|
| alive | instance-died -> ended | instance-oom, once a life | instance-restarted -> alive |
| ended | | instance-oom, once a life | instance-restarted -> alive |
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from docker import DockerClient
from docker.errors import DockerException, NotFound
from docker.types.daemon import CancellableStream

from monitor.container_stream import BROKEN_OFF
from records.clock import Clock
from records.event import Event, EventKind
from records.instance import Instance

ACTIONS: Final = ("die", "oom", "start")
_AGAIN_S: Final = 1.0
_SIGNALLED: Final = 128  # an exit code above it is a signal's number more
_MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Life:
    """A container's state as inspected; a removed one is not there at all."""

    running: bool
    begun: str
    pid: int
    exit_code: int | None
    out_of_memory: bool


@dataclass(slots=True)
class _Known:
    instance: Instance
    begun: str
    alive: bool = True
    oom_told: bool = False


class Lives:
    """What is known of each container, and what is to be told when more is seen; no I/O."""

    def __init__(
        self,
        instances: Sequence[Instance],
        begun: Mapping[str, str],
        tell: Callable[[EventKind, Instance, str, dict[str, float]], None],
        renew: Callable[[Instance, int], None],
    ) -> None:
        """Know containers as they were when the watch began.

        Args:
            instances: those with a container.
            begun: when each container's present life began, by its id, as the engine writes it.
            tell: takes kind, instance, text and figures.
            renew: takes an instance that runs again and its new first process.
        """
        self._known = {
            one.container: _Known(one, begun[one.container])
            for one in instances
            if one.container is not None and one.container in begun
        }
        self._tell = tell
        self._renew = renew

    @property
    def containers(self) -> tuple[str, ...]:
        """The ids of the containers."""
        return tuple(self._known)

    def see(
        self, container: str, life: Life | None, *, died: bool = False, exit_code: int | None = None, oom: bool = False
    ) -> None:
        """Take in what an inspection shows (None: removed) and what an event said beside: a death, its code, an oom."""
        known = self._known.get(container)
        if known is None:
            return
        anew = life is not None and life.running and life.begun != known.begun
        if oom or (life is not None and life.out_of_memory and not life.running):
            self._tell_oom(known)
        if known.alive and (died or anew or life is None or not life.running):
            known.alive = False
            code = exit_code if exit_code is not None or life is None or life.running else life.exit_code
            figures = {} if code is None else {"exit_code": float(code)}
            self._tell("instance-died", known.instance, f"{known.instance.name} {_ending(life, code)}", figures)
        if anew and life is not None:
            known.begun, known.alive, known.oom_told = life.begun, True, False
            self._renew(known.instance, life.pid)
            text = f"{known.instance.name} runs again: its CPU time and counts begin anew"
            self._tell("instance-restarted", known.instance, text, {})

    def _tell_oom(self, known: _Known) -> None:
        if known.oom_told:
            return
        known.oom_told = True
        limit = known.instance.memory_limit_bytes
        of = "" if limit is None else f" of {limit / _MIB:g} MiB"
        text = f"{known.instance.name} reached its memory limit{of}: the kernel ended a process of it"
        self._tell("instance-oom", known.instance, text, {} if limit is None else {"memory_limit_bytes": float(limit)})


class ContainerEvents:
    """Follows an engine's events in a thread until it is closed."""

    def __init__(
        self,
        client: DockerClient,
        instances: Sequence[Instance],
        clock: Clock,
        tell: Callable[[Event], None],
        renew: Callable[[Instance, int], None],
    ) -> None:
        """Begin to follow; `tell` and `renew` are called from the thread."""
        self._client = client
        self._clock = clock
        self._emit = tell
        lives = {one.container: inspect(client, one.container) for one in instances if one.container is not None}
        begun = {container: "" if life is None else life.begun for container, life in lives.items()}
        self._lives = Lives(instances, begun, self._tell, renew)
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._stream: CancellableStream[Any] | None = None
        self._thread = threading.Thread(target=self._follow, name="container-events", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread; nothing is told afterwards."""
        self._ended.set()
        with self._lock:
            if self._stream is not None:
                with suppress(DockerException, OSError, AttributeError):  # over ssh a stream cannot be cut
                    self._stream.close()
        self._thread.join(timeout=2.0)

    def _follow(self) -> None:
        while not self._ended.is_set():
            with suppress(*BROKEN_OFF):
                self._once()
            self._ended.wait(_AGAIN_S)

    def _once(self) -> None:
        filters = {"type": "container", "container": list(self._lives.containers), "event": list(ACTIONS)}
        stream = self._client.events(decode=True, filters=filters)
        with self._lock:
            self._stream = stream
        for container in self._lives.containers:  # what happened before the stream stood
            self._look(container, {})
        for event in stream:
            if self._ended.is_set():
                return
            self._look(event["Actor"]["ID"], event)

    def _look(self, container: str, event: Mapping[str, Any]) -> None:
        action = str(event.get("Action", ""))
        code = (event.get("Actor", {}).get("Attributes") or {}).get("exitCode")
        self._lives.see(
            container,
            inspect(self._client, container),
            died=action == "die",
            exit_code=None if code is None else int(code),
            oom=action == "oom",
        )

    def _tell(self, kind: EventKind, instance: Instance, text: str, figures: dict[str, float]) -> None:
        if self._ended.is_set():
            return
        now = time.monotonic_ns()
        self._emit(Event(now, self._clock.utc(now), kind, text, instance=instance.name, figures=figures))


def inspect(client: DockerClient, container: str) -> Life | None:
    """Return a container's state, None when it was removed."""
    try:
        state = client.api.inspect_container(container)["State"]
    except NotFound:
        return None
    return Life(
        running=bool(state["Running"]),
        begun=str(state["StartedAt"]),
        pid=int(state["Pid"]),
        exit_code=int(state["ExitCode"]),
        out_of_memory=bool(state["OOMKilled"]),
    )


def _ending(life: Life | None, code: int | None) -> str:
    if life is None and code is None:
        return "was removed by someone"
    if code is None:
        return "ended"
    if _SIGNALLED < code < _SIGNALLED + signal.NSIG:
        with suppress(ValueError):
            return f"was killed by {signal.Signals(code - _SIGNALLED).name} (exit code {code})"
    return f"ended with exit code {code}"
