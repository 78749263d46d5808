"""What one sending process counted, second by second. Pure; fed by the recorder, read once a second.

A request belongs to the stage of its start, to the second of its end, and to a phase:

| stage | start | end | phase |
|---|---|---|---|
| probe | any | before the stage's end | probe |
| measure | in the warm-up | before the stage's end | warmup |
| measure | after the warm-up | before the stage's end | measure |
| any | any | after the stage's end | drain |

`sent` counts a request in the second and phase of its start, so it is 0 in every drain; over all seconds and phases of
a drained stage, sent = done. The measured part's throughput is what *ended* in its seconds, in whatever phase: a
request that was started in the warm-up and ended later took the server's time in the measured part.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from records.hdr import Histogram, Sparse
from records.second import StatusCount
from records.stage import Phase, Stage


@dataclass(frozen=True, slots=True)
class Part:
    """One worker's share of a second: of one stage in one phase.

    `offered` is what an open loop intended, None where starts follow the plan's pace; what was not measured is None.
    """

    second: int
    stage: int
    phase: Phase
    sent: int
    status: dict[str, StatusCount]
    offered: int | None = None
    dropped: int = 0
    checked: int | None = None
    send_lag: Sparse | None = None
    backlog_max: int | None = None


@dataclass(frozen=True, slots=True)
class Sending:
    """What a sending thread (or several together) did in a second beside requests.

    `opened` counts connections; `cpu_ratio` is the CPU share of the busiest thread, None where it is not known.
    """

    second: int
    opened: int
    cpu_ratio: float | None

    def merged(self, other: Sending) -> Sending:
        """Return the figures of both together, of the same second."""
        known = [one.cpu_ratio for one in (self, other) if one.cpu_ratio is not None]
        return Sending(self.second, self.opened + other.opened, max(known, default=None))


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker tells about once a second.

    `run` counts the runs of its process and `number` the reports of a run, from 0: a gap means that one was lost. All
    seconds below `through` are told in full; `past` are the stages that are over for this worker with nothing of them
    in flight and everything told. `fault` names a failure of the recorder, which ends the run.
    """

    worker: int
    run: int
    number: int
    pid: int
    seats: int
    through: int
    parts: tuple[Part, ...] = ()
    past: tuple[int, ...] = ()
    fault: str | None = None
    sending: tuple[Sending, ...] = ()


def encode_report(report: Report) -> bytes:
    """Return a report as it travels with Locust's own."""
    return msgspec.msgpack.encode(report)


def decode_report(data: bytes) -> Report:
    """Read a report back; msgspec.MsgspecError when it is none."""
    return msgspec.msgpack.decode(data, type=Report)


Key = tuple[int, int, Phase]
"""Second, stage and phase of a count."""


NO_ANSWER = "none"
"""The status class of a request that got no answer."""


class Outcome(NamedTuple):
    """How a request ended: its status class, what it failed of (None: it did not), service time and body size."""

    status: str
    cause: str | None
    service_us: int
    size_bytes: int


@dataclass(slots=True)
class _Answers:
    done: int = 0
    bytes: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    service: Histogram = field(default_factory=Histogram)


@dataclass(slots=True)
class _Cell:
    sent: int = 0
    answers: dict[str, _Answers] = field(default_factory=dict)


class Tally:
    """Counts of requests that are not told yet, and how many are in flight by stage."""

    __slots__ = ("_cells", "_last_second", "in_flight")

    def __init__(self) -> None:
        self._cells: dict[Key, _Cell] = {}
        self._last_second: dict[int, int] = {}
        self.in_flight: dict[int, int] = {}

    def started(self, key: Key) -> None:
        """Count a request's start."""
        self._cell(key).sent += 1
        self.in_flight[key[1]] = self.in_flight.get(key[1], 0) + 1

    def ended(self, key: Key, outcome: Outcome) -> None:
        """Count a request's end."""
        status, cause, service_us, size_bytes = outcome
        cell = self._cell(key)
        answers = cell.answers.get(status)
        if answers is None:
            answers = cell.answers[status] = _Answers()
        answers.done += 1
        answers.bytes += size_bytes
        answers.service.record(service_us)
        if cause is not None:
            answers.failed[cause] = answers.failed.get(cause, 0) + 1
        self.in_flight[key[1]] -= 1
        self._last_second[key[1]] = key[0]

    def take(self, before: int) -> tuple[Part, ...]:
        """Return and forget all that was counted in seconds below `before`, in order of time."""
        keys = sorted(key for key in self._cells if key[0] < before)
        return tuple(_part(key, self._cells.pop(key)) for key in keys)

    def is_told(self, stage: int, through: int) -> bool:
        """Say whether nothing of a stage is in flight and all of it lies in seconds below `through`."""
        return not self.in_flight.get(stage, 0) and self._last_second.get(stage, through - 1) < through

    def _cell(self, key: Key) -> _Cell:
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = _Cell()
        return cell


def phase_of(stage: Stage, since_start_s: float) -> Phase:
    """Return the phase of a request that started this long after its stage's beginning and ended within the stage."""
    if stage.kind == "probe":
        return "probe"
    return "warmup" if since_start_s < stage.warmup_s else "measure"


def _part(key: Key, cell: _Cell) -> Part:
    second, stage, phase = key
    status = {
        name: StatusCount(a.done, a.failed, a.service.sparse(), None, a.bytes)
        for name, a in sorted(cell.answers.items())
    }
    return Part(second, stage, phase, cell.sent, status)
