"""External instances as a Prometheus server knows them: raw samples of its scrapes, by its HTTP API.

Each sample keeps the time of its scrape on the server's clock; how far that is from this machine's is asked once, by
the query `time()`. A failed scrape leaves no sample, and two missing in a row are a gap. What is resolved is the
server's own interval of scraping.

Source: prometheus.io, HTTP API, instant queries of range selectors.
"""

from __future__ import annotations

import itertools
import os
import re
import statistics
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import numpy as np
import urllib3

from clusters.command import fill_variables
from monitor.errors import SourceUnavailable
from monitor.source import SourceReading
from records.clock import NS
from records.plan_watch import PODS, WatchPlan

T = TypeVar("T")
_TIMEOUT_S: Final = 5.0
_ENDED_SPACINGS: Final = 2.0  # a series this far behind the newest belongs to a container that ended
_GAP_SPACINGS: Final = 2.5
_MS: Final = 1_000_000  # ns


class Series(msgspec.Struct, frozen=True):
    """One series of an answer: its labels, and (seconds since 1970, value as text) in order of time."""

    metric: dict[str, str]
    values: list[tuple[float, str]]


class _Data(msgspec.Struct, frozen=True):
    resultType: str  # noqa: N815  the API's name
    result: msgspec.Raw


class _Answer(msgspec.Struct, frozen=True):
    status: str
    data: _Data | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """A value at a moment (seconds since 1970), and the usual distance of its samples; None of a single one."""

    at_s: float
    value: float
    spacing_s: float | None


class Server:
    """Asks one Prometheus server; what goes wrong is a SourceUnavailable that names the key to correct."""

    def __init__(self, watch: WatchPlan, root: Path, *, environ: Mapping[str, str] = os.environ) -> None:
        assert watch.url is not None, "the plan's rules see to it"  # noqa: S101
        self._url = watch.url.rstrip("/")
        self._headers = {name: fill_variables(value, environ)[0] for name, value in watch.headers.items()}
        ca_file = str(root / watch.ca_file) if watch.ca_file else None
        self._http = urllib3.PoolManager(ca_certs=ca_file, retries=False, timeout=urllib3.Timeout(total=_TIMEOUT_S))

    def series(self, query: str, key: str) -> list[Series]:
        """Return the raw samples of a range selector.

        Raises: SourceUnavailable; `key` is the plan's key of the query.
        """
        data = self._ask(query, key)
        if data.resultType != "matrix":
            raise SourceUnavailable(
                f"watch.{key} gives a {data.resultType}, which has no times of scrapes: end it in a range, such as [2m]"
            )
        return self._decode(data.result, list[Series])

    def now_s(self) -> float:
        """Return the server's time since 1970."""
        return self._decode(self._ask("time()", "url").result, tuple[float, str])[0]

    def close(self) -> None:
        """Close the connections."""
        self._http.clear()

    def _ask(self, query: str, key: str) -> _Data:
        try:
            response = self._http.request(
                "POST", f"{self._url}/api/v1/query", fields={"query": query}, headers=self._headers,
                encode_multipart=False, redirect=False,
            )  # fmt: skip
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise SourceUnavailable(f"no Prometheus server answers at watch.url {self._url}: {error}") from error
        try:
            answer = msgspec.json.decode(response.data, type=_Answer)
        except msgspec.DecodeError:
            answer = _Answer("error", error=f"status {response.status}, and no JSON of its API")
        if answer.status != "success" or answer.data is None:
            raise SourceUnavailable(f"Prometheus at {self._url} refuses watch.{key}: {answer.error}; query: {query}")
        return answer.data

    def _decode(self, raw: msgspec.Raw, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(raw, type=kind)
        except msgspec.DecodeError as error:
            raise SourceUnavailable(
                f"Prometheus at {self._url} answers in a form that is not its API's: {error}"
            ) from None


class ServerWatch:
    """Asks the server at an interval in a thread, for all instances at once."""

    def __init__(
        self, server: Server, watch: WatchPlan, names: Sequence[str], *, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        """Ask once, and go on in a thread.

        Raises: SourceUnavailable when the server does not answer, or knows nothing of an instance.
        """
        self._server, self._watch, self._clock = server, watch, clock
        self._named = {watch.names.get(name, name): name for name in names}
        choice = "|".join(re.escape(known).replace("\\", "\\\\") for known in self._named)
        self._cpu, self._memory = watch.cpu.replace(PODS, choice), watch.memory.replace(PODS, choice)
        self._behind_ns = self._find_behind_ns()
        self._newest: dict[str, SourceReading] = self.once()
        for name in names:
            if name not in self._newest:
                raise SourceUnavailable(
                    f"Prometheus at {watch.url} has no {watch.label} {watch.names.get(name, name)} for {name}: "
                    f"correct watch.names, watch.label or watch.cpu (asked: {self._cpu})"
                )
        self._ended = threading.Event()
        threading.Thread(target=self._follow, name="prometheus", daemon=True).start()

    def once(self) -> dict[str, SourceReading]:
        """Ask now and return what is known, by instance."""
        cpu = points_of(self._server.series(self._cpu, "cpu"), self._watch.label)
        memory = points_of(self._server.series(self._memory, "memory"), self._watch.label)
        now_ns = self._clock()
        readings = {}
        for known, name in self._named.items():
            point, size = cpu.get(known), memory.get(known)
            if point is None or self._is_gap(point, now_ns):
                continue
            sampled_ns = round(point.at_s * 1e3) * _MS + self._behind_ns
            readings[name] = SourceReading(point.value, None if size is None else round(size.value), sampled_ns)
        return readings

    def read(self, name: str) -> SourceReading | None:
        """Return what the last answer said of an instance."""
        return self._newest.get(name)

    def close(self) -> None:
        """Let the thread end after the question under way."""
        self._ended.set()

    def _follow(self) -> None:
        while not self._ended.wait(self._watch.interval_s):
            try:
                self._newest = self.once()
            except SourceUnavailable:
                self._newest = {}
        self._server.close()

    def _find_behind_ns(self) -> int:
        """Return what is to be added to the server's time to have the monotonic clock's."""
        asked_ns = self._clock()
        there_s = self._server.now_s()
        return (asked_ns + self._clock()) // 2 - round(there_s * 1e3) * _MS

    def _is_gap(self, point: Point, now_ns: int) -> bool:
        if point.spacing_s is None:
            return False
        old_s = (now_ns - self._behind_ns) / NS - point.at_s
        return old_s > _GAP_SPACINGS * point.spacing_s + self._watch.interval_s


@dataclass(frozen=True, slots=True)
class ServerSource:
    """One instance's part of what a server tells."""

    watch: ServerWatch
    name: str

    def read(self) -> SourceReading | None:
        """Return the newest sample that the server has."""
        return self.watch.read(self.name)

    def close(self) -> None:
        """End the asking, for all instances."""
        self.watch.close()


def points_of(series: Iterable[Series], label: str) -> dict[str, Point]:
    """Return the newest total by a label's value: of all series with it (a pod's containers).

    The samples of several series have times of their own: the total is that of the earliest of their newest samples,
    the others drawn between theirs around it. A series that stopped, being that of an earlier container, is left out.
    """
    groups: dict[str, list[Series]] = {}
    for one in series:
        if label in one.metric and one.values:
            groups.setdefault(one.metric[label], []).append(one)
    return {name: _total(group) for name, group in groups.items()}


def _total(group: Sequence[Series]) -> Point:
    newest_s = max(one.values[-1][0] for one in group)
    spacings = {id(one): _spacing_s(one) for one in group}
    usual_s = max((s for s in spacings.values() if s is not None), default=None)
    reach_s = float("inf") if usual_s is None else _ENDED_SPACINGS * usual_s
    living = [one for one in group if newest_s - one.values[-1][0] <= reach_s]
    at_s = min(one.values[-1][0] for one in living)
    return Point(at_s, sum(_value_at(one, at_s) for one in living), usual_s)


def _spacing_s(one: Series) -> float | None:
    times = [at_s for at_s, _ in one.values]
    return statistics.median(b - a for a, b in itertools.pairwise(times)) if len(times) > 1 else None


def _value_at(one: Series, at_s: float) -> float:
    times, values = zip(*((time_s, float(text)) for time_s, text in one.values), strict=True)
    return float(np.interp(at_s, times, values))
