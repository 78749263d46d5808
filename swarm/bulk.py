"""Requests in bulk: what the engine told of a second, grouped as Locust's events and figures want it. Pure.

    engine lines -> bulks -> figures in Locust's statistics, and one request event each

A bulk is what ended alike in one second: same entry, status class and cause. The engine keeps one histogram for a
status class, whatever its answers failed of, so the histograms and bytes of a class stand in its first bulk alone and
may be added up; in its others they are None.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from records.hdr import Sparse, merged
from swarm.engine_plan import EngineLine, EngineStatus
from swarm.tally import NO_ANSWER
from swarm.templates import statistics_name

DROPPED: Final = "dropped"
"""The cause of an arrival that was offered and given up before it was sent."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One endpoint of a schedule: the workload entry `entry` in the sweep `endpoint` of a twin."""

    twin: str
    endpoint: str
    entry: str
    method: str

    @property
    def name(self) -> str:
        """The name in Locust's statistics."""
        return statistics_name(self.twin, self.endpoint, self.entry)


@dataclass(frozen=True, slots=True)
class Bulk:
    """`count` requests that ended alike in one second.

    `status` is `2xx` … `5xx`, or `none` where no answer came; `cause` is None for good answers; `second` is the
    monotonic clock's. `latency` (from the intended start, open loops alone), `service` (from the send), both sparse in
    µs, and `bytes` are of the whole status class: None in all but its first bulk. `response_time_ms` is the class's
    mean, None where no time was taken; `mean_bytes` its mean body.
    """

    count: int
    asked: Asked
    second: int
    status: str
    cause: str | None
    response_time_ms: float | None
    mean_bytes: int
    latency: Sparse | None = None
    service: Sparse | None = None
    bytes: int | None = None

    @property
    def twin(self) -> str:
        """Who was asked."""
        return self.asked.twin

    @property
    def endpoint(self) -> str:
        """The sweep: a workload entry or `mix`."""
        return self.asked.endpoint

    @property
    def entry(self) -> str:
        """The workload entry."""
        return self.asked.entry

    @property
    def times(self) -> Sparse:
        """The histogram that Locust's response times come from: latency in an open loop, else service time."""
        return self.latency or self.service or ()


@dataclass(frozen=True, slots=True)
class BucketMs:
    """A histogram bucket in ms: the three digits that stand for it in a table, and its exact bounds and middle."""

    key: float
    lowest: float
    middle: float
    highest: float


@cache
def bucket_ms(bucket: int) -> BucketMs:
    """Return an HDR bucket of µs in ms; there are 23,000 at most."""
    lowest_us, highest_us = _highest_us(bucket - 1) + 1 if bucket else 0, _highest_us(bucket)
    key = float(f"{highest_us / 1000:.3g}")
    return BucketMs(key, lowest_us / 1000, (lowest_us + highest_us) / 2000, highest_us / 1000)


def bulks_of(lines: Iterable[EngineLine], asked: Sequence[Asked], *, from_second: int = 0) -> tuple[Bulk, ...]:
    """Return what the lines tell, merged over threads, stages and phases, in order of time.

    Args:
        lines: as the engine told them.
        asked: one for each of the schedule's endpoints, in its order.
        from_second: lines of seconds below are left out.
    """
    groups: dict[tuple[int, int, str], _Class] = {}
    dropped: dict[tuple[int, int], int] = {}
    for line in lines:
        if line.second < from_second:
            continue
        at = (line.second, line.endpoint)
        for status in line.status:
            groups.setdefault((*at, status.class_), _Class()).add(status)
        if line.dropped:
            dropped[at] = dropped.get(at, 0) + line.dropped
    out = [bulk for (second, place, name), group in groups.items() for bulk in group.bulks(asked[place], second, name)]
    out += [
        Bulk(count, asked[place], second, NO_ANSWER, DROPPED, None, 0) for (second, place), count in dropped.items()
    ]
    return tuple(sorted(out, key=lambda bulk: bulk.second))


@dataclass(slots=True)
class _Class:
    done: int = 0
    bytes: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    service: Sparse = ()
    latency: Sparse = ()

    def add(self, status: EngineStatus) -> None:
        self.done += status.done
        self.bytes += status.bytes
        self.service = _sum(self.service, status.service)
        self.latency = _sum(self.latency, status.latency)
        for cause, count in status.failed.items():
            self.failed[cause] = self.failed.get(cause, 0) + count

    def bulks(self, asked: Asked, second: int, name: str) -> list[Bulk]:
        good = self.done - sum(self.failed.values())
        counts: list[tuple[str | None, int]] = [(None, good), *sorted(self.failed.items())]
        latency, service = self.latency or None, self.service or None
        mean_ms, mean_bytes = mean_of(latency or service or ()), self.bytes // max(self.done, 1)
        first, *others = [(cause, count) for cause, count in counts if count]
        return [
            Bulk(first[1], asked, second, name, first[0], mean_ms, mean_bytes, latency, service, self.bytes),
            *(Bulk(count, asked, second, name, cause, mean_ms, mean_bytes) for cause, count in others),
        ]


def mean_of(times: Sparse) -> float | None:
    """Return the mean of a histogram of µs in ms, from the middles of its buckets; None for an empty one."""
    number = sum(count for _, count in times)
    return sum(bucket_ms(bucket).middle * count for bucket, count in times) / number if number else None


def _sum(one: Sparse, two: Sparse) -> Sparse:
    return merged((one, two)) if one and two else one or two


def _highest_us(bucket: int) -> int:
    """Return the largest µs of a bucket, as `records.hdr.highest_us` does for arrays."""
    shift = max((bucket >> 10) - 1, 0)
    return ((bucket - (shift << 10) + 1) << shift) - 1
