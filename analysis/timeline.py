"""The run second by second: what was offered and achieved, how slow it was, what it cost. Streams; arrays come out."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import Final, TypeVar

import numpy as np

from records.clock import NS
from records.hdr import IntArray
from records.hdr_table import as_table, quantile_of_table_us
from records.instance import Instance
from records.second import Second
from records.second_table import SecondTable
from records.usage import UsageLine

N = TypeVar("N", int, float)

BODY: Final = "body"  # the cause of failures whose body was not the gate's
_P99_SAMPLES: Final = 1_000  # ten beyond the 99th percentile


@dataclass(frozen=True, slots=True)
class Span:
    """A p99 over at least 1,000 answers of one twin and endpoint; `from_s` and `to_s` on the swarm's clock."""

    from_s: float
    to_s: float
    twin: str
    p99_ms: float


@dataclass(slots=True)
class Load:
    """One second of one twin: planned starts (None where a probe plans none), answers, and good ones among them.

    An answer counts in the second of its end, whichever stage it belongs to: it took the twin's time here; a send in
    that of its start. What senders do not tell is None: arrivals that waited (the most), connections opened, the CPU
    share of the busiest sending thread, bodies compared; `differed` counts those that were not the gate's.
    """

    offered: float | None = None
    sent: int = 0
    answered: int = 0
    achieved: int = 0
    dropped: int = 0
    backlog_max: int | None = None
    opened: int | None = None
    sender_cpu_ratio: float | None = None
    checked: int | None = None
    differed: int = 0


@dataclass(frozen=True, slots=True)
class Sending:
    """What a window's seconds told of the sender; None is not told. `cpu_ratio` is the mean over the seconds."""

    opened: int | None = None
    cpu_ratio: float | None = None
    checked: int | None = None
    differed: int = 0


@dataclass(slots=True)
class LoadTrace:
    """Collects seconds as they stream by."""

    seconds: dict[tuple[int, str], Load] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)
    _key: tuple[str, str] | None = None
    _from: int = 0
    _to: int = 0
    _times: list[IntArray] = field(default_factory=list)
    _timed: int = 0

    def add(self, second: Second | SecondTable) -> None:
        """Take one line in."""
        load = self.seconds.setdefault((second.second, second.twin), Load())
        load.sent += second.sent
        load.answered += second.done
        load.achieved += second.done - second.failed
        if second.offered is not None:
            load.offered = (load.offered or 0.0) + second.offered
        load.dropped += second.dropped
        load.backlog_max = _most(load.backlog_max, second.backlog_max)
        load.opened = _plus(load.opened, second.opened)
        load.sender_cpu_ratio = _most(load.sender_cpu_ratio, second.sender_cpu_ratio)
        load.checked = _plus(load.checked, second.checked)
        load.differed += sum(count.failed.get(BODY, 0) for count in second.status.values())
        self._time(second)

    def rates_rps(self, twin: str, from_ns: int, to_ns: int) -> tuple[float, float]:
        """Return (answered, achieved) a second over the whole seconds that begin in [from_ns, to_ns)."""
        if to_ns <= from_ns:
            return 0.0, 0.0
        loads = self._inside(twin, from_ns, to_ns)
        length_s = (to_ns - from_ns) / NS
        return sum(load.answered for load in loads) / length_s, sum(load.achieved for load in loads) / length_s

    def offered(self, twin: str, from_ns: int, to_ns: int) -> float | None:
        """Return the starts offered in the whole seconds that begin in [from_ns, to_ns), None where none is told."""
        told = [load.offered for load in self._inside(twin, from_ns, to_ns) if load.offered is not None]
        return sum(told) if told else None

    def sending(self, twin: str, from_ns: int, to_ns: int) -> Sending:
        """Return what the whole seconds that begin in [from_ns, to_ns) told of the sender."""
        loads = self._inside(twin, from_ns, to_ns)
        shares = [load.sender_cpu_ratio for load in loads if load.sender_cpu_ratio is not None]
        return Sending(
            opened=_sum_told([load.opened for load in loads]),
            cpu_ratio=sum(shares) / len(shares) if shares else None,
            checked=_sum_told([load.checked for load in loads]),
            differed=sum(load.differed for load in loads),
        )

    def bodies(self, twin: str) -> Sending:
        """Return what the whole run told of one twin's bodies: compared, and not the gate's."""
        loads = [load for (_, name), load in self.seconds.items() if name == twin]
        return Sending(checked=_sum_told([one.checked for one in loads]), differed=sum(one.differed for one in loads))

    def _inside(self, twin: str, from_ns: int, to_ns: int) -> list[Load]:
        inside = range(-(-from_ns // NS), -(-to_ns // NS))
        return [load for second in inside if (load := self.seconds.get((second, twin))) is not None]

    def _time(self, second: Second | SecondTable) -> None:
        key = (second.twin, second.endpoint)
        if key != self._key or not self._from <= second.second <= self._to + 5:
            self._key, self._from, self._to, self._times, self._timed = key, second.second, second.second, [], 0
        self._to = max(self._to, second.second)
        for count in second.status.values():
            latency = count.latency
            self._times.append(as_table(count.service if latency is None else latency))
            self._timed += count.done
        if self._timed < _P99_SAMPLES:
            return
        rows = np.concatenate(self._times)
        self._times, self._timed = [rows], int(rows[:, 1].sum())
        if self._timed >= _P99_SAMPLES:
            p99_us = quantile_of_table_us(rows[rows[:, 0].argsort(kind="stable")], 0.99)
            self.spans.append(Span(self._from, self._to + 1, second.twin, p99_us / 1000))
            self._from, self._times, self._timed = self._to + 1, [], 0


@dataclass(slots=True)
class CpuTrace:
    """Collects usage as it streams by: cores used between samples, by group (a twin's name, or "generator").

    `at_s` holds the middle of each step between two samples; `cores` one array a group, NaN for a gap. Over a break
    (`breaks_ns`, a run that was resumed) there is a gap: the processes on its two sides are others.
    """

    groups: dict[str, tuple[int, ...]]
    breaks_ns: tuple[int, ...] = ()
    at_s: array[float] = field(default_factory=lambda: array("d"))
    cores: dict[str, array[float]] = field(default_factory=dict)
    _last: UsageLine | None = None
    _held: dict[int, float] = field(default_factory=dict)

    def add(self, line: UsageLine) -> None:
        """Take one sample in."""
        last, self._last = self._last, line
        if last is None or line.t_ns <= last.t_ns:
            return
        self.at_s.append((last.t_ns + line.t_ns) / 2 / NS)
        if any(last.t_ns < at_ns <= line.t_ns for at_ns in self.breaks_ns):
            self._held.clear()
            for group in self.groups:
                self.cores.setdefault(group, array("d")).append(float("nan"))
            return
        steps = None if last.sampled_ns or line.sampled_ns else _steps(last, line)
        for group, positions in self.groups.items():
            if not positions:
                used = float("nan")
            elif steps is None:
                used = sum([self._used(last, line, i) for i in positions])
            else:
                used = sum([steps[i] for i in positions]) * NS / (line.t_ns - last.t_ns)
            self.cores.setdefault(group, array("d")).append(used)

    def _used(self, last: UsageLine, line: UsageLine, i: int) -> float:
        """Return an instance's cores; one with samples of its own times keeps those of the last step between two."""
        before_ns, after_ns = _moment_ns(last, i), _moment_ns(line, i)
        step = _step(last.cpu_s[i], line.cpu_s[i])
        if after_ns > before_ns or isnan(step):
            self._held[i] = step * NS / (after_ns - before_ns) if after_ns > before_ns else step
        return self._held.get(i, float("nan"))


def groups_of(instances: Sequence[Instance]) -> dict[str, tuple[int, ...]]:
    """Return the positions of the instances of each twin and of the generator, by name."""
    groups: dict[str, list[int]] = {}
    for position, one in enumerate(instances):
        name = one.twin if one.role == "target" else one.role
        if name is not None and one.role != "host":
            groups.setdefault(name, []).append(position)
    return {name: tuple(positions) for name, positions in groups.items()}


def _plus(one: int | None, two: int | None) -> int | None:
    return one if two is None else (one or 0) + two


def _most(one: N | None, two: N | None) -> N | None:
    if one is None or two is None:
        return two if one is None else one
    return max(one, two)


def _sum_told(values: Sequence[int | None]) -> int | None:
    told = [value for value in values if value is not None]
    return sum(told) if told else None


def _moment_ns(line: UsageLine, i: int) -> int:
    sampled_ns = line.sampled_ns[i] if line.sampled_ns else None
    return line.t_ns if sampled_ns is None else sampled_ns


def _steps(last: UsageLine, line: UsageLine) -> list[float] | None:
    """Return what each instance used between two samples of all at once; None when one of them is not known."""
    try:
        return [after - before for after, before in zip(line.cpu_s, last.cpu_s, strict=True)]  # type: ignore[operator]
    except TypeError:
        return None


def _step(before: float | None, after: float | None) -> float:
    return float("nan") if before is None or after is None else after - before
