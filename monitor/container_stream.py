"""A container whose files this machine does not show, read from its engine's statistics stream: one sample a second.

CPU time is the engine's own reading with the engine's own time of it, so that a rate is one difference over the other.
That time is on the engine's clock: the first sample fixes how far it is from this machine's, late by the way of that
one answer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import requests
from docker.errors import DockerException
from urllib3.exceptions import HTTPError

from monitor.source import SourceReading
from records.clock import NS
from records.usage import ContainerUsage

# What reading an engine's stream raises when the connection breaks: the SDK reads past requests, from urllib3.
BROKEN_OFF: Final = (DockerException, requests.RequestException, HTTPError, OSError, ValueError)
_STALE_NS: Final = 3 * NS  # the engine samples once a second
_AGAIN_S: Final = 1.0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NO_LIMIT: Final = 1 << 60
Messages = Callable[[], Iterator[Mapping[str, Any]]]


class ContainerStream:
    """Follows one container's stream in a thread, and again when it breaks off."""

    def __init__(
        self,
        messages: Messages,
        *,
        cpu_limit_cores: float | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Begin to follow.

        Args:
            messages: opens the stream; each message is one decoded sample.
            cpu_limit_cores: the container's limit, which the stream does not tell.
            clock: the monotonic clock in ns.
        """
        self._messages = messages
        self._cpu_limit_cores = cpu_limit_cores
        self._clock = clock
        self._ahead_ns: int | None = None  # of the engine's clock over ours
        self._newest: SourceReading | None = None
        self._ended = threading.Event()
        threading.Thread(target=self._follow, name="container-stream", daemon=True).start()

    def read(self) -> SourceReading | None:
        """Return the newest sample; None when it is older than three seconds."""
        newest = self._newest
        if newest is None or newest.sampled_ns is None or self._clock() - newest.sampled_ns > _STALE_NS:
            return None
        return newest

    def close(self) -> None:
        """Let the thread end with its next sample; it holds up nothing."""
        self._ended.set()

    def take(self, message: Mapping[str, Any]) -> None:
        """Take one message in; that of a container which does not run is left out."""
        reading = reading_of(message, self._cpu_limit_cores)
        if reading is None or reading.sampled_ns is None:
            return
        if self._ahead_ns is None:
            self._ahead_ns = reading.sampled_ns - self._clock()
        self._newest = SourceReading(
            reading.cpu_s, reading.memory_bytes, reading.sampled_ns - self._ahead_ns, reading.container
        )

    def _follow(self) -> None:
        while not self._ended.is_set():
            try:
                for message in self._messages():
                    if self._ended.is_set():
                        return
                    self.take(message)
            except BROKEN_OFF:
                pass  # what is missing shows as a gap
            self._ended.wait(_AGAIN_S)


def reading_of(message: Mapping[str, Any], cpu_limit_cores: float | None = None) -> SourceReading | None:
    """Return what a message tells, `sampled_ns` being the engine's time since 1970; None when nothing ran.

    The working set is usage less inactive file pages, which version 1 of control groups names `total_inactive_file`.
    Source: the engine's API, ContainerStats.
    """
    read_ns = _since_1970_ns(str(message.get("read", "")))
    cpu, memory = message.get("cpu_stats") or {}, message.get("memory_stats") or {}
    used_ns = (cpu.get("cpu_usage") or {}).get("total_usage")
    if read_ns is None or not used_ns or "usage" not in memory:
        return None
    pages = memory.get("stats") or {}
    inactive = pages.get("total_inactive_file", pages.get("inactive_file", 0))
    throttling = cpu.get("throttling_data") or {}
    throttled_ns = throttling.get("throttled_time")
    networks = message.get("networks")
    limit = memory.get("limit")
    return SourceReading(
        cpu_s=used_ns / NS,
        memory_bytes=max(0, memory["usage"] - inactive),
        sampled_ns=read_ns,
        container=ContainerUsage(
            periods=throttling.get("periods"),
            throttled_periods=throttling.get("throttled_periods"),
            throttled_s=None if throttled_ns is None else throttled_ns / NS,
            cpu_limit_cores=cpu_limit_cores,
            memory_limit_bytes=limit if limit and limit < _NO_LIMIT else None,
            processes=(message.get("pids_stats") or {}).get("current"),
            received_bytes=None if networks is None else sum(one["rx_bytes"] for one in networks.values()),
            sent_bytes=None if networks is None else sum(one["tx_bytes"] for one in networks.values()),
        ),
    )


def _since_1970_ns(text: str) -> int | None:
    """Return an engine's time in ns; its fraction has up to nine digits. The year 1 says that nothing was read."""
    head, _, fraction = text.rstrip("Z").partition(".")
    try:
        moment = datetime.fromisoformat(f"{head}+00:00")
    except ValueError:
        return None
    whole = moment - _EPOCH
    if whole.days < 0:
        return None
    return (whole.days * 86_400 + whole.seconds) * NS + int((fraction or "0").ljust(9, "0")[:9])
