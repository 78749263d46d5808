"""A second: what a sender counted of one endpoint of one twin in one second of one phase of a stage."""

from __future__ import annotations

from dataclasses import dataclass, field

from records.hdr import Histogram, Sparse
from records.stage import Phase


@dataclass(frozen=True, slots=True)
class StatusCount:
    """Answers of one status class (`2xx` … `5xx`, or `none` where no answer came).

    `service` counts from the actual send, `latency` from the intended start (None in a closed loop, which has none);
    both in µs. `failed` counts by cause; `done` includes the failed ones.
    """

    done: int
    failed: dict[str, int] = field(default_factory=dict)
    service: Sparse = ()
    latency: Sparse | None = None
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Second:
    """One line of `seconds.jsonl`.

    A request belongs to the stage of its start and to the second of its end; `sent` counts starts in this second.
    `second` is the second of the swarm's monotonic clock, `t_ns` its start on that clock, `utc` the same in UTC.
    `offered` is the planned number of starts (None for a probe, which offers what the seats can). `send_lag` in µs, and
    `backlog_max`, are the native schedule's. `opened` counts connections, `sender_cpu_ratio` is the CPU share of the
    busiest sending thread, `checked` the bodies that were compared; told once a second, None elsewhere.
    """

    t_ns: int
    utc: str
    second: int
    stage: int
    twin: str
    endpoint: str
    phase: Phase
    offered: float | None
    sent: int
    dropped: int = 0
    send_lag: Sparse | None = None
    backlog_max: int | None = None
    status: dict[str, StatusCount] = field(default_factory=dict)
    opened: int | None = None
    sender_cpu_ratio: float | None = None
    checked: int | None = None

    @property
    def done(self) -> int:
        """Requests that ended in this second, failed ones included."""
        return sum(count.done for count in self.status.values())

    @property
    def failed(self) -> int:
        """Requests that ended as failures in this second."""
        return sum(sum(count.failed.values()) for count in self.status.values())


def merge_status(one: StatusCount, two: StatusCount) -> StatusCount:
    """Return the sum of two counts of the same status class (two workers, or two seconds)."""
    failed = dict(one.failed)
    for cause, count in two.failed.items():
        failed[cause] = failed.get(cause, 0) + count
    latency = None if one.latency is None and two.latency is None else _sum(one.latency or (), two.latency or ())
    return StatusCount(one.done + two.done, failed, _sum(one.service, two.service), latency, one.bytes + two.bytes)


def _sum(one: Sparse, two: Sparse) -> Sparse:
    out = Histogram(one)
    out.add(two)
    return out.sparse()
